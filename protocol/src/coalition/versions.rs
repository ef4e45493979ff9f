//! Versions of the charter: the founding one and what amendments made of it.
//!
//! Guarantees: an amendment is agreed by the rule of the version in force and, where it changes that rule, by the changed
//! one too. It takes effect with the next batch, an epoch's boundary, so no batch is judged by two versions; an
//! operation keeps the version that it was opened under. Two amendments of one version exclude each other: the one that
//! is agreed first is made, the other has become impossible.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::items::Item;
use super::member::MemberRefusal;
use super::operation::Operation;
use super::refusal::Refusal;
use super::state::State;
use crate::authority::AllianceDocument;
use crate::charter::{Amendment, AmendmentError, AuthorityName, Charter, OperationType};
use crate::identity::{Hash, RecordId};
use crate::time::Time;

/// A later version, as the state keeps it: the step that leads to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// What it changes.
    pub amendment: Amendment,
    /// The operation that agreed on it.
    pub by: RecordId,
    /// Batch time of the decision.
    pub at: Time,
    /// Whether it is in force.
    pub in_force: bool,
}

/// All versions but the first.
#[derive(Debug, Clone, Default)]
pub(super) struct Versions(Vec<(Version, Arc<Charter>)>);

impl Versions {
    pub(super) fn get(&self, version: u32) -> Option<&Version> {
        self.at(version).map(|(version, _)| version)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Version> {
        self.0.iter().map(|(version, _)| version)
    }

    fn at(&self, version: u32) -> Option<&(Version, Arc<Charter>)> {
        self.0.get(usize::try_from(version).ok()?.checked_sub(2)?)
    }
}

impl State {
    /// The charter in force.
    pub fn charter(&self) -> &Arc<Charter> {
        let in_force = self.versions.0.iter().rev().find(|(version, _)| version.in_force);
        in_force.map_or(self.founded.charter(), |(_, charter)| charter)
    }

    /// A version of the charter.
    pub fn charter_at(&self, version: u32) -> Option<&Arc<Charter>> {
        if version == self.founded.charter().version {
            return Some(self.founded.charter());
        }
        self.versions.at(version).map(|(_, charter)| charter)
    }

    /// The hash of a version; nothing but zeros for one that there is not.
    pub fn charter_hash(&self, version: u32) -> Hash {
        match self.versions.get(version) {
            Some(later) => later.amendment.result,
            None if version == self.founded.charter().version => self.founded.coalition().0,
            None => Hash::default(),
        }
    }

    /// Later versions, in order, the one that is agreed and not yet in force included.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter()
    }

    /// The type of an operation, in the version that it was opened under.
    pub fn kind_of(&self, operation: &Operation) -> Option<Cow<'_, OperationType>> {
        operation.kind(self.charter_at(operation.charter_version)?)
    }

    /// The last version: in force, or agreed and to be with the next batch. What is said from now on is judged by it.
    pub fn last_charter(&self) -> &Arc<Charter> {
        self.versions.0.last().map_or(self.founded.charter(), |(_, charter)| charter)
    }

    /// Whether a version is agreed and not in force yet.
    pub(super) fn awaits_version(&self) -> bool {
        self.versions.0.last().is_some_and(|(version, _)| !version.in_force)
    }

    /// Begins a batch: what was agreed in the one before is in force.
    pub fn begin_batch(&mut self) {
        if let Some((version, _)) = self.versions.0.last_mut().filter(|(version, _)| !version.in_force) {
            version.in_force = true;
            let version = version.clone();
            self.tree.put(&Item::Version(Cow::Borrowed(&version)));
        }
    }

    /// The version that an amendment names as the one that it builds on.
    pub(super) fn amended_by(&self, amendment: &Amendment) -> Option<&Charter> {
        let last = self.last_charter().version;
        let base = (1..=last).rev().find(|version| self.charter_hash(*version) == amendment.previous)?;
        self.charter_at(base).map(AsRef::as_ref)
    }

    /// The version that an amendment would make, of the version that it names.
    pub(super) fn drafted(&self, amendment: &Amendment) -> Option<Charter> {
        Some(self.amended_by(amendment)?.draft(amendment))
    }

    pub(super) fn judge_amendment(&self, amendment: &Amendment) -> Result<(), Refusal> {
        let refused = |error| Refusal::from(MemberRefusal::Amendment(error));
        // What is proposed before the next version is in force would be judged by the rule that this one changes.
        if self.awaits_version() {
            self.charter().amended(amendment).map_err(refused)?;
        }
        let draft = self.last_charter().amended(amendment).map_err(refused)?;
        self.heeds_authorities(amendment, &draft).map_err(refused)?;
        self.require_joinable(&amendment.admit)?;
        amendment.check_accessions(self.founded.coalition()).map_err(refused)
    }

    /// Whether the next version leaves the authorities that are not its own to change: alliances as their documents have made
    /// them, and every authority able to act with the keys that stand now.
    fn heeds_authorities(&self, amendment: &Amendment, draft: &Charter) -> Result<(), AmendmentError> {
        if amendment.authority.is_none() && amendment.admit.is_empty() {
            return Ok(());
        }
        self.follows_alliances(draft)?;
        let silenced = Self::silenced(&self.registry(self.last_charter()), &self.registry(draft));
        silenced.map_or(Ok(()), |(name, deficit)| {
            let what = format!(
                "the authority {name} could never act, with the roots that partners have now: {deficit}"
            );
            Err(AmendmentError::Malformed { what })
        })
    }

    /// Whether `draft` has each alliance in a version that is ordered and not before the one that was in force when the charter
    /// last referred to it, or in the next, signed by both: who signed one that the log has replaced since signs no other. A name
    /// stays the alliance's, also where versions in between do not refer to it.
    fn follows_alliances(&self, draft: &Charter) -> Result<(), AmendmentError> {
        let refused = |what: String| Err(AmendmentError::Malformed { what });
        let referred = |name: &AuthorityName| {
            (1..draft.version).rev().find_map(|version| {
                let charter = self.charter_at(version)?;
                Some((charter, charter.authority.alliance(name)?))
            })
        };
        if let Some(stated) = draft.authority.authorities.iter().find(|it| referred(&it.name).is_some()) {
            return refused(format!(
                "{} is an alliance, whose authority no charter states by itself",
                stated.name
            ));
        }
        for reference in &draft.authority.alliances {
            let put = &reference.alliance;
            let Some((charter, before)) = referred(&put.name) else { continue };
            let chain =
                self.alliances.chain(&before.alliance).map(AllianceDocument::hash).collect::<Vec<_>>();
            let place = |document: &AllianceDocument| chain.iter().position(|hash| *hash == document.hash());
            if place(put).is_some() {
                let (was, is) = (self.in_force(charter, before), self.in_force(draft, reference));
                if place(is) < place(was) {
                    let (name, was, is) = (&put.name, was.version, is.version);
                    return refused(format!(
                        "version {was} of the alliance {name} is in force, and it would be version {is} again"
                    ));
                }
                continue;
            }
            let newest = self.alliances.chain(&before.alliance).last().unwrap_or(&before.alliance);
            let signed = reference.signed().verify_now(Some(newest), &self.successors());
            if let Err(error) = signed {
                let (name, version) = (&put.name, newest.version);
                return refused(format!(
                    "version {version} is the latest of the alliance {name}: in its place comes the next one, signed by both: \
                     {error}"
                ));
            }
        }
        Ok(())
    }

    /// Makes an agreed amendment the next version, if it still applies.
    pub(super) fn amend(&mut self, amendment: &Amendment, by: RecordId) -> bool {
        // Keys that were free when it was proposed may be taken meanwhile, and alliances have changed.
        let sound = |charter: Charter| {
            self.heeds_authorities(amendment, &charter)?;
            charter.check_amended()
        };
        let joinable = self.require_joinable(&amendment.admit).is_ok();
        if !joinable || self.last_charter().amended(amendment).and_then(sound).is_err() {
            return false;
        }
        let version = Version { amendment: amendment.clone(), by, at: self.time, in_force: false };
        self.adopt_version(version).is_ok()
    }

    /// Takes the next version.
    pub(super) fn adopt_version(&mut self, version: Version) -> Result<(), AmendmentError> {
        let charter = self.last_charter().amended(&version.amendment)?;
        self.tree.put(&Item::Version(Cow::Borrowed(&version)));
        for accession in &version.amendment.admit {
            self.admit(accession, version.amendment.version);
        }
        self.versions.0.push((version, Arc::new(charter)));
        Ok(())
    }
}
