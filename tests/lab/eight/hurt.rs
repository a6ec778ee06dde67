//! Hosts that hang and members that die.

use std::time::Duration;

use super::MEMBERS;
use crate::etcd::Etcd;
use crate::lab::Lab;
use crate::poll::until;
use crate::stands::{BOOT, brief, is_healthy};
use crate::writer::Writer;

pub fn paused(lab: &Lab) {
    lab.hosts_do("pause", &["questdb"]);
    let status = lab.status();
    assert_eq!(status["verdict"], "degraded", "{}", brief(&status));
    assert_eq!(status["hosts"]["questdb"]["reachable"], false);
    assert!(status["reasons"].to_string().contains("questdb"), "{}", brief(&status));
    let plain = lab.run(&["status", "-o", "plain", "--check"]).exits(4).within(8.0);
    assert!(plain.stdout.contains("degraded"), "{}", plain.told());
    lab.hosts_do("unpause", &["questdb"]);
    lab.until_status(BOOT, "healthy after the host came back to its senses", is_healthy);
}

pub fn member(lab: &Lab) {
    let etcd = lab.etcd(&MEMBERS);
    let writer = Writer::start(&etcd, "member-dies");
    lab.hosts_do("kill", &["etcd2"]);
    let status = lab.status();
    assert_eq!(status["verdict"], "degraded", "{}", brief(&status));
    lab.run(&["up", "-o", "plain"]).exits(4);
    // The survivors may need an election first.
    let limit = Duration::from_secs(30);
    let status = lab.until_status(limit, "two of three members hold the quorum", |status| {
        status["etcd"]["verdict"] == "formed" && status["verdict"] == "degraded"
    });
    let quorum = &status["etcd"]["quorum"];
    assert_eq!((&quorum["healthy"], &quorum["can_lose"]), (&2.into(), &0.into()), "{}", brief(&status));

    lab.hosts_do("start", &["etcd2"]);
    until(BOOT, "the member rejoins by itself", || Etcd::is_healthy(lab.address("etcd2")));
    lab.until_status(BOOT, "healthy", is_healthy);
    writer.finish();
    let again = lab.up();
    assert!(again.stdout.contains("nothing changed"), "{}", again.told());
}
