//! The tree against four judges: the vectors of the Certificate Transparency implementations, RFC 6962's definitions
//! written down as they stand, the `ct-merkle` crate, and trees too large to build.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use data_encoding::HEXLOWER;

use super::*;
use crate::wire;

type Stored = BTreeMap<NodeId, Hash>;

/// All trees up to here are compared in full: two whole levels beyond a power of two.
const SIZES: u64 = 130;

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).expect("hex in a test vector")
}

fn hashes(text: &[&str]) -> Vec<Hash> {
    let hash = |text: &&str| Hash(hex(text).try_into().expect("32 bytes in a test vector"));
    text.iter().map(hash).collect()
}

/// Leaves, stored nodes and the root at each size from 0.
struct Grown {
    leaves: Vec<Vec<u8>>,
    nodes: Stored,
    roots: Vec<Hash>,
}

fn grow(leaves: Vec<Vec<u8>>) -> Grown {
    let (mut frontier, mut nodes) = (Frontier::new(), Stored::new());
    let mut roots = vec![frontier.root()];
    for leaf in &leaves {
        for (id, hash) in frontier.append(leaf) {
            assert_eq!(nodes.insert(id, hash), None, "{id:?} was completed twice");
        }
        roots.push(frontier.root());
    }
    Grown { leaves, nodes, roots }
}

/// Leaves of many lengths, none like another.
fn numbered(count: u64) -> Grown {
    grow(
        (0..count)
            .map(|i| i.to_be_bytes()[8 - (i as usize % 8 + 1)..].repeat(3))
            .enumerate()
            .map(|(i, mut leaf)| {
                leaf.push(i as u8);
                leaf
            })
            .collect(),
    )
}

/// RFC 6962, section 2.1, word for word, over D[from..to] of one list of leaves; hashes met before are remembered.
mod rfc {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::ops::Range;

    use sha2::{Digest as _, Sha256};

    pub(super) type Bytes = [u8; 32];

    pub(super) struct Rfc<'a> {
        leaves: &'a [Vec<u8>],
        known: RefCell<BTreeMap<(usize, usize), Bytes>>,
    }

    fn k(n: usize) -> usize {
        (0..).map(|i| 1 << i).take_while(|&k| k < n).last().expect("n > 1")
    }

    fn split(d: &Range<usize>) -> (Range<usize>, Range<usize>) {
        let middle = d.start + k(d.len());
        (d.start..middle, middle..d.end)
    }

    impl<'a> Rfc<'a> {
        pub(super) fn new(leaves: &'a [Vec<u8>]) -> Self {
            let known = RefCell::default();
            Self { leaves, known }
        }

        pub(super) fn mth(&self, d: Range<usize>) -> Bytes {
            if let Some(hash) = self.known.borrow().get(&(d.start, d.end)) {
                return *hash;
            }
            let input = match d.len() {
                0 => vec![],
                1 => [&[0], &self.leaves[d.start][..]].concat(),
                _ => {
                    let (left, right) = split(&d);
                    [&[1], &self.mth(left)[..], &self.mth(right)].concat()
                }
            };
            let hash = Sha256::digest(input).into();
            self.known.borrow_mut().insert((d.start, d.end), hash);
            hash
        }

        pub(super) fn path(&self, m: usize, d: Range<usize>) -> Vec<Bytes> {
            if d.len() == 1 {
                return vec![];
            }
            let k = k(d.len());
            let (left, right) = split(&d);
            let (mut path, last) = if m < k {
                (self.path(m, left), self.mth(right))
            } else {
                (self.path(m - k, right), self.mth(left))
            };
            path.push(last);
            path
        }

        pub(super) fn subproof(&self, m: usize, d: Range<usize>, b: bool) -> Vec<Bytes> {
            if m == d.len() {
                return if b { vec![] } else { vec![self.mth(d)] };
            }
            let k = k(d.len());
            let (left, right) = split(&d);
            let (mut proof, last) = if m <= k {
                (self.subproof(m, left, b), self.mth(right))
            } else {
                (self.subproof(m - k, right, false), self.mth(left))
            };
            proof.push(last);
            proof
        }
    }
}

fn raw(path: &[Hash]) -> Vec<rfc::Bytes> {
    path.iter().map(|hash| hash.0).collect()
}

#[test]
fn roots_are_those_of_the_certificate_transparency_vectors() {
    let leaves =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let grown = grow(leaves.iter().map(|leaf| hex(leaf)).collect());
    assert_eq!(grown.roots, hashes(&roots));

    let path = prove_inclusion(&grown.nodes, 8, 5).expect("within the tree");
    let expected = [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(path, hashes(&expected));

    let path = prove_consistency(&grown.nodes, 6, 8).expect("within the tree");
    let expected = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(path, hashes(&expected));
}

#[test]
fn every_root_and_proof_is_the_one_that_the_rfc_defines() {
    let grown = numbered(SIZES);
    let rfc = rfc::Rfc::new(&grown.leaves);
    for size in 0..=SIZES {
        let all = 0..size as usize;
        let root = grown.roots[size as usize];
        assert_eq!(root.0, rfc.mth(all.clone()), "size {size}");
        assert_eq!(root_at(&grown.nodes, size), Ok(root), "size {size}");
        for index in 0..size {
            let path = prove_inclusion(&grown.nodes, size, index).expect("within the tree");
            assert_eq!(raw(&path), rfc.path(index as usize, all.clone()), "leaf {index} of {size}");
            let leaf = leaf_hash(&grown.leaves[index as usize]);
            assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()));
        }
        for old in 1..=size {
            let path = prove_consistency(&grown.nodes, old, size).expect("within the tree");
            assert_eq!(raw(&path), rfc.subproof(old as usize, all.clone(), true), "{old} in {size}");
            let old_root = grown.roots[old as usize];
            assert_eq!(verify_consistency(old, size, &path, &old_root, &root), Ok(()));
        }
    }
}

#[test]
fn ct_merkle_makes_the_same_trees_and_accepts_the_proofs() {
    let grown = numbered(SIZES);
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for size in 1..=SIZES {
        theirs.push(grown.leaves[size as usize - 1].clone());
        let root = theirs.root();
        assert_eq!(root.as_bytes()[..], grown.roots[size as usize].0);
        for index in (0..size).step_by(7).chain([size - 1]) {
            let path = prove_inclusion(&grown.nodes, size, index).expect("within the tree");
            assert_eq!(theirs.prove_inclusion(index as usize).as_bytes(), raw(&path).concat());
            let proof = InclusionProof::from_bytes(raw(&path).concat());
            root.verify_inclusion(&grown.leaves[index as usize], index, &proof)
                .expect("their verifier accepts");
        }
        for old in (1..size).step_by(5) {
            let path = prove_consistency(&grown.nodes, old, size).expect("within the tree");
            assert_eq!(theirs.prove_consistency((size - old) as usize).as_bytes(), raw(&path).concat());
            let proof = ConsistencyProof::try_from_bytes(raw(&path).concat()).expect("whole hashes");
            let old_root = RootHash::new(grown.roots[old as usize].0.into(), old);
            root.verify_consistency(&old_root, &proof).expect("their verifier accepts");
        }
    }
}

/// `path` with one bit of one hash flipped, one hash less, one more, or two exchanged.
fn spoiled(path: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = vec![[path, &[empty_root()]].concat(), [&[empty_root()], path].concat()];
    for i in 0..path.len() {
        let mut flipped = path.to_vec();
        flipped[i].0[i % 32] ^= 1 << (i % 8);
        all.push(flipped);
        let mut less = path.to_vec();
        less.remove(i);
        all.push(less);
        if i > 0 && path[i] != path[i - 1] {
            let mut exchanged = path.to_vec();
            exchanged.swap(i - 1, i);
            all.push(exchanged);
        }
    }
    all
}

#[test]
fn a_spoiled_inclusion_proof_proves_nothing() {
    let grown = numbered(70);
    for size in 1..=70 {
        let root = grown.roots[size as usize];
        for index in 0..size {
            let path = prove_inclusion(&grown.nodes, size, index).expect("within the tree");
            let leaf = leaf_hash(&grown.leaves[index as usize]);
            for wrong in spoiled(&path) {
                assert!(verify_inclusion(&leaf, index, size, &wrong, &root).is_err());
            }
            for other in (0..size + 3).filter(|&other| other != index) {
                assert!(verify_inclusion(&leaf, other, size, &path, &root).is_err());
            }
            let stranger = leaf_hash(b"stranger");
            assert_eq!(verify_inclusion(&stranger, index, size, &path, &root), Err(ProofError::Root));
            let before = grown.roots[size as usize - 1];
            assert!(verify_inclusion(&leaf, index, size, &path, &before).is_err());
        }
    }
}

#[test]
fn a_spoiled_consistency_proof_proves_nothing() {
    let grown = numbered(70);
    let stranger = leaf_hash(b"stranger");
    for new in 1..=70u64 {
        let new_root = grown.roots[new as usize];
        for old in 1..=new {
            let path = prove_consistency(&grown.nodes, old, new).expect("within the tree");
            let old_root = grown.roots[old as usize];
            for wrong in spoiled(&path) {
                assert!(verify_consistency(old, new, &wrong, &old_root, &new_root).is_err());
            }
            assert!(verify_consistency(old, new, &path, &stranger, &new_root).is_err());
            assert!(verify_consistency(old, new, &path, &old_root, &stranger).is_err());
            for other in (0..=new).filter(|&other| other != old) {
                assert!(verify_consistency(other, new, &path, &old_root, &new_root).is_err());
            }
        }
    }
}

#[test]
fn an_inner_node_does_not_pass_for_a_leaf() {
    // Second preimages: what is hashed for an inner node, given as a leaf of a smaller tree.
    let grown = numbered(2);
    let inner = [leaf_hash(&grown.leaves[0]).0, leaf_hash(&grown.leaves[1]).0].concat();
    let root = grown.roots[2];
    assert_eq!(verify_inclusion(&leaf_hash(&inner), 0, 1, &[], &root), Err(ProofError::Root));
}

#[test]
fn every_tree_follows_from_the_empty_one_and_from_itself() {
    let grown = numbered(5);
    let (empty, root) = (grown.roots[0], grown.roots[5]);
    assert_eq!(prove_consistency(&grown.nodes, 0, 5), Ok(vec![]));
    assert_eq!(verify_consistency(0, 5, &[], &empty, &root), Ok(()));
    assert_eq!(verify_consistency(0, 5, &[], &root, &root), Err(ProofError::Root));
    assert_eq!(verify_consistency(0, 5, &[root], &empty, &root), Err(ProofError::Length(1)));
    assert_eq!(verify_consistency(5, 5, &[], &root, &root), Ok(()));
    assert_eq!(verify_consistency(5, 5, &[], &empty, &root), Err(ProofError::Root));
    assert_eq!(verify_consistency(0, 0, &[], &empty, &empty), Ok(()));
    assert_eq!(verify_consistency(0, 0, &[], &empty, &root), Err(ProofError::Root));
    assert_eq!(verify_consistency(0, 0, &[], &root, &root), Err(ProofError::Root));
}

#[test]
fn says_what_is_out_of_range_or_missing() {
    let mut grown = numbered(6);
    let nodes = &grown.nodes;
    assert_eq!(prove_inclusion(nodes, 6, 6), Err(MerkleError::Index { index: 6, size: 6 }));
    assert_eq!(prove_inclusion(nodes, 0, 0), Err(MerkleError::Index { index: 0, size: 0 }));
    assert_eq!(prove_consistency(nodes, 6, 5), Err(MerkleError::Shrinks { old: 6, new: 5 }));
    assert_eq!(prove_inclusion(nodes, u64::MAX, 0), Err(MerkleError::Size(u64::MAX)));
    assert_eq!(root_at(nodes, u64::MAX), Err(MerkleError::Size(u64::MAX)));
    assert_eq!(prove_inclusion(nodes, 7, 0), Err(MerkleError::Missing { level: 0, index: 6 }));
    grown.nodes.remove(&NodeId { level: 1, index: 1 });
    assert_eq!(prove_inclusion(&grown.nodes, 4, 0), Err(MerkleError::Missing { level: 1, index: 1 }));
    let hash = empty_root();
    for size in [u64::MAX, MAX_TREE_SIZE + 1] {
        assert_eq!(verify_inclusion(&hash, 0, size, &[], &hash), Err(ProofError::Range));
        assert_eq!(verify_consistency(1, size, &[], &hash, &hash), Err(ProofError::Range));
    }
    let long = vec![hash; 100_000];
    assert_eq!(verify_inclusion(&hash, 0, 9, &long, &hash), Err(ProofError::Length(100_000)));
    assert_eq!(verify_consistency(3, 9, &long, &hash, &hash), Err(ProofError::Length(100_000)));
}

#[test]
fn a_frontier_comes_back_from_nodes_and_bytes_and_goes_on_alike() {
    let grown = numbered(SIZES);
    let mut frontier = Frontier::new();
    for size in 0..SIZES {
        let stored = Frontier::from_nodes(&grown.nodes, size).expect("all nodes are stored");
        assert_eq!(stored, frontier);
        let bytes = wire::encode(&frontier);
        assert_eq!(wire::decode(&bytes, 4096), Ok(frontier.clone()));
        frontier.append(&grown.leaves[size as usize]);
    }
    // Two roots for a size with one bit, and a size beyond the limit.
    let wrong = wire::encode(&(4u64, vec![empty_root(), empty_root()]));
    assert!(wire::decode::<Frontier>(&wrong, 4096).is_err());
    let wrong = wire::encode(&(u64::MAX, vec![empty_root(); 64]));
    assert!(wire::decode::<Frontier>(&wrong, 4096).is_err());
}

/// A tree of equal leaves: every perfect subtree of a level has the same root, so any size can be had.
struct Uniform(Vec<Hash>);

impl Uniform {
    fn new() -> Self {
        let mut roots = vec![leaf_hash(b"same")];
        for level in 0..60 {
            roots.push(node_hash(&roots[level], &roots[level]));
        }
        Self(roots)
    }
}

impl Nodes for Uniform {
    fn node(&self, level: u8, _: u64) -> Option<Hash> {
        self.0.get(usize::from(level)).copied()
    }
}

#[test]
fn proofs_hold_in_trees_of_any_size() {
    let nodes = Uniform::new();
    let leaf = leaf_hash(b"same");
    let sizes = [(1 << 32) - 1, 1 << 32, (1 << 40) + 12_345, MAX_TREE_SIZE - 1, MAX_TREE_SIZE];
    for size in sizes {
        let root = root_at(&nodes, size).expect("uniform");
        for index in [0, 1, size / 3, size / 2, size - 2, size - 1] {
            let path = prove_inclusion(&nodes, size, index).expect("uniform");
            assert!(path.len() < MAX_PROOF_HASHES);
            assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()));
        }
        for old in [1, 3, size / 3, size / 2 + 1, size - 1] {
            let path = prove_consistency(&nodes, old, size).expect("uniform");
            assert!(path.len() < MAX_PROOF_HASHES);
            let old_root = root_at(&nodes, old).expect("uniform");
            assert_eq!(verify_consistency(old, size, &path, &old_root, &root), Ok(()));
        }
    }
}
