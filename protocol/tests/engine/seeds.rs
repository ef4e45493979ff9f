//! Many seeds: crashes at effect boundaries, cuts, delays, reordering; then everything heals and all must be ordered.

use std::collections::{BTreeMap, BTreeSet};

use entente_protocol::engine::Input;
use entente_protocol::identity::RecordId;
use entente_protocol::record::Body;
use sha2::{Digest, Sha256};

use crate::net::Net;
use crate::rng::Rng;
use entente_protocol::store::Memory as Store;

const REPLAY: &str = "cargo test -p entente-protocol --test engine";

/// RFC 6962, section 2.1, as it stands there.
fn tree_hash(leaves: &[&[u8]]) -> [u8; 32] {
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

/// What must hold between stores at any time: one log, of which each has a prefix.
fn agree(stores: &[&Store]) {
    let longest = stores.iter().max_by_key(|store| store.batches.len()).expect("there are stores");
    for store in stores {
        for (epoch, batch) in &store.batches {
            assert_eq!(Some(batch), longest.batches.get(epoch), "batch of epoch {epoch}");
        }
        for (epoch, certificate) in &store.certificates {
            assert_eq!(certificate.head.root, longest.batches[epoch].root, "certificate of epoch {epoch}");
        }
    }
}

fn run(n: u8, seed: u64) {
    println!("replay: ENTENTE_NODES={n} ENTENTE_SEED={seed} {REPLAY}");
    let mut net = Net::new(n, seed);
    let mut rng = Rng::new(seed ^ 0xABCD);
    net.latency_ms = 1 + rng.below(30);
    net.reorder = [0, 0, 10, 40][rng.below(4) as usize];
    net.together = [0, 0, 30, 70][rng.below(4) as usize];
    for node in 0..usize::from(n) {
        net.nodes[node].clock_skew = rng.below(4_000) as i64 - 2_000;
    }
    net.start_all();
    let mut acknowledged: BTreeSet<RecordId> = BTreeSet::new();
    for round in 0..30 {
        let node = rng.below(u64::from(n)) as usize;
        match rng.below(10) {
            0..=4 => {
                for i in 0..=rng.below(20) {
                    acknowledged.extend(net.note(node, &format!("note {round}.{i} by {node}")));
                }
            }
            5 => net.crash(node),
            6 => {
                let (_, input) =
                    net.submission(Body::Note(format!("last words {round}").into_bytes()).encode());
                let effects = rng.below(12) as usize;
                net.crash_within(node, input, effects);
            }
            7 if n > 1 => net.cut(node, (node + 1 + rng.below(u64::from(n) - 1) as usize) % usize::from(n)),
            8 => net.heal_all(),
            _ => {
                net.crash_within(node, Input::Tick, rng.below(3) as usize);
            }
        }
        let span = rng.below(400);
        net.run_for(span);
        if rng.chance(50) {
            net.start_all();
        }
        agree(&net.nodes.iter().map(|node| &node.store).collect::<Vec<_>>());
    }
    net.heal_all();
    net.start_all();
    for node in &net.nodes {
        assert_eq!(node.halted, None, "n = {n}, seed = {seed}");
    }
    let last = net.note(0, "after all").expect("nothing stands against it");
    acknowledged.insert(last);
    // Whatever was durable anywhere counts as said, also if the answer was lost in a crash.
    let done = |net: &Net| {
        net.nodes.iter().all(|node| {
            let status = node.engine.as_ref().map(|engine| engine.status(net.now));
            status.is_some_and(|status| {
                status.held == 0 && status.certified == status.applied && status.applied > 0
            })
        })
    };
    let progress = net.run_until(60_000, done);
    let states: Vec<_> =
        net.nodes.iter().map(|node| node.engine.as_ref().map(|engine| engine.status(net.now))).collect();
    assert!(progress, "n = {n}, seed = {seed}: no progress after healing: {states:#?}");
    let stores: Vec<&Store> = net.nodes.iter().map(|node| &node.store).collect();
    agree(&stores);
    let leaves = stores[0].leaves();
    let (_, certificate) = stores[0].certificates.last_key_value().expect("something was certified");
    assert_eq!(certificate.head.root.0, tree_hash(&leaves), "the certified root is that of the leaves");
    let mut bodies: BTreeMap<RecordId, usize> = BTreeMap::new();
    for ((_, _), entry) in &stores[0].entries {
        *bodies.entry(RecordId(entente_protocol::feed::body_digest(&entry.body))).or_default() += 1;
    }
    for id in &acknowledged {
        assert_eq!(
            bodies.get(id),
            Some(&1),
            "n = {n}, seed = {seed}: {id} was acknowledged and is not there once"
        );
    }
    for node in 0..usize::from(n) {
        assert_eq!(net.nodes[node].halted, None, "n = {n}, seed = {seed}");
        assert_eq!(net.faults(node), [], "n = {n}, seed = {seed}: nobody is faulty");
        assert_eq!(net.nodes[node].refused, [], "n = {n}, seed = {seed}");
    }
}

fn seeds(n: u8, count: u64) {
    let only = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    match (only("ENTENTE_NODES"), only("ENTENTE_SEED")) {
        (Some(nodes), _) if nodes != u64::from(n) => {}
        (_, Some(seed)) => run(n, seed),
        (_, None) => (0..count).for_each(|seed| run(n, seed)),
    }
}

#[test]
fn one_seat_orders_what_it_holds_over_all_crashes() {
    seeds(1, 40);
}

#[test]
fn two_seats_agree_and_lose_nothing() {
    seeds(2, 30);
}

#[test]
fn four_seats_agree_and_lose_nothing() {
    seeds(4, 24);
}

#[test]
fn seven_seats_agree_and_lose_nothing() {
    seeds(7, 5);
}
