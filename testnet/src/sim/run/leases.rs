//! Openings that claim corridors, and what partners commit of them before anybody has agreed.

use std::collections::BTreeMap;

use entente_protocol::charter::PartnerName;
use entente_protocol::coalition::State;
use entente_protocol::record::{Act, Commit, LeaseAct, LeasedOpen, Open};

use crate::sim::members::CORRIDORS;
use crate::sim::rng::Rng;

/// Spans, some of which meet.
const HOURS: [(&str, &str); 6] =
    [("06", "08"), ("07", "09"), ("08", "10"), ("10", "12"), ("11", "13"), ("14", "16")];

/// An airlift through some corridor, more often one that is leased to who opens it.
fn lift(state: &State, me: &PartnerName, rng: &mut Rng) -> Open {
    let leases = state.charter().operations.iter().flat_map(|kind| &kind.leases);
    let own = leases.filter(|lease| lease.partner == *me).filter_map(|lease| lease.values.first()?.first());
    let own = own.cloned().collect::<Vec<_>>();
    let corridor = if !own.is_empty() && rng.chance(65) {
        rng.pick(&own).clone()
    } else {
        (*rng.pick(&CORRIDORS)).to_owned()
    };
    let (from, until) = *rng.pick(&HOURS);
    let at = |hour: &str| format!("2027-01-16T{hour}:00:00Z");
    let body = [("corridor", corridor), ("opens", at(from)), ("closes", at(until))];
    let body = body.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>();
    Open { kind: "airlift".into(), title: "a lift".into(), body, precedence: None }
}

/// Something about corridors.
pub(super) fn speech(state: &State, me: &PartnerName, rng: &mut Rng) -> Act {
    let seen = rng.below(1_000);
    let claiming = state.operations().filter(|operation| operation.open.body.contains_key("corridor"));
    let mut claiming = claiming.collect::<Vec<_>>();
    if rng.chance(80) {
        claiming.retain(|operation| operation.opened_by == *me);
    }
    match rng.below(10) {
        0..=3 => Act::Open(lift(state, me, rng)),
        4..=6 if !claiming.is_empty() => {
            Act::Lease(LeaseAct::Commit(Commit { operation: rng.pick(&claiming).id, seen }))
        }
        _ => Act::Lease(LeaseAct::Open(LeasedOpen { open: lift(state, me, rng), seen })),
    }
}
