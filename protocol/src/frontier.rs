//! Frontiers: what a seat contributes, how agreed contributions become a cut, and the order of what lies below it.
//!
//! Guarantees: every function here is pure in its arguments, so all honest seats, which agree on the contributions
//! and on the record of the epoch before, compute the same cut, order and batch time. A feed advances only to a
//! length and hash that `weak` contributions name exactly, so an honest seat holds it and no liar steers it; and it
//! advances by at least half of what `weak` honest seats hold, whatever the scheduler does, because claims stand at
//! powers of two.
//!
//! Assumes at most f faulty seats, and that honest claims extend the committed heads.
//! Source: `docs/architecture.md`, section "Agreement"; HoneyBadger (Miller et al., CCS 2016) for the epoch around it.

use std::collections::BTreeMap;

use entente_hbbft::{Committee, Seat, SeatSet, plant};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::feed::{FeedKey, Head, Lane};
use crate::identity::{Hash, PublicKey, hash};
use crate::time::Time;
use crate::wire::{self, WireError};

/// Largest encoded contribution, in bytes.
pub const MAX_CONTRIBUTION_BYTES: usize = 48 * 1024;
/// Most claims on one feed: powers of two below the largest quota, and the top.
pub const MAX_CLAIMS_PER_FEED: usize = 18;
/// Most feeds of a coalition: as many as its partners may have nodes, in each lane. A whole frontier and an epoch's
/// record, which name them all, fit into one message.
pub const MAX_FEEDS: usize = 2048;
/// Most incarnations of a node whose feeds are enrolled: so often may it be restored, less one. Fewer where there are so
/// many nodes that their feeds would exceed [`MAX_FEEDS`].
pub const MAX_INCARNATIONS: u32 = 16;

/// How many incarnations of a node may be enrolled in a coalition whose founding charter names `founding` nodes: the same for
/// all, so that none takes up the room of another, and the same for ever, whoever is enrolled later, because a feed that was
/// enrolled must not lose its place. Leaves room for as many nodes again where there is any.
pub fn incarnations(founding: usize) -> u32 {
    let room = MAX_FEEDS / (2 * founding.max(1) * Lane::ALL.len());
    u32::try_from(room).unwrap_or(u32::MAX).clamp(1, MAX_INCARNATIONS)
}

/// How many nodes may be enrolled at once in such a coalition, without exceeding [`MAX_FEEDS`].
pub fn most_nodes(founding: usize) -> usize {
    MAX_FEEDS / (incarnations(founding) as usize * Lane::ALL.len())
}

/// What steers one epoch: a function of the record of the epoch before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// The epoch that is steered.
    pub epoch: u64,
    /// Enrolled feeds, lane by lane in order of precedence, within a lane in the order of nodes: the charter's, then that of
    /// their grants; and a node's by incarnation.
    pub feeds: Vec<FeedKey>,
    /// Their committed heads.
    pub committed: Vec<Head>,
    /// Which of them are frozen.
    pub frozen: Vec<bool>,
    /// Most entries of a feed that one epoch orders, by lane.
    pub quota: [u64; 4],
    /// Batch time of the epoch before.
    pub time: Time,
    /// The proposers that the epoch before agreed on; all in an era's first. The agreements' first coins.
    pub last_set: SeatSet,
    /// Largest advance of batch time that one median decides, in ms.
    pub step_ms: u64,
}

impl Basis {
    /// The enrolled feeds of `nodes` in the order that claims refer to, where `committed` are the feeds that have
    /// ordered entries, as an epoch's record names them: of each node, in all lanes, the incarnations up to the greatest
    /// with an ordered entry, and the next one, at most `most` ([`incarnations`]). The older ones stay: what is held of them is
    /// still ordered. The next one is there before it is needed, because nobody could order that it be so on behalf
    /// of a node that may not use its feeds; one more only, because a liar would otherwise enrol all at once.
    pub fn feeds_of<'a>(
        nodes: &[PublicKey],
        most: u32,
        committed: impl IntoIterator<Item = &'a FeedKey>,
    ) -> Vec<FeedKey> {
        let mut enrolled: BTreeMap<PublicKey, u32> = nodes.iter().map(|&node| (node, 2.min(most))).collect();
        for feed in committed {
            if let Some(count) = enrolled.get_mut(&feed.node) {
                *count = feed.incarnation.saturating_add(2).min(most).max(*count);
            }
        }
        let of_lane = |lane| {
            let enrolled = &enrolled;
            nodes.iter().flat_map(move |&node| {
                (0..enrolled[&node]).map(move |incarnation| FeedKey { node, lane, incarnation })
            })
        };
        Lane::ALL.into_iter().flat_map(of_lane).collect()
    }

    /// The greatest length of feed `index` that a contribution to this epoch may claim.
    pub fn ceiling(&self, index: usize) -> u64 {
        self.committed[index].length.saturating_add(self.quota[self.feeds[index].lane as usize])
    }

    /// Feed indexes in the order in which a full contribution takes them: by precedence, within a lane cyclically
    /// from the one that the epoch's number names, so that no feed is always the one left out.
    fn turn(&self) -> impl Iterator<Item = usize> + '_ {
        let per_lane = self.feeds.len() / Lane::ALL.len();
        let shift = if per_lane == 0 { 0 } else { (self.epoch % per_lane as u64) as usize };
        (0..self.feeds.len()).map(move |i| i / per_lane * per_lane + (i % per_lane + shift) % per_lane)
    }
}

/// What a seat holds of the feeds that have something to order, and its clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// The seat's clock.
    pub clock: Time,
    /// Claims by ascending feed index.
    pub claims: Vec<FeedClaims>,
}

/// Exact lengths and hashes held of one feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedClaims {
    /// Index into [`Basis::feeds`].
    pub feed: u16,
    /// (entries beyond the committed head, hash there), at 1, 2, 4, ... and at the top.
    pub heads: Vec<(u64, Hash)>,
}

/// Why a contribution is invalid. Invalid ones are not echoed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ContributionError {
    /// The bytes are no contribution.
    #[error("contribution: {0}")]
    Wire(#[from] WireError),
    /// Feeds out of order, unknown or frozen.
    #[error("feed index {0} is out of order, unknown or frozen")]
    Feed(u16),
    /// Lengths other than the powers of two and the top, or beyond the quota.
    #[error("claims on feed index {0} are not at 1, 2, 4, ... and a top within the quota")]
    Lengths(u16),
}

/// The lengths beyond the committed head at which a seat that holds `top` of them claims.
fn claim_lengths(top: u64) -> impl Iterator<Item = u64> {
    (0..63).map(|power| 1u64 << power).take_while(move |&length| length < top).chain((top > 0).then_some(top))
}

impl Contribution {
    /// What a seat contributes: for each unfrozen feed, in turn, all of its claims or none, as far as the limit of
    /// bytes goes. `held` gives how much of a feed is held, and `hash_at` its hash at a length, both on the branch
    /// that extends the committed head.
    pub fn compose(
        basis: &Basis,
        clock: Time,
        held: impl Fn(usize) -> u64,
        hash_at: impl Fn(usize, u64) -> Option<Hash>,
    ) -> Self {
        let mut claims = BTreeMap::new();
        let mut bytes = wire::encode(&clock).len() + 5;
        for index in basis.turn().filter(|&index| !basis.frozen[index]) {
            let base = basis.committed[index].length;
            let top = held(index).min(basis.ceiling(index)).saturating_sub(base);
            let heads: Option<Vec<_>> =
                claim_lengths(top).map(|beyond| Some((beyond, hash_at(index, base + beyond)?))).collect();
            let Some(heads) = heads.filter(|heads| !heads.is_empty()) else {
                continue;
            };
            let feed = FeedClaims { feed: index as u16, heads };
            let size = wire::encode(&feed).len();
            // Room for one feed, so that the limit bites: with the bug, and without it where its histories are tried.
            let small = plant::is("quota-own-order") || plant::is("small-contributions");
            if bytes + size > MAX_CONTRIBUTION_BYTES || (small && !claims.is_empty()) {
                break;
            }
            bytes += size;
            claims.insert(index, feed);
        }
        Self { clock, claims: claims.into_values().collect() }
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads and checks a contribution: a pure function of its bytes and the basis, never of what the checker holds.
    pub fn decode(bytes: &[u8], basis: &Basis) -> Result<Self, ContributionError> {
        let contribution: Self = wire::decode(bytes, MAX_CONTRIBUTION_BYTES)?;
        let mut next = 0;
        for claims in &contribution.claims {
            let index = usize::from(claims.feed);
            if index < next || index >= basis.feeds.len() || basis.frozen[index] {
                return Err(ContributionError::Feed(claims.feed));
            }
            next = index + 1;
            let top = claims.heads.last().map_or(0, |&(beyond, _)| beyond);
            let quota = basis.ceiling(index) - basis.committed[index].length;
            let lengths = claims.heads.iter().map(|&(beyond, _)| beyond);
            if top == 0
                || top > quota
                || claims.heads.len() > MAX_CLAIMS_PER_FEED
                || !lengths.eq(claim_lengths(top))
            {
                return Err(ContributionError::Lengths(claims.feed));
            }
        }
        Ok(contribution)
    }

    /// The greatest length claimed of each feed that is claimed.
    pub fn tops<'a>(&'a self, basis: &'a Basis) -> impl Iterator<Item = (usize, Head)> + 'a {
        self.claims.iter().filter_map(|claims| {
            let index = usize::from(claims.feed);
            let &(beyond, hash) = claims.heads.last()?;
            Some((index, Head { length: basis.committed[index].length + beyond, hash }))
        })
    }

    /// All claims: feed index and head.
    pub fn heads<'a>(&'a self, basis: &'a Basis) -> impl Iterator<Item = (usize, Head)> + 'a {
        self.claims.iter().flat_map(move |claims| {
            let index = usize::from(claims.feed);
            let base = basis.committed[index].length;
            claims.heads.iter().map(move |&(beyond, hash)| (index, Head { length: base + beyond, hash }))
        })
    }
}

/// The cut: per feed the greatest length at which one hash has at least `weak` exact claims, the lower hash if there
/// are two; the committed head where there is none.
pub fn cut(basis: &Basis, committee: &Committee, agreed: &BTreeMap<Seat, Contribution>) -> Vec<Head> {
    let mut counts: BTreeMap<(usize, u64, Hash), usize> = BTreeMap::new();
    for contribution in agreed.values() {
        for (index, head) in contribution.heads(basis) {
            *counts.entry((index, head.length, head.hash)).or_default() += 1;
        }
    }
    let mut cut = basis.committed.clone();
    // Ascending by length, then by hash: of one length the lower hash comes first and stays.
    for ((index, length, hash), count) in counts {
        let enough = if plant::is("cut-at-f") { committee.faulty().max(1) } else { committee.weak() };
        if count >= enough && length > cut[index].length {
            cut[index] = Head { length, hash };
        }
    }
    cut
}

/// The order of the entries between the committed heads and the cut: (feed index, length). Lane by lane; within a lane
/// feeds rotated by a hash of the agreed set and the epoch, which no author knows when it writes; then by length.
pub fn order(basis: &Basis, cut: &[Head], agreed: &BTreeMap<Seat, Contribution>) -> Vec<(usize, u64)> {
    let seats: Vec<u16> = agreed.keys().map(|seat| seat.0).collect();
    let digest = hash("entente/order/v1", &[&wire::encode(&(basis.epoch, seats))]);
    let draw = u64::from_le_bytes(digest.0[..8].try_into().expect("eight bytes"));
    let per_lane = basis.feeds.len() / Lane::ALL.len();
    let mut order = Vec::new();
    for lane in 0..Lane::ALL.len() {
        for i in 0..per_lane {
            let index = lane * per_lane + (i + (draw % per_lane as u64) as usize) % per_lane;
            order.extend(
                (basis.committed[index].length + 1..=cut[index].length).map(|length| (index, length)),
            );
        }
    }
    order
}

/// Batch time from the clocks of the agreed contributions: their lower median, moved by at most a step unless even
/// the k-th smallest clock lies beyond, so f liars and one bad honest clock cannot throw time forward. Never backwards.
pub fn batch_time(
    previous: Time,
    step_ms: u64,
    committee: &Committee,
    clocks: impl Iterator<Item = Time>,
) -> Time {
    let mut clocks: Vec<Time> = clocks.collect();
    clocks.sort_unstable();
    let Some(&median) = clocks.get(clocks.len().saturating_sub(1) / 2) else {
        return previous;
    };
    if median <= previous {
        return previous;
    }
    if median.since(previous) <= step_ms {
        return median;
    }
    let k = committee.size().saturating_sub(2 * committee.faulty() + 1).max(1);
    let k = if plant::is("time-cap") { committee.faulty() + 1 } else { k };
    let kth = clocks[(k - 1).min(clocks.len() - 1)];
    previous.plus(step_ms).max(median.min(kth))
}

#[cfg(test)]
mod tests;
