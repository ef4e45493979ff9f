//! A crash at any write of a commit leaves the state before or after it, and a full disk acknowledges nothing.

use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex};

use entente_node::storage::{Store, StoreError};
use redb::StorageBackend;

use super::storage_sample::{history, identity, report};

/// A disk in memory that remembers what was written since it was synced last, and may be small.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// As it would be read after a crash, if nothing since the last sync had arrived.
    synced: Vec<u8>,
    /// As it is read.
    bytes: Vec<u8>,
    /// Since the last sync, in order.
    since: Vec<Change>,
    limit: Option<u64>,
    /// Every state that a crash might leave, if wanted.
    images: Option<Vec<Vec<u8>>>,
}

#[derive(Debug, Clone)]
enum Change {
    Length(u64),
    Write(u64, Vec<u8>),
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => bytes.resize(*length as usize, 0),
        Change::Write(offset, data) => {
            let (start, end) = (*offset as usize, *offset as usize + data.len());
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[start..end].copy_from_slice(data);
        }
    }
}

impl State {
    fn change(&mut self, change: Change) {
        apply(&mut self.bytes, &change);
        self.since.push(change);
        self.note_images();
    }

    /// After a crash, the first k changes have arrived, or all but the k-th: disks reorder between syncs.
    fn note_images(&mut self) {
        let Some(images) = &mut self.images else { return };
        let mut image = self.synced.clone();
        self.since.iter().for_each(|change| apply(&mut image, change));
        images.push(image);
        if self.since.len() > 1 {
            for missing in [0, self.since.len() - 2] {
                let mut image = self.synced.clone();
                for (i, change) in self.since.iter().enumerate() {
                    if i != missing {
                        apply(&mut image, change);
                    }
                }
                images.push(image);
            }
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64> {
        Ok(self.0.lock().expect("not poisoned").bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let state = self.0.lock().expect("not poisoned");
        let from = offset as usize;
        let bytes = state.bytes.get(from..from + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<()> {
        let mut state = self.0.lock().expect("not poisoned");
        if state.limit.is_some_and(|limit| length > limit) {
            return Err(Error::from(ErrorKind::StorageFull));
        }
        state.change(Change::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        let mut state = self.0.lock().expect("not poisoned");
        state.synced = state.bytes.clone();
        state.since.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let mut state = self.0.lock().expect("not poisoned");
        state.change(Change::Write(offset, data.to_vec()));
        Ok(())
    }
}

fn open(disk: &Disk) -> std::result::Result<Store, StoreError> {
    Store::on_backend(disk.clone(), &identity())
}

#[test]
fn a_crash_at_any_write_leaves_all_of_a_commit_or_nothing_of_it() {
    let disk = Disk::default();
    let store = open(&disk).expect("opens");
    let mut checked = 0;
    for (number, (writes, marks)) in history().into_iter().enumerate() {
        let before = report(&store).expect("is sound");
        disk.0.lock().expect("not poisoned").images = Some(Vec::new());
        store.commit(&writes, &marks).expect("commits");
        let images = disk.0.lock().expect("not poisoned").images.take().expect("was set");
        let after = report(&store).expect("is sound");
        for (at, image) in images.into_iter().enumerate() {
            let crashed = Disk::default();
            {
                let mut state = crashed.0.lock().expect("not poisoned");
                state.bytes = image.clone();
                state.synced = image;
            }
            let found = report(&open(&crashed).expect("opens after the crash")).expect("is sound");
            assert!(
                found == before || found == after,
                "commit {number}, crash {at}: neither before nor after"
            );
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} crashes are too few to say anything");
}

#[test]
fn what_was_committed_is_there_without_anything_that_was_not_synced() {
    let disk = Disk::default();
    let store = open(&disk).expect("opens");
    for (writes, marks) in history() {
        store.commit(&writes, &marks).expect("commits");
        let truth = report(&store).expect("is sound");
        let crashed = Disk::default();
        {
            let synced = disk.0.lock().expect("not poisoned").synced.clone();
            let mut state = crashed.0.lock().expect("not poisoned");
            state.bytes = synced.clone();
            state.synced = synced;
        }
        assert_eq!(report(&open(&crashed).expect("opens")).expect("is sound"), truth);
    }
}

#[test]
fn a_full_disk_is_named_and_nothing_is_acknowledged() {
    let disk = Disk::default();
    let store = open(&disk).expect("opens");
    let commits = history();
    store.commit(&commits[0].0, &[]).expect("commits");
    let before = report(&store).expect("is sound");
    let acknowledged = store.commits();
    let full = disk.len().expect("a length");
    disk.0.lock().expect("not poisoned").limit = Some(full);
    let big = entente_protocol::store::Write::Payload {
        epoch: 1,
        digest: entente_hbbft::Digest([1; 32]),
        bytes: vec![1; full as usize],
    };
    let error = store.commit(&[big], &[]).expect_err("is full");
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    assert!(error.to_string().contains("disk full"), "{error}");
    assert_eq!(store.commits(), acknowledged);
    let error = store.commit(&commits[1].0, &[]).expect_err("stays closed");
    assert!(matches!(error, StoreError::Closed { .. }), "{error}");
    drop(store);
    disk.0.lock().expect("not poisoned").limit = None;
    let store = open(&disk).expect("opens");
    assert_eq!(report(&store).expect("is sound"), before);
    store.commit(&commits[1].0, &[]).expect("goes on where there is room again");
}
