//! Who signs, and how partners' keys change: officers that roots and other officers grant, what is taken back, roots that
//! give way.
//!
//! Most of it is what the state would take; the rest is by keys that have no voice in it, or comes too late.

use std::collections::BTreeSet;

use entente_protocol::authority::Extent;
use entente_protocol::charter::PartnerName;
use entente_protocol::coalition::State;
use entente_protocol::credential::{
    Capability, Chain, Delegation, Revocation, RootRotation, SignedRotation, Target,
};
use entente_protocol::identity::{PublicKey, SecretKey};
use entente_protocol::record::KeyAct;
use entente_protocol::time::Time;

use crate::sim::members::{officer, root};
use crate::sim::rng::Rng;

/// Keys that were made in the course of a history, and what was said of them.
pub(super) struct Keyring {
    /// By partner: how many officers and roots it has made, the first included.
    officers: Vec<usize>,
    roots: Vec<usize>,
    /// Chains that somebody has asked for.
    chains: Vec<Chain>,
}

impl Keyring {
    pub(super) fn new(partners: usize) -> Self {
        Self { officers: vec![1; partners], roots: vec![1; partners], chains: Vec::new() }
    }

    fn name(state: &State, partner: usize) -> PartnerName {
        state.founded().partners()[partner].name.clone()
    }

    /// Who speaks for a partner: mostly an officer that stands, now and then any that it ever had.
    pub(super) fn signer(&self, state: &State, partner: usize, rng: &mut Rng) -> SecretKey {
        let standing = state.officers_of(&Self::name(state, partner));
        let all = (0..self.officers[partner]).collect::<Vec<_>>();
        let stand = |nth: &usize| standing.contains(&officer(partner, *nth).public());
        let stand = all.iter().copied().filter(stand).collect::<Vec<_>>();
        let of = if stand.is_empty() || rng.chance(12) { &all } else { &stand };
        officer(partner, *rng.pick(of))
    }

    /// The secret of a key that some partner made.
    fn secret(&self, key: &PublicKey) -> Option<SecretKey> {
        let made = |count: &[usize], of: fn(usize, usize) -> SecretKey| {
            let all = count.iter().enumerate();
            let mut all = all.flat_map(|(partner, count)| (0..*count).map(move |nth| of(partner, nth)));
            all.find(|secret| secret.public() == *key)
        };
        made(&self.officers, officer).or_else(|| made(&self.roots, root))
    }

    /// Whose officer's key this is, with its secret.
    pub(super) fn owner(&self, key: &PublicKey) -> Option<(usize, SecretKey)> {
        let made = self.officers.iter().enumerate();
        let mut made = made.flat_map(|(partner, count)| (0..*count).map(move |nth| (partner, nth)));
        let (partner, nth) = made.find(|(partner, nth)| officer(*partner, *nth).public() == *key)?;
        Some((partner, officer(partner, nth)))
    }

    /// A root to sign with: mostly that of the moment.
    pub(super) fn root(&self, state: &State, partner: usize, rng: &mut Rng) -> SecretKey {
        let now = state.root_of(&Self::name(state, partner)).and_then(|key| self.secret(&key));
        match (rng.below(20), now) {
            (0..=15, Some(now)) => now,
            (16..=18, _) => root(partner, rng.index(self.roots[partner])),
            _ => {
                let other = rng.index(self.roots.len());
                root(other, rng.index(self.roots[other]))
            }
        }
    }

    /// A change of the keys of `partner`, or of another.
    pub(super) fn change(
        &mut self,
        state: &State,
        partner: usize,
        now: Time,
        rng: &mut Rng,
    ) -> Option<KeyAct> {
        let partner = if rng.chance(60) { partner } else { rng.index(self.roots.len()) };
        match rng.below(20) {
            0..=9 => self.grant(state, partner, now, rng).map(KeyAct::Grant),
            10..=15 => Some(self.revoke(state, partner, rng)),
            _ => Some(self.rotate(state, partner, rng)),
        }
    }

    fn grant(&mut self, state: &State, partner: usize, now: Time, rng: &mut Rng) -> Option<Chain> {
        if !self.chains.is_empty() && rng.chance(15) {
            return Some(rng.pick(&self.chains).clone());
        }
        let subject = match rng.below(10) {
            0 => {
                let other = rng.index(self.officers.len());
                officer(other, rng.index(self.officers[other]))
            }
            1 => officer(partner, rng.index(self.officers[partner])),
            _ => {
                self.officers[partner] += 1;
                officer(partner, self.officers[partner] - 1)
            }
        };
        let name = Self::name(state, partner);
        let charter = state.founded().charter();
        let until = charter.partner(name.as_str())?.credentials_until;
        let passed_on = self.chains.iter().filter(|chain| {
            let leaf = chain.leaf();
            leaf.is_some_and(|leaf| leaf.partner == name && (leaf.depth > 0 || rng.chance(10)))
        });
        let passed_on = passed_on.cloned().collect::<Vec<_>>();
        let above = (!passed_on.is_empty() && rng.chance(35)).then(|| rng.pick(&passed_on).clone());
        let issuer = match above.as_ref().and_then(Chain::leaf) {
            Some(leaf) => self.secret(&leaf.subject)?,
            None => self.root(state, partner, rng),
        };
        let given = above.as_ref().and_then(Chain::leaf);
        let depth = match given {
            Some(leaf) if rng.chance(90) => leaf.depth.saturating_sub(1),
            _ => *rng.pick(&[0, 0, 1, 2]),
        };
        let airlift = || Extent::only(["airlift".parse().expect("a literal that is a name")]);
        let operations = match given {
            Some(leaf) if rng.chance(90) => leaf.operations.clone(),
            _ if rng.chance(20) => airlift(),
            _ => Extent::All,
        };
        let soon = rng.chance(15).then(|| now.plus(rng.between(1_000, 900_000)));
        let not_after = soon.unwrap_or(until).min(given.map_or(until, |leaf| leaf.not_after));
        let last_epoch = rng.chance(5).then(|| rng.between(1, 200));
        let last_epoch = last_epoch.or_else(|| given.and_then(|leaf| leaf.last_epoch));
        let coalition = state.founded().coalition();
        let direct = Delegation::direct(
            coalition,
            issuer.public(),
            subject.public(),
            name,
            Capability::Officer,
            not_after,
        );
        let link = Delegation { operations, last_epoch, depth, ..direct }.sign(&issuer);
        let mut links = above.map_or_else(Vec::new, |chain| chain.0);
        links.push(link);
        let chain = Chain(links);
        self.chains.push(chain.clone());
        Some(chain)
    }

    fn revoke(&self, state: &State, partner: usize, rng: &mut Rng) -> KeyAct {
        let name = Self::name(state, partner);
        let standing = state.officers_of(&name).into_iter().collect::<BTreeSet<_>>();
        // The last officer is spared more often: somebody should speak on.
        let any = officer(partner, rng.index(self.officers[partner])).public();
        let spared = standing.len() == 1 && standing.contains(&any) && rng.chance(60);
        let own = self.chains.iter().filter(|chain| chain.leaf().is_some_and(|leaf| leaf.partner == name));
        let own = own.flat_map(|chain| &chain.0).map(|link| link.delegation.hash()).collect::<Vec<_>>();
        let target = if !own.is_empty() && (spared || rng.chance(25)) {
            Target::Delegation(*rng.pick(&own))
        } else {
            Target::Key(any)
        };
        let issuer = if rng.chance(15) {
            officer(partner, rng.index(self.officers[partner]))
        } else {
            self.root(state, partner, rng)
        };
        let reason = if rng.chance(50) { "the laptop is lost" } else { "" };
        let revocation = Revocation {
            coalition: state.founded().coalition(),
            partner: name,
            issuer: issuer.public(),
            reason: reason.into(),
            target,
        };
        KeyAct::Revoke(Box::new(revocation.sign(&issuer)))
    }

    fn rotate(&mut self, state: &State, partner: usize, rng: &mut Rng) -> KeyAct {
        let old = self.root(state, partner, rng);
        let new = if rng.chance(90) {
            self.roots[partner] += 1;
            root(partner, self.roots[partner] - 1)
        } else {
            root(partner, rng.index(self.roots[partner]))
        };
        let partner = Self::name(state, partner);
        let number = state.rotations_of(&partner).last().map_or(1, |last| last.number + 1);
        let rotation = RootRotation {
            coalition: state.founded().coalition(),
            partner,
            number: if rng.chance(90) { number } else { rng.between(1, 4) as u32 },
            old: old.public(),
            new: new.public(),
        };
        let mut signed = SignedRotation::new(rotation);
        if rng.chance(90) {
            signed.sign(&old);
        }
        signed.sign(&new);
        KeyAct::Rotate(Box::new(signed))
    }
}
