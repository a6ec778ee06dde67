//! The one place where the command line meets the parts that look at hosts and change them.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use crate::cli::converge::{Applied, World};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::site::Site;
use crate::event::EventSink;
use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::plan::model::{Plan, Planning};
use crate::resource::HostName;

/// One thing that is wrong in an inventory.
#[derive(Clone, Debug)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// Bytes of the text.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// Whether the span must not be shown.
    pub secret: bool,
}

/// One thing that works and is better done otherwise.
#[derive(Clone, Debug)]
pub struct Advice {
    /// From 1.
    pub line: usize,
    /// For programs.
    pub code: &'static str,
    /// What was seen.
    pub message: String,
    /// What would be better.
    pub hint: Option<String>,
}

/// A valid inventory.
pub struct Loaded {
    /// What it says.
    pub inventory: Inventory,
    /// What could be better.
    pub advice: Vec<Advice>,
}

/// Reads an inventory; relative paths in it start at `folder`.
pub fn load(_text: &str, _folder: &Path) -> Result<Loaded, Vec<Problem>> {
    Err(Vec::new())
}

/// The text with `*` in place of secrets.
pub fn masked(text: &str, _problems: &[Problem]) -> String {
    text.to_owned()
}

/// A wish to stop, shared by its copies.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Cancel {
    /// Nothing is to stop yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Asks all to stop.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was asked.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns as soon as it is asked.
    pub async fn cancelled(&self) {
        let mut wish = self.0.subscribe();
        let _ = wish.wait_for(|asked| *asked).await;
    }
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
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

/// The exact script of a host's jobs.
pub fn script(_site: &Site, _planning: &Planning, _host: &HostName) -> Result<String, CliError> {
    Err(CliError::new(Exit::Unexpected, "this build cannot print scripts yet"))
}
