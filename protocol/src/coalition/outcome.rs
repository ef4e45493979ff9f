//! The outcome of an operation: a total, bounded function of its type and of the attestations that stand.
//!
//! **When it is agreed.** Requirements are met when one way of the rule is met whole: each of its thresholds has enough
//! endorsements, in number, in weight or as a share of those present; and when the quorum has said something. A partner that
//! abstains or is away may be stood in for where the rule says so. An operation is *agreed*
//! - as soon as requirements are met, every veto holder has endorsed or abstained, and no silence has to be waited out: nobody is
//!   left whose word the rule lets change it;
//! - else at the end of its window, if they are met then and no veto stands: who had a say and kept silent had the
//!   whole window to use it. So silence delays and never blocks, and nobody is raced out of a veto, or out of its place by who
//!   stands in for it, by fast endorsements.
//!
//! **When it is not.** An objection of a veto holder blocks while it stands. It may be superseded until the window ends,
//! so that partners can still come to terms; if it stands then, the operation has *failed*. If no veto stands but a
//! requirement is unmet, the rule's fallback follows: it has *expired*; or it is *deferred* by one further window; or it is
//! *escalated*, and within one further window the word of the named partner, or what the named authority says, alone decides; or it is *agreed with limits*, if a
//! lesser requirement is met. Objections of others, abstentions and everything that is said in roles that do not count are shown
//! and block nothing. One partner has one voice: its latest attestation, in one role.
//!
//! A decision is final; later attestations are refused.

mod check;
mod decision;
mod deficit;
mod fill;
mod tally;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use decision::{Decision, MAX_DECISION_BYTES};
pub use deficit::{Candidate, Deficit, Need, NeedOf};
use tally::{Looked, Voices};

use super::authority::Mandate;
use crate::charter::{Fallback, OperationType, PartnerName, Terms, Threshold};
use crate::identity::{Hash, RecordId};
use crate::record::{Role, Stance};

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every requirement was met and no veto stood, or the partner that it was escalated to said so.
    Agreed,
    /// A veto stood when the window ended, or the partner that it was escalated to said so.
    Failed,
    /// A requirement was unmet when the window ended.
    Expired,
    /// A requirement was unmet when the window ended, and that of the lesser outcome was met.
    #[serde(rename = "agreed-with-limits")]
    Limited,
    /// Its opener acted on it alone, and somebody else had a right to what it claims.
    Conflicted,
}

impl Verdict {
    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agreed => "agreed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Limited => "agreed-with-limits",
            Self::Conflicted => "conflicted",
        }
    }

    /// Whether something was agreed, be it with limits.
    pub fn is_agreed(self) -> bool {
        matches!(self, Self::Agreed | Self::Limited)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which window of an operation it is, and what for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The first.
    #[default]
    First,
    /// A further one, because a requirement was unmet at the end of the first.
    Deferred,
    /// A further one, in which the word of the partner or authority named by the rule decides.
    Escalated,
}

/// What follows from what stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is decided.
    Decided(Verdict),
    /// A further window begins.
    Further(Stage),
}

/// Whether the authorities that an operation needs, beside its rule, let it be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leave {
    /// They do, or none is needed.
    Given,
    /// One has not spoken.
    Awaited,
    /// They do not.
    Refused,
}

impl Leave {
    /// What all mandates together amount to.
    pub fn of(mandates: &[Mandate]) -> Self {
        if mandates.iter().any(Mandate::refuses) {
            Self::Refused
        } else if mandates.iter().all(Mandate::allows) {
            Self::Given
        } else {
            Self::Awaited
        }
    }
}

/// An attestation that stands: what the rule looks at, and what a decision keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The attestation.
    pub record: RecordId,
    /// Who says it.
    pub partner: PartnerName,
    /// In which role.
    pub role: Role,
    /// What.
    pub stance: Stance,
    /// Under which condition, or on which ground.
    pub caveat: Option<String>,
    /// Commitments to evidence, ascending.
    pub evidence: Vec<Hash>,
}

/// What the attestations that stand amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// What is missing.
    pub deficit: Deficit,
    /// The attestations that count: those in roles that do, by record.
    pub counted: Vec<Standing>,
    /// Those in roles that do not, by record.
    pub observed: Vec<Standing>,
    /// Whether the requirements of the lesser outcome are met, where the rule has one.
    pub lesser: bool,
}

impl Assessment {
    /// Judges `standing`, at most one attestation per partner, by the rule of `kind`.
    pub fn of(kind: &OperationType, standing: impl IntoIterator<Item = Standing>) -> Self {
        let (mut counted, mut observed): (Vec<_>, Vec<_>) =
            standing.into_iter().partition(|standing| kind.counts(standing.role));
        counted.sort_by_key(|standing| standing.record);
        observed.sort_by_key(|standing| standing.record);
        let voices = Voices::of(kind, &counted);
        let deficit = Deficit::of(&voices, &kind.rule.ways(), kind.rule.quorum);
        let lesser = match &kind.rule.fallback {
            Fallback::Lesser(lesser) => voices.meets(&lesser.all_of.ways(), 0, Looked::AtTheEnd),
            _ => false,
        };
        Self { deficit, counted, observed, lesser }
    }

    /// What follows now, as far as `leave` of authorities goes; `None` while it stays open. `window_over` says whether its window
    /// has ended, `word` is what the partner that it was escalated to has said since, or the authority at all
    /// ([`Mandate::stance`]).
    pub fn ending(
        &self,
        kind: &OperationType,
        stage: Stage,
        word: Option<Stance>,
        leave: Leave,
        window_over: bool,
    ) -> Option<Ending> {
        let decided = |verdict| Some(Ending::Decided(verdict));
        if window_over && leave == Leave::Refused {
            return decided(Verdict::Failed);
        }
        let allowed = leave == Leave::Given;
        if stage == Stage::Escalated {
            return match word {
                Some(Stance::Endorse) if allowed => decided(Verdict::Agreed),
                Some(Stance::Object) => decided(Verdict::Failed),
                _ if window_over => decided(Verdict::Expired),
                _ => None,
            };
        }
        let deficit = &self.deficit;
        let vetoed = !deficit.vetoed_by.is_empty();
        let settled = deficit.veto_unused.is_empty() && deficit.awaited.is_empty();
        if allowed && deficit.is_met() && !vetoed && (window_over || settled) {
            return decided(Verdict::Agreed);
        }
        if !window_over {
            return None;
        }
        match &kind.rule.fallback {
            _ if vetoed => decided(Verdict::Failed),
            Fallback::Defer if stage == Stage::First => Some(Ending::Further(Stage::Deferred)),
            Fallback::Escalate(_) | Fallback::Authority(_) => Some(Ending::Further(Stage::Escalated)),
            Fallback::Lesser(_) if self.lesser && allowed => decided(Verdict::Limited),
            Fallback::Fail | Fallback::Defer | Fallback::Lesser(_) => decided(Verdict::Expired),
        }
    }
}

/// Whether `counted` can be agreed before the window ends: the same as [`Assessment::ending`], without what is missing.
pub(super) fn is_settled<'a>(
    kind: &'a OperationType,
    counted: impl IntoIterator<Item = (&'a PartnerName, Role, Stance)>,
) -> bool {
    let voices = Voices::said(kind, counted.into_iter().filter(|(_, role, _)| kind.counts(*role)));
    voices.meets(&kind.rule.ways(), kind.rule.quorum, Looked::Now)
        && voices.vetoed_by().is_empty()
        && voices.veto_unused().is_empty()
}

/// What the attestations that stand lack of all of `terms`.
pub(super) fn lacking<'a>(
    kind: &'a OperationType,
    terms: &Terms,
    standing: impl IntoIterator<Item = (&'a PartnerName, Role, Stance)>,
) -> Deficit {
    let voices = Voices::said(kind, standing.into_iter().filter(|(_, role, _)| kind.counts(*role)));
    let deficit = Deficit::of(&voices, &terms.ways(), 0);
    // Whom the outcome waits for is no matter here.
    Deficit { awaited: Vec::new(), veto_unused: Vec::new(), ..deficit }
}

/// Who does not go along; everybody else does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Against<'a> {
    /// These say nothing.
    pub(crate) silent: Vec<&'a PartnerName>,
    /// These object.
    pub(crate) objecting: Vec<&'a PartnerName>,
}

/// Whether one of `ways` and the quorum can be met by everybody else; `None` if there are more choices between several
/// roles than `tries`, of which what is tried is taken.
pub(crate) fn can_be_met(
    kind: &OperationType,
    ways: &[Vec<Threshold>],
    quorum: u32,
    against: &Against<'_>,
    tries: &mut usize,
) -> Option<bool> {
    let Against { silent, objecting } = against;
    let words = objecting
        .iter()
        .filter_map(|partner| Some((*partner, kind.voices_of(partner).next()?, Stance::Object)));
    let without = silent.iter().chain(objecting).copied().collect::<Vec<_>>();
    let voices = Voices::said(kind, words);
    let mut unknown = false;
    for way in ways {
        match fill::is_fillable(&voices, way, quorum, &without, tries) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => unknown = true,
        }
    }
    if unknown { None } else { Some(false) }
}

/// Whether an endorsement of `partner` meets one of `ways` and the quorum by itself, whether others say nothing or object.
pub(crate) fn is_met_by(
    kind: &OperationType,
    ways: &[Vec<Threshold>],
    quorum: u32,
    partner: &PartnerName,
) -> bool {
    let object = |other| Some((other, kind.voices_of(other).next()?, Stance::Object));
    let objecting = || kind.voters().into_iter().filter(|other| *other != partner).filter_map(object);
    let voters = kind.voters();
    let Some(partner) = voters.into_iter().find(|voter| *voter == partner) else { return false };
    kind.voices_of(partner).any(|role| {
        let endorses = (partner, role, Stance::Endorse);
        let among = |others: Vec<_>| {
            let voices = Voices::said(kind, others.into_iter().chain([endorses]));
            voices.meets(ways, quorum, Looked::AtTheEnd)
        };
        among(vec![]) && among(objecting().collect())
    })
}

/// Whether whatever meets one of `lesser` meets one of `ways` and the quorum, where no veto stands; `None` if partners could say more
/// things than `most`.
pub(crate) fn implies(
    kind: &OperationType,
    lesser: &[Vec<Threshold>],
    ways: &[Vec<Threshold>],
    quorum: u32,
    most: usize,
) -> Option<bool> {
    let says = |partner: &PartnerName| {
        let roles = kind.voices_of(partner).collect::<Vec<_>>();
        let stances = [Stance::Endorse, Stance::Object, Stance::Abstain];
        let said = roles.into_iter().flat_map(|role| stances.map(|stance| Some((role, stance))));
        said.chain([None]).collect::<Vec<_>>()
    };
    let each = kind.voters().into_iter().map(|partner| (partner, says(partner))).collect::<Vec<_>>();
    let all = each.iter().fold(1usize, |all, (_, says)| all.saturating_mul(says.len()));
    if all > most {
        return None;
    }
    let follows = |mut number: usize| {
        let said = each.iter().filter_map(|(partner, says)| {
            let word = says[number % says.len()];
            number /= says.len();
            word.map(|(role, stance)| (*partner, role, stance))
        });
        let voices = Voices::said(kind, said.collect::<Vec<_>>());
        !voices.vetoed_by().is_empty()
            || !voices.meets(lesser, 0, Looked::AtTheEnd)
            || voices.meets(ways, quorum, Looked::AtTheEnd)
    };
    Some((0..all).all(follows))
}

/// What one of `ways` and the quorum still lack, in words, where everybody endorses but `gone`.
pub(crate) fn lacks_without(
    kind: &OperationType,
    ways: &[Vec<Threshold>],
    quorum: u32,
    gone: &[&PartnerName],
) -> String {
    let others = kind.voters().into_iter().filter(|partner| !gone.contains(partner));
    let endorses = others.filter_map(|partner| {
        let role = kind.voices_of(partner).next()?;
        Some((partner, role, Stance::Endorse))
    });
    let deficit = Deficit::of(&Voices::said(kind, endorses), ways, quorum);
    Deficit { veto_unused: Vec::new(), ..deficit.at_the_end() }.to_string()
}

/// The role in which `ways` and the quorum still ask for an endorsement of `partner`, or of it in another's place, after these
/// words.
pub(crate) fn asked_in(
    kind: &OperationType,
    ways: &[Vec<Threshold>],
    quorum: u32,
    said: &[(&PartnerName, Role, Stance)],
    partner: &PartnerName,
) -> Option<Role> {
    let deficit = Deficit::of(&Voices::said(kind, said.iter().copied()), ways, quorum);
    let needs = deficit.needs.iter().chain(deficit.either.iter().flatten());
    let mut asks =
        needs.filter(|need| need.from.iter().any(|it| it.partner == *partner || it.or.contains(partner)));
    asks.find_map(|need| need.role.filter(|role| kind.voices_of(partner).any(|own| own == *role)))
}

/// What `ways` ask for from those who may endorse, in words.
pub(crate) fn lacks(kind: &OperationType, ways: &[Vec<Threshold>], quorum: u32) -> String {
    Deficit::of(&Voices::said(kind, []), ways, quorum).to_string()
}

/// What a word adds to its stance, in words: of an objection it is the ground.
pub(super) fn caveat_of(stance: Stance, caveat: Option<&str>) -> String {
    match (caveat, stance) {
        (Some(ground), Stance::Object) => format!(", on the ground: {ground}"),
        (Some(caveat), _) => format!(", with the caveat: {caveat}"),
        (None, _) => String::new(),
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = match self.stance {
            Stance::Endorse => "endorses",
            Stance::Object => "objects",
            Stance::Abstain => "abstains",
        };
        write!(f, "{} {says} as {}", self.partner, self.role)?;
        f.write_str(&caveat_of(self.stance, self.caveat.as_deref()))?;
        match self.evidence.len() {
            0 => Ok(()),
            1 => f.write_str(", with evidence"),
            more => write!(f, ", with {more} pieces of evidence"),
        }
    }
}
