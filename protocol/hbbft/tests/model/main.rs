//! The rules of agreement checked exhaustively, with `stateright`, before they are built and as they are.
//!
//! [`rules`] restates the voting rules, [`instance`] plays one agreement with its broadcast over three rounds,
//! [`coin`] the scheduler against the coin, [`broadcast`] two digests of one proposer, [`start`] the start rule;
//! [`real`] holds the models and the crate's code together.

mod instance;
mod report;
mod rules;

use instance::{AfterTerm, AllReady, Rules, TermRound};
use report::check;

#[test]
fn tmp() {
    for n in std::env::var("NN").expect("n").split(",").map(|x| x.parse::<u8>().expect("n")) {
    for (name, rules) in [
        ("code", Rules::in_the_code(n)),
        ("fewer 1", Rules::fewer_delays(n, true)),
        ("fewer 0", Rules::fewer_delays(n, false)),
        ("own ignored", Rules { all_ready: AllReady::OrderedOwnZeroIgnored, ..Rules::fewer_delays(n, true) }),
        ("unordered", Rules { all_ready: AllReady::OthersUnordered, ..Rules::fewer_delays(n, true) }),
        ("quorum", Rules { all_ready: AllReady::QuorumOrdered, ..Rules::fewer_delays(n, true) }),
        ("weak accepts", Rules { weak_accepts: true, ..Rules::fewer_delays(n, true) }),
        ("weak accepts 0", Rules { weak_accepts: true, ..Rules::fewer_delays(n, false) }),
        ("weak accepts code", Rules { weak_accepts: true, ..Rules::in_the_code(n) }),
        ("backed", Rules { term_round: TermRound::Backed, ..Rules::fewer_delays(n, true) }),
        ("backed 0", Rules { term_round: TermRound::Backed, ..Rules::fewer_delays(n, false) }),
        ("backed code", Rules { term_round: TermRound::Backed, ..Rules::in_the_code(n) }),
        ("aux unsent", Rules { after_term: AfterTerm::LeavesAuxUnsent, ..Rules::fewer_delays(n, true) }),
        ("silent", Rules { after_term: AfterTerm::Silent, ..Rules::fewer_delays(n, true) }),
        ("no stand", Rules { term_votes: false, ..Rules::fewer_delays(n, true) }),
        ("no term decide", Rules { term_decides: false, ..Rules::fewer_delays(n, true) }),
    ] {
        let t = std::time::Instant::now(); let report = check(Rules { rounds: std::env::var("RR").map_or(3, |r| r.parse().expect("r")), ..rules });
        println!("{n} {name}: {report} {:?}", t.elapsed());
    }
    }
}

mod broadcast;
mod coin;
mod start;

#[test]
fn tmp2() {
    use coin::{Entry, Game};
    use rules::Size;
    for n in [4u8, 5, 7] {
        for accepts in [broadcast::Accepts::Quorum, broadcast::Accepts::WeakAfterOne, broadcast::Accepts::Weak, broadcast::Accepts::SingleAfterOne] {
            println!("broadcast {n} {accepts:?}: {}", check(broadcast::Broadcast { size: Size { n }, accepts }));
        }
    }
    for entries in [1, 2, 3, 4, 5] {
        let rule = start::StartRule::by_the_rule(entries);
        for rule in [rule, start::StartRule { left_behind: false, ..rule }, start::StartRule { joins: false, ..rule }, start::StartRule { crowd: 1, ..rule }, start::StartRule { crowd: 3, ..rule }, start::StartRule { crowd: 9, ..rule }] {
            let t = std::time::Instant::now();
            println!("{rule:?}: {} {:?}", check(rule), t.elapsed());
        }
    }
    for n in [4u8] {
        for conf in [false, true] {
            for (entry, rounds) in [(Entry::Apart, 3), (Entry::Free, 1)] {
                let game = Game { size: Size { n }, conf, entry, rounds };
                let t = std::time::Instant::now();
                println!("{game:?}: {} {:?}", check(game), t.elapsed());
            }
        }
    }
}
