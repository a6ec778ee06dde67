//! What a session needs to know before it begins.

use std::time::Duration;

use crate::secret::Secret;

/// How to become root where the login is not.
#[derive(Clone, Debug)]
pub struct Sudo {
    /// Sent only when sudo itself asks; `None` where it must not ask.
    pub password: Option<Secret<String>>,
}

/// How long each part of dealing with a host may take. What takes longer has failed.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// Until the host accepts a connection and says who it is; whole seconds.
    pub accept: Duration,
    /// From there to a login: keys exchanged, name servers and PAM satisfied.
    pub login: Duration,
    /// From a login to a root shell that says `hello`; login scripts and sudo included.
    pub hello: Duration,
    /// For an answer, beyond the time that the work itself may take.
    pub answer: Duration,
    /// Without the host taking a single byte of what is sent to it.
    pub stall: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            accept: Duration::from_secs(10),
            login: Duration::from_secs(20),
            hello: Duration::from_secs(20),
            answer: Duration::from_secs(15),
            stall: Duration::from_secs(30),
        }
    }
}

/// What a session needs to know before it begins.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Become root through sudo where the login is not; `None` never does.
    pub sudo: Option<Sudo>,
    /// The cluster's name, `[a-z0-9-]`.
    pub cluster: String,
    /// The run's name, `[a-zA-Z0-9-]`.
    pub run: String,
    /// Shell functions that every look, guard and step finds defined.
    pub runtime: String,
    /// How long each part may take.
    pub deadlines: Deadlines,
    /// How long a shell that holds the lease stays when it hears nothing.
    pub watchdog: Duration,
    /// Where state lies on hosts.
    pub state_root: String,
    /// Where work in progress lies on hosts: root-only, gone with a reboot.
    pub run_root: String,
    /// The far shell.
    pub interpreter: String,
}

impl SessionOptions {
    /// The options of a run on hosts as they are.
    pub fn new(cluster: &str, run: &str, runtime: &str) -> Self {
        Self {
            sudo: None,
            cluster: cluster.to_owned(),
            run: run.to_owned(),
            runtime: runtime.to_owned(),
            deadlines: Deadlines::default(),
            watchdog: Duration::from_secs(30),
            state_root: "/var/lib/kuboard-ha".to_owned(),
            run_root: "/run/kuboard-ha".to_owned(),
            interpreter: "/bin/sh".to_owned(),
        }
    }

    pub(super) fn state(&self) -> String {
        format!("{}/{}", self.state_root, self.cluster)
    }
}
