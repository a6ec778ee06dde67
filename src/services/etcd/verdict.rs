//! What the etcd cluster is, and in which state each member. Pure and total: whatever can be seen has a verdict.
//!
//! A member list says "started" of dead members too, and a member goes on naming a leader for an election timeout
//! after its death. A quorum is proven by a linearizable read (`/health`), or by a majority that answers under one
//! leader which answers itself (an alarm fails `/health` before it reads).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::peer_url;
use super::sight::{Disk, Sight};
use crate::facts::model::{Facts, HostState, Observed};
use crate::facts::service::Member;
use crate::inventory::Inventory;
use crate::resource::HostName;

/// What the cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every member host was seen, and none ever served.
    Fresh,
    /// A cluster was formed, and its data is not to be seen.
    DataMissing,
    /// A quorum holds.
    Formed,
    /// There is data for a quorum, and no quorum.
    Stopped,
    /// Our own first start was cut off before every member took part.
    InterruptedBootstrap,
    /// There is data on fewer hosts than a quorum needs.
    LostQuorum,
    /// Members belong to different clusters.
    Split,
    /// There is data that kuboard-ha did not bring about.
    Foreign,
    /// Too little was seen.
    Unknown,
}

impl Verdict {
    /// Whether `up` knows what to do about it.
    pub fn has_plan(self) -> bool {
        matches!(self, Self::Fresh | Self::Formed | Self::Stopped | Self::InterruptedBootstrap)
    }
}

/// The state of one member of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// Serves reads that need a quorum.
    Healthy,
    /// Has its data and is not started.
    Stopped,
    /// Started, and not healthy.
    Unhealthy {
        /// As it says itself.
        why: String,
    },
    /// Never took part: to be started for the first time.
    Pending,
    /// The cluster counts on it, and its data is gone.
    Wiped,
    /// Was started on an empty disk although the cluster counts on its memory; panics on each start.
    Amnesiac,
    /// Not a member yet.
    New,
    /// Added as a member and never started, or a learner that was never promoted.
    JoinInterrupted,
    /// Holds the data of a member that was removed.
    Removed,
    /// Holds data of something else.
    Foreign,
    /// The recorded disk of its data is not mounted.
    DiskMissing,
    /// Its data lies on another disk than recorded, and it does not serve.
    DiskChanged,
    /// Its host does not answer.
    Unreachable {
        /// As ssh says.
        why: String,
    },
    /// Its host answers, and etcd could not be looked at.
    Unseen,
}

/// The verdict and its grounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// On the cluster.
    pub verdict: Verdict,
    /// On each member of the inventory.
    pub members: BTreeMap<HostName, MemberState>,
    /// The members as the cluster lists them; empty where nobody says.
    pub listed: Vec<Member>,
    /// Members that the cluster lists and the inventory does not name.
    pub extras: Vec<Member>,
    /// Whether a quorum holds; `None` where nothing that was seen speaks for or against it.
    pub quorum: Option<bool>,
    /// The cluster's id, hexadecimal: the live one, else the recorded one.
    pub cluster_id: Option<String>,
    /// The leader's host, where a quorum holds.
    pub leader: Option<HostName>,
    /// How many members vote.
    pub voters: usize,
}

impl Judgement {
    /// What the cluster lists for a host of the inventory.
    pub fn entry(&self, inventory: &Inventory, host: &HostName) -> Option<&Member> {
        let url = peer_url(inventory, host);
        self.listed.iter().find(|member| member.peer_urls.contains(&url))
    }

    /// The hosts whose members are in a state.
    pub fn hosts(&self, wanted: impl Fn(&MemberState) -> bool) -> Vec<HostName> {
        self.members.iter().filter(|(_, state)| wanted(state)).map(|(host, _)| host.clone()).collect()
    }
}

/// Judges what was seen.
pub fn judge(inventory: &Inventory, facts: &Facts) -> Judgement {
    let evidence = Evidence::new(inventory, facts);
    let verdict = evidence.verdict();
    let members = evidence
        .sights
        .iter()
        .map(|sight| (sight.host.clone(), evidence.member(sight, verdict, facts)))
        .collect();
    let leader = evidence.has_quorum().then(|| evidence.leader()).flatten();
    Judgement {
        verdict,
        members,
        listed: evidence.listed.unwrap_or_default().to_vec(),
        extras: evidence.extras(),
        quorum: if evidence.has_quorum() { Some(true) } else { evidence.lacks_quorum().then_some(false) },
        cluster_id: evidence.live.first().or(evidence.recorded.first()).map(|id| (*id).to_owned()),
        leader,
        voters: evidence.voters(),
    }
}

struct Evidence<'a> {
    inventory: &'a Inventory,
    sights: Vec<Sight<'a>>,
    /// Ids of live clusters.
    live: BTreeSet<&'a str>,
    /// Ids of clusters that manifests know.
    recorded: BTreeSet<&'a str>,
    /// Names of members that once took part in a quorum, as far as anybody who answers knows.
    published: BTreeSet<&'a str>,
    /// The most telling member list; `None` where nobody gave one.
    listed: Option<&'a [Member]>,
}

impl<'a> Evidence<'a> {
    fn new(inventory: &'a Inventory, facts: &'a Facts) -> Self {
        let sights = Sight::all(inventory, facts);
        let peers = sights.iter().filter_map(Sight::peers);
        Self {
            inventory,
            live: sights.iter().filter_map(Sight::live_cluster).collect(),
            recorded: sights.iter().filter_map(Sight::recorded_cluster).collect(),
            published: peers.flat_map(|view| view.published.iter().map(String::as_str)).collect(),
            listed: listing(&sights),
            sights,
        }
    }

    fn verdict(&self) -> Verdict {
        if self.live.len() > 1 || self.recorded.len() > 1 {
            return Verdict::Split;
        }
        if !self.live.is_empty() && !self.recorded.is_empty() && self.live != self.recorded {
            return Verdict::Foreign;
        }
        if self.has_quorum() {
            // Whoever answers belongs to one cluster; it is ours if one of them was started by us.
            let ours = self.sights.iter().any(|sight| sight.live_cluster().is_some() && sight.is_ours());
            return match ours {
                false => Verdict::Foreign,
                true if self.is_bootstrapping() => Verdict::InterruptedBootstrap,
                true => Verdict::Formed,
            };
        }
        if self.sights.iter().any(|sight| self.is_stranger(sight)) {
            return Verdict::Foreign;
        }
        self.without_quorum()
    }

    fn without_quorum(&self) -> Verdict {
        let holders = self.sights.iter().filter(|sight| sight.has_wal()).count();
        let unseen = self.sights.iter().filter(|sight| sight.etcd.is_none()).count();
        let needed = self.voters() / 2 + 1;
        // With the disks that are not mounted it may be enough.
        if holders < needed && self.sights.iter().any(|sight| sight.disk() == Disk::Missing) {
            return Verdict::DataMissing;
        }
        if holders == 0 {
            return match (unseen, self.recorded.is_empty()) {
                (0, true) => Verdict::Fresh,
                (0, false) => Verdict::DataMissing,
                _ => Verdict::Unknown,
            };
        }
        if self.is_bootstrapping() {
            // A first start needs every machine: only then is "never served" proven.
            return if unseen == 0 { Verdict::InterruptedBootstrap } else { Verdict::Unknown };
        }
        if holders >= needed {
            Verdict::Stopped
        } else if holders + unseen >= needed {
            Verdict::Unknown
        } else {
            Verdict::LostQuorum
        }
    }

    /// Whether our own first start is not over: nothing is recorded as formed, all data is of that start, and who has
    /// no data never took part.
    fn is_bootstrapping(&self) -> bool {
        let all_seen_pending = self
            .sights
            .iter()
            .filter(|sight| sight.lacks_wal())
            .all(|sight| !self.published.contains(sight.host.as_str()));
        let begun =
            self.sights.iter().filter(|sight| sight.has_wal()).all(|sight| sight.bootstrap().is_some());
        let over = self.has_quorum() && !self.sights.iter().any(Sight::lacks_wal);
        self.recorded.is_empty() && begun && all_seen_pending && !over
    }

    fn has_quorum(&self) -> bool {
        if self.sights.iter().any(Sight::is_healthy) {
            return true;
        }
        let voting: Vec<_> =
            self.sights.iter().filter_map(Sight::status).filter(|status| !status.learner).collect();
        let needed = self.voters() / 2 + 1;
        voting.iter().filter(|status| status.leader.as_deref() == Some(&status.member_id)).any(|leader| {
            let followers = voting
                .iter()
                .filter(|status| status.leader == leader.leader && status.raft_term == leader.raft_term);
            followers.count() >= needed
        })
    }

    /// Whether a live member says that it has none, or too many are seen down. Who is not seen may still have one.
    fn lacks_quorum(&self) -> bool {
        let alone = |sight: &&Sight<'_>| sight.status().is_some() && !sight.is_healthy();
        let down = |sight: &&Sight<'_>| sight.etcd.is_some_and(|etcd| etcd.status == Observed::Known(None));
        let voters = self.voters();
        self.sights.iter().any(|sight| alone(&sight))
            || self.sights.iter().filter(down).count() >= voters - voters / 2
    }

    /// Data, or a process, that no start of ours brought about and that no cluster of ours vouches for.
    fn is_stranger(&self, sight: &Sight<'_>) -> bool {
        if sight.has_foreign_entries() {
            return true;
        }
        let vouched = sight.live_cluster().is_some_and(|id| {
            self.sights.iter().any(|other| {
                other.recorded_cluster() == Some(id) || (other.is_ours() && other.live_cluster() == Some(id))
            })
        });
        let present = sight.has_wal() || sight.live_cluster().is_some();
        present && !sight.is_ours() && !vouched && !self.is_listed(sight) || self.is_of_another_cluster(sight)
    }

    /// Whether the log itself is that of the member that the cluster lists for this host: only our records were lost.
    fn is_listed(&self, sight: &Sight<'_>) -> bool {
        let (Some(data), Some(entry)) = (sight.data(), self.entry(sight.host)) else { return false };
        let of_ours = |other: &Sight<'_>| other.is_ours() && other.live_cluster() == Some(&data.cluster_id);
        entry.id == data.member_id && self.sights.iter().any(of_ours)
    }

    /// Data that was brought here from another cluster, by what it says itself.
    fn is_of_another_cluster(&self, sight: &Sight<'_>) -> bool {
        let known = if self.recorded.is_empty() { &self.live } else { &self.recorded };
        sight.data_cluster().is_some_and(|id| !known.is_empty() && !known.contains(id))
    }

    fn member(&self, sight: &Sight<'_>, verdict: Verdict, facts: &Facts) -> MemberState {
        if sight.reached.is_none() {
            let why = match facts.hosts.get(sight.host) {
                Some(HostState::Unreachable { why, .. }) => why.clone(),
                _ => "not looked at".to_owned(),
            };
            return MemberState::Unreachable { why };
        }
        let Some(etcd) = sight.etcd else { return MemberState::Unseen };
        if sight.disk() == Disk::Missing {
            return MemberState::DiskMissing;
        }
        let of_another_cluster = match (sight.live_cluster(), self.recorded.first()) {
            (Some(live), Some(recorded)) => live != *recorded,
            _ => false,
        };
        if of_another_cluster || self.is_stranger(sight) {
            return MemberState::Foreign;
        }
        let entry = self.entry(sight.host);
        if !etcd.wal {
            return self.empty_member(sight, entry, verdict);
        }
        match entry {
            None if self.listed.is_some() => return MemberState::Removed,
            // The address was given to a new member, and the data is that of the one before.
            Some(entry) if sight.data().is_some_and(|data| data.member_id != entry.id) => {
                return MemberState::Removed;
            }
            Some(entry) if entry.learner => return MemberState::JoinInterrupted,
            _ => {}
        }
        if sight.is_healthy() {
            return MemberState::Healthy;
        }
        if etcd.complaints.iter().any(|complaint| complaint == "amnesiac") {
            return MemberState::Amnesiac;
        }
        if sight.disk() == Disk::Other {
            return MemberState::DiskChanged;
        }
        if !sight.is_started() {
            return MemberState::Stopped;
        }
        let why = match &etcd.health {
            _ if !etcd.complaints.is_empty() => etcd.complaints.join(", "),
            Observed::Known(Err(why)) | Observed::Unknown(why) => why.clone(),
            Observed::Known(Ok(())) => String::new(),
        };
        MemberState::Unhealthy { why }
    }

    /// The state of a member without data.
    fn empty_member(&self, sight: &Sight<'_>, entry: Option<&Member>, verdict: Verdict) -> MemberState {
        if matches!(verdict, Verdict::Fresh | Verdict::InterruptedBootstrap) {
            return MemberState::Pending;
        }
        let served = sight.recorded_cluster().is_some() || self.published.contains(sight.host.as_str());
        match entry {
            Some(entry) if entry.name.is_empty() => MemberState::JoinInterrupted,
            Some(_) => MemberState::Wiped,
            None if self.listed.is_some() => MemberState::New,
            None if served => MemberState::Wiped,
            None => MemberState::New,
        }
    }

    fn voters(&self) -> usize {
        match self.listed.map(|list| list.iter().filter(|member| !member.learner).count()) {
            Some(voters) if voters > 0 => voters,
            _ => self.inventory.etcd.hosts.len(),
        }
    }

    fn entry(&self, host: &HostName) -> Option<&'a Member> {
        let url = peer_url(self.inventory, host);
        self.listed?.iter().find(|member| member.peer_urls.contains(&url))
    }

    fn extras(&self) -> Vec<Member> {
        let known: BTreeSet<String> =
            self.inventory.etcd.hosts.iter().map(|host| peer_url(self.inventory, host)).collect();
        let strange = |member: &&Member| !member.peer_urls.iter().any(|url| known.contains(url));
        self.listed.unwrap_or_default().iter().filter(strange).cloned().collect()
    }

    fn leader(&self) -> Option<HostName> {
        self.sights
            .iter()
            .filter_map(|sight| Some((sight.status()?, sight.host)))
            .filter(|(status, _)| status.leader.as_deref() == Some(&status.member_id))
            .max_by_key(|(status, _)| status.raft_term)
            .map(|(_, host)| host.clone())
    }
}

/// The list of a healthy member, else of the one that is furthest.
fn listing<'a>(sights: &[Sight<'a>]) -> Option<&'a [Member]> {
    sights
        .iter()
        .filter_map(|sight| Some((sight, sight.etcd?.members.known().filter(|list| !list.is_empty())?)))
        .max_by_key(|(sight, _)| (sight.is_healthy(), sight.status().map_or(0, |status| status.raft_index)))
        .map(|(_, list)| list.as_slice())
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
