//! `entente op`: operations.

mod attest;
mod commit;
pub(super) mod evidence;
mod follow;
mod open;
mod speak;
mod submit;
pub(super) mod texts;
mod withdraw;

use std::time::Duration;

use clap::Subcommand;
use entente_protocol::authority::Word;
use entente_protocol::charter::{Charter, PartnerName};
use entente_protocol::identity::{PublicKey, RecordId, SecretKey};
use entente_protocol::record::{Act, Attest as AttestAct, Nonce, Record, SignedRecord};

pub(super) use submit::{Saying, Submission, Waiting};

use super::{Context, now};
use crate::api::dto::{MemberView, OperationView, StoryView};
use crate::client::segment;
use crate::errors::CliError;
use crate::keys::{self, KeyKind};
use crate::membership::read_founded;
use crate::render;

/// Open operations, attest to them, and follow them.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Open an operation of a type that the charter declares
    Open(open::Open),
    /// Say something on an operation: for, against, or neither
    Attest(attest::Attest),
    /// Commit an open operation alone, under this partner's leases, before it is agreed
    Commit(commit::Commit),
    /// Take back what this partner said on an operation, while its window is open
    Withdraw(withdraw::Withdraw),
    /// An authority orders an operation: its word overrules refusals of lower ones
    Order(speak::Speak),
    /// An authority lets an operation be
    Permit(speak::Speak),
    /// An authority refuses an operation; a nation that does keeps its own out of it, whatever is decided
    Refuse(speak::Speak),
    /// This nation takes back what it has lent to an operation, also after it is agreed
    Recall(speak::Speak),
    /// Say why an operation stands as it does: outcome, what exactly is missing, caveats, and what it claims
    Why {
        /// Its id, or the beginning of it
        id: String,
    },
    /// Show an operation: outcome, why, and what exactly is missing
    Show {
        /// Its id, or the beginning of it
        id: String,
    },
    /// List operations
    List,
    /// Tell an operation's story: who did what, in which role, at which leaf
    Story {
        /// Its id, or the beginning of it
        id: String,
    },
    /// Follow what happens; with an id, until that operation is decided
    Follow(follow::Follow),
}

impl Command {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Open(open) => open.run(context).await,
            Self::Attest(attest) => attest.run(context).await,
            Self::Follow(follow) => follow.run(context).await,
            Self::Commit(commit) => commit.run(context).await,
            Self::Withdraw(withdraw) => withdraw.run(context).await,
            Self::Order(speak) => speak.run(context, Word::Order).await,
            Self::Permit(speak) => speak.run(context, Word::Permit).await,
            Self::Refuse(speak) => speak.run(context, Word::Refuse).await,
            Self::Recall(speak) => speak.run(context, Word::Recall).await,
            Self::Why { id } => {
                let operation: OperationView =
                    context.client()?.get(&format!("/v1/ops/{}", segment(id)?)).await?;
                if context.json {
                    render::print_json(&render::why::json(&operation));
                } else {
                    render::print(&render::why::page(&operation, now()));
                }
                Ok(())
            }
            Self::Show { id } => {
                let operation: OperationView =
                    context.client()?.get(&format!("/v1/ops/{}", segment(id)?)).await?;
                if context.json {
                    render::print_json(&operation);
                } else {
                    render::print(&render::operation::page(&operation, now(), &context.hints));
                }
                Ok(())
            }
            Self::Story { id } => {
                let story: StoryView =
                    context.client()?.get(&format!("/v1/ops/{}/story", segment(id)?)).await?;
                if context.json {
                    render::print_json(&story);
                } else {
                    render::print(&render::handoff::story(&story, &context.hints));
                }
                Ok(())
            }
            Self::List => {
                let operations: Vec<OperationView> = context.client()?.get("/v1/ops").await?;
                if context.json {
                    render::print_json(&operations);
                } else {
                    render::print(&render::operation::list(&operations, now(), &context.hints));
                }
                Ok(())
            }
        }
    }
}

/// The operation that `id` names. A whole id that has not come this far yet is waited for until `limit` is over: what
/// another partner just opened is often on its way.
pub(super) async fn find(context: &Context, id: &str, limit: Duration) -> Result<OperationView, CliError> {
    let client = context.client()?;
    let path = format!("/v1/ops/{}", segment(id)?);
    let first = client.get(&path).await;
    if !first.as_ref().is_err_and(is_unknown) || id.parse::<RecordId>().is_err() {
        return first;
    }
    eprintln!("waiting for {id}, which is not known here yet");
    // Subscribed before the next look, so that nothing falls between them.
    let mut events = client.events("/v1/events").await?;
    let arrives = async {
        loop {
            let answer = client.get(&path).await;
            if !answer.as_ref().is_err_and(is_unknown) || events.next().await?.is_none() {
                return answer;
            }
        }
    };
    tokio::time::timeout(limit, arrives).await.unwrap_or(first)
}

fn is_unknown(error: &CliError) -> bool {
    error.code == "unknown"
}

/// Who signs here, and by which charter.
pub(super) struct Officer {
    pub(super) charter: Charter,
    key: SecretKey,
    /// For whom; none where neither the founding charter nor the log makes the key an officer's.
    partner: Option<PartnerName>,
}

impl Officer {
    pub(super) async fn load(context: &Context) -> Result<Self, CliError> {
        let path = context.dir.coalition();
        if !path.exists() {
            return Err(CliError::config(
                "this node is a member of no coalition",
                format!("there is no {}", path.display()),
                context.hint("join FILE"),
            ));
        }
        let charter = read_founded(&path)?.founding.charter;
        let key = match &context.officer {
            Some(path) => keys::read(path, &[KeyKind::Officer])?.1,
            None => keys::load(&context.dir, KeyKind::Officer)?,
        };
        let public = key.public();
        let named = charter.partners.iter().find(|partner| partner.officers.contains(&public));
        let partner = match named {
            // Whether it still is one is for the node to say.
            Some(partner) => Some(partner.name.clone()),
            None => {
                // Without a node nothing can be said; who may say it is known all the same, as far as the charter goes.
                let members = context.client()?.get::<Vec<MemberView>>("/v1/members").await;
                let mut members = members.unwrap_or_default().into_iter();
                members.find(|member| member.officers.contains(&public)).map(|member| member.partner)
            }
        };
        Ok(Self { charter, key, partner })
    }

    pub(super) fn public(&self) -> PublicKey {
        self.key.public()
    }

    pub(super) fn partner(&self) -> Result<&PartnerName, CliError> {
        self.partner.as_ref().ok_or_else(|| {
            CliError::denied(
                "this key may not speak for any partner",
                format!(
                    "{} is no officer of {}, neither by its charter nor by a grant that is ordered here",
                    self.public(),
                    self.charter.name
                ),
                "name an officer's key: entente --as KEYFILE op list; or have it granted: entente member submit CHAIN",
            )
        })
    }

    /// Refuses a submission key that stands for other content here: among the operations that the node lists, held or
    /// ordered, and the attestations to them. The nonce is that of the key alone, so whatever was said with it is known
    /// by its id.
    async fn check_key(&self, context: &Context, record: &Record, key: Option<&str>) -> Result<(), CliError> {
        let Some(key) = key else { return Ok(()) };
        let wanted = record.id();
        let partner = self.partner()?.as_str();
        let with_this_key = |id: RecordId, act: Act| {
            let same = Record { act, ..record.clone() }.id() == id;
            same && id != wanted
        };
        let operations: Vec<OperationView> = context.client()?.get("/v1/ops").await?;
        for view in &operations {
            let opened = || commit::opening(view);
            let mut used = None;
            if view.opened_by == partner && with_this_key(view.id, opened()) {
                used = Some("opened");
            }
            for said in view.attestations.iter().filter(|said| said.partner == partner) {
                let act = Act::Attest(AttestAct {
                    operation: view.id,
                    role: said.role,
                    stance: said.stance,
                    caveat: said.caveat.clone(),
                    evidence: said.evidence.clone(),
                    supersedes: said.supersedes,
                });
                if with_this_key(said.id, act) {
                    used = Some("attested to");
                }
            }
            if let Some(verb) = used {
                let id = render::short(&view.id);
                return Err(CliError::usage(
                    format!("the key {:?} stands for something else", render::plain(key)),
                    format!("with it {partner} {verb} {id}: {}", render::plain(&view.title)),
                    format!(
                        "the same command with another --key; what there is: {}",
                        context.hint(&format!("op show {id}"))
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The signed record of `act`; the same for the same `key`, else unique.
    pub(super) fn sign(&self, act: Act, key: Option<&str>) -> Result<SignedRecord, CliError> {
        let signer = self.public();
        let nonce = match key {
            Some(key) => Nonce::from_key(&signer, key),
            None => Nonce(*keys::random_bytes()?),
        };
        let coalition = self.charter.id();
        Ok(Record { coalition, nonce, signer, act }.sign(&self.key))
    }
}
