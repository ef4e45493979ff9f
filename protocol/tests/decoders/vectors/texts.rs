//! Golden vectors of text forms: ids, checkpoints, notes, receipts, the policy.
//!
//! A text stands line by line behind `| `; one behind `> ` has no newline. An invalid text is a valid one with edits, so that
//! a reader sees what is wrong with it.

use std::fmt::{Debug, Display, Write as _};
use std::path::PathBuf;
use std::str::FromStr;

use entente_protocol::identity::{CoalitionId, EvidenceId, Hash, PublicKey, RecordId, Signature, hash};
use entente_protocol::ledger::checkpoint::Checkpoint;
use entente_protocol::ledger::cosignature::Certificate;
use entente_protocol::ledger::note::SignedNote;
use entente_protocol::ledger::policy;
use entente_protocol::ledger::receipt::Receipt;
use entente_protocol::record::Nonce;

use crate::samples;

/// The one text of what `text` is read as, or why it is nothing; `of` is the vector's name up to a comma.
type Reader = fn(of: &str, text: &str) -> Result<String, String>;

/// One change to a valid text. Lines count from 1.
#[derive(Clone)]
enum Edit {
    /// Another line in this one's place.
    Line(usize, String),
    /// One more line before this one.
    Before(usize, String),
    /// The line goes.
    Without(usize),
    /// The last newline goes.
    Cut,
}
use Edit::{Before, Cut, Line, Without};

struct Text {
    name: String,
    /// The valid text, or the number of the one that the edits change.
    base: Result<String, usize>,
    edits: Vec<Edit>,
}

fn valid(name: &str, text: impl ToString) -> Text {
    Text { name: name.to_owned(), base: Ok(text.to_string()), edits: vec![] }
}

/// The last valid text of `texts` with edits.
fn but(texts: &[Text], wrong: &str, edits: impl Into<Vec<Edit>>) -> Text {
    let (at, base) = texts.iter().enumerate().rfind(|(_, text)| text.base.is_ok()).expect("a valid text");
    Text { name: format!("{}, {wrong}", base.name), base: Err(at), edits: edits.into() }
}

fn edited(base: &str, edits: &[Edit]) -> String {
    let mut lines: Vec<String> = base.split_inclusive('\n').map(str::to_owned).collect();
    for edit in edits {
        match edit {
            Line(at, line) => {
                let end = if lines[at - 1].ends_with('\n') { "\n" } else { "" };
                lines[at - 1] = format!("{line}{end}");
            }
            Before(at, line) => lines.insert(at - 1, format!("{line}\n")),
            Without(at) => drop(lines.remove(at - 1)),
            Cut => {
                let last = lines.last_mut().expect("a line");
                assert_eq!(last.pop(), Some('\n'));
            }
        }
    }
    lines.concat()
}

fn render(texts: &[Text], at: usize, reader: Reader) -> String {
    let Text { name, base, edits } = &texts[at];
    let mut out = format!("== {name}\n");
    match base {
        Ok(text) => text.split_inclusive('\n').for_each(|line| {
            let _ = match line.strip_suffix('\n') {
                Some(line) => writeln!(out, "| {line}"),
                None => writeln!(out, "> {line}"),
            };
        }),
        Err(base) => {
            let text = edited(texts[*base].base.as_ref().expect("a valid text"), edits);
            let kind = name.split(',').next().unwrap_or_default();
            let error = reader(kind, &text).expect_err(name);
            let _ = writeln!(out, "error: {error}\nlike: {}", texts[*base].name);
            for edit in edits {
                let _ = match edit {
                    Line(at, line) => writeln!(out, "line {at}: {line}"),
                    Before(at, line) => writeln!(out, "before {at}: {line}"),
                    Without(at) => writeln!(out, "without {at}"),
                    Cut => writeln!(out, "cut"),
                };
            }
        }
    }
    out
}

/// Name, error if it is invalid, and text of each vector of a file.
fn parse(file: &str) -> Vec<(String, Option<String>, String)> {
    let mut vectors: Vec<(String, Option<String>, String)> = Vec::new();
    let number = |text: &str| text.parse().expect("the number of a line");
    for line in file.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            vectors.push((name.to_owned(), None, String::new()));
            continue;
        }
        let Some((last, before)) = vectors.split_last_mut() else { continue };
        let mut edit = |edit| last.2 = edited(&last.2, &[edit]);
        if let Some(line) = line.strip_prefix("| ") {
            last.2 += &format!("{line}\n");
        } else if line == "|" {
            last.2.push('\n');
        } else if let Some(line) = line.strip_prefix("> ") {
            last.2 += line;
        } else if let Some(error) = line.strip_prefix("error: ") {
            last.1 = Some(error.to_owned());
        } else if let Some(like) = line.strip_prefix("like: ") {
            last.2 = before.iter().find(|(name, ..)| name == like).expect(like).2.clone();
        } else if line == "cut" {
            edit(Cut);
        } else if let Some(at) = line.strip_prefix("without ") {
            edit(Without(number(at)));
        } else if let Some((at, line)) = line.strip_prefix("line ").and_then(|line| line.split_once(": ")) {
            edit(Line(number(at), line.to_owned()));
        } else if let Some((at, line)) = line.strip_prefix("before ").and_then(|line| line.split_once(": ")) {
            edit(Before(number(at), line.to_owned()));
        } else {
            assert!(line.is_empty(), "what is {line:?}?");
        }
    }
    vectors
}

#[track_caller]
#[expect(clippy::disallowed_methods, reason = "the vectors are files; the crate itself has none")]
fn check(file: &str, about: &str, reader: Reader, texts: &[Text]) {
    let mut expected = format!(
        "# Golden vectors: {about}\n# Each begins with `==` and its name. A text stands behind `| ` line by line, or behind `> ` without a newline;\n\
         # an invalid one names the error and is `like` a valid one with edits: another `line`, one `before` it, `without` it, or\n\
         # with its last newline `cut`. Lines count from 1.\n"
    );
    for at in 0..texts.len() {
        let _ = write!(expected, "\n{}", render(texts, at, reader));
    }
    // An empty line has no blank behind its mark.
    let expected = expected.replace("| \n", "|\n");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/text").join(file);
    if std::env::var_os("ENTENTE_WRITE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, &expected).expect("written");
    }
    let found = std::fs::read_to_string(&path).expect("the file of vectors");
    let vectors = parse(&found);
    assert_eq!(vectors.len(), texts.len(), "{file}");
    for ((name, error, text), sample) in vectors.iter().zip(texts) {
        let kind = name.split(',').next().unwrap_or_default();
        match (reader(kind, text), error) {
            (Ok(again), None) => assert_eq!(again, *text, "{file}: {name}"),
            (Err(found), Some(named)) => assert_eq!(found, *named, "{file}: {name}"),
            (read, _) => panic!("{file}: {name} is {read:?}, the file names {error:?}"),
        }
        assert_eq!(error.is_none(), sample.base.is_ok(), "{file}: {name}");
    }
    assert!(
        found == expected,
        "{file} differs from the samples; \
         ENTENTE_WRITE=1 cargo test -p entente-protocol --test decoders vectors writes it"
    );
}

fn one<T: FromStr + Display>(text: &str) -> Result<String, String>
where
    T::Err: Debug + Display,
{
    text.parse::<T>().map(|value| value.to_string()).map_err(|error| error.to_string())
}

#[test]
fn ids_and_keys() {
    let reader: Reader = |of, text| match of {
        "Hash" => one::<Hash>(text),
        "CoalitionId" => one::<CoalitionId>(text),
        "RecordId" => one::<RecordId>(text),
        "EvidenceId" => one::<EvidenceId>(text),
        "PublicKey" => one::<PublicKey>(text),
        "Signature" => one::<Signature>(text),
        "Nonce" => one::<Nonce>(text),
        _ => panic!("no reader of {of}"),
    };
    let value = hash("decoders/text", &[]);
    let key = samples::key("officer");
    let line = |text: String| [Line(1, text)];
    let mut texts = Vec::new();
    for (kind, text) in [
        ("Hash", value.to_string()),
        ("CoalitionId", CoalitionId(value).to_string()),
        ("RecordId", RecordId(value).to_string()),
        ("EvidenceId", EvidenceId(value).to_string()),
        ("PublicKey", key.public().to_string()),
        ("Signature", key.sign("decoders", b"message").to_string()),
        ("Nonce", Nonce([7; 16]).to_string()),
    ] {
        texts.push(valid(kind, &text));
        let (head, _) = text.split_at(text.len() - 1);
        // The last character of 16, 32 or 64 bytes holds three, one or two bits; the others of its five are zero.
        texts.push(but(&texts, "a bit set behind the last", line(format!("{head}b"))));
        texts.push(but(&texts, "a character less", line(head.to_owned())));
        texts.push(but(&texts, "a character more", line(format!("{text}a"))));
        texts.push(but(&texts, "padded", line(format!("{text}===="))));
        texts.push(but(&texts, "in upper case", line(text.to_uppercase())));
        texts.push(but(&texts, "a blank before it", line(format!(" {text}"))));
    }
    let record = texts.iter().rposition(|text| text.name == "RecordId").expect("an id");
    let coalition = CoalitionId(value).to_string();
    texts.push(Text {
        name: "RecordId, a coalition's".to_owned(),
        base: Err(record),
        edits: line(coalition).into(),
    });
    let public = texts.iter().rposition(|text| text.name == "PublicKey").expect("a key");
    // The point (0, 1), of order 1; in the encoding above, one byte 1 and 31 bytes 0.
    let small = format!("ed25519:ae{}", "a".repeat(50));
    texts.push(Text {
        name: "PublicKey, of small order".to_owned(),
        base: Err(public),
        edits: line(small).into(),
    });
    check("id.txt", "ids, keys, signatures and nonces in text", reader, &texts);
}

#[test]
fn checkpoints() {
    let reader: Reader = |_, text| {
        Checkpoint::parse(text).map(|checkpoint| checkpoint.body()).map_err(|error| error.to_string())
    };
    let receipt = samples::receipt().encode();
    let note = SignedNote::parse(note_of(&receipt).as_bytes()).expect("a note");
    let line = |at: usize| note.text().lines().nth(at - 1).expect("a line").to_owned();
    let mut texts = vec![valid("checkpoint", note.text())];
    for (wrong, edits) in [
        ("a size with a zero before it", vec![Line(2, format!("0{}", line(2)))]),
        ("a size with a sign", vec![Line(2, format!("+{}", line(2)))]),
        ("a size beyond 2^56", vec![Line(2, "72057594037927937".to_owned())]),
        ("no size", vec![Without(2)]),
        ("a root without padding", vec![Line(3, line(3).trim_end_matches('=').to_owned())]),
        ("a root of 31 bytes", vec![Line(3, format!("{}A==", &line(3)[..41]))]),
        ("a root in the alphabet of URLs", vec![Line(3, line(3).replace(['+', '/'], "_"))]),
        ("the last newline is missing", vec![Cut]),
        ("an empty line before the root", vec![Before(3, String::new())]),
    ] {
        texts.push(but(&texts, wrong, edits));
    }
    check("checkpoint.txt", "checkpoints (C2SP tlog-checkpoint)", reader, &texts);
}

/// The signed note at the end of a receipt.
fn note_of(receipt: &str) -> &str {
    receipt.split_once("\n\n").expect("an empty line before the note").1
}

/// What is wrong with a signed checkpoint whose first line is number `first` of a text, `lines` its lines.
fn wrong_notes(first: usize, lines: &[&str]) -> Vec<(&'static str, Vec<Edit>)> {
    let line = |at: usize| lines[first + at - 2].to_owned();
    let flipped = |text: String| {
        // In the middle of the base64 of id, time and signature.
        let at = text.len() - 20;
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    };
    vec![
        ("a signature altered", vec![Line(first + 4, flipped(line(5)))]),
        ("a cosignature less than the quorum", vec![Without(first + 6)]),
        ("a cosignature twice", vec![Line(first + 5, line(5))]),
        ("cosignatures out of order", vec![Line(first + 4, line(6)), Line(first + 5, line(5))]),
        ("another size", vec![Line(first + 1, "4".to_owned())]),
        ("a hyphen for the dash", vec![Line(first + 4, line(5).replace('\u{2014}', "-"))]),
        ("two blanks before the base64", vec![Line(first + 4, line(5).replacen(' ', "  ", 2))]),
        ("no empty line before the cosignatures", vec![Without(first + 3)]),
        ("the last newline is missing", vec![Cut]),
    ]
}

#[test]
fn signed_notes() {
    let reader: Reader = |_, text| {
        let cosigners = samples::cosigners();
        let note = SignedNote::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        let certificate = Certificate::from_note(&note, &cosigners).map_err(|error| error.to_string())?;
        certificate.verify(&cosigners).map_err(|error| error.to_string())?;
        Ok(note.encode())
    };
    let text = samples::receipt().encode();
    let mut texts = vec![valid("note", note_of(&text))];
    for (wrong, edits) in wrong_notes(1, &note_of(&text).lines().collect::<Vec<_>>()) {
        texts.push(but(&texts, wrong, edits));
    }
    check("note.txt", "certificates as signed notes (C2SP signed-note, tlog-cosignature)", reader, &texts);
}

#[test]
fn receipts() {
    let reader: Reader = |_, text| {
        let receipt = Receipt::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        receipt.verify(&samples::cosigners()).map_err(|error| error.to_string())?;
        Ok(receipt.encode())
    };
    let text = samples::receipt().encode();
    let lines: Vec<_> = text.lines().collect();
    let empty = lines.iter().position(|line| line.is_empty()).expect("an empty line") + 1;
    assert!(empty > 4, "the proof has hashes");
    let mut texts = vec![valid("receipt", &text)];
    let mut wrong = vec![
        ("another version", vec![Line(1, "c2sp.org/tlog-proof@v2".to_owned())]),
        ("no extra line", vec![Without(2)]),
        ("extra that is no leaf and charter", vec![Line(2, "extra AAECAw==".to_owned())]),
        ("another index", vec![Line(3, "index 1".to_owned())]),
        ("an index with a zero before it", vec![Line(3, "index 02".to_owned())]),
        ("an index beyond the log", vec![Line(3, "index 3".to_owned())]),
        ("a hash of the proof less", vec![Without(4)]),
        ("a hash of the proof twice", vec![Before(4, lines[3].to_owned())]),
        ("another hash in the proof", vec![Line(4, format!("{}=", "A".repeat(43)))]),
        ("a hash of the proof with a blank behind it", vec![Line(4, format!("{} ", lines[3]))]),
        ("no empty line before the note", vec![Without(empty)]),
    ];
    wrong.extend(wrong_notes(empty + 1, &lines));
    for (wrong, edits) in wrong {
        texts.push(but(&texts, wrong, edits));
    }
    check("receipt.txt", "receipts (C2SP tlog-proof)", reader, &texts);
}

#[test]
fn the_policy() {
    let file = policy::export(&samples::cosigners());
    // Nothing here reads a policy: that this is the one that is written is all that is claimed of it.
    let reader: Reader = |_, text| {
        let file = policy::export(&samples::cosigners());
        if text == file { Ok(file) } else { Err("not the policy of these seats".to_owned()) }
    };
    let lines: Vec<_> = file.lines().collect();
    let mut texts = vec![valid("policy", &file)];
    for (wrong, edits) in [
        ("another quorum", vec![Line(7, lines[6].replace("seats 3", "seats 2"))]),
        ("a seat less", vec![Without(3)]),
        ("a seat with another's key", vec![Line(4, lines[2].to_owned())]),
    ] {
        texts.push(but(&texts, wrong, edits));
    }
    check("policy.txt", "the policy of the seats of receipt.txt (C2SP tlog-policy)", reader, &texts);
}
