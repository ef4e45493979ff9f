//! Counting again: cut, order, time and tree from the agreed contributions, by the text of the rules.

use std::collections::{BTreeMap, BTreeSet};

use super::affairs::Affairs;
use super::bounds::Size;
use super::contributions::Basis;
use super::evidence::{Evidence, hashed};
use super::grounds::digest_of;
use ed25519_dalek::{Signature, VerifyingKey};
use entente_hbbft::Seat;
use entente_protocol::charter::Charter;
use entente_protocol::coalition::{Disposition, Refusal};
use entente_protocol::feed::{FeedKey, Head, Lane, Run};
use entente_protocol::frontier::Contribution;
use entente_protocol::identity::{CoalitionId, Hash, PublicKey};
use entente_protocol::leaf::{EntryLeaf, Leaf, MAX_LEAF_BYTES};
use entente_protocol::ledger::cosignature::Certificate;
use entente_protocol::store::Batch;
use entente_protocol::time::Time;
use entente_protocol::wire;
use sha2::{Digest as _, Sha256};

/// What has been counted so far.
pub(super) struct Recount {
    coalition: CoalitionId,
    seats: usize,
    f: usize,
    nodes: Vec<PublicKey>,
    /// In the order that claims refer to.
    feeds: Vec<FeedKey>,
    committed: Vec<Head>,
    /// The most nodes and feeds that there have been.
    most: (usize, usize),
    epoch: u64,
    size: u64,
    time: Time,
    step_ms: u64,
    quota: [u64; 4],
    /// By epoch.
    bases: BTreeMap<u64, Basis>,
    pub(super) evidence: Evidence,
    pub(super) affairs: Affairs,
}

/// Lanes, each of which has as many feeds.
pub(super) const LANES: usize = 4;

/// The incarnations of a node that may be ordered, if there are not very many nodes.
pub(super) const MOST_INCARNATIONS: u32 = 16;

/// The feeds that an epoch may order, with their heads: lane by lane, node by node; of each node all incarnations up to
/// one behind the last of which something was ordered in any lane.
fn enrolled(
    coalition: &CoalitionId,
    nodes: &[PublicKey],
    ordered: &BTreeMap<FeedKey, Head>,
) -> (Vec<FeedKey>, Vec<Head>) {
    let mut feeds = Vec::new();
    for lane in [Lane::Flash, Lane::Immediate, Lane::Priority, Lane::Routine] {
        for &node in nodes {
            let used = ordered.keys().filter(|feed| feed.node == node).map(|feed| feed.incarnation).max();
            let last = (used.unwrap_or(0) + 1).min(MOST_INCARNATIONS - 1);
            feeds.extend((0..=last).map(|incarnation| FeedKey { node, lane, incarnation }));
        }
    }
    let start = |feed: &FeedKey| Head { length: 0, hash: feed.root(coalition) };
    let heads = feeds.iter().map(|feed| ordered.get(feed).copied().unwrap_or(start(feed))).collect();
    (feeds, heads)
}

/// The order of feeds in a batch: lane by lane, in each from the same place on, which a hash of the agreed seats and
/// the epoch draws.
fn turns(feeds: usize, epoch: u64, agreed: &[u16]) -> Vec<usize> {
    let drawn = hashed("entente/order/v1", &[&wire::encode(&(epoch, agreed))]);
    let drawn = drawn[..8].iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let each = feeds / LANES;
    let first = (drawn % each.max(1) as u64) as usize;
    (0..LANES).flat_map(|lane| (0..each).map(move |place| lane * each + (first + place) % each)).collect()
}

/// Whether a batch has an entry among its leaves.
pub(super) fn orders_any(batch: &Batch) -> bool {
    batch.leaves.iter().any(|leaf| matches!(wire::decode(leaf, MAX_LEAF_BYTES), Ok(Leaf::Entry(_))))
}

/// RFC 6962, section 2.1, as it stands there.
pub(super) fn tree_hash(leaves: &[&[u8]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => Sha256::new().chain_update([0]).chain_update(leaf).finalize().into(),
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = (tree_hash(&leaves[..split]), tree_hash(&leaves[split..]));
            Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
        }
    }
}

impl Recount {
    pub(super) fn new(
        coalition: CoalitionId,
        seats: &[PublicKey],
        nodes: &[PublicKey],
        charter: &Charter,
    ) -> Self {
        let (feeds, committed) = enrolled(&coalition, nodes, &BTreeMap::new());
        let evidence = Evidence::new(coalition, seats);
        let (seats, f) = (seats.len(), (seats.len() - 1) / 3);
        let nodes = nodes.to_vec();
        let quota = &charter.quota;
        let quota = [quota.flash, quota.immediate, quota.priority, quota.routine].map(u64::from);
        let mut recount = Self {
            coalition,
            seats,
            f,
            most: (nodes.len(), feeds.len()),
            nodes,
            feeds,
            committed,
            epoch: 0,
            size: 0,
            time: charter.created,
            step_ms: charter.step_ms,
            quota,
            bases: BTreeMap::new(),
            evidence,
            affairs: Affairs::new(coalition, charter),
        };
        recount.rest((0..seats as u16).map(Seat).collect());
        recount
    }

    /// What the next epoch stands on; `last` are those whose contributions the last one agreed on.
    fn rest(&mut self, last: BTreeSet<Seat>) {
        let (epoch, quota) = (self.epoch + 1, self.quota);
        let (feeds, committed) = (self.feeds.clone(), self.committed.clone());
        let frozen = feeds.iter().map(|feed| self.evidence.is_frozen(feed)).collect();
        self.bases.insert(epoch, Basis { epoch, feeds, committed, frozen, quota, last });
    }

    /// What an epoch stands on, if the one before is known.
    pub(super) fn basis(&self, epoch: u64) -> Option<&Basis> {
        self.bases.get(&epoch)
    }

    /// How many seats there are, a quorum of them, and so many that one is honest.
    pub(super) fn thresholds(&self) -> (usize, usize, usize) {
        (self.seats, self.seats - self.f, self.weak())
    }

    /// How large the coalition and its log are.
    pub(super) fn size(&self) -> Size {
        let (nodes, feeds) = self.most;
        Size { seats: self.seats, weak: self.weak(), nodes, feeds, leaves: self.size as usize }
    }

    /// Entries that some honest member holds.
    pub(super) fn held(&mut self, run: &Run) {
        for (hash, record) in self.evidence.held(run) {
            self.affairs.held(hash, &record);
        }
    }

    fn weak(&self) -> usize {
        (self.f + 1).max(self.seats.min(2))
    }

    pub(super) fn is_ordered(&self, feed: &FeedKey, length: u64) -> bool {
        let index = self.feeds.iter().position(|known| known == feed);
        index.is_some_and(|index| self.committed[index].length >= length)
    }

    /// Recomputes a batch from its agreed contributions and says what differs.
    pub(super) fn batch(&mut self, batch: &Batch) -> Result<(), String> {
        if batch.epoch != self.epoch + 1 || batch.first_index != self.size {
            return Err(format!(
                "begins at {} after epoch {} and size {}",
                batch.first_index, self.epoch, self.size
            ));
        }
        let seats: BTreeSet<Seat> = batch.agreed.iter().map(|(seat, _)| *seat).collect();
        if seats.len() != batch.agreed.len() || seats.len() < self.seats - self.f {
            return Err(format!("{} contributions of {} seats", batch.agreed.len(), self.seats));
        }
        let basis = self.basis(batch.epoch).ok_or("it stands on no epoch")?;
        let valid = |(seat, bytes): &(Seat, Vec<u8>)| {
            basis.valid(bytes).map_err(|what| format!("agreed on what seat {} contributes: {what}", seat.0))
        };
        let agreed: Vec<Contribution> = batch.agreed.iter().map(valid).collect::<Result<_, _>>()?;
        let cut = self.cut(&agreed)?;
        let time = self.batch_time(agreed.iter().map(|contribution| contribution.clock).collect());
        if time != batch.time {
            return Err(format!("batch time {:?}, recomputed {time:?}", batch.time));
        }
        self.leaves(batch, &cut)?;
        let heads = self.feeds.iter().copied().zip(cut).filter(|(_, head)| head.length > 0).collect();
        self.nodes = self.affairs.nodes();
        (self.feeds, self.committed) = enrolled(&self.coalition, &self.nodes, &heads);
        self.most = (self.most.0.max(self.nodes.len()), self.most.1.max(self.feeds.len()));
        self.epoch = batch.epoch;
        self.size = batch.size();
        self.time = time;
        self.rest(seats);
        Ok(())
    }

    fn cut(&self, agreed: &[Contribution]) -> Result<Vec<Head>, String> {
        let mut claims: BTreeMap<(usize, u64), BTreeMap<Hash, usize>> = BTreeMap::new();
        for feed in agreed.iter().flat_map(|contribution| &contribution.claims) {
            for (beyond, hash) in &feed.heads {
                *claims.entry((usize::from(feed.feed), *beyond)).or_default().entry(*hash).or_default() += 1;
            }
        }
        let mut cut = self.committed.clone();
        for ((feed, beyond), hashes) in claims {
            let before = self.committed.get(feed).ok_or_else(|| format!("a claim on feed {feed}"))?;
            if self.evidence.is_frozen(&self.feeds[feed]) {
                return Err(format!("a claim on feed {feed}, which is frozen"));
            }
            let backed =
                hashes.into_iter().filter(|(_, count)| *count >= self.weak()).map(|(hash, _)| hash).min();
            if let Some(hash) = backed {
                // Ascending by length, so the greatest is the last.
                cut[feed] = Head { length: before.length + beyond, hash };
            }
        }
        Ok(cut)
    }

    /// The rule of step 7, "Batch time".
    fn batch_time(&self, mut clocks: Vec<Time>) -> Time {
        clocks.sort();
        let median = clocks[(clocks.len() - 1) / 2];
        let k = (self.seats as i64 - 2 * self.f as i64 - 1).max(1) as usize;
        if median <= self.time {
            self.time
        } else if median.0 - self.time.0 <= self.step_ms {
            median
        } else {
            let step = Time(self.time.0.saturating_add(self.step_ms));
            step.max(median.min(clocks[k - 1]))
        }
    }

    /// The leaves are the entries between the committed heads and the cut, lane by lane, each feed in one piece; what
    /// they bring about; and the epoch's record.
    fn leaves(&mut self, batch: &Batch, cut: &[Head]) -> Result<(), String> {
        let decode =
            |bytes: &Vec<u8>| wire::decode::<Leaf>(bytes, MAX_LEAF_BYTES).map_err(|error| error.to_string());
        let leaves: Vec<Leaf> = batch.leaves.iter().map(decode).collect::<Result<_, _>>()?;
        let Some((Leaf::Epoch(record), rest)) = leaves.split_last() else {
            return Err("the last leaf is no epoch record".into());
        };
        let mut expected: BTreeMap<usize, u64> = BTreeMap::new();
        let mut pieces: Vec<usize> = Vec::new();
        self.affairs.begin(batch.epoch, batch.time);
        for (index, leaf) in (batch.first_index..).zip(rest) {
            if let Leaf::Entry(entry) = leaf
                && let Some(feed) = self.entry(index, entry, cut, &mut expected)?
                && pieces.last() != Some(&feed)
            {
                pieces.push(feed);
            }
            self.affairs.leaf(index, leaf)?;
        }
        for (feed, head) in cut.iter().enumerate() {
            let reached = expected.get(&feed).copied().unwrap_or(self.committed[feed].length);
            if reached != head.length {
                return Err(format!("feed {feed} is cut at {} and ordered up to {reached}", head.length));
            }
        }
        let agreed: Vec<u16> = batch.agreed.iter().map(|(seat, _)| seat.0).collect();
        let turns = turns(self.feeds.len(), batch.epoch, &agreed);
        let due: Vec<usize> = turns.into_iter().filter(|feed| pieces.contains(feed)).collect();
        if due != pieces {
            return Err(format!("feeds are ordered {pieces:?}, and their turns are {due:?}"));
        }
        // What this batch has frozen is frozen in its record.
        let heads =
            self.feeds.iter().zip(cut).map(|(feed, head)| (*feed, *head, self.evidence.is_frozen(feed)));
        let committed: Vec<_> = heads.filter(|(_, head, frozen)| head.length > 0 || *frozen).collect();
        let digests = batch.agreed.iter().map(|(seat, bytes)| (*seat, digest_of(bytes)));
        let stated_of = (record.coalition, record.epoch, record.time, usize::from(record.seats));
        if record.committed != committed
            || stated_of != (self.coalition, batch.epoch, batch.time, self.seats)
            || record.agreed != digests.collect::<Vec<_>>()
        {
            return Err("the epoch record does not state what was agreed".into());
        }
        self.affairs.end(record)
    }

    /// An entry's leaf: the feed that it goes on with, where it is the entry's first.
    fn entry(
        &mut self,
        index: u64,
        entry: &EntryLeaf,
        cut: &[Head],
        expected: &mut BTreeMap<usize, u64>,
    ) -> Result<Option<usize>, String> {
        if matches!(&entry.disposition, Disposition::Refused(Refusal::NotYetApplied { .. })) {
            return Err(format!("entry {} is refused for what it names, instead of parked", entry.length));
        }
        let feed = self.feeds.iter().position(|feed| *feed == entry.feed).ok_or("a leaf of no known feed")?;
        let next = expected.get(&feed).copied().unwrap_or(self.committed[feed].length) + 1;
        // A parked entry has a second leaf when it is released.
        if entry.length < next {
            return Ok(None);
        }
        if entry.length != next || entry.length > cut[feed].length {
            return Err(format!("entry {} of feed {feed} where {next} is due", entry.length));
        }
        if entry.length == cut[feed].length && entry.hash != cut[feed].hash {
            return Err(format!("entry {} of feed {feed} is of another branch than the cut", entry.length));
        }
        self.evidence.ordered(index, entry, self.affairs.gone(&entry.feed.node))?;
        expected.insert(feed, next);
        Ok(Some(feed))
    }

    /// C2SP tlog-cosignature v1: at least n - f different seats over one text.
    pub(super) fn certificate(&self, certificate: &Certificate, keys: &[PublicKey]) -> Result<(), String> {
        let head = &certificate.head;
        let root = data_encoding::BASE64.encode(&head.root.0);
        let text = format!(
            "cosignature/v1\ntime {}\nentente/{}\n{}\n{root}\n",
            head.time_s, self.coalition, head.size
        );
        let signers: BTreeSet<u16> =
            certificate.cosignatures.iter().map(|cosignature| cosignature.seat).collect();
        if signers.len() < self.seats - self.f {
            return Err(format!("{} different cosigners of {} seats", signers.len(), self.seats));
        }
        for cosignature in &certificate.cosignatures {
            let key = keys.get(usize::from(cosignature.seat)).ok_or("a cosigner without a seat")?;
            let key = VerifyingKey::from_bytes(key.as_ed25519()).map_err(|error| error.to_string())?;
            let signature = Signature::from_bytes(cosignature.signature.as_ed25519());
            key.verify_strict(text.as_bytes(), &signature).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each lane is one piece, the flash lane first, and every lane begins at the same place, which epoch and seats draw.
    #[test]
    fn turns_rotate_each_lane_by_epoch_and_seats() {
        let mut firsts = BTreeSet::new();
        for epoch in 0..40 {
            for agreed in [&[0, 1, 2][..], &[0, 1, 3]] {
                let turns = turns(20, epoch, agreed);
                let first = turns[0];
                let due = (0..4).flat_map(|lane| (0..5).map(move |place| lane * 5 + (first + place) % 5));
                assert!(first < 5 && turns == due.collect::<Vec<_>>(), "{turns:?}");
                firsts.insert(first);
            }
        }
        assert_eq!(firsts.len(), 5);
        // `entente/order/v1`, a zero byte, the epoch and the seats: by sha256sum.
        assert_eq!(turns(20, 1, &[0, 1, 2])[0], 1);
    }
}
