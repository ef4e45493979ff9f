//! Nodes that are enrolled and revoked while the coalition runs: every seat has the same feeds in every epoch, however it came there.

use entente_protocol::credential::{Capability, Chain, Delegation, Revocation, Target};
use entente_protocol::engine::Snapshots;
use entente_protocol::feed::{FeedKey, Lane};
use entente_protocol::identity::RecordId;
use entente_protocol::record::{Act, Body, KeyAct, Nonce, Record};
use entente_protocol::store::Archive as _;
use entente_protocol::time::Time;

use crate::catchup::while_away;
use crate::coalition::START;
use crate::net::Net;

const UNTIL: Time = Time(START.0 + 900 * 86_400_000);

fn net(seed: u64) -> Net {
    let mut net = Net::new(4, seed);
    net.snapshots = Snapshots { epochs: 16, leaves: 1_000, behind: Some(20) };
    net.start_all();
    net.run_for(1_000);
    net
}

/// The officer of another partner carries it, whomever it concerns.
pub(crate) fn carry(net: &mut Net, from: usize, act: KeyAct) -> RecordId {
    let officer = &net.keys[from].officer;
    let nonce = Nonce([net.rng.below(256) as u8; 16]);
    let record =
        Record { coalition: net.founded.coalition(), nonce, signer: officer.public(), act: Act::Key(act) };
    let signed = record.sign(officer);
    let id = signed.record.id();
    let (ticket, input) = net.submission(Body::Signed(signed).encode());
    net.input(from, input);
    assert!(net.nodes[from].held.contains_key(&ticket), "{:?}", net.nodes[from].refused);
    id
}

/// A chain from the root of partner `of` to the node `node`.
fn enrols(net: &Net, of: usize, node: usize) -> KeyAct {
    let (root, subject) = (&net.keys[of].root, net.keys[node].node.public());
    let partner = net.founded.partners()[of].name.clone();
    let coalition = net.founded.coalition();
    let delegation = Delegation::direct(coalition, root.public(), subject, partner, Capability::Node, UNTIL);
    KeyAct::Grant(Chain(vec![delegation.sign(root)]))
}

pub(crate) fn takes_back(net: &Net, of: usize, node: usize) -> KeyAct {
    let root = &net.keys[of].root;
    let revocation = Revocation {
        coalition: net.founded.coalition(),
        partner: net.founded.partners()[of].name.clone(),
        issuer: root.public(),
        reason: "stolen".into(),
        target: Target::Key(net.keys[node].node.public()),
    };
    KeyAct::Revoke(Box::new(revocation.sign(root)))
}

fn feed(net: &Net, node: usize) -> FeedKey {
    FeedKey { node: net.node_id(node), lane: Lane::Routine, incarnation: 0 }
}

fn agree(net: &Net, nodes: &[usize]) -> bool {
    let of =
        |node: usize| (net.status(node).certified, net.status(node).root, net.engine(node).state().root());
    nodes.iter().all(|&node| of(node) == of(nodes[0]))
}

fn all_order(net: &mut Net, nodes: &[usize], id: RecordId) {
    let done = net.run_until(60_000, |net| nodes.iter().all(|&node| net.ordered(node).contains(&id)));
    assert!(done, "{:?}", nodes.iter().map(|&node| net.status(node)).collect::<Vec<_>>());
}

#[test]
fn a_node_enrolled_while_all_run_takes_part_and_a_revoked_one_does_no_more() {
    let mut net = net(71);
    let new = net.newcomer();
    net.start(new);
    net.run_for(500);
    assert_eq!(net.note(new, "too early"), None);
    assert_eq!(net.nodes[new].refused.last().map(|(_, code)| code.as_str()), Some("not_enrolled"));
    // Seat 3 is away for the whole time, and seat 2 crashes as it applies the grant.
    net.crash(3);
    let act = enrols(&net, 1, new);
    let granted = carry(&mut net, 0, act);
    net.crash_in = Some((2, 9));
    net.run_until(5_000, |net| net.nodes[2].engine.is_none());
    net.crash_in = None;
    if net.nodes[2].engine.is_none() {
        net.start(2);
    }
    all_order(&mut net, &[0, 1], granted);
    net.admit(new);
    assert!(net.run_until(30_000, |net| net.engine(new).state().node(&net.node_id(new)).is_some()));
    let word = net.note(new, "the newcomer speaks").expect("it is enrolled");
    all_order(&mut net, &[0, 1, 2, new], word);
    // Those that start again have the same feeds from their stores.
    net.crash(1);
    net.crash(new);
    net.start(1);
    net.start(new);
    let word = net.note(new, "and again").expect("it is enrolled");
    all_order(&mut net, &[0, 1, 2, new], word);
    while_away(&mut net, 70);
    // Who comes back takes a copy, and its vote is needed: its feeds are the others'.
    net.start(3);
    let certified = net.status(0).certified;
    assert!(net.run_until(60_000, |net| net.status(3).certified >= certified), "{:?}", net.status(3));
    assert!(net.nodes[3].store.floor().expect("memory is whole").is_some(), "by a copy of the state");
    net.run_for(2_000);
    net.crash(2);
    let word = net.note(new, "with the vote of who came back").expect("it is enrolled");
    all_order(&mut net, &[0, 1, 3, new], word);
    assert!(net.run_until(5_000, |net| agree(net, &[0, 1, 3, new])));
    assert_eq!(net.engine(3).committed(&feed(&net, new)), net.engine(0).committed(&feed(&net, new)));

    // Taken back while one seat is away, with a word on its way.
    let act = takes_back(&net, 1, new);
    let revoked = carry(&mut net, 3, act);
    let late = net.note(new, "perhaps in time").expect("it does not know yet");
    all_order(&mut net, &[0, 1, 3], revoked);
    net.run_for(3_000);
    for node in [0, 1, 3] {
        assert_eq!(net.engine(node).committed(&feed(&net, new)), None);
        assert!(net.engine(node).state().node(&net.node_id(new)).is_none());
    }
    let known = net.ordered(0).contains(&late);
    let after = net.note(0, "without it").expect("taken");
    all_order(&mut net, &[0, 1, 3], after);
    assert_eq!(net.ordered(0).contains(&late), known, "what is not ordered by then never is");
    net.admit(new);
    net.run_for(3_000);
    // Who was away replays both changes, entries of the revoked feed included.
    net.start(2);
    all_order(&mut net, &[2], after);
    net.crash(1);
    let last = net.note(2, "the last word").expect("taken");
    all_order(&mut net, &[0, 2, 3], last);
    assert!(net.run_until(5_000, |net| agree(net, &[0, 2, 3])));
    for node in [0, 2, 3] {
        assert_eq!(net.nodes[node].halted, None);
        let blamed = net.faults(node).into_iter().filter(|(code, _)| *code != "clock").collect::<Vec<_>>();
        assert_eq!(blamed, [], "nobody did anything wrong");
    }
    assert_eq!(net.nodes[new].halted, None);
}

#[test]
fn a_newcomer_whose_disk_is_lost_says_nothing_that_contradicts_what_it_said() {
    let mut net = net(72);
    let new = net.newcomer();
    net.start(new);
    let act = enrols(&net, 1, new);
    let granted = carry(&mut net, 0, act);
    all_order(&mut net, &[0, 1, 2, 3], granted);
    net.admit(new);
    assert!(net.run_until(30_000, |net| net.engine(new).state().node(&net.node_id(new)).is_some()));
    let word = net.note(new, "before").expect("it is enrolled");
    all_order(&mut net, &[0, 1, 2, 3, new], word);
    net.crash(new);
    net.nodes[new].store = entente_protocol::store::Memory::new(net.founded.coalition());
    net.start(new);
    // What others hold of it is seen before it says anything.
    assert!(net.run_until(30_000, |net| net.nodes[new].halted.is_some()), "{:?}", net.status(new));
    net.restore(new).expect("it has incarnations left");
    net.start(new);
    assert!(net.run_until(30_000, |net| net.engine(new).state().node(&net.node_id(new)).is_some()));
    let word = net.note(new, "after").expect("the next incarnation is enrolled");
    all_order(&mut net, &[0, 1, 2, 3, new], word);
}
