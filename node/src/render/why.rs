//! Why an operation stands as it does, in one place: outcome, what is missing, who stands for what on which condition, and what it
//! claims.

use std::fmt::Write as _;

use entente_protocol::record::Stance;
use entente_protocol::time::Time;
use serde_json::{Value, json};

use super::age::moment;
use super::operation::{committed, may_act, serves};
use super::{plain, short};
use crate::api::dto::{AttestationView, OperationView};

/// What stands: counted or not, neither replaced nor taken back.
fn standing(operation: &OperationView) -> impl Iterator<Item = &AttestationView> {
    let replaced = |id| operation.attestations.iter().any(|other| other.supersedes == Some(id));
    operation.attestations.iter().filter(move |said| said.withdrawn_by.is_none() && !replaced(said.id))
}

/// For people.
pub(crate) fn page(operation: &OperationView, now: Time) -> String {
    let mut text = format!(
        "{} {}: {}\n",
        short(&operation.id),
        plain(&operation.title),
        plain(&operation.outcome).to_uppercase()
    );
    let _ = writeln!(text, "why: {}", plain(&operation.explanation));
    if let Some(limits) = &operation.limits {
        let _ = writeln!(text, "agreed is: {}", plain(limits));
    }
    for change in &operation.changes {
        let _ = writeln!(text, "changes: {}", plain(change));
    }
    if let Some(away) = &operation.lead_away {
        let _ = writeln!(text, "lead: {}", plain(away));
    }
    if let (Some(at), None) = (operation.closes_at, &operation.decision) {
        let _ = writeln!(text, "the window ends {}", moment(at, now));
    }
    for lacking in &operation.deficit {
        let _ = writeln!(text, "missing: {}", plain(lacking));
    }
    if let Some(decision) = &operation.decision {
        let _ = writeln!(text, "decided: {}", plain(&decision.explanation));
    }
    for lacking in operation.provisional_deficit.iter().flatten() {
        let _ = writeln!(text, "with all held here: {}", plain(lacking));
    }
    for commitment in &operation.commitments {
        let _ = writeln!(text, "committed: {}", committed(commitment));
    }
    if let Some(under) = &operation.under_lease {
        let _ = writeln!(text, "provisional: {}", may_act(under));
    } else if let Some(provisional) = &operation.provisional {
        let _ = writeln!(text, "provisional: {}, with all held here", plain(provisional));
    }
    for said in standing(operation) {
        let about = match (&said.caveat, said.stance) {
            (None, _) => String::new(),
            (Some(ground), Stance::Object) => format!(", on the ground: {}", plain(ground)),
            (Some(caveat), _) => format!(", with the caveat: {}", plain(caveat)),
        };
        let counts = if said.counts { "" } else { " (not counted)" };
        let _ = writeln!(text, "{}: {} as {}{about}{counts}", plain(&said.partner), said.stance, said.role);
        for hash in &said.evidence {
            let _ = writeln!(text, "  evidence: commitment {hash}");
        }
    }
    for voice in operation.authority.iter().flat_map(|authority| &authority.voices) {
        let _ = writeln!(text, "{}", super::authority::voice(voice));
    }
    for asset in &operation.assets {
        let _ = writeln!(text, "served by: {}", serves(asset));
    }
    for claim in &operation.claims {
        let _ = writeln!(text, "claims: {}", plain(claim));
    }
    text
}

/// For programs.
pub(crate) fn json(operation: &OperationView) -> Value {
    json!({
        "id": operation.id,
        "title": operation.title,
        "kind": operation.kind,
        "opened_by": operation.opened_by,
        "lead": operation.lead,
        "phase": operation.phase,
        "disputed": operation.disputed,
        "remanded": operation.remanded,
        "outcome": operation.outcome,
        "stage": operation.stage,
        "explanation": operation.explanation,
        "missing": operation.deficit,
        "limits": operation.limits,
        "changes": operation.changes,
        "lead_away": operation.lead_away,
        "closes_at": operation.closes_at,
        "decision": operation.decision,
        "provisional": operation.provisional,
        "provisional_missing": operation.provisional_deficit,
        "commitments": operation.commitments,
        "under_lease": operation.under_lease,
        "standing": standing(operation).collect::<Vec<_>>(),
        "authority": operation.authority,
        "assets": operation.assets,
        "claims": operation.claims,
    })
}
