//! The coalition's nodes under their names in the mesh, and which of them may in.
//!
//! Guarantees: only nodes that the ordered state enrols come in, by a chain that it names and that is valid now. The view is that of
//! the engine's last turn ([`Members::follow`]): a node is let in once its grant is ordered here, and a revoked one is cut off when its
//! link is looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use entente_discovery::{CredentialCheck, PeerId, peer_id_of};
use entente_protocol::charter::PartnerName;
use entente_protocol::coalition::{Admission, KeyRefusal, Refusal, State};
use entente_protocol::credential::{Chain, CredentialError, SignedDelegation};
use entente_protocol::engine::NodeId;
use entente_protocol::identity::{Hash, PublicKey};
use entente_protocol::time::Time;

use super::clock;

/// Who may in, as of the engine's last turn.
pub(crate) struct Members {
    /// This node and its partner, which the state may not name yet.
    own: (NodeId, PartnerName),
    view: RwLock<Arc<View>>,
}

struct View {
    admission: Admission,
    nodes: BTreeMap<PeerId, NodeId>,
    peers: BTreeMap<NodeId, PeerId>,
    /// The last links of the chains that were taken back, of nodes that are enrolled by another.
    revoked: BTreeSet<(NodeId, Hash)>,
}

impl View {
    fn of(state: &State) -> Arc<Self> {
        let admission = state.admission();
        let peer = |(node, _): &(NodeId, PartnerName)| Some((peer_id_of(node.as_ed25519())?, *node));
        let nodes: BTreeMap<PeerId, NodeId> = admission.nodes().iter().filter_map(peer).collect();
        let peers = nodes.iter().map(|(peer, node)| (*node, *peer)).collect();
        let partners = admission.nodes().iter().map(|(_, partner)| partner).collect::<BTreeSet<_>>();
        let keys = partners.into_iter().flat_map(|partner| state.keys_of(partner, Time(0)));
        let revoked = keys.flat_map(|key| {
            let links = |revoked: bool| {
                let grants = key.grants.iter().filter(move |grant| grant.revoked.is_some() == revoked);
                grants.map(|grant| grant.delegation).collect::<BTreeSet<_>>()
            };
            let gone = &links(true) - &links(false);
            gone.into_iter().map(|link| (key.key, link)).collect::<Vec<_>>()
        });
        let revoked = revoked.collect();
        Arc::new(Self { admission, nodes, peers, revoked })
    }

    /// See [`Members::shows_bad_chain`].
    fn is_bad(&self, node: &NodeId, credential: &[u8], now: Time) -> bool {
        let Ok(chain) = Chain::decode(credential) else { return true };
        let Some(leaf) = chain.leaf() else { return true };
        if leaf.subject != *node || !chain.0.iter().all(SignedDelegation::verify) {
            return true;
        }
        match self.admission.admit(&chain, now) {
            Ok(_) => false,
            // It was granted as it is, and is out of its time.
            Err(Refusal::Key(KeyRefusal::Credential {
                error:
                    CredentialError::Expired { .. }
                    | CredentialError::NotYetValid { .. }
                    | CredentialError::EpochPassed { .. },
                ..
            })) => false,
            Err(_) => self.revoked.contains(&(*node, leaf.hash())) || !self.admission.is_given(&chain, now),
        }
    }
}

impl Members {
    pub(super) fn new(own: (NodeId, PartnerName), state: &State) -> Self {
        Self { own, view: RwLock::new(View::of(state)) }
    }

    /// Keys have changed.
    pub(super) fn follow(&self, state: &State) {
        let view = View::of(state);
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = view;
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The node of a peer.
    pub(crate) fn node(&self, peer: &PeerId) -> Option<NodeId> {
        self.view().nodes.get(peer).copied()
    }

    /// The name of a node in the mesh.
    pub(crate) fn peer(&self, node: &NodeId) -> Option<PeerId> {
        self.view().peers.get(node).copied()
    }

    /// Whether what an enrolled node showed as its credential never held or was taken back. One that merely ran out is not bad, and
    /// neither is one that its root gave and that the log may be about to grant.
    pub(super) fn shows_bad_chain(&self, node: &NodeId, credential: &[u8]) -> bool {
        self.view().is_bad(node, credential, clock::now())
    }

    /// Whose node a key is, or was.
    pub(crate) fn partner(&self, node: &PublicKey) -> Option<PartnerName> {
        let known = self.view().admission.partner(node).cloned();
        known.or_else(|| (self.own.0 == *node).then(|| self.own.1.clone()))
    }

    /// This node's partner.
    pub(crate) fn own_partner(&self) -> &PartnerName {
        &self.own.1
    }

    /// All enrolled nodes with their partners.
    pub(crate) fn nodes(&self) -> Vec<(NodeId, PartnerName)> {
        self.view().admission.nodes().to_vec()
    }

    /// The names of the partners that have or had a node, the own included.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let known = self.view().admission.partners().map(ToString::to_string).collect::<BTreeSet<_>>();
        known.into_iter().chain([self.own.1.to_string()]).collect()
    }

    /// The enrolled nodes of a partner.
    pub(crate) fn nodes_of(&self, partner: &str) -> Vec<NodeId> {
        let nodes = self.nodes().into_iter().filter(|(_, name)| name.as_str() == partner);
        nodes.map(|(node, _)| node).collect()
    }
}

impl CredentialCheck for Members {
    fn check(&self, peer: &PeerId, credential: &[u8]) -> Result<(), String> {
        let view = self.view();
        let chain = Chain::decode(credential).map_err(|error| format!("malformed: {error}"))?;
        let admitted = view.admission.admit(&chain, clock::now());
        let (partner, key) = admitted.map_err(|error| error.to_string())?;
        if view.nodes.get(peer) == Some(&key) {
            Ok(())
        } else {
            Err(format!("it is that of another node, of {partner}"))
        }
    }

    fn is_member(&self, peer: &PeerId) -> bool {
        self.view().nodes.contains_key(peer)
    }

    fn claimed(&self, peer: &PeerId, credential: &[u8]) -> Option<String> {
        let chain = Chain::decode(credential).ok()?;
        let named = chain.leaf()?.partner.clone();
        let view = self.view();
        // Who has it from the partner's root and is not granted yet passes itself off as nobody.
        let itself = peer_id_of(chain.leaf()?.subject.as_ed25519()) == Some(*peer);
        if itself && view.admission.is_given(&chain, clock::now()) {
            return None;
        }
        let own = view.nodes.get(peer).and_then(|node| view.admission.partner(node));
        let known = view.admission.is_partner(&named);
        (known && own != Some(&named)).then(|| named.to_string())
    }
}
