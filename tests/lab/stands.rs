//! What every cluster has to be once `up` has ended, whatever its shape.

use std::time::Duration;

use serde_json::Value;

use crate::lab::Lab;
use crate::net;

/// A machine of the lab takes seconds to boot, its services some more.
pub const BOOT: Duration = Duration::from_mins(2);

/// Whether a status says healthy and nothing else.
pub fn is_healthy(status: &Value) -> bool {
    status["verdict"] == "healthy" && status["drift"].as_array().is_some_and(Vec::is_empty)
}

/// What matters of a status, for the message of a failure.
pub fn brief(status: &Value) -> String {
    let etcd = &status["etcd"];
    format!(
        "{} because of {:#}; etcd {} {} led by {}; differs: {}",
        status["verdict"],
        status["reasons"],
        etcd["verdict"],
        etcd["quorum"],
        etcd["leader"],
        status["drift"]
    )
}

/// The hosts that hold the floating address.
pub fn holders<'a>(lab: &Lab, balancers: &[&'a str]) -> Vec<&'a str> {
    let held = format!(" {}/", lab.floating());
    balancers.iter().copied().filter(|host| lab.exec(host, "ip -o address").contains(&held)).collect()
}

/// `up` builds it, or goes on to build it; then it is healthy, and again changes nothing.
#[track_caller]
pub fn built(lab: &Lab) {
    let first = lab.up();
    first.says("stands");
    settled(lab);
}

/// It is healthy.
#[track_caller]
pub fn healthy(lab: &Lab) {
    let status = lab.status();
    assert!(is_healthy(&status), "{}", brief(&status));
}

/// It is healthy, and `up` changes nothing.
#[track_caller]
pub fn settled(lab: &Lab) {
    healthy(lab);
    let again = lab.up();
    again.says("nothing changed");
}

/// Kuboard lets people in at `address:port`; each such request leaves a key in etcd.
#[track_caller]
pub fn login_works(address: &str, port: u16) {
    let answer = net::get(address, port, "/sso/auth", Duration::from_secs(5)).unwrap();
    assert_eq!(answer.status, 302, "{address}:{port}: {answer:?}");
}

/// Nobody but root and the services read a file that holds one of these lines. Gives how many files do.
#[track_caller]
pub fn unreadable<'a>(lab: &Lab, hosts: impl IntoIterator<Item = &'a String>, lines: &str) -> usize {
    let script = format!(
        "grep -rlF '{lines}' /etc /opt /run /tmp /home /root /var/lib/kuboard-ha /var/lib/kuboard /var/lib/etcd /var/log \
         /var/cache /usr/local 2>/dev/null | while read -r file; do
             if runuser -u nobody -- test -r \"$file\"; then echo \"open $file\"; else echo \"shut $file\"; fi
         done; true"
    );
    let mut found = 0;
    for (host, text) in lab.exec_all(hosts, &script) {
        let open: Vec<&str> = text.lines().filter(|line| line.starts_with("open ")).collect();
        assert!(open.is_empty(), "others can read a secret on {host}: {open:?}");
        found += text.lines().count();
    }
    found
}
