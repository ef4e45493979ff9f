//! Ids from their beginnings, as people type them.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::identity::{Hash, RecordId};

/// Fewest characters of a prefix, without `op-`.
pub const MIN_PREFIX_CHARS: usize = 4;
/// Most candidates named when a prefix is ambiguous.
pub const MAX_CANDIDATES: usize = 8;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Characters of a whole id, without `op-`.
const ID_CHARS: usize = 52;

/// Why a prefix names no id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FindError {
    /// Not the beginning of any id.
    #[error("{0:?} is not the beginning of an id: {PREFIX} and lower-case letters and digits 2 to 7", PREFIX = RecordId::PREFIX)]
    Malformed(String),
    /// Too few characters.
    #[error("{0:?} is too short: give at least {MIN_PREFIX_CHARS} characters after {PREFIX}", PREFIX = RecordId::PREFIX)]
    TooShort(String),
    /// Nothing begins like this.
    #[error("nothing here begins with {0:?}")]
    Unknown(String),
    /// More than one does.
    #[error("{text:?} is ambiguous: {}{}", .candidates.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "), if *.more { ", ..." } else { "" })]
    Ambiguous {
        /// What was given.
        text: String,
        /// What begins like this, at most [`MAX_CANDIDATES`].
        candidates: Vec<RecordId>,
        /// Whether there are more.
        more: bool,
    },
}

/// The one key of `ids` whose text begins with `text`, with or without `op-`.
pub fn find_id<V>(ids: &BTreeMap<RecordId, V>, text: &str) -> Result<RecordId, FindError> {
    let prefix = text.strip_prefix(RecordId::PREFIX).unwrap_or(text);
    let shown = || text.chars().take(ID_CHARS + 8).collect::<String>();
    if prefix.len() > ID_CHARS {
        return Err(FindError::Malformed(shown()));
    }
    // Base32 keeps the order of bytes, so all ids with this beginning lie together, from the one padded with zeros on.
    let mut low = [0u8; 32];
    for (at, character) in prefix.bytes().enumerate() {
        let value = ALPHABET
            .iter()
            .position(|known| *known == character)
            .ok_or_else(|| FindError::Malformed(shown()))?;
        for bit in 0..5 {
            let place = at * 5 + bit;
            // An id is 256 bits, its text 260: the last four are zero.
            if value >> (4 - bit) & 1 == 1 {
                match low.get_mut(place / 8) {
                    Some(byte) => *byte |= 0x80 >> (place % 8),
                    None => return Err(FindError::Malformed(shown())),
                }
            }
        }
    }
    if prefix.len() < MIN_PREFIX_CHARS {
        return Err(FindError::TooShort(shown()));
    }
    let mut candidates = ids
        .range(RecordId(Hash(low))..)
        .map(|(id, _)| *id)
        .take_while(|id| id.0.to_string().starts_with(prefix))
        .take(MAX_CANDIDATES + 1)
        .collect::<Vec<_>>();
    match candidates.as_slice() {
        [] => Err(FindError::Unknown(shown())),
        [id] => Ok(*id),
        many => {
            let more = many.len() > MAX_CANDIDATES;
            candidates.truncate(MAX_CANDIDATES);
            Err(FindError::Ambiguous { text: shown(), candidates, more })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coalition::rng::Rng;
    use crate::identity::hash;

    #[test]
    fn a_unique_prefix_gives_the_id_and_any_other_says_why_not() {
        let mut rng = Rng::new(3);
        let mut ids = (0..2000).map(|_| (RecordId(Hash(rng.bytes())), ())).collect::<BTreeMap<_, _>>();
        let texts = ids.keys().map(|id| id.0.to_string()).collect::<Vec<_>>();
        for (id, text) in ids.keys().zip(&texts) {
            for length in [4, 5, 7, 8, 9, 51, 52] {
                let prefix = &text[..length];
                let same = texts.iter().filter(|other| other.starts_with(prefix)).count();
                match find_id(&ids, prefix) {
                    Ok(found) => assert_eq!((found, same), (*id, 1)),
                    Err(FindError::Ambiguous { candidates, more, .. }) => {
                        assert!(same > 1 && candidates.len() == same.min(MAX_CANDIDATES));
                        assert_eq!(more, same > MAX_CANDIDATES);
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            assert_eq!(find_id(&ids, &id.to_string()), Ok(*id));
        }
        let twin = {
            let first = *ids.keys().next().expect("not empty");
            let mut bytes = first.0.0;
            bytes[31] ^= 1;
            ids.insert(RecordId(Hash(bytes)), ());
            first.to_string()[..20].to_owned()
        };
        assert!(
            matches!(find_id(&ids, &twin), Err(FindError::Ambiguous { candidates, .. }) if candidates.len() == 2)
        );
        assert!(matches!(find_id(&ids, "op-abc"), Err(FindError::TooShort(_))));
        assert!(matches!(find_id(&ids, "op-ABCD"), Err(FindError::Malformed(_))));
        assert!(matches!(find_id(&ids, "op-ab1d"), Err(FindError::Malformed(_))));
        assert!(matches!(find_id(&ids, &"7".repeat(53)), Err(FindError::Malformed(_))));
        let absent = RecordId(hash("nowhere", &[])).to_string();
        assert!(matches!(find_id(&ids, &absent), Err(FindError::Unknown(_))));
    }
}
