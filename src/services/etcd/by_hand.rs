//! Commands about members that findings print for people, beside those of `plan::by_hand`.

use super::{BOOTSTRAP, CLUSTER_ID, DISK};
use crate::inventory::Inventory;
use crate::plan::by_hand as records;
use crate::plan::script::quote;
use crate::secret::SecretId;

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
    // The folder goes first: cut short, the command moves nothing, and never one entry into another.
    format!(
        "systemctl disable --now etcd; mv -t \"$(mktemp -d {}/aside-by-hand.XXXXXX)\" {}",
        word(dir),
        paths.join(" ")
    )
}

/// Looks for the disk that a data directory lies on, and mounts what should be.
pub(super) fn find_disk(dir: &str) -> String {
    format!("findmnt {dir}; lsblk -f; mount -a")
}

/// Drops what the manifest says of the member here, and nothing else: the files stay ours.
pub(super) fn forget(inventory: &Inventory) -> String {
    records::forget(inventory, &[BOOTSTRAP, CLUSTER_ID, DISK])
}

/// Drops the record of the disk.
pub(super) fn forget_disk(inventory: &Inventory) -> String {
    records::forget(inventory, &[DISK])
}

/// Puts another cluster on record.
pub(super) fn belong(inventory: &Inventory, id: &str) -> String {
    format!("sed -i 's/^{CLUSTER_ID} .*/{CLUSTER_ID} {id}/' {}", records::manifest(inventory))
}

/// Nothing that was is on record any more. The token goes too: ids are made of it, and with the same ones an old disk
/// that turns up would take part in the new cluster.
pub(super) fn begin_anew(inventory: &Inventory) -> String {
    format!("{}; rm -f {}/secrets/{}", forget(inventory), records::state(inventory), SecretId::ETCD_TOKEN)
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
            "systemctl disable --now etcd; mv -t \"$(mktemp -d /d/aside-by-hand.XXXXXX)\" '/d/a b' '/d/$(x)'"
        );
    }
}
