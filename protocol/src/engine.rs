//! One coalition on one node: inputs in, effects out; the only thing that shells talk to.
//!
//! Guarantees: deterministic; total (bytes from peers cause [`Fault`]s, callers' mistakes cause [`Refused`], a store
//! that contradicts what this node said causes [`Halt`]); nothing behind an [`Effect::Persist`] may leave before that
//! write is durable, which the shell keeps by carrying the effects out in order.
//!
//! How: record feeds (`feeds`) hold what is said; contributions over them are agreed on (`epochs`, by
//! `entente-hbbft`, whose words `speak` says), cut, ordered and applied (`apply`); peers exchange frontiers and ask for what they lack
//! (`peers`); who is behind takes
//! certified epochs as they are (`catchup`) or a copy of the state (`snapshots`); `enrolment` follows the keys; after a start a seat first hears from a quorum what it has said before (`start`); `recover` rebuilds all
//! from the store, and `lives` goes on from a store that was rolled back.

mod api;
mod apply;
mod catchup;
mod enrolment;
mod epochs;
mod evidence;
mod feeds;
mod holdings;
mod lives;
mod peers;
mod recover;
mod snapshots;
mod speak;
mod start;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use entente_hbbft::{Committee, Seat, Window};

pub use api::{Effect, Event, Fault, Floor, Halt, Held, Input, NodeId, Refused, Status, Submission, Ticket};
pub use catchup::MAX_PROVEN_EPOCHS;
pub use epochs::MAX_STASHED_PAYLOADS;
pub use feeds::MAX_BACKLOG;
pub use holdings::Holding;
pub use lives::Restored;
pub use recover::RecoverError;
pub(crate) use snapshots::prove;
pub use snapshots::{MAX_KEPT_SPANS, Snapshots};

use crate::coalition::State;
use crate::evidence::Equivocation;
use crate::feed::{Chain, FeedKey, Head};
use crate::founding::Founded;
use crate::frontier::Basis;
use crate::identity::{CoalitionId, PublicKey, RecordId, SecretKey};
use crate::ledger::cosignature::Cosigners;
use crate::ledger::merkle::Frontier;
use crate::replicate::{Cosign, EpochProof, PeerMessage, Want};
use crate::store::Write;
use crate::time::Time;
use apply::Uncertified;
use catchup::Catchup;
use epochs::{Chains, Proposals};
use feeds::{Feed, Written};
use peers::{Asked, Peer, Subject};
use snapshots::Copies;
use speak::{Unsaid, Unsent};
use start::Start;

/// Spans that a link profile sets, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long changes gather before peers are told the new frontier.
    pub gossip_ms: u64,
    /// After how long something that was asked for is asked for elsewhere.
    pub ask_timeout_ms: u64,
    /// While something is unfinished: how often the whole frontier is told again.
    pub repeat_ms: u64,
    /// Smallest gap between own starts of epochs.
    pub start_gap_ms: u64,
    /// How long ECHO and READY may wait for those of other contributions, to be said together.
    pub linger_ms: u64,
}

impl Timing {
    /// For a local network.
    pub const LAN: Self =
        Self { gossip_ms: 50, ask_timeout_ms: 1_000, repeat_ms: 1_000, start_gap_ms: 0, linger_ms: 2 };
}

/// Who this node is, and in which coalition.
pub struct Config {
    /// The coalition.
    pub founded: Arc<Founded>,
    /// The node's key, which signs its feeds.
    pub node: SecretKey,
    /// The seat's key, if this node votes.
    pub seat: Option<SecretKey>,
    /// Spans of the link profile.
    pub timing: Timing,
    /// When the state is copied, and when another's copy is taken.
    pub snapshots: Snapshots,
    /// Whether the node stops once ordered evidence convicts its own seat; not so only for who plays a liar.
    pub heeds_conviction: bool,
    /// Fresh and random for every start.
    pub nonce: [u8; 32],
}

/// The own seat.
struct OwnSeat {
    seat: Seat,
    key: SecretKey,
}

/// One coalition on one node.
pub struct Engine {
    founded: Arc<Founded>,
    coalition: CoalitionId,
    committee: Committee,
    seats: Vec<PublicKey>,
    /// The nodes that may hold each seat: its partner's.
    seat_nodes: Vec<Vec<NodeId>>,
    cosigners: Cosigners,
    node: SecretKey,
    /// None for an observer, and for a node that was restored: its seat signs nothing.
    own: Option<OwnSeat>,
    /// The seat of a node that was restored.
    silent: Option<Seat>,
    /// In which this node writes.
    incarnation: u32,
    timing: Timing,
    heeds_conviction: bool,

    now: Time,
    effects: Vec<Effect>,
    halted: bool,
    faults: u64,

    /// In the order of claims.
    feeds: Vec<Feed>,
    index: BTreeMap<FeedKey, usize>,
    /// How often the state's keys had changed when this node followed them last.
    keys_seen: usize,
    /// Own feeds that are not enrolled yet.
    ahead: BTreeMap<FeedKey, Chain>,

    window: Window,
    /// Steers epoch `applied + 1`.
    basis: Basis,
    applied: u64,
    certified: u64,
    chains: BTreeMap<u64, Chains>,
    /// Own proofs against seats that signed two frames at one place, by seat.
    equivocations: BTreeMap<Seat, Equivocation>,
    /// Evidence that this start has written as own entries.
    reported: BTreeSet<crate::evidence::Subject>,
    /// Seats convicted of two frames at one place, by open epoch.
    equivocators: BTreeSet<(u64, Seat)>,
    /// Seats of whose chain a frame of another branch was seen, by open epoch: the proof was asked for.
    split: BTreeSet<(u64, Seat)>,
    proposals: Proposals,
    /// What steps gave and no frame says yet, by epoch.
    unsaid: BTreeMap<u64, Unsaid>,
    /// Own frames that wait to be sent, by epoch.
    unsent: BTreeMap<u64, Unsent>,

    state: State,
    log: Frontier,
    uncertified: BTreeMap<u64, Uncertified>,
    /// Verified cosignatures of what this node computed for epochs that are not certified.
    cosigns: BTreeMap<u64, BTreeMap<Seat, Cosign>>,
    /// Cosignatures for epochs that are not applied yet, and who sent them.
    early_cosigns: BTreeMap<(u64, Seat), (NodeId, Cosign)>,
    catchup: Catchup,
    copies: Copies,
    clock_astray: bool,
    last_proof: Option<Box<EpochProof>>,

    /// Own entries that are not ordered: where each record stands.
    own_records: BTreeMap<RecordId, (FeedKey, u64)>,
    /// By deadline.
    due_written: BTreeMap<Time, Written>,

    start: Start,
    peers: BTreeMap<NodeId, Peer>,
    /// What was asked for, and of whom.
    asked: BTreeMap<Subject, Asked>,
    /// Whether something may be missing that is not asked for.
    ask_due: bool,
    /// When the first of those may be asked again who had no answer to something that is still wanted.
    retry_at: Option<Time>,
    gossip_at: Option<Time>,
    repeat_at: Option<Time>,
    woken_for: Option<Time>,
    reach: Option<bool>,
    /// Seats to which no path leads, and since when.
    missing: BTreeMap<Seat, Time>,
}

impl Engine {
    /// Takes an input at `now` and says what must happen.
    pub fn handle(&mut self, now: Time, input: Input) -> Vec<Effect> {
        self.handle_all(now, [input])
    }

    /// Takes inputs that wait together, in order: what follows from all of them is said once.
    pub fn handle_all(&mut self, now: Time, inputs: impl IntoIterator<Item = Input>) -> Vec<Effect> {
        if now < self.now {
            self.clock_set_back(now);
        }
        self.now = now;
        for input in inputs {
            if self.halted {
                break;
            }
            match input {
                Input::PeerUp(node) => self.peer_up(node),
                Input::PeerDown(node) => self.peer_down(node),
                Input::Received { peer, bytes } => self.received(peer, &bytes),
                Input::Submit(submissions) => self.submit(submissions),
                Input::File { ticket, incident } => self.file(ticket, *incident),
                // Whoever was asked to wake this engine has done so.
                Input::Tick => self.woken_for = None,
            }
        }
        if !self.halted {
            self.turn();
        }
        std::mem::take(&mut self.effects)
    }

    /// What may follow from any input: deadlines, the start rule, gossip, and when to be woken.
    fn turn(&mut self) {
        self.advance();
        self.heed_own_conviction();
        self.write_evidence();
        self.write_due();
        self.start_epochs();
        self.speak();
        self.gossip();
        if self.ask_due {
            self.ask_now();
        }
        self.reach_changed();
        self.wake();
    }

    /// Moments that were reckoned by a clock that was ahead must not lie further off than their spans.
    fn clock_set_back(&mut self, now: Time) {
        let Timing { gossip_ms, ask_timeout_ms, repeat_ms, linger_ms, .. } = self.timing;
        let by = |at: &mut Time, span_ms| *at = (*at).min(now.plus(span_ms));
        self.gossip_at.iter_mut().for_each(|at| by(at, gossip_ms));
        self.repeat_at.iter_mut().for_each(|at| by(at, repeat_ms));
        self.retry_at.iter_mut().for_each(|at| by(at, ask_timeout_ms));
        self.asked.values_mut().for_each(|asked| by(&mut asked.until, ask_timeout_ms));
        for peer in self.peers.values_mut() {
            peer.clock_set_back(now, &self.timing);
        }
        self.unsaid.values_mut().for_each(|unsaid| unsaid.clock_set_back(now, linger_ms));
        self.unsent.values_mut().for_each(|unsent| unsent.clock_set_back(now, gossip_ms));
        self.proposals.clock_set_back(now);
        self.copies.clock_set_back(now);
        self.start.clock_set_back(now, repeat_ms);
        self.due_written.values_mut().for_each(|written| written.clock_set_back(now));
        self.missing.values_mut().for_each(|since| *since = now.min(*since));
        self.woken_for = None;
    }

    fn wake(&mut self) {
        let ask = self.next_ask();
        let moments = [
            self.gossip_at,
            self.repeat_at,
            ask,
            self.next_retell(),
            self.next_due(),
            self.next_start(),
            self.next_word(),
        ];
        // A moment that has come is served by the next tick, which comes at once.
        let next = moments.into_iter().flatten().min().map(|at| at.max(self.now.plus(1)));
        if next != self.woken_for {
            self.woken_for = next;
            self.effects.extend(next.map(Effect::WakeAt));
        }
    }

    fn persist(&mut self, write: Write) {
        self.effects.push(Effect::Persist(write));
    }

    fn send(&mut self, to: NodeId, message: PeerMessage) {
        self.effects.push(Effect::Send { to, message });
    }

    /// Sends to every peer whose frontier is known.
    fn broadcast(&mut self, message: &PeerMessage) {
        let to: Vec<_> = self.peers.iter().filter(|(_, peer)| peer.synced).map(|(&node, _)| node).collect();
        for node in to {
            self.send(node, message.clone());
        }
    }

    fn notify(&mut self, event: Event) {
        self.effects.push(Effect::Notify(event));
    }

    fn fault(&mut self, node: Option<NodeId>, seat: Option<Seat>, code: &'static str, what: String) {
        self.tell_fault(Fault { node, seat, code, what, shown: None });
    }

    fn tell_fault(&mut self, fault: Fault) {
        self.faults += 1;
        self.notify(Event::Fault(fault));
    }

    /// A signature that does not hold is laid at the door of who sent it, never of whose it claims to be.
    fn forged(&mut self, node: NodeId, what: String) {
        self.fault(Some(node), self.sole_seat_of(&node), "bad_signature", what);
    }

    fn halt(&mut self, halt: Halt) {
        if !self.halted {
            self.halted = true;
            self.effects.push(Effect::Halt(halt));
        }
    }

    fn own_seat(&self) -> Option<Seat> {
        self.own.as_ref().map(|own| own.seat)
    }

    /// The seat that a connected node says it holds.
    fn seat_of(&self, node: &NodeId) -> Option<Seat> {
        self.peers.get(node)?.seat
    }

    /// The seat that a node says it holds, where no other node of its partner can: what comes from there comes from the seat.
    /// Of several one holds it, and any other may say that it does.
    fn sole_seat_of(&self, node: &NodeId) -> Option<Seat> {
        self.seat_of(node).filter(|seat| matches!(&self.seat_nodes[seat.index()][..], [_]))
    }

    /// The connected nodes that say they hold a seat.
    fn holders_of(&self, seat: Seat) -> impl Iterator<Item = NodeId> {
        self.peers.iter().filter(move |(_, peer)| peer.seat == Some(seat)).map(|(&node, _)| node)
    }

    /// Whether a node may hold a seat: it is its partner's.
    fn may_hold(&self, node: &NodeId, seat: Seat) -> bool {
        self.seat_nodes.get(seat.index()).is_some_and(|nodes| nodes.contains(node))
    }

    /// A seat did what it must not. Its node is named where the partner has only one.
    fn seat_fault(&mut self, seat: Seat, code: &'static str, what: String) {
        self.fault(self.sole_node_of(seat), Some(seat), code, what);
    }

    /// The node of a seat whose partner has one.
    fn sole_node_of(&self, seat: Seat) -> Option<NodeId> {
        let nodes = self.seat_nodes.get(seat.index()).map_or(&[][..], Vec::as_slice);
        if let [node] = nodes { Some(*node) } else { None }
    }

    /// The coalition's state as of the last applied epoch.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether the own clock and batch time are further apart than the charter allows, as of the last batch.
    pub fn clock_astray(&self) -> bool {
        self.clock_astray
    }

    /// The coalition.
    pub fn founded(&self) -> &Arc<Founded> {
        &self.founded
    }

    /// Seats, their keys and the quorum.
    pub fn cosigners(&self) -> &Cosigners {
        &self.cosigners
    }

    /// The bodies that are durable here and not ordered, by feed and length: what a provisional view adds. Nothing of
    /// frozen feeds, of which nothing will be ordered.
    pub fn held(&self) -> impl Iterator<Item = (FeedKey, u64, &[u8])> {
        self.feeds.iter().flat_map(|feed| {
            let chain = &feed.chain;
            let lengths = chain.committed().length + 1..=chain.head().length;
            lengths.filter_map(move |length| Some((feed.key, length, chain.body(length)?)))
        })
    }

    /// The body of a feed at `length` that is durable here and not ordered.
    pub fn held_body(&self, feed: &FeedKey, length: u64) -> Option<&[u8]> {
        let chain = &self.feeds.get(*self.index.get(feed)?)?.chain;
        (length > chain.committed().length).then(|| chain.body(length))?
    }

    /// How far a feed is ordered; nothing for one that takes no part.
    pub fn committed(&self, feed: &FeedKey) -> Option<Head> {
        self.index.get(feed).map(|&index| self.basis.committed[index])
    }

    /// How this node stands at `now`.
    pub fn status(&self, now: Time) -> Status {
        let (custody, custody_since) = self.custody();
        Status {
            applied: self.applied,
            certified: self.certified,
            size: self.log.size(),
            root: self.log.root(),
            time: self.basis.time,
            seats: self.committee.size(),
            quorum: self.committee.quorum(),
            reachable: self.reachable().into_iter().collect(),
            missing: self.missing.iter().map(|(&seat, &since)| (seat, since.min(now))).collect(),
            seat: self.own_seat(),
            silent: self.silent,
            incarnation: self.incarnation,
            outside: self.outside(),
            voting: self.start.is_ready() && self.silent.is_none(),
            reports: self.start.reports(),
            held: self.feeds.iter().map(|feed| feed.chain.unordered()).sum(),
            custody,
            custody_since: custody_since.map(|since| since.min(now)),
            ahead: self.ahead_of_here(),
            faults: self.faults,
            floor: self.copies.floor,
        }
    }

    /// Who says that it is more than the window ahead: what is shown here is old, or it lies.
    fn ahead_of_here(&self) -> Vec<(NodeId, u64)> {
        let here = self.certified + entente_hbbft::WINDOW;
        let ahead = self.peers.iter().filter(|(_, peer)| peer.certified > here);
        ahead.map(|(node, peer)| (*node, peer.certified)).collect()
    }

    /// Seats that can be reached over any path: those of connected nodes, and those that these say they are
    /// connected with.
    fn reachable(&self) -> BTreeSet<Seat> {
        let mut reachable = self.own_seat().into_iter().collect::<BTreeSet<_>>();
        for peer in self.peers.values() {
            reachable.extend(peer.seat);
            reachable.extend(self.committee.seats().filter(|seat| peers::bit(&peer.linked, *seat)));
        }
        reachable
    }

    fn reach_changed(&mut self) {
        let reachable = self.reachable();
        let reached = reachable.len() >= self.committee.quorum();
        self.missing.retain(|seat, _| !reachable.contains(seat));
        let own = self.silent;
        for seat in self.committee.seats().filter(|seat| !reachable.contains(seat) && Some(*seat) != own) {
            self.missing.entry(seat).or_insert(self.now);
        }
        if self.reach != Some(reached) {
            self.reach = Some(reached);
            let event =
                Event::Reach { reachable: reachable.into_iter().collect(), quorum: self.committee.quorum() };
            self.notify(event);
        }
    }

    /// Pushes own entries to every peer whose frontier is known and a prefix of the own feed.
    fn push_run(&mut self, index: usize, run: crate::feed::Run) {
        let prefix = |peer: &Peer| peer.synced && !peer.contests.contains_key(&index);
        let to: Vec<_> = self.peers.iter().filter(|(_, peer)| prefix(peer)).map(|(&node, _)| node).collect();
        for node in to {
            self.send(node, PeerMessage::Run(run.clone()));
        }
    }

    fn ask(&mut self, peer: NodeId, want: Want) {
        self.send(peer, PeerMessage::Want(want));
    }
}
