//! Authors that fork their record feeds.

use entente_protocol::feed::{Branch, ForkProof, Head, Lane, Run, verify_head};
use entente_protocol::identity::Signature;
use entente_protocol::record::Body;
use entente_protocol::replicate::{PeerMessage, Want};
use entente_protocol::wire;

use crate::forge::{feed_of, inbox, notes, root_of, run, with_liar};
use crate::net::Net;
use crate::scalar;

fn with_author(seed: u64) -> (Net, Head) {
    let net = with_liar(seed);
    let root = root_of(&net, &feed_of(&net, 3, Lane::Routine));
    (net, root)
}

fn settle(net: &mut Net) {
    let done = net.run_until(60_000, |net| {
        (0..3).all(|node| {
            let status = net.status(node);
            status.applied > 0 && status.certified == status.applied
        }) && (0..3).all(|node| net.status(node).applied == net.status(0).applied)
    });
    assert!(done, "{:#?}", (0..3).map(|node| net.status(node)).collect::<Vec<_>>());
}

fn all_agree(net: &Net) {
    for node in 1..3 {
        assert_eq!(net.nodes[node].halted, None);
        assert_eq!(net.nodes[node].store.batches, net.nodes[0].store.batches, "node {node}");
    }
}

#[test]
fn two_branches_end_as_one_order_and_a_proof_at_everyone() {
    let (mut net, root) = with_author(1);
    let (a, a_head) = notes(&net, 3, Lane::Routine, root, &["to 0 and 1"]);
    let (b, _) = notes(&net, 3, Lane::Routine, root, &["to 2", "and more to 2"]);
    net.say(3, 0, &PeerMessage::Run(a.clone()));
    net.say(3, 1, &PeerMessage::Run(a));
    net.say(3, 2, &PeerMessage::Run(b));
    net.run_for(5_000);
    let id = net.note(2, "an honest word").expect("taken");
    assert!(net.run_until(20_000, |net| (0..3).all(|node| net.ordered(node).contains(&id))));
    net.run_for(20_000);
    settle(&mut net);
    all_agree(&net);
    let feed = feed_of(&net, 3, Lane::Routine);
    // Who left its branch for the cut's before anyone else saw it has the only proof; it is ordered.
    assert!(!net.nodes[2].store.forks.is_empty());
    for node in 0..3 {
        let store = &net.nodes[node].store;
        assert!(store.forks.len() <= 1, "node {node} keeps one proof");
        for fork in &store.forks {
            assert!(fork.proof.verify(&net.founded.coalition()));
            assert_eq!(fork.proof.feed, feed);
        }
        assert_eq!(store.entries[&(feed, 1)].hash, a_head.hash, "the cut is on the branch that two hold");
        let codes: Vec<_> = net.faults(node).iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, vec!["fork"; store.forks.len()]);
        let proofs = store.entries.values().filter_map(|entry| match Body::decode(&entry.body).ok()? {
            Body::Fork(proof) => Some(proof),
            _ => None,
        });
        assert!(proofs.count() >= 1, "node {node} holds the proof as an entry");
    }
    let leaves = net.nodes[0].store.leaves().len();
    net.record = true;
    net.run_for(600_000);
    assert_eq!(net.nodes[0].store.leaves().len(), leaves, "a forked feed keeps nobody busy");
    let chatter = net.traffic.len();
    assert!(chatter < 200, "{chatter} messages in ten minutes after a fork");
}

#[test]
fn a_branch_per_peer_orders_nothing_of_it_and_holds_nobody_up() {
    let (mut net, root) = with_author(2);
    for to in 0..3 {
        let (run, _) = notes(&net, 3, Lane::Routine, root, &[&format!("only to {to}"), "more"]);
        net.say(3, to, &PeerMessage::Run(run));
    }
    let mut ids = Vec::new();
    for node in 0..3 {
        ids.push(net.note(node, "honest").expect("taken"));
    }
    assert!(
        net.run_until(20_000, |net| (0..3).all(|node| ids.iter().all(|id| net.ordered(node).contains(id))))
    );
    net.run_for(20_000);
    settle(&mut net);
    all_agree(&net);
    let feed = feed_of(&net, 3, Lane::Routine);
    let leaves = net.nodes[0].store.leaves();
    let of_feed = leaves.iter().filter(|leaf| {
        let leaf = entente_protocol::leaf::Leaf::decode(leaf).expect("a leaf");
        matches!(leaf, entente_protocol::leaf::Leaf::Entry(entry) if entry.feed == feed)
    });
    assert_eq!(of_feed.count(), 0, "no two hold the same branch");
    let leaves = leaves.len();
    for node in 0..3 {
        assert_eq!(net.nodes[node].store.forks.len(), 1);
    }
    net.record = true;
    net.run_for(600_000);
    assert_eq!(net.nodes[0].store.leaves().len(), leaves, "a forked feed keeps nobody busy");
    let chatter = net.traffic.len();
    assert!(chatter < 200, "{chatter} messages in ten minutes after a fork");
}

/// Signed single entries of a branch, each body of `bytes`.
fn branch(net: &Net, root: Head, count: usize, bytes: usize, mark: u8) -> Vec<Run> {
    let mut from = root;
    (0..count)
        .map(|_| {
            let (run, head) = run(net, 3, Lane::Routine, from, vec![Body::Note(vec![mark; bytes]).encode()]);
            from = head;
            run
        })
        .collect()
}

#[test]
fn a_branch_larger_than_one_answer_is_fetched_whole() {
    let (mut net, root) = with_author(3);
    let (b, _) = notes(&net, 3, Lane::Routine, root, &["to 2"]);
    net.say(3, 2, &PeerMessage::Run(b));
    for run in branch(&net, root, 60, 15_000, b'a') {
        net.say(3, 0, &PeerMessage::Run(run.clone()));
        net.say(3, 1, &PeerMessage::Run(run));
    }
    net.run_for(2_000);
    let id = net.note(0, "honest").expect("taken");
    let done = net.run_until(30_000, |net| (0..3).all(|node| net.ordered(node).contains(&id)));
    assert!(done, "{:#?}", (0..3).map(|node| net.status(node)).collect::<Vec<_>>());
    settle(&mut net);
    all_agree(&net);
    let feed = feed_of(&net, 3, Lane::Routine);
    assert!(net.nodes[2].store.entries.contains_key(&(feed, 60)));
}

#[test]
fn a_third_branch_does_not_keep_a_node_from_the_one_that_was_cut() {
    let (mut net, root) = with_author(4);
    let (b, _) = notes(&net, 3, Lane::Routine, root, &["to 2"]);
    net.say(3, 2, &PeerMessage::Run(b));
    for run in branch(&net, root, 20, 100, b'a') {
        net.say(3, 0, &PeerMessage::Run(run.clone()));
        net.say(3, 1, &PeerMessage::Run(run));
    }
    let c = branch(&net, root, 20, 100, b'c');
    net.run_for(100);
    net.note(0, "honest").expect("taken");
    for round in 0..200 {
        net.run_for(20);
        for (from, message) in inbox(&mut net, 3) {
            if let PeerMessage::Want(want) = message {
                if matches!(want, Want::Entries { .. }) && from == 2 {
                    c.iter().for_each(|run| net.say(3, 2, &PeerMessage::Run(run.clone())));
                }
                net.say(3, from, &PeerMessage::Served(want));
            }
        }
        net.say(3, 2, &PeerMessage::Run(c[round % c.len()].clone()));
    }
    net.run_for(20_000);
    settle(&mut net);
    all_agree(&net);
    let feed = feed_of(&net, 3, Lane::Routine);
    assert_eq!(net.nodes[2].store.entries.get(&(feed, 20)), net.nodes[0].store.entries.get(&(feed, 20)));
}

/// The same run, its head signed over another nonce.
fn signed_again(net: &Net, run: &Run) -> Run {
    let head = *run.heads().last().expect("there are bodies");
    let coalition = net.founded.coalition();
    let place = wire::encode(&(coalition, run.feed, head));
    let message = [b"entente/head/v1\0", &place[..]].concat();
    let key = &net.keys[3].node;
    let (other, nonce) = (key.sign_raw(b"another nonce"), scalar::nonce_of(&key.seed(), b"another nonce"));
    let r = &other.as_ed25519()[..32];
    let signature = scalar::sign_with(&key.seed(), run.feed.node.as_ed25519(), &nonce, r, &message);
    let signature = Signature::from_ed25519(signature);
    assert!(verify_head(&coalition, &run.feed, &head, &signature) && signature != run.signature);
    Run { signature, ..run.clone() }
}

/// An honest author that restarts without its randomness, or a liar at no cost, signs one head twice: that is one word.
#[test]
fn two_signatures_of_one_head_convict_nobody_and_order_one_entry() {
    for seed in 5..10 {
        let (mut net, root) = with_author(seed);
        let feed = feed_of(&net, 3, Lane::Routine);
        let (whole, head) = notes(&net, 3, Lane::Routine, root, &["a", "b", "c"]);
        let again = signed_again(&net, &whole);
        // The same head under a run of another extent.
        let (first, middle) = notes(&net, 3, Lane::Routine, root, &["a", "b"]);
        let (rest, _) = notes(&net, 3, Lane::Routine, middle, &["c"]);
        let rest = signed_again(&net, &rest);
        net.say(3, 0, &PeerMessage::Run(whole.clone()));
        net.say(3, 1, &PeerMessage::Run(again.clone()));
        net.say(3, 2, &PeerMessage::Run(first));
        net.say(3, 2, &PeerMessage::Run(rest));
        net.run_for(seed);
        // Each hears the other signature, too, before it is ordered and after.
        for _ in 0..2 {
            for to in 0..3 {
                net.say(3, to, &PeerMessage::Run(again.clone()));
                net.say(3, to, &PeerMessage::Run(whole.clone()));
            }
            net.run_for(2_000);
        }
        settle(&mut net);
        net.crash(0);
        net.start(0);
        let id = net.note(0, "and on").expect("taken");
        assert!(net.run_until(20_000, |net| (0..3).all(|node| net.ordered(node).contains(&id))));
        settle(&mut net);
        all_agree(&net);
        let kept = |node: usize| net.nodes[node].store.entries[&(feed, 3)].clone();
        assert_ne!(kept(0).signature, kept(1).signature, "each keeps the one that it took first");
        for node in 0..3 {
            assert_eq!(kept(node).hash, head.hash);
            assert_eq!(net.engine(node).committed(&feed), Some(head));
            assert_eq!(net.convictions(node), []);
            assert!(net.nodes[node].store.forks.is_empty());
        }
        let branch = |run: &Run| Branch { hash: head.hash, digests: Vec::new(), signature: run.signature };
        let proof = ForkProof::new(feed, head.length, [branch(&whole), branch(&again)]);
        assert!(!proof.verify(&net.founded.coalition()), "two signatures of one head prove nothing");
    }
}
