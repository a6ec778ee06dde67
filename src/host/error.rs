//! What goes wrong with a host, and whether another try may help.

use std::time::Duration;

/// Why a host could not be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    /// What kind, for retries.
    pub kind: HostErrorKind,
    /// What failed and why, secrets never in it.
    pub message: String,
    /// What to do about it: prose, and literal commands on lines that begin with two spaces.
    pub hint: Option<String>,
}

/// The kinds of trouble with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostErrorKind {
    /// There is no way to it: no route, a name server that does not answer.
    Unreachable,
    /// Nothing listens there.
    Refused,
    /// Nobody answers.
    Silent,
    /// The server hangs up before anybody logs in: too many at once, or it is starting or stopping.
    HungUp,
    /// The connection ended in the middle; what was running there may still run.
    Disconnected,
    /// Its name is unknown.
    NoSuchName,
    /// The bastion was reached and does not let us through.
    Forwarding,
    /// The host key is unknown.
    HostKeyUnknown,
    /// The host key changed.
    HostKeyChanged,
    /// No key or password was accepted.
    Login,
    /// The login shell does not run commands.
    Shell,
    /// sudo wants a password and none was given, or the one given is wrong, or the user may not use it.
    Sudo,
    /// sudo wants a terminal.
    SudoTty,
    /// The far side does not speak our protocol.
    Protocol,
    /// The host cannot do what every run needs: a full or read-only disk, a missing basic tool.
    Broken,
    /// A file arrived with another digest.
    Damaged,
    /// Something on this machine: no ssh client, a bad configuration file.
    Local,
}

const SECOND: Duration = Duration::from_secs(1);
const TWO: Duration = Duration::from_secs(2);
const THREE: Duration = Duration::from_secs(3);
const HALF: Duration = Duration::from_millis(500);

impl HostError {
    /// An error of this kind.
    pub fn new(kind: HostErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl HostErrorKind {
    /// Whether the same attempt may succeed a moment later.
    pub fn is_retryable(self) -> bool {
        !self.pauses().is_empty()
    }

    /// Whether something answered, or the trouble is on the way: then the host may well run.
    pub fn is_answer(self) -> bool {
        use HostErrorKind::{Disconnected, HungUp, NoSuchName, Refused, Silent, Unreachable};
        !matches!(self, Unreachable | Refused | Silent | HungUp | Disconnected | NoSuchName)
    }

    /// How long to wait before each further try; empty where none can go better.
    pub fn pauses(self) -> &'static [Duration] {
        match self {
            // A daemon that is being restarted is back soon; a machine that boots is not waited for.
            Self::Refused | Self::Disconnected => &[SECOND, TWO],
            // A neighbour that is off costs three seconds each time.
            Self::Unreachable => &[SECOND],
            // Each try has been a wait by itself.
            Self::Silent => &[Duration::ZERO],
            // Servers let ten in at a time (MaxStartups), and each takes its turn.
            Self::HungUp => &[HALF, SECOND, TWO, THREE],
            _ => &[],
        }
    }
}
