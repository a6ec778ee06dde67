//! How `up` ended: what stands, where it is, what to do next.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::converge::{Failure, UpOutcome, UpResult};
use crate::cli::exit::Exit;
use crate::cli::output::findings_view::findings_view;
use crate::cli::output::text::{Canvas, Tone, all_hosts_are, clean_line, count};
use crate::cli::site::Site;
use crate::facts::model::HostState;
use crate::plan::model::{Finding, Severity};
use crate::plan::title::step_title;
use crate::secret::SecretId;

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
            error: None,
            hints: Vec::new(),
            failures: &outcome.failures,
            findings: &outcome.planning.findings,
        }
    }

    /// A run that an error ended.
    pub fn of_error(error: &'a crate::cli::error::CliError) -> Self {
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
            changed: 0,
            elapsed: 0.0,
            cluster: None,
            url: None,
            error: Some(text),
            hints: error.hints.clone(),
            failures: &[],
            findings: &[],
        }
    }
}

/// The exit code of an outcome.
pub fn exit(outcome: &UpOutcome) -> Exit {
    match outcome.result {
        UpResult::Converged | UpResult::Unchanged => Exit::Ok,
        UpResult::Blocked if unreachable(outcome) => Exit::Unreachable,
        UpResult::Blocked | UpResult::Declined => Exit::Blocked,
        UpResult::Failed => Exit::ApplyFailed,
        UpResult::NotConverged => Exit::NotConverged,
        UpResult::Interrupted => Exit::Interrupted,
    }
}

fn unreachable(outcome: &UpOutcome) -> bool {
    outcome.facts.hosts.values().any(|host| matches!(host, HostState::Unreachable { .. }))
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

/// The outcome for people, ending with a line end.
pub fn outcome_view(site: &Site, outcome: &UpOutcome, took: &str, canvas: &Canvas) -> String {
    let cluster = canvas.paint(Tone::Strong, &site.inventory.cluster);
    let changed = format!("{} changed something", count(outcome.changed, "step"));
    let again = format!("`kuboard-ha up {}`", site.name);
    match outcome.result {
        UpResult::Unchanged => {
            let hosts = all_hosts_are(site.inventory.hosts.len());
            format!(
                "{cluster}: {}, {hosts} as the inventory asks ({took})\n",
                canvas.paint(Tone::Good, "nothing changed")
            )
        }
        UpResult::Converged => {
            let done = canvas.paint(Tone::Good, "stands");
            format!("{cluster} {done}: {} ({changed}, {took})\n{}", what_stands(site), next_steps(site))
        }
        UpResult::Blocked => {
            let grave: Vec<Finding> = outcome
                .planning
                .findings
                .iter()
                .filter(|finding| finding.severity <= Severity::Unknown)
                .cloned()
                .collect();
            let so_far = if outcome.changed == 0 { "nothing was changed".to_owned() } else { changed };
            format!(
                "{}{cluster}: {}; {so_far}\n",
                findings_view(&grave, canvas),
                canvas.paint(Tone::Bad, "blocked")
            )
        }
        UpResult::Declined => format!("{cluster}: not agreed to; nothing further was changed\n"),
        UpResult::Interrupted => {
            format!(
                "{cluster}: {}; {changed}, no step was left half done. {again} continues.\n",
                canvas.paint(Tone::Warn, "interrupted")
            )
        }
        UpResult::Failed => failed(site, outcome, canvas, &changed, &again),
        UpResult::NotConverged => not_converged(site, outcome, canvas, &changed),
    }
}

fn failed(site: &Site, outcome: &UpOutcome, canvas: &Canvas, changed: &str, again: &str) -> String {
    let failures = count(outcome.failures.len(), "step");
    let mut text = format!(
        "{}: {} {failures}; {changed}\n",
        site.inventory.cluster,
        canvas.paint(Tone::Bad, "failed at")
    );
    for failure in &outcome.failures {
        let _ = writeln!(
            text,
            "  {}: {}: {}",
            failure.host,
            clean_line(&failure.step),
            clean_line(&failure.error)
        );
        for line in &failure.evidence {
            let _ = writeln!(text, "    {}", canvas.paint(Tone::Dim, format!("| {}", clean_line(line))));
        }
    }
    let _ = writeln!(text, "What was done stays. When the cause is gone, {again} continues.");
    text
}

fn not_converged(site: &Site, outcome: &UpOutcome, canvas: &Canvas, changed: &str) -> String {
    let mut text = format!(
        "{}: {} after {}; {changed}\n",
        site.inventory.cluster,
        canvas.paint(Tone::Bad, "still different"),
        count(outcome.rounds as usize, "round"),
    );
    let left =
        outcome.planning.plan.jobs.iter().flat_map(|job| job.steps.iter().map(|step| (&job.host, step)));
    for (host, step) in left.take(10) {
        let _ = writeln!(text, "  {host}: {} ({})", step_title(step), step.reason);
    }
    let _ = writeln!(
        text,
        "Something else may be changing these hosts. `kuboard-ha plan {}` shows all of it.",
        site.name
    );
    text
}

fn what_stands(site: &Site) -> String {
    let inventory = &site.inventory;
    let mut parts = vec![count(inventory.etcd.hosts.len(), "etcd member")];
    if inventory.questdb.is_some() {
        parts.push("QuestDB".to_owned());
    }
    let replicas = count(inventory.kuboard.hosts.len(), "Kuboard replica");
    parts.push(match &inventory.load_balancer {
        Some(balancer) => format!("{replicas} behind {}", balancer.address),
        None => replicas,
    });
    parts.join(", ")
}

fn next_steps(site: &Site) -> String {
    let inventory = &site.inventory;
    let password = match (&inventory.kuboard.admin_password, inventory.kuboard.hosts.first()) {
        (Some(_), _) | (None, None) => "the password is the one that you gave".to_owned(),
        (None, Some(host)) => {
            let path =
                format!("/var/lib/kuboard-ha/{}/secrets/{}", inventory.cluster, SecretId::ADMIN_PASSWORD);
            format!("root on {host} reads the first password in\n           {path}")
        }
    };
    format!(
        "  open     {}\n  sign in  as admin; {password}\n  look     kuboard-ha status {}\n",
        inventory.kuboard.url, site.name
    )
}
