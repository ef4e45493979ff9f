//! What a charter tolerates, and what in it can never work.
//!
//! Guarantees: a charter without [`Severity::Error`] can be founded, and each of its operation types can be agreed by
//! some set of attestations. Warnings and notes say what people should know before they sign.

mod about;
mod authority;
mod course;
mod fallback;
mod kind;
mod reach;
mod without;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use entente_hbbft::Committee;

use super::text::{all_of, either, show_time};
use super::{
    CHARTER_VERSION, Charter, Effect, OperationType, Partner, PartnerName, Threshold, changes, integrity,
    lease,
};
use crate::coalition::outcome::{Against, can_be_met};
use crate::identity::PublicKey;
use crate::lane::Lane;
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
    let mut lints = Lints { found: Vec::new(), depth: Depth::People };
    look(charter, now, &mut lints);
    lints.found.sort_by_key(|lint| lint.severity);
    lints.found
}

/// What is lost while the partners in `gone` say nothing, be it that they are expelled, have withdrawn or are suspended, errors
/// first: an error names an operation type that can never be agreed any more, and what it lacks; a warning what is left of a type.
pub fn lint_without(charter: &Charter, gone: &BTreeSet<PartnerName>) -> Vec<Lint> {
    let mut lints = Lints { found: Vec::new(), depth: Depth::People };
    without::look(charter, gone, &mut lints);
    lints.found.sort_by_key(|lint| lint.severity);
    lints.found
}

/// What in a charter can never work, as far as that is told without trying who might endorse in which role: at a cost that
/// grows with the charter's size alone.
pub(super) fn errors(charter: &Charter) -> Vec<String> {
    errors_at(charter, Depth::Size)
}

/// The same, and whether each rule can be met, as far as [`MAX_TRIES`] choices between several roles tell it.
pub(crate) fn all_errors(charter: &Charter) -> Vec<String> {
    errors_at(charter, Depth::Tries(MAX_TRIES))
}

fn errors_at(charter: &Charter, depth: Depth) -> Vec<String> {
    let mut lints = Lints { found: Vec::new(), depth };
    look(charter, charter.created, &mut lints);
    let errors = lints.found.into_iter().filter(|lint| lint.severity == Severity::Error);
    errors.map(|lint| lint.message).collect()
}

fn look(charter: &Charter, now: Time, lints: &mut Lints) {
    if let Err(error) = charter.check() {
        lints.error(error.to_string());
    }
    committee(charter, lints);
    keys(charter, lints);
    validity(charter, now, lints);
    quota(charter, lints);
    for kind in &charter.operations {
        kind::operation(charter, kind, lints);
    }
    lease::lint(charter, lints);
    governance(charter, lints);
    integrity::lint(charter, lints);
    authority::authorities(charter, lints);
    if lints.is_for_people() && charter.version == CHARTER_VERSION {
        lints.note(changes::unchangeable(charter));
    }
}

/// Choices between several roles that are tried for one question of people, and for all of a charter that takes effect.
const MAX_TRIES: usize = 16_384;

/// How far findings are looked for.
enum Depth {
    /// As far as it takes: once, for people.
    People,
    /// Only errors; so many choices are left to try.
    Tries(usize),
    /// Only errors that need no trying: for every proposal that somebody sends.
    Size,
}

pub(super) struct Lints {
    found: Vec<Lint>,
    depth: Depth,
}

impl Lints {
    /// Whether notes and warnings are read.
    fn is_for_people(&self) -> bool {
        matches!(self.depth, Depth::People)
    }

    /// Whether the rule of `kind`, with other ways where those are given, can be met; `None` where that is not told.
    pub(super) fn can(
        &mut self,
        kind: &OperationType,
        ways: &[Vec<Threshold>],
        quorum: u32,
        against: &Against<'_>,
    ) -> Option<bool> {
        let mut fresh = MAX_TRIES;
        let tries = match &mut self.depth {
            Depth::People => &mut fresh,
            Depth::Tries(left) => left,
            Depth::Size => return None,
        };
        can_be_met(kind, ways, quorum, against, tries)
    }

    fn errors(&self) -> usize {
        self.found.iter().filter(|lint| lint.severity == Severity::Error).count()
    }
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
        self.found.push(Lint { severity, message });
    }
}

/// How many of so many seats may be absent or faulty.
fn faulty(seats: usize) -> usize {
    Committee::new(seats).map_or(0, Committee::faulty)
}

fn committee(charter: &Charter, lints: &mut Lints) {
    let seats = charter.partners.len();
    if seats == 0 {
        return;
    }
    let faulty = faulty(seats);
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
    let admitted: Vec<_> = charter.admitted.iter().map(|partner| &partner.name).collect();
    if !admitted.is_empty() {
        let have = if admitted.len() == 1 { "has" } else { "have" };
        lints.note(format!(
            "{} {have} no seat: agreement neither needs nor counts a vote there",
            all_of(&admitted)
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
    for partner in charter.members() {
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
    for partner in charter.members() {
        if partner.credentials_until <= now.max(charter.created) {
            lints.error(format!(
                "the credentials of {} expired at {}",
                partner.name,
                show_time(partner.credentials_until)
            ));
        }
    }
    let until = charter.members().map(|partner| partner.credentials_until);
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

/// Counts that were declared for the founders stay as they are when others join.
fn outvoted(charter: &Charter, lints: &mut Lints) {
    let admitted = charter.admitted.iter().map(|partner| partner.name.clone()).collect::<Vec<_>>();
    for kind in charter.operations.iter().filter(|kind| kind.effect.is_some() && !admitted.is_empty()) {
        let founders = charter.partners.iter().map(|partner| &partner.name);
        let alone = founders.fold(kind.clone(), |kind, founder| kind.without(founder));
        let voters = kind.voters().len();
        if lints.can(&alone, &alone.rule.ways(), alone.rule.quorum, &Against::default()) == Some(true) {
            lints.warning(format!(
                "{}: {} may agree on it alone, without a partner of the founding; raise its counts",
                kind.name,
                all_of(&admitted)
            ));
        } else {
            let counts = kind.rule.at_least.iter().map(|least| format!("{} {}", least.count, least.role));
            let counts = counts.collect::<Vec<_>>();
            if !counts.is_empty() {
                lints.note(format!(
                    "{}: {voters} have a voice now, and {} agree on it; raise that if it is to be the same share",
                    kind.name,
                    all_of(&counts)
                ));
            }
        }
    }
}

/// Whom a change concerns has no voice in it: each partner must be one that the others can decide on.
fn governance(charter: &Charter, lints: &mut Lints) {
    let concerns = |kind: &&OperationType| kind.effect.is_some_and(|effect| effect != Effect::Amend);
    for kind in charter.operations.iter().filter(concerns) {
        let mut impossible = |subject: &&Partner| {
            let kind = kind.without(&subject.name);
            lints.can(&kind, &kind.rule.ways(), kind.rule.quorum, &Against::default()) == Some(false)
        };
        let partners = charter.members();
        let spared = partners.filter(&mut impossible).map(|partner| &partner.name).collect::<Vec<_>>();
        if !spared.is_empty() {
            lints.error(format!(
                "{}: whom it concerns has no voice, so it can never be agreed about {}",
                kind.name,
                either(&spared)
            ));
        }
    }
    if lints.is_for_people() {
        outvoted(charter, lints);
    }
    for effect in Effect::ALL {
        if charter.members().count() > 2 && charter.kinds_with(effect).next().is_none() {
            lints.note(format!(
                "no operation type has the effect {:?}: nobody can {effect} {}",
                effect.name(),
                effect.object()
            ));
        }
    }
}
