//! An authenticated map: 32-byte keys to 32-byte values under one root hash.
//!
//! Guarantees: the root is a function of the set of pairs alone, whatever the order of insertions, overwrites and
//! removals that led to it, and two different sets have different roots (as far as SHA-256 has no collisions). An
//! update touches one path, so with keys that are hashes its cost is O(log n), and hashes are made once per root asked
//! for, not once per update.
//!
//! How: a binary trie over the keys' bits, most significant first, with every node that has a single child left out
//! (PATRICIA: Morrison, JACM 1968; as an authenticated structure: Merkle trie of RFC 9162's kind, but keyed). Shape:
//! a set of one pair is a leaf; a larger one branches at the first bit in which any two of its keys differ.
//!
//! ```text
//! root(nothing)    = SHA-256("entente/map/empty/v1" 0)
//! root(one pair)   = SHA-256("entente/map/leaf/v1" 0 key value)
//! root(more pairs) = SHA-256("entente/map/branch/v1" 0 bit left right)     bit: one byte, from 0
//! ```
//!
//! A leaf binds its whole key, so left-out prefixes need not be hashed. Nodes are shared between clones; a clone costs
//! nothing until one side changes.

use std::sync::{Arc, OnceLock};

use crate::identity::{Hash, hash};

const EMPTY_DOMAIN: &str = "entente/map/empty/v1";
const LEAF_DOMAIN: &str = "entente/map/leaf/v1";
const BRANCH_DOMAIN: &str = "entente/map/branch/v1";

/// The map. See the module's documentation for what its root says.
#[derive(Debug, Clone, Default)]
pub struct Map {
    root: Option<Arc<Node>>,
    len: usize,
}

#[derive(Debug, Clone)]
struct Node {
    /// Computed when asked for, cleared when anything below changes.
    sum: OnceLock<Sum>,
    kind: Kind,
}

/// What a node says of all that is below it.
#[derive(Debug, Clone, Copy)]
struct Sum {
    hash: Hash,
    weight: u64,
}

#[derive(Debug, Clone)]
enum Kind {
    Leaf {
        key: Hash,
        value: Hash,
        weight: u32,
    },
    Branch {
        /// Where the two sides differ first.
        bit: u8,
        /// A key that is or was below: all keys below agree with it in the bits before `bit`.
        sample: Hash,
        /// Zero first, then one.
        sides: [Arc<Node>; 2],
    },
}

/// Bit `at` of a key, 0 or 1, most significant first.
fn bit_of(key: &Hash, at: u8) -> usize {
    usize::from(key.0[usize::from(at / 8)] >> (7 - at % 8) & 1)
}

/// The first bit in which two keys differ; `None` if they are equal.
fn first_difference(a: &Hash, b: &Hash) -> Option<u8> {
    (0u8..32).zip(a.0.iter().zip(&b.0)).find_map(|(byte, (a, b))| {
        let differing = a ^ b;
        let within = u8::try_from(differing.leading_zeros()).expect("at most eight");
        (differing != 0).then(|| byte * 8 + within)
    })
}

impl Node {
    fn new(kind: Kind) -> Arc<Self> {
        Arc::new(Self { sum: OnceLock::new(), kind })
    }

    fn leaf(key: Hash, value: Hash, weight: u32) -> Arc<Self> {
        Self::new(Kind::Leaf { key, value, weight })
    }

    fn sample(&self) -> &Hash {
        match &self.kind {
            Kind::Leaf { key, .. } => key,
            Kind::Branch { sample, .. } => sample,
        }
    }

    /// Depth of recursion is at most 256, the number of bits.
    fn sum(&self) -> Sum {
        *self.sum.get_or_init(|| match &self.kind {
            Kind::Leaf { key, value, weight } => Sum {
                hash: hash(LEAF_DOMAIN, &[key.as_bytes(), value.as_bytes()]),
                weight: u64::from(*weight),
            },
            Kind::Branch { bit, sides, .. } => {
                let [zero, one] = sides.each_ref().map(|side| side.sum());
                Sum {
                    hash: branch_hash(*bit, &zero.hash, &one.hash),
                    weight: zero.weight.saturating_add(one.weight),
                }
            }
        })
    }

    fn last_key(&self) -> Hash {
        match &self.kind {
            Kind::Leaf { key, .. } => *key,
            Kind::Branch { sides: [_, one], .. } => one.last_key(),
        }
    }
}

/// The hash of a set that branches at `bit` into two others.
pub(super) fn branch_hash(bit: u8, zero: &Hash, one: &Hash) -> Hash {
    hash(BRANCH_DOMAIN, &[&[bit], zero.as_bytes(), one.as_bytes()])
}

/// A part of a map that is a subtree of it, and the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Hash of the greatest subtree that begins with the first key of the part.
    pub of: Hash,
    /// From that subtree down: where each branches, and the hash of its other side, whose keys come later.
    pub branches: Vec<(u8, Hash)>,
    /// Hash of the part itself.
    pub hash: Hash,
    /// Its last key.
    pub last: Hash,
}

/// The greatest subtree whose first key is the first one behind `after`.
fn behind<'a>(node: &'a Arc<Node>, after: &Hash) -> Option<&'a Arc<Node>> {
    let differs = first_difference(node.sample(), after);
    match (&node.kind, differs) {
        (Kind::Leaf { .. }, None) => None,
        (Kind::Leaf { .. }, Some(at)) => (bit_of(after, at) == 0).then_some(node),
        // All keys below come behind it, or none does.
        (Kind::Branch { bit, .. }, Some(at)) if at < *bit => (bit_of(after, at) == 0).then_some(node),
        (Kind::Branch { bit, sides: [zero, one], .. }, _) => match bit_of(after, *bit) {
            0 => behind(zero, after).or(Some(one)),
            _ => behind(one, after),
        },
    }
}

/// Sets `key` below `node`; true if the key is new.
fn insert(node: &mut Arc<Node>, key: Hash, value: Hash, weight: u32) -> bool {
    let differs = first_difference(node.sample(), &key);
    let splits_here = match (&node.kind, differs) {
        (_, None) => None,
        (Kind::Leaf { .. }, Some(at)) => Some(at),
        (Kind::Branch { bit, .. }, Some(at)) => (at < *bit).then_some(at),
    };
    if let Some(bit) = splits_here {
        let new = Node::leaf(key, value, weight);
        let old = Arc::clone(node);
        let sides = if bit_of(&key, bit) == 0 { [new, old] } else { [old, new] };
        *node = Node::new(Kind::Branch { bit, sample: key, sides });
        return true;
    }
    let node = Arc::make_mut(node);
    node.sum.take();
    match &mut node.kind {
        Kind::Leaf { value: held, weight: weighs, .. } => {
            (*held, *weighs) = (value, weight);
            false
        }
        Kind::Branch { bit, sides, .. } => insert(&mut sides[bit_of(&key, *bit)], key, value, weight),
    }
}

/// Removes `key`, which is below `node`; true if the node was its leaf and has to go itself.
fn remove(node: &mut Arc<Node>, key: &Hash) -> bool {
    let Kind::Branch { bit, .. } = &node.kind else {
        return true;
    };
    let side = bit_of(key, *bit);
    let inner = Arc::make_mut(node);
    inner.sum.take();
    if let Kind::Branch { sides, .. } = &mut inner.kind
        && remove(&mut sides[side], key)
    {
        let other = Arc::clone(&sides[1 - side]);
        *node = other;
    }
    false
}

fn lookup<'a>(mut node: &'a Node, key: &Hash) -> Option<&'a Hash> {
    loop {
        match &node.kind {
            Kind::Leaf { key: held, value, .. } => return (held == key).then_some(value),
            Kind::Branch { bit, sides, .. } => node = &sides[bit_of(key, *bit)],
        }
    }
}

impl Map {
    /// The root hash.
    pub fn root(&self) -> Hash {
        match &self.root {
            Some(node) => node.sum().hash,
            None => hash(EMPTY_DOMAIN, &[]),
        }
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of `key`.
    pub fn get(&self, key: &Hash) -> Option<&Hash> {
        lookup(self.root.as_ref()?, key)
    }

    /// The next part behind the key `after`, from the first key on if there is none: the greatest that begins there and
    /// weighs at most `room`, or a single pair. Nothing where no key follows.
    pub fn part(&self, after: Option<&Hash>, room: u64) -> Option<Part> {
        let root = self.root.as_ref()?;
        let mut node = match after {
            Some(after) => behind(root, after)?,
            None => root,
        };
        let (of, mut branches) = (node.sum().hash, Vec::new());
        while let Kind::Branch { bit, sides: [zero, one], .. } = &node.kind
            && node.sum().weight > room
        {
            branches.push((*bit, one.sum().hash));
            node = zero;
        }
        Some(Part { of, branches, hash: node.sum().hash, last: node.last_key() })
    }

    /// Sets the value of `key`, and how much it weighs, of which the root says nothing.
    pub fn insert(&mut self, key: Hash, value: Hash, weight: u32) {
        let new = match &mut self.root {
            Some(node) => insert(node, key, value, weight),
            empty => {
                *empty = Some(Node::leaf(key, value, weight));
                true
            }
        };
        self.len += usize::from(new);
    }

    /// Removes `key`; whether it was there.
    pub fn remove(&mut self, key: &Hash) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        if self.root.as_mut().is_some_and(|node| remove(node, key)) {
            self.root = None;
        }
        self.len -= 1;
        true
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::coalition::rng::Rng;

    /// The root as the module's documentation defines it, computed from scratch over the sorted pairs.
    pub(in crate::coalition) fn naive_root(pairs: &BTreeMap<[u8; 32], [u8; 32]>) -> Hash {
        fn of(pairs: &[(&[u8; 32], &[u8; 32])]) -> Hash {
            match pairs {
                [] => hash("entente/map/empty/v1", &[]),
                [(key, value)] => hash("entente/map/leaf/v1", &[*key, *value]),
                pairs => {
                    for bit in 0..=255u8 {
                        let is_one = |key: &[u8; 32]| key[usize::from(bit) / 8] & (0x80 >> (bit % 8)) != 0;
                        let (ones, zeros): (Vec<_>, Vec<_>) =
                            pairs.iter().copied().partition(|(key, _)| is_one(key));
                        if !ones.is_empty() && !zeros.is_empty() {
                            return hash(
                                "entente/map/branch/v1",
                                &[&[bit], of(&zeros).as_bytes(), of(&ones).as_bytes()],
                            );
                        }
                    }
                    unreachable!("keys of a map differ in some bit")
                }
            }
        }
        of(&pairs.iter().collect::<Vec<_>>())
    }

    /// Keys that share long prefixes now and then.
    fn key(rng: &mut Rng) -> Hash {
        let mut key = [0; 32];
        match rng.below(3) {
            0 => key[31] = rng.byte() & 0x0f,
            1 => key[0] = rng.byte(),
            _ => key = rng.bytes(),
        }
        Hash(key)
    }

    #[test]
    fn the_root_is_that_of_the_set_whatever_led_to_it() {
        for seed in 0..40 {
            let mut rng = Rng::new(seed);
            let mut map = Map::default();
            let mut oracle = BTreeMap::new();
            for step in 0..200 {
                let key = key(&mut rng);
                if rng.below(3) == 0 {
                    assert_eq!(map.remove(&key), oracle.remove(&key.0).is_some(), "seed {seed} step {step}");
                } else {
                    let value = rng.bytes();
                    map.insert(key, Hash(value), 1);
                    oracle.insert(key.0, value);
                }
                assert_eq!(map.len(), oracle.len(), "seed {seed} step {step}");
                if rng.below(4) == 0 {
                    assert_eq!(map.root(), naive_root(&oracle), "seed {seed} step {step}");
                }
            }
            for (key, value) in &oracle {
                assert_eq!(map.get(&Hash(*key)), Some(&Hash(*value)), "seed {seed}");
            }
            assert_eq!(map.root(), naive_root(&oracle), "seed {seed}");
            for key in oracle.keys() {
                assert!(map.remove(&Hash(*key)), "seed {seed}");
            }
            assert!(map.is_empty());
            assert_eq!(map.root(), Map::default().root(), "seed {seed}");
        }
    }

    #[test]
    fn a_clone_keeps_its_root_when_the_original_changes() {
        let mut map = Map::default();
        for n in 0..50u8 {
            map.insert(hash("k", &[&[n]]), hash("v", &[&[n]]), 1);
        }
        let before = map.root();
        let kept = map.clone();
        map.insert(hash("k", &[&[7]]), hash("v", &[b"new"]), 1);
        map.remove(&hash("k", &[&[8]]));
        assert_ne!(map.root(), before);
        assert_eq!(kept.root(), before);
        assert_eq!(kept.get(&hash("k", &[&[8]])), Some(&hash("v", &[&[8]])));
    }

    #[test]
    fn parts_follow_each_other_fit_and_lead_to_the_root() {
        for seed in 0..40 {
            let mut rng = Rng::new(seed);
            let mut map = Map::default();
            let mut oracle = BTreeMap::new();
            for _ in 0..1 + rng.below(200) {
                let (key, value, weight) = (key(&mut rng), rng.bytes(), 1 + rng.below(9) as u32);
                map.insert(key, Hash(value), weight);
                oracle.insert(key.0, (value, u64::from(weight)));
            }
            let room = 1 + rng.below(60);
            let (mut pending, mut after, mut taken) = (vec![map.root()], None, BTreeMap::new());
            while let Some(part) = map.part(after.as_ref(), room) {
                assert_eq!(
                    Some(part.of),
                    pending.pop(),
                    "seed {seed}: a part begins where the one before ends"
                );
                let inside = |key: &[u8; 32]| *key <= part.last.0 && after.is_none_or(|after| *key > after.0);
                let pairs: BTreeMap<_, _> = oracle.iter().filter(|(key, _)| inside(key)).collect();
                let weight: u64 = pairs.values().map(|(_, weight)| weight).sum();
                assert!(weight <= room || pairs.len() == 1, "seed {seed}: {weight}");
                let pairs: BTreeMap<_, _> =
                    pairs.into_iter().map(|(key, (value, _))| (*key, *value)).collect();
                assert_eq!(naive_root(&pairs), part.hash, "seed {seed}");
                let up = |hash, (bit, one): &(u8, Hash)| branch_hash(*bit, &hash, one);
                assert_eq!(part.branches.iter().rev().fold(part.hash, up), part.of, "seed {seed}");
                pending.extend(part.branches.iter().map(|(_, one)| *one));
                taken.extend(pairs);
                after = Some(part.last);
            }
            assert!(pending.is_empty(), "seed {seed}");
            assert_eq!(naive_root(&taken), map.root(), "seed {seed}");
        }
    }
}
