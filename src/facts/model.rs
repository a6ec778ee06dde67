//! What was observed. Observations, never wishes: absent is `Known(None)`, unseen is `Unknown(why)`, and an
//! unreachable host is a fact of its own that is never counted as fresh.

mod disk;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::facts::service::{BalancerFacts, EtcdFacts, KuboardFacts, QuestdbFacts};
use crate::resource::{Arch, ContentKey, HostName, Sha256Digest};
use crate::secret::{Fingerprint, SecretId};

pub use disk::{DirectoryFact, FileFact, FileState, InstallFact, Mount};

/// Something looked for: seen (perhaps as absent), or not seen and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Observed<T> {
    /// What was seen.
    Known(T),
    /// Why it could not be seen.
    Unknown(String),
}

impl<T> Observed<T> {
    /// What was seen, if it was.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }
}

impl<T> Default for Observed<T> {
    fn default() -> Self {
        Self::Unknown("not looked at".to_owned())
    }
}

/// Everything observed for one planning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// By host; every host of the inventory has an entry.
    pub hosts: BTreeMap<HostName, HostState>,
    /// Fingerprints of the secrets that the user supplies, computed on this machine.
    #[serde(default)]
    pub supplied: BTreeMap<SecretId, Fingerprint>,
    /// Hosts that the user leaves out of this run; they were not asked.
    #[serde(default)]
    pub without: BTreeSet<HostName>,
}

impl Facts {
    /// What was seen on a host that answered.
    pub fn host(&self, name: &HostName) -> Option<&HostFacts> {
        match self.hosts.get(name) {
            Some(HostState::Reached(facts)) => Some(facts),
            _ => None,
        }
    }

    /// The same, to be changed by effects.
    pub fn host_mut(&mut self, name: &HostName) -> Option<&mut HostFacts> {
        match self.hosts.get_mut(name) {
            Some(HostState::Reached(facts)) => Some(facts),
            _ => None,
        }
    }

    /// Leaves hosts out of this run, whatever was seen of them.
    pub fn leave_out(&mut self, hosts: &[HostName]) {
        for host in hosts {
            self.hosts.insert(host.clone(), HostState::unreachable("left out by --without"));
            self.without.insert(host.clone());
        }
    }
}

/// Whether a host answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostState {
    /// It did; this is what was seen there.
    Reached(Box<HostFacts>),
    /// It did not.
    Unreachable {
        /// What failed and why.
        why: String,
        /// Whether something answered, or the trouble is on the way: then it may well run.
        #[serde(default)]
        answered: bool,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

impl HostState {
    /// Nothing answered, for that reason.
    pub fn unreachable(why: impl Into<String>) -> Self {
        Self::Unreachable { why: why.into(), answered: false, hint: None }
    }
}

/// What was seen on one host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFacts {
    /// The machine and its system.
    pub system: System,
    /// Addresses of its interfaces, loopback left out.
    pub addresses: Vec<Address>,
    /// Listening TCP sockets.
    pub listeners: Vec<Listener>,
    /// By port looked at: addresses that are connected to it, loopback left out.
    pub callers: BTreeMap<u16, BTreeSet<IpAddr>>,
    /// By path looked at: the file system it lies on (of its nearest existing parent).
    pub mounts: BTreeMap<String, Mount>,
    /// By package looked at: its installed version.
    pub packages: BTreeMap<String, Option<String>>,
    /// By path looked at. A symbolic link is not followed.
    pub files: BTreeMap<String, Observed<Option<FileFact>>>,
    /// Symbolic links looked at, with their targets; absent ones are `None`.
    pub links: BTreeMap<String, Option<String>>,
    /// Directories looked at.
    pub directories: BTreeMap<String, Option<DirectoryFact>>,
    /// Versioned directories looked at; absent ones are `None`.
    pub installs: BTreeMap<String, Option<InstallFact>>,
    /// System users looked at.
    pub users: BTreeMap<String, bool>,
    /// Units looked at; one that is not loaded is `None`.
    pub units: BTreeMap<String, Option<UnitState>>,
    /// Kernel settings looked at; absent ones are left out.
    pub sysctls: BTreeMap<String, String>,
    /// Docker and its containers, where looked at.
    pub docker: Observed<Option<Docker>>,
    /// Our secrets on this host.
    pub secrets: BTreeMap<SecretId, Fingerprint>,
    /// Our manifest: `KIND NAME` to value.
    pub manifest: BTreeMap<String, String>,
    /// Names of clusters that have a folder in `/var/lib/kuboard-ha`.
    pub clusters: BTreeSet<String>,
    /// Who holds the lease, where somebody does.
    pub lease: Option<String>,
    /// Artefacts staged and verified, by digest.
    pub staged: BTreeSet<Sha256Digest>,
    /// An active packet filter.
    pub firewall: Observed<Option<FirewallFact>>,
    /// What the etcd service looked at; `None` where it does not serve.
    pub etcd: Option<EtcdFacts>,
    /// What the QuestDB service looked at.
    pub questdb: Option<QuestdbFacts>,
    /// What the Kuboard service looked at.
    pub kuboard: Option<KuboardFacts>,
    /// What the balancer service looked at.
    pub balancer: Option<BalancerFacts>,
}

/// The machine and its system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct System {
    /// `ID` of os-release: `debian`.
    pub os: String,
    /// `VERSION_ID`: `12`.
    pub os_version: String,
    /// `ID_LIKE`, split.
    pub os_like: Vec<String>,
    /// `uname -m` as it is.
    pub machine: String,
    /// The architecture, where releases exist for it.
    pub arch: Option<Arch>,
    /// systemd's version; `None` where process 1 is something else.
    pub systemd: Option<u32>,
    /// Kernel release.
    pub kernel: String,
    /// Physical memory, in bytes.
    pub memory: u64,
    /// The host's clock minus this machine's, in milliseconds, taken at half the round trip.
    pub clock_offset: i64,
    /// Whether the resident shell runs as root.
    pub root: bool,
    /// `apt`, `dnf`, `yum`, `zypper`; the package manager found.
    pub package_manager: Option<String>,
    /// `Enforcing`, `Permissive`, `Disabled`; `None` without SELinux.
    pub selinux: Option<String>,
    /// Tools looked for and found in PATH: `bash`, `tar`, `curl`, …
    pub tools: BTreeSet<String>,
}

/// An address on an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// `eth0`.
    pub interface: String,
    /// The address.
    pub ip: IpAddr,
    /// Length of the network's prefix.
    pub prefix: u8,
}

impl Address {
    /// Whether `ip` lies in its network.
    pub fn holds(&self, ip: IpAddr) -> bool {
        match (self.ip, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                u32::from(a) & mask == u32::from(b) & mask
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
                u128::from(a) & mask == u128::from(b) & mask
            }
            _ => false,
        }
    }
}

/// A listening TCP socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The address; unspecified for all.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
    /// The process's name and id, `nginx (812)`, where it could be seen.
    pub process: Option<String>,
}

/// A systemd unit that is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnitState {
    /// Its `ActiveState`.
    pub active: Active,
    /// Its `SubState`: `running`, `auto-restart`.
    pub sub: String,
    /// Whether it starts at boot.
    pub enabled: bool,
    /// Its `Result`: `success`, `exit-code`.
    pub result: String,
    /// Its `NRestarts`.
    pub restarts: u32,
    /// Main process; 0 without.
    pub pid: u32,
    /// Whether systemd asks for a daemon-reload.
    pub needs_reload: bool,
    /// Where its unit file lies.
    pub fragment: String,
    /// Its `DropInPaths`: files that add to it.
    pub drop_ins: Vec<String>,
    /// The keys, joined by `+`, of the files that the live process was started or reloaded with; `None` where
    /// nothing runs, `Unknown` where it cannot be told.
    pub running: Observed<Option<ContentKey>>,
}

/// `ActiveState` of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Active {
    /// Runs.
    Active,
    /// On its way up.
    Activating,
    /// On its way down.
    Deactivating,
    /// Ended badly.
    Failed,
    /// Reads its configuration again.
    Reloading,
    /// Does not run.
    #[default]
    Inactive,
}

/// Docker on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Docker {
    /// The engine's version; `None` where it does not run (a look never starts it).
    pub version: Option<String>,
    /// Images looked at, by name: their id, absent ones left out.
    pub images: BTreeMap<String, String>,
    /// Containers looked at, by name.
    pub containers: BTreeMap<String, ContainerFact>,
    /// Ports of this host that running containers have published.
    pub published: Vec<PublishedPort>,
}

/// A port of the host that a container has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// The container's name.
    pub container: String,
    /// Its image.
    pub image: String,
    /// The address; unspecified for all.
    pub ip: IpAddr,
    /// The port on the host.
    pub port: u16,
}

/// A container that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerFact {
    /// Whether it runs.
    pub running: bool,
    /// Its image, as it was named at creation.
    pub image: String,
    /// The label `kuboard-ha.config`; `None` for a container that is not ours.
    pub config: Option<String>,
    /// Its exit code, where it does not run.
    pub exit_code: Option<i32>,
}

/// An active packet filter, as far as it says plainly what it lets in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FirewallFact {
    /// `firewalld`, `ufw`, `nftables`.
    pub kind: String,
    /// TCP ports that it lets in from everywhere.
    pub allowed: BTreeSet<u16>,
    /// TCP ports that it lets in from these networks only, as `10.99.16.0/24`.
    pub from: BTreeMap<u16, BTreeSet<String>>,
    /// Networks from which it lets everything in.
    pub trusted: BTreeSet<String>,
    /// Whether it lets VRRP (IP protocol 112) in.
    pub vrrp: bool,
    /// nftables' chain that drops: `inet filter input`; empty for the others.
    pub chain: String,
    /// Whether what is not allowed is dropped.
    pub drops: bool,
}
