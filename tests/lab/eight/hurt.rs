//! Hosts that hang and members that die.

use std::time::Duration;

use super::MEMBERS;
use crate::etcd::Etcd;
use crate::lab::Lab;
use crate::poll::until;
use crate::stands::{BOOT, brief, healthy, is_healthy};
use crate::writer::Writer;

pub fn paused(lab: &Lab) {
    lab.hosts_do("pause", &["questdb"]);
    lab.status_soon(|status| {
        assert_eq!(status["verdict"], "degraded", "{}", brief(status));
        assert_eq!(status["hosts"]["questdb"]["reachable"], false);
        assert!(status["reasons"].to_string().contains("questdb"), "{}", brief(status));
    });
    let plain = lab.run(&["status", "-o", "plain", "--check"]).exits(4).within(20.0);
    plain.says("degraded");
    // `up` asks twice and shows it, has looked at the others meanwhile, and says soon what it makes of it.
    let up = lab.run(&["up", "-v", "-o", "plain"]).exits(4).within(30.0);
    up.says("connection timed out: it was accepted, and then nothing was said, trying again (2 of 2)");
    up.says("kuboard-ha up --without questdb");
    assert_eq!(up.stderr.matches("looked at").count(), 7, "{}", up.stderr);
    lab.hosts_do("unpause", &["questdb"]);
    lab.until_status(BOOT, "healthy after the host came back to its senses", is_healthy);
}

pub fn member(lab: &Lab) {
    let etcd = lab.etcd(&MEMBERS);
    let writer = Writer::start(&etcd, "member-dies");
    lab.hosts_do("kill", &["etcd2"]);
    lab.status_soon(|status| {
        assert_eq!(status["hosts"]["etcd2"]["reachable"], false, "{}", brief(status));
        // Down as long as the survivors elect a leader, if it was the leader that died.
        assert!(["degraded", "down"].contains(&status["verdict"].as_str().unwrap()), "{}", brief(status));
    });
    // It tries again for some seconds.
    let blocked = lab.start(&["up", "-o", "plain"]);
    // The survivors may need an election first.
    let limit = Duration::from_secs(30);
    let status = lab.until_status(limit, "two of three members hold the quorum", |status| {
        status["verdict"] == "degraded" && status["etcd"]["quorum"]["healthy"] == 2
    });
    let quorum = &status["etcd"]["quorum"];
    assert_eq!((&quorum["healthy"], &quorum["can_lose"]), (&2.into(), &0.into()), "{}", brief(&status));

    let blocked = blocked.finish();
    lab.keep(&blocked);
    let blocked = blocked.exits(4);
    blocked.says("--without etcd2");
    let without = lab.run(&["up", "-o", "plain", "--without", "etcd2"]).exits(0);
    without.says("nothing changed");

    lab.hosts_do("start", &["etcd2"]);
    until(BOOT, "the member rejoins by itself", || Etcd::is_healthy(lab.address("etcd2")));
    lab.until_status(BOOT, "healthy", is_healthy);
    writer.finish();
    let again = lab.up();
    again.says("nothing changed");
}

pub fn stopped(lab: &Lab) {
    let id = lab.etcd(&MEMBERS).cluster_id();
    lab.exec_all(&MEMBERS.map(str::to_owned), "systemctl kill -s KILL etcd; systemctl stop etcd");
    assert_eq!(lab.status()["verdict"], "down");
    lab.up();
    healthy(lab);
    assert_eq!(lab.etcd(&MEMBERS).cluster_id(), id, "another cluster");
}

/// As after a power cut that brought the machines back without their data disks.
pub fn data_missing(lab: &Lab) {
    let members = MEMBERS.map(str::to_owned);
    let id = lab.etcd(&MEMBERS).cluster_id();
    lab.exec_all(
        &members,
        "systemctl kill -s KILL etcd; systemctl stop etcd && mv /var/lib/etcd/member /root/member",
    );
    let refused = lab.run(&["up", "-o", "plain", "--yes"]);
    // Not even the unit starts on the empty disk.
    let started = lab
        .exec_all(&members, "systemctl start etcd 2>&1; systemctl is-active etcd; ls -A /var/lib/etcd; true");
    lab.exec_all(&members, "mv /root/member /var/lib/etcd/member");
    let refused = refused.exits(5);
    refused.says("/var/lib/etcd");
    for (host, text) in started {
        assert!(
            text.contains("inactive") || text.contains("failed"),
            "{host} started without its data: {text}"
        );
        assert!(!text.contains("member"), "{host} made a new database: {text}");
    }
    lab.up();
    healthy(lab);
    assert_eq!(lab.etcd(&MEMBERS).cluster_id(), id, "another cluster");
}
