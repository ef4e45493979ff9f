//! One epoch: the common subset together with the payloads that it names.
//!
//! **Guarantees**: those of the [common subset](crate::subset), and that the [`Output`] is given once, when all
//! of its payloads are held.
//!
//! An epoch that starts again after a crash is rebuilt from the own frames on disk, which count as said
//! ([`Epoch::restore_own`]), and from the peers' frames, which are received again in any order that keeps each
//! sender's own. Every stored payload is delivered once after [`Epoch::resume`], which takes the ones that own
//! frames name (nobody else may hold those); the others are wanted again once peers' frames name them, so that
//! a caller looks into its own store before it asks a holder.
//!
//! **Bounds**: per proposer and seat one ECHO, one READY and one TERM, and per round up to the horizon a few
//! bits (see [`agreement`](crate::agreement)); payloads only as far as [`Epoch::expects`] says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thiserror::Error;

use crate::agreement::Party;
use crate::coin::Coins;
use crate::committee::{Committee, Seat, SeatSet};
use crate::fault::{Fault, FaultKind, FrameFault, Refusal};
use crate::frame::Frame;
use crate::message::{Digest, MAX_ROUND, Message, Round};
use crate::subset::{Instance, Subset};

/// Bytes of a contribution, shared without copying.
pub type Payload = Arc<[u8]>;

/// The agreed contributions: for each selected proposer the digest and the payload.
pub type Output = BTreeMap<Seat, (Digest, Payload)>;

/// Number of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct EpochNumber(pub u64);

impl std::fmt::Display for EpochNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What an epoch is told by its caller once.
#[derive(Clone, Debug)]
pub struct Setup {
    party: Party,
    tag: Arc<[u8]>,
}

impl Setup {
    /// `own` is the seat that votes here, or `None` for an observer. `tag` names the instance of the protocol and
    /// is part of every coin; it must be the same at all seats and different for different instances.
    pub fn new(committee: Committee, own: Option<Seat>, tag: &[u8]) -> Result<Self, EpochError> {
        match own {
            Some(seat) if !committee.contains(seat) => Err(EpochError::NoSuchSeat { seat }),
            _ => Ok(Self { party: Party { committee, own }, tag: tag.into() }),
        }
    }

    /// The committee.
    pub fn committee(&self) -> Committee {
        self.party.committee
    }

    /// The own seat, if this party votes.
    pub fn own(&self) -> Option<Seat> {
        self.party.own
    }
}

/// What follows from an input.
#[derive(Clone, Debug, Default)]
#[must_use = "a step says what must be sent, fetched and handed on"]
pub struct Step {
    /// To all other seats, in one frame, once it is durable. The own seat has taken them in already.
    pub messages: Vec<Message>,
    /// Payloads that are wanted from now on.
    pub wanted: Vec<Want>,
    /// The agreed contributions, once per epoch.
    pub output: Option<Output>,
    /// What others did wrong.
    pub faults: Vec<Fault>,
}

impl Step {
    /// Appends a later step of the same epoch.
    pub fn merge(&mut self, later: Self) {
        self.messages.extend(later.messages);
        self.wanted.extend(later.wanted);
        self.output = self.output.take().or(later.output);
        self.faults.extend(later.faults);
    }

    /// The messages as one frame, or `None` if there are none.
    pub fn frame(&self) -> Option<Frame> {
        (!self.messages.is_empty()).then(|| Frame::pack(self.messages.iter().copied()))
    }
}

/// A payload to pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Whose payload.
    pub proposer: Seat,
    /// Which payload.
    pub digest: Digest,
    /// Whom to ask, each in turn; not empty. The list starts behind the own seat, so that not all ask the same.
    pub holders: Vec<Seat>,
}

/// What a caller of an epoch did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EpochError {
    /// The own seat is not in the committee.
    #[error("own seat {seat} is not in the committee")]
    NoSuchSeat {
        /// The seat.
        seat: Seat,
    },
    /// An observer says nothing.
    #[error("an observer has no seat to speak for")]
    Observer,
    /// The seat has contributed to this epoch before.
    #[error("already proposed {digest}")]
    AlreadyProposed {
        /// What it contributed.
        digest: Digest,
    },
    /// An own frame cannot be what this seat said.
    #[error("own frame is damaged: {0}")]
    Damaged(FrameFault),
}

/// One epoch as one seat, or an observer, sees it.
#[derive(Clone, Debug)]
pub struct Epoch {
    number: EpochNumber,
    party: Party,
    coins: Coins,
    subset: Subset,
    /// Payloads held durably, each valid.
    payloads: BTreeMap<Digest, Payload>,
    /// Digests of payloads found invalid.
    rejected: BTreeSet<Digest>,
    /// What a step has listed as wanted.
    asked: BTreeSet<(Seat, Digest)>,
    /// False while frames are stored and not acted on.
    acting: bool,
    /// Instances that changed and were not acted on.
    pending: SeatSet,
    output: Option<Output>,
}

impl Epoch {
    /// An epoch in which nothing was said, acting from the start, as the first of its kind: everybody is expected to
    /// contribute. See [`Epoch::resume`].
    pub fn new(setup: &Setup, number: EpochNumber) -> Self {
        Self { acting: true, ..Self::closed(setup, number) }
    }

    /// An epoch that stores frames until [`Epoch::resume`].
    pub(crate) fn closed(setup: &Setup, number: EpochNumber) -> Self {
        Self {
            number,
            party: setup.party,
            coins: Coins::public(&setup.tag, number.0, setup.party.committee.all()),
            subset: Subset::new(setup.party),
            payloads: BTreeMap::new(),
            rejected: BTreeSet::new(),
            asked: BTreeSet::new(),
            acting: false,
            pending: SeatSet::EMPTY,
            output: None,
        }
    }

    /// Its number.
    pub fn number(&self) -> EpochNumber {
        self.number
    }

    /// Takes in a frame that this seat said before a restart: it counts as said, nothing in it is said again, and
    /// AUX, CONF and TERM bind. Call it for all own frames in order, before anything else; then
    /// [`Epoch::resume`], and deliver what payloads are stored.
    pub fn restore_own(&mut self, frame: &Frame) -> Result<(), EpochError> {
        let own = self.party.own.ok_or(EpochError::Observer)?;
        frame.check(&self.party.committee).map_err(EpochError::Damaged)?;
        self.subset.check(own, frame).map_err(EpochError::Damaged)?;
        self.pending = self.pending.union(self.subset.record(own, frame));
        Ok(())
    }

    /// Acts on everything that was stored or restored. `last_set` are the proposers that the epoch before agreed on
    /// (all in a first epoch), the same at all seats: who is among them is expected to contribute again, and
    /// agreements that end as expected end a round earlier.
    pub fn resume(&mut self, last_set: SeatSet) -> Step {
        self.coins.follow(last_set);
        self.acting = true;
        self.act(self.party.committee.all())
    }

    /// Contributes a payload. The caller has found it valid and stored it durably, pushes it to the other seats
    /// with the frame of this step, and serves it.
    pub fn propose(&mut self, payload: impl Into<Payload>) -> Result<Step, EpochError> {
        let own = self.party.own.ok_or(EpochError::Observer)?;
        if let Some(digest) = self.proposal(own) {
            return Err(EpochError::AlreadyProposed { digest });
        }
        let payload = payload.into();
        let digest = Digest::of(&payload);
        self.payloads.insert(digest, payload);
        self.subset.propose(own, digest);
        let mut step = Step { messages: vec![Message::Propose(digest)], ..Step::default() };
        // Another proposer may have named the same payload.
        step.merge(self.act(self.naming(&digest)));
        Ok(step)
    }

    /// Takes a frame of another seat. The caller has authenticated it, and hands over each sender's frames in the
    /// order of its chain.
    pub fn receive(&mut self, from: Seat, frame: &Frame) -> Result<Step, Refusal> {
        if self.party.own == Some(from) {
            return Err(FrameFault::OwnSeat { seat: from }.into());
        }
        if !self.party.committee.contains(from) {
            return Err(FrameFault::SeatOutOfRange { seat: from, size: self.party.committee.size() }.into());
        }
        frame.check(&self.party.committee)?;
        self.subset.check(from, frame)?;
        self.subset.check_horizon(frame)?;
        let touched = self.subset.record(from, frame);
        let mut faults = self.contradictions(from, frame);
        let mut step = self.act(touched);
        faults.append(&mut step.faults);
        Ok(Step { faults, ..step })
    }

    /// Takes a payload that the caller has found valid and holds durably. One that is not [expected] is ignored.
    ///
    /// [expected]: Epoch::expects
    pub fn deliver(&mut self, payload: impl Into<Payload>) -> Step {
        let payload = payload.into();
        let digest = Digest::of(&payload);
        if !self.expects(&digest) {
            return Step::default();
        }
        self.payloads.insert(digest, payload);
        self.act(self.naming(&digest))
    }

    /// Learns that the payload of this digest is not valid: it is neither echoed nor wanted. Validity must be the
    /// same at all honest seats, or an accepted payload may be missing here for ever.
    pub fn reject(&mut self, digest: Digest) -> Step {
        let naming = self.naming(&digest);
        if naming.is_empty() || self.payloads.contains_key(&digest) || !self.rejected.insert(digest) {
            return Step::default();
        }
        let mut step = Step::default();
        for proposer in naming.iter() {
            let Instance { broadcast, .. } = self.instance(proposer);
            let proposed = SeatSet::from_iter((broadcast.proposal() == Some(digest)).then_some(proposer));
            let kind = FaultKind::InvalidPayload { digest };
            let culprits = broadcast.echoers(&digest).union(proposed).iter();
            step.faults.extend(culprits.map(|seat| Fault { seat, proposer, kind }));
        }
        step
    }

    /// Whether a payload of this digest is of use: named, neither held nor rejected, and its proposer neither
    /// excluded nor accepted with another one. Pushed payloads should be stored only then.
    pub fn expects(&self, digest: &Digest) -> bool {
        let missing = !self.payloads.contains_key(digest) && !self.rejected.contains(digest);
        missing && self.subset.instances().any(|(_, instance)| self.useful(instance).any(|d| d == *digest))
    }

    /// All that is wanted now, for asking again.
    pub fn wants(&self) -> Vec<Want> {
        self.party.committee.seats().flat_map(|proposer| self.wants_of(proposer)).collect()
    }

    /// The seats that say they hold the payload: who proposed it and who sent ECHO for it, without the own seat.
    pub fn holders(&self, digest: &Digest) -> Vec<Seat> {
        let holders = self.subset.instances().fold(SeatSet::EMPTY, |holders, (proposer, instance)| {
            let proposed = (instance.broadcast.proposal() == Some(*digest)).then_some(proposer);
            holders.union(instance.broadcast.echoers(digest)).union(SeatSet::from_iter(proposed))
        });
        let start = self.party.own.map_or(0, |own| own.0);
        let (ahead, behind): (Vec<_>, Vec<_>) =
            holders.iter().filter(|seat| Some(*seat) != self.party.own).partition(|seat| seat.0 > start);
        [ahead, behind].concat()
    }

    /// A payload that is held, for those who ask for it.
    pub fn payload(&self, digest: &Digest) -> Option<&Payload> {
        self.payloads.get(digest)
    }

    /// The digest that `proposer` named as its contribution.
    pub fn proposal(&self, proposer: Seat) -> Option<Digest> {
        self.subset.instance(proposer)?.broadcast.proposal()
    }

    /// Who contributed what, as far as is known.
    pub fn proposals(&self) -> impl Iterator<Item = (Seat, Digest)> + '_ {
        let proposal =
            |(proposer, instance): (_, &Instance)| Some((proposer, instance.broadcast.proposal()?));
        self.subset.instances().filter_map(proposal)
    }

    /// Whether `proposer` is in the agreed set, once that is decided.
    pub fn decision(&self, proposer: Seat) -> Option<bool> {
        self.subset.instance(proposer)?.agreement.decided()
    }

    /// The round that the agreement on `proposer` is in.
    pub fn round(&self, proposer: Seat) -> Option<Round> {
        Some(self.subset.instance(proposer)?.agreement.round())
    }

    /// The agreed contributions, once all are decided and held.
    pub fn output(&self) -> Option<&Output> {
        self.output.as_ref()
    }

    /// How many payloads are held.
    pub fn payload_count(&self) -> usize {
        self.payloads.len()
    }

    /// The most payloads that can be held of one proposer: the one that it named, those that `weak` seats did, each by an
    /// ECHO and a READY, and the one that the own seat echoed before a restart.
    pub fn most_payloads(committee: &Committee) -> usize {
        2 + 2 * committee.size() / committee.weak()
    }

    /// The most rounds of an agreement that hold votes beyond those that `weak` seats or this one have reached.
    pub fn rounds_ahead(&self) -> usize {
        let ahead = |(_, instance): (Seat, &Instance)| instance.agreement.rounds_ahead(self.party.own);
        self.subset.instances().map(ahead).max().unwrap_or(0)
    }

    /// The most messages that one seat can say, each once: its proposal, of each seat's an ECHO, a READY and a TERM, and
    /// of each round BVAL of both values, AUX and CONF. A frame has one at least.
    pub fn most_messages(committee: &Committee) -> usize {
        1 + committee.size() * (3 + 4 * (MAX_ROUND.index() + 1))
    }

    fn instance(&self, proposer: Seat) -> &Instance {
        self.subset.instance(proposer).expect("sets of proposers hold seats of the committee only")
    }

    /// The proposers for which this digest is named.
    fn naming(&self, digest: &Digest) -> SeatSet {
        let Party { committee, own } = self.party;
        let named =
            self.subset.instances().filter(|(_, i)| i.broadcast.named(committee, own).any(|d| d == *digest));
        named.map(|(proposer, _)| proposer).collect()
    }

    fn useful<'a>(&self, instance: &'a Instance) -> impl Iterator<Item = Digest> + use<'a> {
        let Party { committee, own } = self.party;
        let open = instance.agreement.decided() != Some(false);
        instance.broadcast.useful(committee, own).filter(move |_| open)
    }

    fn wants_of(&self, proposer: Seat) -> impl Iterator<Item = Want> + '_ {
        let acting = self.acting;
        self.useful(self.instance(proposer)).filter_map(move |digest| {
            let missing = !self.payloads.contains_key(&digest) && !self.rejected.contains(&digest);
            let holders = if acting && missing { self.holders(&digest) } else { Vec::new() };
            (!holders.is_empty()).then_some(Want { proposer, digest, holders })
        })
    }

    /// What in a frame just recorded contradicts what was known before it.
    fn contradictions(&self, from: Seat, frame: &Frame) -> Vec<Fault> {
        let fault = |message| {
            let (proposer, kind) = match message {
                Message::Propose(digest) if self.rejected.contains(&digest) => {
                    (from, FaultKind::InvalidPayload { digest })
                }
                Message::Echo { proposer, digest } if self.rejected.contains(&digest) => {
                    (proposer, FaultKind::InvalidPayload { digest })
                }
                Message::Ready { proposer, digest }
                    if self
                        .instance(proposer)
                        .broadcast
                        .accepted()
                        .is_some_and(|accepted| accepted != digest) =>
                {
                    (proposer, FaultKind::ContraryReady { digest })
                }
                Message::Term { proposer, value, .. } if self.decision(proposer) == Some(!value) => {
                    (proposer, FaultKind::ContraryTerm)
                }
                _ => return None,
            };
            Some(Fault { seat: from, proposer, kind })
        };
        frame.messages().filter_map(fault).collect()
    }

    /// Acts on what changed, if the epoch acts.
    fn act(&mut self, touched: SeatSet) -> Step {
        self.pending = self.pending.union(touched);
        if !self.acting {
            return Step::default();
        }
        let touched = std::mem::take(&mut self.pending);
        let mut step = Step::default();
        let payloads = &self.payloads;
        let held = |digest: &Digest| payloads.contains_key(digest);
        self.subset.advance(touched, &self.coins, held, &mut step.messages, &mut step.faults);
        for proposer in touched.iter() {
            let wants: Vec<_> = self.wants_of(proposer).collect();
            let asked = &mut self.asked;
            step.wanted.extend(wants.into_iter().filter(|want| asked.insert((proposer, want.digest))));
        }
        if self.output.is_none() {
            self.output = self.agreed();
            step.output = self.output.clone();
        }
        step
    }

    /// The output, if everything is decided and every payload held.
    fn agreed(&self) -> Option<Output> {
        let mut output = Output::new();
        for (proposer, instance) in self.subset.instances() {
            if instance.agreement.decided()? {
                let digest = instance.broadcast.accepted()?;
                output.insert(proposer, (digest, self.payloads.get(&digest)?.clone()));
            }
        }
        Some(output)
    }
}
