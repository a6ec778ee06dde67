//! File systems: room, inodes, and options that keep programs from running.

use std::collections::{BTreeMap, BTreeSet};

use crate::causes::disk::{self, INODES, size};
use crate::facts::model::{HostFacts, Mount};
use crate::inventory::Inventory;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

use super::roles::{Role, roles};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A path that a role fills.
struct Room {
    role: Role,
    path: String,
    /// Below this much free, `up` would fail.
    floor: u64,
    /// Below this much free, it will be full one day.
    low: u64,
    /// Whether programs or libraries are run from there.
    runs: bool,
    /// Whether what lies there is synced to disk at every write.
    syncs: bool,
}

/// Paths whose file systems must be looked at on a host.
pub fn paths(inventory: &Inventory, host: &HostName) -> BTreeSet<String> {
    rooms(inventory, host).into_iter().map(|room| room.path).collect()
}

fn rooms(inventory: &Inventory, host: &HostName) -> Vec<Room> {
    let quota = inventory.etcd.settings.get("ETCD_QUOTA_BACKEND_BYTES").and_then(|value| value.parse().ok());
    let mut rooms = Vec::new();
    for role in roles(inventory, host) {
        let mut room = |path: &str, floor, low, runs, syncs| {
            rooms.push(Room { role, path: path.to_owned(), floor, low, runs, syncs });
        };
        match role {
            Role::Etcd => {
                room(&inventory.etcd.data_dir, 512 * MIB, quota.unwrap_or(8 * GIB), false, true);
                room("/opt", 150 * MIB, 150 * MIB, true, false);
                room("/var/lib/kuboard-ha", 100 * MIB, 100 * MIB, false, false);
            }
            Role::Questdb => {
                if let Some(questdb) = &inventory.questdb {
                    // It unpacks its native library into its data directory and loads it from there.
                    room(&questdb.data_dir, 512 * MIB, 10 * GIB, true, true);
                }
                room("/opt", 250 * MIB, 250 * MIB, true, false);
                room("/var/lib/kuboard-ha", 150 * MIB, 150 * MIB, false, false);
            }
            Role::Kuboard => {
                room("/var/lib/docker", 2 * GIB, 5 * GIB, true, false);
                room(&inventory.kuboard.data_dir, 50 * MIB, 100 * MIB, false, false);
            }
            Role::Balancer => room("/var/lib/kuboard-ha", 100 * MIB, 100 * MIB, false, false),
        }
    }
    rooms
}

pub(super) fn find(
    inventory: &Inventory,
    host: &HostName,
    seen: &HostFacts,
    busy: bool,
    findings: &mut Vec<Finding>,
) {
    // What runs is not helped by a refusal where nothing would be written.
    let full = if busy { Severity::Blocked } else { Severity::Warning };
    let rooms = rooms(inventory, host);
    let mut points: BTreeMap<&str, Vec<(&Room, &Mount)>> = BTreeMap::new();
    for room in &rooms {
        if let Some(mount) = seen.mounts.get(&room.path).filter(|mount| !mount.point.is_empty()) {
            points.entry(&mount.point).or_default().push((room, mount));
        }
    }
    for (point, found) in points {
        let Some((_, mount)) = found.first() else { continue };
        let names: BTreeSet<&str> = found.iter().map(|(room, _)| room.path.as_str()).collect();
        let names = Vec::from_iter(names).join(", ");
        // What is set up already has its share; it only needs room to go on.
        let floor: u64 = found
            .iter()
            .map(|(room, _)| if room.role.is_installed(seen) { 20 * MIB } else { room.floor })
            .sum();
        let low: u64 = found.iter().map(|(room, _)| room.low).sum();
        if mount.free < floor {
            let needed = format!("at least {} are needed", size(floor));
            let cause = disk::full(point, mount.free, &names, &needed);
            findings.push(Finding::of(Some(host), full, cause));
        } else if mount.free < low {
            let message = format!(
                "{} free on {point}, which holds {names}; {} are what they may grow to.",
                size(mount.free),
                size(low)
            );
            let hint = format!("mount a larger disk in time, and watch it: df -h {point}");
            findings.push(Finding::on(host, Severity::Warning, "disk.low", message).hint(hint));
        }
        if let Some(free) = mount.free_inodes.filter(|free| *free < INODES) {
            findings.push(Finding::of(Some(host), full, disk::inodes(point, free, &names)));
        }
    }
    let mut said = BTreeSet::new();
    for room in &rooms {
        let Some(mount) = seen.mounts.get(&room.path) else { continue };
        if said.insert(&room.path) {
            findings.extend(unfit(host, room, mount));
        }
    }
}

/// File systems that will not do for what lies on them.
fn unfit(host: &HostName, room: &Room, mount: &Mount) -> Option<Finding> {
    let Room { role, path, .. } = room;
    let (title, point, kind) = (role.title(), &mount.point, mount.kind.as_str());
    if room.runs && mount.options.contains("noexec") {
        return Some(Finding::of(Some(host), Severity::Blocked, disk::noexec(path, point, title)));
    }
    if mount.options.contains("ro") {
        return Some(Finding::of(Some(host), Severity::Blocked, disk::read_only(path, point, title)));
    }
    if room.syncs && ["nfs", "nfs4", "cifs", "fuse.sshfs", "9p"].contains(&kind) {
        let message = format!(
            "{path} lies on a network file system ({kind}); {title} is not made for one and can lose data."
        );
        let hint = "mount a local disk there".to_owned();
        return Some(Finding::on(host, Severity::Warning, "disk.network", message).hint(hint));
    }
    if room.syncs && kind == "tmpfs" {
        let message = format!("{path} lies in memory (tmpfs on {point}); all of it is gone after a boot.");
        let hint = "mount a disk there".to_owned();
        return Some(Finding::on(host, Severity::Blocked, "disk.memory", message).hint(hint));
    }
    None
}
