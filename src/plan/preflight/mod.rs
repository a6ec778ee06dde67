//! What would make `up` fail later, or must be said before it runs, seen from the inventory and the facts alone. Only
//! the roles that a host has are looked at.

mod clock;
mod firewall;
mod foreign;
mod notes;
mod ports;
mod roles;
mod space;
mod system;

use crate::facts::model::{Facts, HostState};
use crate::inventory::Inventory;
use crate::plan::model::{Finding, Severity};

pub use space::paths;
pub use system::TOOLS;

/// Everything found, the gravest first. Codes are stable.
pub fn preflight(inventory: &Inventory, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (host, state) in &facts.hosts {
        let roles = roles::roles(inventory, host);
        match state {
            _ if roles.is_empty() => {}
            HostState::Unreachable { why } => {
                let message = format!("This host could not be reached: {why}. What runs on it is not known.");
                let hint = format!(
                    "ssh to it by hand, mend what fails there; kuboard-ha up --without {host} leaves it out"
                );
                findings.push(Finding::on(host, Severity::Unknown, "host.unreachable", message).hint(hint));
            }
            HostState::Reached(seen) => {
                system::find(inventory, host, &roles, seen, &mut findings);
                space::find(inventory, host, seen, &mut findings);
                ports::find(inventory, host, seen, &mut findings);
                firewall::find(inventory, host, seen, &mut findings);
                foreign::find(inventory, host, &roles, seen, &mut findings);
            }
        }
    }
    clock::find(inventory, facts, &mut findings);
    notes::find(inventory, &mut findings);
    findings.sort();
    findings
}

#[cfg(test)]
pub(crate) mod tests;
