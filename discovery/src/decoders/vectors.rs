//! Golden vectors of what the mesh says before frames flow, and of the peer book: `discovery/tests/vectors/mesh.txt`.
//!
//! The bytes are written out here, not made by the encoders; a valid vector is read and written again to the same bytes, an
//! invalid one gives the error that it names. `ENTENTE_WRITE=1` writes the file anew, which is right only when a format has
//! changed and says so.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::*;
use crate::config::{CoalitionSecret, keyed_hash};
use crate::event::RefusalReason;

/// Bytes of one line of hex.
const ROW_BYTES: usize = 32;

/// Reads and writes again, or says why not.
type Decoder = fn(&[u8]) -> Result<Vec<u8>, String>;

fn hello_again(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut stream = Peer(Cursor::new(bytes));
    let theirs = link::accept(&mut stream, &Instance::default()).now_or_never().expect("all bytes are there");
    let theirs = theirs.map_err(|error| error.to_string())?;
    Ok([&[1][..], &theirs, &[1]].concat())
}

fn credential_again(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut stream = Cursor::new(bytes);
    let read = gate::read_credential(&mut stream).now_or_never().expect("all bytes are there");
    let (instance, credential) = read.map_err(|error| error.to_string())?;
    let length = u32::try_from(credential.len()).map_err(|error| error.to_string())?;
    Ok([&instance[..], &length.to_be_bytes(), &credential].concat())
}

fn verdict_again(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut stream = Cursor::new(bytes);
    match gate::read_verdict(&mut stream).now_or_never().expect("all bytes are there") {
        Ok(()) => Ok(vec![0]),
        Err(GateError::Duplicate) => Ok(vec![1]),
        Err(GateError::Refused { reason: RefusalReason::ByPeer(text), .. }) => {
            let length = u8::try_from(text.len()).map_err(|error| error.to_string())?;
            Ok([&[2, length][..], text.as_bytes()].concat())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn beacon_again(bytes: &[u8]) -> Result<Vec<u8>, String> {
    Beacon::from_bytes(bytes).map(|beacon| beacon.to_bytes())
}

fn book_again(bytes: &[u8]) -> Result<Vec<u8>, String> {
    decode_book(bytes).map(|book| encode_book(&book)).map_err(|error| error.to_string())
}

/// One line: the bytes, and what they are.
type Line = (Vec<u8>, &'static str);

struct Vector {
    name: &'static str,
    decoder: Option<Decoder>,
    lines: Vec<Line>,
    /// What is said of an invalid one.
    error: Option<&'static str>,
}

fn valid(name: &'static str, decoder: Decoder, lines: Vec<Line>) -> Vector {
    Vector { name, decoder: Some(decoder), lines, error: None }
}

fn invalid(name: &'static str, decoder: Decoder, lines: Vec<Line>, error: &'static str) -> Vector {
    Vector { name, decoder: Some(decoder), lines, error: Some(error) }
}

/// `/ip4/192.0.2.7/udp/4001/quic-v1`, as multiaddr has it: code and value of each part.
const IPV4: [u8; 11] = [4, 192, 0, 2, 7, 0x91, 2, 0x0f, 0xa1, 0xcd, 3];

fn hellos() -> Vec<Vector> {
    let with = |version: u8, confirm: u8| {
        vec![
            (vec![version], "version"),
            (vec![7; 16], "instance of the opener"),
            (vec![confirm], "confirmation"),
        ]
    };
    vec![
        valid("hello of the opener, and its confirmation", hello_again, with(1, 1)),
        invalid("hello of another version", hello_again, with(2, 1), "version 2, 1 is known"),
        invalid("hello that is not confirmed", hello_again, with(1, 0), "confirmation 0"),
        invalid("hello that ends", hello_again, with(1, 1)[..2].to_vec(), "unexpected end of file"),
    ]
}

fn credentials() -> Vec<Vector> {
    let with = |length: u32, credential: &[u8]| {
        let length = length.to_be_bytes().to_vec();
        vec![(vec![7; 16], "instance"), (length, "length, big endian"), (credential.to_vec(), "credential")]
    };
    vec![
        valid("credential", credential_again, with(4, b"word")),
        invalid(
            "credential that is too long",
            credential_again,
            with(16_385, b""),
            "malformed handshake: credential of 16385 bytes, at most 16384",
        ),
        invalid(
            "credential that ends",
            credential_again,
            with(5, b"word"),
            "hung up during the handshake, as a node of another coalition would (unexpected end of file)",
        ),
    ]
}

fn verdicts() -> Vec<Vector> {
    vec![
        valid("verdict: accepted", verdict_again, vec![(vec![0], "accept")]),
        valid("verdict: there is a connection", verdict_again, vec![(vec![1], "duplicate")]),
        valid(
            "verdict: refused",
            verdict_again,
            vec![(vec![2], "refuse"), (vec![3], "length of the reason"), (b"why".to_vec(), "reason: why")],
        ),
        invalid("verdict that is none", verdict_again, vec![(vec![3], "")], "malformed handshake: verdict 3"),
    ]
}

fn beacons() -> Vec<Vector> {
    let with = |version: u8, address: &[u8]| {
        let length = u8::try_from(address.len()).expect("short");
        vec![
            (vec![version], "version"),
            (vec![251, 44, 1], "sequence: 300"),
            (vec![253, 0, 0, 0, 0, 0, 1, 0, 0], "unix_ms: 2^40"),
            (vec![1], "addresses: 1"),
            (vec![length], "its bytes"),
            (address.to_vec(), "/ip4/192.0.2.7/udp/4001/quic-v1"),
        ]
    };
    let mut long = with(1, &IPV4);
    long[1] = (vec![252, 44, 1, 0, 0], "sequence: 300, longer than it need be");
    let mut tcp = IPV4[..5].to_vec();
    tcp.extend([6, 0x0f, 0xa1]);
    let mut crowd = with(1, &IPV4);
    crowd.truncate(3);
    crowd.push((vec![17], "addresses: 17"));
    crowd.extend((0..17).flat_map(|_| [(vec![11], "its bytes"), (IPV4.to_vec(), "the same")]));
    vec![
        valid("beacon", beacon_again, with(1, &IPV4)),
        invalid("beacon of another version", beacon_again, with(2, &IPV4), "version 2, 1 is known"),
        invalid("beacon with an integer that is too long", beacon_again, long, "not canonical"),
        invalid(
            "beacon with an address that is not quic",
            beacon_again,
            with(1, &tcp),
            "/ip4/192.0.2.7/tcp/4001 is not a quic address without a peer id",
        ),
        invalid("beacon with too many addresses", beacon_again, crowd, "17 addresses, at most 16"),
    ]
}

fn books() -> Vec<Vector> {
    // A peer id is the identity multihash of a public key in protobuf: here of 32 bytes.
    let peer = [&[0, 36, 8, 1, 18, 32][..], &[0xab; 32]].concat();
    let row = |peer: Vec<u8>| {
        vec![
            (vec![1], "peers: 1"),
            (vec![u8::try_from(peer.len()).expect("short")], "bytes of its id"),
            (peer, "its id"),
            (vec![1], "addresses: 1"),
            (vec![11], "its bytes"),
            (IPV4.to_vec(), "/ip4/192.0.2.7/udp/4001/quic-v1"),
            (vec![9], "sequence: 9"),
        ]
    };
    let mut longer = row(peer.clone());
    longer.push((vec![0], "a byte more"));
    vec![
        valid("peer book", book_again, row(peer)),
        valid("peer book of nobody", book_again, vec![(vec![0], "peers: 0")]),
        invalid("peer book with a byte more", book_again, longer, "peer book is malformed: not canonical"),
    ]
}

/// The proofs of the gate for fixed keys, names and nonces.
fn proofs() -> Vec<Vector> {
    let secret = CoalitionSecret::new([9; 32]);
    let key = secret.derive("gate");
    let id = |byte: u8| [&[0, 36, 8, 1, 18, 32][..], &[byte; 32]].concat();
    let (dialler, listener) = (id(0xaa), id(0xbb));
    let (nonce, answer, network, instance) = ([1; 32], [2; 32], [3; 32], [4; 16]);
    let proof = |step: &str, parts: &[&[u8]]| {
        let all = [&[&dialler[..], &listener], parts].concat();
        keyed_hash(&key, step, &all).to_vec()
    };
    let lines = vec![
        (vec![9; 32], "the coalition's secret"),
        (key.to_vec(), "key: HMAC of it, label `entente mesh 1`, part `gate`"),
        (dialler.clone(), "the dialler's peer id"),
        (listener.clone(), "the listener's peer id"),
        (nonce.to_vec(), "the dialler's nonce"),
        (answer.to_vec(), "the listener's nonce"),
        (network.to_vec(), "the network, which is the coalition's id"),
        (instance.to_vec(), "the dialler's instance"),
        (b"word".to_vec(), "its credential"),
        (proof("dialler proof", &[&nonce]), "`dialler proof`, over the dialler's nonce"),
        (proof("network", &[&nonce, &network]), "`network`, over the dialler's nonce and the network"),
        (proof("listener proof", &[&nonce, &answer]), "`listener proof`, over both nonces"),
        (
            proof("dialler credential", &[&nonce, &answer, &instance, b"word"]),
            "`dialler credential`, over both nonces, instance and credential",
        ),
    ];
    vec![Vector { name: "proofs of the gate", decoder: None, lines, error: None }]
}

fn text(vectors: &[Vector]) -> String {
    let mut text = String::from(
        "# Golden vectors: what the mesh says before frames flow, and the peer book\n# Formats: docs/wire.md, \"The mesh\". Each begins \
         with `==` and its name; an invalid one names the error.\n",
    );
    for vector in vectors {
        let _ = match vector.error {
            Some(error) => write!(text, "\n== {}\nerror: {error}\n", vector.name),
            None => write!(text, "\n== {}\n", vector.name),
        };
        for (bytes, what) in &vector.lines {
            let rows = bytes.chunks(ROW_BYTES).map(|row| {
                row.iter().fold(String::new(), |mut hex, byte| {
                    let _ = write!(hex, "{byte:02x}");
                    hex
                })
            });
            for (at, hex) in rows.enumerate() {
                let what = if at == 0 && !what.is_empty() { format!("  # {what}") } else { String::new() };
                let _ = writeln!(text, "{hex}{what}");
            }
        }
    }
    text
}

#[test]
fn what_the_mesh_reads_is_what_the_vectors_say() {
    let vectors = [hellos(), credentials(), verdicts(), beacons(), books(), proofs()];
    let vectors = vectors.into_iter().flatten().collect::<Vec<_>>();
    for Vector { name, decoder, lines, error } in &vectors {
        let Some(decoder) = decoder else { continue };
        let bytes = lines.iter().flat_map(|(bytes, _)| bytes.clone()).collect::<Vec<_>>();
        match error {
            None => assert_eq!(decoder(&bytes), Ok(bytes), "{name}"),
            Some(error) => assert_eq!(decoder(&bytes).expect_err(name), *error, "{name}"),
        }
    }
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/mesh.txt");
    let text = text(&vectors);
    if std::env::var_os("ENTENTE_WRITE").is_some() {
        std::fs::write(&file, &text).expect("written");
    }
    let found = std::fs::read_to_string(&file).expect("the file of vectors");
    assert!(found == text, "{} differs; ENTENTE_WRITE=1 writes it", file.display());
}
