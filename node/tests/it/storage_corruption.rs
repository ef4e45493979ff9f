//! A flipped bit anywhere in the files is told as damage or changes nothing; it never panics and is never served.

use std::path::Path;

use entente_node::storage::counter::Counter;
use entente_node::storage::{Store, StoreError};

use super::storage_sample::{history, identity, report};

/// A store with a history, closed; returns what it answers.
fn prepare(path: &Path) -> String {
    let store = Store::open(path, &identity()).expect("opens");
    for (writes, marks) in history() {
        store.commit(&writes, &marks).expect("commits");
    }
    report(&store).expect("is sound")
}

/// Opens a damaged copy and compares what it answers with the truth.
fn check(path: &Path, truth: &str, what: &str) -> bool {
    match Store::open(path, &identity()) {
        Ok(store) => match report(&store) {
            Ok(found) => {
                assert!(found == truth, "{what}: a wrong answer");
                false
            }
            Err(damage) => {
                assert!(!damage.what.is_empty() && !damage.why.is_empty(), "{what}");
                true
            }
        },
        Err(StoreError::Format { .. } | StoreError::Foreign { .. }) => {
            panic!("{what}: damage taken for something else")
        }
        Err(error) => {
            assert!(error.is_damage(), "{what}: {error}");
            true
        }
    }
}

#[test]
fn a_flipped_bit_in_the_closed_store_is_damage_or_harmless() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("store.redb");
    let truth = prepare(&path);
    let sound = std::fs::read(&path).expect("reads");
    let counter = std::fs::read(Counter::path(&path)).expect("reads");
    let used = sound.iter().rposition(|byte| *byte != 0).expect("not empty") + 1;
    // The header densely, then a stride that is prime to all sizes in the file.
    let offsets = (0..320).step_by(3).chain((512..used).step_by(1021));
    let (mut tried, mut noticed) = (0, 0);
    for offset in offsets {
        let mut bytes = sound.clone();
        bytes[offset] ^= 1 << (offset % 8);
        std::fs::write(&path, &bytes).expect("writes");
        std::fs::write(Counter::path(&path), &counter).expect("writes");
        tried += 1;
        noticed += usize::from(check(&path, &truth, &format!("bit {} of byte {offset}", offset % 8)));
    }
    assert!(noticed * 10 > tried, "only {noticed} of {tried} flips were noticed: the test hits nothing");
}

#[test]
fn a_cut_or_emptied_store_is_damage() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("store.redb");
    let truth = prepare(&path);
    let sound = std::fs::read(&path).expect("reads");
    for length in [0, 1, 63, 64, 320, 4096, sound.len() / 2, sound.len() - 4096] {
        std::fs::write(&path, &sound[..length]).expect("writes");
        check(&path, &truth, &format!("cut to {length} bytes"));
    }
    std::fs::write(&path, b"").expect("writes");
    assert!(check(&path, &truth, "emptied"));
    std::fs::write(&path, b"not a database").expect("writes");
    assert!(check(&path, &truth, "replaced"));
}

#[test]
fn a_flipped_bit_in_the_counter_is_damage() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("store.redb");
    let truth = prepare(&path);
    let sound = std::fs::read(Counter::path(&path)).expect("reads");
    for bit in 0..sound.len() * 8 {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(Counter::path(&path), &bytes).expect("writes");
        assert!(check(&path, &truth, &format!("bit {bit} of the counter")));
    }
}

#[test]
fn a_bit_that_flips_while_the_store_is_open_is_damage_or_harmless() {
    use std::os::unix::fs::FileExt as _;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("store.redb");
    let truth = prepare(&path);
    let sound = std::fs::read(&path).expect("reads");
    let used = sound.iter().rposition(|byte| *byte != 0).expect("not empty") + 1;
    let mut noticed = 0;
    for offset in (4096..used).step_by(2039) {
        // Opened anew each time, so that pages come from the file and not from memory.
        std::fs::write(&path, &sound).expect("writes");
        let store = Store::open(&path, &identity()).expect("opens");
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("opens");
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset as u64).expect("reads");
        file.write_all_at(&[byte[0] ^ 0x10], offset as u64).expect("writes");
        match report(&store) {
            Ok(found) => assert!(found == truth, "byte {offset}: a wrong answer"),
            Err(_) => noticed += 1,
        }
        // The counter has to stand where the untouched file stands.
        drop(store);
        std::fs::remove_file(Counter::path(&path)).expect("removes");
    }
    println!("{noticed} flips noticed while open");
}
