//! The validated inventory: what the user wants, with every default filled in. Nothing here was observed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::resource::{Arch, HostName, Sha256Digest};
use crate::secret::SecretId;

/// One cluster, as its file describes it.
#[derive(Clone, Debug, Serialize)]
pub struct Inventory {
    /// The cluster's name, `[a-z0-9-]`.
    pub cluster: String,
    /// Every host, by name.
    pub hosts: BTreeMap<HostName, Host>,
    /// The etcd cluster.
    pub etcd: Etcd,
    /// QuestDB; `None` only with audit disabled.
    pub questdb: Option<Questdb>,
    /// The Kuboard replicas.
    pub kuboard: Kuboard,
    /// The balancer; `None` only with one replica.
    pub load_balancer: Option<LoadBalancer>,
    /// How artefacts reach the hosts.
    pub transfer: Transfer,
    /// Whether an active firewall without the ports blocks.
    pub firewall: Firewall,
}

impl Inventory {
    /// The host of that name. Validation made sure that every name used in the model exists.
    pub fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.get(name)
    }

    /// Where a host's services listen.
    pub fn address(&self, name: &HostName) -> IpAddr {
        self.hosts.get(name).map_or(IpAddr::from([0, 0, 0, 0]), |host| host.address)
    }
}

/// One machine.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    /// Where the services listen and the other hosts reach them.
    pub address: IpAddr,
    /// How Kuboard's agents reach it; the address unless given.
    pub agent_address: String,
    /// The network interface of the floating address; found on the host unless given.
    pub interface: Option<String>,
    /// How this machine reaches it.
    pub ssh: Ssh,
}

/// How a host is reached. What is `None`, `~/.ssh/config` and the agent decide.
#[derive(Clone, Debug, Serialize)]
pub struct Ssh {
    /// The name or address given to `ssh`.
    pub host: String,
    /// The login; any but root runs commands through sudo.
    pub user: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// A private key.
    pub identity_file: Option<PathBuf>,
    /// Whether unknown host keys are accepted.
    pub host_keys: HostKeys,
    /// `[user@]host[:port]` of a bastion.
    pub proxy_jump: Option<String>,
    /// An ssh configuration file read instead of `~/.ssh/config`.
    pub config_file: Option<PathBuf>,
    /// The login password.
    pub password: Option<SecretSource>,
    /// The password that sudo wants.
    pub sudo_password: Option<SecretSource>,
}

/// What to do with an unknown host key. A changed one is always refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostKeys {
    /// Refuse.
    Strict,
    /// Accept and remember.
    AcceptNew,
}

/// Where the value of a secret is read on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; one trailing newline is dropped. Relative paths start at the inventory's folder.
    File(PathBuf),
}

/// Where a release comes from, when not from its built-in address.
#[derive(Clone, Debug, Serialize)]
pub struct Download {
    /// `http(s)://…` or a path, `{version}` and `{arch}` to be filled in; `None` keeps the built-in address.
    pub url: Option<String>,
    /// The digests, by architecture.
    pub sha256: BTreeMap<Arch, Sha256Digest>,
}

/// The etcd cluster.
#[derive(Clone, Debug, Serialize)]
pub struct Etcd {
    /// The member hosts, in the file's order; the name of the host is the name of the member.
    pub hosts: Vec<HostName>,
    /// As in `3.5.6`.
    pub version: String,
    /// Absolute path.
    pub data_dir: String,
    /// For clients.
    pub client_port: u16,
    /// For the other members.
    pub peer_port: u16,
    /// Between heartbeats of the leader.
    pub heartbeat_interval: Duration,
    /// Without a heartbeat before an election.
    pub election_timeout: Duration,
    /// Other `ETCD_*` settings.
    pub settings: BTreeMap<String, String>,
    /// Where its release comes from.
    pub download: Option<Download>,
}

/// The audit log's database.
#[derive(Clone, Debug, Serialize)]
pub struct Questdb {
    /// Its host.
    pub host: HostName,
    /// As in `6.6.1`.
    pub version: String,
    /// With or without its own Java.
    pub flavour: QuestdbFlavour,
    /// Absolute path.
    pub data_dir: String,
    /// The heap, in bytes (`-Xmx`).
    pub heap: u64,
    /// A password given by the user; generated on the host unless given.
    pub password: Option<SecretSource>,
    /// Where its release comes from.
    pub download: Option<Download>,
}

/// The two forms of QuestDB's release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuestdbFlavour {
    /// Brings its own Java; amd64 only.
    Rt,
    /// A jar for the distribution's Java, 11 or later.
    NoJre,
}

/// The Kuboard replicas.
#[derive(Clone, Debug, Serialize)]
pub struct Kuboard {
    /// The replica hosts, in the file's order.
    pub hosts: Vec<HostName>,
    /// What browsers and agents use (`KUBOARD_ENDPOINT`), no trailing slash.
    pub url: String,
    /// With a tag that does not float.
    pub image: String,
    /// Login for the image's registry.
    pub registry: Option<Registry>,
    /// An archive that is loaded where the image is missing.
    pub image_archive: Option<Download>,
    /// Published on the host's own address.
    pub http_port: u16,
    /// For the agents of imported clusters.
    pub agent_port: u16,
    /// Absolute path, mounted as `/data`.
    pub data_dir: String,
    /// Whether the audit log is kept.
    pub audit: bool,
    /// The first password of `admin`; generated unless given.
    pub admin_password: Option<SecretSource>,
    /// Further environment.
    pub env: BTreeMap<String, EnvValue>,
    /// Whether Docker may be installed.
    pub docker: Packages,
}

/// Credentials for a registry.
#[derive(Clone, Debug, Serialize)]
pub struct Registry {
    /// The user.
    pub username: String,
    /// The password.
    pub password: SecretSource,
}

/// A value passed on to Kuboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvValue {
    /// In the clear.
    Text(String),
    /// Never shown.
    Secret(SecretSource),
}

/// Whether packages that are missing get installed from the distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packages {
    /// Where missing.
    Install,
    /// They must be there.
    Present,
}

/// What stands in front of the replicas.
#[derive(Clone, Debug, Serialize)]
pub struct LoadBalancer {
    /// With hosts: their floating address. Without: a balancer of the user's own.
    pub address: IpAddr,
    /// Where it listens.
    pub port: u16,
    /// Where HAProxy and Keepalived are managed; may be empty.
    pub hosts: Vec<HostName>,
    /// TLS on port 443 as well.
    pub tls: Option<Tls>,
    /// VRRP's router id, 1 to 255.
    pub virtual_router_id: u8,
    /// Whether HAProxy and Keepalived may be installed.
    pub packages: Packages,
}

/// A certificate for the balancer.
#[derive(Clone, Debug, Serialize)]
pub struct Tls {
    /// Path of the PEM chain on this machine.
    pub certificate: PathBuf,
    /// Its content, read by the command line when the inventory is loaded (public).
    pub certificate_pem: String,
    /// The private key.
    pub key: SecretSource,
}

/// How artefacts reach the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transfer {
    /// This machine downloads once, verifies, uploads.
    Push,
    /// Each host downloads and verifies.
    Pull,
}

/// What to do about an active firewall that would drop needed ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firewall {
    /// Block, with the commands that open them.
    Check,
    /// Do not look.
    Off,
}

impl Inventory {
    /// Every secret whose value the user supplies for the hosts, with its source. Login passwords are not
    /// among them: they never reach a file.
    pub fn supplied_secrets(&self) -> BTreeMap<SecretId, &SecretSource> {
        let mut all = BTreeMap::new();
        if let Some(source) = self.questdb.as_ref().and_then(|questdb| questdb.password.as_ref()) {
            all.insert(SecretId::new(SecretId::QUESTDB_PASSWORD), source);
        }
        if let Some(source) = &self.kuboard.admin_password {
            all.insert(SecretId::new(SecretId::ADMIN_PASSWORD), source);
        }
        if let Some(registry) = &self.kuboard.registry {
            all.insert(SecretId::new(SecretId::REGISTRY_PASSWORD), &registry.password);
        }
        if let Some(tls) = self.load_balancer.as_ref().and_then(|balancer| balancer.tls.as_ref()) {
            all.insert(SecretId::new(SecretId::TLS_KEY), &tls.key);
        }
        for (name, value) in &self.kuboard.env {
            if let EnvValue::Secret(source) = value {
                all.insert(SecretId::env(name), source);
            }
        }
        all
    }
}
