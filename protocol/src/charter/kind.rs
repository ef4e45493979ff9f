//! Types of operation: who may act in which role, and when one is agreed.
//!
//! Every type has the roles lead, supporting and observing; it declares further ones, each with the partners that may act in
//! it, and says whether it counts towards the outcome and whether who has it may open. A role can require a capability: the
//! charter then has to attest it to every partner that it lists, else nobody can sign it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::course::{DisputeRule, HandoffRule, Phase};
use super::governance::Effect;
use super::lease::Lease;
use super::rule::OutcomeRule;
use super::schema::{BodyError, Claim, Field, Resource, Schema};
use super::{
    AuthorityName, CharterError, KindName, MAX_PARTNERS, MAX_WINDOW_MS, PartnerName, ascending, bound,
};
use crate::lane::Lane;
use crate::record::Role;

/// Most roles that a type declares beyond the three that all have.
pub const MAX_DECLARED_ROLES: usize = 8;

/// A type of operation: who may act in which role, and when it is agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationType {
    /// Its name.
    pub name: KindName,
    /// How urgent its records are.
    pub precedence: Lane,
    /// Who may open one with a higher precedence, sorted.
    #[serde(default)]
    pub may_raise: Vec<PartnerName>,
    /// The capability with which whoever may open may do so as well, as [`Charter::capabilities`](super::Charter) says.
    #[serde(default)]
    pub may_raise_with: Option<KindName>,
    /// How long attestations are taken after the opening, in milliseconds of batch time.
    pub window_ms: u64,
    /// What its agreement changes in the coalition itself.
    #[serde(default)]
    pub effect: Option<Effect>,
    /// Who may lead, sorted.
    #[serde(default)]
    pub lead: Vec<PartnerName>,
    /// Who may support, sorted.
    #[serde(default)]
    pub supporting: Vec<PartnerName>,
    /// Who may observe, sorted.
    #[serde(default)]
    pub observing: Vec<PartnerName>,
    /// Further roles, sorted by name.
    #[serde(default)]
    pub roles: Vec<DeclaredRole>,
    /// What its body says, sorted by name; with none, a body says what it likes.
    #[serde(default)]
    pub fields: Vec<Field>,
    /// What only one operation may have at a time, sorted by name.
    #[serde(default)]
    pub resources: Vec<Resource>,
    /// Which of them one partner may commit alone while it cannot reach the others, sorted by name.
    #[serde(default)]
    pub leases: Vec<Lease>,
    /// When it is agreed.
    pub rule: OutcomeRule,
    /// How its roles are handed over.
    #[serde(default)]
    pub handoff: HandoffRule,
    /// Its phases, in their order; none if it has only one.
    #[serde(default)]
    pub phases: Vec<Phase>,
    /// How disputes about it are ruled on; there are none if it is left out.
    #[serde(default)]
    pub dispute: Option<DisputeRule>,
    /// The authority that has to order or permit it, beside its rule; none if partners agree on it by themselves.
    #[serde(default)]
    pub authority: Option<AuthorityName>,
}

/// A role that a type declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredRole {
    /// Its name, none of the three that all types have.
    pub name: Role,
    /// Who may act in it, sorted.
    pub partners: Vec<PartnerName>,
    /// The capability that whoever acts in it must have, as [`Charter::capabilities`](super::Charter) says.
    #[serde(default)]
    pub requires: Option<KindName>,
    /// Whether what is said in it counts towards the outcome.
    #[serde(default = "yes")]
    pub counts: bool,
    /// Whether who may act in it may open an operation, as who leads or supports may.
    #[serde(default)]
    pub opens: bool,
}

fn yes() -> bool {
    true
}

impl OperationType {
    /// The role of this name that this type declares.
    pub fn declared(&self, role: Role) -> Option<&DeclaredRole> {
        self.roles.binary_search_by_key(&role, |declared| declared.name).ok().map(|at| &self.roles[at])
    }

    /// All roles of this type: the three that all have, then those that it declares.
    pub fn all_roles(&self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().chain(self.roles.iter().map(|declared| declared.name))
    }

    /// The roles whose attestations count.
    pub fn counting_roles(&self) -> impl Iterator<Item = Role> {
        self.all_roles().filter(|role| self.counts(*role))
    }

    /// The partners that may act in `role`, sorted; none if there is no such role here.
    pub fn eligible(&self, role: Role) -> &[PartnerName] {
        match role {
            Role::Lead => &self.lead,
            Role::Supporting => &self.supporting,
            Role::Observing => &self.observing,
            Role::Declared(_) => self.declared(role).map_or(&[], |declared| &declared.partners),
        }
    }

    /// Whether attestations in `role` count towards the outcome.
    pub fn counts(&self, role: Role) -> bool {
        match role {
            Role::Lead | Role::Supporting => true,
            Role::Observing => false,
            Role::Declared(_) => self.declared(role).is_some_and(|declared| declared.counts),
        }
    }

    /// Whether who may act in `role` may open.
    pub fn opens(&self, role: Role) -> bool {
        match role {
            Role::Lead | Role::Supporting => true,
            Role::Observing => false,
            Role::Declared(_) => self.declared(role).is_some_and(|declared| declared.opens),
        }
    }

    /// Whether `partner` may act in `role`.
    pub fn holds(&self, partner: &PartnerName, role: Role) -> bool {
        self.eligible(role).binary_search(partner).is_ok()
    }

    /// Whether `partner` has a role that counts.
    pub fn has_voice(&self, partner: &PartnerName) -> bool {
        self.counting_roles().any(|role| self.holds(partner, role))
    }

    /// Who may open one, sorted.
    pub fn openers(&self) -> Vec<PartnerName> {
        let roles = self.all_roles().filter(|role| self.opens(*role));
        let mut openers = roles.flat_map(|role| self.eligible(role)).cloned().collect::<Vec<_>>();
        openers.sort_unstable();
        openers.dedup();
        openers
    }

    /// Whose objection can block: partners with a veto that have a role that counts, sorted.
    pub fn veto_holders(&self) -> Vec<&PartnerName> {
        let by_name = self.rule.veto.partners.iter().filter(|partner| self.has_voice(partner));
        let by_role = self
            .rule
            .veto
            .roles
            .iter()
            .filter(|role| self.counts(**role))
            .flat_map(|role| self.eligible(*role));
        let mut holders = by_name.chain(by_role).collect::<Vec<_>>();
        holders.sort_unstable();
        holders.dedup();
        holders
    }

    /// Whether an objection of `partner` in `role` blocks; who only stands in there has no veto by the role.
    pub fn is_veto(&self, partner: &PartnerName, role: Role) -> bool {
        let veto = &self.rule.veto;
        let by_role = veto.roles.contains(&role) && self.holds(partner, role);
        self.counts(role) && (by_role || veto.partners.binary_search(partner).is_ok())
    }

    /// Who leads an operation of this type that `opener` opens: itself if it may, else the first that may and of whom `can` says
    /// that it can. An operation of a type that nobody may lead is its opener's.
    pub fn first_lead(&self, opener: &PartnerName, can: impl Fn(&PartnerName) -> bool) -> PartnerName {
        let first = self.leads(0).iter().find(|partner| can(partner));
        first.filter(|_| !self.may_lead(opener, 0)).unwrap_or(opener).clone()
    }

    /// The partners that may lead the phase of this number, sorted; in a type without phases the whole.
    pub fn leads(&self, phase: u32) -> &[PartnerName] {
        match self.phase(phase) {
            Some(phase) => &phase.lead,
            None => &self.lead,
        }
    }

    /// Whether `partner` may lead the phase of this number.
    pub fn may_lead(&self, partner: &PartnerName, phase: u32) -> bool {
        self.leads(phase).binary_search(partner).is_ok()
    }

    /// The phase of this number, from 0.
    pub fn phase(&self, phase: u32) -> Option<&Phase> {
        self.phases.get(phase as usize)
    }

    /// Who takes the lead over in the phase of this number, where the charter declares a takeover.
    pub fn successor(&self, phase: u32) -> Option<&PartnerName> {
        let declared = self.handoff.takeover.as_ref()?;
        let of_phase = self.phase(phase).and_then(|phase| phase.successor.as_ref());
        Some(of_phase.unwrap_or(&declared.successor))
    }

    /// Whether `partner` has a role that counts, or may stand in where somebody has one.
    pub fn acts(&self, partner: &PartnerName) -> bool {
        self.voices_of(partner).next().is_some()
    }

    /// Whether `partner` may act in `role`: it holds it, or may stand in there for one that does.
    pub fn may_act(&self, partner: &PartnerName, role: Role) -> bool {
        self.holds(partner, role) || self.rule.stands_in_for(partner, role).is_some()
    }

    /// The roles that `partner` may act in, those in which it may only stand in included.
    pub fn roles_of(&self, partner: &PartnerName) -> Vec<Role> {
        self.all_roles().filter(|role| self.may_act(partner, *role)).collect()
    }

    /// The roles that count in which `partner` may act.
    pub fn voices_of(&self, partner: &PartnerName) -> impl Iterator<Item = Role> {
        self.counting_roles().filter(|role| self.may_act(partner, *role))
    }

    /// Everybody who may act in a role that counts, sorted.
    pub fn voters(&self) -> Vec<&PartnerName> {
        let own = self.counting_roles().flat_map(|role| self.eligible(role));
        let mut voters = own.chain(self.rule.substitutes.iter().flat_map(|it| &it.by)).collect::<Vec<_>>();
        voters.sort_unstable();
        voters.dedup();
        voters
    }

    pub(super) fn schema(&self) -> Schema<'_> {
        Schema { fields: &self.fields, resources: &self.resources }
    }

    /// What an operation with this body claims.
    ///
    /// # Errors
    /// What in the body is not as the fields say.
    pub fn claims(&self, body: &BTreeMap<String, String>) -> Result<Vec<Claim>, BodyError> {
        self.schema().judge(body)
    }

    #[cfg(test)]
    pub(crate) fn sort_for_tests(&mut self) {
        self.sort();
    }

    /// Brings every list into canonical order.
    pub(super) fn sort(&mut self) {
        self.lead.sort_unstable();
        self.supporting.sort_unstable();
        self.observing.sort_unstable();
        self.may_raise.sort_unstable();
        self.fields.sort_by(|a, b| a.name.cmp(&b.name));
        self.fields.iter_mut().for_each(|field| field.choices.sort_unstable());
        self.resources.sort_by(|a, b| a.name.cmp(&b.name));
        self.leases.sort_by(|a, b| a.name.cmp(&b.name));
        self.leases.iter_mut().for_each(Lease::sort);
        self.roles.sort_by_key(|role| role.name);
        self.roles.iter_mut().for_each(|role| role.partners.sort_unstable());
        self.rule.sort();
        self.phases.iter_mut().for_each(|phase| phase.lead.sort_unstable());
        self.dispute.iter_mut().for_each(DisputeRule::sort);
    }

    /// Whether bounds and order are those of a canonical charter.
    pub(super) fn check(&self) -> Result<(), CharterError> {
        let name = &self.name;
        bound(&format!("milliseconds of window_ms of {name}"), self.window_ms, 0, MAX_WINDOW_MS)?;
        bound(&format!("declared roles of {name}"), self.roles.len(), 0, MAX_DECLARED_ROLES)?;
        ascending(&format!("declared roles of {name}"), self.roles.iter().map(|role| &role.name))?;
        if let Some(role) = self.roles.iter().find(|role| !role.name.is_declared()) {
            return Err(CharterError::RoleDeclared { kind: name.clone(), role: role.name });
        }
        for role in self.all_roles() {
            let what = format!("partners {role} in {name}");
            bound(&what, self.eligible(role).len(), 0, MAX_PARTNERS)?;
            ascending(&what, self.eligible(role))?;
        }
        bound(
            &format!("partners that raise the precedence of {name}"),
            self.may_raise.len(),
            0,
            MAX_PARTNERS,
        )?;
        ascending(&format!("partners that raise the precedence of {name}"), &self.may_raise)?;
        self.schema().check(name)?;
        super::lease::check(name, &self.leases)?;
        super::course::check(name, &self.handoff, &self.phases, self.dispute.as_ref())?;
        self.rule.check(name)
    }
}
