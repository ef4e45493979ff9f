//! The coalition that the tests found: its partners, their secret keys, and the charter that all have signed.

use std::sync::Arc;

use entente_protocol::charter::{Card, DraftSpec, RoleHints, draft};
use entente_protocol::founding::{CharterSignature, Founded, Founding};
use entente_protocol::identity::SecretKey;
use entente_protocol::record::Nonce;
use entente_protocol::time::Time;

/// When the coalition is founded and its clocks begin.
pub(crate) const START: Time = Time(1_800_000_000_000);

/// The secret keys of one partner.
pub(crate) struct Keys {
    pub(crate) root: SecretKey,
    pub(crate) officer: SecretKey,
    pub(crate) seat: SecretKey,
    pub(crate) node: SecretKey,
}

impl Keys {
    pub(crate) fn of(partner: u8) -> Self {
        let key = |purpose: u8| SecretKey::from_seed(&[partner * 4 + purpose; 32]);
        Self { root: key(1), officer: key(2), seat: key(3), node: key(4) }
    }
}

/// A coalition of `n` partners named p00, p01, ..., which is the order of seats.
pub(crate) fn found(n: u8) -> (Arc<Founded>, Vec<Keys>) {
    found_with(n, &[])
}

/// The same, and each of `seconds` has one more node, whose keys come behind the others.
pub(crate) fn found_with(n: u8, seconds: &[u8]) -> (Arc<Founded>, Vec<Keys>) {
    let mut keys: Vec<Keys> = (0..n).map(Keys::of).collect();
    let cards: Vec<Card> = keys
        .iter()
        .enumerate()
        .map(|(i, keys)| {
            let name = format!("p{i:02}").parse().expect("a name");
            let second = seconds.iter().position(|partner| usize::from(*partner) == i);
            let second = second.map(|place| Keys::of(n + place as u8).node.public());
            let nodes = std::iter::once(keys.node.public()).chain(second).collect();
            let officers = vec![keys.officer.public()];
            Card::sign(name, officers, keys.seat.public(), nodes, None, &keys.root).expect("a good card")
        })
        .collect();
    let spec = DraftSpec {
        name: "corridor".parse().expect("a name"),
        created: START,
        nonce: Nonce([7; 16]),
        credentials_until: START.plus(1_000 * 86_400_000),
        roles: RoleHints::default(),
    };
    let charter = draft("airlift", &cards, &spec).expect("a good draft");
    let mut founding = Founding::new(charter.clone());
    for keys in &keys {
        let signature = CharterSignature::sign(&charter, &keys.root).expect("its root");
        founding.merge(signature).expect("a good signature");
    }
    keys.extend((0..seconds.len()).map(|place| Keys::of(n + place as u8)));
    (Arc::new(founding.verify().expect("all have signed")), keys)
}
