//! Chains, alliances, revocations and rotations in words: what a root signs must be readable before it does.

use std::fmt::Write as _;

use entente_protocol::authority::{Signatures, SignedAlliance};
use entente_protocol::charter::show_time;
use entente_protocol::credential::{Chain, Delegation, Moment, SignedRevocation, SignedRotation, Target};
use entente_protocol::identity::PublicKey;
use entente_protocol::time::Time;

use super::plain;
use super::table::{headed, table};

/// A chain, link by link, and whether it is valid `now`, where that is asked.
pub(crate) fn chain(chain: &Chain, now: Option<Time>) -> String {
    let mut text = String::new();
    let Some(leaf) = chain.leaf() else { return "a chain without links\n".into() };
    let _ = writeln!(text, "{} acts for {} in {}", leaf.subject, leaf.partner, leaf.coalition);
    for (number, link) in (1..).zip(&chain.0) {
        let Delegation { issuer, subject, .. } = &link.delegation;
        let by = if number == 1 { "root " } else { "" };
        let _ = writeln!(text, "{number}. {by}{issuer}\n   lets {subject}\n   {}", terms(&link.delegation));
    }
    if let Some(now) = now {
        let _ = writeln!(text, "{}", validity(chain, now));
    }
    text
}

/// What a link gives.
fn terms(delegation: &Delegation) -> String {
    let list = delegation.capabilities.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut terms = vec![format!("be {list}"), format!("for operation types: {}", delegation.operations)];
    if let Some(from) = delegation.not_before {
        terms.push(format!("from {}", show_time(from)));
    }
    terms.push(format!("until {}", show_time(delegation.not_after)));
    if let Some(epoch) = delegation.last_epoch {
        terms.push(format!("and no later than epoch {epoch}"));
    }
    terms.push(match delegation.depth {
        0 => "not to be passed on".into(),
        1 => "to be passed on once".into(),
        depth => format!("to be passed on {depth} times"),
    });
    terms.join(", ")
}

fn validity(chain: &Chain, now: Time) -> String {
    let (Some(first), Some(leaf)) = (chain.0.first(), chain.leaf()) else { return String::new() };
    let Some(capability) = leaf.capabilities.first() else { return String::new() };
    let at = Moment { time: now, epoch: None };
    match chain.verify(&first.delegation.issuer, &leaf.coalition, *capability, at) {
        Ok(_) => format!("valid now, until {}", show_time(chain.not_after())),
        Err(why) => format!("not valid now: {why}"),
    }
}

/// An alliance's document: who decides, who has signed, who is missing.
pub(crate) fn alliance(signed: &SignedAlliance, missing: Option<&str>) -> String {
    let document = &signed.alliance;
    let mut rows = vec![
        ["alliance".to_owned(), format!("{}, version {}", document.name, document.version)],
        ["hash".into(), document.hash().to_string()],
    ];
    if let Some(previous) = &document.previous {
        rows.push(["follows from".into(), previous.to_string()]);
    }
    rows.push(["decides by".into(), document.expression.to_string()]);
    rows.push(["on acts".into(), document.scope.acts.to_string()]);
    rows.push(["on operations".into(), document.scope.operations.to_string()]);
    let mut text = table(&rows);
    let parties = document
        .parties
        .iter()
        .map(|(name, key)| [name.to_string(), has_signed(&signed.signatures, key), key.to_string()])
        .collect::<Vec<_>>();
    let others = signed
        .signatures
        .0
        .iter()
        .filter(|by| !document.parties.values().any(|key| *key == by.key))
        .map(|by| ["".to_owned(), "signed".into(), by.key.to_string()]);
    let _ = write!(
        text,
        "\n{}\n",
        headed(["PARTY", "SIGNATURE", "KEY"], parties.into_iter().chain(others).collect())
    );
    text.push_str(&outcome(missing));
    text
}

fn has_signed(signatures: &Signatures, key: &PublicKey) -> String {
    let signed = signatures.0.iter().any(|by| by.key == *key);
    if signed { "signed".into() } else { "missing".into() }
}

fn outcome(missing: Option<&str>) -> String {
    match missing {
        None => "complete: nothing is missing\n".into(),
        Some(missing) => format!("not complete: {missing}\n"),
    }
}

/// A revocation.
pub(crate) fn revocation(signed: &SignedRevocation) -> String {
    let revocation = &signed.revocation;
    let target = match &revocation.target {
        Target::Key(key) => format!("whatever was given to {key}, by the issuer or below it"),
        Target::Delegation(hash) => format!("the delegation {hash}, and what was passed on from it"),
    };
    let reason = match revocation.reason.as_str() {
        "" => "none given".into(),
        reason => plain(reason),
    };
    table(&[
        ["takes back".to_owned(), target],
        ["from".into(), format!("{} in {}", revocation.partner, revocation.coalition)],
        ["issuer".into(), revocation.issuer.to_string()],
        ["reason".into(), reason],
    ])
}

/// A rotation: who has signed, who is missing.
pub(crate) fn rotation(signed: &SignedRotation, missing: Option<&str>) -> String {
    let rotation = &signed.rotation;
    let key = |key: &PublicKey| format!("{key} ({})", has_signed(&signed.signatures, key));
    let mut text = table(&[
        ["rotation".to_owned(), format!("{} of the root of {}", rotation.number, rotation.partner)],
        ["coalition".into(), rotation.coalition.to_string()],
        ["old root".into(), key(&rotation.old)],
        ["new root".into(), key(&rotation.new)],
    ]);
    text.push_str(&outcome(missing));
    text
}
