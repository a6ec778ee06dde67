//! Ports that somebody else already listens on.

use std::net::IpAddr;

use crate::causes::port;
use crate::facts::model::{HostFacts, Listener};
use crate::inventory::Inventory;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

use super::roles::needs;

pub(super) fn find(inventory: &Inventory, host: &HostName, seen: &HostFacts, findings: &mut Vec<Finding>) {
    for need in needs(inventory, host) {
        let taken = seen.listeners.iter().find(|listener| {
            listener.port == need.port
                && overlap(listener, need.ip)
                && !need.role.owns(seen, listener.process.as_deref())
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

/// Whether both cannot listen side by side. One that listens on all of IPv6 mostly listens on all of IPv4 too.
fn overlap(listener: &Listener, wanted: IpAddr) -> bool {
    listener.ip == wanted
        || match listener.ip {
            IpAddr::V6(ip) => ip.is_unspecified(),
            IpAddr::V4(ip) => ip.is_unspecified() && wanted.is_ipv4(),
        }
}
