//! How an operation of a type goes on: who may hand it to whom, through which phases, and who judges a dispute.
//!
//! All of it may be left out of a charter. A type that says nothing takes offers for an hour, has no phases, no successor and
//! no panel: what nobody declared nobody can do.

use serde::{Deserialize, Serialize};

use super::{CharterError, KindName, MAX_PARTNERS, MAX_WINDOW_MS, PartnerName, ascending, bound};

/// Most phases of an operation type.
pub const MAX_PHASES: usize = 16;
/// Most grounds that a type declares for disputes.
pub const MAX_GROUNDS: usize = 32;

const HOUR_MS: u64 = 3_600_000;

/// How roles of an operation are handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandoffRule {
    /// How long an offer stays open at the most, in milliseconds of batch time.
    #[serde(default = "hour")]
    pub offer_ms: u64,
    /// Who may take the lead without an offer, and when.
    #[serde(default)]
    pub takeover: Option<TakeoverRule>,
}

const fn hour() -> u64 {
    HOUR_MS
}

impl Default for HandoffRule {
    fn default() -> Self {
        Self { offer_ms: HOUR_MS, takeover: None }
    }
}

/// When the successor may take the lead: any one of the conditions that are given is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakeoverRule {
    /// The only one that may, unless a phase names another.
    pub successor: PartnerName,
    /// No record of the lead was applied for so long, in milliseconds of batch time.
    #[serde(default)]
    pub silent_ms: Option<u64>,
    /// The lead may not speak any more: its credential has run out, or it is suspended or gone.
    #[serde(default)]
    pub lapsed: bool,
}

/// A phase of an operation. Phases follow each other as they are listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name, once in a type.
    pub name: KindName,
    /// Who may lead it, sorted: some of those that may lead the type.
    pub lead: Vec<PartnerName>,
    /// Who may take the lead in this phase, in place of the type's successor and on its conditions.
    #[serde(default)]
    pub successor: Option<PartnerName>,
}

/// How disputes about operations of a type are opened and ruled on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisputeRule {
    /// How long after what it is about a dispute may be opened, in milliseconds of batch time.
    pub window_ms: u64,
    /// Who judges, sorted. Whoever is a party to a dispute has no seat in it.
    pub panel: Vec<PartnerName>,
    /// So many equal words decide.
    pub threshold: u32,
    /// What if fewer than `threshold` are left without the parties.
    #[serde(default)]
    pub if_short: IfShort,
    /// How long the panel has, in milliseconds of batch time.
    pub rule_ms: u64,
    /// What holds if it has not decided by then.
    #[serde(default)]
    pub on_expiry: OnExpiry,
    /// What becomes meanwhile of that which depends on the operation.
    #[serde(default)]
    pub dependants: Dependants,
    /// For which of these reasons, sorted; any text if there are none.
    #[serde(default)]
    pub grounds: Vec<KindName>,
    /// How long a remanded operation takes attestations again, in milliseconds of batch time; the type's window if it is
    /// left out.
    #[serde(default)]
    pub remand_ms: Option<u64>,
}

/// What if a panel is short of judges that are no party.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IfShort {
    /// The dispute cannot be opened.
    #[default]
    Refuse,
    /// All that are left must agree, at least one.
    Unanimous,
}

/// What a dispute ends with that nobody ruled on in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExpiry {
    /// It stands.
    #[default]
    Uphold,
    /// It is annulled.
    Annul,
}

/// What becomes of that which depends on an operation in dispute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dependants {
    /// Nothing changes until there is a ruling.
    #[default]
    GoOn,
    /// Assets are directed by their owners and none is lent, offers of its roles wait, and no operation that follows
    /// it is opened.
    Hold,
}

impl DisputeRule {
    /// Who judges if these are the parties, and how many equal words decide; nobody if too few are left.
    pub fn judges(&self, is_party: impl Fn(&PartnerName) -> bool) -> Option<(Vec<&PartnerName>, u32)> {
        let judges = self.panel.iter().filter(|judge| !is_party(judge)).collect::<Vec<_>>();
        let left = u32::try_from(judges.len()).unwrap_or(u32::MAX);
        match self.if_short {
            _ if left >= self.threshold => Some((judges, self.threshold)),
            IfShort::Unanimous if left > 0 => Some((judges, left)),
            IfShort::Refuse | IfShort::Unanimous => None,
        }
    }

    pub(super) fn sort(&mut self) {
        self.panel.sort_unstable();
        self.grounds.sort_unstable();
    }
}

/// Whether bounds and order are those of a canonical charter.
pub(super) fn check(
    kind: &KindName,
    handoff: &HandoffRule,
    phases: &[Phase],
    dispute: Option<&DisputeRule>,
) -> Result<(), CharterError> {
    let span = |what: &str, ms| bound(&format!("milliseconds of {what} of {kind}"), ms, 0, MAX_WINDOW_MS);
    span("offer_ms", handoff.offer_ms)?;
    span("silent_ms", handoff.takeover.as_ref().and_then(|takeover| takeover.silent_ms).unwrap_or(0))?;
    bound(&format!("phases of {kind}"), phases.len(), 0, MAX_PHASES)?;
    for (at, phase) in phases.iter().enumerate() {
        if phases[..at].iter().any(|before| before.name == phase.name) {
            let what = format!("phases of {kind}");
            return Err(CharterError::Order { what, item: phase.name.to_string() });
        }
        let what = format!("partners that lead {} of {kind}", phase.name);
        bound(&what, phase.lead.len(), 0, MAX_PARTNERS)?;
        ascending(&what, &phase.lead)?;
    }
    let Some(dispute) = dispute else { return Ok(()) };
    span("dispute.window_ms", dispute.window_ms)?;
    span("dispute.rule_ms", dispute.rule_ms)?;
    span("dispute.remand_ms", dispute.remand_ms.unwrap_or(0))?;
    let what = format!("judges of {kind}");
    bound(&what, dispute.panel.len(), 0, MAX_PARTNERS)?;
    ascending(&what, &dispute.panel)?;
    let what = format!("grounds of disputes about {kind}");
    bound(&what, dispute.grounds.len(), 0, MAX_GROUNDS)?;
    ascending(&what, &dispute.grounds)
}
