//! Outcome rules: when an operation is agreed. Total, bounded, decided by what stands alone.
//!
//! A rule is a list of requirements, all of which must be met: thresholds on the endorsements in a role (how many, of which
//! weight, or which share of those present), and nested all-of and any-of. Any nesting comes to a list of *ways*, each a list of
//! thresholds ([`OutcomeRule::ways`]), of which one must be met whole; their number is bounded, so that judging a rule costs no
//! more than [`MAX_TERMS`] looks at the partners. What it means is said in [`crate::coalition::outcome`].

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::term::{Measure, Terms, Threshold};
use super::text::is_showable;
use super::{AuthorityName, CharterError, KindName, MAX_PARTNERS, PartnerName, ascending, bound};
use crate::coalition::Verdict;
use crate::record::Role;

/// Most thresholds of a rule, over all its ways.
pub const MAX_TERMS: usize = 20;
/// Most ways in which a rule can be met.
pub const MAX_WAYS: usize = 8;
/// Most substitutes that a rule names.
pub const MAX_SUBSTITUTES: usize = 32;
/// Most partners that may stand in for one other.
pub const MAX_STAND_INS: usize = 8;
/// Greatest weight of a partner.
pub const MAX_WEIGHT: u32 = 1000;
/// Longest text of a lesser outcome's limits, in bytes.
pub const MAX_LIMITS_BYTES: usize = 256;

/// When an operation is agreed: every requirement is met, and no veto stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeRule {
    /// Roles in which at least one endorsement is required, sorted.
    #[serde(default)]
    pub required: Vec<Role>,
    /// Least numbers of endorsements, sorted by role.
    #[serde(default)]
    pub at_least: Vec<AtLeast>,
    /// Further requirements, all of which must be met.
    #[serde(default)]
    pub all_of: Terms,
    /// At least so many partners that have a role that counts have said something in one; 0 asks for nothing.
    #[serde(default)]
    pub quorum: u32,
    /// What an endorsement weighs, sorted by partner; that of others weighs 1.
    #[serde(default)]
    pub weights: Vec<Weight>,
    /// Who stands in for whom, sorted by role and partner.
    #[serde(default)]
    pub substitutes: Vec<Substitute>,
    /// Whose objection blocks.
    #[serde(default)]
    pub veto: Veto,
    /// What follows when the window ends and a requirement is unmet.
    #[serde(default, deserialize_with = "fallback")]
    pub fallback: Fallback,
}

/// At least `count` partners endorse in `role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtLeast {
    /// The role.
    pub role: Role,
    /// How many.
    pub count: u32,
}

/// What a partner's endorsement weighs where weights are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// Whose.
    pub partner: PartnerName,
    /// How much: 1 to [`MAX_WEIGHT`].
    pub weight: u32,
}

/// Who may endorse in a partner's place when that one abstains or is away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Substitute {
    /// In which role.
    pub role: Role,
    /// Whose place, a partner that has the role.
    pub partner: PartnerName,
    /// Who may stand in, sorted: partners that do not have the role themselves, each for one other in it.
    pub by: Vec<PartnerName>,
}

/// Whose objection blocks an operation while it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Veto {
    /// These partners, in any role that counts, sorted.
    #[serde(default)]
    pub partners: Vec<PartnerName>,
    /// Whoever acts in one of these roles, sorted.
    #[serde(default)]
    pub roles: Vec<Role>,
}

/// What follows when the window ends, no veto stands and a requirement is unmet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fallback {
    /// It has expired.
    #[default]
    Fail,
    /// One further window of the same length; then it has expired.
    Defer,
    /// This partner's word decides within one further window of the same length; then it has expired.
    Escalate(PartnerName),
    /// It is agreed with limits if this much is met; else it has expired.
    Lesser(Lesser),
    /// What this authority says decides within one further window of the same length; then it has expired.
    Authority(AuthorityName),
}

impl Fallback {
    /// The authority whose word decides then.
    pub fn authority(&self) -> Option<&AuthorityName> {
        match self {
            Self::Authority(to) => Some(to),
            _ => None,
        }
    }
}

/// Reads a fallback; in text one that has too much is told what that is.
fn fallback<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fallback, D::Error> {
    struct Text;
    impl<'de> de::Visitor<'de> for Text {
        type Value = Fallback;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("\"fail\", \"defer\", { escalate = PARTNER }, { authority = AUTHORITY } or { lesser = { limits, all_of } }")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Fallback, E> {
            match text {
                "fail" => Ok(Fallback::Fail),
                "defer" => Ok(Fallback::Defer),
                other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
            }
        }
        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Fallback, A::Error> {
            let mut found = None;
            while let Some(key) = map.next_key::<String>()? {
                let next = match key.as_str() {
                    "escalate" => Fallback::Escalate(map.next_value()?),
                    "lesser" => Fallback::Lesser(map.next_value()?),
                    "authority" => Fallback::Authority(map.next_value()?),
                    _ => return Err(de::Error::unknown_field(&key, &["escalate", "authority", "lesser"])),
                };
                if found.replace(next).is_some() {
                    return Err(de::Error::custom("a fallback is one of escalate, authority and lesser"));
                }
            }
            found.ok_or_else(|| de::Error::invalid_length(0, &self))
        }
    }
    match deserializer.is_human_readable() {
        true => deserializer.deserialize_any(Text),
        false => Fallback::deserialize(deserializer),
    }
}

/// A lesser outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesser {
    /// What is agreed then, in one line for people.
    pub limits: String,
    /// What must be met, all of it.
    pub all_of: Terms,
}

impl OutcomeRule {
    /// How many endorsements `required` and `at_least` ask for in `role`.
    pub fn needed(&self, role: Role) -> u32 {
        let required = u32::from(self.required.contains(&role));
        let counted = self.at_least.iter().filter(|least| least.role == role).map(|least| least.count);
        counted.max().unwrap_or(0).max(required)
    }

    /// The ways in which the requirements can be met: all thresholds of one of them. At most [`MAX_WAYS`] with at
    /// most [`MAX_TERMS`] thresholds together.
    pub fn ways(&self) -> Vec<Vec<Threshold>> {
        let mut roles = self
            .required
            .iter()
            .copied()
            .chain(self.at_least.iter().map(|least| least.role))
            .collect::<Vec<_>>();
        roles.sort_unstable();
        roles.dedup();
        let plain = roles.into_iter().filter(|role| self.needed(*role) > 0).map(|role| Threshold {
            role: Some(role),
            partners: vec![],
            measure: Measure::Count(self.needed(role)),
        });
        let plain = plain.collect::<Vec<_>>();
        self.all_of.ways().into_iter().map(|way| plain.iter().cloned().chain(way).collect()).collect()
    }

    /// What an endorsement of `partner` weighs.
    pub fn weight(&self, partner: &PartnerName) -> u32 {
        let found = self.weights.binary_search_by(|weight| weight.partner.cmp(partner));
        found.map_or(1, |at| self.weights[at].weight)
    }

    /// Who may stand in for `partner` in `role`, sorted.
    pub fn stand_ins(&self, partner: &PartnerName, role: Role) -> &[PartnerName] {
        let found = self.substitutes.binary_search_by(|it| (it.role, &it.partner).cmp(&(role, partner)));
        found.map_or(&[], |at| &self.substitutes[at].by)
    }

    /// Whose place `partner` may take in `role`.
    pub fn stands_in_for(&self, partner: &PartnerName, role: Role) -> Option<&PartnerName> {
        let stands_in = |it: &&Substitute| it.role == role && it.by.binary_search(partner).is_ok();
        self.substitutes.iter().find(stands_in).map(|it| &it.partner)
    }

    /// What is agreed where `verdict` is the lesser outcome.
    pub fn limits(&self, verdict: Verdict) -> Option<String> {
        match &self.fallback {
            Fallback::Lesser(lesser) if verdict == Verdict::Limited => Some(lesser.limits.clone()),
            _ => None,
        }
    }

    /// Brings every list into canonical order.
    pub(super) fn sort(&mut self) {
        self.required.sort_unstable();
        self.at_least.sort_by_key(|least| least.role);
        self.all_of.sort();
        self.weights.sort_by(|a, b| a.partner.cmp(&b.partner));
        self.substitutes.sort_by(|a, b| (a.role, &a.partner).cmp(&(b.role, &b.partner)));
        self.substitutes.iter_mut().for_each(|it| it.by.sort_unstable());
        self.veto.partners.sort_unstable();
        self.veto.roles.sort_unstable();
        if let Fallback::Lesser(lesser) = &mut self.fallback {
            lesser.all_of.sort();
        }
    }

    /// Whether bounds and order are those of a canonical charter.
    pub(super) fn check(&self, kind: &KindName) -> Result<(), CharterError> {
        ascending(&format!("required roles of {kind}"), &self.required)?;
        ascending(&format!("at_least of {kind}"), self.at_least.iter().map(|least| &least.role))?;
        self.all_of.check(&format!("the rule of {kind}"))?;
        let (ways, terms) = self.all_of.size();
        let plain = self.required.len().saturating_add(self.at_least.len());
        let terms = terms.saturating_add(plain.saturating_mul(ways));
        bound(&format!("ways in the rule of {kind}"), ways, 0, MAX_WAYS)?;
        bound(&format!("thresholds in the rule of {kind}, over all its ways,"), terms, 0, MAX_TERMS)?;
        bound(&format!("partners as quorum of {kind}"), self.quorum, 0, MAX_PARTNERS)?;
        bound(&format!("weights of {kind}"), self.weights.len(), 0, MAX_PARTNERS)?;
        ascending(&format!("weights of {kind}"), self.weights.iter().map(|weight| &weight.partner))?;
        for Weight { partner, weight } in &self.weights {
            bound(&format!("as weight of {partner} in {kind}"), *weight, 1, MAX_WEIGHT)?;
        }
        bound(&format!("substitutes of {kind}"), self.substitutes.len(), 0, MAX_SUBSTITUTES)?;
        let order = self
            .substitutes
            .windows(2)
            .all(|two| (two[0].role, &two[0].partner) < (two[1].role, &two[1].partner));
        if !order {
            let item =
                self.substitutes.last().map_or_else(String::new, |it| format!("{} {}", it.role, it.partner));
            return Err(CharterError::Order { what: format!("substitutes of {kind}"), item });
        }
        for it in &self.substitutes {
            let what = format!("partners that stand in for {} in {kind}", it.partner);
            bound(&what, it.by.len(), 1, MAX_STAND_INS)?;
            ascending(&what, &it.by)?;
        }
        bound(&format!("vetoes of {kind}"), self.veto.partners.len(), 0, MAX_PARTNERS)?;
        ascending(&format!("vetoes of {kind}"), &self.veto.partners)?;
        ascending(&format!("veto roles of {kind}"), &self.veto.roles)?;
        if let Fallback::Lesser(lesser) = &self.fallback {
            let what = format!("the lesser outcome of {kind}");
            lesser.all_of.check(&what)?;
            let (ways, terms) = lesser.all_of.size();
            bound(&format!("ways in {what}"), ways, 0, MAX_WAYS)?;
            bound(&format!("thresholds in {what}"), terms, 1, MAX_TERMS)?;
            bound(&format!("bytes of limits in {what}"), lesser.limits.len(), 1, MAX_LIMITS_BYTES)?;
            if !is_showable(&lesser.limits) {
                return Err(CharterError::Text(format!("the limits in {what} have control characters")));
            }
        }
        Ok(())
    }
}
