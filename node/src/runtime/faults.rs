//! The faults of late, one row for each node and kind, and how often they are told.
//!
//! Guarantees: the first fault of a kind by a node is told at once; its repetitions are counted and told at most once per
//! [`FAULT_INTERVAL`], with their number; a flood by one node neither displaces what others did nor fills the log or the
//! followers' queues. Rows are bounded for each node and in all. Assumes that kinds are few and that who is at fault was
//! checked to be a member: all others share the rows of nobody.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use entente_protocol::engine::NodeId;
use entente_protocol::time::Time;

use super::Handle;
use crate::api::dto::FaultView;

/// Repetitions of a fault are told at most this often.
pub const FAULT_INTERVAL: Duration = Duration::from_secs(10);
/// Most kinds of faults that are kept of one node; one more displaces the one of that node seen longest ago.
pub const MAX_FAULT_KINDS: usize = 32;
/// Most nodes whose faults are kept apart; those of further ones are counted as nobody's.
pub const MAX_FAULT_NODES: usize = 1024;
/// Longest text of a fault that is kept, in bytes: a peer may have a say in it.
pub const MAX_FAULT_TEXT_BYTES: usize = 512;

/// Who is at fault: partner and node; both unknown for no member.
type Who = (Option<String>, Option<NodeId>);

/// A fault that is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) fault: FaultView,
    /// Repetitions that were not told one by one.
    pub(super) more: u64,
}

struct Row {
    fault: FaultView,
    told: Instant,
    more: u64,
}

/// The faults of late.
#[derive(Default)]
pub(super) struct Faults(BTreeMap<Who, BTreeMap<String, Row>>);

impl Faults {
    /// Counts a fault, which stands for as many as it says, seen `at`; returns it if it is to be told now.
    pub(super) fn take(&mut self, mut fault: FaultView, at: Time, now: Instant) -> Option<Told> {
        shorten(&mut fault.what);
        let mut who = (fault.partner.clone(), fault.node.filter(|_| fault.partner.is_some()));
        if !self.0.contains_key(&who) && self.0.len() >= MAX_FAULT_NODES {
            who = (None, None);
        }
        let rows = self.0.entry(who).or_default();
        if let Some(row) = rows.get_mut(&fault.code) {
            let (first, count) = (row.fault.first, row.fault.count.saturating_add(fault.count.max(1)));
            row.fault = FaultView { first, last: at, count, ..fault };
            row.more += 1;
            return row.due(now);
        }
        if rows.len() >= MAX_FAULT_KINDS {
            let oldest = rows.iter().min_by_key(|(_, row)| row.fault.last).map(|(code, _)| code.clone());
            oldest.and_then(|code| rows.remove(&code));
        }
        let fault = FaultView { first: at, last: at, count: fault.count.max(1), ..fault };
        rows.insert(fault.code.clone(), Row { fault: fault.clone(), told: now, more: 0 });
        Some(Told { fault, more: 0 })
    }

    /// The repetitions whose time has come; with `all`, whether it has or not.
    pub(super) fn due(&mut self, now: Instant, all: bool) -> Vec<Told> {
        let waiting = self.0.values_mut().flat_map(BTreeMap::values_mut).filter(|row| row.more > 0);
        waiting.filter_map(|row| if all { Some(row.tell(now)) } else { row.due(now) }).collect()
    }

    /// When `due` has something next.
    pub(super) fn next(&self) -> Option<Instant> {
        let rows = self.0.values().flat_map(BTreeMap::values);
        rows.filter(|row| row.more > 0).map(|row| row.told + FAULT_INTERVAL).min()
    }

    /// All rows, the one seen longest ago first.
    pub(super) fn view(&self) -> Vec<FaultView> {
        let rows = self.0.values().flat_map(BTreeMap::values);
        let mut faults = rows.map(|row| row.fault.clone()).collect::<Vec<_>>();
        faults.sort_by_key(|fault| fault.last);
        faults
    }
}

impl Row {
    fn due(&mut self, now: Instant) -> Option<Told> {
        (now >= self.told + FAULT_INTERVAL).then(|| self.tell(now))
    }

    /// The latest repetition, and how many there were besides it.
    fn tell(&mut self, now: Instant) -> Told {
        self.told = now;
        let more = std::mem::take(&mut self.more).saturating_sub(1);
        Told { fault: self.fault.clone(), more }
    }
}

fn shorten(what: &mut String) {
    if what.len() > MAX_FAULT_TEXT_BYTES {
        let mut end = MAX_FAULT_TEXT_BYTES;
        while !what.is_char_boundary(end) {
            end -= 1;
        }
        what.truncate(end);
        what.push_str("...");
    }
}

/// Tells repetitions when their time has come, and the last ones when the node stops.
pub(super) async fn run(node: Handle) {
    let mut stopped = node.watch_stopped();
    loop {
        let next = node.follow().faults_next();
        let due = async {
            match next {
                Some(next) => tokio::time::sleep_until(next.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => node.follow().tell_faults(false),
            () = node.follow().fault_waits() => {}
            _ = stopped.wait_for(Option::is_some) => break,
        }
    }
    node.follow().tell_faults(true);
}

/// A limit on lines of the log that a peer can cause: so many at once, the others as their number with the first of the
/// next interval.
#[derive(Default)]
pub(super) struct Lines {
    begun: Option<Instant>,
    taken: u32,
    more: u64,
}

impl Lines {
    /// Whether to write a line now, of at most `burst` per [`FAULT_INTERVAL`], and how many were not written before it.
    pub(super) fn take(&mut self, burst: u32, now: Instant) -> Option<u64> {
        if self.begun.is_none_or(|begun| now >= begun + FAULT_INTERVAL) {
            (self.begun, self.taken) = (Some(now), 0);
        }
        if self.taken >= burst {
            self.more += 1;
            return None;
        }
        self.taken += 1;
        Some(std::mem::take(&mut self.more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(partner: Option<&str>, code: &str, what: &str) -> FaultView {
        FaultView {
            first: Time(0),
            last: Time(0),
            count: 0,
            partner: partner.map(str::to_owned),
            node: None,
            seat: None,
            code: code.into(),
            what: what.into(),
        }
    }

    #[test]
    fn a_flood_by_one_node_displaces_nobody_elses_fault() {
        let (mut faults, now) = (Faults::default(), Instant::now());
        faults.take(fault(Some("borea"), "gap", "once"), Time(1), now);
        faults.take(fault(None, "stranger", "once"), Time(2), now);
        for number in 0..10_000 {
            faults.take(fault(Some("corvus"), &format!("kind {}", number % 100), "again"), Time(3), now);
        }
        let view = faults.view();
        assert_eq!(view.len(), 2 + MAX_FAULT_KINDS);
        assert_eq!((view[0].code.as_str(), view[1].code.as_str()), ("gap", "stranger"), "oldest first");
    }

    #[test]
    fn the_first_is_told_at_once_and_repetitions_once_per_interval_with_their_number() {
        let (mut faults, start) = (Faults::default(), Instant::now());
        let first = faults.take(fault(Some("borea"), "gap", "0"), Time(0), start).expect("is told");
        assert_eq!((first.fault.count, first.more), (1, 0));
        assert_eq!(faults.next(), None, "nothing waits");
        for number in 1..=4_212 {
            assert_eq!(
                faults.take(fault(Some("borea"), "gap", &number.to_string()), Time(number), start),
                None
            );
        }
        let due = faults.next().expect("something waits");
        assert_eq!(due, start + FAULT_INTERVAL);
        assert!(faults.due(start, false).is_empty());
        let told = faults.due(due, false);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].more, told[0].fault.what.as_str()), (4_211, "4212"));
        let row = &faults.view()[0];
        assert_eq!((row.count, row.first, row.last), (4_213, Time(0), Time(4_212)));
        // After a quiet interval the next one is told at once again; what waits at the end is told then.
        assert!(faults.take(fault(Some("borea"), "gap", "late"), Time(9), due + FAULT_INTERVAL).is_some());
        assert!(faults.take(fault(Some("borea"), "gap", "last"), Time(9), due + FAULT_INTERVAL).is_none());
        assert_eq!(faults.due(due + FAULT_INTERVAL, true).len(), 1);
        assert_eq!(faults.next(), None);
    }

    #[test]
    fn texts_and_nodes_are_bounded() {
        let (mut faults, now) = (Faults::default(), Instant::now());
        for number in 0..MAX_FAULT_NODES + 50 {
            let who = format!("partner {number}");
            faults.take(fault(Some(&who), "gap", &"ä".repeat(MAX_FAULT_TEXT_BYTES)), Time(1), now);
        }
        let view = faults.view();
        assert_eq!(view.len(), MAX_FAULT_NODES + 1);
        assert_eq!(view.iter().map(|fault| fault.count).sum::<u64>(), MAX_FAULT_NODES as u64 + 50);
        assert!(view.iter().all(|fault| fault.what.len() <= MAX_FAULT_TEXT_BYTES + 3));
    }

    #[test]
    fn lines_beyond_the_burst_are_counted_into_the_next_interval() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        assert_eq!((0..10).filter_map(|_| lines.take(3, now)).collect::<Vec<_>>(), [0, 0, 0]);
        assert_eq!(lines.take(3, now + FAULT_INTERVAL), Some(7));
    }
}
