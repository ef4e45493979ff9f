//! What a change of keys needs to be made.

use std::collections::BTreeMap;

use super::{
    Holding, KeyRefusal, MAX_GRANTS_PER_PARTNER, MAX_PASSED_ON_PER_PARTNER, MAX_ROTATIONS_PER_PARTNER,
};
use super::{RotationLack, Scope, same_links};
use crate::authority::{AuthorityKind, Expression};
use crate::charter::PartnerName;
use crate::coalition::judge::Judgement;
use crate::coalition::refusal::Refusal;
use crate::coalition::state::State;
use crate::credential::{
    Capability, Chain, CredentialError, Delegation, Moment, Revocation, RevocationError, RootNow,
    RotationError, SignedRevocation, SignedRotation, Target, Use,
};
use crate::founding::Accession;
use crate::frontier::most_nodes;
use crate::identity::PublicKey;
use crate::record::{Act, AssetAct, IntegrityAct, KeyAct, MemberAct};
use crate::time::Time;

/// What a chain's last link makes of its key: an officer where it says so, whatever it may pass on beside that; else a node.
pub(super) fn granted(leaf: &Delegation) -> Option<Capability> {
    let gives = |capability| leaf.capabilities.contains(&capability);
    if gives(Capability::Seat) {
        return None;
    }
    [Capability::Officer, Capability::Node].into_iter().find(|capability| gives(*capability))
}

/// The link of a chain that a revocation cuts, where its issuer gave that, stands above who did, or is one of the `roots` that
/// came to stand above it.
pub(super) fn bites(
    revocation: &Revocation,
    holding: &Holding,
    roots: &[PublicKey],
) -> Result<usize, RevocationError> {
    if holding.partner != revocation.partner {
        let (named, partner) = (revocation.partner.clone(), holding.partner.clone());
        return Err(RevocationError::WrongPartner { named, partner });
    }
    let link = revocation.meant(&holding.chain).ok_or(RevocationError::NotInChain)?;
    let issuer = revocation.issuer;
    if roots.contains(&issuer) || holding.chain.above(link).any(|key| key == issuer) {
        Ok(link)
    } else {
        Err(RevocationError::NotAbove { issuer, link })
    }
}

impl State {
    /// What an officer must be delegated for to say this. An operation that is not known yet is none: it is judged again
    /// once it is.
    pub(in crate::coalition) fn scope_of<'a>(&'a self, act: &'a Act) -> Scope<'a> {
        match act {
            Act::Key(_) | Act::Integrity(IntegrityAct::Report(_)) => Scope::Any,
            act if let Some(open) = act.opening() => Scope::Operation(&open.kind),
            Act::Member(MemberAct::Propose(propose)) => Scope::Operation(propose.kind.as_str()),
            Act::Member(_) | Act::Integrity(_) | Act::Asset(AssetAct::Declare(_)) => Scope::Partner,
            _ => {
                let about = self.operation_of(act).and_then(|id| self.operation(&id));
                about.map_or(Scope::Any, |operation| Scope::Operation(&operation.open.kind))
            }
        }
    }

    pub(in crate::coalition) fn judge_key(&self, act: &KeyAct, now: Time) -> Result<Judgement, Refusal> {
        match act {
            KeyAct::Grant(chain) => self.judge_grant(chain, now)?,
            KeyAct::Revoke(revocation) => self.judge_revocation(revocation)?,
            KeyAct::Rotate(rotation) => self.judge_rotation(rotation)?,
        }
        Ok(Judgement::Apply)
    }

    /// The partner whose keys are concerned: it is a member.
    fn concerned(&self, partner: &PartnerName) -> Result<PublicKey, Refusal> {
        let unknown = || KeyRefusal::UnknownPartner { partner: partner.clone() };
        let root = self.root_of(partner).ok_or_else(unknown)?;
        self.require_member(partner)?;
        Ok(root)
    }

    fn judge_grant(&self, chain: &Chain, now: Time) -> Result<(), Refusal> {
        let leaf = chain.leaf().ok_or(KeyRefusal::EmptyChain)?;
        let (partner, key) = (&leaf.partner, leaf.subject);
        let root = self.concerned(partner)?;
        let capability = granted(leaf).ok_or(KeyRefusal::NotGranted {
            capability: leaf.capabilities.last().copied().unwrap_or(Capability::Seat),
        })?;
        for (link, above) in chain.0.iter().enumerate().take(chain.0.len() - 1) {
            let Delegation { subject, capabilities, .. } = &above.delegation;
            if !capabilities.contains(&Capability::Officer) {
                return Err(KeyRefusal::NotThroughOfficer { issuer: *subject, link: link + 1 }.into());
            }
        }
        self.require_free(&key, partner, capability)?;
        self.require_unrevoked(chain, partner)?;
        let held = self.keys.of(&key);
        if held.iter().any(|holding| holding.stands() && same_links(&holding.chain, chain)) {
            return Err(KeyRefusal::Granted { key }.into());
        }
        self.require_room(chain, &key, partner, capability, now)?;
        let (use_, at) = (Use::from(capability), Moment { time: now, epoch: Some(self.epoch) });
        let coalition = self.founded.coalition();
        let held = match chain.allows(use_, at) {
            // It may be granted ahead of its time.
            Ok(()) | Err(CredentialError::NotYetValid { .. }) => chain.authentic(&root, &coalition).map(drop),
            Err(error) => Err(error),
        };
        held.map_err(|error| KeyRefusal::Credential { partner: partner.clone(), error }.into())
    }

    /// Whether partners can join together: none of their keys is known here or in quarantine, their delegations hold now, and
    /// there is room for their nodes.
    pub(in crate::coalition) fn require_joinable(&self, accessions: &[Accession]) -> Result<(), Refusal> {
        let mut nodes = 0;
        for Accession { partner, .. } in accessions {
            let single = [partner.root, partner.seat];
            for key in single.iter().chain(&partner.officers).chain(&partner.nodes) {
                if let Some((holder, purpose)) = self.holder(key) {
                    return Err(KeyRefusal::Taken { key: *key, partner: holder.name.clone(), purpose }.into());
                }
                self.heed_quarantine(key)?;
            }
            if partner.credentials_until <= self.time {
                let (partner, not_after) = (partner.name.clone(), partner.credentials_until);
                return Err(Refusal::CredentialExpired { partner, not_after });
            }
            nodes += partner.nodes.len();
            self.require_places(nodes, &partner.name)?;
        }
        Ok(())
    }

    /// Whether so many more nodes of `partner` can be enrolled. As many as the charter names of a partner have a place kept for
    /// them, so that nobody takes that of a node which is replaced.
    fn require_places(&self, more: usize, partner: &PartnerName) -> Result<(), Refusal> {
        let most = most_nodes(self.founded.nodes().count());
        let mut kept: BTreeMap<&PartnerName, usize> = BTreeMap::new();
        for (_, holder) in self.nodes() {
            *kept.entry(&holder.name).or_default() += 1;
        }
        for named in self.last_charter().members() {
            let living = kept.entry(&named.name).or_default();
            // Who is gone is granted none any more.
            if !self.membership(&named.name).is_gone() {
                *living = (*living).max(named.nodes.len());
            }
        }
        if kept.values().sum::<usize>() + more <= most {
            return Ok(());
        }
        Err(KeyRefusal::NoPlaces { partner: partner.clone(), most: most as u64 }.into())
    }

    /// Each key has one purpose and one partner.
    fn require_free(
        &self,
        key: &PublicKey,
        partner: &PartnerName,
        capability: Capability,
    ) -> Result<(), Refusal> {
        match self.holder(key) {
            Some((holder, purpose)) if holder.name != *partner || purpose != capability.into() => {
                Err(KeyRefusal::Taken { key: *key, partner: holder.name.clone(), purpose }.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether no link of a chain was taken back, neither the delegation nor its key, by whomever.
    fn require_unrevoked(&self, chain: &Chain, partner: &PartnerName) -> Result<(), Refusal> {
        for (link, signed) in chain.0.iter().enumerate() {
            let key = self.keys.marked.get(&(partner.clone(), signed.delegation.subject)).copied();
            let hash = Target::Delegation(signed.delegation.hash());
            let delegation = || {
                let all = self.keys.revocations.values();
                let meant = all.filter(|revoked| revoked.revocation.revocation.target == hash);
                meant.map(|revoked| (revoked.ordered.index, revoked.ordered.by)).min()
            };
            if let Some((index, by)) = key.or_else(delegation) {
                return Err(KeyRefusal::Removed { link, index, by }.into());
            }
        }
        Ok(())
    }

    fn require_room(
        &self,
        chain: &Chain,
        key: &PublicKey,
        partner: &PartnerName,
        capability: Capability,
        now: Time,
    ) -> Result<(), Refusal> {
        let (all, passed_on) = self.keys.counts.get(partner).copied().unwrap_or_default();
        let by_officers = chain.0.len() > 1;
        let full = by_officers && passed_on >= MAX_PASSED_ON_PER_PARTNER;
        if full || all >= MAX_GRANTS_PER_PARTNER {
            let most = if full { MAX_PASSED_ON_PER_PARTNER } else { MAX_GRANTS_PER_PARTNER } as u64;
            return Err(
                KeyRefusal::TooManyGrants { partner: partner.clone(), most, by_officers: full }.into()
            );
        }
        let most = self.most_keys(partner, capability);
        let acting = self.acting(partner, capability);
        // A node keeps its place among the feeds until it is revoked; an officer whose time is over takes none.
        let living = acting.iter().filter(|acting| {
            capability == Capability::Node
                || self.keys.of(acting).iter().any(|it| it.stands() && it.chain.not_after() >= now)
        });
        if !acting.contains(key) && living.count() >= most {
            let (partner, most) = (partner.clone(), most as u64);
            return Err(KeyRefusal::TooMany { partner, capability, most }.into());
        }
        let kept = self.last_charter().partner(partner.as_str()).map_or(0, |named| named.nodes.len());
        if capability == Capability::Node && !acting.contains(key) && acting.len() >= kept {
            self.require_places(1, partner)?;
        }
        Ok(())
    }

    fn judge_revocation(&self, signed: &SignedRevocation) -> Result<(), Refusal> {
        let revocation = &signed.revocation;
        let partner = &revocation.partner;
        let wrong = |error| Refusal::from(KeyRefusal::Revocation(error));
        let coalition = self.founded.coalition();
        if revocation.coalition != coalition {
            return Err(wrong(RevocationError::WrongCoalition { named: revocation.coalition }));
        }
        if !revocation.is_showable() {
            return Err(wrong(RevocationError::Reason));
        }
        // Who has left or was expelled may still take back what acts in its name, and give its places free.
        let unknown = || KeyRefusal::UnknownPartner { partner: partner.clone() };
        let root = self.root_of(partner).ok_or_else(unknown)?;
        let first = self.last_charter().partner(partner.as_str()).map(|partner| partner.root);
        let roots = self.keys.roots_of(partner, u64::MAX);
        // A root that gave way takes nothing back any more.
        let gave_way =
            first.into_iter().chain(roots).any(|former| former == revocation.issuer && former != root);
        let above = [root];
        let mut refused = None;
        let mut cuts = false;
        // A key that was cut link by link may still be marked, so that no later chain brings it back.
        let marks = match revocation.target {
            Target::Key(key) => !self.keys.marked.contains_key(&(partner.clone(), key)),
            Target::Delegation(_) => false,
        };
        for holding in self.keys.holdings.values().flatten().filter(|it| it.partner == *partner) {
            match bites(revocation, holding, &above) {
                Ok(link) if gave_way => {
                    let issuer = revocation.issuer;
                    refused = refused.or(Some(RevocationError::NotAbove { issuer, link }));
                }
                Ok(_) => cuts |= holding.stands() || marks,
                Err(error @ RevocationError::NotAbove { .. }) => refused = refused.or(Some(error)),
                Err(_) => {}
            }
        }
        match refused {
            _ if cuts => {}
            Some(error) => return Err(wrong(error)),
            None => return Err(KeyRefusal::NothingRevoked { partner: partner.clone() }.into()),
        }
        if !signed.is_signed() {
            return Err(wrong(RevocationError::BadSignature { issuer: revocation.issuer }));
        }
        Ok(())
    }

    fn judge_rotation(&self, signed: &SignedRotation) -> Result<(), Refusal> {
        let rotation = &signed.rotation;
        let partner = rotation.partner.clone();
        let root = self.concerned(&partner)?;
        let rotations = self.keys.rotations_of(&partner).next_back().map_or(0, |last| last.rotation.number);
        if rotations >= MAX_ROTATIONS_PER_PARTNER {
            let most = MAX_ROTATIONS_PER_PARTNER.into();
            return Err(KeyRefusal::TooManyRotations { partner, most }.into());
        }
        // A root that gave way does not come back, and no other key becomes one.
        if rotation.new != root
            && let Some((holder, purpose)) = self.holder(&rotation.new)
        {
            let (key, partner) = (rotation.new, holder.name.clone());
            return Err(KeyRefusal::Taken { key, partner, purpose }.into());
        }
        // Where a charter states a national authority apart from the root, that may stand in for a root that is lost.
        let registry = self.registry(self.last_charter());
        let stated = registry.get(partner.as_str());
        let stated = stated.filter(|authority| authority.kind == AuthorityKind::National);
        let national = stated.map(|authority| &authority.expression);
        let national = national.filter(|expression| **expression != Expression::Key(root));
        let now = RootNow { root, rotations, national: national.map(|expression| (expression, &registry)) };
        signed.verify(&self.founded.coalition(), &now).map_err(|error| {
            let lack = match error {
                RotationError::WrongCoalition { named } => {
                    return KeyRefusal::RotationElsewhere { named }.into();
                }
                RotationError::WrongRoot { named, .. } => {
                    return KeyRefusal::NotTheRoot { named, partner, root }.into();
                }
                RotationError::WrongNumber { found, expected, .. } => {
                    return KeyRefusal::RotationNumber { found, expected, partner }.into();
                }
                RotationError::SameRoot => RotationLack::SameRoot,
                RotationError::Signatures(_) => RotationLack::Signatures,
                RotationError::Stranger { key } => RotationLack::Stranger(key),
                RotationError::NewUnsigned { new } => RotationLack::New(new),
                RotationError::OldUnsigned { .. } => RotationLack::Old(root),
            };
            KeyRefusal::RotationUnsigned { partner, lack }.into()
        })
    }
}
