//! The Merkle tree of RFC 6962: roots, inclusion and consistency proofs.
//!
//! Guarantees: [`Frontier::root`] is MTH(D\[n\]) of the leaves appended so far; a proof made by [`prove_inclusion`] or
//! [`prove_consistency`] is byte for byte the one that RFC 6962 defines, and only that one verifies. Verification
//! never panics and does work bounded by the logarithm of the size, whatever it is given.
//! Assumes SHA-256 to be collision resistant.
//!
//! How: the kept state is the compact range of the tree, one root per set bit of the size. Appending a leaf completes
//! perfect subtrees; their hashes are immutable, so the caller stores each once under (level, index) and hands them
//! back through [`Nodes`] when a proof is asked for.
//!
//! Source: RFC 6962 sections 2.1, 2.1.1, 2.1.2 (hashes and proofs); RFC 9162 sections 2.1.3.2 and 2.1.4.2
//! (verification).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::identity::Hash;

/// Largest tree, in leaves: far beyond any coalition, and small enough that no index or size ever overflows.
pub const MAX_TREE_SIZE: u64 = 1 << 56;

/// Most hashes that are read of a proof: one per level and one more is what a tree of [`MAX_TREE_SIZE`] needs.
pub const MAX_PROOF_HASHES: usize = 64;

/// Why a root or proof cannot be made, or a stored frontier is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MerkleError {
    /// More leaves than [`MAX_TREE_SIZE`].
    #[error("tree size {0} is out of range")]
    Size(u64),
    /// No leaf with this index in a tree of this size.
    #[error("no leaf {index} in a tree of {size}")]
    Index {
        /// Index asked for.
        index: u64,
        /// Size of the tree, in leaves.
        size: u64,
    },
    /// The older tree is larger than the newer.
    #[error("a tree of {new} leaves does not extend one of {old}")]
    Shrinks {
        /// Size of the older tree, in leaves.
        old: u64,
        /// Size of the newer tree, in leaves.
        new: u64,
    },
    /// The source lacks the root of a perfect subtree.
    #[error("no stored hash for the subtree at level {level}, index {index}")]
    Missing {
        /// Height of the subtree: 0 for a leaf.
        level: u8,
        /// Its index among the subtrees of its level.
        index: u64,
    },
    /// A stored frontier whose number of roots does not match its size.
    #[error("{roots} subtree roots do not make a tree of {size}")]
    Roots {
        /// Number of roots found.
        roots: usize,
        /// Size stated, in leaves.
        size: u64,
    },
}

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProofError {
    /// Sizes or index that no proof can be for.
    #[error("the proof's index or sizes are out of range")]
    Range,
    /// Too few or too many hashes.
    #[error("a proof of {0} hashes has the wrong length")]
    Length(usize),
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// The hash of a leaf: SHA-256(0x00 || leaf). RFC 6962, section 2.1.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut sha = Sha256::new();
    sha.update([0x00]);
    sha.update(leaf);
    Hash(sha.finalize().into())
}

/// The hash of an inner node: SHA-256(0x01 || left || right). RFC 6962, section 2.1.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut sha = Sha256::new();
    sha.update([0x01]);
    sha.update(left.as_bytes());
    sha.update(right.as_bytes());
    Hash(sha.finalize().into())
}

/// The root of the empty tree: SHA-256 of nothing. RFC 6962, section 2.1.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// Which perfect subtree: `index << level` is its first leaf, `1 << level` the number of its leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId {
    /// Height: 0 for a leaf.
    pub level: u8,
    /// Index among the subtrees of that level, from the left.
    pub index: u64,
}

/// Where the hashes of completed perfect subtrees are kept.
pub trait Nodes {
    /// The root of the perfect subtree at `level` and `index`, if it is complete and stored.
    fn node(&self, level: u8, index: u64) -> Option<Hash>;
}

impl Nodes for BTreeMap<NodeId, Hash> {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self.get(&NodeId { level, index }).copied()
    }
}

impl<T: Nodes + ?Sized> Nodes for &T {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        (**self).node(level, index)
    }
}

/// What must be kept to append: the size and the roots of the perfect subtrees that its set bits stand for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "FrontierParts")]
pub struct Frontier {
    size: u64,
    /// Leftmost, that is largest, first; one per set bit of `size`.
    roots: Vec<Hash>,
}

/// A frontier as it is read, before its parts are known to agree.
#[derive(Deserialize)]
struct FrontierParts {
    size: u64,
    roots: Vec<Hash>,
}

impl TryFrom<FrontierParts> for Frontier {
    type Error = MerkleError;
    fn try_from(parts: FrontierParts) -> Result<Self, MerkleError> {
        let FrontierParts { size, roots } = parts;
        if size > MAX_TREE_SIZE {
            return Err(MerkleError::Size(size));
        }
        if roots.len() != size.count_ones() as usize {
            return Err(MerkleError::Roots { roots: roots.len(), size });
        }
        Ok(Self { size, roots })
    }
}

impl Frontier {
    /// The frontier of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// The frontier of the first `size` leaves, from stored subtree roots.
    pub fn from_nodes(nodes: &(impl Nodes + ?Sized), size: u64) -> Result<Self, MerkleError> {
        if size > MAX_TREE_SIZE {
            return Err(MerkleError::Size(size));
        }
        let mut roots = Vec::with_capacity(size.count_ones() as usize);
        let mut start = 0;
        for level in (0..64).rev().filter(|level| size >> level & 1 == 1) {
            roots.push(fetch(nodes, start, level)?);
            start += 1 << level;
        }
        Ok(Self { size, roots })
    }

    /// The frontier of the leaves before leaf `index`, out of the proof that this leaf is in a tree of `size`: the
    /// hashes that join it from the left are that frontier's roots. Says nothing of whether the proof holds; none where it
    /// is of another form than that of a proof.
    pub fn before(index: u64, size: u64, path: &[Hash]) -> Option<Self> {
        let (mut node, mut last) = (index, size.checked_sub(1).filter(|last| index <= *last)?);
        let mut roots = Vec::new();
        // As in [`verify_inclusion`].
        for sibling in path {
            if node & 1 == 1 || node == last {
                roots.push(*sibling);
                while node & 1 == 0 && node != 0 {
                    node >>= 1;
                    last >>= 1;
                }
            }
            node >>= 1;
            last >>= 1;
        }
        roots.reverse();
        FrontierParts { size: index, roots }.try_into().ok()
    }

    /// Its perfect subtrees, for a caller to store who has not seen them grow.
    pub fn nodes(&self) -> Vec<(NodeId, Hash)> {
        let mut start = 0;
        let levels = (0..64u8).rev().filter(|level| self.size >> level & 1 == 1);
        let places = levels.map(|level| {
            let index = start >> level;
            start += 1 << level;
            NodeId { level, index }
        });
        places.zip(self.roots.iter().copied()).collect()
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// MTH of the leaves so far; [`empty_root`] of none.
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev().copied();
        let smallest = roots.next().unwrap_or_else(empty_root);
        roots.fold(smallest, |right, left| node_hash(&left, &right))
    }

    /// PATH of the leaf that is appended next, in the tree that ends with it.
    pub fn path_of_next(&self) -> Vec<Hash> {
        self.roots.iter().rev().copied().collect()
    }

    /// Appends a leaf; returns the perfect subtrees that it completes, itself first, for the caller to store.
    pub fn append(&mut self, leaf: &[u8]) -> Vec<(NodeId, Hash)> {
        self.append_hash(leaf_hash(leaf))
    }

    /// As [`Frontier::append`], for a leaf whose [`leaf_hash`] is known already.
    pub fn append_hash(&mut self, leaf: Hash) -> Vec<(NodeId, Hash)> {
        // Every trailing one bit of the size is a subtree that this leaf merges with.
        let merges = self.size.trailing_ones() as u8;
        let mut hash = leaf;
        let mut done = Vec::with_capacity(usize::from(merges) + 1);
        done.push((NodeId { level: 0, index: self.size }, hash));
        for level in 1..=merges {
            let left = self.roots.pop().expect("one root per set bit of the size");
            hash = node_hash(&left, &hash);
            let index = self.size >> level;
            done.push((NodeId { level, index }, hash));
        }
        self.roots.push(hash);
        self.size += 1;
        done
    }
}

/// The root of the first `size` leaves. O(log size) reads.
pub fn root_at(nodes: &(impl Nodes + ?Sized), size: u64) -> Result<Hash, MerkleError> {
    Frontier::from_nodes(nodes, size).map(|frontier| frontier.root())
}

/// PATH(index, D\[size\]) of RFC 6962 section 2.1.1: the leaf's sibling first, the root's child last.
pub fn prove_inclusion(
    nodes: &(impl Nodes + ?Sized),
    size: u64,
    index: u64,
) -> Result<Vec<Hash>, MerkleError> {
    if size > MAX_TREE_SIZE {
        return Err(MerkleError::Size(size));
    }
    if index >= size {
        return Err(MerkleError::Index { index, size });
    }
    let mut path = Vec::new();
    let (mut start, mut count) = (0, size);
    // From the root down, so the path is turned round at the end.
    while count > 1 {
        let left = split(count);
        if index - start < left {
            path.push(subtree(nodes, start + left, count - left)?);
            count = left;
        } else {
            path.push(subtree(nodes, start, left)?);
            start += left;
            count -= left;
        }
    }
    path.reverse();
    Ok(path)
}

/// PROOF(old, D\[new\]) of RFC 6962 section 2.1.2; empty for equal sizes and for an empty old tree, from which every
/// tree follows.
pub fn prove_consistency(
    nodes: &(impl Nodes + ?Sized),
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, MerkleError> {
    if new > MAX_TREE_SIZE {
        return Err(MerkleError::Size(new));
    }
    if old > new {
        return Err(MerkleError::Shrinks { old, new });
    }
    let mut path = Vec::new();
    if old == 0 || old == new {
        return Ok(path);
    }
    // SUBPROOF(rest, D[start .. start + count], whole): `whole` while the old tree is exactly this left edge, so that
    // its root is known to the verifier.
    let (mut start, mut count, mut rest, mut whole) = (0, new, old, true);
    while rest != count {
        let left = split(count);
        if rest <= left {
            path.push(subtree(nodes, start + left, count - left)?);
            count = left;
        } else {
            path.push(subtree(nodes, start, left)?);
            start += left;
            count -= left;
            rest -= left;
            whole = false;
        }
    }
    if !whole {
        path.push(subtree(nodes, start, count)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether `path` proves that the leaf with this hash is number `index` of the `size` leaves under `root`.
/// RFC 9162, section 2.1.3.2.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    // Step 1.
    if index >= size || size > MAX_TREE_SIZE {
        return Err(ProofError::Range);
    }
    if path.len() > MAX_PROOF_HASHES {
        return Err(ProofError::Length(path.len()));
    }
    // Steps 2 and 3.
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    // Step 4.
    for sibling in path {
        if last == 0 {
            return Err(ProofError::Length(path.len()));
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    // Step 5.
    if last != 0 {
        return Err(ProofError::Length(path.len()));
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Whether `path` proves that the tree of `old` leaves under `old_root` is a prefix of the one of `new` leaves under
/// `new_root`. RFC 9162, section 2.1.4.2; for equal sizes and an empty old tree the path must be empty.
pub fn verify_consistency(
    old: u64,
    new: u64,
    path: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), ProofError> {
    if old > new || new > MAX_TREE_SIZE {
        return Err(ProofError::Range);
    }
    if path.len() > MAX_PROOF_HASHES {
        return Err(ProofError::Length(path.len()));
    }
    if old == new || old == 0 {
        let expected = if old == 0 { empty_root() } else { *new_root };
        let new_holds = new != 0 || *new_root == expected;
        return match path {
            [] if *old_root == expected && new_holds => Ok(()),
            [] => Err(ProofError::Root),
            _ => Err(ProofError::Length(path.len())),
        };
    }
    // Step 2: the old root stands for itself where the old tree is one perfect subtree; the path leaves it out.
    let (first, rest) = if old.is_power_of_two() {
        (*old_root, path)
    } else {
        let (first, rest) = path.split_first().ok_or(ProofError::Length(0))?;
        (*first, rest)
    };
    if rest.is_empty() {
        return Err(ProofError::Length(path.len()));
    }
    // Steps 3 and 4.
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    // Step 5.
    let (mut old_hash, mut new_hash) = (first, first);
    // Step 6.
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::Length(path.len()));
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    // Step 7.
    if last != 0 {
        return Err(ProofError::Length(path.len()));
    }
    if old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(ProofError::Root) }
}

/// The largest power of two below `count`, which is at least 2: where RFC 6962 splits.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// MTH of the `count` leaves from `start`, a range that RFC 6962's splits lead to.
fn subtree(nodes: &(impl Nodes + ?Sized), start: u64, count: u64) -> Result<Hash, MerkleError> {
    if count.is_power_of_two() {
        return fetch(nodes, start, count.ilog2());
    }
    let left = split(count);
    // At most one level deeper per bit of the size.
    let right = subtree(nodes, start + left, count - left)?;
    Ok(node_hash(&fetch(nodes, start, left.ilog2())?, &right))
}

/// The stored root of the perfect subtree of `1 << level` leaves from `start`.
fn fetch(nodes: &(impl Nodes + ?Sized), start: u64, level: u32) -> Result<Hash, MerkleError> {
    let level_byte = level as u8;
    let index = start >> level;
    nodes.node(level_byte, index).ok_or(MerkleError::Missing { level: level_byte, index })
}

#[cfg(test)]
mod tests;
