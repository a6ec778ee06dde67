//! One member that is down, was wiped, forgot, or was added by hand.

use std::collections::BTreeSet;

use super::finding::refused;
use super::{DATA, ELECTED, MEMBERS, converges, etcd, kept, says_of, told, writing};
use crate::etcd::Etcd;
use crate::lab::Lab;
use crate::poll::until;
use crate::stands::{BOOT, brief};

/// Whose data is the last to be taken away: as after a dead disk.
const KILL: &str = "systemctl kill -s KILL etcd; systemctl stop etcd";

pub fn two_stopped(lab: &Lab) {
    let writer = writing(&etcd(lab), "two-stopped");
    let two = ["node-2", "node-3"].map(str::to_owned);
    lab.exec_all(&two, "systemctl stop etcd");
    let status = told(lab, "stopped", 0);
    assert_eq!(status["verdict"], "down", "{}", brief(&status));
    says_of(&status, "node-2", "it does not run");
    converges(lab, &[], writer);
}

/// What is left without its log is moved aside; the member is replaced, after a snapshot, once somebody says yes.
pub fn wiped(lab: &Lab) {
    let writer = writing(&etcd(lab), "wiped");
    let before = snapshots(lab);
    // A database without a log.
    let aside =
        "cd /var/lib/etcd && for db in aside-*/member/snap/db; do [ -d ${db%/snap/db}/wal ] || ls $db; done";
    lab.exec("node-3", &format!("{KILL}; rm -r {DATA}/member/wal"));
    let status = told(lab, "formed", 0);
    says_of(&status, "node-3", "its data is gone");
    refused(lab, &MEMBERS, &[]);
    let old = id(lab, "node-3");
    converges(lab, &["--yes"], writer);
    assert_ne!(old, id(lab, "node-3"), "it is a new member");
    assert_eq!(lab.exec("node-3", aside).lines().count(), 1, "what was left is moved aside");
    assert_eq!(snapshots(lab).difference(&before).count(), 1);
}

/// Its log was damaged. It fails to start, the cause is named, and what is told then gets it replaced.
pub fn corrupt(lab: &Lab) {
    let writer = writing(&etcd(lab), "corrupt");
    let damage = format!(
        "systemctl stop etcd; f=$(ls {DATA}/member/wal/*.wal | head -n 1)
         printf XXXXXXXXXXXXXXXX | dd of=$f bs=1 seek=300 conv=notrunc 2>/dev/null"
    );
    lab.exec("node-3", &damage);
    let failed = lab.run(&["up", "-o", "json", "--yes"]).exits(6).last_event();
    let failures = failed["failures"].as_array().unwrap().iter();
    let mut found = failures.filter(|failure| failure["cause"]["code"] == "etcd.corrupt-wal");
    let failure = found.next().unwrap_or_else(|| panic!("not named: {failed:#}"));
    assert_eq!(failure["host"], "node-3", "{failure:#}");
    let hint = failure["hint"].as_str().unwrap();
    let (_, commands) = hint.split_once("let this one be replaced:\n  ").unwrap();
    lab.exec("node-3", commands.split_once("\nthen run").unwrap().0);
    converges(lab, &["--yes"], writer);
}

/// The leader: until the others have elected another, there truly is no quorum.
pub fn leader_wiped(lab: &Lab) {
    let leader = lab.status()["etcd"]["leader"].as_str().unwrap().to_owned();
    let writer = writing(&etcd(lab), "leader-wiped");
    lab.exec(&leader, &format!("{KILL}; rm -r {DATA}/member"));
    let status = told(lab, "formed", 0);
    says_of(&status, &leader, "its data is gone");
    converges(lab, &["--yes"], writer);
    assert!(!snapshots(lab).is_empty());
}

/// Wiped, and booted before anybody ran `up`, by a unit as older than the assertion, while its peers were out of reach:
/// it came up as the member it was, without what it had promised.
pub fn amnesiac(lab: &Lab) {
    let old = id(lab, "node-2");
    let panics = (1..=3).any(|attempt| forgets(lab, &format!("amnesiac-{attempt}")));
    assert!(panics, "there was an election each time");
    assert_eq!(old, id(lab, "node-2"), "it is who it was");
    let status = told(lab, "formed", 0);
    says_of(&status, "node-2", "started on an empty disk");
    refused(lab, &MEMBERS, &[]);
    converges(lab, &["--yes"], writing(&etcd(lab), "amnesiac-replaced"));
    assert_ne!(old, id(lab, "node-2"), "it is a new member");
    assert_eq!(lab.exec("node-2", &format!("ls -d {DATA}/aside-*/member/wal")).lines().count(), 1);
    assert!(!snapshots(lab).is_empty());
}

/// Whether node-2 panics once its peers are there again. A leader that is elected meanwhile knows nothing of what its
/// peers have: it fills the gap in silence, and all is well.
fn forgets(lab: &Lab, name: &str) -> bool {
    let before = writing(&etcd(lab), name);
    if lab.status()["etcd"]["leader"] == "node-2" {
        lab.exec("node-2", &format!("etcdctl move-leader {}", id(lab, "node-1")));
    }
    let term = || Etcd::status(lab.address("node-1")).unwrap()["raftTerm"].clone();
    let term_before = term();
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
    // What it said is read of its last run. That one shall be it, however slowly this machine goes on.
    lab.exec(
        "node-2",
        "sed -i 's/^RestartSec=.*/RestartSec=1h/' /etc/systemd/system/etcd.service && systemctl daemon-reload",
    );
    let journal =
        "journalctl _SYSTEMD_INVOCATION_ID=$(systemctl show -p InvocationID --value etcd) --no-pager";
    // With a heartbeat it hears of what it should have, and panics. An entry that comes before one makes its leader send
    // all of them: then it heals in silence. So nobody writes meanwhile.
    kept(before);
    lab.hosts_do("mend", &["node-2"]);
    let panics = until(ELECTED, "it panics", || {
        let said = lab.try_exec("node-2", &format!("{journal} | grep 'tocommit.*out of range'"));
        match said {
            Ok(_) => Ok(true),
            Err(why) if term() == term_before => Err(why),
            Err(_) => Etcd::is_healthy(lab.address("node-2")).map(|()| false),
        }
    });
    if !panics {
        lab.up();
    }
    panics
}

/// Somebody began to replace it by hand and went no further; its old data lies there still.
pub fn added(lab: &Lab) {
    let writer = writing(&etcd(lab), "added");
    lab.exec("node-3", KILL);
    by_hand(lab, "");
    let status = told(lab, "formed", 0);
    says_of(&status, "node-3", "");
    converges(lab, &["--yes"], writer);
}

/// A learner that was added and started, and never promoted.
pub fn learner(lab: &Lab) {
    let writer = writing(&etcd(lab), "learner");
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
    // It is a quorum that answers: it may have to elect a leader first.
    let list = until(ELECTED, "the members are listed", || lab.try_exec("node-1", "etcdctl member list"));
    let line = list.lines().find(|line| line.contains(&url)).unwrap_or_else(|| panic!("no {host} in {list}"));
    line.split(',').next().unwrap().to_owned()
}

/// The snapshots there are, by their hosts and names: whole ones, for root alone, three at most on a host.
#[track_caller]
fn snapshots(lab: &Lab) -> BTreeSet<(String, String)> {
    let script = "cd /var/lib/kuboard-ha/kuboard/snapshots 2>/dev/null || exit 0
        for file in *; do
            stat -c '600 root %n' \"$file\" | grep -qx \"$(stat -c '%a %U %n' \"$file\")\" || echo \"open $file\"
            etcdutl snapshot status \"$file\" >/dev/null || echo \"broken $file\"
            echo \"$file\"
        done";
    let mut all = BTreeSet::new();
    for (host, text) in lab.exec_all(lab.hosts.keys(), script) {
        assert!(!text.contains(' '), "{host}: {text}");
        assert!(text.lines().count() <= 3, "{host}: {text}");
        all.extend(text.lines().map(|file| (host.clone(), file.to_owned())));
    }
    all
}
