//! etcd's part of the status: who is a member, who is healthy, and how many more failures it survives.
//!
//! `member list` says "started" for members that died, and `maintenance/status` names a leader for up to an
//! election timeout after its death. Only `/health`, a linearizable read, proves a quorum.

use serde::Serialize;

use crate::facts::Facts;
use crate::facts::model::{HostState, Observed};
use crate::facts::service::{EtcdFacts, Member};
use crate::inventory::Inventory;
use crate::resource::HostName;

/// The etcd cluster.
#[derive(Clone, Debug, Serialize)]
pub struct EtcdStatus {
    /// What it is, in one word.
    pub verdict: EtcdVerdict,
    /// Its id, hexadecimal.
    pub cluster_id: Option<String>,
    /// The leader's name; null without a proven quorum.
    pub leader: Option<String>,
    /// The arithmetic.
    pub quorum: Quorum,
    /// Members of the inventory in its order, then those that only the cluster lists.
    pub members: Vec<MemberStatus>,
}

/// What the etcd cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EtcdVerdict {
    /// A quorum answers.
    Formed,
    /// Every member host was seen, and none holds data.
    Fresh,
    /// There is data, and no quorum.
    NoQuorum,
    /// Members belong to different clusters.
    Split,
    /// Too little was seen.
    Unknown,
}

/// How many members vote, and how many may be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quorum {
    /// Members that vote.
    pub voters: usize,
    /// Those of them that were seen healthy.
    pub healthy: usize,
    /// How many more of them may fail; null where too little was seen.
    pub can_lose: Option<usize>,
}

impl Quorum {
    /// How many voters make a majority.
    pub fn needed(&self) -> usize {
        self.voters / 2 + 1
    }
}

/// A member.
#[derive(Clone, Debug, Serialize)]
pub struct MemberStatus {
    /// Its name in the cluster.
    pub name: String,
    /// Its host; null for one that the inventory does not know.
    pub host: Option<HostName>,
    /// Its id, hexadecimal.
    pub id: Option<String>,
    /// Whether it answers reads that need a quorum.
    pub healthy: Option<bool>,
    /// Whether it only learns.
    pub learner: Option<bool>,
    /// The server's version.
    pub version: Option<String>,
    /// Size of the database, in bytes.
    pub db_bytes: Option<u64>,
    /// Raft's committed index.
    pub raft_index: Option<u64>,
    /// Its alarms.
    pub alarms: Vec<String>,
    /// Why it is not healthy, or was not seen.
    pub why: Option<String>,
}

/// Reads the etcd cluster out of the facts.
pub fn etcd_status(inventory: &Inventory, facts: &Facts) -> EtcdStatus {
    let seen: Vec<(&HostName, &EtcdFacts)> = inventory
        .etcd
        .hosts
        .iter()
        .filter_map(|host| Some((host, facts.host(host)?.etcd.as_ref()?)))
        .collect();
    let listed = listing(&seen);
    let mut members: Vec<MemberStatus> =
        inventory.etcd.hosts.iter().map(|host| member(inventory, facts, host, &listed)).collect();
    for stranger in &listed {
        if !members.iter().any(|member| member.id.as_deref() == Some(stranger.id.as_str())) {
            members.push(unknown_member(stranger));
        }
    }

    let voters = match listed.iter().filter(|member| !member.learner).count() {
        0 => inventory.etcd.hosts.len(),
        voters => voters,
    };
    let healthy =
        members.iter().filter(|m| m.healthy == Some(true) && m.learner != Some(true)).count().min(voters);
    let mut quorum = Quorum { voters, healthy, can_lose: None };
    let fresh = seen.len() == inventory.etcd.hosts.len() && seen.iter().all(|(_, etcd)| is_blank(etcd));
    let quorate = if fresh { Some(false) } else { is_quorate(&seen, quorum.needed()) };
    quorum.can_lose = quorate.map(|holds| if holds { healthy.saturating_sub(quorum.needed()) } else { 0 });

    let ids = cluster_ids(&seen);
    EtcdStatus {
        verdict: match quorate {
            _ if fresh => EtcdVerdict::Fresh,
            _ if ids.len() > 1 => EtcdVerdict::Split,
            Some(true) => EtcdVerdict::Formed,
            Some(false) => EtcdVerdict::NoQuorum,
            None => EtcdVerdict::Unknown,
        },
        cluster_id: ids.first().map(|id| (*id).to_owned()),
        leader: if quorate == Some(true) { leader(&seen, &members) } else { None },
        quorum,
        members,
    }
}

/// The most telling member list: of a member with a quorum, else of the one that is furthest.
fn listing(seen: &[(&HostName, &EtcdFacts)]) -> Vec<Member> {
    seen.iter()
        .filter_map(|(_, etcd)| Some((etcd, etcd.members.known().filter(|members| !members.is_empty())?)))
        .max_by_key(|(etcd, _)| {
            let index = etcd.status.known().and_then(Option::as_ref).map_or(0, |status| status.raft_index);
            (matches!(etcd.health, Observed::Known(Ok(()))), index)
        })
        .map(|(_, members)| members.clone())
        .unwrap_or_default()
}

fn member(inventory: &Inventory, facts: &Facts, host: &HostName, listed: &[Member]) -> MemberStatus {
    let peer_end = format!("{}:{}", bracketed(inventory, host), inventory.etcd.peer_port);
    let entry = listed
        .iter()
        .find(|member| member.peer_urls.iter().any(|url| url.ends_with(&format!("//{peer_end}"))))
        .or_else(|| listed.iter().find(|member| member.name == host.as_str()));
    let mut row = MemberStatus {
        name: host.to_string(),
        host: Some(host.clone()),
        id: entry.map(|member| member.id.clone()),
        healthy: None,
        learner: entry.map(|member| member.learner),
        version: None,
        db_bytes: None,
        raft_index: None,
        alarms: Vec::new(),
        why: None,
    };
    let reached = match facts.hosts.get(host) {
        Some(HostState::Reached(reached)) => reached,
        Some(HostState::Unreachable { .. }) => {
            row.why = Some("its host is not reachable".to_owned());
            return row;
        }
        None => return row,
    };
    let Some(etcd) = &reached.etcd else {
        return row;
    };
    row.alarms.clone_from(&etcd.alarms);
    if let Some(Some(status)) = etcd.status.known() {
        row.id = Some(status.member_id.clone());
        row.learner = Some(status.learner);
        row.version = Some(status.version.clone());
        row.db_bytes = Some(status.db_bytes);
        row.raft_index = Some(status.raft_index);
    }
    (row.healthy, row.why) = health(etcd);
    row
}

fn health(etcd: &EtcdFacts) -> (Option<bool>, Option<String>) {
    match (&etcd.health, &etcd.status) {
        (Observed::Known(Ok(())), _) => (Some(true), None),
        (_, Observed::Known(None)) if is_blank(etcd) => {
            (Some(false), Some("it has never run here".to_owned()))
        }
        (_, Observed::Known(None)) => (Some(false), Some("it does not run".to_owned())),
        (Observed::Known(Err(why)), Observed::Known(Some(status))) => {
            let why = if status.errors.is_empty() { why.clone() } else { status.errors.join(", ") };
            (Some(false), Some(why))
        }
        (Observed::Known(Err(why)), Observed::Unknown(_)) => (Some(false), Some(why.clone())),
        (Observed::Unknown(why), _) => (None, Some(why.clone())),
    }
}

/// No data and no process.
fn is_blank(etcd: &EtcdFacts) -> bool {
    !etcd.wal && matches!(etcd.status, Observed::Known(None))
}

/// Whether a quorum holds; `None` where nothing speaks for or against it.
fn is_quorate(seen: &[(&HostName, &EtcdFacts)], needed: usize) -> Option<bool> {
    if seen.iter().any(|(_, etcd)| matches!(etcd.health, Observed::Known(Ok(())))) {
        return Some(true);
    }
    // An alarm makes /health fail before it reads. Then a majority that runs under one leader speaks for it.
    let led = seen.iter().filter(|(_, etcd)| {
        let status = etcd.status.known().and_then(Option::as_ref);
        !etcd.alarms.is_empty() && status.is_some_and(|status| status.leader.is_some() && !status.learner)
    });
    if led.count() >= needed {
        return Some(true);
    }
    let denied = seen.iter().any(|(_, etcd)| health(etcd).0 == Some(false));
    denied.then_some(false)
}

fn leader(seen: &[(&HostName, &EtcdFacts)], members: &[MemberStatus]) -> Option<String> {
    let latest = seen
        .iter()
        .filter_map(|(_, etcd)| etcd.status.known()?.as_ref())
        .filter(|status| status.leader.is_some())
        .max_by_key(|status| status.raft_term)?;
    let leader = members.iter().find(|member| member.id == latest.leader)?;
    Some(leader.name.clone())
}

fn cluster_ids<'a>(seen: &[(&HostName, &'a EtcdFacts)]) -> Vec<&'a str> {
    let mut ids: Vec<&str> = seen
        .iter()
        .filter_map(|(_, etcd)| Some(etcd.status.known()?.as_ref()?.cluster_id.as_str()))
        .filter(|id| !id.is_empty())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn unknown_member(member: &Member) -> MemberStatus {
    MemberStatus {
        name: if member.name.is_empty() { "(never started)".to_owned() } else { member.name.clone() },
        host: None,
        id: Some(member.id.clone()),
        healthy: None,
        learner: Some(member.learner),
        version: None,
        db_bytes: None,
        raft_index: None,
        alarms: Vec::new(),
        why: Some("the cluster lists it, the inventory does not".to_owned()),
    }
}

fn bracketed(inventory: &Inventory, host: &HostName) -> String {
    match inventory.address(host) {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => format!("[{address}]"),
    }
}
