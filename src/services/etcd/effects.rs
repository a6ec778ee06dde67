//! What steps make true of etcd: a start makes a process of what lies on disk, a settled wait makes a cluster.

use super::converge::FORMED;
use super::keep::RECORD_CLUSTER;
use super::membership::{ADDED, HEALTHY, PROMOTED, REMOVE};
use super::release::version_of;
use super::{CLUSTER_ID, CURRENT, UNIT, config, peer_url};
use crate::facts::model::{Facts, HostFacts, HostState, Observed};
use crate::facts::service::{EtcdFacts, EtcdStatus, Member, PeerView, RunningEtcd};
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
                etcd.data = None;
                etcd.entries.clear();
            }
        }
        Action::Await(probe) if probe.name == FORMED || probe.name == HEALTHY => {
            form(host, inventory, facts);
        }
        Action::Await(probe) if probe.name == ADDED => change_list(facts, |list| {
            list.push(Member {
                id: format!("member-{host}"),
                peer_urls: vec![peer_url(inventory, host)],
                learner: true,
                ..Member::default()
            });
        }),
        Action::Await(probe) if probe.name == PROMOTED => change_list(facts, |list| {
            let url = peer_url(inventory, host);
            for member in list.iter_mut().filter(|member| member.peer_urls.contains(&url)) {
                member.name = host.to_string();
                member.learner = false;
            }
        }),
        Action::Call(call) if call.name == REMOVE => change_list(facts, |list| {
            list.retain(|member| member.peer_urls.first() != call.args.get("url"));
        }),
        Action::Call(call) if call.name == RECORD_CLUSTER => {
            let id = cluster_id(inventory, facts);
            if let Some(seen) = facts.host_mut(host) {
                seen.manifest.insert(CLUSTER_ID.to_owned(), id);
            }
        }
        _ => {}
    }
}

/// Everybody who gives a list gives the new one.
fn change_list(facts: &mut Facts, change: impl Fn(&mut Vec<Member>)) {
    for state in facts.hosts.values_mut() {
        let HostState::Reached(seen) = state else { continue };
        let Some(EtcdFacts { members: Observed::Known(list), peers, .. }) = &mut seen.etcd else { continue };
        change(list);
        if let Observed::Known(Some(view)) = peers {
            view.members = list.len();
            view.published = published(list);
        }
    }
}

fn published(list: &[Member]) -> Vec<String> {
    list.iter().map(|member| member.name.clone()).filter(|name| !name.is_empty()).collect()
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
    RunningEtcd {
        executable: format!("{directory}/etcd"),
        environment: config::on_disk(seen).unwrap_or_default(),
    }
}

/// The member takes part: it is healthy, and knows every member.
fn form(host: &HostName, inventory: &Inventory, facts: &mut Facts) {
    let id = cluster_id(inventory, facts);
    let members = member_list(inventory, facts);
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
        published: published(&members),
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
    let data = || seen().find_map(|host| Some(host.etcd.as_ref()?.data.as_ref()?.cluster_id.clone()));
    recorded.cloned().or_else(live).or_else(data).unwrap_or_else(|| PREDICTED.to_owned())
}

/// The members as somebody lists them; where nobody does, those of the inventory.
fn member_list(inventory: &Inventory, facts: &Facts) -> Vec<Member> {
    let list = |host: &HostName| facts.host(host)?.etcd.as_ref()?.members.known().cloned();
    // Who has data is who the data says.
    let id = |host: &HostName| Some(facts.host(host)?.etcd.as_ref()?.data.as_ref()?.member_id.clone());
    let formed = |host: &HostName| Member {
        id: id(host).unwrap_or_else(|| format!("member-{host}")),
        name: host.to_string(),
        peer_urls: vec![peer_url(inventory, host)],
        learner: false,
    };
    let hosts = &inventory.etcd.hosts;
    hosts
        .iter()
        .filter_map(list)
        .find(|list| !list.is_empty())
        .unwrap_or_else(|| hosts.iter().map(formed).collect())
}

fn leader(inventory: &Inventory, facts: &Facts) -> Option<String> {
    let leader = |host: &HostName| facts.host(host)?.etcd.as_ref()?.status.known()?.as_ref()?.leader.clone();
    inventory.etcd.hosts.iter().find_map(leader)
}
