//! What stands under the state root. The type itself is the crate's own; this is the one of `docs/wire.md`, which the pages of a
//! state are made of.

use std::collections::BTreeSet;

use entente_protocol::coalition::{
    Asset, Attestation, Commitment, Convicted, Dispute, Frozen, Handoff, IntegrityEvent, Lending, Member,
    Operation, OrderedAlliance, Seen, Version, Voice,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;
use crate::walk::{Variant, reachable, variants_in};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    index: u64,
    feed: FeedKey,
    length: u64,
    hash: Hash,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Waiting {
    place: Place,
    partner: PartnerName,
    record: Record,
    awaits: RecordId,
    until: Time,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ordered {
    by: RecordId,
    index: u64,
    at: Time,
    carrier: PartnerName,
}

#[expect(clippy::large_enum_variant, reason = "made to be encoded")]
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Item {
    Coalition(CoalitionId),
    Time(Time),
    Operation(Operation),
    Attestation(RecordId, u32, Attestation),
    Parked(Waiting),
    Frozen(FeedKey, Frozen),
    Convicted(Convicted),
    Seen(RecordId, Seen),
    Asset(Asset),
    Member(PartnerName, Member),
    Version(Version),
    Event(IntegrityEvent),
    Handoff(Handoff),
    Dispute(Dispute),
    Spoken(PartnerName, Time),
    Lending(RecordId, u32, Lending),
    Voice(RecordId, u32, Voice),
    Alliance(OrderedAlliance),
    Grant { ordered: Ordered, chain: Chain },
    Revoked { ordered: Ordered, revocation: SignedRevocation },
    Rotated { ordered: Ordered, rotation: RootRotation },
    Commitment(Commitment),
}

/// An item of each kind, and others with the variants that nothing else has.
pub(crate) fn items() -> Vec<(String, Item)> {
    let mut seen = variants_of(&bodies());
    seen.extend(variants_of(&leaves()));
    seen.extend(variants_of(&refusals()));
    seen.extend(variants_of(&[("", full_charter())]));
    let (_, mut made) = reachable::<Item>(&[vec![]]);
    made.retain(|(_, bytes)| {
        let of_this = variants_in::<Item>(bytes);
        let adds = !of_this.is_subset(&seen);
        seen.extend(of_this);
        adds
    });
    let item = |(name, bytes): (_, Vec<u8>)| (name, wire::decode(&bytes, bytes.len()).expect("made up"));
    made.into_iter().map(item).collect()
}

fn variants_of<N, T: Serialize + DeserializeOwned>(samples: &[(N, T)]) -> BTreeSet<Variant> {
    samples.iter().flat_map(|(_, value)| variants_in::<T>(&wire::encode(value))).collect()
}
