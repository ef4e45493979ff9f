//! Why a record about a handoff has no effect.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{HandoffEnd, ItemKind};
use crate::charter::text::either;
use crate::charter::{KindName, PartnerName, show_span, show_time};
use crate::coalition::operation::Over;
use crate::identity::{Hash, RecordId};
use crate::record::{Handed, Role};
use crate::time::Time;

/// An open item that an acceptance does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The record that made it.
    pub record: RecordId,
    /// What it is.
    pub kind: ItemKind,
    /// Whose.
    pub partner: PartnerName,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} of {} ({})", self.kind, self.partner, self.record)
    }
}

/// Why a record about a handoff has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum HandoffRefusal {
    /// Names a record that is no offer.
    #[error("{named} is no offer of a handoff")]
    NotAnOffer {
        /// What it names.
        named: RecordId,
    },
    /// The operation has ended.
    #[error("nothing of {operation} is handed over any more: {over} at {}", show_time(*.since))]
    OperationOver {
        /// The operation.
        operation: RecordId,
        /// How it ended.
        over: Over,
        /// When.
        since: Time,
    },
    /// Said by somebody who does not lead.
    #[error("{lead} leads {operation}, not {partner}")]
    NotLead {
        /// Who tried.
        partner: PartnerName,
        /// Who leads.
        lead: PartnerName,
        /// The operation.
        operation: RecordId,
    },
    /// A role that the one that offers does not have.
    #[error("{partner} does not act as {role} here, so it cannot hand that over")]
    NotHeld {
        /// Who tried.
        partner: PartnerName,
        /// The role.
        role: Role,
    },
    /// Observers answer for nothing.
    #[error("whoever watches answers for nothing: the role {role} is not handed over")]
    NothingToHand {
        /// The role.
        role: Role,
    },
    /// Offered to somebody who may not act in the role.
    #[error("{to} may not act as {role} here: only {} may", either(.eligible))]
    NotEligible {
        /// To whom.
        to: PartnerName,
        /// The role.
        role: Role,
        /// Who may.
        eligible: Vec<PartnerName>,
    },
    /// Offered to nobody in the coalition.
    #[error("{to} is no partner of this coalition")]
    NoPartner {
        /// To whom.
        to: PartnerName,
    },
    /// Offered to whom it is from, without another phase.
    #[error("{partner} has it already; only a new phase is begun by handing on to oneself")]
    ToItself {
        /// Who.
        partner: PartnerName,
    },
    /// Another role than the lead cannot begin a phase.
    #[error("a phase begins with its lead: hand over the lead, or the whole operation")]
    PhaseWithoutLead,
    /// Not the phase that comes next.
    #[error("{} is not the next phase{}", .named, next_phase(.next))]
    NotNextPhase {
        /// The phase named.
        named: KindName,
        /// The next one, if there is one.
        next: Option<KindName>,
    },
    /// Needs an agreed operation.
    #[error("{operation} is not agreed, so it goes on to no other phase and is not concluded")]
    NotAgreed {
        /// The operation.
        operation: RecordId,
    },
    /// Ends before it begins.
    #[error("the offer ends at {}, which is past", show_time(*.expires))]
    AlreadyPast {
        /// When it ends.
        expires: Time,
    },
    /// One offer of it is open.
    #[error("{partner} has offered that to {to} already; reclaim {offer} first")]
    OfferOpen {
        /// Who.
        partner: PartnerName,
        /// To whom.
        to: PartnerName,
        /// The open offer.
        offer: RecordId,
    },
    /// Too many offers.
    #[error("{partner} has made {most} offers on this operation, the most allowed")]
    TooManyOffers {
        /// Who.
        partner: PartnerName,
        /// The most allowed.
        most: u64,
    },
    /// The offer is not open.
    #[error("the offer is {how} since {}", show_time(*.since))]
    NotOpen {
        /// What became of it.
        how: HandoffEnd,
        /// When.
        since: Time,
    },
    /// Answered by another than the one it was made to.
    #[error("it was offered to {to}, not to {partner}")]
    NotOfferedTo {
        /// Who tried.
        partner: PartnerName,
        /// To whom.
        to: PartnerName,
    },
    /// Reclaimed by another than the one that made it.
    #[error("{from} offered it; {partner} has nothing to reclaim")]
    NotOfferer {
        /// Who tried.
        partner: PartnerName,
        /// Who offered.
        from: PartnerName,
    },
    /// Accepted without knowing everything that is open.
    #[error("it does not acknowledge {}{}; look again, then accept", listed(.missing), others(*.more))]
    NotAcknowledged {
        /// What it misses, the first of them.
        missing: Vec<Missing>,
        /// How many more.
        more: u64,
    },
    /// Accepted by the digest of something else than what is open.
    #[error(
        "what is open has another digest than the {found} acknowledged: {open} items; look again, then accept"
    )]
    OtherItems {
        /// The digest that was acknowledged.
        found: Hash,
        /// How many items are open.
        open: u64,
    },
    /// The list of acknowledged items is not ascending.
    #[error("the acknowledged items are not in ascending order, each once")]
    Unsorted,
    /// Nobody may take over.
    #[error("the charter names no successor for {kind} here, so nobody takes over")]
    NoTakeover {
        /// The operation type.
        kind: KindName,
    },
    /// Another is the successor.
    #[error("only {successor} may take over, not {partner}")]
    NotSuccessor {
        /// Who tried.
        partner: PartnerName,
        /// Who may.
        successor: PartnerName,
    },
    /// The lead answers.
    #[error("{lead} answers: {}", answers(*.silence, *.lapsed))]
    LeadAnswers {
        /// Who leads.
        lead: PartnerName,
        /// When it was last heard, and how long it must be silent, in milliseconds, where that is a condition.
        silence: Option<(Time, u64)>,
        /// Until when its credential holds, where that is a condition.
        lapsed: Option<Time>,
    },
    /// The operation is in dispute.
    #[error("{operation} is in dispute; that waits for the ruling on {dispute}")]
    Disputed {
        /// The operation.
        operation: RecordId,
        /// The dispute.
        dispute: RecordId,
    },
    /// An attestation in a role that was handed over.
    #[error("{partner} has handed its role as {role} over; it acts in it no more here")]
    HandedOver {
        /// Who.
        partner: PartnerName,
        /// The role.
        role: Role,
    },
    /// An attestation as the lead, which another took over.
    #[error("{by} has taken the lead over from {partner}, which acts as lead no more here")]
    TakenOver {
        /// Who.
        partner: PartnerName,
        /// Who leads it since.
        by: PartnerName,
    },
}

fn next_phase(next: &Option<KindName>) -> String {
    match next {
        Some(next) => format!("; that is {next}"),
        None => "; the operation is in its last".into(),
    }
}

fn listed(missing: &[Missing]) -> String {
    crate::charter::text::all_of(missing)
}

fn others(more: u64) -> String {
    if more == 0 { String::new() } else { format!(", and {more} more") }
}

fn answers(silence: Option<(Time, u64)>, lapsed: Option<Time>) -> String {
    let heard = silence.map(|(heard, span_ms)| {
        let from = show_time(heard.plus(span_ms));
        format!(
            "it spoke at {}, and only {} of silence, from {from} on, let others take over",
            show_time(heard),
            show_span(span_ms)
        )
    });
    let holds =
        lapsed.map(|until| format!("it is a member, and its credential holds until {}", show_time(until)));
    heard.into_iter().chain(holds).collect::<Vec<_>>().join("; ")
}

/// What is handed over, in words.
impl std::fmt::Display for Handed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Role(Role::Lead) => f.write_str("the lead"),
            Self::Role(role) => write!(f, "its role as {role}"),
            Self::Whole => f.write_str("the whole operation"),
        }
    }
}
