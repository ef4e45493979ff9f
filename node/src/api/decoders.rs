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

    use super::*;

    #[test]
    fn no_input_of_the_local_api_makes_it_panic() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/fuzz/corpus/api");
        let mut valid = std::fs::read_dir(corpus)
            .expect("the corpus")
            .map(|file| std::fs::read(file.expect("an entry").path()).expect("readable"))
            .collect::<Vec<_>>();
        valid.sort();
        assert!(valid.len() >= 8 && valid.iter().all(|input| api(input)));
        // Every bit of every input flipped, every beginning of it, and every two of them behind each other.
        for input in &valid {
            for end in 0..input.len() {
                api(&input[..end]);
            }
            for bit in 0..8 * input.len() {
                let mut damaged = input.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                api(&damaged);
            }
            for other in &valid {
                api(&[&input[..], other].concat());
            }
        }
    }
}
