//! What a seed draws: the coalition, who lies and how, the weather, and a list of deeds and blows in time.
//!
//! Everything that happens is in the list or follows from it, so a history can be shrunk by leaving out items, and a
//! failure is replayed from its seed and the numbers of those left out.

use std::collections::BTreeSet;

use entente_protocol::authority::Follow;
use entente_protocol::charter::MAX_NODES;

use super::liars::Way;
use super::rng::Rng;
use super::weather::{Theme, Weather};

/// A hostile history.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) seed: u64,
    /// Partners, each with a seat and a node.
    pub(super) seats: usize,
    /// Nodes without a seat.
    pub(super) further: usize,
    /// Which members lie, and how; their seats are at most f.
    pub(super) liars: Vec<(usize, Way)>,
    pub(super) weather: Weather,
    /// Each member's clock, off by so much, in ms.
    pub(super) skews: Vec<i64>,
    pub(super) items: Vec<Item>,
    /// When all this ends and the network heals, in ms from the start.
    pub(super) calm_at: u64,
    /// Correct seats that stay away when the others heal, as many as a quorum can spare.
    pub(super) away: BTreeSet<usize>,
    /// Whether officers speak of the coalition's affairs, under a charter that says how operations go on.
    pub(super) affairs: bool,
    /// Whether keys change as well, where they do, corridors are leased and authorities speak.
    pub(super) powers: bool,
    /// Whether closures need an alliance's voice instead, and what later versions of its document mean to the charter.
    pub(super) pact: Option<Follow>,
    /// Whether partners join.
    pub(super) joins: bool,
    /// How often they talk in turn once all are well again.
    pub(super) talks: u64,
}

/// Something that happens at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    /// In ms from the start.
    pub(super) at: u64,
    pub(super) what: What,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Submits notes in one go.
    Notes { member: usize, count: u64 },
    /// An officer opens an operation whose window ends in half an hour.
    Open { member: usize },
    /// An officer attests to one of the operations opened so far, maybe before that is ordered.
    Attest { member: usize, nth: u64 },
    /// An officer says something of the coalition's affairs; what, is drawn then.
    Say { member: usize, draw: u64 },
    /// Somebody says something of partners that join, or such a partner does; what, is drawn then.
    Join { member: usize, draw: u64 },
    /// Power is lost, and back after a while.
    Crash { member: usize, down: u64 },
    /// Power is lost after so many more effects.
    CrashAtEffect { member: usize, effects: usize, down: u64 },
    /// Power is lost everywhere.
    CrashAll { down: u64 },
    /// A link is gone.
    Cut { a: usize, b: usize, span: u64 },
    /// Nothing gets through in one direction, and nobody notices.
    OneWay { from: usize, to: usize, span: u64 },
    /// Two halves, by a bitmap of members.
    Partition { side: u32, span: u64 },
    /// Nothing gets through from one side to the other, and nobody notices; all that is sent the other way arrives.
    OneWaySides { side: u32, span: u64 },
    /// Off the network, running on.
    Isolate { member: usize, span: u64 },
    /// Linked with one other member alone.
    Gateway { member: usize, by: usize, span: u64 },
    /// A clock is set.
    Clock { member: usize, by: i64 },
    /// Off while the others order so many epochs.
    Sleep { member: usize, epochs: u64 },
    /// A copy of the store is kept.
    Backup { member: usize },
    /// Power is lost, and the copy is what comes back.
    RollBack { member: usize, down: u64 },
}

impl What {
    /// Whether it stops a member's process.
    pub(super) fn stops(&self) -> bool {
        use What::{Crash, CrashAll, CrashAtEffect, RollBack, Sleep};
        matches!(self, Crash { .. } | CrashAtEffect { .. } | CrashAll { .. } | Sleep { .. } | RollBack { .. })
    }
}

/// What a run may ask for instead of the draw.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wish {
    pub(super) seats: Option<usize>,
    pub(super) way: Option<Way>,
    pub(super) theme: Option<Theme>,
    /// One correct seat is rolled back in this way, and one liar less lies for it.
    pub(super) roll_back: Option<Past>,
    /// Nobody speaks of the coalition's affairs.
    pub(super) plain: bool,
    /// All say something at once.
    pub(super) all_busy: bool,
}

impl Wish {
    /// Whether it asks for a kind of hostility.
    fn is_hostile(&self) -> bool {
        let Self { seats: _, way, theme, roll_back, plain, all_busy } = *self;
        way.is_some() || theme.is_some() || roll_back.is_some() || plain || all_busy
    }
}

/// How a correct seat comes back with an old store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Past {
    /// At any time.
    Plain,
    /// Linked with a liar alone, as when it started once before.
    Ambush,
    /// One other seat, which is off for a while, has heard what it does not know to have said; it says something else
    /// at the same place.
    TwoLives,
}

/// Longest time for which a history is hostile, in ms.
pub(super) const MAX_HOSTILE_MS: u64 = 60_000;
/// Of so many histories of four or five seats, one of which can be spared, one has a seat that sleeps for thousands of epochs.
const SLEEPERS: u64 = 15;
/// Of a hundred histories so many are of the coalition's affairs as well.
const AFFAIRS: u64 = 40;
/// Of a hundred of those, so many are of keys, leases and authorities as well.
const POWERS: u64 = 60;
/// Of a hundred histories of the coalition's affairs partners join in so many.
const JOINS: u64 = 40;
/// Of a hundred histories of keys, leases and authorities, an alliance has a voice in so many.
const PACTS: u64 = 40;
/// Of a hundred histories of few enough seats, drawn without a wish, so many have a crowd of authors without a seat.
const CROWDS: u64 = 8;
/// Most authors of a crowd: more than there are seats, so that most of all who write may lie.
const MOST_AUTHORS: u64 = 10;
const SEATS_OF_A_CROWD: usize = 7;
/// Of a hundred authors of a crowd so many lie, in one of these ways, which take no seat.
const LYING_AUTHORS: u64 = 80;
const WAYS_OF_AUTHORS: [Way; 7] =
    [Way::Forks, Way::ForkPerPeer, Way::Twins, Way::Boasts, Way::Replays, Way::PartialDelivery, Way::Silence];
/// Of a hundred histories drawn without a wish, coins are played in so many.
const KNOWN_COINS: u64 = 2;
/// Of a hundred histories, but for those of planted bugs, in so many one side is not heard by the other, and how often at most.
const ONE_WAY_SIDES: u64 = 15;
const MOST_ONE_WAY_SIDES: u64 = 3;
/// Of a hundred histories of random weather, but for those of planted bugs, all restart at once in so many: as often as there
/// is any other plan.
const RESTARTS: u64 = 20;
/// In larger coalitions talk costs more time than it finds.
const SEATS_OF_AFFAIRS: usize = 10;
/// Most rounds of talk once all are well again.
const MOST_TALKS: u64 = 16;
const HOUR_MS: i64 = 3_600_000;

impl History {
    /// Draws the history of a seed.
    pub(super) fn draw(seed: u64, wish: Wish) -> Self {
        // From a stream of their own, here and below: all other histories stay as they are.
        let known = &mut Rng::new(seed, 386);
        let drawn = known.chance(KNOWN_COINS) && !wish.is_hostile() && wish.seats.is_none();
        if drawn || wish.theme == Some(Theme::KnownCoins) {
            return Self::of_known_coins(seed, known);
        }
        let rng = &mut Rng::new(seed, 1);
        let seats = wish.seats.unwrap_or_else(|| match (rng.below(100), wish.way.is_some()) {
            (0..=59, true) => 4,
            (_, true) => *rng.pick(&[5, 6, 7, 7, 7, 10]),
            (0..=39, _) => 4,
            (40..=47, _) => 1,
            (48..=55, _) => 2,
            (56..=60, _) => 3,
            (61..=68, _) => 5,
            (69..=73, _) => 6,
            (74..=93, _) => 7,
            _ => rng.between(8, 16) as usize,
        });
        let f = (seats - 1) / 3;
        let further = if rng.chance(25) { rng.between(1, 2) as usize } else { 0 };
        let crowd = &mut Rng::new(seed, 331);
        let crowded = crowd.chance(CROWDS) && !wish.is_hostile() && seats <= SEATS_OF_A_CROWD;
        let crowd_of = crowd.between(3, MOST_AUTHORS) as usize;
        let further = if crowded { crowd_of.min(seats * (MAX_NODES - 1)) } else { further };
        let members = seats + further;
        let mut order: Vec<usize> = (0..seats).collect();
        rng.shuffle(&mut order);
        let spared = usize::from(wish.roll_back.is_some());
        let lying = if wish.way.is_some() { f - spared.min(f) } else { rng.index(f + 1 - spared.min(f)) };
        // A member lies in one way; one draw in three, all do in the same.
        let all_alike = rng.chance(33).then(|| *rng.pick(&Way::ALL));
        let way = |rng: &mut Rng| wish.way.or(all_alike).unwrap_or_else(|| *rng.pick(&Way::ALL));
        let mut liars: Vec<(usize, Way)> = Vec::new();
        for &seat in &order[..lying] {
            liars.push((seat, way(rng)));
        }
        // Of authors without a seat any number may be faulty.
        for member in seats..members {
            if crowded {
                let lies = crowd.chance(LYING_AUTHORS);
                liars.extend(lies.then(|| (member, *crowd.pick(&WAYS_OF_AUTHORS))));
            } else if rng.chance(50) {
                liars.push((member, Way::Forks));
            }
        }
        let spare = f - lying;
        let roll_back = (spare > 0 && (wish.roll_back.is_some() || rng.chance(30))).then(|| order[lying]);
        let away = order[lying..].iter().rev().take(rng.index(spare + 1)).copied();
        let away: BTreeSet<usize> = away.filter(|seat| Some(*seat) != roll_back).collect();
        // Who is rolled back halts for good, so it is one of the f.
        let away = if roll_back.is_some() { away.into_iter().take(spare - 1).collect() } else { away };
        let skews = (0..members).map(|_| match rng.below(10) {
            0 => rng.below(2 * HOUR_MS as u64) as i64 - HOUR_MS,
            1..=4 => rng.below(60_000) as i64 - 30_000,
            _ => rng.below(200) as i64 - 100,
        });
        let skews = skews.collect();
        let mut weather = Weather::draw(rng, (seats, members), &liars, wish.theme);
        let calm_at = rng.between(2_000, MAX_HOSTILE_MS);
        let mut items = Vec::new();
        for _ in 0..rng.between(3, 25) {
            items.push(Item { at: rng.below(calm_at), what: work(rng, members) });
        }
        let correct: Vec<usize> =
            (0..members).filter(|member| liars.iter().all(|(liar, _)| liar != member)).collect();
        for _ in 0..rng.below(20) {
            items.push(Item { at: rng.below(calm_at), what: blow(rng, members, &correct) });
        }
        if let Some(member) = roll_back {
            let past =
                wish.roll_back.unwrap_or_else(|| *rng.pick(&[Past::Plain, Past::Ambush, Past::TwoLives]));
            let liar = liars.iter().map(|(liar, _)| *liar).find(|liar| *liar < seats);
            let others: Vec<usize> =
                correct.iter().copied().filter(|other| *other != member && *other < seats).collect();
            items.extend(match (past, liar) {
                (Past::Ambush, Some(liar)) => ambush(rng, calm_at, member, liar),
                (Past::TwoLives, _) => two_lives(rng, calm_at, member, &others),
                _ => old_store(rng, calm_at, member),
            });
        }
        if wish.all_busy || rng.chance(10) {
            let at = calm_at - rng.below(calm_at / 2);
            let count = rng.between(1, 8);
            items.extend((0..members).map(|member| Item { at, what: What::Notes { member, count } }));
        }
        if spare > 0 && seats <= 5 && roll_back.is_none() && rng.below(SLEEPERS) == 0 {
            let member = order[lying];
            let (at, epochs) = (rng.below(calm_at), rng.between(1_000, 3_000));
            items.push(Item { at, what: What::Sleep { member, epochs } });
        }
        // From a stream of their own: what else happens is drawn as it is without them.
        let rng = &mut Rng::new(seed, 12);
        let affairs = rng.chance(AFFAIRS) && !wish.plain && seats <= SEATS_OF_AFFAIRS;
        let mut talks = 0;
        if affairs {
            talks = rng.between(MOST_TALKS / 4, MOST_TALKS);
            for _ in 0..rng.between(4, 14) {
                let what = What::Say { member: rng.index(members), draw: rng.next() };
                items.push(Item { at: rng.below(calm_at), what });
            }
        }
        // Drawn apart again, so that the histories of affairs alone, and what they have found, stay as they are.
        let powers = affairs && Rng::new(seed, 68).chance(POWERS);
        // And once more.
        let rng = &mut Rng::new(seed, 107);
        let joins = affairs && rng.chance(JOINS);
        if joins {
            for _ in 0..rng.between(6, 16) {
                let what = What::Join { member: rng.index(members), draw: rng.next() };
                items.push(Item { at: rng.below(calm_at), what });
            }
        }
        let rng = &mut Rng::new(seed, 417);
        if rng.chance(ONE_WAY_SIDES) && !wish.plain && members > 1 {
            for _ in 0..rng.between(1, MOST_ONE_WAY_SIDES) {
                items.push(Item { at: rng.below(calm_at), what: one_way_sides(rng, members) });
            }
        }
        let rng = &mut Rng::new(seed, 419);
        let ordinary = !wish.plain && wish.theme.is_none() && weather.theme == Theme::Random;
        if rng.chance(RESTARTS) && ordinary {
            weather.theme = Theme::AllRestart;
        }
        if weather.theme == Theme::AllRestart {
            for _ in 0..rng.between(2, 6) {
                let at = rng.below(calm_at);
                items.push(Item { at, what: What::Notes { member: rng.index(members), count: 1 } });
                let (at, down) = (at + rng.below(500), rng.below(200));
                items.push(Item { at, what: What::CrashAll { down } });
            }
        }
        let rng = &mut Rng::new(seed, 226);
        let follow = [Follow::AtOnce, Follow::NextAmendment, Follow::Pinned];
        let pact = (powers && seats >= 3 && rng.chance(PACTS)).then(|| *rng.pick(&follow));
        items.sort_by_key(|item| item.at);
        Self {
            seed,
            seats,
            further,
            liars,
            weather,
            skews,
            items,
            calm_at,
            away,
            affairs,
            powers,
            pact,
            joins,
            talks,
        }
    }

    /// The same without some items.
    pub(super) fn without(&self, dropped: &BTreeSet<usize>) -> Self {
        let kept = self.items.iter().enumerate().filter(|(i, _)| !dropped.contains(i));
        Self { items: kept.map(|(_, item)| *item).collect(), ..self.clone() }
    }

    pub(super) fn members(&self) -> usize {
        self.seats + self.further
    }

    /// Whether a member lies in a way.
    pub(super) fn lies(&self, member: usize, way: Way) -> bool {
        self.liars.contains(&(member, way))
    }

    /// f.
    pub(super) fn faulty_allowed(&self) -> usize {
        (self.seats - 1) / 3
    }

    /// Whether a member is faulty, or was rolled back and may be taken for it.
    pub(super) fn is_faulty(&self, member: usize) -> bool {
        self.liars.iter().any(|(liar, _)| *liar == member) || self.rolled_back(member)
    }

    pub(super) fn rolled_back(&self, member: usize) -> bool {
        let back = |item: &Item| matches!(item.what, What::RollBack { member: of, .. } if of == member);
        self.items.iter().any(back)
    }
}

/// Something that a member says.
pub(super) fn work(rng: &mut Rng, members: usize) -> What {
    let member = rng.index(members);
    match rng.below(10) {
        0..=4 => What::Notes { member, count: 1 },
        5 => What::Notes { member, count: rng.between(2, 60) },
        6 => What::Notes { member, count: rng.between(60, 400) },
        7 => What::Open { member },
        _ => What::Attest { member, nth: rng.next() },
    }
}

/// A copy of the store at some time, and back to it at a later one.
fn old_store(rng: &mut Rng, calm_at: u64, member: usize) -> Vec<Item> {
    let backup = rng.below(calm_at);
    let later = rng.between(backup + 1, calm_at);
    let down = rng.below(3_000);
    let items = [(backup, What::Backup { member }), (later, What::RollBack { member, down })];
    items.map(|(at, what)| Item { at, what }).to_vec()
}

/// It starts once behind a liar, which gets to see what the others report, and later with an old store, again behind the
/// liar; then it has something to say.
fn ambush(rng: &mut Rng, calm_at: u64, member: usize, by: usize) -> Vec<Item> {
    let first = rng.below(calm_at / 4);
    let span = rng.between(500, 5_000);
    let backup = (first + span).min(calm_at / 2) + rng.below(calm_at / 4);
    let later = rng.between(backup + 1, calm_at);
    let down = rng.below(200);
    let items = [
        (first, What::Gateway { member, by, span }),
        (first, What::Crash { member, down: rng.below(100) }),
        (backup, What::Backup { member }),
        (later, What::Gateway { member, by, span: rng.between(1_000, 10_000) }),
        (later, What::RollBack { member, down }),
        (later + down + rng.below(3_000), What::Notes { member, count: 1 }),
    ];
    items.map(|(at, what)| Item { at, what }).to_vec()
}

/// It speaks with one other seat, is rolled back to before that, and speaks with all but this one.
fn two_lives(rng: &mut Rng, calm_at: u64, member: usize, others: &[usize]) -> Vec<Item> {
    let (Some(&witness), Some(&other)) = (others.first(), others.last()) else { return Vec::new() };
    let before = rng.below(calm_at);
    let span = rng.between(200, 3_000);
    let later = before + span;
    let down = rng.below(100);
    let items = [
        (before, What::Backup { member }),
        (before, What::Partition { side: 1 << member | 1 << witness, span }),
        (before, What::Notes { member: witness, count: 1 }),
        (later, What::Isolate { member: witness, span: rng.between(200, 6_000) }),
        (later, What::RollBack { member, down }),
        (later + down + rng.below(1_000), What::Notes { member: other, count: 1 }),
    ];
    items.map(|(at, what)| Item { at, what }).to_vec()
}

/// Two sides, neither of which is empty.
fn one_way_sides(rng: &mut Rng, members: usize) -> What {
    let mut order: Vec<usize> = (0..members).collect();
    rng.shuffle(&mut order);
    let unheard = 1 + rng.index(members - 1);
    let side = order[..unheard].iter().fold(0, |side, member| side | 1 << member);
    What::OneWaySides { side, span: span(rng) }
}

/// How long something is gone, in ms.
fn span(rng: &mut Rng) -> u64 {
    match rng.below(3) {
        0 => rng.below(200),
        1 => rng.below(3_000),
        _ => rng.below(20_000),
    }
}

fn blow(rng: &mut Rng, members: usize, correct: &[usize]) -> What {
    let span = span(rng);
    let pair = |rng: &mut Rng| {
        let a = rng.index(members);
        (a, (a + 1 + rng.index(members.saturating_sub(1))) % members)
    };
    // Liars are not crashed: one that forgets what it said would only trip over itself.
    let victim = |rng: &mut Rng| *rng.pick(correct);
    match rng.below(20) {
        0..=2 => What::Crash { member: victim(rng), down: span },
        3..=7 => What::CrashAtEffect { member: victim(rng), effects: rng.index(40), down: span },
        8 => What::CrashAll { down: span },
        9..=12 => {
            let (a, b) = pair(rng);
            What::Cut { a, b, span }
        }
        13..=14 => {
            let (from, to) = pair(rng);
            What::OneWay { from, to, span }
        }
        15..=16 => What::Partition { side: rng.next() as u32, span },
        17..=18 => What::Isolate { member: rng.index(members), span },
        _ => What::Clock { member: victim(rng), by: if rng.chance(50) { HOUR_MS } else { -HOUR_MS } },
    }
}
