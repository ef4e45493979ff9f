//! The models' rules and the crate's code held together: whole epochs of real [`Epoch`]s.
//!
//! **Everything that the code says, the rules allow**: under random schedules and liars each vote that an
//! honest seat casts must be [possible](Power::Possible) by [`crate::rules`] after what was said before it.
//! **Everything that the rules demand, the code says**: once all is delivered, what is
//! [certain](Power::Certain) has been said. So code that votes earlier, later or otherwise fails here, and the
//! models' verdicts are about it. Then the checker's counterexamples that the code must withstand, step by step.
//!
//! Which of the rules under test the code follows stands in one place, [`Code`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use entente_hbbft::{
    BoolSet, Committee, Digest, Epoch, EpochNumber, Frame, Message, Round, Seat, Setup, Vote,
};

use crate::instance::{AllReady, TermRound};
use crate::rng::Rng;
use crate::rules::{BOTH, Power, Set, Size, Tally, backed_by_terms, echoed, estimate};

/// What the models' toggles are in the code as it stands. A change of the code's rules is a change here, and of
/// the models that speak for it.
struct Code;

impl Code {
    /// Fixed coins of rounds 0 and 1 for all proposers; later ones may be either for all that the check knows.
    const COINS: [bool; 2] = [true, false];
    /// The first round with CONF.
    const CONF_FROM: Round = Round(2);
    /// Which round a TERM names: `Agreement::decide`.
    const TERM_ROUND: TermRound = TermRound::Reached;
    /// Whether 1 is decided on READY of all, [`AllReady::Ordered`].
    const ALL_READY: AllReady = AllReady::Ordered;
    /// Whether a seat that has decided 1 votes on `weak` READY as on acceptance.
    const WEAK_ACCEPTS: bool = false;

    fn has_conf(round: Round) -> bool {
        round >= Self::CONF_FROM
    }
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
    /// READY stands before any BVAL(0) of round 0.
    ready_first: bool,
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
        if Code::has_conf(round) {
            tally.settled_by_conf(self.size, power)
        } else {
            tally.settled_by_aux(self.size, power)
        }
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
                let tally = self.tally(round, self.digest());
                let early = Code::WEAK_ACCEPTS
                    && (round, value) == (Round(0), true)
                    && said.term.is_some_and(|(_, term)| term)
                    && tally.backed(true, size, power);
                once && (early || tally.accepted(value, size, power))
            }
            Message::Conf { round, values, .. } => {
                let aux = self.has(seat, round, &[Vote::Aux(false), Vote::Aux(true)]);
                Code::has_conf(round)
                    && aux
                    && self.tally(round, self.digest()).settled_by_aux(size, power)[set(values)]
            }
            Message::Term { round, value, .. } => {
                let by_coin = Code::COINS.get(usize::from(round.0)).is_none_or(|coin| *coin == value)
                    && self.leaves(round, power)[usize::from(value)];
                // No lower than the first TERM of an honest seat.
                let reaches = |term: (Round, bool)| term.1 == value && term.0 <= round;
                let by_terms = backed_by_terms(self.terms(value), size, power)
                    && (Code::TERM_ROUND == TermRound::Own
                        || self.said.values().filter_map(|said| said.term).any(reaches));
                let by_ready = Code::ALL_READY == AllReady::Ordered
                    && (Code::COINS[0], round, value) == (true, Round(0), true)
                    && self.said.values().all(|said| said.ready_first);
                said.term.is_none() && (by_coin || by_terms || by_ready)
            }
        }
    }

    fn record(&mut self, seat: Seat, message: Message) {
        let said = self.said.entry(seat).or_default();
        match message {
            Message::Propose(_) => {}
            Message::Echo { digest, .. } => said.echo = Some(digest),
            Message::Ready { digest, .. } => {
                said.ready = Some(digest);
                said.ready_first = !said.votes.contains(&(Round(0), Vote::Bval(false)));
            }
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
            if Code::has_conf(round) && settled && !self.has(seat, round, &confs) {
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
        let mut world =
            Self { rng: Rng::new(rng.next()), committee, epochs, links: BTreeMap::new(), instances };
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
            let ready: Vec<(usize, usize)> =
                self.links.iter().filter(|(_, frames)| !frames.is_empty()).map(|(link, _)| *link).collect();
            if ready.is_empty() && lies == 0 {
                break;
            }
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
                panic!(
                    "n = {n}, seed {seed}: {seat} owes {owed} on {}: {:?}",
                    instance.proposer, instance.said
                );
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

/// Whose agreement the script is about; a liar.
const TARGET: Seat = Seat(6);

/// Seven seats, the last two of them the test's: nothing moves but what it delivers.
struct Script {
    epochs: Vec<Epoch>,
    /// By sender and receiver.
    links: BTreeMap<(u16, u16), VecDeque<Frame>>,
}

impl Script {
    fn new() -> Self {
        let committee = Committee::new(7).expect("a size");
        let epoch = |seat| {
            let setup = Setup::new(committee, Some(Seat(seat)), b"models").expect("the seat is in");
            Epoch::new(&setup, EpochNumber(1))
        };
        Self { epochs: (0..5).map(epoch).collect(), links: BTreeMap::new() }
    }

    fn say(&mut self, from: u16, messages: &[Message]) {
        if messages.is_empty() {
            return;
        }
        for to in (0..5).filter(|to| *to != from) {
            self.links.entry((from, to)).or_default().push_back(Frame::pack(messages.iter().copied()));
        }
    }

    fn hear(&mut self, from: u16, to: u16, frame: &Frame) -> Vec<Message> {
        let step = self.epochs[usize::from(to)].receive(Seat(from), frame).expect("acceptable");
        self.say(to, &step.messages);
        step.messages
    }

    /// Liars say this to one seat; what it says to that.
    fn lie(&mut self, liars: &[u16], to: u16, message: Message) -> Vec<Message> {
        liars.iter().flat_map(|liar| self.hear(*liar, to, &Frame::pack([message]))).collect()
    }

    /// Delivers what honest seats have said so far up to the frame that carries `last`, which they have said.
    fn pass(&mut self, from: &[u16], to: u16, last: Message) -> Vec<Message> {
        let mut said = Vec::new();
        for sender in from {
            loop {
                let frames = self.links.get_mut(&(*sender, to));
                let frame = frames.and_then(VecDeque::pop_front).expect("it has said so");
                said.extend(self.hear(*sender, to, &frame));
                if frame.messages().any(|message| message == last) {
                    break;
                }
            }
        }
        said
    }

    /// Delivers all that honest seats have said and will say.
    fn settle(&mut self) {
        while let Some(link) = self.links.iter().find(|(_, frames)| !frames.is_empty()).map(|(link, _)| *link)
        {
            let frame = self.links.get_mut(&link).and_then(VecDeque::pop_front).expect("not empty");
            self.hear(link.0, link.1, &frame);
        }
    }
}

fn vote(round: u16, vote: Vote) -> Message {
    Message::vote(TARGET, Round(round), vote)
}

/// The checker's way to starvation with two liars where the TERM of a seat that decides by the TERMs of others
/// names its own round ([`TermRound::Own`]). Seat 4 is held back in round 0 while seats 0 to 3 come to round 1 with
/// estimates 1, 0, 0, 0. There seat 1 decides 0 with the liars' help; their TERMs and its own make seat 4 say
/// TERM(0) of round 0. From then on seat 4 counts for 0 in round 1 and cannot amplify BVAL(1) there, which
/// lacks one vote for ever, while 0 lacks the AUX and CONF of seat 0, which said 1.
#[test]
fn a_term_waits_for_its_round_or_two_liars_would_starve_others() {
    let digest = Digest::of(WORD);
    let (propose, echo) = (Message::Propose(digest), Message::Echo { proposer: TARGET, digest });
    let ready = Message::Ready { proposer: TARGET, digest };
    let bval = |round, value| vote(round, Vote::Bval(value));
    let aux = |round, value| vote(round, Vote::Aux(value));
    let others = |seat: u16, of: &[u16]| of.iter().copied().filter(|from| *from != seat).collect::<Vec<_>>();
    let mut script = Script::new();

    // Round 0. Seat 4 inputs 0, seats 0 to 3 are ready.
    script.epochs[4].restore_own(&Frame::pack([bval(0, false)])).expect("the first");
    script.say(4, &[bval(0, false)]);
    for seat in 0..4 {
        script.lie(&[6], seat, propose);
        let step = script.epochs[usize::from(seat)].deliver(WORD.to_vec());
        assert_eq!(step.messages, [echo]);
        script.say(seat, &step.messages);
    }
    for seat in 0..4 {
        script.pass(&others(seat, &[0, 1, 2, 3]), seat, echo);
        assert_eq!(script.lie(&[5], seat, echo), [ready]);
    }
    // Seats 1 to 4 accept 0 first, seat 0 accepts 1 first; with time all accept 0.
    for seat in 1..4 {
        script.pass(&[4], seat, bval(0, false));
        assert_eq!(script.lie(&[5, 6], seat, bval(0, false)), [bval(0, false)]);
    }
    for (seat, from) in [(1, 2), (2, 1), (3, 1)] {
        assert_eq!(script.pass(&[from], seat, bval(0, false)), [aux(0, false)]);
    }
    script.lie(&[5, 6], 4, bval(0, false));
    assert_eq!(script.pass(&[1, 2], 4, bval(0, false)), [aux(0, false)]);
    script.pass(&[1, 2, 3], 0, ready);
    assert_eq!(script.lie(&[5], 0, ready), [aux(0, true)]);
    assert_eq!(script.pass(&[1, 2, 3], 0, bval(0, false)), [bval(0, false)]);
    script.pass(&[4], 0, bval(0, false));
    assert_eq!(script.pass(&[0], 4, ready), [ready]);
    // Seat 0 leaves with both and follows the coin, the others with 0.
    script.pass(&[1, 2], 0, aux(0, false));
    assert_eq!(script.lie(&[5, 6], 0, aux(0, true)), [bval(1, true)]);
    for seat in 1..4 {
        script.pass(&others(seat, &[1, 2, 3, 4]), seat, aux(0, false));
        assert_eq!(script.lie(&[5], seat, aux(0, false)), [bval(1, false)]);
    }

    // Round 1, coin 0. Seat 0 amplifies 0; seats 1 to 3 accept 0; BVAL(1) spreads to all four of them.
    assert_eq!(script.pass(&[1, 2, 3], 0, bval(1, false)), [bval(1, false)]);
    for seat in 1..4 {
        script.pass(&others(seat, &[0, 1, 2, 3]), seat, bval(1, false));
        assert_eq!(script.lie(&[5], seat, bval(1, false)), [aux(1, false)]);
    }
    assert_eq!(script.lie(&[5, 6], 1, bval(1, true)), [bval(1, true)]);
    script.pass(&[1], 2, bval(1, true));
    assert_eq!(script.lie(&[5], 2, bval(1, true)), [bval(1, true)]);
    assert_eq!(script.pass(&[1, 2], 3, bval(1, true)), [bval(1, true)]);
    script.pass(&[1, 2, 3], 0, bval(1, true));
    assert_eq!(script.lie(&[5], 0, bval(1, true)), [aux(1, true)]);
    // Seat 1 decides.
    for from in [2, 3] {
        if script.links[&(from, 1)].iter().flat_map(Frame::messages).any(|said| said == aux(1, false)) {
            script.pass(&[from], 1, aux(1, false));
        }
    }
    let term = vote(1, Vote::Term(false));
    assert_eq!(script.lie(&[5, 6], 1, aux(1, false)), [term]);
    // Seat 4, still in round 0, decides by TERMs.
    script.pass(&[1], 4, term);
    let said = script.lie(&[5, 6], 4, term);
    assert_eq!(script.epochs[4].decision(TARGET), Some(false));
    script.settle();

    let decided: Vec<_> = script.epochs.iter().map(|epoch| epoch.decision(TARGET)).collect();
    match Code::TERM_ROUND {
        TermRound::Own => {
            assert_eq!(said, [vote(0, Vote::Term(false))]);
            assert_eq!(decided, [None, Some(false), None, None, Some(false)]);
        }
        TermRound::Backed => {
            assert_eq!(said, [term]);
            assert_eq!(decided, [Some(false); 5]);
        }
        TermRound::Reached => {
            assert_eq!(said, []);
            assert_eq!(decided, [Some(false); 5]);
        }
    }
}
