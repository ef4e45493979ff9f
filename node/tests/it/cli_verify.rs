//! Receipts judged offline: made here without the node's code, from the published formats.

use entente_protocol::charter::Charter;
use entente_protocol::coalition::{Assessment, Decision, Stage, Standing, Verdict};
use entente_protocol::founding::{CharterChain, CharterSignature, Founding};
use entente_protocol::identity::{RecordId, hash};
use entente_protocol::leaf::Leaf;
use entente_protocol::ledger::cosignature::{Certificate, Cosignature, Cosigners, TreeHead};
use entente_protocol::ledger::merkle::leaf_hash;
use entente_protocol::ledger::receipt::Receipt;
use entente_protocol::record::{Role, Stance};
use entente_protocol::time::Time;
use entente_protocol::wire;

use crate::cli_support::{DAY_MS, Hosts, now, run};

const FOUR: [&str; 4] = ["norden", "estmark", "skywatch", "sudria"];
/// The same in seat order: by name.
const SEATS: [&str; 4] = ["estmark", "norden", "skywatch", "sudria"];

fn standing(partner: &str, role: Role) -> Standing {
    Standing {
        record: RecordId(hash("attestation", &[partner.as_bytes()])),
        partner: partner.parse().expect("a name"),
        role,
        stance: Stance::Endorse,
        caveat: None,
        evidence: vec![],
    }
}

fn decision(charter: &Charter) -> Decision {
    let kind = charter.kind("airlift").expect("declared");
    // With roles by the order of cards, norden leads, sudria observes.
    let assessment = Assessment::of(
        kind,
        [
            standing("norden", Role::Lead),
            standing("estmark", Role::Supporting),
            standing("skywatch", Role::Supporting),
        ],
    );
    Decision {
        operation: RecordId(hash("operation", &[])),
        kind: kind.name.clone(),
        title: "Corridor to the coast".into(),
        verdict: Verdict::Agreed,
        limits: None,
        decided_at: Time(1_795_525_509_000),
        decided_by: Some(3),
        charter_version: 1,
        charter: charter.hash(),
        concerns: None,
        changed: None,
        by_new_rule: false,
        conflicts: vec![],
        stage: Stage::First,
        word: None,
        counted: assessment.counted,
        deficit: assessment.deficit,
        mandates: vec![],
    }
}

/// A receipt for `leaf`, the only one of its log, certified by the first `quorum` seats.
fn receipt(hosts: &Hosts, charter: &Charter, leaf: Vec<u8>) -> String {
    let mut founding = Founding::new(charter.clone());
    for name in FOUR {
        founding
            .merge(CharterSignature::sign(charter, &hosts.key(name, "root")).expect("signed"))
            .expect("merged");
    }
    let id = charter.id();
    let seats = SEATS.map(|name| (name, hosts.key(name, "seat").public()));
    let cosigners = Cosigners::new(id, seats, 3).expect("cosigners");
    let head = TreeHead { size: 1, root: leaf_hash(&leaf), time_s: 1_795_525_509 };
    let cosignatures = (0..3u16)
        .zip(SEATS)
        .map(|(seat, name)| Cosignature { seat, signature: head.cosign(&id, &hosts.key(name, "seat")) })
        .collect();
    let certificate = Certificate { head, cosignatures };
    let chain = CharterChain { founding, amendments: vec![] };
    Receipt::new(leaf, wire::encode(&chain), 0, vec![], &certificate, &cosigners).expect("a receipt").encode()
}

#[test]
fn a_receipt_is_proven_for_the_pinned_coalition_only() {
    let hosts = Hosts::init(&FOUR);
    let charter = hosts.charter(now(), now().plus(DAY_MS));
    let text = receipt(&hosts, &charter, Leaf::Decision(Box::new(decision(&charter))).encode());
    let file = hosts.file("first.tlog-proof");
    std::fs::write(&file, &text).expect("written");
    let file = file.display().to_string();
    let id = charter.id().to_string();
    // No data folder, no home: a verifier has only the file.
    let nowhere = hosts.file("nowhere");

    let said = run(&nowhere, &["verify", &file, "--coalition", &id]);
    for word in [
        "VERIFIED",
        "Corridor to the coast",
        "agreed",
        "norden endorses as lead",
        "skywatch endorses as supporting",
        "3 of 4 seats",
        "2026-11-24T13:05:09Z",
    ] {
        assert!(said.done().contains(word), "{word} is not in\n{}", said.out);
    }
    let json = run(&nowhere, &["--json", "verify", &file, "--coalition", &id]);
    let json: serde_json::Value = serde_json::from_str(json.done()).expect("JSON");
    assert_eq!((&json["verified"], &json["outcome"]), (&true.into(), &"agreed".into()));

    let unpinned = run(&nowhere, &["verify", &file]);
    unpinned.refused(6, &["consistent, coalition not pinned", &id]);

    let mut other = charter.clone();
    other.nonce.0[0] ^= 1;
    run(&nowhere, &["verify", &file, "--coalition", &other.id().to_string()])
        .refused(7, &["of another coalition"]);
}

#[test]
fn any_flipped_bit_fails() {
    let hosts = Hosts::init(&FOUR);
    let charter = hosts.charter(now(), now().plus(DAY_MS));
    let text = receipt(&hosts, &charter, Leaf::Decision(Box::new(decision(&charter))).encode());
    let id = charter.id().to_string();
    let file = hosts.file("flipped.tlog-proof");
    let bytes = text.into_bytes();
    // Every part of the file: header, extra (leaf, charter, signatures), index, note, cosignatures.
    for at in (0..bytes.len()).step_by(bytes.len() / 60) {
        for bit in [0, 1] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            std::fs::write(&file, &flipped).expect("written");
            let said =
                run(&hosts.file("nowhere"), &["verify", &file.display().to_string(), "--coalition", &id]);
            assert_eq!(said.code, 7, "byte {at}, bit {bit}: {}{}", said.out, said.err);
        }
    }
}

#[test]
fn a_decision_that_the_rule_does_not_give_fails_even_when_seats_certified_it() {
    let hosts = Hosts::init(&FOUR);
    let charter = hosts.charter(now(), now().plus(DAY_MS));
    let id = charter.id().to_string();
    let sound = decision(&charter);
    let mut one_voice_less = sound.clone();
    one_voice_less.counted.retain(|said| said.partner.as_str() != "estmark");
    let mut observer_counts = sound.clone();
    observer_counts.counted.push(standing("sudria", Role::Supporting));
    let mut other_verdict = sound;
    other_verdict.verdict = Verdict::Failed;
    for (name, unsound) in [("a", one_voice_less), ("b", observer_counts), ("c", other_verdict)] {
        let file = hosts.file(&format!("{name}.tlog-proof"));
        std::fs::write(&file, receipt(&hosts, &charter, Leaf::Decision(Box::new(unsound)).encode()))
            .expect("written");
        run(&hosts.file("nowhere"), &["verify", &file.display().to_string(), "--coalition", &id])
            .refused(7, &["the leaf is not sound"]);
    }
}
