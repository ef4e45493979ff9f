//! The number of the last acknowledged commit, in a file beside the store.
//!
//! Guarantees: the number is never higher than what was durable, because it is written after the commit; so a store
//! with fewer commits than this has lost some that were acknowledged. It is written without fsync, which costs nothing
//! and holds over a crash of the process; a power cut may leave it lower, which costs only sharpness.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use entente_protocol::identity::hash;

use super::table::Failure;

const BYTES: usize = 16;

/// The counter file of a store.
#[derive(Debug)]
pub struct Counter {
    file: File,
    acknowledged: u64,
}

impl Counter {
    /// The counter's path for a store at `store`.
    pub fn path(store: &Path) -> PathBuf {
        store.with_extension("commits")
    }

    /// Opens the counter of the store at `store`, or makes one that stands at 0.
    pub(super) fn open(store: &Path) -> Result<Self, Failure> {
        let path = Self::path(store);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        let mut bytes = Vec::new();
        (&mut file).take(BYTES as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            let mut counter = Self { file, acknowledged: 0 };
            counter.acknowledge(0)?;
            counter.file.sync_all()?;
            return Ok(counter);
        }
        let acknowledged = bytes.first_chunk::<8>().map_or(0, |number| u64::from_be_bytes(*number));
        if bytes != encode(acknowledged) {
            return Err(Failure::damage(
                &path.display().to_string(),
                "it is not a commit number with its checksum",
            ));
        }
        Ok(Self { file, acknowledged })
    }

    /// The number of the last commit that was acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Notes that commit `number` is durable.
    pub(super) fn acknowledge(&mut self, number: u64) -> Result<(), Failure> {
        self.file.write_all_at(&encode(number), 0)?;
        self.acknowledged = number;
        Ok(())
    }
}

fn encode(number: u64) -> [u8; BYTES] {
    let number = number.to_be_bytes();
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&number);
    bytes[8..].copy_from_slice(&hash("entente/store-commits/v1", &[&number]).as_bytes()[..8]);
    bytes
}
