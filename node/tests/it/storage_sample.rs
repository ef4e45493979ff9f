//! A small history of writes of every kind, and a reader that says everything a store answers.

use std::fmt::Write as _;

use entente_hbbft::{Digest, Frame, Message, Seat};
use entente_node::storage::{Identity, Mark, Store, body_id};
use entente_protocol::feed::{BodyBytes, Branch, FeedKey, ForkProof, Head, Lane, Run, body_digest};
use entente_protocol::identity::{CoalitionId, Hash, RecordId, SecretKey, hash};
use entente_protocol::ledger::cosignature::{Certificate, Cosignature, TreeHead};
use entente_protocol::ledger::merkle::Frontier;
use entente_protocol::record::Body;
use entente_protocol::store::{Archive, Batch, Damage, FoundFork, Write};
use entente_protocol::time::Time;
use entente_protocol::vote::{VoteFeed, VoteFrame};

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

pub(crate) fn coalition(name: &str) -> CoalitionId {
    CoalitionId(hash("test", &[name.as_bytes()]))
}

pub(crate) fn identity() -> Identity {
    Identity { coalition: coalition("one"), node: key(1).public() }
}

pub(crate) fn feed(seed: u8, lane: Lane) -> FeedKey {
    FeedKey { node: key(seed).public(), lane, incarnation: 0 }
}

pub(crate) fn note(text: &str) -> Vec<u8> {
    Body::Note(text.as_bytes().to_vec()).encode()
}

/// A signed run of notes and its heads; `from` is `None` for the beginning of the feed.
pub(crate) fn run(seed: u8, lane: Lane, from: Option<Head>, notes: &[&str]) -> Write {
    let (coalition, feed) = (coalition("one"), feed(seed, lane));
    let from = from.unwrap_or(Head { length: 0, hash: feed.root(&coalition) });
    let run = Run::sign(&coalition, feed, from, notes.iter().map(|text| note(text)).collect(), &key(seed));
    Write::Run { heads: run.heads(), run }
}

pub(crate) fn last_head(write: &Write) -> Head {
    match write {
        Write::Run { heads, .. } => *heads.last().expect("a run has entries"),
        other => panic!("{other:?} is no run"),
    }
}

pub(crate) fn frame(epoch: u64, seat: u16, seq: u32, digest: u8) -> VoteFrame {
    let feed = VoteFeed { seat: Seat(seat), incarnation: 0, era: 1, epoch };
    let votes = Frame::pack([Message::Echo { proposer: Seat(0), digest: Digest([digest; 32]) }]);
    VoteFrame::sign(&coalition("one"), feed, seq, hash("previous", &[&[seq as u8]]), votes, &key(seat as u8))
}

/// A batch of `leaves` on top of `log`.
pub(crate) fn batch(epoch: u64, log: &mut Frontier, leaves: &[&str]) -> Batch {
    let first_index = log.size();
    let leaves = leaves.iter().map(|leaf| leaf.as_bytes().to_vec()).collect::<Vec<_>>();
    let mut nodes = Vec::new();
    for leaf in &leaves {
        nodes.extend(log.append(leaf).into_iter().map(|(id, hash)| (id.level, id.index, hash)));
    }
    Batch {
        epoch,
        agreed: vec![(Seat(0), vec![epoch as u8; 40]), (Seat(2), vec![])],
        time: Time(1_000_000 + epoch),
        first_index,
        leaves,
        nodes,
        root: log.root(),
    }
}

pub(crate) fn certificate(epoch: u64, log: &Frontier) -> Write {
    let head = TreeHead::new(log.size(), log.root(), Time(1_000_000));
    let cosignatures = vec![Cosignature { seat: 0, signature: head.cosign(&coalition("one"), &key(0)) }];
    Write::Certificate { epoch, certificate: Certificate { head, cosignatures } }
}

pub(crate) fn found_fork() -> FoundFork {
    FoundFork {
        proof: fork(),
        bodies: [Some(BodyBytes(b"a".to_vec())), None],
        brought: (key(3).public(), 1),
        found: Time(5),
    }
}

pub(crate) fn fork() -> ForkProof {
    let feed = feed(3, Lane::Flash);
    let branch = |text: &[u8]| Branch {
        hash: body_digest(text),
        digests: vec![body_digest(b"next")],
        signature: key(3).sign("test", text),
    };
    ForkProof::new(feed, 7, [branch(b"a"), branch(b"b")])
}

pub(crate) fn decided() -> RecordId {
    RecordId(hash("decided", &[]))
}

/// Commits, one after the other, of every kind of write.
pub(crate) fn history() -> Vec<(Vec<Write>, Vec<Mark>)> {
    let mut log = Frontier::new();
    let first = run(1, Lane::Routine, None, &["a", "b", "c"]);
    let head = last_head(&first);
    let mut commits = vec![
        (vec![first, run(2, Lane::Flash, None, &["flash"])], vec![]),
        (
            vec![
                run(1, Lane::Routine, Some(head), &["d"]),
                Write::Frame(frame(1, 0, 0, 1)),
                Write::Frame(frame(1, 0, 1, 2)),
                Write::Frame(frame(1, 1, 0, 1)),
                Write::Payload { epoch: 1, digest: Digest([7; 32]), bytes: vec![7; 300] },
            ],
            vec![],
        ),
        (
            vec![Write::Batch(batch(1, &mut log, &["leaf 0", "leaf 1", "leaf 2"])), certificate(1, &log)],
            vec![
                Mark::Ordered { id: body_id(&note("a")), index: 0 },
                Mark::Decided { operation: decided(), index: 1 },
            ],
        ),
        (vec![Write::Fork(Box::new(found_fork()))], vec![]),
        (vec![Write::Equivocation(Box::new([frame(2, 1, 0, 1), frame(2, 1, 0, 2)]))], vec![]),
        (
            vec![
                Write::Truncate { feed: feed(1, Lane::Routine), length: 2 },
                Write::Truncate { feed: feed(2, Lane::Flash), length: 0 },
            ],
            vec![],
        ),
        (vec![Write::RolledBack { incarnation: 1 }, Write::RolledBack { incarnation: 0 }], vec![]),
        // A restore: what was not ordered is said again in the next incarnation.
        (
            vec![
                Write::Truncate { feed: feed(1, Lane::Routine), length: 0 },
                said_again(),
                Write::Restored { incarnation: 2 },
            ],
            vec![],
        ),
        (vec![Write::RolledBack { incarnation: 2 }], vec![]),
    ];
    for epoch in 2..6 {
        let texts =
            (0..epoch).map(|i| format!("epoch {epoch} leaf {i} {}", "x".repeat(200))).collect::<Vec<_>>();
        let leaves = texts.iter().map(String::as_str).collect::<Vec<_>>();
        commits.push((vec![Write::Batch(batch(epoch, &mut log, &leaves)), certificate(epoch, &log)], vec![]));
    }
    commits
}

/// Entries of an incarnation after the first.
fn said_again() -> Write {
    let feed = FeedKey { incarnation: 2, ..feed(1, Lane::Routine) };
    let from = Head { length: 0, hash: feed.root(&coalition("one")) };
    let run = Run::sign(&coalition("one"), feed, from, vec![note("a"), note("b")], &key(1));
    let heads = run.heads();
    Write::Run { run, heads }
}

/// Everything that a store answers, as text, or the first damage. Never more than one state of the store.
pub(crate) fn report(store: &Store) -> Result<String, Damage> {
    let mut text = String::new();
    let mut say = |what: &dyn std::fmt::Debug| writeln!(text, "{what:?}").expect("writing to memory");
    for (feed, head) in store.feeds()? {
        say(&(feed, head));
        for length in 0..=head.length + 1 {
            say(&store.entry(&feed, length)?);
        }
    }
    for epoch in 0..8 {
        for seat in 0..3 {
            say(&store.frames(epoch, Seat(seat), 0, 100)?);
            say(&store.frames(epoch, Seat(seat), 1, 1)?);
        }
        say(&store.payload(epoch, &Digest([7; 32]))?);
        say(&store.payloads(epoch)?);
        say(&store.batch(epoch)?);
        say(&store.certificate(epoch)?);
    }
    say(&store.lives()?);
    say(&store.last_certificate()?);
    say(&store.forks()?);
    say(&store.equivocations()?);
    let size = store.size()?;
    say(&size);
    say(&store.leaves(0, 100)?);
    for index in 0..=size {
        say(&store.node(0, index)?);
        say(&store.node(1, index)?);
    }
    for text in ["a", "b", "c", "d", "flash", "never"] {
        let id = body_id(&note(text));
        say(&store.places(&id)?);
        say(&store.index_of(&id)?);
    }
    say(&store.decision_of(&decided())?);
    say(&store.get_meta("book")?);
    Ok(text)
}

/// The root that RFC 6962 gives to `leaves`, computed by its definition.
pub(crate) fn root(leaves: &[Vec<u8>]) -> Hash {
    use entente_protocol::ledger::merkle::{leaf_hash, node_hash};
    match leaves {
        [one] => leaf_hash(one),
        many => {
            let half = (many.len() as u64).div_ceil(2).next_power_of_two() as usize;
            let half = if half == many.len() { half / 2 } else { half };
            node_hash(&root(&many[..half]), &root(&many[half..]))
        }
    }
}
