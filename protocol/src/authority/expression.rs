//! Expressions: their canonical form, their text and their bytes.
//!
//! On the wire an expression is the list of its parts in preorder (a threshold, then its members), so that reading one needs
//! no recursion over foreign bytes. In text it is a key, a name, or a table:
//! `{ needs = 2, of = ["norden", "sudria", "estmark"], required = ["estmark"] }`.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{AuthorityError, bound};
use crate::charter::AuthorityName;
use crate::identity::PublicKey;
use crate::wire;

/// Most thresholds inside one another.
pub const MAX_DEPTH: usize = 4;
/// Most keys and names in one expression.
pub const MAX_LEAVES: usize = 64;
/// Largest encoded expression, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 4096;
/// Most parts: leaves, and thresholds of at least two members each.
const MAX_PARTS: usize = 2 * MAX_LEAVES;

/// Who must sign.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expression {
    /// This key.
    Key(PublicKey),
    /// The authority of this name.
    Named(AuthorityName),
    /// Some of these.
    Threshold(Threshold),
}

/// At least `needs` of the members, and every required one among them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threshold {
    /// How many; 1 to all.
    pub needs: u32,
    /// At least two, sorted.
    pub members: Vec<Member>,
}

/// One of a threshold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Who.
    pub expression: Expression,
    /// Whether nothing is satisfied without it.
    pub required: bool,
}

impl Expression {
    /// `needs` of `of`, every one of `required` (which are among `of`) included; brought into canonical form and checked.
    pub fn threshold(needs: u32, of: Vec<Self>, required: &[Self]) -> Result<Self, AuthorityError> {
        if let Some(stranger) = required.iter().find(|member| !of.contains(member)) {
            return Err(AuthorityError::RequiredStranger { member: stranger.to_string() });
        }
        let member = |expression: Self| Member { required: required.contains(&expression), expression };
        let mut members = of.into_iter().map(member).collect::<Vec<_>>();
        members.sort_unstable();
        let expression = Self::Threshold(Threshold { needs, members });
        expression.check()?;
        Ok(expression)
    }

    /// Whether this is the canonical form, within all bounds.
    pub fn check(&self) -> Result<(), AuthorityError> {
        let mut seen = BTreeSet::new();
        self.walk(0, &mut seen)?;
        bound("keys and names in an expression", seen.len(), 1, MAX_LEAVES)?;
        bound("bytes of expression", self.encode().len(), 1, MAX_EXPRESSION_BYTES)
    }

    fn walk<'a>(&'a self, depth: usize, seen: &mut BTreeSet<&'a Self>) -> Result<(), AuthorityError> {
        let Self::Threshold(threshold) = self else {
            let once = seen.insert(self);
            return if once { Ok(()) } else { Err(AuthorityError::Twice { item: self.to_string() }) };
        };
        bound("thresholds inside one another", depth + 1, 1, MAX_DEPTH)?;
        let members = &threshold.members;
        bound("members of a threshold", members.len(), 2, MAX_LEAVES)?;
        if usize::try_from(threshold.needs).map_or(true, |needs| needs == 0 || needs > members.len()) {
            return Err(AuthorityError::Needs { needs: threshold.needs, members: members.len() });
        }
        let required = members.iter().filter(|member| member.required).count();
        if required > threshold.needs as usize {
            return Err(AuthorityError::Required { required, needs: threshold.needs });
        }
        for pair in members.windows(2) {
            if pair[0].expression == pair[1].expression {
                return Err(AuthorityError::Twice { item: pair[1].expression.to_string() });
            }
            if pair[0].expression > pair[1].expression {
                let item = pair[1].expression.to_string();
                return Err(AuthorityError::Order { what: "members of a threshold", item });
            }
        }
        members.iter().try_for_each(|member| member.expression.walk(depth + 1, seen))
    }

    /// The keys and names in it, from left to right.
    pub fn leaves(&self) -> Vec<&Self> {
        match self {
            Self::Threshold(threshold) => {
                threshold.members.iter().flat_map(|member| member.expression.leaves()).collect()
            }
            leaf => vec![leaf],
        }
    }

    /// The same with what `of` gives in place of names, where it gives something; in canonical form again.
    pub(super) fn with_names(&self, of: &impl Fn(&AuthorityName) -> Option<Self>) -> Self {
        self.with(&|leaf| match leaf {
            Self::Named(name) => of(name),
            _ => None,
        })
    }

    /// The same with what `of` gives in place of each key.
    pub(super) fn with_keys(&self, of: &impl Fn(&PublicKey) -> PublicKey) -> Self {
        self.with(&|leaf| match leaf {
            Self::Key(key) => Some(Self::Key(of(key))),
            _ => None,
        })
    }

    /// The same with what `of` gives in place of keys, where it gives something.
    pub(crate) fn with_names_of_keys(&self, of: &impl Fn(&PublicKey) -> Option<AuthorityName>) -> Self {
        self.with(&|leaf| match leaf {
            Self::Key(key) => of(key).map(Self::Named),
            _ => None,
        })
    }

    fn with(&self, of: &impl Fn(&Self) -> Option<Self>) -> Self {
        match self {
            leaf @ (Self::Key(_) | Self::Named(_)) => of(leaf).unwrap_or_else(|| leaf.clone()),
            Self::Threshold(Threshold { needs, members }) => {
                let member = |member: &Member| Member {
                    expression: member.expression.with(of),
                    required: member.required,
                };
                let mut members = members.iter().map(member).collect::<Vec<_>>();
                members.sort_unstable();
                Self::Threshold(Threshold { needs: *needs, members })
            }
        }
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads canonical bytes, at most [`MAX_EXPRESSION_BYTES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, wire::WireError> {
        wire::decode(bytes, MAX_EXPRESSION_BYTES)
    }

    fn flatten(&self, required: bool, parts: &mut Vec<Part>) {
        parts.push(Part {
            required,
            node: match self {
                Self::Key(key) => Node::Key(*key),
                Self::Named(name) => Node::Named(name.clone()),
                Self::Threshold(threshold) => Node::Threshold {
                    needs: threshold.needs,
                    members: u32::try_from(threshold.members.len()).unwrap_or(u32::MAX),
                },
            },
        });
        if let Self::Threshold(threshold) = self {
            for member in &threshold.members {
                member.expression.flatten(member.required, parts);
            }
        }
    }
}

impl From<PublicKey> for Expression {
    fn from(key: PublicKey) -> Self {
        Self::Key(key)
    }
}

/// In words: `2 of (estmark, norden, sudria; estmark required)`.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key}"),
            Self::Named(name) => write!(f, "{name}"),
            Self::Threshold(Threshold { needs, members }) => {
                let list = |members: &mut dyn Iterator<Item = &Member>| {
                    members.map(|member| member.expression.to_string()).collect::<Vec<_>>().join(", ")
                };
                write!(f, "{needs} of ({}", list(&mut members.iter()))?;
                if members.iter().any(|member| member.required) {
                    let required = list(&mut members.iter().filter(|member| member.required));
                    write!(f, "; {required} required")?;
                }
                f.write_str(")")
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Part {
    required: bool,
    node: Node,
}

#[derive(Serialize, Deserialize)]
enum Node {
    Key(PublicKey),
    Named(AuthorityName),
    Threshold { needs: u32, members: u32 },
}

/// The next expression of `parts` and whether it is required.
fn build(parts: &mut impl Iterator<Item = Part>, depth: usize) -> Result<Member, AuthorityError> {
    let Part { required, node } = parts.next().ok_or(AuthorityError::Shape("it ends too early"))?;
    let expression = match node {
        Node::Key(key) => Expression::Key(key),
        Node::Named(name) => Expression::Named(name),
        Node::Threshold { needs, members } => {
            bound("thresholds inside one another", depth + 1, 1, MAX_DEPTH)?;
            bound("members of a threshold", usize::try_from(members).unwrap_or(usize::MAX), 2, MAX_LEAVES)?;
            let members = (0..members).map(|_| build(parts, depth + 1)).collect::<Result<_, _>>()?;
            Expression::Threshold(Threshold { needs, members })
        }
    };
    Ok(Member { expression, required })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    needs: u32,
    of: Vec<Expression>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    required: Vec<Expression>,
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            let mut parts = Vec::new();
            self.flatten(false, &mut parts);
            return parts.serialize(serializer);
        }
        match self {
            Self::Key(key) => key.serialize(serializer),
            Self::Named(name) => name.serialize(serializer),
            Self::Threshold(Threshold { needs, members }) => Table {
                needs: *needs,
                of: members.iter().map(|member| member.expression.clone()).collect(),
                required: members
                    .iter()
                    .filter(|member| member.required)
                    .map(|member| member.expression.clone())
                    .collect(),
            }
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> de::Visitor<'de> for Text {
            type Value = Expression;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a key, the name of an authority, or { needs = NUMBER, of = [..], required = [..] }",
                )
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Expression, E> {
                if text.contains(':') {
                    text.parse().map(Expression::Key).map_err(E::custom)
                } else {
                    text.parse().map(Expression::Named).map_err(E::custom)
                }
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Expression, A::Error> {
                let Table { needs, of, required } =
                    Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Expression::threshold(needs, of, &required).map_err(de::Error::custom)
            }
        }
        if deserializer.is_human_readable() {
            // Nesting is bounded by the text formats (TOML and JSON here) before it is by `MAX_DEPTH`.
            return deserializer.deserialize_any(Text);
        }
        let parts = Vec::<Part>::deserialize(deserializer)?;
        bound("parts of an expression", parts.len(), 1, MAX_PARTS).map_err(de::Error::custom)?;
        let mut parts = parts.into_iter();
        let Member { expression, required } = build(&mut parts, 0).map_err(de::Error::custom)?;
        if required || parts.next().is_some() {
            return Err(de::Error::custom(AuthorityError::Shape("more parts than one expression has")));
        }
        expression.check().map_err(de::Error::custom)?;
        Ok(expression)
    }
}
