//! Deadlines, `due`, and clocks that are wrong.

use entente_protocol::coalition::Disposition;
use entente_protocol::engine::{Input, Submission, Ticket};
use entente_protocol::feed::Lane;
use entente_protocol::identity::RecordId;
use entente_protocol::leaf::Leaf;
use entente_protocol::record::{Act, Attest, Body, Nonce, Open, Record, Role, SignedRecord, Stance};
use entente_protocol::replicate::PeerMessage;

use crate::forge::{feed_of, greet, root_of, run};
use crate::net::Net;

const HOUR_MS: u64 = 3_600_000;

fn signed(net: &Net, partner: usize, nonce: u8, act: Act) -> SignedRecord {
    let key = &net.keys[partner].officer;
    Record { coalition: net.founded.coalition(), nonce: Nonce([nonce; 16]), signer: key.public(), act }
        .sign(key)
}

fn open(net: &Net, partner: usize, kind: &str) -> SignedRecord {
    let act = Act::Open(Open {
        kind: kind.into(),
        title: "a corridor".into(),
        body: Default::default(),
        precedence: None,
    });
    signed(net, partner, 1, act)
}

fn attest(net: &Net, partner: usize, operation: RecordId, role: Role) -> SignedRecord {
    let stance = Stance::Endorse;
    signed(
        net,
        partner,
        2,
        Act::Attest(Attest { operation, role, stance, caveat: None, evidence: vec![], supersedes: None }),
    )
}

fn submit(net: &mut Net, node: usize, signed: SignedRecord, lane: Option<Lane>) {
    let ticket = Ticket(9_000 + net.nodes[node].held.len() as u64);
    let submission = Submission { ticket, lane, body: Body::Signed(signed).encode() };
    net.input(node, Input::Submit(vec![submission]));
    assert!(net.nodes[node].held.contains_key(&ticket), "{:?}", net.nodes[node].refused);
}

fn decided(net: &Net, node: usize, operation: RecordId) -> bool {
    net.engine(node).state().operation(&operation).is_some_and(|operation| operation.decision.is_some())
}

/// Leaves that came of a record.
fn fate(net: &Net, node: usize, id: RecordId) -> Vec<Disposition> {
    let leaves = net.nodes[node].store.leaves();
    let entry = |leaf: &&[u8]| match Leaf::decode(leaf).expect("a leaf") {
        Leaf::Entry(entry) if entry.record == Some(id) => Some(entry.disposition),
        _ => None,
    };
    leaves.iter().filter_map(entry).collect()
}

#[test]
fn a_window_ends_in_an_idle_coalition_and_all_say_so() {
    let mut net = Net::new(4, 1);
    net.start_all();
    net.run_for(1_000);
    let operation = open(&net, 0, "closure");
    let id = operation.record.id();
    submit(&mut net, 1, operation, None);
    net.run_for(10_000);
    assert!((0..4).all(|node| net.engine(node).state().operation(&id).is_some()));
    assert!((0..4).all(|node| !decided(&net, node, id)));
    let applied = net.status(0).applied;
    net.run_for(HOUR_MS / 2 + 10_000);
    assert!((0..4).all(|node| decided(&net, node, id)), "the window has ended");
    assert!(net.status(0).applied <= applied + 2, "one batch is enough to move time");
    let steps = net.steps;
    net.run_for(24 * HOUR_MS);
    assert_eq!(net.steps, steps, "and then it is quiet");
}

#[test]
fn windows_that_end_together_take_few_dues_not_one_for_each_operation() {
    let mut net = Net::new(4, 2);
    net.start_all();
    net.run_for(1_000);
    for nonce in 0..100 {
        let act = Act::Open(Open {
            kind: "closure".into(),
            title: "one".into(),
            body: Default::default(),
            precedence: None,
        });
        let record = signed(&net, 0, nonce, act);
        submit(&mut net, 0, record, None);
    }
    net.run_for(10_000);
    let opened = net.status(0).applied;
    net.run_for(HOUR_MS / 2 + 10_000);
    assert!(net.engine(0).state().operations().all(|operation| operation.decision.is_some()));
    let leaves = net.nodes[0].store.leaves().len();
    // A hundred openings and a hundred decisions; for each batch that opened some, an entry of each seat and the records
    // of the few batches that these take.
    assert!(leaves as u64 <= 100 + 100 + 15 * opened, "{leaves} leaves after {opened} batches");
    let most = net.nodes.iter().map(|node| node.wakes).max();
    assert!(most.is_some_and(|most| most < 1_000), "{most:?} wake-ups");
}

#[test]
fn a_fast_clock_does_not_keep_all_busy() {
    let mut net = Net::new(4, 3);
    net.nodes[2].clock_skew = 20 * HOUR_MS as i64;
    net.start_all();
    net.run_for(1_000);
    let operation = open(&net, 0, "airlift");
    let id = operation.record.id();
    submit(&mut net, 0, operation, None);
    net.run_for(5 * HOUR_MS);
    assert!(!decided(&net, 0, id), "one clock does not end a window");
    let applied = net.status(0).applied;
    assert!(applied < 40, "{applied} epochs in five hours");
    let most = net.nodes.iter().map(|node| node.wakes).max();
    assert!(most.is_some_and(|most| most < 2_000), "{most:?} wake-ups");
    net.run_for(2 * HOUR_MS);
    assert!((0..4).all(|node| decided(&net, node, id)));
    assert!(net.faults(2).iter().any(|(code, _)| *code == "clock"), "the seat is told that its clock is off");
    assert!([0, 1, 3].iter().all(|node| net.faults(*node).is_empty()));
}

/// Somebody opens operations and ends them at once, again and again; who is ahead has written `due` for each.
#[test]
fn a_fast_clock_forgets_deadlines_that_stand_no_more() {
    let mut net = Net::new(4, 7);
    net.nodes[2].clock_skew = 20 * HOUR_MS as i64;
    net.start_all();
    net.run_for(1_000);
    let due = |net: &Net| {
        let holdings = net.engine(2).holdings();
        let due = holdings.iter().find(|held| held.what == "deadlines that `due` was written for");
        due.map(|held| (held.count, held.limit)).expect("counted")
    };
    for nonce in 0..100 {
        let open =
            Open { kind: "closure".into(), title: "one".into(), body: Default::default(), precedence: None };
        let operation = signed(&net, 0, nonce, Act::Open(open));
        let id = operation.record.id();
        submit(&mut net, 0, operation, None);
        net.run_for(3_000);
        assert_eq!(due(&net).0, 1, "one stands");
        let word = attest(&net, 0, id, Role::Lead);
        submit(&mut net, 0, word, None);
        assert!(net.run_until(10_000, |net| (0..4).all(|node| decided(net, node, id))));
        let (count, limit) = due(&net);
        assert!(count <= limit, "{count} of {limit} after {nonce}");
    }
}

#[test]
fn an_attestation_ordered_before_its_operation_is_parked_and_then_counts() {
    let mut net = Net::new(4, 4);
    net.puppet(3);
    net.start_all();
    greet(&mut net, 3);
    net.run_for(1_000);
    let operation = open(&net, 0, "closure");
    let id = operation.record.id();
    let word = attest(&net, 0, id, Role::Lead);
    let word_id = word.record.id();
    let root = root_of(&net, &feed_of(&net, 3, Lane::Routine));
    let (early, _) = run(&net, 3, Lane::Routine, root, vec![Body::Signed(word).encode()]);
    for to in 0..3 {
        net.say(3, to, &PeerMessage::Run(early.clone()));
    }
    assert!(net.run_until(10_000, |net| (0..3).all(|node| !fate(net, node, word_id).is_empty())));
    assert_eq!(fate(&net, 0, word_id), [Disposition::Parked { awaits: id }]);
    submit(&mut net, 1, operation, None);
    assert!(net.run_until(10_000, |net| (0..3).all(|node| decided(net, node, id))));
    for node in 0..3 {
        assert_eq!(fate(&net, node, word_id), [Disposition::Parked { awaits: id }, Disposition::Applied]);
        assert_eq!(net.nodes[node].store.batches, net.nodes[0].store.batches);
    }
}

#[test]
fn an_attestation_to_what_is_held_overtakes_it_in_a_higher_lane_and_counts() {
    let mut net = Net::new(4, 5);
    net.start_all();
    net.run_for(1_000);
    let operation = open(&net, 0, "closure");
    let id = operation.record.id();
    submit(&mut net, 0, operation, Some(Lane::Routine));
    let word = attest(&net, 0, id, Role::Lead);
    submit(&mut net, 0, word, Some(Lane::Flash));
    assert!(net.run_until(10_000, |net| (0..4).all(|node| decided(net, node, id))));
}

#[test]
fn clocks_set_back_by_a_day_stop_nothing() {
    let mut net = Net::new(4, 6);
    net.start_all();
    net.cut(0, 1);
    net.crash(3);
    net.run_for(1_000);
    net.note(0, "before").expect("taken");
    net.run_for(10);
    for node in 0..3 {
        net.nodes[node].clock_skew = -24 * HOUR_MS as i64;
        net.input(node, Input::Tick);
    }
    let id = net.note(0, "after").expect("taken");
    // Words and votes between 0 and 1 travel by what 2 tells at its set times.
    assert!(net.run_until(20_000, |net| (0..3).all(|node| net.ordered(node).contains(&id))));
}

#[test]
fn a_restart_with_an_earlier_clock_gets_its_reports() {
    let mut net = Net::new(4, 7);
    net.start_all();
    net.run_for(1_000);
    net.crash(1);
    net.nodes[1].clock_skew = -24 * HOUR_MS as i64;
    net.start(1);
    net.run_for(5_000);
    assert!(net.status(1).voting);
}

/// Its members know the time of its last request, and may think that this one is of an earlier start.
#[test]
fn a_restart_with_an_earlier_clock_gets_its_reports_through_a_member() {
    for (before, after) in [(0, -24), (24, 0), (24, -24)] {
        for ordered in [false, true] {
            let mut net = Net::new(4, 7);
            net.nodes[1].clock_skew = before * HOUR_MS as i64;
            net.start_all();
            net.run_for(1_000);
            if ordered {
                net.note(0, "before").expect("taken");
            }
            net.run_for(5_000);
            net.crash(1);
            net.nodes[1].clock_skew = after * HOUR_MS as i64;
            [0, 2].into_iter().for_each(|other| net.cut(1, other));
            net.start(1);
            assert!(net.run_until(60_000, |net| net.status(1).voting), "{before} {after} {ordered}");
        }
    }
}

#[test]
fn a_full_backlog_refuses_and_does_not_stop_the_node() {
    let mut net = Net::new(4, 8);
    net.start(0);
    let mut taken = 0;
    // More than all that may wait, in batches that are too large for what room is left.
    for batch in 0..45u64 {
        let submissions = (0..60u64)
            .map(|i| {
                let mut text = vec![b'x'; 15_900];
                text[..16].copy_from_slice(&[batch.to_le_bytes(), i.to_le_bytes()].concat());
                Submission { ticket: Ticket(batch * 60 + i), lane: None, body: Body::Note(text).encode() }
            })
            .collect();
        net.input(0, Input::Submit(submissions));
        taken = net.nodes[0].held.len();
    }
    assert!(taken > 2_000, "{taken}");
    assert_eq!(net.nodes[0].refused.len(), 45 * 60 - taken);
    assert!(net.nodes[0].refused.iter().all(|(_, code)| code == "backlog"));
}
