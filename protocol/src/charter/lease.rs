//! Leases: which values of an exclusive resource one partner may commit alone while it cannot reach the others.
//!
//! Guarantees: the leases of one resource are disjoint, over all types that claim it, so two partners that cannot hear each
//! other never both commit the same thing by right. A value that is leased is claimed by its holder alone, also while
//! everybody is in reach: whoever else wants it asks the holder to open the operation. What a lease does *not* give is
//! the coalition's agreement: that is the outcome rule's, and comes, or does not, once the records are ordered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::OperationType;
use super::lint::Lints;
use super::rule::MAX_WAYS;
use super::term::Terms;
use super::text::is_showable;
use super::{Charter, CharterError, Claim, KindName, MAX_TERMS, PartnerName, ascending, bound};
use crate::coalition::outcome::{Against, lacks};
use crate::record::{MAX_FIELD_BYTES, MAX_FIELDS};

/// Most leases of a type.
pub const MAX_LEASES: usize = 32;
/// Most values of a lease.
pub const MAX_LEASE_VALUES: usize = 64;

/// What one partner may commit alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Its name, once in its type.
    pub name: KindName,
    /// A resource of its type.
    pub resource: KindName,
    /// Which ones: for each, the values of the resource's fields in their order; sorted.
    pub values: Vec<Vec<String>>,
    /// Who may commit them.
    pub partner: PartnerName,
    /// What the attestations in its hands must come to before it does; with none, its own word suffices.
    #[serde(default)]
    pub all_of: Terms,
}

impl Lease {
    /// Whether it is for what `claim` asks for.
    pub fn covers(&self, claim: &Claim) -> bool {
        self.resource == claim.resource && self.values.binary_search(&claim.values).is_ok()
    }

    pub(super) fn sort(&mut self) {
        self.values.sort_unstable();
        self.all_of.sort();
    }

    fn check(&self, kind: &KindName) -> Result<(), CharterError> {
        let what = format!("lease {} of {kind}", self.name);
        bound(&format!("values of {what}"), self.values.len(), 0, MAX_LEASE_VALUES)?;
        let mut before: Option<&Vec<String>> = None;
        for values in &self.values {
            if before.is_some_and(|before| before >= values) {
                let item = values.join(", ");
                return Err(CharterError::Order { what: format!("values of {what}"), item });
            }
            bound(&format!("parts of a value of {what}"), values.len(), 1, MAX_FIELDS)?;
            for text in values {
                bound(&format!("bytes of a value of {what}"), text.len(), 0, MAX_FIELD_BYTES)?;
                if !is_showable(text) {
                    return Err(CharterError::Text(format!("a value of {what} has control characters")));
                }
            }
            before = Some(values);
        }
        self.all_of.check(&what)?;
        let (ways, terms) = self.all_of.size();
        bound(&format!("ways in {what}"), ways, 0, MAX_WAYS)?;
        bound(&format!("thresholds in {what}"), terms, 0, MAX_TERMS)
    }
}

/// Whether bounds and order are those of a canonical charter.
pub(super) fn check(kind: &KindName, leases: &[Lease]) -> Result<(), CharterError> {
    bound(&format!("leases of {kind}"), leases.len(), 0, MAX_LEASES)?;
    ascending(&format!("leases of {kind}"), leases.iter().map(|lease| &lease.name))?;
    leases.iter().try_for_each(|lease| lease.check(kind))
}

impl Charter {
    /// The lease that is for what `claim` asks for, whichever type declares it.
    pub fn lease_of(&self, claim: &Claim) -> Option<&Lease> {
        self.operations.iter().flat_map(|kind| &kind.leases).find(|lease| lease.covers(claim))
    }
}

/// What in leases can never work, and what people should know of them.
pub(super) fn lint(charter: &Charter, lints: &mut Lints) {
    for kind in &charter.operations {
        for lease in &kind.leases {
            lint_one(charter, kind, lease, lints);
        }
        if !kind.leases.is_empty() && kind.dispute.is_none() {
            lints.warning(format!(
                "{}: it has leases and declares no disputes, so who oversteps one is told, and no panel rules on it",
                kind.name
            ));
        }
    }
    disjoint(charter, lints);
}

fn lint_one(charter: &Charter, kind: &OperationType, lease: &Lease, lints: &mut Lints) {
    let (what, holder) = (format!("{}: the lease {}", kind.name, lease.name), &lease.partner);
    if kind.effect.is_some() {
        lints
            .error(format!("{what} is of a type that changes the coalition itself, which nobody does alone"));
    }
    if charter.partner(holder.as_str()).is_none() {
        lints.error(format!("{what} is given to {holder}, which is no partner of this charter"));
    } else if kind.openers().binary_search(holder).is_err() {
        lints.error(format!(
            "{what} is given to {holder}, which has no role that opens, so it can commit nothing"
        ));
    }
    if lease.values.is_empty() {
        lints.error(format!("{what} names no values, so it is for nothing"));
    }
    let named = lease.all_of.thresholds();
    for partner in named.into_iter().flat_map(|one| &one.partners) {
        if charter.partner(partner.as_str()).is_none() {
            lints.error(format!("{what} asks for {partner}, which is no partner of this charter"));
        }
    }
    let ways = lease.all_of.ways();
    if lints.can(kind, &ways, 0, &Against::default()) == Some(false) {
        lints.error(format!("{what} can never be used: {}", lacks(kind, &ways, 0)));
    }
    let Some(resource) = kind.resources.iter().find(|resource| resource.name == lease.resource) else {
        let there = kind.resources.iter().map(|resource| resource.name.as_str()).collect::<Vec<_>>();
        lints.error(match there.as_slice() {
            [] => format!("{what} is for nothing: {} has no exclusive resources", kind.name),
            there => format!(
                "{what} is for {}, which is no resource of this type; there are: {}",
                lease.resource,
                there.join(", ")
            ),
        });
        return;
    };
    for values in &lease.values {
        if values.len() != resource.fields.len() {
            lints.error(format!(
                "{what} has a value of {} parts, and {} is named by {}: {}",
                values.len(),
                resource.name,
                resource.fields.len(),
                resource.fields.join(", ")
            ));
            continue;
        }
        for (name, value) in resource.fields.iter().zip(values) {
            let field = kind.fields.iter().find(|field| field.name == *name);
            if let Some(why) = field.and_then(|field| field.refuse(value)) {
                lints.error(format!("{what} has a value that no operation can have: {name} {value:?} {why}"));
            }
        }
    }
    let vetoes = kind.veto_holders().into_iter().filter(|partner| *partner != holder);
    let vetoes = vetoes.map(|partner| partner.as_str()).collect::<Vec<_>>();
    let later = match vetoes.as_slice() {
        [] => String::new(),
        vetoes => format!("; {} may still veto it", vetoes.join(" or ")),
    };
    lints.note(format!(
        "{what} lets {holder} commit {} alone while it cannot reach the others{later}",
        lease.resource
    ));
}

/// One thing is leased to one partner, and once in a type.
fn disjoint(charter: &Charter, lints: &mut Lints) {
    let mut leased = BTreeMap::<(&KindName, &[String]), Vec<_>>::new();
    for kind in &charter.operations {
        for lease in &kind.leases {
            for values in &lease.values {
                leased.entry((&lease.resource, values)).or_default().push((kind, lease));
            }
        }
    }
    for ((resource, values), leases) in leased {
        let (first_kind, first) = leases[0];
        for (kind, lease) in leases.into_iter().skip(1) {
            let same_type = kind.name == first_kind.name;
            if lease.partner == first.partner && !same_type {
                continue;
            }
            let other = if same_type { String::new() } else { format!(" of {}", first_kind.name) };
            lints.error(format!(
                "{}: the lease {} gives {resource} {} to {}, and the lease {}{other} gives it to {}: leases of one resource \
                 must be disjoint",
                kind.name,
                lease.name,
                values.join(", "),
                lease.partner,
                first.name,
                first.partner
            ));
        }
    }
}
