//! Whom to dial, where and when.
//!
//! Guarantees: every known peer and every static address is dialled for ever until connected, with a jittered exponential
//! back-off between the profile's limits; of two peers that know each other the lower id dials at once, the other
//! after the profile's interval. Everything learnt is bounded, and only what a peer signed, an operator gave or a dial proved
//! goes into the book.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId};

use crate::{
    book::{BookEntry, MAX_ADDRESSES, MAX_BOOK_PEERS},
    config::LinkProfile,
    handle::{PeerSource, PeerStatus},
};

/// At most this many addresses without a peer id are dialled.
pub const MAX_STATIC_ADDRESSES: usize = 256;
/// A link that lived shorter than this does not reset the back-off.
const STABLE: Duration = Duration::from_secs(10);

/// One known peer.
pub(crate) struct Target {
    addresses: Vec<Known>,
    source: PeerSource,
    pub(crate) sequence: u64,
    pub(crate) retry: Retry,
    up: Option<(Instant, u64)>,
    missing_since_ms: u64,
}

struct Known {
    address: Multiaddr,
    source: PeerSource,
    /// A dial there reached the peer.
    proved: bool,
}

/// An address given by an operator without saying who is there.
pub(crate) struct StaticAddress {
    pub(crate) address: Multiaddr,
    /// Who answered there last.
    pub(crate) peer: Option<PeerId>,
    /// It is this node's own.
    pub(crate) own: bool,
    pub(crate) retry: Retry,
    since_ms: u64,
}

/// The state of a back-off.
#[derive(Default)]
pub(crate) struct Retry {
    attempts: u32,
    pub(crate) next: Option<Instant>,
    pub(crate) dialling: bool,
    pub(crate) last_error: Option<String>,
}

impl Retry {
    /// After a failure. Without an error the dial was superfluous, and what is known of the last one stands.
    pub(crate) fn failed(&mut self, error: Option<String>, profile: &LinkProfile, now: Instant) {
        self.dialling = false;
        self.last_error = error.or_else(|| self.last_error.take());
        self.next = Some(now + backoff(self.attempts, profile, random()));
        self.attempts = self.attempts.saturating_add(1);
    }

    fn succeeded(&mut self) {
        self.dialling = false;
        self.next = None;
        self.last_error = None;
    }

    fn is_due(&self, now: Instant) -> bool {
        !self.dialling && self.next.is_some_and(|next| next <= now)
    }
}

/// The delay after so many failed attempts: `min * 2^attempts`, at most `max`, of which a random part of up to a half is taken off.
fn backoff(attempts: u32, profile: &LinkProfile, random: u32) -> Duration {
    let full = profile.redial_min.saturating_mul(1 << attempts.min(20)).min(profile.redial_max);
    full - full.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}

fn random() -> u32 {
    getrandom::u32().expect("the operating system gives random bytes")
}

/// Everyone known.
pub(crate) struct Targets {
    local: PeerId,
    profile: LinkProfile,
    peers: BTreeMap<PeerId, Target>,
    pub(crate) statics: Vec<StaticAddress>,
}

impl Targets {
    pub(crate) fn new(local: PeerId, profile: LinkProfile) -> Self {
        Self { local, profile, peers: BTreeMap::new(), statics: Vec::new() }
    }

    pub(crate) fn get(&self, peer: &PeerId) -> Option<&Target> {
        self.peers.get(peer)
    }

    /// Adds a static address; one with an id is a target at once. `false`: there is no room.
    pub(crate) fn add_static(
        &mut self,
        address: Multiaddr,
        peer: Option<PeerId>,
        now: Instant,
        now_ms: u64,
    ) -> bool {
        match peer {
            Some(peer) => {
                self.learn(peer, address, PeerSource::Static, now, now_ms);
                if let Some(target) = self.peers.get_mut(&peer)
                    && target.up.is_none()
                {
                    target.retry.next = Some(now);
                }
            }
            None if self.statics.iter().any(|known| known.address == address) => {}
            None if self.statics.len() >= MAX_STATIC_ADDRESSES => return false,
            None => {
                let retry = Retry { next: Some(now), ..Retry::default() };
                self.statics.push(StaticAddress { address, peer: None, own: false, retry, since_ms: now_ms });
            }
        }
        true
    }

    /// Takes note of an address; says whether it is new. A peer seen for the first time is scheduled.
    pub(crate) fn learn(
        &mut self,
        peer: PeerId,
        address: Multiaddr,
        source: PeerSource,
        now: Instant,
        now_ms: u64,
    ) -> bool {
        if peer == self.local || (!self.peers.contains_key(&peer) && self.peers.len() >= MAX_BOOK_PEERS) {
            return false;
        }
        let first = now + self.first_delay(&peer);
        let target = self.peers.entry(peer).or_insert_with(|| Target {
            addresses: Vec::new(),
            source,
            sequence: 0,
            retry: Retry { next: Some(first), ..Retry::default() },
            up: None,
            missing_since_ms: now_ms,
        });
        target.source = target.source.max(source);
        if let Some(known) = target.addresses.iter_mut().find(|known| known.address == address) {
            known.source = known.source.max(source);
            return false;
        }
        if target.addresses.len() >= MAX_ADDRESSES {
            // The weakest makes room: unproved before proved, hearsay before what an operator said.
            let weakest = (0..target.addresses.len())
                .min_by_key(|at| (target.addresses[*at].proved, target.addresses[*at].source))
                .expect("there are addresses");
            target.addresses.remove(weakest);
        }
        target.addresses.push(Known { address, source, proved: false });
        if target.up.is_none() && !target.retry.dialling {
            target.retry.next = Some(target.retry.next.map_or(first, |next| next.min(first)));
        }
        true
    }

    /// Takes a peer's own word on its addresses, which replaces all but an operator's; says whether anything changed.
    pub(crate) fn learn_own_word(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        now: Instant,
        now_ms: u64,
    ) -> bool {
        let mut changed = false;
        if let Some(target) = self.peers.get_mut(&peer) {
            let before = target.addresses.len();
            target
                .addresses
                .retain(|known| known.source == PeerSource::Static || addresses.contains(&known.address));
            changed = target.addresses.len() != before;
        }
        for address in addresses {
            changed |= self.learn(peer, address, PeerSource::Beacon, now, now_ms);
        }
        changed
    }

    pub(crate) fn set_sequence(&mut self, peer: &PeerId, sequence: u64) {
        if let Some(target) = self.peers.get_mut(peer) {
            target.sequence = sequence;
        }
    }

    /// A dial reached the peer there.
    pub(crate) fn proved(&mut self, peer: &PeerId, address: &Multiaddr) {
        if let Some(target) = self.peers.get_mut(peer)
            && let Some(at) = target.addresses.iter().position(|known| known.address == *address)
        {
            target.addresses[at].proved = true;
            target.addresses[..=at].rotate_right(1);
        }
    }

    /// Another node answers at this address of the peer: a static address must find out anew who is there.
    pub(crate) fn disproved(&mut self, peer: &PeerId, address: &Multiaddr, now: Instant) {
        if let Some(known) = self.statics.iter_mut().find(|known| known.address == *address) {
            known.peer = None;
            known.retry.next.get_or_insert(now);
            if let Some(target) = self.peers.get_mut(peer) {
                target.addresses.retain(|known| known.address != *address);
            }
        }
    }

    /// The connection with a peer is established: nothing to dial.
    pub(crate) fn connected(&mut self, peer: &PeerId) {
        if let Some(target) = self.peers.get_mut(peer) {
            target.retry.dialling = false;
            target.retry.next = None;
        }
    }

    /// The stream with a peer is up.
    pub(crate) fn up(&mut self, peer: &PeerId, now: Instant, now_ms: u64) {
        if let Some(target) = self.peers.get_mut(peer) {
            target.retry.succeeded();
            target.up = Some((now, now_ms));
        }
    }

    /// The stream with a peer has ended.
    pub(crate) fn down(&mut self, peer: &PeerId, reason: &str, now: Instant, now_ms: u64) {
        if let Some(target) = self.peers.get_mut(peer)
            && let Some((since, _)) = target.up.take()
        {
            target.missing_since_ms = now_ms;
            target.retry.last_error = Some(reason.to_owned());
            target.retry.attempts =
                if now.duration_since(since) >= STABLE { 0 } else { target.retry.attempts.max(1) };
        }
    }

    /// The connection with a peer is closed: it is dialled again.
    pub(crate) fn disconnected(&mut self, peer: &PeerId, now: Instant) {
        let first = self.first_delay(peer);
        let profile = &self.profile;
        if let Some(target) = self.peers.get_mut(peer)
            && !target.retry.dialling
        {
            let attempts = target.retry.attempts;
            let delay = if attempts == 0 { first } else { first + backoff(attempts - 1, profile, random()) };
            target.retry.attempts = attempts.saturating_add(1);
            target.retry.next = Some(now + delay);
        }
    }

    /// Dial this peer soon, if it is not up.
    pub(crate) fn nudge(&mut self, peer: &PeerId, now: Instant) {
        let first = now + self.first_delay(peer);
        if let Some(target) = self.peers.get_mut(peer)
            && target.up.is_none()
            && !target.retry.dialling
        {
            target.retry.attempts = 0;
            target.retry.next = Some(target.retry.next.map_or(first, |next| next.min(first)));
        }
    }

    /// The operator allows the link again: it is dialled soon, and that it was blocked explains nothing any more.
    pub(crate) fn unblocked(&mut self, peer: &PeerId, now: Instant) {
        if let Some(retry) = self.retry(peer) {
            retry.last_error = None;
        }
        self.nudge(peer, now);
    }

    pub(crate) fn retry(&mut self, peer: &PeerId) -> Option<&mut Retry> {
        self.peers.get_mut(peer).map(|target| &mut target.retry)
    }

    fn first_delay(&self, peer: &PeerId) -> Duration {
        if self.local < *peer { Duration::ZERO } else { self.profile.yield_interval }
    }

    /// Peers whose dial is due, and where.
    pub(crate) fn due_peers(&self, now: Instant) -> Vec<(PeerId, Vec<Multiaddr>)> {
        self.peers
            .iter()
            .filter(|(_, target)| target.up.is_none() && target.retry.is_due(now))
            .map(|(peer, target)| (*peer, target.addresses()))
            .collect()
    }

    /// Static addresses whose dial is due.
    pub(crate) fn due_statics(&self, now: Instant) -> Vec<usize> {
        (0..self.statics.len())
            .filter(|at| {
                let known = &self.statics[*at];
                known.peer.is_none() && !known.own && known.retry.is_due(now)
            })
            .collect()
    }

    /// When something is due next.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let peers = self.peers.values().filter(|target| target.up.is_none()).map(|target| &target.retry);
        let statics =
            self.statics.iter().filter(|known| known.peer.is_none() && !known.own).map(|known| &known.retry);
        peers.chain(statics).filter(|retry| !retry.dialling).filter_map(|retry| retry.next).min()
    }

    /// The book without this node's own entry.
    pub(crate) fn book(&self) -> Vec<BookEntry> {
        self.peers
            .iter()
            .map(|(peer, target)| BookEntry {
                peer: *peer,
                addresses: target
                    .addresses
                    .iter()
                    .filter(|known| known.proved || known.source >= PeerSource::Beacon)
                    .map(|known| known.address.clone())
                    .collect(),
                sequence: target.sequence,
            })
            .filter(|entry| !entry.addresses.is_empty())
            .collect()
    }

    /// How all peers stand, those in `blocked` among them that were never met.
    pub(crate) fn status(&self, now: Instant, blocked: &[PeerId]) -> Vec<PeerStatus> {
        let next = |retry: &Retry, idle: bool| {
            let next = retry.next.filter(|_| !retry.dialling && !idle)?;
            Some(next.saturating_duration_since(now).as_millis() as u64)
        };
        let peers = self.peers.iter().map(|(peer, target)| {
            let blocked = blocked.contains(peer);
            let up = target.up.map(|(_, since_ms)| since_ms);
            PeerStatus {
                peer: Some(*peer),
                addresses: target.addresses(),
                connected: up.is_some(),
                blocked,
                since_ms: up,
                missing_since_ms: up.is_none().then_some(target.missing_since_ms),
                next_retry_ms: next(&target.retry, blocked || up.is_some()),
                last_error: target.retry.last_error.clone(),
                source: target.source,
            }
        });
        let statics = self.statics.iter().filter(|known| known.peer.is_none()).map(|known| PeerStatus {
            peer: None,
            addresses: vec![known.address.clone()],
            connected: false,
            blocked: false,
            since_ms: None,
            missing_since_ms: Some(known.since_ms),
            next_retry_ms: next(&known.retry, known.own),
            last_error: known.retry.last_error.clone(),
            source: PeerSource::Static,
        });
        let never_met = blocked.iter().filter(|peer| !self.peers.contains_key(peer)).map(|peer| PeerStatus {
            peer: Some(*peer),
            addresses: Vec::new(),
            connected: false,
            blocked: true,
            since_ms: None,
            missing_since_ms: None,
            next_retry_ms: None,
            last_error: None,
            source: PeerSource::Inbound,
        });
        peers.chain(statics).chain(never_met).collect()
    }
}

impl Target {
    pub(crate) fn addresses(&self) -> Vec<Multiaddr> {
        self.addresses.iter().map(|known| known.address.clone()).collect()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/10.0.0.1/udp/{port}/quic-v1").parse().expect("address")
    }

    #[test]
    fn the_backoff_grows_to_its_cap_and_keeps_at_least_half() {
        let profile = LinkProfile::lan();
        for random in [0, u32::MAX / 2, u32::MAX] {
            for attempts in 0..100 {
                let delay = backoff(attempts, &profile, random);
                let full = (profile.redial_min * 2u32.pow(attempts.min(6))).min(profile.redial_max);
                assert!(delay <= full && delay >= full / 2, "{attempts} {random} {delay:?}");
            }
        }
    }

    #[test]
    fn the_lower_id_dials_at_once_and_the_higher_one_later() {
        let (mut low, mut high) = (PeerId::random(), PeerId::random());
        if high < low {
            std::mem::swap(&mut low, &mut high);
        }
        let (profile, now) = (LinkProfile::lan(), Instant::now());
        let mut lower = Targets::new(low, profile.clone());
        lower.learn(high, address(1), PeerSource::Book, now, 0);
        assert_eq!(lower.due_peers(now).len(), 1);
        let mut higher = Targets::new(high, profile.clone());
        higher.learn(low, address(1), PeerSource::Book, now, 0);
        assert!(higher.due_peers(now).is_empty());
        assert_eq!(higher.due_peers(now + profile.yield_interval).len(), 1);
    }

    #[test]
    fn a_superfluous_dial_and_a_block_that_is_lifted_are_no_reasons() {
        let (local, peer, now) = (PeerId::random(), PeerId::random(), Instant::now());
        let mut targets = Targets::new(local, LinkProfile::lan());
        targets.learn(peer, address(1), PeerSource::Book, now, 0);
        let last_error = |targets: &mut Targets| targets.retry(&peer).expect("known").last_error.clone();
        let profile = LinkProfile::lan();
        let retry = targets.retry(&peer).expect("known");
        retry.failed(None, &profile, now);
        assert!(retry.last_error.is_none() && retry.next.is_some());
        retry.failed(Some("refused".into()), &profile, now);
        retry.failed(None, &profile, now);
        assert_eq!(last_error(&mut targets).as_deref(), Some("refused"));
        targets.up(&peer, now, 0);
        targets.down(&peer, "blocked by the operator", now, 0);
        targets.unblocked(&peer, now);
        assert_eq!(last_error(&mut targets), None);
        assert_eq!(targets.due_peers(now + profile.yield_interval).len(), 1);
    }

    #[test]
    fn hearsay_reaches_neither_the_book_nor_crowds_out_what_is_proved() {
        let (local, peer, now) = (PeerId::random(), PeerId::random(), Instant::now());
        let mut targets = Targets::new(local, LinkProfile::lan());
        targets.learn(peer, address(1), PeerSource::Kad, now, 0);
        assert!(targets.book().is_empty());
        targets.proved(&peer, &address(1));
        for port in 2..100 {
            targets.learn(peer, address(port), PeerSource::Kad, now, 0);
        }
        assert_eq!(targets.get(&peer).expect("known").addresses.len(), MAX_ADDRESSES);
        assert_eq!(targets.book()[0].addresses, [address(1)]);
    }

    #[test]
    fn static_addresses_are_bounded() {
        let (mut targets, now) = (Targets::new(PeerId::random(), LinkProfile::lan()), Instant::now());
        let last = 1 + MAX_STATIC_ADDRESSES as u16;
        assert!((1..last).all(|port| targets.add_static(address(port), None, now, 0)));
        assert!(!targets.add_static(address(last), None, now, 0));
        assert!(targets.add_static(address(1), None, now, 0), "is there already");
        assert_eq!(targets.statics.len(), MAX_STATIC_ADDRESSES);
    }

    #[test]
    fn a_peers_own_word_replaces_all_but_an_operators() {
        let (local, peer, now) = (PeerId::random(), PeerId::random(), Instant::now());
        let mut targets = Targets::new(local, LinkProfile::lan());
        targets.add_static(address(1), Some(peer), now, 0);
        targets.learn(peer, address(2), PeerSource::Book, now, 0);
        assert!(targets.learn_own_word(peer, vec![address(3)], now, 0));
        assert!(!targets.learn_own_word(peer, vec![address(3)], now, 0));
        assert_eq!(targets.get(&peer).expect("known").addresses(), [address(1), address(3)]);
    }
}
