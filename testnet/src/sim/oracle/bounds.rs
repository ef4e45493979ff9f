//! What an engine may hold of each kind at most, by the table of limits in `docs/operations.md`: stated here once more, so that
//! neither what is held nor the limit that the engine says can drift beyond what is documented.

use entente_protocol::engine::Holding;

use super::recount::{LANES, MOST_INCARNATIONS};

const FEEDS: usize = 2_048;
/// Of a feed: what is not ordered, and in memory of what is.
const UNORDERED: usize = 16_384;
const UNORDERED_BYTES: usize = 32 << 20;
const RECENT: usize = 256;
/// Epochs above the last certified one.
const OPEN_EPOCHS: usize = 4;
/// Rounds beyond those that `weak` seats reached, and in all.
const ROUNDS_AHEAD: usize = 8;
const ROUNDS: usize = 4_096;
/// Payloads of a peer for each epoch, before their frame.
const EARLY_PAYLOADS: usize = 2;
/// Epochs that are proven and not applied yet.
const PROVEN: usize = 64;
/// Parts of a state that are known and still to come.
const PARTS: usize = 256;
/// Of a partner.
const PARKED: usize = 256;
const OPERATIONS: usize = 32_768;
/// Deadlines for which `due` is written at once.
const DUE_AT_ONCE: usize = 64;

/// How large the coalition is, as it was recounted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) seats: usize,
    /// So many that one is honest.
    pub(super) weak: usize,
    /// The most nodes and feeds that there have been.
    pub(super) nodes: usize,
    pub(super) feeds: usize,
    /// Leaves in the log: no fewer than deadlines that stand.
    pub(super) leaves: usize,
}

impl Size {
    /// All kinds, each with its bound.
    fn bounds(&self) -> [(&'static str, usize); 36] {
        let Self { seats, weak, nodes, feeds, leaves } = *self;
        let own_feeds = LANES * MOST_INCARNATIONS as usize;
        // A proposal, for each seat ECHO, READY and TERM, and in each round BVAL of both values, AUX and CONF.
        let words = 1 + seats * (3 + 4 * ROUNDS);
        let payloads = seats * (2 + 2 * seats / weak);
        // Of each feed and its branch; of each open epoch and the next the frames and cosignatures; certificates, epochs, a copy of
        // the state and its page; payloads of the open epochs and the next; contributions.
        let wanted = 2 * feeds + 2 * (OPEN_EPOCHS + 1) + 4 + payloads + seats + OPEN_EPOCHS * payloads;
        [
            ("feeds", FEEDS),
            ("own feeds that are not enrolled", own_feeds),
            ("entries of a feed that are not ordered", UNORDERED),
            ("bytes of them", UNORDERED_BYTES),
            ("links of a feed", RECENT + UNORDERED),
            ("entries of a branch that a cut names", UNORDERED),
            ("own records that are not ordered", own_feeds * UNORDERED),
            ("deadlines that `due` was written for", leaves + DUE_AT_ONCE),
            ("epochs with votes", OPEN_EPOCHS),
            ("epochs with frames", OPEN_EPOCHS),
            ("frames of an epoch", seats * words),
            ("epochs with own words that wait", OPEN_EPOCHS),
            ("words of an epoch that no frame says yet", words),
            ("own frames of an epoch that are not sent", words),
            ("rounds beyond those that `weak` seats reached", ROUNDS_AHEAD),
            ("payloads of an epoch", payloads),
            ("payloads that wait for their frame", OPEN_EPOCHS * (nodes * EARLY_PAYLOADS + payloads)),
            ("contributions to the next epoch", seats),
            ("proofs against seats", seats),
            ("seats in doubt by epoch", OPEN_EPOCHS * seats),
            ("evidence written since the start", feeds + seats),
            ("epochs that are not certified", OPEN_EPOCHS),
            ("cosignatures", OPEN_EPOCHS * seats),
            ("cosignatures of later epochs", 2 * OPEN_EPOCHS * seats),
            ("proven epochs", PROVEN),
            ("contributions to proven epochs", PROVEN * seats),
            ("parts of a state that are still to come", PARTS),
            ("head reports and requests by seat", seats),
            ("peers", nodes),
            ("feeds known of a peer", feeds),
            ("own feeds that a peer names early", own_feeds),
            ("epochs known of a peer", OPEN_EPOCHS),
            ("what a peer had no answer to", feeds + wanted),
            ("what is asked for", wanted),
            ("parked records of a partner", PARKED),
            ("open operations of a partner", OPERATIONS),
        ]
    }

    /// Says of what an engine tells of itself what is wrong with it: each kind stands there once, and neither what is held nor the
    /// limit that is said is above the bound.
    pub(super) fn check(&self, holdings: &[Holding]) -> Result<(), String> {
        let bounds = self.bounds();
        if let Some(Holding { what, .. }) =
            holdings.iter().find(|held| bounds.iter().all(|(what, _)| *what != held.what))
        {
            return Err(format!("tells of {what}, for which no bound is stated"));
        }
        for (what, bound) in bounds {
            let [Holding { count, limit, .. }] =
                holdings.iter().filter(|held| held.what == what).collect::<Vec<_>>()[..]
            else {
                return Err(format!("does not tell once how many {what} it holds"));
            };
            for (more, verb) in [(count, "holds"), (limit, "would hold")] {
                if *more > bound as u64 {
                    return Err(format!("{verb} {more} {what}, at most {bound}"));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { seats: 4, weak: 2, nodes: 5, feeds: 40, leaves: 100 };

    fn full() -> Vec<Holding> {
        let holding = |(what, bound)| Holding { what, count: bound as u64, limit: bound as u64 };
        SIZE.bounds().into_iter().map(holding).collect()
    }

    #[test]
    fn what_is_held_and_the_limit_that_is_said_are_each_within_the_bound() {
        assert_eq!(SIZE.check(&full()), Ok(()));
        for kind in 0..full().len() {
            for change in [|held: &mut Holding| held.count += 1, |held: &mut Holding| held.limit += 1] {
                let mut holdings = full();
                change(&mut holdings[kind]);
                let wrong = SIZE.check(&holdings).expect_err("one too many");
                assert!(wrong.contains(holdings[kind].what), "{wrong}");
            }
        }
    }

    #[test]
    fn a_kind_that_is_left_out_told_twice_or_without_a_bound_is_named() {
        let mut fewer = full();
        let left_out = fewer.pop().expect("there are some");
        assert!(SIZE.check(&fewer).is_err_and(|wrong| wrong.contains(left_out.what)));
        let twice = [full(), vec![left_out]].concat();
        assert!(SIZE.check(&twice).is_err_and(|wrong| wrong.contains(left_out.what)));
        let unknown = [full(), vec![Holding { what: "dreams", count: 0, limit: 0 }]].concat();
        assert!(SIZE.check(&unknown).is_err_and(|wrong| wrong.contains("dreams")));
    }
}
