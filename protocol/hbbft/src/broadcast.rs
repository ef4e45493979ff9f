//! Reliable broadcast of one proposer's payload, by digest.
//!
//! **Guarantees**, with at most f Byzantine seats and channels that deliver in the end: *agreement*, no two
//! honest seats accept different digests of one proposer; *totality*, if one honest seat accepts, all do;
//! *validity*, a digest that an honest proposer names is accepted by all, and an accepted digest was echoed by
//! honest seats that hold its valid payload durably, so it can be pulled even if all seats restart.
//!
//! **How** (G. Bracha, *Asynchronous Byzantine agreement protocols*, Information and Computation 75, 1987,
//! section 3), with the digest in the place of the value:
//!
//! 1. The proposer says `Propose(D)` and pushes the payload beside its frame.
//! 2. ECHO(D), once, when the valid payload is durable here and D is *named*: by the proposer or by `weak`
//!    seats. Bracha echoes on hearing the value; who only knows a digest cannot vouch for it.
//! 3. READY(D), once, upon `quorum` ECHO(D) or `weak` READY(D).
//! 4. D is accepted upon `quorum` READY(D).
//!
//! Counts are per digest. Bracha's (n+t)/2 of step 3 is the weaker condition that two such sets share an
//! honest seat; `quorum` fulfils it. READY is also BVAL(1) of the proposer's [agreement](crate::agreement), so
//! it is sent and amplified whatever that agreement has decided, until the caller drops the epoch.
//!
//! A payload that is named but not held is *wanted*; its holders are the proposer and whoever sent ECHO for it.
//! At most one digest per proposer is wanted because the proposer names it; every other one has `weak` seats
//! behind it, so few digests are ever pulled whatever liars name.

use crate::committee::{Committee, Seat, SeatSet};
use crate::message::{Digest, Message};
use crate::plant;

/// The broadcast of one proposer as one seat sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Broadcast {
    proposal: Option<Digest>,
    /// One per digest; every seat adds at most one by ECHO and one by READY.
    tallies: Vec<Tally>,
    echoed: SeatSet,
    readied: SeatSet,
    accepted: Option<Digest>,
}

#[derive(Clone, Debug)]
struct Tally {
    digest: Digest,
    echo: SeatSet,
    ready: SeatSet,
}

impl Broadcast {
    pub(crate) fn proposal(&self) -> Option<Digest> {
        self.proposal
    }

    pub(crate) fn accepted(&self) -> Option<Digest> {
        self.accepted
    }

    pub(crate) fn has_echoed(&self, seat: Seat) -> bool {
        self.echoed.contains(seat)
    }

    pub(crate) fn has_readied(&self, seat: Seat) -> bool {
        self.readied.contains(seat)
    }

    /// The most READYs that one digest has.
    pub(crate) fn most_readies(&self) -> usize {
        self.tallies.iter().map(|tally| tally.ready.len()).max().unwrap_or(0)
    }

    /// Records the proposer's own word; the caller has seen that it is the first.
    pub(crate) fn on_propose(&mut self, digest: Digest) {
        self.proposal = Some(digest);
    }

    /// Records an ECHO; the caller has seen that it is the sender's first.
    pub(crate) fn on_echo(&mut self, from: Seat, digest: Digest) {
        self.echoed.insert(from);
        self.tally(digest).echo.insert(from);
    }

    /// Records a READY; the caller has seen that it is the sender's first.
    pub(crate) fn on_ready(&mut self, from: Seat, digest: Digest) {
        self.readied.insert(from);
        self.tally(digest).ready.insert(from);
    }

    fn tally(&mut self, digest: Digest) -> &mut Tally {
        let at = self.tallies.iter().position(|tally| tally.digest == digest).unwrap_or_else(|| {
            self.tallies.push(Tally { digest, echo: SeatSet::EMPTY, ready: SeatSet::EMPTY });
            self.tallies.len() - 1
        });
        &mut self.tallies[at]
    }

    /// The seats that sent ECHO for a digest.
    pub(crate) fn echoers(&self, digest: &Digest) -> SeatSet {
        self.tallies.iter().find(|tally| tally.digest == *digest).map_or(SeatSet::EMPTY, |tally| tally.echo)
    }

    /// READYs for any digest but the accepted one.
    pub(crate) fn contrary_readies(&self) -> impl Iterator<Item = (Seat, Digest)> + '_ {
        let contrary = |tally: &&Tally| self.accepted.is_some_and(|accepted| accepted != tally.digest);
        self.tallies
            .iter()
            .filter(contrary)
            .flat_map(|tally| tally.ready.iter().map(|seat| (seat, tally.digest)))
    }

    /// The digests that are named: by the proposer, by `weak` seats, or by the own ECHO of before a restart.
    pub(crate) fn named(&self, committee: Committee, own: Option<Seat>) -> impl Iterator<Item = Digest> + '_ {
        let named = move |tally: &&Tally| {
            tally.echo.union(tally.ready).len() >= committee.weak()
                || own.is_some_and(|own| tally.echo.contains(own))
        };
        let others = self.tallies.iter().filter(named).map(|tally| tally.digest);
        self.proposal.into_iter().chain(others.filter(|digest| Some(*digest) != self.proposal))
    }

    /// The digests whose payload is still of use: the accepted one, or else all that are named.
    pub(crate) fn useful(
        &self,
        committee: Committee,
        own: Option<Seat>,
    ) -> impl Iterator<Item = Digest> + '_ {
        let open = self.accepted.is_none();
        self.accepted.into_iter().chain(self.named(committee, own).filter(move |_| open))
    }

    /// Says what is due now for `proposer`, as a seat that votes if `own` is given.
    pub(crate) fn advance(
        &mut self,
        proposer: Seat,
        committee: Committee,
        own: Option<Seat>,
        held: impl Fn(&Digest) -> bool,
        out: &mut Vec<Message>,
    ) {
        if let Some(own) = own {
            // Step 2. The first one held is echoed, should the proposer have named several.
            let first_held = self.named(committee, Some(own)).find(held);
            if !self.has_echoed(own)
                && let Some(digest) = first_held
            {
                self.on_echo(own, digest);
                out.push(Message::Echo { proposer, digest });
            }
            // Step 3.
            let due = |tally: &&Tally| {
                let enough = committee.quorum() - usize::from(plant::is("echo-quorum"));
                tally.echo.len() >= enough || tally.ready.len() >= committee.weak()
            };
            if !self.has_readied(own)
                && let Some(digest) = self.tallies.iter().find(due).map(|tally| tally.digest)
            {
                self.on_ready(own, digest);
                out.push(Message::Ready { proposer, digest });
            }
        }
        // Step 4.
        if self.accepted.is_none() {
            let accepted = self.tallies.iter().find(|tally| tally.ready.len() >= committee.quorum());
            self.accepted = accepted.map(|tally| tally.digest);
        }
    }
}
