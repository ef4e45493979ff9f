//! Claims about founding.

use super::fixture::{CREATED, FOUR, UNTIL, card, charter, found, four, key, name, signatures};
use super::*;

fn founding(charter: Charter) -> Founding {
    let signatures = signatures(&charter);
    Founding { charter, signatures }
}

#[test]
fn all_roots_found_a_coalition_in_any_order_and_it_knows_who_is_who() {
    let charter = charter(&FOUR);
    let mut signatures = signatures(&charter);
    signatures.reverse();
    let mut founding = Founding::new(charter.clone());
    for signature in signatures {
        let carried = CharterSignature::from_toml(&signature.to_toml()).expect("its own text");
        assert_eq!(carried, signature);
        founding.merge(carried).expect("a sound signature");
    }
    let founded =
        Founding::from_toml(&founding.to_toml()).expect("its own text").verify().expect("all signed");
    assert_eq!(founded.coalition(), charter.id());
    assert_eq!(founded.committee_size(), 4);
    // Seats stand in the order of names.
    let seats = ["estmark", "norden", "sudria", "vigil"].map(|partner| key(partner, "seat").public());
    assert_eq!(founded.seats(), seats);
    assert_eq!(founded.seat_index(&seats[2]), Some(2));
    let officer = key("norden", "officer").public();
    assert_eq!(founded.officer(&officer).map(|p| p.name.as_str()), Some("norden"));
    assert!(founded.node(&officer).is_none() && founded.seat(&officer).is_none());
    assert_eq!(founded.nodes().count(), 4);
    let chain = founded.chain(&officer).expect("a delegation");
    let (partner, subject) = founded.admit(chain, Capability::Officer, UNTIL).expect("valid");
    assert_eq!((partner.name.as_str(), subject), ("norden", officer));
    assert!(matches!(
        founded.admit(chain, Capability::Officer, UNTIL.plus(1)),
        Err(CredentialError::Expired { .. })
    ));
    assert!(matches!(
        founded.admit(chain, Capability::Node, CREATED),
        Err(CredentialError::WrongCapability { .. })
    ));
}

#[test]
fn an_incompletely_signed_charter_names_who_is_missing() {
    let mut founding = founding(charter(&FOUR));
    founding.signatures.retain(|held| !["sudria", "vigil"].contains(&held.partner.as_str()));
    let error = founding.verify().expect_err("two are missing");
    assert_eq!(error, FoundingError::Unsigned { missing: vec![name("sudria"), name("vigil")] });
    assert_eq!(error.to_string(), "not signed by sudria and vigil");
}

#[test]
fn a_signature_on_another_draft_is_refused() {
    let mut other = charter(&FOUR);
    other.nonce.0[0] ^= 1;
    let theirs = signatures(&other).remove(0);
    let error = Founding::new(charter(&FOUR)).merge(theirs).expect_err("another draft");
    assert!(matches!(error, FoundingError::OtherCharter { .. }), "{error}");
}

#[test]
fn a_signature_that_was_relabelled_for_this_charter_does_not_hold() {
    let mut other = charter(&FOUR);
    other.nonce.0[0] ^= 1;
    let charter = charter(&FOUR);
    let mut theirs = signatures(&other).remove(0);
    theirs.coalition = charter.id();
    assert!(matches!(Founding::new(charter).merge(theirs), Err(FoundingError::BadSignature { .. })));
}

#[test]
fn foreign_tampered_and_surplus_delegations_are_refused() {
    let sound = founding(charter(&FOUR));
    let coalition = sound.charter.id();
    let root = key("estmark", "root");
    let stated = sound.signatures[0].delegations[0].0[0].delegation.clone();
    let refused = |change: &dyn Fn(&mut CharterSignature)| {
        let mut founding = sound.clone();
        change(&mut founding.signatures[0]);
        founding.verify().expect_err("a changed delegation")
    };
    // Tampered: the signature is over another date.
    assert!(matches!(
        refused(&|held| held.delegations[0].0[0].delegation.not_after = UNTIL.plus(1)),
        FoundingError::Credential { index: 0, error: CredentialError::BadSignature { link: 0 }, .. }
    ));
    // Foreign: made for another coalition.
    let mut elsewhere = stated.clone();
    elsewhere.coalition = CoalitionId(crate::identity::hash("other", &[]));
    let elsewhere = elsewhere.sign(&root);
    assert!(matches!(
        refused(&|held| held.delegations[0] = Chain(vec![elsewhere.clone()])),
        FoundingError::Credential { error: CredentialError::WrongCoalition { .. }, .. }
    ));
    // By another partner's root.
    let mut usurped = stated.clone();
    usurped.issuer = key("norden", "root").public();
    let usurped = usurped.sign(&key("norden", "root"));
    assert!(matches!(
        refused(&|held| held.delegations[0] = Chain(vec![usurped.clone()])),
        FoundingError::Credential { error: CredentialError::UnknownRoot { .. }, .. }
    ));
    // Soundly signed, but for longer than the charter says, or for a key that it does not name.
    let mut longer = stated.clone();
    longer.not_after = UNTIL.plus(1);
    let mut other_key = stated.clone();
    other_key.subject = key("estmark", "second officer").public();
    for changed in [longer.sign(&root), other_key.sign(&root)] {
        assert!(matches!(
            refused(&|held| held.delegations[0] = Chain(vec![changed.clone()])),
            FoundingError::Delegations { .. }
        ));
    }
    // One too many, one too few, one twice, two in the wrong order.
    assert!(matches!(
        refused(&|held| held.delegations.push(held.delegations[0].clone())),
        FoundingError::Delegations { .. }
    ));
    assert!(matches!(refused(&|held| drop(held.delegations.pop())), FoundingError::Delegations { .. }));
    assert!(matches!(
        refused(&|held| held.delegations.swap(0, 1)),
        FoundingError::Credential { error: CredentialError::WrongCapability { .. }, .. }
    ));
    // Already expired when the charter was drawn up.
    let mut expired = stated;
    expired.not_after = Time(CREATED.0 - 1);
    let expired = expired.sign(&root);
    assert!(matches!(
        refused(&|held| held.delegations[0] = Chain(vec![expired.clone()])),
        FoundingError::Credential { error: CredentialError::Expired { .. }, .. }
    ));
    assert_eq!(coalition, sound.verify().expect("unchanged").coalition());
}

#[test]
fn a_charter_with_errors_is_neither_signed_nor_founded() {
    let sound = founding(charter(&FOUR));
    let mut broken = charter(&FOUR);
    broken.operations[0].window_ms = 0;
    assert!(matches!(
        CharterSignature::sign(&broken, &key("norden", "root")),
        Err(FoundingError::Lint(errors)) if errors.len() == 1 && errors[0].contains("window")
    ));
    let founding = Founding { charter: broken, ..sound };
    assert!(matches!(founding.verify(), Err(FoundingError::Lint(_))));
    assert!(matches!(
        CharterSignature::sign(&charter(&FOUR), &key("stranger", "root")),
        Err(FoundingError::NotARoot { .. })
    ));
}

#[test]
fn signing_twice_is_refused_and_merging_twice_is_harmless() {
    let mut founding = founding(charter(&FOUR));
    let again = founding.signatures[0].clone();
    founding.merge(again.clone()).expect("the same");
    assert_eq!(founding.signatures.len(), 4);
    founding.signatures.push(again);
    assert!(matches!(founding.verify(), Err(FoundingError::SignedTwice { .. })));
}

#[test]
fn a_chain_of_a_key_that_the_charter_does_not_declare_is_not_admitted() {
    let founded = four();
    let chain = |partner: &str, root: &str| {
        let delegation = Delegation::direct(
            founded.coalition(),
            key(root, "root").public(),
            key(root, "second node").public(),
            name(partner),
            Capability::Node,
            UNTIL,
        );
        Chain(vec![delegation.sign(&key(root, "root"))])
    };
    assert!(matches!(
        founded.admit(&chain("norden", "norden"), Capability::Node, CREATED),
        Err(CredentialError::NotDeclared { .. })
    ));
    assert!(matches!(
        founded.admit(&chain("norden", "sudria"), Capability::Node, CREATED),
        Err(CredentialError::UnknownRoot { .. })
    ));
    assert!(matches!(
        founded.admit(&chain("borland", "norden"), Capability::Node, CREATED),
        Err(CredentialError::UnknownPartner { .. })
    ));
}

#[test]
fn the_founded_file_carries_the_secret_and_its_errors_never_show_it() {
    let secret = CoalitionSecret::from_bytes([0xa5; 32]);
    let file = FoundedFile { founding: founding(charter(&FOUR)), secret: Some(secret.clone()) };
    let text = file.to_toml();
    let Ok(read) = FoundedFile::from_toml(&text) else {
        panic!("its own text is refused");
    };
    assert_eq!(read.secret.expect("a secret").as_bytes(), secret.as_bytes());
    assert_eq!(read.founding, file.founding);
    assert!(read.founding.verify().is_ok());
    let secret_text = secret.to_text();
    for broken in [
        text.replacen("secret = \"", "secret = ", 1),
        text.replacen("secret = \"", "secret = \"x", 1),
        text.replacen("secret =", "sekret =", 1),
        text.replacen("\"\n\n", "\n\n", 1),
    ] {
        let error = FoundedFile::from_toml(&broken).err().expect("broken").to_string();
        assert!(!error.contains(&secret_text[..10]), "{error}");
        assert!(error.starts_with("line 2"), "{error}");
    }
    let public = FoundedFile { secret: None, ..file };
    assert!(!public.to_toml().contains("secret"));
    assert!(FoundedFile::from_toml(&public.to_toml()).is_ok_and(|file| file.secret.is_none()));
}

#[test]
fn a_root_sees_whether_the_charter_says_what_its_card_says() {
    let charter = charter(&FOUR);
    let norden = charter.partner("norden").expect("a partner");
    assert_eq!(norden.matches(&card("norden")), Ok(()));
    let mut changed = norden.clone();
    changed.nodes = vec![key("sudria", "node").public()];
    assert_eq!(
        changed.matches(&card("norden")),
        Err(CharterError::CardDiffers { partner: name("norden"), what: "nodes" })
    );
    assert!(norden.matches(&card("sudria")).is_err());
}

#[test]
fn one_partner_alone_is_a_coalition() {
    let founded = found(charter(&["norden"]));
    assert_eq!(founded.committee_size(), 1);
}
