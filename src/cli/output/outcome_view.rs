//! How `up` ended: what stands, where it is, what to do next.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::converge::{Failure, UpOutcome, UpResult, losses};
use crate::cli::exit::Exit;
use crate::cli::output::findings_view::findings_view;
use crate::cli::output::text::{
    Canvas, Tone, all_hosts_are, beside, clean_line, columns, count, names, wrap,
};
use crate::cli::site::Site;
use crate::facts::model::HostState;
use crate::plan::model::{Finding, Severity};
use crate::plan::title::step_title;
use crate::resource::HostName;
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
            hints: hints(outcome),
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
        UpResult::Failed if outcome.failures.iter().any(|failure| failure.download) => Exit::Download,
        UpResult::Failed => Exit::ApplyFailed,
        UpResult::NotConverged => Exit::NotConverged,
        UpResult::Interrupted => Exit::Interrupted,
    }
}

/// What helps against the failures, each once.
fn hints(outcome: &UpOutcome) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for hint in outcome.failures.iter().filter_map(|failure| failure.hint.as_ref()) {
        if !hints.contains(hint) {
            hints.push(hint.clone());
        }
    }
    hints
}

/// Who only waited for what failed elsewhere.
fn follows(failure: &Failure, all: &[Failure]) -> bool {
    let waits_for = failure.cause.iter().flat_map(|cause| &cause.waits_for);
    waits_for
        .into_iter()
        .any(|host| all.iter().any(|other| other.host == *host && !std::ptr::eq(other, failure)))
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
            let losses = losses(&outcome.planning.plan);
            let lines: String = losses.iter().map(|line| format!("  {}\n", clean_line(line))).collect();
            let hint = if losses.is_empty() {
                String::new()
            } else {
                format!("hint: where that is right: `kuboard-ha up {} --yes`\n", site.name)
            };
            format!("{cluster}: not agreed to; {changed}\n{lines}{hint}")
        }
        UpResult::Interrupted => {
            let word = canvas.paint(Tone::Warn, "interrupted");
            let line =
                format!("{cluster}: {word}; {changed}, no step was left half done. {again} continues.");
            format!("{}\n", wrap(&line, canvas.width).join("\n"))
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
            hang(&mut text, "    hint: ", &clean_line(&cause.hint), canvas.width, Some(Tone::Good), canvas);
        }
        said.push(&cause.hint);
    }
    for hint in hints(outcome).iter().filter(|hint| !said.contains(&hint.as_str())) {
        let _ = writeln!(text, "{} {}", canvas.paint(Tone::Good, "hint:"), clean_line(hint));
    }
    let _ = writeln!(text, "What was done stays. When the cause is gone, {again} continues.");
    text
}

/// A paragraph whose further lines stand below the first one's text; the mark before it takes the tone.
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
mod tests {
    use super::*;
    use crate::cli::output::sample_plans::{blocked, replacing, rolling};
    use crate::cli::secrets::Secrets;
    use crate::event::Cause;
    use crate::plan::model::Planning;
    use crate::status::sample::{cut, host, manual, well};

    fn site() -> Site {
        Site {
            inventory: manual(),
            name: "inventory.yaml".into(),
            advice: Vec::new(),
            secrets: Secrets::default(),
        }
    }

    fn outcome(result: UpResult, changed: usize, planning: Planning) -> UpOutcome {
        let facts = well(&manual());
        UpOutcome { result, changed, rounds: 2, failures: Vec::new(), planning, facts }
    }

    fn shown(outcome: &UpOutcome) -> String {
        outcome_view(&site(), outcome, "41 s", &Canvas { width: 80, colour: false })
    }

    #[test]
    fn a_run_that_changed_nothing_says_so_in_one_line() {
        let outcome = outcome(UpResult::Unchanged, 0, Planning::default());
        assert_eq!(shown(&outcome).lines().count(), 1);
        insta::assert_snapshot!(shown(&outcome), @r#"
        kuboard: nothing changed, all 8 hosts are as the inventory asks (41 s)
        "#);
    }

    #[test]
    fn what_was_left_out_does_not_stand() {
        let mut outcome = outcome(UpResult::Converged, 4, Planning::default());
        outcome.facts.without = [host("etcd3"), host("questdb")].into();
        insta::assert_snapshot!(shown(&outcome).lines().take(3).collect::<Vec<_>>().join("\n"), @r#"
        kuboard stands: 2 of 3 etcd members, 2 Kuboard replicas behind 10.99.16.20 (4
        steps changed something, 41 s)
          left out etcd3 questdb; `kuboard-ha up inventory.yaml` when back
        "#);
        outcome.result = UpResult::Unchanged;
        assert!(shown(&outcome).contains("all 6 hosts are") && shown(&outcome).contains("left out etcd3"));
    }

    #[test]
    fn a_run_that_built_says_what_stands_and_how_to_sign_in() {
        insta::assert_snapshot!(shown(&outcome(UpResult::Converged, 83, Planning::default())), @r#"
        kuboard stands: 3 etcd members, QuestDB, 2 Kuboard replicas behind 10.99.16.20
        (83 steps changed something, 41 s)
          open     http://10.99.16.20
          sign in  as admin; root on kuboard-1 reads the first password in
                   /var/lib/kuboard-ha/kuboard/secrets/admin-password
          look     kuboard-ha status inventory.yaml
        "#);
    }

    #[test]
    fn a_run_that_was_stopped_says_how_to_go_on() {
        insta::assert_snapshot!(shown(&outcome(UpResult::Interrupted, 12, rolling())), @r#"
        kuboard: interrupted; 12 steps changed something, no step was left half done.
        `kuboard-ha up inventory.yaml` continues.
        "#);
        insta::assert_snapshot!(shown(&outcome(UpResult::Blocked, 0, blocked())), @r#"
        blocked  etcd3: /var/lib/etcd holds the data of another cluster (id 9c2f).
                 Starting on it would mix two clusters. [etcd.foreign-data]
                 hint: if nobody needs it, move it aside on etcd3:
                         mv /var/lib/etcd/member /var/lib/etcd-member.aside
        kuboard: blocked; nothing was changed
        "#);
        insta::assert_snapshot!(shown(&outcome(UpResult::NotConverged, 3, rolling())), @r#"
        kuboard: still different after 2 rounds; 3 steps changed something
          etcd2: write /etc/etcd.env (ETCD_SNAPSHOT_COUNT 10000 -> 50000)
          etcd2: restart etcd.service (so that it takes the new setting)
          etcd3: write /etc/etcd.env (ETCD_SNAPSHOT_COUNT 10000 -> 50000)
          etcd3: restart etcd.service (so that it takes the new setting)
          etcd1: write /etc/etcd.env (ETCD_SNAPSHOT_COUNT 10000 -> 50000)
          etcd1: restart etcd.service (so that it takes the new setting)
        Something else may be changing these hosts. `kuboard-ha plan inventory.yaml` shows all of it.
        "#);
    }

    #[test]
    fn a_failure_shows_its_evidence_and_the_way_on() {
        let failure = Failure {
            host: host("etcd3"),
            job: "etcd.start@etcd3".into(),
            step: "start etcd.service".into(),
            error: "exit 1".into(),
            evidence: vec![
                "etcd[812]: bind: address\x1b already in use".into(),
                "2379 is held by nginx (812)".into(),
            ],
            cause: Some(Cause::new("port.taken", "Port 2379 is taken by nginx (812).", "stop it: ss -ltnp")),
            hint: None,
            download: false,
        };
        let outcome = UpOutcome { failures: vec![failure], ..outcome(UpResult::Failed, 40, rolling()) };
        insta::assert_snapshot!(shown(&outcome), @r#"
        kuboard: failed at 1 step; 40 steps changed something
          etcd3: start etcd.service: exit 1
            | etcd[812]: bind: address\x1b already in use
            | 2379 is held by nginx (812)
            cause: Port 2379 is taken by nginx (812). [port.taken]
            hint: stop it: ss -ltnp
        What was done stays. When the cause is gone, `kuboard-ha up inventory.yaml` continues.
        "#);
        assert_eq!(exit(&outcome), Exit::ApplyFailed);
    }

    #[test]
    fn failed_downloads_are_told_beside_other_failures_with_what_helps_once() {
        let failure = |name: &str, download: bool| Failure {
            host: host(name),
            job: "etcd.stage".into(),
            step: "bring etcd 3.5.6".into(),
            error: "it failed".into(),
            evidence: Vec::new(),
            cause: None,
            hint: download.then(|| "set https_proxy".to_owned()),
            download,
        };
        let failures = vec![failure("etcd1", true), failure("etcd2", true), failure("lb-1", false)];
        let outcome = UpOutcome { failures, ..outcome(UpResult::Failed, 40, rolling()) };
        insta::assert_snapshot!(shown(&outcome), @r#"
        kuboard: failed at 3 steps; 40 steps changed something
          etcd1: bring etcd 3.5.6: it failed
          etcd2: bring etcd 3.5.6: it failed
          lb-1: bring etcd 3.5.6: it failed
        hint: set https_proxy
        What was done stays. When the cause is gone, `kuboard-ha up inventory.yaml` continues.
        "#);
        assert_eq!(exit(&outcome), Exit::Download);
        let site = site();
        let event = serde_json::to_value(OutcomeEvent::new(&site, &outcome, 1.0)).unwrap();
        assert_eq!((&event["exit"], &event["changed"]), (&8.into(), &40.into()));
        assert_eq!(event["failures"].as_array().unwrap().len(), 3);
        assert_eq!(event["hints"], serde_json::json!(["set https_proxy"]));
    }

    #[test]
    fn a_refusal_says_what_would_have_been_lost() {
        insta::assert_snapshot!(shown(&outcome(UpResult::Declined, 0, replacing("etcd2"))), @r#"
        kuboard: not agreed to; nothing was changed
          etcd2: remove the member (its disk was replaced)
        hint: where that is right: `kuboard-ha up inventory.yaml --yes`
        "#);
    }

    #[test]
    fn a_refusal_says_what_was_changed_before_it() {
        assert_eq!(
            shown(&outcome(UpResult::Declined, 0, rolling())),
            "kuboard: not agreed to; nothing was changed\n"
        );
        assert_eq!(
            shown(&outcome(UpResult::Declined, 4, rolling())),
            "kuboard: not agreed to; 4 steps changed something\n"
        );
    }

    #[test]
    fn a_host_left_out_on_purpose_is_not_unreachable() {
        let mut outcome = outcome(UpResult::Blocked, 0, blocked());
        cut(&mut outcome.facts, &["lb-2"]);
        assert_eq!(exit(&outcome), Exit::Unreachable);
        outcome.facts.without.insert(host("lb-2"));
        assert_eq!(exit(&outcome), Exit::Blocked);
    }
}
