//! The rules of agreement checked exhaustively, with `stateright`, as they are and before they are built.
//!
//! [`rules`] restates the voting rules, [`instance`] plays one agreement with its broadcast over three rounds,
//! [`coin`] the scheduler against the coin, [`broadcast`] two digests of one proposer, [`start`] the start rule;
//! [`real`] holds the models and the crate's code together. All honest schedules and all liars are covered
//! within what each model's front says; a refuted rule is printed with a shortest way to the violation.
//!
//! `ENTENTE_MODEL=large` adds checks with two liars that take minutes and gigabytes.

mod broadcast;
mod coin;
mod instance;
mod real;
mod report;
#[path = "../claims/rng.rs"]
mod rng;
mod rules;
mod start;

use broadcast::{Accepts, Broadcast};
use coin::{Entry, Game};
use instance::{AfterTerm, AllReady, Rules, TermRound};
use report::{confirm, refute};
use rules::Size;
use start::StartRule;

/// Whether the large checks run, too.
fn is_large() -> bool {
    std::env::var("ENTENTE_MODEL").is_ok_and(|value| value == "large")
}

const AGREEMENT: &str = "agreement";
const STARVATION: &str = "nobody starves";

#[test]
fn the_rules_in_the_code_hold_with_one_liar() {
    for n in [4, 5, 6] {
        for first in [true, false] {
            confirm(&format!("as in the code, first coin {first}, n = {n}"), Rules::in_the_code(n, first));
        }
    }
}

#[test]
fn fixed_coins_need_no_conf() {
    for n in [4, 5, 6] {
        let rules = Rules { all_ready: AllReady::Off, ..Rules::in_the_code(n, true) };
        confirm(&format!("no CONF and no short way, n = {n}"), rules);
        confirm(&format!("CONF everywhere, n = {n}"), Rules::in_the_papers(n));
    }
}

#[test]
fn one_is_decided_on_ready_of_all_before_any_vote_for_zero_and_on_nothing_less() {
    for n in [4, 5, 6, 7] {
        let rules = |all_ready| {
            let rounds = if n < 7 { 3 } else { 1 };
            Rules { all_ready, rounds, ..Rules::in_the_code(n, true) }
        };
        for all_ready in [AllReady::OthersUnordered, AllReady::QuorumOrdered] {
            refute(&format!("{all_ready:?}, n = {n}"), rules(all_ready), AGREEMENT);
        }
        if n < 7 {
            // Looking at the own BVAL(0) beside the order in all chains changes nothing.
            let own = confirm("own BVAL(0) looked at", rules(AllReady::Ordered));
            let ignored = confirm("own BVAL(0) ignored", rules(AllReady::OrderedOwnZeroIgnored));
            assert_eq!(own.states, ignored.states);
        }
    }
}

#[test]
fn a_seat_that_decides_by_terms_and_leaves_its_aux_unsent_starves_others_with_two_liars() {
    let rules = |n| Rules { after_term: AfterTerm::LeavesAuxUnsent, ..Rules::in_the_code(n, true) };
    confirm("AUX left unsent, n = 4", rules(4));
    refute("AUX left unsent, n = 7", Rules { rounds: 1, ..rules(7) }, STARVATION);
}

#[test]
fn a_seat_that_stops_after_its_term_starves_others() {
    refute(
        "silent after TERM",
        Rules { after_term: AfterTerm::Silent, ..Rules::in_the_code(4, true) },
        STARVATION,
    );
}

#[test]
fn terms_that_count_as_no_votes_starve_others() {
    refute("TERM is no vote", Rules { term_votes: false, ..Rules::in_the_code(4, true) }, STARVATION);
}

#[test]
fn a_term_of_too_low_a_round_starves_others_with_two_liars() {
    let rules = |term_round| Rules { term_round, rounds: 2, ..Rules::in_the_code(7, true) };
    refute("TERM of the own round, n = 7", rules(TermRound::Own), STARVATION);
    confirm("TERM once the own round is backed, n = 7", rules(TermRound::Reached));
    for n in [4, 5, 6] {
        let rules = Rules { term_round: TermRound::Backed, ..Rules::in_the_code(n, true) };
        confirm(&format!("TERM of a backed round, n = {n}"), rules);
    }
}

#[test]
fn large_checks_with_two_liars() {
    if !is_large() {
        println!("not asked for: ENTENTE_MODEL=large");
        return;
    }
    let code = Rules { rounds: 2, ..Rules::in_the_papers(7) };
    confirm("CONF everywhere, n = 7, two rounds", code);
    for first in [true, false] {
        confirm(&format!("first coin {first}, n = 7, three rounds"), Rules::in_the_code(7, first));
        let backed = Rules { term_round: TermRound::Backed, rounds: 2, ..Rules::in_the_code(7, first) };
        confirm(&format!("TERM of a backed round, first coin {first}, n = 7, two rounds"), backed);
        let early = Rules { weak_accepts: true, rounds: 2, ..Rules::in_the_code(7, first) };
        confirm(&format!("votes on weak READY, first coin {first}, n = 7, two rounds"), early);
    }
}

#[test]
fn without_conf_the_scheduler_keeps_estimates_apart_for_ever() {
    let game = Game { size: Size { n: 4 }, conf: false, entry: Entry::Apart, rounds: 3 };
    refute("plain MMR14, three rounds won whatever the coins", game, "some coin is good");
}

#[test]
fn with_conf_one_value_of_each_coin_is_good() {
    for (entry, rounds) in [(Entry::Apart, 3), (Entry::Free, 1)] {
        for n in [4, 5] {
            let game = Game { size: Size { n }, conf: true, entry, rounds };
            confirm(&format!("CONF, entry {entry:?}, n = {n}"), game);
        }
    }
}

#[test]
fn weak_ready_delivers_once_one_is_decided_and_not_before() {
    for n in [4, 5, 7, 10] {
        let model = |accepts| Broadcast { size: Size { n }, accepts };
        for accepts in [Accepts::Quorum, Accepts::WeakAfterOne] {
            confirm(&format!("accepting: {accepts:?}, n = {n}"), model(accepts));
        }
        for accepts in [Accepts::Weak, Accepts::SingleAfterOne] {
            refute(
                &format!("accepting: {accepts:?}, n = {n}"),
                model(accepts),
                "what one accepts all accept, and it is held",
            );
        }
    }
}

#[test]
fn votes_on_weak_ready_after_deciding_one_harm_nobody() {
    for n in [4, 5] {
        for first in [true, false] {
            let rules = Rules { weak_accepts: true, ..Rules::in_the_code(n, first) };
            confirm(&format!("votes on weak READY, first coin {first}, n = {n}"), rules);
        }
    }
}

#[test]
fn the_start_rule_orders_what_all_hold_and_no_liar_forces_empty_epochs() {
    for entries in 1..=5 {
        confirm(&format!("start rule, {entries} entries"), StartRule::by_the_rule(entries));
    }
}

#[test]
fn each_part_of_the_start_rule_is_needed() {
    let rule = StartRule::by_the_rule(4);
    let (stalls, empties) = ("what all hold is ordered", "no empty epochs without end");
    refute("without joining (ii)", StartRule { joins: false, ..rule }, stalls);
    refute("without what the cut left behind (i)", StartRule { left_behind: false, ..rule }, stalls);
    refute("one contribution starts all (iii)", StartRule { crowd: 1, ..rule }, empties);
}
