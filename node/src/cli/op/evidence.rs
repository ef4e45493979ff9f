//! Commitments to evidence: the file stays where it is, its hash goes into the record.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use data_encoding::HEXLOWER_PERMISSIVE;
use entente_protocol::identity::Hash;
use entente_protocol::record::MAX_EVIDENCE;
use sha2::{Digest as _, Sha256};

use crate::errors::CliError;

const NEXT: &str = "name a file, or its hash as sha256:HEX; whoever shall not be able to guess a short file puts a line of \
                    random characters into it first";

/// The hashes of these files, ascending; an argument `sha256:HEX` is a hash itself.
pub(super) fn commitments(arguments: &[String]) -> Result<Vec<Hash>, CliError> {
    let mut hashes = arguments.iter().map(|argument| commitment(argument)).collect::<Result<Vec<_>, _>>()?;
    hashes.sort_unstable();
    hashes.dedup();
    if hashes.len() > MAX_EVIDENCE {
        return Err(CliError::usage(
            "there is too much evidence",
            format!("there are {} hashes, and at most {MAX_EVIDENCE} are allowed", hashes.len()),
            "name an archive of all files instead",
        ));
    }
    Ok(hashes)
}

/// The hash of one file, or the hash that `sha256:HEX` is.
pub(in crate::cli) fn commitment(argument: &str) -> Result<Hash, CliError> {
    if let Some(hex) = argument.strip_prefix("sha256:") {
        let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok();
        return bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).map(Hash).ok_or_else(|| {
            CliError::usage(format!("{argument:?} is no hash"), "expected 64 hexadecimal digits", NEXT)
        });
    }
    match digest_of(Path::new(argument)) {
        Ok(digest) => Ok(digest),
        Err(error) => Err(CliError::usage(format!("{argument} cannot be read as evidence"), error, NEXT)),
    }
}

/// SHA-256 of a file of any size, read piece by piece.
fn digest_of(path: &Path) -> std::io::Result<Hash> {
    let mut file = File::open(path)?;
    let (mut digest, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Hash(digest.finalize().into())),
            read => digest.update(&piece[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_the_sha256_of_a_file_or_that_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "abc").expect("written");
        let hex = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned();
        let both = commitments(&[path.display().to_string(), hex.clone()]).expect("the same twice");
        assert_eq!(both, commitments(&[hex]).expect("once"));
        assert_eq!(both.len(), 1);
        assert!(commitments(&["sha256:abc".into()]).is_err());
        assert!(commitments(&[folder.path().join("none").display().to_string()]).is_err());
        let many = (0..5).map(|at| format!("sha256:{at:064}")).collect::<Vec<_>>();
        assert!(commitments(&many).is_err());
    }
}
