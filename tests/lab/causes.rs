//! Failures made for real: each is named, ends a wait early, and what is told helps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::course::Course;
use crate::etcd::{Etcd, base64};
use crate::lab::{Image, Lab};
use crate::net;
use crate::poll::until;
use crate::stands::{built, healthy};
use crate::tool::Outcome;

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// A wait for a member alone may take 120 s, one for QuestDB 180 s.
const EARLY: f64 = 110.0;

#[test]
fn failures_explain_themselves() {
    let lab = Lab::boot("test-causes", "10.99.37", Image::Full, "three", |text| {
        text.replace("etcd:\n", "etcd:\n  settings: { ETCD_QUOTA_BACKEND_BYTES: \"1048576\" }\n")
    });
    let mut course = Course::new(&lab);
    course.early("a port, an owner and a password are named, and nobody waits in vain", named);
    course.early("noexec, a full disk, memory and a registry are named", more);
    course.must("what was wrong is gone, and up goes on", built);
    course.step("a damaged log and a member that others cannot reach", damaged);
    course.step("a full database shows, and the commands that are told mend it", full_database);
    course.end();
}

/// Something that goes wrong each time a unit starts, after everything was looked at.
fn spoil(lab: &Lab, host: &str, unit: &str, lines: &str) {
    lab.exec(
        host,
        &format!(
            "mkdir -p /run/systemd/system/{unit}.service.d && printf '%s\\n' '[Service]' '{lines}' \
             >/run/systemd/system/{unit}.service.d/spoilt.conf && systemctl daemon-reload"
        ),
    );
}

fn restore(lab: &Lab) {
    let script = "systemctl stop etcd questdb squatter 2>/dev/null
        rm -rf /run/systemd/system/etcd.service.d /run/systemd/system/questdb.service.d
        systemctl daemon-reload
        while mountpoint -q /var/lib/etcd; do umount /var/lib/etcd; done
        while mountpoint -q /opt/kuboard-ha; do umount /opt/kuboard-ha; done
        ! id etcd >/dev/null 2>&1 || chown etcd:etcd /var/lib/etcd
        true";
    lab.exec_all(lab.hosts.keys(), script);
}

/// What `up` says where it fails, which must be early; by host, the causes.
#[track_caller]
fn causes(outcome: Outcome) -> BTreeMap<String, BTreeSet<String>> {
    let outcome = outcome.exits(6).within(EARLY);
    let mut causes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for failure in outcome.last_event()["failures"].as_array().unwrap() {
        let code = failure["cause"]["code"].as_str().unwrap_or("none");
        assert!(code == "none" || !failure["hint"].as_str().unwrap_or_default().is_empty(), "{failure:#}");
        causes.entry(text(&failure["host"])).or_default().insert(code.to_owned());
    }
    eprintln!("  {causes:?}");
    causes
}

#[track_caller]
fn holds(causes: &BTreeMap<String, BTreeSet<String>>, host: &str, code: &str) {
    let found = causes.get(host).is_some_and(|codes| codes.contains(code));
    assert!(found, "{host} shall say {code}: {causes:?}");
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn named(lab: &Lab) {
    let squat = "ExecStartPre=+/bin/sh -c \"systemctl is-active -q squatter || { systemd-run -q --unit=squatter \
                 python3 -m http.server 2380 --bind 0.0.0.0; sleep 1; }\"";
    spoil(lab, "node-2", "etcd", squat);
    spoil(lab, "node-3", "etcd", "ExecStartPre=+/bin/chown root:root /var/lib/etcd");
    lab.exec("node-1", "echo QDB_PG_PASSWORD=other >/root/other.env");
    spoil(lab, "node-1", "questdb", "EnvironmentFile=/root/other.env");
    let outcome = lab.run(&["up", "-o", "json", "--yes"]);
    restore(lab);
    let causes = causes(outcome);
    holds(&causes, "node-1", "questdb.password");
    // Its own member is well; it waited for those that never come.
    holds(&causes, "node-1", "etcd.peers-unreachable");
    holds(&causes, "node-2", "port.taken");
    holds(&causes, "node-3", "data.owner");
}

fn more(lab: &Lab) {
    let noexec = "ExecStartPre=+/bin/sh -c \"mountpoint -q /opt/kuboard-ha || { mount --bind /opt/kuboard-ha \
                  /opt/kuboard-ha; mount -o remount,bind,noexec /opt/kuboard-ha; }\"";
    spoil(lab, "node-2", "etcd", noexec);
    let full = "ExecStartPre=+/bin/sh -c \"mountpoint -q /var/lib/etcd || { mount -t tmpfs -o size=20M,mode=700 tmpfs \
                /var/lib/etcd; chown etcd:etcd /var/lib/etcd; }\"";
    spoil(lab, "node-3", "etcd", full);
    spoil(lab, "node-1", "questdb", "MemoryMax=120M\" \"MemorySwapMax=0");
    lab.exec(
        "node-1",
        "sed -i 's/\" \"/\\n/' /run/systemd/system/questdb.service.d/spoilt.conf; systemctl daemon-reload",
    );
    let inventory = lab.inventory.text();
    let (before, archive) = inventory.split_once("  image_archive:").unwrap();
    let after = archive.split_once("load_balancer:").unwrap().1;
    let elsewhere = before.replace("image: eipwork/", "image: 127.0.0.1:5999/");
    lab.inventory.write(&format!("{elsewhere}load_balancer:{after}"));
    let outcome = lab.run(&["up", "-o", "json", "--yes"]);
    lab.inventory.write(&inventory);
    restore(lab);
    let causes = causes(outcome);
    holds(&causes, "node-1", "host.memory");
    holds(&causes, "node-2", "disk.noexec");
    holds(&causes, "node-3", "disk.full");
    for node in NODES {
        holds(&causes, node, "docker.registry-unreachable");
    }
}

fn damaged(lab: &Lab) {
    let drop = |what: &str| format!("iptables {what} INPUT -p tcp --dport 2380 -j DROP");
    lab.exec("node-3", "systemctl stop etcd; cp -a /var/lib/etcd/member /root/member");
    let damage = "f=$(ls /var/lib/etcd/member/wal/*.wal | head -n 1); printf XXXXXXXXXXXXXXXX | dd of=$f bs=1 seek=300 \
                  conv=notrunc 2>/dev/null";
    lab.exec("node-3", damage);
    lab.exec("node-2", &format!("systemctl stop etcd; {}", drop("-I")));
    let plain = lab.run(&["up", "-o", "plain"]);
    lab.exec("node-2", &drop("-D"));
    lab.exec(
        "node-3",
        "systemctl stop etcd; rm -rf /var/lib/etcd/member; mv /root/member /var/lib/etcd/member",
    );
    let plain = plain.exits(6).within(EARLY);
    plain.says("walpb: crc mismatch");
    plain.says("[etcd.corrupt-wal]");
    plain.says("hint: if the other members hold a quorum, keep the data");
    plain.says("[etcd.peers-unreachable]");
    fits(&plain);
    lab.up();
    healthy(lab);
}

/// What is left on stdout fits a terminal.
#[track_caller]
fn fits(outcome: &Outcome) {
    let lines = outcome.stdout.lines().count();
    assert!(lines <= 24, "{lines} lines\n{}", outcome.told());
}

fn full_database(lab: &Lab) {
    let address = lab.address("node-1");
    let body = json!({ "key": base64("/causes/fill"), "value": base64(&"x".repeat(90_000)) }).to_string();
    until(Duration::from_secs(20), "etcd refuses to write", || {
        let answer = net::post(address, 2379, "/v3/kv/put", &body, Duration::from_secs(5))?;
        if answer.body.contains("database space exceeded") { Ok(()) } else { Err(answer.body) }
    });
    let status = lab.status();
    let alarms = status["etcd"]["members"].to_string();
    assert!(alarms.contains("NOSPACE"), "{alarms}");
    assert_ne!(status["verdict"], "healthy");
    let planned = lab.run(&["plan", "-o", "json"]).exits(5).document();
    let findings = planned["findings"].as_array().unwrap();
    let alarm = findings.iter().find(|finding| finding["code"] == "etcd.alarm").unwrap();
    let hint = text(&alarm["hint"]);
    let commands = hint.split_once("make room:\n").unwrap().1.split_once("\nthen").unwrap().0;
    lab.exec("node-1", commands);
    Etcd::is_healthy(address).unwrap();
    healthy(lab);
}
