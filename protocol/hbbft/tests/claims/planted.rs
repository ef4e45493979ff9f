//! Scripted schedules show the attacks that their rules answer: with the rule's bug planted, its claim fails.

use entente_hbbft::plant::is_caught_by;

use crate::attacks;

/// Bugs, and the claim about a scripted schedule that each of them breaks.
const PLANTED: [(&str, fn()); 6] = [
    ("bare-bval", attacks::readies_for_two_digests_never_accept_one_in_round_0),
    ("stops-after-term", attacks::after_its_term_a_seat_amplifies_and_votes_up_to_its_round),
    ("term-without-aux", attacks::a_seat_that_decides_by_others_terms_still_sends_the_aux_it_owes),
    ("own-round-window", attacks::votes_are_bounded_by_the_horizon_and_not_by_the_own_round),
    ("no-conf", attacks::the_last_seat_cannot_be_kept_apart_once_the_coin_is_out),
    ("repeats-stored", attacks::what_is_not_new_in_its_senders_chain_is_refused_and_leaves_no_mark),
];

#[test]
fn scripted_schedules_catch_what_they_were_written_against() {
    for (name, claim) in PLANTED {
        assert!(is_caught_by(name, claim), "{name} is planted and its claim holds");
    }
}
