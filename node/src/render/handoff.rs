//! Handoffs, disputes and stories: tables of many, a page for one.

use std::fmt::Write as _;

use entente_protocol::identity::RecordId;

use super::table::{headed, table};
use super::{plain, short};
use crate::api::dto::{DisputeView, HandoffView, StoryView};
use crate::hints::Hints;

/// Handoffs, one line each.
pub(crate) fn list(handoffs: &[HandoffView], hints: &Hints) -> String {
    if handoffs.is_empty() {
        let next = hints.copyable("entente handoff offer OPERATION --to PARTNER");
        return format!("nothing was handed over yet; next: {next}\n");
    }
    let rows = handoffs.iter().map(|it| {
        [
            short(&it.id),
            it.end.map_or("open".into(), |end| end.to_string()),
            it.from.to_string(),
            it.to.to_string(),
            plain(&it.what),
            it.index.to_string(),
            short(&it.operation),
            plain(&it.title),
        ]
    });
    headed(["ID", "STATE", "FROM", "TO", "WHAT", "LEAF", "OPERATION", "TITLE"], rows.collect())
}

/// One handoff in full, with all that whoever accepts must know.
pub(crate) fn page(it: &HandoffView, hints: &Hints) -> String {
    let state = it.end.map_or("open".into(), |end| end.to_string());
    let mut text =
        format!("{}  {} of {}\n{}\n\n", state.to_uppercase(), plain(&it.what), plain(&it.title), it.id);
    let mut rows = vec![
        ["from".to_owned(), format!("{} to {}", it.from, it.to)],
        ["operation".into(), titled(&it.operation, &it.title)],
        ["made".into(), format!("{}, leaf {}", it.at, it.index)],
    ];
    if let Some(phase) = &it.phase {
        rows.push(["phase".into(), format!("begins {phase}")]);
    }
    if let Some(note) = &it.note {
        rows.push(["note".into(), plain(note)]);
    }
    match &it.ended_at {
        Some(at) => {
            let leaf = it.ended_index.map_or(String::new(), |index| format!(", leaf {index}"));
            rows.push([state, format!("{at}{leaf}")]);
        }
        None => rows.push(["ends".into(), it.expires.clone()]),
    }
    if let Some(ground) = &it.ground {
        rows.push(["ground".into(), plain(ground)]);
    }
    text.push_str(&table(&rows));
    if it.end.is_some() {
        return text;
    }
    if it.open_items.is_empty() {
        text.push_str("\nnothing is open on the operation\n");
    } else {
        text.push('\n');
        let rows = it.open_items.iter().map(|item| {
            [
                short(&item.record),
                item.kind.to_string(),
                item.partner.to_string(),
                item.index.to_string(),
                plain(&item.text),
            ]
        });
        text.push_str(&headed(["OPEN ITEM", "KIND", "PARTNER", "LEAF", ""], rows.collect()));
    }
    if let Some(digest) = &it.acknowledge {
        let accept = format!("entente handoff accept {} --acknowledge {}", short(&it.id), short(digest));
        let _ = writeln!(text, "\n{} accepts with: {}", it.to, hints.copyable(&accept));
    }
    text
}

/// Disputes, one line each.
pub(crate) fn disputes(disputes: &[DisputeView]) -> String {
    if disputes.is_empty() {
        return "nothing is or was in dispute\n".into();
    }
    let rows = disputes.iter().map(|it| {
        [
            short(&it.id),
            plain(&it.outcome),
            opener(it),
            it.about.to_string(),
            it.index.to_string(),
            short(&it.operation),
            plain(&it.title),
        ]
    });
    headed(["ID", "STATE", "BY", "ABOUT", "LEAF", "OPERATION", "TITLE"], rows.collect())
}

/// An operation by the beginning of its id and its title.
fn titled(operation: &RecordId, title: &str) -> String {
    format!("{}  {}", short(operation), plain(title))
}

/// What a dispute is about.
fn subject(it: &DisputeView) -> String {
    match it.subject == it.operation {
        true => format!("{} {}", it.about_what, titled(&it.operation, &it.title)),
        false => format!("{} ({}) on {}", it.about_what, short(&it.subject), plain(&it.title)),
    }
}

/// Who opened it: a rule does, in the name of whom a conflict wronged.
fn opener(it: &DisputeView) -> String {
    if it.by_rule { format!("rule, for {}", it.opened_by) } else { it.opened_by.to_string() }
}

/// One dispute in full.
pub(crate) fn dispute(it: &DisputeView, hints: &Hints) -> String {
    let mut text =
        format!("{}  dispute about {}\n{}\n\n", it.outcome.to_uppercase(), plain(&it.title), it.id);
    let ground = it.ground.as_ref().map_or(String::new(), |ground| format!("{ground}: "));
    let judges = it.panel.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut rows = vec![
        ["opened".to_owned(), format!("by {}, {}, leaf {}", opener(it), it.at, it.index)],
        ["subject".into(), subject(it)],
        ["operation".into(), titled(&it.operation, &it.title)],
        ["reason".into(), format!("{ground}{}", plain(&it.reason))],
        ["panel".into(), format!("{judges}; {} equal words decide", it.threshold)],
    ];
    match &it.ended_at {
        Some(at) => {
            let leaf = it.leaf.map_or(String::new(), |leaf| format!(", leaf {leaf}"));
            rows.push([plain(&it.outcome), format!("{at}{leaf}")]);
            if it.leaf.is_some() {
                let receipt = format!("entente receipt {}", short(&it.id));
                rows.push(["receipt".into(), hints.copyable(&receipt)]);
            }
        }
        None => rows.push(["ends".into(), it.expires.clone()]),
    }
    if it.holds {
        rows.push(["meanwhile".into(), "assets, roles and what follows the operation wait".into()]);
    }
    text.push_str(&table(&rows));
    if !it.words.is_empty() {
        text.push('\n');
        let rows = it.words.iter().map(|word| {
            [
                word.partner.to_string(),
                word.ruling.to_string(),
                word.index.to_string(),
                word.reason.as_deref().map_or(String::new(), plain),
            ]
        });
        text.push_str(&headed(["JUDGE", "SAYS", "LEAF", "WHY"], rows.collect()));
    }
    text
}

/// The story of an operation.
pub(crate) fn story(it: &StoryView, hints: &Hints) -> String {
    let mut text = format!(
        "{}  {}: {}\n{}\n\n",
        it.status.name().to_uppercase(),
        plain(&it.kind),
        plain(&it.title),
        it.id
    );
    let mut rows = vec![[
        "lead".to_owned(),
        format!(
            "{} since {}{}, by {}",
            it.lead.partner,
            it.lead.since,
            it.lead.index.map_or(String::new(), |index| format!(", leaf {index}")),
            short(&it.lead.by)
        ),
    ]];
    for phase in &it.phases {
        let lead = phase.lead.as_ref().map_or(String::new(), |lead| format!(", led by {lead}"));
        let index = phase.index.map_or(String::new(), |index| format!(", from leaf {index} on"));
        rows.push(["phase".into(), format!("{}: {}{lead}{index}", phase.name, phase.stands)]);
    }
    text.push_str(&table(&rows));
    text.push('\n');
    if it.before > 0 {
        let log = hints.copyable("entente log");
        let _ = writeln!(text, "{} things happened before: {log}", it.before);
    }
    let rows = it.events.iter().map(|event| {
        [
            event.at.clone(),
            event.index.map_or("-".into(), |index| index.to_string()),
            event.partner.as_ref().map_or("-".into(), ToString::to_string),
            event.role.map_or("-".into(), |role| role.to_string()),
            event.under.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            plain(&event.text),
            event.record.map_or(String::new(), |record| short(&record)),
        ]
    });
    text.push_str(&headed(["WHEN", "LEAF", "WHO", "AS", "UNDER", "WHAT", "RECORD"], rows.collect()));
    text
}
