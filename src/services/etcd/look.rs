//! What to look at on a member's host.

use std::time::Duration;

use super::{CURRENT, ENV_FILE, HOME, PROGRAMS, UNIT, UNIT_FILE, USER, peer_url};
use crate::catalog;
use crate::facts::look::{FileLook, Looks, Probe, Request};
use crate::inventory::Inventory;
use crate::plan::model::Procedure;
use crate::resource::{Arch, HostName};

const LOCAL: &str = include_str!("sh/probe_local.sh");
const DATA: &str = include_str!("sh/probe_data.sh");
const OTHERS: &str = include_str!("sh/probe_others.sh");

/// Without a quorum `/health` blocks for 5 s and two election timeouts: 15 s with the manual's settings. A member that has one
/// answers in milliseconds, and a look has no time for the other.
pub(super) const HEALTH_LIMIT: Duration = Request::LIMIT;
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// How many keys there are, from the first to the last; no key is read.
const ANY_KEY: &str = r#"{"key":"AA==","range_end":"AA==","count_only":true,"serializable":true}"#;

/// Adds what the service looks at on a member's host.
pub fn look(inventory: &Inventory, host: &HostName, looks: &mut Looks) {
    let etcd = &inventory.etcd;
    if !etcd.hosts.contains(host) {
        return;
    }
    looks.paths.extend([etcd.data_dir.clone(), HOME.to_owned()]);
    looks.users.insert(USER.to_owned());
    looks.directories.extend([etcd.data_dir.clone(), HOME.to_owned()]);
    looks.links.insert(CURRENT.to_owned());
    looks.links.extend(PROGRAMS.map(|program| format!("/usr/local/bin/{program}")));
    for arch in [Arch::Amd64, Arch::Arm64] {
        if let Ok(artifact) = catalog::etcd_artifact(etcd, arch) {
            looks.installs.insert(super::release::directory(&artifact));
        }
    }
    let token = "ETCD_INITIAL_CLUSTER_TOKEN".to_owned();
    looks.files.insert(ENV_FILE.to_owned(), FileLook::Masked(vec![token]));
    looks.files.insert(UNIT_FILE.to_owned(), FileLook::default());
    looks.units.insert(UNIT.to_owned(), vec![ENV_FILE.to_owned(), UNIT_FILE.to_owned()]);

    let own = inventory.address(host).to_string();
    let loopback = "127.0.0.1";
    looks.probes.extend([
        Probe {
            procedure: Procedure::new("etcd.local", LOCAL, [("data_dir", etcd.data_dir.clone())]),
            limit: HEALTH_LIMIT,
        },
        Probe {
            procedure: Procedure::new("etcd.data", DATA, [("data_dir", etcd.data_dir.clone())]),
            limit: ANSWER_LIMIT,
        },
    ]);
    let ask = |name, host: &str, port, path, body| Request {
        name,
        host: host.to_owned(),
        port,
        path,
        body,
        next: None,
    };
    let others = Procedure::new("etcd.others", OTHERS, [("own", peer_url(inventory, host))]);
    looks.requests.extend([
        ask("etcd.status", loopback, etcd.client_port, "/v3/maintenance/status", "{}"),
        Request {
            next: Some(others),
            ..ask("etcd.members", loopback, etcd.client_port, "/v3/cluster/member/list", "{}")
        },
        ask("etcd.stored", loopback, etcd.client_port, "/v3/kv/range", ANY_KEY),
        ask("etcd.peers", &own, etcd.peer_port, "/members", ""),
        ask("etcd.health", loopback, etcd.client_port, "/health", ""),
    ]);
}
