//! A plan: jobs on hosts, made of steps, in an order. Pure data; what it means is told by `effects`, what it
//! runs by `script`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::Serialize;

pub use crate::plan::action::{
    Action, Check, ContainerChange, ContainerSpec, ImageSource, SecretChange, UnitChange,
};
pub use crate::plan::finding::{Finding, Severity};
use crate::resource::{HostName, ResourceId};

/// What planning gives: what to do, and what was found on the way.
#[derive(Clone, Debug, Default, Serialize)]
#[must_use = "a planning holds findings that may forbid its plan"]
pub struct Planning {
    /// What to do; empty when nothing differs.
    pub plan: Plan,
    /// What was found; any of severity blocked forbids the plan.
    pub findings: Vec<Finding>,
}

impl Planning {
    /// Whether a finding forbids going on.
    pub fn is_blocked(&self) -> bool {
        self.findings.iter().any(|finding| matches!(finding.severity, Severity::Blocked | Severity::Unknown))
    }
}

/// Jobs in stages. Stages are headings for people, not barriers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plan {
    /// The headings, in order.
    pub stages: Vec<Stage>,
    /// The jobs, in an order that respects `after`.
    pub jobs: Vec<Job>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// How many steps it has.
    pub fn step_count(&self) -> usize {
        self.jobs.iter().map(|job| job.steps.len()).sum()
    }

    /// The gravest risk of any step.
    pub fn risk(&self) -> Risk {
        self.jobs.iter().flat_map(|job| &job.steps).map(|step| step.risk).max().unwrap_or(Risk::None)
    }
}

/// A heading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Its id, as jobs name it.
    pub id: StageId,
    /// As people read it.
    pub title: String,
}

/// Names a stage: `etcd`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct StageId(pub String);

/// Names a job: `etcd.start@etcd1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct JobId(String);

impl JobId {
    /// `WHAT@HOST`.
    pub fn new(what: &str, host: &HostName) -> Self {
        Self(format!("{what}@{host}"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Steps on one host that run one after another.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Its heading.
    pub stage: StageId,
    /// Where it runs.
    pub host: HostName,
    /// Jobs that must have ended well before.
    pub after: BTreeSet<JobId>,
    /// What must still hold when it begins, else look and plan again.
    pub guards: Vec<Guard>,
    /// What it does; never empty in a finished plan.
    pub steps: Vec<Step>,
}

/// One atomic change, or one wait.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What it acts on.
    pub resource: ResourceId,
    /// What it does.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// What it may disturb.
    pub risk: Risk,
    /// How long it may take before it counts as failed.
    pub limit: Duration,
}

/// Why a step is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The thing is not there.
    Missing,
    /// The thing is not as asked: `ETCD_SNAPSHOT_COUNT 10000 -> 50000`.
    Differs(String),
    /// Another step calls for it: `so that the new configuration is used`.
    Needed(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Differs(what) | Self::Needed(what) => f.write_str(what),
        }
    }
}

/// What a step may disturb, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Nothing that runs.
    None,
    /// A running service is restarted, reloaded or re-created: asked on a terminal.
    Restart,
    /// A member is replaced or removed, an audit log begun anew: needs `--yes` without a terminal.
    Replace,
}

/// Shell text that a service owns, and its arguments. The text is constant; what varies are arguments, which
/// reach it as single-quoted shell variables, so no value is ever read as shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Procedure {
    /// `etcd.remove-member`: names it in plans, scripts and effects.
    pub name: &'static str,
    /// POSIX shell; runs as `( set -eu; … )` with the functions of `plan/steps.sh` at hand.
    #[serde(skip)]
    pub text: &'static str,
    /// Variables set before the text: `[a-z_]+` to any text without NUL.
    pub args: BTreeMap<&'static str, String>,
}

impl Procedure {
    /// A procedure with these arguments.
    pub fn new<const N: usize>(
        name: &'static str,
        text: &'static str,
        args: [(&'static str, String); N],
    ) -> Self {
        Self { name, text, args: BTreeMap::from(args) }
    }
}

/// What must still hold when a job begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Guard {
    /// As people read it: `no data in /var/lib/etcd`.
    pub title: String,
    /// Exits 0 while it holds.
    pub test: Procedure,
}
