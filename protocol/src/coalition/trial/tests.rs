//! What drafts answer.

use super::*;
use crate::authority::Authority;
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
fn words_of_authorities_are_tried_by_the_declared_precedence() {
    let mut draft = charter(&FOUR);
    draft.authority.precedence = Some(crate::authority::KindPrecedence::default());
    let command = Authority {
        name: "command".parse().expect("a name"),
        kind: crate::authority::AuthorityKind::Coalition,
        scope: crate::authority::Scope::default(),
        expression: draft.partners[0].root.into(),
    };
    draft.authority.authorities.push(command);
    let airlift = draft.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift");
    airlift.expect("declared").authority = Some("command".parse().expect("a name"));
    let with = |words: &[(&str, Option<Word>)]| {
        let words = words.iter().map(|(name, word)| WordLine {
            authority: name.parse().expect("a name"),
            word: *word,
            ground: None,
        });
        trial(&draft, &Script { words: words.collect(), ..script(&[], &[]) }).expect("tried")
    };
    assert_eq!(with(&[]).verdict, End::Decided(Verdict::Agreed));
    assert_eq!(with(&[("command", None)]).verdict, End::Decided(Verdict::Expired));
    let refused = with(&[("sudria", Some(Word::Refuse)), ("command", Some(Word::Order))]);
    assert_eq!(refused.verdict, End::Decided(Verdict::Failed));
    assert!(refused.explanation[0].contains("refused by sudria; command is overruled"), "{refused:?}");
    let unknown = with(&[("league", Some(Word::Refuse))]);
    assert!(unknown.steps[1].what.contains("there is no authority league"), "{unknown:?}");
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
    let word =
        WordLine { authority: "sudria".parse().expect("a name"), word: Some(Word::Refuse), ground: None };
    let word = refused(&Script { words: vec![word], ..script(&["sudria"], &[]) });
    assert_eq!(word, "sudria is absent, so it cannot say refuse");
}
