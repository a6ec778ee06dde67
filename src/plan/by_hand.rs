//! Commands that findings print for people: what they run on a host themselves, because `up` will not.

use crate::inventory::Inventory;

/// Where a cluster's records and secrets lie on its hosts.
pub fn state(inventory: &Inventory) -> String {
    format!("/var/lib/kuboard-ha/{}", inventory.cluster)
}

/// The records.
pub fn manifest(inventory: &Inventory) -> String {
    format!("{}/manifest", state(inventory))
}

/// Drops entries, each `KIND NAME`, from a host's records, and nothing else.
pub fn forget(inventory: &Inventory, entries: &[&str]) -> String {
    let script: Vec<String> = entries.iter().map(|entry| format!("/^{entry} /d")).collect();
    format!("sed -i '{}' {}", script.join("; "), manifest(inventory))
}
