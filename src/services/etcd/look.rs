//! What to look at on a member's host.

use std::time::Duration;

use super::{CURRENT, ENV_FILE, HOME, PROGRAMS, UNIT, UNIT_FILE, USER, peer_url};
use crate::catalog;
use crate::facts::look::{FileLook, Looks, Probe};
use crate::inventory::Inventory;
use crate::plan::model::Procedure;
use crate::resource::{Arch, HostName};

const LOCAL: &str = include_str!("sh/probe_local.sh");
const DATA: &str = include_str!("sh/probe_data.sh");
const GET: &str = include_str!("sh/probe_get.sh");
const OTHERS: &str = concat!(include_str!("sh/members.sh"), include_str!("sh/probe_others.sh"));
const POST: &str = include_str!("sh/probe_post.sh");

/// Without a quorum `/health` blocks for 5 s and two election timeouts: 15 s with the manual's settings. A member
/// that has one answers in milliseconds; beside the login of four seconds that a dead host costs `status`, this does not
/// show.
pub(super) const HEALTH_LIMIT: Duration = Duration::from_secs(2);
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

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
    let loopback = "127.0.0.1".to_owned();
    let ask = |name, text, host: &str, port: u16, path: &str, limit| Probe {
        procedure: Procedure::new(
            name,
            text,
            [("host", host.to_owned()), ("port", port.to_string()), ("path", path.to_owned())],
        ),
        limit,
    };
    looks.probes.extend([
        Probe {
            procedure: Procedure::new("etcd.local", LOCAL, [("data_dir", etcd.data_dir.clone())]),
            limit: HEALTH_LIMIT,
        },
        Probe {
            procedure: Procedure::new("etcd.data", DATA, [("data_dir", etcd.data_dir.clone())]),
            limit: ANSWER_LIMIT,
        },
        ask("etcd.peers", GET, &own, etcd.peer_port, "/members", ANSWER_LIMIT),
        ask("etcd.status", POST, &loopback, etcd.client_port, "/v3/maintenance/status", ANSWER_LIMIT),
        ask("etcd.members", POST, &loopback, etcd.client_port, "/v3/cluster/member/list", ANSWER_LIMIT),
        Probe {
            procedure: Procedure::new(
                "etcd.others",
                OTHERS,
                [("port", etcd.client_port.to_string()), ("own", peer_url(inventory, host))],
            ),
            limit: ANSWER_LIMIT,
        },
        ask("etcd.health", GET, &loopback, etcd.client_port, "/health", HEALTH_LIMIT),
    ]);
}
