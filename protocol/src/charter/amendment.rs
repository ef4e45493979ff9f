//! Later versions of a charter: what is put in place of what, chained by hash from the first version on.
//!
//! Guarantees: an amendment applies to exactly one charter and gives exactly one, whose hash it states; so whoever holds the
//! first version and the amendments has every version, and whoever attests to an amendment knows the whole result.
//! What an amendment changes is operation types, and with them roles, rules, windows and who decides on membership, and
//! what becomes of integrity events, who has authority, and who is able to do what; and it admits partners, each by its own
//! word ([`Accession`]). Partners that there are, their keys and what steers the order stay as they are.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::changes;
use super::lint::{all_errors, errors};
use super::{
    AuthorityRules, Charter, CharterError, Effect, HeldCapability, IntegrityRules, KindName, MAX_KINDS,
    OperationType, Partner, PartnerName,
};
use crate::founding::Accession;
use crate::identity::{CoalitionId, Hash};
use crate::record::{MAX_BODY_BYTES, MAX_REASON_BYTES};

/// A step from one version of a charter to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// The version that it makes.
    pub version: u32,
    /// The hash of the version before.
    pub previous: Hash,
    /// Types that are no more, sorted.
    pub remove: Vec<KindName>,
    /// Types that are new, or take the place of those of the same name, sorted.
    pub put: Vec<OperationType>,
    /// What becomes of integrity events, where that is to change.
    pub integrity: Option<IntegrityRules>,
    /// Which authorities there are, where that is to change.
    pub authority: Option<AuthorityRules>,
    /// Who is able or allowed to do what, where that is to change.
    pub capabilities: Option<Vec<HeldCapability>>,
    /// The words of partners that join with this version, sorted by name.
    pub admit: Vec<Accession>,
    /// The hash of the version that it makes.
    pub result: Hash,
}

/// Most partners that one amendment admits.
pub const MAX_ACCESSIONS: usize = 4;
/// Most keys that these have together: each is a signature to check for whoever judges the proposal.
pub const MAX_JOINING_KEYS: usize = 32;

/// Most bytes of an amendment in a proposal: what a body holds, without reason and signature.
const MAX_AMENDMENT_BYTES: usize = MAX_BODY_BYTES - MAX_REASON_BYTES - 512;

/// Why an amendment does not apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum AmendmentError {
    /// Made for another version.
    #[error("it amends the charter with the hash {previous}, but version {version} in force is {current}")]
    OtherVersion {
        /// What it amends.
        previous: Hash,
        /// The version in force.
        version: u32,
        /// Its hash.
        current: Hash,
    },
    /// Removes or replaces nothing, or more than there is.
    #[error("{what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
    /// The result is not what it states.
    #[error("the result has the hash {found}, and it states {stated}")]
    OtherResult {
        /// What comes out.
        found: Hash,
        /// What it states.
        stated: Hash,
    },
    /// The result can never work.
    #[error("the amended charter has errors: {}", .errors.join("; "))]
    Lint {
        /// What can never work.
        errors: Vec<String>,
    },
    /// Two charters differ in what no amendment changes.
    #[error("{what} differ, and no amendment changes that")]
    Unchangeable {
        /// What differs.
        what: String,
    },
    /// A partner that is to join has not signed this version, or its words do not hold.
    #[error("{error}")]
    Accession {
        /// What is wrong.
        error: String,
    },
    /// Partners are admitted whose words are not there.
    #[error(
        "not signed by {}, which would join with it: its root signs the final text",
        crate::charter::text::all_of(.partners)
    )]
    Unsigned {
        /// Who.
        partners: Vec<PartnerName>,
    },
    /// Two charters do not differ.
    #[error("there is nothing to change")]
    Same,
}

impl From<CharterError> for AmendmentError {
    fn from(error: CharterError) -> Self {
        Self::Malformed { what: error.to_string() }
    }
}

impl Amendment {
    /// What it changes in `charter`, in words, line by line: the old and the new.
    pub fn explain(&self, charter: &Charter) -> Vec<String> {
        let removed = self.remove.iter().map(|name| match charter.kind(name.as_str()) {
            Some(kind) => changes::removes(kind),
            None => format!("removes {name}"),
        });
        let put = self.put.iter().flat_map(|kind| changes::puts(charter.kind(kind.name.as_str()), kind));
        let integrity = self.integrity.iter().flat_map(|new| changes::integrity(&charter.integrity, new));
        let authority =
            self.authority.iter().flat_map(|new| changes::authority(charter, &charter.authority, new));
        let capabilities =
            self.capabilities.iter().flat_map(|new| changes::capabilities(&charter.capabilities, new));
        let admitted = self.admit.iter().map(|accession| changes::admits(&accession.partner));
        removed.chain(put).chain(integrity).chain(authority).chain(capabilities).chain(admitted).collect()
    }

    /// Whether it admits a partner of this name.
    pub fn admits(&self, partner: &PartnerName) -> bool {
        self.admit.iter().any(|accession| accession.partner.name == *partner)
    }

    /// Whether those who join have signed the version that it makes, in this coalition. Costs a signature for each key.
    pub fn check_accessions(&self, coalition: CoalitionId) -> Result<(), AmendmentError> {
        self.admit.iter().try_for_each(|accession| {
            let checked = accession.verify(coalition, &self.result);
            checked.map_err(|error| AmendmentError::Accession { error: error.to_string() })
        })
    }
}

impl Charter {
    /// The version that `amendment` makes of this one. Whether each rule in it can be met is not tried here, but before it takes
    /// effect, by [`Charter::check_amended`]: anybody can propose something, and a proposal must not cost others much.
    pub fn amended(&self, amendment: &Amendment) -> Result<Self, AmendmentError> {
        let Amendment { version, previous, remove, put, integrity, authority, capabilities, admit, result } =
            amendment;
        let current = self.hash();
        if *previous != current || self.version.checked_add(1) != Some(*version) {
            let previous = *previous;
            return Err(AmendmentError::OtherVersion { previous, version: self.version, current });
        }
        self.keeps_its_amenders(remove, put)?;
        let changes = remove.len()
            + put.len()
            + admit.len()
            + [integrity.is_some(), authority.is_some(), capabilities.is_some()]
                .map(usize::from)
                .iter()
                .sum::<usize>();
        super::bound("changes", changes, 1, 2 * MAX_KINDS + MAX_ACCESSIONS + 3)?;
        super::bound("admitted partners of an amendment", admit.len(), 0, MAX_ACCESSIONS)?;
        let keys = |partner: &Partner| partner.officers.len() + partner.nodes.len() + 1;
        let keys: usize = admit.iter().map(|accession| keys(&accession.partner)).sum();
        super::bound("keys of partners that an amendment admits", keys, 0, MAX_JOINING_KEYS)?;
        super::ascending("admitted partners", admit.iter().map(|accession| &accession.partner.name))?;
        super::ascending("removed types", remove)?;
        super::ascending("types put", put.iter().map(|kind| &kind.name))?;
        for name in remove {
            if self.kind(name.as_str()).is_none() || put.iter().any(|kind| kind.name == *name) {
                let what = format!("there is no operation type {name} to remove, or it is put as well");
                return Err(AmendmentError::Malformed { what });
            }
        }
        if let Some(authority) = authority {
            self.may_put_authority(authority).map_err(|what| AmendmentError::Malformed { what })?;
        }
        let charter = self.draft(amendment);
        charter.check()?;
        let found = charter.hash();
        if found != *result {
            return Err(AmendmentError::OtherResult { found, stated: *result });
        }
        let errors = errors(&charter);
        if errors.is_empty() { Ok(charter) } else { Err(AmendmentError::Lint { errors }) }
    }

    /// What `amendment`, of which [`Charter::amended`] has told that it applies, makes of this version: it costs no signature.
    pub fn draft(&self, amendment: &Amendment) -> Self {
        let Amendment { version, previous, remove, put, integrity, authority, capabilities, admit, .. } =
            amendment;
        let mut charter = self.clone();
        charter
            .operations
            .retain(|kind| !remove.contains(&kind.name) && put.iter().all(|new| new.name != kind.name));
        charter.operations.extend(put.iter().cloned());
        if let Some(integrity) = integrity {
            charter.integrity = integrity.clone();
        }
        if let Some(authority) = authority {
            charter.authority = authority.clone();
        }
        if let Some(capabilities) = capabilities {
            charter.capabilities = capabilities.clone();
        }
        charter.admitted.extend(admit.iter().map(|accession| accession.partner.clone()));
        charter.admitted.sort_by(|one, other| one.name.cmp(&other.name));
        charter.version = *version;
        charter.previous = Some(*previous);
        charter.operations.sort_by(|one, other| one.name.cmp(&other.name));
        charter
    }

    /// Whether this version, which an amendment made, may take effect: whether each rule in it can be met, too.
    pub fn check_amended(&self) -> Result<(), AmendmentError> {
        let errors = all_errors(self);
        if errors.is_empty() { Ok(()) } else { Err(AmendmentError::Lint { errors }) }
    }

    /// Who amends is decided at the founding: types with that effect can be changed, which takes their old and their new
    /// rule, but neither added nor removed, or the new amender would never have been asked.
    fn keeps_its_amenders(&self, remove: &[KindName], put: &[OperationType]) -> Result<(), AmendmentError> {
        let amends = |name: &str| self.kind(name).is_some_and(|kind| kind.effect == Some(Effect::Amend));
        let removed = remove.iter().find(|name| amends(name.as_str()));
        let changed =
            put.iter().find(|kind| amends(kind.name.as_str()) != (kind.effect == Some(Effect::Amend)));
        match removed.or(changed.map(|kind| &kind.name)) {
            Some(name) => Err(AmendmentError::Malformed {
                what: format!(
                    "{name}: an operation type with the effect amend can be changed, but neither added nor removed"
                ),
            }),
            None => Ok(()),
        }
    }

    /// The amendment that leads from this version to the rules of `wanted`, whose version and chain do not matter.
    pub fn amendment_to(&self, wanted: &Self) -> Result<Amendment, AmendmentError> {
        self.amendment_with(wanted, Vec::new())
    }

    /// The same, with the words of the partners that join with it.
    pub fn amendment_with(
        &self,
        wanted: &Self,
        mut accessions: Vec<Accession>,
    ) -> Result<Amendment, AmendmentError> {
        let (mut amendment, next) = self.step_to(wanted)?;
        accessions.sort_by(|one, other| one.partner.name.cmp(&other.partner.name));
        let joins = |accession: &Accession| self.joining(&next).any(|entry| *entry == accession.partner);
        if let Some(stranger) = accessions.iter().find(|accession| !joins(accession)) {
            let name = &stranger.partner.name;
            let error = format!("{name} has signed, and the charter does not admit it so");
            return Err(AmendmentError::Accession { error });
        }
        let signed = |entry: &&Partner| accessions.iter().all(|accession| accession.partner != **entry);
        let partners: Vec<_> = self.joining(&next).filter(signed).map(|entry| entry.name.clone()).collect();
        if !partners.is_empty() {
            return Err(AmendmentError::Unsigned { partners });
        }
        amendment.admit = accessions;
        self.amended(&amendment)?.check_amended()?;
        Ok(amendment)
    }

    /// The next version with the rules of `wanted`, for those to sign who join with it.
    pub fn next_version(&self, wanted: &Self) -> Result<Self, AmendmentError> {
        let (mut amendment, next) = self.step_to(wanted)?;
        // With words that are as long as theirs, so that nobody signs what is too much for a proposal.
        let coalition = CoalitionId(amendment.previous);
        let stand_in = |partner: &Partner| Accession::stand_in(coalition, amendment.result, partner);
        amendment.admit = self.joining(&next).map(stand_in).collect();
        let bytes = crate::wire::encode(&amendment).len();
        super::bound("bytes of what this changes", bytes, 0, MAX_AMENDMENT_BYTES)?;
        self.amended(&amendment)?.check_amended()?;
        Ok(next)
    }

    /// Partners that `next` admits and this version does not.
    fn joining<'a>(&'a self, next: &'a Self) -> impl Iterator<Item = &'a Partner> {
        next.admitted.iter().filter(|entry| self.partner(entry.name.as_str()).is_none())
    }

    /// What leads to the next version with the rules of `wanted`, but for the words of those who join, and that version.
    fn step_to(&self, wanted: &Self) -> Result<(Amendment, Self), AmendmentError> {
        let stays = |entry: &Partner| wanted.admitted.contains(entry);
        let unchangeable = [
            ("names", self.name != wanted.name),
            ("times of drawing up", self.created != wanted.created),
            ("nonces", self.nonce != wanted.nonce),
            ("step_ms", self.step_ms != wanted.step_ms),
            ("clock_tolerance_ms", self.clock_tolerance_ms != wanted.clock_tolerance_ms),
            ("quotas", self.quota != wanted.quota),
            ("partners", self.partners != wanted.partners || !self.admitted.iter().all(stays)),
        ];
        if let Some((what, _)) = unchangeable.into_iter().find(|(_, differs)| *differs) {
            return Err(AmendmentError::Unchangeable { what: what.into() });
        }
        let (version, previous) = (self.version.saturating_add(1), self.hash());
        let next = Self { version, previous: Some(previous), ..wanted.clone() };
        let names = self.operations.iter().map(|kind| &kind.name);
        let put = wanted.operations.iter().filter(|kind| self.kind(kind.name.as_str()) != Some(kind));
        let amendment = Amendment {
            version,
            previous,
            remove: names.filter(|name| wanted.kind(name.as_str()).is_none()).cloned().collect(),
            put: put.cloned().collect(),
            integrity: Some(wanted.integrity.clone()).filter(|rules| *rules != self.integrity),
            authority: Some(wanted.authority.clone()).filter(|rules| *rules != self.authority),
            capabilities: Some(wanted.capabilities.clone()).filter(|held| *held != self.capabilities),
            admit: Vec::new(),
            result: next.hash(),
        };
        let rules = amendment.integrity.is_some()
            || amendment.authority.is_some()
            || amendment.capabilities.is_some();
        let same = amendment.remove.is_empty() && amendment.put.is_empty() && !rules;
        if same && self.joining(&next).next().is_none() {
            return Err(AmendmentError::Same);
        }
        Ok((amendment, next))
    }
}
