//! The answer to `entente status`: how things stand at a glance, then what is wrong, one line each.

use std::fmt::Write as _;

use super::age::{moment, span};
use super::table::table;
use super::{plain, short};
use crate::api::dto::{SeatView, StatusView};
use crate::hints::Hints;

/// Status in words.
pub(crate) fn status(view: &StatusView, hints: &Hints) -> String {
    let mut text = String::new();
    let word = view.word.to_string().to_uppercase();
    let seat = match view.seat {
        Some(seat) => format!("seat {seat} of {}", view.seats.len()),
        None => format!("no seat of {}", view.seats.len()),
    };
    let _ = writeln!(
        text,
        "{word}  {} ({})  {}, {seat}, quorum {}, margin {:+}",
        plain(&view.coalition.name),
        short(&view.coalition.id),
        plain(&view.partner),
        view.quorum,
        view.margin
    );
    let mut rows = Vec::new();
    let mut row = |name: &str, what: String| rows.push([name.to_owned(), what]);
    for seat in &view.seats {
        let own = view.seat == Some(seat.seat);
        if !own && !seat.reachable {
            row("missing", missing(seat, view));
        } else if !own && !seat.connected {
            row(
                "relayed",
                format!("{}: no direct link, reached through others; {}", plain(&seat.partner), retry(seat)),
            );
        }
    }
    if view.margin < 0 {
        let missing = -view.margin;
        row(
            "stalled",
            format!(
                "nothing is ordered until {missing} more {} back; recording goes on",
                if missing == 1 { "seat is" } else { "seats are" }
            ),
        );
    }
    if view.held > 0 {
        row("held", format!("{} durable here, not ordered yet", records(view.held)));
    }
    if view.custody.records > 0 {
        let oldest =
            view.custody.oldest_ms.map(|ms| format!(", the oldest {}", span(ms))).unwrap_or_default();
        let verb = if view.custody.records == 1 { "exists" } else { "exist" };
        row("custody", format!("{} {verb} only here{oldest}", records(view.custody.records)));
    }
    if let Some(outside) = &view.outside {
        row("outside", format!("what this node says is not taken: {}", plain(&outside.why)));
    }
    if view.silent {
        row(
            "silent",
            format!(
                "this seat since restore (incarnation {}): it signs nothing until seats can change, a later version; \
                 recording goes on",
                view.incarnation
            ),
        );
    }
    if !view.voting && view.seat.is_some() && !view.silent {
        row(
            "waiting",
            format!("this seat votes once {} seats have reported; {} have", view.quorum, view.reports),
        );
    }
    if let Some(furthest) = view.ahead.iter().max_by_key(|ahead| ahead.certified) {
        let others = match view.ahead.len() - 1 {
            0 => String::new(),
            1 => ", and 1 more is ahead".into(),
            more => format!(", and {more} more are ahead"),
        };
        row(
            "behind",
            format!(
                "what is shown here is certified up to epoch {}; {} says that it has epoch {}{others}",
                view.epoch.certified,
                plain(&furthest.partner),
                furthest.certified
            ),
        );
    }
    if view.clock_astray {
        let by = hints.copyable("entente peer faults");
        row(
            "clock",
            format!(
                "this node's clock, {}, and batch time were further apart at the last batch than the charter allows: set it; \
                 how far: {by}",
                view.now
            ),
        );
    }
    if view.faults > 0 {
        let next = hints.copyable("entente peer faults");
        row("faults", format!("{} since the start; {next}", view.faults));
    }
    row(
        "log",
        format!(
            "{} leaves{}, epoch {} (certified {}), batch time {}, up {}",
            view.log.size,
            match view.log.from {
                0 => String::new(),
                from => format!(", here from index {from} on: the state before was taken from others"),
            },
            view.epoch.applied,
            view.epoch.certified,
            if view.log.size == 0 { "none yet".into() } else { moment(view.batch_time, view.now) },
            span(view.uptime_ms)
        ),
    );
    text.push_str(&table(&rows));
    text
}

fn records(count: u64) -> String {
    match count {
        1 => "1 record".into(),
        more => format!("{more} records"),
    }
}

fn missing(seat: &SeatView, view: &StatusView) -> String {
    let since = match seat.missing_since {
        Some(since) => format!("since {}", span(view.now.since(since))),
        None => "not met yet".into(),
    };
    if seat.connected {
        return format!(
            "{}  {since}, although linked: its node was restored, or holds no seat",
            plain(&seat.partner)
        );
    }
    format!("{}  {since}, {}", plain(&seat.partner), retry(seat))
}

fn retry(seat: &SeatView) -> String {
    if seat.blocked {
        return "blocked by operator".into();
    }
    let next = match (seat.next_retry_ms, seat.addressed) {
        (Some(ms), _) => format!("next try in {}", span(ms)),
        (None, true) => "trying now".into(),
        (None, false) => "no address known yet".into(),
    };
    match &seat.last_error {
        Some(error) => format!("{next} ({})", plain(error)),
        None => next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::dto::{AheadView, CoalitionView, CustodyView, EpochView, LogView, Word};
    use entente_protocol::identity::{CoalitionId, Hash, SecretKey, hash};
    use entente_protocol::time::Time;

    fn hints() -> Hints {
        Hints::new("entente", ["peer".to_owned()], None)
    }

    fn seat(seat: u16, partner: &str, reachable: bool) -> SeatView {
        SeatView {
            partner: partner.into(),
            seat,
            node: SecretKey::from_seed(&[7; 32]).public(),
            reachable,
            connected: reachable,
            missing_since: (!reachable).then_some(Time(1_000_000 - 130_000)),
            next_retry_ms: (!reachable).then_some(3200),
            last_error: (!reachable).then(|| "connection refused".into()),
            addressed: true,
            blocked: false,
        }
    }

    fn view() -> StatusView {
        StatusView {
            partner: "norden".into(),
            node: SecretKey::from_seed(&[7; 32]).public(),
            coalition: CoalitionView { id: CoalitionId(hash("test", &[])), name: "corridor".into() },
            word: Word::Agreed,
            seats: vec![seat(0, "norden", true), seat(1, "skywatch", false), seat(2, "estmark", true)],
            seat: Some(0),
            silent: false,
            incarnation: 0,
            quorum: 2,
            margin: 0,
            epoch: EpochView { applied: 4, certified: 4 },
            log: LogView { size: 9, from: 0, root: Hash::default() },
            batch_time: Time(990_000),
            now: Time(1_000_000),
            held: 0,
            custody: CustodyView { records: 3, oldest_ms: Some(120_000) },
            outside: None,
            voting: true,
            reports: 3,
            ahead: Vec::new(),
            faults: 0,
            clock_astray: false,
            uptime_ms: 5_000,
            wire_version: 1,
            version: "0.1.0".into(),
        }
    }

    #[test]
    fn says_at_a_glance_who_is_missing_and_what_exists_only_here() {
        let text = status(&view(), &hints());
        let lines = text.lines().collect::<Vec<_>>();
        assert!(lines[0].starts_with("AGREED  corridor (co-"), "{text}");
        assert!(lines[0].ends_with("norden, seat 0 of 3, quorum 2, margin +0"), "{text}");
        assert_eq!(lines[1], "missing  skywatch  since 2 min, next try in 3 s (connection refused)");
        assert_eq!(lines[2], "custody  3 records exist only here, the oldest 2 min");
        assert_eq!(lines.len(), 4, "{text}");
    }

    #[test]
    fn a_seat_that_is_silent_since_a_restore_is_said_here_and_at_the_others() {
        let mut own = view();
        (own.silent, own.incarnation, own.voting) = (true, 1, false);
        let text = status(&own, &hints());
        assert!(text.contains("this seat since restore (incarnation 1): it signs nothing"), "{text}");
        assert!(!text.contains("waiting"), "{text}");
        let mut other = view();
        other.seats[1].connected = true;
        let text = status(&other, &hints());
        assert!(
            text.contains("missing  skywatch  since 2 min, although linked: its node was restored"),
            "{text}"
        );
    }

    #[test]
    fn a_clock_that_is_wrong_is_said_with_where_to_see_by_how_much() {
        let mut view = view();
        assert!(!status(&view, &hints()).contains("clock"));
        view.clock_astray = true;
        let text = status(&view, &hints());
        let line = text.lines().find(|line| line.starts_with("clock")).expect("a line");
        assert!(line.contains("than the charter allows: set it"), "{line}");
        assert!(line.ends_with("entente peer faults"), "{line}");
    }

    #[test]
    fn what_is_old_is_said_with_who_is_further() {
        let mut view = view();
        assert!(!status(&view, &hints()).contains("behind"));
        let node = SecretKey::from_seed(&[8; 32]).public();
        let ahead = |partner: &str, certified| AheadView { partner: partner.into(), node, certified };
        view.ahead = vec![ahead("skywatch", 90), ahead("estmark", 120)];
        let text = status(&view, &hints());
        let line = text.lines().find(|line| line.starts_with("behind")).expect("a line");
        let said = "certified up to epoch 4; estmark says that it has epoch 120, and 1 more is ahead";
        assert!(line.ends_with(said), "{line}");
    }

    #[test]
    fn says_what_a_stall_waits_for() {
        let mut view = view();
        view.word = Word::Stalled;
        view.margin = -1;
        let text = status(&view, &hints());
        assert!(text.starts_with("STALLED"), "{text}");
        assert!(text.contains("nothing is ordered until 1 more seat is back"), "{text}");
    }

    #[test]
    fn a_link_that_is_not_tried_says_why() {
        let mut view = view();
        let line = |view: &StatusView| {
            status(view, &hints()).lines().nth(1).expect("a line").split(", ").last().map(str::to_owned)
        };
        view.seats[1].next_retry_ms = None;
        view.seats[1].last_error = None;
        assert_eq!(line(&view).as_deref(), Some("trying now"));
        view.seats[1].blocked = true;
        assert_eq!(line(&view).as_deref(), Some("blocked by operator"));
        (view.seats[1].blocked, view.seats[1].addressed) = (false, false);
        assert_eq!(line(&view).as_deref(), Some("no address known yet"));
    }
}
