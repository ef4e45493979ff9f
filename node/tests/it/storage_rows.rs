//! What is written comes back, also after the store is closed and opened again, and only for its owner.

use entente_hbbft::{Digest, Seat};
use entente_node::storage::counter::Counter;
use entente_node::storage::{Identity, Mark, Place, Store, StoreError, body_id};
use entente_protocol::coalition::Disposition;
use entente_protocol::feed::{FeedKey, Head, Lane};
use entente_protocol::identity::{Hash, RecordId, hash};
use entente_protocol::leaf::{CoinMode, EntryLeaf, EpochRecord, Leaf};
use entente_protocol::ledger::merkle::Frontier;
use entente_protocol::replicate::EpochProof;
use entente_protocol::store::{Archive as _, Mark as Copied, Snapshot, Taken, Write};
use entente_protocol::time::Time;

use super::storage_sample::{
    batch, certificate, coalition, decided, feed, found_fork, frame, history, identity, key, last_head, note,
    report, root, run,
};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn every_kind_of_write_comes_back() {
    let folder = folder();
    let store = Store::open(&folder.path().join("store.redb"), &identity()).expect("opens");
    let commits = history();
    for (writes, marks) in &commits[..2] {
        store.commit(writes, marks).expect("commits");
    }
    let Write::Run { run, heads } = &commits[0].0[0] else { panic!("the first write is a run") };
    let feed_one = feed(1, Lane::Routine);
    for (i, head) in heads.iter().enumerate() {
        let entry = store.entry(&feed_one, head.length).expect("reads").expect("is there");
        assert_eq!((entry.hash, &entry.body), (head.hash, &run.bodies[i].0));
        assert_eq!(
            entry.signature,
            (i == 2).then_some(run.signature),
            "the signature stands at the run's end"
        );
    }
    let heads = store.feeds().expect("reads");
    assert_eq!(heads.len(), 2);
    assert!(heads.contains(&(feed_one, last_head(&commits[1].0[0]))));
    assert_eq!(store.frames(1, Seat(0), 0, 9).expect("reads"), [frame(1, 0, 0, 1), frame(1, 0, 1, 2)]);
    assert_eq!(store.frames(1, Seat(0), 1, 9).expect("reads"), [frame(1, 0, 1, 2)]);
    assert_eq!(store.frames(1, Seat(0), 0, 1).expect("reads"), [frame(1, 0, 0, 1)]);
    assert_eq!(store.frames(1, Seat(0), 5, 9).expect("reads"), []);
    assert_eq!(store.payload(1, &Digest([7; 32])).expect("reads"), Some(vec![7; 300]));
    assert_eq!(store.payload(2, &Digest([7; 32])).expect("reads"), None);
    let place = Place { feed: feed_one, length: 4 };
    assert_eq!(store.places(&body_id(&note("d"))).expect("reads"), [place]);

    for (writes, marks) in &commits[2..] {
        store.commit(writes, marks).expect("commits");
    }
    let mut log = Frontier::new();
    let first = batch(1, &mut log, &["leaf 0", "leaf 1", "leaf 2"]);
    assert_eq!(store.batch(1).expect("reads"), Some(first));
    assert_eq!(store.batch(9).expect("reads"), None);
    assert_eq!(
        store.leaf(1).expect("reads").map(|leaf| (leaf.epoch, leaf.bytes)),
        Some((1, b"leaf 1".to_vec()))
    );
    assert_eq!(store.index_of(&body_id(&note("a"))).expect("reads"), Some(0));
    assert_eq!(store.decision_of(&decided()).expect("reads"), Some(1));
    assert_eq!(store.forks().expect("reads"), [found_fork()]);
    assert_eq!(store.equivocations().expect("reads"), [[frame(2, 1, 0, 1), frame(2, 1, 0, 2)]]);
    let leaves =
        store.leaves(0, 100).expect("reads").into_iter().map(|(_, leaf)| leaf.bytes).collect::<Vec<_>>();
    let (epoch, last) = store.last_certificate().expect("reads").expect("is there");
    assert_eq!((epoch, last.head.size, last.head.root), (5, leaves.len() as u64, root(&leaves)));
    // The branch was dropped, and with it the places of its records.
    assert_eq!(store.feeds().expect("reads").len(), 1);
    assert_eq!(store.entry(&feed_one, 3).expect("reads"), None);
    assert_eq!(store.places(&body_id(&note("d"))).expect("reads"), []);
    store.verify().expect("every row holds");
}

#[test]
fn a_store_answers_the_same_after_it_is_opened_again() {
    let folder = folder();
    let path = folder.path().join("store.redb");
    let mut store = Store::open(&path, &identity()).expect("opens");
    let mut commits = store.commits();
    for (writes, marks) in history() {
        store.commit(&writes, &marks).expect("commits");
        store.set_meta("book", &[1, 2, 3]).expect("commits");
        let before = report(&store).expect("is sound");
        drop(store);
        store = Store::open(&path, &identity()).expect("opens again");
        assert_eq!(report(&store).expect("is sound"), before);
        assert_eq!(store.commits(), commits + 2);
        commits += 2;
    }
}

#[test]
fn another_coalitions_or_nodes_store_is_refused_by_name() {
    let folder = folder();
    let path = folder.path().join("store.redb");
    drop(Store::open(&path, &identity()).expect("opens"));
    let other = Identity { coalition: coalition("two"), ..identity() };
    let error = Store::open(&path, &other).err().expect("is refused");
    assert!(matches!(error, StoreError::Foreign { what: "coalition", .. }), "{error}");
    let other = Identity { node: key(9).public(), ..identity() };
    let error = Store::open(&path, &other).err().expect("is refused");
    assert!(matches!(error, StoreError::Foreign { what: "node", .. }), "{error}");
    Store::open(&path, &identity()).expect("its owner opens it");
}

#[test]
fn two_processes_cannot_use_one_store() {
    let folder = folder();
    let path = folder.path().join("store.redb");
    let first = Store::open(&path, &identity()).expect("opens");
    let error = Store::open(&path, &identity()).err().expect("is refused");
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    drop(first);
    Store::open(&path, &identity()).expect("opens when the first is gone");
}

#[test]
fn writes_that_contradict_the_store_are_refused_and_change_nothing() {
    let folder = folder();
    let path = folder.path().join("store.redb");
    let open = || {
        let store = Store::open(&path, &identity()).expect("opens");
        if store.size().expect("reads") == 0 {
            for (writes, marks) in &history()[..3] {
                store.commit(writes, marks).expect("commits");
            }
        }
        store
    };
    let before = report(&open()).expect("is sound");
    let mut log = Frontier::new();
    log.append(b"elsewhere");
    let contradictions = [
        run(1, Lane::Routine, None, &["again"]),
        run(
            1,
            Lane::Routine,
            Some(last_head(&run(1, Lane::Routine, None, &["x", "y", "z", "u"]))),
            &["branch"],
        ),
        run(3, Lane::Flash, Some(last_head(&run(3, Lane::Flash, None, &["gap"]))), &["late"]),
        Write::Batch(batch(4, &mut log, &["gap"])),
        Write::Batch(batch(2, &mut log, &["wrong index"])),
    ];
    for write in contradictions {
        let store = open();
        let sound = run(4, Lane::Flash, None, &["sound"]);
        let error = store.commit(&[sound, write.clone()], &[]).expect_err("is refused");
        assert!(error.is_damage(), "{error}");
        let error = store.commit(&[], &[]).expect_err("stays closed");
        assert!(matches!(error, StoreError::Closed { .. }), "{error}");
        assert_eq!(report(&store).expect("is sound"), before, "{write:?}");
    }
}

#[test]
fn a_store_that_is_gone_or_older_than_acknowledged_is_damage() {
    let folder = folder();
    let path = folder.path().join("store.redb");
    let copy = folder.path().join("copy");
    let store = Store::open(&path, &identity()).expect("opens");
    store.commit(&history()[0].0, &[]).expect("commits");
    drop(store);
    std::fs::copy(&path, &copy).expect("copies");
    let store = Store::open(&path, &identity()).expect("opens");
    store.commit(&history()[1].0, &[]).expect("commits");
    drop(store);
    std::fs::copy(&copy, &path).expect("copies");
    let error = Store::open(&path, &identity()).err().expect("is refused");
    assert!(error.is_damage() && error.to_string().contains("3 were acknowledged"), "{error}");
    std::fs::remove_file(&path).expect("removes");
    let error = Store::open(&path, &identity()).err().expect("is refused");
    assert!(error.is_damage() && error.to_string().contains("gone"), "{error}");
    // Without the counter, which is not fsynced, a new beginning is possible; that is the operator's decision.
    std::fs::remove_file(Counter::path(&path)).expect("removes");
    Store::open(&path, &identity()).expect("begins anew");
}

#[test]
fn a_record_is_found_at_its_first_leaf_and_a_parked_one_where_it_was_released() {
    let folder = folder();
    let store = Store::open(&folder.path().join("store.redb"), &identity()).expect("opens");
    let (plain, parked) = (RecordId(hash("test", &[b"plain"])), RecordId(hash("test", &[b"parked"])));
    let leaf = |record, disposition| {
        let (feed, hash) = (feed(1, Lane::Routine), hash("test", &[b"entry"]));
        Leaf::Entry(EntryLeaf { feed, length: 1, hash, record: Some(record), disposition }).encode()
    };
    let leaves = [
        (plain, Disposition::Applied),
        (parked, Disposition::Parked { awaits: plain }),
        (plain, Disposition::Duplicate { first: 0 }),
        (parked, Disposition::Applied),
        (parked, Disposition::Duplicate { first: 3 }),
    ];
    let mut log = Frontier::new();
    let mut batch = batch(1, &mut log, &[]);
    batch.leaves = leaves.iter().map(|(record, disposition)| leaf(*record, disposition.clone())).collect();
    let marks = leaves.iter().zip(0..).map(|((id, _), index)| Mark::Ordered { id: *id, index });
    store.commit(&[Write::Batch(batch)], &marks.collect::<Vec<_>>()).expect("commits");
    assert_eq!(store.index_of(&plain).expect("reads"), Some(0));
    assert_eq!(store.index_of(&parked).expect("reads"), Some(3));
}

#[test]
fn a_copy_of_the_state_follows_what_has_changed_and_a_taken_one_takes_the_place_of_history() {
    let folder = folder();
    let path = folder.path().join("store.redb");
    let store = Store::open(&path, &identity()).expect("opens");
    for (writes, marks) in history() {
        store.commit(&writes, &marks).expect("commits");
    }
    let key = |n: u8| Hash([n; 32]);
    let mark = |epoch, index, committed: &[(FeedKey, Head, bool)]| Copied {
        epoch,
        index,
        leaf: record(epoch, committed.to_vec()).encode(),
    };
    let copy = |mark: &Copied, items: &[(u8, Option<&[u8]>)], taken| {
        let items = items.iter().map(|(n, bytes)| (key(*n), bytes.map(<[u8]>::to_vec))).collect();
        Write::Snapshot(Box::new(Snapshot { mark: mark.clone(), items, taken }))
    };
    let items = |store: &Store| store.items(None, None, usize::MAX).expect("reads");
    let of = |pairs: &[(u8, &[u8])]| pairs.iter().map(|(n, b)| (key(*n), b.to_vec())).collect::<Vec<_>>();
    assert_eq!(store.snapshot().expect("reads"), None);
    let first = mark(4, 9, &[]);
    let items_of_first = [(3, Some(&b"three"[..])), (1, Some(b"one")), (2, Some(b"two"))];
    store.commit(&[copy(&first, &items_of_first, None)], &[]).expect("commits");
    let second = mark(5, 14, &[]);
    store
        .commit(&[copy(&second, &[(2, None), (3, Some(b"3")), (9, Some(b"nine"))], None)], &[])
        .expect("commits");
    assert_eq!(items(&store), of(&[(1, b"one"), (3, b"3"), (9, b"nine")]));
    assert_eq!(store.items(Some(&key(1)), Some(&key(8)), usize::MAX).expect("reads"), of(&[(3, b"3")]));
    assert_eq!(store.items(None, None, 1).expect("reads"), of(&[(1, b"one")]), "one at least");
    assert_eq!(store.snapshot().expect("reads"), Some(second));
    assert_eq!(store.floor().expect("reads"), None);

    // Far ahead: the feed of node 2 is ordered up to length 30, of which nothing is held.
    let (ahead, held) = (feed(2, Lane::Flash), store.size().expect("reads"));
    let from = Head { length: 30, hash: Hash([30; 32]) };
    let third = mark(40, held + 100, &[(ahead, from, false)]);
    let Write::Certificate { certificate, .. } = certificate(40, &Frontier::new()) else { panic!() };
    let proof = EpochProof { certificate, index: third.index, leaf: third.leaf.clone(), path: Vec::new() };
    let nodes = vec![(7, 3, Hash([73; 32]))];
    let taken = Some(Taken { nodes, proof: proof.clone() });
    store.commit(&[copy(&third, &[(5, Some(b"five"))], taken)], &[]).expect("commits");
    assert_eq!(items(&store), of(&[(5, b"five")]), "what was there before is gone");
    let same = |store: &Store| {
        assert_eq!(store.floor().expect("reads"), Some(third.clone()));
        assert_eq!(store.last_proof().expect("reads"), Some(proof.clone()));
        assert_eq!(store.size().expect("reads"), held + 101);
        assert_eq!(Store::node(store, 7, 3).expect("reads"), Some(Hash([73; 32])));
        assert_eq!(store.batch(20).expect("no damage"), None);
        assert!(store.batch(5).expect("reads").is_some(), "what was held is held");
        assert_eq!(store.leaf(held + 50).expect("no damage").map(|leaf| leaf.epoch), None);
        let leaves = store.leaves(held - 1, 10).expect("reads").into_iter().map(|(index, _)| index);
        assert_eq!(leaves.collect::<Vec<_>>(), [held - 1, held + 100]);
        assert_eq!(store.entry(&ahead, 7).expect("no damage"), None);
    };
    same(&store);
    drop(store);
    let store = Store::open(&path, &identity()).expect("opens again");
    same(&store);
    // The log and the feed go on behind it, and a branch may be dropped down to it.
    let next = run(2, Lane::Flash, Some(from), &["next"]);
    let mut log = Frontier::new();
    (0..held + 101).for_each(|_| drop(log.append(b"any")));
    store.commit(&[next.clone(), Write::Batch(batch(41, &mut log, &["later"]))], &[]).expect("commits");
    assert_eq!(
        store.feeds().expect("reads").into_iter().find(|(of, _)| *of == ahead),
        Some((ahead, last_head(&next)))
    );
    store.commit(&[Write::Truncate { feed: ahead, length: 30 }], &[]).expect("commits");
    store.commit(&[next], &[]).expect("commits");
    store.verify().expect("every row holds");
}

/// An epoch's record that names these heads.
fn record(epoch: u64, committed: Vec<(FeedKey, Head, bool)>) -> Leaf {
    Leaf::Epoch(Box::new(EpochRecord {
        coalition: coalition("one"),
        era: 1,
        epoch,
        seats: 4,
        charter_version: 1,
        agreed: Vec::new(),
        committed,
        state_root: Hash::default(),
        time: Time(epoch),
        coin: CoinMode::Public,
        key_version: 0,
        dealings: None,
        activation: None,
    }))
}
