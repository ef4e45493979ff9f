//! Authority: who may decide what, as an expression over signing keys.
//!
//! Guarantees: whether a set of signers satisfies an authority is a total, pure and monotone function (one more signature
//! never takes anything away), and what is missing is named exactly ([`Deficit`]). One expression has one encoding; every
//! list, depth and size is bounded before it is used. **A signer counts once**: within one expression every key and
//! every name stands once, and where a key has a voice in several authorities, each member that a threshold counts needs a signer
//! of its own (see [`Registry::evaluate`]). A national authority can always refuse or recall what is its own, whatever
//! precedence says ([`prevails`]).
//!
//! How: an [`Expression`] is one key, a named authority, or a threshold over expressions of which some may be required
//! (monotone threshold access structures: Benaloh and Leichter, CRYPTO 1988). Names are resolved in a [`Registry`], which
//! refuses cycles when it is made. The counting-once rule is a system of distinct representatives (Hall 1935), found by augmenting
//! paths. An [`AllianceDocument`] is an authority that several charters refer to, in versions that the old and the new
//! authority sign.

mod alliance;
mod deficit;
mod expression;
mod precedence;
mod registry;
mod signatures;
mod successors;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

pub use alliance::{
    AllianceDocument, AllianceError, AllianceReference, Follow, MAX_ALLIANCE_BYTES, MAX_ALLIANCE_TOML_BYTES,
    MAX_PARTIES, SignedAlliance,
};
pub use deficit::{Deficit, Lack, Shortfall};
pub use expression::{Expression, MAX_DEPTH, MAX_EXPRESSION_BYTES, MAX_LEAVES, Member, Threshold};
pub use precedence::{Decision, KindPrecedence, Ruling, Said, Word, prevails};
pub use registry::{MAX_AUTHORITIES, MAX_RESOLVED_DEPTH, Registry};
pub use signatures::{MAX_SIGNATURES, SignatureBy, Signatures, SignaturesError};
pub use successors::Successors;

use crate::charter::{AuthorityName, KindName, Partner};

/// Most names in one list of an [`Extent`].
pub const MAX_EXTENT_NAMES: usize = 64;

/// Why an expression, an authority or a registry was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthorityError {
    /// More or less of something than is allowed.
    #[error("{found} {what}; {least} to {most} are allowed")]
    Bound {
        /// What there is too much or too little of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// The least allowed.
        least: usize,
        /// The most allowed.
        most: usize,
    },
    /// A threshold that nobody or everybody could never meet.
    #[error("a threshold needs {needs} of {members} members; 1 to {members} can be needed")]
    Needs {
        /// How many are needed.
        needs: u32,
        /// How many members there are.
        members: usize,
    },
    /// More members are required than are needed.
    #[error("{required} members are required, but only {needs} needed")]
    Required {
        /// How many are required.
        required: usize,
        /// How many are needed.
        needs: u32,
    },
    /// A required member that is not among the members.
    #[error("{member} is required, but is no member of the same threshold")]
    RequiredStranger {
        /// Who is required.
        member: String,
    },
    /// A list that is not sorted or names something twice.
    #[error("{what} are not in canonical order or name {item} twice")]
    Order {
        /// Which list.
        what: &'static str,
        /// Where it breaks.
        item: String,
    },
    /// A key or a name that stands in two places of one expression, where it would count twice.
    #[error("{item} stands in two places of one expression; a signer counts once")]
    Twice {
        /// The key or name.
        item: String,
    },
    /// A name that no authority has.
    #[error("{authority} refers to {name}, and there is no authority of this name")]
    Unknown {
        /// Whose expression.
        authority: AuthorityName,
        /// The name.
        name: AuthorityName,
    },
    /// An authority that depends on itself.
    #[error("{authority} depends on itself")]
    Cycle {
        /// One of the loop.
        authority: AuthorityName,
    },
    /// Two authorities of one name.
    #[error("two authorities are called {name}")]
    SameName {
        /// The name.
        name: AuthorityName,
    },
    /// An authority that could not act even if every key signed, because signers count once.
    #[error("{authority} could never act: {deficit}, though all have signed")]
    Never {
        /// The authority.
        authority: AuthorityName,
        /// What would be missing.
        deficit: String,
    },
    /// Not the parts of one expression in their order.
    #[error("not an expression: {0}")]
    Shape(&'static str),
}

fn bound(what: &'static str, found: usize, least: usize, most: usize) -> Result<(), AuthorityError> {
    if (least..=most).contains(&found) {
        Ok(())
    } else {
        Err(AuthorityError::Bound { what, found, least, most })
    }
}

/// Whose will an authority states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorityKind {
    /// One partner, over what is its own.
    National,
    /// A standing alliance, by a document that several charters may refer to.
    Alliance,
    /// This coalition, for as long as it lasts.
    Coalition,
}

impl AuthorityKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::National, Self::Alliance, Self::Coalition];
}

impl fmt::Display for AuthorityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::National => "national",
            Self::Alliance => "alliance",
            Self::Coalition => "coalition",
        })
    }
}

/// All names, or some. In text `"all"` or a list; on the wire an option of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Extent {
    /// Whatever there is, now and later.
    #[default]
    All,
    /// These alone, sorted; none at all where the list is empty.
    Only(Vec<KindName>),
}

impl Extent {
    /// These names alone, in any order.
    pub fn only(names: impl IntoIterator<Item = KindName>) -> Self {
        let mut names = names.into_iter().collect::<Vec<_>>();
        names.sort_unstable();
        names.dedup();
        Self::Only(names)
    }

    /// Whether `name` is one of them.
    pub fn covers(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.binary_search_by(|held| held.as_str().cmp(name)).is_ok(),
        }
    }

    /// Whether all of these are in `other`, too.
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::All, Self::Only(_)) => false,
            (Self::Only(names), Self::Only(_)) => names.iter().all(|name| other.covers(name.as_str())),
        }
    }

    /// Whether the list is sorted, without duplicates, of at most `most` names.
    pub fn check(&self, most: usize) -> Result<(), AuthorityError> {
        let Self::Only(names) = self else { return Ok(()) };
        bound("names in a list", names.len(), 0, most)?;
        match names.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => Err(AuthorityError::Order { what: "names of a list", item: pair[1].to_string() }),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Only(names) if names.is_empty() => f.write_str("none"),
            Self::Only(names) => {
                f.write_str(&names.iter().map(KindName::as_str).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl Serialize for Extent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self, serializer.is_human_readable()) {
            (Self::All, true) => serializer.serialize_str("all"),
            (Self::Only(names), true) => names.serialize(serializer),
            (Self::All, false) => None::<&Vec<KindName>>.serialize(serializer),
            (Self::Only(names), false) => Some(names).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Extent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> de::Visitor<'de> for Text {
            type Value = Extent;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\" or a list of names")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Extent, E> {
                match text {
                    "all" => Ok(Extent::All),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Extent, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element::<KindName>()? {
                    names.push(name);
                }
                Ok(Extent::only(names))
            }
        }
        let extent = if deserializer.is_human_readable() {
            deserializer.deserialize_any(Text)?
        } else {
            Option::<Vec<KindName>>::deserialize(deserializer)?.map_or(Self::All, Self::Only)
        };
        extent.check(MAX_EXTENT_NAMES).map_err(de::Error::custom)?;
        Ok(extent)
    }
}

/// What an authority may decide. What changes the coalition itself, an amendment or a suspension, is an operation too, of a type
/// that declares this effect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Operation types.
    #[serde(default)]
    pub operations: Extent,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operations: {}", self.operations)
    }
}

/// Whoever may decide something, and when it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// Its name; a national authority has its partner's.
    pub name: AuthorityName,
    /// Whose will it states.
    pub kind: AuthorityKind,
    /// What it may decide.
    #[serde(default)]
    pub scope: Scope,
    /// Who must sign.
    pub expression: Expression,
}

impl Authority {
    /// The authority that a partner has where its charter states no other: its root alone, over everything.
    pub fn national(partner: &Partner) -> Self {
        Self {
            name: (&partner.name).into(),
            kind: AuthorityKind::National,
            scope: Scope::default(),
            expression: Expression::Key(partner.root),
        }
    }

    /// Whether bounds and order are those of the canonical form.
    pub fn check(&self) -> Result<(), AuthorityError> {
        self.scope.operations.check(MAX_EXTENT_NAMES)?;
        self.expression.check()
    }
}
