//! How many message delays pass from *held* to *ordered at all*: every message takes the same time, and all else takes none.

use entente_protocol::replicate::PeerMessage;

use crate::net::Net;

/// Far more than what the engines wait for more words (2 ms, a few times), far less than when they ask again.
const DELAY_MS: u64 = 50;
const WARM_UP: usize = 8;
/// Lone words that are measured.
const WORDS: usize = 12;

fn calm(n: u8) -> Net {
    let mut net = Net::new(n, 1);
    net.latency_ms = DELAY_MS;
    net.start_all();
    net.run_for(20 * DELAY_MS);
    net
}

/// Says a word at `node` once all is quiet; returns the delays from when `holders` of the nodes that run hold it until all
/// of them know it ordered.
fn delays(net: &mut Net, node: usize, holders: usize) -> u64 {
    net.run_for(40 * DELAY_MS);
    let running: Vec<usize> = (0..net.nodes.len()).filter(|&at| net.nodes[at].engine.is_some()).collect();
    let entries: Vec<usize> = running.iter().map(|&at| net.nodes[at].store.entries.len()).collect();
    let id = net.note(node, &format!("at {}", net.now.0)).expect("taken");
    let mut held = None;
    let mut ordered = None;
    let done = net.run_until(100 * DELAY_MS, |net| {
        let now = net.now;
        let hold = running
            .iter()
            .zip(&entries)
            .filter(|(at, before)| net.nodes[**at].store.entries.len() > **before);
        if held.is_none() && hold.count() >= holders {
            held = Some(now);
        }
        if running.iter().all(|&at| net.ordered(at).contains(&id)) {
            ordered = Some(now);
        }
        ordered.is_some()
    });
    assert!(done, "not ordered");
    let (Some(held), Some(ordered)) = (held, ordered) else { panic!("ordered, and held by too few") };
    ordered.since(held) / DELAY_MS
}

/// The delays of so many lone words, one node after the other.
fn of_many(net: &mut Net, nodes: &[usize], holders: usize) -> Vec<u64> {
    (0..WARM_UP).for_each(|at| {
        delays(net, nodes[at % nodes.len()], holders);
    });
    (0..WORDS).map(|at| delays(net, nodes[at % nodes.len()], holders)).collect()
}

#[test]
fn where_nothing_fails_it_takes_four() {
    for n in [4, 7, 10] {
        let all: Vec<usize> = (0..usize::from(n)).collect();
        let taken = of_many(&mut calm(n), &all, usize::from(n));
        assert_eq!(taken, [4; WORDS], "n = {n}");
    }
}

/// The last seat's READY is lost on its way to all others: READY of all comes late, and a quorum of AUX is there before.
fn without_ready_of_all(n: u8, from: usize, message: &PeerMessage) -> bool {
    from + 1 == usize::from(n) && matches!(message, PeerMessage::Spoken(spoken) if spoken.seq == 2)
}

#[test]
fn without_the_short_way_over_ready_of_all_it_takes_five() {
    for n in [4u8, 7, 10] {
        let mut net = calm(n);
        net.loses = Some(Box::new(move |from, _, message| without_ready_of_all(n, from, message)));
        let rest: Vec<usize> = (0..usize::from(n) - 1).collect();
        let taken = of_many(&mut net, &rest, usize::from(n));
        assert_eq!(taken, [5; WORDS], "n = {n}");
    }
}

#[test]
fn where_a_quorum_alone_holds_it_it_takes_one_more_at_most() {
    for n in [4u8, 7, 10] {
        let f = (usize::from(n) - 1) / 3;
        for (short, most) in [(true, 5), (false, 6)] {
            let mut net = calm(n);
            // The f last ones do not get the entry from its author.
            let without = usize::from(n) - f;
            net.loses = Some(Box::new(move |from, to, message| {
                let entry = from == 0 && to >= without && matches!(message, PeerMessage::Run(_));
                entry || !short && without_ready_of_all(n, from, message)
            }));
            let taken = of_many(&mut net, &[0], without);
            assert!(taken.iter().all(|&delays| delays <= most), "n = {n}, short: {short}: {taken:?}");
        }
    }
}

#[test]
fn with_a_seat_away_its_contribution_must_be_voted_out_and_it_takes_seven() {
    for n in [4u8, 7, 10] {
        let mut net = calm(n);
        net.crash(usize::from(n) - 1);
        let rest: Vec<usize> = (0..usize::from(n) - 1).collect();
        let taken = of_many(&mut net, &rest, rest.len());
        assert_eq!(taken, [7; WORDS], "n = {n}");
    }
}
