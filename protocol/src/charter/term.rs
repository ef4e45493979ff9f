//! The requirements of an outcome rule: thresholds, and all-of and any-of over them.
//!
//! In text they are nested tables; in canonical bytes a flat list in which each all-of and any-of stands before its parts and says
//! how many they are, so that no nesting of bytes can exhaust a reader: it is refused beyond [`MAX_TERM_DEPTH`].

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::rule::{MAX_TERMS, MAX_WEIGHT};
use super::{CharterError, MAX_PARTNERS, PartnerName, ascending, bound};
use crate::record::Role;

/// Deepest nesting of all-of and any-of.
pub const MAX_TERM_DEPTH: usize = 4;

/// So much of the endorsements in a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Threshold {
    /// In this role; in any that counts, if none is named.
    pub role: Option<Role>,
    /// Of these partners, sorted; of all, if none is named.
    pub partners: Vec<PartnerName>,
    /// How much.
    pub measure: Measure,
}

/// How much is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Measure {
    /// So many partners.
    Count(u32),
    /// Partners that weigh so much together.
    Weight(u32),
    /// At least one partner, and this share of those that have said something in the role, in percent.
    Percent(u32),
}

/// A requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// Enough endorsements.
    Threshold(Threshold),
    /// All of these.
    AllOf(Terms),
    /// One of these at least.
    AnyOf(Terms),
}

/// Requirements, all of which, or one of which, must be met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms(pub Vec<Term>);

/// As `2 of supporting among norden, sudria`.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.measure {
            Measure::Count(count) => write!(f, "{count} of ")?,
            Measure::Weight(weight) => write!(f, "weight {weight} of ")?,
            Measure::Percent(percent) => write!(f, "{percent} % of those present of ")?,
        }
        match self.role {
            Some(role) => write!(f, "{role}")?,
            None => f.write_str("any role")?,
        }
        let names = self.partners.iter().map(PartnerName::as_str).collect::<Vec<_>>();
        if names.is_empty() { Ok(()) } else { write!(f, " among {}", names.join(", ")) }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = |terms: &Terms| terms.0.iter().map(Self::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::AllOf(terms) => write!(f, "all of ({})", parts(terms)),
            Self::AnyOf(terms) => write!(f, "one of ({})", parts(terms)),
            Self::Threshold(threshold) => write!(f, "{threshold}"),
        }
    }
}

impl Terms {
    /// The ways in which all of these are met, as lists of thresholds.
    pub(crate) fn ways(&self) -> Vec<Vec<Threshold>> {
        let each = self.0.iter().map(Term::ways);
        each.fold(vec![vec![]], |ways, more| {
            let joined = |way: &Vec<Threshold>| {
                more.iter().map(|other| [way.as_slice(), other].concat()).collect::<Vec<_>>()
            };
            ways.iter().flat_map(joined).collect()
        })
    }

    /// How many ways there are, and how many thresholds they have together.
    pub(super) fn size(&self) -> (usize, usize) {
        self.0.iter().map(Term::size).fold((1, 0), |(ways, terms), (more, of_these)| {
            let both = terms.saturating_mul(more).saturating_add(of_these.saturating_mul(ways));
            (ways.saturating_mul(more), both)
        })
    }

    /// All thresholds, in the order in which they are written.
    pub fn thresholds(&self) -> Vec<&Threshold> {
        self.0
            .iter()
            .flat_map(|term| match term {
                Term::Threshold(threshold) => vec![threshold],
                Term::AllOf(terms) | Term::AnyOf(terms) => terms.thresholds(),
            })
            .collect()
    }

    fn depth(&self) -> usize {
        let depth = |term: &Term| match term {
            Term::Threshold(_) => 0,
            Term::AllOf(terms) | Term::AnyOf(terms) => 1 + terms.depth(),
        };
        self.0.iter().map(depth).max().unwrap_or(0)
    }

    pub(super) fn sort(&mut self) {
        for term in &mut self.0 {
            match term {
                Term::Threshold(threshold) => threshold.partners.sort_unstable(),
                Term::AllOf(terms) | Term::AnyOf(terms) => terms.sort(),
            }
        }
    }

    pub(super) fn check(&self, what: &str) -> Result<(), CharterError> {
        bound(&format!("levels in {what}"), self.depth(), 0, MAX_TERM_DEPTH)?;
        bound(&format!("terms in {what}"), self.0.len(), 0, MAX_TERMS)?;
        for term in &self.0 {
            match term {
                Term::Threshold(Threshold { partners, measure, .. }) => {
                    bound(&format!("partners in a term of {what}"), partners.len(), 0, MAX_PARTNERS)?;
                    ascending(&format!("partners in a term of {what}"), partners)?;
                    match measure {
                        Measure::Count(count) => {
                            bound(&format!("as count in {what}"), *count, 1, MAX_PARTNERS)?;
                        }
                        Measure::Weight(weight) => {
                            let most = MAX_WEIGHT as usize * MAX_PARTNERS;
                            bound(&format!("as weight in {what}"), *weight, 1, most)?;
                        }
                        Measure::Percent(percent) => {
                            bound(&format!("percent in {what}"), *percent, 1, 100u32)?
                        }
                    }
                }
                Term::AllOf(terms) | Term::AnyOf(terms) => {
                    bound(&format!("parts of an all-of or any-of in {what}"), terms.0.len(), 1, MAX_TERMS)?;
                    terms.check(what)?;
                }
            }
        }
        Ok(())
    }
}

impl Term {
    fn ways(&self) -> Vec<Vec<Threshold>> {
        match self {
            Self::Threshold(threshold) => vec![vec![threshold.clone()]],
            Self::AllOf(terms) => terms.ways(),
            Self::AnyOf(terms) => terms.0.iter().flat_map(Self::ways).collect(),
        }
    }

    fn size(&self) -> (usize, usize) {
        match self {
            Self::Threshold(_) => (1, 1),
            Self::AllOf(terms) => terms.size(),
            Self::AnyOf(terms) => terms.0.iter().map(Self::size).fold((0usize, 0usize), |all, more| {
                (all.0.saturating_add(more.0), all.1.saturating_add(more.1))
            }),
        }
    }
}

/// A requirement on the wire, before its parts.
#[derive(Serialize, Deserialize)]
enum Node {
    Threshold(Threshold),
    AllOf(u32),
    AnyOf(u32),
}

fn flatten(terms: &Terms, nodes: &mut Vec<Node>) {
    let parts = |terms: &Terms| u32::try_from(terms.0.len()).unwrap_or(u32::MAX);
    for term in &terms.0 {
        match term {
            Term::Threshold(threshold) => nodes.push(Node::Threshold(threshold.clone())),
            Term::AllOf(inner) => {
                nodes.push(Node::AllOf(parts(inner)));
                flatten(inner, nodes);
            }
            Term::AnyOf(inner) => {
                nodes.push(Node::AnyOf(parts(inner)));
                flatten(inner, nodes);
            }
        }
    }
}

/// The next term of `nodes`; at most [`MAX_TERM_DEPTH`] levels, so that the recursion ends.
fn unflatten(nodes: &mut impl Iterator<Item = Node>, depth: usize) -> Result<Option<Term>, String> {
    let Some(node) = nodes.next() else { return Ok(None) };
    let (parts, wrap): (u32, fn(Terms) -> Term) = match node {
        Node::Threshold(threshold) => return Ok(Some(Term::Threshold(threshold))),
        Node::AllOf(parts) => (parts, Term::AllOf),
        Node::AnyOf(parts) => (parts, Term::AnyOf),
    };
    if depth == MAX_TERM_DEPTH {
        return Err(format!("terms nested deeper than {MAX_TERM_DEPTH} levels"));
    }
    let mut terms = Vec::new();
    for _ in 0..parts {
        terms.push(unflatten(nodes, depth + 1)?.ok_or("a term that lacks parts")?);
    }
    Ok(Some(wrap(Terms(terms))))
}

/// A requirement as people write it: `{ role = "supporting", count = 2 }`, `{ any_of = [..] }`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    partners: Vec<PartnerName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    percent: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    all_of: Option<Terms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    any_of: Option<Terms>,
}

impl Written {
    fn of(term: &Term) -> Self {
        let mut written = Self {
            role: None,
            partners: vec![],
            count: None,
            weight: None,
            percent: None,
            all_of: None,
            any_of: None,
        };
        match term {
            Term::AllOf(terms) => written.all_of = Some(terms.clone()),
            Term::AnyOf(terms) => written.any_of = Some(terms.clone()),
            Term::Threshold(threshold) => {
                written.role = threshold.role;
                written.partners.clone_from(&threshold.partners);
                match threshold.measure {
                    Measure::Count(count) => written.count = Some(count),
                    Measure::Weight(weight) => written.weight = Some(weight),
                    Measure::Percent(percent) => written.percent = Some(percent),
                }
            }
        }
        written
    }

    fn term(self) -> Result<Term, &'static str> {
        let Self { role, partners, count, weight, percent, all_of, any_of } = self;
        let measure = match (count, weight, percent) {
            (Some(count), None, None) => Some(Measure::Count(count)),
            (None, Some(weight), None) => Some(Measure::Weight(weight)),
            (None, None, Some(percent)) => Some(Measure::Percent(percent)),
            (None, None, None) => None,
            _ => return Err("a term has one of count, weight and percent"),
        };
        match (measure, all_of, any_of) {
            (Some(measure), None, None) => Ok(Term::Threshold(Threshold { role, partners, measure })),
            (None, Some(terms), None) if role.is_none() && partners.is_empty() => Ok(Term::AllOf(terms)),
            (None, None, Some(terms)) if role.is_none() && partners.is_empty() => Ok(Term::AnyOf(terms)),
            _ => Err("a term is a count, weight or percent of endorsements, or an all_of or any_of alone"),
        }
    }
}

impl Serialize for Terms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_seq(self.0.iter().map(Written::of));
        }
        let mut nodes = Vec::new();
        flatten(self, &mut nodes);
        nodes.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Terms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let written = Vec::<Written>::deserialize(deserializer)?;
            let terms = written.into_iter().map(Written::term).collect::<Result<_, _>>();
            return terms.map(Self).map_err(de::Error::custom);
        }
        let mut nodes = Vec::<Node>::deserialize(deserializer)?.into_iter();
        let mut terms = Vec::new();
        while let Some(term) = unflatten(&mut nodes, 0).map_err(de::Error::custom)? {
            terms.push(term);
        }
        Ok(Self(terms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    fn threshold(count: u32) -> Term {
        Term::Threshold(Threshold {
            role: Some(Role::Supporting),
            partners: vec![],
            measure: Measure::Count(count),
        })
    }

    fn nested(levels: usize) -> Terms {
        (0..levels).fold(Terms(vec![threshold(1), threshold(2)]), |terms, level| {
            Terms(vec![threshold(3), if level % 2 == 0 { Term::AnyOf(terms) } else { Term::AllOf(terms) }])
        })
    }

    #[test]
    fn terms_come_back_from_bytes_and_text_and_deep_ones_are_refused_in_both() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct File {
            all_of: Terms,
        }
        for levels in 0..=MAX_TERM_DEPTH {
            let terms = nested(levels);
            assert_eq!(wire::decode::<Terms>(&wire::encode(&terms), 4096).as_ref(), Ok(&terms));
            let file = File { all_of: terms };
            let text = toml::to_string(&file).expect("text");
            assert_eq!(toml::from_str::<File>(&text), Ok(file), "{text}");
        }
        let deep = nested(MAX_TERM_DEPTH + 1);
        assert!(deep.check("x").is_err());
        assert!(wire::decode::<Terms>(&wire::encode(&deep), 4096).is_err());
        // A hundred thousand levels must not exhaust the stack, nor a number of parts the memory.
        let bottomless = wire::encode(&vec![(1u8, 1u32); 100_000]);
        assert!(wire::decode::<Terms>(&bottomless, wire::MAX_OBJECT_BYTES).is_err());
        assert!(wire::decode::<Terms>(&wire::encode(&vec![(1u8, u32::MAX)]), 4096).is_err());
    }

    #[test]
    fn any_nesting_comes_to_ways_and_their_number_is_known_before() {
        let any = |terms: Vec<Term>| Term::AnyOf(Terms(terms));
        let all = |terms: Vec<Term>| Term::AllOf(Terms(terms));
        let terms = Terms(vec![
            threshold(1),
            any(vec![threshold(2), all(vec![threshold(3), threshold(4)])]),
            any(vec![threshold(5), threshold(6)]),
        ]);
        let counts = |way: &Vec<Threshold>| {
            let count = |one: &Threshold| match one.measure {
                Measure::Count(count) => count,
                _ => 0,
            };
            way.iter().map(count).collect::<Vec<_>>()
        };
        let ways = terms.ways();
        assert_eq!(
            ways.iter().map(counts).collect::<Vec<_>>(),
            [vec![1, 2, 5], vec![1, 2, 6], vec![1, 3, 4, 5], vec![1, 3, 4, 6]]
        );
        assert_eq!(terms.size(), (4, 14));
        assert_eq!(Terms::default().ways(), [vec![]]);
        let many = Terms(vec![any(vec![threshold(1); 20]); 20]);
        assert_eq!(many.size().0, 20usize.saturating_pow(20));
    }

    #[test]
    fn a_term_says_one_thing() {
        let read = |text: &str| toml::from_str::<Written>(text).map(Written::term);
        assert!(matches!(read("role = \"host\"\ncount = 1"), Ok(Ok(Term::Threshold(_)))));
        assert!(matches!(read("percent = 60"), Ok(Ok(Term::Threshold(_)))));
        for bad in ["role = \"host\"", "count = 1\nweight = 2", "role = \"host\"\nany_of = [{count = 1}]", ""]
        {
            assert!(matches!(read(bad), Ok(Err(_))), "{bad}");
        }
        assert!(read("cuont = 1").is_err());
    }
}
