//! A member that was restored: from then on it is held to all that honest members are, in the incarnation that it took. Its
//! seat, which cannot know what it has signed, repeats words of before at most.

use std::collections::BTreeSet;

use entente_protocol::engine::{Fault, Held, Refused};
use entente_protocol::feed::FeedKey;
use entente_protocol::identity::RecordId;
use entente_protocol::leaf::{Leaf, MAX_LEAF_BYTES};
use entente_protocol::record::Body;
use entente_protocol::replicate::PeerMessage;
use entente_protocol::vote::VoteFrame;
use entente_protocol::wire;
use sha2::{Digest as _, Sha256};

use super::{Oracle, Promise, body_hash};
use crate::sim::disk::Contents;

/// What is known of a member that was rolled back.
#[derive(Default)]
pub(super) struct Life {
    /// The incarnation that it took; none before it was restored.
    incarnation: Option<u32>,
    /// What its seat has signed, by the digest of the message.
    signed: BTreeSet<[u8; 32]>,
    /// Why the last thing was refused that it was given to say since.
    refused: Option<Refused>,
}

/// How what a restored member was given to say fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sim) enum Said {
    /// Not answered, or not ordered yet.
    Waits,
    /// Not taken as long as it has not caught up: to be said again.
    Again,
    /// Never taken.
    Refused(String),
    /// All that it has said in its incarnation is ordered.
    Ordered,
}

fn digest(message: &PeerMessage) -> [u8; 32] {
    Sha256::digest(wire::encode(message)).into()
}

impl Oracle {
    /// Whether what a member says is excused: it lies, or was rolled back and not restored since.
    pub(in crate::sim) fn excuses(&self, member: usize) -> bool {
        self.faulty[member] && self.incarnation(member).is_none()
    }

    /// The incarnation from which on a member answers for what it says; none while nothing counts.
    pub(super) fn incarnation(&self, member: usize) -> Option<u32> {
        if !self.faulty[member] {
            return Some(0);
        }
        self.lives.get(&member).and_then(|life| life.incarnation)
    }

    /// Whether a member answers for what stands in a feed of its own.
    pub(super) fn answers_for(&self, member: usize, feed: &FeedKey) -> bool {
        self.incarnation(member).is_some_and(|incarnation| feed.incarnation >= incarnation)
    }

    /// A member is restored. Of what was on its disk nothing that the log lacks is lost: it is said again in the incarnation that
    /// it takes, in which nobody has heard it before.
    pub(in crate::sim) fn restored(&mut self, member: usize, before: &Contents, after: &Contents) {
        let incarnation = after.lives.incarnation;
        let node = self.nodes[member];
        let own = |feed: &FeedKey| feed.node == node;
        if before.entries.keys().any(|(feed, _)| own(feed) && feed.incarnation >= incarnation) {
            self.fail(format!("member {member} takes incarnation {incarnation}, in which it has spoken"));
        }
        let again: BTreeSet<[u8; 32]> = after
            .entries
            .iter()
            .filter(|((feed, _), _)| own(feed) && feed.incarnation == incarnation)
            .map(|(_, entry)| body_hash(&entry.body))
            .collect();
        let ordered = self.ordered_records();
        let is_lost = |feed: &FeedKey, length: u64, body: &[u8]| {
            let is_needed = match Body::decode(body) {
                Ok(Body::Signed(signed)) => !ordered.contains(&signed.record.id()),
                Ok(Body::Due(_)) => false,
                _ => true,
            };
            is_needed && !self.recount.is_ordered(feed, length) && !again.contains(&body_hash(body))
        };
        let lost = before
            .entries
            .iter()
            .find(|((feed, length), entry)| own(feed) && is_lost(feed, *length, &entry.body));
        if let Some(((feed, length), _)) = lost {
            let place = (feed.lane, feed.incarnation, *length);
            self.fail(format!("the restore of member {member} loses own entry {place:?}"));
        }
        let frames = before.frames.values().filter(|frame| frame.feed.seat.index() == member);
        let frames: Vec<_> = frames.map(|frame| digest(&PeerMessage::Frame(frame.clone()))).collect();
        let life = self.lives.entry(member).or_default();
        life.signed.extend(frames);
        life.incarnation = Some(incarnation);
    }

    fn ordered_records(&self) -> BTreeSet<RecordId> {
        let leaves = self.log.values().flat_map(|batch| &batch.leaves);
        let leaves = leaves.filter_map(|leaf| wire::decode(leaf, MAX_LEAF_BYTES).ok());
        let records = leaves.filter_map(|leaf| match leaf {
            Leaf::Entry(entry) => entry.record,
            _ => None,
        });
        records.collect()
    }

    /// Whether a message says what the seat of a member has signed.
    fn is_signed_by_seat(member: usize, message: &PeerMessage) -> bool {
        let seat = match message {
            PeerMessage::Frame(frame) => frame.feed.seat,
            PeerMessage::Cosign(cosign) => cosign.seat,
            PeerMessage::HeadReport(report) => report.reporter,
            PeerMessage::HeadRequest(request) => request.seat,
            _ => return false,
        };
        seat.index() == member
    }

    /// A member that was rolled back sends something: once it is restored, nothing that its seat has not signed before.
    pub(super) fn signs(&mut self, member: usize, message: &PeerMessage) {
        if !Self::is_signed_by_seat(member, message) {
            return;
        }
        let digest = digest(message);
        let life = self.lives.entry(member).or_default();
        if life.incarnation.is_none() {
            life.signed.insert(digest);
        } else if !life.signed.contains(&digest) {
            self.fail(format!("member {member} was restored, and its seat signs something new: {message:?}"));
        }
    }

    /// An own frame becomes durable at a restored member; returns whether it is one, and so of before.
    pub(super) fn is_of_an_earlier_life(&mut self, member: usize, frame: &VoteFrame) -> bool {
        let Some(life) = self.lives.get(&member).filter(|life| life.incarnation.is_some()) else {
            return false;
        };
        let known = life.signed.contains(&digest(&PeerMessage::Frame(frame.clone())));
        if !known {
            let (epoch, seq) = (frame.feed.epoch, frame.seq);
            self.fail(format!(
                "member {member} was restored, and its seat says frame {seq} of epoch {epoch}"
            ));
        }
        true
    }

    /// Whether a member may be accused: it lies, or others have heard two things of it from before its restore.
    pub(super) fn may_be_accused(&self, member: usize, fault: &Fault) -> bool {
        self.excuses(member) || self.faulty[member] && matches!(fault.code, "fork" | "equivocation")
    }

    /// A restored member answers a submission.
    pub(super) fn restored_replies(
        &mut self,
        process: usize,
        member: usize,
        body: [u8; 32],
        result: &Result<Held, Refused>,
    ) {
        match result {
            Ok(Held { place: Some((feed, length)), .. }) => {
                if !self.answers_for(member, feed) {
                    let incarnation = feed.incarnation;
                    self.fail(format!(
                        "member {member} was restored and writes in incarnation {incarnation}"
                    ));
                }
                self.promises.insert(Promise { process, feed: *feed, length: *length, body });
            }
            Ok(_) => {}
            Err(refused) => self.lives.entry(member).or_default().refused = Some(refused.clone()),
        }
    }

    /// How it fares what a restored member was given to say, which is `body`, and all else that it has said since; `disk` is what
    /// it holds.
    pub(in crate::sim) fn fares(
        &mut self,
        process: usize,
        member: usize,
        disk: &Contents,
        body: &[u8],
    ) -> Said {
        let node = self.nodes[member];
        // Who is no node any more has nothing ordered.
        if !self.recount.affairs.nodes().contains(&node) {
            return Said::Ordered;
        }
        let refused = self.lives.get_mut(&member).and_then(|life| life.refused.take());
        if let Some(refused) = refused {
            return match refused.code.as_str() {
                "not_enrolled" | "backlog" => Said::Again,
                _ => Said::Refused(refused.reason),
            };
        }
        let body = body_hash(body);
        let taken = self.promises.iter().any(|promise| promise.process == process && promise.body == body);
        let mut own =
            disk.entries.keys().filter(|(feed, _)| feed.node == node && self.answers_for(member, feed));
        if taken && own.all(|(feed, length)| self.recount.is_ordered(feed, *length)) {
            Said::Ordered
        } else {
            Said::Waits
        }
    }
}

#[cfg(test)]
mod tests {
    use entente_hbbft::{Digest, Frame, Message, Seat};
    use entente_protocol::engine::{Halt, Ticket};
    use entente_protocol::feed::{Head, Lane, Run};
    use entente_protocol::store::Write;
    use entente_protocol::vote::VoteFeed;

    use super::*;
    use crate::sim::history::{History, Wish};
    use crate::sim::members::{Member, found};

    /// Who was rolled back.
    const LAST: usize = 3;

    /// Four seats, of which the last was rolled back, and an oracle that has seen nothing.
    fn coalition() -> (Oracle, Vec<Member>) {
        let (founded, members) = found(4, 0);
        let history = History::draw(0, Wish { seats: Some(4), plain: true, ..Wish::default() });
        let mut oracle = Oracle::new(&founded, &members, &history);
        oracle.faulty = (0..4).map(|member| member == LAST).collect();
        oracle.liar = vec![false; 4];
        (oracle, members)
    }

    fn note(text: &str) -> Vec<u8> {
        Body::Note(text.into()).encode()
    }

    fn feed(members: &[Member], incarnation: u32) -> FeedKey {
        FeedKey { node: members[LAST].node.public(), lane: Lane::Routine, incarnation }
    }

    /// A disk with entries of an incarnation.
    fn disk(oracle: &Oracle, members: &[Member], incarnation: u32, texts: &[&str]) -> Contents {
        let (feed, coalition) = (feed(members, incarnation), oracle.coalition());
        let mut disk = Contents::new(coalition);
        let from = Head { length: 0, hash: feed.root(&coalition) };
        let bodies = texts.iter().map(|text| note(text)).collect();
        let run = Run::sign(&coalition, feed, from, bodies, &members[LAST].node);
        disk.write(Write::Run { heads: run.heads(), run });
        disk.write(Write::Restored { incarnation });
        disk
    }

    fn restored() -> (Oracle, Vec<Member>) {
        let (mut oracle, members) = coalition();
        let (before, after) = (disk(&oracle, &members, 0, &["a"]), disk(&oracle, &members, 1, &["a"]));
        oracle.restored(LAST, &before, &after);
        assert_eq!(oracle.failure(), None);
        (oracle, members)
    }

    fn answers(oracle: &mut Oracle, members: &[Member], incarnation: u32) {
        oracle.submitted(Ticket(1), LAST, &note("b"));
        let place = Some((feed(members, incarnation), 2));
        let held = Held { id: RecordId::default(), place, ordered: None };
        let disk = Contents::new(oracle.coalition());
        oracle.replied(LAST, LAST, &disk, Ticket(1), &Ok(held));
    }

    #[test]
    fn a_restore_that_loses_an_own_entry_or_takes_an_incarnation_again_is_named() {
        for (before, after, is_good) in [
            ((0, &["a", "b"][..]), (1, &["b", "a"][..]), true),
            ((0, &["a", "b"]), (1, &["a"]), false),
            ((1, &["a"]), (1, &["a"]), false),
            ((1, &["a"]), (2, &["a"]), true),
        ] {
            let (mut oracle, members) = coalition();
            let [before, after] =
                [before, after].map(|(incarnation, texts)| disk(&oracle, &members, incarnation, texts));
            oracle.restored(LAST, &before, &after);
            assert_eq!(oracle.failure().is_none(), is_good, "{:?}", oracle.failure());
        }
    }

    #[test]
    fn what_a_restored_member_is_told_to_hold_is_promised_and_waited_for() {
        let (mut oracle, members) = coalition();
        answers(&mut oracle, &members, 0);
        assert!(oracle.promises.is_empty() && oracle.failure().is_none(), "it is excused as yet");
        let (mut oracle, members) = restored();
        let disk = disk(&oracle, &members, 1, &["a", "b"]);
        assert_eq!(oracle.fares(LAST, LAST, &disk, &note("b")), Said::Waits);
        answers(&mut oracle, &members, 1);
        assert_eq!(oracle.unkept(|process| process == LAST).len(), 1);
        assert_eq!(oracle.fares(LAST, LAST, &disk, &note("b")), Said::Waits, "nothing is ordered");
        oracle.keeps(LAST, &disk);
        assert_eq!(oracle.failure(), None);
        oracle.keeps(LAST, &Contents::new(oracle.coalition()));
        assert!(oracle.failure().is_some(), "it is lost");
    }

    #[test]
    fn a_restored_member_that_writes_in_the_incarnation_that_it_left_is_named() {
        let (mut oracle, members) = restored();
        answers(&mut oracle, &members, 0);
        assert!(oracle.failure().is_some());
    }

    #[test]
    fn what_is_refused_is_said_again_until_it_has_caught_up_and_never_for_another_reason() {
        let (mut oracle, members) = restored();
        let disk = disk(&oracle, &members, 1, &["a"]);
        for (number, code, said) in [
            (1, "not_enrolled", Said::Again),
            (2, "backlog", Said::Again),
            (3, "closed", Said::Refused("why".into())),
        ] {
            oracle.submitted(Ticket(number), LAST, &note("b"));
            let refused = Refused { code: code.into(), reason: "why".into() };
            oracle.replied(LAST, LAST, &disk, Ticket(number), &Err(refused));
            assert_eq!(oracle.fares(LAST, LAST, &disk, &note("b")), said, "{code}");
            assert_eq!(oracle.fares(LAST, LAST, &disk, &note("b")), Said::Waits, "{code}");
        }
    }

    #[test]
    fn the_seat_of_a_restored_member_signs_nothing_that_it_has_not_signed_before() {
        let (mut oracle, members) = coalition();
        let coalition = oracle.coalition();
        let feed = VoteFeed { seat: Seat(LAST as u16), incarnation: 0, era: 1, epoch: 1 };
        let frame = |digest| {
            let votes = Frame::pack([Message::Propose(Digest([digest; 32]))]);
            let key = members[LAST].seat.as_ref().expect("it has a seat");
            VoteFrame::sign(&coalition, feed, 0, feed.root(&coalition), votes, key)
        };
        let empty = Contents::new(coalition);
        let mut held = empty.clone();
        held.write(Write::Frame(frame(2)));
        oracle.sends(LAST, &empty, &PeerMessage::Frame(frame(1)));
        let mut after = empty.clone();
        after.write(Write::Restored { incarnation: 1 });
        oracle.restored(LAST, &held, &after);
        for digest in [1, 2] {
            oracle.sends(LAST, &empty, &PeerMessage::Frame(frame(digest)));
            oracle.durable(LAST, LAST, &empty, &Write::Frame(frame(digest)));
        }
        assert_eq!(oracle.failure(), None);
        oracle.durable(LAST, LAST, &empty, &Write::Frame(frame(3)));
        oracle.sends(LAST, &empty, &PeerMessage::Frame(frame(3)));
        assert_eq!(oracle.failures.len(), 2, "{:?}", oracle.failures);
    }

    #[test]
    fn a_restored_member_neither_halts_nor_is_accused_but_of_what_it_said_before() {
        let halt = Halt::Rollback { what: "again".into() };
        let fault = |code| Fault {
            node: None,
            seat: Some(Seat(LAST as u16)),
            code,
            what: "what".into(),
            shown: None,
        };
        let (mut oracle, members) = coalition();
        oracle.halted(LAST, LAST, &halt);
        oracle.accused(0, 0, &fault("malformed"));
        assert_eq!(oracle.failure(), None, "it is excused as yet");
        assert!(!oracle.answers_for(LAST, &feed(&members, 1)));
        let (mut oracle, members) = restored();
        oracle.accused(0, 0, &fault("equivocation"));
        assert_eq!(oracle.failure(), None);
        oracle.accused(0, 0, &fault("malformed"));
        oracle.halted(LAST, LAST, &halt);
        assert_eq!(oracle.failures.len(), 2);
        assert_eq!([0, 1].map(|life| oracle.answers_for(LAST, &feed(&members, life))), [false, true]);
    }
}
