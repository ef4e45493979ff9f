//! A leaf of the log in words, checked against the charter.

use entente_protocol::charter::{Charter, PartnerName, show_time};
use entente_protocol::coalition::Disposition;
use entente_protocol::founding::{CharterChain, Founded};
use entente_protocol::identity::RecordId;
use entente_protocol::leaf::{EntryLeaf, EpochRecord, Leaf};

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
                Some(charter) => decision.check(charter)?,
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
