//! Names beside ids in what the engine says: a refusal carries ids alone, and the state knows their titles.
//!
//! Guarantee: only the text for people changes, where it is shown; what is stored and signed stays as it is.

use entente_protocol::coalition::{FindError, State};
use entente_protocol::identity::RecordId;

use crate::render::{ids_in, short};

/// What a record is, for people, and the command that shows it.
struct Named {
    /// Its title, or what it is about.
    name: String,
    /// The same in a sentence: `the operation "Corridor"`.
    is: String,
    show: String,
}

impl Named {
    fn of(state: &State, id: &RecordId) -> Option<Self> {
        let title = |operation: &RecordId| {
            state.operation(operation).map(|operation| format!("{:?}", operation.open.title))
        };
        let shown = short(id);
        if let Some(title) = title(id) {
            let is = format!("the operation {title}");
            return Some(Self { name: title, is, show: format!("entente op show {shown}") });
        }
        if let Some(handoff) = state.handoff(id) {
            let is = format!("a handoff of {}", title(&handoff.operation)?);
            return Some(Self { name: is.clone(), is, show: format!("entente handoff show {shown}") });
        }
        if let Some(dispute) = state.dispute(id) {
            let is = format!("a dispute about {}", title(&dispute.operation)?);
            return Some(Self { name: is.clone(), is, show: format!("entente dispute show {shown}") });
        }
        if let Some(event) = state.event(id) {
            let is = format!("an event of {}", event.matter.kind);
            return Some(Self { name: is.clone(), is, show: format!("entente integrity show {shown}") });
        }
        let about = state.seen(id)?.about;
        if let Some(event) = state.event(&about) {
            let name = format!("on an event of {}", event.matter.kind);
            let is = format!("a record {name}");
            return Some(Self { name, is, show: format!("entente integrity show {}", short(&about)) });
        }
        if let Some(asset) = state.asset(&about) {
            let name = format!("asset {}", asset.declared.name);
            let is = format!("a record on the {name}");
            return Some(Self { name, is, show: "entente asset list".into() });
        }
        let title = title(&about)?;
        let name = format!("on {title}");
        let is = format!("a record on the operation {title}");
        Some(Self { name, is, show: format!("entente op show {}", short(&about)) })
    }
}

/// `text` with the name of what each whole id stands for behind it, as far as the state has one. A title that stands in the
/// text already is not said twice.
pub(crate) fn named(state: &State, text: &str) -> String {
    let (mut shown, mut done) = (String::new(), 0);
    for (at, id) in ids_in(text) {
        let Some(known) = Named::of(state, &id) else { continue };
        if text.contains(&known.name) {
            continue;
        }
        let end = at + id.to_string().len();
        shown.push_str(&text[done..end]);
        shown.push_str(&format!(" ({})", known.name));
        done = end;
    }
    shown.push_str(&text[done..]);
    shown
}

/// The command that shows what `text` names first, if the state knows it.
pub(super) fn leads_to(state: &State, text: &str) -> Option<String> {
    ids_in(text).find_map(|(_, id)| Named::of(state, &id)).map(|known| known.show)
}

/// What `text` names, where no `wanted` (an operation, a handoff, a dispute) begins so, and the command that shows it.
pub(super) fn something_else(state: &State, text: &str, wanted: &str) -> Option<(String, String)> {
    let id = state.find_record(text).ok()?;
    let known = Named::of(state, &id)?;
    Some((format!("{} is {}, no {wanted}", short(&id), known.is), known.show))
}

/// Whether a search found nothing that begins so.
pub(super) fn is_unknown(error: &FindError) -> bool {
    matches!(error, FindError::Unknown(_))
}
