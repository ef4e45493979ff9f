//! Random handoffs against a shadow that knows the words of the documentation alone.

use super::*;

/// What handoffs do, by the words of the documentation: kept beside the state and compared with it.
#[derive(Default)]
struct Shadow {
    operations: BTreeMap<RecordId, ShadowOperation>,
    offers: BTreeMap<RecordId, ShadowOffer>,
    /// When each partner last said something with an effect.
    heard: BTreeMap<&'static str, Time>,
}

struct ShadowOperation {
    lead: &'static str,
    since: Time,
    phase: usize,
    concluded: bool,
}

struct ShadowOffer {
    operation: RecordId,
    what: Handed,
    from: &'static str,
    to: &'static str,
    phase: bool,
    ends: Time,
    is_open: bool,
}

impl Shadow {
    /// Whether an act of `partner` may have its effect; none where this model does not know.
    fn expects(&self, bench: &Bench, partner: &str, act: &HandoffAct) -> Option<bool> {
        let now = bench.state.time();
        let over = |id: &RecordId| {
            let decided = bench.verdict(*id);
            self.operations[id].concluded || !matches!(decided, None | Some(Verdict::Agreed))
        };
        Some(match act {
            HandoffAct::Accept(it) => {
                let offer = self.offers.get(&it.offer)?;
                let Acknowledged::Each(known) = &it.acknowledges else { return None };
                let is_open = offer.is_open && now < offer.ends && !over(&offer.operation);
                let operation = bench.state.operation(&offer.operation)?;
                let said = operation.attestations.iter().filter(|said| said.superseded_by.is_none());
                let said = said
                    .filter(|said| said.caveat.is_some() || said.stance == Object)
                    .map(|said| said.record);
                let others = self.offers.iter().filter(|(id, other)| {
                    **id != it.offer
                        && other.is_open
                        && now < other.ends
                        && other.operation == offer.operation
                });
                let must = said.chain(others.map(|(id, _)| *id)).collect::<Vec<_>>();
                partner == offer.to && is_open && must.iter().all(|id| known.contains(id))
            }
            HandoffAct::Takeover(it) => {
                let operation = self.operations.get(&it.operation)?;
                let heard = self.heard.get(operation.lead).copied().unwrap_or(Time(0)).max(operation.since);
                let successor = ["sudria", "estmark"][operation.phase];
                !over(&it.operation)
                    && partner == successor
                    && operation.lead != successor
                    && now.since(heard) >= SILENT_MS
            }
            HandoffAct::Conclude(it) => {
                let operation = self.operations.get(&it.operation)?;
                !over(&it.operation)
                    && operation.lead == partner
                    && bench.verdict(it.operation) == Some(Verdict::Agreed)
            }
            HandoffAct::Reclaim(Reclaim { offer: id, .. })
            | HandoffAct::Decline(Decline { offer: id, .. }) => {
                let offer = self.offers.get(id)?;
                let by = if matches!(act, HandoffAct::Reclaim(_)) { offer.from } else { offer.to };
                partner == by && offer.is_open && now < offer.ends && !over(&offer.operation)
            }
            HandoffAct::Offer(_) => return None,
        })
    }

    fn moves(&mut self, operation: RecordId, to: &'static str, phase: bool, now: Time) {
        let it = self.operations.get_mut(&operation).expect("opened");
        let from = it.lead;
        (it.lead, it.since, it.phase) = (to, now, it.phase + usize::from(phase));
        for offer in self.offers.values_mut().filter(|offer| offer.operation == operation) {
            offer.is_open &= offer.from != from || offer.what == Handed::Role(Supporting);
        }
    }

    fn applied(&mut self, bench: &Bench, id: RecordId, partner: &'static str, act: &HandoffAct) {
        let now = bench.state.time();
        match act {
            HandoffAct::Offer(it) => {
                let operation = &self.operations[&it.operation];
                if it.what != Handed::Role(Supporting) {
                    assert_eq!(operation.lead, partner, "only the lead hands the lead over");
                }
                let doubled = self.offers.values().any(|offer| {
                    offer.is_open
                        && now < offer.ends
                        && (offer.operation, offer.from) == (it.operation, partner)
                        && (offer.what == it.what || offer.what == Handed::Whole || it.what == Handed::Whole)
                });
                assert!(!doubled, "one open offer of a role");
                let phase = operation.phase + usize::from(it.phase.is_some());
                assert!(["norden", "sudria", "estmark"].contains(&it.to.as_str()));
                assert!(it.what == Handed::Role(Supporting) || phase == 0 || it.to.as_str() != "norden");
                let to = FOUR.into_iter().find(|to| it.to.as_str() == *to).expect("a partner");
                let (from, what) = (partner, it.what);
                let ends = it.expires.map_or(now.plus(HOUR_MS), |ends| ends.min(now.plus(HOUR_MS)));
                let is_open = from != to;
                let offer = ShadowOffer {
                    operation: it.operation,
                    what,
                    from,
                    to,
                    phase: it.phase.is_some(),
                    ends,
                    is_open,
                };
                self.offers.insert(id, offer);
                if !is_open {
                    self.moves(it.operation, to, true, now);
                }
            }
            HandoffAct::Accept(it) => {
                let offer = self.offers.get_mut(&it.offer).expect("offered");
                offer.is_open = false;
                let (operation, to, phase) = (offer.operation, offer.to, offer.phase);
                if offer.what != Handed::Role(Supporting) {
                    self.moves(operation, to, phase, now);
                }
            }
            HandoffAct::Takeover(it) => self.moves(it.operation, partner, false, now),
            HandoffAct::Conclude(it) => {
                self.operations.get_mut(&it.operation).expect("opened").concluded = true;
            }
            HandoffAct::Decline(Decline { offer, .. }) | HandoffAct::Reclaim(Reclaim { offer, .. }) => {
                self.offers.get_mut(offer).expect("offered").is_open = false;
            }
        }
    }
}

fn random_act(
    rng: &mut Rng,
    operations: &[RecordId],
    offered: &[RecordId],
    known: &[RecordId],
) -> HandoffAct {
    let pick = |rng: &mut Rng, ids: &[RecordId]| match ids.len() {
        0 => RecordId(Hash(rng.bytes())),
        // Mostly the last, which are still open.
        count => ids[count - 1 - (rng.below(count as u64).min(rng.below(4))) as usize],
    };
    let operation = pick(rng, operations);
    match rng.below(9) {
        0..=3 => HandoffAct::Offer(Offer {
            phase: (rng.below(3) == 0).then(|| "rescue".parse().expect("a name")),
            expires: (rng.below(3) == 0).then(|| CREATED.plus(rng.below(40) * HOUR_MS)),
            ..offer(
                operation,
                [LEAD, Handed::Whole, Handed::Role(Supporting)][rng.below(3) as usize],
                FOUR[rng.below(4) as usize],
            )
        }),
        4 | 5 => {
            let mut known = known.iter().copied().collect::<BTreeSet<_>>();
            if rng.below(4) == 0 {
                known.pop_first();
            }
            let acknowledges = Acknowledged::Each(known.into_iter().collect());
            HandoffAct::Accept(Accept { offer: pick(rng, offered), acknowledges })
        }
        6 => HandoffAct::Takeover(Takeover { operation, ground: None }),
        7 if rng.below(3) == 0 => HandoffAct::Conclude(Conclude { operation, note: None }),
        7 => HandoffAct::Reclaim(Reclaim { offer: pick(rng, offered), ground: None }),
        _ => HandoffAct::Decline(Decline { offer: pick(rng, offered), ground: None }),
    }
}

#[test]
fn no_sequence_of_records_gives_two_leads_or_none_or_another_than_whoever_accepted() {
    let (mut moved, mut taken, mut phases) = (0, 0, 0);
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let mut charter = relay_charter();
        charter.operations[0].rule = OutcomeRule { required: vec![Lead], ..OutcomeRule::default() };
        let mut bench = Bench::new(found(charter));
        let mut shadow = Shadow::default();
        let (mut operations, mut offered, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for step in 0..160 {
            let partner = FOUR[rng.below(4) as usize];
            let now = bench.state.time();
            match rng.below(12) {
                0 if operations.len() < 4 => {
                    let opener = ["norden", "sudria", "estmark"][rng.below(3) as usize];
                    let opened = open(&bench.founded, opener, &step.to_string());
                    assert_eq!(bench.apply(&opened).disposition, Disposition::Applied);
                    let id = opened.record.id();
                    operations.push(id);
                    let it = ShadowOperation { lead: opener, since: now, phase: 0, concluded: false };
                    shadow.operations.insert(id, it);
                    shadow.heard.insert(opener, now);
                }
                1 => {
                    let most = if rng.below(4) == 0 { 3 * HOUR_MS } else { HOUR_MS / 4 };
                    bench.pass_time(rng.below(most));
                }
                2..=4 if !operations.is_empty() => {
                    let operation = operations[rng.below(operations.len() as u64) as usize];
                    let leads = shadow.operations[&operation].lead == partner;
                    let role =
                        if leads { Lead } else { [Supporting, Supporting, Observing][rng.below(3) as usize] };
                    let caveat = (rng.below(4) == 0).then(|| "by day".to_owned());
                    let stance = if rng.below(8) == 0 { Object } else { Endorse };
                    let said = Attest { operation, role, stance, caveat, evidence: vec![], supersedes: None };
                    let signed = bench.act(partner, &format!("a{step}"), Act::Attest(said));
                    if bench.apply(&signed).disposition == Disposition::Applied {
                        known.push(signed.record.id());
                        shadow.heard.insert(partner, now);
                    }
                }
                _ => {
                    let act = random_act(&mut rng, &operations, &offered, &known);
                    // Mostly said by whom it concerns.
                    let partner = match (&act, act.offer().and_then(|id| shadow.offers.get(&id))) {
                        _ if rng.below(4) == 0 => partner,
                        (HandoffAct::Reclaim(_), Some(offer)) => offer.from,
                        (_, Some(offer)) => offer.to,
                        (HandoffAct::Offer(Offer { operation, what: LEAD | Handed::Whole, .. }), _)
                        | (HandoffAct::Conclude(Conclude { operation, .. }), _) => {
                            shadow.operations.get(operation).map_or(partner, |it| it.lead)
                        }
                        _ => partner,
                    };
                    let expected = shadow.expects(&bench, partner, &act);
                    let signed = bench.act(partner, &step.to_string(), Act::Handoff(act.clone()));
                    let disposition = bench.apply(&signed).disposition;
                    let applied = disposition == Disposition::Applied;
                    if let Some(expected) = expected {
                        assert_eq!(
                            applied, expected,
                            "seed {seed} step {step}: {partner} {act:?} {disposition}"
                        );
                    }
                    if applied {
                        let id = signed.record.id();
                        shadow.applied(&bench, id, partner, &act);
                        shadow.heard.insert(partner, now);
                        known.push(id);
                        match act {
                            HandoffAct::Offer(_) => offered.push(id),
                            HandoffAct::Accept(_) => moved += 1,
                            HandoffAct::Takeover(_) => taken += 1,
                            _ => {}
                        }
                    }
                }
            }
            for (id, it) in &shadow.operations {
                let operation = bench.state.operation(id).expect("opened");
                assert_eq!(operation.lead.as_str(), it.lead, "seed {seed} step {step}");
                assert_eq!(operation.phase as usize, it.phase, "seed {seed} step {step}");
                assert_eq!(operation.concluded.is_some(), it.concluded, "seed {seed} step {step}");
                let kind = bench.state.charter().kind("airlift").expect("declared");
                let leads =
                    LEADS.map(name).into_iter().filter(|it| operation.roles(kind, it).contains(&Lead));
                assert_eq!(leads.collect::<Vec<_>>(), [name(it.lead)], "seed {seed} step {step}");
            }
            if step % 8 == 0 {
                bench.assert_root();
            }
        }
        for offer in bench.state.handoffs() {
            let Handoff { end, expires, .. } = offer;
            assert_eq!(end.is_none(), bench.state.deadlines().any(|(_, id)| id == offer.id));
            assert!(end.is_some() || *expires > bench.state.time());
        }
        phases += shadow.operations.values().filter(|it| it.phase == 1).count();
    }
    assert!(moved > 100 && taken > 5 && phases > 10, "{moved} moved, {taken} taken, {phases} phases");
}
