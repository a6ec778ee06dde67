//! The answers are those of etcd 3.5.6, as the probes printed them.

use super::*;

macro_rules! captured {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/etcd/answers/", $name, ".txt"))
    };
}

fn seen(name: &str, output: &str) -> crate::facts::service::EtcdFacts {
    let mut facts = HostFacts::default();
    read(name, output, &mut facts);
    let etcd = facts.etcd.unwrap();
    // A look hands the lines on without their carriage returns.
    let mut again = HostFacts::default();
    read(name, &output.replace("\r\n", "\n"), &mut again);
    assert_eq!(Some(&etcd), again.etcd.as_ref());
    etcd
}

#[test]
fn a_status_gives_ids_as_etcdctl_shows_them() {
    let etcd = seen("etcd.status", captured!("status_formed"));
    assert_eq!(
        etcd.status,
        Observed::Known(Some(EtcdStatus {
            cluster_id: "97b3c6839a4fe6e4".to_owned(),
            member_id: "e732155b54c8760d".to_owned(),
            leader: Some("e732155b54c8760d".to_owned()),
            version: "3.5.6".to_owned(),
            db_bytes: 20480,
            raft_index: 8,
            raft_term: 2,
            learner: false,
            errors: Vec::new(),
        }))
    );
    let status = |output: &str| seen("etcd.status", output).status.known().cloned().flatten().unwrap();
    assert!(status(captured!("status_learner")).learner);
    let alone = status(captured!("status_leaderless"));
    assert_eq!((alone.leader, alone.errors), (None, vec!["etcdserver: no leader".to_owned()]));
    // Within an election timeout of its followers' death a leader still names itself.
    assert!(status(captured!("status_dying")).leader.is_some());
}

#[test]
fn alarms_stand_in_the_status() {
    assert_eq!(seen("etcd.status", captured!("status_nospace")).alarms, ["NOSPACE"]);
    assert_eq!(
        seen("etcd.health", captured!("health_nospace")).health,
        Observed::Known(Err("ALARM NOSPACE".to_owned()))
    );
    assert!(seen("etcd.status", captured!("status_leaderless")).alarms.is_empty());
}

#[test]
fn health_is_true_or_says_why_not() {
    let health = |output: &str| seen("etcd.health", output).health.known().cloned().unwrap();
    assert_eq!(health(captured!("health_formed")), Ok(()));
    assert_eq!(health(captured!("health_leaderless")), Err("RAFT NO LEADER".to_owned()));
    assert_eq!(health(captured!("health_dying")), Err("no answer within 2 s".to_owned()));
    assert_eq!(health(captured!("refused")), Err("nothing listens on the client port".to_owned()));
    assert_eq!(health("HTTP/1.0 404 Not Found\r\n\r\nx"), Err("/health answered with status 404".to_owned()));
    assert_eq!(health(""), Err("no answer within 2 s".to_owned()));
}

#[test]
fn peers_tell_who_ever_served() {
    let view = |output: &str| seen("etcd.peers", output).peers.known().cloned().flatten().unwrap();
    let alone = view(captured!("peers_alone"));
    assert_eq!((alone.cluster_id.as_str(), alone.members), ("97b3c6839a4fe6e4", 3));
    assert!(alone.published.is_empty());
    assert_eq!(view(captured!("peers_formed")).published, ["etcd3", "etcd1", "etcd2"]);
    assert_eq!(seen("etcd.peers", captured!("refused")).peers, Observed::Known(None));
    assert!(matches!(seen("etcd.peers", "\nexit 124\n").peers, Observed::Unknown(_)));
    assert!(matches!(seen("etcd.peers", "HTTP/1.0 200 OK\n\n{}").peers, Observed::Unknown(_)));
}

#[test]
fn members_are_listed_started_or_not() {
    let list = |output: &str| seen("etcd.members", output).members.known().cloned().unwrap();
    let formed = list(captured!("members_formed"));
    assert_eq!(formed.len(), 3);
    assert_eq!(
        formed[1],
        Member {
            id: "e732155b54c8760d".to_owned(),
            name: "etcd1".to_owned(),
            peer_urls: vec!["http://127.0.9.1:2380".to_owned()],
            learner: false,
        }
    );
    let unstarted = &list(captured!("members_unstarted"))[0];
    assert_eq!((unstarted.name.as_str(), unstarted.learner), ("", true));
    assert_eq!(list(captured!("members_learner"))[0].name, "etcd2");
    assert_eq!(
        seen("etcd.members", captured!("members_from_learner")).members,
        Observed::Unknown("etcdserver: rpc not supported for learner".to_owned())
    );
    assert!(matches!(seen("etcd.members", captured!("refused")).members, Observed::Unknown(_)));
}

#[test]
fn the_data_directory_and_the_process() {
    let etcd = seen("etcd.local", captured!("local_running"));
    assert!(etcd.wal);
    assert_eq!(etcd.entries, ["member", ".hidden"]);
    let process = etcd.running.known().cloned().flatten().unwrap();
    assert_eq!(process.executable, "/opt/kuboard-ha/etcd/3.5.6-4db32e3b/etcd");
    assert_eq!(process.environment["ETCD_INITIAL_CLUSTER"], "etcd1=http://127.0.9.1:2380");
    assert_eq!(process.environment["ETCD_INITIAL_CLUSTER_TOKEN"], "***");

    let blank = seen("etcd.local", "wal no\ncomplaint port-taken\nend\n");
    assert_eq!((blank.wal, blank.running), (false, Observed::Known(None)));
    assert_eq!(blank.complaints, ["port-taken"]);
    // Cut off, it says nothing: an unseen log must not read as none.
    assert!(matches!(seen("etcd.local", "entry member\nwal no\n").running, Observed::Unknown(_)));
}

#[test]
fn garbage_is_no_answer() {
    for output in
        ["", "\u{0}\u{1}", "HTTP/1.0", "HTTP/1.0 200", "HTTP/1.0 200 OK\n\n", "HTTP/1.0 200 OK\n\n[1"]
    {
        assert!(matches!(seen("etcd.status", output).status, Observed::Unknown(_)), "{output:?}");
        assert!(matches!(seen("etcd.members", output).members, Observed::Unknown(_)), "{output:?}");
        assert!(matches!(seen("etcd.peers", output).peers, Observed::Unknown(_)), "{output:?}");
        assert!(matches!(seen("etcd.health", output).health, Observed::Known(Err(_))), "{output:?}");
    }
    let mut facts = HostFacts::default();
    read("questdb.look", "x", &mut facts);
    assert!(facts.etcd.is_none());
}

#[test]
fn whether_anything_is_stored_is_told_without_a_key() {
    let answer = |body: &str| {
        let output = format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}");
        seen("etcd.stored", &output).stored
    };
    let header = r#""header":{"cluster_id":"10930","member_id":"16657","revision":"1","raft_term":"2"}"#;
    assert_eq!(answer(&format!("{{{header}}}")), Observed::Known(false));
    assert_eq!(answer(&format!("{{{header},\"count\":\"7\"}}")), Observed::Known(true));
    assert!(matches!(seen("etcd.stored", "exit 7").stored, Observed::Unknown(_)));
    assert!(matches!(seen("etcd.stored", "").stored, Observed::Unknown(_)));
}
