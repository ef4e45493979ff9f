//! What a charter declares about integrity events: when one is confirmed, and what follows.

use serde::{Deserialize, Serialize};

use super::lint::Lints;
use super::text::all_of;
use super::{Charter, CharterError, MAX_PARTNERS, PartnerName, ascending, bound};
use crate::record::EventKind;

/// Greatest rate of faults by one member over which a node reports a flood, per minute.
pub const MAX_FLOOD_PER_MINUTE: u32 = 1_000_000;

/// How integrity events are confirmed and what follows from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntegrityRules {
    /// How many independent partners confirm an event that nothing proves. Its subject never counts.
    pub confirmations: u32,
    /// Whether the partner whose officer reports it counts as one of them.
    pub reporter_counts: bool,
    /// Faults of one kind by one member over which its peers report a flood, per minute.
    pub flood_per_minute: u32,
    /// How many votes suspend a partner.
    pub votes: u32,
    /// How many votes end a quarantine or suspension; 0: nothing does.
    pub lift_votes: u32,
    /// Who votes, sorted; none named: every partner. Who is the subject of an event never does on it.
    pub voters: Vec<PartnerName>,
    /// What follows, by kind.
    pub responses: Responses,
}

/// What follows from an event, by its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Responses {
    /// To [`EventKind::Impersonation`].
    pub impersonation: Vec<Response>,
    /// To [`EventKind::ForcedDisclosure`].
    pub forced_disclosure: Vec<Response>,
    /// To [`EventKind::Equivocation`].
    pub equivocation: Vec<Response>,
    /// To [`EventKind::Flood`].
    pub flood: Vec<Response>,
    /// To [`EventKind::Withholding`].
    pub withholding: Vec<Response>,
    /// To [`EventKind::Replay`].
    pub replay: Vec<Response>,
    /// To [`EventKind::DeclaredFailure`].
    pub declared_failure: Vec<Response>,
}

/// What may follow from an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// It is marked urgent from the first report on.
    Alert,
    /// Once it is confirmed, what the key says later has no effect.
    Quarantine,
    /// Once it is confirmed, partners may vote to suspend its subject.
    Suspend,
}

impl Response {
    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Quarantine => "quarantine",
            Self::Suspend => "suspend",
        }
    }
}

impl std::fmt::Display for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Two partners confirm, people are alerted, and nothing else follows.
impl Default for IntegrityRules {
    fn default() -> Self {
        Self {
            confirmations: 2,
            reporter_counts: true,
            flood_per_minute: 600,
            votes: 2,
            lift_votes: 2,
            voters: Vec::new(),
            responses: Responses::default(),
        }
    }
}

impl Default for Responses {
    fn default() -> Self {
        let alert = || vec![Response::Alert];
        Self {
            impersonation: alert(),
            forced_disclosure: alert(),
            equivocation: alert(),
            flood: alert(),
            withholding: alert(),
            replay: alert(),
            declared_failure: alert(),
        }
    }
}

impl Responses {
    /// What follows from an event of this kind, sorted.
    pub fn to(&self, kind: EventKind) -> &[Response] {
        match kind {
            EventKind::Impersonation => &self.impersonation,
            EventKind::ForcedDisclosure => &self.forced_disclosure,
            EventKind::Equivocation => &self.equivocation,
            EventKind::Flood => &self.flood,
            EventKind::Withholding => &self.withholding,
            EventKind::Replay => &self.replay,
            EventKind::DeclaredFailure => &self.declared_failure,
        }
    }

    fn each_mut(&mut self) -> [&mut Vec<Response>; 7] {
        let Self {
            impersonation,
            forced_disclosure,
            equivocation,
            flood,
            withholding,
            replay,
            declared_failure,
        } = self;
        [impersonation, forced_disclosure, equivocation, flood, withholding, replay, declared_failure]
    }
}

impl IntegrityRules {
    /// Rules for so many partners: one more than may be faulty confirm and vote, so that an honest one is among them.
    pub fn of(partners: usize) -> Self {
        let weak = u32::try_from(partners.saturating_sub(1) / 3 + 1).unwrap_or(u32::MAX).max(2);
        Self { confirmations: weak, votes: weak, lift_votes: weak, ..Self::default() }
    }

    /// Whether an event of this kind has this response.
    pub fn has(&self, kind: EventKind, response: Response) -> bool {
        self.responses.to(kind).contains(&response)
    }

    /// Whether `partner` votes.
    pub fn may_vote(&self, partner: &PartnerName) -> bool {
        self.voters.is_empty() || self.voters.binary_search(partner).is_ok()
    }

    pub(super) fn sort(&mut self) {
        self.voters.sort_unstable();
        self.responses.each_mut().into_iter().for_each(|responses| responses.sort_unstable());
    }

    pub(super) fn check(&self) -> Result<(), CharterError> {
        // Else an accusation alone would confirm itself.
        let least = if self.reporter_counts { 2 } else { 1 };
        bound("confirmations of integrity events", self.confirmations, least, MAX_PARTNERS)?;
        bound("faults of flood_per_minute", self.flood_per_minute, 1, MAX_FLOOD_PER_MINUTE)?;
        bound("votes of integrity", self.votes, 1, MAX_PARTNERS)?;
        bound("lift_votes of integrity", self.lift_votes, 0, MAX_PARTNERS)?;
        bound("voters of integrity", self.voters.len(), 0, MAX_PARTNERS)?;
        ascending("voters of integrity", &self.voters)?;
        for kind in EventKind::ALL {
            ascending(&format!("responses to {kind}"), self.responses.to(kind))?;
        }
        Ok(())
    }
}

/// What in the rules can never work, and what people should know before they sign.
pub(super) fn lint(charter: &Charter, lints: &mut Lints) {
    let rules = &charter.integrity;
    for voter in &rules.voters {
        if charter.partner(voter.as_str()).is_none() {
            lints.error(format!("integrity: {voter} votes, but is no partner of this charter"));
        }
    }
    let members = charter.members().count();
    let faulty = (members.saturating_sub(1) / 3).max(charter.admitted.len());
    let k = rules.confirmations as usize;
    // Neither the subject nor, where that does not count, who reports it.
    let confirm = members.saturating_sub(if rules.reporter_counts { 1 } else { 2 });
    if k > confirm {
        let besides = if rules.reporter_counts { "the subject" } else { "the subject and who reports it" };
        lints.note(format!(
            "integrity: {k} partners besides {besides} must confirm, and there are {confirm}: only proofs confirm"
        ));
    } else if k <= faulty {
        lints.warning(format!(
            "integrity: {k} partners confirm an event, and as many may be faulty: they could confirm what never was"
        ));
    }
    let kinds = |response: Response| -> Vec<EventKind> {
        EventKind::ALL.into_iter().filter(|kind| rules.has(*kind, response)).collect()
    };
    let suspend = kinds(Response::Suspend);
    // Whom it is about does not vote: of those named one less, where it is one of them.
    let (voters, least) = match rules.voters.len() {
        0 => (members.saturating_sub(1), members.saturating_sub(1)),
        named => (named, named - 1),
    };
    let short = |votes: usize| votes <= voters && votes > least;
    if !suspend.is_empty() {
        let votes = rules.votes as usize;
        if votes > voters {
            lints.error(format!(
                "integrity: {votes} votes suspend for {}, and there are {voters} voters besides the subject; nobody can ever be \
                 suspended",
                all_of(&suspend)
            ));
        } else if short(votes) {
            lints.warning(format!(
                "integrity: {votes} votes suspend for {}, and without its own a voter has {least} against it: none of {} can be \
                 suspended so",
                all_of(&suspend),
                all_of(&rules.voters)
            ));
        } else if votes <= faulty {
            lints.warning(format!(
                "integrity: {votes} votes suspend a partner, and as many partners may be faulty"
            ));
        }
    }
    let lift = rules.lift_votes as usize;
    if !suspend.is_empty() || !kinds(Response::Quarantine).is_empty() {
        if lift == 0 {
            lints.warning("integrity: nothing ends a quarantine or suspension: lift_votes is 0".into());
        } else if lift > voters {
            lints.warning(format!(
                "integrity: {lift} votes end a quarantine or suspension, and there are {voters} voters besides the subject: nothing \
                 ever does"
            ));
        } else if short(lift) {
            lints.warning(format!(
                "integrity: {lift} votes end a quarantine or suspension, and without its own a voter has {least}: nothing ends one \
                 of {}",
                all_of(&rules.voters)
            ));
        }
    }
    for kind in EventKind::ALL.into_iter().filter(|kind| !rules.has(*kind, Response::Alert)) {
        lints.note(format!("integrity: nobody is alerted of {kind}"));
    }
}
