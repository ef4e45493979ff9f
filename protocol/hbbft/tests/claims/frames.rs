//! Frames have one form and one encoding, and everything else is refused.

use bincode::config::{self, Config};
use entente_hbbft::{BoolSet, Committee, Digest, Frame, FrameFault, MAX_ROUND, Message, Round, Seat, Vote};
use serde::Serialize;

use crate::rng::Rng;

/// A frame as it lies on the wire, to be written wrongly.
#[derive(Clone, Default, Serialize)]
struct Raw {
    propose: Option<Digest>,
    echo: Vec<(Seat, Digest)>,
    ready: Vec<(Seat, Digest)>,
    votes: Vec<(Round, Vote, u128)>,
}

fn codec() -> impl Config {
    config::standard()
}

fn encode(value: impl Serialize) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, codec()).expect("in memory")
}

fn decode(bytes: &[u8]) -> Frame {
    let (frame, read) = bincode::serde::decode_from_slice(bytes, codec()).expect("well-formed");
    assert_eq!(read, bytes.len());
    frame
}

fn committee(n: usize) -> Committee {
    Committee::new(n).expect("sizes used here are committees")
}

fn digest(seat: Seat) -> Digest {
    Digest::of(&seat.0.to_be_bytes())
}

/// Messages that one seat could say in one step.
fn messages(committee: Committee, rng: &mut Rng) -> Vec<Message> {
    let mut messages = vec![Message::Propose(digest(Seat(0)))];
    for proposer in committee.seats() {
        messages.push(Message::Echo { proposer, digest: digest(proposer) });
        messages.push(Message::Ready { proposer, digest: digest(proposer) });
        let last = Round(u16::try_from(rng.below(4)).expect("small"));
        for round in (0..=last.0).map(Round) {
            let value = rng.one_in(2);
            messages.extend((round != Round(0)).then_some(Message::Bval { proposer, round, value: true }));
            messages.push(Message::Bval { proposer, round, value: false });
            messages.push(Message::Aux { proposer, round, value });
            let values = rng.pick(&[BoolSet::Zero, BoolSet::One, BoolSet::Both]);
            messages.extend((round >= Round(2)).then_some(Message::Conf { proposer, round, values }));
        }
        messages.push(Message::Term { proposer, round: last, value: rng.one_in(2) });
    }
    messages.retain(|_| !rng.one_in(3));
    rng.shuffle(&mut messages);
    messages
}

#[test]
fn packing_and_encoding_lose_nothing_and_forget_the_order() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let committee = committee(rng.pick(&[1, 2, 4, 7, 64, 128]));
        let mut said = messages(committee, &mut rng);
        let frame = Frame::pack(said.clone());
        let mut packed: Vec<_> = frame.messages().collect();
        said.sort_unstable();
        packed.sort_unstable();
        assert_eq!(packed, said, "seed {seed}");
        rng.shuffle(&mut said);
        assert_eq!(Frame::pack(said.iter().chain(&said).copied()), frame, "seed {seed}");
        assert_eq!(decode(&encode(&frame)), frame, "seed {seed}");
        assert_eq!(frame.check(&committee).is_ok(), !said.is_empty(), "seed {seed}");
    }
}

#[test]
fn frames_are_small() {
    let all = |message: fn(Seat) -> Message| Frame::pack(committee(4).seats().map(message));
    let aux = |proposer| Message::Aux { proposer, round: Round(0), value: true };
    assert_eq!(encode(all(aux)).len(), 4 + 3);
    let echo = |proposer| Message::Echo { proposer, digest: digest(proposer) };
    assert_eq!(encode(all(echo)).len(), 4 + 4 * 33);
}

#[test]
fn every_other_form_is_refused() {
    let committee = committee(4);
    let (one, two) = ((Seat(1), digest(Seat(1))), (Seat(2), digest(Seat(2))));
    let outside = (Seat(4), digest(Seat(4)));
    let (aux, conf) = (|value| Vote::Aux(value), |values| Vote::Conf(values));
    let votes = |votes: &[(u16, Vote, u128)]| Raw {
        votes: votes.iter().map(|(round, vote, bits)| (Round(*round), *vote, *bits)).collect(),
        ..Raw::default()
    };
    let echo = |echo: &[(Seat, Digest)]| Raw { echo: echo.to_vec(), ..Raw::default() };
    let ready = |ready: &[(Seat, Digest)]| Raw { ready: ready.to_vec(), ..Raw::default() };
    let out = FrameFault::SeatOutOfRange { seat: Seat(4), size: 4 };
    let unsorted = |list| FrameFault::Unsorted { list };
    let not_new = |message| FrameFault::NotNew { message };
    let proposer = Seat(1);
    let table = [
        (Raw::default(), FrameFault::Empty),
        (echo(&[two, one]), unsorted("echo")),
        (echo(&[one, one]), unsorted("echo")),
        (echo(&[one, (Seat(1), digest(Seat(2)))]), unsorted("echo")),
        (echo(&[outside]), out),
        (ready(&[two, one]), unsorted("ready")),
        (ready(&[outside]), out),
        (votes(&[(1, aux(true), 1), (0, aux(true), 1)]), unsorted("votes")),
        (votes(&[(2, conf(BoolSet::One), 1), (2, aux(true), 1)]), unsorted("votes")),
        (votes(&[(0, aux(true), 1), (0, aux(true), 2)]), unsorted("votes")),
        (votes(&[(0, aux(true), 0)]), FrameFault::NoProposer { round: Round(0) }),
        (votes(&[(0, aux(true), 0b1_0000)]), out),
        (votes(&[(0, aux(true), 1 << 127)]), FrameFault::SeatOutOfRange { seat: Seat(127), size: 4 }),
        (
            votes(&[(MAX_ROUND.0 + 1, aux(true), 1)]),
            FrameFault::RoundOutOfRange { round: Round(MAX_ROUND.0 + 1) },
        ),
        (votes(&[(0, Vote::Bval(true), 2)]), FrameFault::BareBval { proposer }),
        (votes(&[(1, conf(BoolSet::One), 2)]), FrameFault::ConfOfFixedCoin { proposer, round: Round(1) }),
        (
            votes(&[(1, aux(false), 2), (1, aux(true), 3)]),
            not_new(Message::Aux { proposer, round: Round(1), value: true }),
        ),
        (
            votes(&[(2, conf(BoolSet::Zero), 2), (2, conf(BoolSet::Both), 3)]),
            not_new(Message::Conf { proposer, round: Round(2), values: BoolSet::Both }),
        ),
        (
            votes(&[(1, Vote::Term(false), 2), (1, Vote::Term(true), 3)]),
            not_new(Message::Term { proposer, round: Round(1), value: true }),
        ),
        (
            votes(&[(1, Vote::Term(false), 2), (2, Vote::Bval(true), 3)]),
            FrameFault::AfterTerm { proposer, round: Round(2) },
        ),
        (
            votes(&[(1, Vote::Term(false), 2), (2, Vote::Term(false), 3)]),
            FrameFault::AfterTerm { proposer, round: Round(2) },
        ),
    ];
    for (raw, fault) in table {
        assert_eq!(decode(&encode(raw)).check(&committee), Err(fault));
    }
}

#[test]
fn the_raw_form_of_these_tests_is_that_of_the_wire() {
    let raw = Raw {
        propose: Some(digest(Seat(0))),
        echo: vec![(Seat(1), digest(Seat(1)))],
        ready: vec![(Seat(2), digest(Seat(2)))],
        votes: vec![(Round(0), Vote::Bval(false), 5), (Round(3), Vote::Term(true), 2)],
    };
    let bval = |proposer| Message::Bval { proposer, round: Round(0), value: false };
    let frame = Frame::pack([
        Message::Propose(digest(Seat(0))),
        Message::Echo { proposer: Seat(1), digest: digest(Seat(1)) },
        Message::Ready { proposer: Seat(2), digest: digest(Seat(2)) },
        bval(Seat(0)),
        bval(Seat(2)),
        Message::Term { proposer: Seat(1), round: Round(3), value: true },
    ]);
    assert_eq!(encode(raw), encode(&frame));
}

#[test]
fn no_bytes_make_a_check_panic() {
    let committee = committee(4);
    let mut accepted = 0;
    for seed in 0..20_000 {
        let mut rng = Rng::new(seed);
        let mut bytes = encode(Frame::pack(messages(committee, &mut rng)));
        if rng.one_in(2) {
            bytes.truncate(rng.below(bytes.len() + 1).max(4));
        }
        let at = rng.below(bytes.len());
        bytes[at] = u8::try_from(rng.below(256)).expect("a byte");
        let config = config::standard().with_limit::<4096>();
        if let Ok((frame, _)) = bincode::serde::decode_from_slice::<Frame, _>(&bytes, config)
            && frame.check(&committee).is_ok()
        {
            accepted += 1;
            assert_eq!(Frame::pack(frame.messages()), frame, "seed {seed}: accepted in another form");
        }
    }
    assert!(accepted > 100, "only {accepted} damaged frames came as far as that");
}
