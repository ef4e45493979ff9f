//! Counters and distributions since the start, cheap enough to be always on.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crate::api::dto::{Histogram, MetricsView};

/// Parts of a power of two.
const SUB_BUCKETS: u64 = 8;
const BUCKETS: usize = 64 * SUB_BUCKETS as usize;

/// A distribution whose buckets are an eighth of a power of two wide.
pub struct Distribution {
    buckets: Vec<AtomicU64>,
    sum: AtomicU64,
    max: AtomicU64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), sum: 0.into(), max: 0.into() }
    }
}

impl Distribution {
    /// Counts a value.
    pub fn add(&self, value: u64) {
        self.buckets[bucket(value)].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
        self.max.fetch_max(value, Relaxed);
    }

    /// What was counted.
    pub fn view(&self) -> Histogram {
        let counts = self.buckets.iter().map(|count| count.load(Relaxed)).collect::<Vec<_>>();
        let count = counts.iter().sum::<u64>();
        let max = self.max.load(Relaxed);
        let quantile = |hundredths: u64| {
            let rank = (count * hundredths).div_ceil(100).max(1);
            let mut below = 0;
            let found = counts.iter().position(|count| {
                below += count;
                below >= rank
            });
            found.map_or(0, |found| upper(found).min(max))
        };
        Histogram { count, sum: self.sum.load(Relaxed), max, p50: quantile(50), p99: quantile(99) }
    }
}

fn bucket(value: u64) -> usize {
    if value < SUB_BUCKETS {
        return value as usize;
    }
    let power = u64::from(value.ilog2());
    let part = (value >> (power - 3)) - SUB_BUCKETS;
    ((power - 2) * SUB_BUCKETS + part) as usize
}

/// The greatest value of a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB_BUCKETS {
        return bucket;
    }
    let (power, part) = (bucket / SUB_BUCKETS + 2, bucket % SUB_BUCKETS);
    let next = u128::from(SUB_BUCKETS + part + 1) << (power - 3);
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

/// What a node counts.
pub struct Metrics {
    started: Instant,
    pub(super) commits: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) commit_us: Distribution,
    pub(super) turn_inputs: Distribution,
    pub(super) handle_us: Distribution,
    pub(super) epochs: AtomicU64,
    pub(super) entries: AtomicU64,
    pub(super) submissions: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) frames_in: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    pub(super) frames_out: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) frames_dropped: AtomicU64,
    pub(super) remembered: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            commits: 0.into(),
            writes: 0.into(),
            commit_us: Distribution::default(),
            turn_inputs: Distribution::default(),
            handle_us: Distribution::default(),
            epochs: 0.into(),
            entries: 0.into(),
            submissions: 0.into(),
            refused: 0.into(),
            frames_in: 0.into(),
            bytes_in: 0.into(),
            frames_out: 0.into(),
            bytes_out: 0.into(),
            frames_dropped: 0.into(),
            remembered: 0.into(),
        }
    }
}

impl Metrics {
    /// Milliseconds since the start.
    pub fn uptime_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// All of it.
    pub fn view(&self) -> MetricsView {
        let (rss_kb, cpu_ms) = process();
        MetricsView {
            uptime_ms: self.uptime_ms(),
            commits: self.commits.load(Relaxed),
            writes: self.writes.load(Relaxed),
            commit_us: self.commit_us.view(),
            turn_inputs: self.turn_inputs.view(),
            handle_us: self.handle_us.view(),
            epochs: self.epochs.load(Relaxed),
            entries: self.entries.load(Relaxed),
            submissions: self.submissions.load(Relaxed),
            refused: self.refused.load(Relaxed),
            frames_in: self.frames_in.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            frames_out: self.frames_out.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            frames_dropped: self.frames_dropped.load(Relaxed),
            remembered: self.remembered.load(Relaxed),
            rss_kb,
            cpu_ms,
        }
    }
}

/// Resident memory in kB and CPU time in ms of this process, as Linux tells them; 0 where it does not.
fn process() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rss =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    // User and system time are fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms on every Linux of today.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit_once(')').map(|(_, rest)| {
        let fields = rest.split_whitespace().skip(11).take(2);
        fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>()
    });
    (rss.unwrap_or_default(), ticks.unwrap_or_default() * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_quantiles_are_exact_to_an_eighth() {
        for value in (0..100).chain((0..60).map(|power| (1 << power) + 3)).chain([u64::MAX]) {
            let at = bucket(value);
            assert!(value <= upper(at), "{value}");
            assert!(at == 0 || value > upper(at - 1), "{value}");
            assert!(upper(at) - value <= value / 8, "{value}");
        }
        let distribution = Distribution::default();
        (1..=1000).for_each(|value| distribution.add(value));
        let view = distribution.view();
        assert_eq!((view.count, view.sum, view.max), (1000, 500_500, 1000));
        assert!((500..=563).contains(&view.p50), "{}", view.p50);
        assert!((990..=1000).contains(&view.p99), "{}", view.p99);
    }
}
