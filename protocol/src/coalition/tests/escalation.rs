//! Operations whose rule is not met and that are escalated to an authority.

use super::authority::{authority, charter_with_command, speak, statement};
use super::*;
use crate::authority::Word;
use crate::charter::{Fallback, lint};
use crate::coalition::refusal::OperationRefusal;

/// An airlift that takes two that support it, or else what the command says; `needs` says whether it needs that anyway.
fn escalating(needs: bool) -> Charter {
    let mut charter = charter_with_command();
    let airlift = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("there");
    airlift.authority = airlift.authority.take().filter(|_| needs);
    let at_least = vec![AtLeast { role: Supporting, count: 2 }];
    let fallback = Fallback::Authority(authority("command"));
    airlift.rule = OutcomeRule { required: vec![Lead], at_least, fallback, ..OutcomeRule::default() };
    charter
}

impl Bench {
    fn escalating() -> Self {
        Self::new(found(escalating(false)))
    }

    /// `partner` says `word` for the command.
    fn commands(&mut self, partner: &str, operation: RecordId, word: Word) -> Applied {
        let number = u32::try_from(self.index).expect("few");
        let act = speak(statement(operation, "command", word, number));
        let signed = self.act(partner, &format!("command {}", self.index), act);
        self.apply(&signed)
    }

    /// Lets the window of an operation end.
    fn ends(&mut self, operation: RecordId) -> Advanced {
        let closes = self.state.operation(&operation).expect("known").closes;
        self.advance(closes)
    }

    fn escalated(&mut self) -> RecordId {
        let operation = self.open();
        self.say("norden", operation, Lead, Endorse);
        assert_eq!(self.ends(operation), Advanced::default());
        operation
    }
}

#[test]
fn what_the_authority_says_decides_what_its_rule_did_not() {
    for (word, verdict) in
        [(Word::Order, Verdict::Agreed), (Word::Permit, Verdict::Agreed), (Word::Refuse, Verdict::Failed)]
    {
        let mut bench = Bench::escalating();
        let operation = bench.escalated();
        let view = bench.state.view(&operation, bench.state.time()).expect("known");
        assert_eq!((view.status, view.stage), (Status::Open, Stage::Escalated));
        assert!(
            view.explanation.starts_with("escalated: what the authority command says decides until"),
            "{}",
            view.explanation
        );
        assert!(view.authority.expect("asked").text.contains("waits for command"));
        // Who attests now is told whose turn it is.
        let late = bench.word("estmark", operation, Supporting, Endorse);
        let to = authority("command");
        assert_eq!(bench.refusal(&late), OperationRefusal::ToAuthority { to }.into());
        assert_eq!(bench.commands("norden", operation, word).decisions, [], "it takes two");
        let decision = bench.commands("vigil", operation, word).decisions.remove(0);
        assert_eq!((decision.verdict, decision.stage, &decision.word), (verdict, Stage::Escalated, &None));
        assert!(decision.mandates.last().is_some_and(|it| it.stance().is_some()));
        let explained = decision.explain().join("; ");
        assert!(explained.contains("it was escalated, and what an authority says decides"), "{explained}");
        assert!(explained.contains("by command"), "{explained}");
        assert_eq!(Decision::decode(&decision.encode()).as_ref(), Ok(&decision));
        bench.assert_root();
    }
}

#[test]
fn an_authority_that_keeps_silent_lets_it_expire() {
    let mut bench = Bench::escalating();
    let operation = bench.escalated();
    bench.commands("norden", operation, Word::Order);
    let decision = bench.ends(operation).decisions.remove(0);
    assert_eq!((decision.verdict, decision.stage), (Verdict::Expired, Stage::Escalated));
    assert!(
        decision.explain()[1].contains("before whom it was escalated to decided it"),
        "{:?}",
        decision.explain()
    );
    bench.assert_root();
}

#[test]
fn an_authority_may_speak_before_it_is_asked_and_decides_nothing_until_then() {
    for (word, verdict) in [(Word::Order, Verdict::Agreed), (Word::Refuse, Verdict::Failed)] {
        let mut bench = Bench::escalating();
        let operation = bench.open();
        bench.commands("norden", operation, word);
        assert_eq!(bench.commands("sudria", operation, word).decisions, []);
        let decision = bench.ends(operation).decisions.remove(0);
        assert_eq!((decision.verdict, decision.stage), (verdict, Stage::Escalated));
        assert!(bench.state.deadlines().next().is_none());
        bench.assert_root();
        // Where the rule is met nobody is asked.
        let mut bench = Bench::escalating();
        let operation = bench.open();
        bench.commands("norden", operation, word);
        bench.commands("sudria", operation, word);
        bench.say("norden", operation, Lead, Endorse);
        bench.say("sudria", operation, Supporting, Endorse);
        let decision = bench.say("estmark", operation, Supporting, Endorse).decisions.remove(0);
        assert_eq!((decision.verdict, decision.stage), (Verdict::Agreed, Stage::First));
    }
}

#[test]
fn what_another_authority_withholds_has_the_further_window_too() {
    let two = || {
        let mut charter = escalating(true);
        let mut wing = charter.authority.authorities[0].clone();
        wing.name = authority("wing");
        charter.authority.authorities.push(wing);
        let airlift = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift");
        airlift.expect("there").authority = Some(authority("wing"));
        charter.sort();
        let mut bench = Bench::new(found(charter));
        let operation = bench.open();
        bench.say("norden", operation, Lead, Endorse);
        bench.commands("norden", operation, Word::Order);
        bench.commands("vigil", operation, Word::Order);
        assert_eq!(bench.ends(operation).decisions, [], "the wing has not spoken");
        (bench, operation)
    };
    let (mut bench, operation) = two();
    let number = u32::try_from(bench.index).expect("few");
    for partner in ["norden", "sudria"] {
        let act = speak(statement(operation, "wing", Word::Permit, number));
        let signed = bench.act(partner, &format!("wing {partner}"), act);
        bench.apply(&signed);
    }
    let decision = bench.state.operation(&operation).and_then(|it| it.decision.clone()).expect("decided");
    assert_eq!((decision.verdict, decision.stage), (Verdict::Agreed, Stage::Escalated));
    let (mut bench, operation) = two();
    let decision = bench.ends(operation).decisions.remove(0);
    assert_eq!(decision.verdict, Verdict::Expired);
    assert!(decision.explain()[1].contains("authority: waits for wing"), "{:?}", decision.explain());
}

#[test]
fn a_nation_that_goes_first_stops_what_the_authority_orders() {
    let mut bench = Bench::escalating();
    let operation = bench.escalated();
    let refuses = speak(statement(operation, "estmark", Word::Refuse, 1));
    let signed = bench.act("estmark", "refuses", refuses);
    let decision = bench.apply(&signed).decisions.remove(0);
    assert_eq!((decision.verdict, decision.stage), (Verdict::Failed, Stage::Escalated));
}

#[test]
fn who_has_a_voice_in_the_authority_finds_it_in_the_inbox() {
    let mut bench = Bench::escalating();
    let operation = bench.escalated();
    let waits = |bench: &Bench, partner: &str| {
        let inbox = bench.state.inbox(&name(partner), bench.state.time());
        let mut about = inbox.into_iter().filter(|it| it.about == Some(operation));
        about.next().map(|it| (it.what, it.why, it.authority))
    };
    let (what, why, authority) = waits(&bench, "sudria").expect("asked");
    assert_eq!((what, authority.as_ref().map(|it| it.as_str())), (Waits::Authorize, Some("command")));
    assert!(why.starts_with("escalated, and it alone decides"), "{why}");
    assert_eq!(waits(&bench, "estmark"), None);
    bench.commands("sudria", operation, Word::Order);
    assert_eq!(waits(&bench, "sudria"), None, "it has spoken");
    assert!(waits(&bench, "vigil").is_some());
}

#[test]
fn a_type_that_needs_one_authority_and_escalates_to_it_asks_once_and_states_both() {
    let mut bench = Bench::new(found(escalating(true)));
    let operation = bench.escalated();
    bench.commands("norden", operation, Word::Order);
    let decision = bench.commands("vigil", operation, Word::Order).decisions.remove(0);
    assert_eq!((decision.verdict, decision.mandates.len()), (Verdict::Agreed, 2));
}

#[test]
fn an_authority_that_cannot_decide_is_found_before_anybody_signs() {
    let lints = |change: &dyn Fn(&mut Charter)| {
        let mut charter = escalating(false);
        change(&mut charter);
        let lints = lint(&charter);
        let texts: Vec<String> = lints.iter().map(ToString::to_string).collect();
        texts.join("\n")
    };
    let good = lints(&|_| ());
    assert!(good.contains("airlift escalates to command"), "{good}");
    assert!(good.contains("what the authority command says decides it, within one further window"), "{good}");
    let unknown = lints(&|charter| {
        charter.operations.iter_mut().for_each(|kind| {
            if kind.name.as_str() == "airlift" {
                kind.rule.fallback = Fallback::Authority(authority("nobody"));
            }
        });
    });
    assert!(
        unknown.contains("airlift escalates to the authority nobody, and there is none of this name"),
        "{unknown}"
    );
    let undecided = lints(&|charter| charter.authority.precedence = None);
    assert!(undecided.contains("which kind of authority prevails is left undecided"), "{undecided}");
}
