//! Windows: several epochs at once, frames that come early, and what is certified.

use std::collections::{BTreeMap, VecDeque};

use entente_hbbft::{
    Committee, Digest, EpochError, EpochNumber, Frame, FrameFault, Message, Output, Refusal, Round, Seat,
    SeatSet, Setup, Step, WINDOW, Window, WindowError,
};

use crate::rng::Rng;

fn window(n: usize, own: u16, certified: u64) -> Window {
    let committee = Committee::new(n).expect("sizes used here are committees");
    let setup = Setup::new(committee, Some(Seat(own)), b"windows").expect("the seat is in");
    Window::new(setup, EpochNumber(certified))
}

/// Of four.
fn all() -> SeatSet {
    (0..4).map(Seat).collect()
}

fn bval(round: u16) -> Frame {
    Frame::pack([Message::Bval { proposer: Seat(1), round: Round(round), value: false }])
}

#[test]
fn only_epochs_within_the_window_are_permitted() {
    let mut window = window(4, 0, 7);
    for epoch in [0, 6, 7, 7 + WINDOW + 1, u64::MAX].map(EpochNumber) {
        assert!(!window.permitted(epoch));
        let refused = Err(WindowError::NotPermitted { epoch, certified: EpochNumber(7) });
        assert_eq!(window.open(epoch, SeatSet::EMPTY).map(|step| step.messages), refused);
    }
    for epoch in (8..=7 + WINDOW).map(EpochNumber) {
        assert!(window.permitted(epoch));
    }
    let receive = |window: &mut Window, epoch| window.receive(EpochNumber(epoch), Seat(1), &bval(0));
    assert_eq!(receive(&mut window, 7).expect_err("certified"), Refusal::Passed);
    assert_eq!(receive(&mut window, 8 + WINDOW).expect_err("too far"), Refusal::NotYet);
    window.certified(EpochNumber(8));
    assert!(receive(&mut window, 8 + WINDOW).is_ok(), "what was refused for now is taken later");
    window.certified(EpochNumber(2));
    assert_eq!(window.last_certified(), EpochNumber(8));
}

#[test]
fn frames_of_an_epoch_that_is_not_open_wait_and_are_checked_like_any() {
    let (mut window, epoch) = (window(4, 0, 0), EpochNumber(2));
    assert_eq!(window.receive(epoch, Seat(9), &bval(0)).expect_err("no such seat"), {
        let size = 4;
        Refusal::Invalid(FrameFault::SeatOutOfRange { seat: Seat(9), size })
    });
    assert!(window.epoch(epoch).is_none(), "a refusal makes no epoch");
    for from in [1, 2].map(Seat) {
        let step = window.receive(epoch, from, &bval(0)).expect("kept");
        assert!(step.messages.is_empty() && step.wanted.is_empty());
        let again = window.receive(epoch, from, &bval(0)).expect_err("not new");
        assert!(matches!(again, Refusal::Invalid(FrameFault::NotNew { .. })));
        assert_eq!(window.receive(epoch, from, &bval(99)).expect_err("too far"), Refusal::NotYet);
    }
    let not_open = Err(WindowError::NotOpen { epoch });
    assert_eq!(window.propose(epoch, *b"early").map(|step| step.messages), not_open);
    assert_eq!(window.deliver(epoch, *b"early").map(|step| step.messages), not_open);
    assert_eq!(window.reject(epoch, Digest::of(b"early")).map(|step| step.messages), not_open);
    // Two votes are `weak`, and with the own one a quorum.
    let said = window.open(epoch, all()).expect("permitted").messages;
    let vote = |message: fn(Seat, Round) -> Message| message(Seat(1), Round(0));
    assert_eq!(
        said,
        [
            vote(|proposer, round| Message::Bval { proposer, round, value: false }),
            vote(|proposer, round| Message::Aux { proposer, round, value: false }),
        ]
    );
    assert_eq!(window.open(epoch, all()).expect("permitted").messages, [], "opening again says nothing");
}

#[test]
fn callers_errors_name_their_cause() {
    let mut window = window(4, 0, 0);
    let epoch = EpochNumber(1);
    let _ = window.open(epoch, all()).expect("permitted");
    let _ = window.propose(epoch, *b"first").expect("first proposal");
    let digest = Digest::of(b"first");
    let twice = window.propose(epoch, *b"second").expect_err("one per epoch");
    assert_eq!(twice, WindowError::Epoch(EpochError::AlreadyProposed { digest }));
    let committee = Committee::new(4).expect("four");
    assert!(Setup::new(committee, Some(Seat(4)), b"").is_err());
    let observer = Setup::new(committee, None, b"").expect("observers need no seat");
    let mut observing = Window::new(observer, EpochNumber(0));
    let _ = observing.open(epoch, all()).expect("permitted");
    assert_eq!(
        observing.propose(epoch, *b"word").expect_err("silent"),
        WindowError::Epoch(EpochError::Observer)
    );
    assert_eq!(
        observing.restore_own(epoch, &bval(0)).expect_err("silent"),
        WindowError::Epoch(EpochError::Observer)
    );
}

/// Seats with a window each, which open an epoch when the one before has its output.
struct Line {
    windows: Vec<Window>,
    outputs: Vec<BTreeMap<EpochNumber, Output>>,
    links: BTreeMap<(Seat, Seat), VecDeque<(EpochNumber, Frame)>>,
}

impl Line {
    fn start(&mut self, seat: Seat, epoch: EpochNumber) {
        let window = &mut self.windows[seat.index()];
        // The first coins are those of the last output.
        let last = self.outputs[seat.index()].last_key_value();
        let last_set = last.map_or(all(), |(_, output)| output.keys().copied().collect());
        let step = window.open(epoch, last_set).expect("certification keeps up");
        self.take_in(seat, epoch, step);
        let payload = format!("{seat} in {epoch}").into_bytes();
        let step = self.windows[seat.index()].propose(epoch, payload).expect("first proposal");
        self.take_in(seat, epoch, step);
    }

    fn take_in(&mut self, seat: Seat, epoch: EpochNumber, step: Step) {
        if let Some(frame) = step.frame() {
            for peer in (0..self.windows.len()).map(|seat| Seat(u16::try_from(seat).expect("few"))) {
                if peer != seat {
                    self.links.entry((seat, peer)).or_default().push_back((epoch, frame.clone()));
                }
            }
        }
        for want in step.wanted {
            let payload = format!("{} in {epoch}", want.proposer).into_bytes();
            let step = self.windows[seat.index()].deliver(epoch, payload).expect("open");
            self.take_in(seat, epoch, step);
        }
        if let Some(output) = step.output {
            assert!(self.outputs[seat.index()].insert(epoch, output).is_none(), "a second output of {epoch}");
            // Certification trails the output by as much as it may, and lets the next epoch in.
            let next = EpochNumber(epoch.0 + 1);
            if !self.windows[seat.index()].permitted(next) {
                self.windows[seat.index()].certified(EpochNumber(epoch.0 + 1 - WINDOW));
            }
            if next.0 <= EPOCHS {
                self.start(seat, next);
            }
        }
    }
}

const EPOCHS: u64 = 12;

#[test]
fn epochs_follow_each_other_while_seats_are_epochs_apart() {
    for seed in 0..20 {
        for n in [1, 2, 4, 7] {
            let mut rng = Rng::new(seed);
            let mut line = Line {
                windows: (0..n).map(|own| window(n, u16::try_from(own).expect("few"), 0)).collect(),
                outputs: vec![BTreeMap::new(); n],
                links: BTreeMap::new(),
            };
            for own in 0..n {
                line.start(Seat(u16::try_from(own).expect("few")), EpochNumber(1));
            }
            let slow = Seat(u16::try_from(rng.below(n)).expect("few"));
            let mut blocked = Vec::new();
            loop {
                let mut ready: Vec<_> = line.links.iter().filter(|(_, frames)| !frames.is_empty()).collect();
                ready.retain(|(link, _)| !blocked.contains(*link));
                let links: Vec<_> = ready.into_iter().map(|(link, _)| *link).collect();
                // Links to the slow seat move only when nothing else can.
                let fast: Vec<_> = links.iter().copied().filter(|(_, to)| *to != slow).collect();
                let link = match (links.is_empty(), fast.is_empty()) {
                    (true, _) => break,
                    (_, true) => rng.pick(&links),
                    _ => rng.pick(&fast),
                };
                let (epoch, frame) =
                    line.links.get_mut(&link).and_then(VecDeque::pop_front).expect("not empty");
                match line.windows[link.1.index()].receive(epoch, link.0, &frame) {
                    Ok(step) => {
                        blocked.retain(|(_, to)| *to != link.1);
                        line.take_in(link.1, epoch, step);
                    }
                    Err(Refusal::Passed) => {}
                    Err(Refusal::NotYet) => {
                        line.links.entry(link).or_default().push_front((epoch, frame));
                        blocked.push(link);
                    }
                    Err(Refusal::Invalid(fault)) => panic!("seed {seed}, n = {n}: {fault}"),
                }
                for window in &line.windows {
                    assert!(window.epochs().count() as u64 <= WINDOW, "seed {seed}, n = {n}");
                }
            }
            for outputs in &line.outputs {
                assert_eq!(outputs.len() as u64, EPOCHS, "seed {seed}, n = {n}");
                assert_eq!(outputs, &line.outputs[0], "seed {seed}, n = {n}");
            }
        }
    }
}
