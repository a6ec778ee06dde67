//! `status`: how does it stand?

use std::time::Duration;

use clap::Args;

use crate::cli::Global;
use crate::cli::command::{Looked, SavedFacts, look, standing};
use crate::cli::converge::World as _;
use crate::cli::engine::Cancel;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::hosts::{Hosts, Look, Means};
use crate::cli::output::console::Console;
use crate::cli::output::status_view::status_view;
use crate::cli::signals;
use crate::cli::site::{InventoryArg, Site};
use crate::event::Silent;
use crate::host::fleet::Patience;
use crate::status::{Status, Verdict, status};

/// A status that comes late is of no use, and one that calls a busy machine dead is worse: silent hosts hold it up for
/// four seconds, and for ten where others are slow too: then this machine may be the slow one.
const HASTE: (Patience, Look) = (
    Patience { accept: Duration::from_secs(4), again: Duration::from_secs(6), insists: false },
    Look { swift: Duration::from_secs(10), slow: Duration::from_secs(25) },
);

/// Between two looks of `--watch`.
const PAUSE: Duration = Duration::from_secs(2);

/// Show on one screen what runs, who leads, how many failures it survives, what differs from the inventory
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kuboard-ha status
  kuboard-ha status --watch
  kuboard-ha status -o json | jq .etcd.quorum
  kuboard-ha status --check -q || alert  in a monitoring job

Verdicts: healthy; degraded (works, but less safe than asked, or different from the
inventory); down; unknown.

Exit codes: 0 whenever a verdict is printed; with --check 4 if a host is not
reachable, 5 if a finding blocks, 10 if degraded, down or different.")]
pub struct StatusArgs {
    #[command(flatten)]
    inventory: InventoryArg,
    /// Exit with 10 if the cluster is not healthy or differs from the inventory
    #[arg(long)]
    check: bool,
    /// Look again every two seconds
    #[arg(long, conflicts_with_all = ["check", "facts"])]
    watch: bool,
    #[command(flatten)]
    saved: SavedFacts,
}

pub(super) async fn run(args: &StatusArgs, global: &Global, console: &Console) -> Result<Exit, CliError> {
    let site = Site::load(&args.inventory, console.stderr_canvas())?;
    if args.watch {
        return watch(site, global, console).await;
    }
    let looked = look(site, &args.saved, Vec::new(), Some(HASTE), global, console).await?;
    let status = status(&looked.site.inventory, &looked.facts, &looked.planning);
    show(&status, console, false)?;
    Ok(if args.check { judged(&looked, &status) } else { Exit::Ok })
}

fn judged(looked: &Looked, status: &Status) -> Exit {
    let well = status.verdict == Verdict::Healthy;
    Exit::first_of([standing(looked), if well { Exit::Ok } else { Exit::Pending }])
}

fn show(status: &Status, console: &Console, redraw: bool) -> Result<(), CliError> {
    if console.is_json() {
        return console.document(status);
    }
    let view = status_view(status, console.canvas());
    if redraw {
        // Home, each line cleared to its end, then the rest of the screen: no flicker.
        console.result(&format!("\x1b[H{}\x1b[J", view.replace('\n', "\x1b[K\n")))
    } else {
        console.result(&view)
    }
}

async fn watch(site: Site, global: &Global, console: &Console) -> Result<Exit, CliError> {
    let site = site.with_secrets()?;
    let cancel = Cancel::new();
    signals::listen(&cancel, &console.look_feed());
    let means = Means {
        parallel: global.parallel.get(),
        without: Vec::new(),
        patience: HASTE.0,
        look: Some(HASTE.1),
        cancel: cancel.clone(),
        events: std::sync::Arc::new(Silent),
    };
    let mut hosts = Hosts::new(&site, means);
    let redraw = console.redraws();
    if redraw {
        console.result("\x1b[2J")?;
    }
    loop {
        let facts = tokio::select! {
            facts = hosts.look() => facts?,
            () = cancel.cancelled() => return Ok(Exit::Interrupted),
        };
        let planning = hosts.plan(&facts);
        show(&status(&site.inventory, &facts, &planning), console, redraw)?;
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = cancel.cancelled() => return Ok(Exit::Interrupted),
        }
    }
}
