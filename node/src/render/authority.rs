//! Chains, alliances, revocations and rotations in words: what a root signs must be readable before it does.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use entente_protocol::authority::{Signatures, SignedAlliance};
use entente_protocol::charter::{AuthorityName, show_time};
use entente_protocol::coalition::{AuthorityView, VoiceView};
use entente_protocol::credential::{Chain, Delegation, Moment, SignedRevocation, SignedRotation, Target};
use entente_protocol::identity::PublicKey;
use entente_protocol::record::SignedStatement;
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

/// Who has which key: a file of public lines.
pub(crate) fn public(lines: &BTreeMap<AuthorityName, PublicKey>) -> String {
    let mut text = String::new();
    for (name, key) in lines {
        let _ = writeln!(text, "the public line of {name}: {key}");
    }
    text.push_str("it is no secret: others name it as a party of an alliance, or delegate to that key\n");
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
        Ok(_) => {
            let last = chain.0.iter().filter_map(|link| link.delegation.last_epoch).min();
            let epoch = last.map_or_else(String::new, |epoch| {
                format!(", and only up to epoch {epoch}, which a node knows")
            });
            format!("valid now, until {}{epoch}", show_time(chain.not_after()))
        }
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

/// A statement in words.
pub(crate) fn statement(signed: &SignedStatement) -> String {
    let SignedStatement { coalition, statement, signatures } = signed;
    let ground = match statement.ground.as_str() {
        "" => "-".to_owned(),
        ground => plain(ground),
    };
    let mut rows = vec![
        ["coalition".to_owned(), coalition.to_string()],
        ["operation".into(), statement.operation.to_string()],
        ["says".into(), format!("{} {} it", statement.authority, statement.word.does())],
        ["ground".into(), ground],
        ["number".into(), statement.number.to_string()],
    ];
    rows.extend(signatures.0.iter().map(|by| ["signed".into(), by.key.to_string()]));
    if signatures.0.is_empty() {
        rows.push(["signed".into(), "by nobody".into()]);
    }
    table(&rows)
}

/// Something that was said for an authority, in one line.
pub(crate) fn voice(voice: &VoiceView) -> String {
    let ground = match voice.ground.as_str() {
        "" => String::new(),
        ground => format!(": {}", plain(ground)),
    };
    let how = match (voice.carried, voice.keys) {
        (false, _) => String::new(),
        (true, 1) => ", as one key signed".into(),
        (true, keys) => format!(", as {keys} keys signed"),
    };
    let leaf = voice.index.map_or("held".to_owned(), |index| format!("leaf {index}"));
    format!("{} for {}: {}{ground}{how} ({leaf})", voice.partner, voice.authority, voice.word)
}

/// The authorities of a charter.
pub(crate) fn list(views: &[AuthorityView]) -> String {
    let rows = views.iter().map(|view| {
        let version = match (view.version, view.latest, view.follow) {
            (Some(version), Some(latest), Some(follow)) if latest > version => {
                format!("{version} of {latest}; follows {follow}")
            }
            (Some(version), _, Some(follow)) => format!("{version}; follows {follow}"),
            _ => "-".into(),
        };
        let names = |list: Vec<String>| if list.is_empty() { "-".to_owned() } else { list.join(", ") };
        [
            view.name.to_string(),
            view.kind.to_string(),
            plain(&view.expression),
            names(view.voices.iter().map(ToString::to_string).collect()),
            names(view.needed_by.iter().map(ToString::to_string).collect()),
            version,
        ]
    });
    headed(["AUTHORITY", "KIND", "NEEDS", "VOICES", "NEEDED BY", "VERSION"], rows.collect())
}
