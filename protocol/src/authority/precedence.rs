//! Which authority prevails when several have spoken.
//!
//! Guarantees: the answer is a function of the charter's declared precedence, the authority that is needed, and the
//! words; every authority that was overruled is named. Whatever is decided, a national authority that refuses or recalls keeps
//! its own out of it: that is never overruled.
//!
//! How: the kinds are asked in the declared order. An order or a refusal of the first kind that gave one decides; a
//! permission leaves it to the kinds below. Within one kind a refusal goes before an order. Nothing is allowed before the authority
//! that is needed has spoken.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{Authority, AuthorityKind};
use crate::charter::AuthorityName;
use crate::charter::text::all_of;

/// The kinds of authority, the one that prevails first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct KindPrecedence([AuthorityKind; 3]);

impl KindPrecedence {
    /// A declared precedence: each kind once.
    pub fn new(kinds: [AuthorityKind; 3]) -> Option<Self> {
        AuthorityKind::ALL.iter().all(|kind| kinds.contains(kind)).then_some(Self(kinds))
    }

    /// The kinds, the one that prevails first.
    pub fn kinds(&self) -> [AuthorityKind; 3] {
        self.0
    }
}

/// Nations before alliances before the coalition.
impl Default for KindPrecedence {
    fn default() -> Self {
        Self([AuthorityKind::National, AuthorityKind::Alliance, AuthorityKind::Coalition])
    }
}

impl<'de> Deserialize<'de> for KindPrecedence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kinds = match deserializer.is_human_readable() {
            true => <[AuthorityKind; 3]>::try_from(Vec::deserialize(deserializer)?).ok(),
            false => Some(<[AuthorityKind; 3]>::deserialize(deserializer)?),
        };
        kinds.and_then(Self::new).ok_or_else(|| {
            let kinds = AuthorityKind::ALL.map(|kind| format!("\"{kind}\"")).join(", ");
            de::Error::custom(format!(
                "a precedence names each kind of authority once: {kinds}, in some order"
            ))
        })
    }
}

/// What an authority says to a matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// It is to be done.
    Order,
    /// It may be done.
    Permit,
    /// It may not be done; a national authority also keeps its own out of it.
    Refuse,
    /// A national authority takes back what is its own; to the matter itself it says nothing.
    Recall,
}

impl Word {
    /// All words.
    pub const ALL: [Self; 4] = [Self::Order, Self::Permit, Self::Refuse, Self::Recall];

    /// The name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Permit => "permit",
            Self::Refuse => "refuse",
            Self::Recall => "recall",
        }
    }

    /// Whether it is not said without a ground.
    pub fn needs_ground(self) -> bool {
        matches!(self, Self::Refuse | Self::Recall)
    }

    /// What who says it does, as in `pact orders it`.
    pub fn does(self) -> &'static str {
        match self {
            Self::Order => "orders",
            Self::Permit => "permits",
            Self::Refuse => "refuses",
            Self::Recall => "recalls",
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Word {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|word| word.name() == text)
            .ok_or_else(|| format!("{text:?} is no word of an authority: order, permit, refuse or recall"))
    }
}

/// An authority and its latest word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// Who.
    pub authority: &'a Authority,
    /// What.
    pub word: Word,
}

/// What comes of all words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It may go on.
    Allowed,
    /// It may not.
    Refused,
    /// The authority that is needed has not spoken.
    Waits,
}

/// The decision with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// What comes of it.
    pub decision: Decision,
    /// Whose words decided, sorted; who is waited for, where it waits.
    pub by: Vec<AuthorityName>,
    /// Who said otherwise and was overruled, sorted.
    pub overruled: Vec<AuthorityName>,
    /// Nations that keep their own out of it, sorted.
    pub withheld: Vec<AuthorityName>,
    /// Who spoke outside its scope and was not heard, sorted.
    pub unheard: Vec<AuthorityName>,
}

/// What prevails on a matter, `in_scope` telling whose scope it lies in. At most one word of each authority is taken: the
/// first.
pub fn prevails(
    precedence: &KindPrecedence,
    needed: &AuthorityName,
    said: &[Said<'_>],
    in_scope: impl Fn(&Authority) -> bool,
) -> Ruling {
    let mut words: Vec<Said<'_>> = Vec::new();
    for word in said {
        if words.iter().all(|held| held.authority.name != word.authority.name) {
            words.push(*word);
        }
    }
    words.sort_by(|a, b| a.authority.name.cmp(&b.authority.name));
    let names = |chosen: &dyn Fn(&Said<'_>) -> bool| {
        words.iter().filter(|word| chosen(word)).map(|word| word.authority.name.clone()).collect::<Vec<_>>()
    };
    let keeps_its_own = |word: &Said<'_>| {
        word.authority.kind == AuthorityKind::National && matches!(word.word, Word::Refuse | Word::Recall)
    };
    let withheld = names(&keeps_its_own);
    let unheard = names(&|word| !in_scope(word.authority) && !keeps_its_own(word));
    let heard = |word: &Said<'_>| in_scope(word.authority) && word.word != Word::Recall;
    let has =
        |kind, said| words.iter().any(|word| heard(word) && word.authority.kind == kind && word.word == said);
    let deciding = precedence.kinds().into_iter().find_map(|kind| {
        [Word::Refuse, Word::Order].into_iter().find(|word| has(kind, *word)).map(|word| (kind, word))
    });
    let needed_spoke = words.iter().any(|word| heard(word) && word.authority.name == *needed);
    let (decision, by) = match deciding {
        Some((kind, Word::Refuse)) => (
            Decision::Refused,
            names(&|word| heard(word) && word.authority.kind == kind && word.word == Word::Refuse),
        ),
        _ if !needed_spoke => (Decision::Waits, vec![needed.clone()]),
        Some((kind, order)) => (
            Decision::Allowed,
            names(&|word| heard(word) && word.authority.kind == kind && word.word == order),
        ),
        None => (Decision::Allowed, vec![needed.clone()]),
    };
    let overruled = match decision {
        Decision::Allowed => names(&|word| heard(word) && word.word == Word::Refuse),
        Decision::Refused => names(&|word| heard(word) && word.word == Word::Order),
        Decision::Waits => Vec::new(),
    };
    Ruling { decision, by, overruled, withheld, unheard }
}

/// As `allowed by pact; norden is overruled; norden keeps its own out of it`.
impl std::fmt::Display for Ruling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is = |names: &[AuthorityName]| if names.len() == 1 { "is" } else { "are" };
        match self.decision {
            Decision::Allowed => write!(f, "allowed by {}", all_of(&self.by))?,
            Decision::Refused => write!(f, "refused by {}", all_of(&self.by))?,
            Decision::Waits => write!(f, "waits for {}", all_of(&self.by))?,
        }
        if !self.overruled.is_empty() {
            write!(f, "; {} {} overruled", all_of(&self.overruled), is(&self.overruled))?;
        }
        if !self.withheld.is_empty() {
            let (verb, own) = match self.withheld.len() {
                1 => ("keeps", "its"),
                _ => ("keep", "their"),
            };
            write!(f, "; {} {verb} {own} own out of it", all_of(&self.withheld))?;
        }
        if !self.unheard.is_empty() {
            write!(f, "; {} {} outside its scope", all_of(&self.unheard), is(&self.unheard))?;
        }
        Ok(())
    }
}
