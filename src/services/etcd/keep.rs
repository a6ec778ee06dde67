//! Keeping a formed cluster as the inventory says: who runs as wanted is settled on disk, who does not is rolled,
//! one member at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::config::{self, ClusterState};
use super::converge::{FORMING, MOMENT, STAMP, Walk, addresses, files, formed_probe, links};
use super::release::{directory, version_of};
use super::sight::Sight;
use super::verdict::judge;
use super::{CLUSTER_ID, DISK, UNIT};
use crate::facts::service::RunningEtcd;
use crate::inventory::Inventory;
use crate::plan::draft::{Draft, JobDraft, Milestone};
use crate::plan::model::{Finding, JobId, Procedure, Reason, Risk, Severity, UnitChange};
use crate::plan::title::TITLE;
use crate::resource::{HostName, ResourceId};

/// The procedure that effects know.
pub(super) const RECORD_CLUSTER: &str = "etcd.record-cluster";

const RESTART: Duration = Duration::from_secs(120);

impl Walk<'_, '_> {
    /// Settles who runs as wanted: what is recorded and written down of a cluster comes before any change of it.
    pub(super) fn settle(&mut self, formed: &[JobId]) -> Vec<JobId> {
        let mut settled = Vec::new();
        for host in self.members.clone() {
            if self.running_difference(&host).is_none() {
                settled.push(self.settle_one(&host, formed));
            }
        }
        for job in &settled {
            self.draft.reach(Milestone::StoreReady, job.clone());
        }
        if settled.is_empty() { formed.to_vec() } else { settled }
    }

    /// Rolls who does not run as wanted, once everybody is there.
    pub(super) fn roll(&mut self, repaired: &[JobId]) {
        let differing = |host: &HostName| Some((host.clone(), self.running_difference(host)?));
        let mut rolling: Vec<(HostName, String)> = self.members.iter().filter_map(differing).collect();
        // A graceful stop hands leadership over; with the leader last it is handed over once.
        rolling.sort_by_key(|(host, _)| Some(host) == self.judgement.leader.as_ref());
        let mut last: Vec<JobId> = repaired.to_vec();
        let voters = judge(self.draft.inventory, &self.draft.facts).voters;
        for (host, why) in &rolling {
            if self.keeps_quorum(host, voters) {
                last = vec![self.roll_one(host, why, &last)];
                self.draft.reach(Milestone::StoreReady, last[0].clone());
            } else {
                self.no_margin(host, why);
            }
        }
        for job in repaired {
            self.draft.reach(Milestone::StoreReady, job.clone());
        }
    }

    /// What of the live process is not as wanted: `ETCD_SNAPSHOT_COUNT 10000 -> 50000`.
    pub(super) fn running_difference(&self, host: &HostName) -> Option<String> {
        let seen = self.draft.facts.host(host)?.etcd.as_ref()?.running.known()?.as_ref()?;
        let wanted = config::environment(self.draft.inventory, host);
        let executable = self.artifacts.get(host).map(|artifact| format!("{}/etcd", directory(artifact)))?;
        let changes = changes(seen, &executable, &wanted);
        (!changes.is_empty()).then(|| changes.join(", "))
    }

    fn settle_one(&mut self, host: &HostName, formed: &[JobId]) -> JobId {
        let ready = self.ready.get(host).cloned().unwrap_or_default();
        let guard = healthy_guard(self.draft, std::slice::from_ref(host));
        let artifact = self.artifacts.get(host).cloned();
        let records = self.records(host);
        let inventory = self.draft.inventory;
        let mut job = self.draft.job("etcd.settle", "etcd", host);
        job.after(formed).after(&ready);
        if let Some(artifact) = artifact {
            links(&mut job, &artifact);
        }
        settle_files(&mut job, inventory, host);
        settle_records(&mut job, &records);
        if !job.is_empty() {
            job.guard("the cluster has a quorum", guard);
        }
        let settled = job.done();
        // What is written counts from the next start on; nobody waits for systemd to read it.
        let mut job = self.draft.job("etcd.unit", "etcd", host);
        job.after(std::iter::once(&settled));
        settle_unit(&mut job);
        job.done();
        settled
    }

    fn roll_one(&mut self, host: &HostName, why: &str, after: &[JobId]) -> JobId {
        let others: Vec<HostName> = self.healthy().into_iter().filter(|other| other != host).collect();
        let guard = healthy_guard(self.draft, &others);
        let probe = formed_probe(self.draft, host, &self.members);
        let ready = self.ready.get(host).cloned().unwrap_or_default();
        let artifact = self.artifacts.get(host).cloned();
        let records = self.records(host);
        let inventory = self.draft.inventory;
        let mut job = self.draft.job("etcd.roll", "etcd", host);
        job.after(after).after(&ready);
        if !others.is_empty() {
            job.guard("every other member is healthy", guard);
        }
        if let Some(artifact) = artifact {
            links(&mut job, &artifact);
        }
        settle_steps(&mut job, inventory, host, &records);
        let reason = Reason::Differs(why.to_owned());
        job.unit(UNIT, UnitChange::Restart, &STAMP, reason, Risk::Restart, RESTART);
        let reason = Reason::Needed("done when this member is healthy again".to_owned());
        job.wait(ResourceId::new("etcd", "member"), probe, reason, FORMING);
        job.done()
    }

    pub(super) fn records(&self, host: &HostName) -> Records {
        let inventory = self.draft.inventory;
        let sights = Sight::all(inventory, self.draft.seen);
        let sight = sights.iter().find(|sight| sight.host == host);
        let args = [
            ("address", inventory.address(host).to_string()),
            ("peer_port", inventory.etcd.peer_port.to_string()),
            (TITLE, "note the id of the cluster in the manifest".to_owned()),
        ];
        Records {
            cluster: Procedure::new(RECORD_CLUSTER, include_str!("sh/record_cluster.sh"), args),
            disk: sight.and_then(Sight::disk_id),
        }
    }

    /// Who is healthy, once the jobs so far have run.
    fn healthy(&self) -> Vec<HostName> {
        let sights = Sight::all(self.draft.inventory, &self.draft.facts);
        sights.iter().filter(|sight| sight.is_healthy()).map(|sight| sight.host.clone()).collect()
    }

    /// Whether a quorum is left while this member restarts. A single member has none to keep.
    fn keeps_quorum(&self, host: &HostName, voters: usize) -> bool {
        let others = self.healthy().into_iter().filter(|other| other != host).count();
        voters <= 1 || others > voters / 2
    }

    fn no_margin(&mut self, host: &HostName, why: &str) {
        let message = format!(
            "{host} would have to restart ({why}), and with the members that are away there would be no quorum meanwhile."
        );
        let finding = Finding::on(host, Severity::Blocked, "etcd.no-margin", message)
            .hint("bring the other members back first: kuboard-ha status");
        self.draft.find(finding);
    }
}

/// What the manifest shall say once a member is settled.
pub(super) struct Records {
    cluster: Procedure,
    disk: Option<String>,
}

/// Files of a formed cluster, taken in by the next start; and what the manifest says of it.
pub(super) fn settle_steps(
    job: &mut JobDraft<'_, '_>,
    inventory: &Inventory,
    host: &HostName,
    records: &Records,
) {
    settle_files(job, inventory, host);
    settle_unit(job);
    settle_records(job, records);
}

fn settle_files(job: &mut JobDraft<'_, '_>, inventory: &Inventory, host: &HostName) {
    files(job, inventory, host, ClusterState::Existing);
}

fn settle_unit(job: &mut JobDraft<'_, '_>) {
    job.enabled(UNIT);
    job.reloaded_units(UNIT);
}

fn settle_records(job: &mut JobDraft<'_, '_>, records: &Records) {
    if let Some(disk) = &records.disk {
        job.record(DISK, disk);
    }
    if job.host().is_some_and(|seen| !seen.manifest.contains_key(CLUSTER_ID)) {
        let resource = ResourceId::new("manifest", CLUSTER_ID.replace(' ', "/"));
        job.call(resource, records.cluster.clone(), Reason::Missing, Risk::None, MOMENT);
    }
}

pub(super) fn healthy_guard(draft: &Draft<'_>, hosts: &[HostName]) -> Procedure {
    let args =
        [("hosts", addresses(draft, hosts.iter())), ("port", draft.inventory.etcd.client_port.to_string())];
    Procedure::new("etcd.healthy", with_health!("sh/guard_healthy.sh"), args)
}

/// How a live process differs from what is wanted.
fn changes(seen: &RunningEtcd, executable: &str, wanted: &BTreeMap<String, String>) -> Vec<String> {
    let mut changes = Vec::new();
    if seen.executable != executable {
        let version = |path: &str| path.strip_suffix("/etcd").and_then(version_of).map(str::to_owned);
        changes.push(match (version(&seen.executable), version(executable)) {
            (Some(old), Some(new)) if old != new => format!("etcd {old} -> {new}"),
            _ => format!("{} -> {executable}", seen.executable),
        });
    }
    let names: BTreeSet<&String> = seen.environment.keys().chain(wanted.keys()).collect();
    for name in names.into_iter().filter(|name| !config::is_initial(name)) {
        match (seen.environment.get(name), wanted.get(name)) {
            (old, new) if old == new => {}
            (Some(old), Some(new)) => changes.push(format!("{name} {old} -> {new}")),
            (None, Some(new)) => changes.push(format!("{name} unset -> {new}")),
            (_, None) => changes.push(format!("{name} removed")),
        }
    }
    changes
}
