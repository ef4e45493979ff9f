//! Counting again what evidence proves: signatures and hash chains by the words of `docs/wire.md`.

use std::collections::BTreeMap;

use ed25519_dalek::{Signature, VerifyingKey};
use entente_hbbft::Seat;
use entente_protocol::charter::PartnerName;
use entente_protocol::coalition::{Disposition, MemberRefusal, Membership, Refusal};
use entente_protocol::evidence::Equivocation;
use entente_protocol::feed::{FeedKey, ForkProof, Run};
use entente_protocol::identity::{CoalitionId, Hash, PublicKey};
use entente_protocol::leaf::EntryLeaf;
use entente_protocol::record::{Body, Record};
use entente_protocol::wire;
use sha2::{Digest as _, Sha256};

/// What a piece of evidence is against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Against {
    Feed(FeedKey),
    Seat(Seat),
}

/// The evidence that entries carry, and what is proved by its order.
pub(super) struct Evidence {
    coalition: CoalitionId,
    seats: Vec<PublicKey>,
    /// By hash of the entry: what it proves, or the refusal of what it does not.
    carried: BTreeMap<Hash, Result<Against, Refusal>>,
    /// Since which log index.
    proved: BTreeMap<Against, u64>,
}

pub(super) fn hashed(domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let parts = parts.iter().fold(Sha256::new().chain_update(domain).chain_update([0]), Sha256::chain_update);
    parts.finalize().into()
}

pub(super) fn is_signed(domain: &str, message: &[u8], key: &PublicKey, signature: &[u8; 64]) -> bool {
    let message = [domain.as_bytes(), &[0], message].concat();
    VerifyingKey::from_bytes(key.as_ed25519())
        .is_ok_and(|key| key.verify_strict(&message, &Signature::from_bytes(signature)).is_ok())
}

impl Evidence {
    pub(super) fn new(coalition: CoalitionId, seats: &[PublicKey]) -> Self {
        Self { coalition, seats: seats.to_vec(), carried: BTreeMap::new(), proved: BTreeMap::new() }
    }

    /// Entries that some honest member holds; gives what officers say in them.
    pub(super) fn held(&mut self, run: &Run) -> Vec<(Hash, Record)> {
        let mut said = Vec::new();
        let mut hash = run.from.hash.0;
        for body in &run.bodies {
            hash = hashed("entente/entry/v1", &[&hash, &hashed("entente/body/v1", &[&body.0])]);
            let proves = match Body::decode(&body.0) {
                Ok(Body::Fork(proof)) if self.is_fork(&proof) => Ok(Against::Feed(proof.feed)),
                Ok(Body::Fork(_)) => Err(Refusal::InvalidForkProof),
                Ok(Body::Equivocation(proof)) if self.is_equivocation(&proof) => {
                    Ok(Against::Seat(proof.feed.seat))
                }
                Ok(Body::Equivocation(_)) => Err(Refusal::InvalidEquivocation),
                Ok(Body::Signed(signed)) => {
                    said.push((Hash(hash), signed.record));
                    continue;
                }
                _ => continue,
            };
            self.carried.insert(Hash(hash), proves);
        }
        said
    }

    /// Two signed heads of one feed that disagree at one length, each with the way to it.
    fn is_fork(&self, proof: &ForkProof) -> bool {
        let signed = proof.branches.iter().all(|branch| {
            let head = branch
                .digests
                .iter()
                .fold(branch.hash.0, |hash, digest| hashed("entente/entry/v1", &[&hash, &digest.0]));
            let length = proof.length + branch.digests.len() as u64;
            let message = wire::encode(&(self.coalition, proof.feed, length, Hash(head)));
            is_signed("entente/head/v1", &message, &proof.feed.node, branch.signature.as_ed25519())
        });
        signed && proof.length > 0 && proof.branches[0].hash.0 < proof.branches[1].hash.0
    }

    /// Two signed frames of one seat that differ at one place.
    fn is_equivocation(&self, proof: &Equivocation) -> bool {
        let Some(key) = self.seats.get(usize::from(proof.feed.seat.0)) else { return false };
        let hashes = proof.frames.map(|frame| {
            let place = wire::encode(&(proof.feed, proof.seq));
            hashed("entente/vote-frame/v1", &[&frame.previous.0, &frame.votes.0, &place])
        });
        let signed = hashes.iter().zip(&proof.frames).all(|(hash, frame)| {
            let message = wire::encode(&(self.coalition, Hash(*hash)));
            is_signed("entente/vote/v1", &message, key, frame.signature.as_ed25519())
        });
        signed && hashes[0] < hashes[1]
    }

    pub(super) fn is_frozen(&self, feed: &FeedKey) -> bool {
        self.proved.contains_key(&Against::Feed(*feed))
    }

    /// An entry is ordered for the first time at `index`: what must have become of it, as far as evidence says and
    /// whether the partner whose node says it is gone.
    pub(super) fn ordered(
        &mut self,
        index: u64,
        entry: &EntryLeaf,
        gone: Option<(PartnerName, Membership)>,
    ) -> Result<(), String> {
        let EntryLeaf { feed, hash, disposition, .. } = entry;
        let frozen = self.proved.get(&Against::Feed(*feed));
        if let (None, Some((partner, membership))) = (frozen, &gone) {
            let refused = matches!(disposition, Disposition::Refused(Refusal::Member(
                MemberRefusal::NotActive { partner: stated, membership: as_is, .. },
            )) if (stated, as_is) == (partner, membership));
            let carried =
                format!("leaf {index} is {disposition}, and {partner}, which carries it, is {membership}");
            return if refused { Ok(()) } else { Err(carried) };
        }
        let expected = match (frozen, self.carried.get(hash)) {
            (Some(&frozen), _) => Disposition::Void { frozen },
            (None, Some(Err(refusal))) => Disposition::Refused(refusal.clone()),
            (None, Some(Ok(against))) => match self.proved.get(against) {
                Some(&first) => Disposition::Duplicate { first },
                None => {
                    self.proved.insert(*against, index);
                    Disposition::Applied
                }
            },
            (None, None) if matches!(disposition, Disposition::Void { .. }) => {
                return Err(format!("leaf {index} is void, and nothing has frozen its feed"));
            }
            (None, None) => return Ok(()),
        };
        if *disposition == expected {
            Ok(())
        } else {
            Err(format!("leaf {index} is {disposition}, where evidence makes it {expected}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use entente_protocol::feed::Lane;
    use entente_protocol::identity::SecretKey;
    use entente_protocol::time::Time;

    use super::*;

    #[test]
    fn evidence_proves_nothing_where_the_partner_of_the_node_that_carries_it_is_gone() {
        let mut evidence = Evidence::new(CoalitionId::default(), &[]);
        let hash = Hash([1; 32]);
        evidence.carried.insert(hash, Ok(Against::Seat(Seat(0))));
        let feed =
            FeedKey { node: SecretKey::from_seed(&[1; 32]).public(), lane: Lane::Routine, incarnation: 0 };
        let entry = |disposition| EntryLeaf { feed, length: 1, hash, record: None, disposition };
        let (partner, membership) = ("p00".parse::<PartnerName>().expect("a name"), Membership::Withdrawn);
        let gone = || Some((partner.clone(), membership));
        let refused = MemberRefusal::NotActive { partner: partner.clone(), membership, since: Time(0) };
        let refused = entry(Disposition::Refused(refused.into()));
        evidence.ordered(1, &refused, gone()).expect("what it says has no effect");
        let applied = entry(Disposition::Applied);
        evidence.ordered(2, &applied, gone()).expect_err("what it says has no effect");
        evidence.ordered(3, &refused, None).expect_err("it is a member");
        let mut evidence = Evidence { proved: BTreeMap::new(), ..evidence };
        evidence.ordered(4, &applied, None).expect("it is the first");
        let duplicate = entry(Disposition::Duplicate { first: 4 });
        evidence.ordered(5, &duplicate, None).expect("it is the second");
    }
}
