//! Phases of an agreed operation, chained by handoffs.

use super::*;

#[test]
fn what_is_agreed_with_limits_goes_through_phases_and_is_concluded() {
    let mut charter = relay_charter();
    let one = Threshold { role: Some(Lead), partners: vec![], measure: Measure::Count(1) };
    let all_of = Terms(vec![Term::Threshold(one)]);
    charter.operations[0].rule.fallback = Fallback::Lesser(Lesser { limits: "one aircraft".into(), all_of });
    let mut bench = Bench::new(found(charter));
    let id = bench.open();
    bench.say("norden", id, Lead, Endorse);
    bench.pass_time(12 * HOUR_MS);
    assert_eq!(bench.verdict(id), Some(Verdict::Limited));
    let view = bench.view_of(id);
    assert_eq!(view.limits.as_deref(), Some("one aircraft"));
    let offered = bench.does("norden", "1", begins(id, "rescue", "sudria"));
    bench.does("sudria", "2", accepts(offered, &[]));
    bench.does("sudria", "3", concludes(id));
    assert_eq!(bench.state.operation(&id).and_then(Operation::over).map(|it| it.0), Some(Over::Concluded));
}

#[test]
fn an_agreed_operation_goes_through_its_phases_until_its_lead_concludes_it() {
    let mut bench = relay();
    let id = bench.agreed();
    let asset = bench.does("estmark", "1", declare("lift-7"));
    let lent = bench.does("estmark", "2", contribute(asset, id, Control::Owner));
    assert_eq!(
        bench.handoff_refusal("norden", "3", begins(id, "search", "sudria")).to_string(),
        "search is not the next phase; that is rescue"
    );
    assert!(matches!(
        bench.handoff_refusal("norden", "4", begins(id, "rescue", "norden")),
        HandoffRefusal::NotEligible { role: Lead, eligible, .. } if eligible == [name("estmark"), name("sudria")]
    ));
    let offered = bench.does("norden", "5", begins(id, "rescue", "sudria"));
    assert_eq!(bench.state.operation(&id).expect("known").phase, 0);
    let accepted = bench.does("sudria", "6", accepts(offered, &[lent]));
    let operation = bench.state.operation(&id).expect("known");
    assert_eq!((operation.phase, operation.lead.as_str()), (1, "sudria"));
    let phases = bench.state.phase_views(operation);
    let shown = phases.iter().map(|phase| {
        (phase.name.as_str(), phase.stands.as_str(), phase.lead.as_ref().map(PartnerName::as_str), phase.by)
    });
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [("search", "past", Some("norden"), None), ("rescue", "current", Some("sudria"), Some(offered)),]
    );
    assert_eq!(phases[1].index, bench.state.seen(&accepted).map(|seen| seen.index));
    assert_eq!(
        bench.handoff_refusal("sudria", "7", begins(id, "search", "sudria")),
        HandoffRefusal::NotNextPhase { named: "search".parse().expect("a name"), next: None }
    );
    // Of the second phase estmark is the successor.
    assert!(matches!(
        bench.handoff_refusal("norden", "8", takes_over(id)),
        HandoffRefusal::NotSuccessor { successor, .. } if successor == name("estmark")
    ));
    let open = bench.does("sudria", "9", offers(id, LEAD, "estmark"));
    bench.does("sudria", "10", concludes(id));
    assert_eq!(bench.end(open), Some(HandoffEnd::Lapsed));
    let operation = bench.state.operation(&id).expect("known");
    assert_eq!((operation.lead.as_str(), operation.conclusion.as_deref()), ("sudria", Some("all landed")));
    assert_eq!(operation.over().map(|(over, _)| over), Some(Over::Concluded));
    assert!(
        bench.state.serves(bench.state.asset(&asset).expect("declared")).is_none(),
        "it is at home again"
    );
    for (nonce, act) in [("11", takes_over(id)), ("12", concludes(id)), ("13", offers(id, LEAD, "norden"))] {
        assert!(matches!(
            bench.handoff_refusal("estmark", nonce, act),
            HandoffRefusal::OperationOver { over: Over::Concluded, .. }
        ));
    }
}

#[test]
fn whoever_leads_the_next_phase_too_begins_it_with_one_record() {
    let mut charter = relay_charter();
    charter.operations[0].phases[1].lead = LEADS.map(name).to_vec();
    let mut bench = Bench::new(found(charter));
    let id = bench.agreed();
    let begun = bench.does("norden", "1", begins(id, "rescue", "norden"));
    assert_eq!(bench.end(begun), Some(HandoffEnd::Accepted));
    let operation = bench.state.operation(&id).expect("known");
    assert_eq!((operation.phase, operation.lead.as_str(), operation.handed.len()), (1, "norden", 0));
}
