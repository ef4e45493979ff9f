//! What authorities say decides by the declared precedence, and nobody speaks for an authority without a voice in it.

use super::assets::{contribute, declare};
use super::*;
use crate::authority::{
    AllianceDocument, AllianceReference, Authority, AuthorityKind, Expression, Extent, Follow,
    KindPrecedence, Scope, Signatures, SignedAlliance, Word,
};
use crate::charter::{AuthorityName, lint};
use crate::coalition::{AuthorityRefusal, MAX_WORDS_PER_PARTNER};
use crate::identity::SecretKey;
use crate::record::{AuthorityAct, Change, Control, MemberAct, Propose, Speak, Statement};

mod changes;
mod consents;
mod keys;

pub(super) fn authority(text: &str) -> AuthorityName {
    text.parse().expect("a name")
}

fn root(partner: &str) -> SecretKey {
    key(partner, "root")
}

/// `needs` of these names.
fn of(needs: u32, names: &[&str]) -> Expression {
    let names = names.iter().map(|name| Expression::Named(authority(name))).collect();
    Expression::threshold(needs, names, &[]).expect("sound")
}

/// The alliance of three partners of which two decide.
fn pact(version: u32, previous: Option<&AllianceDocument>, needs: u32) -> AllianceDocument {
    let parties = ["norden", "sudria", "estmark"];
    AllianceDocument {
        name: authority("pact"),
        version,
        previous: previous.map(AllianceDocument::hash),
        expression: of(needs, &parties),
        scope: Scope::default(),
        parties: parties.iter().map(|party| (authority(party), root(party).public())).collect(),
    }
}

fn signed(document: AllianceDocument) -> SignedAlliance {
    let mut signed = SignedAlliance::new(document);
    ["norden", "sudria", "estmark"].iter().for_each(|party| signed.sign(&root(party)));
    signed
}

const NATIONS_FIRST: [AuthorityKind; 3] =
    [AuthorityKind::National, AuthorityKind::Alliance, AuthorityKind::Coalition];
const COALITION_FIRST: [AuthorityKind; 3] =
    [AuthorityKind::Coalition, AuthorityKind::Alliance, AuthorityKind::National];

/// A charter in which an airlift needs `needed`; the pact, a command of two of all, and a ministry behind vigil.
fn with_authorities(needed: &str, precedence: [AuthorityKind; 3], follow: Follow) -> Charter {
    let mut charter = charter(&FOUR);
    let rules = &mut charter.authority;
    rules.precedence = KindPrecedence::new(precedence);
    rules.alliances = vec![AllianceReference::new(signed(pact(1, None, 2)), follow)];
    rules.authorities = vec![Authority {
        name: authority("command"),
        kind: AuthorityKind::Coalition,
        scope: Scope::default(),
        expression: of(2, &["norden", "sudria", "vigil"]),
    }];
    let airlift =
        charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared");
    airlift.authority = Some(authority(needed));
    charter.sort();
    charter
}

/// A charter in which an airlift needs the command, nations first.
pub(super) fn charter_with_command() -> Charter {
    let mut charter = with_authorities("command", NATIONS_FIRST, Follow::Pinned);
    charter.authority.alliances.clear();
    charter
}

pub(super) fn statement(operation: RecordId, name: &str, word: Word, number: u32) -> Statement {
    let ground = if word == Word::Order { "" } else { "no flights at night" };
    Statement { operation, authority: authority(name), word, ground: ground.into(), number }
}

pub(super) fn speak(statement: Statement) -> Act {
    Act::Authority(AuthorityAct::Speak(Speak { statement, signatures: Signatures::default() }))
}

impl Bench {
    fn authorities(needed: &str, precedence: [AuthorityKind; 3]) -> Self {
        Self::new(found(with_authorities(needed, precedence, Follow::AtOnce)))
    }

    /// An operation whose rule is met.
    fn endorsed_airlift(&mut self) -> RecordId {
        let operation = self.open();
        self.say("norden", operation, Lead, Endorse);
        self.say("sudria", operation, Supporting, Endorse);
        self.say("estmark", operation, Supporting, Endorse);
        operation
    }

    /// `partner` says `word` for an authority.
    fn speaks(&mut self, partner: &str, operation: RecordId, name: &str, word: Word) -> RecordId {
        let nonce = format!("{name}{}", self.index);
        // Later words have greater numbers.
        let number = u32::try_from(self.index).expect("few");
        self.does(partner, &nonce, speak(statement(operation, name, word, number)))
    }

    fn authority_refusal(&mut self, partner: &str, act: Act) -> AuthorityRefusal {
        let signed = self.act(partner, &format!("refused {}", self.index), act);
        match self.refusal(&signed) {
            Refusal::Authority(refusal) => refusal,
            other => panic!("{other}"),
        }
    }

    fn mandate(&self, operation: RecordId) -> String {
        let view = self.state.view(&operation, self.state.time()).expect("known");
        view.authority.expect("an authority is needed").text
    }

    fn publish(&mut self, document: &SignedAlliance) {
        let act = Act::Authority(AuthorityAct::Publish(Box::new(document.clone())));
        self.does("vigil", &format!("publish {}", document.alliance.version), act);
    }

    fn copy(&self) -> State {
        let items = self.state.items().iter().map(|item| item.encode()).collect::<Vec<_>>();
        let founded = Arc::new(self.founded.clone());
        State::of_items(&founded, items.iter().map(Vec::as_slice), &self.state.root()).expect("items")
    }
}

#[test]
fn an_operation_waits_for_the_authority_that_its_type_needs() {
    let mut bench = Bench::authorities("pact", NATIONS_FIRST);
    let operation = bench.endorsed_airlift();
    // The host has a veto that is used up by its endorsement, so the rule alone would have agreed.
    assert_eq!(bench.verdict(operation), None);
    assert_eq!(
        bench.mandate(operation),
        "authority: waits for pact; pact needs two more of estmark, norden, sudria"
    );
    bench.speaks("sudria", operation, "pact", Word::Order);
    assert_eq!(bench.mandate(operation), "authority: waits for pact; pact needs one more of estmark, norden");
    assert_eq!(bench.verdict(operation), None);
    bench.speaks("norden", operation, "pact", Word::Order);
    assert_eq!(bench.verdict(operation), Some(Verdict::Agreed));
    let decision = bench.state.operation(&operation).and_then(|it| it.decision.clone()).expect("decided");
    assert_eq!(decision.reason(), "every requirement is met; authority: allowed by pact");
    assert!(decision.explain().contains(&"pact (alliance) orders it".to_owned()), "{:?}", decision.explain());
    assert_eq!(bench.copy().root(), bench.state.root());
    let story = bench.state.story(&operation, bench.state.time()).expect("known");
    let spoken = story.events.iter().filter(|event| event.what == StoryWord::Spoken).collect::<Vec<_>>();
    assert_eq!(spoken.len(), 2);
    assert_eq!(
        (spoken[0].text.as_str(), &spoken[0].under),
        ("for pact: orders it", &vec![authority("pact")])
    );
    let decided = story.events.iter().find(|event| event.what == StoryWord::Decided).expect("decided");
    assert_eq!(decided.under, vec![authority("pact")]);
}

#[test]
fn a_nation_that_refuses_stops_it_where_nations_prevail_and_keeps_its_own_out_everywhere() {
    for (precedence, verdict, says) in [
        (
            NATIONS_FIRST,
            Verdict::Failed,
            "authority: refused by vigil; pact is overruled; vigil keeps its own out of it",
        ),
        (
            COALITION_FIRST,
            Verdict::Agreed,
            "authority: allowed by pact; vigil is overruled; vigil keeps its own out of it",
        ),
    ] {
        let mut bench = Bench::authorities("pact", precedence);
        let asset = bench.does("vigil", "asset", declare("radar"));
        let other = bench.does("sudria", "asset", declare("lift"));
        let operation = bench.open();
        bench.say("norden", operation, Lead, Endorse);
        bench.say("sudria", operation, Supporting, Endorse);
        let by =
            |bench: &Bench, id| bench.state.asset_view(bench.state.asset(&id).expect("declared")).operation;
        bench.does("sudria", "lend", contribute(other, operation, Control::Owner));
        // vigil observes, so it lends nothing; what it could is with its owner.
        let refused = bench.act("vigil", "lend", contribute(asset, operation, Control::Owner));
        assert!(matches!(bench.refusal(&refused), Refusal::Asset(_)));
        bench.speaks("norden", operation, "pact", Word::Order);
        bench.speaks("estmark", operation, "pact", Word::Permit);
        bench.speaks("vigil", operation, "vigil", Word::Refuse);
        bench.speaks("sudria", operation, "pact", Word::Order);
        bench.say("estmark", operation, Supporting, Endorse);
        assert_eq!(by(&bench, other), Some(operation));
        if verdict == Verdict::Failed {
            assert_eq!(bench.verdict(operation), None, "words may change until the window ends");
            bench.advance(bench.state.time().plus(6 * HOUR_MS));
        }
        assert_eq!(bench.verdict(operation), Some(verdict));
        assert_eq!(bench.mandate(operation), says);
        bench.assert_root();
    }
}

#[test]
fn a_nation_recalls_what_it_lent_with_its_word_also_after_the_decision() {
    let mut bench = Bench::authorities("pact", COALITION_FIRST);
    let asset = bench.does("sudria", "asset", declare("lift"));
    let operation = bench.endorsed_airlift();
    bench.does("sudria", "lend", contribute(asset, operation, Control::Lead(vec![name("norden")])));
    bench.speaks("norden", operation, "pact", Word::Order);
    bench.speaks("estmark", operation, "pact", Word::Order);
    assert_eq!(bench.verdict(operation), Some(Verdict::Agreed));
    for word in [Word::Order, Word::Permit, Word::Refuse] {
        let refused = bench.authority_refusal("sudria", speak(statement(operation, "sudria", word, 1)));
        assert!(matches!(refused, AuthorityRefusal::Decided { .. }), "{refused}");
    }
    let record = bench.speaks("sudria", operation, "sudria", Word::Recall);
    let view = bench.state.asset_view(bench.state.asset(&asset).expect("declared"));
    assert_eq!((view.operation, view.ground.as_deref()), (None, Some("no flights at night")));
    assert_eq!(view.controller, name("sudria"));
    let story = bench.state.story(&operation, bench.state.time()).expect("known");
    let last = story.events.iter().rev().take(2).collect::<Vec<_>>();
    assert!(last.iter().all(|event| event.record == Some(record)), "{last:?}");
    assert_eq!(bench.verdict(operation), Some(Verdict::Agreed), "what was agreed is not undone");
    // Nobody recalls for others, and an alliance owns nothing.
    let refused = bench.authority_refusal("norden", speak(statement(operation, "sudria", Word::Recall, 1)));
    assert!(matches!(refused, AuthorityRefusal::NoVoice { .. }), "{refused}");
    let refused = bench.authority_refusal("norden", speak(statement(operation, "pact", Word::Recall, 1)));
    assert!(matches!(refused, AuthorityRefusal::NotANation { .. }), "{refused}");
}

#[test]
fn each_voice_counts_with_its_latest_word() {
    let mut bench = Bench::authorities("command", NATIONS_FIRST);
    let operation = bench.endorsed_airlift();
    bench.speaks("norden", operation, "command", Word::Refuse);
    bench.speaks("norden", operation, "command", Word::Order);
    bench.speaks("vigil", operation, "command", Word::Permit);
    assert_eq!(
        bench.mandate(operation),
        "authority: waits for command; command needs one word: some order and some permit"
    );
    bench.speaks("vigil", operation, "command", Word::Order);
    assert_eq!(bench.verdict(operation), Some(Verdict::Agreed));

    let mut bench = Bench::authorities("command", NATIONS_FIRST);
    let operation = bench.endorsed_airlift();
    for partner in ["norden", "vigil"] {
        bench.speaks(partner, operation, "command", Word::Refuse);
    }
    assert!(
        bench.mandate(operation).starts_with("authority: refused by command"),
        "{}",
        bench.mandate(operation)
    );
    bench.speaks("vigil", operation, "command", Word::Permit);
    bench.speaks("sudria", operation, "command", Word::Permit);
    assert_eq!(bench.verdict(operation), Some(Verdict::Agreed));
}

#[test]
fn keys_that_are_kept_off_line_speak_through_whoever_carries_it() {
    let mut bench = Bench::authorities("pact", NATIONS_FIRST);
    let operation = bench.endorsed_airlift();
    let coalition = bench.founded.coalition();
    let carried = |word, number, keys: &[&str]| {
        let statement = statement(operation, "pact", word, number);
        let mut signatures = Signatures::default();
        keys.iter().for_each(|partner| statement.sign(coalition, &root(partner), &mut signatures));
        Speak { statement, signatures }
    };
    let act = |speak| Act::Authority(AuthorityAct::Speak(speak));
    let refused = bench.authority_refusal("vigil", act(carried(Word::Order, 1, &["vigil"])));
    assert!(matches!(refused, AuthorityRefusal::Stranger { .. }), "{refused}");
    let mut forged = carried(Word::Order, 1, &["norden", "sudria"]);
    forged.statement.word = Word::Permit;
    let refused = bench.authority_refusal("vigil", act(forged));
    assert!(matches!(refused, AuthorityRefusal::Signatures { .. }), "{refused}");
    // norden carries what sudria signed: that is one voice, not two.
    bench.does("norden", "1", act(carried(Word::Order, 1, &["sudria"])));
    assert_eq!(bench.verdict(operation), None);
    bench.does("norden", "2", act(carried(Word::Refuse, 2, &["sudria"])));
    let again = bench.authority_refusal("vigil", act(carried(Word::Order, 1, &["sudria"])));
    assert!(matches!(again, AuthorityRefusal::Number { last: 2, .. }), "{again}");
    bench.does("vigil", "3", act(carried(Word::Order, 3, &["sudria", "estmark"])));
    assert_eq!(bench.verdict(operation), Some(Verdict::Agreed));
}

#[test]
fn what_says_nothing_is_refused_with_its_reason() {
    let mut bench = Bench::authorities("pact", NATIONS_FIRST);
    let operation = bench.open();
    let refused = bench.authority_refusal("vigil", speak(statement(operation, "pact", Word::Order, 1)));
    assert_eq!(
        refused.to_string(),
        "vigil has no voice in pact, and no signature of one who has comes with it"
    );
    let refused = bench.authority_refusal("vigil", speak(statement(operation, "league", Word::Order, 1)));
    assert_eq!(
        refused.to_string(),
        "there is no authority league; there are: command, estmark, norden, pact, sudria and vigil"
    );
    let silent = Statement { ground: String::new(), ..statement(operation, "norden", Word::Refuse, 1) };
    let refused = bench.authority_refusal("norden", speak(silent));
    assert_eq!(refused, AuthorityRefusal::NoGround { word: Word::Refuse });
    for _ in 0..MAX_WORDS_PER_PARTNER {
        bench.speaks("norden", operation, "norden", Word::Permit);
    }
    let refused = bench.authority_refusal("norden", speak(statement(operation, "norden", Word::Permit, 99)));
    assert!(matches!(refused, AuthorityRefusal::TooMany { .. }), "{refused}");
    // Without an authority that is needed, a nation alone has something to say.
    let mut bench = Bench::four();
    let operation = bench.open();
    let refused = bench.authority_refusal("norden", speak(statement(operation, "norden", Word::Order, 1)));
    assert!(matches!(refused, AuthorityRefusal::NotNeeded { .. }), "{refused}");
    bench.speaks("sudria", operation, "sudria", Word::Refuse);
    let text = bench.mandate(operation);
    assert_eq!(text, "sudria (national) refuses it: no flights at night");
    bench.advance(bench.state.time().plus(6 * HOUR_MS));
    let refused = bench.authority_refusal("sudria", speak(statement(operation, "sudria", Word::Recall, 1)));
    assert!(matches!(refused, AuthorityRefusal::Over { .. }), "{refused}");
}

#[test]
fn a_word_waits_for_its_operation() {
    let mut bench = Bench::authorities("pact", NATIONS_FIRST);
    let opening = open(&bench.founded, "norden", "later");
    let word = bench.act("norden", "w", speak(statement(opening.record.id(), "pact", Word::Order, 1)));
    assert!(matches!(bench.apply(&word).disposition, Disposition::Parked { .. }));
    assert_eq!(bench.apply(&opening).released.len(), 1);
    assert_eq!(bench.state.voices(&opening.record.id()).count(), 1);
    bench.assert_root();
    // What is held is seen in the provisional view.
    let held = [bench.act("sudria", "w", speak(statement(opening.record.id(), "pact", Word::Order, 1)))];
    let provisional = bench.state.provisional(&held, bench.state.time());
    let view = provisional.operations.first().and_then(|it| it.authority.clone()).expect("shown");
    assert_eq!(view.text, "authority: allowed by pact");
    assert_eq!(view.voices.iter().filter(|voice| voice.index.is_none()).count(), 1);
}

#[test]
fn the_inbox_asks_who_has_a_voice() {
    let mut bench = Bench::authorities("pact", NATIONS_FIRST);
    let operation = bench.endorsed_airlift();
    let asks = |bench: &Bench, partner: &str| {
        let inbox = bench.state.inbox(&name(partner), bench.state.time());
        let mut asked = inbox.iter().filter(|waiting| waiting.what == Waits::Authorize);
        asked.any(|waiting| {
            let pact = waiting.authority.as_ref().map(|it| it.as_str()) == Some("pact");
            pact && waiting.about == Some(operation)
        })
    };
    assert!(asks(&bench, "norden") && asks(&bench, "sudria") && !asks(&bench, "vigil"));
    bench.speaks("norden", operation, "pact", Word::Order);
    assert!(!asks(&bench, "norden") && asks(&bench, "sudria"));
}

#[test]
fn lint_tells_who_can_stop_what_and_refuses_what_is_left_undecided() {
    let charter = with_authorities("pact", NATIONS_FIRST, Follow::AtOnce);
    let messages =
        |charter: &Charter| lint(charter).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let text = messages(&charter);
    let note = "note: airlift needs pact (2 of (estmark, norden, sudria)) to order or permit it; a refusal by pact or \
                estmark, norden, sudria or vigil stops it; an order of pact overrules a refusal by command";
    assert!(text.contains(note), "{text}");
    let mut undecided = charter.clone();
    undecided.authority.precedence = None;
    assert!(
        messages(&undecided).contains("error: airlift needs the authority pact, and which kind"),
        "{}",
        messages(&undecided)
    );
    let mut unknown = charter.clone();
    unknown.operations[0].authority = Some(authority("league"));
    assert!(messages(&unknown).contains("there is none of this name; there are: command, estmark"));
    let mut outside = charter.clone();
    outside.authority.authorities[0].scope.operations = Extent::only([]);
    outside.operations[0].authority = Some(authority("command"));
    assert!(messages(&outside).contains("whose scope does not cover it: none"), "{}", messages(&outside));
    let mut partner = charter.clone();
    partner.authority.authorities[0].name = authority("norden");
    assert!(messages(&partner).contains("norden is a partner, so its authority is national"));
    let mut strange = charter;
    strange.authority.alliances[0].alliance.parties.insert(authority("sudria"), root("vigil").public());
    let text = messages(&strange);
    assert!(text.contains("error: the authority pact: the signature of"), "{text}");
    assert!(text.contains("pact: sudria has another key there than as a partner here"), "{text}");
}

/// Any words of anybody, in any order: what prevails is what a count by the words of the documentation says, an operation is
/// agreed only with leave, and a copy of the state is the same.
#[test]
fn any_words_in_any_order_give_what_a_count_says() {
    let mut rng = Rng::new(7);
    let (mut agreed, mut refused, mut waited) = (0, 0, 0);
    for round in 0..120u64 {
        let precedence = [NATIONS_FIRST, COALITION_FIRST][(round % 2) as usize];
        let needed = ["pact", "command"][(round / 2 % 2) as usize];
        let mut bench = Bench::authorities(needed, precedence);
        let operation = bench.endorsed_airlift();
        // Who said what last, by authority and partner.
        let mut said = BTreeMap::<(&str, &str), Word>::new();
        for _ in 0..rng.below(20) {
            let partner = FOUR[rng.below(4) as usize];
            let about = ["pact", "pact", "pact", "command", "command", "command", "norden", "vigil"]
                [rng.below(8) as usize];
            let words = [Word::Order, Word::Order, Word::Order, Word::Permit, Word::Refuse, Word::Recall];
            let word = words[rng.below(6) as usize];
            let voice = match about {
                "pact" => partner != "vigil",
                "command" => partner != "estmark",
                nation => nation == partner,
            };
            let open = bench.verdict(operation).is_none();
            let sound = voice
                && match word {
                    Word::Recall => !matches!(about, "pact" | "command"),
                    // No nation is the authority that is needed here.
                    Word::Order => open && matches!(about, "pact" | "command"),
                    _ => open,
                };
            let number = u32::try_from(bench.index).expect("few");
            let act = speak(statement(operation, about, word, number));
            let signed = bench.act(partner, &format!("{round} {}", bench.index), act);
            let applied = bench.apply(&signed);
            assert_eq!(
                applied.disposition == Disposition::Applied,
                sound,
                "{partner} {word} {about}: {applied:?}"
            );
            if sound && open {
                said.insert((about, partner), word);
            }
            bench.assert_root();
        }
        let count = |about: &str, word: Word| {
            said.iter().filter(|((it, _), held)| *it == about && **held == word).count()
        };
        let word_of = |about: &str| {
            let needs = if matches!(about, "pact" | "command") { 2 } else { 1 };
            [Word::Refuse, Word::Recall, Word::Order, Word::Permit]
                .into_iter()
                .find(|word| count(about, *word) >= needs)
        };
        let by_kind = |kind: AuthorityKind| -> Vec<Word> {
            let names: &[&str] = match kind {
                AuthorityKind::National => &FOUR,
                AuthorityKind::Alliance => &["pact"],
                AuthorityKind::Coalition => &["command"],
            };
            names.iter().filter_map(|name| word_of(name)).collect()
        };
        let mut expected = None;
        for kind in precedence {
            let words = by_kind(kind);
            if words.contains(&Word::Refuse) {
                expected = Some(false);
                break;
            }
            if words.contains(&Word::Order) {
                expected = Some(true);
                break;
            }
        }
        let spoke = word_of(needed).is_some();
        let allowed = expected != Some(false) && spoke;
        match bench.verdict(operation) {
            Some(verdict) => {
                assert_eq!(verdict, Verdict::Agreed);
                assert!(allowed, "{said:?}");
                agreed += 1;
            }
            None => {
                assert!(!allowed, "{said:?}");
                bench.advance(bench.state.time().plus(6 * HOUR_MS));
                let verdict = bench.verdict(operation).expect("the window is over");
                if expected == Some(false) {
                    assert_eq!(verdict, Verdict::Failed);
                    refused += 1;
                } else {
                    assert_eq!(verdict, Verdict::Expired);
                    waited += 1;
                }
            }
        }
        assert_eq!(bench.copy().root(), bench.state.root());
    }
    assert!(agreed > 10 && refused > 10 && waited > 10, "{agreed} {refused} {waited}");
}
