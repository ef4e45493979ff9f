//! `entente config check`: everything that `up` needs, without starting anything.

use clap::Subcommand;
use serde_json::json;

use super::{Context, now};
use crate::config::Config;
use crate::errors::CliError;
use crate::keys::{self, KeyKind};
use crate::membership::Membership;
use crate::render;

/// The node's settings.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Check keys, membership, settings and paths
    Check,
}

struct Finding {
    what: &'static str,
    result: Result<String, CliError>,
}

impl Command {
    pub(super) fn run(&self, context: &Context) -> Result<(), CliError> {
        let Self::Check = self;
        let findings = findings(context);
        if context.json {
            let list = findings
                .iter()
                .map(|finding| match &finding.result {
                    Ok(text) => json!({"check": finding.what, "ok": true, "text": text}),
                    Err(error) => json!({
                        "check": finding.what, "ok": false,
                        "error": error.what, "why": error.why, "next": error.next,
                    }),
                })
                .collect::<Vec<_>>();
            render::print_json(&list);
        } else {
            let rows = findings
                .iter()
                .map(|finding| {
                    let (mark, text) = match &finding.result {
                        Ok(text) => ("ok", text.clone()),
                        Err(error) => ("wrong", error.what.clone()),
                    };
                    [mark.to_owned(), finding.what.to_owned(), text]
                })
                .collect::<Vec<_>>();
            render::print(&render::table::table(&rows));
        }
        findings.into_iter().try_for_each(|finding| finding.result.map(|_| ()))
    }
}

fn findings(context: &Context) -> Vec<Finding> {
    let dir = &context.dir;
    let key = |kind: KeyKind| keys::load(dir, kind).map(|key| key.public().to_string());
    let optional = |kind: KeyKind| {
        if !dir.key(kind).exists() {
            Ok("not kept here".into())
        } else if kind == KeyKind::Root && keys::sealed::is_sealed_file(&dir.key(kind))? {
            Ok("encrypted with a passphrase, not opened".into())
        } else {
            key(kind)
        }
    };
    let membership = Membership::load(dir, now()).map(|membership| {
        let seat = membership.seat.as_ref().map_or("no seat".into(), |(seat, _)| format!("seat {seat}"));
        let mut text = format!(
            "{} ({}) as {}, {seat}",
            membership.founded.charter().name,
            membership.founded.coalition(),
            membership.partner
        );
        for warning in &membership.warnings {
            text.push_str("; ");
            text.push_str(warning);
        }
        text
    });
    let settings = Config::load(dir).map(|config| {
        if dir.config().exists() {
            format!("profile {}, {} static peers", config.profile, config.peers.len())
        } else {
            "defaults".into()
        }
    });
    let socket = dir.socket().map(|path| path.display().to_string());
    [
        ("node key", key(KeyKind::Node)),
        ("seat key", optional(KeyKind::Seat)),
        ("officer key", optional(KeyKind::Officer)),
        ("root key", optional(KeyKind::Root)),
        ("membership", membership),
        ("settings", settings),
        ("socket", socket),
    ]
    .into_iter()
    .map(|(what, result)| Finding { what, result })
    .collect()
}

/// What `up` needs, or the first thing that is wrong.
pub(super) fn require(context: &Context) -> Result<(Membership, Config), CliError> {
    for finding in findings(context) {
        finding.result?;
    }
    Ok((Membership::load(&context.dir, now())?, Config::load(&context.dir)?))
}
