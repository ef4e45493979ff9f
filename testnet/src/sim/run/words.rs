//! What officers say for authorities: for the command that closures need, and for their own nations.

use entente_protocol::authority::{Signatures, SignedAlliance, Word};
use entente_protocol::charter::{AuthorityName, PartnerName};
use entente_protocol::coalition::{Operation, State};
use entente_protocol::record::{Act, AuthorityAct, Speak, Statement};

use crate::sim::members::{PACT, pact_document, root};
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
    let closure = state.charter().operations.iter().find(|kind| kind.name.as_str() == "closure");
    let authority = if commands { closure?.authority.clone()? } else { AuthorityName::from(me) };
    let said = state.voices(&operation.id).filter(|voice| voice.partner == *me);
    let last = said.map(|voice| voice.number).max().unwrap_or(0);
    let ground = "no flights at night".into();
    let statement = Statement { operation: operation.id, authority, word, ground, number: last + 1 };
    Some(Act::Authority(AuthorityAct::Speak(Speak { statement, signatures: Signatures::default() })))
}

/// Among so many roots of a partner that of the moment is looked for.
const ROOTS: usize = 8;

/// A later version of the alliance's document: mostly the next one, signed by whoever had the authority and whoever has it then.
pub(super) fn document(state: &State, rng: &mut Rng) -> Option<Act> {
    let reference =
        state.charter().authority.alliances.iter().find(|it| it.alliance.name.as_str() == PACT)?;
    let versions =
        [&reference.alliance].into_iter().chain(state.alliances().map(|ordered| &ordered.document));
    let versions = versions.collect::<Vec<_>>();
    let latest = versions.iter().max_by_key(|document| document.version)?;
    let before = if rng.chance(85) { latest } else { rng.pick(&versions) };
    let partners = state.founded().partners().iter().enumerate();
    let mut parties = partners.map(|(of, partner)| (partner.name.clone(), of)).collect::<Vec<_>>();
    rng.shuffle(&mut parties);
    parties.truncate(rng.between(2, 3) as usize);
    parties.sort();
    let needs = rng.between(1, parties.len() as u64) as u32;
    let document = pact_document(Some(before), &parties, needs)?;
    let known = |of: &usize| before.parties.values().any(|key| *key == root(*of, 0).public());
    let old = (0..state.founded().partners().len()).filter(known);
    let mut signers = old.chain(parties.iter().map(|(_, of)| *of)).collect::<Vec<_>>();
    signers.sort_unstable();
    signers.dedup();
    // Now and then somebody is missing, who may be needed.
    if rng.chance(25) {
        signers.remove(rng.index(signers.len()));
    }
    let mut signed = SignedAlliance::new(document);
    // The root of the moment, or now and then the first one, which may have given way.
    let first = rng.chance(15);
    for of in signers {
        let now = state.root_of(&state.founded().partners()[of].name).filter(|_| !first);
        let mut roots = (0..ROOTS).map(|nth| root(of, nth));
        let now = roots.find(|root| now == Some(root.public()));
        signed.sign(&now.unwrap_or_else(|| root(of, 0)));
    }
    Some(Act::Authority(AuthorityAct::Publish(Box::new(signed))))
}
