//! What a charter states of authorities: which there are beside the nations', which alliances it refers to, and which kind prevails.

use serde::{Deserialize, Serialize};

use super::{AuthorityName, Charter, CharterError, Partner, ascending, bound};
use crate::authority::{
    AllianceDocument, AllianceReference, Authority, AuthorityError, AuthorityKind, KindPrecedence,
    MAX_AUTHORITIES, Registry,
};
use crate::identity::PublicKey;

/// Most alliances that one charter refers to.
pub const MAX_ALLIANCES: usize = 8;

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
    pub fn registry<'a>(
        &'a self,
        root: impl Fn(&Partner) -> PublicKey,
        version: impl Fn(&'a AllianceReference) -> &'a AllianceDocument,
    ) -> Result<Registry, AuthorityError> {
        let rules = &self.authority;
        let by_root = self.members().filter(|partner| rules.stated(partner.name.as_str()).is_none());
        let national = by_root
            .map(|partner| Authority { expression: root(partner).into(), ..Authority::national(partner) });
        let alliances = rules.alliances.iter().map(|reference| version(reference).by_keys());
        Registry::new(national.chain(rules.authorities.iter().cloned()).chain(alliances).collect())
    }

    /// All authorities, as they are when the coalition is founded.
    pub fn first_registry(&self) -> Result<Registry, AuthorityError> {
        self.registry(|partner| partner.root, |reference| &reference.alliance)
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
