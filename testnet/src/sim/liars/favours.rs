//! Liars that agree on whom to favour, so that few finish with their help and the others need every vote that is left.
//!
//! One seat is backed in all that speaks for 1; one is told, as early as can be, that it is decided, or that the answer is 0;
//! the others hear no vote of theirs. They cosign nothing.

use entente_hbbft::{Message, Round};
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;

use super::tongues::Tongues;
use super::{Liar, Liars, Me};
use crate::sim::rng::Rng;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Ones,
    Decided,
    Zeros,
    Nothing,
}

impl Told {
    const ALL: [Self; 4] = [Self::Ones, Self::Decided, Self::Zeros, Self::Nothing];
}

pub(super) struct Favours {
    /// By member, as index into [`Told::ALL`]. All liars have drawn the same.
    told: Vec<usize>,
    tongues: Tongues,
}

impl Favours {
    pub(super) fn new(liars: &Liars) -> Self {
        let mut told = vec![3; liars.members];
        // Whom the scheduler is after as well, or behind the liar whose contribution it keeps from others.
        let from = |start: usize| (0..liars.members).map(move |step| (start + step) % liars.members);
        let correct = |member: &usize| liars.all.iter().all(|(liar, _)| liar != member);
        let first = from(liars.target).find(correct).unwrap_or(0);
        told[first] = 1 + Rng::new(liars.seed, 4).index(2);
        told[from(first + 1).find(correct).unwrap_or(0)] = 0;
        Self { told, tongues: Tongues::default() }
    }
}

fn say(told: usize, message: Message) -> Option<Message> {
    let first = Round::FIRST;
    Some(match (Told::ALL[told], message) {
        // Each chain is another from early on: otherwise who is told nothing would learn the rest from others.
        (_, Message::Echo { proposer, .. }) if proposer.index() % Told::ALL.len() == told => return None,
        (_, Message::Echo { .. }) | (Told::Ones, Message::Propose(_) | Message::Ready { .. }) => message,
        (Told::Ones, Message::Aux { proposer, round, .. }) => Message::Aux { proposer, round, value: true },
        (Told::Decided, Message::Ready { proposer, .. }) => {
            Message::Term { proposer, round: first, value: true }
        }
        (Told::Zeros, Message::Ready { proposer, .. }) => {
            Message::Bval { proposer, round: first, value: false }
        }
        (Told::Zeros, Message::Aux { proposer, round, .. }) => Message::Aux { proposer, round, value: false },
        _ => return None,
    })
}

impl Liar for Favours {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        self.tongues
            .wrote(me, write, Told::ALL.len(), |told, _, message| say(told, message).into_iter().collect());
    }

    fn send(&mut self, me: &Me<'_>, to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        match message {
            PeerMessage::Cosign(_) | PeerMessage::Certificate { .. } => Vec::new(),
            message => self.tongues.send(me, self.told[to], message),
        }
    }
}
