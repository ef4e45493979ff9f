//! The rule against an oracle that shares no code with it: it walks the nested terms themselves, voice by voice, and knows neither
//! ways nor deficits. It judges by the words of the documentation.

use super::*;
use crate::charter::{
    AtLeast, DeclaredRole, HandoffRule, Lesser, Measure, OutcomeRule, Substitute, Term, Terms, Veto, Weight,
};
use crate::coalition::rng::Rng;
use crate::identity::hash;
use crate::lane::Lane;

use Role::{Lead, Supporting};
use Stance::{Abstain, Endorse, Object};

const NAMES: [&str; 5] = ["alfa", "bravo", "carol", "delta", "echo"];

fn name(at: usize) -> PartnerName {
    NAMES[at].parse().expect("a name")
}

fn host() -> Role {
    "host".parse().expect("a role")
}

/// What each partner says.
type Said = Vec<Option<(Role, Stance)>>;

fn kind(lead: &[usize], supporting: &[usize], hosts: &[usize], rule: OutcomeRule) -> OperationType {
    let names = |of: &[usize]| of.iter().map(|at| name(*at)).collect::<Vec<_>>();
    OperationType {
        name: "airlift".parse().expect("a name"),
        precedence: Lane::Routine,
        window_ms: 1,
        may_raise: vec![],
        may_raise_with: None,
        fields: vec![],
        resources: vec![],
        leases: vec![],
        effect: None,
        lead: names(lead),
        supporting: names(supporting),
        observing: vec![],
        roles: vec![DeclaredRole {
            name: host(),
            partners: names(hosts),
            requires: None,
            counts: true,
            opens: false,
        }],
        rule,
        handoff: HandoffRule::default(),
        phases: vec![],
        dispute: None,
        authority: None,
    }
}

fn standing(said: &Said) -> Vec<Standing> {
    let stands = |(at, said): (usize, &Option<(Role, Stance)>)| {
        said.map(|(role, stance)| Standing {
            record: RecordId(hash("outcome/test", &[NAMES[at].as_bytes()])),
            partner: name(at),
            role,
            stance,
            caveat: None,
            evidence: vec![],
        })
    };
    said.iter().enumerate().filter_map(stands).collect()
}

fn at(partner: &PartnerName) -> usize {
    NAMES.iter().position(|name| *name == partner.as_str()).expect("one of them")
}

/// The oracle.
struct Oracle<'a> {
    kind: &'a OperationType,
    said: &'a Said,
}

impl Oracle<'_> {
    fn has(&self, partner: usize, role: Role) -> bool {
        let listed = match role {
            Lead => &self.kind.lead,
            Supporting => &self.kind.supporting,
            _ => &self.kind.roles[0].partners,
        };
        listed.contains(&name(partner))
    }

    /// Whether `partner`'s place in `role` is filled at the end.
    fn filled(&self, partner: usize, role: Role) -> bool {
        if !self.has(partner, role) {
            return false;
        }
        let endorses = |who: usize| self.said[who] == Some((role, Endorse));
        let objects = self.said[partner].is_some_and(|(_, stance)| stance == Object);
        let substitute = self.kind.rule.substitutes.iter().any(|it| {
            it.role == role && it.partner == name(partner) && it.by.iter().any(|by| endorses(at(by)))
        });
        endorses(partner) || (substitute && !objects)
    }

    fn term(&self, term: &Term) -> bool {
        let threshold = match term {
            Term::AllOf(terms) => return terms.0.iter().all(|term| self.term(term)),
            Term::AnyOf(terms) => return terms.0.iter().any(|term| self.term(term)),
            Term::Threshold(threshold) => threshold,
        };
        let roles: Vec<Role> =
            threshold.role.map_or_else(|| vec![Lead, Supporting, host()], |role| vec![role]);
        let (mut places, mut filled, mut weight, mut present) = (0, 0, 0, 0);
        for partner in 0..self.said.len() {
            let named = threshold.partners.is_empty() || threshold.partners.contains(&name(partner));
            let own = roles.iter().filter(|role| self.has(partner, **role)).collect::<Vec<_>>();
            if !named || own.is_empty() {
                continue;
            }
            places += 1;
            let is_filled = own.iter().any(|role| self.filled(partner, **role));
            let spoke = self.said[partner].is_some_and(|(role, _)| own.contains(&&role));
            if is_filled {
                filled += 1;
                let own = self.kind.rule.weights.iter().find(|it| it.partner == name(partner));
                weight += own.map_or(1, |it| it.weight);
            }
            present += u32::from(is_filled || spoke);
        }
        assert!(filled <= places);
        match threshold.measure {
            Measure::Count(count) => filled >= count,
            Measure::Weight(least) => weight >= least,
            Measure::Percent(percent) => {
                filled >= 1 && f64::from(filled) * 100.0 >= f64::from(percent * present)
            }
        }
    }

    fn met(&self) -> bool {
        let rule = &self.kind.rule;
        let count = |role: Role| (0..self.said.len()).filter(|who| self.filled(*who, role)).count() as u32;
        let spoken = (0..self.said.len()).filter(|who| {
            self.said[*who].is_some() && [Lead, Supporting, host()].iter().any(|role| self.has(*who, *role))
        });
        rule.required.iter().all(|role| count(*role) >= 1)
            && rule.at_least.iter().all(|least| count(least.role) >= least.count)
            && rule.all_of.0.iter().all(|term| self.term(term))
            && spoken.count() as u32 >= rule.quorum
    }

    fn vetoes(&self, partner: usize, role: Role) -> bool {
        let veto = &self.kind.rule.veto;
        veto.partners.contains(&name(partner)) || (veto.roles.contains(&role) && self.has(partner, role))
    }

    fn vetoed(&self) -> bool {
        (0..self.said.len()).any(|who| {
            self.said[who].is_some_and(|(role, stance)| stance == Object && self.vetoes(who, role))
        })
    }

    fn may_still_veto(&self) -> bool {
        (0..self.said.len()).any(|who| {
            let could =
                [Lead, Supporting, host()].iter().any(|role| self.has(who, *role) && self.vetoes(who, *role));
            could
                && match self.said[who] {
                    None => true,
                    Some((role, stance)) => stance == Object && !self.vetoes(who, role),
                }
        })
    }

    fn voices(&self, partner: usize) -> Vec<Role> {
        let stands_in = |role: Role| {
            let by = |it: &Substitute| it.role == role && it.by.contains(&name(partner));
            self.kind.rule.substitutes.iter().any(by)
        };
        let roles = [Lead, Supporting, host()].into_iter();
        roles.filter(|role| self.has(partner, *role) || stands_in(*role)).collect()
    }
}

fn some(rng: &mut Rng, of: usize, odds: u64) -> Vec<usize> {
    (0..of).filter(|_| rng.below(100) < odds).collect()
}

fn random_term(rng: &mut Rng, n: usize, depth: usize, single: bool) -> Term {
    let kind = if depth == 0 { 0 } else { rng.below(3) };
    let parts = |rng: &mut Rng| {
        Terms((0..1 + rng.below(2)).map(|_| random_term(rng, n, depth - 1, single)).collect())
    };
    match kind {
        1 => Term::AllOf(parts(rng)),
        2 => Term::AnyOf(parts(rng)),
        _ => Term::Threshold(Threshold {
            role: [Some(Lead), Some(Supporting), Some(host()), None][rng.below(4) as usize],
            partners: if rng.below(3) == 0 {
                some(rng, n, 60).into_iter().map(name).collect()
            } else {
                vec![]
            },
            // Shares are for partners with one role.
            measure: match rng.below(if single { 3 } else { 2 }) {
                0 => Measure::Count(1 + rng.below(3) as u32),
                1 => Measure::Weight(1 + rng.below(5) as u32),
                _ => Measure::Percent([34, 50, 67, 100][rng.below(4) as usize]),
            },
        }),
    }
}

/// A type of `n` partners, each with one role only if `single`.
fn random_kind(rng: &mut Rng, n: usize, single: bool) -> OperationType {
    let mut roles: [Vec<usize>; 3] = Default::default();
    let mut stand_ins = Vec::new();
    for who in 0..n {
        // Now and then one with no role of its own, who can stand in.
        if rng.below(4) == 0 {
            stand_ins.push(who);
        } else if single {
            roles[rng.below(3) as usize].push(who);
        } else {
            roles.iter_mut().for_each(|role| {
                if rng.below(2) == 0 {
                    role.push(who)
                }
            });
        }
    }
    let mut substitutes = Vec::new();
    for who in stand_ins {
        let at = rng.below(3) as usize;
        let one_role = |who: &&usize| roles.iter().filter(|role| role.contains(who)).count() == 1;
        if let Some(partner) = roles[at].iter().find(one_role) {
            let role = [Lead, Supporting, host()][at];
            substitutes.push(Substitute { role, partner: name(*partner), by: vec![name(who)] });
        }
    }
    substitutes.dedup_by(|a, b| (a.role, &a.partner) == (b.role, &b.partner));
    let rule = OutcomeRule {
        required: [Lead, host()].into_iter().filter(|_| rng.below(4) == 0).collect(),
        at_least: if rng.below(3) == 0 { vec![AtLeast { role: Supporting, count: 2 }] } else { vec![] },
        all_of: Terms((0..rng.below(3)).map(|_| random_term(rng, n, 2, single)).collect()),
        quorum: rng.below(3) as u32,
        weights: some(rng, n, 50)
            .into_iter()
            .map(|who| Weight { partner: name(who), weight: 1 + rng.below(3) as u32 })
            .collect(),
        substitutes,
        veto: Veto {
            partners: some(rng, n, 20).into_iter().map(name).collect(),
            roles: [Lead, host()].into_iter().filter(|_| rng.below(4) == 0).collect(),
        },
        fallback: Fallback::Fail,
    };
    let mut kind = kind(&roles[0], &roles[1], &roles[2], rule);
    kind.sort_for_tests();
    kind
}

/// All that partners can say, or `most` draws of it.
fn assignments(rng: &mut Rng, voices: &[Vec<Role>], most: usize) -> Vec<Said> {
    let choices = |who: usize| 1 + 3 * voices[who].len();
    let choice = |who: usize, number: usize| {
        let number = number.checked_sub(1)?;
        Some((voices[who][number / 3], [Endorse, Object, Abstain][number % 3]))
    };
    let all = (0..voices.len()).map(choices).product::<usize>();
    if all <= most {
        let nth = |mut number: usize| {
            (0..voices.len())
                .map(|who| {
                    let own = number % choices(who);
                    number /= choices(who);
                    choice(who, own)
                })
                .collect()
        };
        return (0..all).map(nth).collect();
    }
    let drawn =
        |_| (0..voices.len()).map(|who| choice(who, rng.below(choices(who) as u64) as usize)).collect();
    (0..most).map(drawn).collect()
}

/// All that follows from `said` when those that do not endorse may endorse in any role.
fn extensions(said: &Said, voices: &[Vec<Role>]) -> Vec<Said> {
    let free = |who: usize| said[who].is_none_or(|(_, stance)| stance != Endorse);
    let mut all = vec![said.clone()];
    for who in (0..said.len()).filter(|who| free(*who)) {
        let more = all.iter().flat_map(|said| {
            voices[who].iter().map(move |role| {
                let mut said = said.clone();
                said[who] = Some((*role, Endorse));
                said
            })
        });
        let more = more.collect::<Vec<_>>();
        all.extend(more);
    }
    all
}

/// Whether what is stated as needed is filled in `said`.
fn is_filled(kind: &OperationType, deficit: &Deficit, said: &Said) -> bool {
    let filled = |need: &Need| {
        let speaks = |who: &PartnerName, role: Role| said[at(who)] == Some((role, Endorse));
        let roles = need.role.map_or_else(|| vec![Lead, Supporting, host()], |role| vec![role]);
        let given = need.from.iter().filter(|candidate| {
            let who = &candidate.partner;
            let objects = said[at(who)].is_some_and(|(_, stance)| stance == Object);
            if need.of == NeedOf::Presence {
                return said[at(who)].is_some();
            }
            roles.iter().any(|role| {
                let for_it = |it: &Substitute, by: &PartnerName| {
                    it.role == *role && it.partner == *who && it.by.contains(by) && speaks(by, *role)
                };
                let stood_in = |by: &PartnerName| kind.rule.substitutes.iter().any(|it| for_it(it, by));
                speaks(who, *role) || (!objects && candidate.or.iter().any(stood_in))
            })
        });
        given.map(|candidate| candidate.gives).sum::<u32>() >= need.missing
    };
    deficit.needs.iter().all(filled)
        && (deficit.either.is_empty() || deficit.either.iter().any(|way| way.iter().all(filled)))
}

/// Verdict and deficit of `said`, against the oracle.
fn check(kind: &OperationType, said: &Said, single: bool) {
    let oracle = Oracle { kind, said };
    let voices = (0..said.len()).map(|who| oracle.voices(who)).collect::<Vec<_>>();
    let assessment = Assessment::of(kind, standing(said));
    let deficit = &assessment.deficit;
    let context = || format!("{said:?}\n{deficit:?}\n{kind:?}");
    let (met, vetoed) = (oracle.met(), oracle.vetoed());
    assert_eq!(deficit.is_met(), met, "{}", context());
    assert_eq!(!deficit.vetoed_by.is_empty(), vetoed, "{}", context());
    assert_eq!(!deficit.veto_unused.is_empty(), oracle.may_still_veto(), "{}", context());
    let verdict = |over| match assessment.ending(kind, Stage::First, None, Leave::Given, over) {
        Some(Ending::Decided(verdict)) => Some(verdict),
        None => None,
        further => panic!("{further:?}"),
    };
    let expected = match (met, vetoed) {
        (_, true) => Verdict::Failed,
        (true, false) => Verdict::Agreed,
        (false, false) => Verdict::Expired,
    };
    assert_eq!(verdict(true), Some(expected), "{}", context());
    // Before the end: whatever those that are silent say, be it no, it stays agreed.
    let early = verdict(false) == Some(Verdict::Agreed);
    assert!(early || verdict(false).is_none(), "{}", context());
    let counted =
        said.iter().enumerate().filter_map(|(who, said)| said.map(|(role, stance)| (who, role, stance)));
    let names = (0..said.len()).map(name).collect::<Vec<_>>();
    let settled = is_settled(kind, counted.map(|(who, role, stance)| (&names[who], role, stance)));
    assert_eq!(settled, early, "{}", context());
    let mut worst = said.clone();
    for who in 0..said.len() {
        if let (None, Some(role)) = (said[who], voices[who].first()) {
            worst[who] = Some((*role, Object));
        }
    }
    let stays = Oracle { kind, said: &worst }.met();
    let quorum = kind.rule.quorum == 0 || met;
    let may = met && stays && quorum && !vetoed && !oracle.may_still_veto();
    assert!(!early || may, "{}", context());
    assert!(!single || early == may, "{}", context());
    // The deficit is exact.
    let endorses = |who: &usize| said[*who].is_some_and(|(_, stance)| stance == Endorse);
    let reaches = |base: &Said| extensions(base, &voices).iter().any(|said| Oracle { kind, said }.met());
    let mut base = said.clone();
    if !reaches(&base) {
        (0..said.len())
            .filter(endorses)
            .filter(|who| voices[*who].len() > 1)
            .for_each(|who| base[who] = None);
        if !reaches(&base) {
            return;
        }
    }
    for more in extensions(&base, &voices) {
        let met = Oracle { kind, said: &more }.met();
        assert_eq!(is_filled(kind, deficit, &more), met, "{more:?}\n{}", context());
    }
    assert!(deficit.is_met() || deficit.to_string().starts_with("needs "), "{}", context());
}

#[test]
fn every_word_of_up_to_five_partners_gives_the_verdict_of_the_oracle_and_the_exact_deficit() {
    let mut rng = Rng::new(5);
    for n in 1..=5 {
        for _ in 0..30 {
            let kind = random_kind(&mut rng, n, true);
            let voices =
                (0..n).map(|who| Oracle { kind: &kind, said: &vec![] }.voices(who)).collect::<Vec<_>>();
            for said in assignments(&mut rng, &voices, 1024) {
                check(&kind, &said, true);
            }
        }
    }
}

#[test]
fn partners_with_several_roles_have_one_voice_and_the_deficit_stays_exact() {
    let mut rng = Rng::new(6);
    for n in 2..=4 {
        for _ in 0..60 {
            let kind = random_kind(&mut rng, n, false);
            let voices =
                (0..n).map(|who| Oracle { kind: &kind, said: &vec![] }.voices(who)).collect::<Vec<_>>();
            for said in assignments(&mut rng, &voices, 150) {
                check(&kind, &said, false);
            }
        }
    }
}

fn terms(text: &str) -> Terms {
    #[derive(Deserialize)]
    struct File {
        all_of: Terms,
    }
    toml::from_str::<File>(text).expect("terms").all_of
}

fn said(words: &[(usize, Role, Stance)]) -> Said {
    let mut said = vec![None; NAMES.len()];
    words.iter().for_each(|(who, role, stance)| said[*who] = Some((*role, *stance)));
    said
}

#[test]
fn deficits_read_like_sentences() {
    let plain = |all_of: &str| OutcomeRule { all_of: terms(all_of), ..OutcomeRule::default() };
    let weighted = OutcomeRule {
        weights: vec![Weight { partner: name(1), weight: 2 }],
        ..plain("all_of = [{ role = \"supporting\", weight = 3 }]")
    };
    let stood_in = OutcomeRule {
        required: vec![Lead],
        substitutes: vec![Substitute { role: Lead, partner: name(0), by: vec![name(4)] }],
        ..OutcomeRule::default()
    };
    let either = plain(
        "all_of = [{ role = \"lead\", count = 1 }, { any_of = [{ role = \"host\", count = 1 }, \
         { role = \"supporting\", count = 2 }] }]",
    );
    let share = plain("all_of = [{ role = \"supporting\", percent = 60 }]");
    let quorum = OutcomeRule { required: vec![Lead], quorum: 3, ..OutcomeRule::default() };
    let named = plain("all_of = [{ partners = [\"carol\"], count = 1 }]");
    for (rule, words, expected) in [
        (weighted.clone(), vec![], "needs weight 3 more of supporting: bravo and carol, or bravo and delta"),
        (
            weighted,
            vec![(1, Supporting, Object), (2, Supporting, Endorse)],
            "needs weight 2 more of supporting: bravo (objects)",
        ),
        (stood_in.clone(), vec![], "needs lead: alfa (or echo in its place)"),
        (stood_in.clone(), vec![(0, Lead, Object)], "needs lead: alfa (objects)"),
        (stood_in.clone(), vec![(0, Lead, Abstain)], "needs lead: alfa (abstains, or echo in its place)"),
        (stood_in, vec![(4, Lead, Endorse)], "alfa may still speak until the window ends"),
        (
            either.clone(),
            vec![],
            "needs lead: alfa; needs either host: delta, or 2 of supporting: bravo, carol or delta",
        ),
        (
            either,
            vec![(0, Lead, Endorse), (1, Supporting, Endorse)],
            "needs either host: delta, or 1 more of supporting: carol or delta",
        ),
        (
            share.clone(),
            vec![(1, Supporting, Object), (2, Supporting, Endorse)],
            "needs 60 % of those present of supporting: bravo (objects), or delta",
        ),
        (share, vec![(1, Supporting, Endorse)], "carol or delta may still speak until the window ends"),
        (quorum, vec![(0, Lead, Endorse)], "needs 2 more to say something: bravo, carol or delta"),
        (named, vec![], "needs carol"),
    ] {
        let kind = kind(&[0], &[1, 2, 3], &[3], rule);
        let assessment = Assessment::of(&kind, standing(&said(&words)));
        assert_eq!(assessment.deficit.to_string(), expected);
    }
}

#[test]
fn the_end_of_the_window_has_the_consequence_that_the_rule_declares() {
    let with = |fallback| {
        let rule = OutcomeRule {
            required: vec![Lead],
            veto: Veto { partners: vec![name(1)], roles: vec![] },
            fallback,
            ..OutcomeRule::default()
        };
        kind(&[0], &[1, 2], &[], rule)
    };
    let ending = |kind: &OperationType, words: &[(usize, Role, Stance)], stage, word| {
        Assessment::of(kind, standing(&said(words))).ending(kind, stage, word, Leave::Given, true)
    };
    let decided = |verdict| Some(Ending::Decided(verdict));
    let lesser = Lesser {
        limits: "one aircraft".into(),
        all_of: terms("all_of = [{ role = \"supporting\", count = 1 }]"),
    };
    let first = |fallback: &Fallback, words: &[(usize, Role, Stance)]| {
        ending(&with(fallback.clone()), words, Stage::First, None)
    };
    for fallback in
        [Fallback::Fail, Fallback::Defer, Fallback::Escalate(name(2)), Fallback::Lesser(lesser.clone())]
    {
        // A veto that stands is no matter for a fallback, and what is met needs none.
        assert_eq!(first(&fallback, &[(1, Supporting, Object)]), decided(Verdict::Failed));
        assert_eq!(first(&fallback, &[(0, Lead, Endorse)]), decided(Verdict::Agreed));
    }
    assert_eq!(first(&Fallback::Fail, &[]), decided(Verdict::Expired));
    assert_eq!(first(&Fallback::Defer, &[]), Some(Ending::Further(Stage::Deferred)));
    assert_eq!(ending(&with(Fallback::Defer), &[], Stage::Deferred, None), decided(Verdict::Expired));
    let lesser = Fallback::Lesser(lesser);
    assert_eq!(first(&lesser, &[]), decided(Verdict::Expired));
    assert_eq!(first(&lesser, &[(2, Supporting, Endorse)]), decided(Verdict::Limited));
    let escalate = Fallback::Escalate(name(2));
    assert_eq!(first(&escalate, &[]), Some(Ending::Further(Stage::Escalated)));
    for (word, verdict) in [
        (Some(Endorse), Verdict::Agreed),
        (Some(Object), Verdict::Failed),
        (Some(Abstain), Verdict::Expired),
        (None, Verdict::Expired),
    ] {
        assert_eq!(ending(&with(escalate.clone()), &[], Stage::Escalated, word), decided(verdict));
    }
}
