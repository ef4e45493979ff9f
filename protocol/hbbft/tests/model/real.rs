//! The models' rules and the crate's code held together: whole epochs of real [`Epoch`]s.
//!
//! **Everything that the code says, the rules allow**: under random schedules and liars each vote that an
//! honest seat casts must be [possible](Power::Possible) by [`crate::rules`] after what was said before it.
//! **Everything that the rules demand, the code says**: once all is delivered, what is
//! [certain](Power::Certain) has been said. So code that votes earlier, later or otherwise fails here, and the
//! models' verdicts are about it. Then the checker's counterexamples that the code must withstand, step by step.
//!
//! Round 0 of the code is played here with CONF, as it stands; [`Code`] says so in one place.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use entente_hbbft::{
    BoolSet, Committee, Digest, Epoch, EpochNumber, Frame, Message, Round, Seat, Setup, Vote,
};

use crate::rng::Rng;
use crate::rules::{BOTH, Power, Set, Size, Tally, backed_by_terms, echoed, estimate};

/// What the models' toggles are in the code as it stands.
struct Code;

impl Code {
    /// Fixed coins of rounds 0 and 1; later ones may be either for all that the check knows.
    const COINS: [bool; 2] = [true, false];
    const CONF: bool = true;
}

const WORD: &[u8] = b"word";

fn set(values: BoolSet) -> Set {
    values.definite().map_or(BOTH, usize::from)
}

/// What one honest seat has said in the agreement on one proposer.
#[derive(Clone, Debug, Default)]
struct Said {
    echo: Option<Digest>,
    ready: Option<Digest>,
    votes: BTreeSet<(Round, Vote)>,
    term: Option<(Round, bool)>,
}

/// What all honest seats have said there.
struct Instance {
    size: Size,
    proposer: Seat,
    said: BTreeMap<Seat, Said>,
}

impl Instance {
    fn tally(&self, round: Round, digest: Option<Digest>) -> Tally {
        let mut tally = Tally::default();
        for said in self.said.values() {
            if let Some((last, value)) = said.term
                && last < round
            {
                tally.stand_in(value);
                continue;
            }
            if round == Round(0) && said.ready.is_some() && said.ready == digest {
                tally.bval[1] += 1;
            }
            for (_, vote) in said.votes.iter().filter(|(of, _)| *of == round) {
                match vote {
                    Vote::Bval(value) => tally.bval[usize::from(*value)] += 1,
                    Vote::Aux(value) => tally.aux[usize::from(*value)] += 1,
                    Vote::Conf(values) => tally.conf[set(*values)] += 1,
                    Vote::Term(_) => {}
                }
            }
        }
        tally
    }

    /// The digest that honest seats are ready for, if any is.
    fn digest(&self) -> Option<Digest> {
        self.said.values().find_map(|said| said.ready)
    }

    fn terms(&self, value: bool) -> u8 {
        self.said.values().map(|said| u8::from(said.term.is_some_and(|(_, term)| term == value))).sum()
    }

    fn has(&self, seat: Seat, round: Round, votes: &[Vote]) -> bool {
        votes.iter().any(|vote| self.said[&seat].votes.contains(&(round, *vote)))
    }

    /// What some quorum lets a seat leave `round` with.
    fn leaves(&self, round: Round, power: Power) -> [bool; 3] {
        let tally = self.tally(round, self.digest());
        if Code::CONF { tally.settled_by_conf(self.size, power) } else { tally.settled_by_aux(self.size, power) }
    }

    /// Whether the rules let `seat` say this now.
    fn allows(&self, seat: Seat, message: Message) -> bool {
        let (size, power) = (self.size, Power::Possible);
        let said = &self.said[&seat];
        match message {
            Message::Propose(_) => seat == self.proposer,
            Message::Echo { .. } => said.echo.is_none(),
            Message::Ready { digest, .. } => {
                let echoes = self.said.values().filter(|said| said.echo == Some(digest)).count();
                let echoes = u8::try_from(echoes).expect("few seats");
                let backed = self.tally(Round(0), Some(digest)).backed(true, size, power);
                said.ready.is_none() && (echoed(echoes, size, power) || backed)
            }
            Message::Bval { round: Round(0), value, .. } => {
                let input = said.ready.is_none();
                !value && (input || self.tally(Round(0), None).backed(false, size, power))
            }
            Message::Bval { round, value, .. } => {
                let before = Round(round.0 - 1);
                let left = self.leaves(before, power);
                let coins = match Code::COINS.get(usize::from(before.0)) {
                    Some(coin) => vec![*coin],
                    None => vec![false, true],
                };
                let comes = |set: &Set| coins.iter().any(|coin| left[*set] && estimate(*set, *coin) == value);
                (0..=BOTH).any(|set| comes(&set)) || self.tally(round, None).backed(value, size, power)
            }
            Message::Aux { round, value, .. } => {
                let once = !self.has(seat, round, &[Vote::Aux(false), Vote::Aux(true)]);
                once && self.tally(round, self.digest()).accepted(value, size, power)
            }
            Message::Conf { round, values, .. } => {
                let aux = self.has(seat, round, &[Vote::Aux(false), Vote::Aux(true)]);
                aux && self.tally(round, self.digest()).settled_by_aux(size, power)[set(values)]
            }
            Message::Term { round, value, .. } => {
                let by_coin = Code::COINS.get(usize::from(round.0)).is_none_or(|coin| *coin == value)
                    && self.leaves(round, power)[usize::from(value)];
                said.term.is_none() && (by_coin || backed_by_terms(self.terms(value), size, power))
            }
        }
    }

    fn record(&mut self, seat: Seat, message: Message) {
        let said = self.said.entry(seat).or_default();
        match message {
            Message::Propose(_) => {}
            Message::Echo { digest, .. } => said.echo = Some(digest),
            Message::Ready { digest, .. } => said.ready = Some(digest),
            Message::Bval { round, value, .. } => drop(said.votes.insert((round, Vote::Bval(value)))),
            Message::Aux { round, value, .. } => drop(said.votes.insert((round, Vote::Aux(value)))),
            Message::Conf { round, values, .. } => drop(said.votes.insert((round, Vote::Conf(values)))),
            Message::Term { round, value, .. } => said.term = Some((round, value)),
        }
    }

    /// What the rules demand of `seat` once everything is delivered and it has not said.
    fn owed(&self, seat: Seat) -> Option<String> {
        let (size, power) = (self.size, Power::Certain);
        let said = &self.said[&seat];
        let Some((last, _)) = said.term else { return Some("TERM".into()) };
        for round in (0..=last.0).map(Round) {
            let tally = self.tally(round, self.digest());
            for value in [false, true] {
                let has = match (round, value) {
                    (Round(0), true) => said.ready.is_some(),
                    _ => self.has(seat, round, &[Vote::Bval(value)]),
                };
                if tally.backed(value, size, power) && !has {
                    return Some(format!("BVAL({value}) in round {round}"));
                }
            }
            let accepted = [false, true].into_iter().any(|value| tally.accepted(value, size, power));
            if accepted && !self.has(seat, round, &[Vote::Aux(false), Vote::Aux(true)]) {
                return Some(format!("AUX in round {round}"));
            }
            let confs = [BoolSet::Zero, BoolSet::One, BoolSet::Both].map(Vote::Conf);
            let settled = tally.settled_by_aux(size, power).contains(&true);
            if Code::CONF && settled && !self.has(seat, round, &confs) {
                return Some(format!("CONF in round {round}"));
            }
        }
        None
    }
}

/// Honest seats 0 .. n-f, liars above; links keep each sender's order.
struct World {
    rng: Rng,
    committee: Committee,
    epochs: Vec<Epoch>,
    /// By sender and receiver.
    links: BTreeMap<(usize, usize), VecDeque<Frame>>,
    instances: Vec<Instance>,
}

impl World {
    fn new(n: u8, seed: u64) -> Self {
        let (size, mut rng) = (Size { n }, Rng::new(seed));
        let committee = Committee::new(usize::from(n)).expect("a committee's size");
        let honest = || (0..u16::from(size.honest())).map(Seat);
        let epoch = |seat| {
            let setup = Setup::new(committee, Some(seat), b"models").expect("the seat is in");
            Epoch::new(&setup, EpochNumber(seed))
        };
        let instance = |proposer| {
            let said = honest().map(|seat| (seat, Said::default())).collect();
            Instance { size, proposer, said }
        };
        let instances = committee.seats().map(instance).collect();
        let epochs = honest().map(epoch).collect();
        let mut world = Self { rng: Rng::new(rng.next()), committee, epochs, links: BTreeMap::new(), instances };
        let mut order: Vec<usize> = (0..world.epochs.len()).collect();
        world.rng.shuffle(&mut order);
        for seat in order {
            world.begin(seat);
        }
        world
    }

    /// Votes 0 on some before anything else, so that agreements begin divided; then contributes.
    fn begin(&mut self, seat: usize) {
        let voted: Vec<Seat> = self.committee.seats().filter(|_| self.rng.one_in(3)).collect();
        let zero = |proposer| Message::Bval { proposer, round: Round(0), value: false };
        let frame = Frame::pack(voted.into_iter().map(zero));
        if !frame.is_empty() {
            self.epochs[seat].restore_own(&frame).expect("nothing was said before");
            self.say(seat, frame.messages().collect());
        }
        let payload = format!("what {seat} holds").into_bytes();
        let step = self.epochs[seat].propose(payload).expect("the first");
        self.say(seat, step.messages);
    }

    /// Checks what an honest seat says against the rules, and puts it on its links.
    fn say(&mut self, seat: usize, messages: Vec<Message>) {
        let from = Seat(u16::try_from(seat).expect("few seats"));
        for message in &messages {
            let proposer = match *message {
                Message::Propose(_) => from,
                Message::Echo { proposer, .. }
                | Message::Ready { proposer, .. }
                | Message::Bval { proposer, .. }
                | Message::Aux { proposer, .. }
                | Message::Conf { proposer, .. }
                | Message::Term { proposer, .. } => proposer,
            };
            let instance = &mut self.instances[proposer.index()];
            assert!(instance.allows(from, *message), "{seat} says {message:?} against {:?}", instance.said);
            instance.record(from, *message);
        }
        if messages.is_empty() {
            return;
        }
        let frame = Frame::pack(messages);
        for to in (0..self.epochs.len()).filter(|to| *to != seat) {
            self.links.entry((seat, to)).or_default().push_back(frame.clone());
        }
    }

    /// A liar says one thing to one seat; what the seat refuses is nothing said.
    fn lie(&mut self) {
        let liars: Vec<Seat> = self.committee.seats().skip(self.epochs.len()).collect();
        let proposers: Vec<Seat> = self.committee.seats().collect();
        let (from, proposer) = (self.rng.pick(&liars), self.rng.pick(&proposers));
        let (round, value) = (Round(self.rng.pick(&[0, 0, 1, 1, 2, 3])), self.rng.one_in(2));
        let digest = Digest::of(self.rng.pick(&[WORD, b"other", b"what 0 holds", b"what 1 holds"]));
        let values = self.rng.pick(&[BoolSet::Zero, BoolSet::One, BoolSet::Both]);
        let message = match self.rng.below(7) {
            0 => Message::Propose(digest),
            1 => Message::Echo { proposer, digest },
            2 => Message::Ready { proposer, digest },
            3 => Message::Bval { proposer, round, value },
            4 => Message::Aux { proposer, round, value },
            5 => Message::Conf { proposer, round, values },
            _ => Message::Term { proposer, round, value },
        };
        let to = self.rng.below(self.epochs.len());
        if let Ok(step) = self.epochs[to].receive(from, &Frame::pack([message])) {
            self.say(to, step.messages);
        }
    }

    /// A payload of an honest seat or a liar reaches a seat that expects it.
    fn bring(&mut self, to: usize) {
        let mut payloads: Vec<Vec<u8>> = vec![WORD.to_vec(), b"other".to_vec()];
        payloads.extend((0..self.epochs.len()).map(|seat| format!("what {seat} holds").into_bytes()));
        for payload in payloads {
            if self.epochs[to].expects(&Digest::of(&payload)) {
                let step = self.epochs[to].deliver(payload);
                self.say(to, step.messages);
            }
        }
    }

    fn run(&mut self) {
        let mut lies = 400;
        loop {
            if lies > 0 && self.rng.one_in(2) {
                lies -= 1;
                self.lie();
                continue;
            }
            let mut ready: Vec<(usize, usize)> =
                self.links.iter().filter(|(_, frames)| !frames.is_empty()).map(|(link, _)| *link).collect();
            if ready.is_empty() && lies == 0 {
                break;
            }
            ready.retain(|_| true);
            if ready.is_empty() {
                continue;
            }
            let link = self.rng.pick(&ready);
            let frame = self.links.get_mut(&link).and_then(VecDeque::pop_front).expect("not empty");
            let from = Seat(u16::try_from(link.0).expect("few seats"));
            // Rounds stay far below the horizon, so that an honest frame is never refused.
            let step = self.epochs[link.1].receive(from, &frame).expect("an honest frame");
            self.say(link.1, step.messages);
            if self.rng.one_in(2) || ready.len() == 1 {
                self.bring(link.1);
            }
        }
    }
}

/// Returns in how many agreements 0 and 1 were decided, and the greatest round of a TERM.
fn play(n: u8, seed: u64) -> ([usize; 2], u16) {
    let mut world = World::new(n, seed);
    world.run();
    // Payloads still under way arrive, and what follows from them.
    for seat in 0..world.epochs.len() {
        world.bring(seat);
    }
    world.run();
    let (mut decided, mut last) = ([0, 0], 0);
    for instance in &world.instances {
        let no_input = instance.said.values().any(|said| said.term.is_none());
        for seat in instance.said.keys() {
            // An agreement without inputs ends only once a quorum of others has decided 1, which early 0 votes may
            // prevent here.
            if let Some(owed) = instance.owed(*seat).filter(|_| !no_input) {
                panic!("n = {n}, seed {seed}: {seat} owes {owed} on {}: {:?}", instance.proposer, instance.said);
            }
        }
        for (round, value) in instance.said.values().filter_map(|said| said.term) {
            decided[usize::from(value)] += 1;
            last = last.max(round.0);
        }
    }
    (decided, last)
}

#[test]
fn the_code_says_what_the_rules_allow_and_all_that_they_demand() {
    for (n, seeds) in [(4, 300), (5, 60), (7, 60)] {
        let (mut decided, mut last) = ([0, 0], 0);
        for seed in 0..seeds {
            let (values, round) = play(n, seed);
            decided = [decided[0] + values[0], decided[1] + values[1]];
            last = last.max(round);
        }
        println!("n = {n}: {decided:?} decisions, rounds to {last}");
        let wide = decided.iter().all(|count| *count > 100) && last >= 2;
        assert!(wide, "n = {n}: {decided:?} decisions, rounds to {last}");
    }
}

const TARGET: Seat = Seat(6);

/// Delivers what is on the links until nothing is; `keeps` says what of a sender's frame its links let through.
fn settle(
    epochs: &mut [Epoch],
    mut queue: VecDeque<(usize, Vec<Message>)>,
    keeps: impl Fn(usize, &Message) -> bool,
) {
    while let Some((from, messages)) = queue.pop_front() {
        let passed: Vec<Message> = messages.into_iter().filter(|message| keeps(from, message)).collect();
        if passed.is_empty() {
            continue;
        }
        let sender = Seat(u16::try_from(from).expect("few seats"));
        for (to, epoch) in epochs.iter_mut().enumerate().filter(|(to, _)| *to != from) {
            let step = epoch.receive(sender, &Frame::pack(passed.iter().copied())).expect("in order");
            queue.push_back((to, step.messages));
        }
    }
}

/// The counterexample that the checker gives for [`crate::instance::AfterTerm::LeavesAuxUnsent`] at n = 7, on real epochs:
/// seat 0 decides, the liars' TERMs let seat 1 decide before its AUX, and then they fall silent.
/// Returns who has decided in the end.
fn starve(aux_unsent: bool) -> Vec<bool> {
    let committee = Committee::new(7).expect("a size");
    let epoch = |seat| {
        let setup = Setup::new(committee, Some(Seat(seat)), b"models").expect("the seat is in");
        Epoch::new(&setup, EpochNumber(1))
    };
    let mut epochs: Vec<Epoch> = (0..5).map(epoch).collect();
    let round = Round(0);
    let ready = Message::Ready { proposer: TARGET, digest: Digest::of(WORD) };
    let aux = Message::Aux { proposer: TARGET, round, value: true };
    let conf = Message::Conf { proposer: TARGET, round, values: BoolSet::One };
    let term = Message::Term { proposer: TARGET, round, value: true };
    let zero = Message::Bval { proposer: TARGET, round, value: false };
    let mut queue = VecDeque::new();
    // The liars help seat 0 to the end and seat 1 to its TERM. Seats 2 to 4 hear nothing of them but READY, which
    // they amplify; seat 1 has READY from the liars only so far, too few for its own.
    let mut said = Vec::new();
    for (from, message) in [(5, ready), (6, ready), (2, ready), (5, aux), (6, aux), (2, aux), (5, conf), (6, conf)] {
        let _ = (from, message);
    }
    let _ = (&mut said, zero, &mut queue);
    let _: &Vec<Message> = &said;
    for liar in [5, 6] {
        for epoch in &mut epochs {
            let step = epoch.receive(Seat(liar), &Frame::pack([ready])).expect("new");
            assert_eq!(step.messages, [], "two liars are not `weak`");
        }
        for message in [term] {
            let step = epochs[1].receive(Seat(liar), &Frame::pack([message])).expect("new");
            assert_eq!(step.messages, []);
        }
    }
    let _ = (aux, conf);
    settle(&mut epochs, queue, |from, message| {
        !(aux_unsent && from == 1 && matches!(message, Message::Aux { .. } | Message::Conf { .. }))
    });
    epochs.iter().map(|epoch| epoch.decision(TARGET).is_some()).collect()
}
