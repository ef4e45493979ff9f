//! Whether a rule can be met, and who can keep an operation from being agreed, alone or as two: decided by judging the rule, and what
//! it falls back to, with everybody endorsing but those who do not.

use std::collections::BTreeMap;

use super::authority::lacks_voices;
use super::{Lints, MAX_TRIES};
use crate::authority::Registry;
use crate::charter::text::{all_of, either};
use crate::charter::{Charter, Effect, Fallback, OperationType, PartnerName};
use crate::coalition::outcome::{Against, can_be_met, lacks};

/// Most partners whose pairs are looked at.
const MAX_PAIRED: usize = 16;
/// Most pairs that are listed one by one.
const MAX_LISTED: usize = 6;

/// What comes of it if somebody does not go along, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Comes {
    /// It is agreed all the same.
    Agreed,
    /// Another partner's word decides.
    Escalated,
    /// It is agreed with limits.
    Limited,
    /// It is not agreed.
    Blocked,
}

/// By what somebody keeps it from being agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Withholding,
    Veto,
    ObjectionNotStoodInFor,
    ObjectionToAShare,
}

impl By {
    fn words(self) -> &'static str {
        match self {
            Self::Withholding => "by withholding its endorsement",
            Self::Veto => "by veto",
            Self::ObjectionNotStoodInFor => "by objecting; while it is away others stand in for it",
            Self::ObjectionToAShare => "by objecting; while it says nothing, the share is of the others",
        }
    }
}

pub(super) fn reach(charter: &Charter, kind: &OperationType, lints: &mut Lints) {
    let (name, rule) = (&kind.name, &kind.rule);
    let ways = rule.ways();
    match lints.can(kind, &ways, rule.quorum, &Against::default()) {
        Some(true) => {}
        Some(false) => {
            lints.error(format!(
                "{name}: even if everybody endorses, it can never be agreed: {}{}",
                lacks(kind, &ways, rule.quorum),
                match kind.voters().iter().any(|voter| kind.voices_of(voter).nth(1).is_some()) {
                    true => "; who has several roles has one voice, in one of them",
                    false => "",
                }
            ));
            return;
        }
        None => {
            lints.note(format!(
                "{name}: too many partners have several roles to try every choice; whether one alone can block it is not said"
            ));
            return;
        }
    }
    if !lints.is_for_people() {
        return;
    }
    if rule.quorum == 0 && ways.iter().any(Vec::is_empty) {
        lints
            .warning(format!("{name}: requires no endorsement, so silence until the window ends is consent"));
    }
    if kind.effect.is_some_and(|effect| effect != Effect::Amend) {
        super::about::reach(charter, kind, lints);
        return falls_back(kind, lints);
    }
    let registry = charter.first_registry().ok();
    let speaks = |against: &Against<'_>| speaks(charter, registry.as_ref(), kind, against);
    let people = people(charter, kind, registry.as_ref());
    let mut groups: BTreeMap<(Comes, By), Vec<&PartnerName>> = BTreeMap::new();
    let mut waited_for = kind.veto_holders();
    for partner in people.iter().copied() {
        let tried = |against| comes(kind, &speaks, &against, &mut MAX_TRIES.clone()).unwrap_or(Comes::Agreed);
        let silent = tried(Against { silent: vec![partner], ..Against::default() });
        let objecting = tried(Against { objecting: vec![partner], ..Against::default() });
        if silent != Comes::Agreed {
            waited_for.retain(|holder| *holder != partner);
        }
        let by = match objecting > silent {
            false => By::Withholding,
            true if kind.veto_holders().contains(&partner) => By::Veto,
            true if rule.substitutes.iter().any(|it| it.partner == *partner) => By::ObjectionNotStoodInFor,
            true => By::ObjectionToAShare,
        };
        groups.entry((silent.max(objecting), by)).or_default().push(partner);
    }
    let most_first = [Comes::Blocked, Comes::Limited, Comes::Escalated];
    let groups_by = |comes: &Comes| groups.iter().filter(move |((of, _), _)| of == comes).collect::<Vec<_>>();
    for ((comes, by), who) in most_first.iter().flat_map(groups_by) {
        let (who, how) = (either(who), by.words());
        match (comes, &rule.fallback) {
            (Comes::Blocked, _) => lints.note(format!("{name}: {who} alone can block it, {how}")),
            (Comes::Limited, Fallback::Lesser(lesser)) => lints.note(format!(
                "{name}: {who} alone can hold it to the lesser outcome ({}), {how}",
                lesser.limits
            )),
            (Comes::Escalated, Fallback::Escalate(to)) => {
                lints.note(format!("{name}: {who} alone can leave it to the word of {to}, {how}"));
            }
            (Comes::Escalated, Fallback::Authority(to)) => {
                lints.note(format!("{name}: {who} alone can leave it to the authority {to}, {how}"));
            }
            _ => {}
        }
    }
    falls_back(kind, lints);
    if !groups.keys().any(|(comes, _)| *comes == Comes::Blocked) {
        let pairs = match pairs(kind, &speaks, &people) {
            None => String::new(),
            Some(pairs) if pairs.is_empty() => ", nor can any two".into(),
            Some(pairs) => format!("; {} together can", in_words(&pairs)),
        };
        lints.note(format!("{name}: nobody alone can block it{pairs}"));
    }
    if !waited_for.is_empty() {
        lints.note(format!(
            "{name}: with a veto holder silent ({}), agreement waits until the window ends",
            either(&waited_for)
        ));
    }
}

/// Who decides where the rule is not met.
fn falls_back(kind: &OperationType, lints: &mut Lints) {
    let name = &kind.name;
    if let Fallback::Escalate(to) = &kind.rule.fallback {
        lints.note(format!(
            "{name}: where its rule is not met when the window ends, {to} alone decides it, within one further window"
        ));
    }
    if let Some(to) = kind.rule.fallback.authority() {
        lints.note(format!(
            "{name}: where its rule is not met when the window ends, what the authority {to} says decides it, within one further \
             window"
        ));
    }
}

/// Whether the authority that a type falls back to, if there is one, can speak: who does not go along does not speak through it
/// either.
fn speaks(
    charter: &Charter,
    registry: Option<&Registry>,
    kind: &OperationType,
    against: &Against<'_>,
) -> bool {
    let (Some(registry), Some(to)) = (registry, kind.rule.fallback.authority()) else { return true };
    let away = against.silent.iter().chain(&against.objecting);
    let away = away.filter_map(|name| charter.partner(name.as_str())).map(|it| it.root).collect();
    lacks_voices(registry, to, &away).is_none()
}

/// Who can keep an operation of a type from being agreed.
pub(super) struct Blockers<'a> {
    /// Everybody whose word matters.
    pub(super) people: Vec<&'a PartnerName>,
    /// Who can alone.
    pub(super) alone: Vec<&'a PartnerName>,
    /// The pairs that can, where nobody can alone; `None` where that is not told.
    pub(super) pairs: Option<Vec<Pair<'a>>>,
}

/// Who can block an operation of this type that concerns `subject`, which has no voice in it; `kind` is without it.
pub(super) fn blockers<'a>(
    charter: &'a Charter,
    registry: Option<&Registry>,
    kind: &'a OperationType,
    subject: &PartnerName,
) -> Blockers<'a> {
    let mut people = people(charter, kind, registry);
    people.retain(|partner| *partner != subject);
    let speaks = |against: &Against<'_>| speaks(charter, registry, kind, against);
    let blocks = |against| comes(kind, &speaks, &against, &mut MAX_TRIES.clone()) == Some(Comes::Blocked);
    let alone = people.iter().copied().filter(|&one| {
        blocks(Against { silent: vec![one], ..Against::default() })
            || blocks(Against { objecting: vec![one], ..Against::default() })
    });
    let alone = alone.collect::<Vec<_>>();
    let pairs = if alone.is_empty() { pairs(kind, &speaks, &people) } else { Some(Vec::new()) };
    Blockers { people, alone, pairs }
}

/// Everybody whose word matters: who has a voice, whom it escalates to, and who has a voice in the authority that it does.
fn people<'a>(
    charter: &'a Charter,
    kind: &'a OperationType,
    registry: Option<&Registry>,
) -> Vec<&'a PartnerName> {
    let mut people = kind.voters();
    if let Fallback::Escalate(to) = &kind.rule.fallback {
        people.push(to);
    }
    let to = kind.rule.fallback.authority();
    if let Some((registry, authority)) =
        registry.zip(to).and_then(|(it, to)| Some((it, it.get(to.as_str())?)))
    {
        let voices = registry.voices_in(&authority.expression);
        let speak = charter.members().filter(|partner| voices.contains(&partner.root));
        people.extend(speak.map(|partner| &partner.name));
    }
    people.sort_unstable();
    people.dedup();
    people
}

/// Whether the authority that it falls back to, if there is one, can speak against these.
type Speaks<'a> = &'a dyn Fn(&Against<'_>) -> bool;

/// What comes of it; `None` where that takes more than `tries`.
fn comes(
    kind: &OperationType,
    speaks: Speaks<'_>,
    against: &Against<'_>,
    tries: &mut usize,
) -> Option<Comes> {
    let rule = &kind.rule;
    let holders = kind.veto_holders();
    if against.objecting.iter().any(|partner| holders.contains(partner)) {
        return Some(Comes::Blocked);
    }
    if can_be_met(kind, &rule.ways(), rule.quorum, against, tries)? {
        return Some(Comes::Agreed);
    }
    Some(match &rule.fallback {
        Fallback::Escalate(to) if against.silent.iter().chain(&against.objecting).all(|it| *it != to) => {
            Comes::Escalated
        }
        Fallback::Authority(_) if speaks(against) => Comes::Escalated,
        Fallback::Lesser(lesser) if can_be_met(kind, &lesser.all_of.ways(), 0, against, tries)? => {
            Comes::Limited
        }
        Fallback::Lesser(_)
        | Fallback::Escalate(_)
        | Fallback::Authority(_)
        | Fallback::Fail
        | Fallback::Defer => Comes::Blocked,
    })
}

pub(super) type Pair<'a> = (&'a PartnerName, &'a PartnerName);

/// The pairs that can block it together, where nobody can alone; `None` where that is not told.
fn pairs<'a>(
    kind: &'a OperationType,
    speaks: Speaks<'_>,
    people: &[&'a PartnerName],
) -> Option<Vec<Pair<'a>>> {
    if people.len() > MAX_PAIRED {
        return None;
    }
    let mut tries = 4 * MAX_TRIES;
    let mut pairs = Vec::new();
    for (at, one) in people.iter().copied().enumerate() {
        for other in people.iter().skip(at + 1).copied() {
            let both = [
                Against { silent: vec![one, other], objecting: vec![] },
                Against { silent: vec![one], objecting: vec![other] },
                Against { silent: vec![other], objecting: vec![one] },
                Against { silent: vec![], objecting: vec![one, other] },
            ];
            for against in &both {
                if comes(kind, speaks, against, &mut tries)? == Comes::Blocked {
                    pairs.push((one, other));
                    break;
                }
            }
        }
    }
    Some(pairs)
}

pub(super) fn in_words(pairs: &[Pair<'_>]) -> String {
    let mut members = pairs.iter().flat_map(|(one, other)| [*one, *other]).collect::<Vec<_>>();
    members.sort_unstable();
    members.dedup();
    if members.len() > 2 && pairs.len() == members.len() * (members.len() - 1) / 2 {
        return format!("any two of {}", all_of(&members));
    }
    let in_all = |member: &PartnerName| pairs.iter().all(|(one, other)| *one == member || *other == member);
    if let Some(hub) = members.iter().copied().find(|member| in_all(member)) {
        members.retain(|member| *member != hub);
        return format!("{hub} with {}", either(&members));
    }
    let listed = pairs.iter().take(MAX_LISTED).map(|(one, other)| format!("{one} with {other}"));
    let more = match pairs.len().saturating_sub(MAX_LISTED) {
        0 => String::new(),
        more => format!(", or {more} more pairs"),
    };
    format!("{}{more}", listed.collect::<Vec<_>>().join(", "))
}
