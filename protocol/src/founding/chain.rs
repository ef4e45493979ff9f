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
        self.versions().find(|charter| charter.hash() == *hash)
    }

    /// The last version that the amendments lead to.
    pub fn last(&self) -> Charter {
        self.versions().last().unwrap_or_else(|| self.founding.charter.clone())
    }

    /// The versions in order, as far as the amendments lead.
    fn versions(&self) -> impl Iterator<Item = Charter> {
        let coalition = self.founding.charter.id();
        let mut amendments = self.amendments.iter();
        std::iter::successors(Some(self.founding.charter.clone()), move |charter| {
            let amendment = amendments.next()?;
            amendment.check_accessions(coalition).ok()?;
            charter.amended(amendment).ok()
        })
    }
}
