//! Messages that are lost although their stream stays up, as when a queue is full.

use entente_protocol::identity::RecordId;

use crate::net::Net;

fn settled(net: &Net, nodes: usize) -> bool {
    (0..nodes).all(|node| {
        let status = net.status(node);
        status.held == 0 && status.applied == net.status(0).applied && status.certified == status.applied
    })
}

#[test]
fn a_fifth_of_all_messages_lost_slows_and_stops_nothing() {
    for (n, seed) in [(4, 1), (4, 2), (4, 3), (4, 4), (2, 5), (2, 6), (7, 7)] {
        println!("n = {n}, seed = {seed}");
        let mut net = Net::new(n, seed);
        let nodes = usize::from(n);
        net.loss = 20;
        net.start_all();
        let mut ids: Vec<RecordId> = Vec::new();
        for round in 0..10 {
            ids.extend(net.note(round % nodes, &format!("word {round}")));
            net.run_for(300);
        }
        assert_eq!(ids.len(), 10);
        let done = net.run_until(300_000, |net| settled(net, nodes));
        assert!(done, "n = {n}, seed = {seed}: {:#?}", (0..nodes).map(|i| net.status(i)).collect::<Vec<_>>());
        for node in 0..nodes {
            let mut ordered = net.ordered(node);
            ordered.sort_unstable();
            ids.sort_unstable();
            assert_eq!(ordered, ids, "n = {n}, seed = {seed}, node {node}");
            assert_eq!(net.faults(node), [], "n = {n}, seed = {seed}");
        }
    }
}

#[test]
fn who_missed_everything_is_told_again_when_all_others_are_done() {
    for seed in 0..4 {
        let mut net = Net::new(4, seed);
        net.start_all();
        net.run_for(1_000);
        net.deaf.insert(3);
        let id = net.note(0, "unheard").expect("taken");
        assert!(net.run_until(10_000, |net| (0..3).all(|node| net.ordered(node) == [id])));
        net.run_for(5_000);
        net.deaf.clear();
        assert!(net.run_until(120_000, |net| net.ordered(3) == [id]), "seed {seed}");
    }
}

#[test]
fn a_lost_first_word_is_said_again() {
    let mut net = Net::new(4, 9);
    for node in 0..3 {
        net.start(node);
    }
    net.run_for(1_000);
    let id = net.note(0, "before it came").expect("taken");
    net.run_for(5_000);
    // Everything that the others say when it comes is lost.
    net.deaf.insert(3);
    net.start(3);
    net.run_for(2_000);
    net.deaf.clear();
    assert!(net.run_until(120_000, |net| net.ordered(3) == [id]));
}

#[test]
fn an_idle_coalition_is_silent_also_after_loss() {
    let mut net = Net::new(4, 10);
    net.loss = 20;
    net.start_all();
    net.run_for(5_000);
    net.note(0, "word").expect("taken");
    net.run_for(60_000);
    net.loss = 0;
    assert!(net.run_until(300_000, |net| settled(net, 4)));
    net.run_for(200_000);
    net.record = true;
    net.run_for(3_600_000);
    assert_eq!(net.traffic.len(), 0);
}
