//! Hosts as processes that can be started on them, and the resident shell that speaks through one.

mod answer;
mod boot;
pub mod cancel;
pub mod fake;
pub mod fleet;
mod frame;
pub mod local;
mod options;
pub mod session;
pub mod ssh;

use std::pin::Pin;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::resource::HostName;

/// A command for a host's login shell. Its text is a constant of this program: single-quoted words that every
/// login shell, fish too, passes on unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cmd {
    /// The text.
    pub text: String,
}

/// A running command. Dropping it closes its input; the far process is never killed.
pub struct Process {
    /// Its standard input.
    pub stdin: Pin<Box<dyn AsyncWrite + Send>>,
    /// Its standard output.
    pub stdout: Pin<Box<dyn AsyncRead + Send>>,
    /// Its standard error.
    pub stderr: Pin<Box<dyn AsyncRead + Send>>,
}

/// Why a host could not be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    /// What kind, for hints and retries.
    pub kind: HostErrorKind,
    /// What ssh, sudo or the shell said, secrets never in it.
    pub message: String,
}

/// The kinds of trouble with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostErrorKind {
    /// Refused, timed out, no route: worth another try.
    Unreachable,
    /// The connection ended in the middle; what was running there may still run.
    Disconnected,
    /// The host key is unknown.
    HostKeyUnknown,
    /// The host key changed.
    HostKeyChanged,
    /// No key or password was accepted.
    Login,
    /// sudo wants a password and none was given, or the one given is wrong, or the user may not use it.
    Sudo,
    /// sudo wants a terminal.
    SudoTty,
    /// The far shell did not speak our protocol.
    Protocol,
    /// The host cannot do what every run needs: a full or read-only disk, a missing basic tool.
    Broken,
    /// A file arrived with another digest.
    Damaged,
    /// Something on this machine: no ssh client, a bad configuration file.
    Local,
}

impl HostError {
    /// An error of this kind.
    pub fn new(kind: HostErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl HostErrorKind {
    /// Whether the same attempt may succeed a moment later.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Unreachable | Self::Disconnected)
    }
}

/// A machine on which commands can be started.
pub trait Host: Send + Sync {
    /// Its name in the inventory.
    fn name(&self) -> &HostName;

    /// Starts a command there.
    fn spawn(&self, cmd: &Cmd) -> BoxFuture<'_, Result<Process, HostError>>;
}
