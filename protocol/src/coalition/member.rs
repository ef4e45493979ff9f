//! Membership: who is a member, since when not, and who is on watch.
//!
//! Guarantees: what is removed stays removed. A partner leaves by its own word alone, needing nobody's consent; it is
//! suspended, reinstated or expelled by an operation of a type that declares that effect, in which it has no voice, or suspended
//! by the votes that the charter declares in answer to a confirmed integrity event. From
//! the decision on, in the order of the log, records of a partner that is not active have no effect; what it said before keeps
//! its effect.
//!
//! A suspended partner may still withdraw. Its node still carries what others say; one of a partner that is gone does not.
//! Its seat votes on, because seats do not change yet.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::items::Item;
use super::judge::Judgement;
use super::refusal::{Part, Refusal};
use super::state::State;
use super::take::Said;
use crate::charter::{AmendmentError, Effect, KindName, PartnerName, show_time};
use crate::identity::{PublicKey, RecordId};
use crate::record::{Change, MemberAct, Open, Propose, Watch};
use crate::time::Time;

/// Most handings over of one partner's watch that are yet to begin.
pub(super) const MAX_WATCHES_AHEAD: usize = 16;

/// How far ahead a watch may be given, in milliseconds: a year. What is mistyped is found at once.
pub(super) const MAX_WATCH_AHEAD_MS: u64 = 366 * 86_400_000;

/// Most proposals, which are large, that one partner may have open at a time.
pub const MAX_PROPOSALS_PER_PARTNER: usize = 16;

/// Whether a partner is a member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Membership {
    /// Its records have effect.
    #[default]
    Active,
    /// They have none until it is reinstated.
    Suspended,
    /// Expelled by the others, for good.
    Expelled,
    /// It left, for good.
    Withdrawn,
}

impl Membership {
    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Expelled => "expelled",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether it is a member no more.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Expelled | Self::Withdrawn)
    }
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What ordered records have changed of a partner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Whether it is a member.
    pub membership: Membership,
    /// What made it so, the last change first known; none while it is as the charter has it.
    pub changed: Option<Changed>,
    /// Who is on watch, and who will be, by when each begins, with the records that say so: the last that has begun, and at most
    /// 16 to come.
    pub watches: Vec<GivenWatch>,
}

/// A watch, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenWatch {
    /// Who has it, from when on.
    pub watch: Watch,
    /// The record that says so.
    pub record: RecordId,
}

impl Member {
    /// Of its watches how many have begun at the time `now`.
    fn begun(&self, now: Time) -> usize {
        self.watches.partition_point(|given| given.watch.from <= now)
    }

    /// The watch that has begun last at the time `now`, and those to come.
    pub(super) fn watches_at(&self, now: Time) -> (Option<&GivenWatch>, &[GivenWatch]) {
        let (begun, ahead) = self.watches.split_at(self.begun(now));
        (begun.last(), ahead)
    }

    /// Takes a handing over of the watch: it takes the place of one that begins at the same moment.
    fn take_watch(&mut self, given: GivenWatch, now: Time) {
        let place = self.watches.partition_point(|standing| standing.watch.from < given.watch.from);
        let same = self.watches.get(place).is_some_and(|standing| standing.watch.from == given.watch.from);
        self.watches.splice(place..place + usize::from(same), [given]);
        let past = self.begun(now).saturating_sub(1);
        self.watches.drain(..past);
    }
}

/// Why a partner's membership is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The operation that was agreed, the record by which it left, or the integrity event that it was suspended for.
    pub by: RecordId,
    /// Batch time of the change.
    pub at: Time,
    /// The reason that was given.
    pub reason: String,
}

/// Why a record about membership, or of a partner that is no member, has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum MemberRefusal {
    /// Said for a partner whose words have no effect.
    #[error("{partner} is {membership} since {}; what it says has no effect", show_time(*.since))]
    NotActive {
        /// Who.
        partner: PartnerName,
        /// What it is.
        membership: Membership,
        /// Since when.
        since: Time,
    },
    /// A change that needs a proposal, or a proposal of a type without that effect.
    #[error("operations of type {kind} {}, and this record is meant to {meant}", what_it_does(.declared))]
    WrongEffect {
        /// The type.
        kind: KindName,
        /// What it declares.
        declared: Option<Effect>,
        /// What the record is meant to do.
        meant: String,
    },
    /// A voice in its own cause.
    #[error("{partner} has no voice in what concerns itself")]
    OwnCause {
        /// Who.
        partner: PartnerName,
    },
    /// Concerns nobody that the charter knows.
    #[error("{partner} is no partner of this coalition")]
    UnknownPartner {
        /// Who is named.
        partner: PartnerName,
    },
    /// A change from a state that the partner is not in.
    #[error("{partner} is {membership}, so there is nothing to {effect}")]
    NothingToDo {
        /// Who.
        partner: PartnerName,
        /// What it is.
        membership: Membership,
        /// What was proposed.
        effect: Effect,
    },
    /// Too many proposals that are not decided.
    #[error("{partner} has {most} proposals open, the most allowed; wait until some are decided")]
    TooManyProposals {
        /// Who.
        partner: PartnerName,
        /// The most allowed.
        most: u64,
    },
    /// Changes who amends by way of another type.
    #[error(
        "{other} amends the charter, too: a change of it is proposed as a {other}, not as a {kind}, so that its own rule is asked"
    )]
    OtherAmender {
        /// The type of the proposal.
        kind: KindName,
        /// The type that it would change.
        other: KindName,
    },
    /// An older handing over of the watch, ordered late.
    #[error("the watch is with {officer} since {}; who takes over does so later", show_time(*.from))]
    OlderWatch {
        /// Who is on watch.
        officer: PublicKey,
        /// From when.
        from: Time,
    },
    /// An amendment that does not apply.
    #[error(transparent)]
    Amendment(AmendmentError),
    /// The watch is given to somebody who is no officer of the partner.
    #[error("{officer} is no officer of {partner}")]
    NotItsOfficer {
        /// Who is named.
        officer: PublicKey,
        /// Whose watch it is.
        partner: PartnerName,
    },
    /// A watch that begins too far ahead.
    #[error("a watch begins within a year: this one would at {}, and it is {}", show_time(*.from), show_time(*.now))]
    FarWatch {
        /// When it would begin.
        from: Time,
        /// Batch time.
        now: Time,
    },
    /// Too many watches to come.
    #[error(
        "{partner} has given {most} watches that are yet to begin, the most allowed; one that begins with another takes its place"
    )]
    TooManyWatches {
        /// Whose.
        partner: PartnerName,
        /// The most allowed.
        most: u64,
    },
}

fn what_it_does(effect: &Option<Effect>) -> String {
    match effect {
        Some(effect) => format!("{effect} {}", effect.object()),
        None => "change nothing in the coalition itself".into(),
    }
}

/// What needs no state: bounds of texts.
pub(super) fn check(act: &MemberAct) -> Result<(), Refusal> {
    match act {
        MemberAct::Propose(propose) => Part::Reason.check(&propose.reason),
        MemberAct::Withdraw { ground } => Part::Reason.check(ground),
        MemberAct::Watch(watch) => watch.note.as_deref().map_or(Ok(()), |note| Part::Caveat.check(note)),
    }
}

impl State {
    /// What ordered records have changed of a partner.
    pub fn member(&self, partner: &PartnerName) -> Cow<'_, Member> {
        self.members.get(partner).map_or_else(|| Cow::Owned(Member::default()), Cow::Borrowed)
    }

    /// Whether a partner is a member.
    pub fn membership(&self, partner: &PartnerName) -> Membership {
        self.members.get(partner).map_or(Membership::Active, |member| member.membership)
    }

    /// Whether what `partner` says has effect.
    pub fn is_active(&self, partner: &PartnerName) -> bool {
        self.membership(partner) == Membership::Active
    }

    /// Refuses what is said for a partner that is not active.
    pub(super) fn require_active(&self, partner: &PartnerName) -> Result<(), Refusal> {
        self.refuse_if(partner, |membership| membership != Membership::Active)
    }

    /// Refuses what is carried by a node of a partner that is gone.
    pub(super) fn require_member(&self, partner: &PartnerName) -> Result<(), Refusal> {
        self.refuse_if(partner, Membership::is_gone)
    }

    fn refuse_if(&self, partner: &PartnerName, refused: impl Fn(Membership) -> bool) -> Result<(), Refusal> {
        match self.members.get(partner) {
            Some(Member { membership, changed, .. }) if refused(*membership) => {
                Err(MemberRefusal::NotActive {
                    partner: partner.clone(),
                    membership: *membership,
                    since: changed.as_ref().map_or(self.time, |changed| changed.at),
                }
                .into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn judge_member(
        &self,
        partner: &PartnerName,
        act: &MemberAct,
        now: Time,
    ) -> Result<Judgement, Refusal> {
        match act {
            MemberAct::Withdraw { .. } => self.require_member(partner)?,
            MemberAct::Watch(watch) => {
                self.require_active(partner)?;
                let officer = watch.officer;
                if self.officer(&officer).is_none_or(|it| it.name != *partner) {
                    return Err(MemberRefusal::NotItsOfficer { officer, partner: partner.clone() }.into());
                }
                self.judge_watch(partner, watch, now)?;
            }
            MemberAct::Propose(propose) => {
                self.require_active(partner)?;
                self.judge_propose(partner, propose)?;
            }
        }
        Ok(Judgement::Apply)
    }

    /// Whether a watch begins when one may: not before that of who is on watch, and not too far ahead.
    fn judge_watch(&self, partner: &PartnerName, watch: &Watch, now: Time) -> Result<(), Refusal> {
        let member = self.member(partner);
        let (current, ahead) = member.watches_at(now);
        if let Some(current) = current.filter(|current| current.watch.from > watch.from) {
            let Watch { officer, from, .. } = current.watch;
            return Err(MemberRefusal::OlderWatch { officer, from }.into());
        }
        let from = watch.from;
        if from > now.plus(MAX_WATCH_AHEAD_MS) {
            return Err(MemberRefusal::FarWatch { from, now }.into());
        }
        let others = ahead.iter().filter(|standing| standing.watch.from != from).count();
        if from > now && others >= MAX_WATCHES_AHEAD {
            let most = MAX_WATCHES_AHEAD as u64;
            return Err(MemberRefusal::TooManyWatches { partner: partner.clone(), most }.into());
        }
        Ok(())
    }

    fn judge_propose(&self, partner: &PartnerName, propose: &Propose) -> Result<(), Refusal> {
        let Propose { kind, change, .. } = propose;
        let declared = self
            .charter()
            .kind(kind.as_str())
            .ok_or_else(|| Refusal::UndeclaredType { kind: kind.to_string() })?
            .effect;
        let effect = change.effect();
        if declared != Some(effect) {
            let meant = format!("{effect} {}", effect.object());
            return Err(MemberRefusal::WrongEffect { kind: kind.clone(), declared, meant }.into());
        }
        if let Some(subject) = change.subject() {
            if self.charter().partner(subject.as_str()).is_none() {
                return Err(MemberRefusal::UnknownPartner { partner: subject.clone() }.into());
            }
            if partner == subject {
                return Err(MemberRefusal::OwnCause { partner: partner.clone() }.into());
            }
            let membership = self.membership(subject);
            if after(membership, effect).is_none() {
                let partner = subject.clone();
                return Err(MemberRefusal::NothingToDo { partner, membership, effect }.into());
            }
        }
        self.may_open(partner, kind.as_str())?;
        if self.proposals.get(partner).is_some_and(|open| *open >= MAX_PROPOSALS_PER_PARTNER) {
            let most = MAX_PROPOSALS_PER_PARTNER as u64;
            return Err(MemberRefusal::TooManyProposals { partner: partner.clone(), most }.into());
        }
        let Change::Amend(amendment) = change else { return Ok(()) };
        self.judge_amendment(amendment)?;
        let amends = amendment.put.iter().find(|put| put.effect == Some(Effect::Amend) && put.name != *kind);
        if let Some(other) = amends {
            return Err(MemberRefusal::OtherAmender { kind: kind.clone(), other: other.name.clone() }.into());
        }
        Ok(())
    }

    pub(super) fn commit_member(&mut self, said: &Said<'_>, act: &MemberAct) {
        match act {
            MemberAct::Propose(propose) => {
                let mut body = BTreeMap::from([("reason".to_owned(), propose.reason.clone())]);
                if let Some(subject) = propose.change.subject() {
                    body.insert("partner".to_owned(), subject.to_string());
                }
                let open = Open {
                    kind: propose.kind.to_string(),
                    title: propose.change.words(),
                    body,
                    precedence: None,
                };
                let claims = self.claimed(&open);
                self.open_operation(said, open, Some(propose.change.clone()), claims);
            }
            MemberAct::Withdraw { ground } => {
                self.change_member(said.partner, Membership::Withdrawn, said.id, ground.clone());
            }
            MemberAct::Watch(watch) => {
                let mut member = self.member(said.partner).into_owned();
                member.take_watch(GivenWatch { watch: watch.clone(), record: said.id }, self.time);
                self.adopt_member(said.partner.clone(), member);
            }
        }
    }

    /// Makes the change that was agreed on by the operation `by`. What has become impossible meanwhile does nothing:
    /// removed stays removed.
    pub(super) fn take_effect(&mut self, change: &Change, by: RecordId, reason: String) -> bool {
        if let Change::Amend(amendment) = change {
            return self.amend(amendment, by);
        }
        let Some(subject) = change.subject() else { return false };
        let Some(membership) = after(self.membership(subject), change.effect()) else { return false };
        self.change_member(subject, membership, by, reason);
        true
    }

    pub(super) fn change_member(
        &mut self,
        partner: &PartnerName,
        membership: Membership,
        by: RecordId,
        reason: String,
    ) {
        let changed = Some(Changed { by, at: self.time, reason });
        let member = Member { membership, changed, ..self.member(partner).into_owned() };
        self.adopt_member(partner.clone(), member);
    }

    /// Takes what has changed of a partner.
    pub(super) fn adopt_member(&mut self, partner: PartnerName, member: Member) {
        self.tree.put(&Item::Member(Cow::Borrowed(&partner), Cow::Borrowed(&member)));
        self.members.insert(partner, member);
    }
}

/// What becomes of a partner; `None` where the change changes nothing.
pub(super) fn after(membership: Membership, effect: Effect) -> Option<Membership> {
    match (effect, membership) {
        (Effect::Suspend, Membership::Active) => Some(Membership::Suspended),
        (Effect::Reinstate, Membership::Suspended) => Some(Membership::Active),
        (Effect::Expel, Membership::Active | Membership::Suspended) => Some(Membership::Expelled),
        _ => None,
    }
}
