//! Who is far behind goes on from a copy of the state, from any single peer, and a start goes on from the own one.

use entente_protocol::coalition::Page;
use entente_protocol::engine::Snapshots;
use entente_protocol::identity::Hash;
use entente_protocol::replicate::{MAX_MESSAGE_BYTES, PeerMessage, Want, serve};
use entente_protocol::store::{Archive, Memory};
use entente_protocol::wire;

use crate::catchup::while_away;
use crate::forge::greet;
use crate::net::Net;

/// A net of four that copies often.
fn net(seed: u64) -> Net {
    let mut net = Net::new(4, seed);
    net.snapshots = Snapshots { epochs: 16, leaves: 1_000, behind: Some(20) };
    net.start_all();
    net.run_for(1_000);
    net
}

fn copied(net: &Net, node: usize) -> u64 {
    net.nodes[node].store.snapshot().expect("memory is whole").map_or(0, |mark| mark.epoch)
}

fn taken(net: &Net, node: usize) -> Option<u64> {
    net.nodes[node].store.floor().expect("memory is whole").map(|mark| mark.epoch)
}

/// Messages of a kind that have reached a node.
fn came(net: &Net, node: usize, kind: impl Fn(&PeerMessage) -> bool) -> usize {
    let to = net.traffic.iter().filter(|(_, to, _)| *to == node);
    to.filter(|(.., bytes)| wire::decode(bytes, MAX_MESSAGE_BYTES).is_ok_and(|message| kind(&message)))
        .count()
}

fn same(net: &Net, nodes: &[usize]) -> bool {
    let of =
        |node: usize| (net.status(node).certified, net.status(node).root, net.engine(node).state().root());
    nodes.iter().all(|&node| of(node) == of(nodes[0]))
}

#[test]
fn who_is_far_behind_takes_the_state_from_any_single_peer_and_serves_others() {
    let mut net = net(61);
    let id = net.note(0, "all hear this").expect("taken");
    assert!(net.run_until(5_000, |net| (0..4).all(|node| net.ordered(node).contains(&id))));
    net.crash(3);
    while_away(&mut net, 70);
    assert!((48..=70).contains(&copied(&net, 0)), "{}", copied(&net, 0));
    net.cut(1, 3);
    net.cut(2, 3);
    net.record = true;
    net.start(3);
    let certified = net.status(0).certified;
    assert!(net.run_until(30_000, |net| net.status(3).certified >= certified), "{:?}", net.status(3));
    let floor = taken(&net, 3).expect("a copy was taken");
    let epochs = came(&net, 3, |message| matches!(message, PeerMessage::Epoch(_)));
    assert!(
        epochs as u64 <= certified - floor + 40,
        "{epochs} epochs were sent although {floor} were spared"
    );
    assert_eq!(came(&net, 3, |message| matches!(message, PeerMessage::Frame(_))), 0);
    let batches = &net.nodes[3].store.batches;
    assert!(batches.range(30..=floor).next().is_none(), "what the copy spared was not applied");
    assert!(net.run_until(5_000, |net| same(net, &[0, 3])));
    // It starts from its copy, and votes: without it there is no quorum.
    net.crash(3);
    net.start(3);
    net.heal_all();
    net.crash(2);
    let id = net.note(3, "back").expect("taken");
    assert!(net.run_until(20_000, |net| [0, 1, 3].iter().all(|&node| net.ordered(node).contains(&id))));
    // Of the history before the gap it can prove nothing under its certificate, and says so by giving nothing.
    let store = &net.nodes[3].store;
    assert!(store.batches.contains_key(&1) && !store.certificates.is_empty());
    let given = serve(store, &Want::Epochs { from: 1 }, &[], None).expect("no damage");
    assert!(matches!(given[..], [PeerMessage::Served(_)]), "{given:?}");
    // Who is behind in turn takes it from who was given it.
    net.run_for(2_000);
    while net.status(0).certified < floor + 40 {
        let text = format!("more {}", net.status(0).size);
        let id = net.note(0, &text).expect("taken");
        assert!(net.run_until(5_000, |net| net.ordered(3).contains(&id)));
    }
    net.cut(0, 2);
    net.cut(1, 2);
    net.start(2);
    let certified = net.status(3).certified;
    assert!(net.run_until(30_000, |net| net.status(2).applied >= certified), "{:?}", net.status(2));
    assert!(taken(&net, 2) > Some(floor), "{:?}", taken(&net, 2));
    assert!(net.run_until(5_000, |net| same(net, &[3, 2])));
    assert!(net.nodes.iter().all(|node| node.halted.is_none()));
}

#[test]
fn a_start_goes_on_from_the_own_copy() {
    let mut net = net(62);
    net.crash(3);
    while_away(&mut net, 40);
    let copy = copied(&net, 0);
    // Batches before the copy are not looked at any more.
    net.crash(0);
    net.nodes[0].store.batches.retain(|epoch, _| *epoch >= copy);
    net.start(0);
    assert!(net.run_until(5_000, |net| net.status(0).voting));
    assert!(same(&net, &[1, 0]));
    let id = net.note(0, "on").expect("taken");
    assert!(net.run_until(5_000, |net| net.ordered(1).contains(&id)));
}

#[test]
fn a_crash_while_a_copy_is_taken_loses_nothing() {
    let mut net = net(63);
    net.crash(3);
    while_away(&mut net, 60);
    let (certified, mut crashes) = (net.status(0).certified, 0);
    for effects in 2.. {
        net.crash_in = Some((3, effects));
        net.start(3);
        if !net.run_until(20_000, |net| net.nodes[3].engine.is_none()) {
            break;
        }
        crashes += 1;
        assert_eq!(net.nodes[3].halted, None);
        if net.status(0).certified > certified + 200 {
            break;
        }
    }
    net.crash_in = None;
    assert!(crashes > 10, "{crashes}");
    assert!(net.run_until(20_000, |net| net.status(3).certified >= certified));
    assert!(taken(&net, 3).is_some());
    let id = net.note(3, "back").expect("taken");
    assert!(net.run_until(20_000, |net| net.ordered(0).contains(&id)));
    assert!(net.run_until(5_000, |net| same(net, &[0, 1, 2, 3])));
}

/// A net whose node 3 speaks as the test likes, and node 2, far behind, that hears of it alone.
fn with_liar(seed: u64) -> (Net, PeerMessage, Vec<PeerMessage>) {
    let mut net = net(seed);
    net.crash(2);
    let mut word = 0;
    while net.status(0).certified < 60 {
        word += 1;
        net.note(word % 2, &format!("word {word}")).expect("taken");
        assert!(net.run_until(5_000, |net| net.status(0).held == 0));
    }
    net.crash(3);
    let store = net.nodes[3].store.clone();
    let named = serve(&store, &Want::Snapshot { above: 0 }, &[], None).expect("whole");
    let epoch = copied(&net, 3);
    let items = store.items(None, None, usize::MAX).expect("whole");
    let page = Page {
        branches: Vec::new(),
        items: items.into_iter().map(|(_, bytes)| entente_protocol::feed::BodyBytes(bytes)).collect(),
    };
    net.puppet(3);
    net.cut(0, 2);
    net.cut(1, 2);
    net.start(2);
    greet(&mut net, 3);
    net.run_for(100);
    (net, named[0].clone(), vec![PeerMessage::State { epoch, after: None, page }])
}

/// Says that the puppet has all that node 0 has.
fn boast(net: &mut Net) {
    let certified = net.status(0).certified;
    let have = entente_protocol::replicate::Have { certified, applied: certified, ..Default::default() };
    net.say(3, 2, &PeerMessage::Have(have));
    net.run_for(100);
}

#[test]
fn pages_that_are_none_are_laid_at_the_door_of_who_gives_them_and_the_right_one_is_taken() {
    let (mut net, named, pages) = with_liar(64);
    let applied = net.status(2).applied;
    // Unasked nothing is taken.
    net.say(3, 2, &named);
    net.say(3, 2, &pages[0]);
    net.run_for(50);
    boast(&mut net);
    let PeerMessage::Snapshot(proof) = &named else { panic!("{named:?}") };
    let mut forged = proof.clone();
    forged.leaf[40] ^= 1;
    net.say(3, 2, &PeerMessage::Snapshot(forged));
    net.run_for(50);
    assert!(net.faults(2).iter().any(|(code, _)| *code == "bad_proof"), "{:?}", net.faults(2));
    net.say(3, 2, &named);
    net.run_for(50);
    let PeerMessage::State { epoch, after, page } = &pages[0] else { panic!() };
    let lie = |change: &dyn Fn(&mut Page)| {
        let mut page = page.clone();
        change(&mut page);
        PeerMessage::State { epoch: *epoch, after: *after, page }
    };
    let lies = [
        lie(&|page| drop(page.items.pop())),
        lie(&|page| page.items[0].0[0] ^= 1),
        lie(&|page| page.items.clear()),
        lie(&|page| page.branches.push((3, Hash([7; 32])))),
    ];
    for lie in &lies {
        net.say(3, 2, lie);
    }
    net.run_for(50);
    let named_as_such = net.faults(2).iter().filter(|(code, _)| *code == "bad_state").count();
    assert_eq!(named_as_such, lies.len());
    assert_eq!((net.status(2).applied, taken(&net, 2)), (applied, None));
    net.say(3, 2, &pages[0]);
    net.run_for(50);
    assert_eq!(taken(&net, 2), Some(*epoch));
    // Twice is no lie.
    net.say(3, 2, &pages[0]);
    net.heal_all();
    assert!(net.run_until(20_000, |net| same(net, &[0, 1, 2])));
    assert_eq!(net.faults(2).iter().filter(|(code, _)| *code == "bad_state").count(), lies.len());
}

#[test]
fn who_names_a_copy_and_gives_no_page_of_it_holds_nobody_up() {
    let (mut net, named, _) = with_liar(65);
    boast(&mut net);
    net.say(3, 2, &named);
    net.run_for(50);
    for node in [0, 1] {
        net.crash(node);
        // Of another epoch than the liar's copy.
        net.snapshots.epochs = 1_000_000;
        net.nodes[node].store = without_copy(&net.nodes[node].store);
        net.start(node);
    }
    net.heal_all();
    assert!(net.run_until(60_000, |net| same(net, &[0, 1, 2])), "{:?}", net.status(2));
    assert_eq!(taken(&net, 2), None, "all epochs were replayed");
}

/// The same store as if it had never copied the state.
fn without_copy(store: &Memory) -> Memory {
    let mut without = store.clone();
    without.forget_copy();
    without
}

#[test]
fn who_waits_for_the_index_of_an_own_word_replays_the_epochs_that_say_it() {
    let mut net = net(66);
    for other in 0..3 {
        net.cut(other, 3);
    }
    net.run_for(200);
    // It gets as far as node 0, and then nothing comes back.
    let id = net.note(3, "mine").expect("taken");
    net.heal_all();
    assert!(net.run_until(1_000, |net| net.status(0).held > 0 || net.ordered(0).contains(&id)));
    net.crash(3);
    while_away(&mut net, 60);
    assert!(net.ordered(0).contains(&id));
    net.start(3);
    assert!(net.run_until(30_000, |net| net.ordered(3).contains(&id)), "{:?}", net.status(3));
    assert_eq!(taken(&net, 3), None);
}

#[test]
fn who_took_a_state_gives_its_certificate_to_who_has_applied_the_epoch_without() {
    let mut net = Net::new(4, 68);
    net.snapshots = Snapshots { epochs: 1, leaves: 1_000, behind: Some(0) };
    net.start_all();
    net.run_for(1_000);
    net.crash(3);
    while_away(&mut net, 8);
    net.run_for(2_000);
    net.cut(1, 3);
    net.cut(2, 3);
    net.start(3);
    let epoch = net.status(0).certified;
    assert!(net.run_until(20_000, |net| taken(net, 3) == Some(epoch)), "{:?}", net.status(3));
    // One has applied the epoch, lost its certificate, and reaches nobody but the one that took the state.
    net.crash(1);
    let store = &mut net.nodes[1].store;
    store.forget_copy();
    store.certificates.remove(&epoch).expect("it was certified");
    net.heal_all();
    net.cut(0, 1);
    net.cut(1, 2);
    net.start(1);
    assert!(net.run_until(20_000, |net| net.status(1).certified == epoch), "{:?}", net.status(1));
}

/// Ten thousand epochs, as real nodes copy and take: whichever peer is the only one that serves.
#[test]
fn a_sleeper_of_ten_thousand_epochs_returns_by_one_certificate_and_a_few_pages_of_any_single_peer() {
    let mut before = Net::new(4, 67);
    before.start_all();
    before.run_for(1_000);
    before.crash(3);
    while_away(&mut before, 10_000);
    let stores: Vec<Memory> = before.nodes.iter().map(|node| node.store.clone()).collect();
    for peer in 0..3 {
        let mut net = Net::new(4, 67);
        net.now = before.now;
        net.nodes.iter_mut().zip(&stores).for_each(|(node, store)| node.store = store.clone());
        for other in (0..3).filter(|other| *other != peer) {
            net.cut(other, 3);
        }
        for awake in 0..3 {
            net.start(awake);
        }
        net.run_for(5_000);
        let certified = net.status(peer).certified;
        assert!(certified >= 10_000, "{certified}");
        comes_back(&mut net, peer, certified);
    }
}

/// Messages that a sleeper and its peer may exchange until it is back, whatever it has slept through: what they have and one state in
/// pages, and so many for each epoch behind that.
const MESSAGES_OF_A_RETURN: u64 = 50;
const MESSAGES_OF_AN_EPOCH: u64 = 5;

/// The last node, linked with `peer` alone, starts and comes to where the others are.
fn comes_back(net: &mut Net, peer: usize, certified: u64) {
    net.record = true;
    net.start(3);
    assert!(net.run_until(60_000, |net| net.status(3).certified >= certified), "{:?}", net.status(3));
    assert!(net.run_until(5_000, |net| same(net, &[peer, 3])));
    let floor = taken(net, 3).expect("a copy was taken");
    assert!(floor >= 9_000, "{floor}");
    assert_eq!(net.nodes[3].store.certificates.range(2..=floor).count(), 0, "no certificate in between");
    assert!(net.traffic.iter().all(|(from, to, _)| *to != 3 || *from == peer), "nobody else serves");
    let (all, asked) = (came(net, 3, |_| true), net.traffic.iter().filter(|(from, ..)| *from == 3).count());
    let most = MESSAGES_OF_A_RETURN + MESSAGES_OF_AN_EPOCH * (certified - floor);
    assert!((all + asked) as u64 <= most, "{all} to the sleeper and {asked} from it");
    net.record = false;
    let id = net.note(3, "back").expect("taken");
    net.heal_all();
    let away = (peer + 1) % 3;
    net.crash(away);
    let here = (0..4).filter(|node| *node != away).collect::<Vec<_>>();
    assert!(net.run_until(20_000, |net| here.iter().all(|&node| net.ordered(node).contains(&id))));
}
