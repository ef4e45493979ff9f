//! What whoever takes a role over has to know of authorities and of what was done provisionally.

use super::super::authority::{charter_with_command, speak, statement};
use super::super::leases::{leased_charter, lift};
use super::*;
use crate::authority::{AuthorityKind, KindPrecedence, Word};
use crate::record::{Commit, LeaseAct};

/// What the acceptance of an offer of the lead to `to` is told that it does not acknowledge, if it acknowledges nothing.
fn missing(bench: &mut Bench, operation: RecordId, to: &str) -> (RecordId, Vec<(ItemKind, RecordId)>) {
    let nonce = format!("offer {}", bench.index);
    let lead = bench.lead(operation);
    let offered = bench.does(&lead, &nonce, offers(operation, LEAD, to));
    let now = bench.state.time();
    let blind = bench.act(to, &format!("blind {}", bench.index), accepts(offered, &[]));
    let provisional = bench.state.provisional(std::slice::from_ref(&blind), now).refused;
    let refusal = bench.refusal(&blind);
    assert_eq!(provisional, [(blind.record.id(), refusal.clone())], "what is held is judged alike");
    let Refusal::Handoff(HandoffRefusal::NotAcknowledged { missing, more: 0 }) = refusal else {
        panic!("{refusal}")
    };
    (offered, missing.iter().map(|item| (item.kind, item.record)).collect())
}

#[test]
fn a_refusal_that_was_overruled_and_a_recall_have_to_be_known() {
    let mut charter = charter_with_command();
    charter.authority.precedence =
        KindPrecedence::new([AuthorityKind::Coalition, AuthorityKind::Alliance, AuthorityKind::National]);
    let airlift = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift");
    airlift.expect("declared").lead = LEADS.map(name).to_vec();
    let mut bench = Bench::new(found(charter));
    let id = bench.open();
    let refuses = bench.does("estmark", "1", speak(statement(id, "estmark", Word::Refuse, 1)));
    for (partner, number) in [("norden", 1), ("sudria", 1)] {
        bench.does(
            partner,
            &format!("command {number}"),
            speak(statement(id, "command", Word::Order, number)),
        );
    }
    let recalls = bench.does("vigil", "2", speak(statement(id, "vigil", Word::Recall, 1)));
    let (offered, mut found) = missing(&mut bench, id, "sudria");
    found.sort();
    let mut asked = [(ItemKind::Refusal, refuses), (ItemKind::Refusal, recalls)];
    asked.sort();
    assert_eq!(found, asked);
    let items = bench.state.open_items(bench.state.operation(&id).expect("known"), Some(&offered));
    let ground = items.iter().find(|item| item.record == refuses).map(|item| item.text.as_str());
    assert_eq!(ground, Some("estmark (national) refuses it: no flights at night"));
    // A permission takes the refusal back: it is no more to be known.
    bench.does("estmark", "3", speak(statement(id, "estmark", Word::Permit, 2)));
    bench.does("sudria", "4", accepts(offered, &[recalls]));
    assert_eq!(bench.lead(id), "sudria");
}

#[test]
fn what_was_done_before_it_is_decided_has_to_be_known() {
    let mut bench = Bench::new(found(leased_charter(|charter| {
        let airlift = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift");
        airlift.expect("declared").lead = LEADS.map(name).to_vec();
    })));
    let id = bench.does("sudria", "0", Act::Open(lift("1", "bravo")));
    let commitment = Act::Lease(LeaseAct::Commit(Commit { operation: id, seen: 1 }));
    let committed = bench.does("sudria", "1", commitment);
    let (offered, found) = missing(&mut bench, id, "estmark");
    assert_eq!(found, [(ItemKind::Commitment, committed)]);
    bench.does("estmark", "2", accepts(offered, &[committed]));
    assert_eq!(bench.lead(id), "estmark");
}
