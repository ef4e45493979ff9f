//! Incidents: what the mesh shows of misuse, filed by this node itself.
//!
//! Guarantees: the first time that something is seen it is filed at once, what follows is counted and filed at most once per
//! [`INCIDENT_INTERVAL`] and matter, with its number; what the engine does not take waits for the next interval. Nothing is
//! lost but what a crash takes of counts that were not filed. Matters are bounded; what is seen beyond is counted as a matter
//! of its kind of which no more is known. What was shown the first of the times that an incident counts goes with it.
//!
//! What can be seen: who shows a credential in another's name; a member's node that shows one which never held, or was taken back;
//! members (and strangers in all) whose faults of one kind come at more than the `flood_per_minute` of the charter in force; a seat
//! that cosigned another root. Forks and equivocations are written as evidence by the engine. What cannot be seen from here:
//! withholding, because silence and a slow link look the same; and replay, because what is said twice is dropped by its id and costs
//! its sender alone. Officers report these.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use entente_protocol::charter::PartnerName;
use entente_protocol::identity::{Hash, PublicKey};
use entente_protocol::record::{EventKind, Incident, MAX_INCIDENT_BYTES, Matter, Shown};
use entente_protocol::time::Time;

use super::Handle;
use super::exhibits::{self, Seen};
use crate::api::dto::FaultView;

/// What is seen of one matter is filed at most this often.
pub const INCIDENT_INTERVAL: Duration = Duration::from_secs(600);
/// Most matters that are told apart; as many again would not fit into what a node may have open.
pub const MAX_MATTERS: usize = 32;
/// Faults are counted towards the flood rate over so long.
const FLOOD_WINDOW: Duration = Duration::from_secs(60);

/// Faults that many of make a flood.
pub(super) const FLOODS: [&str; 15] = [
    "bad_beacon",
    "bad_proof",
    "bad_signature",
    "bad_state",
    "contribution",
    "credential",
    "flood",
    "foreign_coalition",
    "invalid_frame",
    "malformed",
    "protocol",
    "stranger",
    "too_large",
    "unknown_feed",
    "wrong_peer",
];

/// What was seen and not filed yet, and when each matter was filed last.
pub(super) struct Incidents {
    flood_per_minute: u64,
    matters: BTreeMap<Matter, Row>,
    /// By who is at fault (nobody for all strangers) and kind of fault.
    rates: BTreeMap<(Option<PartnerName>, Option<PublicKey>, &'static str), Window>,
}

struct Row {
    text: String,
    count: u64,
    first: Time,
    last: Time,
    /// The first since it was filed.
    seen: Option<Seen>,
    filed: Option<Instant>,
}

/// What is to be filed.
pub(super) struct Due {
    pub(super) incident: Incident,
    /// What opens the commitment that it carries.
    opens: Option<Vec<u8>>,
}

struct Window {
    begun: Instant,
    count: u64,
    /// Whether the rate was exceeded, so that what follows is counted as it comes.
    over: bool,
}

impl Incidents {
    pub(super) fn new(flood_per_minute: u32) -> Self {
        let flood_per_minute = u64::from(flood_per_minute);
        Self { flood_per_minute, matters: BTreeMap::new(), rates: BTreeMap::new() }
    }

    /// From now on this many faults of a kind in a minute are no flood yet; what is one stays one for its minute.
    pub(super) fn set_rate(&mut self, flood_per_minute: u32) {
        self.flood_per_minute = u64::from(flood_per_minute);
    }

    /// Counts what was seen `count` times.
    pub(super) fn saw(
        &mut self,
        matter: Matter,
        text: &str,
        seen: Option<Seen>,
        count: u64,
        at: Time,
        now: Instant,
    ) {
        self.matters.retain(|_, row| row.count > 0 || row.filed.is_some_and(|filed| is_recent(filed, now)));
        let crowds = self.matters.len() >= MAX_MATTERS && !self.matters.contains_key(&matter);
        let matter = if crowds { Matter::unknown(matter.kind) } else { matter };
        let new = || Row { text: String::new(), count: 0, first: at, last: at, seen: None, filed: None };
        let row = self.matters.entry(matter).or_insert_with(new);
        if row.count == 0 {
            (row.first, row.last) = (at, at);
        }
        row.text = showable(text);
        row.count = row.count.saturating_add(count);
        row.seen = row.seen.take().or(seen);
        // The clock may have been set back.
        (row.first, row.last) = (row.first.min(at), row.last.max(at));
    }

    /// Counts a fault of a member, or of no member.
    pub(super) fn fault(&mut self, fault: &FaultView, seen: Option<Seen>, at: Time, now: Instant) {
        let partner = fault.partner.as_deref().and_then(|name| name.parse::<PartnerName>().ok());
        let key = fault.node.filter(|_| partner.is_some());
        if fault.code == "contradiction" && partner.is_some() {
            let matter = Matter { kind: EventKind::Equivocation, against: partner, key, victim: None };
            return self.saw(matter, &fault.what, seen, fault.count, at, now);
        }
        let Some(code) = FLOODS.into_iter().find(|code| *code == fault.code) else { return };
        self.rates.retain(|_, window| now.saturating_duration_since(window.begun) < FLOOD_WINDOW);
        let who = (partner.clone(), key, code);
        let window = self.rates.entry(who).or_insert(Window { begun: now, count: 0, over: false });
        window.count = window.count.saturating_add(fault.count);
        let count = match window.over {
            true => fault.count,
            false if window.count > self.flood_per_minute => window.count,
            false => return,
        };
        window.over = true;
        let text = format!("more than {} faults a minute, {code}: {}", self.flood_per_minute, fault.what);
        let matter = Matter { kind: EventKind::Flood, against: partner, key, victim: None };
        self.saw(matter, &text, seen, count, at, now);
    }

    /// What is to be filed now; [`Incidents::give_back`] takes what could not be.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Due> {
        let due = self.matters.iter_mut().filter(|(_, row)| row.count > 0 && !row.rests(now));
        due.map(|(matter, row)| {
            row.filed = Some(now);
            let (count, first, last) = (std::mem::take(&mut row.count), row.first, row.last);
            let (shown, opens) = row.seen.take().map(Seen::into_shown).unzip();
            let (matter, text, opens) = (matter.clone(), row.text.clone(), opens.flatten());
            Due { incident: Incident { matter, text, count, first, last, shown }, opens }
        })
        .collect()
    }

    /// What could not be filed is filed with what comes, after another interval.
    pub(super) fn give_back(&mut self, incident: Incident, now: Instant) {
        let Incident { matter, text, count, first, last, shown } = incident;
        self.saw(matter.clone(), &text, shown.map(Seen::Decoded), count, first, now);
        self.saw(matter, &text, None, 0, last, now);
    }

    /// When `due` has something next.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let waiting = self.matters.values().filter(|row| row.count > 0);
        waiting.map(|row| row.filed.map_or(now, |filed| filed + INCIDENT_INTERVAL)).min()
    }
}

impl Row {
    fn rests(&self, now: Instant) -> bool {
        self.filed.is_some_and(|filed| is_recent(filed, now))
    }
}

fn is_recent(filed: Instant, now: Instant) -> bool {
    now < filed + INCIDENT_INTERVAL
}

/// What may stand in an incident: a peer may have a say in it.
fn showable(text: &str) -> String {
    let mut text: String = text.chars().map(|c| if is_plain(c) { c } else { ' ' }).collect();
    if text.len() > MAX_INCIDENT_BYTES {
        let mut end = MAX_INCIDENT_BYTES - 3;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// Neither a control character nor one that changes the direction or the line of what follows.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Files what is due, until the node stops.
pub(super) async fn run(node: Handle) {
    let mut stopped = node.watch_stopped();
    loop {
        let next = node.follow().incidents_next();
        let due = async {
            match next {
                Some(next) => tokio::time::sleep_until(next.into()).await,
                None => std::future::pending().await,
            }
        };
        let is_due = tokio::select! {
            () = due => true,
            () = node.follow().incident_waits() => false,
            _ = stopped.wait_for(Option::is_some) => return,
        };
        let due = if is_due { node.follow().incidents_due() } else { Vec::new() };
        for Due { incident, opens } in due {
            if let (Some(Shown::Commitment { digest, .. }), Some(opens)) = (&incident.shown, opens) {
                keep(&node, *digest, opens).await;
            }
            let (kind, count) = (incident.matter.kind, incident.count);
            match node.file(incident.clone()).await {
                Ok(held) => {
                    tracing::warn!(%kind, count, entry = %held.id, what = incident.text, "incident filed");
                }
                Err(error) => {
                    tracing::warn!(%kind, count, %error, "incident not filed: it waits");
                    node.follow().give_back(incident);
                }
            }
        }
    }
}

/// Keeps what opens a commitment; without it the incident says as much, and the node can show less.
async fn keep(node: &Handle, digest: Hash, opens: Vec<u8>) {
    let store = node.store().path().to_owned();
    let kept = tokio::task::spawn_blocking(move || exhibits::keep(&store, &digest, &opens)).await;
    if let Ok(Err(error)) = kept {
        tracing::warn!(%digest, error, "what was shown is committed to and could not be kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(partner: Option<&str>, code: &str, count: u64) -> FaultView {
        let partner = partner.map(str::to_owned);
        FaultView { count, ..FaultView::new(partner, None, None, code, "a\u{1b}[2Jb".into()) }
    }

    fn about(number: u32) -> Matter {
        let key = entente_protocol::identity::SecretKey::from_seed(&[number as u8; 32]).public();
        let victim = Some("borea".parse().expect("a name"));
        Matter { kind: EventKind::Impersonation, against: None, key: Some(key), victim }
    }

    #[test]
    fn the_first_is_filed_at_once_and_later_ones_once_per_interval_with_their_number() {
        let (mut incidents, start) = (Incidents::new(10), Instant::now());
        incidents.saw(about(1), "one", None, 1, Time(5), start);
        assert_eq!(incidents.next(start), Some(start));
        let [Due { incident: first, .. }] = &incidents.due(start)[..] else { panic!("one") };
        assert_eq!((first.count, first.first, first.last), (1, Time(5), Time(5)));
        for number in 0..1000 {
            incidents.saw(about(1), "again", None, 2, Time(6 + number), start);
        }
        assert!(incidents.due(start).is_empty());
        let later = incidents.next(start).expect("something waits");
        assert_eq!(later, start + INCIDENT_INTERVAL);
        let due = incidents.due(later);
        let due = due.into_iter().map(|due| due.incident).collect::<Vec<_>>();
        assert_eq!((due[0].count, due[0].first, due[0].last), (2000, Time(6), Time(1005)));
        // Not taken: it comes with what follows.
        incidents.give_back(due[0].clone(), later);
        incidents.saw(about(1), "more", None, 1, Time(2000), later);
        assert!(incidents.due(later).is_empty());
        let again = &incidents.due(later + INCIDENT_INTERVAL)[0].incident;
        assert_eq!((again.count, again.first, again.last), (2001, Time(6), Time(2000)));
    }

    #[test]
    fn matters_are_bounded_and_none_is_lost() {
        let (mut incidents, now) = (Incidents::new(10), Instant::now());
        for number in 0..200 {
            incidents.saw(about(number), "seen", None, 3, Time(1), now);
        }
        let due = incidents.due(now).into_iter().map(|due| due.incident).collect::<Vec<_>>();
        assert_eq!(due.len(), MAX_MATTERS + 1);
        assert_eq!(due.iter().map(|incident| incident.count).sum::<u64>(), 600);
    }

    #[test]
    fn faults_below_the_rate_are_no_flood_and_all_of_a_flood_are_counted() {
        let (mut incidents, start) = (Incidents::new(100), Instant::now());
        for minute in 0..5 {
            let now = start + FLOOD_WINDOW * minute;
            (0..100).for_each(|_| incidents.fault(&fault(Some("borea"), "malformed", 1), None, Time(1), now));
        }
        (0..200).for_each(|_| incidents.fault(&fault(Some("borea"), "gap", 1), None, Time(1), start));
        assert_eq!(incidents.next(start), None);
        let now = start + FLOOD_WINDOW * 10;
        (0..150).for_each(|_| incidents.fault(&fault(Some("borea"), "malformed", 1), None, Time(1), now));
        incidents.fault(&fault(None, "stranger", 101), None, Time(1), now);
        let due = incidents.due(now).into_iter().map(|due| due.incident).collect::<Vec<_>>();
        assert_eq!(due.len(), 2);
        assert!(due.iter().all(|it| it.matter.kind == EventKind::Flood && !it.text.contains('\u{1b}')));
        let of = |against: Option<&str>| {
            let found = due.iter().find(|it| it.matter.against.as_ref().map(PartnerName::as_str) == against);
            found.expect("filed").count
        };
        assert_eq!((of(Some("borea")), of(None)), (150, 101));
    }

    #[test]
    fn another_rate_holds_for_what_was_counted_in_this_minute_too() {
        let (mut incidents, now) = (Incidents::new(100), Instant::now());
        (0..20).for_each(|_| incidents.fault(&fault(Some("borea"), "malformed", 1), None, Time(1), now));
        incidents.set_rate(10);
        assert_eq!(incidents.next(now), None);
        incidents.fault(&fault(Some("borea"), "malformed", 1), None, Time(1), now);
        let [Due { incident, .. }] = &incidents.due(now)[..] else { panic!("one") };
        assert_eq!(incident.count, 21);
        assert!(incident.text.starts_with("more than 10 faults a minute"), "{}", incident.text);
        incidents.set_rate(1000);
        incidents.fault(&fault(Some("corvus"), "malformed", 500), None, Time(1), now);
        assert!(incidents.due(now + INCIDENT_INTERVAL).is_empty());
    }

    #[test]
    fn many_handshakes_with_a_credential_that_does_not_hold_are_a_flood() {
        let (mut incidents, now) = (Incidents::new(100), Instant::now());
        (0..101).for_each(|_| incidents.fault(&fault(Some("borea"), "credential", 1), None, Time(1), now));
        incidents.fault(&fault(None, "credential", 150), None, Time(1), now);
        let due = incidents.due(now).into_iter().map(|due| due.incident).collect::<Vec<_>>();
        let mut filed = due.iter().map(|it| (it.matter.against.is_some(), it.count)).collect::<Vec<_>>();
        filed.sort_unstable();
        assert_eq!(filed, [(false, 150), (true, 101)]);
        assert!(due.iter().all(|it| it.text.contains("more than 100 faults a minute, credential: ")));
    }

    #[test]
    fn the_first_that_is_shown_goes_with_what_is_filed_and_comes_back_with_what_could_not_be() {
        let (mut incidents, start) = (Incidents::new(10), Instant::now());
        let seen = |byte| Some(Seen::Credential(vec![0xff, byte]));
        let shown = |byte| seen(byte).map(|seen| seen.into_shown().0);
        incidents.saw(about(1), "without", None, 1, Time(1), start);
        incidents.saw(about(1), "first", seen(1), 1, Time(2), start);
        incidents.saw(about(1), "second", seen(2), 5, Time(3), start);
        let due = incidents.due(start).remove(0);
        assert_eq!((&due.incident.shown, due.incident.count), (&shown(1), 7));
        assert_eq!(due.opens, Some(vec![0xff, 1]));
        incidents.give_back(due.incident, start);
        incidents.saw(about(1), "third", seen(3), 1, Time(4), start);
        let due = incidents.due(start + INCIDENT_INTERVAL).remove(0);
        assert_eq!((due.incident.shown, due.incident.count), (shown(1), 8));
        incidents.saw(about(1), "fourth", seen(4), 1, Time(5), start);
        let due = incidents.due(start + 2 * INCIDENT_INTERVAL).remove(0);
        assert_eq!((due.incident.shown, due.incident.count), (shown(4), 1));
    }

    #[test]
    fn texts_are_cut_where_they_may_be() {
        assert!(showable(&"ä".repeat(400)).len() <= MAX_INCIDENT_BYTES);
        assert_eq!(showable("a\nb"), "a b");
    }
}
