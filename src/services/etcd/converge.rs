//! The jobs that bring a cluster to what the inventory says: forming it, starting what is stopped, settling what was
//! formed, and rolling what differs through the members one by one.
//!
//! All four are one walk over the facts as they will be: whoever is not up is configured and started, whoever is not
//! healthy is awaited, and then each member is either settled (files and records, no restart) or rolled.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::config::{self, ClusterState};
use super::sight::Sight;
use super::verdict::{Judgement, MemberState, Verdict};
use super::{BOOTSTRAP, CLUSTER_ID, CURRENT, DISK, ENV_FILE, HOME, PROGRAMS, UNIT, UNIT_FILE, USER};
use crate::catalog;
use crate::facts::service::RunningEtcd;
use crate::inventory::Inventory;
use crate::plan::diff::FileWanted;
use crate::plan::draft::{Draft, JobDraft, Milestone};
use crate::plan::model::{Finding, JobId, Procedure, Reason, Risk, Severity, UnitChange};
use crate::plan::secrets::SecretWanted;
use crate::plan::title::TITLE;
use crate::resource::{Artifact, HostName, ResourceId};
use crate::secret::SecretId;

/// Names of procedures that effects know.
pub(super) const FORMED: &str = "etcd.formed";
pub(super) const RECORD_CLUSTER: &str = "etcd.record-cluster";

const MOMENT: Duration = Duration::from_secs(30);
const FORMING: Duration = Duration::from_secs(120);
const RESTART: Duration = Duration::from_secs(120);
const TOKEN_LENGTH: u8 = 32;
const STAMP: [&str; 2] = [ENV_FILE, UNIT_FILE];

/// The versioned directory that a release is unpacked into.
pub(super) fn directory(artifact: &Artifact) -> String {
    format!("{HOME}/{}-{}", artifact.version, artifact.sha256.short())
}

/// Drafts the jobs.
pub(super) fn draft(draft: &mut Draft<'_>, judgement: &Judgement) {
    // Members in any other state are blocked by a finding of their own; the rest is still drafted, for `status`.
    let hosts: Vec<HostName> = draft
        .inventory
        .etcd
        .hosts
        .iter()
        .filter(|host| judgement.members.get(*host).is_some_and(is_workable))
        .cloned()
        .collect();
    let mut walk = Walk { draft, judgement, hosts, ready: BTreeMap::new(), artifacts: BTreeMap::new() };
    if !walk.releases() {
        return;
    }
    walk.prepare();
    let started = walk.start();
    let formed = walk.form(&started);
    walk.keep(&formed);
}

fn is_workable(state: &MemberState) -> bool {
    matches!(
        state,
        MemberState::Healthy | MemberState::Stopped | MemberState::Unhealthy { .. } | MemberState::Pending
    )
}

struct Walk<'d, 'a> {
    draft: &'d mut Draft<'a>,
    judgement: &'d Judgement,
    /// The hosts to work on.
    hosts: Vec<HostName>,
    /// What must be done on a host before its member is configured: programs and token.
    ready: BTreeMap<HostName, Vec<JobId>>,
    artifacts: BTreeMap<HostName, Artifact>,
}

impl Walk<'_, '_> {
    /// Finds each host's release; `false` where one must not be installed.
    fn releases(&mut self) -> bool {
        let mut fine = true;
        let wanted = self.draft.inventory.etcd.version.clone();
        for host in &self.hosts {
            let Some(reached) = self.draft.seen.host(host) else { continue };
            let Some(arch) = reached.system.arch else {
                fine = false; // said by the preflight
                continue;
            };
            let serves = reached.links.get(CURRENT).and_then(Option::as_deref).and_then(version_of);
            let running = reached.etcd.as_ref().and_then(|etcd| etcd.status.known()?.as_ref());
            let serves = running.map(|status| status.version.as_str()).or(serves);
            if let Some((code, why)) = serves.and_then(|serves| refusal(serves, &wanted)) {
                let message = format!("{host} serves etcd {}: {why}.", serves.unwrap_or_default());
                let hint = format!("set etcd.version back to {}", serves.unwrap_or_default());
                self.draft.find(Finding::on(host, Severity::Blocked, code, message).hint(hint));
                fine = false;
                continue;
            }
            match catalog::etcd_artifact(&self.draft.inventory.etcd, arch) {
                Ok(artifact) => {
                    self.artifacts.insert(host.clone(), artifact);
                }
                Err(error) => {
                    let hint = error.hint.clone();
                    let message = format!("{host} cannot get etcd: {error}.");
                    let finding = Finding::on(host, Severity::Blocked, "etcd.no-digest", message).hint(hint);
                    self.draft.find(finding);
                    fine = false;
                }
            }
        }
        fine
    }

    /// Programs, user, directories and token. Nothing here touches what runs.
    fn prepare(&mut self) {
        let token = SecretId::new(SecretId::ETCD_TOKEN);
        // A log holds ids made of the token: from the first one on, it must not change.
        let sights = Sight::all(self.draft.inventory, self.draft.seen);
        let consumed = sights.iter().any(|sight| sight.has_wal() || sight.recorded_cluster().is_some());
        let wanted = SecretWanted { id: token, hosts: &self.hosts, length: TOKEN_LENGTH, consumed };
        let tokens = self.draft.secret(&wanted);
        for host in &self.hosts {
            let Some(artifact) = self.artifacts.get(host).cloned() else { continue };
            let directory = directory(&artifact);
            let mut stage = self.draft.job("etcd.stage", "etcd", host);
            if !stage.is_installed(&directory) {
                stage.stage_artifact(&artifact);
            }
            let staged = stage.done();
            let data_dir = self.draft.inventory.etcd.data_dir.clone();
            let mut job = self.draft.job("etcd.install", "etcd", host);
            job.after([&staged]);
            job.user(USER, &data_dir);
            job.directory(HOME, 0o755, "root:root");
            job.directory(&data_dir, 0o700, "etcd:etcd");
            job.install(&artifact, &directory, &PROGRAMS);
            let installed = job.done();
            let ready = [Some(installed), tokens.get(host).cloned()].into_iter().flatten().collect();
            self.ready.insert(host.clone(), ready);
        }
    }

    /// Configures and starts who is not up, or not up as wanted and of no use as it is. Gives the jobs that start.
    fn start(&mut self) -> BTreeMap<HostName, JobId> {
        let down: Vec<HostName> = self.hosts.iter().filter(|host| self.needs_start(host)).cloned().collect();
        // Who holds data must speak before an empty member may start beside it.
        let (blank, holding): (Vec<HostName>, Vec<HostName>) =
            down.into_iter().partition(|host| self.is_blank(host));
        let holders: Vec<HostName> = self.hosts.iter().filter(|host| !self.is_blank(host)).cloned().collect();
        let configured: Vec<JobId> = blank.iter().chain(&holding).map(|host| self.configure(host)).collect();
        let mut started = BTreeMap::new();
        for host in holding {
            let job = self.start_again(&host, &configured);
            started.insert(host, job);
        }
        let before: Vec<JobId> = started.values().cloned().collect();
        for host in blank {
            let job = self.start_first(&host, &holders, &configured, &before);
            started.insert(host, job);
        }
        started
    }

    fn needs_start(&self, host: &HostName) -> bool {
        let sights = Sight::all(self.draft.inventory, self.draft.seen);
        let Some(sight) = sights.iter().find(|sight| sight.host == host) else { return false };
        let runs = sight.etcd.and_then(|etcd| etcd.running.known()).is_some_and(Option::is_some);
        let useless = !sight.is_healthy() && (!runs || self.running_difference(host).is_some());
        !sight.is_started() || !sight.has_wal() || useless
    }

    /// How a member comes up: what runs in the wrong way is restarted.
    fn coming_up(&self, host: &HostName) -> UnitChange {
        let etcd = self.draft.facts.host(host).and_then(|seen| seen.etcd.as_ref());
        match etcd.and_then(|etcd| etcd.running.known()) {
            Some(Some(_)) => UnitChange::RestartNoBlock,
            _ => UnitChange::StartNoBlock,
        }
    }

    fn is_blank(&self, host: &HostName) -> bool {
        self.draft.facts.host(host).and_then(|seen| seen.etcd.as_ref()).is_some_and(|etcd| !etcd.wal)
    }

    /// What a member that starts now shall find on disk.
    fn starting_state(&self) -> ClusterState {
        match self.judgement.verdict {
            Verdict::Fresh | Verdict::InterruptedBootstrap => ClusterState::New,
            _ => ClusterState::Existing,
        }
    }

    fn configure(&mut self, host: &HostName) -> JobId {
        let state = self.starting_state();
        let artifact = self.artifacts.get(host).cloned();
        let ready = self.ready.get(host).cloned().unwrap_or_default();
        let inventory = self.draft.inventory;
        let mut job = self.draft.job("etcd.configure", "etcd", host);
        job.after(&ready);
        if let Some(artifact) = artifact {
            links(&mut job, &artifact);
        }
        files(&mut job, inventory, host, state);
        job.reloaded_units(UNIT);
        job.enabled(UNIT);
        job.done()
    }

    fn start_first(
        &mut self,
        host: &HostName,
        holders: &[HostName],
        configured: &[JobId],
        before: &[JobId],
    ) -> JobId {
        let inventory = self.draft.inventory;
        let etcd = &inventory.etcd;
        let holders = addresses(self.draft, holders.iter().filter(|holder| *holder != host));
        let ask = |name, text| {
            let args = [
                ("holders", holders.clone()),
                ("port", etcd.peer_port.to_string()),
                ("name", host.to_string()),
                (TITLE, "the members that hold data answer".to_owned()),
            ];
            Procedure::new(name, text, args)
        };
        let change = self.coming_up(host);
        let mut before = before.to_vec();
        if !holders.is_empty() {
            let mut wait = self.draft.job("etcd.peers", "etcd", host);
            wait.after(configured).after(&before);
            let probe = ask("etcd.peers", include_str!("sh/await_peers.sh"));
            let reason = Reason::Needed("those who hold data must say that it never took part".to_owned());
            wait.wait(ResourceId::new("etcd", "peers"), probe, reason, FORMING);
            before.push(wait.done());
        }
        let mut job = self.draft.job("etcd.start", "etcd", host);
        job.after(configured).after(&before);
        let args = [("data_dir", etcd.data_dir.clone())];
        let empty = Procedure::new("etcd.no-wal", include_str!("sh/guard_no_wal.sh"), args);
        job.guard(&format!("no data in {}", etcd.data_dir), empty);
        if !holders.is_empty() {
            let unpublished = ask("etcd.unpublished", include_str!("sh/guard_unpublished.sh"));
            job.guard("no member says that this one ever served", unpublished);
        }
        job.record(BOOTSTRAP, &config::initial_cluster(inventory));
        let reason = match self.judgement.verdict {
            Verdict::Fresh => Reason::Needed("to form the cluster together with the others".to_owned()),
            _ => Reason::Needed("its first start was cut off".to_owned()),
        };
        job.unit(UNIT, change, &STAMP, reason, Risk::None, MOMENT);
        job.done()
    }

    fn start_again(&mut self, host: &HostName, configured: &[JobId]) -> JobId {
        let data_dir = self.draft.inventory.etcd.data_dir.clone();
        let change = self.coming_up(host);
        let differs = self.running_difference(host);
        let mut job = self.draft.job("etcd.start", "etcd", host);
        job.after(configured);
        let full =
            Procedure::new("etcd.wal", include_str!("sh/guard_wal.sh"), [("data_dir", data_dir.clone())]);
        job.guard(&format!("data in {data_dir}"), full);
        let reason = differs.unwrap_or_else(|| "stopped -> started".to_owned());
        job.unit(UNIT, change, &STAMP, Reason::Differs(reason), Risk::None, MOMENT);
        job.done()
    }

    /// Awaits that every member is healthy. Gives each host's job; it is empty where nothing is to be awaited.
    fn form(&mut self, started: &BTreeMap<HostName, JobId>) -> Vec<JobId> {
        let mut formed = Vec::new();
        for host in &self.hosts {
            let healthy = self.judgement.members.get(host) == Some(&MemberState::Healthy);
            let probe = formed_probe(self.draft, host, &self.hosts);
            let mut job = self.draft.job("etcd.form", "etcd", host);
            job.after(started.values());
            if !healthy || started.contains_key(host) {
                let reason = match self.judgement.members.get(host) {
                    Some(MemberState::Unhealthy { why }) if !started.contains_key(host) => {
                        Reason::Differs(format!("not healthy ({why}) -> healthy"))
                    }
                    _ => Reason::Needed(
                        "the cluster needs a quorum, and takes all its members along".to_owned(),
                    ),
                };
                job.wait(ResourceId::new("etcd", "member"), probe, reason, FORMING);
            }
            formed.push(job.done());
        }
        formed
    }

    /// Settles who runs as wanted, rolls who does not.
    fn keep(&mut self, formed: &[JobId]) {
        let mut settled = Vec::new();
        let mut rolling = Vec::new();
        for host in self.hosts.clone() {
            match self.running_difference(&host) {
                None => settled.push(self.settle(&host, formed)),
                Some(why) => rolling.push((host, why)),
            }
        }
        // A graceful stop hands leadership over; with the leader last it is handed over once.
        rolling.sort_by_key(|(host, _)| Some(host) == self.judgement.leader.as_ref());
        let mut done: Vec<JobId> = settled;
        let mut last: Vec<JobId> = formed.to_vec();
        for (host, why) in &rolling {
            if !self.keeps_quorum(host) {
                self.no_margin(host, why);
                continue;
            }
            let job = self.roll(host, why, &last);
            last = vec![job.clone()];
            done.push(job);
        }
        for job in done {
            self.draft.reach(Milestone::StoreReady, job);
        }
    }

    /// What of the live process is not as wanted: `ETCD_SNAPSHOT_COUNT 10000 -> 50000`.
    fn running_difference(&self, host: &HostName) -> Option<String> {
        let seen = self.draft.facts.host(host)?.etcd.as_ref()?.running.known()?.as_ref()?;
        let wanted = config::environment(self.draft.inventory, host);
        let executable = self.artifacts.get(host).map(|artifact| format!("{}/etcd", directory(artifact)))?;
        let changes = changes(seen, &executable, &wanted);
        (!changes.is_empty()).then(|| changes.join(", "))
    }

    fn settle(&mut self, host: &HostName, formed: &[JobId]) -> JobId {
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
        settle_steps(&mut job, inventory, host, &records);
        if !job.is_empty() {
            job.guard("the cluster has a quorum", guard);
        }
        job.done()
    }

    fn roll(&mut self, host: &HostName, why: &str, after: &[JobId]) -> JobId {
        let others: Vec<HostName> = self.healthy().into_iter().filter(|other| other != host).collect();
        let guard = healthy_guard(self.draft, &others);
        let probe = formed_probe(self.draft, host, &self.hosts);
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
        let reason = Reason::Needed("the next member may restart only when this one is healthy".to_owned());
        job.wait(ResourceId::new("etcd", "member"), probe, reason, FORMING);
        job.done()
    }

    fn records(&self, host: &HostName) -> Records {
        let inventory = self.draft.inventory;
        let sights = Sight::all(inventory, self.draft.seen);
        let sight = sights.iter().find(|sight| sight.host == host);
        let args = [
            ("address", inventory.address(host).to_string()),
            ("peer_port", inventory.etcd.peer_port.to_string()),
            (TITLE, format!("note in the manifest: {CLUSTER_ID}")),
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
    fn keeps_quorum(&self, host: &HostName) -> bool {
        let others = self.healthy().into_iter().filter(|other| other != host).count();
        self.judgement.voters <= 1 || others > self.judgement.voters / 2
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
struct Records {
    cluster: Procedure,
    disk: Option<String>,
}

/// Files of a formed cluster, taken in by the next start; and what the manifest says of it.
fn settle_steps(job: &mut JobDraft<'_, '_>, inventory: &Inventory, host: &HostName, records: &Records) {
    files(job, inventory, host, ClusterState::Existing);
    job.reloaded_units(UNIT);
    job.enabled(UNIT);
    if let Some(disk) = &records.disk {
        job.record(DISK, disk);
    }
    if job.host().is_some_and(|seen| !seen.manifest.contains_key(CLUSTER_ID)) {
        let resource = ResourceId::new("manifest", CLUSTER_ID.replace(' ', "/"));
        job.call(resource, records.cluster.clone(), Reason::Missing, Risk::None, MOMENT);
    }
}

fn links(job: &mut JobDraft<'_, '_>, artifact: &Artifact) {
    job.link(CURRENT, &directory(artifact));
    for program in PROGRAMS {
        job.link(&format!("/usr/local/bin/{program}"), &format!("{CURRENT}/{program}"));
    }
}

fn files(job: &mut JobDraft<'_, '_>, inventory: &Inventory, host: &HostName, state: ClusterState) {
    match (config::env(inventory, host, state), config::unit(inventory, state)) {
        (Ok(env), Ok(unit)) => {
            let owner = format!("root:{USER}");
            job.file(FileWanted { owner, ..FileWanted::new(ENV_FILE, 0o640, env) });
            job.file(FileWanted::new(UNIT_FILE, 0o644, unit));
        }
        (Err(error), _) | (_, Err(error)) => {
            let message = format!("{error}: {}.", error.source);
            job.find(
                Severity::Blocked,
                "etcd.template",
                message,
                "report this as a defect of kuboard-ha".to_owned(),
            );
        }
    }
}

fn formed_probe(draft: &Draft<'_>, host: &HostName, hosts: &[HostName]) -> Procedure {
    let etcd = &draft.inventory.etcd;
    let names: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
    Procedure::new(
        FORMED,
        include_str!("sh/await_formed.sh"),
        [
            ("address", draft.inventory.address(host).to_string()),
            ("peer_port", etcd.peer_port.to_string()),
            ("client_port", etcd.client_port.to_string()),
            ("names", names.join(" ")),
            (TITLE, "this member is healthy".to_owned()),
        ],
    )
}

fn healthy_guard(draft: &Draft<'_>, hosts: &[HostName]) -> Procedure {
    let args =
        [("hosts", addresses(draft, hosts.iter())), ("port", draft.inventory.etcd.client_port.to_string())];
    Procedure::new("etcd.healthy", include_str!("sh/guard_healthy.sh"), args)
}

fn addresses<'h>(draft: &Draft<'_>, hosts: impl Iterator<Item = &'h HostName>) -> String {
    hosts.map(|host| draft.inventory.address(host).to_string()).collect::<Vec<_>>().join(" ")
}

/// The version in `/opt/kuboard-ha/etcd/VERSION-SHA8`.
pub(super) fn version_of(directory: &str) -> Option<&str> {
    Some(directory.strip_prefix(HOME)?.trim_start_matches('/').rsplit_once('-')?.0)
}

/// Why a member that serves one version must not get another.
fn refusal(serves: &str, wanted: &str) -> Option<(&'static str, String)> {
    let numbers =
        |version: &str| -> Option<Vec<u32>> { version.split('.').map(|part| part.parse().ok()).collect() };
    let (old, new) = (numbers(serves)?, numbers(wanted)?);
    if new < old {
        let why = format!(
            "the inventory asks for {wanted}, and etcd's data may not be readable for an older version"
        );
        return Some(("etcd.downgrade", why));
    }
    let minor = |version: &[u32]| version.get(..2).map(<[u32]>::to_vec);
    (minor(&old) != minor(&new)).then(|| {
        (
            "etcd.version-jump",
            format!("the inventory asks for {wanted}, and `up` stays within one minor version"),
        )
    })
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

#[cfg(test)]
#[path = "converge_tests.rs"]
mod tests;
