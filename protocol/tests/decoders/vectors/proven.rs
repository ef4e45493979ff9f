//! What proves itself wherever it comes from, in a record or in a file: each with the checks that follow in a node, for what one
//! of these must be is more than an encoding.

use entente_protocol::authority::{MAX_SIGNATURES, Signatures};
use entente_protocol::charter::Amendment;
use entente_protocol::credential::{Chain, RootNow, SignedDelegation, SignedRevocation, SignedRotation};
use entente_protocol::record::{LeaseAct, MAX_BODY_BYTES, Speak};

use super::*;

/// What `decode` makes of the bytes, if `check` finds it sound.
fn sound<T: Serialize, E: ToString>(
    decoded: Result<T, impl ToString>,
    check: impl FnOnce(&T) -> Result<(), E>,
) -> Result<Vec<u8>, String> {
    let value = decoded.map_err(|error| error.to_string())?;
    check(&value).map_err(|error| error.to_string())?;
    Ok(wire::encode(&value))
}

/// A value that is encoded as it should be and is wrong at the line of `path`.
#[track_caller]
fn unsound<T: Serialize>(wrong: &str, value: &T, path: &str) -> Vector {
    let mut lines = annotate(value);
    let at = lines.iter().position(|line| line.path == path);
    let at = at.unwrap_or_else(|| panic!("no {path:?}: {lines:#?}"));
    lines[at].what = wrong.to_owned();
    Vector { name: wrong.to_owned(), lines, wrong: Some(at) }
}

/// The same value with a change.
fn with<T: Clone>(value: &T, change: impl FnOnce(&mut T)) -> T {
    let mut value = value.clone();
    change(&mut value);
    value
}

/// As many signatures as there may be and one more.
fn too_many(signatures: &Signatures) -> Signatures {
    Signatures(vec![signatures.0[0]; MAX_SIGNATURES + 1])
}

#[test]
fn amendments_and_accessions() {
    let charter = samples::charter();
    let decoder = |bytes: &[u8]| {
        sound(wire::decode(bytes, MAX_BODY_BYTES), |amendment: &Amendment| {
            samples::charter().amended(amendment)?;
            amendment.check_accessions(samples::charter().id())
        })
    };
    let samples = samples::amendments();
    let valid = valid(&samples);
    let (_, joins) = &samples[0];
    let accession = &joins.admit[0];
    let mut invalid = misfits(&valid);
    let join = named(&valid, "a partner joins");
    let removed = |names: &[&str]| names.iter().map(|name| name.parse().expect("a name")).collect::<Vec<_>>();
    let kinds = &charter.operations;
    invalid.extend([
        join.but("put[0].precedence", "Lane", &[4], "a lane that there is not"),
        join.but("put[0].rule.fallback", "Fallback", &[5], "a fallback that there is not"),
        join.but("integrity", "none", &[2], "an option that is neither 0 nor 1"),
        join.but("version", "2", &[3], "a version that is not the next"),
        unsound(
            "of another version",
            &with(joins, |it| it.previous = samples::charter_of_other_time().hash()),
            "previous",
        ),
        unsound(
            "nothing changes",
            &with(joins, |it| {
                (it.put, it.remove, it.admit) = (vec![], vec![], vec![]);
            }),
            "put",
        ),
        unsound(
            "types out of order",
            &with(joins, |it| it.put = vec![kinds[1].clone(), kinds[0].clone()]),
            "put[0].name",
        ),
        unsound(
            "a type put twice",
            &with(joins, |it| it.put = vec![kinds[0].clone(), kinds[0].clone()]),
            "put[1].name",
        ),
        unsound(
            "a type removed twice",
            &with(joins, |it| it.remove = removed(&["expulsion", "expulsion"])),
            "remove[1]",
        ),
        unsound(
            "a type removed that there is not",
            &with(joins, |it| it.remove = removed(&["convoy"])),
            "remove[0]",
        ),
        unsound("five partners join", &with(joins, |it| it.admit = vec![accession.clone(); 5]), "admit"),
        unsound(
            "a partner joins twice",
            &with(joins, |it| it.admit = vec![accession.clone(); 2]),
            "admit[1].partner.name",
        ),
        unsound(
            "33 keys of who joins",
            &with(joins, |it| {
                it.admit[0].partner.officers = vec![accession.partner.seat; 31];
            }),
            "admit[0].partner.officers",
        ),
        unsound("a result that it has not", &with(joins, |it| it.result = it.previous), "result"),
        unsound(
            "an accession to another coalition",
            &with(joins, |it| {
                it.admit[0].coalition = crate::bodies::coalition();
            }),
            "admit[0].coalition",
        ),
        unsound(
            "an accession to another version",
            &with(joins, |it| it.admit[0].version = it.previous),
            "admit[0].version",
        ),
        unsound(
            "an accession without a delegation that it states",
            &with(joins, |it| {
                it.admit[0].delegations.pop();
            }),
            "admit[0].delegations",
        ),
        unsound(
            "an accession with delegations out of order",
            &with(joins, |it| {
                it.admit[0].delegations.swap(0, 1);
            }),
            "admit[0].delegations[0][0].delegation.subject",
        ),
        unsound(
            "an accession that its root has not signed",
            &with(joins, |it| {
                it.admit[0].signature = it.admit[0].delegations[0].0[0].signature;
            }),
            "admit[0].signature",
        ),
    ]);
    let about = "amendments of the charter in charter.txt (Amendment), with the accessions of who joins";
    check("amendment.txt", about, decoder, &valid, &invalid);
}

#[test]
fn chains_of_delegations() {
    let root = samples::public("root");
    let decoder = |bytes: &[u8]| {
        sound(Chain::decode(bytes), |chain| {
            chain.authentic(&samples::public("root"), &crate::bodies::coalition()).map(drop)
        })
    };
    let chain = samples::a_chain();
    let valid = valid(&[("three links", chain.clone())]);
    let three = named(&valid, "three links");
    // What is signed again, so that nothing else is wrong with it.
    let link = |at: usize, change: fn(&mut entente_protocol::credential::Delegation)| {
        with(&chain, |it| {
            change(&mut it.0[at].delegation);
            it.0[at] = it.0[at].delegation.clone().sign(&samples::key(["root", "officer", "deputy"][at]));
        })
    };
    let mut invalid = misfits(&valid);
    invalid.extend([
        three.but("[0].delegation.capabilities[0]", "Capability", &[3], "a capability that there is not"),
        three.but("[0].delegation.depth", "2", &[4], "more depth than a chain has links"),
        unsound("no link", &Chain(vec![]), ""),
        unsound("five links", &Chain(vec![chain.0[0].clone(); 5]), ""),
        unsound("links out of order", &with(&chain, |it| it.0.swap(1, 2)), "[1].delegation.issuer"),
        unsound("a link twice", &with(&chain, |it| it.0[1] = it.0[0].clone()), "[1].delegation.subject"),
        unsound(
            "types out of order",
            &link(0, |it| {
                it.operations = entente_protocol::authority::Extent::Only(
                    ["closure", "airlift"].map(|name| name.parse().expect("a name")).into(),
                );
            }),
            "[0].delegation.operations[0]",
        ),
        unsound("no capability", &link(2, |it| it.capabilities.clear()), "[2].delegation.capabilities"),
        unsound(
            "a later end than its issuer has",
            &link(2, |it| it.not_after = it.not_after.plus(1)),
            "[2].delegation.not_after",
        ),
        unsound("as much depth as its issuer has", &link(1, |it| it.depth = 2), "[1].delegation.depth"),
        unsound(
            "of another coalition",
            &link(1, |it| it.coalition = samples::charter().id()),
            "[1].delegation.coalition",
        ),
        unsound(
            "a signature of another link",
            &with(&chain, |it: &mut Chain| {
                it.0[2] = SignedDelegation { signature: it.0[1].signature, ..it.0[2].clone() };
            }),
            "[2].signature",
        ),
        unsound("a chain of another root", &with(&chain, |it| drop(it.0.remove(0))), "[0].delegation.issuer"),
    ]);
    let about = format!("chains of delegations as in a grant (Chain), from the root {root}");
    check("credential.txt", &about, decoder, &valid, &invalid);
}

#[test]
fn revocations() {
    let decoder = |bytes: &[u8]| {
        sound(SignedRevocation::decode(bytes), |signed| {
            signed
                .verify(&samples::a_chain(), &samples::public("root"), &crate::bodies::coalition())
                .map(drop)
        })
    };
    let samples = samples::revocations();
    let valid = valid(&[("of a key", &samples[0]), ("of a delegation", &samples[1])]);
    let key = named(&valid, "of a key");
    let signed = |by: &str, change: fn(&mut entente_protocol::credential::Revocation)| {
        with(&samples[0].revocation, change).sign(&samples::key(by))
    };
    let mut invalid = misfits(&valid);
    invalid.extend([
        key.but("revocation.target", "Target", &[2], "a target that there is not"),
        key.but("signature", "65", &[2; 65], "a signature of an unknown algorithm"),
        unsound(
            "a reason of 201 bytes",
            &signed("root", |it| it.reason = "x".repeat(201)),
            "revocation.reason",
        ),
        unsound(
            "more than 512 bytes",
            &signed("root", |it| it.reason = "x".repeat(400)),
            "revocation.reason",
        ),
        unsound(
            "a reason with a control character",
            &signed("root", |it| it.reason = "\u{1b}[2J".into()),
            "revocation.reason",
        ),
        unsound(
            "of another coalition",
            &signed("root", |it| it.coalition = samples::charter().id()),
            "revocation.coalition",
        ),
        unsound(
            "of another partner",
            &signed("root", |it| it.partner = "sudria".parse().expect("a name")),
            "revocation.partner",
        ),
        unsound(
            "of a key that is not in the chain",
            &signed("root", |it| {
                it.target = entente_protocol::credential::Target::Key(samples::public("d"));
            }),
            "revocation.target.key",
        ),
        unsound(
            "by who stands below",
            &signed("watch", |it| it.issuer = samples::public("watch")),
            "revocation.issuer",
        ),
        unsound("not signed by its issuer", &signed("d", |_| {}), "signature"),
    ]);
    let about =
        "revocations of the second link of the chain in credential.txt (Revocation with its signature)";
    check("revocation.txt", about, decoder, &valid, &invalid);
}

#[test]
fn rotations() {
    let decoder = |bytes: &[u8]| {
        sound(SignedRotation::decode(bytes), |signed| {
            let now = RootNow { root: samples::public("root"), rotations: 0, national: None };
            signed.verify(&crate::bodies::coalition(), &now)
        })
    };
    let rotation = samples::a_rotation();
    let valid = valid(&[("by both roots", &rotation)]);
    let both = named(&valid, "by both roots");
    let signed = |by: &[&str], change: fn(&mut entente_protocol::credential::RootRotation)| {
        let mut signed = SignedRotation::new(with(&rotation.rotation, change));
        by.iter().for_each(|name| signed.sign(&samples::key(name)));
        signed
    };
    let roots = ["root", "new root"];
    let mut invalid = misfits(&valid);
    invalid.extend([
        both.but("rotation.number", "1", &[2], "a number that is not the next"),
        unsound(
            "signatures out of order",
            &with(&rotation, |it| it.signatures.0.reverse()),
            "signatures[0].key",
        ),
        unsound(
            "a signature twice",
            &with(&rotation, |it| it.signatures.0[1] = it.signatures.0[0]),
            "signatures[1].key",
        ),
        unsound(
            "129 signatures",
            &with(&rotation, |it| it.signatures = too_many(&it.signatures)),
            "signatures",
        ),
        unsound(
            "of another coalition",
            &signed(&roots, |it| it.coalition = samples::charter().id()),
            "rotation.coalition",
        ),
        unsound("of another root", &signed(&roots, |it| it.old = samples::public("d")), "rotation.old"),
        unsound("to the same root", &signed(&roots, |it| it.new = it.old), "rotation.new"),
        unsound("signed by a stranger, too", &signed(&["root", "new root", "d"], |_| {}), "signatures"),
        unsound("not signed by the new root", &signed(&["root"], |_| {}), "signatures"),
        unsound("not signed by the old root", &signed(&["new root"], |_| {}), "signatures"),
        unsound(
            "signatures of another rotation",
            &with(&rotation, |it| {
                it.signatures = signed(&roots, |it| it.number = 2).signatures;
            }),
            "signatures[0].signature",
        ),
    ]);
    let about = "the first rotation of the root that the chain in credential.txt begins with (RootRotation with its signatures)";
    check("rotation.txt", about, decoder, &valid, &invalid);
}

#[test]
fn words_of_authorities() {
    let decoder = |bytes: &[u8]| {
        sound(wire::decode(bytes, MAX_BODY_BYTES), |speak: &Speak| {
            speak.statement.signers(crate::bodies::coalition(), &speak.signatures).map(drop)
        })
    };
    let samples = samples::words();
    let valid = valid(&samples);
    let carried = named(&valid, "signed by two keys, a refusal");
    let (_, two) = samples.last().expect("words");
    let mut invalid = misfits(&valid);
    invalid.extend([
        carried.but("statement.word", "Word", &[4], "a word that there is not"),
        carried.but("statement.authority", "\"pact\"", b"Pact", "a name with a capital letter"),
        carried.but("statement.number", "1", &[253, 1, 0, 0, 0, 0, 0, 0, 0], "a number in a longer form"),
        carried.but("statement.number", "1", &[253, 0, 0, 0, 0, 1, 0, 0, 0], "a number beyond 32 bits"),
        unsound("signatures out of order", &with(two, |it| it.signatures.0.reverse()), "signatures[0].key"),
        unsound(
            "a signature twice",
            &with(two, |it| it.signatures.0[1] = it.signatures.0[0]),
            "signatures[1].key",
        ),
        unsound("129 signatures", &with(two, |it| it.signatures = too_many(&it.signatures)), "signatures"),
        unsound(
            "signatures of another word",
            &with(two, |it| it.statement.number = 2),
            "signatures[0].signature",
        ),
    ]);
    let about = "words of authorities (Speak: Statement and Signatures)";
    check("word.txt", about, decoder, &valid, &invalid);
}

#[test]
fn acts_under_a_lease() {
    let decoder = |bytes: &[u8]| again::<LeaseAct>(bytes, MAX_BODY_BYTES);
    let valid = valid(&samples::leases());
    let (open, commit) = (named(&valid, "open"), named(&valid, "commit"));
    let mut long = Vector { name: "open".into(), lines: open.lines.clone(), wrong: None };
    long = long.but("Open.open.title", "8 bytes", &[251, 0, 64], "a title of 16 kB");
    let title = long.lines.iter().position(|line| line.what == "\"Corridor\"").expect("the title");
    long.lines[title].bytes = vec![b'x'; 1 << 14];
    let mut invalid = misfits(&valid);
    invalid.extend([
        odd("no variant 2", &[2]),
        open.but("Open.open.body[0].key", "\"slot\"", b"tops", "names out of order"),
        open.but("Open.open.body", "2 pairs", &[3], "a pair more than there is"),
        open.but("Open.open.precedence", "none", &[1, 4], "a lane that there is not"),
        commit.but("Commit.seen", "4096", &[252, 0, 16, 0, 0], "a size in a longer form"),
        long,
    ]);
    // The second name is the first one's again.
    let twice = open.but("Open.open.body[1].key", "2 bytes", &[4], "a name twice");
    let again_at = twice.lines.iter().position(|line| line.what == "\"to\"").expect("the second name");
    let mut twice = twice;
    twice.lines[again_at].bytes = b"slot".to_vec();
    invalid.push(twice);
    check("lease.txt", "acts under a lease (of Act, the variant Lease)", decoder, &valid, &invalid);
}
