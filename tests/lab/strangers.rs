//! Somebody else's work on the hosts and in their network: it is recognised, left alone, and each way out that is
//! printed works as printed. Then hosts that leave the file, and a machine that is replaced.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::course::Course;
use crate::lab::{Image, Lab};
use crate::poll::until;
use crate::stands::{BOOT, healthy, holders, is_healthy};

const NETWORK: &str = "10.99.33";
const BALANCERS: [&str; 2] = ["lb-1", "lb-2"];
/// Runs the stand-in as a person would: the manual's way, without what `up` would do.
const BY_HAND: &str = "systemctl start docker && curl -fs http://10.99.33.2/kuboard-standin-v3.5.2.9.tar.gz | docker load -q && \
     docker run -d --restart unless-stopped -e KUBOARD_DISABLE_AUDIT=true -e KUBOARD_ENDPOINT=http://10.99.33.21 \
     -e KUBOARD_ETCD_ENDPOINTS=10.99.33.99:2379 -e KUBOARD_AGENT_SERVER_TCP_PORT=10081";

#[test]
fn strangers_are_recognised_and_left_alone() {
    let lab = Lab::boot("test-strangers", NETWORK, Image::Full, "eight", |text| {
        text.replace("  etcd2: 10.99.33.12\n  etcd3: 10.99.33.13\n", "  stranger: 10.99.33.30\n")
            .replace("[etcd1, etcd2, etcd3]", "[etcd1]")
    });
    lab.inventory.edit("  stranger: 10.99.33.30\n", "");
    let mut course = Course::new(&lab);
    course.must("what strangers did is told, and nothing is touched", refused);
    course.must("the ways out, as printed; then up builds it", built);
    course.step("another value of a secret", two_generations);
    course.step("a balancer and a replica leave the file, and still run", left_the_file);
    course.step("the machine of the audit log is replaced", audit_log_replaced);
    course.end();
}

fn refused(lab: &Lab) {
    let conf = "vrrp_instance theirs {\\n state MASTER\\n interface eth0\\n virtual_router_id 20\\n priority 50\\n \
                virtual_ipaddress {\\n 10.99.33.40/24\\n }\\n}\\n";
    let done = BTreeMap::from([
        ("stranger", format!("printf '{conf}' >/etc/keepalived/keepalived.conf && systemctl start keepalived && ip addr add 10.99.33.20/24 dev eth0")),
        ("lb-1", "printf 'listen shop\\n bind :8080\\n' >>/etc/haproxy/haproxy.cfg".to_owned()),
        ("kuboard-1", format!("{BY_HAND} --name kuboard -p 80:80 -p 10081:10081 -v /root/kuboard-data:/data eipwork/kuboard:v3.5.2.9")),
        ("kuboard-2", format!("install -d -o ops -g ops /var/lib/kuboard && touch /var/lib/kuboard/theirs && {BY_HAND} --name shop -p 80:80 eipwork/kuboard:v3.5.2.9")),
        // What QuestDB 7 leaves: format 426, and 427 of the whole.
        ("questdb", "mkdir -p /var/lib/questdb/db && printf '\\252\\001\\000\\000\\253\\001\\000\\000' >/var/lib/questdb/db/_upgrade.d".to_owned()),
    ]);
    std::thread::scope(|scope| {
        for (host, script) in &done {
            scope.spawn(move || lab.exec(host, script));
        }
    });
    until(Duration::from_secs(20), "the stranger speaks", || {
        let held = lab.exec("stranger", "ip -o addr show to 10.99.33.40");
        if held.is_empty() { Err("not yet".to_owned()) } else { Ok(()) }
    });
    let before = trees(lab);
    let refused = lab.run(&["up", "-o", "plain"]).exits(5);
    for words in [
        "virtual router 20 on this network, for 10.99.33.40",
        "10.99.33.20 is meant to be the floating address, but the machine with the hardware address",
        "/etc/haproxy/haproxy.cfg stands there and was not written by kuboard-ha",
        "A container named kuboard (image eipwork/kuboard:v3.5.2.9) is here",
        "is taken by the container shop",
        "/var/lib/kuboard belongs to ops:ops",
        "holds a database of root:root (format 426.427) that kuboard-ha did not make",
        "nothing was changed",
    ] {
        refused.says(words);
    }
    let told = format!("{}{}", refused.stdout, refused.stderr);
    assert!(
        !told.contains("lb-2: /etc/haproxy"),
        "the distribution's own file is nobody's\n{}",
        refused.told()
    );
    assert!(!told.contains("docker-proxy"), "one cause, one finding\n{}", refused.told());
    assert_eq!(trees(lab), before, "something was touched");
}

fn built(lab: &Lab) {
    let check = lab.run(&["check", "-o", "json"]).exits(5).document();
    let do_as_told = |host: &str, code: &str, seen_on: &str| {
        let command = command(&check, code, seen_on);
        eprintln!("  {host}: {command}");
        lab.exec(host, &command);
    };
    do_as_told("stranger", "vip.router-id-taken", "lb-1");
    do_as_told("lb-1", "file.foreign", "lb-1");
    do_as_told("kuboard-1", "kuboard.foreign-container", "kuboard-1");
    do_as_told("kuboard-2", "port.taken", "kuboard-2");
    do_as_told("kuboard-2", "kuboard.foreign-folder", "kuboard-2");
    do_as_told("questdb", "questdb.foreign-data", "questdb");
    lab.exec("stranger", "ip addr del 10.99.33.20/24 dev eth0");
    let forget = &commands(&check, "vip.taken", None)[0];
    for host in BALANCERS {
        lab.exec(host, forget);
    }
    lab.up().says("stands");
    healthy(lab);
    lab.exec("questdb", "test -f /var/lib/questdb/aside-old/db/_upgrade.d");
    lab.exec("lb-1", "grep -q shop /etc/haproxy/haproxy.cfg.aside");
    lab.exec("kuboard-1", "docker inspect kuboard-old >/dev/null && test -d /root/kuboard-data");
    lab.exec("kuboard-2", "docker inspect shop >/dev/null && test -f /var/lib/kuboard/theirs");
}

fn two_generations(lab: &Lab) {
    let path = "/var/lib/kuboard-ha/kuboard/secrets/sso-secret";
    let kept = lab.exec("kuboard-1", &format!("cat {path}"));
    lab.exec("kuboard-2", &format!("printf somethingelse >{path}"));
    let refused = lab.run(&["up", "-o", "plain"]).exits(5);
    refused.says("different values of the secret sso-secret");
    refused.says("written with the value of kuboard-1; on kuboard-2:");
    lab.exec("kuboard-2", &format!("mv {path} /root/sso-secret.aside"));
    lab.up();
    assert_eq!(lab.exec("kuboard-2", &format!("cat {path}")), kept);
}

fn left_the_file(lab: &Lab) {
    for (from, to) in [
        ("  lb-2: 10.99.33.19\n", ""),
        ("  kuboard-2: 10.99.33.22\n", ""),
        ("  hosts: [lb-1, lb-2]\n", "  hosts: [lb-1]\n"),
        ("[kuboard-1, kuboard-2]", "[kuboard-1]"),
    ] {
        lab.inventory.edit(from, to);
    }
    let before = trees(lab);
    let refused = lab.run(&["up", "-o", "plain"]).exits(5);
    refused.says("The machine at 10.99.33.19 was a balancer");
    assert_eq!(trees(lab), before, "something was touched");
    let check = lab.run(&["check", "-o", "json"]).exits(5).document();
    let commands = commands(&check, "balancer.gone", None);
    assert_eq!(commands.len(), 2, "{commands:?}");
    lab.exec("lb-2", &commands[0]);
    lab.exec("lb-1", &commands[1]);
    // The stand-in lets go of etcd between two requests, which Kuboard does not.
    lab.exec(
        "kuboard-2",
        "systemd-run -q --unit held bash -c 'exec 3<>/dev/tcp/10.99.33.11/2379; sleep 300'",
    );
    let up = lab.up();
    up.says("kuboard-2 (10.99.33.22) had a replica of Kuboard");
    assert_eq!(holders(lab, &BALANCERS), ["lb-1"]);
    lab.run(&["plan", "-o", "plain"]).exits(0).says("10.99.33.22 is connected to");
}

fn audit_log_replaced(lab: &Lab) {
    lab.exec(
        "questdb",
        "systemctl disable --now questdb; rm -rf /var/lib/questdb /var/lib/kuboard-ha /opt/kuboard-ha /etc/questdb.env \
         /etc/systemd/system/questdb.service /etc/sysctl.d/60-kuboard-ha-questdb.conf /run/kuboard-ha.stamps; systemctl \
         daemon-reload; userdel questdb",
    );
    let asked = lab.run(&["up", "-o", "plain"]).exits(5);
    asked.says("The replicas have an audit log, and questdb holds none");
    asked.says("--yes");
    lab.exec("questdb", "test ! -e /var/lib/questdb");
    lab.run(&["up", "-o", "plain", "--yes"]).exits(0);
    lab.until_status(BOOT, "healthy with an empty audit log", is_healthy);
}

/// What stands on each host: every file with its size and the time of its last change. What a system does by itself is
/// left out.
fn trees(lab: &Lab) -> BTreeMap<String, String> {
    lab.exec_all(
        lab.hosts.keys(),
        "find /etc /opt /root /home /srv /usr/local /usr/libexec /var/lib -xdev \\( -path /var/lib/docker -o -path \
         /var/lib/containerd -o -path /var/lib/systemd -o -path /var/lib/kuboard-ha/kuboard/run \\) -prune -o -printf '%p %s %C@ %u\\n' | sort",
    )
}

/// The first literal command of a finding's hint.
#[track_caller]
fn command(check: &Value, code: &str, host: &str) -> String {
    commands(check, code, Some(host)).swap_remove(0)
}

/// Its literal commands: lines that stand apart, or what follows the last colon.
#[track_caller]
fn commands(check: &Value, code: &str, host: Option<&str>) -> Vec<String> {
    let findings = check["findings"].as_array().unwrap();
    let finding = findings
        .iter()
        .find(|finding| finding["code"] == code && host.is_none_or(|host| finding["host"] == host));
    let hint = finding.unwrap_or_else(|| panic!("no {code} in {findings:#?}"))["hint"].as_str().unwrap();
    let apart: Vec<String> =
        hint.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect();
    if apart.is_empty() { vec![hint.rsplit_once(": ").unwrap().1.to_owned()] } else { apart }
}
