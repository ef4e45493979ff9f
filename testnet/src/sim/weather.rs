//! The scheduler: how long each message takes, which are lost, doubled or held back, and by what plan.
//!
//! It sees every message and what each says, and knows whom liars play coins with.

use entente_hbbft::{Message, Seat, Vote};
use entente_protocol::replicate::PeerMessage;

use super::coins::Players;
use super::liars::Way;
use super::rng::Rng;

/// How the network behaves while a history is hostile.
#[derive(Debug, Clone)]
pub(super) struct Weather {
    /// One-way latency of each ordered pair, in ms.
    latency: Vec<Vec<u64>>,
    /// Percent of messages that are lost although their stream stays up.
    loss: u64,
    /// Percent that come twice.
    double: u64,
    /// Percent that others overtake, and by how much at most, in ms.
    reorder: u64,
    reorder_ms: u64,
    /// Bytes that a link carries in a ms; none where it is no limit.
    pub(super) bytes_per_ms: Option<u64>,
    /// Percent of deliveries that wait for a later one and are taken with it in one turn.
    pub(super) together: u64,
    pub(super) theme: Theme,
    /// Whom or what the theme is about; a seat where it is about a contribution.
    pub(super) target: usize,
    /// Those who lie, on the scheduler's side.
    allies: Vec<usize>,
    hold_ms: u64,
}

/// When a copy of a message arrives, and why so late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delay {
    /// In ms from when it is sent.
    pub(super) ms: u64,
    /// Others may overtake it.
    pub(super) reordered: bool,
    /// The plan holds it back.
    pub(super) held: bool,
}

/// A plan of the scheduler's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    /// None: random weather.
    Random,
    /// Nothing goes wrong, so that what needs a calm network shows.
    Calm,
    /// All that goes to or comes from one member comes late.
    Starve,
    /// Messages of one kind come late.
    HoldKind,
    /// All that serves one seat's contribution comes late, so that others vote 0 on it early: a liar's where seats lie.
    EarlyZero,
    /// Two halves hear each other late.
    Halves,
    /// Votes for 1 come late to half of the members, votes for 0 to the others: whichever the coin is, one half waits for it.
    PlayCoins,
    /// One correct seat's contribution comes late, and entries come late to the next: this one alone has not claimed them
    /// once they are left behind.
    LoneStarter,
    /// Cosignatures and certificates come late: votes are kept and shown for long.
    Uncertified,
    /// One member hears the votes of all but one other late, if they do not lie.
    Behind,
    /// All correct members lose power at once, again and again, while something is under way.
    AllRestart,
    /// Coins are reckoned with: what two liars that play them do not want to be heard comes once all is over.
    KnownCoins,
}

impl Theme {
    /// Those that are drawn together; [`Theme::AllRestart`] is drawn apart, [`Theme::KnownCoins`] takes liars of its own.
    pub(super) const ALL: [Self; 10] = [
        Self::Random,
        Self::Calm,
        Self::Starve,
        Self::HoldKind,
        Self::EarlyZero,
        Self::Halves,
        Self::PlayCoins,
        Self::LoneStarter,
        Self::Uncertified,
        Self::Behind,
    ];

    /// What people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Calm => "calm",
            Self::Starve => "starve",
            Self::HoldKind => "hold-kind",
            Self::EarlyZero => "early-zero",
            Self::Halves => "halves",
            Self::PlayCoins => "play-coins",
            Self::LoneStarter => "lone-starter",
            Self::Uncertified => "uncertified",
            Self::Behind => "behind",
            Self::AllRestart => "all-restart",
            Self::KnownCoins => "known-coins",
        }
    }
}

/// Kinds of messages that can be held back.
const KINDS: usize = 11;

impl Weather {
    /// Of `members`, the first of whom have the `seats`.
    pub(super) fn draw(
        rng: &mut Rng,
        (seats, members): (usize, usize),
        liars: &[(usize, Way)],
        theme: Option<Theme>,
    ) -> Self {
        let theme = theme.unwrap_or_else(|| *rng.pick(&[&Theme::ALL[..], &[Theme::Random; 4]].concat()));
        let (low, high) = *rng.pick(&[(1, 3), (1, 40), (20, 80), (5, 400), (200, 900)]);
        let mut row = |_| (0..members).map(|_| rng.between(low, high)).collect();
        let latency = (0..members).map(&mut row).collect();
        // Coins are played by delays alone.
        let calm = matches!(theme, Theme::Calm | Theme::KnownCoins);
        let of = |rng: &mut Rng, list: &[u64]| if calm { 0 } else { *rng.pick(list) };
        Self {
            latency,
            loss: of(rng, &[0, 0, 0, 1, 5, 20, 40]),
            double: of(rng, &[0, 0, 5, 30]),
            reorder: of(rng, &[0, 0, 10, 50]),
            reorder_ms: rng.between(1, 20 * high),
            bytes_per_ms: (!calm && rng.chance(8)).then(|| rng.between(2, 100)),
            together: *rng.pick(&[0, 0, 30, 70]),
            theme,
            target: rng.index(members.max(KINDS)),
            allies: liars.iter().map(|(liar, _)| *liar).collect(),
            hold_ms: rng.between(500, 15_000),
        }
        .aimed(seats)
    }

    /// With a seat as target where the theme is about a contribution.
    fn aimed(mut self, seats: usize) -> Self {
        let (liars, correct) = (0..seats).partition::<Vec<_>, _>(|seat| self.allies.contains(seat));
        let among = match self.theme {
            Theme::EarlyZero if !liars.is_empty() => liars,
            Theme::EarlyZero | Theme::LoneStarter => correct,
            _ => return self,
        };
        self.target = among[self.target % among.len()];
        self
    }

    /// The delays after which copies of a message arrive: none if it is lost. What is kept from `players` comes
    /// after `left`.
    pub(super) fn delays(
        &self,
        rng: &mut Rng,
        seats: usize,
        (from, to): (usize, usize),
        message: &PeerMessage,
        players: Option<Players>,
        left: u64,
    ) -> Vec<Delay> {
        if rng.chance(self.loss) {
            return Vec::new();
        }
        let copies = 1 + u64::from(rng.chance(self.double));
        let mut one = || {
            let extra = if rng.chance(self.reorder) { rng.below(self.reorder_ms + 1) } else { 0 };
            let kept = players.is_some_and(|players| players.keep(from, to, message));
            let held = match (kept, self.holds(seats, from, to, message)) {
                (true, _) => left,
                (_, true) => rng.below(self.hold_ms),
                _ => 0,
            };
            Delay { ms: self.latency[from][to] + extra + held, reordered: extra > 0, held: held > 0 }
        };
        (0..copies).map(|_| one()).collect()
    }

    /// What is left of it once the network has healed.
    pub(super) fn healed(&self, from: usize, to: usize) -> Delay {
        Delay { ms: self.latency[from][to].min(50), reordered: false, held: false }
    }

    /// The next correct seat after the target; none if there is no other.
    fn next_correct(&self, seats: usize) -> Option<usize> {
        (1..seats).map(|step| (self.target + step) % seats).find(|seat| !self.allies.contains(seat))
    }

    fn holds(&self, seats: usize, from: usize, to: usize, message: &PeerMessage) -> bool {
        match self.theme {
            Theme::Random | Theme::Calm | Theme::AllRestart | Theme::KnownCoins => false,
            Theme::Starve => {
                let target = self.target % self.latency.len();
                from == target || to == target
            }
            Theme::HoldKind => kinds(message) >> (self.target % KINDS) & 1 == 1,
            Theme::EarlyZero => serves(message, Seat(self.target as u16)),
            Theme::LoneStarter => {
                let is_run = matches!(message, PeerMessage::Run(_));
                serves(message, Seat(self.target as u16)) || (is_run && self.next_correct(seats) == Some(to))
            }
            Theme::Behind => {
                let (behind, heard) =
                    (self.target % self.latency.len(), (self.target + 1) % self.latency.len());
                let in_time = from == heard || self.allies.contains(&from);
                to == behind && !in_time && matches!(message, PeerMessage::Frame(_))
            }
            Theme::Uncertified => matches!(
                message,
                PeerMessage::Cosign(_) | PeerMessage::Epoch(_) | PeerMessage::Certificate { .. }
            ),
            Theme::Halves => (from ^ to) & 1 == 1,
            Theme::PlayCoins => votes_for(message, to & 1 == 1),
        }
    }
}

/// The kinds that a message is of, as a bitmap.
fn kinds(message: &PeerMessage) -> u32 {
    let frame = |messages: &mut dyn Iterator<Item = Message>| {
        messages.fold(0, |kinds, message| {
            kinds
                | match message {
                    Message::Propose(_) => 1 << 4,
                    Message::Echo { .. } => 1 << 5,
                    Message::Ready { .. } => 1 << 6,
                    Message::Bval { .. } => 1 << 7,
                    Message::Aux { .. } => 1 << 8,
                    Message::Conf { .. } => 1 << 9,
                    Message::Term { .. } => 1 << 10,
                }
        })
    };
    match message {
        PeerMessage::Frame(voted) => frame(&mut voted.votes.messages()),
        PeerMessage::Have(_) => 1,
        // Given as the whole frame.
        PeerMessage::Spoken(_) | PeerMessage::Want(_) | PeerMessage::Served(_) => 0,
        PeerMessage::Run(_) => 1 << 1,
        PeerMessage::Payload { .. } => 1 << 2,
        PeerMessage::Cosign(_)
        | PeerMessage::Epoch(_)
        | PeerMessage::Certificate { .. }
        | PeerMessage::HeadRequest(_)
        | PeerMessage::HeadReport(_)
        | PeerMessage::Snapshot(_)
        | PeerMessage::State { .. } => 1 << 3,
    }
}

/// Whether a message helps a seat's contribution to be delivered.
fn serves(message: &PeerMessage, seat: Seat) -> bool {
    let PeerMessage::Frame(frame) = message else { return false };
    frame.votes.messages().any(|message| match message {
        Message::Propose(_) => frame.feed.seat == seat,
        Message::Echo { proposer, .. } | Message::Ready { proposer, .. } => proposer == seat,
        _ => false,
    })
}

fn votes_for(message: &PeerMessage, value: bool) -> bool {
    let PeerMessage::Frame(frame) = message else { return false };
    frame.votes.messages().any(|message| match message {
        Message::Bval { value: vote, .. } | Message::Aux { value: vote, .. } => vote == value,
        Message::Conf { values, .. } => Vote::Conf(values) == Vote::Conf(entente_hbbft::BoolSet::of(value)),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, (seats, members): (usize, usize), liars: &[usize], theme: Theme) -> Weather {
        let liars: Vec<_> = liars.iter().map(|liar| (*liar, Way::Silence)).collect();
        Weather::draw(&mut Rng::new(seed, 1), (seats, members), &liars, Some(theme))
    }

    fn targets(of: (usize, usize), liars: &[usize], theme: Theme) -> Vec<usize> {
        let all: std::collections::BTreeSet<_> =
            (0..200).map(|seed| drawn(seed, of, liars, theme).target).collect();
        all.into_iter().collect()
    }

    #[test]
    fn early_zeros_are_for_a_liars_contribution_and_for_any_seats_where_none_lies() {
        assert_eq!(targets((7, 9), &[2, 5, 8], Theme::EarlyZero), [2, 5]);
        assert_eq!(targets((4, 9), &[4, 8], Theme::EarlyZero), [0, 1, 2, 3]);
        assert_eq!(targets((1, 1), &[], Theme::EarlyZero), [0]);
    }

    #[test]
    fn a_lone_starter_and_whose_contribution_comes_late_are_two_correct_seats() {
        assert_eq!(targets((4, 6), &[1, 5], Theme::LoneStarter), [0, 2, 3]);
        for seed in 0..200 {
            let weather = drawn(seed, (4, 6), &[1, 5], Theme::LoneStarter);
            let late = weather.next_correct(4).expect("there are three");
            assert!(late != weather.target && [0, 2, 3].contains(&late), "{weather:?}");
        }
        assert_eq!(drawn(1, (1, 3), &[2], Theme::LoneStarter).next_correct(1), None);
    }
}
