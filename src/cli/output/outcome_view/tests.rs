//! What people and programs read at the end of a run.

use super::*;
use crate::cli::converge::Hindrance;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::output::outcome_event::{OutcomeEvent, exit};
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
    UpOutcome { result, changed, rounds: 2, failures: Vec::new(), hindrances: Vec::new(), planning, facts }
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
fn commands_are_told_on_lines_of_their_own_and_never_broken() {
    let move_aside = "systemctl disable --now etcd; mv -t \"$(mktemp -d /var/lib/etcd/aside-by-hand.XXXXXX)\" \
                      /var/lib/etcd/member";
    let hint = format!("keep the data, and let this member be replaced:\n  {move_aside}\nthen run up");
    let fetch = "curl -fLO 'https://mirror.example/etcd-io/etcd/releases/download/v3.5.6/etcd-v3.5.6-linux-amd64.tar.gz'";
    let failure = |name: &str| Failure {
        host: host(name),
        job: "etcd.start".into(),
        step: "start etcd.service".into(),
        error: "exit 1".into(),
        evidence: Vec::new(),
        cause: None,
        hint: None,
        download: false,
    };
    let damaged =
        Failure { cause: Some(Cause::new("etcd.corrupt-wal", "It is damaged.", hint)), ..failure("etcd3") };
    let download =
        Failure { hint: Some(format!("set https_proxy; try it here:\n  {fetch}")), ..failure("etcd2") };
    let outcome = UpOutcome { failures: vec![damaged, download], ..outcome(UpResult::Failed, 40, rolling()) };
    for width in [40, 80, 120] {
        let shown = outcome_view(&site(), &outcome, "41 s", &Canvas { width, colour: false });
        for command in [move_aside, fetch] {
            assert!(shown.lines().any(|line| line.trim() == command), "{shown}");
        }
        assert!(shown.lines().any(|line| line.trim() == "then run up"), "{shown}");
    }
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
fn a_refusal_tells_programs_the_same() {
    let site = site();
    let event = |planning| {
        let outcome = outcome(UpResult::Declined, 0, planning);
        serde_json::to_value(OutcomeEvent::new(&site, &outcome, 1.0)).unwrap()
    };
    let told = event(replacing("etcd2"));
    assert_eq!((&told["result"], &told["exit"]), (&"blocked".into(), &5.into()));
    assert_eq!(told["error"], "not agreed to: etcd2: remove the member (its disk was replaced)");
    assert_eq!(
        told["hints"],
        serde_json::json!(["where that is right: `kuboard-ha up inventory.yaml --yes`"])
    );
    // Somebody said no to restarts, which --yes is not needed for.
    let told = event(rolling());
    assert_eq!((&told["error"], &told["hints"]), (&"not agreed to".into(), &serde_json::json!([])));
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

#[test]
fn connections_that_were_lost_are_told_and_not_blamed_on_somebody_else() {
    let cut = |name: &str| Hindrance::Cut { host: host(name), error: "ssh was killed".into() };
    let guard = Hindrance::Changed { host: host("etcd1"), guard: "etcd1 leads".into() };
    let hindrances = vec![cut("etcd2"), guard, Hindrance::OtherRun];
    let mut outcome = UpOutcome { hindrances, ..outcome(UpResult::NotConverged, 0, replacing("etcd2")) };
    insta::assert_snapshot!(shown(&outcome), @r#"
    kuboard: still different after 2 rounds; nothing was changed
      etcd2: remove the member (its disk was replaced)
      etcd2: the connection was lost: ssh was killed
      etcd1: no longer so: etcd1 leads
      another run was at work since the look
    What was done stays. When the connections hold, `kuboard-ha up inventory.yaml` continues.
    "#);
    let site = site();
    let event = serde_json::to_value(OutcomeEvent::new(&site, &outcome, 1.0)).unwrap();
    assert_eq!(event["exit"], 7);
    let why = "etcd2: the connection was lost: ssh was killed; etcd1: no longer so: etcd1 leads; another run was \
               at work since the look";
    assert_eq!(event["error"], why);
    assert_eq!(
        event["hints"],
        serde_json::json!(["what was done stays; when the connections hold, the same command continues"])
    );
    outcome.hindrances.remove(0);
    assert!(shown(&outcome).contains("Something else may be changing these hosts."));
    outcome.result = UpResult::Converged;
    let event = serde_json::to_value(OutcomeEvent::new(&site, &outcome, 1.0)).unwrap();
    assert_eq!(event["error"], serde_json::Value::Null);
}

#[test]
fn an_error_tells_programs_what_was_changed_before_it() {
    let error = CliError::new(Exit::Locked, "etcd2 is locked by run r1").after(4);
    let event = serde_json::to_value(OutcomeEvent::of_error(&error, 1.5)).unwrap();
    assert_eq!((&event["exit"], &event["changed"]), (&9.into(), &4.into()));
    assert_eq!(event["elapsed"], 1.5);
}
