//! Coins that are known in advance, and who does what in the attack that plays them.
//!
//! Common coins are public (`coin.rs` of the protocol): whoever wants may compute them. Here they are computed from the words
//! that define them.

use std::collections::BTreeSet;

use entente_hbbft::{Message, Round, Seat};
use entente_protocol::identity::CoalitionId;
use entente_protocol::replicate::PeerMessage;
use sha2::{Digest as _, Sha256};

use super::history::{History, Item, MAX_HOSTILE_MS, What, work};
use super::liars::Way;
use super::rng::Rng;
use super::weather::{Delay, Theme, Weather};

/// How long a history in which coins are played is hostile at least, in ms.
const KNOWN_COINS_MS: u64 = 20_000;
/// Rounds whose coin is fixed.
pub(super) const FIXED: u16 = 2;

/// The common coin of a round of the agreement on a proposer, from round [`FIXED`] on.
pub(super) fn common(coalition: &CoalitionId, epoch: u64, proposer: Seat, round: u16) -> bool {
    let tag = coalition.as_bytes();
    let seed = Sha256::new()
        .chain_update("entente-hbbft/coin/1\n")
        .chain_update((tag.len() as u64).to_be_bytes())
        .chain_update(tag)
        .chain_update(epoch.to_be_bytes())
        .finalize();
    let hash = Sha256::new()
        .chain_update(seed)
        .chain_update(proposer.0.to_be_bytes())
        .chain_update(round.to_be_bytes())
        .finalize();
    hash[0] & 1 == 1
}

/// Whom the two liars of seven seats and the scheduler play with. The agreement is on the starved seat's contribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Players {
    /// It votes in no round but those in which the others were when it was last heard, and hears of none.
    pub(super) starved: usize,
    /// It alone hears in time what is contributed, and so alone has input 1.
    pub(super) informed: usize,
    /// It helps that one to the contribution.
    pub(super) second: usize,
    /// One vote of the second round it says late, and the last one does not hear it from then on.
    pub(super) unheard: usize,
    /// It goes through all rounds without having said that vote.
    pub(super) ahead: usize,
}

impl Players {
    /// How many seats it takes.
    pub(super) const SEATS: usize = 7;

    /// Those of a history whose liars play; none if nobody does.
    pub(super) fn of(liars: &[(usize, Way)], target: usize) -> Option<Self> {
        let plays = |seat: &usize| liars.iter().any(|(liar, way)| liar == seat && *way == Way::PlaysCoins);
        let correct: Vec<usize> = (0..Self::SEATS).filter(|seat| !plays(seat)).collect();
        let [a, b, c, d, e] = correct[..] else { return None };
        let mut order = [a, b, c, d, e];
        order.rotate_left(target % 5);
        let [starved, informed, second, unheard, ahead] = order;
        Some(Self { starved, informed, second, unheard, ahead })
    }

    /// All but the starved one.
    pub(super) fn kept_apart(&self) -> [usize; 4] {
        [self.informed, self.second, self.unheard, self.ahead]
    }

    /// Whether the scheduler keeps a message back until all is over: whatever anyone says for another seat; frames to the starved
    /// seat but the liars', and its own to correct seats but the informed one; and to the one that is ahead all that the unheard
    /// one says from its late vote on.
    pub(super) fn keep(&self, from: usize, to: usize, message: &PeerMessage) -> bool {
        let PeerMessage::Frame(frame) = message else { return false };
        let apart = self.kept_apart();
        let late = |message: Message| match message {
            Message::Bval { proposer, round, value } => {
                proposer.index() == self.starved && (round > Round(1) || (round == Round(1) && !value))
            }
            Message::Aux { proposer, round, .. } => proposer.index() == self.starved && round > Round(1),
            _ => false,
        };
        frame.feed.seat.index() != from
            || (to == self.starved && apart.contains(&from))
            || (from == self.starved && apart.contains(&to) && to != self.informed)
            || (from == self.unheard && to == self.ahead && frame.votes.messages().any(late))
    }
}

impl History {
    /// Two of seven seats lie and play coins with the scheduler, who has nothing else in his way.
    pub(super) fn of_known_coins(seed: u64, rng: &mut Rng) -> Self {
        let seats = Players::SEATS;
        let mut order: Vec<usize> = (0..seats).collect();
        rng.shuffle(&mut order);
        let liars: Vec<_> = order[..2].iter().map(|liar| (*liar, Way::PlaysCoins)).collect();
        let weather = Weather::draw(rng, (seats, seats), &liars, Some(Theme::KnownCoins));
        let skews = (0..seats).map(|_| rng.below(200) as i64 - 100).collect();
        let calm_at = rng.between(KNOWN_COINS_MS, MAX_HOSTILE_MS);
        // Everyone has something to say at once, and some more later.
        let first = |member| Item { at: rng.below(500), what: What::Notes { member, count: 1 } };
        let mut items: Vec<Item> = (0..seats).map(first).collect();
        for _ in 0..rng.below(10) {
            items.push(Item { at: rng.below(calm_at), what: work(rng, seats) });
        }
        items.sort_by_key(|item| item.at);
        Self {
            seed,
            seats,
            further: 0,
            liars,
            weather,
            skews,
            items,
            calm_at,
            away: BTreeSet::new(),
            affairs: false,
            powers: false,
            pact: None,
            joins: false,
            talks: 0,
        }
    }

    /// The delays after which copies of a message arrive that is sent so long after the start.
    pub(super) fn delays(
        &self,
        rng: &mut Rng,
        from: usize,
        to: usize,
        message: &PeerMessage,
        since: u64,
    ) -> Vec<Delay> {
        let plays = self.weather.theme == Theme::KnownCoins;
        let players = plays.then(|| Players::of(&self.liars, self.weather.target)).flatten();
        let left = self.calm_at.saturating_sub(since);
        self.weather.delays(rng, self.seats, (from, to), message, players, left)
    }
}
