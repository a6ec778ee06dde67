//! What a host is for, and what that needs of its network.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::facts::model::{HostFacts, Observed};
use crate::inventory::Inventory;
use crate::resource::HostName;
use crate::services::load_balancer::{HEALTH_PORT, TLS_PORT};

/// What runs on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Etcd,
    Questdb,
    Kuboard,
    Balancer,
}

impl Role {
    /// As people read it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Questdb => "QuestDB",
            Self::Kuboard => "Kuboard",
            Self::Balancer => "HAProxy",
        }
    }

    /// The file that shows whose a role's installation is, and the name of the process that listens.
    fn marks(self) -> (&'static str, &'static str) {
        match self {
            Self::Etcd => ("/etc/etcd.env", "etcd"),
            Self::Questdb => ("/etc/systemd/system/questdb.service", "java"),
            Self::Kuboard => ("/etc/kuboard.env", "docker-proxy"),
            Self::Balancer => ("/etc/haproxy/haproxy.cfg", "haproxy"),
        }
    }

    /// The file that shows whose a role's installation is.
    pub fn file(self) -> &'static str {
        self.marks().0
    }

    /// Whether kuboard-ha has set this role up on the host.
    pub fn is_installed(self, seen: &HostFacts) -> bool {
        let recorded = seen.manifest.contains_key(&format!("file {}", self.file()));
        let contained = || match &seen.docker {
            Observed::Known(Some(docker)) => {
                docker.containers.values().any(|container| container.config.is_some())
            }
            _ => false,
        };
        // Our own program runs there, though the records are gone: to stop it would be the wrong advice.
        let runs = || {
            let process = seen.etcd.as_ref().and_then(|etcd| etcd.running.known()?.as_ref());
            process.is_some_and(|process| process.executable.starts_with("/opt/kuboard-ha/"))
        };
        recorded || (self == Self::Kuboard && contained()) || (self == Self::Etcd && runs())
    }

    /// Whether a listening process, as `nginx (812)`, is this role's own. One that could not be seen is, where the
    /// role is set up.
    pub fn owns(self, seen: &HostFacts, process: Option<&str>) -> bool {
        let name = process.and_then(|process| process.split(' ').next());
        // Whose the process of the unit is, and what to do about it, its service says.
        let unit = self == Self::Etcd
            && seen.etcd.as_ref().is_some_and(|etcd| matches!(etcd.running, Observed::Known(Some(_))));
        (unit || self.is_installed(seen)) && name.is_none_or(|name| name == self.marks().1)
    }
}

/// The roles of a host.
pub(super) fn roles(inventory: &Inventory, host: &HostName) -> BTreeSet<Role> {
    let mut roles = BTreeSet::new();
    if inventory.etcd.hosts.contains(host) {
        roles.insert(Role::Etcd);
    }
    if inventory.questdb.as_ref().is_some_and(|questdb| &questdb.host == host) {
        roles.insert(Role::Questdb);
    }
    if inventory.kuboard.hosts.contains(host) {
        roles.insert(Role::Kuboard);
    }
    if inventory.load_balancer.as_ref().is_some_and(|balancer| balancer.hosts.contains(host)) {
        roles.insert(Role::Balancer);
    }
    roles
}

/// Who connects to a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// This host alone.
    Itself,
    /// These hosts.
    Hosts(Vec<HostName>),
    /// Browsers, agents.
    Anybody,
}

/// A TCP port that a role listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub role: Role,
    pub ip: IpAddr,
    pub port: u16,
    pub from: From,
    /// Whether a container on this host connects too, from the engine's bridge.
    pub containers: bool,
}

/// QuestDB's port for logins, the one of its console, the one of its health.
const QUESTDB_PORTS: [u16; 3] = [8812, 9000, 9003];
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Every port that the roles of a host listen on.
pub(super) fn needs(inventory: &Inventory, host: &HostName) -> Vec<Need> {
    let own = inventory.address(host);
    let others = |hosts: &[HostName]| {
        let others: Vec<HostName> = hosts.iter().filter(|other| *other != host).cloned().collect();
        if others.is_empty() { From::Itself } else { From::Hosts(others) }
    };
    let replicas = &inventory.kuboard.hosts;
    let beside = replicas.contains(host);
    let mut needs = Vec::new();
    for role in roles(inventory, host) {
        let mut need = |ip, port, from, containers| needs.push(Need { role, ip, port, from, containers });
        match role {
            Role::Etcd => {
                // The members ask each other on it too: before a member restarts, and for the list of members.
                let fellows = inventory.etcd.hosts.iter().filter(|host| !replicas.contains(host));
                let clients: Vec<HostName> = replicas.iter().chain(fellows).cloned().collect();
                need(own, inventory.etcd.client_port, others(&clients), beside);
                need(LOOPBACK, inventory.etcd.client_port, From::Itself, false);
                need(own, inventory.etcd.peer_port, others(&inventory.etcd.hosts), false);
            }
            Role::Questdb => {
                let [login, console, health] = QUESTDB_PORTS;
                need(own, login, others(replicas), beside);
                need(LOOPBACK, console, From::Itself, false);
                need(LOOPBACK, health, From::Itself, false);
            }
            Role::Kuboard => {
                need(own, inventory.kuboard.http_port, From::Anybody, false);
                need(own, inventory.kuboard.agent_port, From::Anybody, false);
            }
            Role::Balancer => {
                let Some(balancer) = &inventory.load_balancer else { continue };
                need(balancer.address, balancer.port, From::Anybody, false);
                if balancer.tls.is_some() {
                    need(balancer.address, TLS_PORT, From::Anybody, false);
                }
                need(LOOPBACK, HEALTH_PORT, From::Itself, false);
            }
        }
    }
    needs
}
