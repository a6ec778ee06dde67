//! `plan`: what would `up` do, and why?

use clap::Args;

use crate::cli::Global;
use crate::cli::command::{SavedFacts, look, standing};
use crate::cli::engine;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::output::console::Console;
use crate::cli::output::document::PlanDocument;
use crate::cli::output::plan_view::PlanView;
use crate::cli::site::{InventoryArg, Site};

/// Show what `up` would do, and why, step by step
///
/// Looks at the hosts and changes nothing. Marks: + is missing, ~ differs, · follows from another step, ! replaces or
/// removes a member.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kuboard-ha plan
  kuboard-ha plan --diff                 files before and after, secrets masked
  kuboard-ha plan --script etcd1         the exact script that etcd1 would run
  kuboard-ha plan --check || alert       in a nightly job: does anything differ?

Exit codes: 0 ok, 3 the inventory is invalid, 4 a host is not reachable, 5 blocked,
10 with --check: not empty.")]
pub struct PlanArgs {
    #[command(flatten)]
    inventory: InventoryArg,
    /// Show files before and after, secrets masked
    #[arg(long)]
    diff: bool,
    /// Print the exact script of that host's jobs instead
    #[arg(long, value_name = "HOST", conflicts_with = "diff")]
    script: Option<String>,
    /// Exit with 10 if there is anything to do
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    saved: SavedFacts,
}

pub(super) async fn run(args: &PlanArgs, global: &Global, console: &Console) -> Result<Exit, CliError> {
    let site = Site::load(&args.inventory, console.stderr_canvas())?;
    let script_of = args.script.as_ref().map(|name| site.host(name)).transpose()?;
    let looked = look(site, &args.saved, Vec::new(), None, global, console).await?;
    let cluster = &looked.site.inventory.cluster;
    if let Some(host) = script_of {
        console.result(&engine::script(&looked.site, &looked.planning, &host))?;
    } else if console.is_json() {
        console.document(&PlanDocument::new(cluster, &looked.planning))?;
    } else {
        let view = PlanView { cluster, planning: &looked.planning, facts: &looked.facts, diff: args.diff };
        console.result(&view.render(console.canvas()))?;
        if !console.is_quiet() && !looked.planning.is_blocked() && !looked.planning.plan.is_empty() {
            console.say(&format!("\nNothing was changed. `kuboard-ha up {}` does it.\n", looked.site.name));
        }
    }
    let pending = args.check && !looked.planning.plan.is_empty();
    Ok(Exit::first_of([standing(&looked), if pending { Exit::Pending } else { Exit::Ok }]))
}
