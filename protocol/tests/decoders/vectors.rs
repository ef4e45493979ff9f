//! Golden vectors, as text for whoever writes another implementation: `protocol/tests/vectors/*.txt`, and in `text` below it
//! those of text forms ([`texts`]).
//!
//! Each file is checked as it stands: a valid vector decodes, encodes to the same bytes again and is what the independent
//! encoder of [`annotate`] makes of the sample; an invalid one gives the error that it names. `ENTENTE_WRITE=1` writes the
//! files anew, which is right only when the wire format has changed and says so.

use std::fmt::{Display, Write as _};
use std::path::PathBuf;

use entente_protocol::charter::Charter;
use entente_protocol::coalition::{Page, PageError, Refusal, Taking};
use entente_protocol::feed::BodyBytes;
use entente_protocol::founding::CharterChain;
use entente_protocol::frontier::Contribution;
use entente_protocol::identity::Hash;
use entente_protocol::leaf::{Leaf, MAX_LEAF_BYTES};
use entente_protocol::ledger::receipt::MAX_EXTRA_BYTES;
use entente_protocol::record::Body;
use entente_protocol::replicate::{MAX_MESSAGE_BYTES, PeerMessage};
use entente_protocol::vote::{MAX_VOTE_FRAME_BYTES, VoteFrame};
use entente_protocol::wire;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::annotate::{Line, annotate, bytes_of};
use crate::bodies::BASIS;
use crate::samples;

mod proven;
mod texts;

/// Bytes of one line of hex.
const ROW_BYTES: usize = 32;

/// Decodes and encodes again, or says why not.
type Decoder = fn(&[u8]) -> Result<Vec<u8>, String>;

fn again<T: Serialize + DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    wire::decode::<T>(bytes, limit).map(|value| wire::encode(&value)).map_err(|error| error.to_string())
}

const PEER_MESSAGE: Decoder = |bytes| again::<PeerMessage>(bytes, MAX_MESSAGE_BYTES);
const VOTE_FRAME: Decoder = |bytes| again::<VoteFrame>(bytes, MAX_VOTE_FRAME_BYTES);
const BODY: Decoder =
    |bytes| Body::decode(bytes).map(|body| body.encode()).map_err(|error| error.to_string());
const LEAF: Decoder =
    |bytes| Leaf::decode(bytes).map(|leaf| leaf.encode()).map_err(|error| error.to_string());
/// As the one item of a page, which tells what is none from what is one.
const ITEM: Decoder = |bytes| {
    let page = Page { branches: vec![], items: vec![BodyBytes(bytes.to_vec())] };
    match Taking::new(Hash::default()).take(&page) {
        Err(PageError::Root) => Ok(bytes.to_vec()),
        taken => Err(taken.expect_err("no page has this root").to_string()),
    }
};
const CONTRIBUTION: Decoder = |bytes| {
    Contribution::decode(bytes, &BASIS)
        .map(|contribution| contribution.encode())
        .map_err(|error| error.to_string())
};

struct Vector {
    name: String,
    lines: Vec<Line>,
    /// The line that is wrong, which alone is explained; in a vector without one all are.
    wrong: Option<usize>,
}

fn valid<N: ToString, T: Serialize>(samples: &[(N, T)]) -> Vec<Vector> {
    let vector =
        |(name, value): &(N, T)| Vector { name: name.to_string(), lines: annotate(value), wrong: None };
    samples.iter().map(vector).collect()
}

impl Vector {
    /// This vector with other bytes for the line of `path` whose explanation begins with `what`.
    #[track_caller]
    fn but(&self, path: &str, what: &str, bytes: &[u8], wrong: &str) -> Self {
        let mut lines = self.lines.clone();
        let at = lines
            .iter()
            .position(|line| line.path == path && line.what.starts_with(what))
            .unwrap_or_else(|| panic!("{} has no {path:?} {what:?}: {lines:#?}", self.name));
        lines[at].bytes = bytes.to_vec();
        lines[at].what = wrong.to_owned();
        Self { name: format!("{}, {wrong}", self.name), lines, wrong: Some(at) }
    }

    /// What is wrong with every kind of object: cut off, longer, a number in a longer form.
    fn misfits(&self) -> Vec<Self> {
        let mut cut = self.lines.clone();
        let last = cut.last_mut().expect("a vector has lines");
        last.bytes.pop();
        last.what = "the last byte is cut off".to_owned();
        let mut longer = self.lines.clone();
        let last = longer.last_mut().expect("a vector has lines");
        last.bytes.push(0);
        last.what = "a byte is left over".to_owned();
        let mut padded = self.lines.clone();
        let (at, first) = padded
            .iter_mut()
            .enumerate()
            .find(|(_, line)| {
                line.bytes.len() == 1 && !matches!(&*line.what, "true" | "false" | "none" | "some")
            })
            .expect("a small number");
        first.bytes = vec![251, first.bytes[0], 0];
        first.what = "a small number in a longer form".to_owned();
        let vectors = [(cut.len() - 1, cut), (longer.len() - 1, longer), (at, padded)];
        vectors
            .into_iter()
            .map(|(at, lines)| {
                let name = format!("{}, {}", self.name, lines[at].what);
                Self { name, lines, wrong: Some(at) }
            })
            .collect()
    }

    /// The vector as it stands in its file.
    fn render(&self, decoder: Decoder) -> String {
        let mut text = format!("== {}\n", self.name);
        if let Err(error) = decoder(&bytes_of(&self.lines)) {
            let _ = writeln!(text, "error: {error}");
        }
        let Some(at) = self.wrong else {
            self.lines.iter().for_each(|line| explain(&mut text, line));
            return text;
        };
        // All that is right before and behind stands together.
        rows(&mut text, &bytes_of(&self.lines[..at]), None);
        explain(&mut text, &self.lines[at]);
        rows(&mut text, &bytes_of(&self.lines[at + 1..]), None);
        text
    }
}

fn explain(text: &mut String, line: &Line) {
    let colon = if line.path.is_empty() { "" } else { ": " };
    rows(text, &line.bytes, Some(&format!("{}{colon}{}", line.path, line.what)));
}

fn rows(text: &mut String, bytes: &[u8], comment: Option<&str>) {
    let mut comment = comment;
    if bytes.is_empty()
        && let Some(comment) = comment.take()
    {
        let _ = writeln!(text, "# {comment}");
    }
    for row in bytes.chunks(ROW_BYTES) {
        let hex = data_encoding::HEXLOWER.encode(row);
        let _ = match comment.take() {
            Some(comment) => writeln!(text, "{hex}  # {comment}"),
            None => writeln!(text, "{hex}"),
        };
    }
}

/// Name, error if it is invalid, and bytes of each vector of a file.
fn parse(text: &str) -> Vec<(String, Option<String>, Vec<u8>)> {
    let mut vectors: Vec<(String, Option<String>, Vec<u8>)> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            vectors.push((name.to_owned(), None, Vec::new()));
        } else if let Some((_, error, bytes)) = vectors.last_mut() {
            match line.strip_prefix("error: ") {
                Some(named) => *error = Some(named.to_owned()),
                None => {
                    let hex = line.split('#').next().unwrap_or_default().trim();
                    bytes.extend(data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex"));
                }
            }
        }
    }
    vectors
}

#[track_caller]
#[expect(clippy::disallowed_methods, reason = "the vectors are files; the crate itself has none")]
fn check(file: &str, about: &str, decoder: Decoder, valid: &[Vector], invalid: &[Vector]) {
    let mut expected = format!(
        "# Golden vectors: {about}\n# Encoding: docs/wire.md. Each begins with `==` and its name; an invalid one names the error.\n"
    );
    for vector in valid.iter().chain(invalid) {
        let _ = write!(expected, "\n{}", vector.render(decoder));
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    if std::env::var_os("ENTENTE_WRITE").is_some() {
        std::fs::write(&path, &expected).expect("written");
    }
    let found = std::fs::read_to_string(&path).expect("the file of vectors");
    let vectors = parse(&found);
    assert_eq!(vectors.len(), valid.len() + invalid.len(), "{file}");
    for (i, (name, error, bytes)) in vectors.iter().enumerate() {
        match (decoder(bytes), error) {
            (Ok(again), None) => assert_eq!(again, *bytes, "{file}: {name}"),
            (Err(found), Some(named)) => assert_eq!(found, *named, "{file}: {name}"),
            (decoded, _) => panic!("{file}: {name} is {decoded:?}, the file names {error:?}"),
        }
        assert_eq!(error.is_none(), i < valid.len(), "{file}: {name}");
    }
    assert!(
        found == expected,
        "{file} differs from the samples; \
         ENTENTE_WRITE=1 cargo test -p entente-protocol --test decoders vectors writes it"
    );
}

fn misfits(valid: &[Vector]) -> Vec<Vector> {
    valid.iter().flat_map(Vector::misfits).collect()
}

fn named<'a>(vectors: &'a [Vector], name: &str) -> &'a Vector {
    vectors.iter().find(|vector| vector.name == name).expect("a vector of this name")
}

/// A vector of a few bytes that belongs to no valid one.
fn odd(name: &str, bytes: &[u8]) -> Vector {
    let mut vector = Vector { name: name.to_owned(), lines: annotate(&0u8), wrong: None };
    vector.lines[0].bytes = bytes.to_vec();
    vector.lines[0].what = name.to_owned();
    vector
}

#[test]
fn messages_between_nodes() {
    let valid = valid(&samples::peer_messages());
    let have = named(&valid, "have");
    let mut weak = [0; 33];
    weak[..2].copy_from_slice(&[1, 1]);
    let mut other_algorithm = weak;
    other_algorithm[0] = 2;
    let mut invalid = misfits(&valid);
    invalid.extend([
        odd("no variant 12", &[12]),
        odd("nothing at all", &[]),
        have.but("Have.whole", "true", &[2], "a truth that is neither 0 nor 1"),
        have.but("Have.feeds[0].0.node", "33", &other_algorithm, "a key of an unknown algorithm"),
        have.but("Have.feeds[0].0.node", "33", &weak, "a key of small order"),
        have.but("Have.feeds[0].0.lane", "Lane", &[4], "a lane that there is not"),
        have.but(
            "Have.epochs",
            "1",
            &[&[253][..], &u64::MAX.to_le_bytes()].concat(),
            "a list longer than memory",
        ),
        have.but(
            "Have.epochs[0].cosigned",
            "1 bytes",
            &[252, 0, 0, 32, 0],
            "bytes beyond the limit of an object",
        ),
        have.but("Have.seat", "some", &[2], "an option that is neither 0 nor 1"),
        have.but("Have.seat", "0", &[252, 0, 0, 1, 0], "a seat beyond 16 bits"),
        have.but("Have.certified", "4", &[255], "a marker that there is not"),
    ]);
    check("peer_message.txt", "messages between nodes (PeerMessage)", PEER_MESSAGE, &valid, &invalid);
}

#[test]
fn vote_frames() {
    let valid = valid(&samples::vote_frames());
    let all = named(&valid, "every message");
    let mut invalid = misfits(&valid);
    invalid.extend([
        all.but("votes.votes[0].vote", "0", &[9], "a vote of a code that there is not"),
        all.but("votes.votes[1].proposers", "0b10", &[251, 2, 0], "a bitmap in a longer form"),
        all.but("signature", "65", &[3; 65], "a signature of an unknown algorithm"),
    ]);
    check("vote_frame.txt", "frames of a vote feed (VoteFrame)", VOTE_FRAME, &valid, &invalid);
}

#[test]
fn bodies_of_entries() {
    let valid = valid(&samples::bodies());
    let (open, attest) = (named(&valid, "signed, open"), named(&valid, "signed, attest"));
    let committed = named(&valid, "incident with a commitment to a credential");
    let act = "Signed.record.act";
    let mut invalid = misfits(&valid);
    invalid.extend([
        odd("no variant 4", &[4]),
        open.but(&format!("{act}.Open.body[0].key"), "\"slot\"", b"tops", "names out of order"),
        open.but(&format!("{act}.Open.title"), "\"Corridor\"", b"Corr\xffdor", "a text that is not UTF-8"),
        open.but("Signed.record.act", "Act", &[200], "an act that there is not"),
        attest.but(&format!("{act}.Attest.role"), "Role", &[3], "a role that there is not"),
        attest.but(&format!("{act}.Attest.stance"), "Stance", &[3], "a stance that there is not"),
        committed.but("Incident.shown", "Shown", &[3], "a kind of exhibit that there is not"),
        committed.but("Incident.shown.Commitment.exhibit", "Exhibit", &[2], "what nobody commits to"),
    ]);
    check("body.txt", "bodies of entries (Body)", BODY, &valid, &invalid);
}

#[test]
fn leaves_of_the_log() {
    let valid = valid(&samples::leaves());
    let decision = named(&valid, "decision");
    let mut invalid = misfits(&valid);
    invalid.extend([
        odd("no variant 4", &[4]),
        decision.but("Decision.kind", "\"airlift\"", b"Airlift", "a name with a capital letter"),
        decision.but("Decision.verdict", "Verdict", &[5], "a verdict that there is not"),
        named(&valid, "epoch").but("Epoch.coin", "CoinMode", &[2], "a coin that there is not"),
    ]);
    check("leaf.txt", "leaves of the log (Leaf)", LEAF, &valid, &invalid);
}

#[test]
fn refusals() {
    let decoder = |bytes: &[u8]| {
        // What it says is for people: it is there, whatever it holds.
        let again = again::<Refusal>(bytes, MAX_LEAF_BYTES)?;
        let refusal: Refusal = wire::decode(bytes, MAX_LEAF_BYTES).expect("decoded before");
        assert!(!refusal.to_string().is_empty());
        Ok(again)
    };
    let valid = valid(&samples::refusals());
    let too_long = named(&valid, "Refusal: TooLong");
    let mut invalid = too_long.misfits();
    invalid.extend([
        odd("no variant 32", &[32]),
        too_long.but("TooLong.what", "Part", &[17], "a part that there is not"),
    ]);
    check(
        "refusal.txt",
        "why records are refused (Refusal), one for each variant",
        decoder,
        &valid,
        &invalid,
    );
}

#[test]
fn items_of_the_state() {
    let valid = valid(&samples::items());
    let item = named(&valid, "Item: Asset");
    let mut invalid = item.misfits();
    invalid.push(odd("no variant 22", &[22]));
    check("item.txt", "items of the state (Item)", ITEM, &valid, &invalid);
}

#[test]
fn charter_chains() {
    let valid = valid(&samples::chains());
    let decoder = |bytes: &[u8]| again::<CharterChain>(bytes, MAX_EXTRA_BYTES);
    check(
        "charter_chain.txt",
        "a charter's versions as in a receipt (CharterChain)",
        decoder,
        &valid,
        &valid[0].misfits(),
    );
}

#[test]
fn charters() {
    let decoder = |bytes: &[u8]| {
        Charter::decode(bytes).map(|charter| charter.encode()).map_err(|error| error.to_string())
    };
    let valid = valid(&[
        ("a founding charter", samples::charter()),
        ("all that one can state", samples::full_charter()),
    ]);
    let charter = &valid[0];
    let mut invalid = charter.misfits();
    invalid.push(charter.but("operations[0].precedence", "Lane", &[4], "a lane that there is not"));
    check("charter.txt", "charters (Charter)", decoder, &valid, &invalid);
}

#[test]
fn contributions() {
    let samples = samples::contributions();
    let valid = valid(&samples);
    let claims = named(&valid, "claims");
    let mut invalid = misfits(&valid);
    invalid.extend([
        claims.but("claims[0].feed", "0", &[3], "a claim on a frozen feed"),
        claims.but("claims[0].feed", "0", &[5], "the same feed twice"),
        claims.but("claims[3].feed", "15", &[32], "a feed that there is not"),
        claims.but("claims[0].heads[1].0", "2", &[3], "a claim that is at no power of two"),
        claims.but("claims[0].heads[3].0", "7", &[17], "a claim beyond the quota"),
    ]);
    check(
        "contribution.txt",
        "contributions of a seat to an epoch with 16 feeds, of which the fourth is frozen, quotas 16, 128, 512, 1024",
        CONTRIBUTION,
        &valid,
        &invalid,
    );
}

#[test]
fn the_two_encoders_agree_on_every_sample() {
    fn agree<N: Display, T: Serialize>(samples: &[(N, T)]) {
        for (name, value) in samples {
            assert_eq!(bytes_of(&annotate(value)), wire::encode(value), "{name}");
        }
    }
    agree(&samples::peer_messages());
    agree(&samples::vote_frames());
    agree(&samples::bodies());
    agree(&samples::leaves());
    agree(&samples::contributions());
    agree(&samples::items());
    agree(&samples::refusals());
    agree(&samples::chains());
}
