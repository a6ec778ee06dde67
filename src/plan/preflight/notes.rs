//! What must be said before anything is built.

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
    findings.extend(fragile(inventory));
    findings.extend(clear(inventory));
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
        "let only the hosts of the file in, on each etcd host: nft 'add table inet kuboard'; nft 'add chain inet kuboard \
         input {{ type filter hook input priority -5; }}'; {}; {}; and keep it over a boot: nft list table inet kuboard \
         >> /etc/nftables.conf",
        only(etcd.client_port, clients.into_iter().collect()),
        only(etcd.peer_port, etcd.hosts.iter().collect())
    );
    Finding::cluster(Severity::Note, "etcd.exposed", message).hint(hint)
}

/// What does not survive the loss of one machine.
fn fragile(inventory: &Inventory) -> Option<Finding> {
    if inventory.hosts.len() == 1 {
        let message = "Everything runs on one machine: this is not highly available; with that machine all of it is gone.";
        let hint = "for production use three machines: they can carry all roles together";
        return Some(Finding::cluster(Severity::Warning, "cluster.not-highly-available", message).hint(hint));
    }
    let mut single = Vec::new();
    if inventory.etcd.hosts.len() == 1 {
        single.push(format!("etcd has one member ({})", inventory.etcd.hosts[0]));
    }
    if inventory.kuboard.hosts.len() == 1 {
        single.push(format!("Kuboard has one replica ({})", inventory.kuboard.hosts[0]));
    }
    if let Some(balancer) = inventory.load_balancer.as_ref().filter(|balancer| balancer.hosts.len() == 1) {
        single.push(format!("one machine ({}) holds the floating address", balancer.hosts[0]));
    }
    if single.is_empty() {
        return None;
    }
    let message = format!("This is not highly available: {}.", single.join(", "));
    let hint =
        "name three etcd hosts, two Kuboard hosts and two balancer hosts; machines may have several roles";
    Some(Finding::cluster(Severity::Warning, "cluster.not-highly-available", message).hint(hint))
}

/// Logins over plain HTTP.
fn clear(inventory: &Inventory) -> Option<Finding> {
    if !inventory.kuboard.url.starts_with("http://") {
        return None;
    }
    let message = format!(
        "{} is plain HTTP: passwords travel in the clear, and agents must be imported anew when the address changes later.",
        inventory.kuboard.url
    );
    let hint = "decide now: give load_balancer.tls a certificate and set kuboard.url to https://…";
    Some(Finding::cluster(Severity::Note, "kuboard.plain-http", message).hint(hint))
}
