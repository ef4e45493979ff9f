//! What a partner says when it acts alone, under a lease that the charter declares.

use serde::{Deserialize, Serialize};

use super::Open;
use crate::identity::RecordId;

/// What a partner commits provisionally: it acts on it before the coalition has agreed, because it cannot reach the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaseAct {
    /// An operation that this record opens.
    Open(LeasedOpen),
    /// An operation that was opened before.
    Commit(Commit),
}

/// Opens an operation and commits it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasedOpen {
    /// The operation.
    pub open: Open,
    /// Size of the log as its author knew it.
    pub seen: u64,
}

/// Commits an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The operation.
    pub operation: RecordId,
    /// Size of the log as its author knew it.
    pub seen: u64,
}

impl LeaseAct {
    /// The operation that this names.
    pub fn operation(&self) -> Option<RecordId> {
        match self {
            Self::Open(_) => None,
            Self::Commit(commit) => Some(commit.operation),
        }
    }

    /// Size of the log as its author knew it.
    pub fn seen(&self) -> u64 {
        match self {
            Self::Open(opened) => opened.seen,
            Self::Commit(commit) => commit.seen,
        }
    }
}
