//! A coalition for tests: partners with keys from fixed seeds, and records as their officers would sign them.

use std::collections::BTreeMap;

use super::{CharterSignature, Founded, Founding};
use crate::charter::{Card, Charter, DraftSpec, PartnerName, RoleHints, draft};
use crate::feed::FeedKey;
use crate::identity::{PublicKey, RecordId, SecretKey, hash};
use crate::lane::Lane;
use crate::record::{Act, Attest, Nonce, Open, Record, Role, SignedRecord, Stance};
use crate::time::Time;

/// When the coalition was drawn up: 2026-11-24T13:05:09.999Z.
pub(crate) const CREATED: Time = Time(1_795_525_509_999);
/// When its credentials run out: thirty days later.
pub(crate) const UNTIL: Time = Time(CREATED.0 + 30 * 86_400_000);
/// Host, two lift nations, an air service.
pub(crate) const FOUR: [&str; 4] = ["norden", "sudria", "estmark", "vigil"];

pub(crate) fn name(text: &str) -> PartnerName {
    text.parse().expect("a name")
}

/// The secret key of `partner` for `purpose`.
pub(crate) fn key(partner: &str, purpose: &str) -> SecretKey {
    SecretKey::from_seed(&hash("test/key", &[format!("{partner}/{purpose}").as_bytes()]).0)
}

pub(crate) fn card(partner: &str) -> Card {
    let public = |purpose| key(partner, purpose).public();
    Card::sign(
        name(partner),
        vec![public("officer")],
        public("seat"),
        vec![public("node")],
        None,
        &key(partner, "root"),
    )
    .expect("a sound card")
}

pub(crate) fn charter(partners: &[&str]) -> Charter {
    let cards = partners.iter().map(|partner| card(partner)).collect::<Vec<_>>();
    let spec = DraftSpec {
        name: "corridor".parse().expect("a name"),
        created: CREATED,
        nonce: Nonce([7; 16]),
        credentials_until: UNTIL,
        roles: RoleHints::default(),
    };
    draft("airlift", &cards, &spec).expect("a sound draft")
}

pub(crate) fn signatures(charter: &Charter) -> Vec<CharterSignature> {
    charter
        .partners
        .iter()
        .map(|partner| {
            CharterSignature::sign(charter, &key(partner.name.as_str(), "root")).expect("a sound charter")
        })
        .collect()
}

pub(crate) fn found(charter: Charter) -> Founded {
    let signatures = signatures(&charter);
    Founding { charter, signatures }.verify().expect("all signed")
}

pub(crate) fn four() -> Founded {
    found(charter(&FOUR))
}

pub(crate) fn node_feed(partner: &str) -> FeedKey {
    FeedKey { node: key(partner, "node").public(), lane: Lane::Routine, incarnation: 0 }
}

pub(crate) fn record(founded: &Founded, partner: &str, nonce: &str, act: Act) -> SignedRecord {
    let officer = key(partner, "officer");
    Record {
        coalition: founded.coalition(),
        nonce: Nonce::from_key(&officer.public(), nonce),
        signer: officer.public(),
        act,
    }
    .sign(&officer)
}

pub(crate) fn open(founded: &Founded, partner: &str, nonce: &str) -> SignedRecord {
    let open = Open {
        kind: "airlift".into(),
        title: format!("corridor {nonce}"),
        body: BTreeMap::from([("slot".to_owned(), "06:40-07:10".to_owned())]),
        precedence: None,
    };
    record(founded, partner, nonce, Act::Open(open))
}

pub(crate) fn attest(
    founded: &Founded,
    partner: &str,
    operation: RecordId,
    role: Role,
    stance: Stance,
    supersedes: Option<RecordId>,
) -> SignedRecord {
    let attest = Attest { operation, role, stance, caveat: None, evidence: vec![], supersedes };
    record(founded, partner, "attest", Act::Attest(attest))
}

pub(crate) fn stranger() -> PublicKey {
    key("stranger", "officer").public()
}
