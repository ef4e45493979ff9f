//! What must hold for any input of the local API; for tests and fuzz targets.

use axum::extract::Query;
use axum::http::Uri;
use entente_protocol::charter::parse_time;
use serde::de::DeserializeOwned;

use super::dto::AddPeer;
use super::{events, feeds, integrity, log, operations, submit};
use crate::client::segment;

/// Query strings, bodies and parts of paths: each is refused or taken and never makes the node panic. True if something
/// takes the bytes.
pub fn api(bytes: &[u8]) -> bool {
    let mut taken = false;
    if let Ok(notes) = submit::split(bytes) {
        let again = notes.iter().flat_map(|note| [&(note.len() as u32).to_le_bytes()[..], note].concat());
        assert!(again.eq(bytes.iter().copied()));
        assert!(notes.len() <= submit::MAX_BATCH_NOTES);
        taken = true;
    }
    if let Ok((signed, _)) = submit::signed(bytes) {
        let _ = signed.verify();
        taken = true;
    }
    taken |= serde_json::from_slice::<AddPeer>(bytes)
        .is_ok_and(|add| add.address.parse::<entente_discovery::Multiaddr>().is_ok());
    let Ok(text) = std::str::from_utf8(bytes) else { return taken };
    if let Some(asked) = query::<submit::Asked>(text) {
        let _ = (asked.deadline(), submit::note_work(&asked, bytes).is_ok());
        taken = true;
    }
    taken |= query::<log::Asked>(text).is_some()
        | query::<log::Wanted>(text).is_some()
        | query::<feeds::Asked>(text).is_some()
        | query::<events::Asked>(text).is_some()
        | query::<operations::Listed>(text).is_some()
        | query::<integrity::Listed>(text).is_some();
    if let Ok(part) = segment(text) {
        assert!(format!("/v1/ops/{part}").parse::<Uri>().is_ok_and(|uri| uri.path().ends_with(part)));
        taken = true;
    }
    taken | parse_time(text).is_some()
}

/// What the handlers make of a query string.
fn query<T: DeserializeOwned>(text: &str) -> Option<T> {
    let uri = format!("/v1?{text}").parse::<Uri>().ok()?;
    Query::try_from_uri(&uri).ok().map(|Query(asked)| asked)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use entente_protocol::wire::MAX_OBJECT_BYTES;
    use peak_alloc::PeakAlloc;

    use super::*;

    #[global_allocator]
    static PEAK: PeakAlloc = PeakAlloc;

    /// What the corpus has, each of which something takes.
    fn valid() -> Vec<Vec<u8>> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/fuzz/corpus/api");
        let mut valid = std::fs::read_dir(corpus)
            .expect("the corpus")
            .map(|file| std::fs::read(file.expect("an entry").path()).expect("readable"))
            .collect::<Vec<_>>();
        valid.sort();
        assert!(valid.len() >= 8 && valid.iter().all(|input| api(input)));
        valid
    }

    /// Every beginning of it, every bit flipped, and it with a greatest length in each place.
    fn damaged(input: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        let beginnings = (0..input.len()).map(|end| input[..end].to_vec());
        let flipped = (0..8 * input.len()).map(|bit| {
            let mut damaged = input.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            damaged
        });
        let huge = (0..input.len()).flat_map(|at| {
            let lengths = [&[253, 0, 0, 0, 0, 0, 0, 0, 1][..], &[252, 0, 0, 4, 0], &[0, 0, 4, 0]];
            lengths.map(|length| [&input[..at], length, &input[at + 1..]].concat())
        });
        beginnings.chain(flipped).chain(huge)
    }

    #[test]
    fn no_input_of_the_local_api_makes_it_panic() {
        let valid = valid();
        // Damage to every input, and every two of them behind each other.
        for input in &valid {
            for damaged in damaged(input) {
                api(&damaged);
            }
            for other in &valid {
                api(&[&input[..], other].concat());
            }
        }
    }

    /// What an announced length may make a decoder allocate ahead of its content: the codec stops at the limit of an object.
    const AHEAD_BYTES: usize = 2 * MAX_OBJECT_BYTES;
    /// Bytes allocated at once for each byte of input: a note takes four bytes at least and its place in a list more.
    const BYTES_PER_BYTE: usize = 16;

    #[test]
    fn the_local_api_allocates_in_proportion_to_its_input_whatever_lengths_are_announced() {
        // What the whole process allocates is counted, so this runs in one of its own.
        if std::env::var_os("ENTENTE_ALONE").is_none() {
            let (_, module) = module_path!().split_once("::").expect("a module of this crate");
            let name = "the_local_api_allocates_in_proportion_to_its_input_whatever_lengths_are_announced";
            let alone = Command::new(std::env::current_exe().expect("this program"))
                .args(["--exact", &format!("{module}::{name}"), "--test-threads=1", "--nocapture"])
                .env("ENTENTE_ALONE", "1")
                .output()
                .expect("this program runs");
            let said = String::from_utf8_lossy(&alone.stdout);
            assert!(alone.status.success() && said.contains("1 passed"), "{said}");
            return println!("{said}");
        }
        // As much as a large request holds, of the smallest elements that there are.
        let units: [&[u8]; 8] = [&[0], &[1], &[0, 0, 0, 0], &[1, 0, 0, 0, 7], b"%00", b"a&", b"a=1&", b"[{"];
        let stuffed = units.map(|unit| unit.repeat(MAX_OBJECT_BYTES / 2 / unit.len()));
        let (mut most, mut greatest) = (0, 0);
        let valid = valid();
        for input in valid.iter().flat_map(|input| damaged(input)).chain(stuffed) {
            let before = PEAK.current_usage();
            PEAK.reset_peak_usage();
            api(&input);
            let bytes = PEAK.peak_usage().saturating_sub(before);
            let limit = AHEAD_BYTES + BYTES_PER_BYTE * input.len();
            assert!(
                bytes <= limit,
                "{bytes} bytes for {} of {:?}..",
                input.len(),
                &input[..input.len().min(64)]
            );
            most = most.max(bytes);
            greatest = greatest.max(bytes.saturating_sub(AHEAD_BYTES) / input.len().max(1));
        }
        println!("at most {most} bytes at once, {greatest} per byte beyond the allowance");
    }
}
