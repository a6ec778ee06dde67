//! What a session needs to know before it begins.

use std::time::Duration;

use crate::secret::Secret;

/// How to become root where the login is not.
#[derive(Clone, Debug)]
pub struct Sudo {
    /// Sent only when sudo itself asks; `None` where it must not ask.
    pub password: Option<Secret<String>>,
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
    /// How long the shell may take to say `hello`, the login included.
    pub patience: Duration,
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
            patience: Duration::from_secs(20),
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
