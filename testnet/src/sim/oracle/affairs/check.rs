//! Who may say what, and what follows from it.

use entente_protocol::charter::{OperationType, PartnerName};
use entente_protocol::coalition::{About, Decision, Membership, Ruled, Verdict};
use entente_protocol::identity::RecordId;
use entente_protocol::record::{
    Act, AssetAct, Attest, Change, DisputeAct, Handed, HandoffAct, IntegrityAct, KeyAct, MemberAct, Open,
    Role, Ruling, Stance,
};

use super::{Affairs, Asset, Offer, Operation, Word};

pub(super) fn must(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

impl Affairs {
    /// A type in the charter version that is in force.
    pub(super) fn kind(&self, name: &str) -> Result<&OperationType, String> {
        self.kind_in(self.in_force, name)
    }

    /// The type of an operation in the version that it was opened under.
    pub(super) fn kind_of(&self, operation: &Operation) -> Result<&OperationType, String> {
        self.kind_in(operation.version, &operation.kind)
    }

    fn kind_in(&self, version: u32, name: &str) -> Result<&OperationType, String> {
        let charter =
            self.version(version).ok_or_else(|| format!("there is no charter version {version}"))?;
        let kind = charter.operations.iter().find(|kind| kind.name.as_str() == name);
        kind.ok_or_else(|| format!("no type {name} is declared"))
    }

    pub(super) fn operation(&self, id: &RecordId) -> Result<&Operation, String> {
        self.operations.get(id).ok_or_else(|| format!("no operation {id} was opened"))
    }

    fn holds(kind: &OperationType, partner: &PartnerName, role: Role) -> bool {
        match role {
            Role::Lead => kind.lead.contains(partner),
            Role::Supporting => kind.supporting.contains(partner),
            Role::Observing => kind.observing.contains(partner),
            Role::Declared(_) => false,
        }
    }

    /// Whether `partner` may say this, as far as the log so far tells.
    pub(super) fn may(&self, partner: &PartnerName, id: RecordId, act: &Act) -> Result<(), String> {
        must(!self.operations.contains_key(&id) && !self.words.contains_key(&id), || "a second time".into())?;
        match act {
            Act::Open(open) => {
                self.may_open(partner, open)?;
                let wronged = self.wronged(partner, &self.asked(open));
                must(wronged.is_empty(), || format!("it claims what is for {wronged:?}"))
            }
            Act::Attest(attest) => self.may_attest(partner, attest),
            Act::Withdraw(withdraw) => {
                let word = self.words.get(&withdraw.attestation).ok_or("no such word was said")?;
                let own = word.partner == *partner && word.operation == withdraw.operation && word.stands;
                must(own, || format!("it is no word of {partner} that stands"))
            }
            Act::Asset(AssetAct::Declare(_)) => Ok(()),
            Act::Asset(AssetAct::Contribute(lent)) => {
                self.owns(partner, &lent.asset)?;
                must(!self.operation(&lent.operation)?.is_over(), || "its operation is over".into())
            }
            Act::Asset(AssetAct::Recall(recall)) => self.owns(partner, &recall.asset),
            Act::Handoff(act) => self.may_hand(partner, act),
            Act::Dispute(DisputeAct::Open(open)) => {
                let known = self.operations.contains_key(&open.subject)
                    || self.words.contains_key(&open.subject)
                    || self.offers.get(&open.subject).is_some_and(|offer| offer.moved);
                must(known, || "it disputes what is nothing".into())
            }
            Act::Dispute(DisputeAct::Rule(rule)) => {
                let (opener, subject) =
                    self.disputes.get(&rule.dispute).ok_or("no such dispute was opened")?;
                let operation = self.operation(&self.operation_of(subject))?;
                let panel = self.kind_of(operation)?.dispute.as_ref().map(|rule| &rule.panel);
                let judges = panel.is_some_and(|panel| panel.contains(partner));
                must(judges && opener != partner, || format!("{partner} is no judge of it"))
            }
            Act::Member(MemberAct::Propose(propose)) => {
                let subject = match &propose.change {
                    Change::Suspend(subject) | Change::Reinstate(subject) | Change::Expel(subject) => {
                        Some(subject)
                    }
                    Change::Amend(amendment) => {
                        self.may_amend(amendment)?;
                        None
                    }
                };
                must(subject != Some(partner), || format!("{partner} proposes it of itself"))
            }
            Act::Member(MemberAct::Withdraw { .. } | MemberAct::Watch(_)) => Ok(()),
            Act::Integrity(IntegrityAct::Confirm(confirm)) => {
                let reported = self.reports.get(&self.event_of(confirm.event));
                let own = reported.is_some_and(|(reporter, _)| reporter == partner);
                let subject = reported.is_some_and(|(_, matter)| matter.against.as_ref() == Some(partner));
                must(!own && !subject, || format!("{partner} confirms its own report, or one against it"))
            }
            Act::Integrity(IntegrityAct::Withdraw(withdraw)) => {
                let reporter = self.reports.get(&self.event_of(withdraw.event)).map(|(reporter, _)| reporter);
                must(reporter.is_none_or(|reporter| reporter == partner), || "another reported it".into())
            }
            Act::Integrity(IntegrityAct::Vote(_)) => Err("no kind of event here lets anybody vote".into()),
            Act::Integrity(IntegrityAct::Report(_)) => Ok(()),
            Act::Key(act) => self.may_change(act),
            Act::Lease(act) => self.may_lease(partner, act),
            Act::Authority(act) => self.may_speak(partner, act),
        }
    }

    pub(super) fn may_open(&self, partner: &PartnerName, open: &Open) -> Result<(), String> {
        let kind = self.kind(&open.kind)?;
        let mut counts = [Role::Lead, Role::Supporting].into_iter();
        let may = counts.any(|role| Self::holds(kind, partner, role));
        must(may && kind.effect.is_none(), || format!("{partner} may not open {}", open.kind))
    }

    /// Whether a change of keys may be made, whoever brings it: of the keys of a member, or taken back from who is gone.
    pub(super) fn may_change(&self, act: &KeyAct) -> Result<(), String> {
        let partner = self.keys.concerned(act).ok_or("it concerns nobody")?;
        let gone = self.members.get(partner).filter(|membership| **membership != Membership::Suspended);
        let takes_back = matches!(act, KeyAct::Revoke(_));
        must(gone.is_none() || takes_back, || format!("{partner} is gone"))?;
        self.keys.may(act, self.now)
    }

    /// What a record about an event is about in the end.
    pub(super) fn event_of(&self, named: RecordId) -> RecordId {
        std::iter::successors(Some(named), |id| self.about.get(id).copied()).last().unwrap_or(named)
    }

    fn owns(&self, partner: &PartnerName, asset: &RecordId) -> Result<(), String> {
        let owner = self.assets.get(asset).map(|asset| &asset.owner);
        must(owner == Some(partner), || format!("{partner} moves an asset of {owner:?}"))
    }

    fn may_attest(&self, partner: &PartnerName, attest: &Attest) -> Result<(), String> {
        let operation = self.operation(&attest.operation)?;
        must(operation.verdict.is_none() && !operation.is_over(), || "it was decided before".into())?;
        let concerned = match &operation.change {
            Some(Change::Suspend(subject) | Change::Reinstate(subject) | Change::Expel(subject)) => {
                subject == partner
            }
            Some(Change::Amend(_)) | None => false,
        };
        must(!concerned, || format!("{partner} speaks on what concerns itself"))?;
        let declared = Self::holds(self.kind_of(operation)?, partner, attest.role);
        let handed = |role| operation.handed.contains(&(role, partner.clone()));
        must(declared || handed(None) || handed(Some(attest.role)), || {
            format!("{partner} is not {} there", attest.role)
        })
    }

    fn may_hand(&self, partner: &PartnerName, act: &HandoffAct) -> Result<(), String> {
        let answered = |offer: &RecordId| -> Result<&Offer, String> {
            let offer = self.offers.get(offer).ok_or("nothing was offered so")?;
            must(!offer.answered, || "the offer was answered before".into())?;
            Ok(offer)
        };
        match act {
            HandoffAct::Offer(offer) => {
                let operation = self.operation(&offer.operation)?;
                must(!operation.is_over(), || "the operation is over".into())?;
                let lead = matches!(offer.what, Handed::Whole | Handed::Role(Role::Lead));
                must(!lead || operation.lead == *partner, || format!("{} leads", operation.lead))
            }
            HandoffAct::Accept(accept) => {
                let offer = answered(&accept.offer)?;
                let operation = self.operation(&offer.operation)?;
                must(!operation.is_over(), || "the operation is over".into())?;
                must(offer.to == *partner, || format!("it was offered to {}", offer.to))?;
                must(!offer.moves_lead() || operation.lead == offer.from, || {
                    format!("{} offered the lead, and {} has it", offer.from, operation.lead)
                })
            }
            HandoffAct::Decline(decline) => {
                let to = &answered(&decline.offer)?.to;
                must(to == partner, || format!("it was offered to {to}"))
            }
            HandoffAct::Reclaim(reclaim) => {
                let from = &answered(&reclaim.offer)?.from;
                must(from == partner, || format!("{from} offered it"))
            }
            HandoffAct::Takeover(takeover) => {
                let operation = self.operation(&takeover.operation)?;
                must(!operation.is_over() && operation.lead != *partner, || {
                    "there is nothing to take".into()
                })?;
                let rule = self.kind_of(operation)?.handoff.takeover.as_ref();
                let active = |name: &PartnerName| !self.members.contains_key(name);
                let gone = matches!(
                    self.members.get(&operation.lead),
                    Some(Membership::Expelled | Membership::Withdrawn)
                );
                // Where the lead is gone for good and no successor is there, whoever may lead takes it.
                let lead = &self.kind(&operation.kind)?.lead;
                let there = |name: &PartnerName| active(name) && lead.contains(name);
                let nobody = gone && !rule.is_some_and(|rule| there(&rule.successor));
                let orphaned = nobody && self.kind_of(operation)?.lead.contains(partner);
                must(orphaned || rule.is_some_and(|rule| rule.successor == *partner), || {
                    format!("{partner} is no successor")
                })
            }
            HandoffAct::Conclude(conclude) => {
                let operation = self.operation(&conclude.operation)?;
                let gone = |name: &PartnerName| {
                    matches!(self.members.get(name), Some(Membership::Expelled | Membership::Withdrawn))
                };
                // What nobody could lead any more is ended by whoever has a voice in it.
                let kind = self.kind_of(operation)?;
                let nobody =
                    gone(&operation.lead) && kind.lead.iter().all(|name| self.members.contains_key(name));
                let orphaned = nobody && (kind.lead.contains(partner) || kind.supporting.contains(partner));
                must(orphaned || operation.lead == *partner, || format!("{} leads", operation.lead))?;
                let agreed = matches!(operation.verdict, Some(Verdict::Agreed | Verdict::Limited));
                must(agreed && !operation.is_over(), || "it is not agreed, or over".into())
            }
        }
    }

    pub(super) fn operation_of(&self, subject: &RecordId) -> RecordId {
        let word = self.words.get(subject).map(|word| word.operation);
        let offer = self.offers.get(subject).map(|offer| offer.operation);
        word.or(offer).unwrap_or(*subject)
    }

    /// What follows from an applied record.
    pub(super) fn does(&mut self, partner: PartnerName, id: RecordId, act: Act) {
        match act {
            Act::Open(open) => {
                self.opens(partner, id, &open.kind, None);
                self.claims(&id, &open);
            }
            Act::Lease(act) => self.leases(partner, id, act),
            Act::Member(MemberAct::Propose(propose)) => {
                self.opens(partner, id, propose.kind.as_str(), Some(propose.change));
            }
            Act::Attest(attest) => {
                let before = self.words.values_mut();
                for word in
                    before.filter(|word| word.operation == attest.operation && word.partner == partner)
                {
                    word.stands = false;
                }
                let Attest { operation, role, stance, .. } = attest;
                self.words.insert(id, Word { operation, partner, role, stance, stands: true });
            }
            Act::Withdraw(withdraw) => {
                if let Some(word) = self.words.get_mut(&withdraw.attestation) {
                    word.stands = false;
                }
            }
            Act::Asset(AssetAct::Declare(_)) => {
                self.assets.insert(id, Asset { owner: partner, lent: None });
            }
            Act::Asset(AssetAct::Contribute(lent)) => self.lend(&lent.asset, Some(lent.operation)),
            Act::Asset(AssetAct::Recall(recall)) => self.lend(&recall.asset, None),
            Act::Handoff(act) => self.hands(partner, id, act),
            Act::Dispute(DisputeAct::Open(open)) => {
                self.disputes.insert(id, (partner, open.subject));
            }
            Act::Member(MemberAct::Withdraw { .. }) => {
                self.members.insert(partner, Membership::Withdrawn);
            }
            Act::Integrity(IntegrityAct::Report(report)) => {
                self.reports.insert(id, (partner, report.matter));
            }
            Act::Integrity(IntegrityAct::Confirm(confirm)) => {
                self.about.insert(id, confirm.event);
                self.confirmed.push((partner, confirm.event));
            }
            Act::Integrity(IntegrityAct::Withdraw(withdraw)) => {
                self.about.insert(id, withdraw.event);
            }
            Act::Integrity(IntegrityAct::Vote(_)) => {}
            Act::Authority(act) => self.speaks(partner, id, act),
            Act::Key(_) => {}
            Act::Dispute(DisputeAct::Rule(_)) | Act::Member(MemberAct::Watch(_)) => {}
        }
    }

    pub(super) fn opens(&mut self, opener: PartnerName, id: RecordId, kind: &str, change: Option<Change>) {
        let leads = self.kind(kind).map(|kind| kind.lead.clone()).unwrap_or_default();
        // Who opens it leads, if it may; else the first that may and is there.
        let lead = match leads.iter().filter(|name| !self.members.contains_key(*name)).min() {
            Some(first) if !leads.contains(&opener) => first.clone(),
            _ => opener.clone(),
        };
        let operation = Operation {
            kind: kind.to_owned(),
            version: self.in_force,
            opened_by: opener,
            lead,
            led_by: id,
            change,
            verdict: None,
            concluded: false,
            annulled: false,
            handed: Default::default(),
            asked: Vec::new(),
            claims: Vec::new(),
            wronged: Vec::new(),
        };
        self.operations.insert(id, operation);
    }

    fn lend(&mut self, asset: &RecordId, to: Option<RecordId>) {
        if let Some(asset) = self.assets.get_mut(asset) {
            asset.lent = to;
        }
    }

    fn hands(&mut self, partner: PartnerName, id: RecordId, act: HandoffAct) {
        let mut offered = |operation, from, to, what| {
            let role = if let Handed::Role(role) = what { Some(role) } else { None };
            self.offers.insert(id, Offer { operation, from, to, role, answered: false, moved: false });
        };
        match act {
            HandoffAct::Offer(offer) => offered(offer.operation, partner, offer.to, offer.what),
            HandoffAct::Accept(accept) => self.pass(accept.offer),
            HandoffAct::Decline(decline) => self.ends(&decline.offer),
            HandoffAct::Reclaim(reclaim) => self.ends(&reclaim.offer),
            HandoffAct::Takeover(takeover) => {
                let Some(from) = self.operations.get(&takeover.operation).map(|it| it.lead.clone()) else {
                    return;
                };
                offered(takeover.operation, from, partner, Handed::Role(Role::Lead));
                self.pass(id);
            }
            HandoffAct::Conclude(conclude) => {
                if let Some(operation) = self.operations.get_mut(&conclude.operation) {
                    operation.concluded = true;
                }
            }
        }
    }

    fn ends(&mut self, offer: &RecordId) {
        if let Some(offer) = self.offers.get_mut(offer) {
            offer.answered = true;
        }
    }

    fn pass(&mut self, id: RecordId) {
        let Some(offer) = self.offers.get_mut(&id) else { return };
        (offer.answered, offer.moved) = (true, true);
        let Some(operation) = self.operations.get_mut(&offer.operation) else { return };
        operation.handed.insert((offer.role, offer.to.clone()));
        if offer.moves_lead() {
            operation.lead = offer.to.clone();
            operation.led_by = id;
        }
    }

    /// A decision: whose voices it counts, whether they are enough, and what it changes.
    pub(super) fn decided(&mut self, index: u64, decision: &Decision) -> Result<(), String> {
        let wrong = |why: String| Err(format!("the decision on {}: {why}", decision.operation));
        let operation = self.operation(&decision.operation)?;
        if operation.verdict.is_some() {
            return wrong("it was decided before".into());
        }
        Self::states_conflict(operation, decision).or_else(wrong)?;
        let kind = self.kind_of(operation)?;
        self.states_mandate(kind, operation, decision).or_else(wrong)?;
        let mut voices = Vec::new();
        for counted in &decision.counted {
            let Some(word) = self.words.get(&counted.record) else {
                return wrong(format!("counts {}, which nobody said", counted.record));
            };
            let same = (word.operation, &word.partner, word.role, word.stance)
                == (decision.operation, &counted.partner, counted.role, counted.stance);
            if !same || !word.stands {
                return wrong(format!("counts {} otherwise than it was said, or stands", counted.record));
            }
            if counted.role == Role::Observing {
                return wrong(format!("counts {}, which observes", counted.partner));
            }
            if voices.contains(&&counted.partner) {
                return wrong(format!("counts {} twice", counted.partner));
            }
            voices.push(&counted.partner);
        }
        if decision.verdict == Verdict::Agreed {
            let endorse = |role: Role| {
                let all = decision.counted.iter();
                all.filter(|said| said.role == role && said.stance == Stance::Endorse).count()
            };
            let required = kind.rule.required.iter().all(|role| endorse(*role) > 0);
            let enough = kind.rule.at_least.iter().all(|least| endorse(least.role) >= least.count as usize);
            let objects = |role: &Role| {
                decision.counted.iter().any(|said| {
                    said.role == *role
                        && said.stance == Stance::Object
                        && Self::holds(kind, &said.partner, *role)
                })
            };
            if !required || !enough || kind.rule.veto.roles.iter().any(objects) {
                return wrong(format!("is agreed by {:?} alone, or against a veto", decision.counted));
            }
        }
        let change = operation.change.clone().filter(|_| decision.verdict == Verdict::Agreed);
        if let Some(operation) = self.operations.get_mut(&decision.operation) {
            operation.verdict = Some(decision.verdict);
            operation.wronged.clear();
        }
        self.end_commitments(&decision.operation, decision.verdict);
        match change {
            Some(Change::Suspend(subject)) => {
                self.members.entry(subject).or_insert(Membership::Suspended);
            }
            Some(Change::Reinstate(subject)) => {
                self.members.retain(|partner, now| *partner != subject || *now != Membership::Suspended);
            }
            Some(Change::Expel(subject)) => {
                let now = self.members.entry(subject).or_insert(Membership::Expelled);
                if *now != Membership::Withdrawn {
                    *now = Membership::Expelled;
                }
            }
            Some(Change::Amend(amendment)) => {
                let made = self.amends(index, &amendment);
                must(decision.changed == Some(made), || {
                    let id = decision.operation;
                    format!(
                        "the decision on {id} states {:?} of an amendment, and made is {made}",
                        decision.changed
                    )
                })?;
            }
            None => {}
        }
        Ok(())
    }

    /// A ruling: who judged, and what it changes.
    pub(super) fn ruled(&mut self, ruled: &Ruled) -> Result<(), String> {
        let Some((opener, subject)) = self.disputes.get(&ruled.dispute) else {
            return Err(format!("a ruling on {}, which nobody opened", ruled.dispute));
        };
        if *subject != ruled.subject || ruled.panel.contains(opener) {
            return Err(format!("the ruling on {} is on something else, or by a party", ruled.dispute));
        }
        let (subject, dispute) = (*subject, ruled.dispute);
        let id = self.operation_of(&subject);
        let Some(operation) = self.operations.get_mut(&id) else { return Ok(()) };
        match (ruled.about, ruled.ruling) {
            (About::Operation, Ruling::Annul) => operation.annulled = true,
            (About::Operation, Ruling::Remand) => {
                let conflicted = operation.verdict.take() == Some(Verdict::Conflicted);
                self.claims_again(&id, conflicted);
            }
            (About::Handoff, Ruling::Annul) => {
                let offer = self.offers.get(&subject).filter(|offer| offer.moves_lead());
                if let Some(offer) = offer.filter(|_| operation.led_by == subject && !operation.is_over()) {
                    operation.lead = offer.from.clone();
                    operation.led_by = dispute;
                }
                let back = self.offers.get(&subject).map(|offer| (offer.role, offer.from.clone()));
                operation.handed.extend(back);
            }
            (About::Attestation, Ruling::Annul) => {
                if let Some(word) = self.words.get_mut(&subject) {
                    word.stands = false;
                }
            }
            (_, Ruling::Uphold) | (About::Handoff | About::Attestation, Ruling::Remand) => {}
        }
        Ok(())
    }
}
