//! Evidence: proofs that are kept are written once, and what is frozen is left alone.
//!
//! Guarantees: a seat that keeps a proof writes it as an entry of its own, also after a crash in between or once there
//! is room, unless the same is ordered by then; several that do so are harmless, because the first one ordered counts. Of a frozen
//! feed nothing is taken, told or asked for behind what is ordered; that stays, and is served.
//!
//! Source: consensus rules "Start rule" (a seat that learns of a fork writes its proof once) and step 6.

use entente_hbbft::plant;

use super::feeds::{Feed, id_of};
use super::{Engine, Refused, peers};
use crate::evidence::Subject;
use crate::feed::Lane;
use crate::record::Body;

/// Lanes in which a node writes what it says by itself, the first that is open.
const OWN_WORDS: [Lane; 4] = [Lane::Immediate, Lane::Priority, Lane::Routine, Lane::Flash];

impl Engine {
    /// Ordered evidence that the own seat has said two things at one place: nobody else can have made it, so this store is not the
    /// one that the seat has spoken from, whether anybody still shows the other frame or not.
    pub(super) fn heed_own_conviction(&mut self) {
        let Some(seat) = self.own_seat() else { return };
        let heeds = self.heeds_conviction && !plant::is("only-longer");
        if let Some(convicted) = self.state.convicted().get(&seat).filter(|_| heeds) {
            let (epoch, seq, index) = (convicted.feed.epoch, convicted.seq, convicted.ordered.index);
            let what = format!("log entry {index} proves two own frames {seq} of epoch {epoch}");
            self.rolled_back(self.incarnation, what);
        }
    }

    /// Feeds that are not frozen, with their index.
    pub(super) fn thawed(&self) -> impl Iterator<Item = (usize, &Feed)> {
        self.feeds.iter().enumerate().filter(|(index, _)| !self.basis.frozen[*index])
    }

    /// Whether nothing waits for entries of this feed: a fork of it is known.
    pub(super) fn is_forked(&self, index: usize) -> bool {
        self.basis.frozen[index] || self.feeds[index].fork.is_some()
    }

    /// The lane of the own feed in which this node says something by itself; none if all of them are frozen.
    pub(super) fn own_words_lane(&self) -> Option<Lane> {
        let open = |lane: &Lane| self.own_feed(*lane).is_some_and(|index| !self.basis.frozen[index]);
        OWN_WORDS.into_iter().find(open)
    }

    /// Why nothing is taken for a lane whose own feed is frozen.
    pub(super) fn refuse_frozen(&self, lane: Lane) -> Result<(), Refused> {
        let Some(index) = self.own_feed(lane) else { return Ok(()) };
        let key = self.feeds[index].key;
        let Some(frozen) = self.state.frozen().get(&key) else { return Ok(()) };
        let (index, length, id) = (frozen.ordered.index, frozen.length, Subject::Feed(key).id());
        let reason = format!(
            "this node's {lane} feed is frozen since log index {index}, because two of its entries {length} \
             are signed; evidence {id}"
        );
        Err(Refused { code: "frozen".to_owned(), reason })
    }

    /// An epoch was applied: from the next one on its frozen feeds are left alone.
    pub(super) fn freeze(&mut self) {
        for (index, feed) in self.feeds.iter_mut().enumerate() {
            if self.basis.frozen[index] || !self.state.frozen().contains_key(&feed.key) {
                continue;
            }
            self.basis.frozen[index] = true;
            feed.freeze();
            // What was submitted to it may be submitted again elsewhere.
            let key = feed.key;
            self.own_records.retain(|_, (of, _)| *of != key);
            self.peers.values_mut().for_each(|peer| peer.forget_feed(index));
            for subject in [peers::Subject::Feed(index), peers::Subject::Branch(index)] {
                self.asked.remove(&subject);
            }
        }
    }

    /// Writes each proof that is kept and not ordered as an own entry, once.
    pub(super) fn write_evidence(&mut self) {
        if self.own.is_none() || plant::is("proof-unwritten") {
            return;
        }
        let forks = self.thawed().filter_map(|(_, feed)| feed.fork.as_ref());
        let forks = forks.map(|proof| (Subject::Feed(proof.feed), Body::Fork(Box::new(proof.clone()))));
        let seats = self.equivocations.iter();
        let seats = seats.filter(|(seat, _)| !self.state.convicted().contains_key(seat));
        let seats =
            seats.map(|(seat, proof)| (Subject::Seat(*seat), Body::Equivocation(Box::new(proof.clone()))));
        let new = forks.chain(seats).filter(|(subject, _)| !self.reported.contains(subject));
        let new: Vec<(Subject, Vec<u8>)> = new.map(|(subject, body)| (subject, body.encode())).collect();
        for (subject, body) in new {
            // Written before a crash and not ordered since.
            let held = self.own_records.contains_key(&id_of(&body));
            if !held {
                let Some(lane) = self.own_words_lane() else { return };
                let room = self.own_room(lane, 1);
                // An entry without effect would be written again after each start.
                if !room || !self.state.may_speak(&self.node.public(), self.now) {
                    return;
                }
                self.append(lane, vec![body]);
            }
            self.reported.insert(subject);
        }
    }
}
