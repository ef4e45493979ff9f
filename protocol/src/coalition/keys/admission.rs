//! Who may connect, as the state stands: for those who ask beside the engine.

use std::sync::Arc;

use super::{Roster, same_links};
use crate::charter::PartnerName;
use crate::coalition::refusal::Refusal;
use crate::coalition::state::State;
use crate::coalition::{KeyRefusal, Purpose};
use crate::credential::{Capability, Chain, CredentialError, Moment};
use crate::identity::{CoalitionId, PublicKey};
use crate::time::Time;

/// The nodes at one moment; cheap to make and to keep.
#[derive(Debug, Clone)]
pub struct Admission {
    coalition: CoalitionId,
    epoch: u64,
    time: Time,
    roster: Arc<Roster>,
    nodes: Vec<(PublicKey, PartnerName)>,
}

impl State {
    /// Who may connect now.
    pub fn admission(&self) -> Admission {
        let nodes = self.nodes().into_iter().map(|(key, partner)| (key, partner.name.clone())).collect();
        Admission {
            coalition: self.founded.coalition(),
            epoch: self.epoch,
            time: self.time,
            roster: Arc::clone(&self.keys),
            nodes,
        }
    }
}

/// What was ordered of a chain, as of a log index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coalition) enum Granted {
    /// The founding or the log granted it, and nothing took it back.
    Stands,
    /// Its key was revoked.
    Revoked {
        /// Log index of that.
        index: u64,
    },
    /// It was never granted.
    Never,
}

impl State {
    /// What was ordered before log index `index` of a chain that carries records.
    pub(in crate::coalition) fn granted_at(&self, chain: &Chain, index: u64) -> Granted {
        let Some(leaf) = chain.leaf() else { return Granted::Never };
        let held = || self.keys.of(&leaf.subject).iter().filter(|holding| holding.partner == leaf.partner);
        if held().any(|holding| holding.stands_at(index) && same_links(&holding.chain, chain)) {
            return Granted::Stands;
        }
        let marked = self.keys.marked.get(&(leaf.partner.clone(), leaf.subject));
        let cut = held().filter_map(|holding| holding.cut).chain(marked.copied());
        match cut.map(|(cut, _)| cut).filter(|cut| *cut < index).min() {
            Some(index) => Granted::Revoked { index },
            None => Granted::Never,
        }
    }
}

impl Admission {
    /// All enrolled nodes, in the order of their feeds.
    pub fn nodes(&self) -> &[(PublicKey, PartnerName)] {
        &self.nodes
    }

    /// Whose node a key is, or was.
    pub fn partner(&self, node: &PublicKey) -> Option<&PartnerName> {
        let holding = self.roster.of(node).first()?;
        (Purpose::from(holding.capability) == Purpose::Node).then_some(&holding.partner)
    }

    /// Whom somebody acts for, or acted; a name as often as it has keys.
    pub fn partners(&self) -> impl Iterator<Item = &PartnerName> {
        self.roster.holdings.values().flatten().map(|holding| &holding.partner)
    }

    /// Whether somebody acts, or acted, for a partner of this name.
    pub fn is_partner(&self, name: &PartnerName) -> bool {
        self.partners().any(|partner| partner == name)
    }

    /// Whether a root that its partner has or had gave this chain, it is valid at the time `now`, and nothing of its key was taken
    /// back: who shows it is no impostor, although the log may not have granted it yet.
    pub fn is_given(&self, chain: &Chain, now: Time) -> bool {
        let (Some(first), Some(leaf)) = (chain.0.first(), chain.leaf()) else { return false };
        let root = first.delegation.issuer;
        let of_founding = self.roster.holdings.values().flatten();
        let mut of_founding =
            of_founding.filter(|holding| holding.origin.grant().is_none() && holding.partner == leaf.partner);
        let is_root = of_founding.any(|holding| holding.chain.above(0).any(|key| key == root))
            || self.roster.roots_of(&leaf.partner, u64::MAX).contains(&root);
        let revoked = self.roster.marked.contains_key(&(leaf.partner.clone(), leaf.subject))
            || self.roster.revoked(&leaf.subject, self.roster.of(&leaf.subject).iter(), u64::MAX).is_some();
        is_root && !revoked && chain.verify(&root, &self.coalition, Capability::Node, now).is_ok()
    }

    /// Whether a chain that somebody shows lets its last key carry records at the time `now`: the founding or the log granted it,
    /// and nothing took it back. Returns partner and key. Its signatures are checked, too: who shows a chain has it.
    ///
    /// # Errors
    /// [`Refusal`], in words for people.
    pub fn admit(&self, chain: &Chain, now: Time) -> Result<(&PartnerName, PublicKey), Refusal> {
        let (Some(first), Some(leaf)) = (chain.0.first(), chain.leaf()) else {
            return Err(KeyRefusal::EmptyChain.into());
        };
        let (key, named) = (leaf.subject, leaf.partner.clone());
        let partner = self.roster.partner_at(&key, Capability::Node, u64::MAX)?;
        let partner = partner.ok_or(Refusal::UnknownNode { node: key })?;
        let credential = |error| Refusal::from(KeyRefusal::Credential { partner: named.clone(), error });
        let standing = self.roster.of(&key).iter().filter(|holding| holding.stands());
        if !standing.map(|holding| &holding.chain).any(|held| same_links(held, chain)) {
            let (subject, capability) = (key, Capability::Node);
            let partner = named.clone();
            return Err(credential(CredentialError::NotDeclared { subject, partner, capability }));
        }
        let at = Moment { time: now.max(self.time), epoch: Some(self.epoch) };
        chain.verify(&first.delegation.issuer, &self.coalition, Capability::Node, at).map_err(credential)?;
        Ok((partner, key))
    }
}
