//! The data folder: what lies where.
//!
//! `--dir`, else `ENTENTE_DIR`, else `$XDG_DATA_HOME/entente`, else `~/.local/share/entente` (XDG Base Directory
//! Specification).

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::errors::CliError;
use crate::keys::KeyKind;

/// Longest path of a Unix socket, in bytes: `sun_path` has 108, one of them for the final zero (unix(7)).
pub const MAX_SOCKET_PATH_BYTES: usize = 107;

/// A node's data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// The folder at `path`, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder named, or the default of the user that runs this.
    pub fn resolve(named: Option<PathBuf>) -> Result<Self, CliError> {
        let named = named
            .or_else(|| std::env::var_os("ENTENTE_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from));
        Self::choose(named, std::env::var_os("XDG_DATA_HOME"), std::env::var_os("HOME"))
    }

    fn choose(
        named: Option<PathBuf>,
        data_home: Option<OsString>,
        home: Option<OsString>,
    ) -> Result<Self, CliError> {
        let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
        named
            .or_else(|| absolute(data_home).map(|path| path.join("entente")))
            .or_else(|| absolute(home).map(|path| path.join(".local/share/entente")))
            .map(Self)
            .ok_or_else(|| {
                CliError::config(
                    "no data folder",
                    "neither --dir nor ENTENTE_DIR is given, and neither XDG_DATA_HOME nor HOME is set",
                    "entente --dir DIR ...",
                )
            })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of the secret keys, 0700.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// A secret key.
    pub fn key(&self, kind: KeyKind) -> PathBuf {
        self.keys().join(format!("{kind}.key"))
    }

    /// The partner's public card.
    pub fn card(&self, partner: &str) -> PathBuf {
        self.0.join(format!("{partner}.card.toml"))
    }

    /// The coalition that this node is a member of: founded charter and secret, 0600.
    pub fn coalition(&self) -> PathBuf {
        self.0.join("coalition.toml")
    }

    /// The chain that enrols this node, where that is not the founding's.
    pub fn credential(&self) -> PathBuf {
        self.0.join("credential.chain.toml")
    }

    /// Settings; optional.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// The store.
    pub fn store(&self) -> PathBuf {
        self.0.join("store.redb")
    }

    /// Where the local API listens, if a socket can have that path.
    pub fn socket(&self) -> Result<PathBuf, CliError> {
        let path = self.0.join("api.sock");
        let bytes = path.as_os_str().as_bytes().len();
        if bytes <= MAX_SOCKET_PATH_BYTES {
            return Ok(path);
        }
        Err(CliError::config(
            "the path of the API socket is too long",
            format!(
                "{} has {bytes} bytes; a Unix socket's path may have {MAX_SOCKET_PATH_BYTES}",
                path.display()
            ),
            "entente --dir DIR ... with a shorter DIR (or ENTENTE_DIR)",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(named: Option<&str>, data_home: Option<&str>, home: Option<&str>) -> Option<PathBuf> {
        DataDir::choose(named.map(PathBuf::from), data_home.map(OsString::from), home.map(OsString::from))
            .ok()
            .map(|dir| dir.0)
    }

    #[test]
    fn the_named_folder_wins_over_the_users() {
        assert_eq!(choose(Some("x"), Some("/d"), Some("/h")), Some("x".into()));
        assert_eq!(choose(None, Some("/d"), Some("/h")), Some("/d/entente".into()));
        assert_eq!(choose(None, Some("relative"), Some("/h")), Some("/h/.local/share/entente".into()));
        assert_eq!(choose(None, None, None), None);
    }

    #[test]
    fn a_socket_path_of_107_bytes_is_the_longest() {
        let fits =
            DataDir::new(format!("/{}", "x".repeat(MAX_SOCKET_PATH_BYTES - "/".len() - "/api.sock".len())));
        assert_eq!(fits.socket().expect("fits").as_os_str().len(), MAX_SOCKET_PATH_BYTES);
        let too_long = DataDir::new(format!("{}x", fits.path().display()));
        let error = too_long.socket().expect_err("too long");
        assert!(error.why.contains("108 bytes"), "{error}");
    }
}
