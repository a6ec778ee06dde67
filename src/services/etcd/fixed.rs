//! What a member was formed with, and what `up` therefore never changes.

use super::config;
use super::sight::Sight;
use crate::plan::draft::Draft;
use crate::plan::model::{Finding, Severity};

/// Refuses a change of what a member was formed with; whether there is one.
pub(super) fn settings(draft: &mut Draft<'_>) -> bool {
    const FIXED: [&str; 4] =
        ["ETCD_DATA_DIR", "ETCD_LISTEN_PEER_URLS", "ETCD_LISTEN_CLIENT_URLS", "ETCD_NAME"];
    let mut refused = false;
    for sight in Sight::all(draft.inventory, draft.seen) {
        let Some(reached) = sight.reached else { continue };
        let running = sight.etcd.and_then(|etcd| etcd.running.known()).and_then(Option::as_ref);
        if !(sight.recorded_cluster().is_some() || sight.has_wal() && sight.is_ours() || running.is_some()) {
            continue;
        }
        let on_disk = config::on_disk(reached).unwrap_or_default();
        let before =
            running.map(|process| &process.environment).filter(|environment| !environment.is_empty());
        let before = before.unwrap_or(&on_disk);
        let wanted = config::environment(draft.inventory, sight.host);
        let changes: Vec<String> = FIXED
            .iter()
            .filter_map(|name| Some((name, before.get(*name)?, wanted.get(*name)?)))
            .filter(|(_, old, new)| old != new)
            .map(|(name, old, new)| format!("{name} {old} -> {new}"))
            .collect();
        if sight.is_ours() && !changes.is_empty() {
            refused = true;
            let message = format!(
                "The member on {} was formed with other values: {}. Its data and its entry in the cluster hang on \
                 them, so `up` does not change them.",
                sight.host,
                changes.join(", ")
            );
            let finding = Finding::on(sight.host, Severity::Blocked, "etcd.fixed-setting", message)
                .hint("put the old values back into the inventory, then run up again");
            draft.find(finding);
        }
    }
    refused
}
