//! One feed as a node holds it: the chain from a little below the committed head up to what is held.
//!
//! Guarantees: only entries under a verified signature are here; the chain never changes branch by itself. A run that
//! disagrees yields a [`ForkProof`] and is not taken; only [`Chain::reroot`], on a decided cut, moves to another
//! branch. Memory is bounded by [`MAX_UNORDERED_ENTRIES`], [`MAX_UNORDERED_BYTES`] and [`RECENT_LINKS`].

use std::collections::VecDeque;

use super::{Branch, FeedKey, ForkProof, Head, Run, body_digest, entry_hash};
use crate::identity::{Hash, Signature};

/// Most entries of a feed that are held and not ordered; more are refused without a mark until the feed advances.
pub const MAX_UNORDERED_ENTRIES: u64 = 16_384;
/// Most bytes of bodies of such entries of one feed.
pub const MAX_UNORDERED_BYTES: usize = 32 * 1024 * 1024;
/// How many ordered entries' hashes stay in memory, so that a fork just below the committed head is provable.
pub const RECENT_LINKS: usize = 256;

/// An entry in memory.
#[derive(Debug, Clone)]
struct Link {
    hash: Hash,
    digest: Hash,
    /// Kept until the entry is ordered.
    body: Option<Vec<u8>>,
    /// The author's, where a run ended here.
    signature: Option<Signature>,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extended {
    /// Everything in it was held already, or lies below what is kept in memory.
    Known,
    /// It begins beyond what is held.
    Gap,
    /// There is no room until the feed advances.
    Full,
    /// It contradicts what is held: the author forked its feed.
    Fork(Box<ForkProof>),
    /// The chain grew by these entries, given without those that were held before.
    By(Run, Vec<Head>),
}

/// A feed's chain.
#[derive(Debug, Clone)]
pub struct Chain {
    feed: FeedKey,
    /// The place before the first link in memory.
    base: Head,
    links: VecDeque<Link>,
    committed: Head,
    bytes: usize,
}

impl Chain {
    /// A chain that is held up to `committed` and ordered up to there.
    pub fn at(feed: FeedKey, committed: Head) -> Self {
        Self { feed, base: committed, links: VecDeque::new(), committed, bytes: 0 }
    }

    /// How far the feed is held.
    pub fn head(&self) -> Head {
        match self.links.back() {
            Some(link) => Head { length: self.base.length + self.links.len() as u64, hash: link.hash },
            None => self.base,
        }
    }

    /// How far the feed is ordered.
    pub fn committed(&self) -> Head {
        self.committed
    }

    /// Entries held and not ordered.
    pub fn unordered(&self) -> u64 {
        self.head().length.saturating_sub(self.committed.length)
    }

    /// Bytes of the bodies that are not ordered.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Entries in memory.
    pub fn links(&self) -> usize {
        self.links.len()
    }

    fn link(&self, length: u64) -> Option<&Link> {
        self.links.get(length.checked_sub(self.base.length + 1)? as usize)
    }

    /// The hash at a length, if that is in memory.
    pub fn hash_at(&self, length: u64) -> Option<Hash> {
        if length == self.base.length {
            Some(self.base.hash)
        } else {
            self.link(length).map(|link| link.hash)
        }
    }

    /// Whether the chain goes through `head`.
    pub fn holds(&self, head: &Head) -> bool {
        self.hash_at(head.length) == Some(head.hash)
    }

    /// Whether the chain is known to go another way than through `head`. What lies below memory is not known to.
    pub fn contradicts(&self, head: &Head) -> bool {
        self.hash_at(head.length).is_some_and(|hash| hash != head.hash)
    }

    /// The body of an entry that is not ordered yet.
    pub fn body(&self, length: u64) -> Option<&[u8]> {
        self.link(length)?.body.as_deref()
    }

    /// Whether there is room for entries of these many bytes.
    pub fn has_room(&self, entries: usize, bytes: usize) -> bool {
        self.unordered() + entries as u64 <= MAX_UNORDERED_ENTRIES
            && self.bytes + bytes <= MAX_UNORDERED_BYTES
    }

    /// Takes a run whose signature was checked; `heads` are the heads after its entries.
    pub fn extend(&mut self, run: Run, heads: Vec<Head>) -> Extended {
        let held = self.head();
        let last = *heads.last().expect("a checked run has entries");
        if run.from.length > held.length {
            return Extended::Gap;
        }
        if last.length <= self.base.length {
            return Extended::Known;
        }
        let places = std::iter::once(&run.from).chain(&heads);
        let differs = places.clone().position(|head| {
            head.length <= held.length && self.hash_at(head.length).is_some_and(|own| own != head.hash)
        });
        if let Some(position) = differs {
            let place = *places.clone().nth(position).expect("a position that was found");
            return match self.branch(place.length) {
                Some(own) => {
                    let digests = run.bodies[position..].iter().map(|body| body_digest(&body.0)).collect();
                    let other = Branch { hash: place.hash, digests, signature: run.signature };
                    Extended::Fork(Box::new(ForkProof::new(self.feed, place.length, [own, other])))
                }
                None => Extended::Known,
            };
        }
        if last.length <= held.length {
            return Extended::Known;
        }
        let skip = (held.length - run.from.length) as usize;
        let bytes = run.bodies[skip..].iter().map(|body| body.0.len()).sum();
        if !self.has_room(run.bodies.len() - skip, bytes) {
            return Extended::Full;
        }
        let mut run = run;
        run.bodies.drain(..skip);
        run.from = held;
        let heads = heads[skip..].to_vec();
        for (body, head) in run.bodies.iter().zip(&heads) {
            let signature = (head.length == last.length).then_some(run.signature);
            let digest = body_digest(&body.0);
            self.links.push_back(Link { hash: head.hash, digest, body: Some(body.0.clone()), signature });
        }
        self.bytes += bytes;
        Extended::By(run, heads)
    }

    /// The own branch at a length, as one half of a proof.
    fn branch(&self, length: u64) -> Option<Branch> {
        let hash = self.hash_at(length)?;
        if let Some(signature) = self.link(length).and_then(|link| link.signature) {
            return Some(Branch { hash, digests: Vec::new(), signature });
        }
        let mut digests = Vec::new();
        for next in length + 1..=self.head().length {
            let link = self.link(next)?;
            digests.push(link.digest);
            if let Some(signature) = link.signature {
                return Some(Branch { hash, digests, signature });
            }
        }
        None
    }

    /// Puts back an entry that the store holds, the next one after the head. Used on recovery, where a body of an
    /// ordered entry is not wanted.
    pub fn restore(&mut self, hash: Hash, body: &[u8], signature: Option<Signature>, ordered: bool) {
        let digest = body_digest(body);
        let body = (!ordered).then(|| body.to_vec());
        self.bytes += body.as_ref().map_or(0, Vec::len);
        self.links.push_back(Link { hash, digest, body, signature });
    }

    /// What the hash at a length must be, given the entry before it and the body there.
    pub fn follows(&self, length: u64) -> Option<Hash> {
        let before = self.hash_at(length.checked_sub(1)?)?;
        Some(entry_hash(&before, &self.link(length)?.digest))
    }

    /// Moves the committed head forward along the chain: bodies up to there are forgotten.
    pub fn commit(&mut self, head: Head) {
        for length in self.committed.length + 1..=head.length {
            let Some(index) = length.checked_sub(self.base.length + 1) else {
                continue;
            };
            if let Some(body) = self.links.get_mut(index as usize).and_then(|link| link.body.take()) {
                self.bytes -= body.len();
            }
        }
        self.committed = head;
        while self.links.len() > RECENT_LINKS && self.base.length < self.committed.length {
            let link = self.links.pop_front().expect("there are more than none");
            self.base = Head { length: self.base.length + 1, hash: link.hash };
        }
    }

    /// Forgets all above the committed head: the feed is frozen.
    pub fn forget_unordered(&mut self) {
        self.links.truncate(self.committed.length.saturating_sub(self.base.length) as usize);
        self.bytes = 0;
    }

    /// An empty chain at the committed head, to gather another branch on.
    pub fn branch_off(&self) -> Self {
        Self::at(self.feed, self.committed)
    }

    /// Leaves the own branch above the committed head for `other`, which was gathered on [`Chain::branch_off`].
    pub fn reroot(&mut self, other: Self) {
        let keep = self.committed.length.saturating_sub(self.base.length) as usize;
        self.links.truncate(keep);
        self.links.extend(other.links);
        self.bytes = other.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Lane;
    use crate::identity::{CoalitionId, SecretKey};

    struct Author {
        key: SecretKey,
        coalition: CoalitionId,
        feed: FeedKey,
    }

    impl Author {
        fn new() -> Self {
            let key = SecretKey::from_seed(&[3; 32]);
            let feed = FeedKey { node: key.public(), lane: Lane::Routine, incarnation: 0 };
            Self { key, coalition: CoalitionId::default(), feed }
        }

        fn start(&self) -> Head {
            Head { length: 0, hash: self.feed.root(&self.coalition) }
        }

        fn run(&self, from: Head, bodies: &[&str]) -> (Run, Vec<Head>) {
            let bodies = bodies.iter().map(|body| body.as_bytes().to_vec()).collect();
            let run = Run::sign(&self.coalition, self.feed, from, bodies, &self.key);
            let heads = run.check(&self.coalition).expect("a good run");
            (run, heads)
        }
    }

    fn extend(chain: &mut Chain, (run, heads): (Run, Vec<Head>)) -> Extended {
        chain.extend(run, heads)
    }

    #[test]
    fn takes_what_is_new_of_an_overlapping_run_and_nothing_across_a_gap() {
        let author = Author::new();
        let mut chain = Chain::at(author.feed, author.start());
        let (run, heads) = author.run(author.start(), &["a", "b"]);
        let second = author.run(author.start(), &["a", "b", "c"]);
        let beyond = author.run(second.1[2], &["d"]);
        assert!(matches!(extend(&mut chain, (run.clone(), heads.clone())), Extended::By(..)));
        assert_eq!(extend(&mut chain, (run, heads)), Extended::Known);
        assert_eq!(extend(&mut chain, beyond), Extended::Gap);
        let Extended::By(run, heads) = extend(&mut chain, second) else { panic!("one entry is new") };
        assert_eq!((run.bodies.len(), run.from.length, heads.len()), (1, 2, 1));
        assert!(run.check(&author.coalition).is_ok(), "the rest is a good run too");
    }

    #[test]
    fn a_contradiction_is_proved_wherever_it_lies() {
        let author = Author::new();
        for at in 0..4 {
            let mut chain = Chain::at(author.feed, author.start());
            extend(&mut chain, author.run(author.start(), &["a", "b", "c", "d"]));
            let mut bodies = ["a", "b", "c", "d"];
            bodies[at] = "other";
            let Extended::Fork(proof) = extend(&mut chain, author.run(author.start(), &bodies)) else {
                panic!("a fork at {at}")
            };
            assert_eq!(proof.length, at as u64 + 1);
            assert!(proof.verify(&author.coalition));
            // The same seen from a run that begins behind the first difference.
            let (_, other) = author.run(author.start(), &bodies);
            let Extended::Fork(proof) = extend(&mut chain, author.run(other[at], &["z"])) else {
                panic!("a fork at {at}")
            };
            assert!(proof.verify(&author.coalition));
        }
    }

    #[test]
    fn an_honest_longer_or_shorter_signature_is_no_fork() {
        let author = Author::new();
        let mut chain = Chain::at(author.feed, author.start());
        extend(&mut chain, author.run(author.start(), &["a", "b", "c"]));
        assert_eq!(extend(&mut chain, author.run(author.start(), &["a"])), Extended::Known);
        assert_eq!(chain.head().length, 3);
    }

    #[test]
    fn commits_forget_bodies_and_old_links() {
        let author = Author::new();
        let mut chain = Chain::at(author.feed, author.start());
        let mut from = author.start();
        for i in 0..RECENT_LINKS + 50 {
            let run = author.run(from, &[&i.to_string()]);
            from = run.1[0];
            extend(&mut chain, run);
        }
        assert_eq!(chain.unordered() as usize, RECENT_LINKS + 50);
        let place = Head { length: 100, hash: chain.hash_at(100).expect("in memory") };
        chain.commit(place);
        assert_eq!(chain.body(100), None);
        assert!(chain.body(101).is_some());
        chain.commit(chain.head());
        assert_eq!((chain.unordered(), chain.links.len(), chain.bytes), (0, RECENT_LINKS, 0));
        assert_eq!(chain.hash_at(1), None);
    }

    #[test]
    fn a_decided_cut_moves_the_chain_to_another_branch() {
        let author = Author::new();
        let mut chain = Chain::at(author.feed, author.start());
        let (first, heads) = author.run(author.start(), &["a"]);
        extend(&mut chain, (first, heads.clone()));
        chain.commit(heads[0]);
        extend(&mut chain, author.run(heads[0], &["mine", "mine"]));
        let mut other = chain.branch_off();
        let theirs = author.run(heads[0], &["theirs"]);
        let target = theirs.1[0];
        extend(&mut other, theirs);
        chain.reroot(other);
        assert!(chain.holds(&target));
        assert_eq!(chain.head(), target);
        assert_eq!(chain.body(2), Some(&b"theirs"[..]));
    }
}
