//! The epochs that may be under way at once: c < e <= c + [`WINDOW`], c being the last certified epoch.
//!
//! **Guarantees**: state is bounded whatever peers send; a frame of a permitted epoch that this seat cannot act
//! on yet is kept, not lost.
//!
//! What steers epoch e follows from the result of e - 1, so that a seat acts in e only once it knows that
//! ([`Window::open`]). Frames that come earlier pass the same checks, are kept as votes and are acted on then:
//! the same tables hold them, under the same bounds. Nothing is said in an epoch that is not open.
//! What *certified* means is the caller's; everything at or below it is dropped.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::committee::{Seat, SeatSet};
use crate::epoch::{Epoch, EpochError, EpochNumber, Payload, Setup, Step};
use crate::fault::Refusal;
use crate::frame::Frame;
use crate::message::Digest;

/// W: how many epochs above the last certified one are permitted.
pub const WINDOW: u64 = 4;

/// What a caller of a window did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WindowError {
    /// The epoch is certified, or too far above.
    #[error("epoch {epoch} is not within {WINDOW} epochs above the certified {certified}")]
    NotPermitted {
        /// The epoch asked for.
        epoch: EpochNumber,
        /// The last certified epoch.
        certified: EpochNumber,
    },
    /// The epoch is not open yet.
    #[error("epoch {epoch} is not open")]
    NotOpen {
        /// The epoch asked for.
        epoch: EpochNumber,
    },
    /// The epoch refused.
    #[error(transparent)]
    Epoch(#[from] EpochError),
}

/// The permitted epochs of one party.
#[derive(Clone, Debug)]
pub struct Window {
    setup: Setup,
    certified: EpochNumber,
    /// Permitted epochs of which anything is known; at most [`WINDOW`].
    epochs: BTreeMap<EpochNumber, Slot>,
}

#[derive(Clone, Debug)]
struct Slot {
    epoch: Epoch,
    open: bool,
}

impl Window {
    /// A window above the last certified epoch; epochs count from 1, so 0 if there is none.
    pub fn new(setup: Setup, certified: EpochNumber) -> Self {
        Self { setup, certified, epochs: BTreeMap::new() }
    }

    /// The last certified epoch, c.
    pub fn last_certified(&self) -> EpochNumber {
        self.certified
    }

    /// Whether c < `epoch` <= c + W.
    pub fn permitted(&self, epoch: EpochNumber) -> bool {
        epoch > self.certified && epoch.0 - self.certified.0 <= WINDOW
    }

    /// Opens an epoch: the caller knows all that steers it, the last agreed set among that. Acts on what came before;
    /// opening again does nothing. See [`Epoch::resume`].
    pub fn open(&mut self, epoch: EpochNumber, last_set: SeatSet) -> Result<Step, WindowError> {
        let slot = self.slot(epoch)?;
        if slot.open {
            return Ok(Step::default());
        }
        slot.open = true;
        Ok(slot.epoch.resume(last_set))
    }

    /// Takes in a frame that this seat said before a restart; before the epoch is opened. See
    /// [`Epoch::restore_own`].
    pub fn restore_own(&mut self, epoch: EpochNumber, frame: &Frame) -> Result<(), WindowError> {
        Ok(self.slot(epoch)?.epoch.restore_own(frame)?)
    }

    /// Takes a frame of another seat, into an open epoch or for later. See [`Epoch::receive`].
    pub fn receive(&mut self, epoch: EpochNumber, from: Seat, frame: &Frame) -> Result<Step, Refusal> {
        if epoch <= self.certified {
            return Err(Refusal::Passed);
        }
        // Here the only other reason for which there is no slot.
        let known = self.epochs.contains_key(&epoch);
        let slot = self.slot(epoch).map_err(|_| Refusal::NotYet)?;
        let result = slot.epoch.receive(from, frame);
        if result.is_err() && !known {
            self.epochs.remove(&epoch);
        }
        result
    }

    /// Takes a valid, durable payload into an open epoch. See [`Epoch::deliver`].
    pub fn deliver(&mut self, epoch: EpochNumber, payload: impl Into<Payload>) -> Result<Step, WindowError> {
        Ok(self.open_epoch(epoch)?.deliver(payload))
    }

    /// Learns that a payload is not valid. See [`Epoch::reject`].
    pub fn reject(&mut self, epoch: EpochNumber, digest: Digest) -> Result<Step, WindowError> {
        Ok(self.open_epoch(epoch)?.reject(digest))
    }

    /// Contributes to an open epoch. See [`Epoch::propose`].
    pub fn propose(&mut self, epoch: EpochNumber, payload: impl Into<Payload>) -> Result<Step, WindowError> {
        Ok(self.open_epoch(epoch)?.propose(payload)?)
    }

    /// Everything up to `epoch` is certified: drops it and permits later epochs. Never goes back.
    pub fn certified(&mut self, epoch: EpochNumber) {
        self.certified = self.certified.max(epoch);
        self.epochs.retain(|number, _| *number > self.certified);
    }

    /// An epoch that is permitted and of which anything is known, open or not.
    pub fn epoch(&self, epoch: EpochNumber) -> Option<&Epoch> {
        self.epochs.get(&epoch).map(|slot| &slot.epoch)
    }

    /// Whether an epoch is open.
    pub fn is_open(&self, epoch: EpochNumber) -> bool {
        self.epochs.get(&epoch).is_some_and(|slot| slot.open)
    }

    /// The epochs of which anything is known, in order.
    pub fn epochs(&self) -> impl DoubleEndedIterator<Item = &Epoch> {
        self.epochs.values().map(|slot| &slot.epoch)
    }

    fn slot(&mut self, epoch: EpochNumber) -> Result<&mut Slot, WindowError> {
        if !self.permitted(epoch) {
            return Err(WindowError::NotPermitted { epoch, certified: self.certified });
        }
        let setup = &self.setup;
        let slot = || Slot { epoch: Epoch::closed(setup, epoch), open: false };
        Ok(self.epochs.entry(epoch).or_insert_with(slot))
    }

    fn open_epoch(&mut self, epoch: EpochNumber) -> Result<&mut Epoch, WindowError> {
        if !self.permitted(epoch) {
            return Err(WindowError::NotPermitted { epoch, certified: self.certified });
        }
        match self.epochs.get_mut(&epoch) {
            Some(slot) if slot.open => Ok(&mut slot.epoch),
            _ => Err(WindowError::NotOpen { epoch }),
        }
    }
}
