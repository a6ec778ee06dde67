//! The services that make up a Kuboard, one folder each. A service owns what it looks at and what that means,
//! its verdicts, its jobs, and the shell text of its own probes and procedures. Services know the inventory,
//! never each other.

use crate::causes::{self, Evidence, Scene};
use crate::event::Cause;
use crate::facts::look::Looks;
use crate::facts::model::{Facts, HostFacts};
use crate::inventory::Inventory;
use crate::plan::draft::Draft;
use crate::plan::model::{Job, Step};
use crate::plan::preflight;
use crate::resource::HostName;

pub mod etcd;
pub mod kuboard;
pub mod load_balancer;
pub mod questdb;

/// All services, in the order in which they are planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The store.
    Etcd,
    /// The audit log.
    Questdb,
    /// The dashboard.
    Kuboard,
    /// What stands in front.
    LoadBalancer,
}

/// Everything to look at on a host.
pub fn looks(inventory: &Inventory, host: &HostName) -> Looks {
    let (paths, ports) = (preflight::paths(inventory, host), preflight::ports(inventory, host));
    let mut looks = Looks { paths, ports, ..Looks::default() };
    for service in Service::ALL {
        service.look(inventory, host, &mut looks);
    }
    looks
}

/// What people run on hosts of those that keep their state in the store, where that begins anew.
pub fn with_an_empty_store(inventory: &Inventory) -> String {
    kuboard::begin_anew(inventory)
}

/// Hosts that were seen and on which what keeps its state in the store has served: with that store, and no other.
pub fn served_from_store<'i>(inventory: &'i Inventory, facts: &Facts) -> Vec<&'i HostName> {
    let served =
        |host: &&HostName| facts.host(host).is_some_and(|seen| seen.manifest.contains_key(kuboard::SERVED));
    inventory.hosts.keys().filter(served).collect()
}

/// Why something of a service does not come up, where that is known. What the service itself says for sure comes first,
/// then what any might have; that it waits for a neighbour counts only where it has no trouble of its own.
pub fn explain(service: Option<Service>, inventory: &Inventory, evidence: &Evidence) -> Option<Cause> {
    let own = service.and_then(|service| service.cause(inventory, evidence));
    let (sure, passing) = match own {
        Some(cause) if cause.lasting => (Some(cause), None),
        other => (None, other),
    };
    sure.or_else(|| causes::general(evidence)).or(passing).or_else(|| causes::at_least(evidence))
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 4] = [Self::Etcd, Self::Questdb, Self::Kuboard, Self::LoadBalancer];

    /// Adds what this service wants to see on a host, where it serves or once served.
    pub fn look(self, inventory: &Inventory, host: &HostName, looks: &mut Looks) {
        match self {
            Self::Etcd => etcd::look(inventory, host, looks),
            Self::Questdb => questdb::look(inventory, host, looks),
            Self::Kuboard => kuboard::look(inventory, host, looks),
            Self::LoadBalancer => load_balancer::look(inventory, host, looks),
        }
    }

    /// Reads what its probe `name` printed; a probe that ran out of time printed what it had by then.
    pub fn read(self, name: &str, output: &str, facts: &mut HostFacts) {
        match self {
            Self::Etcd => etcd::read(name, output, facts),
            Self::Questdb => questdb::read(name, output, facts),
            Self::Kuboard => kuboard::read(name, output, facts),
            Self::LoadBalancer => load_balancer::read(name, output, facts),
        }
    }

    /// Adds its jobs and findings.
    pub fn plan(self, draft: &mut Draft<'_>) {
        match self {
            Self::Etcd => etcd::plan(draft),
            Self::Questdb => questdb::plan(draft),
            Self::Kuboard => kuboard::plan(draft),
            Self::LoadBalancer => load_balancer::plan(draft),
        }
    }

    /// Whose job it is; secrets and packages that several share are nobody's.
    pub fn of(job: &Job) -> Option<Self> {
        match job.stage.0.as_str() {
            "etcd" => Some(Self::Etcd),
            "questdb" => Some(Self::Questdb),
            "kuboard" => Some(Self::Kuboard),
            "balancer" => Some(Self::LoadBalancer),
            _ => None,
        }
    }

    /// What is looked at on a host where one of its steps failed.
    pub fn scene(self, inventory: &Inventory, host: &HostName) -> Scene {
        match self {
            Self::Etcd => etcd::scene(inventory, host),
            Self::Questdb => questdb::scene(inventory),
            Self::Kuboard => kuboard::scene(inventory, host),
            Self::LoadBalancer => load_balancer::scene(inventory),
        }
    }

    /// The cause that only this service has.
    fn cause(self, inventory: &Inventory, evidence: &Evidence) -> Option<Cause> {
        match self {
            Self::Etcd => etcd::cause(inventory, evidence),
            Self::Questdb => questdb::cause(inventory, evidence),
            Self::Kuboard => kuboard::cause(inventory, evidence),
            Self::LoadBalancer => load_balancer::cause(inventory, evidence),
        }
    }

    /// What a step makes true of this service's own facts. Sees every step of every service.
    pub fn effects(self, step: &Step, host: &HostName, inventory: &Inventory, facts: &mut Facts) {
        match self {
            Self::Etcd => etcd::effects(step, host, inventory, facts),
            Self::Questdb => questdb::effects(step, host, inventory, facts),
            Self::Kuboard => kuboard::effects(step, host, inventory, facts),
            Self::LoadBalancer => load_balancer::effects(step, host, inventory, facts),
        }
    }
}
