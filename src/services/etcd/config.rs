//! What etcd is configured with: the environment file and the unit.

use std::collections::BTreeMap;

use minijinja::context;

use super::{ENV_FILE, client_url, peer_url, url};
use crate::facts::model::HostFacts;
use crate::inventory::Inventory;
use crate::render::{RenderError, render};
use crate::resource::{Content, HostName};
use crate::template;

/// Settings of the manual (and a quota that leaves room) that the inventory may change, sorted by name.
const DEFAULTS: [(&str, &str); 6] = [
    ("ETCD_AUTO_COMPACTION_RETENTION", "8"),
    ("ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK", "True"),
    ("ETCD_METRICS", "basic"),
    ("ETCD_PROXY", "off"),
    // 2 GiB unless set; a full one freezes every write. Kuboard's own built-in etcd has 8 GiB.
    ("ETCD_QUOTA_BACKEND_BYTES", "8589934592"),
    ("ETCD_SNAPSHOT_COUNT", "10000"),
];

/// What a member with an empty data directory does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterState<'a> {
    /// Forms a cluster with the others.
    New,
    /// Joins the members of this `ETCD_INITIAL_CLUSTER`, if they know it.
    Joining(&'a str),
    /// Does not start at all.
    Existing,
}

/// `/etc/etcd.env` of a member.
pub fn env(inventory: &Inventory, host: &HostName, state: ClusterState<'_>) -> Result<Content, RenderError> {
    let etcd = &inventory.etcd;
    let settings: Vec<String> =
        tunable(inventory).iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    let values = context! {
        cluster => &inventory.cluster,
        data_dir => quoted(&etcd.data_dir),
        client_url => client_url(inventory, host),
        peer_url => peer_url(inventory, host),
        loopback_url => loopback_url(inventory),
        state => if state == ClusterState::New { "new" } else { "existing" },
        election_timeout => millis(etcd.election_timeout),
        heartbeat_interval => millis(etcd.heartbeat_interval),
        name => host.as_str(),
        initial_cluster => match state {
            ClusterState::Joining(members) => members.to_owned(),
            _ => initial_cluster(inventory),
        },
        settings => settings,
    };
    render(template!("etcd/etcd.env"), &values)
}

/// `/etc/systemd/system/etcd.service`; once the cluster is formed it asserts that there is data.
pub fn unit(inventory: &Inventory, state: ClusterState<'_>) -> Result<Content, RenderError> {
    let values = context! {
        cluster => &inventory.cluster,
        data_dir => inventory.etcd.data_dir.replace('%', "%%"),
        settled => state == ClusterState::Existing,
    };
    render(template!("etcd/etcd.service"), &values)
}

/// The environment that the live process shall have, but for what only a first start reads.
pub(super) fn environment(inventory: &Inventory, host: &HostName) -> BTreeMap<String, String> {
    let etcd = &inventory.etcd;
    let client = client_url(inventory, host);
    let listen = format!("{client},{}", loopback_url(inventory));
    let mut all = tunable(inventory);
    for (name, value) in [
        ("ETCD_DATA_DIR", etcd.data_dir.clone()),
        ("ETCD_ADVERTISE_CLIENT_URLS", client),
        ("ETCD_LISTEN_CLIENT_URLS", listen),
        ("ETCD_ELECTION_TIMEOUT", millis(etcd.election_timeout)),
        ("ETCD_HEARTBEAT_INTERVAL", millis(etcd.heartbeat_interval)),
        ("ETCD_LISTEN_PEER_URLS", peer_url(inventory, host)),
        ("ETCD_NAME", host.to_string()),
    ] {
        all.insert(name.to_owned(), value);
    }
    all
}

/// Whether only a first start reads a setting: it may differ between disk and process.
pub(super) fn is_initial(name: &str) -> bool {
    name.starts_with("ETCD_INITIAL_")
}

/// `etcd1=http://10.99.16.11:2380,…`, in the inventory's order.
pub(super) fn initial_cluster(inventory: &Inventory) -> String {
    let entries: Vec<String> =
        inventory.etcd.hosts.iter().map(|host| format!("{host}={}", peer_url(inventory, host))).collect();
    entries.join(",")
}

/// The settings in a host's environment file, whoever wrote it; `None` where it was not seen.
pub(super) fn on_disk(seen: &HostFacts) -> Option<BTreeMap<String, String>> {
    let file = seen.files.get(ENV_FILE)?.known()?.as_ref()?;
    Some(parsed(file.text.as_deref().unwrap_or_default()))
}

/// The `ETCD_*` settings in the text of an environment file, unquoted as systemd does.
pub(super) fn parsed(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| name.starts_with("ETCD_"))
        .map(|(name, value)| (name.to_owned(), unquoted(value)))
        .collect()
}

fn loopback_url(inventory: &Inventory) -> String {
    url([127, 0, 0, 1].into(), inventory.etcd.client_port)
}

fn tunable(inventory: &Inventory) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> =
        DEFAULTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    all.extend(inventory.etcd.settings.clone());
    all
}

fn millis(duration: std::time::Duration) -> String {
    duration.as_millis().to_string()
}

/// A value as systemd's `EnvironmentFile=` reads it back. Plain ones stay plain, as in the manual.
fn quoted(value: &str) -> String {
    if !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "_./:,=+@%-[]*".contains(c)) {
        return value.to_owned();
    }
    let mut text = String::from("\"");
    for c in value.chars() {
        if matches!(c, '\\' | '"' | '`' | '$') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.trim().to_owned();
    };
    let mut text = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        text.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn what_is_written_is_what_the_process_shall_have() {
        let mut inventory = testing::inventory(3);
        inventory.etcd.settings = BTreeMap::from([
            ("ETCD_SNAPSHOT_COUNT".to_owned(), "50000".to_owned()),
            ("ETCD_LOG_OUTPUTS".to_owned(), r#"a b"c\d$e`f"#.to_owned()),
        ]);
        let host = testing::host(2);
        let text = env(&inventory, &host, ClusterState::New).unwrap().masked();
        let mut on_disk = parsed(&text);
        assert_eq!(on_disk["ETCD_INITIAL_CLUSTER_STATE"], "new");
        assert_eq!(on_disk["ETCD_INITIAL_CLUSTER_TOKEN"], "***");
        on_disk.retain(|name, _| !is_initial(name));
        assert_eq!(on_disk, environment(&inventory, &host));
        assert_eq!(on_disk["ETCD_SNAPSHOT_COUNT"], "50000");
    }

    #[test]
    fn addresses_of_both_families_stand_in_urls() {
        let mut inventory = testing::inventory(3);
        let host = testing::host(1);
        if let Some(machine) = inventory.hosts.get_mut(&host) {
            machine.address = "fd00::11".parse().unwrap();
        }
        let text = env(&inventory, &host, ClusterState::New).unwrap().masked();
        assert!(text.contains("ETCD_LISTEN_PEER_URLS=http://[fd00::11]:2380\n"), "{text}");
        assert!(
            text.contains("ETCD_INITIAL_CLUSTER=etcd1=http://[fd00::11]:2380,etcd2=http://10.99.16.12:2380")
        );
    }

    #[test]
    fn only_a_formed_cluster_asserts_its_data() {
        let mut inventory = testing::inventory(1);
        inventory.etcd.data_dir = "/data/100%/etcd".to_owned();
        let glob = "AssertPathExistsGlob=/data/100%%/etcd/member/wal/*.wal\n";
        assert!(unit(&inventory, ClusterState::Existing).unwrap().masked().contains(glob));
        assert!(!unit(&inventory, ClusterState::New).unwrap().masked().contains("Assert"));
    }
}
