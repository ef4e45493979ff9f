//! The attacks that shaped the rules, one by one, against a single seat whose peers the test plays.

use entente_hbbft::{
    BoolSet, Committee, Digest, Epoch, EpochNumber, Fault, FaultKind, Frame, FrameFault, Message,
    ROUNDS_AHEAD, Refusal, Round, Seat, Setup, Step,
};

const OWN: Seat = Seat(0);
/// The proposer on whose instance the attacks are.
const TARGET: Seat = Seat(1);

fn committee(n: usize) -> Committee {
    Committee::new(n).expect("sizes used here are committees")
}

fn epoch(n: usize) -> Epoch {
    Epoch::new(&Setup::new(committee(n), Some(OWN), b"attacks").expect("seat 0 is in"), EpochNumber(1))
}

/// Four seats, the own one in round 2, the first with a common coin, with estimate 0.
fn epoch_in_round_2() -> Epoch {
    let mut epoch = epoch(4);
    hear_all(&mut epoch, 1..4, bval(0, false));
    assert_eq!(hear_all(&mut epoch, 1..3, aux(0, false)), [bval(1, false)]);
    assert_eq!(hear_all(&mut epoch, 1..4, bval(1, true)), [bval(1, true), aux(1, true)]);
    hear_all(&mut epoch, 1..4, bval(1, false));
    assert_eq!(hear_all(&mut epoch, 1..3, aux(1, false)), [bval(2, false)], "both values, and the coin is 0");
    epoch
}

fn hear(epoch: &mut Epoch, from: u16, says: impl IntoIterator<Item = Message>) -> Step {
    epoch.receive(Seat(from), &Frame::pack(says)).expect("the frame is acceptable")
}

fn hear_all(epoch: &mut Epoch, from: impl IntoIterator<Item = u16>, message: Message) -> Vec<Message> {
    from.into_iter().flat_map(|from| hear(epoch, from, [message]).messages).collect()
}

fn ready(payload: &[u8]) -> Message {
    Message::Ready { proposer: TARGET, digest: Digest::of(payload) }
}

fn echo(payload: &[u8]) -> Message {
    Message::Echo { proposer: TARGET, digest: Digest::of(payload) }
}

fn bval(round: u16, value: bool) -> Message {
    Message::Bval { proposer: TARGET, round: Round(round), value }
}

fn aux(round: u16, value: bool) -> Message {
    Message::Aux { proposer: TARGET, round: Round(round), value }
}

fn conf(round: u16, values: BoolSet) -> Message {
    Message::Conf { proposer: TARGET, round: Round(round), values }
}

fn term(round: u16, value: bool) -> Message {
    Message::Term { proposer: TARGET, round: Round(round), value }
}

#[test]
pub(crate) fn readies_for_two_digests_never_accept_one_in_round_0() {
    let mut epoch = epoch(7);
    // A quorum of READY, yet `weak` for no digest: as bare votes for 1 they would be accepted.
    let mut said = hear_all(&mut epoch, [1, 2], ready(b"left"));
    said.extend(hear_all(&mut epoch, [3, 4], ready(b"right")));
    said.extend(hear_all(&mut epoch, [5], ready(b"middle")));
    assert_eq!(said, [], "nothing is due");
    // With liars' AUX for 1 on top it would be decided, and no payload ever arrive.
    said.extend(hear_all(&mut epoch, 2..7, aux(0, true)));
    assert_eq!((said, epoch.decision(TARGET)), (vec![], None));
}

#[test]
fn a_bare_vote_for_one_in_round_0_is_refused() {
    let refusal = epoch(4).receive(Seat(2), &Frame::pack([bval(0, true)])).expect_err("READY stands for it");
    assert_eq!(refusal, Refusal::Invalid(FrameFault::BareBval { proposer: TARGET }));
}

#[test]
fn ready_is_amplified_after_voting_zero_and_after_deciding_it() {
    let mut epoch = epoch(4);
    assert_eq!(hear_all(&mut epoch, [2, 3], bval(0, false)), [bval(0, false), aux(0, false)]);
    // A TERM of round 1 is not followed by one of round 0: that would speak for this seat in round 1.
    assert_eq!(hear_all(&mut epoch, [2, 3], term(1, false)), []);
    assert_eq!(epoch.decision(TARGET), Some(false));
    assert_eq!(hear_all(&mut epoch, [1, 2], ready(b"late")), [ready(b"late")]);
}

#[test]
fn who_decides_by_terms_says_its_own_once_it_is_in_their_round() {
    let mut epoch = epoch(4);
    hear_all(&mut epoch, [2, 3], bval(0, false));
    assert_eq!(hear_all(&mut epoch, [2, 3], term(1, false)), []);
    assert_eq!(epoch.decision(TARGET), Some(false));
    // It votes on as if undecided.
    let said = hear_all(&mut epoch, [2, 3], aux(0, false));
    assert_eq!(said, [bval(1, false), term(1, false)], "their TERM names round 1");
}

#[test]
pub(crate) fn after_its_term_a_seat_amplifies_and_votes_up_to_its_round() {
    let mut epoch = epoch(4);
    hear_all(&mut epoch, 1..3, ready(b"word"));
    let said = hear_all(&mut epoch, 1..3, aux(0, true));
    assert_eq!((said, epoch.decision(TARGET)), (vec![term(0, true)], Some(true)));
    // A late seat and a liar need BVAL(0) to be heard everywhere in the round of the TERM.
    assert_eq!(hear_all(&mut epoch, [2, 3], bval(0, false)), [bval(0, false)]);
    // Above that round the TERM speaks.
    assert_eq!(hear_all(&mut epoch, [2, 3], bval(1, false)), []);
    assert_eq!(hear_all(&mut epoch, [2, 3], aux(1, false)), []);
}

#[test]
pub(crate) fn a_seat_that_decides_by_others_terms_still_sends_the_aux_it_owes() {
    // n = 7: two liars and an honest seat finish; the others count on the AUX of this one.
    let mut epoch = epoch(7);
    assert_eq!(hear_all(&mut epoch, [1, 2], ready(b"word")), []);
    assert_eq!(hear_all(&mut epoch, [4, 5, 6], term(0, true)), [term(0, true)]);
    assert_eq!(epoch.decision(TARGET), Some(true));
    assert_eq!(hear_all(&mut epoch, [3, 6], ready(b"word")), [ready(b"word"), aux(0, true)]);
}

#[test]
fn a_seat_that_decides_by_others_terms_still_sends_the_aux_and_conf_it_owes() {
    let mut epoch = epoch_in_round_2();
    // As BVAL, AUX and CONF of round 2 they make a quorum with the own ones.
    let mut said = hear_all(&mut epoch, [2, 3], term(1, false));
    said.sort_unstable();
    assert_eq!(said, [aux(2, false), conf(2, BoolSet::Zero), term(2, false)]);
    assert_eq!(epoch.decision(TARGET), Some(false));
}

#[test]
fn a_term_counts_as_votes_of_all_later_rounds_and_not_of_its_own() {
    let mut epoch = epoch(4);
    // Round 0 ends without a decision: its coin is 1 and all vote 0.
    hear_all(&mut epoch, 1..4, bval(0, false));
    hear_all(&mut epoch, [2], aux(0, false));
    hear_all(&mut epoch, [1], term(0, false));
    assert_eq!(epoch.round(TARGET), Some(Round(0)), "the TERM is no AUX of its own round");
    assert_eq!(hear_all(&mut epoch, [3], aux(0, false)), [bval(1, false)]);
    // Round 1, coin 0: with the TERM of seat 1, the own votes and those of seat 2 are a quorum.
    let said = hear(&mut epoch, 2, [bval(1, false), aux(1, false)]).messages;
    assert_eq!(said, [aux(1, false), term(1, false)]);
}

#[test]
fn a_term_counts_also_in_rounds_that_are_known_already() {
    let mut epoch = epoch(4);
    // Votes of rounds 1 and 2 are here before the TERM of seat 1, and this seat is in round 0.
    let votes = |round| [bval(round, false), aux(round, false)];
    let _ = hear(&mut epoch, 2, [0, 1, 2].into_iter().flat_map(votes));
    let _ = hear(&mut epoch, 1, votes(0));
    let _ = hear(&mut epoch, 1, [term(0, false)]);
    // Round 0 and its coin 1 decide nothing; with the TERM, seat 2 and this one, round 1 does.
    assert_eq!((epoch.decision(TARGET), epoch.round(TARGET)), (Some(false), Some(Round(1))));
}

#[test]
pub(crate) fn votes_are_bounded_by_the_horizon_and_not_by_the_own_round() {
    let mut epoch = epoch(4);
    let far = ROUNDS_AHEAD + 3;
    // Two seats race ahead; this one stays in round 0 and still takes what they say.
    for round in 1..=far {
        assert_eq!(hear_all(&mut epoch, [2, 3], bval(round, true)), []);
    }
    assert_eq!(epoch.round(TARGET), Some(Round(0)));
    // Seat 1 alone cannot move the horizon, at `far` now.
    let beyond = Frame::pack([bval(far + ROUNDS_AHEAD + 1, true)]);
    assert_eq!(epoch.receive(TARGET, &beyond).expect_err("beyond"), Refusal::NotYet);
    hear_all(&mut epoch, [1], bval(far + ROUNDS_AHEAD, true));
    // Once `weak` seats have reached a further round, the refused frame is taken: nothing marked it.
    hear_all(&mut epoch, [2], bval(far + ROUNDS_AHEAD, true));
    let _ = hear(&mut epoch, 1, beyond.messages());
}

#[test]
fn a_liar_alone_cannot_make_room_for_votes() {
    let mut epoch = epoch(4);
    hear_all(&mut epoch, [3], bval(ROUNDS_AHEAD, true));
    let beyond = Frame::pack([bval(ROUNDS_AHEAD + 1, true)]);
    assert_eq!(epoch.receive(Seat(3), &beyond).expect_err("beyond"), Refusal::NotYet);
}

#[test]
pub(crate) fn what_is_not_new_in_its_senders_chain_is_refused_and_leaves_no_mark() {
    let mut epoch = epoch(4);
    let first = [
        Message::Propose(Digest::of(b"word")),
        echo(b"word"),
        ready(b"word"),
        bval(0, false),
        bval(1, true),
        aux(1, true),
        conf(2, BoolSet::Both),
    ];
    let _ = hear(&mut epoch, 1, first);
    let _ = hear(&mut epoch, 1, [term(2, true)]);
    let again = [
        Message::Propose(Digest::of(b"other")),
        echo(b"other"),
        ready(b"other"),
        bval(1, true),
        aux(1, false),
        conf(2, BoolSet::One),
        term(3, true),
        bval(3, true),
        aux(3, true),
        conf(3, BoolSet::One),
    ];
    for message in again {
        // Beside something new, which must not stay either.
        let frame = Frame::pack([message, bval(1, false)]);
        let before = format!("{epoch:?}");
        let refusal = epoch.receive(TARGET, &frame).expect_err("not new");
        let chain =
            matches!(refusal, Refusal::Invalid(FrameFault::NotNew { .. } | FrameFault::AfterTerm { .. }));
        assert!(chain, "{message:?}: {refusal}");
        assert_eq!(before, format!("{epoch:?}"), "{message:?} leaves a mark");
    }
    let _ = hear(&mut epoch, 1, [bval(1, false)]);
}

#[test]
fn a_term_below_the_senders_own_votes_is_refused() {
    let mut epoch = epoch(4);
    hear_all(&mut epoch, [2], bval(3, true));
    let refusal = epoch.receive(Seat(2), &Frame::pack([term(2, true)])).expect_err("it would count twice");
    assert_eq!(refusal, Refusal::Invalid(FrameFault::AfterTerm { proposer: TARGET, round: Round(3) }));
}

#[test]
fn a_seat_that_sent_ready_never_inputs_zero() {
    let mut epoch = epoch(4);
    let of = |seat, payload: &[u8]| Message::Ready { proposer: Seat(seat), digest: Digest::of(payload) };
    // READY for the target leaves on two others' READY, and the target then stays undecided.
    assert_eq!(hear_all(&mut epoch, [2, 3], ready(b"word")).first(), Some(&ready(b"word")));
    let mut said = Vec::new();
    for proposer in [0, 2, 3].map(Seat) {
        let term = Message::Term { proposer, round: Round(0), value: true };
        said.extend(hear_all(&mut epoch, [2, 3], term));
        said.extend(hear_all(&mut epoch, [2, 3], of(proposer.0, b"word")));
    }
    assert_eq!(epoch.decision(TARGET), None);
    assert!(!said.contains(&bval(0, false)));
}

#[test]
fn a_seat_without_input_inputs_zero_once_a_quorum_is_in() {
    let mut epoch = epoch(4);
    let mut said = Vec::new();
    for proposer in [0, 2, 3].map(Seat) {
        let term = Message::Term { proposer, round: Round(0), value: true };
        said.extend(hear_all(&mut epoch, [2, 3], term));
    }
    assert_eq!(said.iter().filter(|message| **message == bval(0, false)).count(), 1);
}

#[test]
fn nothing_is_echoed_before_it_is_delivered_and_nothing_invalid_ever() {
    let mut epoch = epoch(4);
    let (good, bad) = (b"good".to_vec(), b"bad".to_vec());
    let step = hear(&mut epoch, 1, [Message::Propose(Digest::of(&bad)), echo(&bad)]);
    assert_eq!((step.messages.len(), step.wanted.len()), (0, 1));
    assert_eq!(step.wanted[0].holders, [TARGET]);
    let fault = |seat| Fault {
        seat: Seat(seat),
        proposer: TARGET,
        kind: FaultKind::InvalidPayload { digest: Digest::of(&bad) },
    };
    assert_eq!(epoch.reject(Digest::of(&bad)).faults, [fault(1)]);
    assert_eq!(hear(&mut epoch, 3, [echo(&bad)]).faults, [fault(3)]);
    assert_eq!(epoch.deliver(bad).messages, []);
    assert_eq!(epoch.wants(), []);
    // Another digest of the same proposer is pulled once `weak` seats name it, and echoed once it is here.
    let step =
        hear(&mut epoch, 2, [Message::Echo { proposer: TARGET, digest: Digest::of(&good) }, ready(&good)]);
    assert_eq!(step.wanted, []);
    let step = hear(&mut epoch, 3, [ready(&good)]);
    assert_eq!(step.wanted.len(), 1);
    assert_eq!(step.wanted[0].holders, [Seat(2)]);
    assert_eq!(epoch.deliver(good.clone()).messages, [echo(&good)]);
}

#[test]
fn payloads_that_nothing_names_are_not_kept() {
    let mut epoch = epoch(4);
    // One seat's ECHO and READY for a digest that the proposer did not name is not enough.
    let _ = hear(&mut epoch, 3, [echo(b"flood"), ready(b"flood")]);
    assert!(!epoch.expects(&Digest::of(b"flood")));
    assert_eq!(epoch.deliver(b"flood".to_vec()).messages, []);
    assert_eq!(epoch.payload(&Digest::of(b"flood")), None);
}

#[test]
fn votes_that_cannot_be_honest_are_named_as_faults() {
    let mut epoch = epoch(4);
    hear_all(&mut epoch, [3], ready(b"other"));
    hear_all(&mut epoch, [1], ready(b"word"));
    let step = hear(&mut epoch, 2, [ready(b"word")]);
    let contrary = FaultKind::ContraryReady { digest: Digest::of(b"other") };
    assert_eq!(step.faults, [Fault { seat: Seat(3), proposer: TARGET, kind: contrary }]);
    hear_all(&mut epoch, [1, 2], term(0, true));
    let step = hear(&mut epoch, 3, [term(0, false)]);
    assert_eq!(step.faults, [Fault { seat: Seat(3), proposer: TARGET, kind: FaultKind::ContraryTerm }]);
}

#[test]
pub(crate) fn the_last_seat_cannot_be_kept_apart_once_the_coin_is_out() {
    // The attack on rounds without CONF (plain MMR14): the others confirmed {0, 1}, the coin showed, and this seat
    // alone is fed AUX for the other value. Its CONF is {b}, but a quorum of CONF holds {0, 1}: it follows the coin.
    let estimate = |fed| {
        let mut epoch = epoch_in_round_2();
        hear_all(&mut epoch, 1..4, bval(2, fed));
        hear_all(&mut epoch, 1..4, bval(2, !fed));
        assert_eq!(hear_all(&mut epoch, [1, 3], aux(2, fed)), [conf(2, BoolSet::of(fed))]);
        let mut said = hear_all(&mut epoch, [3], conf(2, BoolSet::of(fed)));
        said.extend(hear_all(&mut epoch, [2], conf(2, BoolSet::Both)));
        assert_eq!(epoch.decision(TARGET), None);
        said
    };
    let said = [false, true].map(estimate);
    assert_eq!(said[0], said[1], "the coin, not the value that was fed");
    assert!(matches!(said[0][..], [Message::Bval { round: Round(3), .. }]), "{said:?}");
}

#[test]
fn ready_of_all_before_any_vote_for_zero_decides_one_at_once() {
    let mut epoch = epoch(4);
    assert_eq!(hear_all(&mut epoch, 1..3, ready(b"word")), [ready(b"word"), aux(0, true)]);
    assert_eq!(hear_all(&mut epoch, [3], ready(b"word")), [term(0, true)]);
}

#[test]
fn ready_of_all_decides_nothing_where_one_stands_behind_a_vote_for_zero_or_beside_it() {
    // n = 4: this seat decides 1 on it, and the others 0 with the liar's help, were the order not looked at.
    for beside in [false, true] {
        let mut epoch = epoch(4);
        hear_all(&mut epoch, 1..3, ready(b"word"));
        let zero = [bval(0, false), ready(b"word")];
        let said = match beside {
            true => hear(&mut epoch, 3, zero).messages,
            false => zero.into_iter().flat_map(|message| hear(&mut epoch, 3, [message]).messages).collect(),
        };
        assert_eq!((said, epoch.decision(TARGET)), (vec![], None));
    }
}

#[test]
fn ready_of_all_decides_nothing_where_the_first_coin_is_zero() {
    let mut epoch = epoch(4);
    let _ = epoch.resume([Seat(0), Seat(2), Seat(3)].into_iter().collect());
    hear_all(&mut epoch, 1..4, ready(b"word"));
    assert_eq!(epoch.decision(TARGET), None);
    // The target was not in the last agreed set, so it takes a round more to get in ...
    assert_eq!(hear_all(&mut epoch, 1..3, aux(0, true)), [bval(1, true)]);
    hear_all(&mut epoch, 1..3, bval(1, true));
    assert_eq!(hear_all(&mut epoch, 1..3, aux(1, true)), [term(1, true)]);
}

#[test]
fn who_stays_away_again_is_decided_out_in_round_0() {
    let mut epoch = epoch(4);
    let _ = epoch.resume([Seat(0), Seat(2), Seat(3)].into_iter().collect());
    hear_all(&mut epoch, 2..4, bval(0, false));
    assert_eq!(hear_all(&mut epoch, 2..4, aux(0, false)), [term(0, false)]);
}

#[test]
fn a_conf_in_a_round_of_a_fixed_coin_is_refused() {
    for round in [0, 1] {
        let frame = Frame::pack([conf(round, BoolSet::One)]);
        let refusal = epoch(4).receive(Seat(2), &frame).expect_err("nobody says it");
        let fault = FrameFault::ConfOfFixedCoin { proposer: TARGET, round: Round(round) };
        assert_eq!(refusal, Refusal::Invalid(fault));
    }
}

#[test]
fn own_votes_of_before_a_restart_bind_although_the_peers_are_heard_in_another_order() {
    let mut epoch = epoch(4);
    // Before: AUX(0) in round 0, then round 1.
    let own = [Frame::pack([bval(0, false)]), Frame::pack([aux(0, false)]), Frame::pack([bval(1, false)])];
    for frame in &own {
        epoch.restore_own(frame).expect("as said");
    }
    assert_eq!(epoch.resume(committee(4).all()).messages, []);
    // Now 1 is accepted first, which alone would make AUX(1).
    assert_eq!(hear_all(&mut epoch, 1..4, ready(b"word")), [ready(b"word")]);
    // Recomputed, round 0 decides 1; the TERM covers round 1, in which the seat has voted.
    assert_eq!(hear_all(&mut epoch, 1..4, aux(0, true)), [term(1, true), bval(1, true)]);
    assert_eq!(epoch.round(TARGET), Some(Round(1)));
    let damaged = epoch.restore_own(&own[0]).expect_err("said before");
    assert!(damaged.to_string().starts_with("own frame is damaged"), "{damaged}");
}
