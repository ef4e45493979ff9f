//! `entente restore`: goes on from a backup of the store.
//!
//! A node whose store forgot what it said must not say anything else at the same place. So it writes in a new incarnation
//! of its feeds, and its seat, whose lost votes nobody can list, signs nothing any more. Both cannot be undone, so it is
//! said first and done only with `--yes`. All of it is one commit: interrupted, nothing has changed.

use std::sync::Arc;

use clap::Args;
use entente_hbbft::Committee;
use entente_protocol::engine::{Config, Engine, RecoverError, Restored, Snapshots, Timing};
use entente_protocol::founding::Founded;
use serde_json::json;

use super::Context;
use crate::errors::{CliError, Exit};
use crate::membership::Membership;
use crate::render;
use crate::storage::{Identity, Store, StoreError};

/// Go on from a backup of the store.
#[derive(Args)]
pub(super) struct Restore {
    /// Do it: the seat of this node signs nothing any more, which cannot be undone
    #[arg(long)]
    yes: bool,
}

impl Restore {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        let membership = Membership::load(&context.dir, super::now())?;
        let path = context.dir.store();
        if !path.is_file() {
            let next = format!("copy the backup to {}, then: entente restore", path.display());
            return Err(CliError::config(
                "nothing to restore",
                format!("there is no store at {}", path.display()),
                next,
            ));
        }
        let founded = Arc::new(membership.founded);
        let identity = Identity { coalition: founded.coalition(), node: membership.node.public() };
        let store = Store::open_copy(&path, &identity).map_err(|error| not_opened(&error))?;
        let config = Config {
            founded: Arc::clone(&founded),
            node: membership.node,
            seat: membership.seat.map(|(_, key)| key),
            timing: Timing::LAN,
            snapshots: Snapshots::DEFAULT,
            heeds_conviction: true,
            // Nothing is asked of anybody here.
            nonce: [0; 32],
        };
        let restored = Engine::restore(config, &store, super::now()).map_err(|error| not_restored(&error))?;
        if restored.is_new && !self.yes {
            return Err(CliError::usage(
                "not restored: it cannot be undone, and needs --yes",
                cost(&founded, &restored),
                "entente restore --yes",
            ));
        }
        // Also where nothing is new: it says that this copy is the one that counts.
        store.commit(&restored.writes, &[]).map_err(|error| not_opened(&error))?;
        if context.json {
            render::print_json(&json!({
                "incarnation": restored.incarnation, "new": restored.is_new, "again": restored.again,
                "silent_seat": restored.seat.map(|seat| seat.0),
            }));
        } else {
            render::print(&said(&founded, &membership.partner, &restored, &context.hint("up")));
        }
        Ok(())
    }
}

/// What a restore costs.
fn cost(founded: &Founded, restored: &Restored) -> String {
    let Some(seat) = restored.seat else {
        return "this node holds no seat: its feeds go on in a new incarnation, and nothing else changes"
            .into();
    };
    let size = founded.committee_size();
    let spare = Committee::new(size).map_or(0, |committee| size - committee.quorum());
    let margin = match spare {
        0 => format!("all {size} seats are needed, so nothing is ordered any more without it"),
        spare => {
            format!(
                "of {size} seats {spare} may be away, and from now on it is one of them: {} more",
                spare - 1
            )
        }
    };
    format!(
        "seat {} does not know what it has signed, and signs nothing any more until seats can change, a later version; {margin}",
        seat.0
    )
}

fn said(founded: &Founded, partner: &impl std::fmt::Display, restored: &Restored, next: &str) -> String {
    let Restored { incarnation, is_new, again, .. } = restored;
    if !is_new {
        return format!(
            "restored before: {partner} writes in incarnation {incarnation}, and nothing is ordered in it yet\nnext: {next}\n"
        );
    }
    let records = if *again == 1 { "1 record" } else { &format!("{again} records") };
    format!(
        "restored: {partner} writes in incarnation {incarnation} from now on\n  \
         {records} that this store held and that were not ordered are said again in it\n  \
         {}\n  \
         what is in no other store is lost; all that was ordered comes back from the others\nnext: {next}\n",
        cost(founded, restored)
    )
}

fn not_opened(error: &StoreError) -> CliError {
    let (exit, what) = match error {
        StoreError::InUse { .. } => (Exit::Config, "a node runs on this data folder"),
        StoreError::Foreign { .. } | StoreError::Format { .. } => {
            (Exit::Config, "this is no backup of this node")
        }
        StoreError::Damage { .. } => (Exit::Corrupt, "this backup is damaged"),
        StoreError::DiskFull { .. } | StoreError::Io { .. } | StoreError::Closed { .. } => {
            (Exit::Failure, "not restored")
        }
    };
    CliError::new(exit, what, error, error.next())
}

fn not_restored(error: &RecoverError) -> CliError {
    let (exit, what, next) = match error {
        RecoverError::Incarnations(_) => (
            Exit::Failure,
            "this node was restored too often",
            "have the partner's authority enrol a new node, in a new charter",
        ),
        RecoverError::Damage(_) => (
            Exit::Corrupt,
            "this backup is damaged",
            "put another backup in its place, then: entente restore",
        ),
        _ => (Exit::Config, "not restored", "entente config check"),
    };
    CliError::new(exit, what, error, next)
}
