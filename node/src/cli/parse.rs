//! Values of the command line.

use std::time::Duration;

use entente_protocol::charter::parse_time;
use entente_protocol::time::Time;

use crate::api::dto::Wait;

/// Longest time-out that can be asked for: a day.
const MAX_SPAN_MS: u64 = 86_400_000;

/// `30s`, `500ms`, `5m`, `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if text.starts_with('-') {
        return Err(format!("{text:?} is negative or an option; a span of time is 500ms, 30s, 5m or 1h"));
    }
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "" => return Err(format!("{text:?} has no unit: 500ms, 30s, 5m or 1h")),
        _ => return Err(format!("{text:?} is no span of time: 500ms, 30s, 5m or 1h")),
    };
    let ms = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit_ms))
        .filter(|ms| (1..=MAX_SPAN_MS).contains(ms))
        .ok_or_else(|| format!("{text:?} is no span between 1ms and 24h"))?;
    Ok(Duration::from_millis(ms))
}

/// A moment in UTC, to the minute, the second or the millisecond.
pub(crate) fn time(text: &str) -> Result<Time, String> {
    let minutes = || parse_time(&format!("{}:00Z", text.strip_suffix('Z')?));
    parse_time(text).or_else(minutes).ok_or_else(|| {
        format!("{text:?} is no time in UTC such as 2026-11-24T18:00Z or 2026-11-24T13:05:09Z")
    })
}

/// A span as [`duration`] reads it.
pub(crate) fn shown(span: Duration) -> String {
    match span.as_millis() {
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

/// `held`, `ordered` or `agreed`.
pub(crate) fn wait(text: &str) -> Result<Wait, String> {
    [Wait::Held, Wait::Ordered, Wait::Agreed]
        .into_iter()
        .find(|wait| wait.to_string() == text)
        .ok_or_else(|| format!("{text:?} is not held, ordered or agreed"))
}

/// `name=value`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not of the form name=value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_in_utc_and_whole_minutes_will_do() {
        let exact = time("2026-11-24T18:00:00.000Z").expect("a time");
        for text in ["2026-11-24T18:00Z", "2026-11-24T18:00:00Z"] {
            assert_eq!(time(text), Ok(exact));
        }
        for bad in
            ["", "Z", "2026-11-24", "2026-11-24T18:00", "2026-11-24T18Z", "2026-13-24T18:00Z", "18:00Z"]
        {
            assert!(time(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn spans_need_a_unit_and_stay_within_a_day() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        for shown_as in ["20s", "300s", "1500ms"] {
            assert_eq!(duration(shown_as).map(shown).as_deref(), Ok(shown_as));
        }
        for bad in ["", "30", "s", "0s", "25h", "1.5s", "-1s", "99999999999999999999s", "1 s"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_pair_is_cut_at_its_first_equals_sign() {
        assert_eq!(pair("slot=06:40=07:10"), Ok(("slot".into(), "06:40=07:10".into())));
        assert!(pair("slot").is_err());
        assert!(pair("=x").is_err());
    }
}
