//! What the services looked at on a host. Their meaning belongs to `services`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::facts::model::Observed;
use crate::resource::HostName;

/// etcd on one member host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EtcdFacts {
    /// Whether `DATA_DIR/member/wal` holds a `*.wal`; counts only where `running` is known (one probe tells both).
    pub wal: bool,
    /// Whose data that is, as the log itself says.
    pub data: Option<DataIds>,
    /// Entries of the data directory other than ours (`aside-*`, `lost+found`): `member`, `proxy`, …
    pub entries: Vec<String>,
    /// The environment of the live process: its `ETCD_*` variables; `Known(None)` where none runs.
    pub running: Observed<Option<RunningEtcd>>,
    /// `GET /members` on the own peer port, which answers without quorum.
    pub peers: Observed<Option<PeerView>>,
    /// `POST /v3/maintenance/status` on loopback, which answers without quorum; `Known(None)`: nothing listens.
    pub status: Observed<Option<EtcdStatus>>,
    /// `GET /health` on loopback, which needs quorum: `Ok` or the reason why not.
    pub health: Observed<Result<(), String>>,
    /// `member list`, serializable, from the own loopback.
    pub members: Observed<Vec<Member>>,
    /// Whether any key is stored, by its own copy: `POST /v3/kv/range` on loopback, which answers without quorum.
    pub stored: Observed<bool>,
    /// By peer address of every other member that it lists: whether something answers there.
    pub answering: BTreeMap<String, bool>,
    /// Active alarms, as `NOSPACE`, from the own loopback.
    pub alarms: Vec<String>,
    /// What the journal says where the unit does not run well, by name: `amnesiac`, `port-taken`, `disk-full`, …
    pub complaints: Vec<String>,
    /// Whether its environment file holds the token that the manual prints for all its readers.
    pub manual_token: bool,
    /// Data that `up` moved out of the way: folders `aside-*` of the data directory.
    pub aside: Vec<String>,
}

/// What the head of a write-ahead log says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataIds {
    /// Hexadecimal.
    pub cluster_id: String,
    /// Hexadecimal.
    pub member_id: String,
}

/// A live etcd process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunningEtcd {
    /// Its executable, links resolved.
    pub executable: String,
    /// Its `ETCD_*` environment.
    pub environment: BTreeMap<String, String>,
}

/// What a member's peer port says of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerView {
    /// `X-Etcd-Cluster-ID`, hexadecimal.
    pub cluster_id: String,
    /// Members that have published client addresses, by name: they once took part in a quorum.
    pub published: Vec<String>,
    /// How many members it lists.
    pub members: usize,
}

/// A member's own status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EtcdStatus {
    /// Hexadecimal.
    pub cluster_id: String,
    /// Hexadecimal.
    pub member_id: String,
    /// The leader's id, hexadecimal; `None` without a leader.
    pub leader: Option<String>,
    /// The server's version.
    pub version: String,
    /// Size of the database, in bytes.
    pub db_bytes: u64,
    /// Raft's committed index.
    pub raft_index: u64,
    /// Raft's term.
    pub raft_term: u64,
    /// Whether it is a learner.
    pub learner: bool,
    /// What it complains of.
    pub errors: Vec<String>,
}

/// A member as the cluster lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Member {
    /// Hexadecimal.
    pub id: String,
    /// Empty where it never started.
    pub name: String,
    /// `http://10.99.16.11:2380`.
    pub peer_urls: Vec<String>,
    /// Whether it is a learner.
    pub learner: bool,
}

/// QuestDB on its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QuestdbFacts {
    /// Whether port 9003 says healthy; `Known(false)` also where nothing listens.
    pub healthy: Observed<bool>,
    /// Whether a pgwire login with the stored password and `select 1` work.
    pub login: Observed<bool>,
    /// Whether the data directory holds a database.
    pub has_data: bool,
    /// Owner of the data directory's database, `user:group`.
    pub data_owner: Option<String>,
    /// The format that the database was last brought to, `426` or, from QuestDB 7 on, `426.427`.
    pub format: Option<String>,
    /// Java's major version, where the distribution's is used.
    pub java: Option<u32>,
}

/// A Kuboard replica on its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KuboardFacts {
    /// Whether `/kuboard-resources/version.json` answers 200.
    pub web: Observed<bool>,
    /// Whether the agent port accepts.
    pub agent: Observed<bool>,
    /// By etcd member host: whether its client port accepts from here.
    pub etcd: BTreeMap<HostName, bool>,
    /// Whether QuestDB's pgwire port accepts from here; `None` without audit.
    pub questdb: Option<bool>,
}

/// HAProxy and Keepalived on a balancer host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BalancerFacts {
    /// Whether this host holds the floating address.
    pub holds_address: bool,
    /// The interface of the floating address: the one that routes to it, or the one in the inventory.
    pub interface: Option<String>,
    /// Whether HAProxy's own health frontend on loopback answers.
    pub healthy: Observed<bool>,
    /// Whether the floating address answers on its port from here.
    pub answers: Observed<bool>,
    /// What other Keepalived said while this host listened for a moment; not where ours is set up already.
    pub adverts: Observed<Vec<Advert>>,
    /// Peers that our Keepalived on this host knows and the inventory does not, and whether they answer.
    pub peers: BTreeMap<IpAddr, bool>,
    /// The hardware address of the machine that answers for the floating address, where it is another one.
    pub neighbour: Option<String>,
}

/// A VRRP advert: who speaks as which virtual router, and for which addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Advert {
    /// The speaker.
    pub from: IpAddr,
    /// 1 to 255.
    pub router_id: u8,
    /// What it holds.
    pub addresses: Vec<IpAddr>,
}
