//! Words in any order: what confirms an event, recomputed.

use super::*;

#[test]
fn no_sequence_of_words_confirms_without_proof_or_independent_partners() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let counts = rng.below(2) == 0;
        let k = 2 + rng.below(2) as usize;
        let responses = [Response::Alert, Response::Quarantine, Response::Suspend];
        let mut bench = Bench::with_integrity(IntegrityRules {
            confirmations: k as u32,
            reporter_counts: counts,
            ..rules(&responses, 2)
        });
        let mut shadows: BTreeMap<RecordId, Shadow> = BTreeMap::new();
        let mut forked: BTreeSet<&str> = BTreeSet::new();
        let mut names: Vec<RecordId> = vec![bench.open()];
        for step in 0..80 {
            let partner = FOUR[rng.below(4) as usize];
            let accused = FOUR[rng.below(4) as usize];
            // Which event is spoken of: voices are counted when a word comes, by who is active then.
            let mut touched = None;
            if rng.below(25) == 0 {
                let body = fork(&bench, accused);
                let carrier = FOUR[rng.below(4) as usize];
                if bench.node_says(carrier, &body).disposition == Disposition::Applied {
                    forked.insert(accused);
                    names.push(proved_id(&Subject::Feed(node_feed(accused)).id()));
                }
            } else if rng.below(8) == 0 {
                let about = matter(EventKind::Flood, Some(accused), None);
                let id = incident_id(&node_of(partner), &about);
                if bench.node_says(partner, &incident(about, 1)).disposition == Disposition::Applied {
                    names.push(id);
                    touched = Some(id);
                    let shadow = shadows.entry(id).or_insert_with(|| Shadow {
                        subjects: [accused].into(),
                        reporter: partner,
                        ..Shadow::default()
                    });
                    if shadow.withdrawn {
                        (shadow.withdrawn, shadow.voices) = (false, BTreeSet::new());
                    }
                }
            } else {
                let named = names[rng.below(names.len() as u64) as usize];
                let about = match rng.below(2) {
                    0 => matter(EventKind::Equivocation, Some(accused), None),
                    _ => matter(EventKind::Equivocation, None, Some(key(accused, "node").public())),
                };
                let whose = FOUR[rng.below(4) as usize];
                let proof = Subject::Feed(node_feed(whose)).id();
                let proof = (rng.below(3) == 0).then_some(proof);
                let act = match rng.below(6) {
                    0 => report_of(about.clone(), proof),
                    1 => withdraw(named),
                    2 => vote(named, if rng.below(2) == 0 { Measure::Suspend } else { Measure::Lift }),
                    _ => confirm(named),
                };
                let signed = record(&bench.founded, partner, &format!("{seed}/{step}"), act.clone());
                let id = signed.record.id();
                let before = bench.state.event_of(&named).map(|event| event.id);
                let context = bench.context("norden");
                let disposition = bench.state.apply(&context, &Body::Signed(signed)).disposition;
                if disposition != Disposition::Applied {
                    continue;
                }
                match act {
                    Act::Integrity(IntegrityAct::Report(_)) => {
                        let event = bench.event(id).id;
                        names.push(id);
                        touched = Some(event);
                        let shadow = shadows.entry(event).or_insert_with(|| Shadow {
                            subjects: [accused].into(),
                            reporter: partner,
                            ..Shadow::default()
                        });
                        if shadow.withdrawn {
                            (shadow.withdrawn, shadow.voices) = (false, BTreeSet::new());
                            shadow.refers = None;
                        }
                        if counts {
                            shadow.voices.insert(partner);
                        }
                        let refers = proof.map(|_| (whose, whose == accused));
                        shadow.refers = shadow.refers.or(refers);
                    }
                    Act::Integrity(IntegrityAct::Confirm(_)) => {
                        touched = before;
                        if let Some(shadow) = shadows.get_mut(&before.expect("applied")) {
                            assert!(!shadow.subjects.contains(partner), "seed {seed}: a subject confirmed");
                            shadow.voices.insert(partner);
                        }
                    }
                    Act::Integrity(IntegrityAct::Withdraw(_)) => {
                        let shadow = shadows.get_mut(&before.expect("applied")).expect("not a proof");
                        assert!(!shadow.subjects.contains(partner), "seed {seed}: a subject withdrew");
                        assert!(!shadow.confirmed, "seed {seed}: withdrawn though confirmed");
                        assert_eq!(shadow.reporter, partner, "seed {seed}");
                        shadow.withdrawn = true;
                    }
                    _ => {}
                }
            }
            for (id, shadow) in &mut shadows {
                if let Some((whose, fits)) = shadow.refers {
                    shadow.proved = fits && forked.contains(whose);
                }
                let independent = shadow.voices.difference(&shadow.subjects);
                let voices = independent.filter(|voice| bench.state.is_active(&name(voice))).count();
                let carried = touched == Some(*id) && voices >= k;
                let before = shadow.confirmed;
                shadow.confirmed |= !shadow.withdrawn && (shadow.proved || carried);
                shadow.follows |= !before && shadow.confirmed && !shadow.proved;
                let event = bench.event(*id);
                assert_eq!(event.is_confirmed(), shadow.confirmed, "seed {seed} step {step}: {event:?}");
                assert_eq!(
                    event.quarantined.is_some(),
                    shadow.follows
                        && event.matter.key.is_some()
                        && event.matter.kind == EventKind::Equivocation
                );
            }
        }
        bench.assert_root();
        let restored = bench.state.items().iter().map(|item| item.encode()).collect::<Vec<_>>();
        let founded = Arc::new(bench.founded.clone());
        let again = State::of_items(&founded, restored.iter().map(Vec::as_slice), &bench.state.root());
        let again = again.expect("its own items");
        assert!(again.events().eq(bench.state.events()));
        for partner in FOUR {
            for key in [node_of(partner), key(partner, "officer").public()] {
                assert_eq!(again.quarantined(&key), bench.state.quarantined(&key), "seed {seed}");
            }
        }
    }
}
