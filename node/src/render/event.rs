//! Events, one line each.

use super::{brief, leaf, plain, short};
use crate::api::dto::EventView;
use crate::hints::Hints;

/// An event in words, for whoever follows `all` or only what is about records.
pub(crate) fn line(event: &EventView, all: bool, hints: &Hints) -> String {
    match event {
        EventView::Held { id, feed, title } => {
            let title = title.as_deref().map_or(String::new(), |title| format!(": {}", plain(title)));
            let place = format!("{} {}", feed.lane, feed.length);
            format!("held      {} by {} ({place}){title}", short(id), plain(&feed.partner))
        }
        EventView::Ordered { id, index, feed, outcome, title, .. } => {
            format!(
                "ordered   {} of {} at {index}: {}{}",
                short(id),
                plain(&feed.partner),
                titled(title.as_deref()),
                brief(&plain(outcome))
            )
        }
        EventView::Told { index, told } => {
            let who = told.story.partner.as_ref().map_or(String::new(), |who| format!("{who} "));
            let title = titled(told.title.as_deref());
            let role = told.story.role.map_or(String::new(), |role| format!(", as {role}"));
            let mark = if told.urgent { "URGENT" } else { "told" };
            format!("{mark:<9} at {index}: {title}{who}{}{role}", plain(&told.story.text))
        }
        EventView::Decided { urgent, title, decision } => format!(
            "{}{:<9} {} at {}: {}{}",
            marked(*urgent),
            plain(&decision.outcome),
            short(&decision.operation),
            decision.index.map_or_else(|| leaf(None), |index| index.to_string()),
            titled(title.as_deref()),
            plain(&decision.explanation)
        ),
        EventView::Ruled { urgent, title, ruling } => format!(
            "{}{:<9} {} at {}: {}{}",
            marked(*urgent),
            plain(&ruling.outcome),
            short(&ruling.dispute),
            ruling.index,
            titled(title.as_deref()),
            plain(&ruling.explanation)
        ),
        EventView::Certified { epoch, size, .. } => format!("certified epoch {epoch}, {size} leaves"),
        EventView::Reach { missing, quorum, .. } if missing.is_empty() => {
            format!("reach     all seats, quorum {quorum}")
        }
        EventView::Reach { reachable, missing, quorum } => format!(
            "reach     {} of {} seats, quorum {quorum}, missing {}",
            reachable.len(),
            reachable.len() + missing.len(),
            plain(&missing.join(", "))
        ),
        EventView::Taken { epoch, size } => {
            format!(
                "taken     the state of epoch {epoch}: far behind, so the log is here from index {size} on"
            )
        }
        EventView::Silent { seat, incarnation } => {
            format!(
                "silent    seat {seat} since restore (incarnation {incarnation}): it signs nothing any more"
            )
        }
        EventView::Integrity { urgent, index, view } => format!(
            "{}{} {} {} reported by {}, at {index}: {}",
            if *urgent { "URGENT    " } else { "integrity " },
            view.kind,
            short(&view.id),
            plain(&view.status),
            view.reporter,
            plain(&view.explanation)
        ),
        EventView::Fault(fault) => format!(
            "fault     {} of {}: {}",
            plain(&fault.code),
            fault.partner.as_deref().map_or_else(|| "no member".into(), plain),
            plain(&fault.what)
        ),
        EventView::PeerUp { partner, .. } => format!("peer up   {}", plain(partner)),
        EventView::PeerDown { partner, reason, .. } => {
            format!("peer down {}: {}", plain(partner), plain(reason))
        }
        EventView::Lagged { missed, from } => {
            let all = if all { "--all " } else { "" };
            let again = hints.copyable(&format!("entente op follow {all}--from {from}"));
            format!("lagged    {missed} events were missed here; what the log has of them: {again}")
        }
    }
}

/// An operation's title, before what is said of it.
fn titled(title: Option<&str>) -> String {
    title.map_or(String::new(), |title| format!("{}: ", plain(title)))
}

fn marked(urgent: bool) -> &'static str {
    if urgent { "URGENT    " } else { "" }
}

#[cfg(test)]
mod tests {
    use entente_protocol::identity::{RecordId, hash};

    use super::*;
    use crate::api::dto::{DecisionView, RulingView};

    #[test]
    fn what_is_decided_is_told_with_its_title_and_whether_it_is_urgent() {
        let id = RecordId(hash("test", &[b"id"]));
        let decision = DecisionView {
            operation: id,
            index: Some(8),
            outcome: "agreed".into(),
            explanation: "norden endorses".into(),
        };
        let ruling =
            RulingView { dispute: id, index: 9, outcome: "annulled".into(), explanation: "so".into() };
        let hints = Hints::new("entente", ["op".to_owned()], None);
        let line = |event| line(&event, false, &hints);
        let title = || Some("Corridor".to_owned());
        let decided = line(EventView::Decided { urgent: false, title: title(), decision });
        assert_eq!(decided, format!("agreed    {} at 8: Corridor: norden endorses", short(&id)));
        let ruled = line(EventView::Ruled { urgent: true, title: title(), ruling });
        assert_eq!(ruled, format!("URGENT    annulled  {} at 9: Corridor: so", short(&id)));
    }

    #[test]
    fn who_was_too_slow_is_shown_how_to_see_what_it_missed() {
        let hints = Hints::new("entente", ["op".to_owned()], Some("/d".into()));
        let lagged = EventView::Lagged { missed: 5, from: 17 };
        let line = line(&lagged, true, &hints);
        assert!(line.starts_with("lagged    5 events were missed here"), "{line}");
        assert!(line.ends_with("entente --dir /d op follow --all --from 17"), "{line}");
    }
}
