//! The peer book: where members were last found, kept by the node so that a restart needs no bootstrap.
//!
//! Guarantees: bounded, canonical bytes (`encode_book`, `decode_book`); only what a member signed or what was dialled with
//! success goes in. The entry of this node itself holds its port and its last beacon sequence.

use libp2p::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::split_address;

/// At most this many members are kept in a book.
pub const MAX_BOOK_PEERS: usize = 1024;
/// At most this many addresses are kept for one peer.
pub const MAX_ADDRESSES: usize = 16;
/// At most this many bytes make one address.
pub const MAX_ADDRESS_BYTES: usize = 128;
/// At most this many bytes make a book.
pub const MAX_BOOK_BYTES: usize = 4 << 20;

/// One member in the peer book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookEntry {
    /// Who.
    pub peer: PeerId,
    /// Where it was last found, best first; no `/p2p` part.
    pub addresses: Vec<Multiaddr>,
    /// The sequence of the newest beacon seen of it (0: none).
    pub sequence: u64,
}

/// Why bytes are no peer book.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BookError {
    /// The bytes are damaged or not canonical.
    #[error("peer book is malformed: {0}")]
    Malformed(String),
}

#[derive(Serialize, Deserialize)]
struct Row {
    peer: Vec<u8>,
    addresses: Vec<Vec<u8>>,
    sequence: u64,
}

/// The book as bytes for the store.
pub fn encode_book(book: &[BookEntry]) -> Vec<u8> {
    let rows: Vec<Row> = book
        .iter()
        .take(MAX_BOOK_PEERS)
        .map(|entry| Row {
            peer: entry.peer.to_bytes(),
            addresses: addresses_to_bytes(&entry.addresses),
            sequence: entry.sequence,
        })
        .collect();
    encode(&rows)
}

/// The book from bytes of the store.
pub fn decode_book(bytes: &[u8]) -> Result<Vec<BookEntry>, BookError> {
    let rows: Vec<Row> = decode::<MAX_BOOK_BYTES, _>(bytes).map_err(BookError::Malformed)?;
    if rows.len() > MAX_BOOK_PEERS {
        return Err(BookError::Malformed(format!("{} peers, at most {MAX_BOOK_PEERS}", rows.len())));
    }
    rows.into_iter()
        .map(|row| {
            Ok(BookEntry {
                peer: PeerId::from_bytes(&row.peer)
                    .map_err(|error| BookError::Malformed(error.to_string()))?,
                addresses: addresses_from_bytes(row.addresses).map_err(BookError::Malformed)?,
                sequence: row.sequence,
            })
        })
        .collect()
}

pub(crate) fn addresses_to_bytes(addresses: &[Multiaddr]) -> Vec<Vec<u8>> {
    addresses.iter().take(MAX_ADDRESSES).map(Multiaddr::to_vec).collect()
}

pub(crate) fn addresses_from_bytes(addresses: Vec<Vec<u8>>) -> Result<Vec<Multiaddr>, String> {
    if addresses.len() > MAX_ADDRESSES {
        return Err(format!("{} addresses, at most {MAX_ADDRESSES}", addresses.len()));
    }
    addresses
        .into_iter()
        .map(|bytes| {
            if bytes.len() > MAX_ADDRESS_BYTES {
                return Err(format!("address of {} bytes, at most {MAX_ADDRESS_BYTES}", bytes.len()));
            }
            let address = Multiaddr::try_from(bytes).map_err(|error| error.to_string())?;
            match split_address(&address) {
                Some((bare, None)) => Ok(bare),
                _ => Err(format!("{address} is not a quic address without a peer id")),
            }
        })
        .collect()
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, bincode::config::standard())
        .expect("plain structs of vectors encode")
}

/// Decodes at most `LIMIT` bytes, all of them, and only what encodes to the same bytes again.
pub(crate) fn decode<const LIMIT: usize, T: Serialize + for<'a> Deserialize<'a>>(
    bytes: &[u8],
) -> Result<T, String> {
    if bytes.len() > LIMIT {
        return Err(format!("{} bytes, at most {LIMIT}", bytes.len()));
    }
    let config = bincode::config::standard().with_limit::<LIMIT>();
    let (value, read) =
        bincode::serde::decode_from_slice(bytes, config).map_err(|error| error.to_string())?;
    if read != bytes.len() || encode(&value) != bytes {
        return Err("not canonical".into());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> Vec<BookEntry> {
        vec![BookEntry {
            peer: PeerId::random(),
            addresses: vec!["/ip4/10.0.0.1/udp/7/quic-v1".parse().expect("address")],
            sequence: 9,
        }]
    }

    #[test]
    fn a_book_survives_its_bytes() {
        let book = book();
        assert_eq!(decode_book(&encode_book(&book)), Ok(book));
    }

    #[test]
    fn every_truncated_or_extended_book_is_refused() {
        let bytes = encode_book(&book());
        for end in 0..bytes.len() {
            assert!(decode_book(&bytes[..end]).is_err(), "truncated at {end}");
        }
        assert!(decode_book(&[bytes, vec![0]].concat()).is_err());
    }

    #[test]
    fn a_book_with_an_address_of_another_kind_is_refused() {
        let row = Row {
            peer: PeerId::random().to_bytes(),
            addresses: vec!["/ip4/10.0.0.1/tcp/7".parse::<Multiaddr>().expect("address").to_vec()],
            sequence: 0,
        };
        assert!(decode_book(&encode(&vec![row])).is_err());
    }
}
