//! `entente verify`: a receipt, judged offline from the file alone.
//!
//! Guarantees: success means that the coalition pinned with `--coalition` is the one whose charter the file carries,
//! that every partner's root signed that charter and delegated its seat's key, that exactly a quorum of those seats
//! certified a log, and that the leaf shown is in it; for a decision, also that the charter's rule gives that outcome
//! for the attestations that the leaf counts. Any flipped bit fails. Without a pinned coalition anyone could have made
//! a consistent file, so that is said and is no success.
//!
//! What it does not show: that the seats were honest. It needs no node, no store, no clock and no network.

mod leaf;

use std::path::PathBuf;

use clap::Args;
use entente_hbbft::Committee;
use entente_protocol::charter::show_time;
use entente_protocol::founding::{CharterChain, Founded};
use entente_protocol::identity::CoalitionId;
use entente_protocol::ledger::cosignature::{Certificate, Cosigners};
use entente_protocol::ledger::receipt::{MAX_EXTRA_BYTES, MAX_RECEIPT_BYTES, Receipt};
use entente_protocol::time::Time;
use entente_protocol::wire;
use serde_json::json;

use crate::errors::CliError;
use crate::files;
use crate::render;
use leaf::Words;

/// Verify a receipt offline, from the file alone.
///
/// With --coalition, success (0) means proven. Without it, a sound file is "consistent, coalition not pinned" and the
/// exit code is 6: whoever made the file could have made the coalition in it. A file that does not hold exits with 7.
#[derive(Args)]
pub(super) struct Verify {
    /// The receipt, a .tlog-proof file
    file: PathBuf,
    /// The coalition that you know: co-...
    #[arg(long, value_name = "ID")]
    coalition: Option<CoalitionId>,
}

/// What a receipt proves.
struct Proven {
    founded: Founded,
    certificate: Certificate,
    cosigners: Cosigners,
    index: u64,
    words: Words,
}

impl Verify {
    pub(super) fn run(&self, as_json: bool) -> Result<(), CliError> {
        let bytes = files::read(&self.file, MAX_RECEIPT_BYTES)?;
        let proven = prove(&bytes, self.coalition).map_err(|(what, why)| {
            CliError::corrupt(
                format!("{} does not verify: {what}", self.file.display()),
                why,
                "ask for the receipt again: entente receipt ID -o FILE",
            )
        })?;
        let pinned = self.coalition.is_some();
        if as_json {
            render::print_json(&proven.to_json(pinned));
        } else {
            render::print(&proven.to_text(pinned));
        }
        if pinned {
            return Ok(());
        }
        Err(CliError::denied(
            "consistent, coalition not pinned",
            "whoever made this file could have made the coalition in it, too",
            format!(
                "compare {} with the id that your partner told you, then: entente verify {} --coalition ID",
                proven.founded.coalition(),
                self.file.display()
            ),
        ))
    }
}

/// Which step failed, and why.
type Failed = (&'static str, String);

fn failed<E: ToString>(what: &'static str) -> impl Fn(E) -> Failed {
    move |error| (what, error.to_string())
}

/// Every step from the file's bytes to the leaf in words.
fn prove(bytes: &[u8], pinned: Option<CoalitionId>) -> Result<Proven, Failed> {
    let receipt = Receipt::parse(bytes).map_err(failed("the file is no receipt"))?;
    let chain: CharterChain =
        wire::decode(receipt.founding(), MAX_EXTRA_BYTES).map_err(failed("its charter cannot be read"))?;
    let founding = &chain.founding;
    let id = founding.charter.id();
    if let Some(pinned) = pinned.filter(|pinned| *pinned != id) {
        return Err(("it is of another coalition", format!("its charter is {id}, not {pinned}")));
    }
    let founded = founding.verify().map_err(failed("its charter is not one that every partner signed"))?;
    let cosigners = cosigners(&founded).map_err(|error| ("its charter names no committee", error.why))?;
    let certificate =
        receipt.verify(&cosigners).map_err(failed("the log is not certified, or lacks the leaf"))?;
    let words = leaf::words(receipt.leaf(), &founded, &chain).map_err(failed("the leaf is not sound"))?;
    Ok(Proven { founded, certificate, cosigners, index: receipt.index(), words })
}

impl Proven {
    fn signers(&self) -> Vec<&str> {
        self.certificate
            .cosignatures
            .iter()
            .filter_map(|cosignature| self.cosigners.seats().get(usize::from(cosignature.seat)))
            .map(|seat| seat.partner())
            .collect()
    }

    fn to_text(&self, pinned: bool) -> String {
        let charter = self.founded.charter();
        let head = &self.certificate.head;
        let signers = self.signers();
        let mut text = format!("{}\n", if pinned { "VERIFIED" } else { "CONSISTENT, COALITION NOT PINNED" });
        for line in &self.words.lines {
            text.push_str(&format!("  {}\n", render::plain(line)));
        }
        let row = |name: &str, what: String| [name.to_owned(), what];
        let mut rows = Vec::new();
        if let Some(id) = self.words.id {
            rows.push(row("operation", id.to_string()));
        }
        rows.push(row("coalition", format!("{} {}", charter.name, self.founded.coalition())));
        let partners = charter.partners.iter().map(|partner| partner.name.as_str()).collect::<Vec<_>>();
        rows.push(row(
            "charter",
            format!("signed by every partner of the founding: {}", partners.join(", ")),
        ));
        for partner in &self.words.joined {
            rows.push(row("", format!("{partner} joined since; its root signed the version that admits it")));
        }
        rows.push(row("leaf", format!("{} of a log of {}", self.index, head.size)));
        rows.push(row(
            "certified",
            format!(
                "by {}: {} of {} seats, batch time {}",
                signers.join(", "),
                signers.len(),
                self.cosigners.seats().len(),
                show_time(Time(head.time_s.saturating_mul(1000)))
            ),
        ));
        text.push_str(&render::table::table(&rows));
        text
    }

    fn to_json(&self, pinned: bool) -> serde_json::Value {
        json!({
            "verified": pinned,
            "pinned": pinned,
            "coalition": self.founded.coalition(),
            "name": self.founded.charter().name,
            "index": self.index,
            "size": self.certificate.head.size,
            "root": self.certificate.head.root,
            "time_s": self.certificate.head.time_s,
            "certified_by": self.signers(),
            "quorum": self.cosigners.quorum(),
            "operation": self.words.id,
            "outcome": self.words.outcome,
            "text": self.words.lines,
        })
    }
}

/// The seats that certify this coalition's log.
pub(super) fn cosigners(founded: &Founded) -> Result<Cosigners, CliError> {
    let refuse =
        |why: String| CliError::config("the charter names no committee", why, "entente charter lint FILE");
    let quorum = Committee::new(founded.committee_size()).map_err(|why| refuse(why.to_string()))?.quorum();
    let seats = founded.partners().iter().map(|partner| (partner.name.as_str(), partner.seat));
    Cosigners::new(founded.coalition(), seats, quorum).map_err(|why| refuse(why.to_string()))
}
