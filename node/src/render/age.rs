//! Spans and moments for people: the largest unit that says enough.

use entente_protocol::time::Time;

/// `850 ms`, `3 s`, `2 min`, `5 h`, `4 d`.
pub(crate) fn span(ms: u64) -> String {
    const SECOND: u64 = 1000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match ms {
        _ if ms < SECOND => format!("{ms} ms"),
        _ if ms < 2 * MINUTE => format!("{} s", ms / SECOND),
        _ if ms < 2 * HOUR => format!("{} min", ms / MINUTE),
        _ if ms < 2 * DAY => format!("{} h", ms / HOUR),
        _ => format!("{} d", ms / DAY),
    }
}

/// `2 min ago`, `in 3 h`, `now`.
pub(crate) fn moment(at: Time, now: Time) -> String {
    if at > now {
        format!("in {}", span(at.since(now)))
    } else {
        match now.since(at) {
            0..1000 => "now".into(),
            ms => format!("{} ago", span(ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_use_one_unit() {
        let shown = [999, 1000, 119_999, 120_000, 7_199_999, 7_200_000, 172_800_000].map(span);
        assert_eq!(shown, ["999 ms", "1 s", "119 s", "2 min", "119 min", "2 h", "2 d"]);
        assert_eq!(moment(Time(5000), Time(8000)), "3 s ago");
        assert_eq!(moment(Time(8000), Time(5000)), "in 3 s");
        assert_eq!(moment(Time(5000), Time(5999)), "now");
    }
}
