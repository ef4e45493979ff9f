//! The charter's versions as a receipt carries them: what the roots signed, and the steps since then.

use serde::{Deserialize, Serialize};

use super::Founding;
use crate::charter::{Amendment, Charter};
use crate::identity::Hash;

/// A founding and the amendments that were made since, in order. The founding proves itself; a later version is proved by
/// its hash, where something certified names that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharterChain {
    /// Charter and signatures.
    pub founding: Founding,
    /// What leads to later versions.
    pub amendments: Vec<Amendment>,
}

impl CharterChain {
    /// The version with this hash, if the amendments lead to it and who joined with one has signed it.
    pub fn version(&self, hash: &Hash) -> Option<Charter> {
        let coalition = self.founding.charter.id();
        let mut charter = self.founding.charter.clone();
        let mut amendments = self.amendments.iter();
        while charter.hash() != *hash {
            let amendment = amendments.next()?;
            charter = charter.amended(amendment).ok()?;
            amendment.check_accessions(coalition).ok()?;
        }
        Some(charter)
    }
}
