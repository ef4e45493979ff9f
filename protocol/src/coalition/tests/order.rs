//! Once, in any order, and the root over it.

use super::joins::Joins;
use super::*;
use crate::record::Withdrawal;
use crate::record::{Accept, Acknowledged, Decline, Handed, HandoffAct, Offer, Reclaim};

#[test]
fn the_same_record_in_two_feeds_counts_once() {
    let mut bench = Bench::four();
    let signed = open(&bench.founded, "norden", "once");
    bench.apply(&signed);
    let first = bench.index;
    let root = bench.state.root();
    let context = bench.context("sudria");
    assert_eq!(
        bench.state.apply(&context, &Body::Signed(signed.clone())).disposition,
        Disposition::Duplicate { first }
    );
    assert_eq!(bench.state.check(&signed, bench.state.time()), Ok(()), "submitting again is harmless");
    assert_eq!(bench.state.root(), root);
    assert_eq!(bench.state.seen(&signed.record.id()).map(|seen| seen.index), Some(first));
}

#[test]
fn an_entry_before_its_cause_waits_and_is_applied_right_after_it() {
    let mut bench = Bench::four();
    let opening = open(&bench.founded, "norden", "late");
    let id = opening.record.id();
    let first = bench.word("sudria", id, Supporting, Object);
    let second = attest(&bench.founded, "sudria", id, Supporting, Endorse, Some(first.record.id()));
    let empty = bench.state.root();
    assert_eq!(bench.state.check(&second, bench.state.time()), Err(Refusal::NotYetApplied { awaits: id }));
    assert_eq!(bench.apply(&second).disposition, Disposition::Parked { awaits: id });
    assert_ne!(bench.state.root(), empty, "what waits is under the root");
    bench.assert_root();
    assert_eq!(bench.state.parked(&second.record.id()), Some(id));
    assert_eq!(bench.apply(&second).disposition, Disposition::Duplicate { first: 1 });
    // The opening alone is not enough: now it waits for the first word.
    let applied = bench.apply(&opening);
    assert_eq!(applied.released, []);
    assert_eq!(bench.state.parked(&second.record.id()), Some(first.record.id()));
    bench.assert_root();
    let applied = bench.apply(&first);
    let released = applied.released.iter().map(|it| (it.record, it.index, &it.disposition));
    assert_eq!(released.collect::<Vec<_>>(), [(second.record.id(), 1, &Disposition::Applied)]);
    assert_eq!(bench.state.parked_count(), 0);
    let standing = bench.state.operation(&id).and_then(|op| op.standing(&name("sudria")));
    assert_eq!(standing.map(|said| (said.stance, said.index)), Some((Endorse, 1)));
    bench.assert_root();
}

#[test]
fn a_waiting_word_may_decide_and_is_refused_if_it_may_not_be_said() {
    let mut bench = Bench::four();
    let opening = open(&bench.founded, "norden", "late");
    let id = opening.record.id();
    for (partner, role) in
        [("sudria", Supporting), ("vigil", Lead), ("norden", Lead), ("estmark", Supporting)]
    {
        let signed = bench.word(partner, id, role, Endorse);
        assert!(matches!(bench.apply(&signed).disposition, Disposition::Parked { .. }));
    }
    let applied = bench.apply(&opening);
    assert_eq!(applied.released.len(), 4);
    assert!(matches!(applied.released[1].disposition, Disposition::Refused(Refusal::RoleNotHeld { .. })));
    let [decision] = applied.decisions.as_slice() else {
        panic!("{applied:?}");
    };
    assert_eq!((decision.verdict, decision.decided_by), (Verdict::Agreed, Some(5)));
}

#[test]
fn what_waits_too_long_is_refused_with_the_reason() {
    let mut bench = Bench::four();
    let nowhere = RecordId(hash("nowhere", &[]));
    let lost = bench.word("sudria", nowhere, Supporting, Endorse);
    bench.apply(&lost);
    let id = bench.open();
    let lost_link = attest(&bench.founded, "sudria", id, Supporting, Endorse, Some(nowhere));
    assert_eq!(bench.apply(&lost_link).disposition, Disposition::Parked { awaits: nowhere });
    let (begun, longest) = (bench.state.time(), bench.state.charter().longest_window_ms());
    let mut ended_at = |end: Time| {
        assert_eq!(bench.advance(Time(end.0 - 1)).released, []);
        let [released] = bench.advance(end).released.try_into().expect("one waits so long");
        (released.record, released.disposition)
    };
    // What names an operation waits until its window ends; what names nothing known, as long as any can be open.
    let end = begun.plus(6 * HOUR_MS);
    let closed = Refusal::Closed { operation: id, verdict: Some(Verdict::Expired), since: end };
    assert_eq!(ended_at(end), (lost_link.record.id(), Disposition::Refused(closed)));
    let never = Refusal::NeverApplied { awaits: nowhere };
    assert_eq!(ended_at(begun.plus(longest)), (lost.record.id(), Disposition::Refused(never)));
    assert_eq!(bench.state.parked_count(), 0);
    bench.assert_root();
}

#[test]
fn parking_is_bounded_per_partner_and_does_not_touch_others() {
    let mut bench = Bench::four();
    let stray = |bench: &Bench, partner: &str, n: usize| {
        let nowhere = RecordId(hash("nowhere", &[&n.to_le_bytes()]));
        bench.word(partner, nowhere, Supporting, Endorse)
    };
    for n in 0..MAX_PARKED_PER_PARTNER {
        let signed = stray(&bench, "sudria", n);
        assert!(matches!(bench.apply(&signed).disposition, Disposition::Parked { .. }));
    }
    let more = stray(&bench, "sudria", MAX_PARKED_PER_PARTNER);
    assert!(matches!(bench.refusal(&more), Refusal::TooManyParked { .. }));
    let other = stray(&bench, "estmark", 0);
    assert!(matches!(bench.apply(&other).disposition, Disposition::Parked { .. }));
    // Room again once some have gone.
    bench.advance(bench.state.time().plus(bench.state.charter().longest_window_ms()));
    assert!(matches!(bench.apply(&more).disposition, Disposition::Parked { .. }));
}

#[test]
fn a_record_carried_too_early_is_not_spoiled() {
    let mut bench = Bench::four();
    let opening = open(&bench.founded, "norden", "early");
    let word = bench.word("sudria", opening.record.id(), Supporting, Endorse);
    for n in 0..MAX_PARKED_PER_PARTNER {
        let nowhere = RecordId(hash("nowhere", &[&n.to_le_bytes()]));
        let stray = bench.word("sudria", nowhere, Supporting, Endorse);
        bench.apply(&stray);
    }
    assert!(matches!(bench.refusal(&word), Refusal::TooManyParked { .. }));
    bench.apply(&opening);
    assert_eq!(bench.apply(&word).disposition, Disposition::Applied);
}

/// Every partner's word on one operation, at most one each.
fn words(bench: &Bench, id: RecordId, rng: &mut Rng) -> Vec<SignedRecord> {
    let roles = [("norden", Lead), ("sudria", Supporting), ("estmark", Supporting), ("vigil", Observing)];
    roles
        .into_iter()
        .filter_map(|(partner, role)| {
            let stance = match rng.below(8) {
                0 => Object,
                1 => Abstain,
                2 => return None,
                _ => Endorse,
            };
            Some(bench.word(partner, id, role, stance))
        })
        .collect()
}

/// The verdict that the documentation gives for one word per partner, once the window has ended.
fn expected_verdict(words: &[SignedRecord], needs_lead: bool, supporters: usize, vetoes: &[&str]) -> Verdict {
    let mut lead = 0;
    let mut support = 0;
    let mut vetoed = false;
    for signed in words {
        let Act::Attest(said) = &signed.record.act else {
            continue;
        };
        let by = |partner: &&&str| key(partner, "officer").public() == signed.record.signer;
        match (said.role, said.stance) {
            (Role::Observing | Role::Declared(_), _) | (_, Stance::Abstain) => {}
            (Role::Lead, Stance::Endorse) => lead += 1,
            (Role::Supporting, Stance::Endorse) => support += 1,
            (_, Stance::Object) => vetoed |= vetoes.iter().any(|partner| by(&partner)),
        }
    }
    if vetoed {
        Verdict::Failed
    } else if (lead > 0 || !needs_lead) && support >= supporters {
        Verdict::Agreed
    } else {
        Verdict::Expired
    }
}

#[test]
fn one_word_each_gives_the_same_verdict_in_every_order() {
    let mut rng = Rng::new(11);
    for case in 0..60 {
        let supporters = usize::try_from(rng.below(3)).expect("small");
        let needs_lead = supporters == 0 || rng.below(2) == 0;
        let vetoes: Vec<&str> = ["norden", "sudria"].into_iter().filter(|_| rng.below(2) == 0).collect();
        let rule = OutcomeRule {
            required: if needs_lead { vec![Lead] } else { vec![] },
            at_least: if supporters == 0 {
                vec![]
            } else {
                vec![AtLeast { role: Supporting, count: u32::try_from(supporters).expect("small") }]
            },
            veto: Veto { partners: vetoes.iter().map(|partner| name(partner)).collect(), roles: vec![] },
            ..OutcomeRule::default()
        };
        let bench = Bench::with_rule(rule);
        let opening = open(&bench.founded, "norden", "any order");
        let id = opening.record.id();
        let mut records = words(&bench, id, &mut rng);
        let expected = expected_verdict(&records, needs_lead, supporters, &vetoes);
        records.push(opening);
        for order in 0..12 {
            rng.shuffle(&mut records);
            let mut bench = bench.clone();
            let mut decided = 0;
            for signed in &records {
                decided += bench.apply(signed).decisions.len();
                bench.assert_root();
            }
            assert_eq!(bench.state.parked_count(), 0, "case {case} order {order}");
            decided += bench.advance(CREATED.plus(7 * HOUR_MS)).decisions.len();
            assert_eq!(decided, 1, "case {case} order {order}");
            assert_eq!(bench.verdict(id), Some(expected), "case {case} order {order}");
            bench.assert_root();
        }
    }
}

/// A few of everything, sound or not.
pub(super) fn random_record(bench: &Bench, rng: &mut Rng, known: &[RecordId]) -> SignedRecord {
    let pick = |rng: &mut Rng, count: usize| usize::try_from(rng.below(count as u64)).expect("small");
    let partner = FOUR[pick(rng, 4)];
    let named = |rng: &mut Rng| match known.len() {
        0 => RecordId(Hash(rng.bytes())),
        count => known[pick(rng, count)],
    };
    let act = if rng.below(5) == 0 {
        Act::Open(Open {
            kind: ["airlift", "closure", "picnic"][pick(rng, 3)].into(),
            title: "any".into(),
            body: BTreeMap::new(),
            precedence: None,
        })
    } else if rng.below(3) == 0 {
        let all = known.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        Act::Handoff(match rng.below(6) {
            0 | 1 => HandoffAct::Offer(Offer {
                operation: named(rng),
                what: [Handed::Whole, Handed::Role(Role::ALL[pick(rng, 3)])][pick(rng, 2)],
                to: name(FOUR[pick(rng, 4)]),
                phase: None,
                note: None,
                expires: None,
            }),
            2 | 3 => HandoffAct::Accept(Accept { offer: named(rng), acknowledges: Acknowledged::Each(all) }),
            4 => HandoffAct::Decline(Decline { offer: named(rng), ground: None }),
            _ => HandoffAct::Reclaim(Reclaim { offer: named(rng), ground: Some("no".into()) }),
        })
    } else if rng.below(8) == 0 {
        Act::Withdraw(Withdrawal { operation: named(rng), attestation: named(rng) })
    } else {
        Act::Attest(Attest {
            operation: named(rng),
            role: Role::ALL[pick(rng, 3)],
            stance: Stance::ALL[pick(rng, 3)],
            caveat: None,
            evidence: vec![],
            supersedes: (rng.below(3) == 0).then(|| named(rng)),
        })
    };
    record(&bench.founded, partner, &rng.next().to_string(), act)
}

#[test]
fn no_sequence_of_records_panics_lets_replicas_differ_or_counts_an_observer() {
    for seed in 0..12 {
        let mut rng = Rng::new(seed);
        let mut one = Bench::four();
        // Records are made first, so that some are applied before what they name.
        let mut records: Vec<SignedRecord> = Vec::new();
        let mut known = Vec::new();
        for _ in 0..120 {
            let signed = random_record(&one, &mut rng, &known);
            if matches!(signed.record.act, Act::Open(_)) || rng.below(3) == 0 {
                known.push(signed.record.id());
            }
            records.push(signed);
        }
        rng.shuffle(&mut records);
        let repeated = records[..20].to_vec();
        records.extend(repeated);
        let mut two = one.clone();
        let mut decisions = Vec::new();
        let mut waiting = BTreeSet::new();
        // Partners join meanwhile, by draws of their own.
        let (mut joins, joining) = (Joins::default(), &mut Rng::new(1_000 + seed));
        for (step, signed) in records.iter().enumerate() {
            if joining.below(2) == 0 {
                decisions.extend(joins.step(joining, &mut one, &mut two).decisions);
            }
            if rng.below(10) == 0 {
                let time = one.state.time().plus(rng.below(2 * HOUR_MS));
                let advanced = one.advance(time);
                assert_eq!(two.state.advance(time), advanced, "seed {seed} step {step}");
                joins.decided(&advanced.decisions);
                decisions.extend(advanced.decisions);
                for released in &advanced.released {
                    assert!(waiting.remove(&released.record), "seed {seed} step {step}");
                }
            }
            let applied = one.apply(signed);
            assert_eq!(two.apply(signed), applied, "seed {seed} step {step}");
            assert_eq!(one.state.root(), two.state.root(), "seed {seed} step {step}");
            if matches!(applied.disposition, Disposition::Parked { .. }) {
                waiting.insert(signed.record.id());
            }
            for released in &applied.released {
                assert!(waiting.remove(&released.record), "seed {seed} step {step}");
            }
            joins.decided(&applied.decisions);
            decisions.extend(applied.decisions);
            one.assert_root();
        }
        assert_eq!(waiting.len(), one.state.parked_count(), "seed {seed}");
        let decided = decisions.iter().map(|decision| decision.operation).collect::<BTreeSet<_>>();
        assert_eq!(decided.len(), decisions.len(), "seed {seed}: decided twice");
        for decision in &decisions {
            check_decision(one.state.charter(), decision);
        }
        for (closes, id) in one.state.deadlines() {
            assert!(closes > one.state.time() && !decided.contains(&id), "seed {seed}");
        }
        check_voices(&one.state);
    }
}

/// A decision's own content bears it out, by the words of the template.
fn check_decision(charter: &Charter, decision: &Decision) {
    assert!(decision.counted.iter().all(|said| said.role != Role::Observing));
    let partners = decision.counted.iter().map(|said| &said.partner).collect::<BTreeSet<_>>();
    assert_eq!(partners.len(), decision.counted.len(), "one voice each");
    let says = |role: Role, stance: Stance| {
        let said = decision.counted.iter().filter(|said| said.role == role && said.stance == stance);
        said.count()
    };
    let (leads, supporters) = match decision.kind.as_str() {
        "airlift" => (1, 2),
        "amendment" => (0, 3),
        _ => (1, 0),
    };
    let met = says(Lead, Endorse) >= leads && says(Supporting, Endorse) >= supporters;
    let vetoed = decision.kind.as_str() == "airlift" && says(Lead, Object) > 0;
    let expected = match (met, vetoed) {
        (_, true) => Verdict::Failed,
        (true, false) => Verdict::Agreed,
        (false, false) => Verdict::Expired,
    };
    assert_eq!(decision.verdict, expected);
    assert!(decision.decided_by.is_none() || decision.verdict == Verdict::Agreed);
    assert!((1..=charter.version).contains(&decision.charter_version));
}

/// At most one word of each partner stands, and every replaced one names its successor.
fn check_voices(state: &State) {
    for operation in state.operations() {
        let mut standing = BTreeSet::new();
        for said in &operation.attestations {
            match said.superseded_by {
                None => assert!(standing.insert(&said.partner)),
                Some(by) => assert!(
                    operation
                        .attestations
                        .iter()
                        .any(|later| later.record == by && later.partner == said.partner)
                ),
            }
        }
    }
}

#[test]
fn the_root_covers_time_what_was_said_and_in_which_order() {
    let bench = Bench::four();
    let opening = open(&bench.founded, "norden", "o");
    let id = opening.record.id();
    let run = |order: &[SignedRecord]| {
        let mut bench = bench.clone();
        order.iter().for_each(|signed| drop(bench.apply(signed)));
        bench.state
    };
    let one = bench.word("sudria", id, Supporting, Endorse);
    let two = bench.word("estmark", id, Supporting, Endorse);
    let straight = run(&[opening.clone(), one.clone(), two.clone()]);
    assert_eq!(straight.root(), run(&[opening.clone(), one.clone(), two.clone()]).root());
    assert_ne!(straight.root(), run(&[opening.clone(), two, one.clone()]).root());
    assert_ne!(straight.root(), run(&[opening, one]).root());
    let mut later = straight.clone();
    later.advance(straight.time().plus(1));
    assert_ne!(later.root(), straight.root());
    let mut charter = charter(&FOUR);
    charter.nonce.0[0] ^= 1;
    assert_ne!(State::genesis(&found(charter)).root(), State::genesis(&bench.founded).root());
}

#[test]
fn ids_and_the_root_are_pinned() {
    // Whoever changes one of these changes what replicas of another version compute.
    let mut bench = Bench::four();
    let genesis = State::genesis(&bench.founded).root();
    let opening = open(&bench.founded, "norden", "o");
    let word = bench.word("sudria", opening.record.id(), Supporting, Endorse);
    bench.apply(&opening);
    bench.apply(&word);
    bench.advance(CREATED.plus(7 * HOUR_MS));
    let pinned = [
        genesis.to_string(),
        opening.record.id().to_string(),
        word.record.id().to_string(),
        bench.state.root().to_string(),
    ];
    assert_eq!(
        pinned,
        [
            "p333nccuour7ko7aywd6w6ks6y2uzvgntszvc3jaati7jf56nmfa",
            "op-2lr4ttxodpqc6czh44yy4s6husc5xm7xddunadv7xmlivocoe7ia",
            "op-j2xffrxb4xmhxbbezsybwvs3bzukddei6earz4puxgrkafxgx5sa",
            "ttgpz4newlpw5nqcpoomg6chdsjxnh2kdl6m23jdlz36ayeen7qa",
        ]
    );
}
