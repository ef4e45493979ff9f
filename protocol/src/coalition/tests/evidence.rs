//! Ordered evidence: frozen feeds, void entries, convicted seats.

use entente_hbbft::{Digest, Frame, Message, Seat};

use super::*;
use crate::evidence::Equivocation;
use crate::feed::{FeedKey, Head, sign_head};
use crate::vote::{VoteFeed, VoteFrame};

/// A proof that the node of `partner` has two entries `length` in its routine feed, of branches named by `marks`.
fn fork_of(coalition: &CoalitionId, partner: &str, feed: FeedKey, length: u64, marks: [u8; 2]) -> Body {
    let branch = |mark: u8| {
        let head = Head { length, hash: Hash([mark; 32]) };
        let signature = sign_head(coalition, &feed, &head, &key(partner, "node"));
        Branch { hash: head.hash, digests: vec![], signature }
    };
    Body::Fork(Box::new(ForkProof::new(feed, length, marks.map(branch))))
}

pub(super) fn fork(bench: &Bench, partner: &str) -> Body {
    fork_of(&bench.founded.coalition(), partner, node_feed(partner), 3, [1, 2])
}

pub(super) fn frames(coalition: &CoalitionId, partner: &str, seat: usize, marks: [u8; 2]) -> Body {
    let feed = VoteFeed { seat: Seat(seat as u16), incarnation: 0, era: 1, epoch: 9 };
    Body::Equivocation(Box::new(Equivocation::new(&marks.map(|mark| {
        let votes = Frame::pack([Message::Propose(Digest::of(&[mark]))]);
        VoteFrame::sign(coalition, feed, 0, feed.root(coalition), votes, &key(partner, "seat"))
    }))))
}

impl Bench {
    /// Applies a body carried by `carrier`.
    fn carried(&mut self, carrier: &str, body: &Body) -> Disposition {
        let context = self.context(carrier);
        self.state.apply_bytes(&context, &body.encode()).disposition
    }
}

#[test]
fn a_feed_is_void_from_its_ordered_proof_on_and_what_it_said_before_stands() {
    let mut bench = Bench::four();
    let id = bench.open();
    let word = |bench: &Bench| Body::Signed(bench.word("sudria", id, Supporting, Endorse));
    let (before, note) = (word(&bench), Body::Note(b"late".to_vec()));
    assert_eq!(bench.carried("sudria", &before), Disposition::Applied);
    let proof = fork(&bench, "sudria");
    assert_eq!(bench.carried("norden", &proof), Disposition::Applied);
    let frozen = bench.index;
    let record = bench.state.frozen()[&node_feed("sudria")];
    assert_eq!((record.length, record.ordered.index), (3, frozen));
    assert_eq!(record.ordered.feed, node_feed("norden"), "who reported it");
    bench.assert_root();
    let root = bench.state.root();
    // The same batch or a later one: everything in the feed, a note, a record, another proof, even what is no body.
    for body in [&note, &before, &fork(&bench, "estmark")] {
        assert_eq!(bench.carried("sudria", body), Disposition::Void { frozen });
    }
    let context = bench.context("sudria");
    assert_eq!(bench.state.apply_bytes(&context, b"\xff").disposition, Disposition::Void { frozen });
    assert_eq!(bench.state.root(), root, "void entries leave no mark");
    let stands = bench.state.operation(&id).and_then(|operation| operation.standing(&name("sudria")));
    assert_eq!(stands.map(|said| said.stance), Some(Endorse), "what was applied counts on");
    // Its other lanes are not frozen.
    let context = ApplyContext { feed: FeedKey { lane: Lane::Flash, ..node_feed("sudria") }, ..context };
    assert_eq!(bench.state.apply(&context, &note).disposition, Disposition::Applied);
}

#[test]
fn a_word_that_stands_only_in_the_void_part_does_not_count_and_may_be_said_again_elsewhere() {
    let mut bench = Bench::four();
    let id = bench.open();
    let proof = fork(&bench, "sudria");
    bench.carried("norden", &proof);
    let word = bench.word("sudria", id, Supporting, Endorse);
    let body = Body::Signed(word.clone());
    assert!(matches!(bench.carried("sudria", &body), Disposition::Void { .. }));
    assert_eq!(bench.state.seen(&word.record.id()), None);
    assert_eq!(bench.carried("norden", &body), Disposition::Applied);
    assert_eq!(bench.state.seen(&word.record.id()).map(|seen| seen.index), Some(bench.index));
}

#[test]
fn what_waits_when_its_feed_freezes_keeps_its_place() {
    let mut bench = Bench::four();
    let opening = open(&bench.founded, "norden", "late");
    let id = opening.record.id();
    let word = bench.word("sudria", id, Supporting, Endorse);
    let parked = bench.carried("sudria", &Body::Signed(word.clone()));
    assert_eq!(parked, Disposition::Parked { awaits: id });
    let proof = fork(&bench, "sudria");
    bench.carried("norden", &proof);
    let released = bench.apply(&opening).released;
    assert_eq!(released.len(), 1);
    assert_eq!((released[0].record, &released[0].disposition), (word.record.id(), &Disposition::Applied));
    bench.assert_root();
}

#[test]
fn the_first_proof_counts_and_others_only_say_it_again() {
    let mut bench = Bench::four();
    let coalition = bench.founded.coalition();
    let proof = fork(&bench, "sudria");
    assert_eq!(bench.carried("norden", &proof), Disposition::Applied);
    let (first, root) = (bench.index, bench.state.root());
    let other = fork_of(&coalition, "sudria", node_feed("sudria"), 8, [4, 7]);
    for body in [&proof, &other] {
        assert_eq!(bench.carried("estmark", body), Disposition::Duplicate { first });
    }
    assert_eq!(bench.state.root(), root);
}

#[test]
fn proofs_that_do_not_hold_freeze_nothing() {
    let mut bench = Bench::four();
    let here = bench.founded.coalition();
    let feed = node_feed("sudria");
    let root = bench.state.root();
    let unenrolled = FeedKey { incarnation: u32::MAX, ..feed };
    let stranger = FeedKey { node: stranger(), ..feed };
    for body in [
        fork_of(&CoalitionId::default(), "sudria", feed, 3, [1, 2]),
        fork_of(&here, "norden", feed, 3, [1, 2]),
        fork_of(&here, "sudria", feed, 3, [1, 1]),
        fork_of(&here, "sudria", feed, 0, [1, 2]),
        fork_of(&here, "sudria", unenrolled, 3, [1, 2]),
        fork_of(&here, "sudria", stranger, 3, [1, 2]),
    ] {
        assert_eq!(bench.carried("norden", &body), Disposition::Refused(Refusal::InvalidForkProof));
    }
    assert_eq!((bench.state.frozen().len(), bench.state.root()), (0, root));
}

#[test]
fn a_seat_is_convicted_once_and_only_by_its_own_two_frames() {
    let mut bench = Bench::four();
    let here = bench.founded.coalition();
    let seat = bench.founded.seat_index(&key("sudria", "seat").public()).expect("a seat");
    let root = bench.state.root();
    for body in [
        frames(&here, "sudria", seat, [1, 1]),
        frames(&here, "norden", seat, [1, 2]),
        frames(&CoalitionId::default(), "sudria", seat, [1, 2]),
        frames(&here, "sudria", 99, [1, 2]),
    ] {
        let refused = Disposition::Refused(Refusal::InvalidEquivocation);
        assert_eq!(bench.carried("norden", &body), refused);
    }
    assert_eq!((bench.state.convicted().len(), bench.state.root()), (0, root));
    assert_eq!(bench.carried("norden", &frames(&here, "sudria", seat, [1, 2])), Disposition::Applied);
    let first = bench.index;
    let convicted = bench.state.convicted()[&Seat(seat as u16)];
    assert_eq!((convicted.feed.epoch, convicted.seq, convicted.ordered.index), (9, 0, first));
    bench.assert_root();
    let again = frames(&here, "sudria", seat, [3, 4]);
    assert_eq!(bench.carried("estmark", &again), Disposition::Duplicate { first });
    // Its node speaks on.
    assert_eq!(bench.carried("sudria", &Body::Note(b"still here".to_vec())), Disposition::Applied);
}
