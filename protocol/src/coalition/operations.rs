//! All operations by id.
//!
//! Each stands in a place of its own: looking one up touches the ids on the way alone, and a new one moves no other.

use std::collections::BTreeMap;

use super::find::{FindError, find_id};
use super::operation::Operation;
use crate::identity::RecordId;

#[derive(Debug, Clone, Default)]
pub(super) struct Operations(BTreeMap<RecordId, Box<Operation>>);

impl Operations {
    pub(super) fn get(&self, id: &RecordId) -> Option<&Operation> {
        self.0.get(id).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: &RecordId) -> Option<&mut Operation> {
        self.0.get_mut(id).map(Box::as_mut)
    }

    pub(super) fn insert(&mut self, operation: Operation) {
        self.0.insert(operation.id, Box::new(operation));
    }

    pub(super) fn contains(&self, id: &RecordId) -> bool {
        self.0.contains_key(id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &RecordId> {
        self.0.keys()
    }

    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Operation> {
        self.0.values().map(Box::as_ref)
    }

    /// The one whose id begins with `text`.
    pub(super) fn find(&self, text: &str) -> Result<RecordId, FindError> {
        find_id(&self.0, text)
    }
}
