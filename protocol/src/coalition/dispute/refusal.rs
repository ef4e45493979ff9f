//! Why a record about a dispute has no effect.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::About;
use crate::charter::text::{all_of, either};
use crate::charter::{KindName, PartnerName, show_time};
use crate::identity::RecordId;
use crate::record::Ruling;
use crate::time::Time;

/// Why a record about a dispute has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum DisputeRefusal {
    /// Names a record that cannot be contested.
    #[error("{named} is no operation, handoff or attestation, so it is not disputed")]
    NotDisputable {
        /// What it names.
        named: RecordId,
    },
    /// Names a record that opened no dispute.
    #[error("{named} is no dispute")]
    NotADispute {
        /// What it names.
        named: RecordId,
    },
    /// The type has no panel.
    #[error("the charter names nobody who would rule on disputes about {kind}")]
    NoDisputes {
        /// The operation type.
        kind: KindName,
    },
    /// Opened by somebody who has no part in the operation.
    #[error("{partner} neither leads nor supports {operation}, so it cannot dispute it")]
    NoPart {
        /// Who tried.
        partner: PartnerName,
        /// The operation.
        operation: RecordId,
    },
    /// A ground that the type does not declare, or none where it declares some.
    #[error("the grounds of a dispute are declared: {}", grounds(.declared))]
    Ground {
        /// Those that are declared.
        declared: Vec<KindName>,
    },
    /// Contests what has not come about.
    #[error("the {about} {subject} has not come about yet, so there is nothing to dispute")]
    TooEarly {
        /// What.
        subject: RecordId,
        /// What that is.
        about: About,
    },
    /// Contests it too late.
    #[error("it could be disputed until {}", show_time(*.until))]
    TooLate {
        /// When the window ended.
        until: Time,
    },
    /// It is in dispute or was ruled on.
    #[error("{} {dispute} already, and that is final", if *.is_open { "it is in dispute" } else { "it was ruled on in" })]
    Already {
        /// The dispute.
        dispute: RecordId,
        /// Whether that is open.
        is_open: bool,
    },
    /// The operation was annulled.
    #[error("{operation} is annulled; there is nothing left to dispute")]
    Annulled {
        /// The operation.
        operation: RecordId,
    },
    /// Too many disputes.
    #[error("{partner} has opened {most} disputes about this operation, the most allowed")]
    TooMany {
        /// Who.
        partner: PartnerName,
        /// The most allowed.
        most: u64,
    },
    /// Nobody is left to judge.
    #[error("too few judges are no party to it: of {} {threshold} are needed", all_of(.panel))]
    NoJudges {
        /// The declared panel.
        panel: Vec<PartnerName>,
        /// How many are needed.
        threshold: u32,
    },
    /// The dispute is not open.
    #[error("the dispute is closed since {}: {}", show_time(*.since), ended(*.ruling))]
    NotOpen {
        /// The ruling; none if there was none, or time is over and that is not ordered yet.
        ruling: Option<Ruling>,
        /// When.
        since: Time,
    },
    /// A word of somebody who is no judge in it.
    #[error("{partner} has no seat in the panel of this dispute; {} have", either(.panel))]
    NotJudge {
        /// Who tried.
        partner: PartnerName,
        /// Who judges.
        panel: Vec<PartnerName>,
    },
    /// A judge that has become a party.
    #[error("{partner} has become a party to this dispute, so its word does not count")]
    Party {
        /// Who.
        partner: PartnerName,
    },
    /// Cannot be decided anew.
    #[error("only an operation that is not concluded is remanded, and only once; uphold or annul it")]
    CannotRemand,
    /// An earlier word that is ordered after a later one.
    #[error("{partner} has said its word {last} on this dispute already; word {number} is older")]
    OlderWord {
        /// Who.
        partner: PartnerName,
        /// Which word this is.
        number: u32,
        /// Which stands.
        last: u32,
    },
    /// A judge that has changed its mind too often.
    #[error("{partner} has said {most} words on this dispute, the most allowed")]
    TooManyWords {
        /// Who.
        partner: PartnerName,
        /// The most allowed.
        most: u32,
    },
    /// An operation that follows one in dispute.
    #[error("it follows {operation}, which is {}", if .dispute.is_some() { "in dispute, and what follows it waits for the ruling" } else { "annulled" })]
    Follows {
        /// The operation that it follows.
        operation: RecordId,
        /// The dispute, while it is open.
        dispute: Option<RecordId>,
    },
}

fn grounds(declared: &[KindName]) -> String {
    if declared.is_empty() { "none, so give a reason alone".into() } else { either(declared) }
}

fn ended(ruling: Option<Ruling>) -> String {
    match ruling {
        Some(ruling) => ruling.done().into(),
        None => "its time is over, or the operation was annulled".into(),
    }
}
