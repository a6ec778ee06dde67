//! What planning finds, and how grave it is.

use serde::{Deserialize, Serialize};

use crate::event::Cause;
use crate::resource::HostName;

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
