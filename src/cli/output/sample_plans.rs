//! Plans made by hand, for the tests of what shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::plan::model::{
    Action, Finding, ImageSource, Job, JobId, Plan, Planning, Procedure, Reason, Risk, SecretChange,
    Severity, Stage, StageId, Step, UnitChange,
};
use crate::resource::{Artifact, Content, Part, ResourceId, SecretForm, Sha256Digest};
use crate::secret::SecretId;
use crate::status::sample::host;

/// The manual's cluster on bare hosts, abridged.
pub fn fresh() -> Planning {
    let mut jobs = Vec::new();
    for name in ["etcd1", "etcd2", "etcd3"] {
        jobs.push(job(
            "etcd.install",
            "etcd",
            name,
            &[],
            vec![
                step("artifact:etcd", Action::Stage { artifact: etcd() }, Reason::Missing),
                step(
                    "artifact:etcd",
                    Action::Install {
                        artifact: etcd(),
                        directory: "/opt/kuboard-ha/etcd/3.5.6-4db32e3b".into(),
                        members: Vec::new(),
                    },
                    Reason::Missing,
                ),
                write("/etc/etcd.env", "ETCD_NAME=x\n", Reason::Missing),
                unit(UnitChange::Enable, Reason::Missing, Risk::None),
            ],
        ));
    }
    let all = ["etcd.install@etcd1", "etcd.install@etcd2", "etcd.install@etcd3"];
    for name in ["etcd1", "etcd2", "etcd3"] {
        let quorum = Procedure::new("etcd.quorum", ":", [("title", "every member is healthy".to_owned())]);
        jobs.push(job(
            "etcd.start",
            "etcd",
            name,
            &all,
            vec![
                unit(
                    UnitChange::StartNoBlock,
                    Reason::Needed("a member alone is never ready".into()),
                    Risk::None,
                ),
                step(
                    "etcd:cluster",
                    Action::Await(quorum),
                    Reason::Needed("nothing else begins without quorum".into()),
                ),
            ],
        ));
    }
    for (name, after) in [("kuboard-1", "etcd.start@etcd1"), ("kuboard-2", "kuboard.run@kuboard-1")] {
        let change = if name == "kuboard-1" {
            SecretChange::Mint { length: 32 }
        } else {
            SecretChange::Copy { from: host("kuboard-1") }
        };
        jobs.push(job(
            "kuboard.run",
            "kuboard",
            name,
            &[after],
            vec![
                step(
                    "secret:sso-secret",
                    Action::Secret { id: SecretId::new("sso-secret"), change },
                    Reason::Missing,
                ),
                step(
                    "image:kuboard",
                    Action::Image {
                        image: "eipwork/kuboard:v3.5.2.9".into(),
                        source: ImageSource::Pull { username: None },
                    },
                    Reason::Missing,
                ),
            ],
        ));
    }
    let findings = vec![
        Finding::cluster(
            Severity::Note,
            "kuboard.licence",
            "High availability, more than three clusters and an audit history are features of Kuboard's paid \
             licence; without one they end after the trial.",
        ),
        Finding::cluster(
            Severity::Warning,
            "etcd.version-advised-against",
            "inventory.yaml:12: etcd 3.5.6 has known defects that can lose data.",
        )
        .hint("3.5.21 is the latest of its line"),
    ];
    Planning { plan: Plan { stages: stages(), jobs }, findings }
}

/// One setting of etcd that differs, rolled member by member.
pub fn rolling() -> Planning {
    let mut jobs: Vec<Job> = Vec::new();
    for name in ["etcd2", "etcd3", "etcd1"] {
        let before: Vec<String> = jobs.last().map(|job| job.id.to_string()).into_iter().collect();
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        let differs = Reason::Differs("ETCD_SNAPSHOT_COUNT 10000 -> 50000".into());
        jobs.push(job(
            "etcd.roll",
            "etcd",
            name,
            &before,
            vec![
                write("/etc/etcd.env", "ETCD_NAME=x\nETCD_SNAPSHOT_COUNT=50000\n", differs),
                unit(
                    UnitChange::Restart,
                    Reason::Needed("so that it takes the new setting".into()),
                    Risk::Restart,
                ),
            ],
        ));
    }
    Planning { plan: Plan { stages: stages(), jobs }, findings: Vec::new() }
}

/// A member that is replaced.
pub fn replacing(name: &str) -> Planning {
    let remove = Procedure::new("etcd.remove-member", ":", [("title", "remove the member".to_owned())]);
    let removal = Step {
        risk: Risk::Replace,
        ..step("etcd:member", Action::Call(remove), Reason::Differs("its disk was replaced".into()))
    };
    let jobs = vec![job("etcd.retire", "etcd", name, &[], vec![removal])];
    Planning { plan: Plan { stages: stages(), jobs }, findings: Vec::new() }
}

/// A replacement that something forbids.
pub fn blocked() -> Planning {
    let remove = Procedure::new("etcd.remove-member", ":", [("title", "remove the member etcd3".to_owned())]);
    let removal = Step {
        risk: Risk::Replace,
        ..step("etcd:member", Action::Call(remove), Reason::Differs("its disk was replaced".into()))
    };
    let findings = vec![
        Finding::on(
            &host("etcd3"),
            Severity::Blocked,
            "etcd.foreign-data",
            "/var/lib/etcd holds the data of another cluster (id 9c2f). Starting on it would mix two clusters.",
        )
        .hint("if nobody needs it, move it aside on etcd3:\n  mv /var/lib/etcd/member /var/lib/etcd-member.aside"),
    ];
    let jobs = vec![job("etcd.replace", "etcd", "etcd1", &[], vec![removal])];
    Planning { plan: Plan { stages: stages(), jobs }, findings }
}

fn stages() -> Vec<Stage> {
    let stage = |id: &str, title: &str| Stage { id: StageId(id.into()), title: title.into() };
    vec![stage("etcd", "etcd: the store"), stage("kuboard", "Kuboard: the replicas")]
}

fn job(what: &str, stage: &str, name: &str, after: &[&str], steps: Vec<Step>) -> Job {
    let ids = after.iter().filter_map(|id| id.split_once('@'));
    Job {
        id: JobId::new(what, &host(name)),
        stage: StageId(stage.into()),
        host: host(name),
        after: ids.map(|(what, name)| JobId::new(what, &host(name))).collect::<BTreeSet<_>>(),
        guards: Vec::new(),
        steps,
    }
}

fn step(resource: &str, action: Action, reason: Reason) -> Step {
    let (kind, name) = resource.split_once(':').unwrap();
    Step {
        resource: ResourceId::new(kind, name),
        action,
        reason,
        risk: Risk::None,
        limit: Duration::from_mins(1),
    }
}

fn write(path: &str, text: &str, reason: Reason) -> Step {
    let secret = Part::Secret { id: SecretId::new("etcd-token"), form: SecretForm::SystemdEnv };
    let content = Content(vec![
        Part::Text(text.into()),
        Part::Text("ETCD_INITIAL_CLUSTER_TOKEN=".into()),
        secret,
        Part::Text("\n".into()),
    ]);
    let action =
        Action::WriteFile { path: path.into(), mode: 0o640, owner: "root:etcd".into(), content, check: None };
    step(&format!("file:{path}"), action, reason)
}

fn unit(change: UnitChange, reason: Reason, risk: Risk) -> Step {
    let action = Action::Unit { unit: "etcd.service".into(), change, stamp: Vec::new() };
    Step { risk, ..step("unit:etcd.service", action, reason) }
}

fn etcd() -> Artifact {
    Artifact {
        product: "etcd".into(),
        version: "3.5.6".into(),
        source: "https://example.com/etcd.tar.gz".into(),
        sha256: Sha256Digest::of(b"etcd"),
    }
}

/// Facts in which `/etc/etcd.env` is ours on the etcd hosts.
pub fn with_env(mut facts: crate::facts::Facts) -> crate::facts::Facts {
    use crate::facts::model::{FileFact, FileState, HostState, Observed};
    use crate::resource::ContentKey;
    for (_, state) in facts.hosts.iter_mut().filter(|(name, _)| name.as_str().starts_with("etcd")) {
        let HostState::Reached(reached) = state else { continue };
        let fact = FileFact {
            state: FileState::Ours { recorded: ContentKey::of_text("x"), intact: true },
            mode: 0o640,
            owner: "root:etcd".into(),
            text: Some("ETCD_NAME=x\nETCD_SNAPSHOT_COUNT=10000\nETCD_INITIAL_CLUSTER_TOKEN=***\n".into()),
        };
        let files = BTreeMap::from([("/etc/etcd.env".to_owned(), Observed::Known(Some(fact)))]);
        reached.files = files;
    }
    facts
}
