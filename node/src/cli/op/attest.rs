//! `entente op attest`.

use std::path::Path;

use clap::Args;
use entente_protocol::charter::{Charter, PartnerName};
use entente_protocol::coalition::Part;
use entente_protocol::identity::RecordId;
use entente_protocol::record::{Act, Attest as AttestAct, Body, Role, Stance};

use super::submit::DEFAULT_TIMEOUT;
use super::{Officer, Submission, Waiting, evidence, find, is_unknown, texts};
use crate::api::dto::{AttestationView, OperationView, Wait};
use crate::cli::charter::amend::in_force;
use crate::cli::{Context, parse};
use crate::errors::CliError;
use crate::hints::quoted;
use crate::render;

/// Say something on an operation: for, against, or neither.
#[derive(Clone, Args)]
pub(crate) struct Attest {
    /// The operation, or the beginning of its id
    id: String,
    #[command(flatten)]
    stance: StanceArgs,
    /// In which role; needed only where the charter gives this partner several
    #[arg(long)]
    role: Option<Role>,
    /// A condition or reservation, shown with the outcome; of an objection its ground
    #[arg(long, value_name = "TEXT", visible_alias = "ground")]
    caveat: Option<String>,
    /// A file that backs this, of which only the SHA-256 is said; or sha256:HEX; may be given several times
    #[arg(long, value_name = "FILE")]
    evidence: Vec<String>,
    /// The own earlier attestation that this one replaces, or the beginning of its id
    #[arg(long, value_name = "ID")]
    supersedes: Option<String>,
    /// A name for this submission: submitting the same again with it is harmless, something else is refused
    #[arg(long)]
    key: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Clone, Args)]
#[group(required = true, multiple = false)]
struct StanceArgs {
    /// For
    #[arg(long)]
    endorse: bool,
    /// Against; a veto where the charter gives one
    #[arg(long)]
    object: bool,
    /// Neither; seen and recorded
    #[arg(long)]
    abstain: bool,
}

impl StanceArgs {
    fn option(&self) -> String {
        format!("--{}", self.stance())
    }

    fn stance(&self) -> Stance {
        if self.endorse {
            Stance::Endorse
        } else if self.object {
            Stance::Object
        } else {
            Stance::Abstain
        }
    }
}

impl Attest {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        if let Some(caveat) = &self.caveat {
            let command = Self { caveat: Some("TEXT".into()), ..self.clone() }.command(context);
            texts::check_not_empty("caveat", caveat, &command)?;
            texts::check(Part::Caveat, "caveat", caveat, &command)?;
        }
        let officer = Officer::load(context).await?;
        let partner = officer.partner()?.clone();
        let found = find(context, &self.id, self.waiting.timeout).await;
        let mut moot = None;
        let (operation, role, known) = match found {
            Ok(view) => {
                let charter = in_force(context, Some(view.charter_version)).await?;
                moot.clone_from(&view.moot);
                (view.id, self.choose_role(context, &charter, &partner, &view)?, view.attestations)
            }
            // An operation that has not come this far: its whole id and a role say enough, and it waits for it.
            Err(error) if is_unknown(&error) => match (self.id.parse::<RecordId>(), self.role) {
                (Ok(id), Some(role)) => (id, role, Vec::new()),
                _ => return Err(error),
            },
            Err(error) => return Err(error),
        };
        let show = context.hint(&format!("op show {}", render::short(&operation)));
        let supersedes = self.supersedes.as_deref().map(|text| resolve(text, &known, &show)).transpose()?;
        let act = Act::Attest(AttestAct {
            operation,
            role,
            stance: self.stance.stance(),
            caveat: self.caveat.clone(),
            evidence: evidence::commitments(&self.evidence)?,
            supersedes,
        });
        let record = officer.sign(act, self.key.as_deref())?;
        officer.check_key(context, &record.record, self.key.as_deref()).await?;
        let id = Some(record.record.id());
        let sent = Submission { path: "/v1/records", lane: None, id, body: Body::Signed(record).encode() }
            .send(context, &self.waiting)
            .await;
        if let Some(moot) = moot.filter(|_| sent.is_ok()) {
            eprintln!("note: {}", render::plain(&moot));
        }
        sent.map_err(|error| match (error.code.as_str(), standing(&known, &partner)) {
            ("closed", _) => CliError { next: show, ..error },
            ("denied", Some(standing)) if self.supersedes.is_none() => {
                let (id, supersedes) = (render::short(&operation), Some(render::short(&standing)));
                CliError { next: Self { id, supersedes, ..self.clone() }.command(context), ..error }
            }
            _ => error,
        })
    }

    fn choose_role(
        &self,
        context: &Context,
        charter: &Charter,
        partner: &PartnerName,
        view: &OperationView,
    ) -> Result<Role, CliError> {
        let Some(kind) = charter.kind(&view.kind) else {
            return Err(CliError::denied(
                format!("{} cannot be attested", render::short(&view.id)),
                format!("the charter declares no operation type {:?}", view.kind),
                context.charter_hint(),
            ));
        };
        let held = kind.roles_of(partner);
        let names = held.iter().map(Role::to_string).collect::<Vec<_>>().join(" or ");
        match (self.role, held.as_slice()) {
            (Some(role), held) if held.contains(&role) => Ok(role),
            (None, [role]) => Ok(*role),
            (None, [_, _, ..]) => Err(CliError::usage(
                format!("in which role does {partner} attest?"),
                format!("the charter gives it several in {}: {names}", kind.name),
                self.as_role(
                    context,
                    held.iter().copied().find(|role| kind.counts(*role)).unwrap_or(held[0]),
                ),
            )),
            (None, []) => Err(CliError::denied(
                format!("{partner} may not attest to {}", render::short(&view.id)),
                format!("the charter gives it no role in {}", kind.name),
                context.charter_hint(),
            )),
            (Some(role), held) => Err(CliError::denied(
                format!("{partner} may not attest as {role}"),
                if held.is_empty() {
                    format!("the charter gives it no role in {}", kind.name)
                } else {
                    format!("the charter gives it another role in {}: {names}", kind.name)
                },
                match held.iter().find(|role| kind.counts(**role)).or(held.first()) {
                    Some(role) => self.as_role(context, *role),
                    None => context.charter_hint(),
                },
            )),
        }
    }

    /// This command in another role.
    fn as_role(&self, context: &Context, role: Role) -> String {
        Self { role: Some(role), ..self.clone() }.command(context)
    }

    /// This command as it is given to a shell.
    fn command(&self, context: &Context) -> String {
        let text = |text: &str| quoted(Path::new(text));
        let mut command = format!("op attest {} {}", self.id, self.stance.option());
        let mut add = |option: &str, value: &str| command.push_str(&format!(" --{option} {}", text(value)));
        if let Some(role) = self.role {
            add("role", &role.to_string());
        }
        if let Some(caveat) = &self.caveat {
            add("caveat", caveat);
        }
        self.evidence.iter().for_each(|evidence| add("evidence", evidence));
        if let Some(supersedes) = &self.supersedes {
            add("supersedes", supersedes);
        }
        if let Some(key) = &self.key {
            add("key", key);
        }
        if self.waiting.wait != Wait::default() {
            add("wait", &self.waiting.wait.to_string());
        }
        if self.waiting.timeout != DEFAULT_TIMEOUT {
            add("timeout", &parse::shown(self.waiting.timeout));
        }
        if let Some(officer) = &context.officer {
            add("as", &officer.display().to_string());
        }
        context.hint(&command)
    }
}

/// What stands of this partner's attestations.
pub(super) fn standing(known: &[AttestationView], partner: &PartnerName) -> Option<RecordId> {
    let own = || known.iter().filter(|said| said.partner == partner.as_str());
    let replaced = |id: RecordId| own().any(|said| said.supersedes == Some(id));
    own().filter(|said| said.withdrawn_by.is_none()).map(|said| said.id).find(|id| !replaced(*id))
}

/// The attestation that `text` names: a whole id, or the beginning of exactly one of those known.
fn resolve(text: &str, known: &[AttestationView], show: &str) -> Result<RecordId, CliError> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let wanted = text.strip_prefix(RecordId::PREFIX).unwrap_or(text);
    let found = known
        .iter()
        .filter(|attestation| !wanted.is_empty() && attestation.id.0.to_string().starts_with(wanted))
        .map(|attestation| attestation.id)
        .collect::<Vec<_>>();
    match found.as_slice() {
        [id] => Ok(*id),
        [] => Err(CliError::usage(
            format!("no attestation {text}"),
            "none to this operation has an id that begins so",
            show,
        )),
        many => Err(CliError::usage(
            format!("{text} names several attestations"),
            many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            format!("give more of the id; all are shown by: {show}"),
        )),
    }
}
