//! The pulse of a link: whether the other end still hears what is said to it.
//!
//! Guarantees: where both ends follow this, an end that has written frames hears something within the profile's `answer_timeout`, or
//! the link is dead and ends; a link on which nothing is said carries nothing of this.
//!
//! How: whoever has heard frames and written nothing since sends a *beat*, an empty frame, after a third of the time-out. A beat calls
//! for none in return. A reader that waits for room still beats, because a slow node is not a dead one.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// What one link's reader, writer and [`Pulse::watch`] share.
#[derive(Default)]
pub(crate) struct Pulse {
    state: Mutex<State>,
    woken: Notify,
}

#[derive(Default)]
struct State {
    /// The first frame that was heard after the last write: when.
    owed: Option<Instant>,
    /// The first frame that was written after the last that was heard: when.
    unheard: Option<Instant>,
    /// The reader waits for room.
    waits: bool,
}

impl Pulse {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has come; a beat asks for nothing.
    pub(crate) fn heard(&self, is_beat: bool, now: Instant) {
        let mut state = self.state();
        state.unheard = None;
        if !is_beat && state.owed.is_none() {
            state.owed = Some(now);
            self.woken.notify_one();
        }
    }

    /// Frames are being written; a beat awaits nothing.
    pub(crate) fn writes(&self, is_beat: bool, now: Instant) {
        let mut state = self.state();
        state.owed = None;
        if !is_beat && state.unheard.is_none() {
            state.unheard = Some(now);
            self.woken.notify_one();
        }
    }

    /// Whether the reader waits for room in its queue: meanwhile it hears nothing, whatever is said.
    pub(crate) fn waits(&self, waits: bool, now: Instant) {
        let mut state = self.state();
        state.waits = waits;
        if waits {
            self.woken.notify_one();
        } else {
            state.unheard = state.unheard.map(|_| now);
        }
    }

    /// What is due at `now`: a beat, the end, or a look at this moment; nothing if nothing is awaited.
    fn due(&self, now: Instant, timeout: Duration) -> Option<Due> {
        let mut state = self.state();
        if !state.waits && state.unheard.is_some_and(|since| now.saturating_duration_since(since) >= timeout)
        {
            return Some(Due::End);
        }
        if state.waits {
            state.owed.get_or_insert(now);
        }
        let beat = state.owed.map(|since| since + timeout / 3);
        if beat.is_some_and(|at| at <= now) {
            // Until it is written, or the reader still waits after the next third.
            state.owed = None;
            return Some(Due::Beat);
        }
        let end = state.unheard.filter(|_| !state.waits).map(|since| since + timeout);
        beat.into_iter().chain(end).min().map(Due::At)
    }

    /// Calls `beat` whenever a beat is due; returns once the other end has been silent for too long.
    pub(crate) async fn watch(&self, timeout: Duration, beat: impl Fn()) -> String {
        loop {
            let woken = self.woken.notified();
            match self.due(Instant::now(), timeout) {
                Some(Due::Beat) => beat(),
                Some(Due::End) => return format!("silent for {timeout:?} after it was spoken to"),
                Some(Due::At(at)) => {
                    // Woken early is no harm.
                    let _ = tokio::time::timeout_at(at.into(), woken).await;
                }
                None => woken.await,
            }
        }
    }
}

#[derive(Debug, PartialEq)]
enum Due {
    Beat,
    End,
    At(Instant),
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(6);

    fn at(begun: Instant, seconds: u64) -> Instant {
        begun + Duration::from_secs(seconds)
    }

    #[test]
    fn who_is_spoken_to_beats_once_and_only_if_it_says_nothing_itself() {
        let (pulse, begun) = (Pulse::default(), Instant::now());
        assert_eq!(pulse.due(begun, TIMEOUT), None, "nothing is said, nothing is due");
        pulse.heard(false, begun);
        pulse.heard(false, at(begun, 1));
        assert_eq!(pulse.due(at(begun, 1), TIMEOUT), Some(Due::At(at(begun, 2))));
        assert_eq!(pulse.due(at(begun, 2), TIMEOUT), Some(Due::Beat));
        pulse.writes(true, at(begun, 2));
        assert_eq!(pulse.due(at(begun, 20), TIMEOUT), None);
        pulse.heard(false, at(begun, 30));
        pulse.writes(false, at(begun, 31));
        pulse.heard(true, at(begun, 32));
        assert_eq!(
            pulse.due(at(begun, 40), TIMEOUT),
            None,
            "its own frames were its answer, and a beat asks for none"
        );
    }

    #[test]
    fn who_is_silent_after_it_was_spoken_to_is_given_up_and_who_was_not_is_not() {
        let (pulse, begun) = (Pulse::default(), Instant::now());
        pulse.writes(false, begun);
        pulse.writes(false, at(begun, 5));
        assert_eq!(pulse.due(at(begun, 5), TIMEOUT), Some(Due::At(at(begun, 6))));
        assert_eq!(pulse.due(at(begun, 6), TIMEOUT), Some(Due::End));
        pulse.heard(true, at(begun, 6));
        pulse.writes(true, at(begun, 7));
        assert_eq!(pulse.due(at(begun, 1_000), TIMEOUT), None);
    }

    #[test]
    fn a_reader_without_room_beats_on() {
        let (pulse, begun) = (Pulse::default(), Instant::now());
        pulse.waits(true, begun);
        for third in 0..5 {
            let now = at(begun, 2 * third);
            assert_eq!(pulse.due(now, TIMEOUT), Some(Due::At(at(begun, 2 * third + 2))));
            assert_eq!(pulse.due(at(begun, 2 * third + 2), TIMEOUT), Some(Due::Beat));
            pulse.writes(true, at(begun, 2 * third + 2));
        }
        pulse.waits(false, at(begun, 10));
        assert_eq!(pulse.due(at(begun, 10), TIMEOUT), None);
    }

    #[test]
    fn who_has_no_room_to_hear_gives_nobody_up() {
        let (pulse, begun) = (Pulse::default(), Instant::now());
        pulse.writes(false, begun);
        pulse.waits(true, at(begun, 1));
        assert_ne!(pulse.due(at(begun, 100), TIMEOUT), Some(Due::End));
        pulse.waits(false, at(begun, 101));
        assert_eq!(pulse.due(at(begun, 101) + TIMEOUT, TIMEOUT), Some(Due::End), "from when it could hear");
    }
}
