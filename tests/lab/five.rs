//! Five members, all else on two of their machines, as a user with sudo, behind TLS; each host downloads for itself.

use crate::argv;
use crate::course::Course;
use crate::lab::{Image, Lab};
use crate::poison::{Poison, Watch};
use crate::poll::until;
use crate::stands::{self, BOOT, built, holders, is_healthy, login_works, settled};
use crate::writer::Writer;

const MEMBERS: [&str; 5] = ["etcd1", "etcd2", "etcd3", "etcd4", "etcd5"];

#[test]
fn five_members_with_sudo_and_tls() {
    let lab = Lab::boot("test-five", "10.99.24", Image::Full, "five", |text| {
        let gone = ["  questdb: ", "  kuboard-1: ", "  kuboard-2: "];
        let kept = text.split_inclusive('\n').filter(|line| !gone.iter().any(|gone| line.starts_with(gone)));
        let text = kept.collect::<String>();
        text.replace("user: root,", "user: ops,")
            .replace("host: questdb", "host: etcd4")
            .replace(
                "[kuboard-1, kuboard-2]\n  image:",
                "[etcd4, etcd5]\n  url: https://10.99.24.20\n  image:",
            )
            .replace("[kuboard-1, kuboard-2]", "[etcd4, etcd5]")
            + "  tls: { certificate: server.pem, key: { file: server.key } }\ntransfer: pull\n"
    });
    let mut course = Course::new(&lab);
    course.must("a certificate is made", certificate);
    course.must("up builds it", build);
    course.step("two of five members die under a writer", two_die);
    course.end();
}

fn certificate(lab: &Lab) {
    let script = "cd /run && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
         -subj /CN=10.99.24.20 -addext subjectAltName=IP:10.99.24.20 -keyout k.pem -out c.pem 2>/dev/null && cat";
    std::fs::write(lab.file("server.pem"), lab.exec("etcd1", &format!("{script} c.pem"))).unwrap();
    std::fs::write(lab.file("server.key"), lab.exec("etcd1", "cat /run/k.pem")).unwrap();
}

fn build(lab: &Lab) {
    let key = std::fs::read_to_string(lab.file("server.key")).unwrap();
    let lines: Vec<&str> = key.lines().filter(|line| !line.starts_with("-----")).collect();
    lab.exec("etcd1", "rm /run/k.pem");
    let watch = Watch::begin(&lines);
    argv::watch(lab, &MEMBERS);
    built(lab);
    lab.run(&["plan", "--diff", "-o", "plain"]).exits(0);
    for host in ["etcd4", "etcd5"] {
        lab.run(&["plan", "--script", host]).exits(0);
    }
    Poison::new(&lines).is_seen_nowhere(lab, &MEMBERS, &watch);
    assert_eq!(holders(lab, &["etcd4", "etcd5"]).len(), 1);
    assert_eq!(lab.status()["etcd"]["quorum"]["can_lose"], 2);
    let secure =
        "curl -fsS -m 5 --cacert /run/c.pem -o /dev/null -w '%{http_code}' https://10.99.24.20/sso/auth";
    assert_eq!(lab.exec("etcd1", secure).trim(), "302");
    // In the clear there is the way to TLS, and the page for health checks.
    login_works(lab.address("etcd4"), 80);
    let clear = "curl -fsS -m 5 -o /dev/null -w '%{http_code} %{redirect_url}' http://10.99.24.20/sso/auth";
    let answer = lab.exec("etcd1", clear);
    assert!(answer.starts_with("302 https://10.99.24.20/"), "{answer}");
    let line = lines[0];
    for host in ["etcd4", "etcd5"] {
        assert!(stands::unreadable(lab, [&host.to_owned()], line) > 0, "no key on {host}");
    }
    let elsewhere = ["etcd1", "etcd2", "etcd3"].map(str::to_owned);
    assert_eq!(stands::unreadable(lab, &elsewhere, line), 0, "the key lies where no balancer is");
}

fn two_die(lab: &Lab) {
    let etcd = lab.etcd(&MEMBERS);
    let writer = Writer::start(&etcd, "two-die");
    lab.hosts_do("kill", &["etcd1", "etcd2"]);
    // While they elect a leader, none of them is healthy.
    let status = lab.until_status(BOOT, "three of five members hold the quorum", |status| {
        status["etcd"]["verdict"] == "formed" && status["etcd"]["quorum"]["healthy"] == 3
    });
    assert_eq!((&status["verdict"], &status["etcd"]["quorum"]["can_lose"]), (&"degraded".into(), &0.into()));
    lab.hosts_do("start", &["etcd1", "etcd2"]);
    for member in ["etcd1", "etcd2"] {
        until(BOOT, "the members rejoin by themselves", || {
            crate::etcd::Etcd::is_healthy(lab.address(member))
        });
    }
    writer.finish();
    lab.until_status(BOOT, "healthy", is_healthy);
    settled(lab);
}
