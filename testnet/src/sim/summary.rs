//! What runs counted, and what a run of many seeds must have seen to mean anything.

use std::collections::BTreeMap;

use serde::Serialize;

use super::liars::Way;
use super::weather::Theme;

/// Something that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Count {
    Crash,
    CrashAtEffect,
    /// Before a start was through.
    CrashOfStart,
    UnsyncedWrite,
    TornCommit,
    RollBack,
    Restore,
    Taken,
    Slept,
    Halt,
    /// All correct members at once.
    CrashAll,
    Cut,
    /// One member is cut off from all others.
    Isolation,
    /// One member is cut off from all but a liar.
    Gateway,
    OneWay,
    Partition,
    /// One side is not heard by the other.
    OneWaySides,
    ClockJump,
    /// Clocks of correct members that are wrong from the start.
    WrongClock,
    Loss,
    /// Messages that a slow link had no room for.
    SlowLoss,
    /// Messages that waited for a slow link.
    SlowWait,
    /// Copies that others may overtake.
    Reordered,
    /// Copies that the scheduler's plan holds back.
    HeldBack,
    Double,
    Sent,
    Certified,
    Ordered,
    Liar(&'static str),
    /// Liars that speak in brief.
    Brief,
    /// Frames in brief that are not what their sender has signed.
    FalseBrief,
    /// Histories in which more than two authors without a seat lie.
    Crowd,
    /// Histories under a plan of the scheduler's.
    Theme(&'static str),
    /// Histories in which coins were played to the last round that is.
    CoinsPlayed,
    /// Records of the coalition that were ordered, by kind and fate.
    Record(&'static str, &'static str),
    /// Faults that engines reported, by their word.
    Fault(&'static str),
}

impl Count {
    fn name(self) -> String {
        match self {
            Self::Crash => "crash".into(),
            Self::CrashAtEffect => "crash_at_effect".into(),
            Self::CrashOfStart => "crash_of_start".into(),
            Self::UnsyncedWrite => "unsynced_write_lost".into(),
            Self::TornCommit => "torn_commit".into(),
            Self::RollBack => "roll_back".into(),
            Self::Restore => "restore".into(),
            Self::Taken => "state_taken".into(),
            Self::Slept => "slept_through".into(),
            Self::Halt => "halt".into(),
            Self::CrashAll => "crash_of_all".into(),
            Self::Cut => "cut".into(),
            Self::Isolation => "isolation".into(),
            Self::Gateway => "gateway".into(),
            Self::OneWay => "one_way_loss".into(),
            Self::Partition => "partition".into(),
            Self::OneWaySides => "one_way_partition".into(),
            Self::ClockJump => "clock_jump".into(),
            Self::WrongClock => "wrong_clock".into(),
            Self::Loss => "loss".into(),
            Self::SlowLoss => "slow_link_loss".into(),
            Self::SlowWait => "slow_link_wait".into(),
            Self::Reordered => "reordered".into(),
            Self::HeldBack => "held_back".into(),
            Self::Double => "double".into(),
            Self::Sent => "sent".into(),
            Self::Certified => "certified".into(),
            Self::Ordered => "ordered".into(),
            Self::Liar(way) => format!("liar:{way}"),
            Self::Brief => "brief_liar".into(),
            Self::FalseBrief => "false_brief".into(),
            Self::Crowd => "lying_crowd".into(),
            Self::Theme(theme) => format!("theme:{theme}"),
            Self::CoinsPlayed => "coins_played".into(),
            Self::Record(kind, fate) => format!("record:{kind}:{fate}"),
            Self::Fault(code) => format!("reported:{code}"),
        }
    }
}

/// Counts by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts(BTreeMap<Count, u64>);

impl Counts {
    pub(super) fn add(&mut self, count: Count, by: u64) {
        if by > 0 {
            *self.0.entry(count).or_default() += by;
        }
    }

    pub(super) fn get(&self, count: Count) -> u64 {
        self.0.get(&count).copied().unwrap_or(0)
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (count, by) in &other.0 {
            self.add(*count, *by);
        }
    }

    fn named(&self) -> BTreeMap<String, u64> {
        let others = self.0.iter().filter(|(count, _)| !matches!(count, Count::Record(..)));
        others.map(|(count, by)| (count.name(), *by)).collect()
    }

    fn records(&self) -> BTreeMap<String, Fates> {
        let mut records: BTreeMap<String, Fates> = BTreeMap::new();
        for (count, by) in &self.0 {
            if let Count::Record(kind, fate) = count {
                let fates = records.entry((*kind).to_owned()).or_default();
                *(if *fate == APPLIED { &mut fates.applied } else { &mut fates.refused }) += by;
            }
        }
        records
    }
}

/// What a record is counted as that has its effect, and one that has none.
pub(super) const APPLIED: &str = "applied";
pub(super) const REFUSED: &str = "refused";

/// Ordered records of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Fates {
    /// Had their effect.
    pub applied: u64,
    /// Were refused.
    pub refused: u64,
}

/// What a run of many seeds found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// Histories run.
    pub seeds: u64,
    /// Histories asked for.
    pub asked: u64,
    /// Whether the bug that was planted was found; none where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caught: Option<bool>,
    /// Those in which something was wrong.
    pub failures: Vec<FailureView>,
    /// Epochs applied, each counted once.
    pub epochs: u64,
    /// Entries ordered, told to some process.
    pub records_ordered: u64,
    /// Simulated time, in ms.
    pub simulated_ms: u64,
    /// Events handled.
    pub steps: u64,
    /// The most messages that any process sent to another in a second of simulated time.
    pub most_per_second: u64,
    /// Faults injected and what was seen, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Records of the coalition's affairs that were ordered, by kind.
    pub records: BTreeMap<String, Fates>,
    /// Digest over the traces of all histories in the order of seeds.
    pub trace: String,
    /// Stated minima that the run missed; none for few seeds, and for histories that were not drawn freely.
    pub below_minimum: Vec<String>,
    #[serde(skip)]
    pub(super) counts: Counts,
}

/// A history in which something was wrong.
#[derive(Debug, Clone, Serialize)]
pub struct FailureView {
    /// Its seed.
    pub seed: u64,
    /// What.
    pub what: String,
    /// The command that replays it, shrunk where it can be.
    pub replay: String,
    /// The shrunk history, in words.
    pub history: Vec<String>,
}

/// From this many seeds on the minima hold.
const MEANINGFUL_SEEDS: u64 = 200;
/// Who asks for so many at most means them, and not as many as there is time for.
const MEANT_SEEDS: u64 = 2_000;
/// So many histories of a thousand at least lie in each way, and are under each plan.
const LEAST_OF_EACH: u64 = 3;
/// From so many histories on in which coins are played, so many of ten are played to the end, whatever else was wished for.
const MEANINGFUL_COINS: u64 = 20;
const LEAST_PLAYED_OF_TEN: u64 = 3;
/// For each thousand seeds at least so many of each.
const MINIMA: [(Count, u64); 77] = [
    (Count::Crash, 500),
    (Count::CrashAtEffect, 200),
    (Count::CrashOfStart, 100),
    (Count::UnsyncedWrite, 100),
    (Count::TornCommit, 10),
    (Count::RollBack, 10),
    (Count::Restore, 5),
    (Count::Taken, 20),
    (Count::Slept, 2_000),
    (Count::CrashAll, 100),
    (Count::Cut, 500),
    (Count::Isolation, 300),
    (Count::OneWay, 100),
    (Count::Partition, 100),
    (Count::OneWaySides, 100),
    (Count::ClockJump, 50),
    (Count::WrongClock, 150),
    (Count::Loss, 10_000),
    (Count::SlowWait, 1_000),
    (Count::Reordered, 10_000),
    (Count::HeldBack, 10_000),
    (Count::Double, 1_000),
    (Count::Certified, 5_000),
    (Count::Ordered, 50_000),
    (Count::Crowd, 20),
    (Count::Brief, 100),
    (Count::FalseBrief, 100),
    (Count::Theme("known-coins"), LEAST_OF_EACH),
    (Count::Theme("all-restart"), 20),
    (Count::Fault("equivocation"), 10),
    (Count::Record("open", APPLIED), 800),
    (Count::Record("attest", APPLIED), 1_000),
    (Count::Record("attest", REFUSED), 150),
    (Count::Record("withdraw", APPLIED), 25),
    (Count::Record("asset declare", APPLIED), 150),
    (Count::Record("asset contribute", APPLIED), 30),
    (Count::Record("asset recall", APPLIED), 3),
    (Count::Record("asset recall", REFUSED), 8),
    (Count::Record("handoff offer", APPLIED), 50),
    (Count::Record("handoff accept", APPLIED), 4),
    (Count::Record("handoff accept", REFUSED), 8),
    (Count::Record("handoff takeover", APPLIED), 1),
    (Count::Record("handoff takeover", REFUSED), 8),
    (Count::Record("dispute open", APPLIED), 8),
    (Count::Record("dispute rule", APPLIED), 15),
    (Count::Record("member propose", APPLIED), 40),
    (Count::Record("member withdraw", APPLIED), 5),
    (Count::Record("amendment", APPLIED), 20),
    (Count::Record("integrity report", APPLIED), 150),
    (Count::Record("integrity confirm", APPLIED), 25),
    (Count::Record("key grant", APPLIED), 150),
    (Count::Record("key grant", REFUSED), 50),
    (Count::Record("key revoke", APPLIED), 80),
    (Count::Record("key revoke", REFUSED), 10),
    (Count::Record("key rotate", APPLIED), 60),
    (Count::Record("key rotate", REFUSED), 15),
    (Count::Record("word order", APPLIED), 15),
    (Count::Record("word permit", APPLIED), 15),
    (Count::Record("word refuse", APPLIED), 15),
    (Count::Record("word recall", APPLIED), 5),
    (Count::Record("lease open", APPLIED), 200),
    (Count::Record("lease commit", APPLIED), 10),
    (Count::Record("lease commit", REFUSED), 1),
    (Count::Record("commitment confirmed", APPLIED), 1),
    (Count::Record("commitment conflicted", APPLIED), 50),
    (Count::Record("by a granted key", APPLIED), 200),
    (Count::Record("by a revoked key", REFUSED), 60),
    (Count::Record("join", APPLIED), 300),
    (Count::Record("join", REFUSED), 60),
    (Count::Record("partner joined", APPLIED), 40),
    (Count::Record("by a newcomer", APPLIED), 20),
    (Count::Record("by a newcomer", REFUSED), 15),
    (Count::Record("node grant", APPLIED), 50),
    (Count::Record("node grant", REFUSED), 2),
    (Count::Record("by a granted node", APPLIED), 8),
    (Count::Record("alliance", APPLIED), 40),
    (Count::Record("word by a later document", APPLIED), 1),
];

impl Summary {
    /// Names what was counted, and what there is too little of where histories were drawn `freely`.
    pub(super) fn finish(&mut self, freely: bool) {
        self.faults = self.counts.named();
        self.records = self.counts.records();
        if self.seeds == 0 {
            self.below_minimum.push("histories: 0".into());
        }
        let (of, played) =
            (self.counts.get(Count::Theme("known-coins")), self.counts.get(Count::CoinsPlayed));
        if of >= MEANINGFUL_COINS && played < least_played(of) {
            let name = Count::CoinsPlayed.name();
            self.below_minimum.push(format!("{name}: {played}, at least {} of {of}", least_played(of)));
        }
        if !freely {
            return;
        }
        if (MEANINGFUL_SEEDS..=MEANT_SEEDS).contains(&self.asked) && self.seeds < self.asked.div_ceil(2) {
            self.below_minimum.push(format!("histories: {}, at least half of {}", self.seeds, self.asked));
        }
        if self.seeds < MEANINGFUL_SEEDS {
            return;
        }
        for (count, least) in minima(self.seeds) {
            let found = self.counts.get(count);
            if found < least {
                self.below_minimum.push(format!("{}: {found}, at least {least}", count.name()));
            }
        }
    }
}

/// In how many of so many histories coins are played to the end.
fn least_played(histories: u64) -> u64 {
    (histories * LEAST_PLAYED_OF_TEN).div_ceil(10)
}

/// What so many histories that were drawn freely have seen at least.
fn minima(seeds: u64) -> impl Iterator<Item = (Count, u64)> {
    let ways = Way::ALL.into_iter().map(|way| Count::Liar(way.name()));
    let themes = Theme::ALL.into_iter().map(|theme| Count::Theme(theme.name()));
    let each = ways.chain(themes).map(|count| (count, LEAST_OF_EACH));
    MINIMA.into_iter().chain(each).map(move |(count, per_thousand)| (count, per_thousand * seeds / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of so many of as many histories, with exactly what it must have seen.
    fn barely(seeds: u64) -> Summary {
        let mut summary = Summary { seeds, asked: seeds, ..Summary::default() };
        minima(seeds).for_each(|(count, least)| summary.counts.add(count, least));
        let coins = summary.counts.get(Count::Theme("known-coins"));
        summary.counts.add(Count::CoinsPlayed, least_played(coins));
        summary
    }

    fn missing(mut summary: Summary, freely: bool) -> Vec<String> {
        summary.finish(freely);
        summary.below_minimum
    }

    fn without(summary: &mut Summary, count: Count) {
        *summary.counts.0.get_mut(&count).expect("it was counted") -= 1;
    }

    #[test]
    fn a_run_that_has_seen_just_enough_misses_nothing() {
        for seeds in [200, 999, 1_000, 100_000] {
            assert_eq!(missing(barely(seeds), true), [""; 0], "{seeds}");
        }
    }

    #[test]
    fn a_run_that_misses_one_minimum_by_one_names_it_and_nothing_else() {
        let all: Vec<_> = minima(1_000).collect();
        for (count, least) in &all {
            let mut summary = barely(1_000);
            without(&mut summary, *count);
            let expected = format!("{}: {}, at least {least}", count.name(), least - 1);
            assert_eq!(missing(summary, true), [expected]);
        }
        let named: std::collections::BTreeSet<_> = all.iter().map(|(count, _)| *count).collect();
        assert_eq!(named.len(), all.len(), "none stands twice");
    }

    #[test]
    fn what_is_missing_is_told_in_words_for_as_many_histories_as_there_were() {
        let mut summary = barely(500);
        for count in [Count::Crash, Count::Liar("silence"), Count::Record("join", REFUSED)] {
            without(&mut summary, count);
        }
        let expected = [
            "crash: 249, at least 250",
            "record:join:refused: 29, at least 30",
            "liar:silence: 0, at least 1",
        ];
        assert_eq!(missing(summary, true), expected);
    }

    #[test]
    fn few_histories_and_those_that_were_wished_for_need_not_have_seen_anything() {
        let nothing = |seeds, asked| Summary { seeds, asked, ..Summary::default() };
        assert_eq!(missing(nothing(199, 199), true), [""; 0]);
        assert_eq!(missing(nothing(1_000, 1_000), false), [""; 0]);
        assert_eq!(missing(nothing(0, 1), false), ["histories: 0"]);
    }

    #[test]
    fn where_coins_are_played_enough_of_them_are_played_to_the_end_whatever_was_wished_for() {
        let played = |of: u64, played: u64| {
            let mut summary = Summary { seeds: of, asked: of, ..Summary::default() };
            summary.counts.add(Count::Theme("known-coins"), of);
            summary.counts.add(Count::CoinsPlayed, played);
            missing(summary, false)
        };
        assert_eq!(played(40, least_played(40)), [""; 0]);
        let least = least_played(40);
        assert_eq!(played(40, least - 1), [format!("coins_played: {}, at least {least} of 40", least - 1)]);
        assert_eq!(played(MEANINGFUL_COINS - 1, 0), [""; 0]);
    }

    #[test]
    fn at_least_half_of_the_histories_that_are_meant_must_be_played() {
        let played = |seeds, asked| missing(Summary { asked, ..barely(seeds) }, true);
        assert_eq!(played(499, 1_000), ["histories: 499, at least half of 1000"]);
        assert_eq!(played(500, 1_000), [""; 0]);
        assert_eq!(played(99, 199), [""; 0]);
        assert_eq!(played(999, 2_000), ["histories: 999, at least half of 2000"]);
        assert_eq!(played(200, 2_001), [""; 0]);
    }
}
