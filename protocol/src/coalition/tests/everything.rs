//! Acts of every kind in one log, in any order: what the charter's words promise of each holds beside all others.

use super::assets::{contribute, declare, recall};
use super::authority::authority;
use super::authority::{speak, statement};
use super::disputes::{disputes, rules_as};
use super::handoffs::{LEAD, accepts, concludes, offers, takes_over};
use super::integrity::{confirm, matter, report_of, vote, withdraw};
use super::keys::{direct, grant, revoke};
use super::leases::{alone, commits, leased_charter, lift};
use super::members::{leave, propose};
use super::*;
use crate::authority::{Authority, AuthorityKind, Expression, KindPrecedence, Scope, Word};
use crate::charter::{
    Effect, HandoffRule, IntegrityRules, OperationType, PartnerName, Phase, Response, TakeoverRule,
};
use crate::coalition::Membership;
use crate::credential::{Capability, Target};
use crate::record::{
    AssetAct, Control, DisputeAct, EventKind, Handed, HandoffAct, IntegrityAct, LeaseAct, Measure, MemberAct,
    Ruling, Withdrawal,
};

const SEVEN: [&str; 7] = ["norden", "sudria", "estmark", "vigil", "borea", "corvus", "delphin"];
const LEADS: [&str; 3] = ["estmark", "norden", "sudria"];

/// Leases, a panel, takeovers, two phases, votes that suspend, keys in quarantine, a command that closures need; three may lead, and
/// two endorsements are enough.
fn a_charter_with_everything() -> Charter {
    leased_charter(|charter| {
        charter.integrity = IntegrityRules::of(SEVEN.len());
        charter.integrity.responses.equivocation = vec![Response::Alert, Response::Suspend];
        charter.integrity.responses.impersonation = vec![Response::Quarantine];
        charter.integrity.lift_votes = 2;
        charter.integrity.confirmations = 2;
        charter.integrity.reporter_counts = true;
        let amends = |kind: &&mut OperationType| kind.effect == Some(Effect::Amend);
        for kind in charter.operations.iter_mut().filter(amends) {
            kind.rule.at_least = vec![AtLeast { role: Supporting, count: 2 }];
        }
        let needs = ["estmark", "norden", "sudria"].map(|name| Expression::Named(authority(name))).to_vec();
        charter.authority.precedence = Some(KindPrecedence::default());
        charter.authority.authorities = vec![Authority {
            name: authority("command"),
            kind: AuthorityKind::Coalition,
            scope: Scope::default(),
            expression: Expression::threshold(2, needs, &[]).expect("sound"),
        }];
        let closure = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "closure");
        closure.expect("declared").authority = Some(authority("command"));
        let airlift = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift");
        let airlift = airlift.expect("declared");
        airlift.lead = LEADS.map(name).to_vec();
        airlift.dispute.as_mut().expect("declared").grounds.clear();
        let phase = |title: &str| Phase {
            name: title.parse().expect("a name"),
            lead: LEADS.map(name).to_vec(),
            successor: None,
        };
        airlift.phases = vec![phase("approach"), phase("return")];
        let takeover = TakeoverRule { successor: name("sudria"), silent_ms: Some(2 * HOUR_MS), lapsed: true };
        airlift.handoff = HandoffRule { offer_ms: HOUR_MS, takeover: Some(takeover) };
    })
}

/// Ids by what they are of; mostly one of the last.
#[derive(Default)]
struct Known {
    operations: Vec<RecordId>,
    said: Vec<RecordId>,
    assets: Vec<RecordId>,
    offers: Vec<RecordId>,
    disputes: Vec<RecordId>,
    events: Vec<RecordId>,
}

/// Ids from the earliest on.
fn latest(mut at: Vec<(Time, RecordId)>) -> Vec<RecordId> {
    at.sort();
    at.into_iter().map(|(_, id)| id).collect()
}

fn one_of(rng: &mut Rng, ids: &[RecordId]) -> RecordId {
    match ids.len() {
        0 => RecordId(Hash(rng.bytes())),
        // One in ten is of something else than it should be.
        count => ids[count - 1 - rng.below((count as u64).min(6)) as usize],
    }
}

impl Known {
    fn named(&self, rng: &mut Rng, ids: &[RecordId]) -> RecordId {
        let all = [&self.operations, &self.said, &self.assets, &self.offers, &self.disputes, &self.events];
        let ids = if rng.below(12) == 0 { all[rng.below(6) as usize] } else { ids };
        one_of(rng, ids)
    }

    /// Who says what; most of it is right at some time.
    fn act(&self, bench: &Bench, rng: &mut Rng, step: usize) -> (&'static str, Act) {
        let any = SEVEN[rng.below(7) as usize];
        let closures =
            bench.state.operations().filter(|it| it.open.kind == "closure" && it.decision.is_none());
        let closures = latest(closures.map(|it| (it.opened_at, it.id)).collect());
        let operation = match closures.last() {
            Some(closure) if rng.below(5) == 0 => *closure,
            _ => self.named(rng, &self.operations),
        };
        let is = |named: Option<&PartnerName>| {
            SEVEN.into_iter().find(|it| named.is_some_and(|named| named.as_str() == *it)).unwrap_or(any)
        };
        let lead = is(bench.state.operation(&operation).map(|it| &it.lead));
        // Most of what is said is said by who has a voice.
        let voices = bench.state.operation(&operation).and_then(|it| bench.state.kind_of(it));
        let voices =
            voices.map(|kind| kind.voters().into_iter().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let disputable = bench.state.operations().filter(|it| it.open.kind == "airlift");
        let disputable = disputable.filter_map(|it| Some((it.decision.as_ref()?.decided_at, it.id)));
        let disputable = latest(disputable.collect());
        let contested = bench.state.disputes().filter(|it| it.end.is_none());
        let contested = latest(contested.map(|it| (it.at, it.id)).collect());
        let corridor = ["alfa", "bravo", "charlie"][rng.below(3) as usize];
        // What has begun is brought to its end rather than left alone.
        let what = match rng.below(24) {
            0..=3 if !contested.is_empty() => 17,
            4..=6 if !closures.is_empty() => 20,
            _ => rng.below(24),
        };
        match what {
            0 => (LEADS[rng.below(3) as usize], Act::Open(lift(&step.to_string(), corridor))),
            1 if rng.below(4) > 0 => {
                let open = Open { kind: "closure".into(), ..lift(&step.to_string(), corridor) };
                (LEADS[rng.below(3) as usize], Act::Open(Open { body: BTreeMap::new(), ..open }))
            }
            1 => {
                let open = Open { body: BTreeMap::new(), ..lift(&step.to_string(), corridor) };
                (LEADS[rng.below(3) as usize], Act::Open(open))
            }
            2 => (LEADS[rng.below(3) as usize], alone(&step.to_string(), corridor)),
            3..=7 => {
                let partner = match rng.below(6) {
                    0 => any,
                    1 | 2 => lead,
                    _ if voices.is_empty() => any,
                    _ => is(voices.get(rng.below(voices.len() as u64) as usize)),
                };
                let changes = bench.state.operation(&operation).is_some_and(|it| it.change.is_some());
                let leads = partner == lead && !changes;
                let role =
                    if leads { Lead } else { [Supporting, Supporting, Observing][rng.below(3) as usize] };
                let standing = bench.state.operation(&operation).and_then(|it| it.standing(&name(partner)));
                let attest = Attest {
                    operation,
                    role,
                    stance: [Endorse, Endorse, Endorse, Object, Abstain][rng.below(5) as usize],
                    caveat: (rng.below(5) == 0).then(|| "by day".to_owned()),
                    evidence: vec![],
                    supersedes: standing.map(|said| said.record),
                };
                (partner, Act::Attest(attest))
            }
            8 => {
                let said = bench.state.operation(&operation).and_then(|it| it.attestations.last());
                let attestation = said.map_or_else(|| self.named(rng, &self.said), |said| said.record);
                let withdrawal = Withdrawal { operation, attestation };
                (is(said.map(|said| &said.partner)), Act::Withdraw(withdrawal))
            }
            9 => (any, declare(&format!("lift-{step}"))),
            10 => {
                let asset = self.named(rng, &self.assets);
                let owner = is(bench.state.asset(&asset).map(|it| &it.owner));
                let control =
                    [Control::Owner, Control::Lead(vec![name("sudria")])][rng.below(2) as usize].clone();
                (owner, contribute(asset, operation, control))
            }
            11 => (any, recall(self.named(rng, &self.assets))),
            12 => {
                let what = [LEAD, Handed::Whole, Handed::Role(Supporting)][rng.below(3) as usize];
                (lead, offers(operation, what, LEADS[rng.below(3) as usize]))
            }
            13 | 14 => {
                let offer = self.named(rng, &self.offers);
                let it = bench.state.handoff(&offer);
                let items = it.and_then(|it| {
                    Some(bench.state.open_items(bench.state.operation(&it.operation)?, Some(&offer)))
                });
                let items = items.unwrap_or_default().iter().map(|item| item.record).collect::<Vec<_>>();
                (is(it.map(|it| &it.to)), accepts(offer, &items))
            }
            15 if rng.below(3) == 0 => (lead, concludes(operation)),
            15 => (if rng.below(3) == 0 { any } else { "sudria" }, takes_over(operation)),
            16 => (any, disputes(one_of(rng, &disputable))),
            17 => {
                let judge = ["borea", "corvus", "vigil"][rng.below(3) as usize];
                let rulings = [Ruling::Annul, Ruling::Annul, Ruling::Uphold, Ruling::Remand];
                let dispute = match contested.last() {
                    Some(dispute) if rng.below(3) > 0 => *dispute,
                    _ => self.named(rng, &self.disputes),
                };
                (judge, rules_as(1 + step as u32 / 32, dispute, rulings[rng.below(4) as usize]))
            }
            18 => {
                let accused = SEVEN[rng.below(7) as usize];
                let officer = (rng.below(3) == 0).then(|| key(accused, "officer").public());
                let kind = if officer.is_some() { EventKind::Impersonation } else { EventKind::Equivocation };
                (any, report_of(matter(kind, Some(accused), officer), None))
            }
            19 => {
                let event = self.named(rng, &self.events);
                let measure = if rng.below(2) == 0 { Measure::Lift } else { Measure::Suspend };
                (any, [confirm(event), withdraw(event), vote(event, measure)][rng.below(3) as usize].clone())
            }
            20 if rng.below(2) == 0 => {
                let word = [Word::Order, Word::Order, Word::Permit, Word::Refuse][rng.below(4) as usize];
                let number = u32::try_from(step).expect("few");
                let closure = closures.last().copied().unwrap_or(operation);
                (LEADS[rng.below(3) as usize], speak(statement(closure, "command", word, number)))
            }
            20 => {
                let word = [Word::Refuse, Word::Permit, Word::Recall][rng.below(3) as usize];
                (any, speak(statement(operation, any, word, u32::try_from(step).expect("few"))))
            }
            21 => (any, commits(operation)),
            22 if rng.below(3) < 2 => {
                let subject = name(SEVEN[rng.below(7) as usize]);
                let (kind, change) = match rng.below(7) {
                    5 | 6 => {
                        let mut wanted = Charter::clone(bench.state.last_charter());
                        wanted.operations.iter_mut().for_each(|kind| kind.window_ms += 60_000);
                        let amendment = bench.state.last_charter().amendment_to(&wanted).expect("sound");
                        ("amendment", Change::Amend(Box::new(amendment)))
                    }
                    0 | 1 => ("suspension", Change::Suspend(subject)),
                    2 | 3 => ("reinstatement", Change::Reinstate(subject)),
                    _ => ("expulsion", Change::Expel(subject)),
                };
                (any, propose(kind, change))
            }
            _ => match rng.below(40) {
                0 => (any, leave()),
                1 => {
                    let officer = key(any, "officer").public();
                    (any, revoke(&bench.founded, &key(any, "root"), Target::Key(officer)))
                }
                _ => {
                    let second = key("sudria", &format!("officer {}", rng.below(3)));
                    (any, grant(&direct(&bench.founded, &second, Capability::Officer)))
                }
            },
        }
    }

    fn take(&mut self, id: RecordId, act: &Act) {
        match act {
            Act::Open(_) | Act::Lease(_) => self.operations.push(id),
            Act::Member(MemberAct::Propose(_)) => self.operations.push(id),
            Act::Attest(_) => self.said.push(id),
            Act::Asset(AssetAct::Declare(_)) => self.assets.push(id),
            Act::Handoff(HandoffAct::Offer(_)) => self.offers.push(id),
            Act::Dispute(DisputeAct::Open(_)) => self.disputes.push(id),
            Act::Integrity(IntegrityAct::Report(_)) => self.events.push(id),
            _ => {}
        }
    }
}

fn kind_of(act: &Act) -> &'static str {
    match act {
        Act::Open(_) => "open",
        Act::Attest(_) => "attest",
        Act::Asset(_) => "asset",
        Act::Member(_) => "member",
        Act::Integrity(_) => "integrity",
        Act::Handoff(_) => "handoff",
        Act::Dispute(_) => "dispute",
        Act::Withdraw(_) => "withdraw",
        Act::Authority(_) => "authority",
        Act::Key(_) => "key",
        Act::Lease(_) => "lease",
    }
}

/// What holds of any state, by the words of the documentation.
fn check(state: &State, gone: &mut BTreeMap<PartnerName, Membership>, at: &str) {
    for operation in state.operations() {
        let kind = state.kind_of(operation).expect("declared");
        if operation.change.is_none() {
            let leads = SEVEN.map(name).into_iter().filter(|it| operation.roles(&kind, it).contains(&Lead));
            assert!(leads.eq([operation.lead.clone()]), "{at}: {} alone leads", operation.lead);
        }
        let standing = operation.attestations.iter().filter(|said| said.stands());
        let standing = standing.map(|said| &said.partner).collect::<Vec<_>>();
        let once = standing.iter().collect::<BTreeSet<_>>();
        assert_eq!(once.len(), standing.len(), "{at}: one word of each stands");
        if let Some(decision) = &operation.decision {
            assert!(
                decision.counted.iter().all(|said| said.role != Observing),
                "{at}: observers never count"
            );
            let subject = operation.change.as_ref().and_then(Change::subject);
            let own = decision.counted.iter().find(|said| Some(&said.partner) == subject);
            assert_eq!(own, None, "{at}: no voice in its own cause");
        }
    }
    for asset in state.assets() {
        let granted = match &asset.lent {
            Some(lent) => match &lent.grant.control {
                Control::Owner => vec![],
                Control::Lead(partners) => partners.clone(),
            },
            None => vec![],
        };
        let controller = state.controller(asset);
        assert!(
            *controller == asset.owner || granted.contains(controller),
            "{at}: {controller} was granted nothing"
        );
        assert!(
            *controller == asset.owner || state.is_active(controller),
            "{at}: who is away directs nothing"
        );
    }
    for partner in SEVEN.map(name) {
        let now = state.membership(&partner);
        match gone.get(&partner) {
            Some(before) => assert_eq!(now, *before, "{at}: {partner} was removed"),
            None if now.is_gone() => drop(gone.insert(partner, now)),
            None => {}
        }
    }
}

#[test]
fn no_sequence_of_acts_of_every_kind_breaks_what_is_promised_of_one() {
    let (mut applied, mut kinds) = (0, BTreeMap::<&str, usize>::new());
    let (mut ruled, mut told) = (0, BTreeSet::new());
    for seed in 0..24 {
        let mut rng = Rng::new(seed);
        let mut bench = Bench::new(found(a_charter_with_everything()));
        let mut twin = bench.clone();
        let (mut known, mut gone) = (Known::default(), BTreeMap::new());
        let mut version = 1;
        let mut said_by = BTreeMap::<RecordId, &str>::new();
        let (mut copy, mut late) = (BTreeMap::<Hash, Vec<u8>>::new(), Vec::<SignedRecord>::new());
        for step in 0..220 {
            let at = format!("seed {seed} step {step}");
            if rng.below(12) == 0 {
                let time = bench.state.time().plus(rng.below(2 * HOUR_MS));
                let advanced = bench.advance(time);
                assert_eq!(twin.state.advance(time), advanced, "{at}");
                bench.state.begin_batch();
                twin.state.begin_batch();
                ruled += advanced.rulings.len();
                check(&bench.state, &mut gone, &at);
                continue;
            }
            let (partner, act) = known.act(&bench, &mut rng, step);
            let owners =
                bench.state.assets().map(|it| (it.id, it.owner.clone(), it.lent.clone())).collect::<Vec<_>>();
            let signed = bench.act(partner, &at, act.clone());
            said_by.insert(signed.record.id(), partner);
            // Some come long after they were said.
            let signed = match rng.below(10) {
                0 => {
                    // What is not there yet is named all the same.
                    known.take(signed.record.id(), &act);
                    late.push(signed);
                    continue;
                }
                1 if !late.is_empty() => late.swap_remove(rng.below(late.len() as u64) as usize),
                _ => signed,
            };
            let taken = bench.apply(&signed);
            assert_eq!(twin.apply(&signed), taken, "{at}");
            ruled += taken.rulings.len();
            told.extend(bench.state.last_charter().version.gt(&version).then_some("amended"));
            version = bench.state.last_charter().version;
            told.extend(
                bench.state.events().any(|event| event.quarantined.is_some()).then_some("quarantine"),
            );
            let allowed = |it: &Decision| it.kind.as_str() == "closure" && it.verdict.is_agreed();
            told.extend(taken.decisions.iter().any(allowed).then_some("closed by the command"));
            told.extend(
                taken.rulings.iter().any(|ruled| ruled.ruled_by.is_some()).then_some("ruled by a panel"),
            );
            if taken.disposition == Disposition::Applied {
                told.extend(match &signed.record.act {
                    Act::Dispute(DisputeAct::Open(_)) => Some("disputed"),
                    Act::Handoff(HandoffAct::Takeover(_)) => Some("taken over"),
                    Act::Integrity(IntegrityAct::Vote(_)) => Some("voted on an event"),
                    Act::Lease(LeaseAct::Commit(_)) => Some("committed"),
                    _ => None,
                });
                known.take(signed.record.id(), &signed.record.act);
                applied += 1;
                *kinds.entry(kind_of(&signed.record.act)).or_default() += 1;
            }
            check(&bench.state, &mut gone, &at);
            // Nobody else's record lends an asset, nor takes it home; what has waited may take effect with another's.
            let said = taken.released.iter().map(|it| it.record).chain([signed.record.id()]);
            let authors = said.filter_map(|id| said_by.get(&id).map(|by| name(by))).collect::<BTreeSet<_>>();
            for (id, owner, lent) in owners {
                let now = bench.state.asset(&id).expect("declared");
                assert_eq!(now.owner, owner, "{at}: an asset stays its owner's");
                assert!(now.lent == lent || authors.contains(&owner), "{at}: {authors:?}");
            }
            if step % 20 == 0 {
                bench.assert_root();
                // It goes on as its original.
                twin.state = bench.copied(&mut copy);
            }
        }
    }
    let all = [
        "amended",
        "closed by the command",
        "committed",
        "disputed",
        "quarantine",
        "ruled by a panel",
        "taken over",
        "voted on an event",
    ];
    let all = all.into();
    assert!(
        applied > 600 && kinds.len() >= 10 && ruled >= 3 && told == all,
        "{applied}, {ruled}, {told:?}: {kinds:?}"
    );
}
