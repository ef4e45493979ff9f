//! Key files: TOML text with a kind, the public key and the secret seed.
//!
//! Guarantees: a key file is created with mode 0600 and refused when group or others can read it, when it is of
//! another kind than asked for, or when its public key is not that of its seed. Seeds are wiped from memory. A root may be kept in
//! a file that a passphrase opens ([`sealed`]): the same text, encrypted.

pub mod sealed;

use std::fmt;
use std::path::{Path, PathBuf};

use data_encoding::BASE32_NOPAD;
use entente_protocol::identity::{PublicKey, SecretKey};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::errors::{CliError, Exit};
use crate::files;
use crate::passphrase::Source;
use crate::paths::DataDir;

/// Largest key file, in bytes.
pub const MAX_KEY_FILE_BYTES: usize = 4096;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// The partner's authority: signs its card and charters. Can be kept offline.
    Root,
    /// Signs what the partner says.
    Officer,
    /// Votes and cosigns.
    Seat,
    /// The node's identity in the mesh; signs its feeds.
    Node,
}

impl KeyKind {
    /// All kinds, in the order in which they are made.
    pub const ALL: [Self; 4] = [Self::Root, Self::Officer, Self::Seat, Self::Node];
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Officer => "officer",
            Self::Seat => "seat",
            Self::Node => "node",
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    kind: KeyKind,
    public: PublicKey,
    seed: String,
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

/// 32 bytes from the operating system's random generator.
pub fn random_bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, CliError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| {
        CliError::new(Exit::Failure, "cannot draw random bytes", error, "check that /dev/urandom can be read")
    })?;
    Ok(bytes)
}

/// Draws a key.
pub fn generate() -> Result<SecretKey, CliError> {
    Ok(SecretKey::from_seed(&*random_bytes()?))
}

/// The text of a key file.
fn to_text(kind: KeyKind, key: &SecretKey) -> Zeroizing<String> {
    let file = KeyFile {
        kind,
        public: key.public(),
        seed: BASE32_NOPAD.encode(key.seed().as_slice()).to_ascii_lowercase(),
    };
    let body = Zeroizing::new(toml::to_string(&file).expect("three strings are TOML"));
    Zeroizing::new(format!("# Secret. Never leaves this host; keep a copy where you keep seals.\n{}", *body))
}

/// Writes a key to a new file that only its owner can read.
pub fn write(path: &Path, kind: KeyKind, key: &SecretKey) -> Result<(), CliError> {
    files::write_new(path, to_text(kind, key).as_bytes(), files::SECRET)
}

/// The text of a key file that only its owner can read, encrypted or not.
fn read_file(path: &Path) -> Result<Zeroizing<String>, CliError> {
    if !path.exists() {
        return Err(CliError::config(
            format!("there is no key {}", path.display()),
            "the file does not exist",
            "entente init --partner NAME, or --dir DIR where it was run",
        ));
    }
    files::require_private(path)?;
    files::read_text(path, MAX_KEY_FILE_BYTES)
}

/// Reads a key of any of the `wanted` kinds from a file without a passphrase.
pub fn read(path: &Path, wanted: &[KeyKind]) -> Result<(KeyKind, SecretKey), CliError> {
    let text = read_file(path)?;
    if sealed::is_sealed(&text) {
        return Err(CliError::config(
            format!("{} is not usable as a key here", path.display()),
            "it is encrypted with a passphrase; only what is done offline with a root opens such a file",
            "entente authority --help",
        ));
    }
    parse(path, &text, wanted)
}

/// Reads a key of any of the `wanted` kinds; asks for the passphrase if the file is encrypted.
pub fn unlock(
    path: &Path,
    wanted: &[KeyKind],
    passphrase: &Source,
) -> Result<(KeyKind, SecretKey), CliError> {
    let text = read_file(path)?;
    if sealed::is_sealed(&text) {
        let text = sealed::open(path, &text, &passphrase.ask(&format!("passphrase of {}", path.display()))?)?;
        parse(path, &text, wanted)
    } else {
        parse(path, &text, wanted)
    }
}

fn parse(path: &Path, text: &str, wanted: &[KeyKind]) -> Result<(KeyKind, SecretKey), CliError> {
    let refuse = |why: String, next: String| {
        CliError::config(format!("{} is not usable as a key", path.display()), why, next)
    };
    let file: KeyFile = toml::from_str(text).map_err(|error| {
        // The message only: the whole error would quote a line that may hold the seed.
        refuse(error.message().to_owned(), "restore the file from a copy".into())
    })?;
    if !wanted.contains(&file.kind) {
        let kinds = wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        return Err(refuse(
            format!("it holds a key of kind {}, and a key of kind {kinds} is needed", file.kind),
            format!("name the {kinds} key"),
        ));
    }
    let upper = Zeroizing::new(file.seed.to_ascii_uppercase());
    let seed = BASE32_NOPAD.decode(upper.as_bytes()).map(Zeroizing::new).ok();
    let key = seed
        .as_deref()
        .and_then(|seed| <&[u8; 32]>::try_from(seed.as_slice()).ok())
        .map(SecretKey::from_seed)
        .ok_or_else(|| {
            refuse("its seed is not 32 bytes in base32".into(), "restore the file from a copy".into())
        })?;
    if key.public() != file.public {
        return Err(refuse(
            format!("its public key {} does not belong to its seed", file.public),
            "restore the file from a copy".into(),
        ));
    }
    Ok((file.kind, key))
}

/// Reads the key of this kind from a data folder, whose key folder must be private too.
pub fn load(dir: &DataDir, kind: KeyKind) -> Result<SecretKey, CliError> {
    let path = dir.key(kind);
    if path.exists() {
        files::require_private(&dir.keys())?;
    }
    read(&path, &[kind]).map(|(_, key)| key)
}

/// All four keys of a new partner, drawn and in files.
pub struct NewKeys {
    /// The partner's authority.
    pub root: SecretKey,
    /// Signs what the partner says.
    pub officer: SecretKey,
    /// Votes and cosigns.
    pub seat: SecretKey,
    /// The node's identity.
    pub node: SecretKey,
}

impl NewKeys {
    /// Draws all keys and writes them to `dir/keys`, all or none: the folder gets its name when it is complete and
    /// `before` has seen the keys. A `root` that is kept elsewhere is used as it is and not written.
    pub fn create(
        dir: &DataDir,
        root: Option<SecretKey>,
        before: impl FnOnce(&Self) -> Result<(), CliError>,
    ) -> Result<Self, CliError> {
        let is_elsewhere = root.is_some();
        let root = root.map_or_else(generate, Ok)?;
        let keys = Self { root, officer: generate()?, seat: generate()?, node: generate()? };
        files::make_private_folder(dir.path())?;
        let unfinished = dir.path().join("keys.new");
        // Left by an attempt that was broken off; nothing was ever signed with these.
        let _ = std::fs::remove_dir_all(&unfinished);
        files::make_private_folder(&unfinished)?;
        let written = KeyKind::ALL
            .into_iter()
            .zip([&keys.root, &keys.officer, &keys.seat, &keys.node])
            .filter(|(kind, _)| *kind != KeyKind::Root || !is_elsewhere)
            .try_for_each(|(kind, key)| write(&unfinished.join(format!("{kind}.key")), kind, key))
            .and_then(|()| before(&keys));
        if let Err(error) = written {
            let _ = std::fs::remove_dir_all(&unfinished);
            return Err(error);
        }
        let place: PathBuf = dir.keys();
        std::fs::rename(&unfinished, &place)
            .and_then(|()| files::sync_folder(&place))
            .map_err(|error| CliError::writing(&place, &error))?;
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn folder() -> (tempfile::TempDir, DataDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = DataDir::new(folder.path().join("node"));
        (folder, dir)
    }

    #[test]
    fn keys_come_back_from_their_files() {
        let (_folder, dir) = folder();
        let keys = NewKeys::create(&dir, None, |_| Ok(())).expect("created");
        for (kind, key) in [(KeyKind::Root, &keys.root), (KeyKind::Node, &keys.node)] {
            assert_eq!(load(&dir, kind).expect("loaded").public(), key.public());
            let mode = std::fs::metadata(dir.key(kind)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_readable_wrong_or_altered_key_file_is_refused() {
        let (_folder, dir) = folder();
        NewKeys::create(&dir, None, |_| Ok(())).expect("created");
        let path = dir.key(KeyKind::Officer);
        let wrong = read(&path, &[KeyKind::Seat]).err().expect("wrong kind");
        assert!(wrong.why.contains("kind officer, and a key of kind seat"), "{wrong}");

        let text = std::fs::read_to_string(&path).expect("text");
        let other = generate().expect("a key").public();
        let own = text.split('"').nth(3).expect("the public key").to_owned();
        std::fs::write(&path, text.replace(&own, &other.to_string())).expect("written");
        let altered = read(&path, &[KeyKind::Officer]).err().expect("altered");
        assert!(altered.why.contains("does not belong"), "{altered}");

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("changed");
        let readable = read(&path, &[KeyKind::Officer]).err().expect("readable");
        assert_eq!(readable.exit, Exit::Config);
        assert!(readable.next.starts_with("chmod 600"), "{readable}");
    }

    #[test]
    fn an_error_never_quotes_the_seed() {
        let (_folder, dir) = folder();
        NewKeys::create(&dir, None, |_| Ok(())).expect("created");
        let path = dir.key(KeyKind::Root);
        let text = std::fs::read_to_string(&path).expect("text");
        let seed = text.split('"').nth(5).expect("the seed").to_owned();
        std::fs::write(&path, text.replace("seed = \"", "seed = ! \"")).expect("written");
        let error = read(&path, &[KeyKind::Root]).err().expect("no TOML").to_string();
        assert!(!error.contains(&seed[..12]), "{error}");
    }
}
