//! Signed, hash-chained feeds: keys, heads, runs under one signature, and proofs of forks.
//!
//! Guarantees: a signature over a head vouches for the whole prefix, because each entry's hash contains the one
//! before it and the chain begins with a hash of coalition and feed. A [`ForkProof`] convicts only an author that
//! signed two heads which disagree at one length; nobody else can make one, whatever they replay.
//!
//! How: entry hash = SHA-256(domain, previous hash, SHA-256(body)). Signatures are outside of it, so signing one head
//! twice is harmless. A run of at most [`MAX_RUN_ENTRIES`] entries shares a signature, so volume does not cost a
//! signature each. (Signed append-only feeds: Tarr et al., "Secure Scuttlebutt", ICN 2019.)

use serde::{Deserialize, Serialize};
use thiserror::Error;

mod chain;

pub use crate::lane::Lane;
pub use chain::{Chain, Extended, MAX_UNORDERED_BYTES, MAX_UNORDERED_ENTRIES, RECENT_LINKS};

use crate::identity::{CoalitionId, Hash, PublicKey, SecretKey, Signature, hash};
use crate::record::MAX_BODY_BYTES;
use crate::wire::{self, byte_string};

/// Most entries under one signature.
pub const MAX_RUN_ENTRIES: usize = 64;
/// Most bytes of bodies under one signature.
pub const MAX_RUN_BYTES: usize = 128 * 1024;

const FEED_DOMAIN: &str = "entente/feed/v1";
const BODY_DOMAIN: &str = "entente/body/v1";
const ENTRY_DOMAIN: &str = "entente/entry/v1";
const HEAD_DOMAIN: &str = "entente/head/v1";

/// Which feed: a node's lane, in one incarnation of that node. Used everywhere: heads, claims, labels, forks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FeedKey {
    /// The author.
    pub node: PublicKey,
    /// The precedence.
    pub lane: Lane,
    /// Counts the author's restores; each starts at length 0.
    pub incarnation: u32,
}

impl FeedKey {
    /// The hash that the chain begins with.
    pub fn root(&self, coalition: &CoalitionId) -> Hash {
        hash(FEED_DOMAIN, &[coalition.as_bytes(), &wire::encode(self)])
    }
}

/// A place in a feed: how many entries, and the hash of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Head {
    /// Number of entries up to here.
    pub length: u64,
    /// Hash of the last of them; the feed's root for length 0.
    pub hash: Hash,
}

/// The digest of a body, as it goes into the entry's hash.
pub fn body_digest(body: &[u8]) -> Hash {
    hash(BODY_DOMAIN, &[body])
}

/// The hash of an entry from the one before it and its body's digest.
pub fn entry_hash(previous: &Hash, digest: &Hash) -> Hash {
    hash(ENTRY_DOMAIN, &[previous.as_bytes(), digest.as_bytes()])
}

fn head_message(coalition: &CoalitionId, feed: &FeedKey, head: &Head) -> Vec<u8> {
    wire::encode(&(coalition, feed, head))
}

/// Signs a head with the node's key.
pub fn sign_head(coalition: &CoalitionId, feed: &FeedKey, head: &Head, key: &SecretKey) -> Signature {
    key.sign(HEAD_DOMAIN, &head_message(coalition, feed, head))
}

/// Whether `signature` is the author's over `head`.
pub fn verify_head(coalition: &CoalitionId, feed: &FeedKey, head: &Head, signature: &Signature) -> bool {
    feed.node.verify(HEAD_DOMAIN, &head_message(coalition, feed, head), signature)
}

/// An opaque body on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyBytes(#[serde(with = "byte_string")] pub Vec<u8>);

/// Why a run was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RunError {
    /// No entries, or too many.
    #[error("{0} entries in a run; 1 to {MAX_RUN_ENTRIES} are allowed")]
    Entries(usize),
    /// A body, or all of them together, too large.
    #[error("{0} bytes in a run or one of its bodies are too many")]
    Bytes(usize),
    /// The length would overflow.
    #[error("length {0} is out of range")]
    Length(u64),
    /// It begins at length 0 with another hash than its feed does.
    #[error("it does not begin as its feed does")]
    Start,
    /// Not signed by the author.
    #[error("the author's signature does not hold")]
    Signature,
}

/// Consecutive entries of a feed under one signature over the last one's head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The feed.
    pub feed: FeedKey,
    /// The place before the first entry.
    pub from: Head,
    /// The entries' bodies.
    pub bodies: Vec<BodyBytes>,
    /// By the author, over the head after the last entry.
    pub signature: Signature,
}

impl Run {
    /// Makes and signs a run. The bodies must be within the limits, which [`Run::check`] states.
    pub fn sign(
        coalition: &CoalitionId,
        feed: FeedKey,
        from: Head,
        bodies: Vec<Vec<u8>>,
        key: &SecretKey,
    ) -> Self {
        let bodies = bodies.into_iter().map(BodyBytes).collect::<Vec<_>>();
        let head = walk(from, bodies.iter().map(|body| body_digest(&body.0))).last().unwrap_or(from);
        let signature = sign_head(coalition, &feed, &head, key);
        Self { feed, from, bodies, signature }
    }

    /// The heads after each entry.
    pub fn heads(&self) -> Vec<Head> {
        walk(self.from, self.bodies.iter().map(|body| body_digest(&body.0))).collect()
    }

    /// Checks limits and signature, and returns the heads after each entry.
    pub fn check(&self, coalition: &CoalitionId) -> Result<Vec<Head>, RunError> {
        if self.bodies.is_empty() || self.bodies.len() > MAX_RUN_ENTRIES {
            return Err(RunError::Entries(self.bodies.len()));
        }
        let bytes = self.bodies.iter().map(|body| body.0.len()).sum::<usize>();
        if bytes > MAX_RUN_BYTES || self.bodies.iter().any(|body| body.0.len() > MAX_BODY_BYTES) {
            return Err(RunError::Bytes(bytes));
        }
        if self.from.length > u64::MAX / 2 {
            return Err(RunError::Length(self.from.length));
        }
        if self.from.length == 0 && self.from.hash != self.feed.root(coalition) {
            return Err(RunError::Start);
        }
        let heads = self.heads();
        let head = heads.last().expect("there is at least one body");
        if verify_head(coalition, &self.feed, head, &self.signature) {
            Ok(heads)
        } else {
            Err(RunError::Signature)
        }
    }
}

/// The heads that follow `from` when entries with these digests are appended.
pub fn walk(from: Head, digests: impl Iterator<Item = Hash>) -> impl Iterator<Item = Head> {
    digests.scan(from, |head, digest| {
        *head = Head { length: head.length + 1, hash: entry_hash(&head.hash, &digest) };
        Some(*head)
    })
}

/// One of the two branches of a fork: an entry, and how a signed head follows from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Branch {
    /// Hash of the entry at the length where the branches differ.
    pub hash: Hash,
    /// Digests of the bodies from there to the signed head, at most [`MAX_RUN_ENTRIES`].
    pub digests: Vec<Hash>,
    /// By the author, over the head that they lead to.
    pub signature: Signature,
}

/// Two heads, both signed by a feed's author, that disagree at one length.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ForkProof {
    /// The feed.
    pub feed: FeedKey,
    /// Where the branches differ.
    pub length: u64,
    /// The branches, the lower hash first, so that both finders write the same proof.
    pub branches: [Branch; 2],
}

impl ForkProof {
    /// The proof made of two branches in either order.
    pub fn new(feed: FeedKey, length: u64, mut branches: [Branch; 2]) -> Self {
        branches.sort_by_key(|branch| branch.hash);
        Self { feed, length, branches }
    }

    /// Whether both branches are signed by the author and differ.
    pub fn verify(&self, coalition: &CoalitionId) -> bool {
        self.length > 0
            && self.length < u64::MAX / 2
            && self.branches[0].hash < self.branches[1].hash
            && self.branches.iter().all(|branch| {
                let start = Head { length: self.length, hash: branch.hash };
                let head = walk(start, branch.digests.iter().copied()).last().unwrap_or(start);
                branch.digests.len() <= MAX_RUN_ENTRIES
                    && verify_head(coalition, &self.feed, &head, &branch.signature)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(bodies: &[&[u8]]) -> (CoalitionId, SecretKey, Run) {
        let coalition = CoalitionId(hash("test", &[]));
        let key = SecretKey::from_seed(&[1; 32]);
        let feed = FeedKey { node: key.public(), lane: Lane::Routine, incarnation: 0 };
        let from = Head { length: 0, hash: feed.root(&coalition) };
        let run = Run::sign(&coalition, feed, from, bodies.iter().map(|b| b.to_vec()).collect(), &key);
        (coalition, key, run)
    }

    fn branch(run: &Run, index: usize) -> Branch {
        let digests = run.bodies[index + 1..].iter().map(|body| body_digest(&body.0)).collect();
        Branch { hash: run.heads()[index].hash, digests, signature: run.signature }
    }

    #[test]
    fn a_run_holds_only_as_signed() {
        let (coalition, _, run) = sample(&[b"a", b"b", b"c"]);
        assert_eq!(run.check(&coalition).map(|heads| heads.len()), Ok(3));
        let mut changed = run.clone();
        changed.bodies[0].0[0] ^= 1;
        assert_eq!(changed.check(&coalition), Err(RunError::Signature));
        let mut elsewhere = run.clone();
        elsewhere.from.length = 1;
        assert_eq!(elsewhere.check(&coalition), Err(RunError::Signature));
        assert_eq!(run.check(&CoalitionId(hash("other", &[]))), Err(RunError::Start));
        let empty = Run { bodies: vec![], ..run };
        assert_eq!(empty.check(&coalition), Err(RunError::Entries(0)));
    }

    /// A run of so many entries, the first of them `first`.
    fn long(first: &[u8], count: usize) -> (CoalitionId, Run) {
        let mut bodies = vec![first];
        bodies.resize(count, b"x");
        let (coalition, _, run) = sample(&bodies);
        (coalition, run)
    }

    #[test]
    fn one_signature_stands_for_as_many_entries_as_the_limit_says_and_no_more() {
        let (coalition, most) = long(b"a", MAX_RUN_ENTRIES);
        assert_eq!(most.check(&coalition).map(|heads| heads.len()), Ok(64));
        let (coalition, more) = long(b"a", MAX_RUN_ENTRIES + 1);
        assert_eq!(more.check(&coalition), Err(RunError::Entries(65)));
    }

    #[test]
    fn a_branch_of_a_proof_is_as_long_as_the_limit_says_and_no_longer() {
        for (entries, holds) in [(MAX_RUN_ENTRIES + 1, true), (MAX_RUN_ENTRIES + 2, false)] {
            let (coalition, one) = long(b"a", entries);
            let (_, other) = long(b"b", 2);
            let branches = [branch(&one, 0), branch(&other, 0)];
            assert_eq!(branches[0].digests.len(), entries - 1);
            assert_eq!(ForkProof::new(one.feed, 1, branches).verify(&coalition), holds, "{entries}");
        }
    }

    #[test]
    fn two_branches_prove_a_fork_and_one_proves_nothing() {
        let (coalition, _, one) = sample(&[b"a", b"b", b"c"]);
        let (_, _, two) = sample(&[b"a", b"x"]);
        let proof = ForkProof::new(one.feed, 2, [branch(&one, 1), branch(&two, 1)]);
        assert!(proof.verify(&coalition));
        assert_eq!(proof, ForkProof::new(one.feed, 2, [branch(&two, 1), branch(&one, 1)]));
        assert!(!ForkProof::new(one.feed, 1, [branch(&one, 0), branch(&two, 0)]).verify(&coalition));
        let mut other = proof;
        other.feed.incarnation = 1;
        assert!(!other.verify(&coalition));
    }
}
