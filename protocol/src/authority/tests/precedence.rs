//! Every combination of words, precedences and needed authorities, against rules told one by one.

use super::*;
use Word::{Order, Permit, Recall, Refuse};

fn four() -> [Authority; 4] {
    use AuthorityKind::{Alliance, Coalition, National};
    [
        authority("norden", National, Expression::Key(key(0))),
        authority("pact", Alliance, Expression::Key(key(1))),
        authority("sudria", National, Expression::Key(key(2))),
        authority("union", Coalition, Expression::Key(key(3))),
    ]
}

fn precedences() -> Vec<KindPrecedence> {
    let all = AuthorityKind::ALL;
    let mut found = Vec::new();
    for a in all {
        for b in all {
            for c in all {
                found.extend(KindPrecedence::new([a, b, c]));
            }
        }
    }
    found
}

/// The first that decides, seen from the words and not from the kinds: sorted by rank, refusals before orders.
fn expected(ranks: &[usize; 4], words: &[Option<Word>; 4], needed: usize) -> (Decision, Vec<usize>) {
    let strength = |word| match word {
        Refuse => Some(0),
        Order => Some(1),
        Permit | Recall => None,
    };
    let mut strong = (0..4)
        .filter_map(|at| words[at].and_then(strength).map(|strength| (ranks[at], strength, at)))
        .collect::<Vec<_>>();
    strong.sort_unstable();
    let first = strong.first().map(|(rank, strength, _)| (*rank, *strength));
    let deciders = strong
        .iter()
        .filter(|(rank, strength, _)| Some((*rank, *strength)) == first)
        .map(|(_, _, at)| *at)
        .collect::<Vec<_>>();
    if first.is_some_and(|(_, strength)| strength == 0) {
        return (Decision::Refused, deciders);
    }
    match words[needed] {
        None | Some(Recall) => (Decision::Waits, vec![needed]),
        Some(_) if deciders.is_empty() => (Decision::Allowed, vec![needed]),
        Some(_) => (Decision::Allowed, deciders),
    }
}

#[test]
fn every_combination_of_words_is_decided_as_declared() {
    let authorities = four();
    let choices = [None, Some(Order), Some(Permit), Some(Refuse), Some(Recall)];
    let mut seen = std::collections::BTreeSet::new();
    assert_eq!(precedences().len(), 6);
    for precedence in precedences() {
        let ranks = [0, 1, 2, 3].map(|at: usize| {
            precedence.kinds().iter().position(|kind| *kind == authorities[at].kind).expect("each kind")
        });
        for draw in 0..5usize.pow(4) {
            let words = [0, 1, 2, 3].map(|at| choices[draw / 5usize.pow(at) % 5]);
            let said = (0..4)
                .filter_map(|at| words[at].map(|word| Said { authority: &authorities[at], word }))
                .collect::<Vec<_>>();
            for needed in 0..4 {
                let ruling = prevails(&precedence, &authorities[needed].name, &said, |_| true);
                let (decision, by) = expected(&ranks, &words, needed);
                let names = by.iter().map(|at| authorities[*at].name.clone()).collect::<Vec<_>>();
                assert_eq!((ruling.decision, &ruling.by), (decision, &names), "{precedence:?} {words:?}");
                // A nation keeps its own out of it, whatever else is decided.
                let own = [0, 2].into_iter().filter(|at| matches!(words[*at], Some(Refuse | Recall)));
                let own = own.map(|at| authorities[at].name.clone()).collect::<Vec<_>>();
                assert_eq!(ruling.withheld, own);
                // Who decided is not overruled, and who is overruled said the contrary.
                assert!(ruling.overruled.iter().all(|name| !ruling.by.contains(name)));
                let mut backwards = said.clone();
                backwards.reverse();
                assert_eq!(prevails(&precedence, &authorities[needed].name, &backwards, |_| true), ruling);
                seen.insert(decision);
            }
        }
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn an_alliance_orders_a_nation_refuses_and_keeps_its_own_and_it_reads_so() {
    let [norden, pact, _, _] = &four();
    let said = [Said { authority: pact, word: Order }, Said { authority: norden, word: Refuse }];
    use AuthorityKind::{Alliance, Coalition, National};
    let alliance_first = KindPrecedence::new([Alliance, Coalition, National]).expect("each once");
    let ruling = prevails(&alliance_first, &pact.name, &said, |_| true);
    assert_eq!(ruling.to_string(), "allowed by pact; norden is overruled; norden keeps its own out of it");
    let ruling = prevails(&KindPrecedence::default(), &pact.name, &said, |_| true);
    assert_eq!(ruling.to_string(), "refused by norden; pact is overruled; norden keeps its own out of it");
}

#[test]
fn outside_its_scope_an_authority_is_not_heard_but_a_nation_still_keeps_its_own() {
    let [norden, pact, _, union] = &four();
    let said = [
        Said { authority: pact, word: Refuse },
        Said { authority: norden, word: Refuse },
        Said { authority: union, word: Permit },
    ];
    let ruling = prevails(&KindPrecedence::default(), &union.name, &said, |who| who.name == union.name);
    assert_eq!(ruling.decision, Decision::Allowed);
    assert_eq!((ruling.unheard, ruling.withheld), (vec![name("pact")], vec![name("norden")]));
    let ruling = prevails(&KindPrecedence::default(), &pact.name, &said, |who| who.name == union.name);
    assert_eq!(
        ruling.to_string(),
        "waits for pact; norden keeps its own out of it; pact is outside its scope"
    );
}

#[test]
fn only_the_first_word_of_an_authority_counts_and_a_precedence_names_each_kind_once() {
    let [_, pact, _, _] = &four();
    let said = [Said { authority: pact, word: Permit }, Said { authority: pact, word: Refuse }];
    let ruling = prevails(&KindPrecedence::default(), &pact.name, &said, |_| true);
    assert_eq!(ruling.decision, Decision::Allowed);
    let read =
        |kinds: &str| toml::from_str::<BTreeMap<String, KindPrecedence>>(&format!("precedence = {kinds}"));
    assert!(read(r#"["alliance", "national", "coalition"]"#).is_ok());
    assert!(read(r#"["alliance", "alliance", "coalition"]"#).is_err());
    assert!(read(r#"["alliance", "national"]"#).is_err());
}

use std::collections::BTreeMap;
