//! Why a word on an integrity event has no effect.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::charter::PartnerName;
use crate::charter::text::either;
use crate::identity::{PublicKey, RecordId};
use crate::record::{EventKind, Measure};

/// Why a word on an integrity event, or of a key for which there is one, has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum IntegrityRefusal {
    /// Names a record that reports no event, or one that was displaced.
    #[error("{named} is no integrity event")]
    NotAnEvent {
        /// What it names.
        named: RecordId,
    },
    /// Accuses or calls a victim who is no partner.
    #[error("{named} is no partner of this coalition")]
    UnknownPartner {
        /// Who.
        named: PartnerName,
    },
    /// A node's word on what only people know.
    #[error("a node does not see {kind}; an officer reports it")]
    NotSeenByNodes {
        /// The kind.
        kind: EventKind,
    },
    /// A node's word that says it saw nothing, or saw the last before the first.
    #[error("an incident is seen at least once, the first time not after the last")]
    Uncounted,
    /// Too many events.
    #[error(
        "{partner} has {most} reports that are neither confirmed nor withdrawn, the most allowed; withdraw some"
    )]
    TooMany {
        /// Whose.
        partner: PartnerName,
        /// The most allowed.
        most: u64,
    },
    /// Said by the one that it is about.
    #[error("{partner} is the subject of {event}, and has no say in it")]
    IsSubject {
        /// Who.
        partner: PartnerName,
        /// The event.
        event: RecordId,
    },
    /// Confirmed by who reported it.
    #[error("{partner} reported {event} itself; others confirm it")]
    OwnReport {
        /// Who.
        partner: PartnerName,
        /// The event.
        event: RecordId,
    },
    /// Said twice.
    #[error("{partner} has said so of {event} already")]
    AlreadySaid {
        /// Who.
        partner: PartnerName,
        /// The event.
        event: RecordId,
    },
    /// Withdrawn by another than who reported it, or proved.
    #[error("{event} was reported by {reporter}, or is proved; {partner} cannot withdraw it")]
    NotReporter {
        /// Who tried.
        partner: PartnerName,
        /// Who reported it.
        reporter: PartnerName,
        /// The event.
        event: RecordId,
    },
    /// It is confirmed.
    #[error("{event} is confirmed since index {index}, and is not withdrawn any more")]
    Confirmed {
        /// The event.
        event: RecordId,
        /// Since when.
        index: u64,
    },
    /// It was withdrawn.
    #[error("{event} was withdrawn at index {index}; report it anew")]
    Withdrawn {
        /// The event.
        event: RecordId,
        /// Where.
        index: u64,
    },
    /// A vote on what is not confirmed.
    #[error("{event} is not confirmed; nothing follows from it yet")]
    NotConfirmed {
        /// The event.
        event: RecordId,
    },
    /// A vote on what has ended.
    #[error("what followed from {event} ended at index {index}")]
    Lifted {
        /// The event.
        event: RecordId,
        /// Where.
        index: u64,
    },
    /// A vote for what the charter does not declare.
    #[error("the charter does not declare {measure} for {kind}, or nobody is named")]
    NotDeclared {
        /// The kind.
        kind: EventKind,
        /// What was voted for.
        measure: Measure,
    },
    /// Nothing is in force.
    #[error("neither quarantine nor suspension is in force for {event}")]
    NothingToLift {
        /// The event.
        event: RecordId,
    },
    /// A vote of who has none.
    #[error("{partner} does not vote on integrity; {} does", either(.voters))]
    MayNotVote {
        /// Who tried.
        partner: PartnerName,
        /// Who votes.
        voters: Vec<PartnerName>,
    },
    /// Said with a key that is in quarantine.
    #[error("{key} is in quarantine since index {since}, for {event}")]
    Quarantined {
        /// The key.
        key: PublicKey,
        /// The event.
        event: RecordId,
        /// Since when.
        since: u64,
    },
}
