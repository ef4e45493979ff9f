//! The charter: the declared specification of a coalition, version 1.
//!
//! Guarantees: one charter has one canonical encoding (partners, types and lists are sorted and without
//! duplicates), and the hash of the first version's bytes is the coalition's identity, so whoever pins the id pins
//! every word of it. Every list and text is bounded. A version or field that this code does not know is refused,
//! because ignoring one could change an outcome.
//!
//! How: the same types are read from TOML by people ([`Charter::from_toml`], any order) and hashed in the wire
//! encoding ([`Charter::encode`]). What the rules mean is said in [`crate::coalition`]; what a charter tolerates and
//! what in it can never work, in [`lint`].

mod amendment;
mod authority;
mod card;
mod changes;
mod course;
mod governance;
mod integrity;
mod kind;
mod lease;
mod lint;
mod name;
mod rule;
mod schema;
mod template;
mod term;
#[cfg(test)]
mod tests;
pub(crate) mod text;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use amendment::{Amendment, AmendmentError, MAX_ACCESSIONS, MAX_JOINING_KEYS};
pub use authority::{AuthorityRules, MAX_ALLIANCES, MAX_NATIONS_CHANGED};
pub use card::{Card, MAX_CONTACT_BYTES};
pub use changes::Difference;
pub use course::{
    Dependants, DisputeRule, HandoffRule, IfShort, MAX_GROUNDS, MAX_PHASES, OnExpiry, Phase, TakeoverRule,
};
pub use governance::Effect;
pub use integrity::{IntegrityRules, MAX_FLOOD_PER_MINUTE, Response, Responses};
pub use kind::{DeclaredRole, MAX_DECLARED_ROLES, OperationType};
pub use lease::{Lease, MAX_LEASE_VALUES, MAX_LEASES};
pub use lint::{Lint, Severity, lint, lint_at, lint_without};
pub use name::{AssetName, AuthorityName, KindName, MAX_NAME_BYTES, NameError, PartnerName};
pub use rule::{
    AtLeast, Fallback, Lesser, MAX_LIMITS_BYTES, MAX_STAND_INS, MAX_SUBSTITUTES, MAX_TERMS, MAX_WAYS,
    MAX_WEIGHT, OutcomeRule, Substitute, Veto, Weight,
};
pub use schema::{BodyError, Claim, Field, FieldKind, MAX_CHOICES, MAX_RESOURCES, Resource};
pub use template::{DraftSpec, RoleHints, TEMPLATES, draft};
pub use term::{MAX_TERM_DEPTH, Measure, Term, Terms, Threshold};
pub use text::{MAX_TEXT_TIME, parse_time, show_span, show_time};

use crate::identity::{CoalitionId, Hash, PublicKey, hash};
use crate::lane::Lane;
use crate::record::{Nonce, Role};
use crate::time::Time;
use crate::wire::{self, WireError};
use text::time_text;

/// The version that a coalition is founded with; later ones are made by amendments.
pub const CHARTER_VERSION: u32 = 1;
/// Most partners, and so most seats.
pub const MAX_PARTNERS: usize = 64;
/// Most officers of a partner.
pub const MAX_OFFICERS: usize = 16;
/// Most nodes of a partner.
pub const MAX_NODES: usize = 8;
/// Most operation types.
pub const MAX_KINDS: usize = 64;
/// Most capabilities.
pub const MAX_CAPABILITIES: usize = 64;
/// Longest window of an operation: a year and a day.
pub const MAX_WINDOW_MS: u64 = 366 * 86_400_000;
/// Greatest step of batch time and greatest clock tolerance: an hour.
pub const MAX_STEP_MS: u64 = 3_600_000;
/// Greatest quota of entries per feed and epoch.
pub const MAX_QUOTA: u32 = 65_536;
/// Largest canonical encoding, in bytes.
pub const MAX_CHARTER_BYTES: usize = 256 * 1024;
/// Largest text form, in bytes.
pub const MAX_CHARTER_TOML_BYTES: usize = 512 * 1024;

const CHARTER_DOMAIN: &str = "entente/charter/v1";

/// Why a charter or card was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CharterError {
    /// The text is not what is expected; names the line where it can.
    #[error("{0}")]
    Text(String),
    /// The bytes are no charter.
    #[error("charter bytes: {0}")]
    Wire(#[from] WireError),
    /// A version that does not fit what it says of the version before.
    #[error(
        "charter version {found}: a coalition is founded with version {CHARTER_VERSION}, and only later ones name the one before"
    )]
    Version {
        /// The version named.
        found: u32,
    },
    /// More of something than is allowed.
    #[error("{found} {what}; {least} to {most} are allowed")]
    Bound {
        /// What there is too much or too little of.
        what: String,
        /// How much there is.
        found: u64,
        /// The least allowed.
        least: u64,
        /// The most allowed.
        most: u64,
    },
    /// A list that names something twice.
    #[error("{what}: {item} is named twice")]
    Twice {
        /// Which list.
        what: String,
        /// What it names twice.
        item: String,
    },
    /// A list that is not sorted.
    #[error("{what} are not in canonical order, or one is there twice: see {item}")]
    Order {
        /// Which list.
        what: String,
        /// Where it breaks.
        item: String,
    },
    /// A card whose signature does not hold.
    #[error("the card of {partner} is not signed by its root")]
    CardSignature {
        /// The partner named.
        partner: PartnerName,
    },
    /// A card and the charter's entry for its partner differ.
    #[error("the charter's entry for {partner} is not what the card says: {what} differ")]
    CardDiffers {
        /// The partner.
        partner: PartnerName,
        /// What differs.
        what: &'static str,
    },
    /// No template of this name.
    #[error("no template {name:?}; there are: {}", TEMPLATES.join(", "))]
    NoTemplate {
        /// The name asked for.
        name: String,
    },
    /// A role is given to somebody without a card.
    #[error("{partner} has a role but no card")]
    NoCard {
        /// The partner named.
        partner: PartnerName,
    },
    /// A type declares a role that all types have.
    #[error("{kind} declares the role {role}, which every type has")]
    RoleDeclared {
        /// The type.
        kind: KindName,
        /// The role.
        role: Role,
    },
    /// An authority that is out of bounds or order, or an alliance whose document is not signed.
    #[error("the authority {name}: {reason}")]
    Authority {
        /// Which.
        name: AuthorityName,
        /// What is wrong.
        reason: String,
    },
    /// A role hint that cannot be followed.
    #[error("{partner} cannot be lead and observing")]
    RoleConflict {
        /// The partner named.
        partner: PartnerName,
    },
}

/// The declared specification of a coalition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charter {
    /// [`CHARTER_VERSION`] at the founding, one more with each amendment.
    pub version: u32,
    /// The hash of the version before; none at the founding.
    #[serde(default)]
    pub previous: Option<Hash>,
    /// What people call the coalition.
    pub name: KindName,
    /// When it was drawn up; batch time begins here.
    #[serde(with = "time_text")]
    pub created: Time,
    /// Sets two coalitions with the same words apart.
    pub nonce: Nonce,
    /// How far batch time may move at once on the word of few clocks, in milliseconds.
    pub step_ms: u64,
    /// How far a clock may differ from batch time before its node is told, in milliseconds.
    pub clock_tolerance_ms: u64,
    /// Entries per feed and epoch.
    pub quota: Quota,
    /// The partners of the founding, sorted by name. Their order is the order of seats.
    pub partners: Vec<Partner>,
    /// Partners that were admitted since, sorted by name. They have no seat until the committee changes.
    #[serde(default)]
    pub admitted: Vec<Partner>,
    /// The operation types, sorted by name.
    pub operations: Vec<OperationType>,
    /// What only some partners are able or allowed to do, sorted by name.
    #[serde(default)]
    pub capabilities: Vec<HeldCapability>,
    /// How integrity events are confirmed, and what follows.
    #[serde(default)]
    pub integrity: IntegrityRules,
    /// Which authorities there are beside the nations', and which kind prevails.
    #[serde(default)]
    pub authority: AuthorityRules,
}

/// A capability that a role may require, and who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldCapability {
    /// Its name.
    pub name: KindName,
    /// Who has it, sorted.
    pub partners: Vec<PartnerName>,
}

/// Most entries that one feed may bring into one epoch, by lane. A seat must be able to fetch that much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// For [`Lane::Flash`], the smallest.
    pub flash: u32,
    /// For [`Lane::Immediate`].
    pub immediate: u32,
    /// For [`Lane::Priority`].
    pub priority: u32,
    /// For [`Lane::Routine`].
    pub routine: u32,
}

impl Quota {
    /// The quota of a lane, in entries.
    pub fn of(&self, lane: Lane) -> u32 {
        match lane {
            Lane::Flash => self.flash,
            Lane::Immediate => self.immediate,
            Lane::Priority => self.priority,
            Lane::Routine => self.routine,
        }
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self { flash: 16, immediate: 128, priority: 512, routine: 1024 }
    }
}

/// A member and its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partner {
    /// Its name.
    pub name: PartnerName,
    /// Its offline root, which signs charters and delegations.
    pub root: PublicKey,
    /// Who speaks for it, sorted.
    pub officers: Vec<PublicKey>,
    /// Its vote.
    pub seat: PublicKey,
    /// What carries its records, sorted.
    pub nodes: Vec<PublicKey>,
    /// Last millisecond at which its delegations are valid.
    #[serde(with = "time_text")]
    pub credentials_until: Time,
}

impl Partner {
    /// Whether this entry says what the partner's own card says; a root should sign nothing else.
    pub fn matches(&self, card: &Card) -> Result<(), CharterError> {
        let sorted = |keys: &[PublicKey]| {
            let mut keys = keys.to_vec();
            keys.sort_unstable();
            keys
        };
        let what = if self.name != card.partner {
            "names"
        } else if self.root != card.root {
            "roots"
        } else if self.seat != card.seat {
            "seats"
        } else if self.officers != sorted(&card.officers) {
            "officers"
        } else if self.nodes != sorted(&card.nodes) {
            "nodes"
        } else {
            return Ok(());
        };
        Err(CharterError::CardDiffers { partner: self.name.clone(), what })
    }
}

impl Charter {
    /// Reads a draft, in any order; refuses unknown fields and names the line of an error.
    pub fn from_toml(text: &str) -> Result<Self, CharterError> {
        let mut charter: Self = text::from_toml(text, MAX_CHARTER_TOML_BYTES).map_err(CharterError::Text)?;
        charter.sort();
        charter.check()?;
        Ok(charter)
    }

    /// The text form; [`Charter::from_toml`] gives the same charter back.
    pub fn to_toml(&self) -> String {
        text::to_toml(self)
    }

    /// Reads canonical bytes, at most [`MAX_CHARTER_BYTES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CharterError> {
        let charter: Self = wire::decode(bytes, MAX_CHARTER_BYTES)?;
        charter.check()?;
        Ok(charter)
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// The coalition's identity: the hash of a founding charter.
    pub fn id(&self) -> CoalitionId {
        CoalitionId(self.hash())
    }

    /// The hash of the canonical bytes.
    pub fn hash(&self) -> Hash {
        hash(CHARTER_DOMAIN, &[&self.encode()])
    }

    /// All partners: those of the founding in the order of seats, then those that were admitted.
    pub fn members(&self) -> impl Iterator<Item = &Partner> {
        self.partners.iter().chain(&self.admitted)
    }

    /// The partner of this name.
    pub fn partner(&self, name: &str) -> Option<&Partner> {
        [&self.partners, &self.admitted].into_iter().find_map(|list| {
            let at = list.binary_search_by(|partner| partner.name.as_str().cmp(name)).ok()?;
            list.get(at)
        })
    }

    /// The operation type of this name.
    pub fn kind(&self, name: &str) -> Option<&OperationType> {
        self.operations
            .binary_search_by(|kind| kind.name.as_str().cmp(name))
            .ok()
            .map(|at| &self.operations[at])
    }

    /// The types with this effect.
    pub fn kinds_with(&self, effect: Effect) -> impl Iterator<Item = &OperationType> {
        self.operations.iter().filter(move |kind| kind.effect == Some(effect))
    }

    /// Who may open an operation of this type with a higher precedence, sorted: who is named, and who may open and has the
    /// capability for it.
    pub fn raisers(&self, kind: &OperationType) -> Vec<PartnerName> {
        let mut raisers = kind.may_raise.clone();
        if let Some(capability) = &kind.may_raise_with {
            raisers.extend(kind.openers().into_iter().filter(|partner| self.is_capable(partner, capability)));
        }
        raisers.sort_unstable();
        raisers.dedup();
        raisers
    }

    /// Whether the charter attests this capability to `partner`.
    pub fn is_capable(&self, partner: &PartnerName, capability: &KindName) -> bool {
        let found = self.capabilities.binary_search_by(|held| held.name.cmp(capability));
        found.is_ok_and(|at| self.capabilities[at].partners.binary_search(partner).is_ok())
    }

    /// The longest window of any type, in milliseconds.
    pub fn longest_window_ms(&self) -> u64 {
        self.operations.iter().map(|kind| kind.window_ms).max().unwrap_or(0)
    }

    /// Brings every list into canonical order.
    pub fn sort(&mut self) {
        self.partners.sort_by(|a, b| a.name.cmp(&b.name));
        self.admitted.sort_by(|a, b| a.name.cmp(&b.name));
        for partner in self.partners.iter_mut().chain(&mut self.admitted) {
            partner.officers.sort_unstable();
            partner.nodes.sort_unstable();
        }
        self.operations.sort_by(|a, b| a.name.cmp(&b.name));
        for kind in &mut self.operations {
            kind.sort();
        }
        self.integrity.sort();
        self.authority.sort();
        self.capabilities.sort_by(|a, b| a.name.cmp(&b.name));
        self.capabilities.iter_mut().for_each(|capability| capability.partners.sort_unstable());
    }

    /// Whether version, bounds and order are those of a canonical charter. What it *means* is [`lint`]'s question.
    pub fn check(&self) -> Result<(), CharterError> {
        if self.version < CHARTER_VERSION || (self.version == CHARTER_VERSION) != self.previous.is_none() {
            return Err(CharterError::Version { found: self.version });
        }
        bound("partners", self.partners.len(), 1, MAX_PARTNERS)?;
        // A coalition is founded by those who have a seat.
        let room = if self.version == CHARTER_VERSION { 0 } else { MAX_PARTNERS - self.partners.len() };
        bound("admitted partners", self.admitted.len(), 0, room)?;
        bound("operation types", self.operations.len(), 1, MAX_KINDS)?;
        bound("milliseconds of step_ms", self.step_ms, 1, MAX_STEP_MS)?;
        bound("milliseconds of clock_tolerance_ms", self.clock_tolerance_ms, 1, MAX_STEP_MS)?;
        bound("milliseconds of created", self.created.0, 0, MAX_TEXT_TIME.0)?;
        for lane in Lane::ALL {
            bound(&format!("entries of quota {lane}"), self.quota.of(lane), 1, MAX_QUOTA)?;
        }
        ascending("partners", self.partners.iter().map(|partner| &partner.name))?;
        ascending("admitted partners", self.admitted.iter().map(|partner| &partner.name))?;
        let twice = |admitted: &&Partner| self.partners.iter().any(|partner| partner.name == admitted.name);
        if let Some(admitted) = self.admitted.iter().find(twice) {
            return Err(CharterError::Order { what: "partners".into(), item: admitted.name.to_string() });
        }
        for partner in self.members() {
            let name = &partner.name;
            bound(&format!("officers of {name}"), partner.officers.len(), 1, MAX_OFFICERS)?;
            bound(&format!("nodes of {name}"), partner.nodes.len(), 1, MAX_NODES)?;
            ascending(&format!("officers of {name}"), &partner.officers)?;
            ascending(&format!("nodes of {name}"), &partner.nodes)?;
            let until = partner.credentials_until.0;
            bound(&format!("milliseconds of credentials_until of {name}"), until, 0, MAX_TEXT_TIME.0)?;
        }
        ascending("operation types", self.operations.iter().map(|kind| &kind.name))?;
        for kind in &self.operations {
            kind.check()?;
        }
        bound("capabilities", self.capabilities.len(), 0, MAX_CAPABILITIES)?;
        ascending("capabilities", self.capabilities.iter().map(|capability| &capability.name))?;
        for capability in &self.capabilities {
            let what = format!("partners with {}", capability.name);
            bound(&what, capability.partners.len(), 0, MAX_PARTNERS)?;
            ascending(&what, &capability.partners)?;
        }
        self.integrity.check()?;
        self.authority.check()?;
        bound("bytes of charter", self.encode().len(), 0, MAX_CHARTER_BYTES)
    }
}

fn bound(
    what: &str,
    found: impl TryInto<u64>,
    least: impl TryInto<u64>,
    most: impl TryInto<u64>,
) -> Result<(), CharterError> {
    let number = |value: Option<u64>| value.unwrap_or(u64::MAX);
    let (found, least, most) =
        (number(found.try_into().ok()), number(least.try_into().ok()), number(most.try_into().ok()));
    if (least..=most).contains(&found) {
        Ok(())
    } else {
        Err(CharterError::Bound { what: what.to_owned(), found, least, most })
    }
}

fn ascending<'a, T: Ord + ToString + 'a>(
    what: &str,
    items: impl IntoIterator<Item = &'a T>,
) -> Result<(), CharterError> {
    let mut before: Option<&T> = None;
    for item in items {
        if before == Some(item) {
            return Err(CharterError::Twice { what: what.to_owned(), item: item.to_string() });
        }
        if before.is_some_and(|before| before >= item) {
            return Err(CharterError::Order { what: what.to_owned(), item: item.to_string() });
        }
        before = Some(item);
    }
    Ok(())
}
