//! Who can block what concerns a partner: a suspension, a reinstatement, an expulsion. Whom it is about has no voice in it.

use super::Lints;
use super::reach::{Blockers, blockers, in_words};
use crate::charter::text::either;
use crate::charter::{Charter, OperationType};

pub(super) fn reach(charter: &Charter, kind: &OperationType, lints: &mut Lints) {
    let registry = charter.first_registry().ok();
    let members = charter.members().map(|partner| &partner.name);
    let without = members.map(|subject| (subject, kind.without(subject))).collect::<Vec<_>>();
    let each =
        without.iter().map(|(subject, kind)| (*subject, blockers(charter, registry.as_ref(), kind, subject)));
    let each = each.collect::<Vec<_>>();
    let everybody = |them: &Blockers<'_>| !them.alone.is_empty() && them.alone == them.people;
    let any_two = |them: &Blockers<'_>| {
        let all = them.people.len() * them.people.len().saturating_sub(1) / 2;
        them.pairs.as_ref().is_some_and(|pairs| !pairs.is_empty() && pairs.len() == all)
    };
    let nobody =
        |them: &Blockers<'_>| them.alone.is_empty() && them.pairs.as_ref().is_some_and(Vec::is_empty);
    let all = |is: &dyn Fn(&Blockers<'_>) -> bool| each.iter().all(|(_, them)| is(them));
    let strength = |them: &Blockers<'_>| (them.alone.len(), them.pairs.as_ref().map_or(0, Vec::len));
    let name = &kind.name;
    let what = if all(&everybody) {
        "any partner but whom it is about can block it alone".to_owned()
    } else if all(&any_two) {
        "nobody alone can block it; any two but whom it is about can together".to_owned()
    } else if all(&nobody) {
        "nobody alone can block it, nor can any two".to_owned()
    } else if let Some((subject, them)) = each.iter().rev().max_by_key(|(_, them)| strength(them)) {
        match (them.alone.as_slice(), them.pairs.as_deref()) {
            ([], Some(pairs)) if !pairs.is_empty() => {
                format!(
                    "nobody alone can block it; where it is about {subject}, {} together can",
                    in_words(pairs)
                )
            }
            ([], _) => "nobody alone can block it".to_owned(),
            (alone, _) => format!("where it is about {subject}, {} alone can block it", either(alone)),
        }
    } else {
        return;
    };
    lints.note(format!("{name}: {what}"));
}
