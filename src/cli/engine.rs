//! The one place where the command line meets the parts that look at hosts and change them.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::cli::converge::{Applied, World};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::site::Site;
use crate::event::EventSink;
use crate::facts::Facts;
pub use crate::host::cancel::Cancel;
use crate::inventory::{self, Context};
pub use crate::inventory::{Advice, Loaded, Problem, masked};
use crate::plan::model::{Plan, Planning};
use crate::plan::script::{RUNTIME, script as job_script};
use crate::plan::title::step_title;
use crate::resource::HostName;

/// Reads an inventory; relative paths in it start at `folder`.
pub fn load(text: &str, folder: &Path) -> Result<Loaded, Vec<Problem>> {
    let home = std::env::home_dir();
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| error.to_string());
    inventory::load(text, &Context { folder, home: home.as_deref(), read: &read })
}

/// How the hosts are used.
#[derive(Clone)]
pub struct Means {
    /// Hosts at once.
    pub parallel: usize,
    /// Hosts that are left out.
    pub without: Vec<HostName>,
    /// The wish to stop.
    pub cancel: Cancel,
    /// Where events go.
    pub events: Arc<dyn EventSink>,
}

/// The hosts of a site, as `up` uses them.
pub struct Hosts<'a> {
    site: &'a Site,
    means: Means,
}

impl<'a> Hosts<'a> {
    /// Nothing is connected yet.
    pub fn new(site: &'a Site, means: Means) -> Self {
        Self { site, means }
    }
}

impl World for Hosts<'_> {
    async fn look(&mut self) -> Result<Facts, CliError> {
        let _ = (&self.means.parallel, &self.means.without, &self.means.events);
        Err(CliError::new(Exit::Unexpected, "this build cannot look at hosts yet"))
    }

    fn plan(&self, facts: &Facts) -> Planning {
        planning(self.site, facts)
    }

    async fn apply(&mut self, _plan: &Plan) -> Result<Applied, CliError> {
        Err(CliError::new(Exit::Unexpected, "this build cannot change hosts yet"))
    }
}

/// What planning says, with the advice about the inventory.
pub fn planning(site: &Site, facts: &Facts) -> Planning {
    let mut planning = crate::plan::plan(&site.inventory, facts);
    planning.findings.extend(site.advice.iter().cloned());
    planning.findings.sort();
    planning
}

/// The script of a host's jobs: the functions that every step finds defined, then guards and steps as they are sent.
pub fn script(site: &Site, planning: &Planning, host: &HostName) -> String {
    let mut text = format!(
        "# what kuboard-ha would run on {host}, as root; each step in a subshell of its own\n{RUNTIME}"
    );
    for job in planning.plan.jobs.iter().filter(|job| job.host == *host) {
        let script = job_script(job, site.inventory.transfer);
        let after: Vec<_> = job.after.iter().map(ToString::to_string).collect();
        let _ = write!(text, "\n# job {}", script.id);
        let _ =
            if after.is_empty() { writeln!(text) } else { writeln!(text, ", after {}", after.join(", ")) };
        for (title, guard) in &script.guards {
            let _ = writeln!(text, "# only while: {title}\n( set -eu\n{guard}\n)");
        }
        for (step, sent) in job.steps.iter().zip(&script.steps) {
            let again = if sent.waits { "again and again, " } else { "" };
            let limit = sent.limit.as_secs();
            let _ = writeln!(
                text,
                "# {} ({again}at most {limit} s)\n( set -eu\n{}\n)",
                step_title(step),
                sent.text
            );
        }
    }
    text
}
