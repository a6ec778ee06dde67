//! The commands, one file each.

mod check;
mod plan;
mod status;
mod up;

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cli::Global;
use crate::cli::converge::World as _;
use crate::cli::engine::{self, Cancel};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::files;
use crate::cli::hosts::{Hosts, Look, Means};
use crate::cli::output::console::Console;
use crate::cli::signals;
use crate::cli::site::Site;
use crate::facts::Facts;
use crate::facts::model::HostState;
use crate::host::fleet::Patience;
use crate::plan::model::Planning;
use crate::resource::HostName;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[expect(missing_docs, reason = "its help text is that of its arguments")]
    Check(check::CheckArgs),
    #[expect(missing_docs, reason = "its help text is that of its arguments")]
    Plan(plan::PlanArgs),
    #[expect(missing_docs, reason = "its help text is that of its arguments")]
    Up(up::UpArgs),
    #[expect(missing_docs, reason = "its help text is that of its arguments")]
    Status(status::StatusArgs),
}

impl Command {
    /// Runs it to its end.
    pub async fn run(&self, global: &Global, console: &Console) -> Result<Exit, CliError> {
        match self {
            Self::Check(args) => check::run(args, global, console).await,
            Self::Plan(args) => plan::run(args, global, console).await,
            Self::Up(args) => up::run(args, global, console).await,
            Self::Status(args) => status::run(args, global, console).await,
        }
    }
}

/// For those who develop this tool: facts from a file instead of the hosts, and into one.
#[derive(Debug, Args)]
pub struct SavedFacts {
    /// Plan from facts that were saved, without touching a host
    #[arg(long, hide = true, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// Save what was seen
    #[arg(long, hide = true, value_name = "FILE", conflicts_with = "facts")]
    save_facts: Option<PathBuf>,
}

/// A site and what was seen of it.
struct Looked {
    site: Site,
    facts: Facts,
    planning: Planning,
}

/// Looks at the hosts of a site but for those left out, or at saved facts, and plans.
async fn look(
    site: Site,
    saved: &SavedFacts,
    without: Vec<HostName>,
    haste: Option<(Patience, Look)>,
    global: &Global,
    console: &Console,
) -> Result<Looked, CliError> {
    if let Some(path) = &saved.facts {
        let mut facts: Facts = load_facts(path)?;
        facts.leave_out(&without);
        let planning = engine::planning(&site, &facts);
        return Ok(Looked { site, facts, planning });
    }
    let site = site.with_secrets()?;
    let feed = console.look_feed();
    let cancel = Cancel::new();
    signals::listen(&cancel, &feed);
    let means = Means {
        parallel: global.parallel.get(),
        without,
        patience: haste.map(|(patience, _)| patience).unwrap_or_default(),
        look: haste.map(|(_, look)| look),
        cancel: cancel.clone(),
        events: feed.clone(),
    };
    let mut hosts = Hosts::new(&site, means);
    let facts = tokio::select! {
        facts = hosts.look() => facts,
        () = cancel.cancelled() => Err(interrupted()),
    };
    feed.finish();
    let facts = facts?;
    if let Some(path) = &saved.save_facts {
        save_facts(path, &facts)?;
    }
    let planning = hosts.plan(&facts);
    drop(hosts);
    Ok(Looked { site, facts, planning })
}

/// A signal came while nothing was being changed.
fn interrupted() -> CliError {
    CliError::new(Exit::Interrupted, "interrupted; nothing was changed")
}

/// The exit code that facts and planning call for, whatever the command.
fn standing(looked: &Looked) -> Exit {
    let Facts { hosts, without, .. } = &looked.facts;
    let unreachable = hosts
        .iter()
        .any(|(name, host)| matches!(host, HostState::Unreachable { .. }) && !without.contains(name));
    Exit::first_of([
        if unreachable { Exit::Unreachable } else { Exit::Ok },
        if looked.planning.is_blocked() { Exit::Blocked } else { Exit::Ok },
    ])
}

/// Of a hundred hosts, each with all that one look may print.
const LARGEST_FACTS: usize = 400 << 20;

fn load_facts(path: &Path) -> Result<Facts, CliError> {
    let failed = || CliError::new(Exit::Usage, format!("the facts in {} cannot be read", path.display()));
    let bytes = files::read(path, LARGEST_FACTS).map_err(|error| failed().because(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| failed().because(&error))
}

fn save_facts(path: &Path, facts: &Facts) -> Result<(), CliError> {
    let failed =
        || CliError::new(Exit::Unexpected, format!("the facts cannot be saved in {}", path.display()));
    let text = serde_json::to_string_pretty(facts).map_err(|error| failed().because(&error))?;
    let open = || OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let write = |mut file: File| file.write_all(text.as_bytes());
    open().and_then(write).map_err(|error| failed().because(&error))
}
