//! Checkpoints: a tree head as text.
//!
//! Guarantees: [`Checkpoint::parse`] accepts exactly the texts that [`Checkpoint::body`] writes, so a tree head has one
//! spelling and all seats that agree on it sign the same bytes.
//!
//! How: the origin, the size in decimal and the root in base64, one line each, then extension lines if any. The
//! origin of a coalition's log is `entente/` and the coalition's id: no other coalition's tree head can pass for it.
//! This project writes no extension line: monitors cannot audit one, and the later cosignature type leaves them out.
//!
//! Source: C2SP tlog-checkpoint v1.0.0, section "Note text".

use thiserror::Error;

use super::merkle::MAX_TREE_SIZE;
use super::{decimal, hash_from_base64, hash_to_base64};
use crate::identity::{CoalitionId, Hash};

/// Longest line of a checkpoint, in bytes.
pub const MAX_LINE_BYTES: usize = 255;
/// Most extension lines that are read.
pub const MAX_EXTENSIONS: usize = 16;

/// The origin line of a coalition's log: `entente/co-...`.
pub fn origin(coalition: &CoalitionId) -> String {
    format!("entente/{coalition}")
}

/// Why a text is no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// Fewer than three lines, or no newline at the end.
    #[error("a checkpoint has at least three lines, each with a newline")]
    Lines,
    /// A line that is empty, too long or contains a control character.
    #[error("line {0} of the checkpoint is empty, too long or contains a control character")]
    Line(usize),
    /// The size is no plain decimal or out of range.
    #[error("the tree size is not a decimal from 0 to {MAX_TREE_SIZE}")]
    Size,
    /// The root is no base64 of 32 bytes.
    #[error("the root is not the base64 of 32 bytes")]
    Root,
    /// More than [`MAX_EXTENSIONS`].
    #[error("more than {MAX_EXTENSIONS} extension lines")]
    Extensions,
}

/// The head of a log's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
    extensions: Vec<String>,
}

impl Checkpoint {
    /// The head of a coalition's log: `size` leaves under `root`.
    pub fn new(coalition: &CoalitionId, size: u64, root: Hash) -> Self {
        Self { origin: origin(coalition), size, root, extensions: Vec::new() }
    }

    /// Reads the text of a note as a checkpoint, of whatever log.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut fields = Vec::new();
        for (i, line) in lines.split('\n').enumerate() {
            if i == 3 + MAX_EXTENSIONS {
                return Err(CheckpointError::Extensions);
            }
            if line.is_empty() || line.len() > MAX_LINE_BYTES || line.bytes().any(|byte| byte < 0x20) {
                return Err(CheckpointError::Line(i + 1));
            }
            fields.push(line);
        }
        let [origin, size, root, extensions @ ..] = &fields[..] else {
            return Err(CheckpointError::Lines);
        };
        Ok(Self {
            origin: (*origin).to_owned(),
            size: decimal(size, MAX_TREE_SIZE).ok_or(CheckpointError::Size)?,
            root: hash_from_base64(root).ok_or(CheckpointError::Root)?,
            extensions: extensions.iter().map(|line| (*line).to_owned()).collect(),
        })
    }

    /// Which log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// RFC 6962 root of the tree of that size.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// Lines of no meaning here; a coalition's checkpoints have none.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// The checkpoint's one text, with its final newline: what cosignatures cover.
    pub fn body(&self) -> String {
        let mut body = format!("{}\n{}\n{}\n", self.origin, self.size, hash_to_base64(&self.root));
        for line in &self.extensions {
            body.push_str(line);
            body.push('\n');
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::hash;

    // Example of the specification.
    const EXAMPLE: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_example_of_the_specification_is_read_and_written_alike() {
        let checkpoint = Checkpoint::parse(EXAMPLE).expect("the specification's example");
        assert_eq!(checkpoint.origin(), "example.com/behind-the-sofa");
        assert_eq!(checkpoint.size(), 20_852_163);
        assert_eq!(checkpoint.body(), EXAMPLE);
        let extended = format!("{EXAMPLE}one more line\n");
        let checkpoint = Checkpoint::parse(&extended).expect("extension lines are allowed");
        assert_eq!(checkpoint.extensions(), ["one more line"]);
        assert_eq!(checkpoint.body(), extended);
    }

    #[test]
    fn a_coalition_s_checkpoint_names_it_and_comes_back() {
        let coalition = CoalitionId(hash("test", &[]));
        let checkpoint = Checkpoint::new(&coalition, 0, hash("test", &[b"root"]));
        assert_eq!(Checkpoint::parse(&checkpoint.body()), Ok(checkpoint.clone()));
        assert_eq!(checkpoint.origin(), format!("entente/{coalition}"));
        assert!(!checkpoint.origin().contains([' ', '+']));
    }

    #[test]
    fn refuses_every_other_spelling() {
        let with = |from: &str, to: &str| Checkpoint::parse(&EXAMPLE.replacen(from, to, 1));
        for size in [
            "020852163",
            "+20852163",
            "-1",
            "2085216x",
            " 20852163",
            "00",
            "72057594037927937",
            "99999999999999999999999",
        ] {
            assert_eq!(with("20852163", size), Err(CheckpointError::Size), "{size}");
        }
        for root in ["2J=", "2I", "2I==", "2-=", "2I= "] {
            assert_eq!(with("2I=", root), Err(CheckpointError::Root), "{root}");
        }
        // The same 32 bytes as two padded texts one behind the other.
        let root =
            hash_from_base64("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=").expect("the example's root");
        let two = [&root.0[..26], &root.0[26..]].map(|part| data_encoding::BASE64.encode(part)).concat();
        assert_eq!(two.len(), 44);
        let spelled = Checkpoint::parse(&EXAMPLE.replacen(&hash_to_base64(&root), &two, 1));
        assert_eq!(spelled, Err(CheckpointError::Root));
        assert_eq!(with("example.com/behind-the-sofa", ""), Err(CheckpointError::Line(1)));
        assert_eq!(with("20852163", ""), Err(CheckpointError::Line(2)));
        assert_eq!(with("sofa", "sofa\r"), Err(CheckpointError::Line(1)));
        assert_eq!(with("sofa", &"s".repeat(256)), Err(CheckpointError::Line(1)));
        assert_eq!(with("2I=\n", "2I="), Err(CheckpointError::Lines));
        assert_eq!(Checkpoint::parse("origin\n1\n"), Err(CheckpointError::Lines));
        assert_eq!(Checkpoint::parse(""), Err(CheckpointError::Lines));
        assert_eq!(with("2I=\n", "2I=\n\n"), Err(CheckpointError::Line(4)));
        let many = format!("{EXAMPLE}{}", "x\n".repeat(MAX_EXTENSIONS + 1));
        assert_eq!(Checkpoint::parse(&many), Err(CheckpointError::Extensions));
    }
}
