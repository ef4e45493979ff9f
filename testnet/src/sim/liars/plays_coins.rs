//! Two liars of seven seats that know every coin and keep four others undecided by them, round by round, on the contribution of a
//! fifth, which hears nothing of it.
//!
//! In a round with coin s all four are brought to accept the opposite first and to vote for it; then both values are accepted,
//! half of the four are shown votes for the opposite alone, which is their next estimate, and half votes for both values, so that
//! theirs is the coin. No quorum of the four stands without a vote of the liars, so nothing happens before they speak.
//!
//! In round 1 one of the four accepts the coin first, by a vote that another says late and that the one ahead does not hear in
//! time: it says its own when it is many rounds further, and until then the fifth lacks it.
//!
//! They speak to each member in a chain of its own, follow what correct seats have said, delivered or not, and fall silent in
//! the end. They cosign nothing.

use std::collections::{BTreeMap, BTreeSet};

use entente_hbbft::{BoolSet, Digest, Frame, Message, Round, Seat};
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;
use entente_protocol::vote::{VoteFeed, VoteFrame};

use super::{Liar, Liars, Me};
use crate::sim::coins::{FIXED, Players, common};
use crate::sim::rng::Rng;

/// The last round that is played: far enough, so that who stays behind is left by the window of votes, and some more.
const LAST_ROUND: (u64, u64) = (11, 14);

pub(super) struct PlaysCoins {
    players: Option<Players>,
    /// Those who lie as well.
    fellows: Vec<usize>,
    last_round: u16,
    /// The feed of the epoch in which it plays: the first.
    feed: Option<VoteFeed>,
    chains: BTreeMap<usize, Chain>,
    /// Whether it votes in other agreements yet.
    votes: bool,
    at: At,
}

/// What one member is told.
#[derive(Default)]
struct Chain {
    frames: Vec<VoteFrame>,
    /// What is to be said next.
    next: Vec<Message>,
    sent: usize,
}

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Contributed,
    Ready,
    Inputs,
    FirstAux(Digest),
    Estimates,
    SecondAux,
    LeftBehind,
    LateAux,
    /// BVAL of all in a round with a common coin, then their AUX, then their CONF.
    Bval(u16),
    Aux(u16),
    Conf(u16),
    Done,
}

impl PlaysCoins {
    pub(super) fn new(liars: &Liars) -> Self {
        // All who play have drawn the same.
        let last_round = Rng::new(liars.seed, 388).between(LAST_ROUND.0, LAST_ROUND.1) as u16;
        let players = Players::of(&liars.all, liars.target);
        let fellows = liars.all.iter().map(|(liar, _)| *liar).collect();
        let chains = (0..liars.members).map(|member| (member, Chain::default())).collect();
        Self { players, fellows, last_round, feed: None, chains, votes: false, at: At::Contributed }
    }

    fn say(&mut self, to: &[usize], messages: &[Message]) {
        for member in to {
            self.chains.entry(*member).or_default().next.extend(messages);
        }
    }

    /// Says all that it can, given what correct seats have said.
    fn play(&mut self, me: &Me<'_>) {
        let (Some(players), Some(feed)) = (self.players, self.feed) else { return };
        let said: BTreeMap<usize, BTreeSet<Message>> = players
            .kept_apart()
            .into_iter()
            .map(|seat| (seat, me.said_by(seat, feed.epoch).collect()))
            .collect();
        while let Some(next) = self.move_on(me, &players, feed.epoch, &said) {
            self.at = next;
        }
    }

    fn move_on(
        &mut self,
        me: &Me<'_>,
        players: &Players,
        epoch: u64,
        said: &BTreeMap<usize, BTreeSet<Message>>,
    ) -> Option<At> {
        let proposer = Seat(players.starved as u16);
        let bval = |round, value| Message::Bval { proposer, round: Round(round), value };
        let aux = |round, value| Message::Aux { proposer, round: Round(round), value };
        let conf = |round, values| Message::Conf { proposer, round: Round(round), values };
        let have = |seats: &[usize], message: Message| seats.iter().all(|seat| said[seat].contains(&message));
        let all = players.kept_apart();
        let Players { informed, second, unheard, ahead, .. } = *players;
        match self.at {
            At::Contributed => {
                let echo = said[&informed].iter().find(
                    |message| matches!(message, Message::Echo { proposer: of, .. } if *of == proposer),
                )?;
                self.say(&[informed, second], &[*echo]);
                Some(At::Ready)
            }
            At::Ready => {
                let ready = said[&informed].iter().find(
                    |message| matches!(message, Message::Ready { proposer: of, .. } if *of == proposer),
                );
                ready?;
                self.votes = true;
                Some(At::Inputs)
            }
            At::Inputs if have(&[second, unheard, ahead], bval(0, false)) => {
                let ready = said[&informed].iter().find_map(|message| match message {
                    Message::Ready { proposer: of, digest } if *of == proposer => Some(*digest),
                    _ => None,
                });
                self.say(&all, &[bval(0, false)]);
                Some(At::FirstAux(ready?))
            }
            At::FirstAux(digest) if have(&all, aux(0, false)) => {
                self.say(&[informed, second], &[aux(0, false)]);
                self.say(&[unheard, ahead], &[Message::Ready { proposer, digest }, aux(0, true)]);
                Some(At::Estimates)
            }
            At::Estimates
                if have(&[informed, second], bval(1, false)) && have(&[unheard, ahead], bval(1, true)) =>
            {
                self.say(&[second, unheard, ahead], &[bval(1, true)]);
                Some(At::SecondAux)
            }
            At::SecondAux if have(&[second, unheard, ahead], aux(1, true)) => {
                self.say(&[ahead], &[aux(1, true)]);
                Some(At::LeftBehind)
            }
            At::LeftBehind if have(&[ahead], bval(2, true)) => {
                self.say(&[informed, second, unheard], &[bval(1, false)]);
                Some(At::LateAux)
            }
            At::LateAux if have(&[informed], aux(1, false)) => {
                self.say(&[informed], &[bval(1, true), aux(1, false)]);
                self.say(&[second], &[aux(1, false)]);
                self.say(&[unheard], &[aux(1, true)]);
                Some(At::Bval(FIXED))
            }
            At::Bval(round) if round > self.last_round => Some(At::Done),
            At::Bval(round) => {
                let estimate = |seat: &usize| {
                    [false, true].into_iter().any(|value| said[seat].contains(&bval(round, value)))
                };
                let bad = !common(&me.coalition, epoch, proposer, round);
                all.iter().all(estimate).then(|| self.say(&all, &[bval(round, bad)]))?;
                Some(At::Aux(round))
            }
            At::Aux(round) => {
                let bad = !common(&me.coalition, epoch, proposer, round);
                have(&all, aux(round, bad)).then(|| self.say(&all, &[aux(round, bad)]))?;
                Some(At::Conf(round))
            }
            At::Conf(round) => {
                let coin = common(&me.coalition, epoch, proposer, round);
                let bad = BoolSet::of(!coin);
                have(&all, conf(round, bad)).then_some(())?;
                self.say(&all, &[bval(round, coin)]);
                self.say(&[informed, unheard], &[conf(round, bad)]);
                self.say(&[second, ahead], &[conf(round, BoolSet::Both)]);
                Some(At::Bval(round + 1))
            }
            _ => None,
        }
    }
}

/// The agreement that a message is about; its sender's own for a proposal.
fn about(message: &Message, from: Seat) -> Seat {
    match *message {
        Message::Propose(_) => from,
        Message::Echo { proposer, .. }
        | Message::Ready { proposer, .. }
        | Message::Bval { proposer, .. }
        | Message::Aux { proposer, .. }
        | Message::Conf { proposer, .. }
        | Message::Term { proposer, .. } => proposer,
    }
}

impl Liar for PlaysCoins {
    fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        let Write::Frame(frame) = write else { return };
        let Some(players) = self.players.filter(|_| frame.feed.seat == me.seat()) else { return };
        let first = self.feed.is_none();
        let feed = *self.feed.get_or_insert(frame.feed);
        if first {
            // Each chain is another from the beginning: nobody learns from others what they were told.
            let fellow =
                self.fellows.iter().find(|fellow| **fellow != me.member).copied().unwrap_or(me.member);
            for (member, chain) in &mut self.chains {
                let digest = Digest([*member as u8; 32]);
                chain.next.push(Message::Echo { proposer: Seat(fellow as u16), digest });
            }
        }
        if frame.feed.epoch != feed.epoch {
            return;
        }
        let starved = Seat(players.starved as u16);
        let is_fellow = |seat: Seat| seat != me.seat() && self.fellows.contains(&seat.index());
        let spoken = frame.votes.messages().filter(|message| {
            let of = about(message, me.seat());
            of != starved && !(is_fellow(of) && matches!(message, Message::Echo { .. }))
        });
        let spoken: Vec<_> = spoken.collect();
        let others: Vec<_> = me.others().filter(|member| *member != players.starved).collect();
        self.say(&others, &spoken);
    }

    fn send(&mut self, me: &Me<'_>, to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        match message {
            PeerMessage::Cosign(_) | PeerMessage::Certificate { .. } => Vec::new(),
            PeerMessage::Frame(frame) if frame.feed.seat == me.seat() => {
                let chain = self.chains.get(&to).filter(|_| self.feed == Some(frame.feed));
                let told = chain.and_then(|chain| chain.frames.get(frame.seq as usize));
                told.cloned().map(PeerMessage::Frame).into_iter().collect()
            }
            PeerMessage::Have(mut have) => {
                for epoch in &mut have.epochs {
                    let ours = self.feed.is_some_and(|feed| feed.epoch == epoch.epoch);
                    let told = self.chains.get(&to).filter(|_| ours).map_or(0, |chain| chain.frames.len());
                    if let Some(count) = epoch.frames.get_mut(me.seat().index()) {
                        *count = told as u32;
                    }
                }
                vec![PeerMessage::Have(have)]
            }
            other => vec![other],
        }
    }

    fn is_done(&self) -> bool {
        self.at == At::Done
    }

    fn murmur(&mut self, me: &Me<'_>, _rng: &mut Rng) -> Vec<(usize, PeerMessage)> {
        let (Some(feed), Some(key)) = (self.feed, me.keys.seat.as_ref()) else { return Vec::new() };
        if self.at == At::Done {
            return Vec::new();
        }
        self.play(me);
        let mut told = Vec::new();
        for (member, chain) in &mut self.chains {
            // The first frame is an echo alone; then it is silent until it votes, but for echoes of what is contributed.
            let (now, later) = std::mem::take(&mut chain.next)
                .into_iter()
                .partition::<Vec<_>, _>(|message| self.votes || matches!(message, Message::Echo { .. }));
            chain.next = later;
            if !now.is_empty() {
                let previous = chain.frames.last().map_or_else(|| feed.root(&me.coalition), VoteFrame::hash);
                let (seq, votes) = (chain.frames.len() as u32, Frame::pack(now));
                chain.frames.push(VoteFrame::sign(&me.coalition, feed, seq, previous, votes, key));
            }
            // The last one again: who was not listening asks for what is before it.
            let from = chain.sent.min(chain.frames.len().saturating_sub(1));
            chain.sent = chain.frames.len();
            let frames = chain.frames[from..].iter().cloned();
            told.extend(frames.map(|frame| (*member, PeerMessage::Frame(frame))));
        }
        told.retain(|(member, _)| *member != me.member);
        told
    }
}
