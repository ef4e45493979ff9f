//! What is missing for an authority to act, in data and in words.

use std::fmt;

use crate::charter::AuthorityName;
use crate::identity::PublicKey;

/// What is missing. Each authority that is not a single key is explained once, so that shared ones do not multiply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deficit {
    /// What the expression itself lacks.
    pub lack: Lack,
    /// What the named authorities lack that `lack` mentions, and those that they mention in turn; sorted by name.
    pub authorities: Vec<(AuthorityName, Lack)>,
}

/// What one expression lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// This key has not signed.
    Key {
        /// The key.
        key: PublicKey,
        /// The authority that this key is, where there is one.
        name: Option<AuthorityName>,
    },
    /// This authority has not acted.
    Named(AuthorityName),
    /// There is no authority of this name.
    Unknown(AuthorityName),
    /// Satisfied, but by signers who count for another member already: one more signer of this member is needed.
    Another(Box<Lack>),
    /// Too few members.
    Threshold(Shortfall),
}

/// What a threshold lacks: `missing` of `of`, and all of `required`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// How many, beside the required ones.
    pub missing: u32,
    /// Those that may be among them.
    pub of: Vec<Lack>,
    /// Those without which nothing is satisfied.
    pub required: Vec<Lack>,
}

/// A small number in words.
fn in_words(count: u32) -> String {
    const WORDS: [&str; 10] =
        ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    usize::try_from(count)
        .ok()
        .and_then(|at| WORDS.get(at))
        .map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

impl Shortfall {
    fn parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        if self.missing > 0 {
            let mut of = self.of.iter().map(Lack::label).collect::<Vec<_>>();
            of.sort_unstable();
            parts.push(match of.is_empty() {
                false => format!("needs {} more of {}", in_words(self.missing), of.join(", ")),
                // Each who is left counts in one member already.
                true => format!(
                    "needs {} more that a signer of its own counts for, and nobody counts twice",
                    in_words(self.missing)
                ),
            });
        }
        if !self.required.is_empty() {
            let names = self.required.iter().map(Lack::label).collect::<Vec<_>>();
            let verb = if names.len() == 1 { "is" } else { "are" };
            parts.push(format!("{} {verb} required", crate::charter::text::all_of(&names)));
        }
        parts
    }
}

impl Lack {
    /// How it is called inside a sentence.
    fn label(&self) -> String {
        match self {
            Self::Key { name: Some(name), .. } | Self::Named(name) => name.to_string(),
            Self::Key { key, name: None } => key.to_string(),
            Self::Unknown(name) => format!("{name} (unknown)"),
            Self::Another(member) => format!("another signer of {}", member.label()),
            Self::Threshold(shortfall) => format!("({})", shortfall.parts().join("; ")),
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threshold(shortfall) => f.write_str(&shortfall.parts().join("; ")),
            Self::Unknown(name) => write!(f, "there is no authority {name}"),
            other => write!(f, "needs {}", other.label()),
        }
    }
}

/// As `needs one more of norden, pact; estmark is required; pact: needs two more of a, b, c`.
impl fmt::Display for Deficit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.lack)?;
        self.authorities.iter().try_for_each(|(name, lack)| write!(f, "; {name}: {lack}"))
    }
}
