//! Byzantine members, one small type for each way to lie.
//!
//! A liar is a production engine whose words are changed on the way out, under its own keys, so that what it says
//! is well-formed and well-signed. It may tell every peer something else. Liars know all keys of their own member
//! and nothing secret of others.

mod boasts;
mod both_ways;
mod branches;
mod clocks;
mod contributions;
mod false_claims;
mod favours;
mod fork_per_peer;
mod forks;
mod future_flood;
mod hollow;
mod partial;
mod plays_coins;
mod repeats;
mod replays;
mod restless;
mod silence;
mod tongues;
mod torn;
mod twins;
mod two_contributions;
mod unbacked;
mod unsigned;
mod withholds;
mod wrong_digests;

use std::collections::BTreeMap;

use entente_hbbft::{Message, Seat};
use entente_protocol::identity::CoalitionId;
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;
use entente_protocol::time::Time;
use entente_protocol::vote::VoteFrame;

pub(super) use twins::Twins;

use super::members::Member;
use super::rng::Rng;

/// What a liar knows of itself.
pub(super) struct Me<'a> {
    pub(super) member: usize,
    pub(super) keys: &'a Member,
    pub(super) coalition: CoalitionId,
    pub(super) seats: usize,
    /// By its own clock.
    pub(super) now: Time,
    /// The last epoch that it knows to be certified.
    pub(super) certified: u64,
    pub(super) nodes: &'a [Member],
    /// What the engine of each process has said of its own seat, delivered or not, by epoch and place.
    pub(super) said: Vec<&'a BTreeMap<(u64, u32), VoteFrame>>,
}

impl Me<'_> {
    /// The own seat; that of a member without one is no seat at all.
    pub(super) fn seat(&self) -> Seat {
        Seat(self.member as u16)
    }

    fn is_own_frame(&self, message: &PeerMessage) -> bool {
        matches!(message, PeerMessage::Frame(frame) if frame.feed.seat == self.seat())
    }

    fn is_own_run(&self, message: &PeerMessage) -> bool {
        matches!(message, PeerMessage::Run(run) if run.feed.node == self.keys.node.public())
    }

    /// All that a member's seat has said in an epoch.
    fn said_by(&self, member: usize, epoch: u64) -> impl Iterator<Item = Message> {
        let frames = self
            .said
            .get(member)
            .into_iter()
            .flat_map(move |said| said.range((epoch, 0)..=(epoch, u32::MAX)));
        frames.flat_map(|(_, frame)| frame.votes.messages())
    }

    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let own = self.member;
        (0..self.nodes.len()).filter(move |member| *member != own)
    }
}

/// A way of speaking that is not its engine's.
pub(super) trait Liar {
    /// Its engine has written something, own frames and own runs in order.
    fn wrote(&mut self, _me: &Me<'_>, _write: &Write) {}

    /// What it tells a member instead of what its engine says.
    fn send(&mut self, _me: &Me<'_>, _to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        vec![message]
    }

    /// What its engine hears of what a member says. What it said itself would stop it.
    fn hear(
        &mut self,
        me: &Me<'_>,
        _from: usize,
        message: PeerMessage,
        _rng: &mut Rng,
    ) -> Option<PeerMessage> {
        forget_own(me, message)
    }

    /// Whether it has done all that it set out to do, where that is one thing.
    fn is_done(&self) -> bool {
        false
    }

    /// What it says unasked, and to whom; asked five times a second.
    fn murmur(&mut self, _me: &Me<'_>, _rng: &mut Rng) -> Vec<(usize, PeerMessage)> {
        Vec::new()
    }
}

/// A message without what would tell an engine that its member has said something else.
fn forget_own(me: &Me<'_>, message: PeerMessage) -> Option<PeerMessage> {
    if me.is_own_frame(&message) || me.is_own_run(&message) {
        return None;
    }
    Some(match message {
        PeerMessage::Have(mut have) => {
            let own = me.keys.node.public();
            have.feeds.retain(|(key, _)| key.node != own);
            PeerMessage::Have(have)
        }
        PeerMessage::HeadReport(mut report) if report.starter == me.seat() => {
            report.heads.clear();
            PeerMessage::HeadReport(report)
        }
        other => other,
    })
}

/// What making a liar takes.
pub(super) struct Liars {
    pub(super) members: usize,
    /// The same for all liars of a history.
    pub(super) seed: u64,
    /// The scheduler's, who is on their side.
    pub(super) target: usize,
    /// All who lie, and how.
    pub(super) all: Vec<(usize, Way)>,
}

/// The ways to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    TwoContributions,
    BothWays,
    Unbacked,
    WithheldReady,
    WrongDigests,
    FalseClaims,
    Forks,
    ForkPerPeer,
    FarClock,
    FutureFlood,
    Repeats,
    Replays,
    PartialDelivery,
    Boasts,
    Restless,
    Silence,
    Twins,
    Unsigned,
    Hollow,
    Torn,
    Favours,
    PlaysCoins,
}

impl Way {
    /// Those that any liar may have; [`Way::PlaysCoins`] takes two, and a scheduler that plays with them.
    pub(super) const ALL: [Self; 21] = [
        Self::TwoContributions,
        Self::BothWays,
        Self::Unbacked,
        Self::WithheldReady,
        Self::WrongDigests,
        Self::FalseClaims,
        Self::Forks,
        Self::ForkPerPeer,
        Self::FarClock,
        Self::FutureFlood,
        Self::Repeats,
        Self::Replays,
        Self::PartialDelivery,
        Self::Boasts,
        Self::Restless,
        Self::Silence,
        Self::Twins,
        Self::Unsigned,
        Self::Hollow,
        Self::Torn,
        Self::Favours,
    ];

    /// What people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::TwoContributions => "two-contributions",
            Self::BothWays => "both-ways",
            Self::Unbacked => "unbacked",
            Self::WithheldReady => "withheld-ready",
            Self::WrongDigests => "wrong-digests",
            Self::FalseClaims => "false-claims",
            Self::Forks => "forks",
            Self::ForkPerPeer => "fork-per-peer",
            Self::FarClock => "far-clock",
            Self::FutureFlood => "future-flood",
            Self::Repeats => "repeats",
            Self::Replays => "replays",
            Self::PartialDelivery => "partial-delivery",
            Self::Boasts => "boasts",
            Self::Restless => "restless",
            Self::Silence => "silence",
            Self::Twins => "twins",
            Self::Unsigned => "unsigned",
            Self::Hollow => "hollow",
            Self::Torn => "torn",
            Self::Favours => "favours",
            Self::PlaysCoins => "plays-coins",
        }
    }

    /// The way of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::PlaysCoins]).find(|way| way.name() == name)
    }

    pub(super) fn is_twin(self) -> bool {
        self == Self::Twins
    }

    /// A clock of its own, in ms off.
    pub(super) fn skew(self, rng: &mut Rng) -> Option<i64> {
        (self == Self::FarClock).then(|| clocks::draw(rng))
    }

    /// Who speaks so; nobody where the engine itself does, as of twins.
    pub(super) fn liar(self, liars: &Liars, rng: &mut Rng) -> Option<Box<dyn Liar>> {
        Some(match self {
            Self::TwoContributions => Box::new(two_contributions::TwoContributions::new(liars, rng)),
            Self::BothWays => Box::new(both_ways::BothWays::new(liars, rng)),
            Self::Unbacked => Box::new(unbacked::Unbacked::new(rng)),
            Self::WithheldReady => Box::new(withholds::Withholds::new(liars, rng)),
            Self::WrongDigests => Box::new(wrong_digests::WrongDigests::new(liars, rng)),
            Self::FalseClaims => Box::new(false_claims::FalseClaims::new(rng)),
            Self::Forks => Box::new(forks::Forks::new(liars, rng)),
            Self::ForkPerPeer => Box::new(fork_per_peer::ForkPerPeer::new(liars)),
            Self::FarClock => Box::new(clocks::FarClock),
            Self::FutureFlood => Box::new(future_flood::FutureFlood),
            Self::Repeats => Box::new(repeats::Repeats::default()),
            Self::Replays => Box::new(replays::Replays::default()),
            Self::PartialDelivery => Box::new(partial::Partial::new(rng)),
            Self::Boasts => Box::new(boasts::Boasts),
            Self::Restless => Box::new(restless::Restless),
            Self::Silence => Box::new(silence::Silence::new(rng)),
            Self::Unsigned => Box::new(unsigned::Unsigned::new(liars, rng)),
            Self::Hollow => Box::new(hollow::Hollow::new(rng)),
            Self::Torn => Box::new(torn::Torn::new(liars, rng)),
            Self::Favours => Box::new(favours::Favours::new(liars)),
            Self::PlaysCoins => Box::new(plays_coins::PlaysCoins::new(liars)),
            Self::Twins => return None,
        })
    }
}

/// Splits the members into two audiences at random.
fn audiences(liars: &Liars, rng: &mut Rng) -> Vec<usize> {
    (0..liars.members).map(|_| rng.index(2)).collect()
}
