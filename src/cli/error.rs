//! Errors as users meet them: what failed, why, and what to run next. The library's errors become one here.

use std::error::Error;
use std::fmt::Write as _;

use crate::cli::exit::Exit;
use crate::cli::output::text::{Canvas, Tone, clean, clean_line, wrap};
use crate::host::{HostError, HostErrorKind};
use crate::resource::HostName;

/// Why a command ends early.
#[derive(Clone, Debug)]
#[must_use]
pub struct CliError {
    /// The exit code it stands for.
    pub kind: Exit,
    /// What failed, one sentence without its full stop.
    pub error: String,
    /// Why, from the outside in.
    pub causes: Vec<String>,
    /// What to run or change next.
    pub hints: Vec<String>,
    /// A longer account, drawn already: source lines of an inventory, evidence of a host.
    pub report: String,
}

impl CliError {
    /// An error of that kind.
    pub fn new(kind: Exit, error: impl Into<String>) -> Self {
        Self { kind, error: error.into(), causes: Vec::new(), hints: Vec::new(), report: String::new() }
    }

    /// The same, because of what `source` and its sources say.
    pub fn because(mut self, source: &dyn Error) -> Self {
        let mut next = Some(source);
        while let Some(error) = next {
            let text = error.to_string();
            // Some libraries repeat their source in their own text.
            if !self.causes.iter().any(|cause| cause.ends_with(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// The same, with what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same, with a longer account.
    pub fn report(self, report: String) -> Self {
        Self { report, ..self }
    }

    /// A host that could not be used.
    pub fn host(name: &HostName, error: &HostError) -> Self {
        let kind = match error.kind {
            HostErrorKind::Local => Exit::Unexpected,
            _ => Exit::Unreachable,
        };
        let failed = Self::new(kind, format!("{name} could not be used")).because(error);
        match host_hint(name, error.kind) {
            Some(hint) => failed.hint(hint),
            None => failed,
        }
    }

    /// The text for people, ending with a line end.
    pub fn render(&self, canvas: &Canvas) -> String {
        let mut text = clean_report(&self.report);
        let mut say = |label: &str, tone, line: &str| {
            let lines = wrap(line, canvas.width.saturating_sub(label.len() + 1));
            let margin = format!("\n{}", " ".repeat(label.len() + 1));
            let _ = writeln!(text, "{} {}", canvas.paint(tone, label), lines.join(&margin));
        };
        say("error:", Tone::Bad, &clean_line(&self.error));
        for cause in &self.causes {
            say("  because", Tone::Dim, &clean(cause));
        }
        for hint in &self.hints {
            say("hint:", Tone::Good, &clean(hint));
        }
        text
    }
}

/// A report is drawn by this program; only its line ends have to be right.
fn clean_report(report: &str) -> String {
    match report.trim_end() {
        "" => String::new(),
        text => format!("{text}\n\n"),
    }
}

/// What helps against that kind of trouble with a host.
pub fn host_hint(name: &HostName, kind: HostErrorKind) -> Option<String> {
    match kind {
        HostErrorKind::Unreachable => Some(format!(
            "is {name} up, and is ssh.host, ssh.port and ssh.proxy_jump right? `ssh -v` to it tells more"
        )),
        HostErrorKind::Disconnected => {
            Some("what was running there may still run; the same command again waits for it".to_owned())
        }
        HostErrorKind::HostKeyUnknown => Some(
            "connect once with ssh and compare the key, or set `ssh: { host_keys: accept-new }` in the inventory"
                .to_owned(),
        ),
        HostErrorKind::HostKeyChanged => Some(format!(
            "if {name} was installed anew: `ssh-keygen -R ADDRESS`, then connect once with ssh; if not, somebody \
             may stand in between"
        )),
        HostErrorKind::Login => Some(
            "give a key (ssh.identity_file, or load it into the agent) or ssh.password; the user is ssh.user"
                .to_owned(),
        ),
        HostErrorKind::Sudo => {
            Some("give ssh.sudo_password, or let the user run sudo without one, or use root".to_owned())
        }
        HostErrorKind::SudoTty => {
            Some("`requiretty` in /etc/sudoers forbids sudo without a terminal; exempt this user".to_owned())
        }
        HostErrorKind::Protocol | HostErrorKind::Broken | HostErrorKind::Damaged | HostErrorKind::Local => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_why_and_what_next() {
        let error =
            HostError { kind: HostErrorKind::HostKeyUnknown, message: "host key verification failed".into() };
        let text =
            CliError::host(&HostName::new("etcd2"), &error).render(&Canvas { width: 72, colour: false });
        insta::assert_snapshot!(text, @r#"
        error: etcd2 could not be used
          because host key verification failed
        hint: connect once with ssh and compare the key, or set `ssh: {
              host_keys: accept-new }` in the inventory
        "#);
    }
}
