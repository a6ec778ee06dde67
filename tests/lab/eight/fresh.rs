//! Bare hosts: looked at, planned for, built.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::lab::Lab;
use crate::poll::until;
use crate::{argv, net};

/// Where command lines are watched while the cluster is built: on a host with every kind of secret.
pub const WATCHED: [&str; 2] = ["etcd1", "kuboard-1"];

/// Everything that a look might have changed.
const FOOTPRINT: &str = "find /etc /opt /usr/local /root /home /var/lib/kuboard-ha /var/lib/etcd /var/lib/kuboard \
     /var/lib/questdb -printf '%p %m %s %C@\\n' 2>/dev/null | sort";

pub fn check(lab: &Lab) {
    let before = lab.exec_all(lab.hosts.keys(), FOOTPRINT);
    let outcome = lab.run(&["check", "-o", "json"]).exits(0);
    assert_eq!(outcome.document()["verdict"], "ready", "{}", outcome.told());
    let plain = lab.run(&["check", "-o", "plain"]).exits(0);
    plain.says("ready");
    lab.run(&["plan", "-o", "json"]).exits(0);
    assert_eq!(lab.status()["verdict"], "down", "nothing is built yet");
    assert_eq!(before, lab.exec_all(lab.hosts.keys(), FOOTPRINT), "looking changed something");
}

pub fn plan(lab: &Lab) {
    let document = lab.run(&["plan", "-o", "json"]).exits(0).document();
    assert_eq!(document["schema"], "kuboard-ha.plan/1");
    let jobs = document["jobs"].as_array().unwrap();
    let hosts: BTreeSet<&str> = jobs.iter().filter_map(|job| job["host"].as_str()).collect();
    let all: BTreeSet<&str> = lab.hosts.keys().map(String::as_str).collect();
    assert_eq!(hosts, all, "every host has something to do");
    for step in jobs.iter().flat_map(|job| job["steps"].as_array().unwrap()) {
        assert!(step["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "no reason: {step}");
    }

    let plain = lab.run(&["plan", "-o", "plain"]).exits(0);
    for word in ["start etcd.service", "/etc/questdb.env", "eipwork/kuboard", "keepalived", "paid", "2379"] {
        assert!(plain.stdout.contains(word), "the plan does not speak of {word}\n{}", plain.told());
    }
    lab.run(&["plan", "--check"]).exits(10);
    let script = lab.run(&["plan", "--script", "etcd1"]).exits(0);
    script.says("etcd.service");
    let dry = lab.run(&["up", "--dry-run", "-o", "plain"]).exits(0);
    assert_eq!(dry.stdout, plain.stdout, "up --dry-run prints the plan");
}

pub fn external_balancer(lab: &Lab) {
    let eight = lab.inventory.text();
    lab.inventory.edit("  hosts: [lb-1, lb-2]\n", "");
    let plain = lab.run(&["plan", "-o", "plain"]).exits(0);
    lab.inventory.write(&eight);
    for word in ["/kuboard-resources/version.json", lab.address("kuboard-1"), lab.address("kuboard-2")] {
        assert!(plain.stdout.contains(word), "no configuration with {word}\n{}", plain.told());
    }
}

/// Somebody's file and somebody's port are told at once; nothing is touched.
pub fn foreign(lab: &Lab) {
    lab.exec("etcd1", "printf 'ETCD_NAME=theirs\\n' >/etc/etcd.env");
    lab.exec("etcd2", "setsid python3 -m http.server -b 10.99.20.12 2379 >/dev/null 2>&1 </dev/null &");
    until(Duration::from_secs(20), "the port is taken", || {
        net::connect(lab.address("etcd2"), 2379).map(drop)
    });
    let refused = lab.run(&["up", "-o", "plain"]);
    let check = lab.run(&["check", "-o", "json"]).exits(5).document();
    lab.exec("etcd1", "grep -q theirs /etc/etcd.env && rm /etc/etcd.env");
    lab.exec("etcd2", "kill $(pgrep -f '[h]ttp.server')");

    let refused = refused.exits(5);
    let said = format!("{}{}", refused.stdout, refused.stderr);
    for word in ["/etc/etcd.env", "mv ", "2379", "python3", "nothing was changed"] {
        assert!(said.contains(word), "no {word:?}\n{}", refused.told());
    }
    assert_eq!(check["verdict"], "blocked");
    let blocked = |host: &str| {
        let findings = check["findings"].as_array().unwrap();
        findings.iter().filter(|finding| finding["host"] == host && finding["severity"] == "blocked").count()
    };
    assert_eq!((blocked("etcd1"), blocked("etcd2")), (1, 1), "{:#}", check["findings"]);
    lab.run(&["check"]).exits(0);
}

pub fn up(lab: &Lab) {
    argv::watch(lab, &WATCHED);
    let outcome = lab.up();
    outcome.says("stands");
    eprintln!("  first up: {:.1} s", outcome.seconds);
}
