//! Claims about receipts: one text each, and every change of it is refused.

use super::*;
use crate::identity::{CoalitionId, hash};
use crate::ledger::cosignature::CertificateError;
use crate::ledger::testing::{
    self, QUORUM, TIME, certificate, check_founding, coalition, cosigners, founding, head, leaf, log,
};

/// All that somebody does who was handed a file and pins a coalition.
fn holds(bytes: &[u8], pinned: &CoalitionId) -> bool {
    Receipt::parse(bytes).is_ok_and(|receipt| {
        check_founding(receipt.founding(), pinned).is_some_and(|cosigners| receipt.verify(&cosigners).is_ok())
    })
}

#[test]
fn a_receipt_comes_back_from_its_text_and_says_what_is_certified() {
    for (size, index) in [(1, 0), (2, 0), (6, 5), (64, 17)] {
        let receipt = testing::receipt(size, index);
        let text = receipt.encode();
        assert!(holds(text.as_bytes(), &coalition()));
        let receipt = Receipt::parse(text.as_bytes()).expect("what encode wrote");
        assert_eq!(receipt.leaf(), leaf(index));
        assert_eq!(receipt.index(), index);
        let certificate = receipt.verify(&cosigners()).expect("all of it holds");
        assert_eq!((certificate.head.size, certificate.head.time_s), (size, TIME.seconds()));
    }
}

#[test]
fn the_text_is_that_of_the_specification() {
    let text = testing::receipt(6, 2).encode();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "c2sp.org/tlog-proof@v1");
    assert!(lines[1].starts_with("extra "));
    assert_eq!(lines[2], "index 2");
    assert!(lines[3..6].iter().all(|line| line.len() == 44), "three hashes");
    assert_eq!(lines[6], "");
    assert_eq!(lines[7], format!("entente/{}", coalition()));
    assert_eq!(lines[8], "6");
    assert_eq!(lines[9], hash_to_base64(&log(6).frontier.root()));
    assert_eq!(lines[10], "");
    assert!(lines[11].starts_with(&format!("\u{2014} entente/{}/host ", coalition())));
    assert_eq!(lines.len(), 11 + QUORUM);
    assert!(text.ends_with('\n'));
}

#[test]
fn any_flipped_bit_makes_it_fail() {
    let text = testing::receipt(6, 2).encode().into_bytes();
    let pinned = coalition();
    assert!(holds(&text, &pinned));
    for byte in 0..text.len() {
        for bit in 0..8 {
            let mut flipped = text.clone();
            flipped[byte] ^= 1 << bit;
            assert!(!holds(&flipped, &pinned), "bit {bit} of byte {byte}");
        }
    }
}

#[test]
fn a_hash_in_another_spelling_makes_it_fail() {
    let text = testing::receipt(6, 2).encode();
    let lines: Vec<_> = text.lines().collect();
    // The proof's hashes and the root, each as two padded base64 texts one behind the other.
    for line in [3, 4, 5, 9] {
        let hash = hash_from_base64(lines[line]).expect("a hash");
        let two = [&hash.0[..26], &hash.0[26..]].map(|part| BASE64.encode(part)).concat();
        assert_eq!(two.len(), lines[line].len());
        assert!(!holds(text.replacen(lines[line], &two, 1).as_bytes(), &coalition()), "line {line}");
    }
}

#[test]
fn any_cut_or_lengthened_text_makes_it_fail() {
    let text = testing::receipt(6, 2).encode();
    for end in 0..text.len() {
        assert!(!holds(&text.as_bytes()[..end], &coalition()), "{end} bytes");
    }
    for more in ["\n", " ", "x", "\n\n", "\0"] {
        assert!(!holds(format!("{text}{more}").as_bytes(), &coalition()));
        assert!(!holds(format!("{more}{text}").as_bytes(), &coalition()));
    }
    // Lines twice, left out and exchanged.
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    for i in 0..lines.len() {
        let mut less = lines.clone();
        less.remove(i);
        assert!(!holds(less.concat().as_bytes(), &coalition()), "without line {i}");
        let mut twice = lines.clone();
        twice.insert(i, lines[i]);
        assert!(!holds(twice.concat().as_bytes(), &coalition()), "line {i} twice");
        if i > 0 {
            let mut exchanged = lines.clone();
            exchanged.swap(i - 1, i);
            assert!(!holds(exchanged.concat().as_bytes(), &coalition()), "line {i} earlier");
        }
    }
}

#[test]
fn another_coalition_s_receipt_does_not_hold_here() {
    let other = CoalitionId(hash("test", &[b"other"]));
    assert!(!holds(testing::receipt(6, 2).encode().as_bytes(), &other));
}

#[test]
fn more_fewer_or_shuffled_seats_do_not_make_a_receipt() {
    let log = log(6);
    let path = merkle::prove_inclusion(&log.nodes, 6, 2).expect("within the tree");
    let with = |seats: &[u16], leaf_index, index| {
        let certificate = certificate(head(6, log.frontier.root()), seats);
        Receipt::new(leaf(leaf_index), founding(), index, path.clone(), &certificate, &cosigners())
    };
    assert!(with(&[1, 2, 3], 2, 2).is_ok());
    let quorum = QUORUM;
    for (seats, found) in [(&[0, 1][..], 2), (&[0, 1, 2, 3], 4)] {
        let error = CertificateError::Count { found, quorum };
        assert_eq!(with(seats, 2, 2), Err(ReceiptError::Certificate(error)));
    }
    let error = ReceiptError::Certificate(CertificateError::Order(1));
    assert_eq!(with(&[2, 1, 3], 2, 2), Err(error));
    let error = ReceiptError::Inclusion(ProofError::Root);
    assert_eq!(with(&[1, 2, 3], 3, 2), Err(error.clone()));
    assert_eq!(with(&[1, 2, 3], 2, 3), Err(error));
}

#[test]
fn refuses_every_other_spelling() {
    let text = testing::receipt(6, 2).encode();
    let with = |from: &str, to: &str| Receipt::parse(text.replacen(from, to, 1).as_bytes()).map(|_| ());
    assert_eq!(with("", ""), Ok(()));
    assert_eq!(with("@v1", "@v2"), Err(ReceiptError::Line("first")));
    assert_eq!(with("extra ", "extra  "), Err(ReceiptError::Line("extra")));
    assert_eq!(with("extra ", "Extra "), Err(ReceiptError::Line("extra")));
    for index in ["02", "+2", "-2", "2 ", "", "72057594037927938"] {
        assert_eq!(
            with("index 2\n", &format!("index {index}\n")),
            Err(ReceiptError::Line("index")),
            "{index}"
        );
    }
    assert_eq!(with("=\n\nentente", "\n\nentente"), Err(ReceiptError::Line("proof")));
    // A second empty line would begin the note's text.
    assert_eq!(
        with("=\n\nentente", "=\n\n\nentente"),
        Err(ReceiptError::Checkpoint(CheckpointError::Line(1)))
    );
    let long = format!("index 2\n{}", format!("{}=\n", "A".repeat(43)).repeat(MAX_PROOF_HASHES));
    assert_eq!(with("index 2\n", &long), Err(ReceiptError::Path));

    // Extra that is not the one encoding of a leaf and a founding.
    let extra = text.lines().nth(1).expect("extra").strip_prefix("extra ").expect("extra");
    let mut bytes = BASE64.decode(extra.as_bytes()).expect("base64");
    bytes.push(0);
    assert_eq!(with(extra, &BASE64.encode(&bytes)), Err(ReceiptError::Extra(WireError::Trailing(1))));
}

#[test]
fn reads_and_makes_no_more_than_its_limits() {
    let large = vec![b'a'; MAX_RECEIPT_BYTES + 1];
    assert_eq!(Receipt::parse(&large), Err(ReceiptError::TooLarge(large.len())));
    assert_eq!(Receipt::parse(&[0xff]), Err(ReceiptError::Utf8));

    let make = |founding_bytes: usize| {
        let log = log(1);
        let certificate = certificate(head(1, log.frontier.root()), &[0, 1, 2]);
        Receipt::new(leaf(0), vec![7; founding_bytes], 0, vec![], &certificate, &cosigners())
    };
    // Leaf of 10 bytes with its length, and five bytes for the founding's length.
    let largest = make(MAX_EXTRA_BYTES - 11 - 5).expect("just within the limit");
    assert_eq!(Receipt::parse(largest.encode().as_bytes()), Ok(largest));
    assert!(matches!(make(MAX_EXTRA_BYTES - 11 - 4), Err(ReceiptError::Extra(WireError::TooLarge { .. }))));
}

#[test]
fn the_bytes_of_format_1_have_not_changed() {
    // A receipt that was written once must verify for ever: if this fails, the format needs a new version.
    let receipt = testing::receipt(6, 2).encode();
    assert_eq!(receipt, include_str!("vector.tlog-proof"));
    let policy = crate::ledger::policy::export(&cosigners());
    assert_eq!(policy, include_str!("vector.policy"));
}
