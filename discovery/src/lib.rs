//! The mesh: libp2p over QUIC behind a credential handshake.
