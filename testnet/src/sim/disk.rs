//! The storage model: what is written is durable only once something leaves behind it or it is synced; a crash keeps
//! some prefix of what was not.
//!
//! This is the contract of [`entente_protocol::store`] at its weakest: writes of one commit in order or not at all,
//! commits put off while nothing leaves. A torn commit is one of which the crash keeps the beginning only.

use entente_protocol::identity::CoalitionId;
pub(crate) use entente_protocol::store::Memory as Contents;
use entente_protocol::store::Write;

use super::rng::Rng;

/// A process's disk.
#[derive(Clone)]
pub(crate) struct Disk {
    /// What survives whatever happens.
    pub(crate) durable: Contents,
    /// Written since the last sync, in order.
    unsynced: Vec<Write>,
}

/// What a crash did to a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Writes that are gone.
    pub(crate) writes: usize,
    /// Whether some that were not synced stayed and some went.
    pub(crate) torn: bool,
}

impl Disk {
    pub(crate) fn new(coalition: CoalitionId) -> Self {
        Self { durable: Contents::new(coalition), unsynced: Vec::new() }
    }

    pub(crate) fn write(&mut self, write: Write) {
        self.unsynced.push(write);
    }

    /// Makes durable all that was written; `seen` hears of each, and what was durable before it.
    pub(crate) fn sync(&mut self, mut seen: impl FnMut(&Contents, &Write)) {
        for write in self.unsynced.drain(..) {
            seen(&self.durable, &write);
            self.durable.write(write);
        }
    }

    /// Power is lost: of what was not synced a prefix is kept.
    pub(super) fn crash(&mut self, rng: &mut Rng, seen: impl FnMut(&Contents, &Write)) -> Lost {
        let written = self.unsynced.len();
        let kept = rng.index(written + 1);
        self.unsynced.truncate(kept);
        self.sync(seen);
        Lost { writes: written - kept, torn: kept > 0 && kept < written }
    }
}
