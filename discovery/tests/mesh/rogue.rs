//! A node that knows the secret but does as it likes: the handshake and the stream written by hand from their description, on bare
//! libp2p QUIC. So it is also a second implementation of the wire.

use std::future::poll_fn;

use entente_discovery::{Multiaddr, PeerId};
use futures::{AsyncReadExt, AsyncWriteExt};
use hmac::{Hmac, KeyInit, Mac};
use libp2p::{
    Transport,
    core::{
        Endpoint,
        muxing::StreamMuxerExt,
        transport::{DialOpts, PortUse},
    },
    quic,
};
use sha2::Sha256;

use crate::harness::{NETWORK, SAFETY_NET, SECRET, keypair, peer_id};

pub(crate) struct Rogue {
    pub(crate) peer: PeerId,
    instance: [u8; 16],
    connection: quic::Connection,
    stream: quic::Stream,
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn derive(purpose: &str) -> [u8; 32] {
    mac(&SECRET, &[b"entente mesh 1", purpose.as_bytes()])
}

impl Rogue {
    /// Passes the gate of the node `listener` as the enrolled node `seed`, and opens the stream.
    pub(crate) async fn connect(seed: u8, listener: PeerId, address: &Multiaddr) -> Self {
        let connect = async {
            let mut transport = quic::tokio::Transport::new(quic::Config::new(&keypair(seed)));
            let opts = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
            let dial = transport.dial(address.clone(), opts).expect("a quic address");
            let (answered, mut connection) = dial.await.expect("tls lets everyone in");
            assert_eq!(answered, listener);
            let peer = peer_id(seed);
            let instance = [seed; 16];
            Self::pass(peer, listener, instance, &mut connection).await;
            let stream = Self::open(&mut connection, instance).await.expect("open");
            Self { peer, instance, connection, stream }
        };
        tokio::time::timeout(SAFETY_NET, connect).await.expect("in time")
    }

    async fn pass(peer: PeerId, listener: PeerId, instance: [u8; 16], connection: &mut quic::Connection) {
        let key = derive("gate");
        let (own, other) = (peer.to_bytes(), listener.to_bytes());
        let mut stream = poll_fn(|cx| connection.poll_outbound_unpin(cx)).await.expect("a stream");
        let nonce = [3; 32];
        stream.write_all(&nonce).await.expect("open");
        stream.write_all(&mac(&key, &[b"dialler proof", &own, &other, &nonce])).await.expect("open");
        stream.write_all(&mac(&key, &[b"network", &own, &other, &nonce, &NETWORK])).await.expect("open");
        stream.flush().await.expect("open");
        let (mut theirs, mut proof) = ([0; 32], [0; 32]);
        stream.read_exact(&mut theirs).await.expect("an answer");
        stream.read_exact(&mut proof).await.expect("an answer");
        assert_eq!(proof, mac(&key, &[b"listener proof", &own, &other, &nonce, &theirs]));
        let credential = b"ok rogue";
        let fresh = mac(&key, &[b"dialler credential", &own, &other, &nonce, &theirs, &instance, credential]);
        stream.write_all(&fresh).await.expect("open");
        stream.write_all(&instance).await.expect("open");
        stream.write_all(&(credential.len() as u32).to_be_bytes()).await.expect("open");
        stream.write_all(credential).await.expect("open");
        stream.flush().await.expect("open");
        let mut head = [0; 1 + 16 + 4];
        stream.read_exact(&mut head).await.expect("a verdict");
        assert_eq!(head[0], 0, "accepted");
        let length = u32::from_be_bytes(head[17..].try_into().expect("four bytes"));
        let mut credential = vec![0; length as usize];
        stream.read_exact(&mut credential).await.expect("a credential");
        assert!(credential.starts_with(b"ok"));
        stream.write_all(&[0]).await.expect("open");
        stream.flush().await.expect("open");
    }

    async fn open(connection: &mut quic::Connection, instance: [u8; 16]) -> std::io::Result<quic::Stream> {
        let mut stream =
            poll_fn(|cx| connection.poll_outbound_unpin(cx)).await.map_err(std::io::Error::other)?;
        let name: String = derive("stream protocol")[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let negotiation =
            [b"\x13/multistream/1.0.0\n".as_slice(), &[34], b"/", name.as_bytes(), b"\n"].concat();
        stream.write_all(&negotiation).await?;
        stream.flush().await?;
        let mut echo = vec![0; negotiation.len()];
        stream.read_exact(&mut echo).await?;
        assert_eq!(echo, negotiation, "the same names");
        stream.write_all(&[&[1], instance.as_slice()].concat()).await?;
        stream.flush().await?;
        let mut hello = [0; 17];
        stream.read_exact(&mut hello).await?;
        assert_eq!(hello[0], 1);
        stream.write_all(&[1]).await?;
        stream.flush().await?;
        Ok(stream)
    }

    /// Opens another stream on the same connection; says whether it was taken.
    pub(crate) async fn reopen(&mut self) -> bool {
        let open = Self::open(&mut self.connection, self.instance);
        match tokio::time::timeout(SAFETY_NET, open).await.expect("in time") {
            Ok(stream) => {
                self.stream = stream;
                true
            }
            Err(_) => false,
        }
    }

    /// Sends raw bytes on the stream.
    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("open");
        self.stream.flush().await.expect("open");
    }
}
