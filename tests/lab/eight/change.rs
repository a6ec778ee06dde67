//! The inventory changes, and only that changes.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::{BALANCERS, MEMBERS, REPLICAS};
use crate::lab::Lab;
use crate::net;
use crate::poll::until;
use crate::processes::{Processes, changed, processes};
use crate::stands::{BOOT, brief, healthy, holders};
use crate::writer::{Watch, Writer};

/// What the live process of a member was started with.
const SNAPSHOTS: &str = "tr '\\0' '\\n' </proc/$(systemctl show -p MainPID --value etcd)/environ | sed -n 's/^ETCD_SNAPSHOT_COUNT=//p'";
/// What stands on its disk.
const WRITTEN: &str = "sed -n 's/^ETCD_SNAPSHOT_COUNT=//p' /etc/etcd.env";

pub fn etcd_setting(lab: &Lab) {
    let before = processes(lab);
    let leader = lab.status()["etcd"]["leader"].as_str().unwrap().to_owned();
    lab.inventory
        .edit("  version: 3.5.6\n", "  version: 3.5.6\n  settings: { ETCD_SNAPSHOT_COUNT: \"50000\" }\n");

    let drift = lab.status();
    assert_eq!(drift["verdict"], "degraded");
    assert!(drift["drift"].to_string().contains("10000 -> 50000"), "{}", brief(&drift));
    let plan = lab.run(&["plan", "-o", "json"]).exits(0).document();
    let touched = resources(&plan);
    for resource in &touched {
        let known = ["file:/etc/etcd.env", "unit:etcd.service"];
        assert!(
            known.contains(&resource.as_str()) || !resource.contains(':') || is_wait(resource),
            "{touched:?}"
        );
    }

    let etcd = lab.etcd(&MEMBERS);
    let (writer, watch) = (Writer::start(&etcd, "setting"), Watch::start(&etcd));
    lab.up();
    let (seen, _) = (watch.finish(), writer.finish());
    let after = processes(lab);
    assert_eq!(changed(&before, &after), programs(&MEMBERS, "etcd"), "what restarted");
    assert!(seen <= MEMBERS.len());
    let last = MEMBERS.into_iter().max_by_key(|member| started(&after, member)).unwrap();
    assert_eq!(last, leader, "the leader goes last");
    for member in MEMBERS {
        assert_eq!(lab.exec(member, SNAPSHOTS).trim(), "50000", "{member} runs with another value");
    }
    healthy(lab);
}

/// The run dies after a member's file was written. What it left differs from what runs: that is seen, and finished.
pub fn half_done(lab: &Lab) {
    for attempt in 1..=8 {
        let wanted = (50_000 + attempt * 1000).to_string();
        let stands = (50_000 + (attempt - 1) * 1000).to_string();
        lab.inventory.edit(&stands, &wanted);
        let mut up = lab.start(&["up", "-o", "json"]);
        let mut writes = None;
        while let Some(event) = up.next_event() {
            if event["kind"] == "step-started" && event["resource"] == "file:/etc/etcd.env" {
                writes = Some((event["job"].clone(), event["step"].clone()));
            }
            let step = Some((event["job"].clone(), event["step"].clone()));
            if event["kind"] == "step-finished" && step == writes {
                up.kill();
                break;
            }
        }
        assert!(writes.is_some(), "no member's file was written\n{}", up.finish().told());
        lab.keep(&up.finish());
        // The host finishes its step; the restart may have begun before it heard that we are gone.
        let halves = MEMBERS.into_iter().filter(|member| {
            lab.exec(member, WRITTEN).trim() == wanted && lab.exec(member, SNAPSHOTS).trim() != wanted
        });
        let halves = halves.count();
        if halves > 0 {
            lab.run(&["plan", "--check"]).exits(10);
        }
        lab.up();
        for member in MEMBERS {
            assert_eq!(lab.exec(member, SNAPSHOTS).trim(), wanted, "{member} runs with another value");
        }
        healthy(lab);
        if halves > 0 {
            eprintln!("  cut between file and restart at attempt {attempt}");
            return;
        }
    }
    panic!("no kill came between a file and its restart");
}

pub fn heap(lab: &Lab) {
    let before = processes(lab);
    lab.inventory.edit("heap: 256MiB", "heap: 320MiB");
    lab.up();
    let restarted = changed(&before, &processes(lab));
    assert_eq!(restarted, programs(&["questdb"], "java"), "what restarted");
    let java =
        lab.exec("questdb", "tr '\\0' ' ' </proc/$(systemctl show -p MainPID --value questdb)/cmdline");
    assert!(java.contains(" -Xmx") && !java.contains("256"), "{java}");
    healthy(lab);
}

/// The url follows from the port, so the replicas change too, one after the other.
pub fn port(lab: &Lab) {
    let before = processes(lab);
    let address = format!("  address: {}\n", lab.floating());
    lab.inventory.edit(&address, &format!("{address}  port: 8080\n"));
    lab.up();
    let restarted = changed(&before, &processes(lab));
    let wanted: BTreeSet<String> =
        programs(&REPLICAS, "kuboard-standin").union(&programs(&BALANCERS, "haproxy")).cloned().collect();
    assert_eq!(restarted, wanted, "what restarted");
    assert_eq!(holders(lab, &BALANCERS).len(), 1);
    let page =
        until(BOOT, "the new port answers", || net::get(&lab.floating(), 8080, "/", Duration::from_secs(5)));
    assert!(
        page.body.contains(&format!("http://{}:8080", lab.floating())),
        "KUBOARD_ENDPOINT: {}",
        page.body
    );
    assert!(!net::is_open(&lab.floating(), 80), "the old port is still open");
    healthy(lab);
}

fn resources(plan: &Value) -> BTreeSet<String> {
    let jobs = plan["jobs"].as_array().unwrap();
    let steps = jobs.iter().flat_map(|job| job["steps"].as_array().unwrap());
    steps.map(|step| step["resource"].as_str().unwrap().to_owned()).collect()
}

/// Waiting and noting change nothing that runs.
fn is_wait(resource: &str) -> bool {
    ["await:", "wait:", "etcd:", "probe:", "procedure:", "manifest:", "record:"]
        .iter()
        .any(|kind| resource.starts_with(kind))
}

fn programs(hosts: &[&str], program: &str) -> BTreeSet<String> {
    hosts.iter().map(|host| format!("{host} {program}")).collect()
}

fn started(processes: &Processes, member: &str) -> u64 {
    processes[&format!("{member} etcd")].iter().map(|(_, start)| *start).max().unwrap()
}
