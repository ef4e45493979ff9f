//! Whether somebody who knows only the public specifications can check a receipt with the policy file: a verifier
//! that shares no code with this crate. It takes its Merkle proofs from `ct-merkle` and its signatures from
//! `ed25519-dalek`, and reads the texts by splitting them.

use std::collections::BTreeMap;

use ct_merkle::{InclusionProof, RootHash};
use data_encoding::BASE64;
use ed25519_dalek::{Verifier as _, VerifyingKey};
use sha2::{Digest as _, Sha256};

use super::testing::{self, TIME};
use super::{checkpoint, policy};

/// A witness of a policy file: vkey name, key id, key.
struct Witness {
    name: String,
    id: Vec<u8>,
    key: VerifyingKey,
}

/// A tlog-policy of witnesses and groups.
#[derive(Default)]
struct Policy {
    witnesses: BTreeMap<String, Witness>,
    groups: BTreeMap<String, (usize, Vec<String>)>,
    quorum: String,
}

impl Policy {
    fn read(file: &str) -> Self {
        let mut policy = Self::default();
        for line in file.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [] => {}
                [word, ..] if word.starts_with('#') => {}
                ["witness", name, vkey] => {
                    let [key_name, id, material] = vkey.splitn(3, '+').collect::<Vec<_>>()[..] else {
                        panic!("{vkey} has three parts");
                    };
                    let material = BASE64.decode(material.as_bytes()).expect("base64");
                    assert_eq!(material[0], 4, "timestamped ed25519");
                    let digest = Sha256::digest([key_name.as_bytes(), b"\n", &material].concat());
                    let hex: String = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
                    assert_eq!(hex, id);
                    let witness = Witness {
                        name: key_name.to_owned(),
                        id: digest[..4].to_vec(),
                        key: VerifyingKey::from_bytes(&material[1..].try_into().expect("32 bytes"))
                            .expect("a key"),
                    };
                    let before = policy.witnesses.insert(name.to_owned(), witness);
                    assert!(before.is_none(), "{name} twice");
                }
                ["group", name, k, ref members @ ..] => {
                    assert_ne!(name, "none");
                    for member in members {
                        assert!(policy.witnesses.contains_key(*member), "defined before");
                    }
                    let k = k.parse().expect("a threshold");
                    assert!(1 <= k && k <= members.len());
                    let members = members.iter().map(|member| (*member).to_owned()).collect();
                    policy.groups.insert(name.to_owned(), (k, members));
                }
                ["quorum", name] => {
                    assert!(policy.quorum.is_empty() && policy.groups.contains_key(name));
                    policy.quorum = name.to_owned();
                }
                _ => panic!("unknown line {line:?}"),
            }
        }
        assert!(!policy.quorum.is_empty());
        policy
    }

    fn accepts(&self, body: &str, lines: &str) -> bool {
        let (k, members) = &self.groups[&self.quorum];
        let cosigned = members
            .iter()
            .filter(|member| {
                let witness = &self.witnesses[*member];
                lines.lines().any(|line| {
                    let words: Vec<&str> = line.split(' ').collect();
                    let material = BASE64.decode(words[2].as_bytes()).expect("base64");
                    assert_eq!(words[0], "\u{2014}");
                    if words[1] != witness.name || material[..4] != witness.id {
                        return false;
                    }
                    let time = u64::from_be_bytes(material[4..12].try_into().expect("8 bytes"));
                    let message = format!("cosignature/v1\ntime {time}\n{body}");
                    let signature = ed25519_dalek::Signature::from_slice(&material[12..]).expect("64 bytes");
                    witness.key.verify(message.as_bytes(), &signature).is_ok()
                })
            })
            .count();
        cosigned >= *k
    }
}

/// Checks a `.tlog-proof` as its specification says: origin, cosignatures, inclusion of `leaf`.
fn accepts(proof: &str, leaf: &[u8], origin: &str, policy: &Policy) -> bool {
    let [head, body, lines] = proof.splitn(3, "\n\n").collect::<Vec<_>>()[..] else {
        return false;
    };
    let body = format!("{body}\n");
    let mut head = head.lines();
    assert_eq!(head.next(), Some("c2sp.org/tlog-proof@v1"));
    let mut line = head.next().expect("a line");
    if line.starts_with("extra ") {
        line = head.next().expect("a line");
    }
    let index = line.strip_prefix("index ").expect("an index").parse().expect("a number");
    let path = head.flat_map(|line| BASE64.decode(line.as_bytes()).expect("base64")).collect();

    let mut fields = body.lines();
    let origin_holds = fields.next() == Some(origin);
    let size = fields.next().expect("a size").parse().expect("a number");
    let root = BASE64.decode(fields.next().expect("a root").as_bytes()).expect("base64");
    let root: [u8; 32] = root.try_into().expect("32 bytes");
    let included = RootHash::<Sha256>::new(root.into(), size)
        .verify_inclusion(&leaf, index, &InclusionProof::from_bytes(path))
        .is_ok();
    origin_holds && included && policy.accepts(&body, lines)
}

#[test]
fn a_tool_that_follows_the_specifications_accepts_every_receipt_with_the_policy_file() {
    let policy = Policy::read(&policy::export(&testing::cosigners()));
    let origin = checkpoint::origin(&testing::coalition());
    for (size, index) in [(1, 0), (2, 1), (7, 6), (8, 0), (100, 63), (101, 100)] {
        let proof = testing::receipt(size, index).encode();
        assert!(accepts(&proof, &testing::leaf(index), &origin, &policy));
        assert!(!accepts(&proof, b"another leaf", &origin, &policy));
        assert!(!accepts(&proof, &testing::leaf(index), "entente/co-other", &policy));
    }
}

#[test]
fn such_a_tool_counts_as_many_seats_as_the_coalition_does() {
    let policy = Policy::read(&policy::export(&testing::cosigners()));
    let proof = testing::receipt(9, 4).encode();
    let (fewer, _) = proof.trim_end().rsplit_once('\n').expect("several lines");
    let origin = checkpoint::origin(&testing::coalition());
    assert!(!accepts(&format!("{fewer}\n"), &testing::leaf(4), &origin, &policy));
    // Every seat's line counts, and counts for that seat only.
    let lines: Vec<&str> = proof.lines().rev().take(3).collect();
    let body = proof.split("\n\n").nth(1).expect("a checkpoint");
    let body = format!("{body}\n");
    assert!(policy.accepts(&body, &lines.join("\n")));
    assert!(!policy.accepts(&body, &[lines[0], lines[1], lines[1]].join("\n")));
}

#[test]
fn all_seats_sign_the_same_bytes_at_the_batch_time() {
    let head = testing::head(7, testing::log(7).frontier.root());
    let message = String::from_utf8(head.message(&testing::coalition())).expect("text");
    let expected = format!(
        "cosignature/v1\ntime {}\nentente/{}\n7\n{}\n",
        TIME.0 / 1000,
        testing::coalition(),
        BASE64.encode(&testing::log(7).frontier.root().0),
    );
    assert_eq!(message, expected);
}
