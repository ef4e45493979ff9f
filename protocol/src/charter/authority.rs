//! What a charter states of authorities: which there are beside the nations', which alliances it refers to, and which kind prevails.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::text::all_of;
use super::{AuthorityName, Charter, CharterError, Partner, PartnerName, ascending, bound};
use crate::authority::{
    AllianceDocument, AllianceReference, Authority, AuthorityError, AuthorityKind, Expression,
    KindPrecedence, MAX_AUTHORITIES, Registry,
};
use crate::identity::PublicKey;

/// Most alliances that one charter refers to.
pub const MAX_ALLIANCES: usize = 8;
/// Most nations whose authority one amendment changes.
pub const MAX_NATIONS_CHANGED: usize = 8;

/// The authorities of a coalition. Each partner has a national one by itself, which is its root unless another is stated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityRules {
    /// Which kind prevails where authorities disagree; has to be stated where an operation type needs an authority.
    #[serde(default)]
    pub precedence: Option<KindPrecedence>,
    /// Authorities beside the nations' and the alliances', or in place of a nation's root; sorted by name.
    #[serde(default)]
    pub authorities: Vec<Authority>,
    /// Alliances, sorted by name.
    #[serde(default)]
    pub alliances: Vec<AllianceReference>,
}

impl AuthorityRules {
    /// The alliance of this name.
    pub fn alliance(&self, name: &AuthorityName) -> Option<&AllianceReference> {
        self.alliances.iter().find(|reference| reference.alliance.name == *name)
    }

    /// The authority of this name that the charter states by itself.
    pub fn stated(&self, name: &str) -> Option<&Authority> {
        self.authorities.iter().find(|authority| authority.name.as_str() == name)
    }

    /// The first of what `name` stands for, it and all that its expression names, that `next` states otherwise.
    fn changed_behind(&self, name: &AuthorityName, next: &Self) -> Option<AuthorityName> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![name.clone()]);
        while let Some(name) = open.pop() {
            let stated = self.stated(name.as_str());
            if stated != next.stated(name.as_str()) || self.alliance(&name) != next.alliance(&name) {
                return Some(name);
            }
            let leaves = stated.into_iter().flat_map(|stated| stated.expression.leaves());
            let named = leaves.filter_map(|leaf| match leaf {
                Expression::Named(name) => Some(name.clone()),
                _ => None,
            });
            let named = named.collect::<Vec<_>>();
            if seen.insert(name) {
                open.extend(named);
            }
        }
        None
    }

    pub(super) fn sort(&mut self) {
        self.authorities.sort_by(|a, b| a.name.cmp(&b.name));
        self.alliances.sort_by(|a, b| a.alliance.name.cmp(&b.alliance.name));
        self.alliances.iter_mut().for_each(|reference| reference.signatures.sort());
    }

    pub(super) fn check(&self) -> Result<(), CharterError> {
        bound("stated authorities", self.authorities.len(), 0, MAX_AUTHORITIES)?;
        ascending("stated authorities", self.authorities.iter().map(|authority| &authority.name))?;
        bound("alliances", self.alliances.len(), 0, MAX_ALLIANCES)?;
        ascending("alliances", self.alliances.iter().map(|reference| &reference.alliance.name))?;
        self.authorities.iter().try_for_each(|authority| {
            authority.check().map_err(|error| CharterError::Authority {
                name: authority.name.clone(),
                reason: error.to_string(),
            })
        })?;
        self.alliances.iter().try_for_each(|reference| {
            reference.check().map_err(|error| CharterError::Authority {
                name: reference.alliance.name.clone(),
                reason: error.to_string(),
            })
        })
    }
}

impl Charter {
    /// All authorities: the nations', whose roots `root` tells, those stated, and each alliance in the version that `version`
    /// tells.
    pub fn authorities<'a>(
        &'a self,
        root: impl Fn(&Partner) -> PublicKey,
        version: impl Fn(&'a AllianceReference) -> &'a AllianceDocument,
    ) -> Vec<Authority> {
        let rules = &self.authority;
        let by_root = self.members().filter(|partner| rules.stated(partner.name.as_str()).is_none());
        let national = by_root
            .map(|partner| Authority { expression: root(partner).into(), ..Authority::national(partner) });
        let alliances = rules.alliances.iter().map(|reference| version(reference).by_keys());
        national.chain(rules.authorities.iter().cloned()).chain(alliances).collect()
    }

    /// All authorities, as they are when the coalition is founded.
    pub fn first_registry(&self) -> Result<Registry, AuthorityError> {
        Registry::new(self.authorities(|partner| partner.root, |reference| &reference.alliance))
    }

    /// The nations whose authority is made of something else under `next`, be it behind what its expression names; sorted. What
    /// that is is the nation's own: an amendment that changes it takes the keys of the old and of the new one.
    pub fn nations_changed(&self, next: &AuthorityRules) -> Vec<PartnerName> {
        let changed = |partner: &&Partner| {
            let name = AuthorityName::from(&partner.name);
            self.authority.changed_behind(&name, next).is_some()
        };
        let mut nations =
            self.members().filter(changed).map(|partner| partner.name.clone()).collect::<Vec<_>>();
        nations.sort_unstable();
        nations
    }

    /// Whether an amendment may put `next` in place of these rules: in place of an alliance's document comes the same or the next
    /// version, signed by both; and what changes of nations' own, which each of them has to consent to, is bounded.
    ///
    /// # Errors
    /// What changes and may not, in words.
    pub(super) fn may_put_authority(&self, next: &AuthorityRules) -> Result<(), String> {
        let nations = self.nations_changed(next);
        if nations.len() > MAX_NATIONS_CHANGED {
            let (found, names) = (nations.len(), all_of(&nations));
            return Err(format!(
                "it changes the authorities of {found} nations, and each has to consent; the most for one amendment are \
                 {MAX_NATIONS_CHANGED}: {names}"
            ));
        }
        if let Some(stated) =
            next.authorities.iter().find(|stated| self.authority.alliance(&stated.name).is_some())
        {
            let name = &stated.name;
            return Err(format!(
                "{name} is an alliance, whose authority no charter states by itself: give what is stated another name"
            ));
        }
        for reference in &next.alliances {
            let name = &reference.alliance.name;
            let before = self.authority.alliance(name).map(|before| &before.alliance);
            let Some(before) = before.filter(|before| before.hash() != reference.alliance.hash()) else {
                continue;
            };
            let signed = reference.signed();
            signed.verify(Some(before)).map_err(|error| {
                format!(
                    "in place of version {} of the alliance {name} comes the next one, signed by the old and the new authority: {error}",
                    before.version
                )
            })?;
        }
        Ok(())
    }

    /// The kinds of authority in the order in which they prevail.
    pub fn kind_precedence(&self) -> KindPrecedence {
        self.authority.precedence.unwrap_or_default()
    }

    /// Whether `name` is the authority of the nation of this name.
    pub fn is_national(&self, name: &AuthorityName) -> bool {
        self.partner(name.as_str()).is_some()
            && self
                .authority
                .stated(name.as_str())
                .is_none_or(|stated| stated.kind == AuthorityKind::National)
    }
}
