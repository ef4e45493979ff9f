//! What processes are told of the log: it stands there, and a certificate covers it on the disk of who is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use entente_protocol::engine::Event;
use entente_protocol::identity::{Hash, RecordId};
use entente_protocol::leaf::{EntryLeaf, Leaf, MAX_LEAF_BYTES};
use entente_protocol::store::{Archive as _, Batch};
use entente_protocol::wire;

use super::Oracle;
use super::evidence::hashed;
use crate::sim::disk::Contents;

/// The log, by epoch.
pub(super) type Log = BTreeMap<u64, Arc<Batch>>;

/// How much of the log a disk has certified. What stands on it was checked when it got there.
fn certified(disk: &Contents) -> u64 {
    let certificate = disk.last_certificate().ok().flatten().map(|(_, certificate)| certificate.head.size);
    let proof = disk.last_proof().ok().flatten().map(|proof| proof.index + 1);
    certificate.max(proof).unwrap_or(0)
}

/// The leaf at an index, and its epoch.
fn leaf(log: &Log, index: u64) -> Option<(u64, Leaf)> {
    let batch = log.values().rev().find(|batch| batch.first_index <= index)?;
    let bytes = batch.leaves.get((index - batch.first_index) as usize)?;
    Some((batch.epoch, wire::decode(bytes, MAX_LEAF_BYTES).ok()?))
}

/// The id of what an entry says: that of the record, or the digest of the body that stands on the disk.
fn id_of(entry: &EntryLeaf, disk: &Contents) -> Option<RecordId> {
    entry.record.or_else(|| {
        let stored = disk.entries.get(&(entry.feed, entry.length)).filter(|it| it.hash == entry.hash)?;
        Some(RecordId(Hash(hashed("entente/body/v1", &[&stored.body]))))
    })
}

/// Says what is wrong with what a process is told of the log.
pub(super) fn check(log: &Log, disk: &Contents, event: &Event) -> Result<(), String> {
    let index = match event {
        Event::Ordered { index, .. }
        | Event::Decided { index, .. }
        | Event::Ruled { index, .. }
        | Event::Integrity { index, .. } => *index,
        Event::Certified { epoch, size, root } => {
            let stated = log.get(epoch).is_some_and(|batch| (batch.size(), batch.root) == (*size, *root));
            return match stated && certified(disk) >= *size {
                true => Ok(()),
                false => Err(format!("that epoch {epoch} is certified, which it is not")),
            };
        }
        _ => return Ok(()),
    };
    let stands = match (event, leaf(log, index)) {
        (Event::Ordered { id, epoch, feed, length, outcome, .. }, Some((of, Leaf::Entry(entry)))) => {
            (of, entry.feed, entry.length) == (*epoch, *feed, *length)
                && id_of(&entry, disk) == Some(*id)
                && entry.disposition.to_string() == *outcome
        }
        (Event::Decided { decision, .. }, Some((_, Leaf::Decision(stated)))) => stated == *decision,
        (Event::Ruled { ruled, .. }, Some((_, Leaf::Ruling(stated)))) => stated == *ruled,
        (Event::Integrity { .. }, Some((_, Leaf::Entry(_)))) => true,
        _ => false,
    };
    if !stands {
        return Err(format!("of what does not stand at index {index}: {event:?}"));
    }
    covers(disk, index)
}

fn covers(disk: &Contents, index: u64) -> Result<(), String> {
    let certified = certified(disk);
    if index < certified {
        return Ok(());
    }
    Err(format!("that index {index} is ordered, of which {certified} are certified there"))
}

impl Oracle {
    /// A process is told something of the log; `disk` is what is durable there.
    pub(in crate::sim) fn told(&mut self, process: usize, member: usize, disk: &Contents, event: &Event) {
        if self.liar[member] {
            return;
        }
        if let Err(what) = check(&self.log, disk, event) {
            self.fail(format!("process {process} is told {what}"));
        }
    }

    /// A process answers that a record which it is given again is ordered already.
    pub(super) fn told_again(&mut self, process: usize, disk: &Contents, id: RecordId, index: u64) {
        let stands = match leaf(&self.log, index) {
            Some((_, Leaf::Entry(entry))) => entry.record == Some(id),
            _ => false,
        };
        if !stands {
            return self.fail(format!(
                "process {process} answers with index {index}, where the record does not stand"
            ));
        }
        if let Err(what) = covers(disk, index) {
            self.fail(format!("process {process} answers {what}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use entente_protocol::coalition::Disposition;
    use entente_protocol::engine::{Held, Ticket};
    use entente_protocol::feed::{FeedKey, Head, Lane, Run};
    use entente_protocol::ledger::cosignature::{Certificate, TreeHead};
    use entente_protocol::record::Body;
    use entente_protocol::store::Write;
    use entente_protocol::time::Time;

    use super::*;
    use crate::sim::history::{History, Wish};
    use crate::sim::members::{Member, found};

    const RECORD: RecordId = RecordId(Hash([5; 32]));
    /// The log begins with leaves of an earlier epoch.
    const FIRST: u64 = 7;

    fn feed(members: &[Member]) -> FeedKey {
        FeedKey { node: members[1].node.public(), lane: Lane::Routine, incarnation: 0 }
    }

    fn body() -> Vec<u8> {
        Body::Note(b"a".to_vec()).encode()
    }

    /// An oracle that has seen epochs 1 and 2, of which the second orders a note and a record, and the disk of a process that has
    /// applied them.
    fn applied() -> (Oracle, Contents, Vec<Member>) {
        let (founded, members) = found(4, 0);
        let history = History::draw(0, Wish { seats: Some(4), plain: true, ..Wish::default() });
        let mut oracle = Oracle::new(&founded, &members, &history);
        (oracle.faulty, oracle.liar) = (vec![false; 4], vec![false; 4]);
        let (feed, coalition) = (feed(&members), oracle.coalition());
        let from = Head { length: 0, hash: feed.root(&coalition) };
        let run = Run::sign(&coalition, feed, from, vec![body(), vec![9]], &members[1].node);
        let heads = run.heads();
        let leaf = |length: usize, record| {
            let hash = heads[length - 1].hash;
            let length = length as u64;
            Leaf::Entry(EntryLeaf { feed, length, hash, record, disposition: Disposition::Applied }).encode()
        };
        let batch = |epoch, first_index, leaves| Batch {
            epoch,
            agreed: Vec::new(),
            time: Time(0),
            first_index,
            leaves,
            nodes: Vec::new(),
            root: Hash([epoch as u8; 32]),
        };
        let mut disk = Contents::new(coalition);
        disk.write(Write::Run { heads: heads.clone(), run });
        let earlier = batch(1, 0, vec![leaf(1, Some(RECORD)); FIRST as usize]);
        let last = batch(2, FIRST, vec![leaf(1, None), leaf(2, Some(RECORD))]);
        for batch in [earlier, last] {
            oracle.log.insert(batch.epoch, Arc::new(batch));
        }
        (oracle, disk, members)
    }

    fn certify(oracle: &Oracle, disk: &mut Contents, epoch: u64) {
        let batch = &oracle.log[&epoch];
        let head = TreeHead::new(batch.size(), batch.root, batch.time);
        let certificate = Certificate { head, cosignatures: Vec::new() };
        disk.write(Write::Certificate { epoch, certificate });
    }

    fn note_id() -> RecordId {
        RecordId(Hash(hashed("entente/body/v1", &[&body()])))
    }

    fn note(members: &[Member], index: u64) -> Event {
        Event::Ordered {
            id: note_id(),
            index,
            epoch: 2,
            feed: feed(members),
            length: 1,
            outcome: Disposition::Applied.to_string(),
        }
    }

    fn is_refused(oracle: &mut Oracle, disk: &Contents, event: &Event) -> bool {
        oracle.failures.clear();
        oracle.told(1, 1, disk, event);
        oracle.failure().is_some()
    }

    #[test]
    fn an_order_that_is_told_before_a_certificate_covers_it_is_named() {
        let (mut oracle, mut disk, members) = applied();
        let event = note(&members, FIRST);
        assert!(is_refused(&mut oracle, &disk, &event), "nothing is certified");
        certify(&oracle, &mut disk, 1);
        assert!(is_refused(&mut oracle, &disk, &event), "what is before it is certified");
        certify(&oracle, &mut disk, 2);
        assert!(!is_refused(&mut oracle, &disk, &event), "{:?}", oracle.failure());
    }

    #[test]
    fn an_order_that_is_told_of_another_index_or_entry_is_named() {
        let (mut oracle, mut disk, members) = applied();
        certify(&oracle, &mut disk, 2);
        for index in [FIRST - 1, FIRST + 1, FIRST + 2] {
            assert!(is_refused(&mut oracle, &disk, &note(&members, index)), "{index}");
        }
        let all = |id, epoch, length, outcome: &str| Event::Ordered {
            id,
            index: FIRST,
            epoch,
            feed: feed(&members),
            length,
            outcome: outcome.into(),
        };
        let (id, applied) = (note_id(), Disposition::Applied.to_string());
        assert!(!is_refused(&mut oracle, &disk, &all(id, 2, 1, &applied)));
        for event in [
            all(RECORD, 2, 1, &applied),
            all(id, 1, 1, &applied),
            all(id, 2, 2, &applied),
            all(id, 2, 1, "void"),
        ] {
            assert!(is_refused(&mut oracle, &disk, &event), "{event:?}");
        }
    }

    #[test]
    fn an_epoch_that_is_told_to_be_certified_is_as_it_is_told_and_on_the_disk() {
        let (mut oracle, mut disk, _) = applied();
        let certified = |size, root: u8| Event::Certified { epoch: 2, size, root: Hash([root; 32]) };
        assert!(is_refused(&mut oracle, &disk, &certified(FIRST + 2, 2)));
        certify(&oracle, &mut disk, 2);
        assert!(!is_refused(&mut oracle, &disk, &certified(FIRST + 2, 2)));
        assert!(is_refused(&mut oracle, &disk, &certified(FIRST + 1, 2)));
        assert!(is_refused(&mut oracle, &disk, &certified(FIRST + 2, 1)));
    }

    #[test]
    fn an_answer_that_a_record_is_ordered_names_where_it_stands_and_is_covered() {
        let (mut oracle, mut disk, _) = applied();
        let mut is_refused = |disk: &Contents, index| {
            oracle.failures.clear();
            oracle.submitted(Ticket(1), 1, &[9]);
            let held = Held { id: RECORD, place: None, ordered: Some(index) };
            oracle.replied(1, 1, disk, Ticket(1), &Ok(held));
            oracle.failure().is_some()
        };
        assert!(is_refused(&disk, FIRST + 1), "nothing is certified");
        let certificate = TreeHead::new(FIRST + 2, Hash([2; 32]), Time(0));
        let certificate = Certificate { head: certificate, cosignatures: Vec::new() };
        disk.write(Write::Certificate { epoch: 2, certificate });
        assert!(!is_refused(&disk, FIRST + 1));
        assert!(is_refused(&disk, FIRST), "the note stands there");
    }
}
