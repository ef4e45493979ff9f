//! Claims about cosignatures and certificates, against the examples of C2SP tlog-cosignature.

use super::*;
use crate::identity::hash;
use crate::ledger::note::KeyId;
use crate::ledger::testing::{self, PARTNERS, QUORUM, TIME, certificate, coalition, cosigners, seat_key};
use crate::wire;

fn head() -> TreeHead {
    testing::head(12, hash("test", &[b"root"]))
}

fn good() -> Certificate {
    certificate(head(), &[0, 2, 3])
}

#[test]
fn reads_the_timestamped_signature_of_the_specification_s_example() {
    let note = SignedNote::parse(
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} example.com/behind-the-sofa \
        Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        \u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJs\
        X3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
            .as_bytes(),
    )
    .expect("the specification's example");
    let line = &note.signatures()[1];
    assert_eq!(line.id, KeyId([0x8d, 0x66, 0xcf, 0x3f]));
    assert_eq!(line.signature.len(), 72);
    assert_eq!(line.signature[..8], 1_679_315_147u64.to_be_bytes());
    // And the log is another one than ours.
    assert!(matches!(Certificate::from_note(&note, &cosigners()), Err(CertificateError::Origin { .. })));
}

#[test]
fn a_certificate_holds_and_comes_back_from_bytes_and_text() {
    let certificate = good();
    assert_eq!(certificate.verify(&cosigners()), Ok(()));
    let bytes = wire::encode(&certificate);
    assert_eq!(wire::decode(&bytes, MAX_CERTIFICATE_BYTES), Ok(certificate.clone()));
    // Size 1, root 32, time 5, count 1, and 66 for each seat.
    assert_eq!(bytes.len(), 39 + 3 * 66);
    let note = certificate.to_note(&cosigners()).expect("known seats");
    let note = SignedNote::parse(note.encode().as_bytes()).expect("what encode wrote");
    assert_eq!(Certificate::from_note(&note, &cosigners()), Ok(certificate));
}

#[test]
fn the_largest_certificate_stays_within_its_limit() {
    let largest = Certificate {
        head: TreeHead { size: MAX_TREE_SIZE, root: hash("test", &[]), time_s: MAX_TIME_S },
        cosignatures: vec![
            Cosignature { seat: u16::MAX, signature: Signature::from_ed25519([255; 64]) };
            MAX_COSIGNERS
        ],
    };
    let bytes = wire::encode(&largest);
    assert!(bytes.len() <= MAX_CERTIFICATE_BYTES);
    assert_eq!(wire::decode(&bytes, MAX_CERTIFICATE_BYTES), Ok(largest));
}

#[test]
fn cosignatures_of_exactly_a_quorum_in_seat_order_are_needed() {
    let count = |seats: &[u16]| certificate(head(), seats).verify(&cosigners());
    for seats in [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]] {
        assert_eq!(count(&seats), Ok(()));
    }
    let quorum = QUORUM;
    assert_eq!(count(&[]), Err(CertificateError::Count { found: 0, quorum }));
    assert_eq!(count(&[0, 1]), Err(CertificateError::Count { found: 2, quorum }));
    assert_eq!(count(&[0, 1, 2, 3]), Err(CertificateError::Count { found: 4, quorum }));
    assert_eq!(count(&[0, 1, 1]), Err(CertificateError::Order(1)));
    assert_eq!(count(&[2, 1, 3]), Err(CertificateError::Order(1)));
    assert_eq!(count(&[0, 1, 4]), Err(CertificateError::Seat(4)));
    assert_eq!(count(&[0, 1, u16::MAX]), Err(CertificateError::Seat(u16::MAX)));
}

#[test]
fn a_cosignature_holds_for_its_head_coalition_and_seat_only() {
    let verify = |change: &dyn Fn(&mut Certificate)| {
        let mut certificate = good();
        change(&mut certificate);
        certificate.verify(&cosigners())
    };
    let refused = Err(CertificateError::Signature(0));
    assert_eq!(verify(&|_| {}), Ok(()));
    assert_eq!(verify(&|c| c.head.size += 1), refused);
    assert_eq!(verify(&|c| c.head.time_s += 1), refused);
    assert_eq!(verify(&|c| c.head.root.0[31] ^= 1), refused);
    assert_eq!(verify(&|c| c.cosignatures[1].seat = 1), Err(CertificateError::Signature(1)));
    assert_eq!(
        verify(&|c| c.cosignatures[2].signature = c.cosignatures[1].signature),
        Err(CertificateError::Signature(3))
    );
    assert!(matches!(verify(&|c| c.head.time_s = MAX_TIME_S + 1), Err(CertificateError::Range { .. })));
    assert!(matches!(verify(&|c| c.head.size = u64::MAX), Err(CertificateError::Range { .. })));

    let other = CoalitionId(hash("test", &[b"other"]));
    let seats = PARTNERS.iter().enumerate().map(|(i, name)| (name, seat_key(i).public()));
    let others = Cosigners::new(other, seats, QUORUM).expect("four good seats");
    assert_eq!(good().verify(&others), refused);

    let head = head();
    let signature = head.cosign(&coalition(), &seat_key(1));
    assert!(head.verify(&coalition(), &seat_key(1).public(), &signature));
    assert!(!head.verify(&coalition(), &seat_key(2).public(), &signature));
    assert!(!head.verify(&other, &seat_key(1).public(), &signature));
}

#[test]
fn assembles_the_lowest_seats_once_a_quorum_is_there() {
    let head = head();
    let mut known = BTreeMap::new();
    for (seat, complete) in [(3, false), (1, false), (0, true), (2, true)] {
        known.insert(seat, head.cosign(&coalition(), &seat_key(usize::from(seat))));
        let certificate = Certificate::assemble(head, &known, &cosigners());
        assert_eq!(certificate.is_some(), complete);
        if let Some(certificate) = certificate {
            assert_eq!(certificate.verify(&cosigners()), Ok(()));
        }
    }
    let seats = Certificate::assemble(head, &known, &cosigners()).expect("all have cosigned");
    let seats: Vec<_> = seats.cosignatures.iter().map(|c| c.seat).collect();
    assert_eq!(seats, [0, 1, 2]);
}

#[test]
fn the_batch_time_is_cut_to_whole_seconds() {
    let root = hash("test", &[]);
    assert_eq!(TreeHead::new(1, root, TIME), TreeHead::new(1, root, Time(TIME.0 - 999)));
    assert_ne!(TreeHead::new(1, root, TIME), TreeHead::new(1, root, Time(TIME.0 + 1)));
}

#[test]
fn a_note_with_anything_else_is_no_certificate() {
    let note = good().to_note(&cosigners()).expect("known seats");
    let read = |text: String, lines: Vec<NoteSignature>| {
        let note = SignedNote::new(text, lines).expect("a note");
        Certificate::from_note(&note, &cosigners())
    };
    let text = || note.text().to_owned();
    let lines = |change: &dyn Fn(&mut Vec<NoteSignature>)| {
        let mut lines = note.signatures().to_vec();
        change(&mut lines);
        lines
    };
    assert_eq!(read(text(), lines(&|_| {})), Ok(good()));
    assert_eq!(read(text() + "extension\n", lines(&|_| {})), Err(CertificateError::Extensions));
    assert_eq!(
        read("no checkpoint\n".into(), lines(&|_| {})),
        Err(CertificateError::Checkpoint(CheckpointError::Lines))
    );
    assert_eq!(read(text(), lines(&|l| l[1].id.0[0] ^= 1)), Err(CertificateError::Unknown(2)));
    let name = KeyName::new("witness.example.com/w1").expect("a name");
    assert_eq!(read(text(), lines(&|l| l[2].name = name.clone())), Err(CertificateError::Unknown(3)));
    assert_eq!(read(text(), lines(&|l| l[2].signature[7] ^= 1)), Err(CertificateError::Time(3)));
    assert_eq!(read(text(), lines(&|l| l[1].signature.push(0))), Err(CertificateError::Line(2)));
    assert_eq!(read(text(), lines(&|l| l[0].signature.truncate(71))), Err(CertificateError::Line(1)));
    let exchanged = read(text(), lines(&|l| l.swap(0, 1))).expect("the form is right");
    assert_eq!(exchanged.verify(&cosigners()), Err(CertificateError::Order(0)));
    let unknown = certificate(head(), &[0, 1, 4]);
    assert_eq!(unknown.to_note(&cosigners()), Err(CertificateError::Seat(4)));
}

#[test]
fn seats_that_cannot_be_told_apart_or_named_are_refused() {
    let key = |seat| seat_key(seat).public();
    let of = |seats: Vec<(&str, PublicKey)>, quorum| Cosigners::new(coalition(), seats, quorum).map(|_| ());
    assert_eq!(of(vec![("a", key(0)), ("b", key(1))], 2), Ok(()));
    assert_eq!(of(vec![], 1), Err(CosignersError::Count(0)));
    let many: Vec<_> = (0..=MAX_COSIGNERS).map(|i| (format!("p{i}"), key(0))).collect();
    assert_eq!(Cosigners::new(coalition(), many, 1), Err(CosignersError::Count(MAX_COSIGNERS + 1)));
    for quorum in [0, 2] {
        let seats = 1;
        assert_eq!(of(vec![("a", key(0))], quorum), Err(CosignersError::Quorum { quorum, seats }));
    }
    assert_eq!(of(vec![("a", key(0)), ("a", key(1))], 1), Err(CosignersError::SameName("a".into())));
    assert_eq!(of(vec![("a", key(0)), ("b", key(0))], 1), Err(CosignersError::SameKey(key(0))));
    for name in ["", "a b", "a+b", "a/b", "#a", "a\u{2003}b", "a\nb", &"a".repeat(250)] {
        assert_eq!(of(vec![(name, key(0))], 1), Err(CosignersError::Name(name.chars().take(255).collect())));
    }
}
