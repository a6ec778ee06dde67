//! A plan: jobs on hosts, made of steps, in an order. Pure data; what it means is told by `effects`, what it
//! runs by `script`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Cause;
use crate::resource::{Artifact, Content, ContentKey, HostName, ResourceId};
use crate::secret::SecretId;

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

/// A checker for a file, run on the new content before it replaces the old.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The program's name, for people: `haproxy -c`.
    pub title: &'static str,
    /// Shell; `$new` is the path of the new file. Exits 0 on a good one.
    #[serde(skip)]
    pub text: &'static str,
}

/// What a step does. Closed and small; there is no way to run free shell text.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Brings an archive to the host: uploaded or downloaded there, digest verified there. Runs beside the shell.
    Stage {
        /// Which.
        artifact: Artifact,
    },
    /// Unpacks a staged archive into a new directory, moved into place in one rename.
    Install {
        /// Which.
        artifact: Artifact,
        /// The versioned directory.
        directory: String,
        /// Files and folders to take, as patterns below the archive's top folder; empty takes all.
        members: Vec<String>,
    },
    /// Makes a directory, or corrects its mode and owner.
    MakeDir {
        /// Absolute path.
        path: String,
        /// Permission bits.
        mode: u32,
        /// `user:group`.
        owner: String,
    },
    /// Writes a file: temporary file beside it, mode and owner first, checked, synced, renamed, recorded.
    WriteFile {
        /// Absolute path.
        path: String,
        /// Permission bits.
        mode: u32,
        /// `user:group`.
        owner: String,
        /// What it shall hold.
        content: Content,
        /// Run on it before it counts.
        check: Option<Check>,
    },
    /// Points a symbolic link, in one rename.
    Link {
        /// The link.
        path: String,
        /// What it points to.
        target: String,
    },
    /// Removes a file that is recorded as ours.
    Remove {
        /// Absolute path.
        path: String,
    },
    /// Moves what is in a directory to `aside-RUN/` inside it.
    SetAside {
        /// Absolute path.
        path: String,
    },
    /// Makes a system user with a group of the same name.
    User {
        /// The name.
        name: String,
        /// Its home, not created.
        home: String,
    },
    /// Installs packages of the distribution.
    Package {
        /// Their names there.
        names: Vec<String>,
    },
    /// Writes settings to a file under `/etc/sysctl.d` and applies them.
    Sysctl {
        /// The file.
        path: String,
        /// Names and values.
        settings: BTreeMap<String, String>,
    },
    /// Changes a unit's state.
    Unit {
        /// `etcd.service`.
        unit: String,
        /// What to do.
        change: UnitChange,
        /// Files whose recorded keys, joined by `+`, are stamped in `/run` as what the process now runs.
        stamp: Vec<String>,
    },
    /// Brings a container image to the host's engine.
    Image {
        /// `name:tag`.
        image: String,
        /// From where.
        source: ImageSource,
    },
    /// Creates a container, replacing one of the same name that carries our label.
    Container(ContainerSpec),
    /// Makes or brings a secret.
    Secret {
        /// Which.
        id: SecretId,
        /// How.
        change: SecretChange,
    },
    /// Writes entries of the manifest.
    Record {
        /// `KIND NAME` to value.
        entries: BTreeMap<String, String>,
    },
    /// Runs a service's own procedure.
    Call(Procedure),
    /// Waits until a service's probe exits 0; its last line says what was seen.
    Await(Procedure),
}

/// A change of a unit's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitChange {
    /// Reads unit files again.
    DaemonReload,
    /// Starts it at boot.
    Enable,
    /// No longer starts it at boot, and stops it.
    DisableNow,
    /// Starts it and waits for systemd's word.
    Start,
    /// Starts it without waiting: a member alone is never ready.
    StartNoBlock,
    /// Stops it and starts it.
    Restart,
    /// Stops and starts it without waiting.
    RestartNoBlock,
    /// Reads its configuration again.
    Reload,
    /// Stops it.
    Stop,
}

/// Where an image comes from.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSource {
    /// From its registry, with a login where one is given (the password is `registry-password`).
    Pull {
        /// The user.
        username: Option<String>,
    },
    /// From a staged archive.
    Load {
        /// Which.
        artifact: Artifact,
    },
}

/// A container to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContainerSpec {
    /// Its name.
    pub name: String,
    /// `name:tag`.
    pub image: String,
    /// `--env-file`.
    pub env_file: String,
    /// `ADDRESS:PORT:PORT/tcp`, IPv6 bracketed.
    pub publish: Vec<String>,
    /// `HOST:CONTAINER[:OPTIONS]`.
    pub volumes: Vec<String>,
    /// Further options of `docker run`, in order: `--log-opt`, `max-size=50m`.
    pub options: Vec<String>,
}

impl ContainerSpec {
    /// The value of the label `kuboard-ha.config`: what the container was created from, given the recorded key
    /// of its environment file. The host builds the same text as `DIGEST-KEY`.
    pub fn label(&self, env: &ContentKey) -> String {
        format!("{}-{env}", self.digest())
    }

    /// The digest of everything but the environment, 16 digits.
    pub fn digest(&self) -> String {
        let text = format!(
            "{}\n{}\n{}\n{}\n{}",
            self.name,
            self.image,
            self.publish.join(" "),
            self.volumes.join(" "),
            self.options.join(" ")
        );
        ContentKey::of_text(&text).as_str()[..16].to_owned()
    }
}

/// How a secret comes to a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretChange {
    /// Random letters and digits are drawn there.
    Mint {
        /// How many.
        length: u8,
    },
    /// Copied from a host that has it, through this machine's memory.
    Copy {
        /// Which host.
        from: HostName,
    },
    /// Given by the user.
    Supply,
}

/// Something worth saying about the inventory or a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// How grave.
    pub severity: Severity,
    /// Stable name: `etcd.foreign-data`.
    pub code: String,
    /// Where; `None` for the cluster as a whole.
    pub host: Option<HostName>,
    /// What was seen and why it matters, one or two sentences.
    pub message: String,
    /// Literal next commands, or what to change.
    pub hint: Option<String>,
}

impl Finding {
    /// A finding about a host.
    pub fn on(host: &HostName, severity: Severity, code: &str, message: impl Into<String>) -> Self {
        Self {
            severity,
            code: code.to_owned(),
            host: Some(host.clone()),
            message: message.into(),
            hint: None,
        }
    }

    /// A finding about the cluster.
    pub fn cluster(severity: Severity, code: &str, message: impl Into<String>) -> Self {
        Self { severity, code: code.to_owned(), host: None, message: message.into(), hint: None }
    }

    /// A cause that was seen before it did harm; `None` for the cluster.
    pub fn of(host: Option<&HostName>, severity: Severity, cause: Cause) -> Self {
        let Cause { code, message, hint, .. } = cause;
        Self { severity, code, host: host.cloned(), message, hint: Some(hint) }
    }

    /// With what to do next.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// How grave a finding is; the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Forbids the plan.
    Blocked,
    /// Could not be seen, and must be before the plan may run.
    Unknown,
    /// Deserves attention, forbids nothing.
    Warning,
    /// Worth knowing.
    Note,
}
