//! What the voices that stand come to under a rule: how far each threshold is met.
//!
//! A *place* is a partner in a role. It is filled when the partner endorses in the role, or when one that may stand in for it does
//! and the partner abstains or is away; who is stood in for has no other role that counts, which the linter sees to. A partner is away when it has said nothing by the end of the
//! window; until then it may still speak, so the same voices are looked at in two ways ([`Looked`]): as if the window ended now,
//! and as if those that are silent might still say no. Endorsing more never unfills a place.

use std::collections::BTreeMap;

use super::Standing;
use crate::charter::{Measure, OperationType, PartnerName, Threshold};
use crate::record::{Role, Stance};

/// How silence is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// As being away: the window is over, or that is asked.
    AtTheEnd,
    /// As something that may still become a no.
    Now,
}

/// What partners say in roles that count, at most one voice each.
#[derive(Debug, Clone)]
pub(super) struct Voices<'a> {
    pub(super) kind: &'a OperationType,
    said: BTreeMap<&'a PartnerName, (Role, Stance)>,
}

impl<'a> Voices<'a> {
    /// The voices in roles that count.
    pub(super) fn of(kind: &'a OperationType, counted: impl IntoIterator<Item = &'a Standing>) -> Self {
        Self::said(kind, counted.into_iter().map(|said| (&said.partner, said.role, said.stance)))
    }

    /// These words, all in roles that count.
    pub(super) fn said(
        kind: &'a OperationType,
        words: impl IntoIterator<Item = (&'a PartnerName, Role, Stance)>,
    ) -> Self {
        let said = words.into_iter().map(|(partner, role, stance)| (partner, (role, stance)));
        Self { kind, said: said.collect() }
    }

    pub(super) fn get(&self, partner: &PartnerName) -> Option<(Role, Stance)> {
        self.said.get(partner).copied()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&'a PartnerName, Role, Stance)> {
        self.said.iter().map(|(partner, (role, stance))| (*partner, *role, *stance))
    }

    pub(super) fn put(&mut self, partner: &'a PartnerName, role: Role) {
        self.said.insert(partner, (role, Stance::Endorse));
    }

    pub(super) fn remove(&mut self, partner: &PartnerName) {
        self.said.remove(partner);
    }

    pub(super) fn endorses(&self, partner: &PartnerName, role: Role) -> bool {
        self.get(partner) == Some((role, Stance::Endorse))
    }

    /// Whether somebody may stand in for `partner`, given what it says itself.
    pub(super) fn may_be_stood_in_for(&self, partner: &PartnerName, looked: Looked) -> bool {
        match self.get(partner) {
            None => looked == Looked::AtTheEnd,
            Some((_, Stance::Abstain)) => true,
            Some((_, Stance::Endorse | Stance::Object)) => false,
        }
    }

    fn is_stood_in_for(&self, partner: &PartnerName, role: Role, looked: Looked) -> bool {
        self.may_be_stood_in_for(partner, looked)
            && self.kind.rule.stand_ins(partner, role).iter().any(|by| self.endorses(by, role))
    }

    /// The partners whose places `threshold` looks at, sorted, each with its roles there.
    pub(super) fn places(&self, threshold: &Threshold) -> Vec<(&'a PartnerName, Vec<Role>)> {
        let mut places = BTreeMap::<&PartnerName, Vec<Role>>::new();
        for role in
            self.kind.counting_roles().filter(|role| threshold.role.is_none_or(|named| named == *role))
        {
            for partner in self.kind.eligible(role) {
                if threshold.partners.is_empty() || threshold.partners.binary_search(partner).is_ok() {
                    places.entry(partner).or_default().push(role);
                }
            }
        }
        places.into_iter().collect()
    }

    /// Whether the place of `partner` in one of `roles` is filled.
    pub(super) fn is_filled(&self, partner: &PartnerName, roles: &[Role], looked: Looked) -> bool {
        let filled =
            |role: &Role| self.endorses(partner, *role) || self.is_stood_in_for(partner, *role, looked);
        roles.iter().any(filled)
    }

    /// Whether `partner` has said something in one of `roles`, or is stood in for.
    pub(super) fn is_present(&self, partner: &PartnerName, roles: &[Role], looked: Looked) -> bool {
        let spoke = match self.get(partner) {
            Some((role, _)) => roles.contains(&role),
            None => looked == Looked::Now,
        };
        spoke || self.is_filled(partner, roles, looked)
    }

    /// Units that the threshold needs, and that it has. A share is met in hundredths of a partner.
    pub(super) fn count(&self, threshold: &Threshold, looked: Looked) -> (u32, u32) {
        let places = self.places(threshold);
        let filled = places.iter().filter(|(partner, roles)| self.is_filled(partner, roles, looked));
        match threshold.measure {
            Measure::Count(count) => (count, number(filled.count())),
            Measure::Weight(weight) => {
                let weigh = |have: u32, (partner, _): &(&PartnerName, _)| {
                    have.saturating_add(self.kind.rule.weight(partner))
                };
                (weight, filled.fold(0, weigh))
            }
            Measure::Percent(percent) => {
                let have = number(filled.count());
                let present =
                    places.iter().filter(|(partner, roles)| self.is_present(partner, roles, looked));
                let present = number(present.count());
                // Nobody's share of nobody is nothing: one is needed at least.
                if present == 0 {
                    (1, 0)
                } else {
                    (percent.saturating_mul(present), have.saturating_mul(100))
                }
            }
        }
    }

    pub(super) fn is_met(&self, threshold: &Threshold, looked: Looked) -> bool {
        let (needed, have) = self.count(threshold, looked);
        have >= needed
    }

    /// Partners with a role of their own that counts, sorted.
    pub(super) fn with_voice(&self) -> Vec<&'a PartnerName> {
        let any = Threshold { role: None, partners: vec![], measure: Measure::Count(1) };
        self.places(&any).into_iter().map(|(partner, _)| partner).collect()
    }

    /// How many of those that have a role of their own have spoken.
    pub(super) fn spoken(&self) -> u32 {
        number(self.with_voice().into_iter().filter(|partner| self.get(partner).is_some()).count())
    }

    /// Whether the requirements are met: one way whole, and the quorum.
    pub(super) fn meets(&self, ways: &[Vec<Threshold>], quorum: u32, looked: Looked) -> bool {
        (quorum == 0 || self.spoken() >= quorum)
            && ways.iter().any(|way| way.iter().all(|threshold| self.is_met(threshold, looked)))
    }

    /// Whose veto stands, sorted.
    pub(super) fn vetoed_by(&self) -> Vec<PartnerName> {
        let vetoes = |(partner, role, stance): &(&PartnerName, Role, Stance)| {
            *stance == Stance::Object && self.kind.is_veto(partner, *role)
        };
        self.all().filter(vetoes).map(|(partner, ..)| partner.clone()).collect()
    }

    /// Who could still veto and has neither endorsed nor abstained, sorted.
    pub(super) fn veto_unused(&self) -> Vec<PartnerName> {
        // An objection in a role without a veto leaves the veto of the other role open.
        let unused = |partner: &&&PartnerName| match self.get(partner) {
            None => true,
            Some((role, stance)) => stance == Stance::Object && !self.kind.is_veto(partner, role),
        };
        self.kind.veto_holders().iter().filter(unused).map(|partner| (*partner).clone()).collect()
    }

    /// Whose silence alone keeps the requirements from being met for good, where they are met at the end, sorted.
    pub(super) fn awaited(&self, ways: &[Vec<Threshold>]) -> Vec<PartnerName> {
        let whole =
            |way: &&Vec<Threshold>| way.iter().all(|threshold| self.is_met(threshold, Looked::AtTheEnd));
        let open = |threshold: &&Threshold| !self.is_met(threshold, Looked::Now);
        let silent = |threshold: &Threshold| {
            let share = matches!(threshold.measure, Measure::Percent(_));
            let places = self.places(threshold).into_iter().filter(|(partner, roles)| {
                self.get(partner).is_none() && (share || self.is_filled(partner, roles, Looked::AtTheEnd))
            });
            places.map(|(partner, _)| partner.clone()).collect::<Vec<_>>()
        };
        let mut awaited =
            ways.iter().filter(whole).flatten().filter(open).flat_map(silent).collect::<Vec<_>>();
        awaited.sort_unstable();
        awaited.dedup();
        awaited
    }
}

pub(super) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
