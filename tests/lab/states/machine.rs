//! A machine that is away, or gone for good.

use super::finding::refused;
use super::{MEMBERS, converges, etcd, says_of, told, writing};
use crate::lab::Lab;

/// The rest is put in order while a machine is away.
pub fn left_out(lab: &Lab) {
    let writer = writing(&etcd(lab), "left-out");
    lab.hosts_do("kill", &["node-3"]);
    lab.exec("node-2", "systemctl stop etcd");
    let status = told(lab, "stopped", 0);
    assert_eq!(status["verdict"], "down");
    says_of(&status, "node-3", "not reachable");
    lab.run(&["up", "-o", "plain", "--without", "node-3"]).exits(0);
    let status = told(lab, "formed", 0);
    assert_eq!(status["etcd"]["quorum"]["healthy"], 2);
    lab.hosts_do("start", &["node-3"]);
    lab.hosts_do("wait", &["node-3"]);
    converges(lab, &[], writer);
}

/// The commonest repair: the file names another machine.
pub fn replaced(lab: &Lab) {
    let writer = writing(&lab.etcd(&["node-1", "node-2", "node-4"]), "replaced");
    lab.hosts_do("kill", &["node-3"]);
    let (dead, new) = (lab.address("node-3").to_owned(), lab.address("node-4").to_owned());
    lab.inventory.edit(&format!("  node-3: {dead}\n"), &format!("  node-4: {new}\n"));
    lab.inventory.edit("node-1, node-2, node-3", "node-1, node-2, node-4");
    let status = told(lab, "formed", 0);
    says_of(&status, "node-4", "not a member of the cluster yet");
    says_of(&status, "node-3", "the inventory does not");
    refused(lab, &["node-1", "node-2", "node-4"], &[]);
    converges(lab, &["--yes"], writer);
    let endpoints = lab.exec("node-1", "grep ^KUBOARD_ETCD_ENDPOINTS= /etc/kuboard.env");
    assert!(endpoints.contains(&new) && !endpoints.contains(&dead), "{endpoints}");

    // It was only thought to be dead: what it holds is of a member that is no more. It does no harm.
    lab.hosts_do("start", &["node-3"]);
    lab.hosts_do("wait", &["node-3"]);
    super::well(lab);
}

/// And back again, with the old data on the machine that comes, while the one that goes is alive.
pub fn back(lab: &Lab) {
    let writer = writing(&etcd(lab), "back");
    let (old, new) = (lab.address("node-4").to_owned(), lab.address("node-3").to_owned());
    lab.inventory.edit(&format!("  node-4: {old}\n"), &format!("  node-3: {new}\n"));
    lab.inventory.edit("node-1, node-2, node-4", "node-1, node-2, node-3");
    refused(lab, &MEMBERS, &[]);
    converges(lab, &["--yes"], writer);
}
