//! One machine, without registry and internet: everything from files of this machine; the login has a password only.

use crate::cold;
use crate::course::Course;
use crate::lab::{Image, Lab};
use crate::poison::{Poison, Watch};
use crate::stands::{BOOT, built, is_healthy, login_works, settled};
use crate::{argv, net};

const HOST: &str = "node-1";
/// A word that stands nowhere else.
const PASSWORD: &str = "poisonLogin-7f3a";

#[test]
fn one_machine_from_files_with_a_password() {
    let mut lab = Lab::boot("test-one", "10.99.23", Image::Full, "one", |text| {
        text.replace("user: root,", "user: pw, password: { env: LAB_PASSWORD },")
            .replace("http://10.99.23.2/", "downloads/")
            .replace("kuboard:\n  hosts:", "kuboard:\n  docker: present\n  hosts:")
    });
    lab.set("LAB_PASSWORD", PASSWORD);
    // Before anybody looks at command lines.
    lab.exec(HOST, &format!("echo pw:{PASSWORD} | chpasswd"));
    let watch = Watch::begin(&[PASSWORD]);
    argv::watch(&lab, &[HOST]);
    let mut course = Course::new(&lab);
    course.must("the files are carried in", carry_in);
    course.must("up builds it, and says that it is not highly available", build);
    course.step("the login password was seen nowhere", |lab| {
        Poison::new(&[PASSWORD]).is_seen_nowhere(lab, &[HOST], &watch);
    });
    course.step("a member that was started often is restarted all the same", started_often);
    course.step("the machine reboots", reboot);
    course.end();
}

fn carry_in(lab: &Lab) {
    let folder = lab.file("downloads");
    std::fs::create_dir_all(&folder).unwrap();
    let sums = String::from_utf8(net::download("10.99.23.2", 80, "/SHA256SUMS")).unwrap();
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let wanted = [
        format!("etcd-v3.5.6-linux-{arch}"),
        format!("questdb-6.6.1-rt-linux-{arch}"),
        "kuboard-standin-".to_owned(),
    ];
    for name in sums.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| name) {
        if wanted.iter().any(|wanted| name.starts_with(wanted)) {
            std::fs::write(folder.join(name), net::download("10.99.23.2", 80, &format!("/{name}"))).unwrap();
        }
    }
}

fn build(lab: &Lab) {
    lab.run(&["plan", "-o", "plain"]).exits(0).says("not highly available");
    built(lab);
    login_works(lab.address("node-1"), 80);
    assert_eq!(lab.status()["load_balancer"], serde_json::Value::Null);
}

/// systemd refuses the sixth start in ten seconds, and leaves the unit down: a few runs of `up` are as many. Here the third in an hour.
fn started_often(lab: &Lab) {
    let often = "mkdir -p /run/systemd/system/etcd.service.d && cd /run/systemd/system/etcd.service.d && \
                 printf '[Unit]\\nStartLimitIntervalSec=1h\\nStartLimitBurst=2\\n' >often.conf && systemctl daemon-reload && \
                 systemctl reset-failed etcd && systemctl restart etcd && systemctl restart etcd";
    lab.exec(HOST, often);
    lab.until_status(BOOT, "healthy after two restarts", is_healthy);
    lab.inventory
        .edit("  version: 3.5.6\n", "  version: 3.5.6\n  settings: { ETCD_SNAPSHOT_COUNT: \"50000\" }\n");
    lab.up().says("stands");
    lab.exec(HOST, "rm -r /run/systemd/system/etcd.service.d && systemctl daemon-reload");
    settled(lab);
}

fn reboot(lab: &Lab) {
    lab.hosts_do("stop", &["node-1"]);
    assert_eq!(lab.status()["verdict"], "down");
    lab.hosts_do("start", &["node-1"]);
    cold::answers_by_itself(lab.address("node-1"), 80);
    lab.until_status(BOOT, "healthy after a reboot", is_healthy);
}
