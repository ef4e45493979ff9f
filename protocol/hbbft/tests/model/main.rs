//! The rules of agreement checked exhaustively, with `stateright`, before they are built and as they are.
//!
//! [`rules`] restates the voting rules, [`instance`] plays one agreement with its broadcast over three rounds,
//! [`coin`] the scheduler against the coin, [`broadcast`] two digests of one proposer, [`start`] the start rule;
//! [`real`] holds the models and the crate's code together.

mod instance;
mod report;
mod rules;

use instance::{AfterTerm, AllReady, Rules};
use report::check;

#[test]
fn tmp() {
    for n in [4u8] {
    for (name, rules) in [
        ("code", Rules::in_the_code(n)),
        ("fewer 1", Rules::fewer_delays(n, true)),
        ("fewer 0", Rules::fewer_delays(n, false)),
        ("own ignored", Rules { all_ready: AllReady::OrderedOwnZeroIgnored, ..Rules::fewer_delays(n, true) }),
        ("unordered", Rules { all_ready: AllReady::OthersUnordered, ..Rules::fewer_delays(n, true) }),
        ("quorum", Rules { all_ready: AllReady::QuorumOrdered, ..Rules::fewer_delays(n, true) }),
        ("aux unsent", Rules { after_term: AfterTerm::LeavesAuxUnsent, ..Rules::fewer_delays(n, true) }),
        ("silent", Rules { after_term: AfterTerm::Silent, ..Rules::fewer_delays(n, true) }),
        ("no stand", Rules { term_votes: false, ..Rules::fewer_delays(n, true) }),
        ("no term decide", Rules { term_decides: false, ..Rules::fewer_delays(n, true) }),
    ] {
        let report = check(rules);
        println!("{name}: {report}");
    }
    }
}
