//! What was shown to this node, on its way into an incident.
//!
//! Guarantees: what fits and decodes is carried; anything else is committed to, and its bytes are kept beside the store, so that
//! the node can open the commitment: the newest [`MAX_KEPT`], each in a file named by its SHA-256.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use data_encoding::HEXLOWER;
use entente_protocol::credential::Chain;
use entente_protocol::identity::Hash;
use entente_protocol::record::{Exhibit, MAX_SHOWN_BYTES, Shown};
use sha2::{Digest as _, Sha256};

use crate::files;

/// Most files of what was committed to.
pub const MAX_KEPT: usize = 32;
/// The folder of them, beside the store.
pub const FOLDER: &str = "shown";

/// What was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// What was presented in a handshake.
    Credential(Vec<u8>),
    /// A message.
    Message(Vec<u8>),
    /// What was decoded already.
    Decoded(Shown),
}

impl Seen {
    /// What an incident carries of it, and the bytes where it carries a commitment to them.
    pub(super) fn into_shown(self) -> (Shown, Option<Vec<u8>>) {
        let (exhibit, bytes) = match self {
            Self::Credential(bytes) => {
                if let Ok(chain) = Chain::decode(&bytes) {
                    let shown = Shown::Credential(chain);
                    if shown.encoded_len() <= MAX_SHOWN_BYTES {
                        return (shown, None);
                    }
                }
                (Exhibit::Credential, bytes)
            }
            Self::Message(bytes) => (Exhibit::Message, bytes),
            Self::Decoded(shown) => return (shown, None),
        };
        let digest = Hash(Sha256::digest(&bytes).into());
        (Shown::Commitment { exhibit, digest, length: bytes.len() as u64 }, Some(bytes))
    }
}

/// Keeps what a commitment opens to in the folder beside `store`; the oldest give way.
///
/// # Errors
/// In words: what could not be written.
pub(super) fn keep(store: &Path, digest: &Hash, bytes: &[u8]) -> Result<(), String> {
    let folder = store.parent().unwrap_or_else(|| Path::new(".")).join(FOLDER);
    files::make_private_folder(&folder).map_err(|error| error.why)?;
    let path = folder.join(HEXLOWER.encode(&digest.0));
    if path.exists() {
        return Ok(());
    }
    give_way(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    files::replace(&path, bytes, 0o600).map_err(|error| error.why)
}

/// Removes the oldest until one more fits.
fn give_way(folder: &Path) -> io::Result<()> {
    let mut kept = Vec::<(SystemTime, PathBuf)>::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        kept.push((entry.metadata()?.modified()?, entry.path()));
    }
    kept.sort_unstable();
    let beyond = (kept.len() + 1).saturating_sub(MAX_KEPT);
    kept.iter().take(beyond).try_for_each(|(_, path)| std::fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_credential_is_committed_to_by_the_sha256_that_anybody_computes() {
        let (shown, bytes) = Seen::Credential(b"abc".to_vec()).into_shown();
        let hex = b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let digest = Hash(HEXLOWER.decode(hex).expect("hex").try_into().expect("32 bytes"));
        assert_eq!(shown, Shown::Commitment { exhibit: Exhibit::Credential, digest, length: 3 });
        assert_eq!(bytes.as_deref(), Some(&b"abc"[..]));
        let (shown, _) = Seen::Message(vec![0; 70_000]).into_shown();
        assert!(matches!(shown, Shown::Commitment { exhibit: Exhibit::Message, length: 70_000, .. }));
        assert!(shown.encoded_len() <= MAX_SHOWN_BYTES);
        let empty = Chain(Vec::new());
        assert_eq!(Seen::Credential(empty.encode()).into_shown(), (Shown::Credential(empty), None));
    }

    #[test]
    fn what_opens_a_commitment_is_kept_and_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("store.redb");
        let count = || std::fs::read_dir(folder.path().join(FOLDER)).expect("is there").count();
        for number in 0..MAX_KEPT as u64 + 9 {
            let bytes = number.to_le_bytes().to_vec();
            let (shown, opens) = Seen::Credential([&[0xff], &bytes[..]].concat()).into_shown();
            let (Shown::Commitment { digest, length, .. }, Some(opens)) = (shown, opens) else {
                panic!("a commitment")
            };
            assert_eq!(length, 9);
            for _ in 0..2 {
                keep(&store, &digest, &opens).expect("kept");
            }
            let path = folder.path().join(FOLDER).join(HEXLOWER.encode(&digest.0));
            assert_eq!(std::fs::read(path).expect("kept"), opens);
        }
        assert_eq!(count(), MAX_KEPT);
    }
}
