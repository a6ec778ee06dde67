//! What steps make true of etcd: a start makes a process of what lies on disk, a settled wait makes a cluster.

use super::converge::FORMED;
use super::keep::RECORD_CLUSTER;
use super::release::version_of;
use super::{CLUSTER_ID, CURRENT, ENV_FILE, UNIT, config, peer_url};
use crate::facts::model::{Facts, HostFacts, Observed};
use crate::facts::service::{EtcdStatus, Member, PeerView, RunningEtcd};
use crate::inventory::Inventory;
use crate::plan::model::{Action, Step, UnitChange};
use crate::resource::HostName;

/// Stands for the id of a cluster that the plan itself forms: unknown until then, equal to itself.
const PREDICTED: &str = "formed";

/// What a step makes true of etcd.
pub fn effects(step: &Step, host: &HostName, inventory: &Inventory, facts: &mut Facts) {
    if !inventory.etcd.hosts.contains(host) {
        return;
    }
    match &step.action {
        Action::Unit { unit, change, .. } if unit == UNIT => {
            if let Some(seen) = facts.host_mut(host) {
                change_process(*change, &inventory.etcd.data_dir, seen);
            }
        }
        Action::SetAside { path } if *path == inventory.etcd.data_dir => {
            if let Some(etcd) = facts.host_mut(host).and_then(|seen| seen.etcd.as_mut()) {
                etcd.wal = false;
                etcd.entries.clear();
            }
        }
        Action::Await(probe) if probe.name == FORMED => form(host, inventory, facts),
        Action::Call(call) if call.name == RECORD_CLUSTER => {
            let id = cluster_id(inventory, facts);
            if let Some(seen) = facts.host_mut(host) {
                seen.manifest.insert(CLUSTER_ID.to_owned(), id);
            }
        }
        _ => {}
    }
}

fn change_process(change: UnitChange, data_dir: &str, seen: &mut HostFacts) {
    match change {
        UnitChange::Start | UnitChange::StartNoBlock | UnitChange::Restart | UnitChange::RestartNoBlock => {
            let process = process_on_disk(seen);
            if let Some(Some(directory)) = seen.directories.get_mut(data_dir) {
                directory.empty = false;
            }
            let Some(etcd) = seen.etcd.as_mut() else { return };
            etcd.wal = true;
            if !etcd.entries.iter().any(|entry| entry == "member") {
                etcd.entries.push("member".to_owned());
            }
            etcd.running = Observed::Known(Some(process));
            etcd.complaints.clear();
        }
        UnitChange::Stop | UnitChange::DisableNow => {
            let Some(etcd) = seen.etcd.as_mut() else { return };
            etcd.running = Observed::Known(None);
            etcd.peers = Observed::Known(None);
            etcd.status = Observed::Known(None);
            etcd.health = Observed::Known(Err("nothing listens on the client port".to_owned()));
            etcd.members = Observed::Unknown("nothing listens on the client port".to_owned());
        }
        UnitChange::DaemonReload | UnitChange::Enable | UnitChange::Reload => {}
    }
}

/// The process that a start makes of the link to the version in use and the environment file.
fn process_on_disk(seen: &HostFacts) -> RunningEtcd {
    let directory = seen.links.get(CURRENT).and_then(Option::as_deref).unwrap_or(CURRENT);
    let text = match seen.files.get(ENV_FILE) {
        Some(Observed::Known(Some(file))) => file.text.as_deref().unwrap_or_default(),
        _ => "",
    };
    RunningEtcd { executable: format!("{directory}/etcd"), environment: config::parsed(text) }
}

/// The member takes part: it is healthy, and knows every member of the inventory.
fn form(host: &HostName, inventory: &Inventory, facts: &mut Facts) {
    let id = cluster_id(inventory, facts);
    let known = member_list(inventory, facts);
    let members: Vec<Member> = inventory
        .etcd
        .hosts
        .iter()
        .map(|name| {
            let url = peer_url(inventory, name);
            known.iter().find(|member| member.peer_urls.contains(&url)).cloned().unwrap_or_else(|| Member {
                id: format!("member-{name}"),
                name: name.to_string(),
                peer_urls: vec![url],
                learner: false,
            })
        })
        .collect();
    let own = peer_url(inventory, host);
    let own = members.iter().find(|member| member.peer_urls.contains(&own)).map(|member| member.id.clone());
    let leader = leader(inventory, facts).or_else(|| members.first().map(|member| member.id.clone()));
    let Some(seen) = facts.host_mut(host) else { return };
    let version = seen.links.get(CURRENT).and_then(Option::as_deref).and_then(version_of).map(str::to_owned);
    let Some(etcd) = seen.etcd.as_mut() else { return };
    let before = etcd.status.known().cloned().flatten().unwrap_or_default();
    etcd.status = Observed::Known(Some(EtcdStatus {
        cluster_id: id.clone(),
        member_id: own.unwrap_or_default(),
        leader,
        version: version.unwrap_or_else(|| inventory.etcd.version.clone()),
        raft_term: before.raft_term.max(1),
        errors: Vec::new(),
        learner: false,
        ..before
    }));
    etcd.peers = Observed::Known(Some(PeerView {
        cluster_id: id,
        published: members.iter().map(|member| member.name.clone()).collect(),
        members: members.len(),
    }));
    etcd.members = Observed::Known(members);
    etcd.health = Observed::Known(Ok(()));
    etcd.alarms.clear();
}

fn cluster_id(inventory: &Inventory, facts: &Facts) -> String {
    let seen = || inventory.etcd.hosts.iter().filter_map(|host| facts.host(host));
    let recorded = seen().find_map(|host| host.manifest.get(CLUSTER_ID));
    let live = || {
        let peers = |host: &HostFacts| Some(host.etcd.as_ref()?.peers.known()?.as_ref()?.cluster_id.clone());
        seen().find_map(peers).filter(|id| !id.is_empty())
    };
    recorded.cloned().or_else(live).unwrap_or_else(|| PREDICTED.to_owned())
}

fn member_list(inventory: &Inventory, facts: &Facts) -> Vec<Member> {
    let list = |host: &HostName| facts.host(host)?.etcd.as_ref()?.members.known().cloned();
    inventory.etcd.hosts.iter().find_map(list).unwrap_or_default()
}

fn leader(inventory: &Inventory, facts: &Facts) -> Option<String> {
    let leader = |host: &HostName| facts.host(host)?.etcd.as_ref()?.status.known()?.as_ref()?.leader.clone();
    inventory.etcd.hosts.iter().find_map(leader)
}
