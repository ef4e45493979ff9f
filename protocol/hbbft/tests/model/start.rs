//! The start rule: who begins an epoch, and whether what all honest seats hold is always ordered.
//!
//! One feed of an honest author; each honest seat holds a prefix of it that grows whenever the scheduler lets
//! it. In each epoch a seat may contribute (claim what it holds at C+1, C+2, C+4 ... and at its head), once a
//! part of the start rule holds: in the engine `may_start`, `holds_unclaimed`, `is_joined` of
//! `protocol/src/engine/epochs.rs`. The epoch ends when a quorum has contributed, the liar perhaps among them, with a cut at the greatest length
//! that `weak` of the agreed contributions claim. The liar contributes whenever it likes, with whatever claims help it most,
//! to each seat something else before the epoch is agreed.
//!
//! Epochs follow each other without end; states repeat because lengths are bounded and empty epochs in a row are
//! counted to three. *News* is a longer prefix at some seat, a restart, or a cut that moves.
//!
//! **Not in the model**: several feeds, forks, the quota, gaps between starts (all only ever delay), activations
//! (part iv), seats that apply an epoch at different times (a late one is one that has not contributed).

use stateright::{Model, Property};

use crate::rules::Size;

/// The rule under test: its parts, each as it is or changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartRule {
    pub(crate) size: Size,
    /// Entries that the author writes.
    pub(crate) entries: u8,
    /// (i), second half: the last cut moved the feed but stayed below the own last claim.
    pub(crate) left_behind: bool,
    /// (ii): joining whoever claims what is held here.
    pub(crate) joins: bool,
    /// (iii): how many contributions start everyone; `weak` by the rule.
    pub(crate) crowd: u8,
}

impl StartRule {
    pub(crate) fn by_the_rule(entries: u8) -> Self {
        let size = Size { n: 4 };
        Self { size, entries, left_behind: true, joins: true, crowd: size.weak() }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seat {
    /// The length that it holds.
    held: u8,
    /// The greatest length that its last contribution claimed.
    claimed: u8,
    /// The head that its contribution to this epoch claims up to.
    contributed: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    seats: Vec<Seat>,
    committed: u8,
    /// Whether the last cut moved the feed.
    moved: bool,
    /// Empty epochs in a row without news, at most 3.
    empty: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The seat receives entries up to this length.
    Hold(usize, u8),
    /// The seat contributes.
    Start(usize),
    /// It restarts: every held entry counts as unclaimed.
    Restart(usize),
    /// The epoch is agreed: whose contributions (bits), and the length that the liar claims, 0 for none of it.
    Agree { honest: u8, liar: Option<u8> },
}

/// Whether a contribution made on `committed` with this head claims `length`.
fn claims(committed: u8, head: u8, length: u8) -> bool {
    let above = length.saturating_sub(committed);
    above > 0 && length <= head && (above.is_power_of_two() || length == head)
}

impl StartRule {
    fn starts(&self, state: &State, at: usize, liar: bool) -> bool {
        let seat = &state.seats[at];
        if seat.contributed.is_some() {
            return false;
        }
        let orderable = seat.held > state.committed;
        let left_behind = self.left_behind && state.moved && state.committed < seat.claimed;
        let unclaimed = orderable && (seat.held > seat.claimed || left_behind);
        let others = || state.seats.iter().filter_map(|other| other.contributed);
        // Whoever claims anything claims C+1; so does the liar where it helps.
        let joined = orderable && (liar || others().any(|head| head > state.committed));
        let crowd = others().count() + usize::from(liar) >= usize::from(self.crowd);
        unclaimed || self.joins && joined || crowd
    }

    fn cut(&self, state: &State, honest: u8, liar: Option<u8>) -> u8 {
        let heads = || {
            let agreed = state.seats.iter().enumerate().filter(|(at, _)| honest >> at & 1 == 1);
            agreed.filter_map(|(_, seat)| seat.contributed)
        };
        let claimed = |length: &u8| {
            let by_honest = heads().filter(|head| claims(state.committed, *head, *length)).count();
            by_honest + usize::from(liar == Some(*length)) >= usize::from(self.size.weak())
        };
        (state.committed + 1..=self.entries).rev().find(claimed).unwrap_or(state.committed)
    }

    /// Honest seats hold the same, so that none has anything to fetch.
    fn is_level(state: &State) -> bool {
        state.seats.iter().all(|seat| seat.held == state.seats[0].held)
    }

    /// All messages are delivered and nothing is due, yet all hold an entry that is not ordered.
    fn stalls(&self, state: &State) -> bool {
        let all_hold = state.seats.iter().all(|seat| seat.held > state.committed);
        let agreed = state.seats.iter().all(|seat| seat.contributed.is_some());
        let started = (0..state.seats.len()).any(|at| self.starts(state, at, false));
        all_hold && !agreed && !started
    }
}

impl Model for StartRule {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let seats = vec![Seat::default(); usize::from(self.size.honest())];
        vec![State { seats, committed: 0, moved: false, empty: 0 }]
    }

    fn actions(&self, state: &State, out: &mut Vec<Action>) {
        for (at, seat) in state.seats.iter().enumerate() {
            out.extend((seat.held + 1..=self.entries).map(|length| Action::Hold(at, length)));
            if self.starts(state, at, true) {
                out.push(Action::Start(at));
            }
            if seat.claimed > 0 {
                out.push(Action::Restart(at));
            }
        }
        let all = state.seats.iter().enumerate();
        let contributed: u8 = all.filter(|(_, seat)| seat.contributed.is_some()).map(|(at, _)| 1 << at).sum();
        for honest in (1..=contributed).filter(|honest| honest & !contributed == 0) {
            let count = honest.count_ones();
            if count >= u32::from(self.size.quorum()) {
                out.push(Action::Agree { honest, liar: None });
            }
            if count + 1 >= u32::from(self.size.quorum()) {
                let claims = (0..=self.entries).filter(|length| *length == 0 || *length > state.committed);
                out.extend(claims.map(|length| Action::Agree { honest, liar: Some(length) }));
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Hold(at, length) => {
                next.seats[at].held = length;
                next.empty = 0;
            }
            Action::Start(at) => {
                let seat = &mut next.seats[at];
                seat.contributed = Some(seat.held);
                seat.claimed = if seat.held > state.committed { seat.held } else { 0 };
            }
            Action::Restart(at) => {
                next.seats[at].claimed = 0;
                next.empty = 0;
            }
            Action::Agree { honest, liar } => {
                next.committed = self.cut(state, honest, liar);
                next.moved = next.committed > state.committed;
                next.empty = if next.moved { 0 } else { (state.empty + 1).min(3) };
                for seat in &mut next.seats {
                    seat.contributed = None;
                    // The cut's entries are fetched before it is applied.
                    seat.held = seat.held.max(next.committed);
                }
            }
        }
        next.seats.sort_unstable();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what all hold is ordered", |rule: &Self, state: &State| !rule.stalls(state)),
            Property::always("no empty epochs without end", |_, state: &State| {
                !(Self::is_level(state) && state.empty >= 3)
            }),
            // An honest seat holds it, and no cut goes back.
            Property::always("every cut is held", |_, state: &State| {
                state.seats.iter().any(|seat| seat.held >= state.committed)
            }),
            Property::sometimes("all is ordered", |rule: &Self, state: &State| {
                state.committed == rule.entries
            }),
        ]
    }
}
