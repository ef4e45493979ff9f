//! Key files that a passphrase opens: age files (age-encryption.org/v1) with one scrypt recipient, in ASCII armour.
//!
//! Guarantees: what is encrypted is a whole key file, so nothing but the passphrase's strength and scrypt's cost stands between a
//! copy of the file and the key; a file of another's making cannot make this program work or allocate beyond [`MAX_WORK`].
//! `age -d` opens it, too.

use std::path::Path;

use age::DecryptError;
use age::secrecy::SecretString;
use entente_protocol::identity::SecretKey;
use zeroize::Zeroizing;

use super::KeyKind;
use crate::errors::{CliError, Exit};
use crate::files;

/// Binary logarithm of scrypt's cost: 256 MiB of memory and about a second.
pub const WORK: u8 = 18;
/// Least cost that a new file may have.
pub const MIN_WORK: u8 = 14;
/// Greatest cost that is worked through: 1 GiB and some seconds.
pub const MAX_WORK: u8 = 20;

const HEAD: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// Whether this is an encrypted file and no key in clear.
pub fn is_sealed(text: &str) -> bool {
    text.trim_start().starts_with(HEAD)
}

/// The same of a file.
pub fn is_sealed_file(path: &Path) -> Result<bool, CliError> {
    Ok(is_sealed(&files::read_text(path, super::MAX_KEY_FILE_BYTES)?))
}

/// Writes a key to a new file that only its owner can read, encrypted. `work` is between [`MIN_WORK`] and [`MAX_WORK`].
pub fn write(
    path: &Path,
    kind: KeyKind,
    key: &SecretKey,
    passphrase: &str,
    work: u8,
) -> Result<(), CliError> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    recipient.set_work_factor(work.clamp(MIN_WORK, MAX_WORK));
    let text = super::to_text(kind, key);
    let sealed = age::encrypt_and_armor(&recipient, text.as_bytes()).map_err(|error| {
        CliError::new(Exit::Failure, "cannot encrypt the key", error, "check that /dev/urandom can be read")
    })?;
    files::write_new(path, sealed.as_bytes(), files::SECRET)
}

/// The text of the key file in an encrypted one.
pub(super) fn open(path: &Path, text: &str, passphrase: &str) -> Result<Zeroizing<String>, CliError> {
    let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase.to_owned()));
    identity.set_max_work_factor(MAX_WORK);
    let refuse =
        |why: String, next: &str| CliError::config(format!("{} cannot be opened", path.display()), why, next);
    let restore = "restore the file from a copy";
    let opened = age::decrypt(&identity, text.trim_start().as_bytes()).map(Zeroizing::new);
    let bytes = opened.map_err(|error| match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            refuse("the passphrase is wrong".into(), "the same command, with the passphrase of this file")
        }
        DecryptError::ExcessiveWork { required, .. } => {
            refuse(format!("it asks for scrypt work 2^{required}, and at most 2^{MAX_WORK} is done"), restore)
        }
        DecryptError::NoMatchingKeys => refuse(
            "it is encrypted for a key, not with a passphrase".into(),
            "age -d -i IDENTITY FILE, then encrypt it with a passphrase: age -p -a",
        ),
        _ => refuse("it is damaged, or no age file".into(), restore),
    })?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(refuse("what is in it is no key file".into(), restore)),
    }
}
