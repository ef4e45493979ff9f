//! Who may act for a partner: the keys that the founding charter names, and what ordered records make of them.
//!
//! Guarantees: a key acts from the log index of its grant on, as long as every link of one of its chains is valid, and never
//! from the index on at which the last of them was taken back; what it said before keeps its effect. What is removed stays removed: a
//! delegation that was revoked never counts again, and a key that was, in no later chain. A chain is granted only from the partner's root
//! of the moment; those of a root that gave way stay, and its successor stands above them. Each key has one purpose and one
//! partner. This is the one place that says who is an officer or a node; seats change with the committee.
//!
//! A chain, a revocation and a rotation prove themselves, so whose officer carries them does not matter; it is kept.
//!
//! A partner that is admitted brings the keys of its accession, as the founding's partners brought theirs; they act from the decision on, its
//! rights in operations from the next batch on, with the charter's version.
//!
//! Bounded: [`MAX_GRANTS_PER_PARTNER`] chains, of which officers may pass on [`MAX_PASSED_ON_PER_PARTNER`], so that a stolen
//! officer's key cannot use up what the root may need; as many living officers and nodes as [`State::most_keys`] says, and
//! [`MAX_ROTATIONS_PER_PARTNER`]. Each revocation cuts something that stands, or marks a key that it did not mark yet, so there are no more than
//! links.

mod admission;
pub(super) mod ends;
mod judge;
mod refusal;
mod view;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use admission::Admission;
pub(super) use admission::Granted;
pub use refusal::{KeyRefusal, Purpose, RotationLack};
pub use view::{GrantView, KeyStatus, KeyView, RevokedView, RotationView};

use super::items::Item;
use super::refusal::Refusal;
use super::state::State;
use super::take::Said;
use crate::authority::Successors;
use crate::charter::{MAX_NODES, MAX_OFFICERS, Partner, PartnerName};
use crate::credential::{
    Capability, Chain, CredentialError, Moment, RootRotation, SignedRevocation, Target, Use,
};
use crate::founding::{Accession, Founded};
use crate::frontier::most_nodes;
use crate::identity::{PublicKey, RecordId};
use crate::record::KeyAct;
use crate::time::Time;

/// Most chains that are granted for one partner, beside those of the founding.
pub const MAX_GRANTS_PER_PARTNER: usize = 128;
/// Most of them that officers passed on: the others are left to the root.
pub const MAX_PASSED_ON_PER_PARTNER: usize = 64;
/// Most changes of one partner's root.
pub const MAX_ROTATIONS_PER_PARTNER: u32 = 32;

/// Where a change of keys was ordered, and who carried it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ordered {
    /// The record.
    pub by: RecordId,
    /// Its log index: from there on it holds.
    pub index: u64,
    /// Batch time then.
    pub at: Time,
    /// Whose officer carried it.
    pub carrier: PartnerName,
}

/// A chain that was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    pub(super) ordered: Ordered,
    pub(super) chain: Chain,
}

/// Something that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Revoked {
    pub(super) ordered: Ordered,
    pub(super) revocation: SignedRevocation,
}

/// A root that gave way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rotated {
    pub(super) ordered: Ordered,
    pub(super) rotation: RootRotation,
}

/// Where a chain comes from.
#[derive(Debug, Clone)]
enum Origin {
    /// The founding.
    Founding,
    /// The accession by which its partner joined, in this version of the charter.
    Accession(u32),
    /// A grant through the log.
    Grant(Ordered),
}

impl Origin {
    fn grant(&self) -> Option<&Ordered> {
        match self {
            Self::Grant(ordered) => Some(ordered),
            Self::Founding | Self::Accession(_) => None,
        }
    }
}

/// Something of a key of a partner, until it is cut.
#[derive(Debug, Clone)]
struct Holding {
    partner: PartnerName,
    capability: Capability,
    chain: Chain,
    origin: Origin,
    /// Which revocation cut it. Follows from the revocations.
    cut: Option<(u64, RecordId)>,
}

impl Holding {
    /// Whether it holds for what stands at log index `index`, leaving its validity aside.
    fn stands_at(&self, index: u64) -> bool {
        self.origin.grant().is_none_or(|grant| grant.index < index)
            && self.cut.is_none_or(|(cut, _)| cut > index)
    }

    fn stands(&self) -> bool {
        self.cut.is_none()
    }
}

/// What a key is used for, beside being an officer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope<'a> {
    /// Something that every officer may say: what proves itself, and tales of misuse.
    Any,
    /// Something about an operation of this type.
    Operation(&'a str),
    /// Something that binds the partner beyond operations.
    Partner,
}

/// All keys that act or acted.
#[derive(Debug, Clone, Default)]
pub(super) struct Roster {
    grants: BTreeMap<RecordId, Grant>,
    revocations: BTreeMap<RecordId, Revoked>,
    rotations: BTreeMap<(PartnerName, u32), Rotated>,
    /// Each key's chains, in the order of the log. Follows from the founding and from `grants`.
    holdings: BTreeMap<PublicKey, Vec<Holding>>,
    /// Revoked keys, and by what first. Follows from `revocations`.
    marked: BTreeMap<(PartnerName, PublicKey), (u64, RecordId)>,
    /// How many chains were granted for a partner, and how many of them through officers.
    counts: BTreeMap<PartnerName, (usize, usize)>,
}

impl Roster {
    /// The keys of the founding.
    pub(super) fn founded(founded: &Founded) -> Self {
        let mut roster = Self::default();
        for (key, partner, capability, chain) in founded.keys() {
            let holding = Holding {
                partner: partner.name.clone(),
                capability,
                chain: chain.clone(),
                origin: Origin::Founding,
                cut: None,
            };
            roster.holdings.entry(key).or_default().push(holding);
        }
        roster
    }

    /// The keys of a partner that was admitted, as its accession delegates them.
    fn admit(&mut self, accession: &Accession, version: u32) {
        for chain in &accession.delegations {
            let Some(leaf) = chain.leaf() else { continue };
            let Some(capability) = leaf.capabilities.first().copied() else { continue };
            let (key, partner, origin) = (leaf.subject, leaf.partner.clone(), Origin::Accession(version));
            let holding = Holding { partner, capability, chain: chain.clone(), origin, cut: None };
            self.holdings.entry(key).or_default().push(holding);
        }
    }

    pub(super) fn grant(&self, id: &RecordId) -> Option<&Grant> {
        self.grants.get(id)
    }

    pub(super) fn revocation(&self, id: &RecordId) -> Option<&Revoked> {
        self.revocations.get(id)
    }

    pub(super) fn rotation(&self, partner: &PartnerName, number: u32) -> Option<&Rotated> {
        self.rotations.get(&(partner.clone(), number))
    }

    #[cfg(test)]
    pub(super) fn items(&self) -> impl Iterator<Item = Item<'_>> {
        let grants = self.grants.values().map(|grant| Item::Grant(Cow::Borrowed(grant)));
        let revoked = self.revocations.values().map(|revoked| Item::Revoked(Cow::Borrowed(revoked)));
        let rotated = self.rotations.values().map(|rotated| Item::Rotated(Cow::Borrowed(rotated)));
        grants.chain(revoked).chain(rotated)
    }

    fn rotations_of(&self, partner: &PartnerName) -> impl DoubleEndedIterator<Item = &Rotated> {
        self.rotations.range((partner.clone(), 0)..=(partner.clone(), u32::MAX)).map(|(_, rotated)| rotated)
    }

    fn of(&self, key: &PublicKey) -> &[Holding] {
        self.holdings.get(key).map_or(&[], Vec::as_slice)
    }

    /// For whom a key acts at log index `index`.
    fn partner_at(
        &self,
        key: &PublicKey,
        capability: Capability,
        index: u64,
    ) -> Result<Option<&PartnerName>, KeyRefusal> {
        let held = || self.of(key).iter().filter(|holding| holding.capability == capability);
        match held().find(|holding| holding.stands_at(index)) {
            Some(holding) => Ok(Some(&holding.partner)),
            None => self.revoked(key, held(), index).map_or(Ok(None), Err),
        }
    }

    /// That of these chains of a key none stands at log index `index`, where some did.
    fn revoked<'a>(
        &self,
        key: &PublicKey,
        held: impl Iterator<Item = &'a Holding> + Clone,
        index: u64,
    ) -> Option<KeyRefusal> {
        if held.clone().any(|holding| holding.stands_at(index)) {
            return None;
        }
        let cut = held.filter_map(|holding| Some((holding, holding.cut?)));
        let (holding, (index, by)) = cut.max_by_key(|(_, cut)| *cut)?;
        Some(KeyRefusal::Revoked { key: *key, partner: holding.partner.clone(), index, by })
    }

    /// A chain is one more thing that can stand, whatever its key had before.
    fn adopt_grant(&mut self, grant: Grant) {
        let Some(leaf) = grant.chain.leaf() else { return };
        let (key, partner) = (leaf.subject, leaf.partner.clone());
        let Some(capability) = judge::granted(leaf) else { return };
        let (all, passed_on) = self.counts.entry(partner.clone()).or_default();
        *all += 1;
        *passed_on += usize::from(grant.chain.0.len() > 1);
        let chain = grant.chain.clone();
        let origin = Origin::Grant(grant.ordered.clone());
        let holding = Holding { partner, capability, chain, origin, cut: None };
        self.holdings.entry(key).or_default().push(holding);
        self.grants.insert(grant.ordered.by, grant);
    }

    /// Cuts what a revocation cuts, but for what was cut before.
    fn adopt_revocation(&mut self, revoked: Revoked) {
        let place = (revoked.ordered.index, revoked.ordered.by);
        let revocation = &revoked.revocation.revocation;
        let roots = self.roots_of(&revocation.partner, place.0);
        for holding in self.holdings.values_mut().flatten().filter(|holding| holding.stands()) {
            if judge::bites(revocation, holding, &roots).is_ok() {
                holding.cut = Some(place);
            }
        }
        if let Target::Key(key) = revocation.target {
            self.marked.entry((revocation.partner.clone(), key)).or_insert(place);
        }
        self.revocations.insert(revoked.ordered.by, revoked);
    }

    /// The roots that a partner came to have before log index `index`: each stands above all that those before it gave.
    fn roots_of(&self, partner: &PartnerName, index: u64) -> Vec<PublicKey> {
        let before = self.rotations_of(partner).filter(|rotated| rotated.ordered.index < index);
        before.map(|rotated| rotated.rotation.new).collect()
    }
}

impl State {
    /// Whose officer a key is: one of its chains stands, whatever the time.
    pub fn officer(&self, key: &PublicKey) -> Option<&Partner> {
        self.standing(key, Capability::Officer)
    }

    /// Whose node a key is: one of its chains stands, whatever the time.
    pub fn node(&self, key: &PublicKey) -> Option<&Partner> {
        self.standing(key, Capability::Node)
    }

    fn standing(&self, key: &PublicKey, capability: Capability) -> Option<&Partner> {
        let mut stand = self.keys.of(key).iter().filter(|holding| holding.stands());
        let holding = stand.find(|holding| holding.capability == capability)?;
        self.last_charter().partner(holding.partner.as_str())
    }

    /// Whose key this is or was, and what it is for.
    pub fn holder(&self, key: &PublicKey) -> Option<(&Partner, Purpose)> {
        let named = |name: &PartnerName| self.last_charter().partner(name.as_str());
        if let Some(holding) = self.keys.of(key).first() {
            return Some((named(&holding.partner)?, holding.capability.into()));
        }
        let root = |partner: &&Partner| partner.root == *key;
        let first = self.last_charter().members().find(root);
        let later = self.keys.rotations.values().find(|rotated| rotated.rotation.new == *key);
        let partner = first.or_else(|| named(&later?.rotation.partner))?;
        Some((partner, Purpose::Root))
    }

    /// The root of a partner now.
    pub fn root_of(&self, partner: &PartnerName) -> Option<PublicKey> {
        let rotated = self.keys.rotations_of(partner).next_back().map(|rotated| rotated.rotation.new);
        rotated.or_else(|| self.last_charter().partner(partner.as_str()).map(|partner| partner.root))
    }

    /// The roots of a partner that gave way, the first first.
    pub(super) fn former_roots(&self, partner: &PartnerName) -> impl Iterator<Item = PublicKey> {
        self.keys.rotations_of(partner).map(|rotated| rotated.rotation.old)
    }

    /// The roots that gave way, each with the one that its partner has now.
    pub(super) fn successors(&self) -> Successors {
        let now = |rotated: &Rotated| self.root_of(&rotated.rotation.partner);
        let rotations = self.keys.rotations.values();
        rotations.filter_map(|rotated| Some((rotated.rotation.old, now(rotated)?))).collect()
    }

    /// The keys that act for a partner, in the order of the log, then by key.
    fn acting(&self, partner: &PartnerName, capability: Capability) -> Vec<PublicKey> {
        let mut keys = self
            .keys
            .holdings
            .iter()
            .filter(|(_, all)| {
                all.iter().any(|it| it.stands() && it.capability == capability && it.partner == *partner)
            })
            .map(|(key, all)| (all[0].origin.grant().map(|grant| grant.index), *key))
            .collect::<Vec<_>>();
        keys.sort_unstable();
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// Who speaks for a partner.
    pub fn officers_of(&self, partner: &PartnerName) -> Vec<PublicKey> {
        self.acting(partner, Capability::Officer)
    }

    /// What carries the records of a partner.
    pub fn nodes_of(&self, partner: &PartnerName) -> Vec<PublicKey> {
        self.acting(partner, Capability::Node)
    }

    /// All enrolled nodes with their partners: those of the founding in the charter's order, those of admitted partners in the
    /// order of their admission, then in the order of their grants. This order is that of their feeds.
    pub fn nodes(&self) -> Vec<(PublicKey, &Partner)> {
        let first = self.founded.nodes().map(|(key, _)| key);
        let admitted = self.accessions().flat_map(|accession| accession.partner.nodes.iter().copied());
        let mut later = self
            .keys
            .holdings
            .iter()
            .filter_map(|(key, all)| Some((all[0].origin.grant()?.index, *key)))
            .collect::<Vec<_>>();
        later.sort_unstable();
        let keys = first.chain(admitted).chain(later.into_iter().map(|(_, key)| key));
        keys.filter_map(|key| Some((key, self.node(&key)?))).collect()
    }

    /// How often keys have changed: who follows them need not look while this is the same.
    pub fn key_changes(&self) -> usize {
        let admitted = self.last_charter().admitted.len();
        admitted + self.keys.grants.len() + self.keys.revocations.len() + self.keys.rotations.len()
    }

    /// The words of all partners that were admitted, in that order.
    fn accessions(&self) -> impl Iterator<Item = &Accession> {
        self.versions().flat_map(|version| &version.amendment.admit)
    }

    /// How many officers or nodes a partner may have at once: as many nodes as leave room for every other partner's.
    pub fn most_keys(&self, partner: &PartnerName, capability: Capability) -> usize {
        match capability {
            Capability::Officer => MAX_OFFICERS,
            Capability::Seat => 1,
            Capability::Node => {
                let named = self.founded.nodes().count();
                let charter = self.last_charter();
                let own = charter.partner(partner.as_str()).map_or(0, |it| it.nodes.len());
                let all: usize = charter.members().map(|partner| partner.nodes.len()).sum();
                let more = most_nodes(named).saturating_sub(all) / charter.members().count().max(1);
                (own + more).min(MAX_NODES)
            }
        }
    }

    /// Until when somebody may speak for a partner: the end of the chain that holds longest.
    pub fn credentials_until(&self, partner: &PartnerName) -> Time {
        let officers = self.keys.holdings.values().flatten().filter(|holding| {
            holding.stands() && holding.capability == Capability::Officer && holding.partner == *partner
        });
        officers.map(|holding| holding.chain.not_after()).max().unwrap_or_default()
    }

    /// Whose officer a key is for what stands at log index `index`; or that it is none, or is none any more.
    pub(super) fn officer_at(&self, key: &PublicKey, index: u64) -> Result<&Partner, Refusal> {
        let named = self.keys.partner_at(key, Capability::Officer, index)?;
        let partner = named.and_then(|named| self.last_charter().partner(named.as_str()));
        partner.ok_or(Refusal::UnknownSigner { signer: *key })
    }

    /// The same of a node.
    pub(super) fn node_at(&self, key: &PublicKey, index: u64) -> Result<&Partner, Refusal> {
        let named = self.keys.partner_at(key, Capability::Node, index)?;
        let partner = named.and_then(|named| self.last_charter().partner(named.as_str()));
        partner.ok_or(Refusal::UnknownNode { node: *key })
    }

    /// Why a key that acted for a partner acts no more, where it was taken back.
    pub fn revoked(&self, key: &PublicKey) -> Option<KeyRefusal> {
        self.keys.revoked(key, self.keys.of(key).iter(), u64::MAX)
    }

    /// Whether a key's chains allow what is said at log index `index`, at the time `now`: time, epoch and operation type.
    pub(super) fn allows(
        &self,
        key: &PublicKey,
        capability: Capability,
        scope: Scope<'_>,
        index: u64,
        now: Time,
    ) -> Result<(), Refusal> {
        let at = Moment { time: now, epoch: Some(self.epoch) };
        let held = self.keys.of(key).iter().rev();
        let held = held.filter(|holding| holding.capability == capability && holding.stands_at(index));
        let mut why = None;
        for holding in held {
            match allowed(holding, key, scope, at) {
                Ok(()) => return Ok(()),
                // What the latest chain says is what people should know.
                Err(refusal) => why = why.or(Some(refusal)),
            }
        }
        Err(why.unwrap_or(Refusal::UnknownSigner { signer: *key }))
    }

    pub(super) fn commit_key(&mut self, said: &Said<'_>, act: &KeyAct) {
        let ordered =
            Ordered { by: said.id, index: said.index, at: self.time, carrier: said.partner.clone() };
        match act {
            KeyAct::Grant(chain) => self.adopt_grant(Grant { ordered, chain: chain.clone() }),
            KeyAct::Revoke(revocation) => {
                self.adopt_revocation(Revoked { ordered, revocation: (**revocation).clone() });
            }
            KeyAct::Rotate(rotation) => {
                self.adopt_rotation(Rotated { ordered, rotation: rotation.rotation.clone() });
            }
        }
    }

    /// The keys of a partner that is admitted by this version act from now on.
    pub(super) fn admit(&mut self, accession: &Accession, version: u32) {
        Arc::make_mut(&mut self.keys).admit(accession, version);
    }

    pub(super) fn adopt_grant(&mut self, grant: Grant) {
        self.tree.put(&Item::Grant(Cow::Borrowed(&grant)));
        Arc::make_mut(&mut self.keys).adopt_grant(grant);
    }

    pub(super) fn adopt_revocation(&mut self, revoked: Revoked) {
        self.tree.put(&Item::Revoked(Cow::Borrowed(&revoked)));
        Arc::make_mut(&mut self.keys).adopt_revocation(revoked);
    }

    pub(super) fn adopt_rotation(&mut self, rotated: Rotated) {
        self.tree.put(&Item::Rotated(Cow::Borrowed(&rotated)));
        let place = (rotated.rotation.partner.clone(), rotated.rotation.number);
        Arc::make_mut(&mut self.keys).rotations.insert(place, rotated);
    }
}

/// Whether two chains say the same, whatever their signatures.
fn same_links(one: &Chain, other: &Chain) -> bool {
    let links = |chain: &Chain| chain.0.len();
    links(one) == links(other) && one.0.iter().zip(&other.0).all(|(a, b)| a.delegation == b.delegation)
}

fn allowed(holding: &Holding, key: &PublicKey, scope: Scope<'_>, at: Moment) -> Result<(), Refusal> {
    let operation = match scope {
        Scope::Operation(kind) => Some(kind),
        Scope::Any | Scope::Partner => None,
    };
    let partner = || holding.partner.clone();
    let result = holding.chain.allows(Use { capability: holding.capability, operation }, at);
    match (result, holding.chain.leaf()) {
        (Err(CredentialError::Expired { not_after, .. }), _) => {
            Err(Refusal::CredentialExpired { partner: partner(), not_after })
        }
        (Err(error), _) => Err(KeyRefusal::Credential { partner: partner(), error }.into()),
        (Ok(()), Some(leaf)) if scope == Scope::Partner && leaf.operations != Default::default() => {
            Err(KeyRefusal::Bound { key: *key, partner: partner(), allowed: leaf.operations.clone() }.into())
        }
        (Ok(()), _) => Ok(()),
    }
}
