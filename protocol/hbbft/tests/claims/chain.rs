//! What one seat has said, and whether it may say more: written from the rules, without the crate's own checks.
//! It is the oracle for honest seats, before and after restarts, and keeps liars' junk well-formed.

use std::collections::{BTreeMap, BTreeSet};

use entente_hbbft::{Message, Round, Seat};

/// The messages of one seat in one epoch, as one peer sees them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain {
    proposed: bool,
    echo: BTreeSet<Seat>,
    ready: BTreeSet<Seat>,
    bval: BTreeSet<(Seat, Round, bool)>,
    aux: BTreeSet<(Seat, Round)>,
    conf: BTreeSet<(Seat, Round)>,
    term: BTreeMap<Seat, Round>,
    greatest: BTreeMap<Seat, Round>,
}

impl Chain {
    /// Adds a message; false, and not added, if it is not new or excluded by what was said.
    pub(crate) fn admit(&mut self, message: Message) -> bool {
        match message {
            Message::Propose(_) => !std::mem::replace(&mut self.proposed, true),
            Message::Echo { proposer, .. } => self.echo.insert(proposer),
            Message::Ready { proposer, .. } => self.ready.insert(proposer),
            Message::Bval { proposer, round, value } => {
                (round, value) != (Round(0), true)
                    && self.in_time(proposer, round)
                    && self.bval.insert((proposer, round, value))
                    && self.reach(proposer, round)
            }
            Message::Aux { proposer, round, .. } => {
                self.in_time(proposer, round)
                    && self.aux.insert((proposer, round))
                    && self.reach(proposer, round)
            }
            Message::Conf { proposer, round, .. } => {
                self.in_time(proposer, round)
                    && round >= Round(2)
                    && self.conf.insert((proposer, round))
                    && self.reach(proposer, round)
            }
            Message::Term { proposer, round, .. } => {
                let late = self.greatest.get(&proposer).is_none_or(|greatest| *greatest <= round);
                late && !self.term.contains_key(&proposer) && self.term.insert(proposer, round).is_none()
            }
        }
    }

    fn in_time(&self, proposer: Seat, round: Round) -> bool {
        self.term.get(&proposer).is_none_or(|last| round <= *last)
    }

    fn reach(&mut self, proposer: Seat, round: Round) -> bool {
        let greatest = self.greatest.entry(proposer).or_insert(round);
        *greatest = round.max(*greatest);
        true
    }
}
