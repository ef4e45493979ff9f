//! Counting again who speaks for whom: the founding's officers, what was granted since, what was taken back, and whose root
//! is whose, by the words of `docs/wire.md`.

use std::collections::BTreeSet;

use entente_protocol::authority::Extent;
use entente_protocol::charter::{Charter, Partner, PartnerName};
use entente_protocol::credential::{
    Capability, Chain, Delegation, SignedDelegation, SignedRevocation, SignedRotation, Target,
};
use entente_protocol::identity::{CoalitionId, Hash, PublicKey};
use entente_protocol::record::KeyAct;
use entente_protocol::time::Time;
use entente_protocol::wire;

use super::super::evidence::{hashed, is_signed};

const DELEGATION: &str = "entente/delegation/v1";
/// A root, two officers, and who acts.
const MOST_LINKS: usize = 4;
const MOST_DEPTH: u8 = 3;

/// What an officer must be delegated for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    Any,
    /// Operations of this type.
    Kind(String),
    /// What binds its partner beyond operations.
    Partner,
}

/// What follows from the founding and the changes of keys so far.
pub(super) struct Keys {
    coalition: CoalitionId,
    /// Of each partner the first first; the last is that of the moment.
    roots: Vec<(PartnerName, Vec<PublicKey>)>,
    /// They are nothing else.
    seats: BTreeSet<PublicKey>,
    given: Vec<Given>,
    marked: BTreeSet<(PartnerName, PublicKey)>,
    cut: BTreeSet<Hash>,
}

/// A chain that makes its last key an officer or a node.
struct Given {
    partner: PartnerName,
    capability: Capability,
    links: Vec<Delegation>,
    /// Log index of the grant, or of the decision that admitted its partner; none for the founding.
    since: Option<u64>,
    /// Whether it came in a record of its own.
    granted: bool,
    /// Log index of what took it back.
    until: Option<u64>,
}

impl Given {
    fn key(&self) -> Option<PublicKey> {
        self.links.last().map(|link| link.subject)
    }

    fn stands(&self, index: u64) -> bool {
        self.since.is_none_or(|since| since < index) && self.until.is_none_or(|until| index < until)
    }

    /// The first link that gives what is taken back.
    fn meant(&self, target: &Target) -> Option<usize> {
        self.links.iter().position(|link| match target {
            Target::Key(key) => link.subject == *key,
            Target::Delegation(hash) => hash_of(link) == *hash,
        })
    }

    /// Whether all its links hold at that time, in that epoch, for that.
    fn lets(&self, scope: &Scope, (time, epoch): (Time, u64)) -> bool {
        let in_time = self.links.iter().all(|link| {
            link.not_before.is_none_or(|from| from <= time)
                && time <= link.not_after
                && link.last_epoch.is_none_or(|last| epoch <= last)
        });
        let leaf = self.links.last().map(|link| &link.operations);
        let for_that = leaf.is_some_and(|operations| match (scope, operations) {
            (Scope::Any, _) | (_, Extent::All) => true,
            (Scope::Kind(kind), Extent::Only(names)) => names.iter().any(|name| name.as_str() == kind),
            (Scope::Partner, Extent::Only(_)) => false,
        });
        in_time && for_that
    }
}

fn hash_of(link: &Delegation) -> Hash {
    Hash(hashed(DELEGATION, &[&wire::encode(link)]))
}

fn must(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

/// Whether one link gives no more than the one above it.
fn is_within(link: &Delegation, above: &Delegation) -> bool {
    let operations = match (&link.operations, &above.operations) {
        (_, Extent::All) => true,
        (Extent::All, Extent::Only(_)) => false,
        (Extent::Only(names), Extent::Only(all)) => names.iter().all(|name| all.contains(name)),
    };
    let begins = above.not_before.is_none_or(|above| link.not_before.is_some_and(|from| above <= from));
    let last = above.last_epoch.is_none_or(|above| link.last_epoch.is_some_and(|last| last <= above));
    let capabilities = link.capabilities.is_subset(&above.capabilities);
    operations
        && begins
        && last
        && capabilities
        && link.not_after <= above.not_after
        && link.depth < above.depth
}

/// What a partner brings of its own: its officers and nodes, delegated by its root.
fn brought(
    coalition: CoalitionId,
    partner: &Partner,
    since: Option<u64>,
) -> impl Iterator<Item = Given> + use<'_> {
    let officers = partner.officers.iter().map(|key| (key, Capability::Officer));
    let nodes = partner.nodes.iter().map(|key| (key, Capability::Node));
    officers.chain(nodes).map(move |(key, capability)| {
        let (name, until) = (partner.name.clone(), partner.credentials_until);
        let links = vec![Delegation::direct(coalition, partner.root, *key, name, capability, until)];
        let partner = partner.name.clone();
        Given { partner, capability, links, since, granted: false, until: None }
    })
}

impl Keys {
    pub(super) fn new(coalition: CoalitionId, charter: &Charter) -> Self {
        let given = charter.partners.iter().flat_map(|partner| brought(coalition, partner, None));
        let roots = charter.partners.iter().map(|partner| (partner.name.clone(), vec![partner.root]));
        Self {
            coalition,
            roots: roots.collect(),
            seats: charter.partners.iter().map(|partner| partner.seat).collect(),
            given: given.collect(),
            marked: BTreeSet::new(),
            cut: BTreeSet::new(),
        }
    }

    /// The root of the moment of who had this one, or the key itself.
    pub(super) fn in_place_of(&self, key: &PublicKey) -> PublicKey {
        let roots = self.roots.iter().map(|(_, roots)| roots).find(|roots| roots.contains(key));
        roots.and_then(|roots| roots.last()).copied().unwrap_or(*key)
    }

    fn roots(&self, partner: &PartnerName) -> &[PublicKey] {
        self.roots.iter().find(|(name, _)| name == partner).map_or(&[], |(_, roots)| roots)
    }

    /// The root of the moment.
    pub(super) fn root(&self, partner: &PartnerName) -> Option<PublicKey> {
        self.roots(partner).last().copied()
    }

    /// Whose key speaks at log index `index`, and says something of that scope.
    pub(super) fn speaks(
        &self,
        key: &PublicKey,
        index: u64,
        scope: &Scope,
        now: (Time, u64),
    ) -> Result<PartnerName, String> {
        let of = self.all(Capability::Officer).filter(|given| given.key() == Some(*key));
        let mut standing = of.filter(|given| given.stands(index)).peekable();
        must(standing.peek().is_some(), "no chain of its signer stands there")?;
        let lets = standing.find(|given| given.lets(scope, now)).map(|given| given.partner.clone());
        lets.ok_or_else(|| format!("no chain of its signer lets it say that: {scope:?}"))
    }

    /// Whether a key has come in a grant.
    pub(super) fn was_granted(&self, key: &PublicKey) -> bool {
        let first = self.given.iter().find(|given| given.key() == Some(*key));
        first.is_some_and(|given| given.granted)
    }

    /// A partner that joins brings its keys, at log index `index`.
    pub(super) fn admit(&mut self, index: u64, partner: &Partner) {
        self.given.extend(brought(self.coalition, partner, Some(index)));
        self.seats.insert(partner.seat);
        self.roots.push((partner.name.clone(), vec![partner.root]));
    }

    /// Whether a key is or was anything of anybody's.
    pub(super) fn knows(&self, key: &PublicKey) -> bool {
        let root = self.roots.iter().any(|(_, roots)| roots.contains(key));
        root || self.seats.contains(key) || self.holder(key).is_some()
    }

    fn all(&self, capability: Capability) -> impl Iterator<Item = &Given> {
        self.given.iter().filter(move |given| given.capability == capability)
    }

    /// Whose node carries what stands at log index `index`.
    pub(super) fn carries(&self, key: &PublicKey, index: u64) -> Option<&PartnerName> {
        let mut of = self.all(Capability::Node).filter(|given| given.key() == Some(*key));
        of.find(|given| given.stands(index)).map(|given| &given.partner)
    }

    /// Whose node a key is or was.
    pub(super) fn owner(&self, node: &PublicKey) -> Option<&PartnerName> {
        self.all(Capability::Node).find(|given| given.key() == Some(*node)).map(|given| &given.partner)
    }

    /// All nodes in the order of their feeds: those that partners brought, the founding's first, then those that were granted, by
    /// log index; without those that are none any more.
    pub(super) fn nodes(&self) -> Vec<PublicKey> {
        let brought = self.all(Capability::Node).filter(|given| !given.granted);
        let granted = self.all(Capability::Node).filter(|given| given.granted);
        let mut nodes = Vec::new();
        for key in brought.chain(granted).filter_map(Given::key) {
            if !nodes.contains(&key) && self.carries(&key, u64::MAX).is_some() {
                nodes.push(key);
            }
        }
        nodes
    }

    /// All who speak for a partner now, sorted.
    pub(super) fn officers(&self, partner: &PartnerName) -> Vec<PublicKey> {
        let officers = self.all(Capability::Officer);
        let standing = officers.filter(|given| given.until.is_none() && given.partner == *partner);
        standing.filter_map(Given::key).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whose keys would change.
    pub(super) fn concerned<'a>(&'a self, act: &'a KeyAct) -> Option<&'a PartnerName> {
        let named = match act {
            KeyAct::Grant(chain) => &chain.0.last()?.delegation.partner,
            KeyAct::Revoke(signed) => &signed.revocation.partner,
            KeyAct::Rotate(signed) => &signed.rotation.partner,
        };
        self.roots.iter().map(|(name, _)| name).find(|name| *name == named)
    }

    /// Whether a change of keys may be made.
    pub(super) fn may(&self, act: &KeyAct, now: (Time, u64)) -> Result<(), String> {
        match act {
            KeyAct::Grant(chain) => self.may_grant(chain, now),
            KeyAct::Revoke(signed) => self.may_revoke(signed),
            KeyAct::Rotate(signed) => self.may_rotate(signed),
        }
    }

    fn may_grant(&self, chain: &Chain, (time, epoch): (Time, u64)) -> Result<(), String> {
        let links = chain.0.iter().map(|link| link.delegation.clone()).collect::<Vec<_>>();
        let (Some(first), Some(leaf)) = (links.first(), links.last()) else {
            return Err("a chain without a link".into());
        };
        let partner = &leaf.partner;
        must(links.len() <= MOST_LINKS, "a chain of too many links")?;
        must(self.root(partner) == Some(first.issuer), "not the root of the moment grants it")?;
        let signed = |SignedDelegation { delegation, signature }: &SignedDelegation| {
            let message = wire::encode(delegation);
            is_signed(DELEGATION, &message, &delegation.issuer, signature.as_ed25519())
        };
        must(chain.0.iter().all(signed), "a link that its issuer has not signed")?;
        let sound = |link: &Delegation| {
            (link.coalition, &link.partner) == (self.coalition, partner) && link.depth <= MOST_DEPTH
        };
        must(links.iter().all(sound), "a link of another coalition, of another partner or too deep")?;
        for pair in links.windows(2) {
            must(pair[1].issuer == pair[0].subject, "a link that does not follow")?;
            must(pair[0].capabilities.contains(&Capability::Officer), "a link by who is no officer")?;
            must(is_within(&pair[1], &pair[0]), "a link that gives more than its issuer has")?;
        }
        let above = links.iter().map(|link| link.issuer).collect::<BTreeSet<_>>();
        must(above.len() == links.len() && !above.contains(&leaf.subject), "a chain that leads in a circle")?;
        let made = [Capability::Officer, Capability::Node].into_iter();
        let mut made = made.filter(|capability| leaf.capabilities == [*capability].into());
        let capability = made.next().ok_or("it makes neither an officer nor a node")?;
        let alive =
            |link: &Delegation| time <= link.not_after && link.last_epoch.is_none_or(|last| epoch <= last);
        must(links.iter().all(alive), "its time is over")?;
        let holder = self.holder(&leaf.subject);
        must(holder.is_none_or(|(holder, _)| holder == partner), "it is another's key")?;
        let is_root = self.roots.iter().any(|(_, roots)| roots.contains(&leaf.subject));
        let same = holder.is_none_or(|(_, purpose)| purpose == capability);
        must(!is_root && same && !self.seats.contains(&leaf.subject), "the key is something else")?;
        let removed = |link: &Delegation| {
            self.marked.contains(&(partner.clone(), link.subject)) || self.cut.contains(&hash_of(link))
        };
        must(!links.iter().any(removed), "it leads through what was taken back")?;
        let again = self.given.iter().any(|given| given.until.is_none() && given.links == links);
        must(!again, "it is granted already")
    }

    /// Whose officer or node a key is or was.
    fn holder(&self, key: &PublicKey) -> Option<(&PartnerName, Capability)> {
        let given = self.given.iter().find(|given| given.key() == Some(*key))?;
        Some((&given.partner, given.capability))
    }

    /// Whether this takes back what that chain gives: its issuer is the root of the moment, or stands above in the chain and is no
    /// root that gave way.
    fn bites(&self, signed: &SignedRevocation, given: &Given) -> bool {
        let revocation = &signed.revocation;
        let Some(link) = given.meant(&revocation.target).filter(|_| given.partner == revocation.partner)
        else {
            return false;
        };
        let root = self.root(&given.partner) == Some(revocation.issuer);
        let gave_way = !root && self.roots(&given.partner).contains(&revocation.issuer);
        let above = given.links.iter().take(link + 1).any(|link| link.issuer == revocation.issuer);
        root || (above && !gave_way)
    }

    fn may_revoke(&self, signed: &SignedRevocation) -> Result<(), String> {
        let revocation = &signed.revocation;
        must(revocation.coalition == self.coalition, "it is of another coalition")?;
        let new_mark = match revocation.target {
            Target::Key(key) => !self.marked.contains(&(revocation.partner.clone(), key)),
            Target::Delegation(_) => false,
        };
        let mut bitten = self.given.iter().filter(|given| self.bites(signed, given));
        let cuts = bitten.any(|given| given.until.is_none() || new_mark);
        must(cuts, "it cuts nothing that its issuer may cut")?;
        let message = wire::encode(revocation);
        let signature = signed.signature.as_ed25519();
        must(is_signed("entente/revocation/v1", &message, &revocation.issuer, signature), "it is not signed")
    }

    fn may_rotate(&self, signed: &SignedRotation) -> Result<(), String> {
        let rotation = &signed.rotation;
        must(rotation.coalition == self.coalition, "it is of another coalition")?;
        let roots = self.roots(&rotation.partner);
        must(roots.last() == Some(&rotation.old), "another is the root of the moment")?;
        must(rotation.number as usize == roots.len(), "it is not the next one")?;
        let known = self.roots.iter().any(|(_, roots)| roots.contains(&rotation.new));
        let other = self.holder(&rotation.new).is_some() || self.seats.contains(&rotation.new);
        must(!known && !other, "the new root is a key of somebody already")?;
        let message = wire::encode(rotation);
        let by = signed.signatures.0.iter();
        let by = by
            .filter(|by| is_signed("entente/root-rotation/v1", &message, &by.key, by.signature.as_ed25519()));
        let by = by.map(|by| by.key).collect::<BTreeSet<_>>();
        must(by == [rotation.old, rotation.new].into(), "both roots sign, and nobody else does")
    }

    /// Makes a change that was applied at log index `index`.
    pub(super) fn change(&mut self, index: u64, act: &KeyAct) {
        match act {
            KeyAct::Grant(chain) => {
                let links = chain.0.iter().map(|link| link.delegation.clone()).collect::<Vec<_>>();
                let Some(leaf) = links.last() else { return };
                let partner = leaf.partner.clone();
                let node = leaf.capabilities.contains(&Capability::Node);
                let capability = if node { Capability::Node } else { Capability::Officer };
                self.given.push(Given {
                    partner,
                    capability,
                    links,
                    since: Some(index),
                    granted: true,
                    until: None,
                });
            }
            KeyAct::Revoke(signed) => {
                let bitten =
                    self.given.iter().map(|given| given.until.is_none() && self.bites(signed, given));
                let bitten = bitten.collect::<Vec<_>>();
                for (given, _) in self.given.iter_mut().zip(bitten).filter(|(_, bitten)| *bitten) {
                    given.until = Some(index);
                }
                match signed.revocation.target {
                    Target::Key(key) => {
                        self.marked.insert((signed.revocation.partner.clone(), key));
                    }
                    Target::Delegation(hash) => {
                        self.cut.insert(hash);
                    }
                }
            }
            KeyAct::Rotate(signed) => {
                let rotation = &signed.rotation;
                let of = self.roots.iter_mut().find(|(name, _)| *name == rotation.partner);
                if let Some((_, roots)) = of {
                    roots.push(rotation.new);
                }
            }
        }
    }
}
