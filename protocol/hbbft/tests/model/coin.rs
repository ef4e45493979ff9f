//! The scheduler against the coin: can it keep the estimates of honest seats apart, whatever the coin shows?
//!
//! A *good* coin is one after which all honest seats have the same estimate; the next round whose coin shows
//! it decides ([`crate::instance`]). The coin of a round becomes known when the first honest seat is done with
//! its votes there, as one honest seat and the liars can make it. At that moment the state is kept: from there
//! on the scheduler, knowing the coin, plays once for each value. It wins the round if it can end it with
//! estimates apart for *both* values, since then no coin is good; winning three rounds in a row from and to
//! estimates apart is the endless run of the published attack on the protocol without CONF (C. Cachin,
//! L. Zanolini, *Asymmetric asynchronous Byzantine consensus*, 2020, section 3; P. Tholoniat, V. Gramoli,
//! *Formal verification of blockchain Byzantine fault tolerance*, 2019, section 6).
//!
//! With [`Entry::Free`] a seat enters the round with any estimate whenever the scheduler likes, so that every
//! history of lower rounds is covered, late seats included, and the scheduler wins already when *some* seat may leave with
//! an estimate against the coin. TERMs of lower rounds are not played: they say that all estimates are one.

use stateright::{Model, Property};

use crate::rules::{BOTH, Power, Set, Size, Tally, estimate};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// All begin with estimates apart.
    Apart,
    /// Each enters with any estimate at any time.
    Free,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Game {
    pub(crate) size: Size,
    pub(crate) conf: bool,
    pub(crate) entry: Entry,
    /// How many rounds the scheduler has to win; one with [`Entry::Free`].
    pub(crate) rounds: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seat {
    /// What it must enter with, unless entry is free.
    input: Option<bool>,
    bval: [bool; 2],
    aux: Option<bool>,
    conf: Option<Set>,
    /// What it has found confirmed: it knows the coin and leaves.
    out: Option<Set>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// Rounds won.
    pub(crate) won: u8,
    pub(crate) seats: Vec<Seat>,
    /// The moment at which the coin became known.
    revealed: Option<Vec<Seat>>,
    /// The coin that is played now.
    coin: bool,
    /// How many left with estimate 1 when the coin showed 0.
    first_ones: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Enter(usize, bool),
    Bval(usize, bool),
    Aux(usize, bool),
    Conf(usize, Set),
    Leave(usize, Set),
    /// The round is won against 0: back to the reveal, and against 1.
    Again,
    /// Won against both. The coin falls so; on to the next round.
    Toss(bool),
}

impl Game {
    fn fresh(&self, ones: usize) -> Vec<Seat> {
        let apart = self.entry == Entry::Apart;
        let input = |at| apart.then_some(at >= usize::from(self.size.honest()) - ones);
        let seat = |at| Seat { input: input(at), bval: [false; 2], aux: None, conf: None, out: None };
        (0..usize::from(self.size.honest())).map(seat).collect()
    }

    /// Whether the scheduler has what it wants against the coin played now.
    fn is_won(&self, state: &State) -> bool {
        match self.entry {
            Entry::Free => state.seats.iter().any(|seat| seat.out == Some(usize::from(!state.coin))),
            Entry::Apart => {
                let Some(ones) = state.ones() else { return false };
                ones > 0 && usize::from(ones) < state.seats.len()
            }
        }
    }
}

impl State {
    /// How many have estimate 1, once all have left.
    fn ones(&self) -> Option<u8> {
        let left = |seat: &Seat| seat.out.map(|set| u8::from(estimate(set, self.coin)));
        self.seats.iter().map(left).sum()
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for seat in &self.seats {
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
        tally
    }
}

impl Model for Game {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let ones = 1..usize::from(self.size.honest());
        let state =
            |ones| State { won: 0, seats: self.fresh(ones), revealed: None, coin: false, first_ones: None };
        match self.entry {
            Entry::Free => vec![state(0)],
            Entry::Apart => ones.map(state).collect(),
        }
    }

    fn actions(&self, state: &State, out: &mut Vec<Action>) {
        if state.won == self.rounds {
            return;
        }
        if self.is_won(state) {
            if state.coin {
                out.extend([Action::Toss(false), Action::Toss(true)]);
            } else {
                out.push(Action::Again);
            }
            return;
        }
        let (tally, size, power) = (state.tally(), self.size, Power::Possible);
        for (at, seat) in state.seats.iter().enumerate() {
            if at > 0 && *seat == state.seats[at - 1] {
                continue;
            }
            if seat.bval == [false; 2] {
                let inputs = [false, true].into_iter().filter(|b| seat.input.is_none_or(|input| input == *b));
                out.extend(inputs.map(|value| Action::Enter(at, value)));
                continue;
            }
            for value in [false, true] {
                if !seat.bval[usize::from(value)] && tally.backed(value, size, power) {
                    out.push(Action::Bval(at, value));
                }
                if seat.aux.is_none() && tally.accepted(value, size, power) {
                    out.push(Action::Aux(at, value));
                }
            }
            if seat.aux.is_none() || seat.out.is_some() {
                continue;
            }
            let by_aux = tally.settled_by_aux(size, power);
            let by_conf = tally.settled_by_conf(size, power);
            for set in 0..=BOTH {
                if self.conf && seat.conf.is_none() && by_aux[set] {
                    out.push(Action::Conf(at, set));
                }
                let done = if self.conf { seat.conf.is_some() && by_conf[set] } else { by_aux[set] };
                if done {
                    out.push(Action::Leave(at, set));
                }
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Enter(at, value) | Action::Bval(at, value) => {
                next.seats[at].bval[usize::from(value)] = true;
            }
            Action::Aux(at, value) => next.seats[at].aux = Some(value),
            Action::Conf(at, set) => next.seats[at].conf = Some(set),
            Action::Leave(at, set) => next.seats[at].out = Some(set),
            Action::Again => {
                next.first_ones = state.ones();
                next.seats = state.revealed.clone()?;
                next.coin = true;
            }
            Action::Toss(coin) => {
                let ones = if coin { state.ones() } else { state.first_ones };
                let seats = self.fresh(usize::from(ones.unwrap_or(0)));
                next = State { won: state.won + 1, seats, revealed: None, coin: false, first_ones: None };
            }
        }
        next.seats.sort_unstable();
        if matches!(action, Action::Leave(..)) && next.revealed.is_none() {
            next.revealed = Some(next.seats.clone());
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("some coin is good", |game: &Self, state: &State| state.won < game.rounds),
            Property::sometimes("all leave", |_, state: &State| state.ones().is_some()),
        ]
    }
}
