//! Roles: three that every charter has, and further ones that an operation type declares under a short name.
//!
//! A role is a small value that is copied: the name stands in it, so that an attestation in any role stays within one radio
//! packet. Whether attestations in a declared role count is said by the operation type.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest name of a declared role, in bytes.
pub const MAX_ROLE_BYTES: usize = 16;

/// A role in an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Answers for the operation.
    Lead,
    /// Contributes to it.
    Supporting,
    /// Watches it; its attestations are shown and never counted.
    Observing,
    /// What the operation type declares: `host`, `medical`.
    Declared(RoleName),
}

/// The name of a declared role: a lower-case letter, then lower-case letters, digits and single hyphens, none at the end;
/// at most [`MAX_ROLE_BYTES`], and none of the names that every charter has. Zeros follow it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName([u8; MAX_ROLE_BYTES]);

impl RoleName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(MAX_ROLE_BYTES);
        // Only ASCII is ever taken in.
        std::str::from_utf8(&self.0[..length]).unwrap_or_default()
    }
}

impl fmt::Debug for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Role {
    /// The roles that every charter has.
    pub const ALL: [Self; 3] = [Self::Lead, Self::Supporting, Self::Observing];

    /// The name in text.
    pub fn name(&self) -> &str {
        match self {
            Self::Lead => "lead",
            Self::Supporting => "supporting",
            Self::Observing => "observing",
            Self::Declared(name) => name.as_str(),
        }
    }

    /// Whether this role is one that a type has to declare.
    pub fn is_declared(self) -> bool {
        matches!(self, Self::Declared(_))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(role) = Self::ALL.into_iter().find(|role| role.name() == text) {
            return Ok(role);
        }
        let bytes = text.as_bytes();
        let sound = bytes.first().is_some_and(u8::is_ascii_lowercase)
            && bytes.last() != Some(&b'-')
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
            && !text.contains("--");
        let mut name = [0; MAX_ROLE_BYTES];
        match name.get_mut(..bytes.len()).filter(|_| sound) {
            Some(start) => {
                start.copy_from_slice(bytes);
                Ok(Self::Declared(RoleName(name)))
            }
            None => Err(format!(
                "{:?} is no role: lead, supporting, observing, or a name that the charter declares, of at most \
                 {MAX_ROLE_BYTES} lower-case letters, digits and single hyphens",
                text.chars().take(2 * MAX_ROLE_BYTES).collect::<String>()
            )),
        }
    }
}

/// A role on the wire; a declared one by its name.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Role")]
enum Wire {
    Lead,
    Supporting,
    Observing,
    Declared(String),
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_str(self.name());
        }
        match self {
            Self::Lead => Wire::Lead,
            Self::Supporting => Wire::Supporting,
            Self::Observing => Wire::Observing,
            Self::Declared(name) => Wire::Declared(name.as_str().to_owned()),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return String::deserialize(deserializer)?.parse().map_err(de::Error::custom);
        }
        Ok(match Wire::deserialize(deserializer)? {
            Wire::Lead => Self::Lead,
            Wire::Supporting => Self::Supporting,
            Wire::Observing => Self::Observing,
            Wire::Declared(name) => match name.parse().map_err(de::Error::custom)? {
                role @ Self::Declared(_) => role,
                _ => return Err(de::Error::custom(format!("{name} is no declared role"))),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    #[test]
    fn roles_come_back_from_text_and_bytes() {
        let declared = ["host", "medical", "air-space-2", "abcdefghijklmnop"];
        let declared = declared.map(|name| name.parse::<Role>().expect("a role"));
        for role in Role::ALL.into_iter().chain(declared) {
            assert_eq!(role.to_string().parse(), Ok(role));
            assert_eq!(wire::decode::<Role>(&wire::encode(&role), 32), Ok(role));
        }
        assert!(declared.iter().all(|role| role.is_declared()));
        assert_eq!(wire::encode(&Role::Observing), [2]);
        assert_eq!(wire::encode(&declared[0]), b"\x03\x04host");
    }

    #[test]
    fn a_role_has_one_name_and_one_encoding() {
        let long = "a".repeat(MAX_ROLE_BYTES + 1);
        for bad in ["", "Host", "2nd", "-a", "a-", "a--b", "a b", "ä", "h\0", &long] {
            assert!(bad.parse::<Role>().is_err(), "{bad:?}");
            assert!(wire::decode::<Role>(&wire::encode(&(3u8, bad)), 32).is_err(), "{bad:?}");
        }
        assert!(wire::decode::<Role>(b"\x03\x04lead", 32).is_err());
    }

    #[test]
    fn declared_roles_are_ordered_by_name_behind_the_others() {
        let role = |name: &str| name.parse::<Role>().expect("a role");
        assert!(Role::Observing < role("a") && role("a") < role("aa") && role("aa") < role("b"));
    }
}
