//! A crash at every boundary between two effects: of the process, which leaves what is written, and of the machine, which
//! leaves any beginning of what was not synced; and all at once at any moment.

use entente_protocol::store::Archive;
use entente_protocol::vote::VoteFrame;

use crate::net::Net;

/// No two stores hold different frames of one place.
fn no_seat_has_contradicted_itself(net: &Net) {
    let mut said = std::collections::BTreeMap::<_, &VoteFrame>::new();
    for node in &net.nodes {
        for (place, frame) in &node.store.frames {
            let first = said.entry(*place).or_insert(frame);
            assert_eq!(*first, frame, "two frames at {place:?}");
        }
        assert!(node.store.equivocations.is_empty());
    }
    // What others hold of a seat is on its own disk, unless that forgot it with a certificate.
    for ((epoch, seat, seq), frame) in said {
        let certified = net.nodes[seat.index()].store.last_certificate().expect("whole");
        if certified.is_some_and(|(certified, _)| epoch <= certified) {
            continue;
        }
        let own = net.nodes[seat.index()].store.frames.get(&(epoch, seat, seq));
        assert_eq!(own, Some(frame), "frame {seq} of {seat} in epoch {epoch} left before it was durable");
    }
}

/// Power is lost after so many effects of a node's; of what was not synced the first `keeps` writes stay.
#[derive(Debug, Clone, Copy)]
struct Loss {
    effects: usize,
    keeps: usize,
}

impl Loss {
    /// Where all stays it is the process alone that was killed.
    fn of_nothing(effects: usize) -> Self {
        Self { effects, keeps: usize::MAX }
    }
}

/// Lets a node run into a loss; says how many writes stayed, if it came.
fn run_into(net: &mut Net, node: usize, loss: Loss, run: impl FnOnce(&mut Net)) -> Option<usize> {
    net.crash_in = Some((node, loss.effects));
    net.keeps = loss.keeps;
    run(net);
    net.crash_in.take();
    net.stayed.take()
}

/// Says one word at node 2, lets `node` lose power meanwhile, and again in the start after it if a second loss is given, and
/// starts it at last. Returns how many writes stayed at the last loss, if that came.
fn lose_power(node: usize, first: Loss, in_start: Option<Loss>) -> Option<usize> {
    let mut net = Net::new(4, 1);
    net.holds_back = true;
    net.start_all();
    net.run_for(1_000);
    let mut id = None;
    let mut stayed = run_into(&mut net, node, first, |net| {
        id = net.note(2, "a lone word");
        net.run_for(1_500);
    });
    if let Some(loss) = in_start.filter(|_| stayed.is_some()) {
        stayed = run_into(&mut net, node, loss, |net| net.start(node));
    }
    net.start_all();
    let last = net.note(0, "and another").expect("taken");
    let done = net.run_until(30_000, |net| {
        (0..4).all(|node| {
            let status = net.status(node);
            status.held == 0 && status.certified == status.applied && status.applied > 0
        })
    });
    let when = format!("node {node} lost power: {first:?}, in its start {in_start:?}");
    assert!(done, "{when}: no progress");
    (0..4).for_each(|node| net.sync(node));
    no_seat_has_contradicted_itself(&net);
    for other in 0..4 {
        assert_eq!(net.nodes[other].halted, None, "{when}");
        assert_eq!(net.faults(other), [], "{when}");
        assert_eq!(net.nodes[other].store.batches, net.nodes[0].store.batches);
        let ids: Vec<_> =
            net.nodes[other].store.leaves().iter().filter_map(|leaf| ordered_id(&net, leaf)).collect();
        let expected: Vec<_> = id.into_iter().chain([last]).collect();
        for id in &expected {
            assert_eq!(ids.iter().filter(|other| *other == id).count(), 1, "{when}");
        }
    }
    stayed
}

/// Lets power be lost at every boundary that `lose` reaches, with every beginning of what was not synced; says how many
/// boundaries there are, and how often something was lost.
fn everywhere(lose: impl Fn(Loss) -> Option<usize>) -> (usize, usize) {
    let (mut boundaries, mut losses) = (0, 0);
    while let Some(written) = lose(Loss::of_nothing(boundaries)) {
        for keeps in 0..written {
            let loss = Loss { effects: boundaries, keeps };
            assert_eq!(lose(loss), Some(keeps), "the same course up to there");
        }
        boundaries += 1;
        losses += written;
    }
    (boundaries, losses)
}

fn crash_everywhere(node: usize) -> (usize, usize) {
    everywhere(|loss| lose_power(node, loss, None))
}

/// Lets `node` lose power at every boundary and, of those, at every one of the start after it, too, once all that was not synced
/// is gone and once nothing is.
fn crash_in_every_start(node: usize) -> (usize, usize) {
    let (mut boundaries, mut losses) = (0, 0);
    for effects in 0.. {
        let nothing = Loss::of_nothing(effects);
        let Some(written) = lose_power(node, nothing, None) else { break };
        for first in [nothing, Loss { effects, keeps: 0 }].into_iter().take(1 + written.min(1)) {
            let (more, lost) = everywhere(|loss| lose_power(node, first, Some(loss)));
            boundaries += more;
            losses += lost;
        }
    }
    (boundaries, losses)
}

fn ordered_id(net: &Net, leaf: &[u8]) -> Option<entente_protocol::identity::RecordId> {
    use entente_protocol::leaf::Leaf;
    let Leaf::Entry(entry) = Leaf::decode(leaf).expect("a leaf") else { return None };
    let body = &net.nodes[0].store.entries[&(entry.feed, entry.length)].body;
    Some(entente_protocol::identity::RecordId(entente_protocol::feed::body_digest(body)))
}

#[test]
fn the_author_may_lose_power_at_every_boundary_of_a_lone_entrys_life() {
    let (boundaries, losses) = crash_everywhere(2);
    assert!(boundaries > 30 && losses > 15, "{boundaries} boundaries, {losses} losses");
}

#[test]
fn another_seat_may_lose_power_at_every_boundary_of_a_lone_entrys_life() {
    let (boundaries, losses) = crash_everywhere(1);
    assert!(boundaries > 30 && losses > 15, "{boundaries} boundaries, {losses} losses");
}

#[test]
fn all_may_lose_power_at_once_at_any_moment() {
    for moment in 0..60 {
        let mut net = Net::new(4, moment);
        net.holds_back = true;
        net.start_all();
        net.run_for(1_000);
        let id = net.note(2, "a lone word").expect("taken");
        net.run_for(2 * moment);
        for node in 0..4 {
            let stay = net.rng.below(net.nodes[node].unsynced.len() as u64 + 1);
            net.nodes[node].unsynced.truncate(stay as usize);
            net.crash(node);
        }
        net.start_all();
        let done = net.run_until(30_000, |net| {
            (0..4).all(|node| {
                let status = net.status(node);
                status.held == 0 && status.certified == status.applied && status.applied > 0
            })
        });
        assert!(done, "all lost power after {} ms", 2 * moment);
        (0..4).for_each(|node| net.sync(node));
        no_seat_has_contradicted_itself(&net);
        let leaves = net.nodes[3].store.leaves();
        assert_eq!(leaves.iter().filter_map(|leaf| ordered_id(&net, leaf)).collect::<Vec<_>>(), [id]);
        assert!((0..4).all(|node| net.nodes[node].halted.is_none() && net.faults(node).is_empty()));
    }
}

#[test]
fn power_may_be_lost_again_at_every_boundary_of_the_start_after_it() {
    let (boundaries, losses) = crash_in_every_start(2);
    assert!(boundaries > 100, "{boundaries} boundaries, {losses} losses");
}
