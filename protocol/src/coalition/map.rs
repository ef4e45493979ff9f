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
    hash: OnceLock<Hash>,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Leaf {
        key: Hash,
        value: Hash,
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
        Arc::new(Self { hash: OnceLock::new(), kind })
    }

    fn leaf(key: Hash, value: Hash) -> Arc<Self> {
        Self::new(Kind::Leaf { key, value })
    }

    fn sample(&self) -> &Hash {
        match &self.kind {
            Kind::Leaf { key, .. } => key,
            Kind::Branch { sample, .. } => sample,
        }
    }

    /// Depth of recursion is at most 256, the number of bits.
    fn hash(&self) -> Hash {
        *self.hash.get_or_init(|| match &self.kind {
            Kind::Leaf { key, value } => hash(LEAF_DOMAIN, &[key.as_bytes(), value.as_bytes()]),
            Kind::Branch { bit, sides, .. } => {
                let [zero, one] = sides.each_ref().map(|side| side.hash());
                hash(BRANCH_DOMAIN, &[&[*bit], zero.as_bytes(), one.as_bytes()])
            }
        })
    }
}

/// Sets `key` below `node`; true if the key is new.
fn insert(node: &mut Arc<Node>, key: Hash, value: Hash) -> bool {
    let differs = first_difference(node.sample(), &key);
    let splits_here = match (&node.kind, differs) {
        (_, None) => None,
        (Kind::Leaf { .. }, Some(at)) => Some(at),
        (Kind::Branch { bit, .. }, Some(at)) => (at < *bit).then_some(at),
    };
    if let Some(bit) = splits_here {
        let new = Node::leaf(key, value);
        let old = Arc::clone(node);
        let sides = if bit_of(&key, bit) == 0 { [new, old] } else { [old, new] };
        *node = Node::new(Kind::Branch { bit, sample: key, sides });
        return true;
    }
    let node = Arc::make_mut(node);
    node.hash.take();
    match &mut node.kind {
        Kind::Leaf { value: held, .. } => {
            *held = value;
            false
        }
        Kind::Branch { bit, sides, .. } => insert(&mut sides[bit_of(&key, *bit)], key, value),
    }
}

/// Removes `key`, which is below `node`; true if the node was its leaf and has to go itself.
fn remove(node: &mut Arc<Node>, key: &Hash) -> bool {
    let Kind::Branch { bit, .. } = &node.kind else {
        return true;
    };
    let side = bit_of(key, *bit);
    let inner = Arc::make_mut(node);
    inner.hash.take();
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
            Kind::Leaf { key: held, value } => return (held == key).then_some(value),
            Kind::Branch { bit, sides, .. } => node = &sides[bit_of(key, *bit)],
        }
    }
}

impl Map {
    /// The root hash.
    pub fn root(&self) -> Hash {
        match &self.root {
            Some(node) => node.hash(),
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

    /// Sets the value of `key`.
    pub fn insert(&mut self, key: Hash, value: Hash) {
        let new = match &mut self.root {
            Some(node) => insert(node, key, value),
            empty => {
                *empty = Some(Node::leaf(key, value));
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
                    map.insert(key, Hash(value));
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
            map.insert(hash("k", &[&[n]]), hash("v", &[&[n]]));
        }
        let before = map.root();
        let kept = map.clone();
        map.insert(hash("k", &[&[7]]), hash("v", &[b"new"]));
        map.remove(&hash("k", &[&[8]]));
        assert_ne!(map.root(), before);
        assert_eq!(kept.root(), before);
        assert_eq!(kept.get(&hash("k", &[&[8]])), Some(&hash("v", &[&[8]])));
    }
}
