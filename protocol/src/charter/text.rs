//! What the text forms share: times as RFC 3339 text, TOML with short errors that name a line.
//!
//! TOML errors keep line, key and reason but not the offending line itself, because the same code reads files that
//! hold a secret.

use crate::time::Time;

/// The last millisecond that a text can name: the end of the year 9999.
pub const MAX_TEXT_TIME: Time = Time(253_402_300_799_999);

/// The point in time that RFC 3339 `text` names, in UTC: `2026-11-24T13:05:09Z`, with at most milliseconds.
pub fn parse_time(text: &str) -> Option<Time> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() < 20 || bytes[bytes.len() - 1] != b'Z' {
        return None;
    }
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| bytes[at] != byte) {
        return None;
    }
    let digits = |from: usize, to: usize| -> Option<u64> {
        let part = &text[from..to];
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let millis = match &text[19..text.len() - 1] {
        "" => 0,
        fraction if fraction.starts_with('.') && fraction.len() == 4 => digits(20, 23)?,
        _ => return None,
    };
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let month_days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u64::from(leap),
        _ => return None,
    };
    if year < 1970 || day == 0 || day > month_days || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days from a civil date, after Howard Hinnant, "chrono-compatible low-level date algorithms".
    let y = if month <= 2 { year - 1 } else { year };
    let era = y / 400;
    let yoe = y - era * 400;
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    let days = era * 146_097 + doe - 719_468;
    Some(Time((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millis))
}

/// RFC 3339 text of `time`, with milliseconds where there are any.
pub fn show_time(time: Time) -> String {
    let mut text = time.to_string();
    let millis = time.0 % 1000;
    if millis != 0 {
        text.truncate(text.len() - 1);
        text.push_str(&format!(".{millis:03}Z"));
    }
    text
}

/// A span for people: `6 h`, `90 min`, `1 d 2 h`.
pub fn show_span(span_ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")];
    let mut rest = span_ms;
    let mut parts = Vec::new();
    for (size, unit) in units {
        if rest >= size {
            parts.push(format!("{} {unit}", rest / size));
            rest %= size;
        }
    }
    if parts.is_empty() { "0 s".into() } else { parts.join(" ") }
}

/// Serde for a [`Time`] up to [`MAX_TEXT_TIME`]: RFC 3339 text for people, milliseconds on the wire. A later one is refused in both,
/// so that what was read from the wire can be read from its text.
pub(crate) mod time_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use crate::time::Time;

    pub(crate) fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&super::show_time(*time))
        } else {
            time.serialize(serializer)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Time;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a time in quotes, in UTC, such as \"2026-11-24T13:05:09Z\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                super::parse_time(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Text)
        } else {
            let time = Time::deserialize(deserializer)?;
            if time > super::MAX_TEXT_TIME {
                return Err(de::Error::custom("a time after the year 9999"));
            }
            Ok(time)
        }
    }
}

/// Serde for an optional [`Time`], as [`time_text`].
pub(crate) mod optional_time_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::time::Time;

    #[derive(Serialize, Deserialize)]
    struct Text(#[serde(with = "super::time_text")] Time);

    pub(crate) fn serialize<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(Text).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
        Ok(Option::<Text>::deserialize(deserializer)?.map(|text| text.0))
    }
}

/// Reads TOML of at most `limit` bytes; the error names the line.
pub(crate) fn from_toml<T: serde::de::DeserializeOwned>(text: &str, limit: usize) -> Result<T, String> {
    if text.len() > limit {
        return Err(format!("{} bytes exceed the limit of {limit}", text.len()));
    }
    toml::from_str(text).map_err(|error| {
        let message = error.message().trim();
        match error.span() {
            Some(span) => {
                let line = 1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count();
                format!("line {line}: {message}")
            }
            None => message.to_owned(),
        }
    })
}

/// TOML for people.
pub(crate) fn to_toml<T: serde::Serialize>(value: &T) -> String {
    toml::to_string(value).expect("the text forms are tables of strings, small numbers and lists")
}

/// Whether `text` is safe to show on one line: no control and no bidirectional override characters, which could
/// make a terminal show something else than what was signed.
pub(crate) fn is_showable(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

/// `a`, `a or b`, `a, b or c`.
pub(crate) fn either<T: ToString>(items: &[T]) -> String {
    join(items, "or")
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn all_of<T: ToString>(items: &[T]) -> String {
    join(items, "and")
}

/// Of `text` as much as `most` bytes hold, which says so where something is left out.
pub(crate) fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let fits = text.char_indices().map(|(at, _)| at).take_while(|at| at + 3 <= most);
        let fits = fits.last().unwrap_or(0);
        text.truncate(fits);
        text.push_str("...");
    }
    text
}

/// `: a and b` where all of them are meant, `, of a, b and c` where fewer are.
pub(crate) fn of<T: ToString>(count: usize, items: &[T]) -> String {
    match count < items.len() {
        true => format!(", of {}", all_of(items)),
        false => format!(": {}", all_of(items)),
    }
}

/// `an airlift`, `a convoy`: names are ASCII, and a vowel that is written is taken for one that is spoken.
pub(crate) fn with_article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

fn join<T: ToString>(items: &[T], word: &str) -> String {
    let items = items.iter().map(T::to_string).collect::<Vec<_>>();
    match items.as_slice() {
        [] => "nobody".into(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} {word} {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_from_text() {
        for ms in [0, 951_827_696_000, 1_795_525_509_999, 4_102_444_799_001, 1_709_210_096_000] {
            assert_eq!(parse_time(&show_time(Time(ms))), Some(Time(ms)), "{ms}");
        }
        for bad in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T13:05:09+01:00",
            "2026-11-24T13:05:09.5Z",
            "2026-11-24 13:05:09Z",
            "+026-11-24T13:05:09Z",
            "1969-12-31T23:59:59Z",
            "2026-11-24",
            "",
        ] {
            assert_eq!(parse_time(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn spans_and_lists_read_like_sentences() {
        assert_eq!(show_span(21_600_000), "6 h");
        assert_eq!(show_span(90_061_000), "1 d 1 h 1 min 1 s");
        assert_eq!(show_span(0), "0 s");
        assert_eq!(either(&["a", "b", "c"]), "a, b or c");
        assert_eq!(all_of(&["a", "b"]), "a and b");
        assert_eq!((of(1, &["a", "b"]), of(2, &["a", "b"])), (", of a and b".into(), ": a and b".into()));
        assert_eq!(
            (with_article("airlift"), with_article("convoy")),
            ("an airlift".into(), "a convoy".into())
        );
    }

    #[test]
    fn text_that_would_fool_a_terminal_is_not_showable() {
        assert!(is_showable("Slot 3, 06:40–07:10, piste Süd"));
        for bad in ["a\u{1b}[2J", "a\nb", "a\u{202e}b", "a\u{2066}b", "\u{9b}1m"] {
            assert!(!is_showable(bad), "{bad:?}");
        }
    }
}
