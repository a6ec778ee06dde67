//! What must be said before anything is built. What the file itself could do better, the inventory's own advice says,
//! with the place in the file.

use std::collections::BTreeSet;

use crate::inventory::Inventory;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

pub(super) fn find(inventory: &Inventory, findings: &mut Vec<Finding>) {
    if inventory.kuboard.hosts.len() > 1 {
        let message = "High availability, more than three clusters and the history of the audit log are paid features \
                       of Kuboard; kuboard-ha builds the machinery, the licence is between you and Kuboard.";
        let hint = "see https://kuboard.cn/support/; without a licence, one replica works";
        findings.push(Finding::cluster(Severity::Note, "kuboard.licence", message).hint(hint));
    }
    findings.push(exposed(inventory));
}

/// Kuboard v3 cannot speak TLS to etcd.
fn exposed(inventory: &Inventory) -> Finding {
    let etcd = &inventory.etcd;
    let places: Vec<String> = etcd.hosts.iter().map(|host| inventory.address(host).to_string()).collect();
    let message = format!(
        "etcd speaks plain HTTP without a password on {} (ports {} and {}), because Kuboard v3 can do no other: whoever \
         reaches these ports can read and change all kubeconfigs.",
        places.join(", "),
        etcd.client_port,
        etcd.peer_port
    );
    let clients: BTreeSet<&HostName> = inventory.kuboard.hosts.iter().chain(&etcd.hosts).collect();
    let kind = if etcd.hosts.iter().all(|host| inventory.address(host).is_ipv4()) { "ip" } else { "ip6" };
    let only = |port: u16, hosts: Vec<&HostName>| {
        let from: Vec<String> = hosts.into_iter().map(|host| inventory.address(host).to_string()).collect();
        format!(
            "nft 'add rule inet kuboard input iifname != {{ lo, docker0 }} tcp dport {port} {kind} saddr != {{ {} }} drop'",
            from.join(", ")
        )
    };
    let hint = format!(
        "let only the hosts of the file in, on each etcd host:\n  nft 'add table inet kuboard'\n  nft 'add chain inet \
         kuboard input {{ type filter hook input priority -5; }}'\n  {}\n  {}\nand keep it over a boot:\n  nft list table \
         inet kuboard >> /etc/nftables.conf",
        only(etcd.client_port, clients.into_iter().collect()),
        only(etcd.peer_port, etcd.hosts.iter().collect())
    );
    Finding::cluster(Severity::Note, "etcd.exposed", message).hint(hint)
}
