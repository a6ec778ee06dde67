//! The parts of the status beside etcd: QuestDB, the replicas, the balancer.

use std::net::IpAddr;

use serde::Serialize;

use crate::facts::Facts;
use crate::facts::model::Observed;
use crate::facts::service::KuboardFacts;
use crate::inventory::Inventory;
use crate::resource::HostName;
use crate::services::kuboard;
use crate::services::questdb::served_by;
use crate::status::http_url;

/// QuestDB.
#[derive(Clone, Debug, Serialize)]
pub struct QuestdbStatus {
    /// Its host.
    pub host: HostName,
    /// Whether it says healthy and takes a login.
    pub healthy: Option<bool>,
    /// The version that its unit on the host names.
    pub version: Option<String>,
    /// Why it is not healthy, or was not seen.
    pub why: Option<String>,
}

/// The replicas.
#[derive(Clone, Debug, Serialize)]
pub struct KuboardStatus {
    /// What browsers and agents use.
    pub url: String,
    /// In the inventory's order.
    pub replicas: Vec<ReplicaStatus>,
}

/// A replica.
#[derive(Clone, Debug, Serialize)]
pub struct ReplicaStatus {
    /// Its host.
    pub host: HostName,
    /// Whether it serves pages, takes agents, and reaches etcd.
    pub healthy: Option<bool>,
    /// The image of its container.
    pub image: Option<String>,
    /// Its own address.
    pub url: String,
    /// Why it is not healthy, or was not seen.
    pub why: Option<String>,
}

/// The balancer.
#[derive(Clone, Debug, Serialize)]
pub struct BalancerStatus {
    /// The floating address, or that of the user's own balancer.
    pub address: IpAddr,
    /// Whether its hosts are managed.
    pub managed: bool,
    /// The hosts that hold the floating address.
    pub holders: Vec<HostName>,
    /// Whether the floating address answers, seen from the balancer hosts.
    pub healthy: Option<bool>,
}

const UNREACHABLE: &str = "its host is not reachable";

/// Reads QuestDB out of the facts.
pub fn questdb_status(inventory: &Inventory, facts: &Facts) -> Option<QuestdbStatus> {
    let wanted = inventory.questdb.as_ref()?;
    let mut status = QuestdbStatus { host: wanted.host.clone(), healthy: None, version: None, why: None };
    let Some(host) = facts.host(&wanted.host) else {
        status.why = Some(UNREACHABLE.to_owned());
        return Some(status);
    };
    status.version = served_by(host).map(str::to_owned);
    if let Some(seen) = &host.questdb {
        let parts = [
            (&seen.healthy, "its health port does not say healthy"),
            (&seen.login, "it refuses a login with the stored password"),
        ];
        (status.healthy, status.why) = all(parts);
    }
    Some(status)
}

/// Reads the replicas out of the facts.
pub fn kuboard_status(inventory: &Inventory, facts: &Facts) -> KuboardStatus {
    let replica = |name: &HostName| {
        let mut status = ReplicaStatus {
            host: name.clone(),
            healthy: None,
            image: None,
            url: http_url(inventory.address(name), inventory.kuboard.http_port),
            why: None,
        };
        let Some(host) = facts.host(name) else {
            status.why = Some(UNREACHABLE.to_owned());
            return status;
        };
        let docker = host.docker.known().and_then(Option::as_ref);
        status.image = docker.and_then(|docker| docker.containers.get("kuboard")).map(|c| c.image.clone());
        if let Some(seen) = &host.kuboard {
            let parts =
                [(&seen.web, "it does not serve pages"), (&seen.agent, "its agent port does not answer")];
            (status.healthy, status.why) = all(parts);
            if kuboard::serves_elsewhere(inventory, host) {
                let why = "it still has other ports than the inventory says".to_owned();
                (status.healthy, status.why) = (None, Some(why));
            }
            if status.healthy == Some(true)
                && let Some(why) = cut_off(seen)
            {
                (status.healthy, status.why) = (Some(false), Some(why));
            }
        }
        status
    };
    KuboardStatus {
        url: inventory.kuboard.url.clone(),
        replicas: inventory.kuboard.hosts.iter().map(replica).collect(),
    }
}

/// Reads the balancer out of the facts.
pub fn balancer_status(inventory: &Inventory, facts: &Facts) -> Option<BalancerStatus> {
    let wanted = inventory.load_balancer.as_ref()?;
    let seen: Vec<_> =
        wanted.hosts.iter().filter_map(|name| Some((name, facts.host(name)?.balancer.as_ref()?))).collect();
    let answers: Vec<bool> =
        seen.iter().filter_map(|(_, balancer)| balancer.answers.known()).copied().collect();
    Some(BalancerStatus {
        address: wanted.address,
        managed: !wanted.hosts.is_empty(),
        holders: seen
            .iter()
            .filter(|(_, balancer)| balancer.holds_address)
            .map(|(name, _)| (*name).clone())
            .collect(),
        healthy: (!answers.is_empty()).then(|| answers.contains(&true)),
    })
}

/// A replica that reaches no member cannot work, whatever its pages say.
fn cut_off(seen: &KuboardFacts) -> Option<String> {
    (!seen.etcd.is_empty() && seen.etcd.values().all(|reached| !reached))
        .then(|| "it reaches no etcd member".to_owned())
}

/// All parts hold: yes; one is known not to: no, and why; else unknown, and why.
fn all<const N: usize>(parts: [(&Observed<bool>, &str); N]) -> (Option<bool>, Option<String>) {
    let mut unknown = None;
    for (seen, why) in parts {
        match seen {
            Observed::Known(true) => {}
            Observed::Known(false) => return (Some(false), Some(why.to_owned())),
            Observed::Unknown(why) => unknown = Some(why.clone()),
        }
    }
    if unknown.is_some() { (None, unknown) } else { (Some(true), None) }
}
