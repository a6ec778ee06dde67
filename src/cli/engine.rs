//! Where the command line meets the pure parts: inventories read, plans made, scripts shown.

use std::fmt::Write as _;
use std::path::Path;

use crate::cli::files;
use crate::cli::site::Site;
use crate::facts::Facts;
pub use crate::host::cancel::Cancel;
use crate::inventory::{self, Context};
pub use crate::inventory::{Advice, Loaded, Problem, masked};
use crate::plan::model::{Action, Planning};
use crate::plan::script::{RUNTIME, script as job_script};
use crate::plan::title::step_title;
use crate::resource::HostName;

/// Reads an inventory; relative paths in it start at `folder`.
pub fn load(text: &str, folder: &Path) -> Result<Loaded, Vec<Problem>> {
    let home = std::env::home_dir();
    let read = |path: &Path| {
        files::read(path, inventory::LARGEST).and_then(files::text).map_err(|error| error.to_string())
    };
    inventory::load(text, &Context { folder, home: home.as_deref(), read: &read })
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
            let sent_text = match &step.action {
                // An address may hold a token.
                Action::Stage { artifact } => sent.text.replace(&artifact.source, &artifact.shown_source()),
                _ => sent.text.clone(),
            };
            let again = if sent.waits { "again and again, " } else { "" };
            let limit = sent.limit.as_secs();
            let _ = writeln!(
                text,
                "# {} ({again}at most {limit} s)\n( set -eu\n{}\n)",
                step_title(step),
                sent_text
            );
        }
    }
    text
}
