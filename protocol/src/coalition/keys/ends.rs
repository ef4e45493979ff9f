//! Credentials that run out.

use super::KeyStatus;
use crate::charter::{PartnerName, show_time};
use crate::coalition::inbox::{CREDENTIALS_SOON_MS, Waiting, Waits};
use crate::coalition::state::State;
use crate::identity::PublicKey;
use crate::time::Time;

impl State {
    /// One for each moment within [`CREDENTIALS_SOON_MS`] at which keys of a partner run out, or did; a key that another chain
    /// carries on does not, and one that was revoked is no concern.
    pub(in crate::coalition) fn keys_that_end(&self, partner: &PartnerName, now: Time) -> Vec<Waiting> {
        let mut ends = std::collections::BTreeMap::<Time, Vec<String>>::new();
        let keys = self.keys.holdings.iter().filter(|(_, all)| all[0].partner == *partner);
        for (key, all) in keys {
            let standing = all.iter().filter(|holding| holding.stands());
            let Some(until) = standing.map(|holding| holding.chain.not_after()).max() else { continue };
            if until.0 <= now.plus(CREDENTIALS_SOON_MS).0 {
                ends.entry(until).or_default().push(format!("{} {}", all[0].capability, brief(key)));
            }
        }
        // Where somebody acts, a key that ran out long ago was let go.
        let someone = self.keys_of(partner, now).iter().any(|key| key.status == KeyStatus::Valid);
        let lost = |until: &Time| until.0.saturating_add(CREDENTIALS_SOON_MS) < now.0;
        let told = ends.into_iter().filter(|(until, _)| !(someone && lost(until)));
        told.map(|(until, keys)| {
            let (verb, urgent) = if until <= now { ("ran", true) } else { ("run", false) };
            let what = match keys.as_slice() {
                [_, _, _, _, ..] => format!("{} credentials of {partner}", keys.len()),
                few => format!("the credentials of {partner} for {}", few.join(" and ")),
            };
            Waiting {
                what: Waits::Credentials,
                urgent,
                about: None,
                title: "credentials".into(),
                why: format!("{what} {verb} out at {}", show_time(until)),
                until_ms: Some(until.0),
                authority: None,
                role: None,
            }
        })
        .collect()
    }
}

/// Enough of a key to tell it from others of its partner.
pub(in crate::coalition) fn brief(key: &PublicKey) -> String {
    key.to_string().chars().take("ed25519:".len() + 10).collect()
}
