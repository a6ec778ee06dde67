//! The status of clusters in every shape, from facts made by hand.

use std::time::Duration;

use super::*;
use crate::facts::Observed;
use crate::facts::model::PublishedPort;
use crate::plan::model::{
    Action, Job, JobId, Plan, Reason, Risk, Severity, Stage, StageId, Step, UnitChange,
};
use crate::status::sample::{alone, cut, host, manual, single, stop_etcd, well, written};

fn judged(inventory: &Inventory, facts: &Facts) -> Status {
    status(inventory, facts, &Planning::default())
}

fn one_difference() -> Planning {
    let step = Step {
        resource: ResourceId::new("file", "/etc/etcd.env"),
        action: Action::Unit { unit: "etcd.service".into(), change: UnitChange::Restart, stamp: Vec::new() },
        reason: Reason::Differs("ETCD_SNAPSHOT_COUNT 10000 -> 50000".into()),
        risk: Risk::Restart,
        limit: Duration::from_secs(1),
    };
    let stage = Stage { id: StageId("etcd".into()), title: "etcd".into() };
    let job = Job {
        id: JobId::new("etcd.roll", &host("etcd2")),
        stage: stage.id.clone(),
        host: host("etcd2"),
        after: std::collections::BTreeSet::new(),
        guards: Vec::new(),
        steps: vec![step],
    };
    Planning { plan: Plan { stages: vec![stage], jobs: vec![job] }, findings: Vec::new() }
}

#[test]
fn healthy() {
    let inventory = manual();
    let status = judged(&inventory, &well(&inventory));
    assert_eq!((status.verdict, &status.reasons), (Verdict::Healthy, &vec![]));
    assert_eq!(status.etcd.verdict, EtcdVerdict::Formed);
    assert_eq!(status.etcd.leader.as_deref(), Some("etcd1"));
    assert_eq!(status.etcd.quorum, Quorum { voters: 3, healthy: 3, can_lose: Some(1) });
    assert_eq!(status.load_balancer.unwrap().holders, [host("lb-1")]);
}

#[test]
fn one_member_host_down_is_degraded_and_survives_nothing_more() {
    let inventory = manual();
    let mut facts = well(&inventory);
    cut(&mut facts, &["etcd3"]);
    let status = judged(&inventory, &facts);
    assert_eq!(status.verdict, Verdict::Degraded);
    assert_eq!(status.reasons, ["etcd3 is not reachable (connect to port 22: No route to host)"]);
    assert_eq!(status.etcd.quorum, Quorum { voters: 3, healthy: 2, can_lose: Some(0) });
    let dead = &status.etcd.members[2];
    assert_eq!((dead.name.as_str(), dead.healthy), ("etcd3", None));
    assert_eq!(dead.id.as_deref(), Some("00000000000000a2"), "known through the others' lists");
}

#[test]
fn two_of_three_members_down_is_down_though_the_third_lists_all() {
    let inventory = manual();
    let mut facts = well(&inventory);
    cut(&mut facts, &["etcd2", "etcd3"]);
    alone(&mut facts, "etcd1");
    let status = judged(&inventory, &facts);
    assert_eq!(status.verdict, Verdict::Down);
    assert_eq!(status.reasons[0], "etcd has no quorum: 0 of 3 members healthy, 2 needed");
    assert_eq!(status.etcd.verdict, EtcdVerdict::Unknown);
    assert_eq!(status.etcd.leader, None, "the survivor still names one");
    assert_eq!(status.etcd.quorum.can_lose, Some(0));
    assert_eq!(status.etcd.members.len(), 3);
}

#[test]
fn two_of_three_members_stopped_on_living_hosts_is_down() {
    let inventory = manual();
    let mut facts = well(&inventory);
    stop_etcd(&mut facts, "etcd2");
    stop_etcd(&mut facts, "etcd3");
    alone(&mut facts, "etcd1");
    let status = judged(&inventory, &facts);
    assert_eq!((status.verdict, status.etcd.verdict), (Verdict::Down, EtcdVerdict::Stopped));
    assert_eq!(status.etcd.members[1].why.as_deref(), Some("it does not run"));
}

#[test]
fn two_members_not_reachable_and_a_third_with_quorum_is_degraded() {
    let inventory = manual();
    let mut facts = well(&inventory);
    cut(&mut facts, &["etcd2", "etcd3"]);
    let status = judged(&inventory, &facts);
    assert_eq!(status.verdict, Verdict::Degraded);
    assert_eq!(status.etcd.quorum, Quorum { voters: 3, healthy: 1, can_lose: Some(0) });
}

#[test]
fn everything_down() {
    let inventory = manual();
    let mut facts = well(&inventory);
    let all: Vec<_> = inventory.hosts.keys().map(HostName::as_str).collect();
    cut(&mut facts, &all);
    let status = judged(&inventory, &facts);
    assert_eq!(status.verdict, Verdict::Down);
    assert_eq!(status.reasons.len(), 1);
    assert!(status.reasons[0].starts_with("no host answers"), "{:?}", status.reasons);
    assert_eq!(status.etcd.quorum.can_lose, None);
    assert_eq!(status.kuboard.replicas[0].healthy, None);
}

#[test]
fn hosts_that_refuse_the_login_are_unknown_not_down() {
    let inventory = single();
    let mut facts = well(&inventory);
    let why = "Permission denied (publickey)".to_owned();
    facts.hosts.insert(host("box"), HostState::Unreachable { why, answered: true, hint: None });
    assert_eq!(judged(&inventory, &facts).verdict, Verdict::Unknown);
}

#[test]
fn every_service_stopped_on_living_hosts_is_down() {
    let inventory = manual();
    let mut facts = well(&inventory);
    for name in ["etcd1", "etcd2", "etcd3"] {
        stop_etcd(&mut facts, name);
    }
    for name in ["kuboard-1", "kuboard-2"] {
        facts.host_mut(&host(name)).unwrap().kuboard.as_mut().unwrap().web = Observed::Known(false);
    }
    let status = judged(&inventory, &facts);
    assert_eq!(status.verdict, Verdict::Down);
    assert_eq!(
        status.reasons[..2],
        ["etcd has no quorum: 0 of 3 members healthy, 2 needed", "no Kuboard replica works"]
    );
}

#[test]
fn an_address_held_by_none_is_down_and_by_two_degraded() {
    let inventory = manual();
    let mut facts = well(&inventory);
    let lb = |facts: &mut Facts, name: &str, holds, answers| {
        let balancer = facts.host_mut(&host(name)).unwrap().balancer.as_mut().unwrap();
        (balancer.holds_address, balancer.answers) = (holds, Observed::Known(answers));
    };
    lb(&mut facts, "lb-1", true, true);
    lb(&mut facts, "lb-2", true, true);
    let two = judged(&inventory, &facts);
    assert_eq!(two.verdict, Verdict::Degraded);
    assert_eq!(two.reasons, ["10.99.16.20 is held by lb-1 and lb-2 at once"]);

    lb(&mut facts, "lb-1", false, false);
    lb(&mut facts, "lb-2", false, false);
    let none = judged(&inventory, &facts);
    assert_eq!((none.verdict, none.reasons[0].as_str()), (Verdict::Down, "no host holds 10.99.16.20"));

    lb(&mut facts, "lb-1", true, false);
    let mute = judged(&inventory, &facts);
    assert_eq!(mute.verdict, Verdict::Down);
}

#[test]
fn an_address_that_answers_from_an_unreachable_host_is_degraded() {
    let inventory = manual();
    let mut facts = well(&inventory);
    cut(&mut facts, &["lb-1"]);
    assert_eq!(judged(&inventory, &facts).verdict, Verdict::Degraded);
}

#[test]
fn what_was_not_seen_is_not_down() {
    let inventory = manual();
    let mut facts = well(&inventory);
    cut(&mut facts, &["lb-1", "lb-2"]);
    let balancers = judged(&inventory, &facts);
    let why = "whether 10.99.16.20 answers could not be seen, nor whether lb-1 or lb-2 holds it";
    assert_eq!((balancers.verdict, balancers.reasons[0].as_str()), (Verdict::Unknown, why));

    let mut facts = well(&inventory);
    cut(&mut facts, &["etcd1", "etcd2", "etcd3"]);
    let members = judged(&inventory, &facts);
    let why = "whether etcd has a quorum could not be seen";
    assert_eq!((members.verdict, members.reasons[0].as_str()), (Verdict::Unknown, why));

    let mut facts = well(&inventory);
    cut(&mut facts, &["kuboard-1", "kuboard-2"]);
    let replicas = judged(&inventory, &facts);
    assert_eq!(replicas.verdict, Verdict::Degraded, "the address answers: {:?}", replicas.reasons);
    cut(&mut facts, &["lb-1", "lb-2"]);
    assert_eq!(judged(&inventory, &facts).verdict, Verdict::Unknown);
}

#[test]
fn an_address_seen_not_to_answer_is_down_whoever_may_hold_it() {
    let inventory = manual();
    let mut facts = well(&inventory);
    cut(&mut facts, &["lb-1"]);
    let balancer = facts.host_mut(&host("lb-2")).unwrap().balancer.as_mut().unwrap();
    (balancer.holds_address, balancer.answers) = (false, Observed::Known(false));
    let status = judged(&inventory, &facts);
    assert_eq!(status.verdict, Verdict::Down);
    assert!(
        status
            .reasons
            .contains(&"10.99.16.20 does not answer; whether lb-1 holds it could not be seen".into()),
        "{:?}",
        status.reasons
    );
}

#[test]
fn drift_alone_is_degraded_and_listed() {
    let inventory = manual();
    let status = status(&inventory, &well(&inventory), &one_difference());
    assert_eq!(status.verdict, Verdict::Degraded);
    assert_eq!(status.reasons, ["one thing differs from the inventory"]);
    let drift = serde_json::to_value(&status.drift).unwrap();
    assert_eq!(
        drift,
        serde_json::json!([{"host": "etcd2", "resource": "file:/etc/etcd.env",
            "reason": "ETCD_SNAPSHOT_COUNT 10000 -> 50000"}])
    );
}

#[test]
fn a_single_machine_is_healthy_and_survives_nothing() {
    let inventory = single();
    let status = judged(&inventory, &well(&inventory));
    assert_eq!(status.verdict, Verdict::Healthy);
    assert_eq!(status.etcd.quorum, Quorum { voters: 1, healthy: 1, can_lose: Some(0) });
    assert!(status.load_balancer.is_none());
}

#[test]
fn questdb_down_is_degraded() {
    let inventory = manual();
    let mut facts = well(&inventory);
    facts.host_mut(&host("questdb")).unwrap().questdb.as_mut().unwrap().healthy = Observed::Known(false);
    let status = judged(&inventory, &facts);
    assert_eq!(status.verdict, Verdict::Degraded);
    assert!(status.reasons[0].starts_with("no audit log"), "{:?}", status.reasons);
    assert_eq!(status.questdb.unwrap().healthy, Some(false));
}

#[test]
fn the_version_of_questdb_is_the_one_that_was_seen() {
    let mut inventory = manual();
    let mut facts = well(&inventory);
    // An edit that `up` has not brought about yet.
    inventory.questdb.as_mut().unwrap().version = "6.6.2".into();
    let version = |facts: &Facts| judged(&inventory, facts).questdb.unwrap().version;
    assert_eq!(version(&facts).as_deref(), Some("6.6.1"));
    facts.host_mut(&host("questdb")).unwrap().files.clear();
    assert_eq!(version(&facts), None, "healthy, and nobody saw which one it is");
}

#[test]
fn bare_hosts_are_down_because_nothing_is_built() {
    let inventory = manual();
    let mut facts = well(&inventory);
    for name in inventory.hosts.keys() {
        let reached = facts.host_mut(name).unwrap();
        reached.manifest.clear();
        let none = |_| crate::facts::service::EtcdFacts {
            running: Observed::Known(None),
            status: Observed::Known(None),
            health: Observed::Known(Err("connection refused".into())),
            ..Default::default()
        };
        reached.etcd = reached.etcd.take().map(none);
        reached.kuboard = reached.kuboard.take().map(|_| crate::facts::service::KuboardFacts::default());
    }
    let status = judged(&inventory, &facts);
    assert_eq!((status.verdict, status.etcd.verdict), (Verdict::Down, EtcdVerdict::Fresh));
    assert_eq!(status.reasons[0], "nothing is built yet: no member has data");
}

#[test]
fn a_note_of_what_was_done_is_a_difference_only_by_itself() {
    let inventory = manual();
    let drift = |planning: &Planning| status(&inventory, &well(&inventory), planning).drift;
    let mut planning = one_difference();
    let wanted = drift(&planning);
    let note = Step {
        resource: ResourceId::new("manifest", "kuboard/served"),
        action: Action::Record { entries: [("kuboard served".to_owned(), "before".to_owned())].into() },
        reason: Reason::Differs("yes -> before".into()),
        ..planning.plan.jobs[0].steps[0].clone()
    };
    planning.plan.jobs[0].steps.insert(0, note);
    assert_eq!(drift(&planning), wanted);
    planning.plan.jobs[0].steps.truncate(1);
    assert_eq!(drift(&planning)[0].resource.to_string(), "manifest:kuboard/served");
}

#[test]
fn a_blocking_finding_and_an_alarm_are_degraded() {
    let inventory = manual();
    let mut facts = well(&inventory);
    for name in ["etcd1", "etcd2", "etcd3"] {
        let etcd = facts.host_mut(&host(name)).unwrap().etcd.as_mut().unwrap();
        etcd.alarms = vec!["NOSPACE".into()];
        etcd.health = Observed::Known(Err("ALARM NOSPACE".into()));
    }
    let findings = vec![Finding::cluster(Severity::Blocked, "etcd.alarm", "no space")];
    let status = status(&inventory, &facts, &Planning { plan: Plan::default(), findings });
    assert_eq!((status.verdict, status.etcd.verdict), (Verdict::Degraded, EtcdVerdict::Formed));
    assert!(status.reasons.contains(&"one finding forbids changes".to_owned()));
}

#[test]
fn a_member_that_the_inventory_does_not_know_is_listed() {
    let inventory = manual();
    let mut facts = well(&inventory);
    let etcd = facts.host_mut(&host("etcd1")).unwrap().etcd.as_mut().unwrap();
    etcd.status = Observed::Known(etcd.status.known().unwrap().clone().map(|mut status| {
        status.raft_index = 99;
        status
    }));
    etcd.members = Observed::Known({
        let mut members = etcd.members.known().unwrap().clone();
        members.push(crate::facts::service::Member {
            id: "ff".into(),
            name: "old".into(),
            ..Default::default()
        });
        members
    });
    let status = judged(&inventory, &facts);
    assert_eq!(status.etcd.quorum, Quorum { voters: 4, healthy: 3, can_lose: Some(0) });
    assert_eq!((status.etcd.members[3].name.as_str(), &status.etcd.members[3].host), ("old", &None));
    assert_eq!(status.verdict, Verdict::Degraded);
}

#[test]
fn the_document_is_that_of_the_contract() {
    let inventory = manual();
    let mut facts = well(&inventory);
    cut(&mut facts, &["kuboard-2"]);
    let document = serde_json::to_value(judged(&inventory, &facts)).unwrap();
    let keys =
        |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(document["schema"], "kuboard-ha.status/1");
    assert_eq!(
        keys(&document),
        "cluster drift etcd findings hosts kuboard load_balancer questdb reasons schema verdict"
    );
    assert_eq!(keys(&document["etcd"]), "cluster_id leader members quorum verdict");
    assert_eq!(
        keys(&document["etcd"]["members"][0]),
        "alarms db_bytes healthy host id learner name raft_index version why"
    );
    assert_eq!(document["etcd"]["quorum"], serde_json::json!({"voters": 3, "healthy": 3, "can_lose": 1}));
    assert_eq!(document["kuboard"]["replicas"][0]["url"], "http://10.99.16.21:80");
    assert_eq!(document["kuboard"]["replicas"][1]["healthy"], serde_json::Value::Null);
    assert_eq!(document["hosts"]["etcd1"]["os"], "debian 12");
    assert_eq!(document["hosts"]["etcd1"]["arch"], "amd64");
    assert_eq!(document["load_balancer"]["holders"], serde_json::json!(["lb-1"]));
}

/// What the inventory asks for was changed, and `up` not run yet: all is asked at new places, and serves at the old ones.
#[test]
fn what_is_not_in_use_yet_is_not_down() {
    let was = manual();
    let mut facts = well(&was);
    for name in ["kuboard-1", "kuboard-2"] {
        let seen = facts.host_mut(&host(name)).unwrap();
        seen.manifest.insert("kuboard served".to_owned(), "yes".to_owned());
        seen.kuboard.as_mut().unwrap().web = Observed::Known(false);
        let Observed::Known(Some(docker)) = &mut seen.docker else { panic!("docker runs") };
        docker.published = [80, 10081]
            .map(|port| PublishedPort {
                container: "kuboard".to_owned(),
                image: was.kuboard.image.clone(),
                ip: "10.99.16.21".parse().unwrap(),
                port,
            })
            .into();
    }
    for name in ["lb-1", "lb-2"] {
        let seen = facts.host_mut(&host(name)).unwrap();
        let file = written("frontend kuboard\n    bind 10.99.16.20:80\n");
        seen.files.insert("/etc/haproxy/haproxy.cfg".to_owned(), file);
        let balancer = seen.balancer.as_mut().unwrap();
        (balancer.holds_address, balancer.answers) = (false, Observed::Known(false));
    }
    // Of what is in use nobody says so.
    assert_eq!(judged(&was, &facts).verdict, Verdict::Down);
    let mut inventory = was;
    inventory.kuboard.http_port = 8080;
    let balancer = inventory.load_balancer.as_mut().unwrap();
    balancer.address = "10.99.16.30".parse().unwrap();
    let status = judged(&inventory, &facts);
    let replica = "is not healthy: it still has other ports than the inventory says";
    assert_eq!(status.verdict, Verdict::Unknown);
    assert_eq!(
        status.reasons,
        [
            "whether a Kuboard replica works could not be seen".to_owned(),
            format!("the Kuboard replica on kuboard-1 {replica}"),
            format!("the Kuboard replica on kuboard-2 {replica}"),
            "10.99.16.30 does not serve on port 80 yet: the balancers have an earlier configuration"
                .to_owned(),
        ]
    );
}
