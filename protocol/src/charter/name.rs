//! Names of partners, operation types and authorities: short, lower case, safe in file names, terminals and sentences.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 32;

/// Why a piece of text is no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is no name: a lower-case letter, then at most {} lower-case letters, digits and single hyphens",
    MAX_NAME_BYTES - 1
)]
pub struct NameError {
    /// What was given, shortened.
    pub text: String,
}

fn check(text: &str) -> Result<(), NameError> {
    let bytes = text.as_bytes();
    let sound = !bytes.is_empty()
        && bytes.len() <= MAX_NAME_BYTES
        && bytes[0].is_ascii_lowercase()
        && bytes[bytes.len() - 1] != b'-'
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        && !text.contains("--");
    if sound { Ok(()) } else { Err(NameError { text: text.chars().take(MAX_NAME_BYTES + 8).collect() }) }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text).map(|()| Self(text.to_owned()))
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

name!(
    /// A partner of the coalition, as the charter names it.
    PartnerName
);
name!(
    /// An operation type, a coalition or another thing that a charter names.
    KindName
);
name!(
    /// An asset, as its owner calls it.
    AssetName
);

name!(
    /// An authority: a nation, an alliance or a coalition. A partner's national authority has the partner's name.
    AuthorityName
);

impl From<&PartnerName> for AuthorityName {
    fn from(partner: &PartnerName) -> Self {
        Self(partner.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    #[test]
    fn names_are_short_lower_case_and_free_of_tricks() {
        for good in ["a", "norden", "air-lift-2"] {
            assert_eq!(good.parse::<PartnerName>().map(|n| n.to_string()), Ok(good.to_owned()));
        }
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        for bad in ["", "Norden", "2nd", "-a", "a-", "a--b", "a b", "ä", "../x", &long] {
            assert!(bad.parse::<PartnerName>().is_err(), "{bad:?}");
            assert!(wire::decode::<KindName>(&wire::encode(&bad), 64).is_err());
        }
    }
}
