//! Ports that somebody else already listens on.

use std::net::IpAddr;

use crate::causes::port;
use crate::facts::model::{HostFacts, Listener};
use crate::inventory::Inventory;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

use super::roles::{Need, needs};

/// The container of a replica.
const CONTAINER: &str = "kuboard";

pub(super) fn find(inventory: &Inventory, host: &HostName, seen: &HostFacts, findings: &mut Vec<Finding>) {
    for need in needs(inventory, host) {
        if let Some(finding) = container(host, seen, &need) {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
            continue;
        }
        let taken = seen.listeners.iter().find(|listener| {
            listener.port == need.port
                && overlap(listener.ip, need.ip)
                && !need.role.owns(seen, listener.process.as_deref())
                && !is_replica(seen, listener)
        });
        let Some(taken) = taken else { continue };
        let by = taken.process.as_deref().unwrap_or(port::UNSEEN);
        let cause = port::taken(need.port, &taken.ip.to_string(), by, need.role.title());
        let finding = Finding::of(Some(host), Severity::Blocked, cause);
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
}

/// A container that has the port. The one in the place of ours has a finding of its own.
fn container(host: &HostName, seen: &HostFacts, need: &Need) -> Option<Finding> {
    let docker = seen.docker.known()?.as_ref()?;
    let found = docker.published.iter().find(|found| {
        found.port == need.port && overlap(found.ip, need.ip) && found.container != CONTAINER
    })?;
    let name = &found.container;
    let message = format!(
        "Port {} on {} is taken by the container {name} (image {}); {} listens there.",
        need.port,
        found.ip,
        found.image,
        need.role.title()
    );
    let hint = format!(
        "choose another port in the inventory; or, if that container may go out of service, on the host, then run \
         up:\n  docker update --restart no {name} && docker stop {name}"
    );
    Some(Finding::on(host, Severity::Blocked, "port.taken", message).hint(hint))
}

/// Whether Docker has the port for a container named as ours: whose that is, its own service says.
fn is_replica(seen: &HostFacts, listener: &Listener) -> bool {
    let docker = seen.docker.known().and_then(Option::as_ref);
    docker.is_some_and(|docker| {
        docker.published.iter().any(|found| {
            found.container == CONTAINER && found.port == listener.port && overlap(found.ip, listener.ip)
        })
    })
}

/// Whether both cannot listen side by side. One that listens on all of IPv6 mostly listens on all of IPv4 too.
fn overlap(taken: IpAddr, wanted: IpAddr) -> bool {
    taken == wanted
        || match taken {
            IpAddr::V6(ip) => ip.is_unspecified(),
            IpAddr::V4(ip) => ip.is_unspecified() && wanted.is_ipv4(),
        }
}
