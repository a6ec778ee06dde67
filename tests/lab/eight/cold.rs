//! The power fails: first for the quorum, then for all. Then it comes back.

use std::time::Duration;

use super::{BALANCERS, MEMBERS};
use crate::cold;
use crate::lab::Lab;
use crate::stands::{BOOT, brief, holders, is_healthy};

pub fn boot(lab: &Lab) {
    let id = lab.etcd(&MEMBERS).cluster_id();
    lab.hosts_do("kill", &["etcd2", "etcd3"]);
    lab.status_soon(|status| {
        assert_eq!(status["verdict"], "down", "two of three members are dead: {}", brief(status));
        assert!(status["reasons"].to_string().contains("quorum"), "{}", brief(status));
    });

    let rest: Vec<&str> =
        lab.hosts.keys().map(String::as_str).filter(|host| !["etcd2", "etcd3"].contains(host)).collect();
    lab.hosts_do("kill", &rest);
    lab.status_soon(|status| {
        assert_eq!(status["verdict"], "down", "everything is dead: {}", brief(status));
        let hosts = status["hosts"].as_object().unwrap();
        assert!(hosts.values().all(|host| host["reachable"] == false), "{}", status["hosts"]);
    });
    let plain = lab.run(&["status", "-o", "plain"]).exits(0);
    plain.says("down");

    cold::start_all(lab, "cold boot of eight hosts", Duration::from_mins(1));
    let port = if lab.inventory.text().contains("port: 8080") { 8080 } else { 80 };
    cold::answers_by_itself(&lab.floating(), port);
    lab.until_status(BOOT, "healthy after a cold boot", is_healthy);
    assert_eq!(holders(lab, &BALANCERS).len(), 1);
    assert_eq!(lab.etcd(&MEMBERS).cluster_id(), id, "another cluster");
    let again = lab.up();
    again.says("nothing changed");
}
