//! Claims about chains, revocations and rotations: every defect its own error, every widening refused.

mod chains;
mod revocations;
mod rotations;

use super::*;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn coalition() -> CoalitionId {
    CoalitionId(hash("test", &[]))
}

fn elsewhere() -> CoalitionId {
    CoalitionId(hash("other", &[]))
}

fn types(names: &[&str]) -> Extent {
    Extent::only(names.iter().map(|name| name.parse().expect("a name")))
}

/// A delegation from the key of one seed to that of another, as wide as can be at `depth`.
fn link(issuer: u8, subject: u8, depth: u8) -> Delegation {
    Delegation {
        coalition: coalition(),
        issuer: key(issuer).public(),
        subject: key(subject).public(),
        partner: "norden".parse().expect("a name"),
        capabilities: Capability::ALL.into(),
        operations: Extent::All,
        not_before: None,
        not_after: Time(1_000),
        last_epoch: None,
        depth,
    }
}

/// The links 1 to 2, 2 to 3 and so on, changed as told and signed each by its issuer.
fn chain(length: u8, change: impl Fn(usize, &mut Delegation)) -> Chain {
    let signed = |at: u8| {
        let mut link = link(at + 1, at + 2, length - 1 - at);
        change(usize::from(at), &mut link);
        link.sign(&key(at + 1))
    };
    Chain((0..length).map(signed).collect())
}

/// What a chain from the key of seed 1 is good for as an officer's at a time.
fn check(chain: &Chain, time: u64) -> Result<PublicKey, CredentialError> {
    chain.verify(&key(1).public(), &coalition(), Capability::Officer, Time(time)).map(|leaf| leaf.subject)
}
