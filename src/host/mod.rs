//! Hosts as processes that can be started on them, and the resident shell that speaks through one.

mod answer;
mod boot;
pub mod cancel;
mod error;
pub mod fake;
pub mod fleet;
mod frame;
pub mod local;
mod options;
pub mod session;
pub mod ssh;
mod trouble;

use std::pin::Pin;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::boot::PRELUDE;
pub use self::error::{HostError, HostErrorKind};
pub use self::options::Deadlines;
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

/// A machine on which commands can be started.
pub trait Host: Send + Sync {
    /// Its name in the inventory.
    fn name(&self) -> &HostName;

    /// Starts a command there, within the deadlines for connecting where that must be done first.
    fn spawn(&self, cmd: &Cmd, deadlines: &Deadlines) -> BoxFuture<'_, Result<Process, HostError>>;
}
