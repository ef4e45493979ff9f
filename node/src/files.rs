//! Reading and writing small files: bounded, whole or not at all, with the mode that their content needs.
//!
//! Guarantees: a reader never takes in more than its limit; [`write_new`] never replaces a file; [`replace`] leaves
//! either the old content or the new; both are on the disk when they return. A secret is created with its final mode,
//! so that there is no moment at which others can read it.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::errors::CliError;

/// Mode of files that hold a secret.
pub const SECRET: u32 = 0o600;
/// Mode of files for everyone.
pub const PUBLIC: u32 = 0o644;

/// The text of a file of at most `limit` bytes. Wiped when dropped, because some of these files hold secrets.
pub fn read_text(path: &Path, limit: usize) -> Result<Zeroizing<String>, CliError> {
    let bytes = read(path, limit)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => Err(CliError::config(
            format!("cannot read {}", path.display()),
            format!("not UTF-8 text: {error}"),
            "check that this is the right file",
        )),
    }
}

/// A file of at most `limit` bytes, read by `decode`; else `what` it is not and what to do.
pub fn read_as<T, E: Display>(
    path: &Path,
    limit: usize,
    decode: impl FnOnce(&str) -> Result<T, E>,
    what: &str,
    next: impl Into<String>,
) -> Result<T, CliError> {
    let text = read_text(path, limit)?;
    decode(&text).map_err(|why| CliError::config(format!("{} is {what}", path.display()), why, next))
}

/// The bytes of a file, at most `limit`.
pub fn read(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| CliError::reading(path, &error))?;
    if bytes.len() > limit {
        return Err(CliError::config(
            format!("cannot read {}", path.display()),
            format!("larger than the limit of {limit} bytes"),
            "check that this is the right file",
        ));
    }
    Ok(bytes)
}

/// Writes a new file; refuses to overwrite one.
pub fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), CliError> {
    write(path, content, mode).map_err(|error| CliError::writing(path, &error))
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a file would block the next attempt.
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    sync_folder(path)
}

/// Writes a file in place of whatever is there, by way of a neighbour with `.new` behind its name.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), CliError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    let _ = std::fs::remove_file(beside);
    write(beside, content, mode)
        .and_then(|()| std::fs::rename(beside, path))
        .and_then(|()| sync_folder(path))
        .map_err(|error| CliError::writing(path, &error))
}

/// Makes a rename or a new file in the folder of `path` durable.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Makes a folder, and those above it, that only its owner may enter.
pub fn make_private_folder(path: &Path) -> Result<(), CliError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| CliError::writing(path, &error))
}

/// Refuses a file or folder with secrets that its group or others can read or enter.
pub fn require_private(path: &Path) -> Result<(), CliError> {
    let metadata = std::fs::metadata(path).map_err(|error| CliError::reading(path, &error))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let right = if metadata.is_dir() { "700" } else { "600" };
    Err(CliError::config(
        format!("{} can be read by others", path.display()),
        format!("its mode is {mode:03o}, and it holds a secret"),
        format!("chmod {right} {}", path.display()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_has_its_mode_and_is_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        write_new(&path, b"one", SECRET).expect("written");
        require_private(&path).expect("private");
        assert!(write_new(&path, b"two", SECRET).is_err());
        assert_eq!(read(&path, 10).expect("read").as_slice(), b"one");
        replace(&path, b"three", PUBLIC).expect("replaced");
        assert_eq!(read(&path, 10).expect("read").as_slice(), b"three");
        let error = require_private(&path).expect_err("readable");
        assert!(error.next.starts_with("chmod 600 "), "{error}");
    }

    #[test]
    fn a_file_beyond_its_limit_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("long");
        write_new(&path, b"12345", PUBLIC).expect("written");
        assert!(read(&path, 5).is_ok());
        assert!(read(&path, 4).is_err());
    }
}
