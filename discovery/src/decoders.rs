//! What must hold for any bytes that the mesh reads; for tests and fuzz targets. Each function says whether it accepts them.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures::io::Cursor;
use futures::{AsyncRead, AsyncWrite, FutureExt as _};
use libp2p::PeerId;
use tokio::sync::mpsc;

use crate::beacon::{Beacon, MAX_BEACON_BYTES};
use crate::event::{Instance, LinkFault, MeshEvent};
use crate::gate::{self, GateError, MAX_CREDENTIAL_BYTES};
use crate::link::{self, MAX_FRAME_BYTES};
use crate::pulse::Pulse;
use crate::{MAX_BOOK_BYTES, decode_book, encode_book};

/// Bytes from a peer, and nobody who reads the answers.
struct Peer<'a>(Cursor<&'a [u8]>);

impl AsyncRead for Peer<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Peer<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The reader of frames: exactly the frames that stand there, and the first fault ends the link.
pub fn frame_reader(bytes: &[u8]) -> bool {
    let peer = PeerId::from_multihash(Default::default()).expect("an empty identity");
    // Each event takes four bytes at least, so the channel never fills and the reader never waits.
    let (events, mut received) = mpsc::channel(bytes.len() / 4 + 2);
    let pulse = Pulse::default();
    let mut reading = pin!(link::read_frames(peer, Cursor::new(bytes), &events, &pulse));
    // It lets others have their turn at each beat, which has four bytes, and waits for nothing else.
    let mut context = Context::from_waker(Waker::noop());
    let ended = (0..bytes.len() / 4 + 1).any(|_| reading.as_mut().poll(&mut context).is_ready());
    assert!(ended, "all bytes are there");
    let mut rest = bytes;
    let mut accepted = false;
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let announced_bytes = u32::from_be_bytes(*length);
        if announced_bytes == 0 {
            rest = behind;
            continue;
        }
        if announced_bytes as usize > MAX_FRAME_BYTES {
            let fault = LinkFault::FrameTooLarge { announced_bytes };
            assert_eq!(received.try_recv(), Ok(MeshEvent::Fault { peer, fault }));
            break;
        }
        let Some((frame, behind)) = behind.split_at_checked(announced_bytes as usize) else { break };
        let expected = MeshEvent::Frame { peer, bytes: frame.to_vec().into() };
        assert_eq!(received.try_recv(), Ok(expected));
        accepted = true;
        rest = behind;
    }
    assert!(received.try_recv().is_err(), "nothing else is told");
    accepted
}

/// The hello of a stream, at both of its ends.
pub fn hello(bytes: &[u8]) -> bool {
    let own = Instance::default();
    let mut stream = Peer(Cursor::new(bytes));
    let accepted = link::accept(&mut stream, &own).now_or_never().expect("all bytes are there");
    let mut stream = Peer(Cursor::new(bytes));
    let opened = link::open(&mut stream, &own).now_or_never().expect("all bytes are there");
    let sound = bytes.len() >= 17 && bytes[0] == 1;
    assert_eq!(opened.ok().map(|instance| instance.to_vec()), sound.then(|| bytes[1..17].to_vec()));
    assert_eq!(accepted.is_ok(), sound && bytes.get(17) == Some(&1));
    accepted.is_ok()
}

/// What the gate reads of a peer that knows the secret: a credential, and a verdict.
pub fn credential(bytes: &[u8]) -> bool {
    let mut stream = Cursor::new(bytes);
    let read = gate::read_credential(&mut stream).now_or_never().expect("all bytes are there");
    if let Ok((instance, credential)) = &read {
        assert!(credential.len() <= MAX_CREDENTIAL_BYTES);
        let length = (credential.len() as u32).to_be_bytes();
        assert!(bytes.starts_with(&[&instance[..], &length, credential].concat()));
    }
    let verdict = gate::read_verdict(&mut Cursor::new(bytes)).now_or_never().expect("all bytes are there");
    if let Err(GateError::Refused { reason, .. }) = &verdict {
        assert!(!reason.to_string().contains(char::is_control), "a reason is safe to show");
    }
    read.is_ok() || verdict.is_ok()
}

/// A beacon.
pub fn beacon(bytes: &[u8]) -> bool {
    let Ok(beacon) = Beacon::from_bytes(bytes) else { return false };
    assert!(bytes.len() <= MAX_BEACON_BYTES);
    assert_eq!(beacon.to_bytes(), bytes);
    true
}

/// A peer book.
pub fn book(bytes: &[u8]) -> bool {
    let Ok(book) = decode_book(bytes) else { return false };
    assert!(bytes.len() <= MAX_BOOK_BYTES);
    assert_eq!(encode_book(&book), bytes);
    true
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use peak_alloc::PeakAlloc;

    use super::*;
    use crate::{BookEntry, Multiaddr};

    type Claim = fn(&[u8]) -> bool;

    #[global_allocator]
    static PEAK: PeakAlloc = PeakAlloc;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("an address")
    }

    fn samples() -> [(&'static str, Claim, Vec<Vec<u8>>); 5] {
        let frames = [&3u32.to_be_bytes()[..], b"one", &5u32.to_be_bytes(), b"three"].concat();
        let fault = [&frames[..], &u32::MAX.to_be_bytes()].concat();
        let beats = [&[0; 8], &frames[..], &[0; 4]].concat();
        let hello_bytes = [&[1][..], &[7; 16], &[1]].concat();
        let shown = [&[7; 16][..], &4u32.to_be_bytes(), b"word"].concat();
        let refused = [&[2, 4][..], b"why\n", &[0; 15]].concat();
        let addresses = vec![address("/ip4/192.0.2.7/udp/4001/quic-v1"), address("/ip6/::1/udp/7/quic-v1")];
        let beacon_bytes =
            Beacon { sequence: 300, unix_ms: 1 << 40, addresses: addresses.clone() }.to_bytes();
        let key = libp2p::identity::Keypair::ed25519_from_bytes([7; 32]).expect("a seed");
        let entry = BookEntry { peer: key.public().to_peer_id(), addresses, sequence: 9 };
        [
            ("frame_reader", frame_reader, vec![frames, fault, beats]),
            ("hello", hello, vec![hello_bytes]),
            ("gate", credential, vec![shown, [0; 20].to_vec(), refused]),
            ("beacon", beacon, vec![beacon_bytes]),
            ("book", book, vec![encode_book(&[entry]), encode_book(&[])]),
        ]
    }

    /// Every beginning, every bit flipped, a byte more, and each length at its greatest.
    fn damaged(sample: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        let beginnings = (0..sample.len()).map(|end| sample[..end].to_vec());
        let flipped = (0..8 * sample.len()).map(|bit| {
            let mut damaged = sample.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            damaged
        });
        let huge = (0..sample.len()).flat_map(|at| {
            let lengths = [&[253, 0, 0, 0, 0, 0, 0, 0, 1][..], &[252, 0, 0, 4, 0], &[0, 4, 0, 0]];
            lengths.map(|length| [&sample[..at], length, &sample[at + 1..]].concat())
        });
        beginnings.chain(flipped).chain(huge).chain([[sample, &[0]].concat()])
    }

    #[test]
    fn no_bytes_from_the_mesh_make_a_decoder_panic_and_what_it_accepts_has_one_encoding() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/fuzz/corpus");
        for (name, claim, samples) in samples() {
            assert!(claim(&samples[0]), "{name}");
            for (i, sample) in samples.iter().enumerate() {
                let file = corpus.join(name).join(format!("valid-{i:02}"));
                if std::env::var_os("ENTENTE_WRITE").is_some() {
                    std::fs::create_dir_all(corpus.join(name)).expect("a folder");
                    std::fs::write(&file, sample).expect("written");
                }
                let found = std::fs::read(&file).expect("the corpus");
                assert!(found == *sample, "{} differs; ENTENTE_WRITE=1 writes it", file.display());
                for input in damaged(sample) {
                    claim(&input);
                }
            }
        }
    }

    /// As much as the largest input of all holds, of the smallest elements that there are.
    fn stuffed() -> impl Iterator<Item = Vec<u8>> {
        let frames: [&[u8]; 5] = [&[0], &[1], &[0, 0, 0, 1, 7], &[1, 0, 0], &[0, 0, 0, 0]];
        frames.into_iter().map(|unit| unit.repeat(MAX_FRAME_BYTES / unit.len()))
    }

    /// What an announced length may make a decoder allocate ahead of its content: a frame, and what the reader has of its own.
    const AHEAD_BYTES: usize = 2 * MAX_FRAME_BYTES;
    /// For each byte of input, what it makes and what the queue keeps of it: a frame takes five bytes, and its event a place.
    const BYTES_PER_BYTE: usize = 64;

    #[test]
    fn a_decoder_allocates_in_proportion_to_its_input_whatever_lengths_are_announced() {
        // What the whole process allocates is counted, so this runs in one of its own.
        if std::env::var_os("ENTENTE_ALONE").is_none() {
            let (_, module) = module_path!().split_once("::").expect("a module of this crate");
            let name = "a_decoder_allocates_in_proportion_to_its_input_whatever_lengths_are_announced";
            let alone = Command::new(std::env::current_exe().expect("this program"))
                .args(["--exact", &format!("{module}::{name}"), "--test-threads=1", "--nocapture"])
                .env("ENTENTE_ALONE", "1")
                .output()
                .expect("this program runs");
            let said = String::from_utf8_lossy(&alone.stdout);
            assert!(alone.status.success() && said.contains("1 passed"), "{said}");
            return println!("{said}");
        }
        let stuffed: Vec<_> = stuffed().collect();
        for (name, claim, samples) in samples() {
            // What is made once and kept is not counted.
            assert!(claim(&samples[0]), "{name}");
            let damaged = samples.iter().flat_map(|sample| damaged(sample));
            let (mut most, mut greatest) = (0, 0);
            for input in damaged.chain(stuffed.iter().cloned()) {
                let before = PEAK.current_usage();
                PEAK.reset_peak_usage();
                claim(&input);
                let bytes = PEAK.peak_usage().saturating_sub(before);
                let limit = AHEAD_BYTES + BYTES_PER_BYTE * input.len();
                assert!(
                    bytes <= limit,
                    "{name}: {bytes} bytes for {} of {:?}..",
                    input.len(),
                    &input[..input.len().min(64)]
                );
                most = most.max(bytes);
                greatest = greatest.max(bytes.saturating_sub(AHEAD_BYTES) / input.len().max(1));
            }
            println!("{name}: at most {most} bytes at once, {greatest} per byte beyond the allowance");
        }
    }
}
