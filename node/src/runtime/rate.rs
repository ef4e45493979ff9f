//! A rate that one peer may use: so much at once, so much per second.
//!
//! Guarantees: over any time t no more than `burst + t * per_s` is taken, plus one charge (token bucket; RFC 2697 uses the
//! same for octets). A charge may be larger than what is left: then the next one waits until it is paid.

use std::time::{Duration, Instant};

/// What is left of a rate.
#[derive(Debug, Clone)]
pub(super) struct Rate {
    burst: f64,
    per_s: f64,
    left: f64,
    at: Instant,
}

impl Rate {
    pub(super) fn new(burst: u32, per_s: u32, now: Instant) -> Self {
        let burst = f64::from(burst);
        Self { burst, per_s: f64::from(per_s), left: burst, at: now }
    }

    fn refill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + since * self.per_s).min(self.burst);
        self.at = self.at.max(now);
    }

    /// How long to wait until something is left.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        self.refill(now);
        Duration::from_secs_f64((-self.left / self.per_s).max(0.0))
    }

    /// Takes `cost`, whether it is left or not.
    pub(super) fn charge(&mut self, cost: u32) {
        self.left -= f64::from(cost);
    }

    /// Takes one if it is left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let enough = self.left >= 1.0;
        if enough {
            self.charge(1);
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_at_once_and_the_rest_at_the_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(10, 2, start);
        assert_eq!((0..100).filter(|_| rate.take(start)).count(), 10);
        let later = start + Duration::from_secs(3);
        assert_eq!((0..100).filter(|_| rate.take(later)).count(), 6);
        let long_after = start + Duration::from_secs(300);
        assert_eq!((0..100).filter(|_| rate.take(long_after)).count(), 10, "never more than the burst");
    }

    #[test]
    fn what_was_taken_beyond_is_waited_for() {
        let start = Instant::now();
        let mut rate = Rate::new(10, 2, start);
        assert_eq!(rate.wait(start), Duration::ZERO);
        rate.charge(30);
        assert_eq!(rate.wait(start), Duration::from_secs(10));
        assert_eq!(rate.wait(start + Duration::from_secs(10)), Duration::ZERO);
    }
}
