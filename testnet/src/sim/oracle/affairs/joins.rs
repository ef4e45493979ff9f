//! Counting again which versions of the charter there are, who joined with which, and whose nodes take part in what order.

use entente_protocol::charter::{Amendment, Charter, Partner};
use entente_protocol::credential::{Capability, Delegation};
use entente_protocol::founding::Accession;
use entente_protocol::identity::{Hash, PublicKey};
use entente_protocol::wire;

use super::super::evidence::{hashed, is_signed};
use super::Affairs;
use super::check::must;
use crate::sim::summary::{APPLIED, Count, REFUSED};

fn hash_of(charter: &Charter) -> Hash {
    Hash(hashed("entente/charter/v1", &[&wire::encode(charter)]))
}

/// What an amendment makes of a charter, whatever it states of the result.
fn amended(before: &Charter, amendment: &Amendment) -> Charter {
    let mut next = before.clone();
    let replaced = |name: &str| {
        amendment.remove.iter().any(|gone| gone.as_str() == name)
            || amendment.put.iter().any(|put| put.name.as_str() == name)
    };
    next.operations.retain(|kind| !replaced(kind.name.as_str()));
    next.operations.extend(amendment.put.iter().cloned());
    next.operations.sort_by(|one, other| one.name.cmp(&other.name));
    next.admitted.extend(amendment.admit.iter().map(|accession| accession.partner.clone()));
    next.admitted.sort_by(|one, other| one.name.cmp(&other.name));
    next.integrity = amendment.integrity.clone().unwrap_or(next.integrity);
    next.authority = amendment.authority.clone().unwrap_or(next.authority);
    next.capabilities = amendment.capabilities.clone().unwrap_or(next.capabilities);
    (next.version, next.previous) = (amendment.version, Some(hash_of(before)));
    next
}

fn keys_of(partner: &Partner) -> impl Iterator<Item = &PublicKey> {
    partner.officers.iter().chain([&partner.seat]).chain(&partner.nodes).chain([&partner.root])
}

impl Affairs {
    /// A version of the charter.
    pub(super) fn version(&self, version: u32) -> Option<&Charter> {
        [&self.charter].into_iter().chain(&self.later).find(|charter| charter.version == version)
    }

    /// The last one, in force or agreed.
    pub(super) fn last(&self) -> &Charter {
        self.later.last().unwrap_or(&self.charter)
    }

    /// Whether an amendment may be proposed: it is one of the last version, gives what it states, and whoever joins has signed that
    /// and brings keys that nobody knows.
    pub(super) fn may_amend(&self, amendment: &Amendment) -> Result<(), String> {
        must(amendment.version == self.last().version + 1, || {
            "it makes another version than the next".into()
        })?;
        self.still_amends(amendment)?;
        let next = amended(self.last(), amendment);
        must(hash_of(&next) == amendment.result, || "it does not make what it states".into())?;
        amendment.admit.iter().try_for_each(|accession| self.has_signed(accession, amendment))
    }

    /// Whether it amends the last version, and whoever joins brings new names and keys that nobody knows.
    fn still_amends(&self, amendment: &Amendment) -> Result<(), String> {
        must(amendment.previous == hash_of(self.last()), || "it amends another version".into())?;
        for Accession { partner, .. } in &amendment.admit {
            let name = &partner.name;
            must(self.last().members().all(|known| known.name != *name), || format!("{name} is used"))?;
            must(!keys_of(partner).any(|key| self.keys.knows(key)), || {
                format!("{name} brings a key of somebody")
            })?;
        }
        Ok(())
    }

    /// Whether a root has signed the version with which its partner joins, and delegated exactly the keys that it states.
    fn has_signed(&self, accession: &Accession, amendment: &Amendment) -> Result<(), String> {
        let Accession { coalition, version, partner, signature, delegations } = accession;
        let name = &partner.name;
        let this = (self.coalition, amendment.result);
        must((*coalition, *version) == this, || format!("{name} has signed something else"))?;
        let message = wire::encode(&this);
        let signed = is_signed("entente/accession/v1", &message, &partner.root, signature.as_ed25519());
        must(signed, || format!("the root of {name} has not signed"))?;
        let of = |key: &PublicKey, capability| {
            let (name, until) = (name.clone(), partner.credentials_until);
            Delegation::direct(self.coalition, partner.root, *key, name, capability, until)
        };
        let officers = partner.officers.iter().map(|key| of(key, Capability::Officer));
        let nodes = partner.nodes.iter().map(|key| of(key, Capability::Node));
        let due = officers.chain([of(&partner.seat, Capability::Seat)]).chain(nodes).collect::<Vec<_>>();
        let given = delegations.iter().map(|chain| match &chain.0[..] {
            [link] => {
                let message = wire::encode(&link.delegation);
                let signature = link.signature.as_ed25519();
                is_signed("entente/delegation/v1", &message, &partner.root, signature)
                    .then_some(&link.delegation)
            }
            _ => None,
        });
        must(given.eq(due.iter().map(Some)), || format!("{name} has not delegated what it states"))
    }

    /// An amendment is agreed at log index `index`. Of two of one version the one that is agreed first is made; what has become
    /// impossible is not.
    pub(super) fn amends(&mut self, index: u64, amendment: &Amendment) -> bool {
        let made = self.still_amends(amendment).is_ok();
        let joins = amendment.admit.len() as u64;
        self.counts.add(Count::Record("partner joined", if made { APPLIED } else { REFUSED }), joins);
        if made {
            self.later.push(amended(self.last(), amendment));
            amendment.admit.iter().for_each(|accession| self.keys.admit(index, &accession.partner));
        }
        made
    }

    /// Whose feeds take part in the next epoch, in the order of their feeds.
    pub(in crate::sim) fn nodes(&self) -> Vec<PublicKey> {
        self.keys.nodes()
    }
}
