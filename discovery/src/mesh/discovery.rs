//! Discovery by topic: signed beacons by gossip, provider records in Kademlia, and the book that comes of it.
//!
//! Guarantees: addresses are taken from members only; a beacon counts once, in the order of its sequence; a found provider is
//! dialled by the same rule as anyone else, because Kademlia itself dials only for its queries.

use std::time::{Duration, Instant};

use libp2p::{
    Multiaddr, PeerId,
    core::Endpoint,
    gossipsub::{self, MessageAcceptance, PublishError},
    identify,
    kad::{
        self, GetProvidersOk, QueryResult,
        store::{MemoryStore, RecordStore as _},
    },
    swarm::{ConnectionId, NetworkBehaviour},
};

use super::{MeshTask, is_routable, unix_ms};
use crate::{
    beacon::{Allowance, Beacon},
    behaviour::{BehaviourEvent, MAX_PROVIDERS_WAIT},
    book::{BookEntry, MAX_ADDRESSES},
    config::{split_address, udp_port, with_udp_port},
    dial::Target,
    event::LinkFault,
    handle::PeerSource,
};

/// A beacon that found all queues full is tried again after this long.
const BEACON_RETRY: Duration = Duration::from_secs(1);

impl MeshTask {
    /// The addresses to announce: what the operator set, then what is listened on and others can reach; on a host with nothing
    /// but loopback, loopback.
    pub(super) fn own_addresses(&self) -> Vec<Multiaddr> {
        let port = self.listening.first().and_then(|(_, address)| udp_port(address)).unwrap_or(0);
        let announce = self.announce.iter().map(|address| match udp_port(address) {
            Some(0) => with_udp_port(address, port),
            _ => address.clone(),
        });
        let listening = || self.listening.iter().map(|(_, address)| address.clone());
        let any_routable = listening().any(|address| is_routable(&address));
        let mut addresses: Vec<Multiaddr> = Vec::new();
        for address in announce.chain(listening().filter(|address| !any_routable || is_routable(address))) {
            if !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
                addresses.push(address);
            }
        }
        addresses
    }

    /// The own addresses may have changed: provider records and identify carry external addresses only.
    pub(super) fn addresses_changed(&mut self) {
        let addresses = self.own_addresses();
        if addresses == self.announced {
            return;
        }
        for gone in self.announced.iter().filter(|known| !addresses.contains(known)) {
            self.swarm.remove_external_address(gone);
        }
        for new in addresses.iter().filter(|address| !self.announced.contains(address)) {
            self.swarm.add_external_address(new.clone());
        }
        self.announced = addresses;
        self.book_dirty = true;
        self.beacon_soon();
        self.providers_soon();
    }

    /// The book: all that is worth knowing after a restart, with this node's own port and sequence.
    pub(super) fn book(&self) -> Vec<BookEntry> {
        let own = BookEntry {
            peer: self.local,
            addresses: self
                .listening
                .iter()
                .map(|(_, address)| address.clone())
                .take(MAX_ADDRESSES)
                .collect(),
            sequence: self.sequence,
        };
        let mut book = self.targets.book();
        book.insert(0, own);
        book
    }

    pub(super) fn on_peer_up(&mut self) {
        self.providers_soon();
    }

    fn beacon_soon(&mut self) {
        if self.profile.beacons && !self.announced.is_empty() {
            let soon = Instant::now() + self.profile.beacon_debounce;
            self.beacon_due = Some(self.beacon_due.map_or(soon, |due| due.min(soon)));
        }
    }

    fn providers_soon(&mut self) {
        if self.profile.kademlia {
            self.providers_wait = self.profile.providers_interval;
            let soon = Instant::now() + self.profile.beacon_debounce;
            self.providers_due = Some(self.providers_due.map_or(soon, |due| due.min(soon)));
        }
    }

    /// A link has ended: its peer may be found elsewhere.
    pub(super) fn on_peer_down(&mut self) {
        if let Some(due) = &mut self.providers_due {
            self.providers_wait = self.profile.providers_interval;
            *due = (*due).min(Instant::now() + self.providers_wait);
        }
    }

    pub(super) fn discover_due(&mut self, now: Instant) {
        if self.beacon_due.is_some_and(|due| due <= now) {
            self.publish_beacon(now);
        }
        if self.providers_due.is_some_and(|due| due <= now) {
            self.providers_due = Some(now + self.providers_wait);
            // Where nothing changes it is asked ever more rarely.
            self.providers_wait =
                (self.providers_wait * 2).min(self.profile.providers_interval * MAX_PROVIDERS_WAIT);
            if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
                let key = self.names.provider_key.clone();
                if let Err(error) = kad.start_providing(key.clone()) {
                    tracing::warn!(%error, "provider record not kept");
                }
                kad.get_providers(key);
            }
        }
    }

    fn publish_beacon(&mut self, now: Instant) {
        self.beacon_due = Some(now + self.profile.beacon_interval);
        let unix_ms = unix_ms();
        let sequence = unix_ms.max(self.sequence.saturating_add(1));
        let beacon = Beacon { sequence, unix_ms, addresses: self.announced.clone() };
        let Some(gossip) = self.swarm.behaviour_mut().gossip.as_mut() else {
            return;
        };
        match gossip.publish(self.names.topic.hash(), beacon.to_bytes()) {
            Ok(_) => {
                self.sequence = sequence;
                self.book_dirty = true;
            }
            // The first ones fail while nobody has subscribed: a subscription makes it due again.
            Err(PublishError::NoPeersSubscribedToTopic) => self.beacon_due = None,
            Err(error) => {
                tracing::debug!(%error, "beacon not published");
                self.beacon_due = Some(now + BEACON_RETRY);
            }
        }
    }

    pub(super) fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(gossipsub::Event::Message { propagation_source, message_id, message }) => {
                let acceptance = self.on_beacon(message.source, &message.data);
                if let Some(gossip) = self.swarm.behaviour_mut().gossip.as_mut() {
                    gossip.report_message_validation_result(&message_id, &propagation_source, acceptance);
                }
            }
            BehaviourEvent::Gossip(gossipsub::Event::Subscribed { .. }) => self.beacon_soon(),
            BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
                result: QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. })),
                ..
            }) => {
                for peer in providers {
                    self.on_provider(peer);
                }
            }
            // Only the coalition's key: records of others would take its place.
            BehaviourEvent::Kad(kad::Event::InboundRequest {
                request: kad::InboundRequest::AddProvider { record: Some(record) },
            }) if record.key == self.names.provider_key => {
                if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut()
                    && let Err(error) = kad.store_mut().add_provider(showable(record))
                {
                    tracing::debug!(%error, "provider record not kept");
                }
            }
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.on_identified(peer_id, &info.listen_addrs);
            }
            _ => {}
        }
    }

    fn on_identified(&mut self, peer: PeerId, addresses: &[Multiaddr]) {
        if !self.check.is_member(&peer) {
            return;
        }
        let now = Instant::now();
        if !self.identified.entry(peer).or_insert_with(|| Allowance::new(now)).take(now) {
            tracing::debug!(%peer, "it says where it listens too often: ignored");
            return;
        }
        let addresses = addresses.iter().filter_map(split_address).map(|(bare, _)| bare).take(MAX_ADDRESSES);
        for address in addresses {
            self.book_dirty |= self.targets.learn(peer, address, PeerSource::Beacon, now, unix_ms());
        }
        self.route(peer);
    }

    fn on_beacon(&mut self, source: Option<PeerId>, bytes: &[u8]) -> MessageAcceptance {
        let Some(peer) = source.filter(|peer| self.check.is_member(peer)) else {
            return MessageAcceptance::Reject;
        };
        let beacon = match Beacon::from_bytes(bytes) {
            Ok(beacon) => beacon,
            Err(what) => {
                self.tell_fault(peer, LinkFault::BadBeacon(what));
                return MessageAcceptance::Reject;
            }
        };
        let seen = self.targets.get(&peer).map_or(0, |target| target.sequence);
        if beacon.sequence <= seen || beacon.addresses.is_empty() {
            return MessageAcceptance::Ignore;
        }
        let now = Instant::now();
        if !self.beacons.entry(peer).or_insert_with(|| Allowance::new(now)).take(now) {
            tracing::debug!(%peer, "beacons come too often: one ignored");
            return MessageAcceptance::Ignore;
        }
        tracing::debug!(%peer, sequence = beacon.sequence, unix_ms = beacon.unix_ms, "beacon");
        let addresses = beacon.addresses;
        let changed = self.targets.learn_own_word(peer, addresses, now, unix_ms());
        self.targets.set_sequence(&peer, beacon.sequence);
        self.book_dirty = true;
        self.route(peer);
        if changed {
            self.targets.nudge(&peer, now);
        }
        MessageAcceptance::Accept
    }

    fn on_provider(&mut self, peer: PeerId) {
        let known = self.targets.get(&peer).is_some_and(|target| target.is_up());
        if peer == self.local || known || !self.check.is_member(&peer) {
            return;
        }
        // The event names no addresses; they are with the query, for as long as it runs.
        let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() else {
            return;
        };
        let addresses = kad
            .handle_pending_outbound_connection(
                ConnectionId::new_unchecked(0),
                Some(peer),
                &[],
                Endpoint::Dialer,
            )
            .unwrap_or_default();
        let now = Instant::now();
        for address in addresses.iter().take(MAX_ADDRESSES) {
            if let Some((bare, _)) = split_address(address) {
                self.targets.learn(peer, bare, PeerSource::Kad, now, unix_ms());
            }
        }
    }

    /// Puts a member's addresses into Kademlia's routing table, which takes nobody by itself.
    pub(super) fn route(&mut self, peer: PeerId) {
        let addresses = self.targets.get(&peer).map(Target::addresses).unwrap_or_default();
        if self.check.is_member(&peer)
            && let Some(kad) = self.swarm.behaviour_mut().kad.as_mut()
        {
            set_route(kad, peer, &addresses);
        }
    }
}

/// A provider record with as many addresses as a member may have: an answer carries those of all providers, and one that is
/// too large is sent to nobody.
fn showable(mut record: kad::ProviderRecord) -> kad::ProviderRecord {
    let addresses = record.addresses.iter().filter_map(split_address).map(|(bare, _)| bare);
    record.addresses = addresses.take(MAX_ADDRESSES).collect();
    record
}

/// Kademlia keeps of a peer these addresses and no others: by itself it keeps all that it is ever given, and an answer
/// in which a peer has too many is sent to nobody.
fn set_route(kad: &mut kad::Behaviour<MemoryStore>, peer: PeerId, addresses: &[Multiaddr]) {
    for address in addresses {
        kad.add_address(&peer, address.clone());
    }
    for address in routed(kad, peer) {
        if !split_address(&address).is_some_and(|(bare, _)| addresses.contains(&bare)) {
            kad.remove_address(&peer, &address);
        }
    }
}

/// The addresses of a peer in Kademlia's routing table.
fn routed(kad: &mut kad::Behaviour<MemoryStore>, peer: PeerId) -> Vec<Multiaddr> {
    let Some(bucket) = kad.kbucket(peer) else { return Vec::new() };
    let of_peer = bucket.iter().filter(|entry| *entry.node.key.preimage() == peer);
    of_peer.flat_map(|entry| entry.node.value.iter().cloned().collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        behaviour::{MAX_KAD_PACKET_BYTES, MAX_PROVIDERS, Names, kademlia},
        config::{CoalitionSecret, LinkProfile},
    };

    #[test]
    fn however_often_a_member_moves_its_route_has_its_present_addresses_alone() {
        let names = Names::new(&CoalitionSecret::new([1; 32]));
        let mut kad = kademlia(PeerId::random(), &names, &LinkProfile::lan());
        let (peer, other) = (PeerId::random(), PeerId::random());
        let addresses = |round: usize| -> Vec<Multiaddr> {
            let address = |at: usize| format!("/ip4/10.0.{round}.{at}/udp/7/quic-v1").parse();
            (0..MAX_ADDRESSES).map(|at| address(at).expect("address")).collect()
        };
        set_route(&mut kad, other, &addresses(0)[..1]);
        for round in 0..100 {
            set_route(&mut kad, peer, &addresses(round));
        }
        let bare = |address: &Multiaddr| split_address(address).expect("a quic address").0;
        let mut held: Vec<Multiaddr> = routed(&mut kad, peer).iter().map(bare).collect();
        held.sort();
        let mut wanted = addresses(99);
        wanted.sort();
        assert_eq!(held, wanted);
        assert_eq!(routed(&mut kad, other).len(), 1, "another's route is its own");
    }

    #[test]
    fn the_longest_records_of_all_providers_fit_one_answer() {
        let address = |at: u16| format!("/ip6/2001:db8::{at:x}/udp/65535/quic-v1").parse().expect("address");
        let dns = "/dns/a-name-that-is-long.example.org/udp/7/quic-v1".parse().expect("address");
        let addresses = std::iter::once(dns).chain((0..2000).map(address)).collect();
        let key = kad::RecordKey::new(&"key");
        let record =
            showable(kad::ProviderRecord { key, provider: PeerId::random(), expires: None, addresses });
        assert_eq!(record.addresses.len(), MAX_ADDRESSES);
        // Each part with its tag and length.
        let part = |bytes: usize| bytes + 4;
        let addresses = record.addresses.iter().map(|address| part(address.len())).sum::<usize>();
        let provider = part(part(record.provider.to_bytes().len()) + addresses + 2);
        assert!(MAX_PROVIDERS * provider < MAX_KAD_PACKET_BYTES, "{provider} bytes each");
    }
}
