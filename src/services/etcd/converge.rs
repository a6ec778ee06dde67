//! The jobs that bring a cluster to what the inventory says: forming it, starting what is stopped, settling what was
//! formed, and rolling what differs through the members one by one.
//!
//! All four are one walk over the facts as they will be: whoever is not up is configured and started, whoever is not
//! healthy is awaited, and then each member is either settled (files and records, no restart) or rolled.

use std::collections::BTreeMap;
use std::time::Duration;

use super::config::{self, ClusterState};
use super::release::directory;
use super::repair::is_lost;
use super::sight::Sight;
use super::verdict::{Judgement, MemberState, Verdict};
use super::{BOOTSTRAP, CURRENT, ENV_FILE, HOME, PROGRAMS, UNIT, UNIT_FILE, USER};
use crate::inventory::Inventory;
use crate::plan::diff::FileWanted;
use crate::plan::draft::{Draft, JobDraft, Milestone};
use crate::plan::model::{JobId, Procedure, Reason, Risk, Severity, UnitChange};
use crate::plan::secrets::SecretWanted;
use crate::plan::title::TITLE;
use crate::resource::{Artifact, HostName, ResourceId};
use crate::secret::SecretId;

/// The probe that effects know.
pub(super) const FORMED: &str = "etcd.formed";

pub(super) const MOMENT: Duration = Duration::from_secs(30);
pub(super) const FORMING: Duration = Duration::from_secs(120);
const TOKEN_LENGTH: u8 = 32;
pub(super) const STAMP: [&str; 2] = [ENV_FILE, UNIT_FILE];

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
    let members = judgement.hosts(is_member);
    let mut walk = Walk {
        draft,
        judgement,
        hosts,
        members,
        ready: BTreeMap::new(),
        artifacts: BTreeMap::new(),
        snapshot: None,
    };
    if !walk.releases() {
        return;
    }
    walk.prepare();
    let started = walk.start();
    let formed = walk.form(&started);
    let settled = walk.settle(&formed);
    let repaired = walk.repair(&settled);
    walk.roll(&repaired);
}

/// Whether its host is worked on at all.
fn is_workable(state: &MemberState) -> bool {
    is_member(state) || is_lost(state) || matches!(state, MemberState::New | MemberState::JoinInterrupted)
}

/// Whether it is a member, or becomes one by being started.
fn is_member(state: &MemberState) -> bool {
    matches!(
        state,
        MemberState::Healthy | MemberState::Stopped | MemberState::Unhealthy { .. } | MemberState::Pending
    )
}

/// The way through the hosts, and what was drafted on it.
pub(super) struct Walk<'d, 'a> {
    pub draft: &'d mut Draft<'a>,
    pub judgement: &'d Judgement,
    /// The hosts to work on.
    pub hosts: Vec<HostName>,
    /// Those of them that are members; who is repaired comes to them.
    pub members: Vec<HostName>,
    /// What must be done on a host before its member is configured: programs and token.
    pub ready: BTreeMap<HostName, Vec<JobId>>,
    /// Each host's release.
    pub artifacts: BTreeMap<HostName, Artifact>,
    /// The job that keeps a snapshot, where there is one.
    pub snapshot: Option<JobId>,
}

impl Walk<'_, '_> {
    /// Programs, user, directories and token. Nothing here touches what runs.
    fn prepare(&mut self) {
        let token = SecretId::new(SecretId::ETCD_TOKEN);
        // A log holds ids made of the token: from the first one on, it must not change.
        let sights = Sight::all(self.draft.inventory, self.draft.seen);
        let consumed = sights.iter().any(|sight| sight.has_wal() || sight.recorded_cluster().is_some());
        let wanted =
            SecretWanted { id: token, hosts: &self.hosts, length: TOKEN_LENGTH, consumed, drawn: consumed };
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
        let down: Vec<HostName> =
            self.members.iter().filter(|host| self.needs_start(host)).cloned().collect();
        // Who holds data must speak before an empty member may start beside it.
        let (blank, holding): (Vec<HostName>, Vec<HostName>) =
            down.into_iter().partition(|host| self.is_blank(host));
        let holders: Vec<HostName> =
            self.members.iter().filter(|host| !self.is_blank(host)).cloned().collect();
        let configured: Vec<JobId> = blank.iter().chain(&holding).map(|host| self.configure(host)).collect();
        let mut started = BTreeMap::new();
        for host in holding {
            let job = self.start_again(&host, &configured);
            started.insert(host, job);
        }
        let before: Vec<JobId> = started.values().cloned().collect();
        for (index, host) in blank.iter().enumerate() {
            let job = self.start_first(host, &holders, &blank[..index], &configured, &before);
            started.insert(host.clone(), job);
        }
        if self.starting_state() == ClusterState::New {
            for job in started.values() {
                self.draft.reach(Milestone::StoreBegun, job.clone());
            }
        }
        started
    }

    fn needs_start(&self, host: &HostName) -> bool {
        let sights = Sight::all(self.draft.inventory, self.draft.seen);
        let Some(sight) = sights.iter().find(|sight| sight.host == host) else { return false };
        let runs = sight.etcd.and_then(|etcd| etcd.running.known()).is_some_and(Option::is_some);
        let useless = !sight.is_healthy() && (!runs || self.running_difference(host).is_some());
        // systemd calls a unit whose file is gone not loaded, though its process lives and serves.
        let serves = runs && sight.is_healthy();
        (!sight.is_started() && !serves) || !sight.has_wal() || useless
    }

    /// How a member comes up: what runs in the wrong way is restarted.
    pub(super) fn coming_up(&self, host: &HostName) -> UnitChange {
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
    fn starting_state(&self) -> ClusterState<'static> {
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
        let begins = state == ClusterState::New && self.is_blank(host);
        let mut job = self.draft.job("etcd.configure", "etcd", host);
        job.after(&ready);
        // Once it is enabled a boot starts it, with `up` or without: the data that it makes then is ours as well.
        if begins && job.record(BOOTSTRAP, &config::initial_cluster(inventory)) {
            no_wal_guard(&mut job, &inventory.etcd.data_dir);
        }
        if let Some(artifact) = artifact {
            links(&mut job, &artifact);
        }
        files(&mut job, inventory, host, state);
        job.enabled(UNIT);
        job.reloaded_units(UNIT);
        job.done()
    }

    fn start_first(
        &mut self,
        host: &HostName,
        holders: &[HostName],
        earlier: &[HostName],
        configured: &[JobId],
        before: &[JobId],
    ) -> JobId {
        let inventory = self.draft.inventory;
        let etcd = &inventory.etcd;
        let holders = addresses(self.draft, holders.iter().filter(|holder| *holder != host));
        let earlier = addresses(self.draft, earlier.iter());
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
            let mut probe = ask("etcd.peers", include_str!("sh/await_peers.sh"));
            probe.args.insert(TITLE, "the members that hold data answer their peers".to_owned());
            let reason = Reason::Needed("those who hold data must say that it never took part".to_owned());
            wait.wait(ResourceId::new("etcd", "peers"), probe, reason, FORMING);
            before.push(wait.done());
        }
        let mut job = self.draft.job("etcd.start", "etcd", host);
        job.after(configured).after(&before);
        no_wal_guard(&mut job, &etcd.data_dir);
        if !holders.is_empty() {
            let unpublished = ask("etcd.unpublished", include_str!("sh/guard_unpublished.sh"));
            job.guard("no member says that this one ever served", unpublished);
        }
        job.record(BOOTSTRAP, &config::initial_cluster(inventory));
        let reason = match self.judgement.verdict {
            Verdict::Fresh => Reason::Needed("to form the cluster together with the others".to_owned()),
            _ => Reason::Needed("its first start was cut off".to_owned()),
        };
        take_turn(&mut job, &earlier);
        job.unit(UNIT, change, &STAMP, reason, Risk::None, MOMENT);
        job.done()
    }

    fn start_again(&mut self, host: &HostName, configured: &[JobId]) -> JobId {
        let data_dir = self.draft.inventory.etcd.data_dir.clone();
        let change = self.coming_up(host);
        let differs = self.running_difference(host);
        let args = [("port", self.draft.inventory.etcd.client_port.to_string())];
        let unhealthy = Procedure::new("etcd.unhealthy", with_health!("sh/guard_unhealthy.sh"), args);
        let mut job = self.draft.job("etcd.start", "etcd", host);
        job.after(configured);
        let full =
            Procedure::new("etcd.wal", include_str!("sh/guard_wal.sh"), [("data_dir", data_dir.clone())]);
        job.guard(&format!("data in {data_dir}"), full);
        let restarts = change == UnitChange::RestartNoBlock;
        if restarts {
            // One look may fall into an election, and nobody else waits for this restart.
            job.guard("the member still does not serve", unhealthy);
        }
        let risk = if restarts { Risk::Restart } else { Risk::None };
        let reason = differs.unwrap_or_else(|| "stopped -> started".to_owned());
        job.unit(UNIT, change, &STAMP, Reason::Differs(reason), risk, MOMENT);
        job.done()
    }

    /// Awaits that every member is healthy. Gives each host's job; it is empty where nothing is to be awaited.
    fn form(&mut self, started: &BTreeMap<HostName, JobId>) -> Vec<JobId> {
        let mut formed = Vec::new();
        for host in &self.members {
            let healthy = self.judgement.members.get(host) == Some(&MemberState::Healthy);
            let probe = formed_probe(self.draft, host, &self.members);
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
}

/// Lets a member begin once those before it answer their peers: together they would wait for each other.
fn take_turn(job: &mut JobDraft<'_, '_>, earlier: &str) {
    if earlier.is_empty() {
        return;
    }
    let args = [
        ("earlier", earlier.to_owned()),
        ("port", job.inventory().etcd.peer_port.to_string()),
        (TITLE, "the members before this one answer their peers".to_owned()),
    ];
    let turn = Procedure::new("etcd.turn", include_str!("sh/await_turn.sh"), args);
    let why = Reason::Needed("members that begin in the same moment wait for each other".to_owned());
    job.wait(ResourceId::new("etcd", "turn"), turn, why, MOMENT);
}

pub(super) fn links(job: &mut JobDraft<'_, '_>, artifact: &Artifact) {
    job.link(CURRENT, &directory(artifact));
    for program in PROGRAMS {
        job.link(&format!("/usr/local/bin/{program}"), &format!("{CURRENT}/{program}"));
    }
}

pub(super) fn files(
    job: &mut JobDraft<'_, '_>,
    inventory: &Inventory,
    host: &HostName,
    state: ClusterState<'_>,
) {
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

pub(super) fn formed_probe(draft: &Draft<'_>, host: &HostName, hosts: &[HostName]) -> Procedure {
    let etcd = &draft.inventory.etcd;
    let names: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
    Procedure::new(
        FORMED,
        with_health!("sh/await_formed.sh"),
        [
            ("address", draft.inventory.address(host).to_string()),
            ("peer_port", etcd.peer_port.to_string()),
            ("client_port", etcd.client_port.to_string()),
            ("names", names.join(" ")),
            (TITLE, "the member is healthy, and every other took part".to_owned()),
        ],
    )
}

pub(super) fn addresses<'h>(draft: &Draft<'_>, hosts: impl Iterator<Item = &'h HostName>) -> String {
    hosts.map(|host| draft.inventory.address(host).to_string()).collect::<Vec<_>>().join(" ")
}

fn no_wal_guard(job: &mut JobDraft<'_, '_>, data_dir: &str) {
    let args = [("data_dir", data_dir.to_owned())];
    let empty = Procedure::new("etcd.no-wal", include_str!("sh/guard_no_wal.sh"), args);
    job.guard(&format!("no data in {data_dir}"), empty);
}

#[cfg(test)]
#[path = "converge_tests.rs"]
mod tests;
