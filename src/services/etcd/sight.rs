//! One member host as it was seen, with the questions that a verdict asks of it.

use super::{BOOTSTRAP, CLUSTER_ID, DISK, UNIT};
use crate::facts::model::{Active, Facts, HostFacts, HostState, Mount, Observed};
use crate::facts::service::{DataIds, EtcdFacts, EtcdStatus, PeerView};
use crate::inventory::Inventory;
use crate::resource::HostName;

/// A member host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'a> {
    pub host: &'a HostName,
    /// Where it answered.
    pub reached: Option<&'a HostFacts>,
    /// Where its data directory and its process were seen; a part is worth nothing.
    pub etcd: Option<&'a EtcdFacts>,
    data_dir: &'a str,
}

/// The disk of the data directory against the one on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    /// As recorded, or nothing to compare.
    Same,
    /// Not mounted.
    Missing,
    /// Another file system.
    Other,
}

impl<'a> Sight<'a> {
    /// Every member host of the inventory, in its order.
    pub fn all(inventory: &'a Inventory, facts: &'a Facts) -> Vec<Self> {
        let sight = |host| {
            let reached = match facts.hosts.get(host) {
                Some(HostState::Reached(reached)) => Some(&**reached),
                _ => None,
            };
            let etcd = reached
                .and_then(|reached| reached.etcd.as_ref())
                .filter(|etcd| etcd.running.known().is_some());
            Self { host, reached, etcd, data_dir: &inventory.etcd.data_dir }
        };
        inventory.etcd.hosts.iter().map(sight).collect()
    }

    /// Whether there is data; `false` also where nothing was seen.
    pub fn has_wal(&self) -> bool {
        self.etcd.is_some_and(|etcd| etcd.wal)
    }

    /// Whether it was seen that there is no data.
    pub fn lacks_wal(&self) -> bool {
        self.etcd.is_some_and(|etcd| !etcd.wal)
    }

    /// The id of the cluster that was formed with this host, by its manifest.
    pub fn recorded_cluster(&self) -> Option<&'a str> {
        self.entry(CLUSTER_ID)
    }

    /// With which members a first start was begun here, by its manifest.
    pub fn bootstrap(&self) -> Option<&'a str> {
        self.entry(BOOTSTRAP)
    }

    /// Whether kuboard-ha ever started a member here.
    pub fn is_ours(&self) -> bool {
        self.recorded_cluster().is_some() || self.bootstrap().is_some()
    }

    /// The status, where it answers.
    pub fn status(&self) -> Option<&'a EtcdStatus> {
        self.etcd?.status.known()?.as_ref()
    }

    /// The list on its peer port, where it answers.
    pub fn peers(&self) -> Option<&'a PeerView> {
        self.etcd?.peers.known()?.as_ref()
    }

    /// The cluster that the live process belongs to.
    pub fn live_cluster(&self) -> Option<&'a str> {
        let status = self.status().map(|status| status.cluster_id.as_str());
        let peers = self.peers().map(|view| view.cluster_id.as_str());
        status.or(peers).filter(|id| !id.is_empty())
    }

    /// The cluster whose data lies here, as the data itself says.
    pub fn data_cluster(&self) -> Option<&'a str> {
        self.data().map(|data| data.cluster_id.as_str())
    }

    /// Whose data lies here.
    pub fn data(&self) -> Option<&'a DataIds> {
        self.etcd.filter(|etcd| etcd.wal)?.data.as_ref()
    }

    /// Whether a linearizable read worked from here: the proof of a quorum.
    pub fn is_healthy(&self) -> bool {
        self.etcd.is_some_and(|etcd| matches!(etcd.health, Observed::Known(Ok(()))))
    }

    /// Whether systemd has it up or on its way up.
    pub fn is_started(&self) -> bool {
        let unit = self.reached.and_then(|reached| reached.units.get(UNIT)).and_then(Option::as_ref);
        unit.is_some_and(|unit| {
            matches!(unit.active, Active::Active | Active::Activating | Active::Reloading)
        })
    }

    /// Whether the data directory holds what no start of ours left there.
    pub fn has_foreign_entries(&self) -> bool {
        let Some(etcd) = self.etcd else { return false };
        // A first start that was cut off leaves `member/snap` without a log: harmless, if the start was ours.
        !etcd.wal && etcd.entries.iter().any(|entry| !(self.is_ours() && entry == "member"))
    }

    /// The file system of the data directory, as it is recorded.
    pub fn disk_id(&self) -> Option<String> {
        self.reached?.mounts.get(self.data_dir).map(disk_id)
    }

    /// The disk against the recorded one.
    pub fn disk(&self) -> Disk {
        let (Some(recorded), Some(seen)) = (self.entry(DISK), self.disk_id()) else { return Disk::Same };
        let point = |id: &str| id.split(' ').next().unwrap_or_default().to_owned();
        if recorded == seen {
            Disk::Same
        } else if recorded != NO_DISK && point(recorded) != point(&seen) {
            Disk::Missing
        } else {
            Disk::Other
        }
    }

    /// An entry of its manifest.
    pub fn entry(&self, name: &str) -> Option<&'a str> {
        self.reached?.manifest.get(name).map(String::as_str)
    }
}

/// What is recorded where the data lies on the root file system.
const NO_DISK: &str = "none";

fn disk_id(mount: &Mount) -> String {
    if mount.point == "/" || mount.point.is_empty() {
        return NO_DISK.to_owned();
    }
    format!("{} {}", mount.point, mount.uuid.as_deref().unwrap_or("-"))
}
