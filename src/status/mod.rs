//! How the cluster stands: one document, made of the inventory, the facts and what planning says of them.
//! Pure: what was not observed is null, never guessed.

mod etcd;
#[cfg(test)]
pub mod sample;
mod services;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::facts::Facts;
use crate::facts::model::HostState;
use crate::inventory::Inventory;
use crate::plan::model::{Action, Finding, Planning, Severity, Step};
use crate::resource::{Arch, HostName, ResourceId};
pub use crate::status::etcd::{EtcdStatus, EtcdVerdict, MemberStatus, Quorum};
pub use crate::status::services::{BalancerStatus, KuboardStatus, QuestdbStatus, ReplicaStatus};

/// The schema name that goes with the document.
pub const SCHEMA: &str = "kuboard-ha.status/1";

/// How the cluster stands.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The cluster's name.
    pub cluster: String,
    /// All in one word.
    pub verdict: Verdict,
    /// Why the verdict is not `healthy`, the gravest first, each a sentence without its full stop.
    pub reasons: Vec<String>,
    /// The etcd cluster.
    pub etcd: EtcdStatus,
    /// QuestDB, where the inventory has one.
    pub questdb: Option<QuestdbStatus>,
    /// The replicas.
    pub kuboard: KuboardStatus,
    /// The balancer, where the inventory has one.
    pub load_balancer: Option<BalancerStatus>,
    /// Every host of the inventory.
    pub hosts: BTreeMap<HostName, HostStatus>,
    /// What differs from the inventory.
    pub drift: Vec<Drift>,
    /// What planning found.
    pub findings: Vec<Finding>,
}

impl Status {
    /// Whether a finding forbids changes and says more than that a host is not reachable, which has its own place.
    pub fn is_news(&self, finding: &Finding) -> bool {
        let known = finding.code == "host.unreachable"
            && finding
                .host
                .as_ref()
                .and_then(|host| self.hosts.get(host))
                .is_some_and(|host| !host.reachable);
        finding.severity <= Severity::Unknown && !known
    }
}

/// A cluster in one word, from well to ill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Works, as safe as asked, as the inventory asks.
    Healthy,
    /// Works, but less safe than asked or different from the inventory.
    Degraded,
    /// Whether it works could not be observed.
    Unknown,
    /// Does not work.
    Down,
}

/// A machine.
#[derive(Clone, Debug, Serialize)]
pub struct HostStatus {
    /// Whether it answered.
    pub reachable: bool,
    /// `debian 12`.
    pub os: Option<String>,
    /// Its architecture, where releases exist for it.
    pub arch: Option<Arch>,
    /// Why it could not be looked at.
    pub why: Option<String>,
    /// Whether it may well run all the same.
    #[serde(skip)]
    pub answered: bool,
}

/// Something that differs from the inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Where.
    pub host: HostName,
    /// What.
    pub resource: ResourceId,
    /// How.
    pub reason: String,
}

/// Judges what was observed. `planning` is what planning made of the same facts.
pub fn status(inventory: &Inventory, facts: &Facts, planning: &Planning) -> Status {
    let mut status = Status {
        schema: SCHEMA,
        cluster: inventory.cluster.clone(),
        verdict: Verdict::Unknown,
        reasons: Vec::new(),
        etcd: etcd::etcd_status(inventory, facts),
        questdb: services::questdb_status(inventory, facts),
        kuboard: services::kuboard_status(inventory, facts),
        load_balancer: services::balancer_status(inventory, facts),
        hosts: inventory.hosts.keys().map(|name| (name.clone(), host_status(facts, name))).collect(),
        drift: drift(planning),
        findings: planning.findings.clone(),
    };
    (status.verdict, status.reasons) = verdict::judge(&status, inventory, facts);
    status
}

fn host_status(facts: &Facts, name: &HostName) -> HostStatus {
    match facts.hosts.get(name) {
        Some(HostState::Reached(host)) => {
            let os = format!("{} {}", host.system.os, host.system.os_version);
            let os = os.trim().to_owned();
            HostStatus {
                reachable: true,
                os: (!os.is_empty()).then_some(os),
                arch: host.system.arch,
                why: None,
                answered: true,
            }
        }
        Some(HostState::Unreachable { why, answered, .. }) => {
            HostStatus { reachable: false, os: None, arch: None, why: Some(why.clone()), answered: *answered }
        }
        None => HostStatus {
            reachable: false,
            os: None,
            arch: None,
            why: Some("not looked at".to_owned()),
            answered: true,
        },
    }
}

/// What differs, step by step of the plan. A wait, or a note of what was done, is no difference of its own, unless there is
/// nothing else.
fn drift(planning: &Planning) -> Vec<Drift> {
    let mut all: Vec<Drift> = Vec::new();
    let steps = || planning.plan.jobs.iter().flat_map(|job| job.steps.iter().map(|step| (&job.host, step)));
    let follows = |step: &Step| matches!(step.action, Action::Await(_) | Action::Record { .. });
    let nothing_else = steps().all(|(_, step)| follows(step));
    for (host, step) in steps().filter(|(_, step)| nothing_else || !follows(step)) {
        let drift =
            Drift { host: host.clone(), resource: step.resource.clone(), reason: step.reason.to_string() };
        if !all.contains(&drift) {
            all.push(drift);
        }
    }
    all
}

/// `http://10.99.16.21:80`, IPv6 bracketed.
fn http_url(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V4(address) => format!("http://{address}:{port}"),
        IpAddr::V6(address) => format!("http://[{address}]:{port}"),
    }
}
