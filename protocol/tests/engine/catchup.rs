//! Who was away for long comes back by certified epochs, from any single peer, without a vote of those epochs.

use entente_hbbft::WINDOW;
use entente_protocol::engine::MAX_PROVEN_EPOCHS;
use entente_protocol::replicate::{EpochProof, MAX_MESSAGE_BYTES, PeerMessage, Want, serve};
use entente_protocol::store::Archive;
use entente_protocol::wire;

use crate::forge::greet;
use crate::net::Net;

/// Three seats order a word an epoch while the fourth is away.
pub(crate) fn while_away(net: &mut Net, epochs: u64) {
    let before = net.status(0).certified;
    let mut word = 0;
    while net.status(0).certified < before + epochs {
        word += 1;
        net.note((word % 3) as usize, &format!("word {word}")).expect("taken");
        assert!(net.run_until(5_000, |net| net.status(0).held == 0));
    }
    assert!(net.run_until(5_000, |net| (0..3).all(|node| net.status(node).certified >= before + epochs)));
}

#[test]
fn a_sleeper_returns_from_any_single_peer_and_votes_again() {
    let mut net = Net::new(4, 51);
    net.start_all();
    net.run_for(1_000);
    net.crash(3);
    while_away(&mut net, 3 * MAX_PROVEN_EPOCHS);
    let certified = net.status(0).certified;
    assert!(net.nodes[0].store.frames.keys().all(|(epoch, ..)| *epoch > certified), "votes are forgotten");
    // It hears of one peer alone.
    net.cut(1, 3);
    net.cut(2, 3);
    net.record = true;
    net.start(3);
    let ahead = [(net.node_id(0), certified)];
    assert!(net.run_until(5_000, |net| net.status(3).ahead == ahead), "it is said to be old");
    assert!(net.run_until(30_000, |net| net.status(3).certified >= certified), "{:?}", net.status(3));
    assert_eq!(net.status(3).ahead, []);
    let frames = net.traffic.iter().filter(|(_, to, bytes)| {
        *to == 3
            && matches!(
                wire::decode(bytes, MAX_MESSAGE_BYTES),
                Ok(PeerMessage::Frame(_) | PeerMessage::Spoken(_))
            )
    });
    assert_eq!(frames.count(), 0, "no vote of what it missed was sent");
    let same = |net: &Net| net.nodes[3].store.leaves() == net.nodes[0].store.leaves();
    assert!(net.run_until(5_000, same), "one log");
    net.crash(2);
    let id = net.note(3, "back").expect("taken");
    assert!(net.run_until(20_000, |net| [0, 1, 3].iter().all(|&node| net.ordered(node).contains(&id))));
}

#[test]
fn a_sleeper_that_crashes_on_the_way_goes_on_from_where_it_was() {
    let mut net = Net::new(4, 52);
    net.start_all();
    net.run_for(1_000);
    net.crash(3);
    while_away(&mut net, 40);
    let certified = net.status(0).certified;
    let mut crashes = 0;
    for effects in (3..).step_by(4) {
        net.crash_in = Some((3, effects));
        net.start(3);
        if net.run_until(20_000, |net| net.nodes[3].engine.is_none()) {
            crashes += 1;
            assert_eq!(net.nodes[3].halted, None);
            continue;
        }
        break;
    }
    net.crash_in = None;
    assert!(crashes > 10, "{crashes}");
    assert!(net.run_until(20_000, |net| net.status(3).certified >= certified));
    assert!(net.run_until(5_000, |net| net.nodes[3].store.leaves() == net.nodes[0].store.leaves()));
}

#[test]
fn epochs_that_are_none_are_laid_at_the_door_of_who_serves_them() {
    let mut net = Net::new(4, 53);
    net.start_all();
    net.run_for(1_000);
    net.crash(1);
    let late = 1;
    for word in 0..8 {
        net.note(0, &format!("word {word}")).expect("taken");
        assert!(net.run_until(5_000, |net| net.status(0).held == 0));
    }
    net.run_for(1_000);
    let want = Want::Epochs { from: net.nodes[late].store.batches.len() as u64 + 1 };
    let good: Vec<EpochProof> = serve(&net.nodes[0].store, &want, &[], None)
        .expect("whole")
        .into_iter()
        .filter_map(|message| match message {
            PeerMessage::Epoch(proof) => Some(proof),
            _ => None,
        })
        .collect();
    assert!(good.len() as u64 > WINDOW);
    net.puppet(3);
    greet(&mut net, 3);
    for other in [0, 2] {
        net.cut(late, other);
    }
    net.start(late);
    greet(&mut net, 3);
    net.run_for(100);
    let first = &good[0];
    let mut wrong = vec![first.clone(); 5];
    wrong[0].index += 1;
    wrong[1].leaf[9] ^= 1;
    wrong[2].path.pop();
    wrong[3].certificate.cosignatures.pop();
    wrong[4].certificate.head.size += 1;
    for proof in &wrong {
        net.say(3, late, &PeerMessage::Epoch(proof.clone()));
    }
    net.run_for(500);
    let blamed = net.faults(late).iter().filter(|(code, _)| *code == "bad_proof").count();
    assert_eq!(blamed, wrong.len());
    let before = net.status(late).applied;
    net.heal_all();
    assert!(net.run_until(20_000, |net| net.status(late).applied > before + WINDOW));
    assert_eq!(net.nodes[late].halted, None);
    assert!(net.nodes[0].store.last_proof().expect("whole").is_none(), "who was never late needs none");
}
