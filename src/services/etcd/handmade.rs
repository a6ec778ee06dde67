//! An etcd that somebody set up by hand, as the manual says: recognised, told apart from what `up` would set up, and
//! left alone.

use std::collections::BTreeMap;

use super::findings::Scene;
use super::sight::Sight;
use super::{ENV_FILE, HOME, PROGRAMS, UNIT_FILE, USER, client_url, config};
use crate::facts::model::{FileState, HostFacts, Observed};
use crate::inventory::Inventory;
use crate::plan::model::{Finding, Severity};

/// The finding, where this is one.
pub(super) fn finding(scene: &Scene<'_>, sight: &Sight<'_>) -> Option<Finding> {
    let (host, inventory) = (sight.host, scene.inventory);
    let differences = differences(inventory, sight)?;
    let dir = &inventory.etcd.data_dir;
    let cluster = sight.live_cluster().map_or(String::new(), |id| format!(", a member of the cluster {id},"));
    let message = format!(
        "etcd on {host}{cluster} was set up by hand, as the manual says. `up` leaves it as it is, for it may hold all \
         that somebody has. What `up` sets up differs in: {}.",
        differences.join("; ")
    );
    let data = format!("{dir}/*");
    let moved: Vec<String> =
        [&data, ENV_FILE, UNIT_FILE].map(str::to_owned).into_iter().chain(programs(sight)).collect();
    let hint = format!(
        "keep it by hand, and this file for other machines; or let `up` begin anew without its data. Keep a copy:\n  \
         etcdctl --endpoints={} snapshot save /root/etcd-by-hand.db\nthen on each member host:\n  systemctl disable --now \
         etcd\n  mkdir -p /root/etcd-by-hand && mv -t /root/etcd-by-hand {}\n  systemctl daemon-reload\nthen run up again",
        client_url(inventory, host),
        moved.join(" ")
    );
    Some(Finding::on(host, Severity::Blocked, "etcd.by-hand", message).hint(hint))
}

/// What our unit file begins with.
const OUR_MARK: &str = "Written by kuboard-ha";

/// What of the manual's files and programs stands there otherwise than `up` would have it; `None` where it is not the
/// manual's work.
fn differences(inventory: &Inventory, sight: &Sight<'_>) -> Option<Vec<String>> {
    let reached = sight.reached?;
    let etcd = sight.etcd.filter(|_| !sight.is_ours())?;
    let (settings, unit) = (text(reached, ENV_FILE)?, text(reached, UNIT_FILE)?);
    let environment = config::parsed(settings);
    // Our own files, on a host that lost our records, are another story.
    let ours = settings.contains("written by kuboard-ha") || unit.contains(OUR_MARK);
    if ours || !environment.contains_key("ETCD_NAME") || !unit.contains(ENV_FILE) {
        return None;
    }
    let mut all = Vec::new();
    if environment.get("ETCD_INITIAL_CLUSTER_STATE").is_some_and(|state| state == "new") {
        all.push(
            "the state (new -> existing: with an emptied disk this one would start a cluster of its own)"
                .to_owned(),
        );
    }
    if setting(unit, "User").unwrap_or("root") == "root" {
        all.push(format!("the user (root -> {USER})"));
    }
    let owner = reached.directories.get(&inventory.etcd.data_dir).and_then(Option::as_ref);
    if let Some(seen) = owner.filter(|seen| !seen.owner.starts_with(USER)) {
        all.push(format!("the owner of its data ({} -> {USER}:{USER})", seen.owner));
    }
    if programs(sight).next().is_some() {
        all.push(format!("the programs (files in /usr/local/bin -> links into {HOME})"));
    }
    all.push(if etcd.manual_token {
        "the token (the manual's, which all its readers share -> one of its own)".to_owned()
    } else {
        "the token (unknown to kuboard-ha -> one that it keeps on the hosts)".to_owned()
    });
    let wanted = config::env(inventory, sight.host, config::ClusterState::Existing).ok()?.masked();
    let settings = changes(&environment, &config::parsed(&wanted));
    if !settings.is_empty() {
        all.push(format!("settings ({})", settings.join(", ")));
    }
    let wanted = config::unit(inventory, config::ClusterState::Existing).ok()?.masked();
    let lines = changes(&assignments(unit), &assignments(&wanted));
    if !lines.is_empty() {
        all.push(format!("the unit's text ({})", lines.join(", ")));
    }
    Some(all)
}

/// Whether the unit file is of our making, though nothing records it any more.
pub(super) fn is_our_unit(sight: &Sight<'_>) -> bool {
    sight.reached.and_then(|reached| text(reached, UNIT_FILE)).is_some_and(|unit| unit.contains(OUR_MARK))
}

/// Programs that stand where `up` puts its links.
fn programs<'a>(sight: &Sight<'a>) -> impl Iterator<Item = String> + use<'a> {
    let reached = sight.reached;
    let stands = move |path: &String| {
        matches!(reached.and_then(|reached| reached.files.get(path)), Some(Observed::Known(Some(_))))
    };
    PROGRAMS.iter().map(|program| format!("/usr/local/bin/{program}")).filter(stands)
}

/// The text of a file that is nobody's we know.
fn text<'a>(reached: &'a HostFacts, path: &str) -> Option<&'a str> {
    let file = reached.files.get(path)?.known()?.as_ref()?;
    matches!(file.state, FileState::Foreign(_)).then_some(file.text.as_deref()?)
}

fn setting<'a>(unit: &'a str, name: &str) -> Option<&'a str> {
    unit.lines()
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value)
}

fn assignments(unit: &str) -> BTreeMap<String, String> {
    let lines = unit.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// `NAME old -> new`, but for what is said in words of its own.
fn changes(seen: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> Vec<String> {
    const SAID: [&str; 6] = [
        "ETCD_INITIAL_CLUSTER_STATE",
        "ETCD_INITIAL_CLUSTER_TOKEN",
        "User",
        "Description",
        "Documentation",
        "Wants",
    ];
    let mut all = Vec::new();
    for (name, value) in wanted.iter().filter(|(name, _)| !SAID.contains(&name.as_str())) {
        match seen.get(name) {
            Some(old) if old == value => {}
            Some(old) if old.len() + value.len() < 80 => all.push(format!("{name} {old} -> {value}")),
            Some(_) => all.push(format!("{name} differs")),
            None => all.push(format!("{name} missing")),
        }
    }
    let surplus = seen.keys().filter(|name| !wanted.contains_key(*name) && !SAID.contains(&name.as_str()));
    all.extend(surplus.map(|name| format!("{name} besides")));
    all
}
