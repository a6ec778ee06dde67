//! How `up` ended: what stands, where it is, what to do next.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::cli::converge::{Failure, UpOutcome, UpResult, losses};
use crate::cli::output::findings_view::findings_view;
use crate::cli::output::outcome_event::{NOT_AGREED, hindrance, hints, is_cut};
use crate::cli::output::text::{
    Canvas, Tone, all_hosts_are, beside, clean, clean_line, columns, count, names, wrap,
};
use crate::cli::site::Site;
use crate::plan::model::{Finding, Severity};
use crate::plan::title::step_title;
use crate::resource::HostName;
use crate::secret::SecretId;

/// The outcome for people, ending with a line end.
pub fn outcome_view(site: &Site, outcome: &UpOutcome, took: &str, canvas: &Canvas) -> String {
    let cluster = canvas.paint(Tone::Strong, &site.inventory.cluster);
    let changed = match outcome.changed {
        0 => "nothing was changed".to_owned(),
        steps => format!("{} changed something", count(steps, "step")),
    };
    let again = format!("`kuboard-ha up {}`", site.name);
    match outcome.result {
        UpResult::Unchanged => {
            let hosts = all_hosts_are(site.inventory.hosts.len() - outcome.facts.without.len());
            format!(
                "{cluster}: {}, {hosts} as the inventory asks ({took})\n{}",
                canvas.paint(Tone::Good, "nothing changed"),
                left_out(outcome, &again)
            )
        }
        UpResult::Converged => {
            let done = canvas.paint(Tone::Good, "stands");
            let first = format!(
                "{cluster} {done}: {} ({changed}, {took})",
                what_stands(site, &outcome.facts.without)
            );
            let left_out = left_out(outcome, &again);
            format!("{}\n{left_out}{}", wrap(&first, canvas.width).join("\n"), next_steps(site))
        }
        UpResult::Blocked => {
            let grave: Vec<Finding> = outcome
                .planning
                .findings
                .iter()
                .filter(|finding| finding.severity <= Severity::Unknown)
                .cloned()
                .collect();
            format!(
                "{}{cluster}: {}; {changed}\n",
                findings_view(&grave, canvas),
                canvas.paint(Tone::Bad, "blocked")
            )
        }
        UpResult::Declined => {
            let mut text = format!("{cluster}: {NOT_AGREED}; {changed}\n");
            for line in losses(&outcome.planning.plan) {
                let _ = writeln!(text, "  {}", clean_line(&line));
            }
            for hint in hints(site, outcome) {
                let _ = writeln!(text, "{} {}", canvas.paint(Tone::Good, "hint:"), clean_line(&hint));
            }
            text
        }
        UpResult::Interrupted => {
            let word = canvas.paint(Tone::Warn, "interrupted");
            let line =
                format!("{cluster}: {word}; {changed}, no step was left half done. {again} continues.");
            format!("{}\n", wrap(&line, canvas.width).join("\n"))
        }
        UpResult::Failed => failed(site, outcome, canvas, &changed, &again),
        UpResult::NotConverged => not_converged(site, outcome, canvas, &changed, &again),
    }
}

fn failed(site: &Site, outcome: &UpOutcome, canvas: &Canvas, changed: &str, again: &str) -> String {
    let failures = count(outcome.failures.len(), "step");
    let mut text = format!(
        "{}: {} {failures}; {changed}\n",
        site.inventory.cluster,
        canvas.paint(Tone::Bad, "failed at")
    );
    let all = &outcome.failures;
    let (after, first): (Vec<_>, Vec<_>) = all.iter().partition(|failure| follows(failure, all));
    let mut said: Vec<&str> = Vec::new();
    for failure in first.into_iter().chain(after) {
        let headline =
            format!("{}: {}: {}", failure.host, clean_line(&failure.step), clean_line(&failure.error));
        hang(&mut text, "  ", &headline, canvas.width, None, canvas);
        if !follows(failure, all) {
            for line in beside(&failure.error, &failure.evidence) {
                hang(&mut text, "    | ", &clean_line(line), canvas.width, Some(Tone::Dim), canvas);
            }
        }
        let Some(cause) = &failure.cause else { continue };
        let why = format!("{} [{}]", clean_line(&cause.message), cause.code);
        hang(&mut text, "    cause: ", &why, canvas.width, None, canvas);
        if !follows(failure, all) && !said.contains(&cause.hint.as_str()) {
            hang(&mut text, "    hint: ", &clean(cause.hint.trim()), canvas.width, Some(Tone::Good), canvas);
        }
        said.push(&cause.hint);
    }
    for hint in hints(site, outcome).iter().filter(|hint| !said.contains(&hint.as_str())) {
        hang(&mut text, "hint: ", &clean(hint.trim()), canvas.width, Some(Tone::Good), canvas);
    }
    let _ = writeln!(text, "What was done stays. When the cause is gone, {again} continues.");
    text
}

/// Who only waited for what failed elsewhere.
fn follows(failure: &Failure, all: &[Failure]) -> bool {
    let waits_for = failure.cause.iter().flat_map(|cause| &cause.waits_for);
    waits_for
        .into_iter()
        .any(|host| all.iter().any(|other| other.host == *host && !std::ptr::eq(other, failure)))
}

/// A paragraph whose further lines stand below the first one's text; the mark before it takes the tone. Lines of the
/// text stay lines: a command to be copied stands on one of its own.
fn hang(text: &mut String, mark: &str, line: &str, width: usize, tone: Option<Tone>, canvas: &Canvas) {
    let margin = " ".repeat(columns(mark));
    for (number, line) in wrap(line, width.saturating_sub(columns(mark))).iter().enumerate() {
        let mark = if number == 0 || mark.contains('|') { mark } else { &margin };
        let (mark, line) = match tone {
            Some(Tone::Dim) => (canvas.paint(Tone::Dim, mark), canvas.paint(Tone::Dim, line)),
            Some(tone) => (canvas.paint(tone, mark), line.clone()),
            None => (mark.to_owned(), line.clone()),
        };
        let _ = writeln!(text, "{mark}{line}");
    }
}

fn not_converged(site: &Site, outcome: &UpOutcome, canvas: &Canvas, changed: &str, again: &str) -> String {
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
    for kept in &outcome.hindrances {
        hang(&mut text, "  ", &clean_line(&hindrance(kept)), canvas.width, None, canvas);
    }
    let _ = if is_cut(outcome) {
        writeln!(text, "What was done stays. When the connections hold, {again} continues.")
    } else {
        writeln!(
            text,
            "Something else may be changing these hosts. `kuboard-ha plan {}` shows all of it.",
            site.name
        )
    };
    text
}

/// A line for the hosts that nothing is known of, if there are any.
fn left_out(outcome: &UpOutcome, again: &str) -> String {
    match &outcome.facts.without {
        none if none.is_empty() => String::new(),
        hosts => format!("  left out {}; {again} when back\n", names(hosts)),
    }
}

/// `2 of 3 etcd members, QuestDB, 2 Kuboard replicas behind 10.99.16.20`; hosts left out stand for nothing.
fn what_stands(site: &Site, without: &BTreeSet<HostName>) -> String {
    let inventory = &site.inventory;
    let seen =
        |hosts: &[HostName], what: &str| match hosts.iter().filter(|host| without.contains(host)).count() {
            0 => count(hosts.len(), what),
            away => format!("{} of {}", hosts.len() - away, count(hosts.len(), what)),
        };
    let mut parts = vec![seen(&inventory.etcd.hosts, "etcd member")];
    if inventory.questdb.as_ref().is_some_and(|questdb| !without.contains(&questdb.host)) {
        parts.push("QuestDB".to_owned());
    }
    let replicas = seen(&inventory.kuboard.hosts, "Kuboard replica");
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

#[cfg(test)]
mod tests;
