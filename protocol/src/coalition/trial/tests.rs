//! What drafts answer.

use super::*;
use crate::authority::{Authority, AuthorityKind, Expression, KindPrecedence, Scope};
use crate::charter::{Substitute, Veto};
use crate::founding::fixture::{FOUR, charter, name};

fn script(absent: &[&str], says: &[(&str, Stance)]) -> Script {
    Script {
        kind: Some("airlift".parse().expect("a name")),
        absent: absent.iter().map(|partner| name(partner)).collect(),
        say: says
            .iter()
            .map(|(partner, stance)| Line {
                partner: name(partner),
                stance: *stance,
                role: None,
                caveat: None,
                later: false,
            })
            .collect(),
        ..Script::default()
    }
}

#[test]
fn a_draft_answers_what_happens_if_one_is_absent_and_the_host_objects() {
    let draft = charter(&FOUR);
    let all = trial(&draft, &script(&[], &[])).expect("tried");
    assert_eq!((all.verdict, all.after_ms), (End::Decided(Verdict::Agreed), 0));
    let absent = trial(&draft, &script(&["sudria"], &[])).expect("tried");
    assert_eq!((absent.verdict, absent.after_ms), (End::Decided(Verdict::Expired), 6 * 3_600_000));
    assert_eq!(absent.deficit, "needs 1 more of supporting: sudria");
    let vetoed = trial(&draft, &script(&["sudria"], &[("norden", Stance::Object)])).expect("tried");
    assert_eq!(vetoed.verdict, End::Decided(Verdict::Failed));
    assert!(vetoed.deficit.contains("blocked by veto of norden"), "{}", vetoed.deficit);
    assert_eq!(vetoed.steps.last().map(|step| step.what.as_str()), Some("the window ends"));
    // The draft's own keys play no part.
    let mut other = draft.clone();
    other.partners.iter_mut().for_each(|partner| partner.seat = partner.root);
    assert_eq!(trial(&other, &script(&[], &[])), Ok(all));
}

#[test]
fn who_may_stand_in_for_the_absent_does_and_what_would_be_said_later_is_told() {
    let mut draft = charter(&FOUR);
    let kind = &mut draft.operations[0];
    assert_eq!(kind.name.as_str(), "airlift");
    kind.rule.required = vec![Role::Lead];
    kind.rule.at_least[0].count = 1;
    kind.rule.substitutes =
        vec![Substitute { role: Role::Lead, partner: name("norden"), by: vec![name("sudria")] }];
    kind.rule.veto = Veto::default();
    draft.sort();
    let tried =
        trial(&draft, &Script { by: Some(name("sudria")), ..script(&["norden"], &[]) }).expect("tried");
    assert_eq!(tried.verdict, End::Decided(Verdict::Agreed), "{tried:?}");
    assert!(!tried.deficit.contains("may still speak"), "{}", tried.deficit);
    // Nothing is left open, so there is no further window.
    let later =
        Line { partner: name("sudria"), stance: Stance::Object, role: None, caveat: None, later: true };
    let tried = trial(&draft, &Script { say: vec![later], ..script(&[], &[]) }).expect("tried");
    let last = tried.steps.last().map(|step| step.what.as_str());
    assert_eq!(last, Some("there is no further window: what sudria would say later is not said"));
}

/// States the authority `command` of the coalition, and that kinds prevail by the default.
fn command(draft: &mut Charter, expression: Expression) {
    draft.authority.precedence = Some(KindPrecedence::default());
    draft.authority.authorities.push(Authority {
        name: "command".parse().expect("a name"),
        kind: AuthorityKind::Coalition,
        scope: Scope::default(),
        expression,
    });
}

#[test]
fn words_of_authorities_are_tried_by_the_declared_precedence() {
    let mut draft = charter(&FOUR);
    let root = draft.partners[0].root.into();
    command(&mut draft, root);
    let airlift = draft.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift");
    airlift.expect("declared").authority = Some("command".parse().expect("a name"));
    let with = |words: &[(&str, Option<Word>)]| {
        let words = words.iter().map(|(name, word)| WordLine {
            authority: name.parse().expect("a name"),
            word: *word,
            ground: None,
            later: false,
        });
        trial(&draft, &Script { words: words.collect(), ..script(&[], &[]) }).expect("tried")
    };
    assert_eq!(with(&[]).verdict, End::Decided(Verdict::Agreed));
    assert_eq!(with(&[("command", None)]).verdict, End::Decided(Verdict::Expired));
    let refused = with(&[("sudria", Some(Word::Refuse)), ("command", Some(Word::Order))]);
    assert_eq!(refused.verdict, End::Decided(Verdict::Failed));
    assert!(refused.explanation[0].contains("refused by sudria; command is overruled"), "{refused:?}");
    assert!(refused.deficit.contains("refused by sudria; command is overruled"), "{refused:?}");
    let unknown = with(&[("league", Some(Word::Refuse))]);
    assert!(unknown.steps[1].what.contains("there is no authority league"), "{unknown:?}");
}

#[test]
fn what_an_authority_lacks_and_what_a_nation_takes_home_is_told() {
    let mut draft = charter(&FOUR);
    let roots = ["norden", "sudria"].map(|it| draft.partner(it).expect("a partner").root.into());
    command(&mut draft, Expression::threshold(2, roots.to_vec(), &[]).expect("sound"));
    let airlift = draft.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift");
    airlift.expect("declared").authority = Some("command".parse().expect("a name"));
    let word = |authority: &str, word| WordLine {
        authority: authority.parse().expect("a name"),
        word,
        ground: Some("no crews".into()),
        later: false,
    };
    let silent = Script { words: vec![word("command", None)], ..script(&[], &[]) };
    let silent = trial(&draft, &silent).expect("tried");
    assert_eq!(silent.deficit, "waits for command, which needs 2 of (norden, sudria)");
    assert!(silent.explanation[0].contains("command needs 2 of (norden, sudria)"), "{silent:?}");
    let refused = Script { words: vec![word("command", Some(Word::Refuse))], ..script(&[], &[]) };
    let refused = trial(&draft, &refused).expect("tried");
    assert_eq!(refused.deficit, "refused by command");
    // Where no authority is needed a nation still takes home what is its own.
    let own = Script { words: vec![word("norden", Some(Word::Refuse))], ..script(&[], &[]) };
    let own = trial(&charter(&FOUR), &own).expect("tried");
    assert_eq!(own.verdict, End::Decided(Verdict::Agreed));
    assert_eq!(own.steps[1].what, "norden refuses it; what it lent to it goes home");
    let told = own.explanation.last().expect("told");
    assert!(
        told.starts_with("norden keeps its own out of it: the assets that it lent to it go home"),
        "{told}"
    );
}

#[test]
fn changes_of_membership_are_tried_without_the_voice_of_whom_they_concern() {
    let draft = charter(&FOUR);
    let about = |kind: &str, about: Option<&str>, absent: &[&str]| {
        let about = about.map(name);
        trial(&draft, &Script { kind: Some(kind.parse().expect("a name")), about, ..script(absent, &[]) })
    };
    let suspended = about("suspension", Some("sudria"), &[]).expect("tried");
    assert_eq!(suspended.verdict, End::Decided(Verdict::Agreed));
    assert_eq!(suspended.steps[0].what, "estmark proposes to suspend sudria");
    assert!(suspended.steps.iter().all(|step| !step.what.starts_with("sudria")), "{suspended:?}");
    let back = about("reinstatement", Some("sudria"), &["vigil"]).expect("tried");
    assert_eq!(back.verdict, End::Decided(Verdict::Agreed));
    let expelled = about("expulsion", Some("sudria"), &["vigil"]).expect("tried");
    assert_eq!(expelled.verdict, End::Decided(Verdict::Expired));
    assert_eq!(
        about("suspension", None, &[]).expect_err("about nobody").to_string(),
        "about whom? suspension is there to suspend a partner"
    );
    let ordinary = about("airlift", Some("sudria"), &[]).expect_err("about somebody").to_string();
    assert_eq!(ordinary, "airlift decides on nobody's membership, so it cannot be about sudria");
    let amends = about("amendment", None, &[]).expect_err("an amendment").to_string();
    assert!(amends.starts_with("amendment amends the charter"), "{amends}");
    let typo = about("airlfit", None, &[]).expect_err("a typo").to_string();
    assert_eq!(
        typo,
        "no type airlfit; there are: airlift, amendment, closure, expulsion, reinstatement, suspension"
    );
}

#[test]
fn what_cannot_be_tried_is_told_with_its_reason() {
    let draft = charter(&FOUR);
    let unnamed = Script::default();
    assert_eq!(trial(&draft, &unnamed), Err(TrialError::Kind("airlift, closure".into())));
    assert_eq!(trial(&draft, &script(&["borland"], &[])), Err(TrialError::Stranger(name("borland"))));
    let by_observer = Script { by: Some(name("vigil")), ..script(&[], &[]) };
    assert!(matches!(trial(&draft, &by_observer), Err(TrialError::Opening(_))));
    let mut never = draft;
    never.operations.iter_mut().for_each(|kind| kind.rule.quorum = 9);
    assert!(matches!(trial(&never, &script(&[], &[])), Err(TrialError::Founding(_))));
}

#[test]
fn without_a_quorum_of_seats_nothing_is_ordered_until_enough_return() {
    let draft = charter(&["norden", "sudria", "estmark"]);
    let closure = |absent: &[&str]| Script {
        kind: Some("closure".parse().expect("a name")),
        by: Some(name("norden")),
        ..script(absent, &[])
    };
    let held = trial(&draft, &closure(&["sudria"])).expect("tried");
    assert_eq!((held.verdict, held.after_ms), (End::Held, 0));
    assert_eq!(held.explanation[0], "nothing is ordered until 1 more seat answers: sudria");
    assert_eq!(held.deficit, "needs 1 more seat: sudria");
    assert!(held.steps[1].what.contains("2 of 3 seats answer, and agreement needs 3"), "{held:?}");
    let back = Script { returns: vec![name("sudria")], ..closure(&["sudria"]) };
    let back = trial(&draft, &back).expect("tried");
    assert_eq!((back.verdict, back.after_ms), (End::Decided(Verdict::Agreed), 0));
    assert!(back.steps[2].what.starts_with("sudria returns: what is held is ordered"), "{back:?}");
    // One of the two that are missing is not enough.
    let one = Script { returns: vec![name("sudria")], ..closure(&["estmark", "sudria"]) };
    let one = trial(&draft, &one).expect("tried");
    assert_eq!((one.verdict, one.deficit.as_str()), (End::Held, "needs 1 more seat: estmark"));
    // One of four may be away, and of two that are missing one is enough.
    let four = charter(&FOUR);
    assert_eq!(trial(&four, &closure(&["vigil"])).expect("tried").verdict, End::Decided(Verdict::Agreed));
    let two = trial(&four, &closure(&["vigil", "sudria"])).expect("tried");
    assert_eq!(two.explanation[0], "nothing is ordered until 1 more seat answers, of sudria and vigil");
    // Who is back when it is ordered says its word in the first window.
    let objects =
        Line { partner: name("sudria"), stance: Stance::Object, role: None, caveat: None, later: true };
    let objects = trial(&four, &Script { say: vec![objects], ..script(&["vigil", "sudria"], &[]) });
    let objects = objects.expect("tried");
    assert!(objects.steps.iter().any(|step| step.what == "sudria says object as supporting"), "{objects:?}");
}

#[test]
fn a_nation_that_is_absent_comes_back_to_speak_and_says_nothing_else() {
    let draft = charter(&FOUR);
    let word = |later| WordLine {
        authority: "sudria".parse().expect("a name"),
        word: Some(Word::Refuse),
        ground: None,
        later,
    };
    // Too few seats answer until it is there.
    let away = Script { words: vec![word(true)], ..script(&["vigil", "sudria"], &[]) };
    let tried = trial(&draft, &away).expect("tried");
    let steps = tried.steps.iter().map(|step| step.what.as_str()).collect::<Vec<_>>();
    assert!(
        steps.iter().any(|step| step.starts_with("sudria returns: what is held is ordered")),
        "{steps:?}"
    );
    assert!(steps.iter().any(|step| step.starts_with("sudria refuses it")), "{steps:?}");
    assert!(steps.iter().all(|step| !step.starts_with("sudria says")), "{steps:?}");
    // Named as one that returns it endorses as well.
    let both = Script { returns: vec![name("sudria")], ..away };
    let both = trial(&draft, &both).expect("tried");
    assert!(both.steps.iter().any(|step| step.what.starts_with("sudria says endorse")), "{both:?}");
}

#[test]
fn what_contradicts_itself_is_not_tried() {
    let draft = charter(&FOUR);
    let refused = |script: &Script| match trial(&draft, script) {
        Err(TrialError::Contradiction(why)) => why,
        other => panic!("tried: {other:?}"),
    };
    let says = refused(&script(&["norden"], &[("norden", Stance::Endorse)]));
    assert!(says.starts_with("norden is absent, so it cannot say endorse"), "{says}");
    let opens = refused(&Script { by: Some(name("norden")), ..script(&["norden"], &[]) });
    assert_eq!(opens, "norden is absent, so it cannot open anything");
    let returns = refused(&Script { returns: vec![name("sudria")], ..script(&[], &[]) });
    assert_eq!(returns, "sudria is not absent, so it cannot return");
    let word = WordLine {
        authority: "sudria".parse().expect("a name"),
        word: Some(Word::Refuse),
        ground: None,
        later: false,
    };
    let word = refused(&Script { words: vec![word], ..script(&["sudria"], &[]) });
    assert_eq!(word, "sudria is absent, so it cannot say refuse");
}

#[test]
fn what_is_escalated_is_decided_by_what_the_authority_says_in_the_further_window() {
    let mut draft = charter(&FOUR);
    let roots = ["norden", "estmark"].map(|it| draft.partner(it).expect("a partner").root.into());
    command(&mut draft, Expression::threshold(2, roots.to_vec(), &[]).expect("sound"));
    let airlift = draft.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared");
    airlift.rule.fallback = crate::charter::Fallback::Authority("command".parse().expect("a name"));
    let with = |words: &[(Word, bool)]| {
        let words = words.iter().map(|(word, later)| WordLine {
            authority: "command".parse().expect("a name"),
            word: Some(*word),
            ground: Some("the road is closed".into()),
            later: *later,
        });
        let script = Script { words: words.collect(), ..script(&["sudria"], &[]) };
        let trial = trial(&draft, &script).expect("tried");
        (trial.verdict, trial.after_ms / 3_600_000, trial)
    };
    let (verdict, hours, silent) = with(&[]);
    assert_eq!((verdict, hours), (End::Decided(Verdict::Expired), 12), "{silent:?}");
    assert!(
        silent.steps.iter().any(|step| step.what.contains("what the authority command says decides")),
        "{silent:?}"
    );
    for (word, verdict) in [(Word::Order, Verdict::Agreed), (Word::Refuse, Verdict::Failed)] {
        let (decided, hours, later) = with(&[(word, true)]);
        assert_eq!((decided, hours), (End::Decided(verdict), 6), "{later:?}");
        let (decided, hours, before) = with(&[(word, false)]);
        assert_eq!((decided, hours), (End::Decided(verdict), 6), "{before:?}");
    }
    // It changes its mind.
    let (verdict, _, changed) = with(&[(Word::Refuse, true), (Word::Order, false)]);
    assert_eq!(verdict, End::Decided(Verdict::Agreed), "what it had said before decides: {changed:?}");
}
