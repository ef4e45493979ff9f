//! Record feeds written in several branches, of which each member is shown one.

use std::collections::BTreeMap;

use entente_protocol::feed::{FeedKey, Head, Run};
use entente_protocol::record::Body;
use entente_protocol::replicate::PeerMessage;
use entente_protocol::store::Write;

use super::Me;

pub(super) struct Branches {
    /// By member: which branch it is shown.
    audience: Vec<usize>,
    /// From which length on the branches differ.
    from: u64,
    branches: BTreeMap<(usize, FeedKey), Branch>,
}

#[derive(Default)]
struct Branch {
    bodies: Vec<Vec<u8>>,
    heads: Vec<Head>,
}

impl Branches {
    /// Branches that differ from a length on: the first is what the engine writes.
    pub(super) fn new(audience: Vec<usize>, from: u64) -> Self {
        Self { audience, from, branches: BTreeMap::new() }
    }

    fn branch(&self, audience: usize, run: &Run) -> Option<&Branch> {
        self.branches.get(&(audience, run.feed))
    }

    /// Takes what the engine has written.
    pub(super) fn wrote(&mut self, me: &Me<'_>, write: &Write) {
        let Write::Run { run, .. } = write else { return };
        if run.feed.node != me.keys.node.public() {
            return;
        }
        let audiences = self.audience.iter().max().map_or(1, |last| last + 1);
        for audience in 0..audiences {
            let branch = self.branches.entry((audience, run.feed)).or_default();
            let root = Head { length: 0, hash: run.feed.root(&me.coalition) };
            for body in &run.bodies {
                let length = branch.bodies.len() as u64 + 1;
                let other = audience > 0 && length >= self.from;
                let lie = || Body::Note(format!("branch {audience}, entry {length}").into_bytes()).encode();
                let body = if other { lie() } else { body.0.clone() };
                let before = branch.heads.last().copied().unwrap_or(root);
                let one = Run::sign(&me.coalition, run.feed, before, vec![body.clone()], &me.keys.node);
                branch.heads.extend(one.heads());
                branch.bodies.push(body);
            }
        }
    }

    /// What a member hears of a message.
    pub(super) fn send(&self, me: &Me<'_>, to: usize, message: PeerMessage) -> Vec<PeerMessage> {
        let audience = self.audience[to];
        match message {
            PeerMessage::Run(run) if run.feed.node == me.keys.node.public() => {
                let Some(branch) = self.branch(audience, &run) else { return Vec::new() };
                let (from, to) = (run.from.length as usize, run.from.length as usize + run.bodies.len());
                let Some(bodies) = branch.bodies.get(from..to) else { return Vec::new() };
                let root = Head { length: 0, hash: run.feed.root(&me.coalition) };
                let before = if from == 0 { root } else { branch.heads[from - 1] };
                vec![PeerMessage::Run(Run::sign(
                    &me.coalition,
                    run.feed,
                    before,
                    bodies.to_vec(),
                    &me.keys.node,
                ))]
            }
            PeerMessage::Have(mut have) => {
                for (key, head) in &mut have.feeds {
                    let branch = self.branches.get(&(audience, *key));
                    if let Some(own) = branch.and_then(|branch| branch.heads.get(head.length as usize - 1)) {
                        *head = *own;
                    }
                }
                vec![PeerMessage::Have(have)]
            }
            other => vec![other],
        }
    }
}
