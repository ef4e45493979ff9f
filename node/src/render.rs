//! Text for people: tables, relative ages, names beside ids.
//!
//! Guarantees: what others wrote (titles, caveats, errors) is shown without control characters and overrides of
//! direction, so it cannot make a terminal show something else. A closed pipe ends the output and is no error.

pub(crate) mod age;
pub(crate) mod asset;
pub(crate) mod authority;
pub(crate) mod charter;
pub(crate) mod event;
pub(crate) mod evidence;
pub(crate) mod feed;
pub(crate) mod handoff;
pub(crate) mod inbox;
pub(crate) mod integrity;
pub(crate) mod log;
pub(crate) mod member;
pub(crate) mod operation;
pub(crate) mod peer;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod why;

use std::io::Write as _;

use entente_protocol::identity::RecordId;
use serde::Serialize;

/// Prints to standard output; ends quietly when nobody reads any more.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader such as `head` may have gone; that is its right.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a value as JSON, one line per value.
pub(crate) fn print_json<T: Serialize>(value: &T) {
    let text = serde_json::to_string(value).expect("views are plain data");
    print(&format!("{text}\n"));
}

/// Where a decision stands, in words.
pub(crate) fn leaf(index: Option<u64>) -> String {
    index.map_or_else(|| "a leaf that is not here".into(), |index| format!("leaf {index}"))
}

/// `text` with every character replaced that could fool a terminal.
pub(crate) fn plain(text: &str) -> String {
    let fools = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    text.chars().map(|c| if fools(c) { '\u{fffd}' } else { c }).collect()
}

/// The beginning of an id: enough to name it on a command line.
pub(crate) fn short(id: &impl ToString) -> String {
    const SHOWN: usize = 13;
    id.to_string().chars().take(SHOWN).collect()
}

/// Whole ids in `text`, with their places.
pub(crate) fn ids_in(text: &str) -> impl Iterator<Item = (usize, RecordId)> + '_ {
    let places = text.match_indices(RecordId::PREFIX).map(|(at, _)| at);
    places.filter_map(|at| {
        let begins = !text[..at].ends_with(|c: char| c.is_alphanumeric());
        let word = &text[at..];
        let behind = &word[RecordId::PREFIX.len()..];
        let end = behind.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(behind.len());
        let id = word[..RecordId::PREFIX.len() + end].parse().ok()?;
        begins.then_some((at, id))
    })
}

/// `text` with the beginning of each whole id in place of it.
pub(crate) fn brief(text: &str) -> String {
    let (mut shown, mut done) = (String::new(), 0);
    for (at, id) in ids_in(text) {
        shown.push_str(&text[done..at]);
        shown.push_str(&short(&id));
        done = at + id.to_string().len();
    }
    shown.push_str(&text[done..]);
    shown
}

#[cfg(test)]
mod tests {
    use entente_protocol::identity::hash;

    use super::*;

    #[test]
    fn whole_ids_are_shortened_wherever_they_stand_and_nothing_else_is() {
        let one = RecordId(hash("test", &[b"one"]));
        let two = RecordId(hash("test", &[b"two"]));
        let text = format!("{one} is replaced; supersede {two}: op-abc, co{two}, {one}x");
        let found = ids_in(&text).map(|(_, id)| id).collect::<Vec<_>>();
        assert_eq!(found, [one, two]);
        let wanted =
            format!("{} is replaced; supersede {}: op-abc, co{two}, {one}x", short(&one), short(&two));
        assert_eq!(brief(&text), wanted);
    }

    #[test]
    fn text_of_others_cannot_move_the_cursor_or_turn_the_line() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c\n"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
        assert_eq!(plain("Slot 3, piste Süd – 07:10"), "Slot 3, piste Süd – 07:10");
    }
}
