//! What officers say of the coalition's affairs: assets, handoffs, disputes, membership, amendments, integrity. What is said is
//! drawn when it is said, from a stream of its own, so that it can refer to what is known there then.
//!
//! Three in four say what their own node's state would take; the others say anything about anything.

use std::collections::BTreeMap;

use entente_protocol::charter::{Charter, PartnerName};
use entente_protocol::coalition::{Author, Operation, State};
use entente_protocol::credential::Target;
use entente_protocol::identity::{RecordId, SecretKey};
use entente_protocol::record::{
    Accept, Acknowledged, Act, AssetAct, Attest, Change, Conclude, Confirm, Contribute, Control, Declare,
    Decline, DisputeAct, EventKind, Handed, HandoffAct, IntegrityAct, KeyAct, Matter, Measure, MemberAct,
    Offer, Open, OpenDispute, Propose, Recall, Reclaim, Report, Role, Rule, Ruling, Stance, Takeover, Vote,
    Watch, Withdraw, Withdrawal,
};
use entente_protocol::time::Time;

use super::{Run, leases, words};
use crate::sim::members::officer;
use crate::sim::rng::Rng;

/// What the draw of a speech is kept apart from.
const PURPOSE: u64 = 13;
/// And that of who signs, of changes of keys, commitments and words of authorities, where there are any.
const POWERS: u64 = 15;
/// And that of an alliance's document.
const PACTS: u64 = 18;
/// And that of what is said at the same time as such a change.
const MEANWHILE: u64 = 16;

impl Run {
    /// An officer at the node of `member` says something.
    pub(super) fn say(&mut self, member: usize, draw: u64) {
        let rng = &mut Rng::new(draw, PURPOSE);
        let seats = self.world.history.seats;
        let Some(engine) = self.world.processes[member].engine.as_ref() else { return };
        let state = engine.state();
        let me = state.founded().partners()[member % seats].name.clone();
        let now = self.world.local(member);
        let mut signer = officer(member % seats, 0);
        let mut power = None;
        if self.world.history.powers {
            let rng = &mut Rng::new(draw, POWERS);
            signer = self.keyring.signer(state, member % seats, rng);
            let (keyring, partner) = (&mut self.keyring, member % seats);
            power = match rng.below(100) {
                0..=16 => keyring.change(state, partner, now, rng).map(Act::Key),
                17..=36 => Some(leases::speech(state, &me, rng)),
                37..=48 => words::speech(state, &me, rng),
                _ => None,
            };
        }
        if self.world.history.pact.is_some() {
            let rng = &mut Rng::new(draw, PACTS);
            let document = rng.chance(12).then(|| words::document(state, rng)).flatten();
            power = document.or(power);
        }
        let says = Says { state, me: &me, now, officer: signer.public() };
        let sense = |rng: &mut Rng| rng.chance(75).then(|| says.sense(rng)).flatten();
        let act = power.or_else(|| sense(rng));
        let act = act.unwrap_or_else(|| says.nonsense(&self.said, rng));
        let also = self.meanwhile(member, &act, draw);
        let id = self.says_with(member, &signer, act);
        self.said.push(id);
        if let Some((member, signer, act)) = also {
            let id = self.says_with(member, &signer, act);
            self.said.push(id);
        }
    }

    /// What is said at the same time, and comes too late if it is ordered second: the same change or claim by somebody else, or
    /// something by the key that is taken back.
    fn meanwhile(&self, member: usize, act: &Act, draw: u64) -> Option<(usize, SecretKey, Act)> {
        let claims = matches!(act, Act::Open(open) if open.body.contains_key("corridor"));
        if !claims && !matches!(act, Act::Authority(_) | Act::Key(_) | Act::Lease(_)) {
            return None;
        }
        let (rng, seats) = (&mut Rng::new(draw, MEANWHILE), self.world.history.seats);
        if let Act::Key(KeyAct::Revoke(signed)) = act
            && let Target::Key(key) = signed.revocation.target
            && rng.chance(70)
        {
            let (partner, key) = self.keyring.owner(&key)?;
            let open =
                Open { kind: "closure".into(), title: text(rng), body: BTreeMap::new(), precedence: None };
            let report = || {
                let matter = Matter { kind: EventKind::Withholding, against: None, key: None, victim: None };
                Report { matter, text: "one".into(), evidence: vec![], proof: None, since: None, shown: None }
            };
            let act =
                if partner == 0 { Act::Open(open) } else { Act::Integrity(IntegrityAct::Report(report())) };
            return Some((partner, key, act));
        }
        let other = if rng.chance(50) { member } else { rng.index(seats) };
        rng.chance(40).then(|| (other, officer(other % seats, 0), act.clone()))
    }

    /// Once all are well again, some of them talk in turn, so that what one says another knows; everything is ordered each time.
    pub(super) fn talk(&mut self) {
        let rng = &mut Rng::new(self.world.history.seed, PURPOSE);
        self.talking = true;
        for round in 0..self.world.history.talks {
            for _ in 0..rng.between(2, 5) {
                let member = rng.index(self.world.history.seats);
                if !self.world.history.is_faulty(member) {
                    self.say(member, rng.next());
                }
            }
            self.talk_of_joins(round);
            let correct = |world: &super::World, member: usize| {
                member < world.history.members() && !world.history.is_faulty(member)
            };
            self.must_progress("what was said of the coalition's affairs", &correct);
            if self.failed() {
                return;
            }
        }
        self.talking = false;
    }

    /// All correct members that have applied as much show the same state, and it is what the log makes it.
    pub(super) fn all_alike(&mut self) {
        if self.failed() {
            return;
        }
        let world = &mut self.world;
        for process in 0..world.history.members() {
            let at = &world.processes[process];
            if let Some(engine) = at.engine.as_ref().filter(|_| !world.oracle.excuses(at.member)) {
                world.oracle.shows(process, engine.status(world.now).applied, engine.state());
            }
        }
    }
}

/// Who speaks, and what it knows.
struct Says<'a> {
    state: &'a State,
    me: &'a PartnerName,
    now: Time,
    officer: entente_protocol::identity::PublicKey,
}

fn text(rng: &mut Rng) -> String {
    format!("said {}", rng.below(1_000))
}

fn maybe(rng: &mut Rng) -> Option<String> {
    rng.chance(30).then(|| text(rng))
}

/// How often something else is drawn where there is nothing to say of a kind.
const TRIES: usize = 4;

/// Something to say, if there is.
type Speech<T> = fn(&T, &mut Rng) -> Option<Act>;

impl Says<'_> {
    /// What is said, and how often it is tried.
    const WEIGHTS: [(Speech<Self>, u64); 14] = [
        (Self::open, 6),
        (Self::attest, 30),
        (Self::withdraw, 2),
        (Self::declare, 4),
        (Self::contribute, 7),
        (Self::recall, 4),
        (Self::offer, 8),
        (Self::answer, 25),
        (Self::takeover, 4),
        (Self::conclude, 3),
        (Self::dispute, 7),
        (Self::rule, 20),
        (Self::member, 4),
        (Self::integrity, 6),
    ];

    fn charter(&self) -> &Charter {
        self.state.charter()
    }

    fn others(&self) -> Vec<PartnerName> {
        let partners = self.charter().partners.iter().map(|partner| partner.name.clone());
        partners.filter(|name| name != self.me).collect()
    }

    fn other(&self, rng: &mut Rng) -> Option<PartnerName> {
        let others = self.others();
        (!others.is_empty()).then(|| rng.pick(&others).clone())
    }

    fn one<'a, T>(rng: &mut Rng, all: impl Iterator<Item = T> + 'a) -> Option<T> {
        let mut all = all.collect::<Vec<_>>();
        (!all.is_empty()).then(|| all.swap_remove(rng.index(all.len())))
    }

    fn live(&self) -> impl Iterator<Item = &Operation> {
        self.state.operations().filter(|operation| operation.over().is_none())
    }

    /// What its own state would take, as far as it is easily seen.
    fn sense(&self, rng: &mut Rng) -> Option<Act> {
        (0..TRIES).find_map(|_| {
            let mut drawn = rng.below(Self::WEIGHTS.iter().map(|(_, weight)| weight).sum());
            let found = Self::WEIGHTS.iter().find(|(_, weight)| {
                let here = drawn < *weight;
                drawn = drawn.saturating_sub(*weight);
                here
            });
            found.and_then(|(speech, _)| speech(self, rng))
        })
    }

    fn open(&self, rng: &mut Rng) -> Option<Act> {
        let kind = if rng.chance(60) { "airlift" } else { "closure" };
        Some(Act::Open(Open { kind: kind.into(), title: text(rng), body: BTreeMap::new(), precedence: None }))
    }

    fn attest(&self, rng: &mut Rng) -> Option<Act> {
        let undecided = self.live().filter(|operation| operation.decision.is_none());
        let silent = undecided.filter(|operation| operation.concerns() != Some(self.me));
        let operation = Self::one(rng, silent)?;
        let kind = self.state.kind_of(operation)?;
        let roles = kind.all_roles().filter(|role| kind.may_act(self.me, *role)).collect::<Vec<_>>();
        let role = *roles.first()?;
        let role = if rng.chance(80) { role } else { *rng.pick(&roles) };
        let stance = match rng.below(10) {
            0 => Stance::Object,
            1 => Stance::Abstain,
            _ => Stance::Endorse,
        };
        let supersedes = operation.standing(self.me).map(|said| said.record);
        Some(Act::Attest(Attest {
            operation: operation.id,
            role,
            stance,
            caveat: maybe(rng),
            evidence: vec![],
            supersedes,
        }))
    }

    fn withdraw(&self, rng: &mut Rng) -> Option<Act> {
        let undecided = self.live().filter(|operation| operation.decision.is_none());
        let said =
            undecided.filter_map(|operation| Some((operation.id, operation.standing(self.me)?.record)));
        let (operation, attestation) = Self::one(rng, said)?;
        Some(Act::Withdraw(Withdrawal { operation, attestation }))
    }

    fn declare(&self, rng: &mut Rng) -> Option<Act> {
        let name = format!("lift-{}", rng.below(8)).parse().expect("letters, digits and a dash");
        let kind = "c-130".parse().expect("letters, digits and a dash");
        Some(Act::Asset(AssetAct::Declare(Declare { name, kind, label: text(rng) })))
    }

    fn contribute(&self, rng: &mut Rng) -> Option<Act> {
        let at_home = self.state.assets_of(self.me).filter(|asset| self.state.serves(asset).is_none());
        let asset = Self::one(rng, at_home)?.id;
        let operation = Self::one(rng, self.live())?.id;
        let control = if rng.chance(50) { Control::Owner } else { self.control(rng) };
        Some(Act::Asset(AssetAct::Contribute(Contribute { asset, operation, caveat: maybe(rng), control })))
    }

    fn control(&self, rng: &mut Rng) -> Control {
        let mut to = self.charter().partners.iter().map(|partner| partner.name.clone()).collect::<Vec<_>>();
        to.retain(|_| rng.chance(60));
        to.sort_unstable();
        if to.is_empty() { Control::Owner } else { Control::Lead(to) }
    }

    fn recall(&self, rng: &mut Rng) -> Option<Act> {
        let lent = self.state.assets_of(self.me).filter(|asset| self.state.serves(asset).is_some());
        let asset = Self::one(rng, lent)?.id;
        Some(Act::Asset(AssetAct::Recall(Recall { asset, ground: maybe(rng) })))
    }

    fn offer(&self, rng: &mut Rng) -> Option<Act> {
        let led = self.live().filter(|operation| operation.lead == *self.me);
        let operation = Self::one(rng, led)?;
        let kind = self.state.kind_of(operation)?;
        let leads = kind.lead.iter().filter(|name| *name != self.me).cloned();
        let to = Self::one(rng, leads).or_else(|| self.other(rng))?;
        let what = if rng.chance(70) { Handed::Role(Role::Lead) } else { Handed::Whole };
        let expires = rng.chance(20).then(|| self.now.plus(rng.between(1_000, 600_000)));
        let operation = operation.id;
        Some(Act::Handoff(HandoffAct::Offer(Offer {
            operation,
            what,
            to,
            phase: None,
            note: maybe(rng),
            expires,
        })))
    }

    /// Accepts or declines what is offered to it, or takes an own offer back.
    fn answer(&self, rng: &mut Rng) -> Option<Act> {
        let open = self.state.handoffs().filter(|handoff| handoff.end.is_none());
        let mine =
            open.filter(|handoff| handoff.to == *self.me || (handoff.from == *self.me && rng.chance(20)));
        let mine = mine.collect::<Vec<_>>();
        let handoff = Self::one(rng, mine.into_iter())?;
        let offer = handoff.id;
        let act = if handoff.to != *self.me {
            HandoffAct::Reclaim(Reclaim { offer, ground: maybe(rng) })
        } else if rng.chance(80) {
            let acknowledge = self.state.handoff_view(handoff).acknowledge?;
            HandoffAct::Accept(Accept { offer, acknowledges: Acknowledged::All(acknowledge) })
        } else {
            HandoffAct::Decline(Decline { offer, ground: maybe(rng) })
        };
        Some(Act::Handoff(act))
    }

    fn takeover(&self, rng: &mut Rng) -> Option<Act> {
        let mine = self.live().filter(|operation| {
            let kind = self.state.kind_of(operation);
            let rule = kind.and_then(|kind| kind.handoff.takeover.clone());
            operation.lead != *self.me && rule.is_some_and(|rule| rule.successor == *self.me)
        });
        let operation = Self::one(rng, mine)?.id;
        Some(Act::Handoff(HandoffAct::Takeover(Takeover { operation, ground: maybe(rng) })))
    }

    fn conclude(&self, rng: &mut Rng) -> Option<Act> {
        let mine = self.live().filter(|operation| operation.lead == *self.me && operation.decision.is_some());
        let operation = Self::one(rng, mine)?.id;
        Some(Act::Handoff(HandoffAct::Conclude(Conclude { operation, note: maybe(rng) })))
    }

    fn dispute(&self, rng: &mut Rng) -> Option<Act> {
        let decided = self.live().filter(|operation| operation.decision.is_some());
        let decided = decided.filter(|operation| operation.change.is_none()).collect::<Vec<_>>();
        let words = decided.iter().flat_map(|operation| &operation.attestations).map(|said| said.record);
        let moved = self.state.handoffs().filter(|handoff| handoff.has_moved()).map(|handoff| handoff.id);
        let operations = decided.iter().map(|operation| operation.id);
        let subject = match rng.below(3) {
            0 => Self::one(rng, moved).or_else(|| Self::one(rng, operations.clone()))?,
            1 => Self::one(rng, words)?,
            _ => Self::one(rng, operations)?,
        };
        Some(Act::Dispute(DisputeAct::Open(OpenDispute { subject, ground: None, reason: text(rng) })))
    }

    fn rule(&self, rng: &mut Rng) -> Option<Act> {
        let open = self.state.disputes().filter(|dispute| dispute.end.is_none());
        let dispute = Self::one(rng, open.filter(|dispute| dispute.panel.contains(self.me)))?;
        let last = dispute.words.iter().find(|word| word.partner == *self.me).map_or(0, |word| word.number);
        let (dispute, number, ruling) = (dispute.id, last + 1, *rng.pick(&Ruling::ALL));
        Some(Act::Dispute(DisputeAct::Rule(Rule { dispute, number, ruling, reason: maybe(rng) })))
    }

    fn member(&self, rng: &mut Rng) -> Option<Act> {
        let act = match rng.below(20) {
            0..=5 => return self.propose("suspension", Change::Suspend(self.other(rng)?), rng),
            6..=8 => return self.propose("reinstatement", Change::Reinstate(self.other(rng)?), rng),
            9 => return self.propose("expulsion", Change::Expel(self.other(rng)?), rng),
            10..=14 => return self.amend(rng),
            15..=18 => MemberAct::Watch(Watch { officer: self.officer, from: self.now, note: maybe(rng) }),
            _ => MemberAct::Withdraw { ground: text(rng) },
        };
        Some(Act::Member(act))
    }

    fn propose(&self, kind: &str, change: Change, rng: &mut Rng) -> Option<Act> {
        let kind = kind.parse().expect("a literal that is a name");
        Some(Act::Member(MemberAct::Propose(Propose { kind, change, reason: text(rng) })))
    }

    /// The next version, in which closures are open for another time.
    fn amend(&self, rng: &mut Rng) -> Option<Act> {
        let mut next = self.charter().clone();
        let closure = next.operations.iter_mut().find(|kind| kind.name.as_str() == "closure")?;
        closure.window_ms = 60_000 * rng.between(20, 40);
        let amendment = self.charter().amendment_to(&next).ok()?;
        self.propose("amendment", Change::Amend(Box::new(amendment)), rng)
    }

    fn integrity(&self, rng: &mut Rng) -> Option<Act> {
        let preliminary = self.state.events().filter(|event| !event.is_confirmed()).collect::<Vec<_>>();
        let own = |event: &&&entente_protocol::coalition::IntegrityEvent| matches!(&event.author, Author::Officer(partner) if partner == self.me);
        let others = preliminary.iter().filter(|event| !own(event)).map(|event| event.id);
        let ground = maybe(rng);
        let act = match rng.below(4) {
            0 => return self.report(rng),
            1 => {
                let event = Self::one(rng, preliminary.iter().filter(own).map(|event| event.id))?;
                IntegrityAct::Withdraw(Withdraw { event, ground })
            }
            _ => match Self::one(rng, others) {
                Some(event) => IntegrityAct::Confirm(Confirm { event, ground }),
                None => return self.report(rng),
            },
        };
        Some(Act::Integrity(act))
    }

    fn report(&self, rng: &mut Rng) -> Option<Act> {
        let kinds = [EventKind::Withholding, EventKind::DeclaredFailure, EventKind::ForcedDisclosure];
        let against = if rng.chance(90) { self.other(rng) } else { None };
        let matter = Matter { kind: *rng.pick(&kinds), against, key: None, victim: None };
        let report =
            Report { matter, text: text(rng), evidence: vec![], proof: None, since: None, shown: None };
        Some(Act::Integrity(IntegrityAct::Report(report)))
    }

    /// Anything about anything that was said so far, by whoever is asked, known here or not.
    fn nonsense(&self, said: &[RecordId], rng: &mut Rng) -> Act {
        let known = self.state.operations().map(|operation| operation.id);
        let known = known.chain(self.state.assets().map(|asset| asset.id));
        let known = known.chain(self.state.handoffs().map(|handoff| handoff.id));
        let mut ids = known.chain(self.state.disputes().map(|dispute| dispute.id)).collect::<Vec<_>>();
        ids.extend(said);
        let id = |rng: &mut Rng| if ids.is_empty() { RecordId::default() } else { *rng.pick(&ids) };
        let (named, other) = (id(rng), id(rng));
        let role = *rng.pick(&[Role::Lead, Role::Supporting, Role::Observing]);
        let to = self.other(rng).unwrap_or_else(|| self.me.clone());
        let ground = maybe(rng);
        match rng.below(16) {
            0 => Act::Attest(Attest {
                operation: named,
                role,
                stance: *rng.pick(&Stance::ALL),
                caveat: None,
                evidence: vec![],
                supersedes: rng.chance(30).then_some(other),
            }),
            1 => Act::Withdraw(Withdrawal { operation: named, attestation: other }),
            2 => Act::Asset(AssetAct::Contribute(Contribute {
                asset: named,
                operation: other,
                caveat: None,
                control: self.control(rng),
            })),
            3 | 4 => Act::Asset(AssetAct::Recall(Recall { asset: named, ground })),
            5 => Act::Handoff(HandoffAct::Offer(Offer {
                operation: named,
                what: if rng.chance(50) { Handed::Role(role) } else { Handed::Whole },
                to,
                phase: None,
                note: None,
                expires: None,
            })),
            6 | 7 => Act::Handoff(HandoffAct::Accept(Accept {
                offer: named,
                acknowledges: Acknowledged::of(Vec::new()),
            })),
            8 => Act::Handoff(HandoffAct::Decline(Decline { offer: named, ground })),
            9 => Act::Handoff(HandoffAct::Reclaim(Reclaim { offer: named, ground })),
            10 => Act::Handoff(HandoffAct::Takeover(Takeover { operation: named, ground })),
            11 => Act::Handoff(HandoffAct::Conclude(Conclude { operation: named, note: None })),
            12 => Act::Dispute(DisputeAct::Open(OpenDispute {
                subject: named,
                ground: None,
                reason: text(rng),
            })),
            13 => Act::Dispute(DisputeAct::Rule(Rule {
                dispute: named,
                number: 1,
                ruling: *rng.pick(&Ruling::ALL),
                reason: None,
            })),
            14 => Act::Integrity(IntegrityAct::Vote(Vote {
                event: named,
                measure: if rng.chance(50) { Measure::Suspend } else { Measure::Lift },
                ground,
            })),
            _ => Act::Integrity(IntegrityAct::Confirm(Confirm { event: named, ground })),
        }
    }
}
