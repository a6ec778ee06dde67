//! What etcd 3.5.6 printed where it was made to fail, and what that is called.

use super::scene;
use crate::causes::testing::{ended, printed, reached, whole};
use crate::causes::{Evidence, Reach};
use crate::event::Cause;
use crate::facts::model::{FirewallFact, Observed};
use crate::inventory::Inventory;
use crate::resource::HostName;
use crate::status::sample::manual;

fn host() -> HostName {
    HostName::new("etcd3")
}

fn cause(inventory: &Inventory, evidence: &Evidence) -> Option<Cause> {
    whole(super::cause(inventory, evidence))
}

fn of(log: &str) -> Option<Cause> {
    cause(&manual(), &ended(scene(&manual(), &host()), "exit-code", 1, log))
}

fn fatal(error: &str) -> String {
    format!(
        r#"{{"level":"fatal","ts":"x","caller":"etcdmain/etcd.go:204","msg":"discovery failed","error":"{error}"}}"#
    )
}

#[test]
fn each_has_its_name() {
    for (error, code) in [
        ("member 2a669ef0d83154ae has already been bootstrapped", "etcd.already-bootstrapped"),
        (
            "error validating peerURLs {ClusterID:7713f7dc035a76c3 Members:[&{ID:2a669ef0d83154ae RaftAttributes:{PeerURLs:[http://127.0.0.1:3301] IsLearner:false}}] RemovedMemberIDs:[]}: member count is unequal",
            "etcd.member-count-unequal",
        ),
        ("couldn't find local name \\\"zz\\\" in the initial cluster configuration", "etcd.member-list"),
        ("walpb: crc mismatch", "etcd.corrupt-wal"),
        (
            "wal: max entry size limit exceeded, recBytes: 24866934413088856, fileSize(64000000) - offset(0) - padBytes(0) = entryLimit(64000000)",
            "etcd.corrupt-wal",
        ),
        ("wal: file not found", "etcd.corrupt-wal"),
    ] {
        let found = of(&fatal(error)).unwrap_or_else(|| panic!("{error}"));
        assert_eq!((found.code.as_str(), found.lasting), (code, true), "{error}");
    }
    for (line, code) in [
        (
            "panic: tocommit(8) is out of range [lastIndex(0)]. Was the raft log corrupted, truncated, or lost?",
            "etcd.amnesiac",
        ),
        ("panic: cannot use none as id", "etcd.corrupt-wal"),
        (
            r#"{"level":"warn","caller":"etcdmain/etcd.go:75","msg":"failed to verify flags","error":"--election-timeout[100ms] should be at least as 5 times as --heartbeat-interval[100ms]"}"#,
            "etcd.setting",
        ),
        (
            r#"{"level":"fatal","caller":"flags/flag.go:85","msg":"conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag))","environment-variable":"ETCD_NAME"}"#,
            "etcd.setting",
        ),
        // From etcd 3.5's sources: server/etcdserver/server.go, server/etcdserver/api/membership/cluster.go.
        (
            r#"{"level":"error","msg":"server error","error":"the member has been permanently removed from the cluster"}"#,
            "etcd.member-removed",
        ),
        (
            r#"{"level":"fatal","msg":"invalid downgrade; server version is lower than determined cluster version","error":"cluster cannot be downgraded (current version: 3.5.6 is lower than determined cluster version: 3.6)."}"#,
            "etcd.version",
        ),
        (
            r#"{"level":"panic","msg":"failed to recover v3 backend from snapshot","error":"failed to find database snapshot file (snap: snapshot file doesn't exist)"}"#,
            "etcd.corrupt-database",
        ),
    ] {
        assert_eq!(of(line).map(|cause| cause.code).as_deref(), Some(code), "{line}");
    }
    assert_eq!(of(&fatal("no space left on device")), None, "any service may have that");
}

#[test]
fn two_clusters_name_both_and_a_member_that_is_up_only_hears_a_stranger() {
    let line = r#"{"level":"warn","ts":"x","caller":"rafthttp/http.go:500","msg":"request cluster ID mismatch","local-member-id":"8a4fb51d27fd42db","local-member-cluster-id":"c686977353be9f04","local-member-server-version":"3.5.6","remote-peer-server-name":"3d74a617a8b15ee9","remote-peer-cluster-id":"7713f7dc035a76c3"}"#;
    let found = of(line).unwrap();
    assert_eq!((found.code.as_str(), found.lasting), ("etcd.cluster-id-mismatch", true));
    assert!(
        found.message.contains("its own is c686977353be9f04, theirs 7713f7dc035a76c3"),
        "{}",
        found.message
    );
    let mut up = ended(scene(&manual(), &host()), "success", 0, line);
    up.units[0].active = "active".into();
    up.units[0].earlier = vec![line.into()];
    assert!(!cause(&manual(), &up).unwrap().lasting);
}

#[test]
fn an_empty_disk_that_the_unit_refuses() {
    let output = "Assertion failed on job for etcd.service.";
    let found = cause(&manual(), &printed(scene(&manual(), &host()), output)).unwrap();
    assert_eq!(found.code, "etcd.data-missing");
}

#[test]
fn alarms_have_the_same_words_as_the_findings() {
    let output = r#"not healthy yet: {"health":"false","reason":"ALARM NOSPACE"}"#;
    let found = cause(&manual(), &printed(scene(&manual(), &host()), output)).unwrap();
    assert_eq!(found.code, "etcd.alarm");
    assert!(found.hint.contains("alarm disarm"), "{}", found.hint);
    let output = "Error: etcdserver: mvcc: database space exceeded";
    assert_eq!(cause(&manual(), &printed(scene(&manual(), &host()), output)).unwrap(), found);
    let output = r#"not healthy yet: {"health":"false","reason":"ALARM CORRUPT"}"#;
    let found = cause(&manual(), &printed(scene(&manual(), &host()), output)).unwrap();
    assert!(found.message.contains("data differ"), "{}", found.message);
    // While an alarm is raised `up` is blocked: the order of the commands is the way out.
    let places = ["aside-by-hand", "alarm disarm", "then run `kuboard-ha up`"]
        .map(|text| found.hint.find(text).unwrap());
    assert!(places.is_sorted(), "{}", found.hint);
}

fn reach(how: [Reach; 2]) -> Evidence {
    let mut evidence = printed(scene(&manual(), &host()), "not yet taken part: etcd1 etcd2");
    evidence.reach =
        vec![reached("etcd1", "10.99.16.11", 2380, how[0]), reached("etcd2", "10.99.16.12", 2380, how[1])];
    evidence
}

#[test]
fn peers_that_are_not_reached_are_named_with_the_way_that_is_shut() {
    let found = cause(&manual(), &reach([Reach::Open, Reach::Refused])).unwrap();
    assert_eq!((found.code.as_str(), found.lasting), ("etcd.peers-unreachable", false));
    assert_eq!(found.waits_for, [HostName::new("etcd2")]);
    assert_eq!(
        found.message,
        "From here other members are not reached: etcd2 (10.99.16.12:2380) refuses (nothing listens)."
    );
    let found = cause(&manual(), &reach([Reach::Silent, Reach::Open])).unwrap();
    assert!(found.message.contains("etcd1 (10.99.16.11:2380) does not answer"), "{}", found.message);

    let mut shut = reach([Reach::Open, Reach::Open]);
    assert_eq!(cause(&manual(), &shut), None);
    let kind = "nftables".to_owned();
    let firewall = FirewallFact { kind, drops: true, allowed: [22].into(), ..FirewallFact::default() };
    shut.seen.firewall = Observed::Known(Some(firewall));
    let found = cause(&manual(), &shut).unwrap();
    assert!(
        found.message.contains("nftables on this host drops what comes in on tcp 2380"),
        "{}",
        found.message
    );
}

#[test]
fn trouble_of_ones_own_comes_before_that_of_neighbours_and_a_loop_after_both() {
    let explain = |evidence: &Evidence| {
        crate::services::explain(Some(crate::services::Service::Etcd), &manual(), evidence).unwrap()
    };
    let mut evidence = reach([Reach::Open, Reach::Refused]);
    evidence.units = ended(scene(&manual(), &host()), "exit-code", 1, "").units;
    evidence.units[0].restarts = 9;
    let found = explain(&evidence);
    assert_eq!(
        (found.code.as_str(), found.lasting),
        ("etcd.peers-unreachable", false),
        "it starts until they answer"
    );
    evidence.units[0].log = vec![fatal("listen tcp 10.99.16.13:2380: bind: address already in use")];
    assert_eq!(explain(&evidence).code, "port.taken");
}
