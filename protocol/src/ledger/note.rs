//! Signed notes: a text and signature lines under it.
//!
//! Guarantees: [`SignedNote::parse`] accepts exactly the bytes that [`SignedNote::encode`] writes, is bounded, and
//! never panics. It does not verify: what a signature means is its type's business.
//!
//! How: the text, an empty line, and for each signature an em dash, a space, the key's name, a space, the base64 of
//! the key's id and the signature, a newline. The last empty line separates, so a text may contain empty lines.
//!
//! Source: C2SP signed-note v1.0.0, sections "Format", "Signatures" and "Verifier keys".

use std::fmt;

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Largest note, in bytes.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;
/// Most signature lines; the specification asks for at least 16.
pub const MAX_SIGNATURES: usize = 128;
/// Longest key name, in bytes: what the later cosignature types can hold.
pub const MAX_NAME_BYTES: usize = 255;

const DASH: &str = "\u{2014} ";

/// Why bytes are no signed note, or a text no key name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Larger than [`MAX_NOTE_BYTES`].
    #[error("a note of {0} bytes; {MAX_NOTE_BYTES} are allowed")]
    TooLarge(usize),
    /// Not UTF-8.
    #[error("the note is not UTF-8")]
    Utf8,
    /// An ASCII control character other than newline.
    #[error("the note contains the control character {0:#04x}")]
    Control(u8),
    /// No text, no empty line behind it, no signature, or no newline at the end.
    #[error("the note lacks {0}")]
    Lacks(&'static str),
    /// More than [`MAX_SIGNATURES`] signature lines.
    #[error("more than {MAX_SIGNATURES} signatures")]
    TooMany,
    /// A signature line that is not of the form above.
    #[error("signature line {0} is malformed")]
    Line(usize),
    /// Empty, too long, or with a space, a control character or a plus.
    #[error("{0:?} is no key name")]
    Name(String),
}

/// The name of a key: not empty, no Unicode space, no plus, no control character; at most [`MAX_NAME_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// A name, if it is one.
    pub fn new(name: impl Into<String>) -> Result<Self, NoteError> {
        let name = name.into();
        let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(bad) {
            // The message stays short whatever was given.
            return Err(NoteError::Name(name.chars().take(MAX_NAME_BYTES).collect()));
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which key, with the name: the first four bytes of SHA-256(name || 0x0A || type || public key). It identifies and
/// does not secure: a colliding key is easily made and fails to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl KeyId {
    /// The id of a key of the signature type `kind`, one byte assigned by the specification.
    pub fn new(name: &KeyName, kind: u8, key: &[u8]) -> Self {
        let mut sha = Sha256::new();
        sha.update(name.as_str().as_bytes());
        sha.update([b'\n', kind]);
        sha.update(key);
        let digest = sha.finalize();
        Self([digest[0], digest[1], digest[2], digest[3]])
    }
}

/// In lower-case hex, as in a vkey.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// A verifier key in text: `name+id+base64(type || public key)`.
pub fn vkey(name: &KeyName, kind: u8, key: &[u8]) -> String {
    let material = [&[kind], key].concat();
    format!(
        "{name}+{}+{}",
        KeyId::new(name, kind, key),
        BASE64.encode(&material)
    )
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: KeyName,
    /// The key's id.
    pub id: KeyId,
    /// What the key made of the text, at least one byte.
    pub signature: Vec<u8>,
}

/// A text with its signatures, none of them verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// A note of `text`, which ends in a newline, and at least one signature.
    pub fn new(text: String, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        if text.is_empty() || !text.ends_with('\n') {
            return Err(NoteError::Lacks("a text that ends in a newline"));
        }
        if signatures.is_empty() || signatures.iter().any(|line| line.signature.is_empty()) {
            return Err(NoteError::Lacks("a signature"));
        }
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::TooMany);
        }
        check_controls(&text)?;
        let note = Self { text, signatures };
        match note.encode().len() {
            bytes if bytes > MAX_NOTE_BYTES => Err(NoteError::TooLarge(bytes)),
            _ => Ok(note),
        }
    }

    /// Reads a note, at most [`MAX_NOTE_BYTES`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLarge(bytes.len()));
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| NoteError::Utf8)?;
        check_controls(whole)?;
        let end = whole.rfind("\n\n").ok_or(NoteError::Lacks("an empty line"))?;
        let (text, lines) = (&whole[..=end], &whole[end + 2..]);
        let lines = lines
            .strip_suffix('\n')
            .ok_or(NoteError::Lacks("a signature and a newline at the end"))?;
        let mut signatures = Vec::new();
        for (i, line) in lines.split('\n').enumerate() {
            if i == MAX_SIGNATURES {
                return Err(NoteError::TooMany);
            }
            signatures.push(parse_line(line).ok_or(NoteError::Line(i + 1))?);
        }
        Self::new(text.to_owned(), signatures)
    }

    /// The text, with its final newline and without the empty line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, in their order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The note's one text.
    pub fn encode(&self) -> String {
        let mut note = format!("{}\n", self.text);
        for line in &self.signatures {
            let material = [&line.id.0[..], &line.signature].concat();
            note.push_str(DASH);
            note.push_str(line.name.as_str());
            note.push(' ');
            note.push_str(&BASE64.encode(&material));
            note.push('\n');
        }
        note
    }
}

fn check_controls(text: &str) -> Result<(), NoteError> {
    match text.bytes().find(|&byte| byte < 0x20 && byte != b'\n') {
        Some(byte) => Err(NoteError::Control(byte)),
        None => Ok(()),
    }
}

fn parse_line(line: &str) -> Option<NoteSignature> {
    let (name, text) = line.strip_prefix(DASH)?.split_once(' ')?;
    let material = BASE64.decode(text.as_bytes()).ok()?;
    let (id, signature) = material.split_first_chunk::<4>()?;
    if signature.is_empty() {
        return None;
    }
    Some(NoteSignature {
        name: KeyName::new(name).ok()?,
        id: KeyId(*id),
        signature: signature.to_vec(),
    })
}
