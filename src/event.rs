//! What happens during a run, told as data: one owned enum, past tense, versioned when serialised.
//! Renderers live in `cli::output`; nothing else prints.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::resource::{HostName, ResourceId};

/// The schema name that goes with serialised events.
pub const SCHEMA: &str = "kuboard-ha.event/1";

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// A run began; `run` names it on the hosts too.
    RunStarted {
        /// Random name of the run.
        run: String,
        /// All hosts of the inventory, in order.
        hosts: Vec<HostName>,
    },
    /// A connection is being made.
    HostConnecting {
        /// Where.
        host: HostName,
    },
    /// A host answered.
    HostConnected {
        /// Where.
        host: HostName,
    },
    /// A host could not be reached; a retry may follow.
    HostUnreachable {
        /// Where.
        host: HostName,
        /// Why.
        error: String,
        /// Whether another attempt follows.
        retrying: bool,
        /// Which attempt this was, from 1.
        attempt: usize,
        /// How many there are at most, trouble of this kind considered.
        attempts: usize,
    },
    /// All that can be seen on a host was read.
    HostGathered {
        /// Where.
        host: HostName,
        /// How long the look took, there and back.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
        /// How long its parts took on the host, by name, to a hundredth of a second; probes run side by side.
        #[serde(serialize_with = "each_in_seconds")]
        parts: BTreeMap<String, Duration>,
    },
    /// A plan was made (each round has one).
    Planned {
        /// 1 for the first.
        round: u32,
        /// How many jobs it has.
        jobs: usize,
        /// How many steps they have.
        steps: usize,
    },
    /// Another run holds the lease of a host; this one waits.
    LeaseAwaited {
        /// Where.
        host: HostName,
        /// Run, step and since when, as the holder wrote it.
        holder: String,
    },
    /// A download to this machine went on.
    DownloadProgressed {
        /// What is fetched.
        artifact: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all, where the server says so.
        total: Option<u64>,
    },
    /// A download ended and its digest matched.
    DownloadFinished {
        /// What was fetched.
        artifact: String,
        /// Its size.
        bytes: u64,
        /// Whether it was already in the cache.
        cached: bool,
    },
    /// An upload to a host went on.
    UploadProgressed {
        /// To which host.
        host: HostName,
        /// What is sent.
        artifact: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A job began on a host.
    JobStarted {
        /// The job's id.
        job: String,
        /// The stage it belongs to.
        stage: String,
        /// Where.
        host: HostName,
    },
    /// A step began.
    StepStarted {
        /// The job's id.
        job: String,
        /// Which step of the job, from 0.
        step: usize,
        /// Where.
        host: HostName,
        /// What it acts on.
        resource: ResourceId,
        /// What it does, in words.
        title: String,
    },
    /// A step that waits has not seen its effect yet.
    StepWaiting {
        /// The job's id.
        job: String,
        /// Which step of the job.
        step: usize,
        /// Where.
        host: HostName,
        /// What was seen last.
        seen: String,
    },
    /// A step ended with its effect observed.
    StepFinished {
        /// The job's id.
        job: String,
        /// Which step of the job.
        step: usize,
        /// Where.
        host: HostName,
        /// Whether anything had to be changed.
        changed: bool,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// A step failed; its job ends here, jobs after it are not begun.
    StepFailed {
        /// The job's id.
        job: String,
        /// Which step of the job.
        step: usize,
        /// Where.
        host: HostName,
        /// What it said.
        error: String,
        /// What the host shows: the lines that matter.
        evidence: Vec<String>,
        /// Why, where it is recognised.
        cause: Option<Box<Cause>>,
    },
    /// A job ended well.
    JobFinished {
        /// The job's id.
        job: String,
        /// Where.
        host: HostName,
    },
    /// A guard no longer held: the run looks again and plans again.
    JobFenced {
        /// The job's id.
        job: String,
        /// Where.
        host: HostName,
        /// Which guard.
        guard: String,
    },
    /// A signal asked the run to stop after the steps in hand.
    Interrupted {
        /// The signal's name.
        signal: String,
    },
}

/// Why something does not work, recognised by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Stable name: `port.taken`.
    pub code: String,
    /// What is wrong and where, one or two sentences.
    pub message: String,
    /// Literal next commands, or what to change.
    pub hint: String,
    /// Whether it stays until somebody does something: waiting is in vain.
    #[serde(skip)]
    pub lasting: bool,
    /// Hosts that this one waits for; it stays as long as what is wrong there.
    #[serde(skip)]
    pub waits_for: Vec<HostName>,
}

impl Cause {
    /// A cause that stays until somebody does something.
    pub fn new(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let (message, hint) = (message.into(), hint.into());
        Self { code: code.to_owned(), message, hint, lasting: true, waits_for: Vec::new() }
    }

    /// The same where it may pass by itself.
    #[must_use]
    pub fn passing(self) -> Self {
        Self { lasting: false, ..self }
    }
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

fn each_in_seconds<S: serde::Serializer>(
    parts: &BTreeMap<String, Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(parts.iter().map(|(name, took)| (name, took.as_secs_f64())))
}

/// Takes events; must not block and must not fail.
pub trait EventSink: Send + Sync {
    /// Takes one event.
    fn emit(&self, event: Event);
}

/// Forgets every event.
pub struct Silent;

impl EventSink for Silent {
    fn emit(&self, _event: Event) {}
}
