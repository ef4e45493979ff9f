//! Operations: a table of many, a page for one.

use std::fmt::Write as _;

use entente_protocol::coalition::AssetView;
use entente_protocol::record::Stance;
use entente_protocol::time::Time;

use super::age::moment;
use super::table::{headed, table};
use super::{leaf, plain, short};
use crate::api::dto::{AttestationView, CommitmentView, OperationView, RecordState, UnderLease};
use crate::hints::Hints;

/// Operations, one line each.
pub(crate) fn list(operations: &[OperationView], now: Time, hints: &Hints) -> String {
    if operations.is_empty() {
        return format!(
            "no operations yet; next: {}\n",
            hints.copyable("entente op open --type TYPE --title TITLE")
        );
    }
    let rows = operations
        .iter()
        .map(|operation| {
            [
                short(&operation.id),
                match operation.state {
                    RecordState::Decided | RecordState::Agreed => "decided".to_owned(),
                    state => state.to_string(),
                },
                match &operation.under_lease {
                    Some(under) if under.met => format!("{}, under lease", plain(&operation.outcome)),
                    _ => plain(&operation.outcome),
                },
                plain(&operation.kind),
                plain(&operation.opened_by),
                operation.opened_at.map_or_else(|| "not ordered".into(), |at| moment(at, now)),
                plain(&operation.title),
            ]
        })
        .collect();
    headed(["ID", "STATE", "OUTCOME", "TYPE", "BY", "OPENED", "TITLE"], rows)
}

/// An asset that serves an operation, its owner's condition, and who controls it.
pub(super) fn serves(asset: &AssetView) -> String {
    let controlled = match asset.controller == asset.owner {
        true => String::new(),
        false => format!(", controlled by {}", plain(asset.controller.as_str())),
    };
    let caveat = asset
        .caveat
        .as_ref()
        .map_or(String::new(), |caveat| format!(", on the condition: {}", plain(caveat)));
    format!(
        "{} of {} ({}){controlled}{caveat}",
        plain(asset.name.as_str()),
        plain(asset.owner.as_str()),
        plain(&asset.label)
    )
}

/// One operation in full.
pub(crate) fn page(operation: &OperationView, now: Time, hints: &Hints) -> String {
    let mut text = format!(
        "{}  {}: {}\n",
        operation.outcome.to_uppercase(),
        plain(&operation.kind),
        plain(&operation.title)
    );
    let _ = writeln!(text, "{}\n", operation.id);
    let mut rows = vec![[
        "opened".to_owned(),
        match operation.opened_at {
            Some(at) => format!("by {}, {} ({at})", plain(&operation.opened_by), moment(at, now)),
            None => format!("by {}; held, not ordered yet", plain(&operation.opened_by)),
        },
    ]];
    if let Some(at) = operation.closes_at.filter(|_| operation.decision.is_none()) {
        let verb = if at > now { "closes" } else { "closed" };
        rows.push([verb.into(), format!("{} ({at})", moment(at, now))]);
    }
    let phase =
        operation.phase.as_ref().map_or(String::new(), |phase| format!(", in the phase {}", plain(phase)));
    let done = if operation.concluded { ", concluded" } else { "" };
    rows.push(["lead".into(), format!("{}{phase}{done}", plain(&operation.lead))]);
    if let Some(away) = &operation.lead_away {
        rows.push(["".into(), plain(away)]);
    }
    if let Some(limits) = &operation.limits {
        rows.push(["agreed is".into(), plain(limits)]);
    }
    let first = std::iter::once("changes").chain(std::iter::repeat(""));
    rows.extend(first.zip(&operation.changes).map(|(head, line)| [head.into(), plain(line)]));
    for (what, dispute) in
        [("disputed", operation.disputed), ("annulled", operation.annulled), ("remanded", operation.remanded)]
    {
        if let Some(id) = dispute {
            let show = format!("entente dispute show {}", short(&id));
            rows.push([what.into(), hints.copyable(&show)]);
        }
    }
    if let Some(raised) = operation.raised {
        rows.push(["precedence".into(), format!("raised to {raised}")]);
    }
    for claim in &operation.claims {
        rows.push(["claims".into(), plain(claim)]);
    }
    if let Some(index) = operation.index {
        rows.push(["log".into(), format!("leaf {index}")]);
    }
    if !operation.explanation.is_empty() {
        rows.push(["why".into(), plain(&operation.explanation)]);
    }
    for lacking in &operation.deficit {
        let lacking = plain(lacking);
        rows.push(match lacking.strip_prefix("needs ") {
            Some(needed) => ["lacks".into(), needed.to_owned()],
            None => ["but".into(), lacking],
        });
    }
    if let Some(authority) = &operation.authority {
        rows.push(["authority".into(), plain(authority.text.trim_start_matches("authority: "))]);
        rows.extend(authority.voices.iter().map(|voice| ["".into(), super::authority::voice(voice)]));
    }
    if let Some(provisional) = &operation.provisional {
        rows.push(match &operation.under_lease {
            Some(under) if under.met => ["provisional".into(), may_act(under)],
            _ => ["held".into(), format!("would be {} if all held here were ordered", plain(provisional))],
        });
    }
    for lacking in operation.provisional_deficit.iter().flatten() {
        rows.push(["held".into(), format!("with all held here, {}", plain(lacking))]);
    }
    rows.extend(operation.assets.iter().map(|asset| ["served by".into(), serves(asset)]));
    for commitment in &operation.commitments {
        rows.push(["committed".into(), committed(commitment)]);
    }
    if let Some(under) = operation.under_lease.as_ref().filter(|under| !under.met) {
        rows.push(["provisional".into(), may_act(under)]);
    }
    if let Some(decision) = &operation.decision {
        rows.push(["decided".into(), format!("{}, {}", plain(&decision.outcome), leaf(decision.index))]);
        if decision.index.is_some() {
            let receipt = format!("entente receipt {}", short(&operation.id));
            rows.push(["receipt".into(), hints.copyable(&receipt)]);
        }
    }
    text.push_str(&table(&rows));
    if !operation.body.is_empty() {
        text.push('\n');
        let body = operation.body.iter().map(|(name, value)| [plain(name), plain(value)]).collect::<Vec<_>>();
        text.push_str(&table(&body));
    }
    if !operation.attestations.is_empty() {
        text.push('\n');
        let rows = operation.attestations.iter().map(attestation).collect();
        text.push_str(&headed(["ATTESTATION", "PARTNER", "ROLE", "STANCE", "STATE", ""], rows));
    }
    text
}

/// What a partner has committed, and what became of it.
pub(super) fn committed(commitment: &CommitmentView) -> String {
    let leases = match commitment.leases.as_slice() {
        [] => "no lease".to_owned(),
        leases => format!("lease {}", plain(&leases.join(" and "))),
    };
    let place = commitment.index.map_or_else(|| "held".to_owned(), |index| format!("leaf {index}"));
    format!(
        "by {} under {leases}, knowing the log up to {} ({place}): {}",
        commitment.partner,
        commitment.seen,
        plain(&commitment.explanation)
    )
}

/// Whether what is committed may be acted on.
pub(super) fn may_act(under: &UnderLease) -> String {
    if under.met {
        let leases = plain(&under.leases.join(" and "));
        return format!("agreed under lease {leases}: {} may act on it before it is agreed", under.partner);
    }
    format!("{} may not act on it before it is agreed: {}", under.partner, plain(&under.lacks))
}

fn attestation(attestation: &AttestationView) -> [String; 6] {
    let mut notes = Vec::new();
    if !attestation.counts {
        notes.push("not counted".to_owned());
    }
    if let Some(id) = &attestation.supersedes {
        notes.push(format!("replaces {}", short(id)));
    }
    if let Some(id) = &attestation.withdrawn_by {
        notes.push(format!("taken back by {}", short(id)));
    }
    if let Some(caveat) = &attestation.caveat {
        let what = if attestation.stance == Stance::Object { "ground" } else { "caveat" };
        notes.push(format!("{what}: {}", plain(caveat)));
    }
    notes.extend(attestation.evidence.iter().map(|hash| format!("evidence {hash}")));
    let state = match attestation.index {
        Some(index) => format!("{} at {index}", attestation.state),
        None => attestation.state.to_string(),
    };
    [
        short(&attestation.id),
        plain(&attestation.partner),
        attestation.role.to_string(),
        attestation.stance.to_string(),
        state,
        notes.join("; "),
    ]
}
