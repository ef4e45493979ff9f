//! Findings about authorities: what can never be allowed, who can stop what, and conflicts that are left undecided.

use std::collections::BTreeSet;

use super::Lints;
use crate::authority::{Authority, AuthorityKind, Registry};
use crate::charter::text::{all_of, either};
use crate::charter::{AuthorityName, Charter, Effect, KindName, OperationType};

pub(super) fn authorities(charter: &Charter, lints: &mut Lints) {
    for stated in &charter.authority.authorities {
        let name = &stated.name;
        match (stated.kind, charter.partner(name.as_str())) {
            (AuthorityKind::National, None) => {
                lints.error(format!("{name} is stated as a national authority, and no partner has that name"));
            }
            (kind @ (AuthorityKind::Alliance | AuthorityKind::Coalition), Some(_)) => lints.error(format!(
                "{name} is a partner, so its authority is national; it is stated as {kind}: give that another name"
            )),
            (AuthorityKind::Alliance, None) => lints.note(format!(
                "{name} is an alliance that this charter states by itself; to follow one that other charters refer to, \
                 refer to its document"
            )),
            _ => {}
        }
    }
    let registry = match charter.first_registry() {
        Ok(registry) => registry,
        Err(error) => return lints.error(format!("authorities: {error}")),
    };
    parties(charter, lints);
    for kind in &charter.operations {
        if let Some(needed) = &kind.authority {
            need(charter, &registry, kind, needed, lints);
        }
    }
}

/// Parties of an alliance that are partners here, but under another key.
fn parties(charter: &Charter, lints: &mut Lints) {
    for reference in &charter.authority.alliances {
        let alliance = &reference.alliance;
        let strange = |(name, key): &(&AuthorityName, &crate::identity::PublicKey)| {
            charter.partner(name.as_str()).is_some_and(|partner| partner.root != **key)
        };
        let strange = alliance.parties.iter().filter(strange).map(|(name, _)| name).collect::<Vec<_>>();
        if !strange.is_empty() {
            lints.warning(format!(
                "{}: {} has another key there than as a partner here, so its officers have no voice in the alliance",
                alliance.name,
                all_of(&strange)
            ));
        }
    }
}

fn need(
    charter: &Charter,
    registry: &Registry,
    kind: &OperationType,
    needed: &AuthorityName,
    lints: &mut Lints,
) {
    let name = &kind.name;
    let Some(authority) = registry.get(needed.as_str()) else {
        let known = registry.authorities().iter().map(|authority| &authority.name).collect::<Vec<_>>();
        return lints.error(format!(
            "{name} needs the authority {needed}, and there is none of this name; there are: {}",
            all_of(&known)
        ));
    };
    if !may_decide(authority, name) {
        return lints.error(format!(
            "{name} needs the authority {needed}, whose scope does not cover it: {}",
            authority.scope.operations
        ));
    }
    if charter.authority.precedence.is_none() {
        return lints.error(format!(
            "{name} needs the authority {needed}, and which kind of authority prevails is left undecided: state for example \
             precedence = [\"national\", \"alliance\", \"coalition\"] under [authority]"
        ));
    }
    if kind.effect.is_some_and(|effect| effect != Effect::Amend) {
        let spared = charter.members().filter(|subject| {
            let others = registry.keys().into_iter().filter(|key| *key != subject.root).collect();
            registry.evaluate(&authority.expression, &others).is_err()
        });
        let spared = spared.map(|partner| &partner.name).collect::<Vec<_>>();
        if !spared.is_empty() {
            lints.error(format!(
                "{name}: whom it concerns has no voice, and {needed} cannot decide without {}",
                either(&spared)
            ));
        }
    }
    let roots = charter.members().map(|partner| partner.root).collect::<BTreeSet<_>>();
    if registry.voices_in(&authority.expression).is_disjoint(&roots) {
        lints.warning(format!(
            "{name} needs the authority {needed}, in which no partner has a voice: its words have to be signed off line and \
             carried in"
        ));
    }
    let kinds = charter.kind_precedence().kinds();
    let above = kinds.iter().take_while(|kind| **kind != authority.kind).collect::<Vec<_>>();
    let stops = |it: &&Authority| {
        it.name != *needed && may_decide(it, name) && (above.contains(&&it.kind) || it.kind == authority.kind)
    };
    let (mut stoppers, mut overruled) = (Vec::new(), Vec::new());
    for it in registry.authorities().iter().filter(|it| it.name != *needed && may_decide(it, name)) {
        if stops(&it) { stoppers.push(&it.name) } else { overruled.push(&it.name) }
    }
    let by = match stoppers.is_empty() {
        true => String::new(),
        false => format!(" or {}", either(&stoppers)),
    };
    let over = match overruled.is_empty() {
        true => String::new(),
        false => format!("; an order of {needed} overrules a refusal by {}", either(&overruled)),
    };
    let expression = match charter.authority.alliance(needed) {
        Some(reference) => &reference.alliance.expression,
        None => &authority.expression,
    };
    lints.note(format!(
        "{name} needs {needed} ({expression}) to order or permit it; a refusal by {needed}{by} stops it{over}"
    ));
}

fn may_decide(authority: &Authority, kind: &KindName) -> bool {
    authority.scope.operations.covers(kind.as_str())
}
