//! From a store back to a running engine.
//!
//! Guarantees: own frames on disk are authoritative, and nothing that was said is said differently; every batch is
//! applied again, and its leaves and root must be those that are stored, so damage and a changed rule are noticed
//! here and not in what is said next.

use std::collections::BTreeMap;
use std::sync::Arc;

use entente_hbbft::{Committee, EpochNumber, Seat, Setup, Window, plant};
use thiserror::Error;

use super::catchup::Catchup;
use super::epochs::Proposals;
use super::feeds::{Feed, id_of};
use super::snapshots::Copies;
use super::start::{OPEN_EPOCHS, Start};
use super::{Config, Effect, Engine, Event, OwnSeat};
use crate::coalition::State;
use crate::evidence::Equivocation;
use crate::feed::{Chain, FeedKey, Head, Lane, RECENT_LINKS};
use crate::frontier::{Basis, MAX_FEEDS, incarnations};
use crate::ledger::cosignature::{Cosigners, CosignersError};
use crate::ledger::merkle::Frontier;
use crate::store::{Archive, Damage, Lives};
use crate::time::Time;
use crate::vote::HeadRequest;

/// Why an engine cannot start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecoverError {
    /// The store is damaged or contradicts itself.
    #[error("the store is damaged: {0}")]
    Damage(#[from] Damage),
    /// The charter cannot be run: too many seats or feeds.
    #[error("the charter cannot be run: {0}")]
    Charter(String),
    /// The store is an old copy: others were seen to hold own words that it lacks.
    #[error(
        "the store is older than what this node has said: others hold words of its incarnation {0} that it lacks"
    )]
    RolledBack(u32),
    /// This node was restored as often as is possible.
    #[error("of this node's {0} incarnations none is left")]
    Incarnations(u32),
    /// The seat's key is no seat of the committee.
    #[error("the seat key is no seat of this coalition")]
    NoSeat,
}

impl From<CosignersError> for RecoverError {
    fn from(error: CosignersError) -> Self {
        Self::Charter(error.to_string())
    }
}

pub(super) fn damage(what: impl ToString, why: impl ToString) -> RecoverError {
    RecoverError::Damage(Damage { what: what.to_string(), why: why.to_string() })
}

impl Engine {
    /// Rebuilds the engine from what is stored: nothing for a new node. The effects must be carried out first.
    pub fn recover(
        config: Config,
        archive: &(impl Archive + ?Sized),
        now: Time,
    ) -> Result<(Self, Vec<Effect>), RecoverError> {
        let lives = archive.lives()?;
        if let Some(incarnation) = lives.rolled_back {
            return Err(RecoverError::RolledBack(incarnation));
        }
        let mut engine = Self::empty(config, lives, now)?;
        engine.replay(archive)?;
        engine.restore_feeds(archive)?;
        let stored = engine.restore_votes(archive)?;
        engine.keep_copy(engine.certified);
        let certified = EpochNumber(engine.certified);
        engine.window = Window::new(engine.setup(), certified);
        engine.start.stored = stored;
        engine.begin();
        if let Some(seat) = engine.silent {
            engine.notify(Event::Silent { seat, incarnation: engine.incarnation });
        }
        engine.cosign_again();
        engine.turn();
        let effects = std::mem::take(&mut engine.effects);
        Ok((engine, effects))
    }

    pub(super) fn empty(config: Config, lives: Lives, now: Time) -> Result<Self, RecoverError> {
        let Config { founded, node, seat, timing, snapshots, heeds_conviction, nonce } = config;
        let coalition = founded.coalition();
        let committee = Committee::new(founded.committee_size())
            .map_err(|error| RecoverError::Charter(error.to_string()))?;
        let seats = founded.seats().to_vec();
        let seat_nodes = founded.partners().iter().map(|partner| partner.nodes.clone()).collect();
        let nodes: Vec<_> = founded.nodes().map(|(key, _)| key).collect();
        if nodes.len() * Lane::ALL.len() > MAX_FEEDS {
            return Err(RecoverError::Charter(format!("{} nodes are too many", nodes.len())));
        }
        let own = match seat {
            Some(key) => {
                let index = founded.seat_index(&key.public()).ok_or(RecoverError::NoSeat)?;
                Some(OwnSeat { seat: Seat(index as u16), key })
            }
            None => None,
        };
        // What it signed in the lost part is unknown, so its seat must not sign again.
        let (own, silent) = match own {
            Some(own) if lives.incarnation > 0 => (None, Some(own.seat)),
            own => (own, None),
        };
        let partners = founded.partners().iter().map(|partner| (partner.name.to_string(), partner.seat));
        let cosigners = Cosigners::new(coalition, partners, committee.quorum())?;
        let keys = Basis::feeds_of(&nodes, incarnations(nodes.len()), []);
        let roots: Vec<Head> =
            keys.iter().map(|key| Head { length: 0, hash: key.root(&coalition) }).collect();
        let feeds =
            keys.iter().zip(&roots).map(|(&key, &root)| Feed::new(key, Chain::at(key, root))).collect();
        let quota = Lane::ALL.map(|lane| u64::from(founded.charter().quota.of(lane)));
        let step_ms = founded.charter().step_ms;
        let basis = Basis {
            epoch: 1,
            last_set: committee.all(),
            frozen: vec![false; keys.len()],
            committed: roots,
            quota,
            time: founded.charter().created,
            step_ms,
            feeds: keys.clone(),
        };
        let request = own.as_ref().map(|own| HeadRequest::sign(&coalition, own.seat, nonce, now, &own.key));
        let setup = Setup::new(committee, own.as_ref().map(|own| own.seat), coalition.as_bytes())
            .map_err(|error| RecoverError::Charter(error.to_string()))?;
        Ok(Self {
            state: State::genesis(&founded),
            coalition,
            committee,
            seats,
            seat_nodes,
            cosigners,
            node,
            own,
            silent,
            heeds_conviction,
            incarnation: if plant::is("same-life") { 0 } else { lives.incarnation },
            ahead: BTreeMap::new(),
            timing,
            now,
            effects: Vec::new(),
            halted: false,
            faults: 0,
            keys_seen: 0,
            index: keys.into_iter().enumerate().map(|(index, key)| (key, index)).collect(),
            feeds,
            window: Window::new(setup, EpochNumber(0)),
            basis,
            applied: 0,
            certified: 0,
            chains: BTreeMap::new(),
            equivocations: BTreeMap::new(),
            reported: Default::default(),
            equivocators: Default::default(),
            split: Default::default(),
            proposals: Proposals::default(),
            unsaid: BTreeMap::new(),
            unsent: BTreeMap::new(),
            log: Frontier::new(),
            uncertified: BTreeMap::new(),
            cosigns: BTreeMap::new(),
            early_cosigns: BTreeMap::new(),
            catchup: Catchup::default(),
            copies: Copies::new(snapshots),
            clock_astray: false,
            last_proof: None,
            own_records: BTreeMap::new(),
            due_written: BTreeMap::new(),
            start: Start::new(request, Vec::new()),
            peers: BTreeMap::new(),
            asked: BTreeMap::new(),
            ask_due: false,
            retry_at: None,
            gossip_at: None,
            repeat_at: None,
            woken_for: None,
            reach: None,
            missing: BTreeMap::new(),
            founded: Arc::clone(&founded),
        })
    }

    fn setup(&self) -> Setup {
        Setup::new(self.committee, self.own_seat(), self.coalition.as_bytes())
            .expect("checked when it was first made")
    }

    /// Applies every stored batch again, from the copy of the state on if there is one.
    pub(super) fn replay(&mut self, archive: &(impl Archive + ?Sized)) -> Result<(), RecoverError> {
        self.resume_stored(archive)?;
        let last = archive.last_certificate()?;
        let proof = archive.last_proof()?;
        while let Some(batch) = archive.batch(self.applied + 1)? {
            let epoch = self.applied + 1;
            let bodies = |engine: &Self, index: usize, length: u64| {
                let feed = engine.basis.feeds[index];
                let what = format!("entry {length} of feed {}/{}", feed.node, feed.lane);
                match archive.entry(&feed, length)? {
                    Some(entry) => Ok(entry.body),
                    None => Err(damage(what, "is ordered and missing")),
                }
            };
            let applied = self.apply(batch.agreed.clone(), bodies)?;
            if applied.batch != batch {
                return Err(damage(format!("batch of epoch {epoch}"), "is not what its contributions give"));
            }
            let record = applied.batch.leaves.last().cloned().unwrap_or_default();
            self.finish(epoch, applied);
            if let Some((certified, certificate)) = last.as_ref().filter(|(certified, _)| *certified == epoch)
            {
                certificate
                    .verify(&self.cosigners)
                    .map_err(|error| damage(format!("certificate of epoch {certified}"), error))?;
                if self.uncertified_head(epoch) != Some(certificate.head) {
                    return Err(damage(
                        format!("certificate of epoch {certified}"),
                        "is not of the stored log",
                    ));
                }
                self.restore_certified(epoch, certificate.clone());
            }
            if let Some(proof) = proof.as_ref().filter(|proof| proof.leaf == record) {
                if proof.verify(&self.coalition, &self.cosigners).is_none() {
                    return Err(damage(format!("proof of epoch {epoch}"), "does not verify"));
                }
                self.restore_proven(epoch, proof.clone());
            }
        }
        match last {
            Some((epoch, _)) if epoch > self.applied => {
                Err(damage(format!("batch of epoch {}", self.applied + 1), "is certified and missing"))
            }
            _ => Ok(()),
        }
    }

    /// Takes in what is held of each feed: a few ordered entries' hashes, and all that is not ordered.
    pub(super) fn restore_feeds(&mut self, archive: &(impl Archive + ?Sized)) -> Result<(), RecoverError> {
        let held: BTreeMap<_, _> = archive.feeds()?.into_iter().collect();
        let floor: BTreeMap<_, _> =
            archive.floor()?.map(|mark| mark.committed()).into_iter().flatten().collect();
        for index in 0..self.feeds.len() {
            let key = self.feeds[index].key;
            let committed = self.basis.committed[index];
            let floor = floor.get(&key).copied();
            // Of what was skipped nothing is there.
            let head = held.get(&key).copied().into_iter().chain(floor).max_by_key(|head| head.length);
            let Some(head) = head else {
                if committed.length > 0 {
                    return Err(damage(format!("feed {}/{}", key.node, key.lane), "is ordered and missing"));
                }
                continue;
            };
            // Of a frozen feed what is not ordered never will be.
            let head = if self.basis.frozen[index] { committed } else { head };
            self.feeds[index].chain = self.restore_chain(archive, key, committed, head, floor)?;
        }
        // What a restore has said again in an incarnation that the log does not enrol yet.
        for (key, head) in held {
            if self.is_own(&key) && !self.index.contains_key(&key) && !self.is_revoked() {
                let root = Head { length: 0, hash: key.root(&self.coalition) };
                let chain = self.restore_chain(archive, key, root, head, None)?;
                self.ahead.insert(key, chain);
            }
        }
        for found in archive.forks()? {
            if let Some(&index) = self.index.get(&found.proof.feed) {
                self.feeds[index].fork = Some(found.proof);
            }
        }
        for frames in archive.equivocations()? {
            self.equivocations.insert(frames[0].feed.seat, Equivocation::new(&frames));
        }
        Ok(())
    }

    /// A feed's chain, held up to `head` and ordered up to `committed`; at and below `floor` entries may be missing.
    fn restore_chain(
        &mut self,
        archive: &(impl Archive + ?Sized),
        key: FeedKey,
        committed: Head,
        head: Head,
        floor: Option<Head>,
    ) -> Result<Chain, RecoverError> {
        let floor = floor.unwrap_or_else(|| Head { length: 0, hash: key.root(&self.coalition) });
        let base = committed.length.saturating_sub(RECENT_LINKS as u64).max(floor.length);
        let entry_of = |length| format!("entry {length} of feed {}/{}", key.node, key.lane);
        let missing = |length| damage(entry_of(length), "is missing");
        let base_hash = match base {
            base if base == floor.length => floor.hash,
            _ => archive.entry(&key, base)?.ok_or_else(|| missing(base))?.hash,
        };
        let mut chain = Chain::at(key, Head { length: base, hash: base_hash });
        for length in base + 1..=head.length {
            let entry = archive.entry(&key, length)?.ok_or_else(|| missing(length))?;
            let ordered = length <= committed.length;
            chain.restore(entry.hash, &entry.body, entry.signature, ordered);
            if chain.follows(length).is_none_or(|hash| hash != entry.hash) {
                return Err(damage(entry_of(length), "breaks the chain"));
            }
            if !ordered && key.node == self.node.public() {
                self.own_records.insert(id_of(&entry.body), (key, length));
            }
        }
        if !chain.holds(&committed) {
            return Err(damage(
                format!("feed {}/{}", key.node, key.lane),
                "is not the branch that is ordered",
            ));
        }
        chain.commit(committed);
        Ok(chain)
    }

    /// Takes in the frames of open epochs; returns them all, for when reports have come.
    fn restore_votes(
        &mut self,
        archive: &(impl Archive + ?Sized),
    ) -> Result<Vec<crate::vote::VoteFrame>, RecoverError> {
        let mut stored = Vec::new();
        for epoch in self.certified + 1..=self.certified + OPEN_EPOCHS {
            for seat in self.committee.seats() {
                let feed = Self::vote_feed(seat, epoch);
                let mut previous = feed.root(&self.coalition);
                for (seq, frame) in archive.frames(epoch, seat, 0, usize::MAX)?.into_iter().enumerate() {
                    let what = || format!("frame {seq} of seat {} in epoch {epoch}", seat.0);
                    if frame.feed != feed || frame.seq as usize != seq || frame.previous != previous {
                        return Err(damage(what(), "breaks the chain"));
                    }
                    previous = frame.hash();
                    let own = Some(seat) == self.own_seat();
                    self.chains.entry(epoch).or_default().push(frame.clone(), own);
                    stored.push(frame);
                }
            }
            for bytes in archive.payloads(epoch)? {
                self.proposals.stash(epoch, bytes);
            }
        }
        Ok(stored)
    }
}
