//! Real traffic, damaged: a member sends what others have said with bits flipped, cut short or made longer.

use entente_hbbft::Seat;
use entente_protocol::replicate::MAX_MESSAGE_BYTES;

use crate::forge::greet;
use crate::net::Net;
use crate::rng::Rng;

fn damage(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    match rng.below(8) {
        0 => bytes.truncate(rng.below(bytes.len() as u64) as usize),
        1 => bytes.extend((0..=rng.below(40)).map(|_| rng.next() as u8)),
        2 => bytes.iter_mut().take(12).for_each(|byte| *byte = rng.next() as u8),
        3 => {
            // A length or a number that says it is as large as can be.
            let at = rng.below(bytes.len() as u64) as usize;
            let huge = [&[253][..], &u64::MAX.to_le_bytes()].concat();
            bytes.splice(at..=at, huge);
        }
        _ => {
            for _ in 0..=rng.below(3) {
                let bit = rng.below(8 * bytes.len() as u64) as usize;
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
    bytes
}

#[test]
fn damaged_traffic_never_panics_and_only_its_sender_is_blamed() {
    let only = std::env::var("ENTENTE_SEED").ok().map(|seed| seed.parse::<u64>().expect("a number"));
    for seed in only.map_or(0..12, |seed| seed..seed + 1) {
        println!("replay: ENTENTE_SEED={seed} cargo test -p entente-protocol --test engine fuzz");
        let mut rng = Rng::new(seed);
        let mut net = Net::new(4, seed);
        net.record = true;
        net.start_all();
        for i in 0..4 {
            net.note(i, "with all four");
        }
        net.run_for(2_000);
        net.crash(1);
        net.start(1);
        net.run_for(1_000);
        net.puppet(3);
        greet(&mut net, 3);
        net.note(0, "while it lies");
        for round in 0..150 {
            for to in 0..3 {
                let picked = rng.below(net.traffic.len() as u64) as usize;
                let bytes = damage(&net.traffic[picked].2, &mut rng);
                net.inject(3, to, bytes);
                // As it was, too: passing on is every member's right.
                let bytes = net.traffic[rng.below(net.traffic.len() as u64) as usize].2.clone();
                net.inject(3, to, bytes);
            }
            net.run_for(20);
            if round % 30 == 0 {
                net.note(round / 30 % 3, &format!("round {round}"));
            }
            net.nodes[3].inbox.clear();
        }
        for to in 0..3 {
            net.inject(3, to, vec![0; MAX_MESSAGE_BYTES + 1]);
        }
        let id = net.note(2, "after all").expect("taken");
        let done = net.run_until(60_000, |net| (0..3).all(|node| net.ordered(node).contains(&id)));
        assert!(done, "seed {seed}: {:#?}", (0..3).map(|node| net.status(node)).collect::<Vec<_>>());
        for node in 0..3 {
            assert_eq!(net.nodes[node].halted, None, "seed {seed}");
            let faults = net.convictions(node);
            assert!(!faults.is_empty());
            for fault in faults {
                assert_eq!(fault.node, Some(net.node_id(3)), "seed {seed}: {fault:?}");
                assert!(fault.seat.is_none_or(|seat| seat == Seat(3)), "seed {seed}: {fault:?}");
            }
        }
    }
}
