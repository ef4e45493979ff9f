//! The broadcast of one proposer that may lie: two digests, honest seats that echo either.
//!
//! Shows what [`crate::instance`] takes for granted, that honest seats are ready for one digest at most, and
//! decides whether `weak` READY may stand for acceptance where the agreement has decided 1: the digest is then
//! the one that all accept, and honest seats hold its payload. Restates `Broadcast::advance`.

use stateright::{Model, Property};

use crate::rules::{Power, Size, Tally, echoed};

/// When a seat takes a digest as the one to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepts {
    /// Upon `quorum` READY for it.
    Quorum,
    /// The rule for catching up: also upon `weak` READY for it, once the agreement has decided 1.
    WeakAfterOne,
    /// Upon `weak` READY for it, whatever the agreement says.
    Weak,
    /// Upon one READY for it once the agreement has decided 1.
    SingleAfterOne,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Broadcast {
    pub(crate) size: Size,
    pub(crate) accepts: Accepts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seat {
    /// Which of the two digests.
    echo: Option<bool>,
    ready: Option<bool>,
    accepted: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Echo(usize, bool),
    Ready(usize, bool),
    Accept(usize, bool),
}

impl Broadcast {
    fn count(seats: &[Seat], says: impl Fn(&Seat) -> Option<bool>, digest: bool) -> u8 {
        seats.iter().map(|seat| u8::from(says(seat) == Some(digest))).sum()
    }

    fn both(seats: &[Seat], says: fn(&Seat) -> Option<bool>) -> bool {
        [false, true].into_iter().all(|digest| Self::count(seats, says, digest) > 0)
    }

    /// READYs by digest in the place of BVAL, which has the same thresholds.
    fn readies(seats: &[Seat]) -> Tally {
        let bval = [false, true].map(|digest| Self::count(seats, |seat| seat.ready, digest));
        Tally { bval, ..Tally::default() }
    }

    /// Whether an agreement may have decided 1: some honest seat can have accepted a digest.
    fn may_be_one(&self, seats: &[Seat]) -> bool {
        let readies = Self::readies(seats);
        [false, true].into_iter().any(|digest| readies.accepted(digest, self.size, Power::Possible))
    }

    fn may_accept(&self, seats: &[Seat], digest: bool) -> bool {
        let (readies, size, power) = (Self::readies(seats), self.size, Power::Possible);
        let one = self.may_be_one(seats);
        readies.accepted(digest, size, power)
            || match self.accepts {
                Accepts::Quorum => false,
                Accepts::WeakAfterOne => one && readies.backed(digest, size, power),
                Accepts::Weak => readies.backed(digest, size, power),
                // A liar's.
                Accepts::SingleAfterOne => one,
            }
    }
}

impl Model for Broadcast {
    type State = Vec<Seat>;
    type Action = Action;

    fn init_states(&self) -> Vec<Vec<Seat>> {
        vec![vec![Seat::default(); usize::from(self.size.honest())]]
    }

    fn actions(&self, seats: &Vec<Seat>, out: &mut Vec<Action>) {
        let (readies, size) = (Self::readies(seats), self.size);
        for (at, seat) in seats.iter().enumerate() {
            for digest in [false, true] {
                if seat.echo.is_none() {
                    out.push(Action::Echo(at, digest));
                }
                let echoes = Self::count(seats, |seat| seat.echo, digest);
                let due =
                    echoed(echoes, size, Power::Possible) || readies.backed(digest, size, Power::Possible);
                if seat.ready.is_none() && due {
                    out.push(Action::Ready(at, digest));
                }
                if seat.accepted.is_none() && self.may_accept(seats, digest) {
                    out.push(Action::Accept(at, digest));
                }
            }
        }
    }

    fn next_state(&self, seats: &Vec<Seat>, action: Action) -> Option<Vec<Seat>> {
        let mut next = seats.clone();
        match action {
            Action::Echo(at, digest) => next[at].echo = Some(digest),
            Action::Ready(at, digest) => next[at].ready = Some(digest),
            Action::Accept(at, digest) => next[at].accepted = Some(digest),
        }
        next.sort_unstable();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("honest seats are ready for one digest", |_, seats: &Vec<Seat>| {
                !Self::both(seats, |seat| seat.ready)
            }),
            Property::always("what is accepted is the same everywhere", |_, seats: &Vec<Seat>| {
                !Self::both(seats, |seat| seat.accepted)
            }),
            // f + 1 READYs of honest seats reach all, and f + 1 honest seats hold what they echoed.
            Property::always(
                "what one accepts all accept, and it is held",
                |model: &Self, seats: &Vec<Seat>| {
                    seats.iter().filter_map(|seat| seat.accepted).all(|digest| {
                        let ready = Self::readies(seats).backed(digest, model.size, Power::Certain);
                        let held = Self::count(seats, |seat| seat.echo, digest) > model.size.liars();
                        ready && held
                    })
                },
            ),
            Property::sometimes("all accept", |_, seats: &Vec<Seat>| {
                seats.iter().all(|seat| seat.accepted.is_some())
            }),
        ]
    }
}
