//! Partners that join: amendments that admit them, with their own words and with words that do not hold; what they say then, and
//! what they say before.
//!
//! What carries their records is no process of the simulation but a *host*: a node that writes its feed and hands it to members, as a
//! peer that comes and goes. It looks at nothing before it writes, so it carries what no member's node would take: amendments with
//! damaged accessions, and records of those who have not joined. Nodes that are granted to partners are such hosts, too.

use std::collections::BTreeMap;

use entente_protocol::charter::{Amendment, Charter, PartnerName};
use entente_protocol::coalition::State;
use entente_protocol::credential::{Capability, Chain, Delegation, Revocation, Target};
use entente_protocol::engine::Input;
use entente_protocol::feed::{FeedKey, Head, Lane, Run as Entries};
use entente_protocol::founding::{Accession, Proposed};
use entente_protocol::identity::{CoalitionId, SecretKey};
use entente_protocol::record::{
    Act, AssetAct, Attest, Body, Change, Declare, KeyAct, MemberAct, Nonce, Open, Propose, Record, Role,
    Stance,
};
use entente_protocol::replicate::PeerMessage;
use entente_protocol::wire;

use super::{Run, words};
use crate::sim::members::{NEWCOMERS, granted_hosts, host, newcomer, newcomers_entry, officer, root};
use crate::sim::rng::Rng;

/// What these draws are kept apart from.
const PURPOSE: u64 = 17;

/// Hosts by their numbers, and words that were given.
#[derive(Default)]
pub(super) struct Joins {
    hosts: BTreeMap<usize, Host>,
    given: Vec<Accession>,
}

/// The feed of a node that is no process.
struct Host {
    key: SecretKey,
    feed: FeedKey,
    /// Each of one entry.
    runs: Vec<Entries>,
    head: Head,
    /// How many of them a correct member has.
    handed: usize,
}

impl Host {
    fn new(coalition: &CoalitionId, key: SecretKey) -> Self {
        let feed = FeedKey { node: key.public(), lane: Lane::Routine, incarnation: 0 };
        let head = Head { length: 0, hash: feed.root(coalition) };
        Self { key, feed, runs: Vec::new(), head, handed: 0 }
    }

    fn write(&mut self, coalition: &CoalitionId, body: &Body) {
        let run = Entries::sign(coalition, self.feed, self.head, vec![body.encode()], &self.key);
        self.head = run.heads().last().copied().unwrap_or(self.head);
        self.runs.push(run);
    }
}

impl Joins {
    /// What hosts have handed over, which must be ordered.
    pub(super) fn handed(&self) -> impl Iterator<Item = (FeedKey, u64)> {
        self.hosts.values().map(|host| (host.feed, host.handed as u64))
    }

    /// An amendment that admits one or two who have not joined, sound or not.
    fn amendment(&mut self, state: &State, damaged: bool, rng: &mut Rng) -> Option<Amendment> {
        let last = state.last_charter();
        // Made for a version that is not the last one any more.
        let earlier = damaged && last.version > 1 && rng.chance(20);
        let base = state.charter_at(last.version - u32::from(earlier))?;
        let mut wanted = Charter::clone(base);
        let entries = (0..NEWCOMERS).map(|nth| (nth, newcomers_entry(nth)));
        let free = |name: &PartnerName| base.partner(name.as_str()).is_none();
        let mut entries = entries.filter(|(_, entry)| free(&entry.name)).collect::<Vec<_>>();
        rng.shuffle(&mut entries);
        entries.truncate(if rng.chance(20) { 2 } else { 1 });
        for (_, entry) in &entries {
            wanted.admitted.push(entry.clone());
            for kind in wanted.operations.iter_mut().filter(|kind| kind.name.as_str() == "airlift") {
                kind.supporting.push(entry.name.clone());
            }
        }
        wanted.sort();
        let next = base.next_version(&wanted).ok()?;
        let coalition = state.founded().coalition();
        let sign = |coalition: CoalitionId, charter: &Charter, nth: usize| {
            let proposed = Proposed { coalition, charter: charter.clone() };
            Accession::sign(&proposed, &root(newcomer(nth), 0)).ok()
        };
        let sound =
            entries.iter().map(|(nth, _)| sign(coalition, &next, *nth)).collect::<Option<Vec<_>>>()?;
        let mut amendment = base.amendment_with(&wanted, sound.clone()).ok()?;
        if damaged && !earlier {
            let at = rng.index(amendment.admit.len());
            let word = amendment.admit.get_mut(at)?;
            let nth = entries.iter().find(|(_, entry)| entry.name == word.partner.name)?.0;
            let mut draft = next.clone();
            draft.operations.iter_mut().for_each(|kind| kind.window_ms += 1);
            let mut before = self.given.iter().rev();
            let before = before.find(|it| it.partner == word.partner && it.version != word.version);
            match (rng.below(5), before) {
                (0, _) => *word = sign(coalition, &draft, nth)?,
                (1, Some(before)) => *word = before.clone(),
                (2, _) => {
                    let mut other = coalition;
                    other.0.0[0] ^= 1;
                    *word = sign(other, &next, nth)?;
                }
                (3, _) => drop(word.delegations.pop()),
                _ => word.signature = sign(coalition, &draft, nth)?.signature,
            }
        }
        self.given.extend(sound);
        Some(amendment)
    }
}

fn proposes(amendment: Amendment) -> Option<Act> {
    let (kind, change) = ("amendment".parse().ok()?, Change::Amend(Box::new(amendment)));
    Some(Act::Member(MemberAct::Propose(Propose { kind, change, reason: "two more lifts".into() })))
}

/// A word on an amendment that admits somebody, where `me` has said none.
fn votes(state: &State, me: &PartnerName, rng: &mut Rng) -> Option<Act> {
    let open = state.operations().filter(|operation| {
        let admits =
            matches!(&operation.change, Some(Change::Amend(amendment)) if !amendment.admit.is_empty());
        admits && operation.decision.is_none() && operation.standing(me).is_none()
    });
    let open = open.map(|operation| operation.id).collect::<Vec<_>>();
    let operation = *open.last()?;
    let stance = if rng.chance(95) { Stance::Endorse } else { Stance::Object };
    let role = Role::Supporting;
    Some(Act::Attest(Attest { operation, role, stance, caveat: None, evidence: vec![], supersedes: None }))
}

/// What a partner that joined says, or that did not.
fn speech(state: &State, me: &PartnerName, of: usize, rng: &mut Rng) -> Act {
    let undecided = state.operations().filter(|operation| operation.decision.is_none());
    let undecided = undecided.filter(|operation| operation.open.kind == "airlift");
    let undecided = undecided.map(|operation| operation.id).collect::<Vec<_>>();
    match rng.below(20) {
        0..=5 if !undecided.is_empty() => Act::Attest(Attest {
            operation: *rng.pick(&undecided),
            role: if rng.chance(90) { Role::Supporting } else { Role::Lead },
            stance: *rng.pick(&[Stance::Endorse, Stance::Endorse, Stance::Object]),
            caveat: None,
            evidence: vec![],
            supersedes: None,
        }),
        6..=9 => Act::Open(Open {
            kind: "airlift".into(),
            title: "a lift".into(),
            body: BTreeMap::new(),
            precedence: None,
        }),
        10..=13 => {
            let (by, coalition) = (root(of, 0), state.founded().coalition());
            let (key, name) = (officer(of, rng.between(0, 2) as usize).public(), me.clone());
            let act = if rng.chance(75) {
                let (capability, until) = (Capability::Officer, newcomers_entry(0).credentials_until);
                let link = Delegation::direct(coalition, by.public(), key, name, capability, until);
                KeyAct::Grant(Chain(vec![link.sign(&by)]))
            } else {
                let (issuer, target, reason) = (by.public(), Target::Key(key), "lost".into());
                let revocation = Revocation { coalition, partner: name, issuer, reason, target };
                KeyAct::Revoke(Box::new(revocation.sign(&by)))
            };
            Act::Key(act)
        }
        14 if rng.chance(40) => Act::Member(MemberAct::Withdraw { ground: "the lifts are done".into() }),
        _ => {
            let name = format!("lift-{}", rng.below(1_000)).parse().expect("letters, digits and a dash");
            let kind = "c-130".parse().expect("letters, digits and a dash");
            Act::Asset(AssetAct::Declare(Declare { name, kind, label: "a lift".into() }))
        }
    }
}

/// What somebody says, by which key, and at which host, if not at a member's node.
type Speech = (Option<Act>, SecretKey, Option<usize>);

impl Run {
    /// Somebody at the node of `member` says something of partners that join; or one that has joined does, here or at a host.
    pub(super) fn join(&mut self, member: usize, draw: u64) {
        let (rng, seats) = (&mut Rng::new(draw, PURPOSE), self.world.history.seats);
        let Some(engine) = self.world.processes[member].engine.as_ref() else { return };
        let state = engine.state();
        let me = state.founded().partners()[member % seats].name.clone();
        let mine = if self.world.history.powers {
            self.keyring.signer(state, member % seats, rng)
        } else {
            officer(member % seats, 0)
        };
        let vote = votes(state, &me, rng);
        let hosts = self.hosts_of(state);
        let joined = |nth: &usize| state.last_charter().admitted.contains(&newcomers_entry(*nth));
        let joined = (0..NEWCOMERS).filter(joined).collect::<Vec<_>>();
        let (act, signer, at_host): Speech = match rng.below(24) {
            0..=11 if vote.is_some() => (vote, mine, None),
            4..=8 if !joined.is_empty() => {
                let nth = *rng.pick(&joined);
                let act = speech(state, &newcomers_entry(nth).name, newcomer(nth), rng);
                let key = if rng.chance(80) { 0 } else { rng.between(0, 2) as usize };
                let at = rng.chance(60).then(|| newcomer(nth)).filter(|number| hosts.contains(number));
                (Some(act), officer(newcomer(nth), key), at)
            }
            9..=16 if !hosts.is_empty() => {
                let at = *rng.pick(&hosts);
                let nth = rng.index(NEWCOMERS);
                match rng.below(10) {
                    0..=3 => {
                        let damaged = self.joins.amendment(state, true, rng);
                        (damaged.and_then(proposes), officer(rng.index(seats), 0), Some(at))
                    }
                    4..=6 => {
                        let act = speech(state, &newcomers_entry(nth).name, newcomer(nth), rng);
                        (Some(act), officer(newcomer(nth), 0), Some(at))
                    }
                    8 if self.world.history.pact.is_some() => {
                        (words::document(state, rng), officer(rng.index(seats), 0), Some(at))
                    }
                    7 => (self.node_change(state, rng), officer(rng.index(seats), 0), Some(at)),
                    _ => {
                        let open = Open {
                            kind: "closure".into(),
                            title: "from a host".into(),
                            body: BTreeMap::new(),
                            precedence: None,
                        };
                        (Some(Act::Open(open)), officer(0, 0), Some(at))
                    }
                }
            }
            17..=20 => (self.node_change(state, rng), mine, None),
            _ => (self.joins.amendment(state, false, rng).and_then(proposes), mine, None),
        };
        let Some(act) = act else { return };
        let Some(number) = at_host else {
            let id = self.says_with(member, &signer, act);
            return self.said.push(id);
        };
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_le_bytes());
        let coalition = self.world.oracle.coalition();
        let signed = Record { coalition, nonce: Nonce(nonce), signer: signer.public(), act }.sign(&signer);
        self.said.push(signed.record.id());
        let host = self.joins.hosts.entry(number).or_insert_with(|| Host::new(&coalition, host(number)));
        host.write(&coalition, &Body::Signed(signed));
        self.hand_over(number, member);
    }

    /// Those who make their keys under a number: the founders, and whoever may join.
    fn numbers(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.world.history.seats).chain((0..NEWCOMERS).map(newcomer))
    }

    /// Hosts that take part as far as a state knows.
    fn hosts_of(&self, state: &State) -> Vec<usize> {
        let nodes = state.nodes().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        let first = (0..NEWCOMERS).map(newcomer);
        let all = first.chain(self.numbers().flat_map(granted_hosts));
        all.filter(|number| nodes.contains(&host(*number).public())).collect()
    }

    /// A node is granted, or taken back: mostly by the root that may.
    fn node_change(&self, state: &State, rng: &mut Rng) -> Option<Act> {
        let numbers = self.numbers().collect::<Vec<_>>();
        let of = *rng.pick(&numbers);
        let founder = state.founded().partners().get(of).map(|partner| partner.name.clone());
        let by = match (&founder, self.world.history.powers) {
            _ if rng.chance(10) => root(*rng.pick(&numbers), 0),
            (Some(_), true) => self.keyring.root(state, of, rng),
            _ => root(of, 0),
        };
        let name = founder.unwrap_or_else(|| newcomers_entry(of - newcomer(0)).name);
        let hosts = granted_hosts(of).collect::<Vec<_>>();
        let key = if rng.chance(10) { officer(of, 0).public() } else { host(*rng.pick(&hosts)).public() };
        let coalition = state.founded().coalition();
        let act = if rng.chance(80) {
            let (capability, until) = (Capability::Node, newcomers_entry(0).credentials_until);
            let link = Delegation::direct(coalition, by.public(), key, name, capability, until);
            KeyAct::Grant(Chain(vec![link.sign(&by)]))
        } else {
            let (issuer, target, reason) = (by.public(), Target::Key(host(hosts[0]).public()), "sold".into());
            let revocation = Revocation { coalition, partner: name, issuer, reason, target };
            KeyAct::Revoke(Box::new(revocation.sign(&by)))
        };
        Some(Act::Key(act))
    }

    /// A host is linked with a member for a moment.
    fn hand_over(&mut self, number: usize, member: usize) {
        let world = &mut self.world;
        let Some(host) = self.joins.hosts.get_mut(&number) else { return };
        let peer = host.key.public();
        let knows = world.processes[member]
            .engine
            .as_ref()
            .is_some_and(|engine| engine.state().node(&peer).is_some());
        // A member lets in who is enrolled as far as it knows.
        if !knows || world.history.is_faulty(member) {
            return;
        }
        world.input(member, Input::PeerUp(peer));
        for run in &host.runs {
            let bytes = wire::encode(&PeerMessage::Run(run.clone()));
            world.input(member, Input::Received { peer, bytes });
        }
        world.input(member, Input::PeerDown(peer));
        // Where all are well, nothing of it is lost any more.
        if world.calm && world.is_running(member) {
            host.handed = host.runs.len();
        }
    }

    /// In a round of talk.
    pub(super) fn talk_of_joins(&mut self, round: u64) {
        if !self.world.history.joins {
            return;
        }
        let rng = &mut Rng::new(self.world.history.seed, PURPOSE + (round << 8));
        let correct = |run: &Self| {
            let members = 0..run.world.history.seats;
            members.filter(|member| !run.world.history.is_faulty(*member)).collect::<Vec<_>>()
        };
        for member in correct(self) {
            if rng.chance(70) {
                self.join(member, rng.next());
            }
        }
        for number in self.joins.hosts.keys().copied().collect::<Vec<_>>() {
            correct(self).into_iter().for_each(|member| self.hand_over(number, member));
        }
    }
}
