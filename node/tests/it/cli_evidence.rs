//! `entente evidence` on a node whose own feed is forked, and on one that holds a proof against another's seat: their stores were
//! given what a crash leaves behind, proofs that are kept and not written, and an entry behind the fork.

use entente_hbbft::{Digest, Frame, Message, Seat};
use entente_node::api::dto::{EvidencePage, EvidenceView};
use entente_node::storage::{Identity, Store};
use entente_protocol::evidence::{Equivocation, Subject};
use entente_protocol::feed::{
    BodyBytes, Branch, FeedKey, ForkProof, Head, Lane, Run, body_digest, sign_head, walk,
};
use entente_protocol::identity::{CoalitionId, SecretKey};
use entente_protocol::record::Body;
use entente_protocol::store::{FoundFork, Write};
use entente_protocol::vote::{VoteFeed, VoteFrame};

use crate::cli_live::Up;
use crate::cli_support::{Hosts, now, run};

fn note(text: &str) -> Vec<u8> {
    Body::Note(text.as_bytes().to_vec()).encode()
}

/// What is held of a feed with two branches, of which the store has one; and the proof of the fork.
fn forked(coalition: &CoalitionId, key: &SecretKey) -> (Run, FoundFork) {
    let feed = FeedKey { node: key.public(), lane: Lane::Routine, incarnation: 0 };
    let root = Head { length: 0, hash: feed.root(coalition) };
    let bodies = ["slot 3 is ours", "slot 3 is yours"].map(note);
    let branch = |body: &Vec<u8>| {
        let head = walk(root, [body_digest(body)].into_iter()).last().expect("one entry");
        Branch { hash: head.hash, digests: Vec::new(), signature: sign_head(coalition, &feed, &head, key) }
    };
    let proof = ForkProof::new(feed, 1, bodies.each_ref().map(branch));
    let run = Run::sign(coalition, feed, root, bodies[..1].to_vec(), key);
    let hash = run.heads()[0].hash;
    let bodies = proof.branches.each_ref().map(|branch| {
        let body = if branch.hash == hash { &bodies[0] } else { &bodies[1] };
        Some(BodyBytes(body.clone()))
    });
    let brought = (key.public(), u8::from(proof.branches[0].hash == hash));
    (run, FoundFork { proof, bodies, brought, found: now() })
}

fn two_frames(coalition: &CoalitionId, seat: Seat, key: &SecretKey) -> [VoteFrame; 2] {
    let feed = VoteFeed { seat, incarnation: 0, era: 1, epoch: 9 };
    [b"x", b"y"].map(|what| {
        let votes = Frame::pack([Message::Propose(Digest::of(what))]);
        VoteFrame::sign(coalition, feed, 0, feed.root(coalition), votes, key)
    })
}

#[test]
fn the_story_of_a_fork_is_told_and_its_feed_takes_nothing_more() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let mut node = Up::start(&dir);
    let none = run(&dir, &["evidence", "list"]);
    assert!(none.done().starts_with("no evidence"), "{}", none.out);
    run(&dir, &["stop"]).done();
    node.ended();

    let key = hosts.key("norden", "node");
    let coalition = hosts.coalition();
    let (held, found) = forked(&coalition, &key);
    let (feed, fork_id) = (found.proof.feed, Subject::Feed(found.proof.feed).id().to_string());
    {
        let identity = Identity { coalition, node: key.public() };
        let store = Store::open(&dir.join("store.redb"), &identity).expect("opens");
        let writes =
            [Write::Run { heads: held.heads(), run: held.clone() }, Write::Fork(Box::new(found.clone()))];
        store.commit(&writes, &[]).expect("commits");
    }

    let _node = Up::start(&dir);
    // Ordered behind what the start itself has written, as a lone seat orders all that it holds.
    run(&dir, &["note", "settled", "--lane", "priority", "--wait", "ordered"]).done();
    let listed = run(&dir, &["evidence", "list"]);
    for word in [&fork_id[..13], "fork", "norden", "routine feed, entry 1"] {
        assert!(listed.done().contains(word), "{word:?} is not in\n{}", listed.out);
    }
    let list: Vec<EvidenceView> =
        serde_json::from_str(run(&dir, &["--json", "evidence", "list"]).done()).expect("the list");
    assert_eq!(list.len(), 1);
    let of = |id: &str| list.iter().find(|view| view.id.to_string() == id).expect("listed");
    assert!(of(&fork_id).frozen);
    let frozen = of(&fork_id).ordered.as_ref().expect("ordered").index;

    // A beginning of the id, with or without its prefix.
    let shown = run(&dir, &["evidence", "show", &fork_id[3..10]]);
    let leaf = format!("since leaf {frozen}");
    let next = format!("next: entente log --from {frozen} --limit 20");
    let words = ["FORK  norden signed two entries 1 in its routine feed", &fork_id, &leaf, &next];
    for word in words.into_iter().chain(["note: slot 3 is ours", "note: slot 3 is yours", "told by"]) {
        assert!(shown.done().contains(word), "{word:?} is not in\n{}", shown.out);
    }
    let page: EvidencePage =
        serde_json::from_str(run(&dir, &["--json", "evidence", "show", &fork_id]).done()).expect("the page");
    assert_eq!(page.evidence, *of(&fork_id));
    let hashes = page.sides.iter().map(|side| side.hash).collect::<Vec<_>>();
    assert_eq!(hashes, found.proof.branches.each_ref().map(|branch| branch.hash));
    let proof = Body::Fork(Box::new(found.proof.clone())).encode();
    assert_eq!(page.proof, data_encoding::HEXLOWER.encode(&proof));
    // The lone seat claims both feeds at once: the proof goes first, so the entry is ordered and void.
    assert_eq!((page.committed, page.void.len()), (Some(1), 1), "{page:?}");
    let taken = page.sides.iter().filter(|side| side.ordered).map(|side| side.hash).collect::<Vec<_>>();
    assert_eq!(taken, [held.heads()[0].hash]);
    assert!(shown.out.contains(&format!("void        leaves {}", page.void[0])), "{}", shown.out);
    assert!(run(&dir, &["log"]).done().contains(&format!("void: its feed is frozen since index {frozen}")));

    let refused = run(&dir, &["note", "more"]);
    refused.refused(1, &["this node's feed is frozen", "routine feed", &fork_id, "entente evidence"]);
    run(&dir, &["evidence", "show", "ev-aaaaaaaa"])
        .refused(1, &["no evidence here", "entente evidence list"]);
    run(&dir, &["evidence", "show", "ev-a"]).refused(2, &["at least 4", "entente evidence list"]);
    assert_eq!(feed.lane, Lane::Routine);
}

#[test]
fn a_proof_against_another_seat_is_shown_before_it_is_ordered() {
    let hosts = Hosts::init(&["norden", "sudria", "ostmark", "estmark"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    Up::start(&dir);
    let coalition = hosts.coalition();
    let seat_id = Subject::Seat(Seat(3)).id().to_string();
    let frames = two_frames(&coalition, Seat(3), &hosts.key("sudria", "seat"));
    {
        let identity = Identity { coalition, node: hosts.key("norden", "node").public() };
        let store = Store::open(&dir.join("store.redb"), &identity).expect("opens");
        store.commit(&[Write::Equivocation(Box::new(frames.clone()))], &[]).expect("commits");
    }

    // Alone among four: nothing is ordered, and what is held is shown.
    let _node = Up::start(&dir);
    let listed = run(&dir, &["evidence", "list"]);
    for word in [&seat_id[..13], "equivocation", "sudria"] {
        assert!(listed.done().contains(word), "{word:?} is not in\n{}", listed.out);
    }
    let list: Vec<EvidenceView> =
        serde_json::from_str(run(&dir, &["--json", "evidence", "list"]).done()).expect("the list");
    assert_eq!(list.len(), 1);
    assert!(!list[0].frozen && list[0].ordered.is_none());
    let page = run(&dir, &["evidence", "show", &seat_id]);
    for word in ["EQUIVOCATION  sudria", "seat 3, epoch 9, frame 0", "votes on", "Propose"] {
        assert!(page.done().contains(word), "{word:?} is not in\n{}", page.out);
    }
    let hashes = Equivocation::new(&frames).hashes();
    assert!(hashes.iter().all(|hash| page.out.contains(&hash.to_string())), "{}", page.out);
}
