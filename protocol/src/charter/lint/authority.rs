//! Findings about authorities: what can never be allowed, who can stop what, and conflicts that are left undecided.

use std::collections::{BTreeMap, BTreeSet};

use super::Lints;
use crate::authority::{Authority, AuthorityKind, Expression, Extent, Registry};
use crate::charter::text::{all_of, either};
use crate::charter::{AuthorityName, Charter, Effect, KindName, OperationType};
use crate::identity::PublicKey;

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
    one_nation(charter, lints);
    for stated in &charter.authority.authorities {
        scope(charter, stated, lints);
        own(charter, &registry, stated, lints);
    }
    for kind in &charter.operations {
        if let Some(needed) = &kind.authority {
            need(charter, &registry, kind, needed, For::Each, lints);
        }
        if let Some(to) = kind.rule.fallback.authority() {
            need(charter, &registry, kind, to, For::Fallback, lints);
        }
    }
}

/// Whose word a key says must not be in doubt.
fn one_nation(charter: &Charter, lints: &mut Lints) {
    let mut nations = BTreeMap::new();
    for stated in charter.authority.authorities.iter().filter(|stated| stated.kind == AuthorityKind::National)
    {
        for key in stated.expression.leaves().into_iter().filter(|leaf| matches!(leaf, Expression::Key(_))) {
            if let Some(other) = nations.insert(key, &stated.name).filter(|other| *other != &stated.name) {
                lints.error(format!(
                    "{key} is stated in the authorities of two nations, {other} and {}: state an authority of its own that is \
                     this key, and let both name that",
                    stated.name
                ));
            }
        }
    }
}

/// What it may decide has to be there. An alliance's document is written for other charters, too.
fn scope(charter: &Charter, stated: &Authority, lints: &mut Lints) {
    let Extent::Only(names) = &stated.scope.operations else { return };
    let unknown = names.iter().filter(|name| charter.kind(name.as_str()).is_none()).collect::<Vec<_>>();
    if !unknown.is_empty() {
        let known = charter.operations.iter().map(|kind| &kind.name).collect::<Vec<_>>();
        lints.error(format!(
            "{} may decide on {}, and there is no such operation type; there are: {}",
            stated.name,
            all_of(&unknown),
            all_of(&known)
        ));
    }
}

/// A nation's authority is its own: what other partners sign alone is not its will. Keys of no partner are taken to be the nation's.
fn own(charter: &Charter, registry: &Registry, stated: &Authority, lints: &mut Lints) {
    let (AuthorityKind::National, Some(partner)) = (stated.kind, charter.partner(stated.name.as_str()))
    else {
        return;
    };
    let members = charter.members().filter(|other| other.root != partner.root).map(|other| other.root);
    let alliances = charter.authority.alliances.iter();
    // The nation itself may be a party, under another key, too.
    let parties = alliances.flat_map(|reference| &reference.alliance.parties);
    let parties = parties.filter(|(name, _)| **name != stated.name).map(|(_, key)| *key);
    let others = members.chain(parties.filter(|key| *key != partner.root)).collect::<BTreeSet<_>>();
    if registry.evaluate(&stated.expression, &others).is_ok() {
        lints.error(format!(
            "{0} is stated as the authority of the nation {0}, and others satisfy it without {0} ({1}): require {0} in it",
            stated.name,
            registry.named(&stated.expression)
        ));
    }
}

/// Parties of an alliance that are partners here, but under another key.
fn parties(charter: &Charter, lints: &mut Lints) {
    for reference in &charter.authority.alliances {
        let alliance = &reference.alliance;
        let strange = |(name, key): &(&AuthorityName, &PublicKey)| {
            charter.partner(name.as_str()).is_some_and(|partner| partner.root != **key)
        };
        let strange = alliance.parties.iter().filter(strange).map(|(name, _)| name).collect::<Vec<_>>();
        if !strange.is_empty() {
            let (have, whose) =
                if strange.len() == 1 { ("has another key", "its") } else { ("have other keys", "their") };
            let who = all_of(&strange);
            lints.warning(format!(
                "{}: {who} {have} there than as a partner here, so {whose} officers have no voice in the alliance",
                alliance.name,
            ));
        }
    }
}

/// What an authority is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    /// For every operation of the type, beside its rule.
    Each,
    /// In place of a rule that was not met.
    Fallback,
}

fn need(
    charter: &Charter,
    registry: &Registry,
    kind: &OperationType,
    needed: &AuthorityName,
    what: For,
    lints: &mut Lints,
) {
    let name = &kind.name;
    let asks = match what {
        For::Each => "needs",
        For::Fallback => "escalates to",
    };
    let Some(authority) = registry.get(needed.as_str()) else {
        let known = registry.authorities().iter().map(|authority| &authority.name).collect::<Vec<_>>();
        return lints.error(format!(
            "{name} {asks} the authority {needed}, and there is none of this name; there are: {}",
            all_of(&known)
        ));
    };
    if !may_decide(authority, name) {
        return lints.error(format!(
            "{name} {asks} the authority {needed}, whose scope does not cover it: {}",
            authority.scope.operations
        ));
    }
    if charter.authority.precedence.is_none() {
        return lints.error(format!(
            "{name} {asks} the authority {needed}, and which kind of authority prevails is left undecided: state for example \
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
            "{name} {asks} the authority {needed}, in which no partner has a voice: its words have to be signed off line and \
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
    let expression = registry.named(expression);
    lints.note(match what {
        For::Each => format!(
            "{name} needs {needed} ({expression}) to order or permit it; a refusal by {needed}{by} stops it{over}"
        ),
        For::Fallback => format!(
            "{name} escalates to {needed} ({expression}), which orders, permits or refuses it; a refusal by {needed}{by} stops it{over}"
        ),
    });
}

/// What an authority lacks to speak without the voices of these roots; nothing if it can, or is not declared.
pub(super) fn lacks_voices(
    registry: &Registry,
    name: &AuthorityName,
    without: &BTreeSet<PublicKey>,
) -> Option<String> {
    let others = registry.keys().into_iter().filter(|key| !without.contains(key)).collect();
    registry.evaluate(&registry.get(name.as_str())?.expression, &others).err().map(|it| it.to_string())
}

fn may_decide(authority: &Authority, kind: &KindName) -> bool {
    authority.scope.operations.covers(kind.as_str())
}
