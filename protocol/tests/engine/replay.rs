//! What a node persisted, played again in the order in which it was written, gives the frames that its seat has signed, byte
//! for byte: in one life, and after a crash from what that left on disk.

use std::collections::{BTreeMap, VecDeque};

use entente_hbbft::{
    Committee, Digest, EpochNumber, Frame, Message, Refusal, Seat, SeatSet, Setup, Step, WINDOW, Window,
};
use entente_protocol::store::{Archive, Memory, Write};
use entente_protocol::vote::{VoteFeed, VoteFrame};

use crate::net::{Kept, Net};

/// One seat's agreement alone, fed from a journal.
struct Replay<'a> {
    net: &'a Net,
    own: Seat,
    window: Window,
    /// What is on disk so far.
    disk: Memory,
    /// What the steps gave since the last own frame of the epoch.
    unsaid: BTreeMap<u64, Vec<Message>>,
    /// The last epoch with a batch, and who is in it.
    applied: (u64, SeatSet),
    /// Digests of own contributions.
    proposed: Vec<Digest>,
    compared: usize,
}

impl<'a> Replay<'a> {
    fn of(net: &'a Net, node: usize) -> Self {
        let own = Seat(node as u16);
        let disk = Memory::new(net.founded.coalition());
        let frames = net.nodes[node].journal.iter().filter_map(|kept| match kept {
            Kept::Write(write) => match &**write {
                Write::Frame(frame) if frame.feed.seat == own => frame.votes.proposal(),
                _ => None,
            },
            Kept::Start => None,
        });
        let proposed = frames.collect();
        let committee = Committee::new(net.founded.committee_size()).expect("a good size");
        let window = Self::window(net, own, 0);
        let applied = (0, committee.all());
        Self { net, own, window, disk, unsaid: BTreeMap::new(), applied, proposed, compared: 0 }
    }

    fn window(net: &Net, own: Seat, certified: u64) -> Window {
        let committee = Committee::new(net.founded.committee_size()).expect("a good size");
        let setup = Setup::new(committee, Some(own), net.founded.coalition().as_bytes()).expect("good parts");
        Window::new(setup, EpochNumber(certified))
    }

    fn take(&mut self, epoch: u64, step: Step) {
        assert_eq!(step.faults, [], "nobody lies");
        self.unsaid.entry(epoch).or_default().extend(step.messages);
    }

    fn open(&mut self) {
        let (applied, set) = self.applied;
        let epoch = EpochNumber(applied + 1);
        if self.window.permitted(epoch) {
            let step = self.window.open(epoch, set).expect("permitted");
            self.take(epoch.0, step);
        }
    }

    /// The engine is recovered: own frames first, then others' as far as each chain goes, then what is open, then payloads.
    fn start(&mut self) {
        let certified = self.disk.last_certificate().expect("whole").map_or(0, |(epoch, _)| epoch);
        self.window = Self::window(self.net, self.own, certified);
        self.unsaid.clear();
        let mut chains: Vec<VecDeque<VoteFrame>> = Vec::new();
        let open = certified + 1..=certified + WINDOW;
        for (epoch, seat) in open.clone().flat_map(|epoch| {
            let seats = 0..self.net.founded.committee_size() as u16;
            seats.map(move |seat| (epoch, Seat(seat)))
        }) {
            let frames = self.disk.frames(epoch, seat, 0, usize::MAX).expect("whole");
            if seat == self.own {
                for frame in &frames {
                    self.window.restore_own(EpochNumber(epoch), &frame.votes).expect("said before");
                }
            } else {
                chains.push(frames.into());
            }
        }
        let mut progress = true;
        while std::mem::take(&mut progress) {
            for chain in &mut chains {
                while let Some(frame) = chain.front() {
                    let epoch = EpochNumber(frame.feed.epoch);
                    match self.window.receive(epoch, frame.feed.seat, &frame.votes) {
                        Err(Refusal::NotYet) => break,
                        Err(refusal) => panic!("{refusal:?} of what was taken before"),
                        Ok(step) => assert_eq!(step.messages, [], "no epoch is open"),
                    }
                    chain.pop_front();
                    progress = true;
                }
            }
        }
        for epoch in certified + 1..=self.applied.0 {
            let before = self.set_before(epoch);
            let step = self.window.open(EpochNumber(epoch), before).expect("permitted");
            self.take(epoch, step);
        }
        self.open();
        for epoch in open {
            for bytes in self.disk.payloads(epoch).expect("whole") {
                // A closed epoch takes it once it is open.
                if let Ok(step) = self.window.deliver(EpochNumber(epoch), bytes) {
                    self.take(epoch, step);
                }
            }
        }
    }

    /// Who was agreed on in the epoch before.
    fn set_before(&self, epoch: u64) -> SeatSet {
        let before = epoch.checked_sub(1).and_then(|before| self.disk.batch(before).expect("whole"));
        let all = || (0..self.net.founded.committee_size() as u16).map(Seat).collect();
        before.map_or_else(all, |batch| batch.agreed.iter().map(|(seat, _)| *seat).collect())
    }

    fn write(&mut self, write: &Write) {
        match write {
            Write::Frame(frame) if frame.feed.seat == self.own => self.compare(frame),
            Write::Frame(VoteFrame { feed: VoteFeed { seat, epoch, .. }, votes, .. }) => {
                let step = self.window.receive(EpochNumber(*epoch), *seat, votes).expect("was taken");
                self.take(*epoch, step);
            }
            Write::Payload { epoch, digest, bytes } => {
                let epoch_number = EpochNumber(*epoch);
                // After a start what was proposed is delivered like any other.
                let open =
                    self.window.epoch(epoch_number).is_some_and(|open| open.proposal(self.own).is_none());
                let step = match open && self.proposed.contains(digest) {
                    true => self.window.propose(epoch_number, bytes.clone()).expect("open"),
                    false => self.window.deliver(epoch_number, bytes.clone()).expect("open"),
                };
                self.take(*epoch, step);
            }
            Write::Batch(batch) => {
                self.applied = (batch.epoch, batch.agreed.iter().map(|(seat, _)| *seat).collect());
                self.open();
            }
            Write::Certificate { epoch, .. } => {
                self.window.certified(EpochNumber(*epoch));
                self.open();
            }
            _ => {}
        }
        self.disk.write(write.clone());
    }

    /// An own frame: nothing but what the replay gave, signed.
    fn compare(&mut self, frame: &VoteFrame) {
        let VoteFeed { seat, epoch, .. } = frame.feed;
        let messages = self.unsaid.remove(&epoch).unwrap_or_default();
        let before = self.disk.frames(epoch, seat, 0, usize::MAX).expect("whole");
        let coalition = self.net.founded.coalition();
        let previous = before.last().map_or_else(|| frame.feed.root(&coalition), VoteFrame::hash);
        let key = &self.net.keys[seat.index()].seat;
        let seq = before.len() as u32;
        let again = VoteFrame::sign(&coalition, frame.feed, seq, previous, Frame::pack(messages), key);
        assert_eq!(again, *frame, "frame {seq} of {seat} in epoch {epoch}");
        self.compared += 1;
    }
}

/// Plays a node's journal; returns how many own frames came out as they stand in it.
fn replayed(net: &Net, node: usize) -> usize {
    let mut replay = Replay::of(net, node);
    for kept in &net.nodes[node].journal {
        match kept {
            Kept::Start => replay.start(),
            Kept::Write(write) => replay.write(write),
        }
    }
    replay.compared
}

/// Words of all members over a network that delays and reorders. Clocks differ, so no two contributions are the same bytes.
fn noisy(n: u8, seed: u64) -> Net {
    let mut net = Net::new(n, seed);
    net.record = true;
    net.reorder = 30;
    net.together = 20;
    for node in 0..usize::from(n) {
        net.nodes[node].clock_skew = 3 * node as i64;
    }
    net.start_all();
    net
}

#[test]
fn what_was_persisted_gives_the_same_frames_again() {
    for (n, seed) in [(1, 1), (2, 2), (4, 3), (4, 4), (7, 5)] {
        let mut net = noisy(n, seed);
        for word in 0..12 {
            net.note(word % usize::from(n), &format!("word {word}"));
            net.run_for(40);
        }
        net.run_for(5_000);
        for node in 0..usize::from(n) {
            let compared = replayed(&net, node);
            assert!(compared >= 10, "{compared} frames of node {node} of {n}, seed {seed}");
        }
    }
}

#[test]
fn what_a_crash_left_gives_the_frames_that_were_said_after_it() {
    let mut compared = 0;
    for seed in 0..20 {
        let mut net = noisy(4, seed);
        net.holds_back = true;
        for word in 0..10 {
            net.note(word % 4, &format!("word {word}"));
            let span = net.rng.below(60);
            net.run_for(span);
            let node = net.rng.below(4) as usize;
            let stay = net.rng.below(net.nodes[node].unsynced.len() as u64 + 1) as usize;
            net.nodes[node].unsynced.truncate(stay);
            net.crash(node);
            net.run_for(20);
            net.start(node);
        }
        net.run_for(5_000);
        compared += (0..4).map(|node| replayed(&net, node)).sum::<usize>();
    }
    assert!(compared > 1_000, "{compared} frames");
}
