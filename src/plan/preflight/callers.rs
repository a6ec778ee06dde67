//! Who is connected to what only hosts of the inventory should use: a replica that left the file and still runs, a tool
//! that somebody forgot. etcd asks nobody for a password.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::facts::model::{Facts, HostFacts};
use crate::inventory::Inventory;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

use super::roles::{From, Role, needs};

/// Ports whose callers are worth a look on a host. etcd's members are told by their own list.
pub fn ports(inventory: &Inventory, host: &HostName) -> BTreeSet<u16> {
    clients(inventory, host).into_keys().collect()
}

/// By port that only hosts of the inventory connect to: whose it is.
fn clients(inventory: &Inventory, host: &HostName) -> BTreeMap<u16, Role> {
    needs(inventory, host)
        .into_iter()
        .filter(|need| matches!(need.from, From::Hosts(_)) && need.port != inventory.etcd.peer_port)
        .map(|need| (need.port, need.role))
        .collect()
}

pub(super) fn find(inventory: &Inventory, facts: &Facts, findings: &mut Vec<Finding>) {
    let mut strangers: BTreeMap<IpAddr, BTreeSet<String>> = BTreeMap::new();
    for host in inventory.hosts.keys() {
        let Some(seen) = facts.host(host) else { continue };
        for (port, role) in clients(inventory, host) {
            for ip in seen.callers.get(&port).into_iter().flatten() {
                if !is_known(inventory, facts, *ip) && !is_container(seen, *ip) {
                    let place = format!("{} on {host} (port {port})", role.title());
                    strangers.entry(*ip).or_default().insert(place);
                }
            }
        }
    }
    for (ip, places) in strangers {
        let places = Vec::from_iter(places).join(", ");
        let message = format!(
            "{ip} is connected to {places} and is no host of the inventory: perhaps a replica that left it and still runs, \
             with all of this cluster's data at hand."
        );
        let hint = format!(
            "see what it is, on {ip}: ss -tnp; docker ps\nif it is such a replica and nobody needs it, there:\n  docker rm -f \
             kuboard; systemctl disable kuboard-boot.service"
        );
        findings.push(Finding::cluster(Severity::Warning, "host.unknown-caller", message).hint(hint));
    }
}

/// Whether a host of the inventory has the address.
fn is_known(inventory: &Inventory, facts: &Facts, ip: IpAddr) -> bool {
    inventory.hosts.keys().any(|host| {
        inventory.address(host) == ip
            || facts.host(host).is_some_and(|seen| seen.addresses.iter().any(|own| own.ip == ip))
    })
}

/// Whether the address is on a bridge of this host's own engine.
fn is_container(seen: &HostFacts, ip: IpAddr) -> bool {
    let bridges = seen
        .addresses
        .iter()
        .filter(|own| ["docker", "br-", "podman", "cni"].iter().any(|kind| own.interface.starts_with(kind)));
    bridges.into_iter().any(|own| own.holds(ip))
}
