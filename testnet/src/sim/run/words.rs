//! What officers say for authorities: for the command that closures need, and for their own nations.

use entente_protocol::authority::{Signatures, Word};
use entente_protocol::charter::{AuthorityName, PartnerName};
use entente_protocol::coalition::{Operation, State};
use entente_protocol::record::{Act, AuthorityAct, Speak, Statement};

use crate::sim::members::COMMAND;
use crate::sim::rng::Rng;

/// Something that an authority says, if there is an operation to say it on.
pub(super) fn speech(state: &State, me: &PartnerName, rng: &mut Rng) -> Option<Act> {
    let live = state.operations().filter(|operation| operation.over().is_none()).collect::<Vec<_>>();
    let needing = |operation: &&&Operation| operation.decision.is_none() && operation.open.kind == "closure";
    let needing = live.iter().filter(needing).copied().collect::<Vec<_>>();
    let serving = state.assets_of(me).filter_map(|asset| Some(state.serves(asset)?.1)).collect::<Vec<_>>();
    let (operation, commands) = match rng.below(10) {
        0..=5 if !needing.is_empty() => (*rng.pick(&needing), rng.chance(75)),
        6..=8 if !serving.is_empty() => (*rng.pick(&serving), false),
        _ if !live.is_empty() => (*rng.pick(&live), rng.chance(20)),
        _ => return None,
    };
    let word = match (commands, rng.below(10)) {
        (true, 0..=3) => Word::Order,
        (true, 4..=6) => Word::Permit,
        (true, _) => Word::Refuse,
        (false, 0..=2) => Word::Permit,
        (false, 3..=6) => Word::Refuse,
        (false, _) => Word::Recall,
    };
    let authority = if commands { COMMAND.parse().ok()? } else { AuthorityName::from(me) };
    let said = state.voices(&operation.id).filter(|voice| voice.partner == *me);
    let last = said.map(|voice| voice.number).max().unwrap_or(0);
    let ground = "no flights at night".into();
    let statement = Statement { operation: operation.id, authority, word, ground, number: last + 1 };
    Some(Act::Authority(AuthorityAct::Speak(Speak { statement, signatures: Signatures::default() })))
}
