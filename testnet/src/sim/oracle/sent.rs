//! What a member says: durable first, on grounds that are, and never two things at one place.

use entente_hbbft::plant;
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Archive as _;
use entente_protocol::vote::VoteFrame;

use super::Oracle;
use super::grounds::Voter;
use crate::sim::disk::Contents;

impl Oracle {
    /// An own frame of a process that does not lie becomes durable: whatever it says, what calls for it is on the disk, and
    /// what it contributes is what is held there.
    pub(super) fn speaks(&mut self, process: usize, disk: &Contents, frame: &VoteFrame) {
        if let Err(what) = self.is_grounded(disk, frame) {
            let (epoch, seq) = (frame.feed.epoch, frame.seq);
            self.fail(format!("process {process}, frame {seq} of epoch {epoch}: {what}"));
        }
    }

    fn is_grounded(&mut self, disk: &Contents, frame: &VoteFrame) -> Result<(), String> {
        let (own, epoch) = (frame.feed.seat, frame.feed.epoch);
        let coalition = self.coalition;
        let basis = self.recount.basis(epoch).ok_or("it votes, and nobody has the epoch before")?;
        let (seats, quorum, weak) = self.recount.thresholds();
        Voter { coalition, own, quorum, weak, seats, basis }.check(disk, frame)?;
        let Some(digest) = frame.votes.proposal() else { return Ok(()) };
        let bytes = disk.payload(epoch, &digest).ok().flatten().ok_or("what it proposes is not durable")?;
        let held = &mut self.held;
        let few = plant::is("quota-own-order") || plant::is("small-contributions");
        basis.whole(&basis.valid(&bytes)?, |feed, head| held.behind(disk, feed, head), few)
    }

    /// A member whose engine speaks for itself sends something; `disk` is what is durable there.
    pub(in crate::sim) fn sends(&mut self, member: usize, disk: &Contents, message: &PeerMessage) {
        if self.faulty[member] && !self.liar[member] {
            self.signs(member, message);
            self.rolled_back_sends(member, message);
        }
        if self.excuses(member) {
            return;
        }
        match message {
            // The seat of one that was restored is silent, which is checked above.
            PeerMessage::Frame(_) | PeerMessage::Cosign(_) if self.faulty[member] => {}
            PeerMessage::Frame(frame) if frame.feed.seat.index() == member => {
                let place = (frame.feed.seat, frame.feed.epoch, frame.seq);
                let hash = frame.hash();
                let durable = disk.frames.get(&(frame.feed.epoch, frame.feed.seat, frame.seq));
                if durable.is_none_or(|durable| durable.hash() != hash) {
                    self.fail(format!("member {member} sends frame {place:?} before it is durable"));
                }
                if self.frames.insert(place, hash).is_some_and(|before| before != hash) {
                    self.fail(format!("member {member} said two frames at {place:?}"));
                }
            }
            PeerMessage::Run(run)
                if run.feed.node == self.nodes[member] && self.answers_for(member, &run.feed) =>
            {
                for head in run.heads() {
                    let place = (run.feed, head.length);
                    if disk.entries.get(&place).is_none_or(|entry| entry.hash != head.hash) {
                        self.fail(format!(
                            "member {member} sends own entry {} before it is durable",
                            head.length
                        ));
                    }
                    if self.entries.insert(place, head.hash).is_some_and(|before| before != head.hash) {
                        self.fail(format!("member {member} said two entries at length {}", head.length));
                    }
                }
            }
            PeerMessage::Cosign(cosign) if cosign.seat.index() == member => {
                let own = disk.batches.get(&cosign.epoch);
                if own.is_none_or(|own| own.root != cosign.head.root || own.size() != cosign.head.size) {
                    self.fail(format!("member {member} cosigns epoch {} before it is durable", cosign.epoch));
                }
                if let Err(what) = self.held.cosigned(member, disk, cosign.epoch) {
                    self.fail(format!("member {member} cosigns epoch {} and {what}", cosign.epoch));
                }
            }
            PeerMessage::Have(have) => {
                for (feed, head) in &have.feeds {
                    if let Err(what) = self.held.claims_to_hold(disk, feed, head) {
                        self.fail(format!("member {member} {what}"));
                    }
                }
            }
            _ => {}
        }
    }

    /// Also one that was rolled back says nothing new in epochs that all others had certified when it started.
    fn rolled_back_sends(&mut self, member: usize, message: &PeerMessage) {
        let PeerMessage::Frame(frame) = message else { return };
        if frame.feed.seat.index() != member {
            return;
        }
        let place = (frame.feed.seat, frame.feed.epoch, frame.seq);
        let differs = self.frames.insert(place, frame.hash()).is_some_and(|before| before != frame.hash());
        if differs {
            self.contradicts.insert(member);
        }
        if differs && self.floors.get(&member).is_some_and(|floor| frame.feed.epoch <= *floor) {
            self.fail(format!("member {member} says another frame at {place:?}, which all had certified"));
        }
    }
}
