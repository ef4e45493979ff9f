//! Seats, the committee and its two thresholds.
//!
//! A committee of n seats tolerates f = floor((n-1)/3) Byzantine ones, which is optimal for asynchronous
//! agreement (Bracha 1987, section 1). Everything in this crate counts against one of two thresholds:
//!
//! | threshold | value | what it gives |
//! |---|---|---|
//! | [`Committee::quorum`] | n - f | any two quorums share an honest seat; the honest seats alone are one |
//! | [`Committee::weak`] | max(f + 1, min(2, n)) | contains an honest seat |
//!
//! For n = 2 and 3 there is no fault to tolerate (f = 0), and f + 1 = 1 would let a single liar steer; so
//! `weak` asks for two seats there.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Greatest number of seats in a committee: a [`SeatSet`] is one 128-bit word.
pub const MAX_SEATS: u16 = 128;

/// One place in the committee, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seat(pub u16);

impl Seat {
    /// The seat as an index of per-seat tables.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The number of seats and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committee {
    size: u16,
}

/// The size asked for is no committee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a committee has 1 to {MAX_SEATS} seats, not {size}")]
pub struct CommitteeError {
    /// The size asked for.
    pub size: usize,
}

impl Committee {
    /// A committee of `size` seats, 1 to [`MAX_SEATS`].
    pub fn new(size: usize) -> Result<Self, CommitteeError> {
        match u16::try_from(size) {
            Ok(seats @ 1..=MAX_SEATS) => Ok(Self { size: seats }),
            _ => Err(CommitteeError { size }),
        }
    }

    /// n, the number of seats.
    pub fn size(self) -> usize {
        usize::from(self.size)
    }

    /// f, the number of Byzantine seats that agreement survives.
    pub fn faulty(self) -> usize {
        (self.size() - 1) / 3
    }

    /// n - f: any two sets of this size share an honest seat, and the honest seats alone reach it.
    pub fn quorum(self) -> usize {
        self.size() - self.faulty()
    }

    /// max(f + 1, min(2, n)): any set of this size contains an honest seat.
    pub fn weak(self) -> usize {
        (self.faulty() + 1).max(self.size().min(2))
    }

    /// All seats in order.
    pub fn seats(self) -> impl DoubleEndedIterator<Item = Seat> + ExactSizeIterator + Clone {
        (0..self.size).map(Seat)
    }

    /// All seats as a set.
    pub fn all(self) -> SeatSet {
        SeatSet(u128::MAX >> (u32::from(MAX_SEATS) - u32::from(self.size)))
    }

    /// Whether `seat` belongs to the committee.
    pub fn contains(self, seat: Seat) -> bool {
        seat.0 < self.size
    }
}

/// A set of seats, one bit each; on the wire one integer, bit i for seat i.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeatSet(u128);

impl SeatSet {
    /// The set without seats.
    pub const EMPTY: Self = Self(0);

    /// The set of one seat. A seat at or beyond [`MAX_SEATS`] belongs to no set, so gives the empty one.
    pub fn of(seat: Seat) -> Self {
        Self(1u128.checked_shl(u32::from(seat.0)).unwrap_or(0))
    }

    /// Adds a seat; true when it was not there.
    pub fn insert(&mut self, seat: Seat) -> bool {
        let before = self.0;
        self.0 |= Self::of(seat).0;
        self.0 != before
    }

    /// Takes a seat out.
    pub fn remove(&mut self, seat: Seat) {
        self.0 &= !Self::of(seat).0;
    }

    /// Whether the seat is in the set.
    pub fn contains(self, seat: Seat) -> bool {
        self.0 & Self::of(seat).0 != 0
    }

    /// Number of seats in the set.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether no seat is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Seats in either set.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Seats in both sets.
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Seats here and not in `other`.
    pub fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The greatest seat in the set.
    pub fn last(self) -> Option<Seat> {
        self.0.checked_ilog2().map(|bit| Seat(u16::try_from(bit).expect("a 128-bit word has bits 0 to 127")))
    }

    /// The seats in order.
    pub fn iter(self) -> impl Iterator<Item = Seat> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let bit = u16::try_from(rest.trailing_zeros()).expect("a 128-bit word has bits 0 to 127");
            (rest != 0).then(|| {
                rest &= rest - 1;
                Seat(bit)
            })
        })
    }
}

impl FromIterator<Seat> for SeatSet {
    fn from_iter<I: IntoIterator<Item = Seat>>(seats: I) -> Self {
        seats.into_iter().fold(Self::EMPTY, |set, seat| set.union(Self::of(seat)))
    }
}

impl fmt::Debug for SeatSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|seat| seat.0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_follow_the_table() {
        // n, f, quorum, weak
        let table = [
            (1, 0, 1, 1),
            (2, 0, 2, 2),
            (3, 0, 3, 2),
            (4, 1, 3, 2),
            (5, 1, 4, 2),
            (6, 1, 5, 2),
            (7, 2, 5, 3),
            (10, 3, 7, 4),
            (16, 5, 11, 6),
            (31, 10, 21, 11),
            (64, 21, 43, 22),
            (128, 42, 86, 43),
        ];
        for (n, f, quorum, weak) in table {
            let committee = Committee::new(n).expect("sizes in the table are committees");
            assert_eq!(
                (committee.faulty(), committee.quorum(), committee.weak()),
                (f, quorum, weak),
                "n = {n}"
            );
        }
    }

    #[test]
    fn two_quorums_share_an_honest_seat_and_weak_holds_one_at_every_size() {
        for n in 1..=usize::from(MAX_SEATS) {
            let committee = Committee::new(n).expect("within the bound");
            let f = committee.faulty();
            assert!(2 * committee.quorum() > n + f, "n = {n}");
            assert!(committee.weak() > f && committee.weak() <= committee.quorum(), "n = {n}");
            assert_eq!(committee.all().len(), n);
        }
    }

    #[test]
    fn sizes_outside_the_bound_are_refused() {
        for size in [0, usize::from(MAX_SEATS) + 1, usize::MAX] {
            assert_eq!(Committee::new(size), Err(CommitteeError { size }));
        }
    }

    #[test]
    fn seat_sets_list_their_seats_in_order() {
        let seats = [Seat(127), Seat(0), Seat(64)];
        let set: SeatSet = seats.into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Seat(0), Seat(64), Seat(127)]);
        assert_eq!((set.len(), set.last()), (3, Some(Seat(127))));
        assert_eq!(SeatSet::of(Seat(128)), SeatSet::EMPTY);
        assert_eq!(SeatSet::EMPTY.last(), None);
    }
}
