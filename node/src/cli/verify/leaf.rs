//! A leaf of the log in words, checked against the charter.

use entente_protocol::charter::{Charter, Effect, Fallback, KindName, PartnerName, show_time};
use entente_protocol::coalition::outcome::{Leave, Stage};
use entente_protocol::coalition::{Assessment, Decision, Disposition, Ending, Verdict};
use entente_protocol::founding::{CharterChain, Founded};
use entente_protocol::identity::RecordId;
use entente_protocol::leaf::{EntryLeaf, EpochRecord, Leaf};
use entente_protocol::record::Role;

/// What a leaf says.
pub(super) struct Words {
    /// For people, line by line.
    pub(super) lines: Vec<String>,
    /// The record or operation that it is about.
    pub(super) id: Option<RecordId>,
    /// The outcome in a word.
    pub(super) outcome: Option<String>,
    /// Who joined since the founding, by the version of the charter that the leaf names: what is certified names its hash. Of
    /// other versions nothing in a receipt proves that they were agreed.
    pub(super) joined: Vec<PartnerName>,
}

fn joined(charter: &Charter) -> Vec<PartnerName> {
    charter.admitted.iter().map(|partner| partner.name.clone()).collect()
}

/// Reads and checks a leaf. `chain` leads to the version of the charter that it was judged under.
pub(super) fn words(bytes: &[u8], founded: &Founded, chain: &CharterChain) -> Result<Words, String> {
    // A receipt whose amendments are too large goes without the last of them; then the leaf has the seats' word alone.
    let unread = |version: u32| {
        format!(
            "judged by version {version} of the charter: its seats vouch for it, the text is not in this receipt"
        )
    };
    match Leaf::decode(bytes).map_err(|error| error.to_string())? {
        Leaf::Decision(decision) => {
            let mut lines = decision.explain();
            let charter = chain.version(&decision.charter);
            match &charter {
                Some(charter) => check(&decision, charter)?,
                None => lines.push(unread(decision.charter_version + u32::from(decision.by_new_rule))),
            }
            Ok(Words {
                lines,
                id: Some(decision.operation),
                outcome: Some(decision.verdict.to_string()),
                joined: charter.as_ref().map(joined).unwrap_or_default(),
            })
        }
        Leaf::Ruling(ruled) => {
            let mut lines = ruled.explain();
            let charter = chain.version(&ruled.charter);
            match &charter {
                Some(charter) => ruled.check(charter)?,
                None => lines.push(unread(ruled.charter_version)),
            }
            Ok(Words {
                lines,
                id: Some(ruled.dispute),
                outcome: Some(ruled.ruling.done().to_owned()),
                joined: charter.as_ref().map(joined).unwrap_or_default(),
            })
        }
        Leaf::Entry(entry) => Ok(entry_words(&entry, founded, &chain.last())),
        Leaf::Epoch(record) => epoch_words(&record, founded),
    }
}

fn entry_words(entry: &EntryLeaf, founded: &Founded, last: &Charter) -> Words {
    let node = &entry.feed.node;
    // Nodes that were granted since stand in no charter, and nothing certified names the version that lists another.
    let claimed = || last.members().find(|partner| partner.nodes.contains(node));
    let author = match (founded.node(node), claimed()) {
        (Some(partner), _) => partner.name.to_string(),
        (None, Some(partner)) => format!("{node} (of {}, as amendments in the receipt say)", partner.name),
        (None, None) => node.to_string(),
    };
    let outcome = match &entry.disposition {
        Disposition::Applied => "applied".to_owned(),
        Disposition::Duplicate { first } => format!("said before, at leaf {first}"),
        Disposition::Refused(refusal) => format!("without effect: {refusal}"),
        Disposition::Parked { awaits } => format!("waits for {awaits}"),
        Disposition::Void { frozen } => format!("void: its feed is frozen since leaf {frozen}"),
    };
    Words {
        lines: vec![
            format!("entry {} of {author}'s {} feed", entry.length, entry.feed.lane),
            outcome.clone(),
            format!("hash of the entry {}", entry.hash),
        ],
        id: entry.record,
        outcome: Some(outcome),
        joined: Vec::new(),
    }
}

fn epoch_words(record: &EpochRecord, founded: &Founded) -> Result<Words, String> {
    if record.coalition != founded.coalition() {
        return Err(format!("it is an epoch of {}", record.coalition));
    }
    Ok(Words {
        lines: vec![
            format!("end of epoch {} at {}", record.epoch, show_time(record.time)),
            format!("{} of {} contributions agreed", record.agreed.len(), record.seats),
        ],
        id: None,
        outcome: None,
        joined: Vec::new(),
    })
}

/// Whether the charter's rule gives this verdict for the attestations that the decision counts.
fn check(decision: &Decision, charter: &Charter) -> Result<(), String> {
    let kind = charter
        .kind(decision.kind.as_str())
        .ok_or_else(|| format!("the charter declares no operation type {}", decision.kind))?;
    let kind = match &decision.concerns {
        Some(subject) => &kind.without(subject),
        None => kind,
    };
    for standing in &decision.counted {
        if !kind.may_act(&standing.partner, standing.role) {
            return Err(format!("{} may not act as {} in {}", standing.partner, standing.role, kind.name));
        }
    }
    let assessment = Assessment::of(kind, decision.counted.iter().cloned());
    if decision.verdict == Verdict::Conflicted {
        return conflicted(decision, charter, &assessment);
    }
    let window_over = decision.decided_by.is_none();
    if assessment.counted != decision.counted || assessment.deficit != decision.deficit {
        return Err("the attestations that it counts do not give the deficit that it states".into());
    }
    if let Some(word) = &decision.word {
        let decides = matches!(&kind.rule.fallback, Fallback::Escalate(to) if *to == word.partner);
        if !decides || word.role == Role::Observing || !kind.may_act(&word.partner, word.role) {
            return Err(format!("the word of {} decides nothing in {}", word.partner, kind.name));
        }
    }
    if decision.limits != kind.rule.limits(decision.verdict) {
        return Err("it states other limits than the charter".into());
    }
    let (asked, escalated) =
        match kind.rule.fallback.authority().filter(|_| decision.stage == Stage::Escalated) {
            Some(to) => match decision.mandates.split_last() {
                Some((last, before)) if last.needed == *to => (before, Some(last)),
                _ => return Err(format!("it was escalated to the authority {to}, and states no word of it")),
            },
            None => (&decision.mandates[..], None),
        };
    if let Some(needed) =
        kind.authority.as_ref().filter(|needed| asked.iter().all(|it| it.needed != **needed))
    {
        return Err(format!("it needs the authority {needed}, and states no word of it"));
    }
    // An amendment needs the authorities of both versions, and the text at hand is that of one.
    let amends = kind.effect == Some(Effect::Amend);
    if let Some(other) = asked.iter().find(|it| !amends && Some(&it.needed) != kind.authority.as_ref()) {
        return Err(format!("{} does not need the authority {}", kind.name, other.needed));
    }
    decision.mandates.iter().try_for_each(|mandate| mandate.check(charter))?;
    let leave = Leave::of(&decision.mandates);
    let word = match escalated {
        Some(mandate) => mandate.stance(),
        None => decision.word.as_ref().map(|word| word.stance),
    };
    match assessment.ending(kind, decision.stage, word, leave, window_over) {
        Some(Ending::Decided(verdict)) if verdict == decision.verdict => Ok(()),
        Some(Ending::Further(_)) => {
            Err(format!("it states {}, but the rule begins a further window", decision.verdict))
        }
        Some(Ending::Decided(verdict)) => {
            Err(format!("it states {}, but the rule gives {verdict}", decision.verdict))
        }
        None => Err(format!("it states {}, but the rule leaves the operation open", decision.verdict)),
    }
}

/// Whether the leases and partners that others are said to have a right by stand in the charter. Who holds what is in the log.
fn conflicted(decision: &Decision, charter: &Charter, assessment: &Assessment) -> Result<(), String> {
    if assessment.counted != decision.counted || assessment.deficit != decision.deficit {
        return Err("the attestations that it counts do not give the deficit that it states".into());
    }
    let bare = decision.word.is_none() && decision.mandates.is_empty() && decision.limits.is_none();
    if decision.conflicts.is_empty() || decision.decided_by.is_none() || !bare {
        return Err("it is in conflict, and does not say with whom alone".into());
    }
    for conflict in &decision.conflicts {
        if charter.partner(conflict.partner.as_str()).is_none() {
            return Err(format!(
                "{} is no partner, and is said to have a right to what it claims",
                conflict.partner
            ));
        }
        let grants = |name: &KindName| {
            let mut leases = charter.operations.iter().flat_map(|kind| &kind.leases);
            leases.any(|lease| lease.name == *name && lease.partner == conflict.partner)
        };
        if let Some(lease) = conflict.lease.as_ref().filter(|name| !grants(name)) {
            return Err(format!("{} has no lease {lease}", conflict.partner));
        }
    }
    Ok(())
}
