//! `entente asset`: what a partner may lend, declared, lent and recalled by its owner alone.

use clap::{Args, Subcommand, ValueEnum};
use entente_protocol::charter::{AssetName, KindName, PartnerName};
use entente_protocol::coalition::Part;
use entente_protocol::identity::RecordId;
use entente_protocol::record::{Act, AssetAct, Contribute, Control, Declare, Recall};

use super::Context;
use super::member::member;
use super::op::{Officer, Saying, find, texts};
use crate::api::dto::AssetView;
use crate::client::segment;
use crate::errors::CliError;
use crate::render;

/// Declare, lend and recall this partner's assets, and list everybody's.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Declare an asset of this partner; its details stay at home
    Declare(DeclareArgs),
    /// Lend an asset to an operation, under a caveat
    Contribute(ContributeArgs),
    /// Take an asset back: its owner may at any time
    Recall(RecallArgs),
    /// List assets: whose they are, where they serve, who controls them
    List {
        /// Only those of this partner
        #[arg(long, value_name = "PARTNER")]
        owner: Option<PartnerName>,
    },
}

#[derive(Args)]
pub(super) struct DeclareArgs {
    /// What this partner calls it: lift-7
    name: AssetName,
    /// What it is: c-130, field-hospital
    #[arg(long)]
    kind: KindName,
    /// One line for people
    #[arg(long)]
    label: String,
    #[command(flatten)]
    saying: Saying,
}

#[derive(Args)]
pub(super) struct ContributeArgs {
    /// The asset, as this partner calls it
    name: AssetName,
    /// The operation, or the beginning of its id
    operation: String,
    /// On which condition
    #[arg(long, value_name = "TEXT")]
    caveat: Option<String>,
    /// Who controls it meanwhile: the owner, or whoever leads the operation if named by --to
    #[arg(long, value_enum, default_value = "owner")]
    control: ControlArg,
    /// A partner that may control it while it leads; may be given several times
    #[arg(long = "to", value_name = "PARTNER")]
    to: Vec<PartnerName>,
    #[command(flatten)]
    saying: Saying,
}

#[derive(Args)]
pub(super) struct RecallArgs {
    /// The asset, as this partner calls it
    name: AssetName,
    /// Why
    #[arg(long, value_name = "TEXT")]
    ground: Option<String>,
    #[command(flatten)]
    saying: Saying,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ControlArg {
    Owner,
    Lead,
}

impl Command {
    pub(super) async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Declare(args) => args.run(context).await,
            Self::Contribute(args) => args.run(context).await,
            Self::Recall(args) => args.run(context).await,
            Self::List { owner } => {
                let path = owner.as_ref().map_or(String::new(), |owner| format!("?owner={owner}"));
                let assets: Vec<AssetView> = context.client()?.get(&format!("/v1/assets{path}")).await?;
                if let (Some(owner), true) = (owner, assets.is_empty()) {
                    member(context, owner).await?;
                }
                if context.json {
                    render::print_json(&assets);
                } else {
                    render::print(&render::asset::list(&assets, &context.hints));
                }
                Ok(())
            }
        }
    }
}

impl DeclareArgs {
    async fn run(&self, context: &Context) -> Result<(), CliError> {
        let command = context.hint(&format!("asset declare {} --kind {} --label TEXT", self.name, self.kind));
        texts::check_not_empty("label", &self.label, &command)?;
        texts::check(Part::Label, "label", &self.label, &command)?;
        let (name, kind, label) = (self.name.clone(), self.kind.clone(), self.label.clone());
        say(&self.saying, context, AssetAct::Declare(Declare { name, kind, label })).await
    }
}

impl ContributeArgs {
    async fn run(&self, context: &Context) -> Result<(), CliError> {
        let command =
            context.hint(&format!("asset contribute {} {} --caveat TEXT", self.name, self.operation));
        if let Some(caveat) = &self.caveat {
            texts::check_not_empty("caveat", caveat, &command)?;
            texts::check(Part::Caveat, "caveat", caveat, &command)?;
        }
        let control = self.control(context)?;
        for partner in &self.to {
            member(context, partner).await?;
        }
        let asset = own(context, &self.name).await?.id;
        let operation = match self.operation.parse::<RecordId>() {
            Ok(id) => id,
            Err(_) => find(context, segment(&self.operation)?, self.saying.waiting.timeout).await?.id,
        };
        let caveat = self.caveat.clone();
        say(&self.saying, context, AssetAct::Contribute(Contribute { asset, operation, caveat, control }))
            .await
    }

    fn control(&self, context: &Context) -> Result<Control, CliError> {
        let mut to = self.to.clone();
        to.sort();
        to.dedup();
        let command =
            |end: &str| context.hint(&format!("asset contribute {} {} {end}", self.name, self.operation));
        match (self.control, to.is_empty()) {
            (ControlArg::Owner, true) => Ok(Control::Owner),
            (ControlArg::Lead, false) => Ok(Control::Lead(to)),
            (ControlArg::Owner, false) => Err(CliError::usage(
                "--to names who may control the asset, and --control leaves it to its owner",
                "a grant of control takes both",
                command(&format!("--control lead --to {}", to[0])),
            )),
            (ControlArg::Lead, true) => Err(CliError::usage(
                "to whom is control granted?",
                "the owner names each partner that may control the asset while it leads",
                command("--control lead --to PARTNER"),
            )),
        }
    }
}

impl RecallArgs {
    async fn run(&self, context: &Context) -> Result<(), CliError> {
        if let Some(ground) = &self.ground {
            let command = context.hint(&format!("asset recall {} --ground TEXT", self.name));
            texts::check_not_empty("ground", ground, &command)?;
            texts::check(Part::Ground, "ground", ground, &command)?;
        }
        let asset = own(context, &self.name).await?.id;
        say(&self.saying, context, AssetAct::Recall(Recall { asset, ground: self.ground.clone() })).await
    }
}

/// The asset that this partner calls `name`.
async fn own(context: &Context, name: &AssetName) -> Result<AssetView, CliError> {
    let owner = Officer::load(context).await?.partner()?.clone();
    let found: Vec<AssetView> =
        context.client()?.get(&format!("/v1/assets?owner={owner}&name={name}")).await?;
    found.into_iter().next().ok_or_else(|| {
        CliError::usage(
            format!("{owner} has no asset {name}"),
            "none of this name is ordered here",
            context.hint(&format!("asset list --owner {owner}")),
        )
        .with_code("unknown")
    })
}

async fn say(saying: &Saying, context: &Context, act: AssetAct) -> Result<(), CliError> {
    saying.say(context, Act::Asset(act), "asset list").await
}
