//! etcd, the store: formed once from proven empty machines, kept as the inventory says ever after, and never
//! re-initialised.

/// A text that asks members for their health.
macro_rules! with_health {
    ($file:literal) => {
        concat!(include_str!("sh/health.sh"), include_str!($file))
    };
}

mod anew;
mod by_hand;
mod causes;
mod config;
mod converge;
mod drop_in;
mod effects;
mod findings;
mod fixed;
mod handmade;
mod keep;
mod look;
mod member_findings;
mod membership;
mod read;
mod release;
mod repair;
mod sight;
#[cfg(test)]
mod testing;
mod too_few;
mod verdict;
mod wal;

use std::net::IpAddr;

use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::plan::draft::Draft;
use crate::resource::HostName;

use sight::Sight;

pub use causes::{cause, scene};
pub use config::{ClusterState, env, unit};
pub use effects::effects;
pub use look::look;
pub use read::read;
pub use verdict::{Judgement, MemberState, Verdict, judge};

/// Its unit.
pub const UNIT: &str = "etcd.service";
/// Its environment.
pub const ENV_FILE: &str = "/etc/etcd.env";
/// Its unit file.
pub const UNIT_FILE: &str = "/etc/systemd/system/etcd.service";
/// The folder of its versions.
pub const HOME: &str = "/opt/kuboard-ha/etcd";
/// The link to the version in use.
pub const CURRENT: &str = "/opt/kuboard-ha/etcd/current";
/// Its system user.
pub const USER: &str = "etcd";
/// What is taken from its archive, each with a link in `/usr/local/bin`.
pub const PROGRAMS: [&str; 3] = ["etcd", "etcdctl", "etcdutl"];

/// Manifest: with which members the first start was begun on this host.
pub const BOOTSTRAP: &str = "etcd bootstrap";
/// Manifest: the id of the cluster that was formed, hexadecimal.
pub const CLUSTER_ID: &str = "etcd cluster-id";
/// Manifest: the file system of the data directory, `MOUNT-POINT UUID`, or `none` on the root file system.
pub const DISK: &str = "etcd disk";

/// Adds jobs and findings.
pub fn plan(draft: &mut Draft<'_>) {
    draft.stage("etcd", "etcd");
    let judgement = judge(draft.inventory, draft.seen);
    if fixed::settings(draft) {
        return;
    }
    let works = findings::report(draft, &judgement);
    if works && !anew::refused(draft, &judgement) {
        converge::draft(draft, &judgement);
    }
}

/// Whether anything is stored: then replicas have been at work. A first start that was cut off leaves an empty store. Where no
/// member tells, one that was formed counts.
pub fn is_in_use(inventory: &Inventory, facts: &Facts) -> bool {
    let sights = Sight::all(inventory, facts);
    let told: Vec<bool> = sights.iter().filter_map(|sight| sight.etcd?.stored.known().copied()).collect();
    if told.is_empty() {
        sights.iter().any(|sight| sight.recorded_cluster().is_some())
    } else {
        told.contains(&true)
    }
}

/// `http://10.99.16.11:2380`, IPv6 bracketed.
fn url(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V4(address) => format!("http://{address}:{port}"),
        IpAddr::V6(address) => format!("http://[{address}]:{port}"),
    }
}

/// Where the other members reach a host's member.
fn peer_url(inventory: &Inventory, host: &HostName) -> String {
    url(inventory.address(host), inventory.etcd.peer_port)
}

/// Where clients reach a host's member.
fn client_url(inventory: &Inventory, host: &HostName) -> String {
    url(inventory.address(host), inventory.etcd.client_port)
}
