//! What would make `up` fail later, or must be said before it runs, seen from the inventory and the facts alone. Only
//! the roles that a host has are looked at.

mod callers;
mod clock;
mod firewall;
mod foreign;
mod notes;
mod ports;
mod roles;
mod space;
mod system;

use std::collections::BTreeSet;

use crate::facts::model::Facts;
use crate::inventory::Inventory;
use crate::plan::model::Finding;
use crate::resource::HostName;

pub use callers::ports;
pub use foreign::without_the_explained;
pub use space::paths;
pub use system::TOOLS;

/// Everything found, the gravest first. Codes are stable. Of hosts that were not reached it says nothing. What would
/// keep steps from being carried out forbids nothing on hosts that are not `busy`: they get none.
pub fn preflight(inventory: &Inventory, facts: &Facts, busy: &BTreeSet<HostName>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for host in inventory.hosts.keys() {
        let roles = roles::roles(inventory, host);
        let Some(seen) = facts.host(host).filter(|_| !roles.is_empty()) else { continue };
        system::find(inventory, host, &roles, seen, &mut findings);
        space::find(inventory, host, seen, busy.contains(host), &mut findings);
        ports::find(inventory, host, seen, &mut findings);
        firewall::find(inventory, host, seen, &mut findings);
        foreign::find(inventory, host, &roles, seen, &mut findings);
    }
    callers::find(inventory, facts, &mut findings);
    clock::find(inventory, facts, &mut findings);
    notes::find(inventory, &mut findings);
    findings.sort();
    findings
}

#[cfg(test)]
pub(crate) mod tests;
