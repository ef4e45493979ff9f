//! Who has which exclusive resource.
//!
//! Guarantee: of claims on one resource that overlap, at most one is held. An operation holds its claims from its opening on,
//! while it is open and once it is agreed; they are free again when it fails, expires, is concluded or is annulled. So the order
//! of openings decides, and the loser is told by whom. Looking and changing cost a logarithm of what is held: what is held under one key never overlaps,
//! so the last one that begins before the end of another is the only one that can meet it.

use std::collections::BTreeMap;

use super::operation::Operation;
use crate::charter::Claim;
use crate::identity::{Hash, RecordId};
use crate::time::Time;

/// The claims that are held, by resource and beginning. Follows from the operations.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims(BTreeMap<(Hash, Time), (Time, RecordId)>);

impl Claims {
    /// The operation that holds what `claim` asks for, if one does.
    pub(super) fn holder(&self, claim: &Claim) -> Option<RecordId> {
        let key = claim.key();
        let before = self.0.range((key, Time(0))..(key, claim.until)).next_back();
        before.filter(|(_, (until, _))| *until > claim.from).map(|(_, (_, operation))| *operation)
    }

    /// Holds what `operation` claims, if it is open or agreed.
    pub(super) fn hold(&mut self, operation: &Operation) {
        if operation.holds_claims() {
            for claim in &operation.claims {
                self.0.insert((claim.key(), claim.from), (claim.until, operation.id));
            }
        }
    }

    /// Frees what `operation` claims.
    pub(super) fn free(&mut self, operation: &Operation) {
        for claim in &operation.claims {
            let place = (claim.key(), claim.from);
            if self.0.get(&place).is_some_and(|(_, holder)| *holder == operation.id) {
                self.0.remove(&place);
            }
        }
    }
}
