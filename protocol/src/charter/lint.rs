//! What a charter tolerates, and what in it can never work.
//!
//! Guarantees: a charter without [`Severity::Error`] can be founded, and each of its operation types can be agreed by
//! some set of attestations. Warnings and notes say what people should know before they sign.

mod course;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::text::{all_of, either, show_time};
use super::{Charter, Effect, OperationType, Partner, integrity};
use crate::identity::PublicKey;
use crate::lane::Lane;
use crate::record::Role;
use crate::time::Time;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Founding is refused.
    Error,
    /// Works, perhaps not as meant.
    Warning,
    /// Good to know.
    Note,
}

/// A finding about a charter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// How much it matters.
    pub severity: Severity,
    /// What it is, for people.
    pub message: String,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        write!(f, "{severity}: {}", self.message)
    }
}

/// Findings that do not depend on today's date, errors first.
pub fn lint(charter: &Charter) -> Vec<Lint> {
    lint_at(charter, charter.created)
}

/// Findings at the time `now`, errors first.
pub fn lint_at(charter: &Charter, now: Time) -> Vec<Lint> {
    let mut lints = Lints(Vec::new());
    if let Err(error) = charter.check() {
        lints.error(error.to_string());
    }
    committee(charter, &mut lints);
    keys(charter, &mut lints);
    validity(charter, now, &mut lints);
    quota(charter, &mut lints);
    for kind in &charter.operations {
        operation(charter, kind, &mut lints);
    }
    governance(charter, &mut lints);
    integrity::lint(charter, &mut lints);
    lints.0.sort_by_key(|lint| lint.severity);
    lints.0
}

pub(super) struct Lints(Vec<Lint>);

impl Lints {
    pub(super) fn error(&mut self, message: String) {
        self.push(Severity::Error, message);
    }
    pub(super) fn warning(&mut self, message: String) {
        self.push(Severity::Warning, message);
    }
    pub(super) fn note(&mut self, message: String) {
        self.push(Severity::Note, message);
    }
    fn push(&mut self, severity: Severity, message: String) {
        self.0.push(Lint { severity, message });
    }
}

fn committee(charter: &Charter, lints: &mut Lints) {
    let seats = charter.partners.len();
    if seats == 0 {
        return;
    }
    let faulty = (seats - 1) / 3;
    let quorum = seats - faulty;
    match (seats, faulty) {
        (1, _) => lints.warning(
            "1 seat: f = 0, this seat alone decides and its absence stops agreement; add partners".into(),
        ),
        (_, 0) => lints.warning(format!(
            "{seats} seats: f = 0, every seat is needed: one absence stops agreement; add {}",
            match 4 - seats {
                1 => "a neutral seat".to_owned(),
                more => format!("{more} neutral seats"),
            }
        )),
        _ => lints.note(format!(
            "{seats} seats: f = {faulty}; agreement needs {quorum}; {} may be absent or faulty",
            count(faulty)
        )),
    }
    if faulty > 0 && !(seats - 1).is_multiple_of(3) {
        lints.note(format!(
            "{seats} seats tolerate no more than {} do; {} would tolerate {}",
            3 * faulty + 1,
            3 * faulty + 4,
            count(faulty + 1)
        ));
    }
}

fn count(number: usize) -> String {
    match number {
        1 => "one".into(),
        2 => "two".into(),
        3 => "three".into(),
        more => more.to_string(),
    }
}

fn keys(charter: &Charter, lints: &mut Lints) {
    let mut holders: BTreeMap<PublicKey, Vec<String>> = BTreeMap::new();
    for partner in &charter.partners {
        let name = &partner.name;
        let single = [(partner.root, "root"), (partner.seat, "seat")];
        let officers = partner.officers.iter().map(|key| (*key, "an officer"));
        let nodes = partner.nodes.iter().map(|key| (*key, "a node"));
        for (key, purpose) in single.into_iter().chain(officers).chain(nodes) {
            holders.entry(key).or_default().push(format!("{purpose} of {name}"));
        }
    }
    for (key, uses) in holders {
        if uses.len() > 1 {
            lints.error(format!("{key} is used more than once: {}", all_of(&uses)));
        }
    }
}

fn validity(charter: &Charter, now: Time, lints: &mut Lints) {
    for partner in &charter.partners {
        if partner.credentials_until <= now.max(charter.created) {
            lints.error(format!(
                "the credentials of {} expired at {}",
                partner.name,
                show_time(partner.credentials_until)
            ));
        }
    }
    let until = charter.partners.iter().map(|partner| partner.credentials_until);
    if let Some(first) = until.min().filter(|until| *until < now.plus(charter.longest_window_ms())) {
        lints.warning(format!(
            "credentials run out at {}, within the longest window of an operation",
            show_time(first)
        ));
    }
}

fn quota(charter: &Charter, lints: &mut Lints) {
    let flash = charter.quota.flash;
    if Lane::ALL.into_iter().any(|lane| charter.quota.of(lane) < flash) {
        lints.warning(format!(
            "the flash quota of {flash} is not the smallest: urgent words of one author can crowd out all others"
        ));
    }
}

fn operation(charter: &Charter, kind: &OperationType, lints: &mut Lints) {
    let name = &kind.name;
    let rule = &kind.rule;
    if kind.window_ms == 0 {
        lints.error(format!("{name}: the window is zero, so nobody can attest"));
    }
    let named = Role::ALL
        .into_iter()
        .flat_map(|role| kind.eligible(role))
        .chain(&rule.veto.partners)
        .collect::<BTreeSet<_>>();
    for partner in named {
        if charter.partner(partner.as_str()).is_none() {
            lints.error(format!("{name}: {partner} is no partner of this charter"));
        }
    }
    if kind.lead.is_empty() && kind.supporting.is_empty() {
        lints.error(format!("{name}: nobody may lead or support, so nobody can open one"));
    }
    for (role, what) in [
        (rule.required.contains(&Role::Observing), "required"),
        (rule.at_least.iter().any(|least| least.role == Role::Observing), "counted"),
        (rule.veto.roles.contains(&Role::Observing), "given a veto"),
    ] {
        if role {
            lints.error(format!("{name}: observing is {what}, but observers never count"));
        }
    }
    for least in &rule.at_least {
        if least.count == 0 {
            lints.error(format!("{name}: at least 0 of {} says nothing; leave it out", least.role));
        }
    }
    requirements(kind, lints);
    vetoes(kind, lints);
    course::course(charter, kind, lints);
}

/// Whom a change concerns has no voice in it: each partner must be one that the others can decide on.
fn governance(charter: &Charter, lints: &mut Lints) {
    let concerns = |kind: &&OperationType| kind.effect.is_some_and(|effect| effect != Effect::Amend);
    for kind in charter.operations.iter().filter(concerns) {
        let impossible = |subject: &&Partner| {
            let mut without = Lints(Vec::new());
            requirements(&kind.without(&subject.name), &mut without);
            without.0.iter().any(|lint| lint.severity == Severity::Error)
        };
        let spared =
            charter.partners.iter().filter(impossible).map(|partner| &partner.name).collect::<Vec<_>>();
        if !spared.is_empty() {
            lints.error(format!(
                "{}: whom it concerns has no voice, so it can never be agreed about {}",
                kind.name,
                either(&spared)
            ));
        }
    }
    for effect in Effect::ALL {
        if charter.partners.len() > 2 && charter.kinds_with(effect).next().is_none() {
            lints.note(format!(
                "no operation type has the effect {:?}: nobody can {effect} {}",
                effect.name(),
                effect.object()
            ));
        }
    }
}

fn requirements(kind: &OperationType, lints: &mut Lints) {
    let name = &kind.name;
    let mut needed = 0;
    for role in [Role::Lead, Role::Supporting] {
        let need = kind.rule.needed(role) as usize;
        let eligible = kind.eligible(role);
        needed += need;
        if need > 0 && eligible.is_empty() {
            lints.error(format!(
                "{name}: {role} must endorse, but nobody is eligible; it can never be agreed"
            ));
        } else if need > eligible.len() {
            lints.error(format!(
                "{name}: needs {need} of {role}, but only {} may be; it can never be agreed",
                all_of(eligible)
            ));
        } else if need > 0 && need == eligible.len() {
            lints.note(format!(
                "{name}: needs every {role}, so {} alone can withhold agreement",
                either(eligible)
            ));
        }
    }
    // One partner has one voice, so a partner eligible twice cannot fill two roles.
    let both = kind.lead.iter().chain(&kind.supporting).collect::<BTreeSet<_>>().len();
    let each_alone = [Role::Lead, Role::Supporting]
        .into_iter()
        .all(|role| kind.rule.needed(role) as usize <= kind.eligible(role).len());
    if needed > both && each_alone {
        lints.error(format!(
            "{name}: needs {needed} endorsements of different partners, but only {both} may lead or support; it can never be agreed"
        ));
    }
    if needed == 0 {
        let veto = &kind.rule.veto;
        if veto.partners.is_empty() && veto.roles.is_empty() {
            lints.error(format!("{name}: the outcome rule requires nothing"));
        } else {
            lints.warning(format!(
                "{name}: requires no endorsement, so silence until the window ends is consent"
            ));
        }
    }
}

fn vetoes(kind: &OperationType, lints: &mut Lints) {
    let name = &kind.name;
    for partner in &kind.rule.veto.partners {
        if !kind.holds(partner, Role::Lead) && !kind.holds(partner, Role::Supporting) {
            lints.error(format!(
                "{name}: {partner} has a veto but no role that counts, so it can never use it"
            ));
        }
    }
    for role in &kind.rule.veto.roles {
        if *role != Role::Observing && kind.eligible(*role).is_empty() {
            lints.error(format!("{name}: {role} has a veto, but nobody is eligible; nobody can use it"));
        }
    }
    let silent = kind
        .veto_holders()
        .into_iter()
        .filter(|partner| {
            !(kind.lead.len() == 1 && kind.rule.needed(Role::Lead) > 0 && kind.lead[0] == **partner)
        })
        .collect::<Vec<_>>();
    if !silent.is_empty() {
        lints.note(format!(
            "{name}: with a veto holder silent ({}), agreement waits until the window ends",
            either(&silent)
        ));
    }
}
