//! etcd's part of the status: who is a member, who is healthy, and how many more failures it survives.
//!
//! What the cluster is and how each member stands is the service's judgement, the same that `up` plans from; here it is
//! only told.

use serde::Serialize;

use crate::facts::Facts;
use crate::facts::model::Observed;
use crate::facts::service::{EtcdFacts, Member};
use crate::inventory::Inventory;
use crate::resource::HostName;
pub use crate::services::etcd::Verdict as EtcdVerdict;
use crate::services::etcd::{Judgement, MemberState, judge};

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
    let judgement = judge(inventory, facts);
    let mut members: Vec<MemberStatus> =
        judgement.members.keys().map(|host| member(inventory, facts, host, &judgement)).collect();
    members.sort_by_key(|member| {
        inventory.etcd.hosts.iter().position(|host| Some(host) == member.host.as_ref())
    });
    members.extend(judgement.extras.iter().map(extra));

    let voters = judgement.voters;
    let votes = |member: &&MemberStatus| member.healthy == Some(true) && member.learner != Some(true);
    let healthy = members.iter().filter(votes).count().min(voters);
    let mut quorum = Quorum { voters, healthy, can_lose: None };
    quorum.can_lose = match judgement.verdict {
        // Of two clusters none can be called the one that survives.
        EtcdVerdict::Split => Some(0),
        _ => judgement.quorum.map(|holds| if holds { healthy.saturating_sub(quorum.needed()) } else { 0 }),
    };
    EtcdStatus {
        verdict: judgement.verdict,
        cluster_id: judgement.cluster_id,
        leader: judgement.leader.map(|host| host.to_string()),
        quorum,
        members,
    }
}

fn member(inventory: &Inventory, facts: &Facts, host: &HostName, judgement: &Judgement) -> MemberStatus {
    let entry = judgement.entry(inventory, host);
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
        why: judgement.members.get(host).and_then(why),
    };
    let Some(etcd) = facts.host(host).and_then(|reached| reached.etcd.as_ref()) else { return row };
    row.alarms.clone_from(&etcd.alarms);
    if let Some(Some(status)) = etcd.status.known() {
        row.id = Some(status.member_id.clone());
        row.learner = Some(status.learner);
        row.version = Some(status.version.clone());
        row.db_bytes = Some(status.db_bytes);
        row.raft_index = Some(status.raft_index);
    }
    row.healthy = health(etcd);
    row
}

/// Why a member is not healthy.
fn why(state: &MemberState) -> Option<String> {
    let why = match state {
        MemberState::Healthy => return None,
        MemberState::Unhealthy { why } => why,
        MemberState::Stopped => "it does not run",
        MemberState::Pending => "it has never run here",
        MemberState::Wiped => "the cluster counts on it, and its data is gone",
        MemberState::Amnesiac => "it was started on an empty disk, and cannot go on without its data",
        MemberState::New => "it is not a member of the cluster yet",
        MemberState::JoinInterrupted => "it was added to the cluster, and does not vote yet",
        MemberState::Removed => "it holds the data of a member that the cluster does not list any more",
        MemberState::Foreign => "it holds data that kuboard-ha did not bring about",
        MemberState::DiskMissing => "the disk of its data is not mounted",
        MemberState::DiskChanged => "its data lies on another disk than before",
        MemberState::Unreachable { .. } => "its host is not reachable",
        MemberState::Unseen => "it could not be looked at",
    };
    Some(why.to_owned())
}

fn health(etcd: &EtcdFacts) -> Option<bool> {
    match (&etcd.health, &etcd.status) {
        (Observed::Known(health), _) => Some(health.is_ok()),
        (Observed::Unknown(_), Observed::Known(None)) => Some(false),
        (Observed::Unknown(_), _) => None,
    }
}

fn extra(member: &Member) -> MemberStatus {
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
