//! One member that is down, was wiped, forgot, or was added by hand.

use super::finding::refused;
use super::{DATA, ELECTED, MEMBERS, converges, etcd, says_of, told};
use crate::lab::Lab;
use crate::poll::until;
use crate::stands::{BOOT, brief};
use crate::writer::Writer;

/// Whose data is the last to be taken away: as after a dead disk.
const KILL: &str = "systemctl kill -s KILL etcd; systemctl stop etcd";

pub fn two_stopped(lab: &Lab) {
    let writer = Writer::start(&etcd(lab), "two-stopped");
    let two = ["node-2", "node-3"].map(str::to_owned);
    lab.exec_all(&two, "systemctl stop etcd");
    let status = told(lab, "stopped", 0);
    assert_eq!(status["verdict"], "down", "{}", brief(&status));
    says_of(&status, "node-2", "it does not run");
    converges(lab, &[], writer);
}

/// What is left without its log is moved aside; the member is replaced, after a snapshot, once somebody says yes.
pub fn wiped(lab: &Lab) {
    let writer = Writer::start(&etcd(lab), "wiped");
    lab.exec("node-3", &format!("{KILL}; rm -r {DATA}/member/wal"));
    let status = told(lab, "formed", 0);
    says_of(&status, "node-3", "its data is gone");
    refused(lab, &MEMBERS, &[]);
    let old = id(lab, "node-3");
    converges(lab, &["--yes"], writer);
    assert_ne!(old, id(lab, "node-3"), "it is a new member");
    assert_eq!(lab.exec("node-3", &format!("ls -d {DATA}/aside-*/member/snap/db")).lines().count(), 1);
    assert_eq!(snapshots(lab), 1);
}

/// The leader: until the others have elected another, there truly is no quorum.
pub fn leader_wiped(lab: &Lab) {
    let leader = lab.status()["etcd"]["leader"].as_str().unwrap().to_owned();
    let writer = Writer::start(&etcd(lab), "leader-wiped");
    lab.exec(&leader, &format!("{KILL}; rm -r {DATA}/member"));
    let status = told(lab, "formed", 0);
    says_of(&status, &leader, "its data is gone");
    converges(lab, &["--yes"], writer);
    snapshots(lab);
}

/// Wiped, and booted before anybody ran `up`, by a unit as older than the assertion, while its peers were out of reach:
/// it came up as the member it was, without what it had promised.
pub fn amnesiac(lab: &Lab) {
    let writer = Writer::start(&etcd(lab), "amnesiac");
    let old = id(lab, "node-2");
    // A leader that was elected meanwhile knows nothing of what its peers have: it would fill the gap in silence.
    if lab.status()["etcd"]["leader"] == "node-2" {
        lab.exec("node-2", &format!("etcdctl move-leader {}", id(lab, "node-1")));
    }
    lab.hosts_do("cut", &["node-2"]);
    lab.exec(
        "node-2",
        &format!(
            "{KILL}; rm -r {DATA}/member; sed -i 's/existing/new/' /etc/etcd.env
             sed -i '/^Assert/d' /etc/systemd/system/etcd.service && systemctl daemon-reload && systemctl start --no-block etcd"
        ),
    );
    until(BOOT, "it made a log of its own", || {
        lab.try_exec("node-2", &format!("ls {DATA}/member/wal/*.wal"))
    });
    lab.hosts_do("mend", &["node-2"]);
    until(BOOT, "it panics", || {
        lab.try_exec("node-2", "journalctl -u etcd --no-pager | grep 'tocommit.*out of range'")
    });
    assert_eq!(old, id(lab, "node-2"), "it is who it was");
    let status = told(lab, "formed", 0);
    says_of(&status, "node-2", "started on an empty disk");
    refused(lab, &MEMBERS, &[]);
    converges(lab, &["--yes"], writer);
    assert_ne!(old, id(lab, "node-2"), "it is a new member");
    assert_eq!(lab.exec("node-2", &format!("ls -d {DATA}/aside-*/member/wal")).lines().count(), 1);
    snapshots(lab);
}

/// Somebody began to replace it by hand and went no further; its old data lies there still.
pub fn added(lab: &Lab) {
    let writer = Writer::start(&etcd(lab), "added");
    lab.exec("node-3", KILL);
    by_hand(lab, "");
    let status = told(lab, "formed", 0);
    says_of(&status, "node-3", "");
    converges(lab, &["--yes"], writer);
}

/// A learner that was added and started, and never promoted.
pub fn learner(lab: &Lab) {
    let writer = Writer::start(&etcd(lab), "learner");
    lab.exec("node-3", &format!("{KILL}; rm -r {DATA}/member"));
    by_hand(lab, " --learner");
    lab.exec("node-3", "sed -i '/^Assert/d' /etc/systemd/system/etcd.service && systemctl daemon-reload && systemctl start etcd");
    let status = told(lab, "formed", 0);
    says_of(&status, "node-3", "does not vote yet");
    converges(lab, &[], writer);
}

/// `etcdctl member remove` and `member add` for node-3; etcd takes the second some seconds after a change only.
fn by_hand(lab: &Lab, flags: &str) {
    let old = id(lab, "node-3");
    until(ELECTED, "the member is removed", || {
        lab.try_exec("node-1", &format!("etcdctl member remove {old} 2>&1"))
    });
    let add =
        format!("etcdctl member add node-3{flags} --peer-urls=http://{}:2380 2>&1", lab.address("node-3"));
    until(ELECTED, "the member is added", || lab.try_exec("node-1", &add));
}

/// The id that the cluster lists for a host.
#[track_caller]
fn id(lab: &Lab, host: &str) -> String {
    let url = format!("http://{}:2380", lab.address(host));
    let list = lab.exec("node-1", "etcdctl member list");
    let line = list.lines().find(|line| line.contains(&url)).unwrap_or_else(|| panic!("no {host} in {list}"));
    line.split(',').next().unwrap().to_owned()
}

/// How many snapshots there are on the host with most of them: whole ones, for root alone, three at most.
#[track_caller]
pub fn snapshots(lab: &Lab) -> usize {
    let script = "cd /var/lib/kuboard-ha/kuboard/snapshots 2>/dev/null || exit 0
        for file in *; do stat -c '%a %U' \"$file\"; etcdutl snapshot status \"$file\" >/dev/null || echo broken; done";
    let mut most = 0;
    for (host, text) in lab.exec_all(lab.hosts.keys(), script) {
        assert!(text.lines().all(|line| line == "600 root"), "{host}: {text}");
        most = most.max(text.lines().count());
    }
    assert!((1..=3).contains(&most), "{most} snapshots");
    most
}
