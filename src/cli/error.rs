//! Errors as users meet them: what failed, why, and what to run next. The library's errors become one here.

use std::error::Error;
use std::fmt::Write as _;

use crate::cli::exit::Exit;
use crate::cli::output::text::{Canvas, Tone, clean, clean_line, count, wrap};
use crate::host::{HostError, HostErrorKind};
use crate::plan::model::Finding;
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
    pub report: Box<str>,
    /// What that account tells of, for programs.
    pub findings: Box<[Finding]>,
    /// How many steps of the same run changed something before.
    pub changed: usize,
}

impl CliError {
    /// An error of that kind.
    pub fn new(kind: Exit, error: impl Into<String>) -> Self {
        Self {
            kind,
            error: error.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            report: Box::default(),
            findings: Box::default(),
            changed: 0,
        }
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
        Self { report: report.into(), ..self }
    }

    /// The same, with what the account tells of, for programs.
    pub fn findings(self, findings: impl IntoIterator<Item = Finding>) -> Self {
        Self { findings: findings.into_iter().collect(), ..self }
    }

    /// The same, after that many steps changed something.
    pub fn after(self, changed: usize) -> Self {
        Self { changed, ..self }
    }

    /// A host that could not be used.
    pub fn host(name: &HostName, error: &HostError) -> Self {
        let kind = match error.kind {
            HostErrorKind::Local => Exit::Unexpected,
            _ => Exit::Unreachable,
        };
        let failed = Self::new(kind, format!("{name} could not be used")).because(error);
        match (&error.hint, error.kind) {
            (Some(hint), _) => failed.hint(hint),
            (None, HostErrorKind::Disconnected) => {
                failed.hint("what was running there may still run; the same command again waits for it")
            }
            (None, _) => failed,
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
        if self.changed > 0 {
            let _ = writeln!(text, "Before that, {} changed something.", count(self.changed, "step"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_why_and_what_next() {
        let error = HostError::new(HostErrorKind::HostKeyUnknown, "the host key is not known here")
            .hint("accept it:\n  ssh root@10.0.0.1 true");
        let text =
            CliError::host(&HostName::new("etcd2"), &error).render(&Canvas { width: 72, colour: false });
        insta::assert_snapshot!(text, @r#"
        error: etcd2 could not be used
          because the host key is not known here
        hint: accept it:
                ssh root@10.0.0.1 true
        "#);
    }

    #[test]
    fn an_error_in_the_middle_of_a_run_says_what_was_changed() {
        let error = CliError::new(Exit::Locked, "etcd2 is locked by run r1").after(4);
        let text = error.render(&Canvas { width: 72, colour: false });
        assert_eq!(text, "error: etcd2 is locked by run r1\nBefore that, 4 steps changed something.\n");
    }
}
