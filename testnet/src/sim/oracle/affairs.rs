//! Counting again what became of the coalition's affairs, from the records that the log says were applied and from the
//! founding charter: who leads, who owns, who is a member, what was counted.
//!
//! Demanded of every applied record: its signer's key stood for its partner where the record stands in the log and lets it be said,
//! and its author may say it; of every one that is refused for its key that this is so. Of every decision: each voice counted is one that stands, of somebody
//! who holds that role, once, and never an observer's; what is agreed meets the rule. Of every state shown: exactly the lead, the
//! owner, the membership and the charter version that follow, and no event confirmed by fewer than the charter asks.

mod alliances;
mod check;
mod joins;
mod keys;
mod leases;
mod show;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use entente_protocol::authority::{AllianceDocument, Word as Will};
use entente_protocol::charter::{Charter, PartnerName};
use entente_protocol::coalition::{
    Decision, Disposition, KeyRefusal, MemberRefusal, Membership, Refusal, Verdict,
};
use entente_protocol::credential::Capability;
use entente_protocol::identity::{CoalitionId, Hash, PublicKey, RecordId};
use entente_protocol::leaf::{EntryLeaf, EpochRecord, Leaf};
use entente_protocol::record::{
    Act, AssetAct, AuthorityAct, Change, DisputeAct, HandoffAct, IntegrityAct, KeyAct, LeaseAct, LeasedOpen,
    Matter, MemberAct, Propose, Record, Role, Stance,
};
use entente_protocol::time::Time;

use self::keys::{Keys, Scope};
use self::leases::{Claim, Commitment};
use self::words::Voice;
use crate::sim::summary::{APPLIED, Count, Counts, REFUSED};

/// What follows from the log so far.
pub(super) struct Affairs {
    coalition: CoalitionId,
    /// That of the founding.
    charter: Charter,
    /// Later versions that were made, in order.
    later: Vec<Charter>,
    keys: Keys,
    /// By hash of the entry: where those stand that wait.
    parked: BTreeMap<Hash, u64>,
    /// Batch time and epoch.
    now: (Time, u64),
    /// By hash of the entry: what officers say in entries that some honest member holds.
    said: BTreeMap<Hash, Record>,
    operations: BTreeMap<RecordId, Operation>,
    words: BTreeMap<RecordId, Word>,
    offers: BTreeMap<RecordId, Offer>,
    assets: BTreeMap<RecordId, Asset>,
    commitments: BTreeMap<RecordId, Commitment>,
    /// Later versions of the alliance's document, each with the charter version that was the last one then.
    documents: Vec<(AllianceDocument, u32)>,
    /// What was said for authorities, in the order of the log.
    voices: Vec<Voice>,
    /// Who opened it, and what it is about.
    disputes: BTreeMap<RecordId, (PartnerName, RecordId)>,
    /// Of those who are not active.
    members: BTreeMap<PartnerName, Membership>,
    reports: BTreeMap<RecordId, (PartnerName, Matter)>,
    /// Who confirmed what was reported under this id.
    confirmed: Vec<(PartnerName, RecordId)>,
    /// What records about an event name: the report, or another record about the event.
    about: BTreeMap<RecordId, RecordId>,
    /// The charter version of the last batch.
    in_force: u32,
    /// Decisions whose voices stand behind them: an entry's decisions stand before the entries that it releases, which may
    /// be what decides.
    waiting: Vec<(u64, Decision)>,
    /// The state root of every epoch, as its record states it.
    roots: BTreeMap<u64, Hash>,
    /// What every state that was shown at an epoch looked like.
    shown: BTreeMap<u64, (usize, String)>,
    pub(super) counts: Counts,
}

struct Operation {
    kind: String,
    /// The charter version that it was opened under.
    version: u32,
    opened_by: PartnerName,
    lead: PartnerName,
    /// The opening, handoff or ruling that made it the lead.
    led_by: RecordId,
    change: Option<Change>,
    verdict: Option<Verdict>,
    concluded: bool,
    annulled: bool,
    /// Who got which role by a handoff; any role for a whole operation.
    handed: BTreeSet<(Option<Role>, PartnerName)>,
    /// What its opening asks for, and what it holds of that while it is not over.
    asked: Vec<Claim>,
    claims: Vec<Claim>,
    /// Who had a right to what its opening claims, until that is decided.
    wronged: Vec<PartnerName>,
}

impl Operation {
    fn is_over(&self) -> bool {
        self.annulled
            || self.concluded
            || matches!(self.verdict, Some(Verdict::Failed | Verdict::Expired | Verdict::Conflicted))
    }
}

struct Word {
    operation: RecordId,
    partner: PartnerName,
    role: Role,
    stance: Stance,
    /// Taken back, replaced or annulled.
    stands: bool,
}

struct Offer {
    operation: RecordId,
    from: PartnerName,
    to: PartnerName,
    /// The role, or the whole.
    role: Option<Role>,
    answered: bool,
    moved: bool,
}

impl Offer {
    fn moves_lead(&self) -> bool {
        self.role.is_none_or(|role| role == Role::Lead)
    }
}

struct Asset {
    owner: PartnerName,
    lent: Option<RecordId>,
}

impl Affairs {
    pub(super) fn new(coalition: CoalitionId, charter: &Charter) -> Self {
        Self {
            keys: Keys::new(coalition, charter),
            parked: BTreeMap::new(),
            now: (charter.created, 0),
            in_force: charter.version,
            waiting: Vec::new(),
            coalition,
            charter: charter.clone(),
            later: Vec::new(),
            said: BTreeMap::new(),
            operations: BTreeMap::new(),
            words: BTreeMap::new(),
            offers: BTreeMap::new(),
            assets: BTreeMap::new(),
            commitments: BTreeMap::new(),
            documents: Vec::new(),
            voices: Vec::new(),
            disputes: BTreeMap::new(),
            members: BTreeMap::new(),
            reports: BTreeMap::new(),
            confirmed: Vec::new(),
            about: BTreeMap::new(),
            roots: BTreeMap::new(),
            shown: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    /// An officer's record in an entry that some honest member holds.
    pub(super) fn held(&mut self, entry: Hash, record: &Record) {
        self.said.entry(entry).or_insert_with(|| record.clone());
    }

    /// The next batch begins: what was agreed in the one before is in force from it on.
    pub(super) fn begin(&mut self, epoch: u64, time: Time) {
        self.now = (time, epoch);
        self.in_force = self.last().version;
    }

    /// The next leaf before the epoch's record, and its index.
    pub(super) fn leaf(&mut self, index: u64, leaf: &Leaf) -> Result<(), String> {
        match leaf {
            Leaf::Entry(entry) => self.entry(index, entry)?,
            Leaf::Decision(decision) => self.waiting.push((index, (**decision).clone())),
            Leaf::Ruling(ruled) => self.ruled(ruled)?,
            Leaf::Epoch(_) => return Err("two epoch records in one batch".into()),
        }
        let waiting = std::mem::take(&mut self.waiting);
        let (ready, later) = waiting.into_iter().partition(|(_, decision)| self.knows(decision));
        self.waiting = later;
        Vec::into_iter(ready).try_for_each(|(index, decision)| self.decided(index, &decision))
    }

    /// The batch ends with the epoch's record.
    pub(super) fn end(&mut self, record: &EpochRecord) -> Result<(), String> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.iter().try_for_each(|(index, decision)| self.decided(*index, decision))?;
        self.roots.insert(record.epoch, record.state_root);
        if record.charter_version != self.in_force {
            let (epoch, stated, version) = (record.epoch, record.charter_version, self.in_force);
            return Err(format!("epoch {epoch} states charter version {stated}, in force is {version}"));
        }
        Ok(())
    }

    /// The partner that has `node`, if it is no member any more.
    pub(super) fn gone(&self, node: &PublicKey) -> Option<(PartnerName, Membership)> {
        let partner = self.keys.owner(node)?;
        let membership = *self.members.get(partner)?;
        let gone = matches!(membership, Membership::Expelled | Membership::Withdrawn);
        gone.then(|| (partner.clone(), membership))
    }

    /// Whether what it decides was opened, and every voice that it counts was said.
    fn knows(&self, decision: &Decision) -> bool {
        self.hears(decision)
            && self.operations.contains_key(&decision.operation)
            && decision.counted.iter().all(|counted| self.words.contains_key(&counted.record))
    }

    fn entry(&mut self, index: u64, entry: &EntryLeaf) -> Result<(), String> {
        self.carried(index, entry)?;
        let Some(id) = entry.record else { return Ok(()) };
        let Some(record) = self.said.get(&entry.hash).cloned() else {
            return Err(format!("record {id} is ordered, and nobody holds it"));
        };
        // What has waited keeps its place.
        let index = self.parked.get(&entry.hash).copied().unwrap_or(index);
        let fate = match &entry.disposition {
            Disposition::Applied => APPLIED,
            Disposition::Refused(_) => REFUSED,
            Disposition::Parked { .. } => {
                self.parked.insert(entry.hash, index);
                return Ok(());
            }
            Disposition::Duplicate { .. } | Disposition::Void { .. } => return Ok(()),
        };
        self.counts.add(Count::Record(kind_of(&record.act), fate), 1);
        if let Disposition::Refused(refusal) = &entry.disposition {
            let revoked =
                matches!(refusal, Refusal::Key(KeyRefusal::Revoked { key, .. }) if *key == record.signer);
            self.counts.add(Count::Record("by a revoked key", REFUSED), u64::from(revoked));
            let early = matches!(refusal, Refusal::UnknownSigner { signer } if *signer == record.signer);
            self.counts.add(Count::Record("by a newcomer", REFUSED), u64::from(early));
            return self.refused(index, &record, refusal).map_err(|why| format!("record {id}: {why}"));
        }
        let wrong = |why: String| format!("record {id} is applied: {why}");
        let partner = self.keys.speaks(&record.signer, index, &self.scope(&record.act), self.now);
        let partner = partner.map_err(wrong)?;
        let later = self.keys.was_granted(&record.signer);
        self.counts.add(Count::Record("by a granted key", APPLIED), u64::from(later));
        let joined = self.last().admitted.iter().any(|it| it.name == partner);
        self.counts.add(Count::Record("by a newcomer", APPLIED), u64::from(joined));
        // Who is suspended may still leave, report misuse, bring what proves itself, and take home what is its own.
        let leaves = matches!(record.act, Act::Member(MemberAct::Withdraw { .. }) | Act::Key(_));
        let home = match &record.act {
            Act::Asset(AssetAct::Recall(_)) => true,
            Act::Authority(AuthorityAct::Speak(speak)) => {
                let statement = &speak.statement;
                statement.word == Will::Recall && statement.authority.as_str() == partner.as_str()
            }
            _ => false,
        };
        let still = leaves || home || matches!(record.act, Act::Integrity(IntegrityAct::Report(_)));
        let barred = |membership: &&Membership| !(still && **membership == Membership::Suspended);
        if let Some(membership) = self.members.get(&partner).filter(barred) {
            return Err(wrong(format!("{partner} is {membership}")));
        }
        self.may(&partner, id, &record.act).map_err(wrong)?;
        if let Act::Key(act) = &record.act {
            self.keys.change(index, act);
        }
        self.does(partner, id, record.act);
        Ok(())
    }

    /// What a node carries has its effect where one of its chains stands, and is refused for its node nowhere else.
    fn carried(&mut self, index: u64, entry: &EntryLeaf) -> Result<(), String> {
        let (index, node) = (self.parked.get(&entry.hash).copied().unwrap_or(index), entry.feed.node);
        let carries = self.keys.carries(&node, index).is_some();
        let granted = u64::from(self.keys.was_granted(&node));
        let refused = match &entry.disposition {
            Disposition::Applied => {
                self.counts.add(Count::Record("by a granted node", APPLIED), granted);
                false
            }
            Disposition::Refused(Refusal::UnknownNode { node: named }) => *named == node,
            Disposition::Refused(Refusal::Key(KeyRefusal::Revoked { key, .. })) => *key == node,
            _ => return Ok(()),
        };
        self.counts.add(Count::Record("by a granted node", REFUSED), if refused { granted } else { 0 });
        if refused == carries {
            let stands = if carries { "stands" } else { "does not stand" };
            return Err(format!(
                "leaf {index} is {}, and the node that carries it {stands}",
                entry.disposition
            ));
        }
        Ok(())
    }

    /// What is refused for a key, or for what an amendment is, is so refused by right.
    fn refused(&self, index: u64, record: &Record, refusal: &Refusal) -> Result<(), String> {
        let for_that = match refusal {
            Refusal::UnknownSigner { .. } | Refusal::CredentialExpired { .. } => true,
            Refusal::Member(MemberRefusal::Amendment(_)) => true,
            Refusal::Authority(_) => matches!(record.act, Act::Authority(AuthorityAct::Publish(_))),
            // What carries it was taken back.
            Refusal::Key(KeyRefusal::Revoked { key, .. }) if *key != record.signer => false,
            Refusal::Key(refusal) => !matches!(
                refusal,
                KeyRefusal::TooMany { .. }
                    | KeyRefusal::TooManyGrants { .. }
                    | KeyRefusal::TooManyRotations { .. }
                    | KeyRefusal::NoPlaces { .. }
            ),
            _ => false,
        };
        let Ok(partner) = self.keys.speaks(&record.signer, index, &self.scope(&record.act), self.now) else {
            return Ok(());
        };
        let may = match &record.act {
            Act::Key(act) => self.may_change(act).is_ok(),
            Act::Member(MemberAct::Propose(Propose { change: Change::Amend(amendment), .. })) => {
                self.may_amend(amendment).is_ok()
            }
            Act::Authority(AuthorityAct::Publish(signed)) => self.may_publish(signed).is_ok(),
            _ => true,
        };
        if for_that && may {
            return Err(format!("{partner} may say it with this key, and it is refused: {refusal}"));
        }
        Ok(())
    }

    /// What an officer must be delegated for to say this.
    fn scope(&self, act: &Act) -> Scope {
        let of = |operation: &RecordId| {
            self.operations.get(operation).map_or(Scope::Any, |operation| Scope::Kind(operation.kind.clone()))
        };
        let offered = |offer: &RecordId| self.offers.get(offer).map_or(Scope::Any, |it| of(&it.operation));
        match act {
            Act::Key(_) | Act::Integrity(IntegrityAct::Report(_)) => Scope::Any,
            Act::Open(open) | Act::Lease(LeaseAct::Open(LeasedOpen { open, .. })) => {
                Scope::Kind(open.kind.clone())
            }
            Act::Member(MemberAct::Propose(propose)) => Scope::Kind(propose.kind.to_string()),
            Act::Member(_) | Act::Integrity(_) | Act::Asset(AssetAct::Declare(_)) => Scope::Partner,
            Act::Asset(AssetAct::Recall(recall)) => {
                let asset = self.assets.get(&recall.asset);
                asset.and_then(|asset| asset.lent).map_or(Scope::Any, |operation| of(&operation))
            }
            Act::Handoff(HandoffAct::Accept(accept)) => offered(&accept.offer),
            Act::Handoff(HandoffAct::Decline(decline)) => offered(&decline.offer),
            Act::Handoff(HandoffAct::Reclaim(reclaim)) => offered(&reclaim.offer),
            Act::Dispute(DisputeAct::Open(open)) => of(&self.operation_of(&open.subject)),
            Act::Dispute(DisputeAct::Rule(rule)) => {
                let subject = self.disputes.get(&rule.dispute).map(|(_, subject)| subject);
                subject.map_or(Scope::Any, |subject| of(&self.operation_of(subject)))
            }
            _ => act.operation().map_or(Scope::Any, |operation| of(&operation)),
        }
    }
}

/// What a record is, for counting.
fn kind_of(act: &Act) -> &'static str {
    match act {
        Act::Open(_) => "open",
        Act::Attest(_) => "attest",
        Act::Withdraw(_) => "withdraw",
        Act::Asset(AssetAct::Declare(_)) => "asset declare",
        Act::Asset(AssetAct::Contribute(_)) => "asset contribute",
        Act::Asset(AssetAct::Recall(_)) => "asset recall",
        Act::Handoff(HandoffAct::Offer(_)) => "handoff offer",
        Act::Handoff(HandoffAct::Accept(_)) => "handoff accept",
        Act::Handoff(HandoffAct::Decline(_)) => "handoff decline",
        Act::Handoff(HandoffAct::Reclaim(_)) => "handoff reclaim",
        Act::Handoff(HandoffAct::Takeover(_)) => "handoff takeover",
        Act::Handoff(HandoffAct::Conclude(_)) => "handoff conclude",
        Act::Dispute(DisputeAct::Open(_)) => "dispute open",
        Act::Dispute(DisputeAct::Rule(_)) => "dispute rule",
        Act::Member(MemberAct::Propose(propose)) => match propose.change {
            Change::Amend(ref amendment) if !amendment.admit.is_empty() => "join",
            Change::Amend(_) => "amendment",
            Change::Suspend(_) | Change::Reinstate(_) | Change::Expel(_) => "member propose",
        },
        Act::Member(MemberAct::Watch(_)) => "member watch",
        Act::Member(MemberAct::Withdraw { .. }) => "member withdraw",
        Act::Authority(AuthorityAct::Publish(_)) => "alliance",
        Act::Authority(AuthorityAct::Speak(speak)) => match speak.statement.word {
            Will::Order => "word order",
            Will::Permit => "word permit",
            Will::Refuse => "word refuse",
            Will::Recall => "word recall",
        },
        Act::Key(KeyAct::Grant(chain))
            if chain.leaf().is_some_and(|leaf| leaf.capabilities.contains(&Capability::Node)) =>
        {
            "node grant"
        }
        Act::Key(KeyAct::Grant(_)) => "key grant",
        Act::Key(KeyAct::Revoke(_)) => "key revoke",
        Act::Key(KeyAct::Rotate(_)) => "key rotate",
        Act::Lease(LeaseAct::Open(_)) => "lease open",
        Act::Lease(LeaseAct::Commit(_)) => "lease commit",
        Act::Integrity(IntegrityAct::Report(_)) => "integrity report",
        Act::Integrity(IntegrityAct::Confirm(_)) => "integrity confirm",
        Act::Integrity(IntegrityAct::Withdraw(_)) => "integrity withdraw",
        Act::Integrity(IntegrityAct::Vote(_)) => "integrity vote",
    }
}
