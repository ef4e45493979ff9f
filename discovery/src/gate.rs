//! The gate: the credential handshake inside the transport upgrade, before any behaviour sees the connection.
//!
//! Guarantees: whoever does not know the coalition secret receives not one byte on any stream and is hung up on; it learns only
//! that a libp2p node with this id listens. A dialler that reaches a node that is not enrolled says nothing either. Both ends
//! have accepted each other's credential, and agreed that this connection is the pair's, when the upgrade is done.
//!
//! Assumes TLS 1.3 as libp2p does it (each end has proved its peer id) and a secret of 32 random bytes. MACs are HMAC-SHA-256
//! (RFC 2104) under a key derived from the secret, over both peer ids and the nonces, labelled by role and step, so none can be
//! reflected or replayed:
//!
//! 1. dialler: nonce 32, proof 32, network tag 32. The listener is silent until the proof verifies.
//! 2. listener: nonce 32, proof 32 over both nonces.
//! 3. dialler: proof 32 over both nonces, instance, credential; instance 16, length 4, credential.
//! 4. listener: verdict; if it accepts: instance 16, length 4, credential.
//! 5. dialler: verdict.
//!
//! A verdict is one byte (0 accept, 1 duplicate, 2 refuse), 2 followed by a length byte and a reason. Integers are big-endian.
//! It runs on the connection's first substream, without multistream-select.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use libp2p::{
    Multiaddr, PeerId,
    core::{
        ConnectedPoint,
        muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox},
    },
    multiaddr::Protocol,
};
use subtle::ConstantTimeEq;
use thiserror::Error;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::{
    CredentialCheck,
    config::{CoalitionSecret, keyed_hash},
    event::{Instance, Refusal, RefusalReason},
    pairs::{Claim, Denied, Pairs},
};

/// At most this many bytes make a credential.
pub const MAX_CREDENTIAL_BYTES: usize = 16 * 1024;
/// How long a refused peer is given to read the reason before the connection is closed.
const REFUSAL_LINGER: Duration = Duration::from_millis(500);

const ACCEPT: u8 = 0;
const DUPLICATE: u8 = 1;
const REFUSE: u8 = 2;

/// Everything the handshake needs; one for a mesh.
pub(crate) struct Gate {
    local: PeerId,
    key: Zeroizing<[u8; 32]>,
    network: [u8; 32],
    instance: Instance,
    credential: Vec<u8>,
    check: Arc<dyn CredentialCheck>,
    pairs: Arc<Pairs>,
    reports: mpsc::Sender<GateReport>,
    timeout: Duration,
}

/// What the gate tells the mesh task, because the swarm's own errors name no peer.
pub(crate) enum GateReport {
    /// A refusal to tell the node.
    Refused(Refusal),
    /// This dialled address leads to that peer, with which there is a connection.
    Known { address: Multiaddr, peer: PeerId },
    /// This dialled address is the node's own.
    Own { address: Multiaddr },
}

/// Why the gate let a connection not pass.
#[derive(Debug, Error)]
pub(crate) enum GateError {
    #[error("{reason}")]
    Refused {
        reason: RefusalReason,
        /// What the other end showed, if it came that far.
        credential: Option<Vec<u8>>,
    },
    #[error("there is a connection with this peer")]
    Duplicate,
    #[error("this is the node's own address")]
    OwnAddress,
    #[error("hung up during the handshake, as a node of another coalition would ({0})")]
    Lost(String),
}

impl From<RefusalReason> for GateError {
    fn from(reason: RefusalReason) -> Self {
        Self::Refused { reason, credential: None }
    }
}

impl From<Denied> for GateError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Duplicate => Self::Duplicate,
            Denied::OtherProcess => RefusalReason::OtherProcess.into(),
        }
    }
}

impl From<std::io::Error> for GateError {
    fn from(error: std::io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

/// The parts of a gate that the mesh hands over.
pub(crate) struct GateParts {
    pub(crate) local: PeerId,
    pub(crate) secret: CoalitionSecret,
    pub(crate) network: [u8; 32],
    pub(crate) instance: Instance,
    pub(crate) credential: Vec<u8>,
    pub(crate) check: Arc<dyn CredentialCheck>,
    pub(crate) pairs: Arc<Pairs>,
    pub(crate) reports: mpsc::Sender<GateReport>,
    pub(crate) timeout: Duration,
}

impl Gate {
    pub(crate) fn new(parts: GateParts) -> Arc<Self> {
        Arc::new(Self {
            local: parts.local,
            key: parts.secret.derive("gate"),
            network: parts.network,
            instance: parts.instance,
            credential: parts.credential,
            check: parts.check,
            pairs: parts.pairs,
            reports: parts.reports,
            timeout: parts.timeout,
        })
    }

    /// The upgrade step: the output passes on only what both ends accepted.
    pub(crate) async fn run(
        self: Arc<Self>,
        peer: PeerId,
        mut muxer: StreamMuxerBox,
        point: ConnectedPoint,
    ) -> Result<(PeerId, StreamMuxerBox), GateError> {
        let result = tokio::time::timeout(self.timeout, async {
            match &point {
                ConnectedPoint::Dialer { address, .. } => self.dial(peer, &mut muxer, address).await,
                ConnectedPoint::Listener { .. } => self.listen(peer, &mut muxer).await,
            }
        })
        .await
        .unwrap_or(Err(RefusalReason::Silent.into()));
        match result {
            Ok(()) => Ok((peer, muxer)),
            Err(error) => {
                self.report(peer, &point, &error);
                // QUIC says "closed" at once; nothing else is sent.
                let _ = tokio::time::timeout(REFUSAL_LINGER, muxer.close()).await;
                Err(error)
            }
        }
    }

    fn report(&self, peer: PeerId, point: &ConnectedPoint, error: &GateError) {
        let remote = point.get_remote_address().clone();
        let inbound = point.is_listener();
        tracing::debug!(%peer, %remote, inbound, %error, "gate closed");
        let report = match error {
            GateError::Refused { reason, credential } => GateReport::Refused(Refusal {
                remote,
                peer: Some(peer),
                inbound,
                reason: reason.clone(),
                credential: credential.clone(),
                count: 1,
            }),
            GateError::Duplicate if !inbound => GateReport::Known { address: remote, peer },
            GateError::OwnAddress if !inbound => GateReport::Own { address: remote },
            _ => return,
        };
        // When the task is behind, a report more is dropped rather than memory taken.
        let _ = self.reports.try_send(report);
    }

    fn mac(&self, step: &str, dialler: &PeerId, listener: &PeerId, parts: &[&[u8]]) -> [u8; 32] {
        let (dialler, listener) = (dialler.to_bytes(), listener.to_bytes());
        let mut all: Vec<&[u8]> = vec![&dialler, &listener];
        all.extend_from_slice(parts);
        keyed_hash(&self.key, step, &all)
    }

    async fn dial(
        &self,
        peer: PeerId,
        muxer: &mut StreamMuxerBox,
        address: &Multiaddr,
    ) -> Result<(), GateError> {
        if peer == self.local {
            return Err(GateError::OwnAddress);
        }
        // The swarm compares ids only after the upgrade; nothing is to be said to the wrong peer.
        if let Some(Protocol::P2p(expected)) = address.iter().last()
            && expected != peer
        {
            return Err(RefusalReason::WrongPeer { expected }.into());
        }
        if self.pairs.is_blocked(&peer) {
            return Err(RefusalReason::Blocked.into());
        }
        if !self.check.is_member(&peer) {
            return Err(RefusalReason::NotEnrolled.into());
        }
        let mut stream = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = muxer.poll_unpin(cx) {
                return Poll::Ready(Err(error));
            }
            muxer.poll_outbound_unpin(cx)
        })
        .await?;
        driven(muxer, self.dial_on(peer, &mut stream)).await
    }

    async fn dial_on(&self, peer: PeerId, stream: &mut SubstreamBox) -> Result<(), GateError> {
        let nonce = random_nonce();
        let proof = self.mac("dialler proof", &self.local, &peer, &[&nonce]);
        let network = self.mac("network", &self.local, &peer, &[&nonce, &self.network]);
        stream.write_all(&[nonce, proof, network].concat()).await?;
        stream.flush().await?;

        let (listener_nonce, listener_proof): ([u8; 32], [u8; 32]) =
            (array(stream).await?, array(stream).await?);
        let expected = self.mac("listener proof", &self.local, &peer, &[&nonce, &listener_nonce]);
        if !equal(&listener_proof, &expected) {
            return Err(RefusalReason::WrongSecret.into());
        }

        let fresh = self.mac(
            "dialler credential",
            &self.local,
            &peer,
            &[&nonce, &listener_nonce, &self.instance, &self.credential],
        );
        stream.write_all(&fresh).await?;
        self.write_credential(stream).await?;
        stream.flush().await?;

        read_verdict(stream).await?;
        let (instance, credential) = read_credential(stream).await?;
        let claim = self.admit(peer, true, instance, credential, stream).await?;
        stream.write_all(&[ACCEPT]).await?;
        stream.flush().await?;
        Ok(claim.pass()?)
    }

    async fn listen(&self, peer: PeerId, muxer: &mut StreamMuxerBox) -> Result<(), GateError> {
        let mut stream = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = muxer.poll_unpin(cx) {
                return Poll::Ready(Err(error));
            }
            muxer.poll_inbound_unpin(cx)
        })
        .await?;
        driven(muxer, self.listen_on(peer, &mut stream)).await
    }

    async fn listen_on(&self, peer: PeerId, stream: &mut SubstreamBox) -> Result<(), GateError> {
        let (nonce, proof, network): ([u8; 32], [u8; 32], [u8; 32]) =
            (array(stream).await?, array(stream).await?, array(stream).await?);
        if !equal(&proof, &self.mac("dialler proof", &peer, &self.local, &[&nonce])) {
            return Err(RefusalReason::WrongSecret.into());
        }
        if !equal(&network, &self.mac("network", &peer, &self.local, &[&nonce, &self.network])) {
            return Err(RefusalReason::ForeignNetwork.into());
        }

        let own_nonce = random_nonce();
        let own_proof = self.mac("listener proof", &peer, &self.local, &[&nonce, &own_nonce]);
        stream.write_all(&[own_nonce, own_proof].concat()).await?;
        stream.flush().await?;

        let fresh: [u8; 32] = array(stream).await?;
        let (instance, credential) = read_credential(stream).await?;
        let expected =
            self.mac("dialler credential", &peer, &self.local, &[&nonce, &own_nonce, &instance, &credential]);
        if !equal(&fresh, &expected) {
            return Err(RefusalReason::WrongSecret.into());
        }
        let claim = self.admit(peer, false, instance, credential, stream).await?;
        stream.write_all(&[ACCEPT]).await?;
        self.write_credential(stream).await?;
        stream.flush().await?;
        read_verdict(stream).await?;
        Ok(claim.pass()?)
    }

    /// Checks the other end and claims the pair for this connection; a refusal is told to the other end, which has proved
    /// that it knows the secret.
    async fn admit(
        &self,
        peer: PeerId,
        we_dialled: bool,
        instance: Instance,
        credential: Vec<u8>,
        stream: &mut SubstreamBox,
    ) -> Result<Claim, GateError> {
        let checked = if self.pairs.is_blocked(&peer) {
            Err(RefusalReason::Blocked)
        } else {
            let impostor = |reason: RefusalReason| match self.check.claimed(&peer, &credential) {
                Some(claimed) => {
                    // Who is no member any more is told what became of its key.
                    let lapsed = matches!(reason, RefusalReason::NotEnrolled);
                    let known = lapsed.then(|| self.check.check(&peer, &credential).err()).flatten();
                    RefusalReason::Impostor { claimed, why: known.unwrap_or_else(|| reason.to_string()) }
                }
                None => reason,
            };
            let checked = match self.check.is_member(&peer) {
                true => self.check.check(&peer, &credential).map_err(RefusalReason::Credential),
                false => Err(RefusalReason::NotEnrolled),
            };
            checked.map_err(impostor)
        };
        let error: GateError = match checked {
            Err(reason) => reason.into(),
            Ok(()) => match self.pairs.claim(peer, we_dialled, instance, credential.clone()) {
                Ok(claim) => match claim.settled().await {
                    Ok(()) => return Ok(claim),
                    Err(denied) => denied.into(),
                },
                Err(denied) => denied.into(),
            },
        };
        let verdict = match &error {
            GateError::Duplicate => vec![DUPLICATE],
            other => {
                let text = other.to_string();
                let bytes = &text.as_bytes()[..text.len().min(usize::from(u8::MAX))];
                [&[REFUSE, bytes.len() as u8], bytes].concat()
            }
        };
        let tell = async {
            stream.write_all(&verdict).await?;
            stream.flush().await?;
            // Closing a QUIC connection throws away what is not yet acknowledged: wait for the other end to hang up.
            stream.read(&mut [0]).await
        };
        let _ = tokio::time::timeout(REFUSAL_LINGER, tell).await;
        Err(match error {
            GateError::Refused { reason, .. } => GateError::Refused { reason, credential: Some(credential) },
            other => other,
        })
    }

    async fn write_credential(&self, stream: &mut SubstreamBox) -> Result<(), GateError> {
        stream.write_all(&self.instance).await?;
        stream.write_all(&(self.credential.len() as u32).to_be_bytes()).await?;
        Ok(stream.write_all(&self.credential).await?)
    }
}

/// Runs an exchange while the muxer is polled, without which some muxers move no byte.
async fn driven<T>(
    muxer: &mut StreamMuxerBox,
    exchange: impl Future<Output = Result<T, GateError>>,
) -> Result<T, GateError> {
    let mut exchange = pin!(exchange);
    poll_fn(|cx| {
        if let Poll::Ready(Err(error)) = muxer.poll_unpin(cx) {
            return Poll::Ready(Err(error.into()));
        }
        exchange.as_mut().poll(cx)
    })
    .await
}

async fn array<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> Result<[u8; N], GateError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

pub(crate) async fn read_credential(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<(Instance, Vec<u8>), GateError> {
    let instance = array(stream).await?;
    let length = u32::from_be_bytes(array(stream).await?) as usize;
    if length > MAX_CREDENTIAL_BYTES {
        let what = format!("credential of {length} bytes, at most {MAX_CREDENTIAL_BYTES}");
        return Err(RefusalReason::Malformed(what).into());
    }
    let mut credential = vec![0; length];
    stream.read_exact(&mut credential).await?;
    Ok((instance, credential))
}

pub(crate) async fn read_verdict(stream: &mut (impl AsyncRead + Unpin)) -> Result<(), GateError> {
    match array::<1>(stream).await?[0] {
        ACCEPT => Ok(()),
        DUPLICATE => Err(GateError::Duplicate),
        REFUSE => {
            let length = usize::from(array::<1>(stream).await?[0]);
            let mut text = vec![0; length];
            stream.read_exact(&mut text).await?;
            let text = String::from_utf8_lossy(&text).chars().filter(|c| !c.is_control()).collect();
            Err(RefusalReason::ByPeer(text).into())
        }
        other => Err(RefusalReason::Malformed(format!("verdict {other}")).into()),
    }
}

fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.ct_eq(b).into()
}

fn random_nonce() -> [u8; 32] {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).expect("the operating system gives random bytes");
    nonce
}
