//! The jobs that change who is a member. Each works whatever a run before it left: what is done already is found done.

use std::time::Duration;

use super::config::ClusterState;
use super::converge::{FORMING, MOMENT, STAMP, Walk, addresses, files, links};
use super::keep::{healthy_guard, settle_steps};
use super::repair::{Quorum, called};
use super::sight::Sight;
use super::verdict::MemberState;
use super::{CLUSTER_ID, CURRENT, UNIT, peer_url};
use crate::facts::service::Member;
use crate::plan::draft::JobDraft;
use crate::plan::model::{Action, JobId, Procedure, Reason, Risk, UnitChange};
use crate::plan::title::TITLE;
use crate::resource::{HostName, ResourceId};

/// Procedures and probes that effects know.
pub(super) const REMOVE: &str = "etcd.remove-member";
pub(super) const ADDED: &str = "etcd.added";
pub(super) const PROMOTED: &str = "etcd.promoted";
pub(super) const HEALTHY: &str = "etcd.member-healthy";

const SNAPSHOT: Duration = Duration::from_mins(10);
/// etcd adds nobody until every voter was connected for 5 s, and elections take up to two timeouts.
const ADDING: Duration = Duration::from_mins(1);
/// A learner takes the whole database over before it may vote.
const CATCHING_UP: Duration = Duration::from_mins(10);

macro_rules! with_members {
    ($file:literal) => {
        concat!(include_str!("sh/members.sh"), include_str!($file))
    };
}

impl Walk<'_, '_> {
    /// Takes a member out that no host of the inventory is.
    pub(super) fn remove(&mut self, member: &Member, quorum: &Quorum, after: &[JobId]) -> JobId {
        let before = self.snapshot(quorum, after);
        let host = &quorum.healthy[0];
        let (listed, safe) = (self.listed_guard(quorum), healthy_guard(self.draft, &quorum.healthy));
        let call = self.removal(member, quorum);
        let mut job = self.draft.job(&format!("etcd.remove-{}", member.id), "etcd", host);
        job.after(&before);
        job.guard("the members are as they were seen", listed);
        job.guard("a majority is healthy", safe);
        let reason = Reason::Differs("the inventory does not name it".to_owned());
        removed(&mut job, call, reason);
        job.done()
    }

    /// Stops what a host was, sets its data aside and removes its entry.
    pub(super) fn retire(
        &mut self,
        host: &HostName,
        state: &MemberState,
        quorum: &Quorum,
        after: &[JobId],
    ) -> JobId {
        let before = self.snapshot(quorum, after);
        let ready = self.ready.get(host).cloned().unwrap_or_default();
        let (listed, safe) = (self.listed_guard(quorum), healthy_guard(self.draft, &quorum.healthy));
        let call = quorum.entry(host).map(|member| self.removal(member, quorum));
        let inventory = self.draft.inventory;
        let sights = Sight::all(inventory, self.draft.seen);
        let sight = sights.iter().find(|sight| sight.host == host);
        let up = sight.is_some_and(|sight| sight.is_started() || runs(sight));
        let occupied =
            sight.and_then(|sight| sight.etcd).is_some_and(|etcd| etcd.wal || !etcd.entries.is_empty());
        let has_unit = sight.and_then(|sight| sight.reached?.units.get(UNIT)).is_some_and(Option::is_some);
        let why = why_lost(state);
        let mut job = self.draft.job("etcd.retire", "etcd", host);
        job.after(&before).after(&ready);
        job.guard("the members are as they were seen", listed);
        job.guard("a majority is healthy without this member", safe);
        if has_unit {
            // Emptied, this host must not start as the voter that it was, whoever boots it.
            files(&mut job, inventory, host, ClusterState::Existing);
            job.reloaded_units(UNIT);
        }
        if up {
            let reason = Reason::Needed("so that its data can be set aside".to_owned());
            job.unit(UNIT, UnitChange::Stop, &[], reason, Risk::Replace, FORMING);
        }
        if occupied {
            let path = inventory.etcd.data_dir.clone();
            let resource = ResourceId::new("directory", &path);
            job.step(
                resource,
                Action::SetAside { path },
                Reason::Differs(why.clone()),
                Risk::Replace,
                FORMING,
            );
        }
        if let Some(call) = call {
            removed(&mut job, call, Reason::Differs(why));
        }
        job.done()
    }

    /// Adds a host's member as a learner where it is not added yet, starts it and lets it vote.
    pub(super) fn join(&mut self, host: &HostName, quorum: &Quorum, after: &[JobId]) -> JobId {
        let inventory = self.draft.inventory;
        let ready = self.ready.get(host).cloned().unwrap_or_default();
        let (listed, safe) = (self.listed_guard(quorum), healthy_guard(self.draft, &quorum.healthy));
        let survivors = self.survivors(quorum);
        let port = inventory.etcd.client_port.to_string();
        let url = peer_url(inventory, host);
        let ask = |name, text, title: &str| {
            let args = [
                ("survivors", survivors.clone()),
                ("port", port.clone()),
                ("url", url.clone()),
                (TITLE, title.to_owned()),
            ];
            Procedure::new(name, text, args)
        };
        let entry = quorum.entry(host);
        let running =
            self.draft.facts.host(host).and_then(|seen| seen.etcd.as_ref()?.running.known()?.clone());
        let records = self.records(host);
        let cluster = self.judgement.cluster_id.clone();
        let artifact = self.artifacts.get(host).cloned();
        let all = initial_cluster(quorum, host, &url);
        let change = self.coming_up(host);

        let mut job = self.draft.job("etcd.join", "etcd", host);
        job.after(after).after(&ready);
        job.guard("the members are as they were seen", listed);
        job.guard("a majority is healthy", safe);
        if let Some(artifact) = artifact {
            links(&mut job, &artifact);
        }
        let member = || ResourceId::new("etcd", "member");
        if entry.is_none() {
            let probe = ask(
                ADDED,
                with_members!("sh/await_added.sh"),
                "the cluster has added this host as a learner",
            );
            job.wait(member(), probe, Reason::Missing, ADDING);
        }
        if running.is_none() {
            // Only now: with this it starts on an empty disk, and that is right for one who is listed and never began.
            files(&mut job, inventory, host, ClusterState::Joining(&all));
            job.reloaded_units(UNIT);
            if let Some(id) = cluster {
                job.record(CLUSTER_ID, &id);
            }
            job.enabled(UNIT);
            let reason = Reason::Needed("to take the data over from the others".to_owned());
            job.unit(UNIT, change, &STAMP, reason, Risk::None, MOMENT);
        }
        let probe = ask(PROMOTED, with_members!("sh/await_promoted.sh"), "it has caught up and votes");
        job.wait(member(), probe, Reason::Needed("a learner does not vote".to_owned()), CATCHING_UP);
        let args = [("port", port.clone()), (TITLE, "the member is healthy".to_owned())];
        let probe = Procedure::new(HEALTHY, with_health!("sh/await_healthy.sh"), args);
        job.wait(member(), probe, Reason::Needed("done when it serves".to_owned()), FORMING);
        settle_steps(&mut job, inventory, host, &records);
        job.done()
    }

    /// A copy of the database on a healthy host, once a plan, before anything is taken away. Gives what comes next
    /// waits for.
    fn snapshot(&mut self, quorum: &Quorum, after: &[JobId]) -> Vec<JobId> {
        let Some(host) = quorum.healthy.first().filter(|_| self.snapshot.is_none()) else {
            return after.to_vec();
        };
        let inventory = self.draft.inventory;
        let args = [
            ("data_dir", inventory.etcd.data_dir.clone()),
            ("etcdctl", format!("{CURRENT}/etcdctl")),
            ("port", inventory.etcd.client_port.to_string()),
            (TITLE, format!("keep a snapshot in /var/lib/kuboard-ha/{}/snapshots", inventory.cluster)),
        ];
        let safe = healthy_guard(self.draft, std::slice::from_ref(host));
        let mut job = self.draft.job("etcd.snapshot", "etcd", host);
        job.after(after);
        job.guard("the cluster has a quorum", safe);
        let call = Procedure::new("etcd.snapshot", include_str!("sh/snapshot.sh"), args);
        let reason = Reason::Needed("before a member is replaced or removed".to_owned());
        job.call(ResourceId::new("etcd", "snapshot"), call, reason, Risk::None, SNAPSHOT);
        let id = job.done();
        self.snapshot = Some(id.clone());
        vec![id]
    }

    fn removal(&self, member: &Member, quorum: &Quorum) -> Procedure {
        let id = u64::from_str_radix(&member.id, 16).map(|id| id.to_string()).unwrap_or_default();
        let args = [
            ("survivors", self.survivors(quorum)),
            ("port", self.draft.inventory.etcd.client_port.to_string()),
            ("url", member.peer_urls.first().cloned().unwrap_or_default()),
            ("id", id),
            (TITLE, format!("remove {} from the cluster", called(member))),
        ];
        Procedure::new(REMOVE, with_members!("sh/remove_member.sh"), args)
    }

    fn listed_guard(&self, quorum: &Quorum) -> Procedure {
        let mut expected: Vec<String> = quorum.listed.iter().map(standing).collect();
        expected.sort();
        let args = [
            ("survivors", self.survivors(quorum)),
            ("port", self.draft.inventory.etcd.client_port.to_string()),
            ("expected", expected.join(" ")),
        ];
        Procedure::new("etcd.members", with_members!("sh/guard_members.sh"), args)
    }

    fn survivors(&self, quorum: &Quorum) -> String {
        addresses(self.draft, quorum.healthy.iter())
    }
}

fn removed(job: &mut JobDraft<'_, '_>, call: Procedure, reason: Reason) {
    job.call(ResourceId::new("etcd", "member"), call, reason, Risk::Replace, FORMING);
}

/// `http://10.99.16.11:2380=vs`: where it is, whether it votes or learns, whether it ever started.
fn standing(member: &Member) -> String {
    let url = member.peer_urls.first().map(String::as_str).unwrap_or_default();
    let role = if member.learner { 'l' } else { 'v' };
    let state = if member.name.is_empty() { 'u' } else { 's' };
    format!("{url}={role}{state}")
}

/// Everybody whom the cluster lists, and the host itself. etcd compares addresses and the number of members, not names, and
/// entries of one name are one member to it: who is outside the inventory may have had the name of a host that moved.
fn initial_cluster(quorum: &Quorum, host: &HostName, url: &str) -> String {
    let mut entries: Vec<String> = Vec::new();
    for (name, url) in quorum.hosts() {
        if name == host || quorum.entry(name).is_some() {
            entries.push(format!("{name}={url}"));
        }
    }
    for member in &quorum.listed {
        let known = member.peer_urls.iter().any(|listed| quorum.hosts().any(|(_, url)| url == listed));
        if !known && !member.peer_urls.iter().any(|listed| listed == url) {
            let name = format!("member-{}", member.id);
            entries.extend(member.peer_urls.iter().map(|url| format!("{name}={url}")));
        }
    }
    entries.join(",")
}

pub(super) fn why_lost(state: &MemberState) -> String {
    match state {
        MemberState::Wiped => "its data is gone",
        MemberState::Amnesiac => "it was started on an empty disk and has forgotten what it promised",
        MemberState::Removed => "its data is of a member that the cluster removed",
        MemberState::DiskChanged => "its data lies on another disk than before",
        _ => "it is of no use as it is",
    }
    .to_owned()
}

fn runs(sight: &Sight<'_>) -> bool {
    sight.etcd.and_then(|etcd| etcd.running.known()).is_some_and(Option::is_some)
}
