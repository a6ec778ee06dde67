//! Addresses and names of machines.

use std::collections::BTreeSet;

use crate::inventory::model::Inventory;
use crate::inventory::problem::Report;
use crate::inventory::read::{listed, shared};
use crate::inventory::scalar;
use crate::resource::HostName;

pub(super) fn check(inventory: &Inventory, report: &Report) {
    equal_addresses(inventory, report);
    equal_logins(inventory, report);
    agent_addresses(inventory, report);
    unused(inventory, report);
    families(inventory, report);
    containers(inventory, report);
}

fn equal_addresses(inventory: &Inventory, report: &Report) {
    let known = inventory.hosts.iter().filter(|(_, host)| !host.address.is_unspecified());
    for (address, names) in shared(known.map(|(name, host)| (name, host.address))) {
        for (first, name) in later(&names) {
            let message = format!("`{name}` has the address of `{first}`, {address}");
            let hint = "one machine, one host: a host may carry several services";
            report.problem(address_path(report, name), message, hint);
        }
    }
}

/// Two hosts behind one login are one machine, whatever their addresses say.
fn equal_logins(inventory: &Inventory, report: &Report) {
    let logins =
        inventory.hosts.iter().filter(|(_, host)| !host.address.is_unspecified()).map(|(name, host)| {
            let ssh = &host.ssh;
            (name, (ssh.host.clone(), ssh.port, ssh.proxy_jump.clone()))
        });
    for ((host, ..), names) in shared(logins) {
        for (first, name) in later(&names) {
            if inventory.address(first) == inventory.address(name) {
                continue;
            }
            let path = format!("hosts/{name}/ssh/host");
            let message = format!("`{name}` is reached where `{first}` is, at {host}: they are one machine");
            report.problem(path, message, "give each its own `ssh.host` or `ssh.port`");
        }
    }
}

fn agent_addresses(inventory: &Inventory, report: &Report) {
    let balancer = inventory.load_balancer.as_ref().map(|balancer| balancer.address.to_string());
    for (name, host) in &inventory.hosts {
        let path = format!("hosts/{name}/agent_address");
        if !report.holds(&path) {
            continue;
        }
        let literal = host.agent_address.parse().ok().and_then(scalar::unreachable);
        if let Some(why) = literal {
            let message = format!("agents cannot reach `{}`: it is {why}", host.agent_address);
            report.problem(&path, message, "the address under which the nodes of imported clusters reach it");
        } else if host.agent_address.contains('%') || host.agent_address == "localhost" {
            let message = format!("agents cannot reach `{}`", host.agent_address);
            report.problem(&path, message, "a name or an address that other machines know");
        } else if balancer.as_ref() == Some(&host.agent_address) {
            let message = format!("agents would look for `{name}` at the balancer, {}", host.agent_address);
            let hint = "agents connect to each replica itself; the balancer serves browsers";
            report.problem(&path, message, hint);
        }
    }
    let replicas = inventory.kuboard.hosts.iter().filter_map(|name| {
        let host = inventory.host(name)?;
        (!host.address.is_unspecified()).then(|| (name, host.agent_address.clone()))
    });
    for (address, names) in shared(replicas) {
        for (first, name) in later(&names) {
            if inventory.address(first) != inventory.address(name) {
                let message =
                    format!("agents would reach `{name}` and `{first}` under one address, {address}");
                let hint = "agents connect to every replica: each needs an address of its own";
                report.problem(format!("hosts/{name}/agent_address"), message, hint);
            }
        }
    }
}

fn unused(inventory: &Inventory, report: &Report) {
    let mut used: BTreeSet<&HostName> = inventory.etcd.hosts.iter().chain(&inventory.kuboard.hosts).collect();
    used.extend(inventory.questdb.iter().map(|questdb| &questdb.host));
    used.extend(inventory.load_balancer.iter().flat_map(|balancer| &balancer.hosts));
    for name in inventory.hosts.keys().filter(|name| !used.contains(name)) {
        let message = format!("`{name}` carries nothing");
        let hint = "name it in etcd, questdb, kuboard or load_balancer, or remove it";
        report.advise(format!("hosts/{name}"), "hosts.unused", message, hint);
    }
}

/// A machine with an IPv4 address alone cannot reach one with an IPv6 address alone.
fn families(inventory: &Inventory, report: &Report) {
    let (v4, v6): (Vec<_>, Vec<_>) = inventory.hosts.iter().partition(|(_, host)| host.address.is_ipv4());
    if v4.is_empty() || v6.is_empty() {
        return;
    }
    let names: Vec<&str> = v6.iter().map(|(name, _)| name.as_str()).collect();
    let message = format!("IPv4 and IPv6 are mixed: IPv6 has {}", listed(&names).replace(" or ", " and "));
    let hint = "this works only where every machine has both; addresses of one family are safer";
    report.advise("hosts", "hosts.mixed-families", message, hint);
}

/// What a replica's container must reach has an IPv6 address, and the container has none.
fn containers(inventory: &Inventory, report: &Report) {
    let members: Vec<&HostName> =
        inventory.etcd.hosts.iter().filter(|host| inventory.address(host).is_ipv6()).collect();
    let Some(first) = members.first() else { return };
    let names: Vec<&str> = members.iter().map(|name| name.as_str()).collect();
    let message = format!(
        "etcd has IPv6 addresses on {}, and containers on Docker's default bridge have none: the replicas would not reach it",
        listed(&names).replace(" or ", " and ")
    );
    let hint = "give the etcd hosts IPv4 addresses; or, on each Kuboard host, in /etc/docker/daemon.json: { \"ipv6\": true, \
                \"fixed-cidr-v6\": \"fd00:d0c::/64\", \"experimental\": true, \"ip6tables\": true }, then systemctl restart \
                docker";
    report.advise(address_path(report, first), "kuboard.container-ipv6", message, hint);
}

fn address_path(report: &Report, name: &HostName) -> String {
    let long = format!("hosts/{name}/address");
    if report.holds(&long) { long } else { format!("hosts/{name}") }
}

/// Each but the first, with the first.
fn later<'n>(names: &[&'n HostName]) -> Vec<(&'n HostName, &'n HostName)> {
    let Some((first, rest)) = names.split_first() else { return Vec::new() };
    rest.iter().map(|name| (*first, *name)).collect()
}
