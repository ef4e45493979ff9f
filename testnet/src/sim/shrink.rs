//! Shorter histories that fail too: items are left out by halves, then one by one, for so many events and no more, so
//! that the same failure is always shrunk to the same history, and a run ends soon after its last one.

use std::collections::BTreeSet;

use super::history::History;
use super::run::play_at_most;

/// Most events over which one is looked for: some twenty seconds.
const MAX_STEPS: u64 = 1_500_000;

/// Items to leave out of `history`, `dropped` among them, so that it still fails in the same way.
pub(super) fn shrink(
    history: &History,
    planted: &'static str,
    dropped: BTreeSet<usize>,
    what: &str,
) -> BTreeSet<usize> {
    let mut left = MAX_STEPS;
    let kind = kind_of(what);
    let mut best = dropped;
    let mut width = history.items.len().next_power_of_two() / 2;
    while width > 0 && left > 0 {
        let kept: Vec<usize> = (0..history.items.len()).filter(|item| !best.contains(item)).collect();
        for chunk in kept.chunks(width) {
            if left == 0 {
                break;
            }
            let attempt: BTreeSet<usize> = best.iter().chain(chunk).copied().collect();
            let outcome = play_at_most(history.without(&attempt), planted, left);
            // A history of no events at all takes its time, too.
            left = left.saturating_sub(outcome.steps.max(1));
            if outcome.failure.is_some_and(|failure| kind_of(&failure) == kind) {
                best = attempt;
            }
        }
        width /= 2;
    }
    best
}

/// A failure without the numbers in it.
fn kind_of(what: &str) -> String {
    what.chars().filter(|c| !c.is_ascii_digit()).take(40).collect()
}

/// A history in words.
pub(super) fn describe(history: &History) -> Vec<String> {
    let mut lines = vec![format!("{} seats and {} further nodes", history.seats, history.further)];
    lines.extend(history.liars.iter().map(|(member, way)| format!("member {member} lies: {}", way.name())));
    lines.push(format!("weather: {:?}", history.weather));
    lines.extend(history.items.iter().map(|item| format!("{:>6} ms {:?}", item.at, item.what)));
    lines.push(format!("{:>6} ms the network heals; away: {:?}", history.calm_at, history.away));
    lines
}
