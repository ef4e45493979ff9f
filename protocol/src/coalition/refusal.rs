//! Why a record has no effect: typed for programs, in words for people.

mod operation;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use operation::{OperationRefusal, Taken};

use super::{
    AssetRefusal, AuthorityRefusal, DisputeRefusal, HandoffRefusal, IntegrityRefusal, KeyRefusal,
    LeaseRefusal, MemberRefusal, Verdict,
};
use crate::charter::text::{all_of, either, is_showable};
use crate::charter::{MAX_NAME_BYTES, MAX_PARTNERS, PartnerName, show_time};
use crate::identity::{CoalitionId, PublicKey, RecordId};
use crate::record::{
    MAX_ACKNOWLEDGED, MAX_CAVEAT_BYTES, MAX_COMMITMENTS, MAX_EVIDENCE, MAX_FIELD_BYTES, MAX_FIELD_NAME_BYTES,
    MAX_FIELDS, MAX_GROUND_BYTES, MAX_INCIDENT_BYTES, MAX_LABEL_BYTES, MAX_OFFER_NOTE_BYTES,
    MAX_REASON_BYTES, MAX_REPORT_BYTES, MAX_SHOWN_BYTES, MAX_TITLE_BYTES, Role,
};
use crate::time::Time;

/// Why a record is refused. It stays in the log and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Refusal {
    /// Not an encoding of a body.
    #[error("not a well-formed record")]
    Malformed,
    /// Carried by a key that is not enrolled.
    #[error("carried by {node}, which is no node of this coalition")]
    UnknownNode {
        /// Whose feed.
        node: PublicKey,
    },
    /// Said in another coalition.
    #[error("said in coalition {named}, not here")]
    ForeignCoalition {
        /// The coalition named.
        named: CoalitionId,
    },
    /// Signed by a key that is no officer's.
    #[error("{signer} is no officer of any partner")]
    UnknownSigner {
        /// The key.
        signer: PublicKey,
    },
    /// The signature is not the signer's.
    #[error("the signature of {signer} does not hold")]
    BadSignature {
        /// The key.
        signer: PublicKey,
    },
    /// The delegation of officer or node has run out.
    #[error("the credential of {partner} ran out at {}", show_time(*.not_after))]
    CredentialExpired {
        /// Whose.
        partner: PartnerName,
        /// Last valid millisecond.
        not_after: Time,
    },
    /// A text or list that is too long.
    #[error("{what} too long: {found}, at most {most}")]
    TooLong {
        /// What.
        what: Part,
        /// How long or how many.
        found: u64,
        /// The most allowed.
        most: u64,
    },
    /// Text with control or override characters.
    #[error("{what} not showable: it has control characters")]
    Unshowable {
        /// What.
        what: Part,
    },
    /// The charter declares no such operation type.
    #[error("the charter declares no operation type {kind:?}")]
    UndeclaredType {
        /// The type named.
        kind: String,
    },
    /// Opened by somebody without a role that opens.
    #[error("{partner} may not open: only who has a role that opens does: {}", either(.eligible))]
    MayNotOpen {
        /// Who tried.
        partner: PartnerName,
        /// Who may.
        eligible: Vec<PartnerName>,
    },
    /// A partner has too many operations open.
    #[error("{partner} has {most} operations open, the most allowed; wait until some are decided")]
    TooManyOpen {
        /// Who.
        partner: PartnerName,
        /// The most allowed.
        most: u64,
    },
    /// A role that the partner may not act in.
    #[error("{partner} may not act as {role} here{}", held_roles(.held))]
    RoleNotHeld {
        /// Who.
        partner: PartnerName,
        /// The role named.
        role: Role,
        /// The roles that it may act in.
        held: Vec<Role>,
    },
    /// Attests to a record that opened no operation.
    #[error("{named} is no operation")]
    NotAnOperation {
        /// What it names.
        named: RecordId,
    },
    /// The operation no longer takes attestations.
    #[error("{operation} takes no attestations any more: {} at {}", verdict_text(.verdict), show_time(*.since))]
    Closed {
        /// Which.
        operation: RecordId,
        /// How it ended; `None` if its window is over and that is not ordered yet.
        verdict: Option<Verdict>,
        /// When.
        since: Time,
    },
    /// The partner has attested, and this one does not say that it replaces that.
    #[error("{partner} has attested already; to replace that, supersede {standing}")]
    AlreadyAttested {
        /// Who.
        partner: PartnerName,
        /// What stands.
        standing: RecordId,
    },
    /// Supersedes what another partner said, or something else than an attestation to this operation.
    #[error("{named} is not an attestation of {partner} to this operation")]
    SupersedesNotOwn {
        /// Who.
        partner: PartnerName,
        /// What it names.
        named: RecordId,
    },
    /// Supersedes an attestation that another one has replaced.
    #[error("{named} is replaced already; supersede {standing}")]
    SupersedesReplaced {
        /// What it names.
        named: RecordId,
        /// What stands.
        standing: RecordId,
    },
    /// Changed its mind too often.
    #[error("{partner} has attested {most} times, the most allowed for one operation")]
    TooManyAttestations {
        /// Who.
        partner: PartnerName,
        /// The most allowed.
        most: u64,
    },
    /// Names what is not applied, and too much of this partner waits already.
    #[error(
        "names {awaits}, which is unknown, and {most} records of {partner} wait already, the most allowed"
    )]
    TooManyParked {
        /// Who.
        partner: PartnerName,
        /// What it waits for.
        awaits: RecordId,
        /// The most allowed.
        most: u64,
    },
    /// Waited for something that did not come in time.
    #[error("waited for {awaits}, which was not applied in time")]
    NeverApplied {
        /// What it waited for.
        awaits: RecordId,
    },
    /// Only from a check before ordering: it would wait.
    #[error("names {awaits}, which is not ordered here; it would wait for it")]
    NotYetApplied {
        /// What it would wait for.
        awaits: RecordId,
    },
    /// What an asset's rules say.
    #[error(transparent)]
    Asset(#[from] AssetRefusal),
    /// What the rules of membership say.
    #[error(transparent)]
    Member(#[from] MemberRefusal),
    /// What the rules of integrity events say.
    #[error(transparent)]
    Integrity(#[from] IntegrityRefusal),
    /// What the rules of handoffs say.
    #[error(transparent)]
    Handoff(#[from] HandoffRefusal),
    /// What the rules of disputes say.
    #[error(transparent)]
    Dispute(#[from] DisputeRefusal),
    /// What the rules of authorities say.
    #[error(transparent)]
    Authority(#[from] AuthorityRefusal),
    /// What an operation's type or its course say.
    #[error(transparent)]
    Operation(#[from] OperationRefusal),
    /// What the rules of keys say.
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    /// A proof that proves no fork.
    #[error("the fork proof does not hold")]
    InvalidForkProof,
    /// A proof that proves no equivocation of a seat.
    #[error("the proof of an equivocation does not hold")]
    InvalidEquivocation,
    /// What the rules of leases say.
    #[error(transparent)]
    Lease(#[from] LeaseRefusal),
}

impl Refusal {
    /// Whether the record would be parked rather than refused if it were ordered now.
    pub fn waits_for(&self) -> Option<RecordId> {
        match self {
            Self::NotYetApplied { awaits } => Some(*awaits),
            _ => None,
        }
    }
}

fn held_roles(held: &[Role]) -> String {
    match held {
        [] => ", nor in any other role".into(),
        held => format!("; it may act as {}", all_of(held)),
    }
}

fn verdict_text(verdict: &Option<Verdict>) -> String {
    match verdict {
        Some(verdict) => verdict.to_string(),
        None => "the window ended".into(),
    }
}

/// A part of a record with a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// The operation type.
    Kind,
    /// The title of an operation.
    Title,
    /// The number of named values.
    Fields,
    /// The name of a value.
    FieldName,
    /// A value.
    Field,
    /// A caveat.
    Caveat,
    /// The number of commitments to evidence.
    Evidence,
    /// The label of an asset.
    Label,
    /// Why something is recalled, refused or declined.
    Ground,
    /// The number of partners that may control an asset.
    Controllers,
    /// Why a change is proposed, or why a partner leaves.
    Reason,
    /// The text of a report.
    Report,
    /// The number of commitments to evidence.
    Commitments,
    /// The text of an incident.
    Incident,
    /// The note of an offer, or of a conclusion.
    Note,
    /// The number of open items that an acceptance names.
    Acknowledged,
    /// What was shown, as a report or an incident carries it.
    Shown,
}

impl Part {
    /// The most allowed: bytes of a text or of what was shown, or the number of values.
    pub fn most(self) -> usize {
        match self {
            Self::Kind => MAX_NAME_BYTES,
            Self::Title => MAX_TITLE_BYTES,
            Self::Fields => MAX_FIELDS,
            Self::FieldName => MAX_FIELD_NAME_BYTES,
            Self::Field => MAX_FIELD_BYTES,
            Self::Caveat => MAX_CAVEAT_BYTES,
            Self::Evidence => MAX_EVIDENCE,
            Self::Label => MAX_LABEL_BYTES,
            Self::Ground => MAX_GROUND_BYTES,
            Self::Controllers => MAX_PARTNERS,
            Self::Reason => MAX_REASON_BYTES,
            Self::Report => MAX_REPORT_BYTES,
            Self::Commitments => MAX_COMMITMENTS,
            Self::Incident => MAX_INCIDENT_BYTES,
            Self::Note => MAX_OFFER_NOTE_BYTES,
            Self::Acknowledged => MAX_ACKNOWLEDGED,
            Self::Shown => MAX_SHOWN_BYTES,
        }
    }

    /// Whether `text` may stand here: the same before submitting and for what is ordered.
    ///
    /// # Errors
    /// [`Refusal::TooLong`] and [`Refusal::Unshowable`].
    pub fn check(self, text: &str) -> Result<(), Refusal> {
        self.check_length(text.len())?;
        if is_showable(text) { Ok(()) } else { Err(Refusal::Unshowable { what: self }) }
    }

    /// Whether a text of so many bytes, or a list of so many values, may stand here.
    ///
    /// # Errors
    /// [`Refusal::TooLong`].
    pub fn check_length(self, found: usize) -> Result<(), Refusal> {
        let most = self.most();
        if found <= most {
            return Ok(());
        }
        Err(Refusal::TooLong { what: self, found: found as u64, most: most as u64 })
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kind => "the operation type is",
            Self::Title => "the title is",
            Self::Fields => "the list of values is",
            Self::FieldName => "the name of a value is",
            Self::Field => "a value is",
            Self::Caveat => "the caveat is",
            Self::Evidence => "the list of evidence is",
            Self::Label => "the label is",
            Self::Ground => "the ground is",
            Self::Controllers => "the list of who may control is",
            Self::Reason => "the reason is",
            Self::Report => "the text of the report is",
            Self::Commitments => "the list of commitments is",
            Self::Incident => "the text of the incident is",
            Self::Note => "the note is",
            Self::Acknowledged => "the list of acknowledged items is",
            Self::Shown => "what was shown is",
        })
    }
}
