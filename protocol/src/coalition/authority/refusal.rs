//! Why a record about authorities has no effect.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::authority::Word;
use crate::charter::text::all_of;
use crate::charter::{AuthorityName, KindName, PartnerName, show_time};
use crate::identity::{PublicKey, RecordId};
use crate::time::Time;

/// Why a record about authorities has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum AuthorityRefusal {
    /// The charter of the operation knows no such authority.
    #[error("there is no authority {name}; there are: {}", all_of(.known))]
    Unknown {
        /// Which.
        name: AuthorityName,
        /// Which there are.
        known: Vec<AuthorityName>,
    },
    /// Neither the partner nor a signature has a voice in it.
    #[error("{partner} has no voice in {authority}, and no signature of one who has comes with it")]
    NoVoice {
        /// Whose officer said it.
        partner: PartnerName,
        /// For which authority.
        authority: AuthorityName,
    },
    /// A signature of a key without a voice.
    #[error("{key} signed, but has no voice in {authority}")]
    Stranger {
        /// The key.
        key: PublicKey,
        /// The authority.
        authority: AuthorityName,
    },
    /// A signature does not hold.
    #[error("{reason}")]
    Signatures {
        /// What is wrong.
        reason: String,
    },
    /// An older statement of a key that has said something later.
    #[error(
        "{key} has said something with the number {last} already; the next statement needs a greater one"
    )]
    Number {
        /// The key.
        key: PublicKey,
        /// Its last number.
        last: u32,
    },
    /// An older word that is ordered after a later one.
    #[error(
        "{partner} has said its word {last} for this authority already; the next one needs a greater number"
    )]
    Older {
        /// Who.
        partner: PartnerName,
        /// The number of its last word.
        last: u32,
    },
    /// An order by a nation that is not the authority needed.
    #[error("a nation orders only what needs its authority; {authority} can permit, refuse and recall here")]
    NotToOrder {
        /// The nation.
        authority: AuthorityName,
    },
    /// A type that partners agree on by themselves.
    #[error(
        "operations of type {kind} need no authority; a nation can refuse or recall what is its own, and nothing else is to be said"
    )]
    NotNeeded {
        /// The type.
        kind: KindName,
    },
    /// A recall of what belongs to others.
    #[error("{authority} has nothing of its own here: a nation recalls what is its own, nobody else does")]
    NotANation {
        /// The authority.
        authority: AuthorityName,
    },
    /// The operation is decided.
    #[error("{operation} is decided since {}; {word} says nothing any more, but a nation can still recall what is its own", show_time(*.since))]
    Decided {
        /// The operation.
        operation: RecordId,
        /// What was said.
        word: Word,
        /// Since when.
        since: Time,
    },
    /// The operation is over.
    #[error("{operation} is over since {}; nothing is to be said on it any more", show_time(*.since))]
    Over {
        /// The operation.
        operation: RecordId,
        /// Since when.
        since: Time,
    },
    /// A refusal without its ground.
    #[error("{word} needs a ground: it is recorded with it")]
    NoGround {
        /// What was said.
        word: Word,
    },
    /// Too many words.
    #[error("{partner} has said {most} words for authorities on this operation, the most allowed")]
    TooMany {
        /// Who.
        partner: PartnerName,
        /// The most allowed.
        most: u64,
    },
    /// A document of an alliance that the charter does not refer to.
    #[error("the charter refers to no alliance {name}; an amendment can")]
    NotReferred {
        /// Which.
        name: AuthorityName,
    },
    /// A version that is known.
    #[error("version {version} of {name} is known already{}", if *.same { "" } else { ", and it is another document" })]
    VersionKnown {
        /// Which alliance.
        name: AuthorityName,
        /// Which version.
        version: u32,
        /// Whether it is the same document.
        same: bool,
    },
    /// A version that follows none that is known.
    #[error(
        "version {version} of {name} follows a version that is not known here; the latest known is {latest}: publish those between first"
    )]
    Gap {
        /// Which alliance.
        name: AuthorityName,
        /// Which version.
        version: u32,
        /// The latest that is known.
        latest: u32,
    },
    /// A document that does not follow, is not signed, or does not go with the charter.
    #[error("the document: {reason}")]
    Document {
        /// What is wrong.
        reason: String,
    },
    /// Too many versions.
    #[error(
        "{most} versions of {name} were published, the most allowed; let the charter refer to the latest by an amendment"
    )]
    TooManyVersions {
        /// Which alliance.
        name: AuthorityName,
        /// The most allowed.
        most: u64,
    },
    /// A nation's consent to what changes its own authority, said by an officer.
    #[error(
        "what the authority of {authority} is made of changes only with its keys: let those of the old and of the new one sign a statement that permits it"
    )]
    ByKeys {
        /// The nation.
        authority: AuthorityName,
    },
}
