//! Says again what it has heard, from anyone, long ago. Who starts and asks it what it has said before is told what was
//! reported of an earlier start, and nothing else.

use std::collections::{BTreeMap, VecDeque};

use entente_hbbft::Seat;
use entente_protocol::replicate::PeerMessage;
use entente_protocol::time::Time;
use entente_protocol::vote::HeadReport;

use super::{Liar, Me, forget_own};
use crate::sim::rng::Rng;

/// Most messages remembered.
const MEMORY: usize = 2_000;
/// For how long it keeps a starter in the past, in ms.
const IN_THE_PAST_MS: u64 = 10_000;

#[derive(Default)]
pub(super) struct Replays {
    heard: VecDeque<PeerMessage>,
    /// The first report of each to each starter, its own among them.
    reports: BTreeMap<Seat, BTreeMap<Seat, HeadReport>>,
    /// Until when members are told nothing new.
    in_the_past: BTreeMap<usize, Time>,
}

impl Liar for Replays {
    fn send(&mut self, me: &Me<'_>, to: usize, message: PeerMessage, _rng: &mut Rng) -> Vec<PeerMessage> {
        if let PeerMessage::HeadReport(report) = &message
            && report.reporter == me.seat()
        {
            let known = self.reports.entry(report.starter).or_default();
            let first = known.entry(report.reporter).or_insert_with(|| report.clone());
            if first.nonce != report.nonce {
                if report.starter.index() != to {
                    return Vec::new();
                }
                self.in_the_past.insert(to, me.now.plus(IN_THE_PAST_MS));
                return known.values().cloned().map(PeerMessage::HeadReport).collect();
            }
        }
        // Its frontier opens the way for what the other has to say.
        let late = self.in_the_past.get(&to).is_some_and(|until| me.now < *until);
        if late && !matches!(message, PeerMessage::Have(_)) { Vec::new() } else { vec![message] }
    }

    fn hear(
        &mut self,
        me: &Me<'_>,
        _from: usize,
        message: PeerMessage,
        rng: &mut Rng,
    ) -> Option<PeerMessage> {
        if let PeerMessage::HeadReport(report) = &message {
            let known = self.reports.entry(report.starter).or_default();
            known.entry(report.reporter).or_insert_with(|| report.clone());
        }
        let keeps = match message {
            PeerMessage::HeadReport(_) | PeerMessage::HeadRequest(_) => true,
            PeerMessage::Want(_) | PeerMessage::Served(_) => false,
            _ => rng.chance(30),
        };
        if keeps {
            if self.heard.len() == MEMORY {
                self.heard.pop_front();
            }
            self.heard.push_back(message.clone());
        }
        forget_own(me, message)
    }

    fn murmur(&mut self, me: &Me<'_>, rng: &mut Rng) -> Vec<(usize, PeerMessage)> {
        if self.heard.is_empty() {
            return Vec::new();
        }
        let mut said = Vec::new();
        for to in me.others().filter(|to| self.in_the_past.get(to).is_none_or(|until| *until <= me.now)) {
            for _ in 0..5 {
                said.push((to, self.heard[rng.index(self.heard.len())].clone()));
            }
        }
        said
    }
}
