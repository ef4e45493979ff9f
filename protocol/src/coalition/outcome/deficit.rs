//! What exactly is missing, and that in words.
//!
//! The claim that tests hold it to: add any endorsements of partners that do not endorse yet to the voices that stand; then the
//! requirements are met exactly if what is stated here as needed is filled. Partners that endorse in one role and could in another are named
//! only where nobody else can fill the need; then what their move leaves open is stated too.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::fill::is_fillable;
use super::tally::{Looked, Voices, number};
use crate::charter::text::{all_of, either};
use crate::charter::{Measure, PartnerName, Threshold};
use crate::record::{Role, Stance};

/// Most candidates whose combinations are listed one by one in words.
const MAX_LISTED: usize = 5;
/// Most combinations of partners with several roles that are tried for whether a need can be filled.
const MAX_TRIED: usize = 256;

/// Something that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Of what.
    pub of: NeedOf,
    /// In which role; in any that counts, if none is named.
    pub role: Option<Role>,
    /// Units that the rule needs: partners, weight, or for a share hundredths of a partner.
    pub needed: u32,
    /// Units that are missing.
    pub missing: u32,
    /// Who could give some, sorted by partner.
    pub from: Vec<Candidate>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NeedOf {
    /// Endorsements.
    Endorsements,
    /// The weight of those who endorse.
    Weight,
    /// Those who endorse, as this share in percent of those who have said something in the role.
    Share(u32),
    /// Partners that have said something.
    Presence,
}

/// A partner whose place is not filled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Who.
    pub partner: PartnerName,
    /// What it says now.
    pub stance: Option<Stance>,
    /// Units that its endorsement, or that of one in its place, gives.
    pub gives: u32,
    /// Who may endorse in its place, as it abstains or is away; sorted.
    pub or: Vec<PartnerName>,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = match self.stance {
            Some(Stance::Object) => Some("objects".to_owned()),
            Some(Stance::Abstain) => Some("abstains".to_owned()),
            Some(Stance::Endorse) => Some("in another role".to_owned()),
            None => None,
        };
        let or = (!self.or.is_empty()).then(|| format!("or {} in its place", either(&self.or)));
        let notes = says.into_iter().chain(or).collect::<Vec<_>>();
        match notes.is_empty() {
            true => self.partner.fmt(f),
            false => write!(f, "{} ({})", self.partner, notes.join(", ")),
        }
    }
}

/// Exactly what keeps an operation from being agreed now. Shown as one sentence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deficit {
    /// What is missing in any case.
    pub needs: Vec<Need>,
    /// Beyond that, what is missing in each of the ways that are left, of which one is enough; empty if nothing is.
    pub either: Vec<Vec<Need>>,
    /// Whose silence has to be waited out, because somebody stands in for it or shares are of those present; sorted.
    pub awaited: Vec<PartnerName>,
    /// Whose veto stands, sorted.
    pub vetoed_by: Vec<PartnerName>,
    /// Who could still veto and has neither endorsed nor abstained, sorted.
    pub veto_unused: Vec<PartnerName>,
}

impl Deficit {
    /// What the voices lack for one of `ways` and the quorum.
    pub(super) fn of(voices: &Voices<'_>, ways: &[Vec<Threshold>], quorum: u32) -> Self {
        let mut deficit = Self {
            awaited: vec![],
            vetoed_by: voices.vetoed_by(),
            veto_unused: voices.veto_unused(),
            ..Self::missing(voices, ways, quorum)
        };
        if deficit.is_met() && !voices.meets(ways, quorum, Looked::Now) {
            deficit.awaited = voices.awaited(ways);
        }
        deficit
    }

    fn missing(voices: &Voices<'_>, ways: &[Vec<Threshold>], quorum: u32) -> Self {
        if voices.meets(ways, quorum, Looked::AtTheEnd) {
            return Self::default();
        }
        let movers = voices
            .all()
            .filter(|(partner, _, stance)| {
                *stance == Stance::Endorse && voices.kind.voices_of(partner).count() > 1
            })
            .map(|(partner, ..)| partner)
            .collect::<Vec<_>>();
        let mut stay = voices.clone();
        let fillable = |from: &Voices<'_>, ways: &mut Vec<&Vec<Threshold>>| {
            ways.retain(|way| is_fillable(from, way, quorum, &[], &mut MAX_TRIED.clone()).unwrap_or(true));
        };
        let mut left = ways.iter().collect::<Vec<_>>();
        fillable(&stay, &mut left);
        if left.is_empty() && !movers.is_empty() {
            movers.iter().for_each(|partner| stay.remove(partner));
            left = ways.iter().collect();
            fillable(&stay, &mut left);
        }
        if left.is_empty() {
            left = ways.iter().collect();
        }
        let presence = presence(voices, quorum);
        let needs = left.iter().map(|way| {
            let of_way = way.iter().filter_map(|threshold| need(&stay, voices, threshold));
            let mut needs = of_way.chain(presence.clone()).collect::<Vec<_>>();
            settle_forced(&mut needs);
            needs
        });
        Self::factored(needs.collect())
    }

    /// What all ways have in common apart, and no way that asks for more than another.
    fn factored(mut ways: Vec<Vec<Need>>) -> Self {
        for way in &mut ways {
            let mut seen = Vec::new();
            way.retain(|need| {
                !seen.contains(need) && {
                    seen.push(need.clone());
                    true
                }
            });
        }
        let within = |one: &[Need], other: &[Need]| one.iter().all(|need| other.contains(need));
        let mut kept: Vec<Vec<Need>> = Vec::new();
        for way in ways {
            if kept.iter().any(|other| within(other, &way)) {
                continue;
            }
            kept.retain(|other| !within(&way, other));
            kept.push(way);
        }
        let Some((first, rest)) = kept.split_first() else { return Self::default() };
        let needs = first
            .iter()
            .filter(|need| rest.iter().all(|way| way.contains(need)))
            .cloned()
            .collect::<Vec<_>>();
        let mut either = kept
            .iter()
            .map(|way| way.iter().filter(|need| !needs.contains(need)).cloned().collect::<Vec<_>>())
            .collect::<Vec<_>>();
        if either.len() < 2 {
            either.clear();
        }
        Self { needs, either, ..Self::default() }
    }

    /// The same, naming only candidates that may speak in the role of the need.
    pub(in crate::coalition) fn of_those(
        mut self,
        speaks: impl Fn(&PartnerName, Option<Role>) -> bool,
    ) -> Self {
        for need in self.needs.iter_mut().chain(self.either.iter_mut().flatten()) {
            let role = need.role;
            for candidate in &mut need.from {
                candidate.or.retain(|by| speaks(by, role));
            }
            need.from.retain(|it| speaks(&it.partner, role) || !it.or.is_empty());
        }
        self
    }

    /// Whether the requirements are met; vetoes and what has to be waited out apart.
    pub fn is_met(&self) -> bool {
        self.needs.is_empty() && self.either.is_empty()
    }
}

/// What `threshold` lacks in the voices that `stay`, if it lacks something; `now` is what candidates say.
fn need(stay: &Voices<'_>, now: &Voices<'_>, threshold: &Threshold) -> Option<Need> {
    let (needed, have) = stay.count(threshold, Looked::AtTheEnd);
    let missing = needed.checked_sub(have).filter(|missing| *missing > 0)?;
    let places = stay.places(threshold);
    let nobody = matches!(threshold.measure, Measure::Percent(_))
        && !places.iter().any(|(partner, roles)| stay.is_present(partner, roles, Looked::AtTheEnd));
    let from =
        places.into_iter().filter(|(partner, roles)| !stay.is_filled(partner, roles, Looked::AtTheEnd));
    let from = from.filter_map(|(partner, roles)| {
        let gives = match threshold.measure {
            Measure::Count(_) => 1,
            Measure::Weight(_) => stay.kind.rule.weight(partner),
            Measure::Percent(_) if nobody => 1,
            Measure::Percent(_) if stay.is_present(partner, &roles, Looked::AtTheEnd) => 100,
            Measure::Percent(percent) => 100u32.saturating_sub(percent),
        };
        let may_move = !matches!(stay.get(partner), Some((_, Stance::Endorse)));
        let mut or = roles
            .iter()
            .filter(|_| stay.may_be_stood_in_for(partner, Looked::AtTheEnd))
            .flat_map(|role| stay.kind.rule.stand_ins(partner, *role))
            .filter(|by| !matches!(stay.get(by), Some((_, Stance::Endorse))))
            .cloned()
            .collect::<Vec<_>>();
        or.sort_unstable();
        or.dedup();
        let stance = now.get(partner).map(|(_, stance)| stance);
        (gives > 0 && (may_move || !or.is_empty())).then(|| Candidate {
            partner: partner.clone(),
            stance,
            gives,
            or,
        })
    });
    let of = match threshold.measure {
        Measure::Count(_) => NeedOf::Endorsements,
        Measure::Weight(_) => NeedOf::Weight,
        Measure::Percent(percent) => NeedOf::Share(percent),
    };
    Some(Need { of, role: threshold.role, needed, missing, from: from.collect() })
}

/// Who has to fill one need in a role, because nobody else can, is no candidate for needs in another role.
fn settle_forced(needs: &mut [Need]) {
    for _ in 0..needs.len() {
        for at in 0..needs.len() {
            let Some(forcing) = needs.get(at) else { continue };
            let all = forcing.from.iter().map(|candidate| candidate.gives).fold(0, u32::saturating_add);
            let least = forcing.from.iter().map(|candidate| candidate.gives).min().unwrap_or(0);
            let (Some(role), true) = (forcing.role, all.saturating_sub(least) < forcing.missing) else {
                continue;
            };
            let alone = forcing.from.iter().filter(|candidate| candidate.or.is_empty());
            let forced = alone.map(|candidate| candidate.partner.clone()).collect::<Vec<_>>();
            for other in needs.iter_mut().filter(|other| other.role.is_some_and(|own| own != role)) {
                other
                    .from
                    .retain(|candidate| !forced.contains(&candidate.partner) || !candidate.or.is_empty());
            }
        }
    }
}

fn presence(voices: &Voices<'_>, quorum: u32) -> Option<Need> {
    let missing = quorum.checked_sub(voices.spoken()).filter(|missing| *missing > 0)?;
    let silent = voices.with_voice().into_iter().filter(|partner| voices.get(partner).is_none());
    let from =
        silent.map(|partner| Candidate { partner: partner.clone(), stance: None, gives: 1, or: vec![] });
    Some(Need { of: NeedOf::Presence, role: None, needed: quorum, missing, from: from.collect() })
}

impl Need {
    /// The least combinations of candidates that fill it; none if they are too many to list.
    fn combinations(&self) -> Option<Vec<Vec<&Candidate>>> {
        if self.from.len() > MAX_LISTED {
            return None;
        }
        let given = |chosen: u32| {
            let inside = self.from.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1);
            inside.map(|(_, candidate)| candidate.gives).fold(0, u32::saturating_add)
        };
        let fills = |chosen: u32| given(chosen) >= self.missing;
        let least = |chosen: &u32| {
            fills(*chosen)
                && (0..self.from.len()).all(|at| chosen >> at & 1 == 0 || !fills(chosen & !(1 << at)))
        };
        let inside = |chosen: u32| (0..self.from.len()).filter(move |at| chosen >> at & 1 == 1);
        let mut all = (1..1u32 << self.from.len())
            .filter(least)
            .map(|chosen| inside(chosen).collect::<Vec<_>>())
            .collect::<Vec<_>>();
        all.sort_by_key(|chosen| (chosen.len(), chosen.clone()));
        let names = |chosen: &Vec<usize>| chosen.iter().filter_map(|at| self.from.get(*at)).collect();
        Some(all.iter().map(names).collect())
    }

    /// How many of candidates that give the same are missing.
    fn alike(&self) -> Option<u32> {
        let gives = self.from.first()?.gives;
        self.from
            .iter()
            .all(|candidate| candidate.gives == gives)
            .then(|| self.missing.div_ceil(gives.max(1)))
    }

    fn who(&self, alike: Option<u32>) -> String {
        if self.from.is_empty() {
            return "nobody could give it".into();
        }
        match (alike, self.combinations()) {
            (Some(count), _) if count == number(self.from.len()) => all_of(&self.from),
            (Some(_), _) => either(&self.from),
            (None, Some(combinations)) => {
                combinations.iter().map(|chosen| all_of(chosen)).collect::<Vec<_>>().join(", or ")
            }
            (None, None) => {
                let each = self.from.iter().map(|candidate| format!("{candidate}: {}", candidate.gives));
                format!("from {}", each.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// What is needed: the sentence without its verb.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alike = self.alike();
        let who = self.who(alike);
        let role = self.role.map_or_else(|| "endorsements".to_owned(), |role| role.to_string());
        match (self.of, self.needed, self.missing, alike) {
            (NeedOf::Presence, _, missing, _) => {
                write!(f, "{missing} more to say something: {who}")
            }
            (NeedOf::Weight, _, missing, _) => write!(f, "weight {missing} more of {role}: {who}"),
            (NeedOf::Share(percent), _, _, Some(count)) => {
                write!(f, "{count} more of {role}, {percent} % of those present: {who}")
            }
            (NeedOf::Share(percent), ..) => write!(f, "{percent} % of those present of {role}: {who}"),
            (NeedOf::Endorsements, 1, 1, _) if self.role.is_some() => write!(f, "{role}: {who}"),
            (NeedOf::Endorsements, 1, 1, _) => f.write_str(&who),
            (NeedOf::Endorsements, needed, missing, _) if missing < needed => {
                write!(f, "{missing} more of {role}: {who}")
            }
            (NeedOf::Endorsements, _, missing, _) => write!(f, "{missing} of {role}: {who}"),
        }
    }
}

impl Deficit {
    /// The same once the window has ended: nobody may speak any more.
    pub(crate) fn at_the_end(&self) -> Self {
        Self { awaited: Vec::new(), ..self.clone() }
    }

    /// Whether an endorsement of `partner` would fill a gap.
    pub fn asks(&self, partner: &PartnerName) -> bool {
        let needs = self.needs.iter().chain(self.either.iter().flatten());
        needs.flat_map(|need| &need.from).any(|it| {
            (it.partner == *partner && it.stance != Some(Stance::Endorse)) || it.or.contains(partner)
        })
    }

    /// Everybody whose word it asks for or waits for, sorted.
    pub fn partners(&self) -> BTreeSet<&PartnerName> {
        let needs = self.needs.iter().chain(self.either.iter().flatten());
        let candidates = needs.flat_map(|need| &need.from);
        let named = candidates.flat_map(|it| std::iter::once(&it.partner).chain(&it.or));
        named.chain(&self.awaited).chain(&self.veto_unused).collect()
    }
}

impl fmt::Display for Deficit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.needs.iter().map(|need| format!("needs {need}")).collect::<Vec<_>>();
        if !self.either.is_empty() {
            let ways = self.either.iter().map(|way| all_of(way)).collect::<Vec<_>>();
            parts.push(format!("needs either {}", ways.join(", or ")));
        }
        if !self.vetoed_by.is_empty() {
            parts.push(format!("blocked by veto of {}", all_of(&self.vetoed_by)));
        }
        if !self.veto_unused.is_empty() {
            parts.push(format!("veto by {} not used", either(&self.veto_unused)));
        }
        if !self.awaited.is_empty() {
            parts.push(format!("{} may still speak until the window ends", either(&self.awaited)));
        }
        if parts.is_empty() {
            parts.push("nothing is missing".into());
        }
        f.write_str(&parts.join("; "))
    }
}
