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
    format!("{name}+{}+{}", KeyId::new(name, kind, key), BASE64.encode(&material))
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
        let lines =
            lines.strip_suffix('\n').ok_or(NoteError::Lacks("a signature and a newline at the end"))?;
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
    let material = super::from_base64(text)?;
    let (id, signature) = material.split_first_chunk::<4>()?;
    if signature.is_empty() {
        return None;
    }
    Some(NoteSignature { name: KeyName::new(name).ok()?, id: KeyId(*id), signature: signature.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Example of the specification, with the verifier key that it gives.
    const EXAMPLE: &str = "This is an example message.\n\n\u{2014} example.com/foo \
        Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn the_example_of_the_specification_is_read_and_its_signature_holds() {
        let note = SignedNote::parse(EXAMPLE.as_bytes()).expect("the specification's example");
        assert_eq!(note.text(), "This is an example message.\n");
        assert_eq!(note.encode(), EXAMPLE);
        let [line] = note.signatures() else { panic!("one signature") };
        let material = BASE64.decode(&VKEY.as_bytes()[25..]).expect("base64");
        let key: [u8; 32] = material[1..].try_into().expect("32 bytes");
        assert_eq!(vkey(&line.name, 0x01, &key), VKEY);
        assert_eq!(line.id, KeyId::new(&line.name, 0x01, &key));
        let key = crate::identity::PublicKey::from_ed25519(key).expect("a key");
        let signature = line.signature[..].try_into().expect("64 bytes");
        let signature = crate::identity::Signature::from_ed25519(signature);
        assert!(key.verify_raw(note.text().as_bytes(), &signature));
    }

    #[test]
    fn the_last_empty_line_separates_and_a_text_may_have_its_own() {
        let text = EXAMPLE.replace("example message.", "example\n\nmessage.");
        let note = SignedNote::parse(text.as_bytes()).expect("a note");
        assert_eq!(note.text(), "This is an example\n\nmessage.\n");
        assert_eq!(note.encode(), text);
    }

    #[test]
    fn no_cut_of_a_note_is_a_note() {
        for end in 0..EXAMPLE.len() {
            assert!(SignedNote::parse(&EXAMPLE.as_bytes()[..end]).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn refuses_what_is_not_exactly_a_note() {
        let line = EXAMPLE.lines().last().expect("a signature line");
        let malformed = |line: &str| SignedNote::parse(format!("text\n\n{line}\n").as_bytes());
        assert!(malformed(line).is_ok());
        for wrong in [
            line.replace('\u{2014}', "-"),
            line.replace("\u{2014} ", "\u{2014}"),
            line.replace("foo ", "foo  "),
            line.replace("foo", "f+o"),
            line.replace("foo", "f\u{a0}o"),
            line.replace("foo", "f\u{85}o"),
            line.replace("example.com/foo", ""),
            line.replace("aQM=", "aQM"),
            line.replace("aQM=", "aQN="), // trailing bits
            line.replace("aQM=", "aQ-="),
            // Two padded texts one behind the other.
            format!("{line}BA=="),
            format!("{line} "),
            format!(" {line}"),
            // An id without a signature.
            "\u{2014} name AAAAAA==".to_owned(),
        ] {
            assert_eq!(malformed(&wrong), Err(NoteError::Line(1)), "{wrong:?}");
        }
        assert_eq!(malformed(&format!("{line}\r")), Err(NoteError::Control(b'\r')));
        assert_eq!(malformed(&format!("{line}\n{line}\n.")), Err(NoteError::Line(3)));
        let parse = |text: &str| SignedNote::parse(text.as_bytes());
        let text = "a text that ends in a newline";
        assert_eq!(parse(&format!("\n\n{line}\n")).map(|note| note.text().len()), Ok(1));
        assert_eq!(parse(&format!("\n{line}\n")), Err(NoteError::Lacks("an empty line")));
        assert_eq!(SignedNote::new(String::new(), vec![]), Err(NoteError::Lacks(text)));
        assert_eq!(SignedNote::new("no end".into(), vec![]), Err(NoteError::Lacks(text)));
        assert_eq!(SignedNote::new("end\n".into(), vec![]), Err(NoteError::Lacks("a signature")));
        assert_eq!(parse(&format!("a\tb\n\n{line}\n")), Err(NoteError::Control(b'\t')));
        assert_eq!(SignedNote::parse(b"\xff\n\n"), Err(NoteError::Utf8));
    }

    #[test]
    fn reads_no_more_than_its_limits() {
        let line = EXAMPLE.lines().last().expect("a signature line");
        let of = |count: usize| format!("text\n\n{}", format!("{line}\n").repeat(count));
        assert!(SignedNote::parse(of(MAX_SIGNATURES).as_bytes()).is_ok());
        assert_eq!(SignedNote::parse(of(MAX_SIGNATURES + 1).as_bytes()), Err(NoteError::TooMany));
        let large = vec![b'a'; MAX_NOTE_BYTES + 1];
        assert_eq!(SignedNote::parse(&large), Err(NoteError::TooLarge(large.len())));
        let name = |bytes: usize| KeyName::new("n".repeat(bytes));
        assert!(name(MAX_NAME_BYTES).is_ok());
        assert!(name(MAX_NAME_BYTES + 1).is_err());
    }
}
