//! Carrying plans out, over real shells on this machine: order, waiting, failures, secrets, archives, interruptions.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod archives;
mod leases;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use kuboard_ha::apply::{ArtifactSource, FailureKind, Means, Outcome, apply, lease};
use kuboard_ha::artifact;
use kuboard_ha::event::{Event, EventSink, Silent};
use kuboard_ha::host::cancel::Cancel;
use kuboard_ha::host::fleet::Fleet;
use kuboard_ha::host::local::Local;
use kuboard_ha::host::session::{Session, SessionOptions};
use kuboard_ha::host::{Host, HostErrorKind};
use kuboard_ha::inventory::Context;
use kuboard_ha::inventory::model::Inventory;
use kuboard_ha::plan::model::{
    Action, Guard, Job, JobId, Plan, Procedure, Reason, Risk, SecretChange, Stage, StageId, Step, UnitChange,
};
use kuboard_ha::plan::script::RUNTIME;
use kuboard_ha::resource::{Artifact, HostName, ResourceId};
use kuboard_ha::secret::{Secret, SecretId};
use tempfile::TempDir;
use tokio::sync::Semaphore;

/// Hosts that are folders of this machine.
struct Ground {
    root: TempDir,
    fleet: Fleet,
    events: Events,
    inventory: Inventory,
    secrets: BTreeMap<SecretId, Secret<String>>,
    cancel: Cancel,
    /// How long an archive takes to come to this machine.
    slow: Duration,
}

#[derive(Default)]
struct Events(Mutex<Vec<Event>>);

impl EventSink for Events {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// Serves what lies in a folder, by digest, after a while.
struct Folder(PathBuf, Duration);

impl ArtifactSource for Folder {
    fn path<'a>(
        &'a self,
        artifact: &'a Artifact,
        _sink: &'a dyn EventSink,
    ) -> BoxFuture<'a, Result<PathBuf, artifact::Error>> {
        Box::pin(async {
            tokio::time::sleep(self.1).await;
            Ok(self.0.join(artifact.sha256.as_str()))
        })
    }
}

/// One that archives are pushed for; the jobs here are no service's.
fn inventory() -> Inventory {
    let text = include_str!("../../inventories/one-machine.yaml");
    let nothing = |_: &Path| Err("there are no files".to_owned());
    let context = Context { folder: Path::new("/"), home: None, read: &nothing };
    kuboard_ha::inventory::load(text, &context).unwrap().inventory
}

impl Ground {
    fn new(hosts: &[&str]) -> Self {
        let root = tempfile::Builder::new().prefix("kh-ground").tempdir().unwrap();
        let fleet = Self::fleet(&root, hosts, "r1");
        Self {
            root,
            fleet,
            events: Events::default(),
            inventory: inventory(),
            secrets: BTreeMap::new(),
            cancel: Cancel::new(),
            slow: Duration::ZERO,
        }
    }

    fn fleet(root: &TempDir, hosts: &[&str], run: &str) -> Fleet {
        let member = |name: &&str| {
            let mut options = SessionOptions::new("demo", run, RUNTIME);
            options.state_root = format!("{}/{name}/state", root.path().display());
            options.run_root = format!("{}/{name}/run", root.path().display());
            let host: Arc<dyn Host> = Arc::new(Local::new(name));
            (HostName::new(*name), (host, options))
        };
        Fleet::new(hosts.iter().map(member).collect(), 8)
    }

    fn path(&self, name: &str) -> String {
        self.root.path().join(name).to_str().unwrap().to_owned()
    }

    fn lines(&self, name: &str) -> Vec<String> {
        std::fs::read_to_string(self.path(name)).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    async fn sessions(&self) -> BTreeMap<HostName, Session> {
        let opened = self.fleet.each(&Silent, |session| async { Ok(session) }).await;
        opened.into_iter().map(|(name, session)| (name, session.unwrap())).collect()
    }

    async fn apply(&self, jobs: Vec<Job>) -> Outcome {
        let mut sessions = self.sessions().await;
        assert!(!lease(&mut sessions, &self.events, &self.cancel).await.unwrap());
        let outcome = self.carry_out(jobs, &mut sessions).await;
        for session in sessions.into_values() {
            session.close().await.unwrap();
        }
        outcome
    }

    async fn carry_out(&self, jobs: Vec<Job>, sessions: &mut BTreeMap<HostName, Session>) -> Outcome {
        let plan = Plan { stages: vec![Stage { id: StageId("s".into()), title: "S".into() }], jobs };
        let artifacts = Folder(self.root.path().to_owned(), self.slow);
        let uploads = Semaphore::new(2);
        let means = Means {
            fleet: &self.fleet,
            inventory: &self.inventory,
            artifacts: &artifacts,
            secrets: &self.secrets,
            uploads: &uploads,
            sink: &self.events,
            cancel: &self.cancel,
        };
        apply(&plan, sessions, &means).await
    }

    fn told(&self, wanted: impl Fn(&Event) -> Option<String>) -> Vec<String> {
        self.events.0.lock().unwrap().iter().filter_map(wanted).collect()
    }

    /// Appends a word to the log; the words show the order.
    fn note(&self, word: &str) -> Step {
        self.call("printf '%s\\n' \"$word\" >>\"$log\"", word, 10)
    }

    /// Runs a text that knows `$word`, `$root` and `$log`.
    fn call(&self, text: &'static str, word: &str, limit: u64) -> Step {
        step(Action::Call(self.procedure(text, word)), limit)
    }

    fn wait(&self, text: &'static str, word: &str, limit: u64) -> Step {
        step(Action::Await(self.procedure(text, word)), limit)
    }

    fn procedure(&self, text: &'static str, word: &str) -> Procedure {
        let args = [("word", word.to_owned()), ("root", self.path("")), ("log", self.path("log"))];
        Procedure::new("test.call", text, args)
    }
}

fn step(action: Action, limit: u64) -> Step {
    Step {
        resource: ResourceId::new("test", "thing"),
        action,
        reason: Reason::Missing,
        risk: Risk::None,
        limit: Duration::from_secs(limit),
    }
}

fn job(what: &str, host: &str, after: &[&str], steps: Vec<Step>) -> Job {
    let id = |text: &str| {
        let (what, host) = text.split_once('@').unwrap();
        JobId::new(what, &HostName::new(host))
    };
    Job {
        id: JobId::new(what, &HostName::new(host)),
        stage: StageId("s".into()),
        host: HostName::new(host),
        after: after.iter().map(|text| id(text)).collect::<BTreeSet<_>>(),
        guards: Vec::new(),
        steps,
    }
}

/// Waits for a file, in the step itself.
const MEET: &str = "until [ -e \"$root$word\" ]; do sleep 0.02; done";

#[tokio::test]
async fn jobs_begin_when_what_they_come_after_is_done() {
    let ground = Ground::new(&["a", "b"]);
    let outcome = ground
        .apply(vec![
            job("one", "a", &[], vec![ground.note("1"), ground.note("2")]),
            job("two", "b", &["one@a"], vec![ground.note("3")]),
            job("three", "a", &["two@b", "gone@a"], vec![ground.note("4")]),
        ])
        .await;
    assert!(outcome.is_whole(), "{outcome:?}");
    assert_eq!(outcome.changed, 4);
    assert_eq!(ground.lines("log"), ["1", "2", "3", "4"]);
    let jobs = ground.told(|event| match event {
        Event::JobStarted { job, .. } => Some(format!("+{job}")),
        Event::JobFinished { job, .. } => Some(format!("-{job}")),
        _ => None,
    });
    assert_eq!(jobs, ["+one@a", "-one@a", "+two@b", "-two@b", "+three@a", "-three@a"]);
    let steps = ground.told(|event| match event {
        Event::StepStarted { job, step, .. } => Some(format!("+{job}/{step}")),
        Event::StepFinished { job, step, .. } => Some(format!("-{job}/{step}")),
        _ => None,
    });
    assert_eq!(steps[..4], ["+one@a/0", "-one@a/0", "+one@a/1", "-one@a/1"]);
}

#[tokio::test]
async fn hosts_work_side_by_side() {
    let ground = Ground::new(&["a", "b"]);
    // Each waits for what the other does: one after the other, neither would end.
    let outcome = ground
        .apply(vec![
            job(
                "one",
                "a",
                &[],
                vec![ground.call(": >\"$root$word\"", "from-a", 5), ground.call(MEET, "from-b", 10)],
            ),
            job(
                "two",
                "b",
                &[],
                vec![ground.call(MEET, "from-a", 10), ground.call(": >\"$root$word\"", "from-b", 5)],
            ),
        ])
        .await;
    assert!(outcome.is_whole(), "{outcome:?}");
}

#[tokio::test]
async fn a_failure_stops_what_comes_after_it_and_nothing_else() {
    let ground = Ground::new(&["a", "b", "c"]);
    let outcome = ground
        .apply(vec![
            job(
                "bad",
                "a",
                &[],
                vec![
                    ground.note("1"),
                    ground.call("echo one; echo two; fail \"no $word left\"", "space", 5),
                    ground.note("never"),
                ],
            ),
            job("next", "b", &["bad@a"], vec![ground.note("never")]),
            job("other", "a", &[], vec![ground.note("2")]),
            job("worse", "c", &[], vec![ground.call("sleep 60", "", 1)]),
        ])
        .await;
    assert_eq!(ground.lines("log"), ["1", "2"]);
    assert_eq!(outcome.changed, 2);
    let mut told: Vec<_> =
        outcome.failed.iter().map(|f| (f.host.as_str(), f.step, f.error.as_str())).collect();
    told.sort_unstable();
    assert_eq!(told, [("a", 1, "no space left"), ("c", 0, "not done after 1 s, stopped")]);
    let bad = outcome.failed.iter().find(|failed| failed.host.as_str() == "a").unwrap();
    assert_eq!(bad.evidence, ["one", "two", "no space left"]);
    assert!(matches!(bad.kind, FailureKind::Status(1)));
    assert!(outcome.disconnected.is_empty() && !outcome.interrupted);
}

#[tokio::test]
async fn a_failed_unit_is_explained_and_its_host_goes_on() {
    let ground = Ground::new(&["a"]);
    let unit = "kuboard-ha-absent.service";
    let (change, stamp) = (UnitChange::Restart, Vec::new());
    let start = step(Action::Unit { unit: unit.to_owned(), change, stamp }, 5);
    let outcome = ground
        .apply(vec![
            job("start", "a", &[], vec![start]),
            job("other", "a", &[], vec![ground.note("goes on")]),
        ])
        .await;
    // Where systemd is not there, or does not know the unit, that is said.
    let evidence = &outcome.failed[0].evidence;
    assert!(evidence.iter().any(|line| line.starts_with(&format!("{unit}: "))), "{evidence:?}");
    assert_eq!(ground.lines("log"), ["goes on"]);
    assert!(outcome.disconnected.is_empty());
}

#[tokio::test]
async fn a_guard_that_no_longer_holds_asks_for_another_plan() {
    let ground = Ground::new(&["a", "b"]);
    let mut guarded = job("guarded", "a", &["one@b"], vec![ground.note("never")]);
    let guard = |text| Guard { title: "nothing is there".into(), test: ground.procedure(text, "x") };
    guarded.guards = vec![guard("[ -n \"$word\" ]"), guard("[ -z \"$word\" ]")];
    // Before a step that waits, guards are asked too.
    let mut waiting = job("waiting", "b", &["one@b"], vec![ground.wait("true", "", 5), ground.note("w")]);
    waiting.guards = vec![guard("[ -n \"$word\" ]")];
    let outcome = ground.apply(vec![job("one", "b", &[], vec![ground.note("1")]), guarded, waiting]).await;
    assert_eq!(outcome.fenced.len(), 1);
    assert_eq!(
        (outcome.fenced[0].job.as_str(), outcome.fenced[0].guard.as_str()),
        ("guarded@a", "nothing is there")
    );
    assert!(!ground.lines("log").contains(&"never".to_owned()));
    assert!(outcome.failed.is_empty());
}

#[tokio::test]
async fn what_waits_lets_others_work_and_says_what_it_sees() {
    let ground = Ground::new(&["a"]);
    let waits = "echo looking; if [ -e \"$root$word\" ]; then echo \"$word is there\"; else echo \"no $word yet\"; false; fi";
    let begun = Instant::now();
    let outcome = ground
        .apply(vec![
            job("waits", "a", &[], vec![ground.wait(waits, "file", 20), ground.note("seen")]),
            // The same host, later in the plan: it could never run if waiting kept the shell.
            job(
                "makes",
                "a",
                &[],
                vec![ground.call("sleep 0.3; : >\"$root$word\"", "file", 5), ground.note("made")],
            ),
        ])
        .await;
    assert!(outcome.is_whole(), "{outcome:?}");
    assert_eq!(outcome.changed, 3, "waiting changes nothing");
    assert_eq!(ground.lines("log"), ["made", "seen"]);
    assert!(begun.elapsed() < Duration::from_secs(8));
    let seen = ground.told(|event| match event {
        Event::StepWaiting { seen, .. } => Some(seen.clone()),
        _ => None,
    });
    assert!(seen.is_empty() || seen == ["no file yet"], "{seen:?}");
    let started = ground.told(|event| match event {
        Event::StepStarted { job, step: 0, .. } if job == "waits@a" => Some(job.clone()),
        _ => None,
    });
    assert_eq!(started.len(), 1, "a step begins once, however many slices it takes");
}

#[tokio::test]
async fn what_never_comes_fails_with_what_was_seen() {
    let ground = Ground::new(&["a"]);
    let probe = "echo member 1 is well; echo \"1 of 3 members answer\"; exit 1";
    let outcome = ground.apply(vec![job("waits", "a", &[], vec![ground.wait(probe, "", 3)])]).await;
    assert_eq!(outcome.failed.len(), 1);
    assert_eq!(outcome.failed[0].error, "it did not come about within 3 s: 1 of 3 members answer");
    assert_eq!(outcome.failed[0].evidence, ["member 1 is well"]);
    assert!(matches!(outcome.failed[0].kind, FailureKind::TimedOut));
    let seen = ground.told(|event| match event {
        Event::StepWaiting { seen, .. } => Some(seen.clone()),
        _ => None,
    });
    assert_eq!(seen, ["1 of 3 members answer"]);
}

#[tokio::test]
async fn secrets_go_from_host_to_host_and_from_the_user() {
    let mut ground = Ground::new(&["a", "b"]);
    let (drawn, given, lost) = (SecretId::new("drawn"), SecretId::new("given"), SecretId::new("lost"));
    ground.secrets.insert(given.clone(), Secret::new("a'b\"c $x".into()));
    let secret = |id: &SecretId, change| step(Action::Secret { id: id.clone(), change }, 10);
    let copy = || SecretChange::Copy { from: HostName::new("a") };
    let outcome = ground
        .apply(vec![
            job("mint", "a", &[], vec![secret(&drawn, SecretChange::Mint { length: 24 })]),
            job(
                "copy",
                "b",
                &["mint@a"],
                vec![ground.note("before"), secret(&drawn, copy()), secret(&given, SecretChange::Supply)],
            ),
            job("lose", "b", &["mint@a"], vec![secret(&lost, copy())]),
            job("forget", "b", &[], vec![secret(&lost, SecretChange::Supply)]),
        ])
        .await;
    let at = |host: &str, id: &SecretId| {
        std::fs::read_to_string(ground.path(&format!("{host}/state/demo/secrets/{id}")))
    };
    let value = at("a", &drawn).unwrap();
    assert_eq!((value.len(), at("b", &drawn).unwrap()), (24, value));
    assert_eq!(at("b", &given).unwrap(), "a'b\"c $x");
    let mut errors: Vec<_> = outcome.failed.iter().map(|failed| failed.error.as_str()).collect();
    errors.sort_unstable();
    assert_eq!(errors, ["a has no secret lost", "no value was given for the secret lost"]);
}

#[tokio::test]
async fn a_wish_to_stop_ends_between_steps() {
    let ground = Ground::new(&["a", "b"]);
    let cancel = ground.cancel.clone();
    let until_stopped = "until [ -s \"$WORK/stop\" ]; do sleep 0.02; done; printf 'whole\\n' >>\"$log\"";
    let jobs = vec![
        job("one", "a", &[], vec![ground.call(until_stopped, "", 20), ground.note("never")]),
        job("two", "b", &[], vec![ground.wait("false", "", 60)]),
        job("three", "b", &["one@a"], vec![ground.note("never")]),
    ];
    let watching = async {
        loop {
            let begun = ground.told(|event| matches!(event, Event::StepStarted { .. }).then(String::new));
            if begun.len() == 2 {
                return cancel.cancel();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let begun = Instant::now();
    let (outcome, ()) = tokio::join!(ground.apply(jobs), watching);
    assert!(
        outcome.interrupted && outcome.failed.is_empty() && outcome.disconnected.is_empty(),
        "{outcome:?}"
    );
    assert_eq!(ground.lines("log"), ["whole"]);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_lost_host_is_told_and_the_others_go_on() {
    let ground = Ground::new(&["a", "b"]);
    // The resident shell is the parent of the step's parent.
    let kill = "read -r _ _ _ shell _ </proc/$PPID/stat; kill -9 \"$shell\"; sleep 0.5";
    let outcome = ground
        .apply(vec![
            job("dies", "a", &[], vec![ground.call(kill, "", 20)]),
            job("then", "a", &["dies@a"], vec![ground.note("never")]),
            job("other", "b", &[], vec![ground.call("sleep 0.5", "", 5), ground.note("1")]),
        ])
        .await;
    assert_eq!(ground.lines("log"), ["1"]);
    let lost: Vec<_> = outcome.disconnected.iter().map(|(host, why)| (host.as_str(), why.kind)).collect();
    assert_eq!(lost, [("a", HostErrorKind::Disconnected)]);
    assert!(outcome.failed.is_empty(), "what came of it is not known: {outcome:?}");
}
