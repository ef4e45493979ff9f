//! One agreement with its broadcast, round by round: agreement, validity and the absence of starvation.
//!
//! **Rounds as layers.** What a seat says in round r rests on votes of round r, on its estimate and on TERMs.
//! So any run can be told in an order in which all votes of round r come before those of round r + 1, with the
//! same end; only a seat that never leaves a round may decide late, by others' TERM. The model explores runs told
//! like that: per seat the votes of the current layer only, who is *behind* in a lower round, and who decided.
//!
//! **Input.** A seat may see a quorum of ECHO for the one digest D that honest seats can be ready for
//! ([`crate::broadcast`] shows that there is one at most) whenever the scheduler likes; it may input 0 while it has no READY, and must have
//! some input in the end (`Subset::input_zeros`). READY for the liar's D' is no vote for D, like silence.
//!
//! **Not in the model**: restarts, the horizon of rounds, frames, payloads; more than three rounds (what leaves
//! the last one is required to agree with all decisions).

use stateright::{Model, Property};

use crate::rules::{BOTH, Power, Set, Size, Tally, backed_by_terms, estimate};

/// The last layer.
const LAST: u8 = 2;

/// What a seat does for rounds up to its TERM's after it has decided by the TERMs of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterTerm {
    /// The rule: amplifies BVAL and READY, and sends the AUX and CONF that it owes.
    Votes,
    /// Amplifies only.
    LeavesAuxUnsent,
    /// Says nothing more.
    Silent,
}

/// Which round the TERM of a seat names that decides by the TERMs of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TermRound {
    /// Its own.
    Own,
    /// At least the least round that `weak` of those TERMs do not exceed: no lower than the first in which an
    /// honest seat decided. It votes up to there as if undecided. (The liars may make it later than that.)
    Backed,
    /// Its own, and the TERM leaves once that is not below the round of [`TermRound::Backed`]. Until then the seat
    /// knows the outcome and votes as if undecided.
    Reached,
}

/// Deciding 1 in round 0 on READY of all seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AllReady {
    /// Not at all.
    Off,
    /// The rule: each READY stands in its chain before any BVAL(0), and the own BVAL(0) is unsent.
    Ordered,
    /// The same without looking at the own BVAL(0), which the rule names too.
    OrderedOwnZeroIgnored,
    /// In whatever order READY and BVAL(0) stand in the chains of the others.
    OthersUnordered,
    /// READY of a quorum, each before any BVAL(0).
    QuorumOrdered,
}

/// The rules under test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) size: Size,
    /// By round, whether CONF stands between AUX and the coin.
    pub(crate) conf: [bool; 3],
    /// The coins of rounds 0 and 1; that of round 2 may fall either way.
    pub(crate) coins: [bool; 2],
    pub(crate) all_ready: AllReady,
    pub(crate) after_term: AfterTerm,
    pub(crate) term_round: TermRound,
    /// Whether TERM counts as the votes of later rounds, and `weak` TERM decide.
    pub(crate) term_votes: bool,
    pub(crate) term_decides: bool,
    /// Whether a seat that has decided 1 takes `weak` READY for acceptance in its votes, too.
    pub(crate) weak_accepts: bool,
    /// How many rounds are played, at most three.
    pub(crate) rounds: u8,
}

impl Rules {
    /// As they are in `src/`: no CONF in the rounds of fixed coins, the first of which is `first`.
    pub(crate) fn in_the_code(n: u8, first: bool) -> Self {
        Self {
            size: Size { n },
            conf: [false, false, true],
            coins: [first, !first],
            all_ready: if first { AllReady::Ordered } else { AllReady::Off },
            after_term: AfterTerm::Votes,
            term_round: TermRound::Reached,
            term_votes: true,
            term_decides: true,
            weak_accepts: false,
            rounds: LAST + 1,
        }
    }

    /// As in the papers: CONF in every round, first coins 1 and 0, and no short way.
    pub(crate) fn in_the_papers(n: u8) -> Self {
        Self { conf: [true; 3], all_ready: AllReady::Off, ..Self::in_the_code(n, true) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// In the layer's round.
    Voting,
    /// Has left it with this estimate.
    Left(bool),
    /// Its TERM names the layer's round: it still votes there and goes no further.
    Rests,
    /// Its TERM names a lower round: it counts as votes.
    Stands,
    /// Has not left a lower round; `due` if only the scheduler held it back there.
    Behind { due: bool },
}

/// What an honest seat has said in the layer's round, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seat {
    pub(crate) place: Place,
    /// What it has decided, and said in its TERM.
    pub(crate) decided: Option<bool>,
    /// By value; in round 0 the second is READY.
    pub(crate) bval: [bool; 2],
    /// In round 0: READY stands in its chain and no BVAL(0) does before it.
    ready_first: bool,
    pub(crate) aux: Option<bool>,
    pub(crate) conf: Option<Set>,
    /// Has voted on `weak` READY before the TERMs came, in this telling, that make it decide 1: so they must come.
    pledged: bool,
}

impl Seat {
    fn new(place: Place) -> Self {
        Self {
            place,
            decided: None,
            bval: [false; 2],
            ready_first: false,
            aux: None,
            conf: None,
            pledged: false,
        }
    }

    /// Whether it votes in the layer's round.
    fn is_here(&self) -> bool {
        matches!(self.place, Place::Voting | Place::Left(_) | Place::Rests)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) layer: u8,
    coin: bool,
    /// Sorted: seats have no names, so that states which differ in names only are one.
    pub(crate) seats: Vec<Seat>,
    /// An honest seat has input 0.
    zero_input: bool,
    /// In a layer above 0: READY(D) of `weak` honest seats, so that all will accept D.
    deliverable: bool,
    /// All that entered this layer did so with this estimate, and no TERM says otherwise.
    unanimous: Option<bool>,
    /// The lowest layer in which an honest seat decided.
    first_term: Option<u8>,
    /// Some vote of a lower layer was never delivered though all of it must be: no end of a run.
    cut_short: bool,
}

/// What a seat (by its place in the sorted list) does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Ready(usize),
    InputZero(usize),
    Bval(usize, bool),
    Aux(usize, bool),
    /// AUX(1) on `weak` READY.
    EarlyAux(usize),
    Conf(usize, Set),
    /// Leaves the round, or decides in it.
    Close(usize, Set),
    /// Decides on the TERM of others.
    Term(usize, bool),
    /// Its TERM names the layer's round.
    Rest(usize),
    /// Its TERM names a lower round, which it has not come to yet.
    Stand(usize),
    /// Decides 1 on the READY of all.
    AllReady(usize),
    /// Nothing more happens in this layer; the coin of the next.
    Next(bool),
}

impl State {
    pub(crate) fn start(rules: &Rules) -> Self {
        Self {
            layer: 0,
            coin: rules.coins[0],
            seats: vec![Seat::new(Place::Voting); usize::from(rules.size.honest())],
            zero_input: false,
            deliverable: false,
            unanimous: None,
            first_term: None,
            cut_short: false,
        }
    }

    fn tally(&self, rules: &Rules) -> Tally {
        let mut tally = Tally::default();
        for seat in &self.seats {
            match seat.place {
                Place::Stands => {
                    if let Some(value) = seat.decided.filter(|_| rules.term_votes) {
                        tally.stand_in(value);
                    }
                }
                Place::Behind { .. } => {}
                _ => {
                    for value in [0, 1] {
                        tally.bval[value] += u8::from(seat.bval[value]);
                    }
                    if let Some(value) = seat.aux {
                        tally.aux[usize::from(value)] += 1;
                    }
                    if let Some(set) = seat.conf {
                        tally.conf[set] += 1;
                    }
                }
            }
        }
        tally
    }

    fn terms(&self, value: bool) -> u8 {
        self.seats.iter().map(|seat| u8::from(seat.decided == Some(value))).sum()
    }

    /// The votes that the seat at `at` may, or must, cast. Restates `Broadcast::advance` and `Agreement::vote`.
    fn votes(&self, at: usize, rules: &Rules, tally: &Tally, power: Power, out: &mut Vec<Action>) {
        let (seat, size) = (&self.seats[at], rules.size);
        if !seat.is_here() {
            return;
        }
        let (mut amplifies, mut votes) = (true, true);
        if seat.decided.is_some() {
            amplifies = rules.after_term != AfterTerm::Silent;
            votes = rules.after_term == AfterTerm::Votes;
        }
        for value in [false, true] {
            if seat.bval[usize::from(value)] || !amplifies {
                continue;
            }
            let backed = tally.backed(value, size, power);
            if self.layer > 0 || !value {
                if backed {
                    out.push(Action::Bval(at, value));
                }
            } else if backed || power == Power::Possible {
                out.push(Action::Ready(at));
            }
        }
        if !votes {
            return;
        }
        if seat.aux.is_none() {
            let accepted = [false, true].into_iter().filter(|value| tally.accepted(*value, size, power));
            out.extend(accepted.map(|value| Action::Aux(at, value)));
            let early = rules.weak_accepts && self.layer == 0 && tally.backed(true, size, power);
            let has_decided = seat.decided == Some(true);
            if early && (has_decided || seat.decided.is_none() && power == Power::Possible) {
                out.push(Action::EarlyAux(at));
            }
        } else if self.has_conf(rules) && seat.conf.is_none() {
            let settled = tally.settled_by_aux(size, power);
            out.extend((0..=BOTH).filter(|set| settled[*set]).map(|set| Action::Conf(at, set)));
        }
    }

    /// What else the seat may, or must, do. Restates `Subset::input_zeros`, `Agreement::close_round` and the middle
    /// of `Agreement::advance`.
    fn steps(&self, at: usize, rules: &Rules, tally: &Tally, power: Power, out: &mut Vec<Action>) {
        let (seat, size) = (&self.seats[at], rules.size);
        if self.layer == 0 && seat.decided.is_none() && seat.bval == [false; 2] {
            out.push(Action::InputZero(at));
        }
        let closes = if self.has_conf(rules) {
            seat.conf.is_some().then(|| tally.settled_by_conf(size, power))
        } else {
            seat.aux.is_some().then(|| tally.settled_by_aux(size, power))
        };
        let stays = seat.pledged && rules.term_round != TermRound::Reached;
        if let (Place::Voting, false, Some(settled)) = (seat.place, stays, closes) {
            out.extend((0..=BOTH).filter(|set| settled[*set]).map(|set| Action::Close(at, set)));
        }
        let may_term = match seat.place {
            Place::Voting => true,
            // It has not come to the layer of any TERM that it did not hear of while there.
            Place::Behind { .. } => rules.term_round != TermRound::Reached,
            _ => false,
        };
        if rules.term_decides && seat.decided.is_none() && may_term {
            // Who has left decides in the next layer.
            let backed =
                |value: &bool| (*value || !seat.pledged) && backed_by_terms(self.terms(*value), size, power);
            out.extend([false, true].into_iter().filter(backed).map(|value| Action::Term(at, value)));
        }
        if power == Power::Possible && seat.decided.is_some() {
            match seat.place {
                Place::Voting => out.push(Action::Rest(at)),
                Place::Behind { .. } if self.first_term.is_some_and(|first| first < self.layer) => {
                    out.push(Action::Stand(at));
                }
                _ => {}
            }
        }
        if power == Power::Possible && self.decides_on_all_ready(at, rules) {
            out.push(Action::AllReady(at));
        }
    }

    fn decides_on_all_ready(&self, at: usize, rules: &Rules) -> bool {
        let seat = &self.seats[at];
        // A liar's READY is there for whom it likes.
        let ordered = self.seats.iter().filter(|seat| seat.ready_first).count();
        let ready = self.seats.iter().filter(|seat| seat.bval[1]).count();
        let all = self.seats.len();
        let fires = match rules.all_ready {
            AllReady::Off => false,
            AllReady::Ordered => ordered == all && !seat.bval[0],
            AllReady::OrderedOwnZeroIgnored => ordered == all,
            AllReady::OthersUnordered => ready == all && !seat.bval[0],
            AllReady::QuorumOrdered => {
                ordered + usize::from(rules.size.liars()) >= usize::from(rules.size.quorum()) && !seat.bval[0]
            }
        };
        let open = seat.place == Place::Voting && seat.decided.is_none() && !seat.pledged;
        self.layer == 0 && open && seat.aux != Some(false) && fires
    }

    fn has_conf(&self, rules: &Rules) -> bool {
        rules.conf[usize::from(self.layer)]
    }

    fn must(&self, at: usize, rules: &Rules) -> (bool, bool) {
        let tally = self.tally(rules);
        let (mut votes, mut steps) = (Vec::new(), Vec::new());
        self.votes(at, rules, &tally, Power::Certain, &mut votes);
        self.steps(at, rules, &tally, Power::Certain, &mut steps);
        (!votes.is_empty(), !steps.is_empty())
    }

    pub(crate) fn actions(&self, rules: &Rules, out: &mut Vec<Action>) {
        let tally = self.tally(rules);
        for at in 0..self.seats.len() {
            // Of seats alike one is enough.
            if at == 0 || self.seats[at] != self.seats[at - 1] {
                self.votes(at, rules, &tally, Power::Possible, out);
                self.steps(at, rules, &tally, Power::Possible, out);
            }
        }
        let left = self.seats.iter().any(|seat| matches!(seat.place, Place::Left(_)));
        if left && self.layer + 1 < rules.rounds {
            match rules.coins.get(usize::from(self.layer) + 1) {
                Some(coin) => out.push(Action::Next(*coin)),
                None => out.extend([Action::Next(false), Action::Next(true)]),
            }
        }
    }

    /// The seats in the order of before, for who follows one of them.
    pub(crate) fn apply(&self, action: Action, rules: &Rules) -> Self {
        let mut next = self.clone();
        match action {
            Action::Ready(at) => {
                let seat = &mut next.seats[at];
                seat.ready_first = !seat.bval[0];
                seat.bval[1] = true;
            }
            Action::InputZero(at) => {
                next.seats[at].bval[0] = true;
                next.zero_input = true;
            }
            Action::Bval(at, value) => next.seats[at].bval[usize::from(value)] = true,
            Action::Aux(at, value) => next.seats[at].aux = Some(value),
            Action::EarlyAux(at) => {
                let seat = &mut next.seats[at];
                seat.aux = Some(true);
                seat.pledged = seat.decided.is_none();
            }
            Action::Conf(at, set) => next.seats[at].conf = Some(set),
            Action::Close(at, set) if set == usize::from(self.coin) && self.seats[at].decided.is_none() => {
                next.seats[at].place = Place::Rests;
                next.seats[at].decided = Some(self.coin);
            }
            Action::Close(at, set) => next.seats[at].place = Place::Left(estimate(set, self.coin)),
            Action::Term(at, value) => {
                let seat = &mut next.seats[at];
                seat.pledged = false;
                seat.decided = Some(value);
                if rules.term_round != TermRound::Backed {
                    seat.place = if seat.place == Place::Voting { Place::Rests } else { Place::Stands };
                }
            }
            Action::Rest(at) => next.seats[at].place = Place::Rests,
            Action::Stand(at) => {
                // Bound to vote up to there, it still owes what was due.
                next.cut_short |= self.seats[at].place == Place::Behind { due: true };
                next.seats[at].place = Place::Stands;
            }
            Action::AllReady(at) => {
                next.seats[at].aux = Some(true);
                next.seats[at].decided = Some(true);
                next.seats[at].place = Place::Rests;
            }
            Action::Next(coin) => next.descend(coin, rules),
        }
        if next.first_term.is_none() && next.seats.iter().any(|seat| seat.decided.is_some()) {
            next.first_term = Some(next.layer);
        }
        next
    }

    fn descend(&mut self, coin: bool, rules: &Rules) {
        let before = self.clone();
        self.deliverable = before.is_deliverable(rules);
        self.layer += 1;
        self.coin = coin;
        for (at, seat) in self.seats.iter_mut().enumerate() {
            let (votes, steps) = before.must(at, rules);
            let place = seat.place;
            // Undecided seats that would not vote any more once decided may leave the votes out for good.
            let may_leave_out = place == Place::Voting && rules.after_term != AfterTerm::Votes;
            self.cut_short |= votes && !may_leave_out;
            let mut entered = Seat::new(match place {
                Place::Left(_) => Place::Voting,
                Place::Rests | Place::Stands => Place::Stands,
                Place::Voting => Place::Behind { due: votes || steps || seat.pledged },
                Place::Behind { due } => Place::Behind { due },
            });
            if let Place::Left(estimate) = place {
                entered.bval[usize::from(estimate)] = true;
            }
            (entered.decided, entered.pledged) = (seat.decided, seat.pledged);
            *seat = entered;
        }
        let estimates = |value: bool| {
            let says = |seat: &Seat| match seat.place {
                Place::Left(estimate) => estimate == value,
                _ => seat.decided.is_none_or(|decided| decided == value),
            };
            before.seats.iter().all(says)
        };
        self.unanimous = [false, true].into_iter().find(|value| estimates(*value));
    }

    fn is_deliverable(&self, rules: &Rules) -> bool {
        if self.layer > 0 {
            return self.deliverable;
        }
        self.seats.iter().filter(|seat| seat.bval[1]).count() >= usize::from(rules.size.weak())
    }

    /// No two decide differently, and once one has decided nobody leaves the round with another estimate.
    fn agrees(&self, rules: &Rules) -> bool {
        if self.owes_pledge(rules) {
            return true;
        }
        let estimate = |seat: &Seat| match seat.place {
            Place::Left(estimate) => Some(estimate),
            _ => None,
        };
        let decided = self.seats.iter().find_map(|seat| seat.decided);
        let is_it = |value: bool| {
            let said = self.seats.iter().flat_map(|seat| [seat.decided, estimate(seat)]);
            said.flatten().all(|said| said == value)
        };
        decided.is_none_or(is_it)
    }

    /// The TERMs are still missing that let a seat vote early: no state of a run.
    fn owes_pledge(&self, rules: &Rules) -> bool {
        let heard = rules.term_round == TermRound::Reached
            && backed_by_terms(self.terms(true), rules.size, Power::Possible);
        !heard && self.seats.iter().any(|seat| seat.pledged)
    }

    fn is_valid(&self, rules: &Rules) -> bool {
        self.seats
            .iter()
            .filter_map(|seat| seat.decided)
            .all(|value| if value { self.is_deliverable(rules) } else { self.zero_input })
    }

    /// A seat that waits for ever although all that honest seats say is delivered.
    pub(crate) fn starves(&self, rules: &Rules) -> bool {
        let moves_on = |seat: &Seat| matches!(seat.place, Place::Left(_));
        let is_last = self.layer + 1 == rules.rounds;
        if self.owes_pledge(rules) || self.cut_short || !is_last && self.seats.iter().any(moves_on) {
            return false;
        }
        let known = [false, true].into_iter().any(|value| self.terms(value) >= rules.size.weak());
        let waits = |seat: &Seat| {
            !(known && rules.term_decides)
                && seat.decided.is_none()
                && matches!(seat.place, Place::Voting | Place::Behind { due: false })
        };
        let due = |seat: &Seat| seat.place == Place::Behind { due: true };
        let must = |at| {
            let (votes, steps) = self.must(at, rules);
            votes || steps
        };
        self.seats.iter().any(waits) && !self.seats.iter().any(due) && !(0..self.seats.len()).any(must)
    }
}

impl Model for Rules {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::start(self)]
    }

    fn actions(&self, state: &State, out: &mut Vec<Action>) {
        state.actions(self, out);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.apply(action, self);
        next.seats.sort_unstable();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("agreement", |rules: &Self, state: &State| state.agrees(rules)),
            Property::always("validity", |rules: &Self, state: &State| state.is_valid(rules)),
            Property::always("nobody starves", |rules: &Self, state: &State| !state.starves(rules)),
            Property::always("unanimity decides when the coin agrees", |_, state: &State| {
                state.unanimous != Some(state.coin)
                    || !state
                        .seats
                        .iter()
                        .any(|seat| seat.decided.is_none() && matches!(seat.place, Place::Left(_)))
            }),
            // Against an empty model.
            Property::sometimes("all decide 1", |_, state: &State| all_decide(state, true)),
            Property::sometimes("all decide 0", |_, state: &State| all_decide(state, false)),
        ]
    }
}

fn all_decide(state: &State, value: bool) -> bool {
    state.seats.iter().all(|seat| seat.decided == Some(value))
}
