//! How `up` ended, for programs: its exit code and its last event.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::converge::{Failure, Hindrance, UpOutcome, UpResult, losses};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::site::Site;
use crate::facts::model::HostState;
use crate::plan::model::Finding;

/// The last event of `up`.
#[derive(Serialize)]
pub struct OutcomeEvent<'a> {
    kind: &'static str,
    result: &'static str,
    exit: u8,
    changed: usize,
    elapsed: f64,
    cluster: Option<&'a str>,
    url: Option<&'a str>,
    error: Option<String>,
    hints: Vec<String>,
    failures: &'a [Failure],
    findings: &'a [Finding],
}

impl<'a> OutcomeEvent<'a> {
    /// How a run ended, after that many seconds.
    pub fn new(site: &'a Site, outcome: &'a UpOutcome, elapsed: f64) -> Self {
        Self {
            kind: "outcome",
            result: word(outcome.result),
            exit: exit(outcome).code(),
            changed: outcome.changed,
            elapsed,
            cluster: Some(&site.inventory.cluster),
            url: Some(&site.inventory.kuboard.url),
            error: hindered(outcome),
            hints: hints(site, outcome),
            failures: &outcome.failures,
            findings: &outcome.planning.findings,
        }
    }

    /// A run that an error ended after so many seconds.
    pub fn of_error(error: &'a CliError, elapsed: f64) -> Self {
        let mut text = error.error.clone();
        for cause in &error.causes {
            let _ = write!(text, ": {cause}");
        }
        let result = match error.kind {
            Exit::Interrupted => "interrupted",
            Exit::Unreachable | Exit::Blocked | Exit::Locked => "blocked",
            _ => "failed",
        };
        Self {
            kind: "outcome",
            result,
            exit: error.kind.code(),
            changed: error.changed,
            elapsed,
            cluster: None,
            url: None,
            error: Some(text),
            hints: error.hints.clone(),
            failures: &[],
            findings: &error.findings,
        }
    }
}

/// The exit code of an outcome.
pub fn exit(outcome: &UpOutcome) -> Exit {
    match outcome.result {
        UpResult::Converged | UpResult::Unchanged => Exit::Ok,
        UpResult::Blocked if unreachable(outcome) => Exit::Unreachable,
        UpResult::Blocked | UpResult::Declined => Exit::Blocked,
        UpResult::Failed if outcome.failures.iter().any(|failure| failure.download) => Exit::Download,
        UpResult::Failed => Exit::ApplyFailed,
        UpResult::NotConverged => Exit::NotConverged,
        UpResult::Interrupted => Exit::Interrupted,
    }
}

/// What a run that nobody agreed to says of itself.
pub const NOT_AGREED: &str = "not agreed to";

/// What helps against the failures, each once; where nothing failed and something is left; where consent was missing for
/// what cannot be taken back.
pub fn hints(site: &Site, outcome: &UpOutcome) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for hint in outcome.failures.iter().filter_map(|failure| failure.hint.as_ref()) {
        if !hints.contains(hint) {
            hints.push(hint.clone());
        }
    }
    if outcome.result == UpResult::NotConverged {
        hints.push(
            if is_cut(outcome) {
                "what was done stays; when the connections hold, the same command continues"
            } else {
                "something else may be changing these hosts: see what is left with kuboard-ha plan"
            }
            .to_owned(),
        );
    }
    if outcome.result == UpResult::Declined && !losses(&outcome.planning.plan).is_empty() {
        hints.push(format!("where that is right: `kuboard-ha up {} --yes`", site.name));
    }
    hints
}

/// Whether a connection was lost while the last plan was carried out.
pub fn is_cut(outcome: &UpOutcome) -> bool {
    outcome.hindrances.iter().any(|kept| matches!(kept, Hindrance::Cut { .. }))
}

/// A hindrance as a line.
pub fn hindrance(hindrance: &Hindrance) -> String {
    match hindrance {
        Hindrance::Cut { host, error } => format!("{host}: the connection was lost: {error}"),
        Hindrance::Changed { host, guard } => format!("{host}: no longer so: {guard}"),
        Hindrance::OtherRun => "another run was at work since the look".to_owned(),
    }
}

/// What kept a run from its end that nothing failed in.
fn hindered(outcome: &UpOutcome) -> Option<String> {
    match outcome.result {
        UpResult::Declined => {
            let losses = losses(&outcome.planning.plan);
            let colon = if losses.is_empty() { "" } else { ": " };
            Some(format!("{NOT_AGREED}{colon}{}", losses.join("; ")))
        }
        UpResult::NotConverged if !outcome.hindrances.is_empty() => {
            let lines: Vec<String> = outcome.hindrances.iter().map(hindrance).collect();
            Some(lines.join("; "))
        }
        _ => None,
    }
}

fn unreachable(outcome: &UpOutcome) -> bool {
    outcome.facts.hosts.iter().any(|(name, host)| {
        matches!(host, HostState::Unreachable { .. }) && !outcome.facts.without.contains(name)
    })
}

fn word(result: UpResult) -> &'static str {
    match result {
        UpResult::Converged => "converged",
        UpResult::Unchanged => "unchanged",
        UpResult::Blocked | UpResult::Declined => "blocked",
        UpResult::Failed | UpResult::NotConverged => "failed",
        UpResult::Interrupted => "interrupted",
    }
}
