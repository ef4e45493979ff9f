//! The lives of a node: a store that was rolled back, the restore after it, and the feeds of the next incarnation.
//!
//! Guarantees: once others were seen to hold own words that the store lacks, this store says nothing more until it is
//! restored. A restored node writes in an incarnation in which it was never seen to have written, so nothing that it
//! says contradicts what it has forgotten, and nobody can accuse it. Own entries that the store holds and that are not
//! ordered are said again there; those that others hold come back in the older incarnations as anybody's do. Its seat
//! signs nothing any more, neither votes nor reports nor cosignatures, because it cannot know what it has signed: it is
//! one of the f. Which feeds are enrolled is for `enrolment`.
//!
//! Source: consensus rule "Recovery".

use entente_hbbft::Seat;

use super::feeds::run_length;
use super::{Config, Engine, Halt, RecoverError};
use crate::feed::{FeedKey, Head, Lane, Run};
use crate::record::Body;
use crate::replicate::EpochProof;
use crate::store::{Archive, Write};
use crate::time::Time;

/// What a restore comes to.
#[derive(Debug)]
pub struct Restored {
    /// The incarnation in which the node writes from now on.
    pub incarnation: u32,
    /// Whether that is news: false where the store was restored before and nothing has been ordered since.
    pub is_new: bool,
    /// The node's seat, which is silent from now on; none for a node without one.
    pub seat: Option<Seat>,
    /// How many own entries that were not ordered are said again.
    pub again: usize,
    /// To be made durable together, before the node is started.
    pub writes: Vec<Write>,
}

impl Engine {
    /// Takes the next incarnation for a node whose store is an old copy, or was found to be one. Nothing has changed
    /// before the writes are durable. To restore what is restored changes nothing, unless words of the new
    /// incarnation were ordered or found at others since.
    pub fn restore(
        config: Config,
        archive: &(impl Archive + ?Sized),
        now: Time,
    ) -> Result<Restored, RecoverError> {
        let lives = archive.lives()?;
        let mut engine = Self::empty(config, lives, now)?;
        engine.replay(archive)?;
        engine.restore_feeds(archive)?;
        let seat = engine.own_seat().or(engine.silent);
        let me = engine.node.public();
        let of_log =
            engine.feeds.iter().filter(|feed| feed.key.node == me && feed.chain.committed().length > 0);
        let ordered = of_log.map(|feed| feed.key.incarnation).max();
        let mut incarnation = lives.incarnation;
        // Skipping one in which nothing is ordered would leave the next without being enrolled for ever.
        let used = incarnation == 0 || lives.rolled_back.is_some() || ordered >= Some(incarnation);
        if !used {
            return Ok(Restored { incarnation, is_new: false, seat, again: 0, writes: Vec::new() });
        }
        incarnation =
            incarnation.max(lives.rolled_back.unwrap_or(0)).max(ordered.unwrap_or(0)).saturating_add(1);
        let most = engine.state.most_incarnations();
        if incarnation >= most {
            return Err(RecoverError::Incarnations(most));
        }
        let mut writes = Vec::new();
        let mut again = 0;
        for lane in Lane::ALL {
            let mut bodies = Vec::new();
            let chains = engine.feeds.iter().map(|feed| (&feed.key, &feed.chain)).chain(&engine.ahead);
            for (key, chain) in chains.filter(|(key, _)| key.node == me && key.lane == lane) {
                let committed = chain.committed().length;
                let unordered = committed + 1..=chain.head().length;
                if unordered.is_empty() {
                    continue;
                }
                bodies.extend(unordered.filter_map(|length| chain.body(length)).map(<[u8]>::to_vec));
                writes.push(Write::Truncate { feed: *key, length: committed });
            }
            bodies.retain(|body| match Body::decode(body) {
                Ok(Body::Signed(signed)) => engine.state.seen(&signed.record.id()).is_none(),
                // Whoever votes writes these when they are due.
                Ok(Body::Due(_)) => false,
                _ => true,
            });
            again += bodies.len();
            writes.extend(engine.runs_of(FeedKey { node: me, lane, incarnation }, bodies));
        }
        writes.push(Write::Restored { incarnation });
        Ok(Restored { incarnation, is_new: true, seat, again, writes })
    }

    /// A feed's first entries, signed in as many runs as it takes.
    fn runs_of(&self, feed: FeedKey, mut bodies: Vec<Vec<u8>>) -> Vec<Write> {
        let mut from = Head { length: 0, hash: feed.root(&self.coalition) };
        let mut writes = Vec::new();
        while !bodies.is_empty() {
            let rest = bodies.split_off(run_length(bodies.iter()));
            let run =
                Run::sign(&self.coalition, feed, from, std::mem::replace(&mut bodies, rest), &self.node);
            let heads = run.heads();
            from = heads.last().copied().unwrap_or(from);
            writes.push(Write::Run { run, heads });
        }
        writes
    }

    /// Whether a feed is one that only this process may write: then what others hold of it must be on the disk.
    pub(super) fn is_own(&self, feed: &FeedKey) -> bool {
        feed.node == self.node.public() && feed.incarnation >= self.incarnation
    }

    /// Whether a feed may become enrolled, so that words of it may come early.
    pub(super) fn may_be_enrolled(&self, feed: &FeedKey) -> bool {
        let enrolled = self.state.node(&feed.node).is_some();
        // The own grant may not be caught up with yet.
        let to_be = feed.node == self.node.public() && !self.is_revoked();
        (enrolled || to_be) && feed.incarnation < self.state.most_incarnations()
    }

    /// Others hold own words that the store lacks. Noted durably, so that this copy is not started again as it is.
    pub(super) fn rolled_back(&mut self, incarnation: u32, what: String) {
        if !self.halted {
            self.persist(Write::RolledBack { incarnation });
            self.halt(Halt::Rollback { what });
        }
    }

    /// An epoch is certified in which own words are ordered that the store lacks. Said by a quorum, so the greatest
    /// incarnation among them is one that this node was in.
    pub(super) fn compare_lives(&mut self, proof: &EpochProof, committed: &[(FeedKey, Head, bool)]) {
        // Of its feeds nothing is kept any more that could be compared.
        if self.is_revoked() {
            return;
        }
        let lacks = |feed: &FeedKey, head: &Head| match self.index.get(feed) {
            Some(&index) => {
                let chain = &self.feeds[index].chain;
                head.length > chain.head().length || chain.contradicts(head)
            }
            None => true,
        };
        let lost = committed
            .iter()
            .filter(|(feed, head, _)| head.length > 0 && self.is_own(feed) && lacks(feed, head));
        if let Some(incarnation) = lost.map(|(feed, ..)| feed.incarnation).max() {
            let size = proof.certificate.head.size;
            let what = format!(
                "the certified log of {size} leaves holds own entries of incarnation {incarnation} that are not in the store"
            );
            self.rolled_back(incarnation, what);
        }
    }
}
