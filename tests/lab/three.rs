//! Three machines that carry everything, and bring nothing along; each downloads for itself.

use std::time::Duration;

use crate::cold;
use crate::course::Course;
use crate::lab::{Image, Lab};
use crate::net;
use crate::poll::until;
use crate::stands::{BOOT, built, holders, is_healthy, login_works, settled};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

#[test]
fn three_bare_machines_carry_everything() {
    let lab = Lab::boot("test-three", "10.99.22", Image::Bare, "three", |text| {
        without_java(&text) + "transfer: pull\n"
    });
    let mut course = Course::new(&lab);
    course.must("what is missing gets installed", install);
    course.step("Kuboard and HAProxy share port 80 on each machine", shared_port);
    course.step("the holder of the floating address dies", holder_dies);
    course.step("all boot cold by themselves", cold_boot);
    course.end();
}

/// The inventory with the flavour of QuestDB that takes the distribution's Java. The lab's own says in comments where
/// it is.
fn without_java(text: &str) -> String {
    let comment = |mark: &str| text.lines().find_map(|line| line.trim().strip_prefix(mark)).unwrap();
    let (url, digest) = (comment("# for flavour no-jre: "), comment("# with: "));
    let (before, questdb) = text.split_once("  flavour: rt\n").unwrap();
    let (questdb, after) = questdb.split_once("kuboard:\n").unwrap();
    assert!(questdb.contains("heap: 256MiB"), "{questdb}");
    let download = format!("{{ url: \"{url}\", sha256: {{ amd64: {digest}, arm64: {digest} }} }}");
    format!("{before}  flavour: no-jre\n  heap: 256MiB\n  download: {download}\nkuboard:\n{after}")
}

fn install(lab: &Lab) {
    for program in ["curl", "dockerd", "haproxy", "keepalived", "java", "iptables"] {
        lab.try_exec("node-1", &format!("command -v {program}")).expect_err("the bare image has it already");
    }
    lab.run(&["check"]).exits(0);
    built(lab);
    // What each downloads with.
    for node in NODES {
        lab.exec(node, "dpkg -s curl >/dev/null && test ! -e /var/lib/kuboard-ha/kuboard/stage/*.part");
    }
}

fn shared_port(lab: &Lab) {
    login_works(&lab.floating(), 80);
    for node in NODES {
        login_works(lab.address(node), 80);
        let text = lab.exec(node, "ss -ltnpH 'sport = :80'");
        assert!(
            text.contains("haproxy") && text.contains(&format!("{}:80", lab.floating())),
            "{node}: {text}"
        );
        assert!(text.contains(&format!("{}:80", lab.address(node))), "{node}: {text}");
        for unit in ["etcd", "docker", "haproxy", "keepalived"] {
            assert_eq!(
                lab.exec(node, &format!("systemctl is-enabled {unit}")).trim(),
                "enabled",
                "{unit} on {node}"
            );
        }
    }
    assert_eq!(holders(lab, &NODES).len(), 1);
}

fn holder_dies(lab: &Lab) {
    let holder = holders(lab, &NODES)[0];
    lab.hosts_do("kill", &[holder]);
    // etcd may have lost its leader with the machine: logins come back after an election.
    until(BOOT, "the floating address moves", || {
        let answer = net::get(&lab.floating(), 80, "/sso/auth", Duration::from_secs(5))?;
        if answer.status == 302 { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    assert_eq!(lab.status()["verdict"], "degraded");
    lab.hosts_do("start", &[holder]);
    lab.until_status(BOOT, "healthy again", is_healthy);
    assert_eq!(holders(lab, &NODES).len(), 1, "the address is held by one, wherever");
    settled(lab);
}

fn cold_boot(lab: &Lab) {
    lab.hosts_do("kill", &NODES);
    assert_eq!(lab.status()["verdict"], "down");
    cold::start_all(lab, "cold boot of three machines", Duration::from_secs(15));
    cold::answers_by_itself(&lab.floating(), 80);
    lab.until_status(BOOT, "healthy after a cold boot", is_healthy);
    shared_port(lab);
    settled(lab);
}
