//! Commands that findings print for people: what they run on a host themselves, because `up` will not.

use super::{BOOTSTRAP, CLUSTER_ID, DISK};
use crate::inventory::Inventory;
use crate::plan::script::quote;
use crate::secret::SecretId;
use crate::services::kuboard::{CONTAINER, SERVED};

/// Stops etcd, and keeps what its member has in a new folder beside it, as often as it is said.
pub(super) fn let_go(dir: &str) -> String {
    move_aside(dir, &["member"])
}

/// The same for other entries of the data directory.
pub(super) fn move_aside(dir: &str, entries: &[&str]) -> String {
    if entries.is_empty() {
        return "systemctl disable --now etcd".to_owned();
    }
    let paths: Vec<String> = entries.iter().map(|entry| word(&format!("{dir}/{entry}"))).collect();
    format!(
        "systemctl disable --now etcd; mv {} \"$(mktemp -d {}/aside-by-hand.XXXXXX)\"",
        paths.join(" "),
        word(dir)
    )
}

/// Drops what the manifest says of the member here, and nothing else: the files stay ours.
pub(super) fn forget(inventory: &Inventory) -> String {
    drop_entries(inventory, &[BOOTSTRAP, CLUSTER_ID, DISK])
}

/// Drops the record of the disk.
pub(super) fn forget_disk(inventory: &Inventory) -> String {
    drop_entries(inventory, &[DISK])
}

/// Puts another cluster on record.
pub(super) fn belong(inventory: &Inventory, id: &str) -> String {
    format!("sed -i 's/^{CLUSTER_ID} .*/{CLUSTER_ID} {id}/' {}", manifest(inventory))
}

/// Nothing that was is on record any more. The token goes too: ids are made of it, and with the same ones an old disk
/// that turns up would take part in the new cluster.
pub(super) fn begin_anew(inventory: &Inventory) -> String {
    format!("{}; rm -f {}/secrets/{}", forget(inventory), state(inventory), SecretId::ETCD_TOKEN)
}

/// Takes a replica for one that never served; its folder stays.
pub(super) fn new_replica(inventory: &Inventory) -> String {
    format!("docker rm -f {CONTAINER}; {}", drop_entries(inventory, &[SERVED]))
}

/// Where records and secrets lie.
pub(super) fn state(inventory: &Inventory) -> String {
    format!("/var/lib/kuboard-ha/{}", inventory.cluster)
}

fn manifest(inventory: &Inventory) -> String {
    format!("{}/manifest", state(inventory))
}

fn drop_entries(inventory: &Inventory, entries: &[&str]) -> String {
    let script: Vec<String> = entries.iter().map(|entry| format!("/^{entry} /d")).collect();
    format!("sed -i '{}' {}", script.join("; "), manifest(inventory))
}

/// Quoted only where a shell would read more into it.
fn word(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:@".contains(letter);
    if text.chars().all(plain) { text.to_owned() } else { quote(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_shell_would_read_is_quoted() {
        assert_eq!(
            move_aside("/d", &["a b", "$(x)"]),
            "systemctl disable --now etcd; mv '/d/a b' '/d/$(x)' \"$(mktemp -d /d/aside-by-hand.XXXXXX)\""
        );
    }
}
