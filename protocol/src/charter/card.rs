//! A partner's card: its public keys, signed by its root, for whoever drafts a charter.
//!
//! Guarantees: whoever holds the root made exactly this card. A card gives no rights; the charter does.

use serde::{Deserialize, Serialize};

use super::{CharterError, MAX_NODES, MAX_OFFICERS, Partner, PartnerName, ascending, bound, text};
use crate::identity::{PublicKey, SecretKey, Signature};
use crate::time::Time;
use crate::wire;

/// Longest contact text, in bytes.
pub const MAX_CONTACT_BYTES: usize = 200;
/// Largest text form of a card, in bytes.
const MAX_CARD_TOML_BYTES: usize = 16 * 1024;

const CARD_DOMAIN: &str = "entente/card/v1";

/// A partner's public keys. The file is called `NAME.card.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The partner's name.
    pub partner: PartnerName,
    /// Its offline root.
    pub root: PublicKey,
    /// Who speaks for it, sorted.
    pub officers: Vec<PublicKey>,
    /// Its vote.
    pub seat: PublicKey,
    /// What carries its records, sorted.
    pub nodes: Vec<PublicKey>,
    /// How people reach it.
    pub contact: Option<String>,
    /// By the root, over all the above.
    pub signature: Signature,
}

impl Card {
    /// Makes and signs a card.
    pub fn sign(
        partner: PartnerName,
        mut officers: Vec<PublicKey>,
        seat: PublicKey,
        mut nodes: Vec<PublicKey>,
        contact: Option<String>,
        root: &SecretKey,
    ) -> Result<Self, CharterError> {
        officers.sort_unstable();
        nodes.sort_unstable();
        let mut card = Self {
            partner,
            root: root.public(),
            officers,
            seat,
            nodes,
            contact,
            signature: Signature::from_ed25519([0; 64]),
        };
        card.signature = root.sign(CARD_DOMAIN, &card.message());
        card.verify()?;
        Ok(card)
    }

    /// The partner's entry in a charter, with credentials until then.
    pub fn entry(&self, credentials_until: Time) -> Partner {
        let Self { partner, root, officers, seat, nodes, .. } = self.clone();
        Partner { name: partner, root, officers, seat, nodes, credentials_until }
    }

    fn message(&self) -> Vec<u8> {
        wire::encode(&(&self.partner, &self.root, &self.officers, &self.seat, &self.nodes, &self.contact))
    }

    /// Whether bounds and signature hold.
    pub fn verify(&self) -> Result<(), CharterError> {
        bound("officers", self.officers.len(), 1, MAX_OFFICERS)?;
        bound("nodes", self.nodes.len(), 1, MAX_NODES)?;
        ascending("officers", &self.officers)?;
        ascending("nodes", &self.nodes)?;
        let contact = self.contact.as_deref().unwrap_or_default();
        bound("bytes of contact", contact.len(), 0, MAX_CONTACT_BYTES)?;
        if !text::is_showable(contact) {
            return Err(CharterError::Text("the contact contains control characters".into()));
        }
        if self.root.verify(CARD_DOMAIN, &self.message(), &self.signature) {
            Ok(())
        } else {
            Err(CharterError::CardSignature { partner: self.partner.clone() })
        }
    }

    /// Reads and verifies a card.
    pub fn from_toml(text: &str) -> Result<Self, CharterError> {
        let card: Self = text::from_toml(text, MAX_CARD_TOML_BYTES).map_err(CharterError::Text)?;
        card.verify()?;
        Ok(card)
    }

    /// The text form.
    pub fn to_toml(&self) -> String {
        text::to_toml(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(contact: Option<&str>) -> Result<Card, CharterError> {
        let key = |seed: u8| SecretKey::from_seed(&[seed; 32]).public();
        Card::sign(
            "norden".parse().expect("a name"),
            vec![key(3), key(2)],
            key(4),
            vec![key(5)],
            contact.map(str::to_owned),
            &SecretKey::from_seed(&[1; 32]),
        )
    }

    #[test]
    fn a_card_comes_back_from_its_text_and_any_change_is_noticed() {
        let card = card(Some("watch@norden.example")).expect("a sound card");
        let text = card.to_toml();
        assert_eq!(Card::from_toml(&text), Ok(card.clone()));
        let renamed = text.replace("\"norden\"", "\"sudria\"");
        assert!(matches!(
            Card::from_toml(&renamed),
            Err(CharterError::CardSignature { partner }) if partner.as_str() == "sudria"
        ));
        let contact = text.replace("watch@", "witch@");
        assert!(matches!(Card::from_toml(&contact), Err(CharterError::CardSignature { .. })));
        let error = Card::from_toml(&format!("{text}colour = \"red\"\n")).expect_err("unknown field");
        assert!(error.to_string().contains("colour"), "{error}");
        assert!(error.to_string().starts_with("line "), "{error}");
    }

    #[test]
    fn a_contact_is_short_and_showable() {
        assert!(card(None).is_ok());
        assert!(matches!(card(Some("a\u{1b}[31m")), Err(CharterError::Text(_))));
        assert!(matches!(card(Some(&"x".repeat(MAX_CONTACT_BYTES + 1))), Err(CharterError::Bound { .. })));
    }
}
