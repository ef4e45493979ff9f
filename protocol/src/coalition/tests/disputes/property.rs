//! Random disputes, judged anew by the words of the documentation.

use super::*;

/// By the words of the documentation: what the last words of judges that are no party amount to.
fn expected_ruling(bench: &Bench, dispute: &Dispute, led: &BTreeSet<String>) -> Option<Ruling> {
    Ruling::ALL.into_iter().find(|ruling| {
        let equal = dispute.words.iter().filter(|word| {
            word.ruling == *ruling
                && word.partner != dispute.opened_by
                && !led.contains(word.partner.as_str())
        });
        equal.count() as u32 >= dispute.threshold && bench.state.dispute(&dispute.id).is_some()
    })
}

#[test]
fn no_sequence_of_records_rules_without_a_panel_undoes_a_ruling_or_moves_the_lead_twice() {
    let (mut ruled, mut remanded, mut annulled) = (0, 0, 0);
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let dependants = if seed % 2 == 0 { Dependants::Hold } else { Dependants::GoOn };
        let mut charter = disputed_charter(|rule| {
            rule.dependants = dependants;
            rule.panel = ["borea", "corvus", "delphin", "estmark"].map(name).to_vec();
        });
        let kind = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift");
        kind.expect("declared").rule = OutcomeRule { required: vec![Lead], ..OutcomeRule::default() };
        let mut bench = Bench::new(found(charter));
        let mut other = bench.clone();
        let (mut operations, mut known, mut opened, mut ends) =
            (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        let mut led: BTreeMap<RecordId, BTreeSet<String>> = BTreeMap::new();
        for step in 0..150 {
            let pick = |rng: &mut Rng, ids: &[RecordId]| match ids.len() {
                0 => RecordId(Hash(rng.bytes())),
                count => ids[count - 1 - (rng.below(count as u64).min(rng.below(5))) as usize],
            };
            let partner = SEVEN[rng.below(7) as usize];
            let operation = pick(&mut rng, &operations);
            let (partner, act) = match rng.below(14) {
                0 | 1 if operations.len() < 6 => {
                    let open = Open {
                        kind: "airlift".into(),
                        title: "t".into(),
                        body: BTreeMap::new(),
                        precedence: None,
                    };
                    (["norden", "sudria", "estmark"][rng.below(3) as usize], Act::Open(open))
                }
                0 | 1 => {
                    let time = bench.state.time().plus(rng.below(HOUR_MS));
                    let advanced = bench.advance(time);
                    assert_eq!(other.state.advance(time), advanced);
                    for it in &advanced.rulings {
                        assert_eq!(it.ruled_by, None);
                        assert_eq!(it.ruling, Uphold, "as declared");
                    }
                    continue;
                }
                2 | 3 => {
                    let lead = bench.state.operation(&operation).map(|it| it.lead.to_string());
                    let lead =
                        SEVEN.into_iter().find(|name| Some(*name) == lead.as_deref()).unwrap_or(partner);
                    let standing = bench.state.operation(&operation).and_then(|it| it.standing(&name(lead)));
                    let supersedes = standing.map(|said| said.record);
                    (
                        lead,
                        Act::Attest(Attest {
                            operation,
                            role: Lead,
                            stance: Endorse,
                            caveat: None,
                            evidence: vec![],
                            supersedes,
                        }),
                    )
                }
                4 => (partner, offers(operation, LEAD, SEVEN[rng.below(3) as usize])),
                5 | 6 => {
                    let offered = pick(&mut rng, &known);
                    let to = bench.state.handoff(&offered).map(|it| it.to.to_string());
                    let to = SEVEN.into_iter().find(|name| Some(*name) == to.as_deref()).unwrap_or(partner);
                    (to, accepts(offered, &known))
                }
                7 => (partner, takes_over(operation)),
                8 if rng.below(4) == 0 => (partner, concludes(operation)),
                8..=10 => {
                    (partner, disputes(if rng.below(2) == 0 { operation } else { pick(&mut rng, &known) }))
                }
                _ => {
                    let judge = ["borea", "corvus", "delphin", "estmark"][rng.below(4) as usize];
                    let ruling = [Annul, Remand, Remand, Uphold][rng.below(4) as usize];
                    (judge, rules_as(1 + rng.below(3) as u32, pick(&mut rng, &opened), ruling))
                }
            };
            let signed = bench.act(partner, &step.to_string(), act.clone());
            let id = signed.record.id();
            let applied = bench.apply(&signed);
            assert_eq!(other.apply(&signed), applied, "seed {seed} step {step}");
            if applied.disposition != Disposition::Applied {
                assert_eq!(applied.rulings, [], "seed {seed} step {step}");
                continue;
            }
            known.push(id);
            match &act {
                Act::Open(_) => operations.push(id),
                Act::Dispute(DisputeAct::Open(_)) => opened.push(id),
                _ => {}
            }
            for operation in bench.state.operations() {
                led.entry(operation.id).or_default().insert(operation.lead.to_string());
            }
            for it in &applied.rulings {
                let dispute = bench.state.dispute(&it.dispute).expect("known");
                let led = &led[&dispute.operation];
                assert_eq!(Some(it.ruling), expected_ruling(&bench, dispute, led), "seed {seed} step {step}");
                assert_eq!(it.check(bench.state.charter()), Ok(()), "seed {seed} step {step}");
                assert!(it.panel.iter().all(|judge| *judge != it.opened_by), "seed {seed}");
                assert_eq!(ends.insert(it.dispute, it.ruling), None, "seed {seed}: ruled twice");
                ruled += 1;
                annulled += usize::from(it.ruling == Annul);
                remanded += usize::from(it.ruling == Remand);
            }
            for (id, ruling) in &ends {
                let end = bench.state.dispute(id).and_then(|it| it.end).expect("final");
                assert_eq!(end.ruling, Some(*ruling), "seed {seed}: a ruling was undone");
            }
            for operation in bench.state.operations() {
                let kind = bench.state.kind_of(operation).expect("declared");
                let leads = SEVEN.into_iter().filter(|it| operation.roles(&kind, &name(it)).contains(&Lead));
                assert_eq!(leads.count(), 1, "seed {seed} step {step}");
                assert!(kind.may_lead(&operation.lead, operation.phase), "seed {seed} step {step}");
                let annulling = ends.iter().any(|(id, ruling)| {
                    let dispute = bench.state.dispute(id).expect("known");
                    *ruling == Annul && dispute.subject == operation.id
                });
                assert_eq!(operation.annulled.is_some(), annulling, "seed {seed} step {step}");
            }
            if step % 10 == 0 {
                bench.assert_root();
                assert_eq!(bench.state.root(), other.state.root(), "seed {seed} step {step}");
            }
        }
        for dispute in bench.state.disputes() {
            assert_eq!(dispute.end.is_none(), bench.state.deadlines().any(|(_, id)| id == dispute.id));
        }
        let items = bench.state.items().iter().map(|item| item.encode()).collect::<Vec<_>>();
        let founded = Arc::new(bench.founded.clone());
        let copy = State::of_items(&founded, items.iter().map(Vec::as_slice), &bench.state.root());
        assert_eq!(
            copy.expect("its own items").deadlines().collect::<Vec<_>>(),
            bench.state.deadlines().collect::<Vec<_>>()
        );
    }
    assert!(
        ruled > 30 && annulled > 5 && remanded > 5,
        "{ruled} ruled, {annulled} annulled, {remanded} remanded"
    );
}
