//! Keys that gave way, and the keys that came in their place.
//!
//! Guarantees: whatever still names a key that gave way means its successor, so who held it is one signer and not two, and
//! the key itself signs nothing any more.

use std::collections::BTreeMap;

use super::{Authority, Expression};
use crate::identity::PublicKey;

/// Roots that gave way, each with the root that stands in its place now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Successors(BTreeMap<PublicKey, PublicKey>);

impl Successors {
    /// Whether this key gave way.
    pub fn gave_way(&self, key: &PublicKey) -> bool {
        self.0.contains_key(key)
    }

    /// The key that stands in the place of this one: mostly itself.
    pub fn now(&self, key: &PublicKey) -> PublicKey {
        self.0.get(key).copied().unwrap_or(*key)
    }

    /// The same expression over the keys that stand now. A key may stand in it twice; it is one signer on.
    pub fn expression(&self, expression: &Expression) -> Expression {
        if self.0.is_empty() {
            return expression.clone();
        }
        expression.with_keys(&|key| self.now(key))
    }

    /// The same authority over the keys that stand now.
    pub fn authority(&self, authority: Authority) -> Authority {
        Authority { expression: self.expression(&authority.expression), ..authority }
    }
}

impl FromIterator<(PublicKey, PublicKey)> for Successors {
    fn from_iter<T: IntoIterator<Item = (PublicKey, PublicKey)>>(pairs: T) -> Self {
        Self(pairs.into_iter().collect())
    }
}
