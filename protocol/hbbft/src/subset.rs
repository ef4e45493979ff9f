//! Common subset: one broadcast and one binary agreement per proposer, tied together.
//!
//! **Guarantees**, under the assumptions of [`broadcast`](crate::broadcast) and
//! [`agreement`](crate::agreement): all honest seats select the same proposers, at least n - f of them, and for
//! each the same digest, whose payload honest seats hold.
//!
//! **How**: M. Ben-Or, B. Kelmer, T. Rabin, *Asynchronous secure computations with optimal resilience* (PODC
//! 1994), figure 4, as used in A. Miller, Y. Xia, K. Croman, E. Shi, D. Song, *The honey badger of BFT
//! protocols* (CCS 2016), figure 4. Input 1 for a proposer is READY for its payload; once `quorum` agreements
//! have decided 1, a seat inputs 0 wherever it has no input yet. Who sent READY never inputs 0, and who voted 0
//! still sends READY when that is due. For f = 0 the quorum is all, so nobody ever inputs 0.

use crate::agreement::{Agreement, Party, Ready};
use crate::broadcast::Broadcast;
use crate::coin::Coins;
use crate::committee::{Seat, SeatSet};
use crate::fault::{Fault, FaultKind, FrameFault, Refusal};
use crate::frame::Frame;
use crate::message::{Digest, Message, Round, Vote};
use crate::plant;

/// Broadcast and agreement of one proposer.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) broadcast: Broadcast,
    pub(crate) agreement: Agreement,
}

/// All instances of one epoch.
#[derive(Clone, Debug)]
pub(crate) struct Subset {
    party: Party,
    /// Indexed by proposer.
    instances: Vec<Instance>,
}

impl Subset {
    pub(crate) fn new(party: Party) -> Self {
        let instance = |proposer| Instance {
            broadcast: Broadcast::default(),
            agreement: Agreement::new(proposer, party.committee),
        };
        Self { party, instances: party.committee.seats().map(instance).collect() }
    }

    pub(crate) fn instance(&self, proposer: Seat) -> Option<&Instance> {
        self.instances.get(proposer.index())
    }

    pub(crate) fn instances(&self) -> impl Iterator<Item = (Seat, &Instance)> {
        self.party.committee.seats().zip(&self.instances)
    }

    /// Refuses a frame in which anything is not new in its sender's chain. The frame's form is checked.
    pub(crate) fn check(&self, from: Seat, frame: &Frame) -> Result<(), FrameFault> {
        if plant::is("repeats-stored") {
            return Ok(());
        }
        let not_new = |message| Err(FrameFault::NotNew { message });
        if let Some(digest) = frame.proposal()
            && self.instances[from.index()].broadcast.proposal().is_some()
        {
            return not_new(Message::Propose(digest));
        }
        for &(proposer, digest) in frame.echoes() {
            if self.instances[proposer.index()].broadcast.has_echoed(from) {
                return not_new(Message::Echo { proposer, digest });
            }
        }
        for &(proposer, digest) in frame.readies() {
            if self.instances[proposer.index()].broadcast.has_readied(from) {
                return not_new(Message::Ready { proposer, digest });
            }
        }
        for group in frame.groups() {
            for proposer in group.proposers.iter() {
                self.instances[proposer.index()].agreement.check(from, group.round, group.vote)?;
            }
        }
        Ok(())
    }

    /// Refuses, for now, a frame that names a round too far ahead.
    pub(crate) fn check_horizon(&self, frame: &Frame) -> Result<(), Refusal> {
        let within = |group: &crate::frame::Group| {
            let mut proposers = group.proposers.iter();
            proposers.all(|proposer| self.instances[proposer.index()].agreement.within_horizon(group.round))
        };
        if frame.groups().iter().all(within) { Ok(()) } else { Err(Refusal::NotYet) }
    }

    /// Records a frame that passed the checks; returns the instances that it touches.
    pub(crate) fn record(&mut self, from: Seat, frame: &Frame) -> SeatSet {
        let mut touched = SeatSet::EMPTY;
        if let Some(digest) = frame.proposal() {
            self.instances[from.index()].broadcast.on_propose(digest);
            touched.insert(from);
        }
        for &(proposer, digest) in frame.echoes() {
            self.instances[proposer.index()].broadcast.on_echo(from, digest);
            touched.insert(proposer);
        }
        // What one frame says has no order.
        let zero =
            |group: &&crate::frame::Group| (group.round, group.vote) == (Round::FIRST, Vote::Bval(false));
        let zeros = frame.groups().iter().find(zero).map_or(SeatSet::EMPTY, |group| group.proposers);
        for &(proposer, digest) in frame.readies() {
            let Instance { broadcast, agreement } = &mut self.instances[proposer.index()];
            broadcast.on_ready(from, digest);
            if zeros.contains(proposer) || agreement.has_input_zero(from) {
                agreement.on_late_ready();
            }
            touched.insert(proposer);
        }
        let own = self.party.own == Some(from);
        for group in frame.groups() {
            for proposer in group.proposers.iter() {
                let agreement = &mut self.instances[proposer.index()].agreement;
                let record = if own { Agreement::restore } else { Agreement::record };
                record(agreement, from, group.round, group.vote, self.party.committee);
            }
            touched = touched.union(group.proposers);
        }
        touched
    }

    /// Records the own proposal.
    pub(crate) fn propose(&mut self, own: Seat, digest: Digest) {
        self.instances[own.index()].broadcast.on_propose(digest);
    }

    /// Says what is due in the instances of `pending`, and in all that these bear on.
    pub(crate) fn advance(
        &mut self,
        mut pending: SeatSet,
        coins: &Coins,
        held: impl Fn(&Digest) -> bool,
        out: &mut Vec<Message>,
        faults: &mut Vec<Fault>,
    ) {
        let party = self.party;
        while !pending.is_empty() {
            for proposer in pending.iter() {
                let Instance { broadcast, agreement } = &mut self.instances[proposer.index()];
                let (accepted, decided) = (broadcast.accepted(), agreement.decided());
                broadcast.advance(proposer, party.committee, party.own, &held, out);
                let ready = match broadcast.most_readies() {
                    most if most == party.committee.size() => Ready::All,
                    _ if broadcast.accepted().is_some() => Ready::Accepted,
                    _ => Ready::Open,
                };
                let readied = || party.committee.seats().filter(|seat| broadcast.has_readied(*seat)).count();
                let bare = plant::is("bare-bval") && readied() >= party.committee.weak();
                agreement.advance(party, if bare { ready.max(Ready::Accepted) } else { ready }, coins, out);
                if accepted != broadcast.accepted() {
                    let contrary = broadcast.contrary_readies();
                    faults.extend(contrary.map(|(seat, digest)| Fault {
                        seat,
                        proposer,
                        kind: FaultKind::ContraryReady { digest },
                    }));
                }
                if let (None, Some(value)) = (decided, agreement.decided()) {
                    let contrary = agreement.terms(!value).iter();
                    faults.extend(contrary.map(|seat| Fault {
                        seat,
                        proposer,
                        kind: FaultKind::ContraryTerm,
                    }));
                }
            }
            pending = self.input_zeros(out);
        }
    }

    /// Once `quorum` agreements have decided 1: input 0 wherever the own seat has no input. An agreement that is
    /// decided needs none: its value was amplified to this seat as BVAL(0) or READY.
    fn input_zeros(&mut self, out: &mut Vec<Message>) -> SeatSet {
        let party = self.party;
        let Some(own) = party.own else {
            return SeatSet::EMPTY;
        };
        let ones =
            self.instances.iter().filter(|instance| instance.agreement.decided() == Some(true)).count();
        if ones < party.committee.quorum() {
            return SeatSet::EMPTY;
        }
        let mut touched = SeatSet::EMPTY;
        for (proposer, instance) in party.committee.seats().zip(&mut self.instances) {
            let Instance { broadcast, agreement } = instance;
            let has_input = broadcast.has_readied(own) || agreement.has_input_zero(own);
            if !has_input && agreement.decided().is_none() {
                agreement.input_zero(party, out);
                touched.insert(proposer);
            }
        }
        touched
    }
}
