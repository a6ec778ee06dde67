//! `up`: do it.

use std::fs::File;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use clap::Args;

use crate::cli::Global;
use crate::cli::command::{SavedFacts, look, standing};
use crate::cli::converge::{Consent, converge};
use crate::cli::engine::Cancel;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::hosts::{Hosts, Means};
use crate::cli::output::console::Console;
use crate::cli::output::document::PlanDocument;
use crate::cli::output::feed::Feed;
use crate::cli::output::findings_view::findings_view;
use crate::cli::output::json::Line;
use crate::cli::output::outcome_event::{OutcomeEvent, exit};
use crate::cli::output::outcome_view::outcome_view;
use crate::cli::output::plan_view::PlanView;
use crate::cli::output::text::elapsed;
use crate::cli::output::timings::Timings;
use crate::cli::output::timings_view::{timings_view, trace};
use crate::cli::signals;
use crate::cli::site::{InventoryArg, Site};
use crate::event::{Event, EventSink};
use crate::facts::Facts;
use crate::host::fleet::Patience;
use crate::plan::model::{Finding, Planning, Risk, Severity};
use crate::resource::HostName;

/// Make the hosts what the inventory says
///
/// Safe to repeat, to interrupt and to continue from another machine. On a terminal it asks before a running service is
/// restarted and before a member is replaced or removed; without a terminal, restarts go ahead one by one, and
/// replacing or removing a member needs --yes. It never asks on fresh hosts.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kuboard-ha up
  kuboard-ha up --dry-run                what `kuboard-ha plan` prints
  kuboard-ha up --yes -o json            in CI, events for programs
  kuboard-ha up --without etcd3          leave a dead host out for now

Ctrl-C finishes the steps in hand and says where it stands; a second one stops at
once. Both are safe, and `up` continues.

Exit codes: 0 ok, 3 the inventory is invalid, 4 a host is not reachable, 5 blocked or
not agreed to, 6 a step failed, 7 did not converge, 8 a download failed, 9 locked by
another run, 130 interrupted.")]
pub struct UpArgs {
    #[command(flatten)]
    inventory: InventoryArg,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Agree to everything, replacing and removing members included
    #[arg(short, long)]
    yes: bool,
    /// Leave a dead host out; refused where quorum needs it
    #[arg(long, value_name = "HOST")]
    without: Vec<String>,
    /// Say at the end where the time went; with =FILE write it there as a trace for Chrome or Perfetto
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "so clap tells a flag without a value")]
    timings: Option<Option<PathBuf>>,
    #[command(flatten)]
    saved: SavedFacts,
}

pub(super) async fn run(args: &UpArgs, global: &Global, console: &Console) -> Result<Exit, CliError> {
    let begun = Instant::now();
    let ended = up(args, global, console, begun).await;
    if let Err(error) = &ended
        && console.is_json()
        && !args.dry_run
    {
        // The stream ends with an outcome whatever happens.
        let event = OutcomeEvent::of_error(error, begun.elapsed().as_secs_f64());
        let _ = console.document(&Line::new(event, SystemTime::now()));
    }
    ended
}

async fn up(args: &UpArgs, global: &Global, console: &Console, begun: Instant) -> Result<Exit, CliError> {
    let site = Site::load(&args.inventory, console.stderr_canvas())?;
    let without = args.without.iter().map(|name| site.host(name)).collect::<Result<Vec<_>, _>>()?;
    if args.dry_run || args.saved.facts.is_some() {
        return dry_run(site, without, args, global, console).await;
    }
    let trace_file = args.timings.iter().flatten().next().map(|path| trace_file(path)).transpose()?;
    let site = site.with_secrets()?;
    let feed = console.run_feed();
    let timings = Arc::new(Timings::new(Arc::clone(&feed) as Arc<dyn EventSink>));
    let cancel = Cancel::new();
    signals::listen(&cancel, &feed);
    let events = Arc::clone(&timings) as Arc<dyn EventSink>;
    let means = Means {
        parallel: global.parallel.get(),
        without,
        patience: Patience::default(),
        look: None,
        cancel: cancel.clone(),
        events,
    };
    let mut hosts = Hosts::new(&site, means);
    let mut consent = Asking { site: &site, console, feed: &feed, cancel, yes: args.yes, warned: Vec::new() };
    let outcome = converge(&mut hosts, &mut consent).await;
    feed.finish();
    match (&args.timings, trace_file) {
        (None, _) => {}
        (Some(_), None) => console.say(&timings_view(&timings.account(), console.stderr_canvas())),
        (Some(_), Some(mut file)) => {
            if let Err(error) = file.write_all(trace(&timings.account()).to_string().as_bytes()) {
                console.say(&format!("the timings could not be written: {error}\n"));
            }
        }
    }
    let outcome = outcome?;
    // A result that nobody reads is no failure of the run.
    let _ = if console.is_json() {
        let event = OutcomeEvent::new(&site, &outcome, begun.elapsed().as_secs_f64());
        console.document(&Line::new(event, SystemTime::now()))
    } else {
        console.result(&outcome_view(&site, &outcome, &elapsed(begun.elapsed()), console.canvas()))
    };
    Ok(exit(&outcome))
}

/// The file for the trace. Made before anything else: a name that cannot be written to shall not be found out at the end.
fn trace_file(path: &Path) -> Result<File, CliError> {
    File::create(path).map_err(|error| {
        let what = format!("the timings cannot be written to {}", path.display());
        CliError::new(Exit::Usage, what).because(&error)
    })
}

async fn dry_run(
    site: Site,
    without: Vec<HostName>,
    args: &UpArgs,
    global: &Global,
    console: &Console,
) -> Result<Exit, CliError> {
    let looked = look(site, &args.saved, without, None, global, console).await?;
    let cluster = &looked.site.inventory.cluster;
    if console.is_json() {
        console.document(&PlanDocument::new(cluster, &looked.planning))?;
    } else {
        let view = PlanView { cluster, planning: &looked.planning, facts: &looked.facts, diff: false };
        console.result(&view.render(console.canvas()))?;
    }
    Ok(standing(&looked))
}

/// Asks whoever sits at the terminal.
struct Asking<'a> {
    site: &'a Site,
    console: &'a Console,
    feed: &'a Feed,
    cancel: Cancel,
    yes: bool,
    warned: Vec<Finding>,
}

impl Consent for Asking<'_> {
    async fn given(&mut self, planning: &Planning, facts: &Facts) -> bool {
        match planning.plan.risk() {
            _ if self.yes => true,
            Risk::None => true,
            risk if self.console.is_interactive() => {
                self.feed.clear();
                self.ask(planning, facts, risk).await
            }
            Risk::Restart => true,
            Risk::Replace => {
                self.feed.clear();
                self.console
                    .say("replacing or removing what holds data needs --yes where nobody can be asked\n");
                false
            }
        }
    }

    fn planned(&mut self, round: u32, planning: &Planning) {
        let plan = &planning.plan;
        self.feed.emit(Event::Planned { round, jobs: plan.jobs.len(), steps: plan.step_count() });
        if !plan.is_empty() && !planning.is_blocked() {
            self.warn(&planning.findings);
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }
}

impl Asking<'_> {
    /// Says each warning once, before what it is about changes: afterwards there may be nothing left that knows of it.
    fn warn(&mut self, findings: &[Finding]) {
        let news: Vec<Finding> = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Warning && !self.warned.contains(finding))
            .cloned()
            .collect();
        if !news.is_empty() && !self.console.is_quiet() {
            self.feed.clear();
            self.console.say(&findings_view(&news, self.console.stderr_canvas()));
        }
        self.warned.extend(news);
    }

    /// Shows the plan and waits for an answer or a signal.
    async fn ask(&self, planning: &Planning, facts: &Facts, risk: Risk) -> bool {
        let cluster = &self.site.inventory.cluster;
        let view = PlanView { cluster, planning, facts, diff: false };
        self.console.say(&view.render(self.console.stderr_canvas()));
        let what = match risk {
            Risk::Replace => "This replaces or removes what holds data: what is marked with !.",
            _ => "This restarts or reloads what runs, one host at a time where it matters.",
        };
        self.console.say(&format!("\n{what} Go on? [y/N] "));
        let (sender, answer) = tokio::sync::oneshot::channel();
        // A thread of its own: reading cannot be cancelled, and the process must be able to end without it.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = std::io::stdin().lock().read_line(&mut line);
            let _ = sender.send(read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes" | "Yes"));
        });
        tokio::select! {
            agreed = answer => agreed.unwrap_or(false),
            () = self.cancel.cancelled() => {
                self.console.say("\n");
                false
            }
        }
    }
}
