//! `check`: can this be built here?

use clap::Args;

use crate::cli::Global;
use crate::cli::command::{SavedFacts, look, standing};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::output::console::Console;
use crate::cli::output::document::{CheckDocument, CheckVerdict};
use crate::cli::output::findings_view::findings_view;
use crate::cli::output::text::{Tone, all_hosts_are, count};
use crate::cli::site::{InventoryArg, Site};

/// Validate the inventory, then look at the hosts: can this be built here?
///
/// Looks at what would make `up` fail later: reachability, sudo, system and architecture, systemd, free disk,
/// ports already taken, firewalls, clocks, files and data of somebody else's, Docker. Changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kuboard-ha check
  kuboard-ha check production.yaml
  kuboard-ha check -o json | jq '.findings[] | select(.severity == \"blocked\")'

Exit codes: 0 ready, 3 the inventory is invalid, 4 a host is not reachable, 5 blocked.")]
pub struct CheckArgs {
    #[command(flatten)]
    inventory: InventoryArg,
    #[command(flatten)]
    saved: SavedFacts,
}

pub(super) async fn run(args: &CheckArgs, global: &Global, console: &Console) -> Result<Exit, CliError> {
    let site = Site::load(&args.inventory, console.stderr_canvas())?;
    let looked = look(site, &args.saved, Vec::new(), None, global, console).await?;
    let cluster = &looked.site.inventory.cluster;
    let document = CheckDocument::new(cluster, &looked.planning.findings);
    if console.is_json() {
        console.document(&document)?;
        return Ok(standing(&looked));
    }
    let canvas = console.canvas();
    let number = looked.site.inventory.hosts.len();
    let name = canvas.paint(Tone::Strong, cluster);
    let verdict = match document.verdict {
        CheckVerdict::Ready if looked.planning.plan.is_empty() => {
            let hosts = all_hosts_are(number);
            format!("{name}: {}; {hosts} as the inventory asks.", canvas.paint(Tone::Good, "ready"))
        }
        CheckVerdict::Ready => {
            let hosts = count(number, "host");
            format!(
                "{name}: {}; {hosts} can become what the inventory asks.",
                canvas.paint(Tone::Good, "ready")
            )
        }
        CheckVerdict::Blocked => format!("{name}: {}; see above.", canvas.paint(Tone::Bad, "blocked")),
        CheckVerdict::Unknown => {
            format!("{name}: {}; too little could be seen, see above.", canvas.paint(Tone::Warn, "unknown"))
        }
    };
    let findings = findings_view(&looked.planning.findings, canvas);
    let gap = if findings.is_empty() { "" } else { "\n" };
    console.result(&format!("{findings}{gap}{verdict}\n"))?;
    Ok(standing(&looked))
}
