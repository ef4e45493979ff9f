//! Charters in words: what a root signs must be readable before it does.

use std::fmt::Write as _;

use entente_protocol::charter::{Charter, Lint, OperationType, PartnerName, show_span, show_time};
use entente_protocol::record::Role;

use super::table::{headed, table};

/// The whole charter.
pub(crate) fn charter(charter: &Charter, missing: Option<&[PartnerName]>) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}  {}", charter.name, charter.id());
    let _ = writeln!(text, "drawn up {}\n", show_time(charter.created));
    let rows = charter
        .partners
        .iter()
        .enumerate()
        .map(|(seat, partner)| {
            let signed = match missing {
                Some(missing) if missing.contains(&partner.name) => "missing",
                Some(_) => "signed",
                None => "",
            };
            [
                seat.to_string(),
                partner.name.to_string(),
                signed.to_owned(),
                partner.officers.len().to_string(),
                partner.nodes.len().to_string(),
                show_time(partner.credentials_until),
                partner.root.to_string(),
            ]
        })
        .collect();
    text.push_str(&headed(
        ["SEAT", "PARTNER", "SIGNATURE", "OFFICERS", "NODES", "CREDENTIALS UNTIL", "ROOT"],
        rows,
    ));
    for kind in &charter.operations {
        text.push('\n');
        text.push_str(&operation(kind));
    }
    text
}

fn operation(kind: &OperationType) -> String {
    let names = |names: &[PartnerName]| match names {
        [] => "nobody".to_owned(),
        names => names.iter().map(PartnerName::as_str).collect::<Vec<_>>().join(", "),
    };
    let rule = &kind.rule;
    let mut needs = Vec::new();
    for role in Role::ALL {
        match rule.needed(role) {
            0 => {}
            count => needs.push(format!("{count} of {role}")),
        }
    }
    let vetoes = kind.veto_holders();
    let veto = vetoes.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let mut rows = vec![
        [
            kind.name.to_string(),
            match kind.effect {
                Some(effect) => {
                    format!(
                        "{}, open for {}; {effect}s {}",
                        kind.precedence,
                        show_span(kind.window_ms),
                        effect.object()
                    )
                }
                None => format!("{}, open for {}", kind.precedence, show_span(kind.window_ms)),
            },
        ],
        ["  lead".into(), names(&kind.lead)],
        ["  supporting".into(), names(&kind.supporting)],
        ["  observing".into(), names(&kind.observing)],
        ["  needs".into(), if needs.is_empty() { "no endorsement".into() } else { needs.join(", ") }],
    ];
    if !veto.is_empty() {
        rows.push(["  veto".into(), veto]);
    }
    table(&rows)
}

/// Findings, one line each.
pub(crate) fn lints(lints: &[Lint]) -> String {
    lints.iter().map(|lint| format!("{lint}\n")).collect()
}
