//! Carrying a plan out: the only code that changes hosts. It interprets; what a step means is in its shell text.

mod board;
mod explain;
mod lease;
mod run;
mod segment;
mod stage;
mod tell;
mod values;
mod wait;

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures::future::BoxFuture;

pub use self::lease::{LeaseError, lease};
pub use self::run::{Means, apply};
use crate::artifact;
use crate::event::{Cause, EventSink};
use crate::host::HostError;
use crate::plan::model::JobId;
use crate::resource::{Artifact, HostName, ResourceId};

/// What became of a plan.
#[derive(Debug, Default)]
#[must_use = "a plan that was not carried out whole says so here only"]
pub struct Outcome {
    /// How many steps changed something.
    pub changed: usize,
    /// Every step that failed; jobs after theirs were not begun, all others were.
    pub failed: Vec<FailedStep>,
    /// Guards that no longer held: look again and plan again.
    pub fenced: Vec<Fenced>,
    /// Hosts whose connection ended: what ran there may still run, so connect, wait for the lease and look again.
    pub disconnected: BTreeMap<HostName, HostError>,
    /// Asked to stop, it left jobs undone.
    pub interrupted: bool,
}

impl Outcome {
    /// Whether every job was done.
    pub fn is_whole(&self) -> bool {
        self.failed.is_empty() && self.fenced.is_empty() && self.disconnected.is_empty() && !self.interrupted
    }
}

/// A step that failed.
#[derive(Clone, Debug)]
pub struct FailedStep {
    /// Where.
    pub host: HostName,
    /// Which job.
    pub job: JobId,
    /// Which step of the job, from 0.
    pub step: usize,
    /// What it acts on.
    pub resource: ResourceId,
    /// What it was to do, in words.
    pub title: String,
    /// Why it failed, one line.
    pub error: String,
    /// What the host shows: the lines that matter, or the last ones of its output.
    pub evidence: Vec<String>,
    /// Why, where it is recognised.
    pub cause: Option<Cause>,
    /// What kind of failure.
    pub kind: FailureKind,
}

/// What a look at the host tells of a step that failed.
#[derive(Clone, Debug, Default)]
struct Account {
    /// The lines that matter; empty where the step's own output says it all.
    evidence: Vec<String>,
    /// Why, where it is recognised.
    cause: Option<Cause>,
}

/// What kind of failure a step's was.
#[derive(Clone, Debug)]
pub enum FailureKind {
    /// It ended with this status.
    Status(i32),
    /// Its time was up.
    TimedOut,
    /// It waited for what can no longer come about.
    InVain,
    /// An archive could not be had or was not what it should be.
    Artifact(Option<artifact::Error>),
    /// The host cannot do what every run needs, or the shell there did not keep to its protocol.
    Host(HostError),
    /// A secret that the step needs is not to be had.
    Secret,
}

/// A guard that no longer held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fenced {
    /// Where.
    pub host: HostName,
    /// The job that was not begun.
    pub job: JobId,
    /// The guard, in words.
    pub guard: String,
}

/// Where archives come from that are sent to hosts.
pub trait ArtifactSource: Send + Sync {
    /// The verified archive on this machine.
    fn path<'a>(
        &'a self,
        artifact: &'a Artifact,
        sink: &'a dyn EventSink,
    ) -> BoxFuture<'a, Result<PathBuf, artifact::Error>>;
}

impl ArtifactSource for artifact::Cache {
    fn path<'a>(
        &'a self,
        artifact: &'a Artifact,
        sink: &'a dyn EventSink,
    ) -> BoxFuture<'a, Result<PathBuf, artifact::Error>> {
        Box::pin(artifact::fetch(artifact, self, sink))
    }
}
