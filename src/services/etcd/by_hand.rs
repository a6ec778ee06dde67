//! What somebody else's etcd has otherwise than kuboard-ha would: the list for whoever thinks of giving it over.

use super::sight::Sight;
use super::{HOME, UNIT_FILE, USER, config, keep};
use crate::facts::model::Observed;
use crate::inventory::Inventory;

/// The token that Kuboard's manual prints.
const MANUAL_TOKEN: &str = "kuboard_etcd_cluster_token";
const STATE: &str = "ETCD_INITIAL_CLUSTER_STATE";
const TOKEN: &str = "ETCD_INITIAL_CLUSTER_TOKEN";

/// `User=root -> etcd`, …; empty where nothing runs.
pub(super) fn differences(inventory: &Inventory, sight: &Sight<'_>) -> Vec<String> {
    let Some(process) = sight.etcd.and_then(|etcd| etcd.running.known()?.as_ref()) else { return Vec::new() };
    let mut all = Vec::new();
    if let Some(user) = unit_user(sight)
        && user != USER
    {
        all.push(format!("User={user} -> {USER}"));
    }
    let executable = if process.executable.starts_with(HOME) {
        process.executable.clone()
    } else {
        format!("{HOME}/…/etcd")
    };
    all.extend(keep::changes(process, &executable, &config::environment(inventory, sight.host)));
    if process.environment.get(STATE).is_some_and(|state| state == "new") {
        all.push(format!("{STATE}=new -> existing"));
    }
    if process.environment.get(TOKEN).is_some_and(|token| token == MANUAL_TOKEN) {
        all.push(format!("{TOKEN}={MANUAL_TOKEN}, which everybody knows -> a random one"));
    }
    all
}

/// The user that its unit file names; systemd's own default is root.
fn unit_user(sight: &Sight<'_>) -> Option<String> {
    let Observed::Known(Some(file)) = sight.reached?.files.get(UNIT_FILE)? else { return None };
    let user = file.text.as_ref()?.lines().find_map(|line| line.strip_prefix("User="));
    Some(user.unwrap_or("root").to_owned())
}
