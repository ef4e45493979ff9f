//! The voting rules of one instance as conditions on what honest seats have said, written out a second time.
//!
//! The network keeps nothing back for good and loses nothing, so that it is a growing set of messages. A seat
//! may have received any part of it, and from the liars anything, to each seat something else. So a condition
//! "upon k votes" is *possible* when the honest votes and f more make k, and *certain* once everything is
//! delivered when the honest ones alone do. No seat uses AUX, CONF or TERM of a round twice, so that a liar's
//! one vote per receiver needs no memory. What is possible here is a little more than what is: a liar may say
//! more than the frame checks let through, and votes of one frame arrive one by one. So the absence of a
//! violation holds for the code, while a counterexample is to be looked at (see [`crate::real`]).
//!
//! Beside each rule stands the function of `src/` that it restates; [`crate::real`] holds both together.

/// Numbers of seats; restates `Committee` in `committee.rs` independently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Size {
    pub(crate) n: u8,
}

impl Size {
    pub(crate) fn liars(self) -> u8 {
        (self.n - 1) / 3
    }

    pub(crate) fn honest(self) -> u8 {
        self.n - self.liars()
    }

    pub(crate) fn quorum(self) -> u8 {
        self.n - self.liars()
    }

    pub(crate) fn weak(self) -> u8 {
        (self.liars() + 1).max(self.n.min(2))
    }
}

/// With how many liars' votes a condition is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    /// The scheduler and the liars can bring it about.
    Possible,
    /// It holds once all honest messages are delivered, whatever liars do.
    Certain,
}

/// A set of values as an index: {0}, {1}, {0, 1}.
pub(crate) type Set = usize;
pub(crate) const BOTH: Set = 2;

/// The estimate that leaves a round in which `set` was confirmed.
pub(crate) fn estimate(set: Set, coin: bool) -> bool {
    if set == BOTH { coin } else { set == 1 }
}

/// How many honest seats have said what in one round; a TERM of a lower round counts as all three votes
/// (`Votes::stand_in`). In round 0 `bval[1]` counts READY.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) bval: [u8; 2],
    pub(crate) aux: [u8; 2],
    pub(crate) conf: [u8; 3],
}

impl Tally {
    pub(crate) fn stand_in(&mut self, value: bool) {
        let value = usize::from(value);
        self.bval[value] += 1;
        self.aux[value] += 1;
        self.conf[value] += 1;
    }

    /// BVAL(b) is amplified: `Agreement::vote`, first loop. READY: `Broadcast::advance`, step 3, second half.
    pub(crate) fn backed(&self, value: bool, size: Size, power: Power) -> bool {
        self.bval[usize::from(value)] + votes_of_liars(size, power) >= size.weak()
    }

    /// b is accepted: `Agreement::bin_values`, and for 1 in round 0 `Broadcast::advance`, step 4.
    pub(crate) fn accepted(&self, value: bool, size: Size, power: Power) -> bool {
        self.bval[usize::from(value)] + votes_of_liars(size, power) >= size.quorum()
    }

    /// What a quorum of AUX can settle to: `settled`, called by `Agreement::vote`.
    pub(crate) fn settled_by_aux(&self, size: Size, power: Power) -> [bool; 3] {
        self.settled(self.aux, None, size, power)
    }

    /// What a quorum of CONF can settle to: `settled`, called by `Agreement::close_round`.
    pub(crate) fn settled_by_conf(&self, size: Size, power: Power) -> [bool; 3] {
        self.settled([self.conf[0], self.conf[1]], Some(self.conf[BOTH]), size, power)
    }

    fn settled(&self, single: [u8; 2], both: Option<u8>, size: Size, power: Power) -> [bool; 3] {
        let (liars, quorum) = (votes_of_liars(size, power), size.quorum());
        let bin = [false, true].map(|value| self.accepted(value, size, power));
        let alone = [0, 1].map(|value| bin[value] && single[value] + liars >= quorum);
        // A quorum that holds both, while no value has one alone among what was received.
        let mixed = |for_zero: u8, for_one: u8, for_both: u8| {
            let [zeros, ones] = [single[0] + for_zero, single[1] + for_one];
            let all = zeros.min(quorum - 1) + ones.min(quorum - 1) + both.unwrap_or(0) + for_both;
            all >= quorum
        };
        let divided = match both {
            None => (0..=liars).any(|for_zero| mixed(for_zero, liars - for_zero, 0)),
            Some(_) => mixed(0, 0, liars) || (0..=liars).any(|for_zero| mixed(for_zero, liars - for_zero, 0)),
        };
        [alone[0], alone[1], bin == [true; 2] && divided]
    }
}

/// Upon `weak` TERM(b): `Agreement::advance`.
pub(crate) fn backed_by_terms(terms: u8, size: Size, power: Power) -> bool {
    terms + votes_of_liars(size, power) >= size.weak()
}

/// READY(D) upon `quorum` ECHO(D): `Broadcast::advance`, step 3, first half.
pub(crate) fn echoed(echoes: u8, size: Size, power: Power) -> bool {
    echoes + votes_of_liars(size, power) >= size.quorum()
}

fn votes_of_liars(size: Size, power: Power) -> u8 {
    if power == Power::Possible { size.liars() } else { 0 }
}
