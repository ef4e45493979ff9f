//! On what grounds a seat votes: each word of an own frame follows from what is on its disk when the frame gets there, by
//! the words of steps 2 and 3.
//!
//! What the making of a frame took into account is thus durable before it. A word that no frame on the disk calls for was
//! called for by one that a crash would forget.

use std::collections::BTreeMap;

use entente_hbbft::{BoolSet, Digest, Message, Seat, SeatSet};
use entente_protocol::identity::CoalitionId;
use entente_protocol::store::Archive as _;
use entente_protocol::vote::VoteFrame;
use sha2::{Digest as _, Sha256};

use super::contributions::Basis;
use crate::sim::coins::{FIXED, common};
use crate::sim::disk::Contents;

/// What the frames of an epoch say, by proposer.
#[derive(Clone, Default)]
struct Said {
    proposed: BTreeMap<Seat, Digest>,
    echo: BTreeMap<(Seat, Digest), SeatSet>,
    ready: BTreeMap<(Seat, Digest), SeatSet>,
    bval: BTreeMap<(Seat, u16, bool), SeatSet>,
    aux: BTreeMap<(Seat, u16, bool), SeatSet>,
    conf: BTreeMap<(Seat, u16, BoolSet), SeatSet>,
    /// With the round of each.
    term: BTreeMap<(Seat, bool), BTreeMap<Seat, u16>>,
    /// Proposers for whom some READY does not stand before its sender's BVAL(0).
    late: SeatSet,
}

fn seats<K: Ord>(map: &BTreeMap<K, SeatSet>, key: &K) -> SeatSet {
    map.get(key).copied().unwrap_or(SeatSet::EMPTY)
}

fn but(mut set: SeatSet, seat: Seat) -> usize {
    set.remove(seat);
    set.len()
}

impl Said {
    fn take(&mut self, frame: &VoteFrame) {
        let from = frame.feed.seat;
        let is_zero = |message: &Message| matches!(message, Message::Bval { .. });
        // Of what one frame says it cannot be told what stood first.
        let (zeros, others): (Vec<_>, Vec<_>) = frame.votes.messages().partition(is_zero);
        for message in zeros.into_iter().chain(others) {
            let voters = match message {
                Message::Propose(digest) => {
                    self.proposed.insert(from, digest);
                    continue;
                }
                Message::Term { proposer, round, value } => {
                    self.term.entry((proposer, value)).or_default().insert(from, round.0);
                    continue;
                }
                Message::Echo { proposer, digest } => self.echo.entry((proposer, digest)).or_default(),
                Message::Ready { proposer, digest } => {
                    if seats(&self.bval, &(proposer, 0, false)).contains(from) {
                        self.late.insert(proposer);
                    }
                    self.ready.entry((proposer, digest)).or_default()
                }
                Message::Bval { proposer, round, value } => {
                    self.bval.entry((proposer, round.0, value)).or_default()
                }
                Message::Aux { proposer, round, value } => {
                    self.aux.entry((proposer, round.0, value)).or_default()
                }
                Message::Conf { proposer, round, values } => {
                    self.conf.entry((proposer, round.0, values)).or_default()
                }
            };
            voters.insert(from);
        }
    }

    /// Those whose TERM stands for all votes for a value in a round.
    fn termed(&self, proposer: Seat, round: u16, value: bool) -> SeatSet {
        let terms = self.term.get(&(proposer, value)).into_iter().flatten();
        terms.filter(|(_, last)| **last < round).map(|(seat, _)| *seat).collect()
    }

    fn bvals(&self, proposer: Seat, round: u16, value: bool) -> SeatSet {
        seats(&self.bval, &(proposer, round, value)).union(self.termed(proposer, round, value))
    }

    fn auxes(&self, proposer: Seat, round: u16, value: bool) -> SeatSet {
        seats(&self.aux, &(proposer, round, value)).union(self.termed(proposer, round, value))
    }

    /// CONF, which has its place taken by AUX where the coin is fixed.
    fn closing(&self, proposer: Seat, round: u16, value: bool) -> SeatSet {
        if round < FIXED {
            return self.auxes(proposer, round, value);
        }
        let values = if value { BoolSet::One } else { BoolSet::Zero };
        seats(&self.conf, &(proposer, round, values)).union(self.termed(proposer, round, value))
    }

    fn most_readies(&self, proposer: Seat) -> usize {
        let readies = self.ready.iter().filter(|((of, _), _)| *of == proposer);
        readies.map(|(_, seats)| seats.len()).max().unwrap_or(0)
    }

    fn has_ready(&self, proposer: Seat, from: Seat) -> bool {
        self.ready.iter().any(|((of, _), seats)| *of == proposer && seats.contains(from))
    }
}

/// A seat that votes, among how many, in an epoch that stands on a basis.
pub(super) struct Voter<'a> {
    pub(super) coalition: CoalitionId,
    pub(super) own: Seat,
    pub(super) quorum: usize,
    pub(super) weak: usize,
    pub(super) seats: usize,
    pub(super) basis: &'a Basis,
}

impl Voter<'_> {
    /// Says which word of an own frame, the next to become durable, has no ground on the disk.
    pub(super) fn check(&self, disk: &Contents, frame: &VoteFrame) -> Result<(), String> {
        let epoch = frame.feed.epoch;
        let mut before = Said::default();
        let all = (epoch, Seat(0), 0)..=(epoch, Seat(u16::MAX), u32::MAX);
        disk.frames.range(all).for_each(|(_, frame)| before.take(frame));
        let mut said = before.clone();
        said.take(frame);
        let groundless =
            frame.votes.messages().find(|message| !self.is_due(disk, epoch, &before, &said, message));
        groundless.map_or(Ok(()), |message| Err(format!("says {message:?} on no ground that is durable")))
    }

    fn is_due(&self, disk: &Contents, epoch: u64, before: &Said, said: &Said, message: &Message) -> bool {
        let Self { own, quorum, weak, .. } = *self;
        match *message {
            Message::Propose(digest) => self.has_payload(disk, epoch, &digest),
            Message::Echo { proposer, digest } => {
                let (echo, ready) =
                    (seats(&said.echo, &(proposer, digest)), seats(&said.ready, &(proposer, digest)));
                let named =
                    said.proposed.get(&proposer) == Some(&digest) || but(echo.union(ready), own) >= weak;
                named && self.has_payload(disk, epoch, &digest)
            }
            Message::Ready { proposer, digest } => {
                seats(&said.echo, &(proposer, digest)).len() >= quorum
                    || but(seats(&said.ready, &(proposer, digest)), own) >= weak
            }
            Message::Bval { proposer, round, value } => {
                let round = round.0;
                if but(said.bvals(proposer, round, value), own) >= weak {
                    return true;
                }
                match round.checked_sub(1) {
                    Some(last) => self.leaves(said, proposer, last, value),
                    None => !value && !before.has_ready(proposer, own) && self.ones(said) >= quorum,
                }
            }
            Message::Aux { proposer, round, value } => self.accepts(said, proposer, round.0, value),
            Message::Conf { proposer, round, values } => {
                let of = |value| self.accepts(said, proposer, round.0, value);
                let voters = |value| said.auxes(proposer, round.0, value);
                match values {
                    BoolSet::Zero => of(false) && voters(false).len() >= quorum,
                    BoolSet::One => of(true) && voters(true).len() >= quorum,
                    BoolSet::Both => {
                        of(false) && of(true) && voters(false).union(voters(true)).len() >= quorum
                    }
                }
            }
            Message::Term { proposer, round, value } => {
                let others = said.term.get(&(proposer, value)).into_iter().flatten();
                let others = others.filter(|(seat, _)| **seat != own).count();
                others >= weak
                    || (0..=round.0).any(|round| {
                        self.coin(proposer, round) == value
                            && self.accepts(said, proposer, round, value)
                            && said.closing(proposer, round, value).len() >= quorum
                    })
                    || value && self.by_all(before, said, proposer)
            }
        }
    }

    /// READY of all seats, each before any BVAL(0) in its chain, where the first coin is 1.
    fn by_all(&self, before: &Said, said: &Said, proposer: Seat) -> bool {
        self.coin(proposer, 0)
            && said.most_readies(proposer) == self.seats
            && !said.late.contains(proposer)
            && !seats(&before.bval, &(proposer, 0, false)).contains(self.own)
    }

    /// The coin of a round. The first is whether the proposer was in the last agreed set, the second the opposite.
    fn coin(&self, proposer: Seat, round: u16) -> bool {
        match round < FIXED {
            true => self.basis.last.contains(&proposer) == (round == 0),
            false => common(&self.coalition, self.basis.epoch, proposer, round),
        }
    }

    /// Whether `quorum` have voted for a value in a round.
    fn accepts(&self, said: &Said, proposer: Seat, round: u16, value: bool) -> bool {
        let by_broadcast = round == 0 && value && said.most_readies(proposer) >= self.quorum;
        by_broadcast || said.bvals(proposer, round, value).len() >= self.quorum
    }

    /// Whether a round may be left with an estimate.
    fn leaves(&self, said: &Said, proposer: Seat, round: u16, estimate: bool) -> bool {
        let [no, yes] = [false, true].map(|value| said.closing(proposer, round, value));
        let of = if estimate { yes } else { no };
        if self.accepts(said, proposer, round, estimate) && of.len() >= self.quorum {
            return true;
        }
        let both =
            if round < FIXED { SeatSet::EMPTY } else { seats(&said.conf, &(proposer, round, BoolSet::Both)) };
        [false, true].into_iter().all(|value| self.accepts(said, proposer, round, value))
            && no.union(yes).union(both).len() >= self.quorum
            && self.coin(proposer, round) == estimate
    }

    /// How many contributions are decided to be in.
    fn ones(&self, said: &Said) -> usize {
        let ones = said.term.iter().filter(|((_, value), terms)| {
            *value && (terms.contains_key(&self.own) || terms.len() >= self.weak)
        });
        ones.count()
    }

    /// Whether a valid contribution of that digest is on the disk.
    fn has_payload(&self, disk: &Contents, epoch: u64, digest: &Digest) -> bool {
        let payload = disk.payload(epoch, digest).ok().flatten();
        payload.is_some_and(|bytes| digest_of(&bytes) == *digest && self.basis.valid(&bytes).is_ok())
    }
}

/// The digest of a contribution.
pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    Digest(Sha256::new().chain_update("entente-hbbft/payload/1\n").chain_update(bytes).finalize().into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use entente_hbbft::{Frame, Round};
    use entente_protocol::frontier::Contribution;
    use entente_protocol::identity::{Hash, SecretKey};
    use entente_protocol::store::Write;
    use entente_protocol::time::Time;
    use entente_protocol::vote::VoteFeed;
    use entente_protocol::wire;

    use super::*;

    const COALITION: CoalitionId = CoalitionId(Hash([3; 32]));
    /// Whose contribution the words are about.
    const OF: Seat = Seat(1);

    /// No feeds; of four seats the last was not in the last agreed set.
    fn basis() -> Basis {
        Basis {
            epoch: 5,
            feeds: Vec::new(),
            committed: Vec::new(),
            frozen: Vec::new(),
            quota: [1; 4],
            last: (0..3).map(Seat).collect::<BTreeSet<_>>(),
        }
    }

    fn payload() -> Vec<u8> {
        wire::encode(&Contribution { clock: Time(1), claims: Vec::new() })
    }

    fn frame(seat: u16, seq: u32, messages: &[Message]) -> VoteFrame {
        let feed = VoteFeed { seat: Seat(seat), incarnation: 0, era: 1, epoch: 5 };
        let (votes, key) = (Frame::pack(messages.iter().copied()), SecretKey::from_seed(&[seat as u8; 32]));
        VoteFrame::sign(&COALITION, feed, seq, feed.root(&COALITION), votes, &key)
    }

    fn echo() -> Message {
        Message::Echo { proposer: OF, digest: digest_of(&payload()) }
    }

    fn ready() -> Message {
        Message::Ready { proposer: OF, digest: digest_of(&payload()) }
    }

    fn bval(round: u16, value: bool) -> Message {
        Message::Bval { proposer: OF, round: Round(round), value }
    }

    fn aux(round: u16, value: bool) -> Message {
        Message::Aux { proposer: OF, round: Round(round), value }
    }

    fn term(round: u16, value: bool) -> Message {
        Message::Term { proposer: OF, round: Round(round), value }
    }

    /// Whether seat 0 may say something where the disk has a payload and frames of seats, those of each in order.
    fn may_say(with_payload: bool, frames: &[(u16, &[Message])], message: Message) -> bool {
        let (mut disk, mut seqs) = (Contents::new(COALITION), BTreeMap::<u16, u32>::new());
        if with_payload {
            disk.write(Write::Payload { epoch: 5, digest: digest_of(&payload()), bytes: payload() });
        }
        for (seat, messages) in frames {
            let seq = seqs.entry(*seat).or_default();
            disk.write(Write::Frame(frame(*seat, *seq, messages)));
            *seq += 1;
        }
        let basis = basis();
        let voter = Voter { coalition: COALITION, own: Seat(0), quorum: 3, weak: 2, seats: 4, basis: &basis };
        voter.check(&disk, &frame(0, seqs.get(&0).copied().unwrap_or(0), &[message])).is_ok()
    }

    #[test]
    fn an_echo_follows_from_a_durable_payload_that_a_durable_frame_names() {
        let proposed: (u16, &[Message]) = (1, &[Message::Propose(digest_of(&payload()))]);
        assert!(may_say(true, &[proposed], echo()));
        assert!(may_say(true, &[(2, &[echo()]), (3, &[ready()])], echo()));
        assert!(!may_say(false, &[proposed], echo()));
        assert!(!may_say(true, &[], echo()));
        assert!(!may_say(true, &[(2, &[echo()])], echo()));
        // It is its own that proposes.
        let own = Message::Propose(digest_of(&payload()));
        assert!(may_say(true, &[], own) && !may_say(false, &[], own));
    }

    #[test]
    fn a_ready_follows_from_a_quorum_of_echo_or_weak_ready() {
        let (own, second, third): ((u16, &[Message]), _, _) =
            ((0, &[echo()]), (2, &[echo()][..]), (3, &[echo()][..]));
        assert!(may_say(true, &[own, second, third], ready()));
        assert!(!may_say(true, &[own, second], ready()));
        assert!(may_say(true, &[(2, &[ready()]), (3, &[ready()])], ready()));
        assert!(!may_say(true, &[(2, &[ready()])], ready()));
        let other = Message::Echo { proposer: OF, digest: Digest([9; 32]) };
        assert!(!may_say(true, &[own, second, (3, &[other])], ready()));
    }

    #[test]
    fn votes_follow_from_those_of_enough_others() {
        let zero: &[Message] = &[bval(0, false)];
        assert!(may_say(true, &[(2, zero), (3, zero)], bval(0, false)));
        assert!(!may_say(true, &[(2, zero)], bval(0, false)));
        assert!(may_say(true, &[(0, zero), (2, zero), (3, zero)], aux(0, false)));
        assert!(!may_say(true, &[(2, zero), (3, zero)], aux(0, false)));
        // READY for one digest stands for BVAL(1).
        let one: &[Message] = &[ready()];
        assert!(may_say(true, &[(1, one), (2, one), (3, one)], aux(0, true)));
        let other: &[Message] = &[Message::Ready { proposer: OF, digest: Digest([9; 32]) }];
        assert!(!may_say(true, &[(1, one), (2, one), (3, other)], aux(0, true)));
        // The next round's estimate, where the coin, which is 1 here and then 0, has its say.
        let both: &[(u16, &[Message])] = &[
            (1, &[ready(), bval(0, false), aux(0, true)]),
            (2, &[ready(), bval(0, false), aux(0, false)]),
            (3, &[ready(), bval(0, false), aux(0, true)]),
        ];
        assert!(may_say(true, both, bval(1, true)));
        assert!(!may_say(true, both, bval(1, false)));
        assert!(!may_say(true, &both[..2], bval(1, true)));
        assert!(!may_say(true, both, aux(1, true)));
    }

    #[test]
    fn input_zero_follows_from_a_quorum_that_is_in() {
        let of = |proposer: u16| Message::Term { proposer: Seat(proposer), round: Round(0), value: true };
        let in_now: &[Message] = &[of(0), of(2), of(3)];
        assert!(may_say(true, &[(2, in_now), (3, in_now)], bval(0, false)));
        assert!(!may_say(true, &[(2, in_now), (3, &in_now[..2])], bval(0, false)));
        assert!(
            !may_say(true, &[(0, &[ready()]), (2, in_now), (3, in_now)], bval(0, false)),
            "it has input 1"
        );
    }

    #[test]
    fn a_seat_decides_by_a_quorum_the_coin_the_terms_of_others_or_the_ready_of_all() {
        let one: &[Message] = &[ready(), aux(0, true)];
        assert!(may_say(true, &[(1, one), (2, one), (3, one)], term(0, true)));
        assert!(!may_say(true, &[(1, one), (2, one)], term(0, true)));
        let zero: &[Message] = &[bval(0, false), aux(0, false)];
        assert!(!may_say(true, &[(1, zero), (2, zero), (3, zero)], term(0, false)), "the coin is 1");
        let later: &[Message] = &[bval(1, false), aux(1, false)];
        assert!(may_say(true, &[(1, later), (2, later), (3, later)], term(1, false)));
        assert!(may_say(true, &[(2, &[term(0, false)]), (3, &[term(1, false)])], term(1, false)));
        assert!(!may_say(true, &[(2, &[term(0, false)])], term(1, false)));
        // READY of all, but for one that stands behind its sender's BVAL(0).
        let all: &[(u16, &[Message])] = &[(0, &[ready()]), (1, &[ready()]), (2, &[ready()]), (3, &[ready()])];
        assert!(may_say(true, all, term(0, true)));
        assert!(!may_say(true, &all[..3], term(0, true)));
        let zero: &[Message] = &[bval(0, false)];
        let late = [&[(3, zero)][..], all].concat();
        assert!(!may_say(true, &late, term(0, true)));
        // TERM stands for every vote above its round.
        let termed: &[(u16, &[Message])] =
            &[(1, &[term(0, true)]), (2, &[bval(1, true)]), (3, &[bval(1, true)])];
        assert!(may_say(true, termed, aux(1, true)));
        assert!(!may_say(true, &[(1, &[term(1, true)]), termed[1], termed[2]], aux(1, true)));
    }

    #[test]
    fn where_the_coin_is_real_a_round_is_left_by_conf() {
        assert!(!common(&COALITION, 5, OF, 2), "the coin");
        let conf = |values| Message::Conf { proposer: OF, round: Round(2), values };
        let voted: &[Message] = &[bval(2, false), aux(2, false)];
        let all: &[(u16, &[Message])] = &[(1, voted), (2, voted), (3, voted)];
        assert!(may_say(true, all, conf(BoolSet::Zero)));
        assert!(!may_say(true, &all[..2], conf(BoolSet::Zero)));
        assert!(!may_say(true, all, term(2, false)));
        let closed: &[Message] = &[bval(2, false), aux(2, false), conf(BoolSet::Zero)];
        let all: &[(u16, &[Message])] = &[(1, closed), (2, closed), (3, closed)];
        assert!(may_say(true, all, term(2, false)) && may_say(true, all, bval(3, false)));
        assert!(!may_say(true, all, bval(3, true)));
        assert!(!may_say(true, all, conf(BoolSet::Both)), "1 has too few votes");
        // The other value alone is the next estimate and decides nothing.
        let other: &[Message] = &[bval(2, true), aux(2, true), conf(BoolSet::One)];
        let all: &[(u16, &[Message])] = &[(1, other), (2, other), (3, other)];
        assert!(may_say(true, all, bval(3, true)));
        assert!(!may_say(true, all, bval(3, false)) && !may_say(true, all, term(2, true)));
        // Where both have votes it is the coin.
        let both: &[Message] = &[bval(2, false), bval(2, true), aux(2, true), conf(BoolSet::Both)];
        let all: &[(u16, &[Message])] = &[(1, both), (2, both), (3, both)];
        assert!(may_say(true, all, bval(3, false)) && !may_say(true, all, bval(3, true)));
        assert!(!may_say(true, all, term(2, false)));
    }
}
