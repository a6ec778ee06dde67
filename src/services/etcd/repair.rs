//! Repairing the members of a cluster that holds a quorum, one after another: who is lost is taken out of it, who is
//! not in it is taken in. What comes next is judged from the facts as they will be after the jobs so far, so that a
//! repair that was cut off anywhere goes on from there.

use std::collections::BTreeSet;

use super::converge::Walk;
use super::verdict::{Judgement, MemberState, Verdict, judge};
use super::{client_url, peer_url};
use crate::facts::service::Member;
use crate::plan::model::{Finding, JobId, Severity};
use crate::resource::HostName;

/// One change of the membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// Takes a member out that the inventory does not name.
    Remove(Member),
    /// Lets go of what a host was: stopped, its data set aside, its entry removed.
    Retire(HostName, MemberState),
    /// Takes a host in: added as a learner, started, promoted.
    Join(HostName),
}

impl Walk<'_, '_> {
    /// Drafts the repairs. Gives the job that the last of them ends with, or what was to be waited for before.
    pub(super) fn repair(&mut self, before: &[JobId]) -> Vec<JobId> {
        let mut last = before.to_vec();
        let mut done = Vec::new();
        loop {
            let judgement = judge(self.draft.inventory, &self.draft.facts);
            if judgement.verdict != Verdict::Formed {
                break;
            }
            let quorum = Quorum::new(&judgement, self);
            let next = quorum.next(&judgement);
            // What did not help once will not help twice.
            if next.is_some() && done.contains(&next) {
                break;
            }
            done.push(next.clone());
            match next {
                Some(Repair::Remove(member)) => last = vec![self.remove(&member, &quorum, &last)],
                Some(Repair::Retire(host, state)) => last = vec![self.retire(&host, &state, &quorum, &last)],
                Some(Repair::Join(host)) => {
                    last = vec![self.join(&host, &quorum, &last)];
                    self.members.push(host);
                }
                None => {
                    for finding in quorum.waiting(&judgement) {
                        self.draft.find(finding);
                    }
                    break;
                }
            }
        }
        last
    }
}

/// Who counts, and who is there.
pub(super) struct Quorum {
    /// The members as the cluster lists them.
    pub listed: Vec<Member>,
    /// Hosts whose members are healthy, the leader last.
    pub healthy: Vec<HostName>,
    /// Peer addresses of members that answer, healthy ones included.
    alive: BTreeSet<String>,
    /// The peer address of each host.
    urls: Vec<(HostName, String)>,
    /// Where to ask the cluster.
    endpoint: String,
}

impl Quorum {
    fn new(judgement: &Judgement, walk: &Walk<'_, '_>) -> Self {
        let inventory = walk.draft.inventory;
        let mut healthy = judgement.hosts(|state| *state == MemberState::Healthy);
        healthy.sort_by_key(|host| Some(host) == judgement.leader.as_ref());
        let etcd = |host: &HostName| walk.draft.facts.host(host)?.etcd.as_ref();
        let answering = healthy.iter().filter_map(etcd).flat_map(|etcd| &etcd.answering);
        let mut alive: BTreeSet<String> =
            answering.filter(|(_, answers)| **answers).map(|(url, _)| url.clone()).collect();
        // What the host itself shows goes before what its neighbours saw.
        for (host, state) in &judgement.members {
            let url = peer_url(inventory, host);
            match state {
                MemberState::Healthy => drop(alive.insert(url)),
                MemberState::Unreachable { .. } | MemberState::Unseen => {}
                _ => drop(alive.remove(&url)),
            }
        }
        let endpoint = healthy.first().map(|host| client_url(inventory, host)).unwrap_or_default();
        let urls =
            inventory.etcd.hosts.iter().map(|host| (host.clone(), peer_url(inventory, host))).collect();
        Self { listed: judgement.listed.clone(), healthy, alive, urls, endpoint }
    }

    /// The hosts of the inventory and their peer addresses.
    pub(super) fn hosts(&self) -> impl Iterator<Item = (&HostName, &String)> {
        self.urls.iter().map(|(host, url)| (host, url))
    }

    /// The entry of a host.
    pub(super) fn entry(&self, host: &HostName) -> Option<&Member> {
        let (_, url) = self.urls.iter().find(|(name, _)| name == host)?;
        self.listed.iter().find(|member| member.peer_urls.contains(url))
    }

    fn next(&self, judgement: &Judgement) -> Option<Repair> {
        let first = |wanted: fn(&MemberState) -> bool| judgement.hosts(wanted).into_iter().next();
        let mut strangers = judgement.extras.iter().filter(|member| self.survives_without(member));
        // A dead voter and a second learner stand in the way of everybody who is to be added.
        let obstructs = |member: &&Member| member.learner || !self.is_alive(member);
        if let Some(member) = strangers.clone().find(obstructs) {
            return Some(Repair::Remove(member.clone()));
        }
        if let Some(host) = first(|state| *state == MemberState::JoinInterrupted) {
            return Some(Repair::Join(host));
        }
        if self.obstacles(judgement).is_empty() {
            let mut lost = judgement.members.iter().filter(|(_, state)| is_lost(state));
            let safe = |host: &HostName| self.entry(host).is_none_or(|own| self.survives_without(own));
            if let Some((host, state)) = lost.find(|(host, _)| safe(host)) {
                return Some(Repair::Retire(host.clone(), state.clone()));
            }
            if let Some(host) = first(|state| *state == MemberState::New) {
                return Some(Repair::Join(host));
            }
        }
        strangers.next().cloned().map(Repair::Remove)
    }

    /// Voters that are dead or unseen and that no repair removes: beside them etcd adds nobody.
    fn obstacles(&self, judgement: &Judgement) -> Vec<&Member> {
        let lost: Vec<&Member> =
            judgement.hosts(is_lost).iter().filter_map(|host| self.entry(host)).collect();
        self.listed
            .iter()
            .filter(|member| !member.learner && !self.is_alive(member))
            .filter(|member| !lost.contains(member))
            .collect()
    }

    fn is_alive(&self, member: &Member) -> bool {
        member.peer_urls.iter().any(|url| self.alive.contains(url))
    }

    /// Whether a majority decides on the removal, and a majority is left after it.
    fn survives_without(&self, member: &Member) -> bool {
        let voters: Vec<&Member> = self.listed.iter().filter(|member| !member.learner).collect();
        let alive = voters.iter().filter(|voter| self.is_alive(voter)).count();
        let others = voters.iter().filter(|voter| **voter != member && self.is_alive(voter)).count();
        member.learner || (alive > voters.len() / 2 && others > (voters.len() - 1) / 2)
    }

    /// Why what is left to repair must wait.
    fn waiting(&self, judgement: &Judgement) -> Vec<Finding> {
        let mut all = Vec::new();
        let obstacles = self.obstacles(judgement);
        let away: Vec<&str> = obstacles.iter().map(|member| called(member)).collect();
        for host in judgement.hosts(|state| is_lost(state) || *state == MemberState::New) {
            let (message, hint) = if away.is_empty() {
                (
                    format!(
                        "The member on {host} cannot be replaced now: without it no majority of the {} members would \
                         be left.",
                        self.listed.iter().filter(|member| !member.learner).count()
                    ),
                    "bring the other members back first: kuboard-ha status".to_owned(),
                )
            } else {
                (
                    format!(
                        "The member on {host} waits: etcd takes nobody in while one of its voters is away ({}).",
                        away.join(", ")
                    ),
                    format!(
                        "bring {0} back; or, if it is gone for good, take it out of etcd.hosts: then `up --yes` removes \
                         it first. By hand:\n  etcdctl --endpoints={1} member list -w table",
                        away.join(", "),
                        self.endpoint
                    ),
                )
            };
            let severity = if away.is_empty() { Severity::Blocked } else { Severity::Warning };
            all.push(Finding::on(&host, severity, "etcd.repair-waits", message).hint(hint));
        }
        for member in &judgement.extras {
            let message = format!(
                "The etcd cluster lists a member that the inventory does not name: {}, {}, id {}. It cannot be removed \
                 now: no majority of the members would be left.",
                called(member),
                member.peer_urls.join(" "),
                member.id
            );
            let hint = format!(
                "bring the other members back first: kuboard-ha status, and\n  etcdctl --endpoints={} endpoint health \
                 --cluster",
                self.endpoint
            );
            all.push(Finding::cluster(Severity::Blocked, "etcd.member-extra", message).hint(hint));
        }
        all
    }
}

/// Whether a host's member is of no use to the cluster any more: what it had is gone, or not to be trusted.
pub(super) fn is_lost(state: &MemberState) -> bool {
    matches!(
        state,
        MemberState::Wiped | MemberState::Amnesiac | MemberState::Removed | MemberState::DiskChanged
    )
}

/// A member as people call it.
pub(super) fn called(member: &Member) -> &str {
    if member.name.is_empty() {
        member.peer_urls.first().map_or(&member.id, String::as_str)
    } else {
        &member.name
    }
}

#[cfg(test)]
#[path = "repair_tests.rs"]
mod tests;
