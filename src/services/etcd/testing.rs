//! Inventories and facts for the tests of this service: machines as a look would find them in each situation.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{BOOTSTRAP, CLUSTER_ID, DISK, UNIT, config, peer_url};
use crate::facts::model::{Active, Facts, HostFacts, HostState, Mount, Observed, System};
use crate::facts::service::{EtcdFacts, EtcdStatus, Member, PeerView};
use crate::inventory::Inventory;
use crate::inventory::model::{Etcd, Firewall, Host, HostKeys, Kuboard, Packages, Ssh, Transfer};
use crate::plan::draft::Draft;
use crate::plan::effects::effects;
use crate::plan::model::{Finding, Plan};
use crate::plan::order::order;
use crate::resource::{Arch, HostName};

/// The id of the cluster that is formed in these tests.
pub const CLUSTER: &str = "97b3c6839a4fe6e4";

/// `etcd1`, `etcd2`, …
pub fn host(number: usize) -> HostName {
    HostName::new(format!("etcd{number}"))
}

/// The manual's members.
pub fn inventory(members: usize) -> Inventory {
    let hosts: Vec<HostName> = (1..=members).map(host).collect();
    Inventory {
        cluster: "kuboard".into(),
        hosts: hosts.iter().enumerate().map(|(index, host)| (host.clone(), machine(index + 11))).collect(),
        etcd: Etcd {
            hosts: hosts.clone(),
            version: "3.5.6".into(),
            data_dir: "/var/lib/etcd".into(),
            client_port: 2379,
            peer_port: 2380,
            heartbeat_interval: Duration::from_millis(250),
            election_timeout: Duration::from_secs(5),
            settings: BTreeMap::new(),
            download: None,
        },
        questdb: None,
        kuboard: Kuboard {
            hosts,
            url: "http://10.99.16.20".into(),
            image: "eipwork/kuboard:v3.5.2.9".into(),
            registry: None,
            image_archive: None,
            http_port: 80,
            agent_port: 10081,
            data_dir: "/var/lib/kuboard".into(),
            audit: false,
            admin_password: None,
            env: BTreeMap::new(),
            docker: Packages::Install,
        },
        load_balancer: None,
        transfer: Transfer::Push,
        firewall: Firewall::Check,
    }
}

fn machine(last: usize) -> Host {
    let address = format!("10.99.16.{last}");
    Host {
        address: address.parse().unwrap(),
        agent_address: address.clone(),
        interface: None,
        ssh: Ssh {
            host: address,
            user: None,
            port: None,
            identity_file: None,
            host_keys: HostKeys::Strict,
            proxy_jump: None,
            config_file: None,
            password: None,
            sudo_password: None,
        },
    }
}

/// A situation in the making.
#[derive(Clone)]
pub struct Scene {
    pub inventory: Inventory,
    pub facts: Facts,
}

impl Scene {
    /// Machines that never served.
    pub fn bare(members: usize) -> Self {
        let inventory = inventory(members);
        let hosts = inventory
            .hosts
            .keys()
            .map(|host| (host.clone(), HostState::Reached(Box::new(bare_host(&inventory, host)))))
            .collect();
        Self { inventory, facts: Facts { hosts, ..Facts::default() } }
    }

    /// A cluster that was formed by a whole plan and then looked at: real ids, the last member leads.
    pub fn formed(members: usize) -> Self {
        let mut scene = Self::bare(members);
        let plan = scene.plan().0;
        scene.apply(&plan, usize::MAX);
        for number in 1..=members {
            scene.lives(number);
            let host = scene.host(number);
            host.manifest.insert(CLUSTER_ID.to_owned(), CLUSTER.to_owned());
        }
        scene
    }

    /// The facts of a host.
    pub fn host(&mut self, number: usize) -> &mut HostFacts {
        self.facts.host_mut(&host(number)).unwrap()
    }

    /// What was seen of its etcd.
    pub fn etcd(&mut self, number: usize) -> &mut EtcdFacts {
        self.host(number).etcd.as_mut().unwrap()
    }

    /// Its member answers as one of a healthy cluster.
    pub fn lives(&mut self, number: usize) -> &mut EtcdFacts {
        let members = self.members();
        let count = members.len();
        let names = members.iter().map(|member| member.name.clone()).collect();
        self.host(number).units.entry(UNIT.to_owned()).or_default().get_or_insert_default().active =
            Active::Active;
        let etcd = self.etcd(number);
        etcd.wal = true;
        etcd.entries = vec!["member".to_owned()];
        etcd.peers = Observed::Known(Some(PeerView {
            cluster_id: CLUSTER.to_owned(),
            published: names,
            members: count,
        }));
        etcd.status = Observed::Known(Some(EtcdStatus {
            cluster_id: CLUSTER.to_owned(),
            member_id: id(number),
            leader: Some(id(count)),
            version: "3.5.6".to_owned(),
            raft_term: 2,
            raft_index: 9,
            ..EtcdStatus::default()
        }));
        etcd.health = Observed::Known(Ok(()));
        etcd.members = Observed::Known(members);
        etcd
    }

    /// Its process is gone, its data is there.
    pub fn stopped(&mut self, number: usize) -> &mut HostFacts {
        let etcd = self.etcd(number);
        etcd.running = Observed::Known(None);
        etcd.peers = Observed::Known(None);
        etcd.status = Observed::Known(None);
        etcd.health = Observed::Known(Err("nothing listens on the client port".to_owned()));
        etcd.members = Observed::Unknown("nothing listens on the client port".to_owned());
        let host = self.host(number);
        host.units.entry(UNIT.to_owned()).or_default().get_or_insert_default().active = Active::Inactive;
        host
    }

    /// It runs, and there is no quorum.
    pub fn leaderless(&mut self, number: usize) {
        let etcd = self.etcd(number);
        etcd.health = Observed::Known(Err("RAFT NO LEADER".to_owned()));
        if let Observed::Known(Some(status)) = &mut etcd.status {
            status.leader = None;
            status.errors = vec!["etcdserver: no leader".to_owned()];
        }
    }

    /// Its process and its data are gone.
    pub fn wiped(&mut self, number: usize) {
        self.stopped(number);
        let etcd = self.etcd(number);
        etcd.wal = false;
        etcd.entries.clear();
    }

    /// A new machine with the old name and address.
    pub fn replaced(&mut self, number: usize) {
        let blank = bare_host(&self.inventory, &host(number));
        *self.host(number) = blank;
    }

    /// Its host does not answer.
    pub fn unreachable(&mut self, number: usize) {
        let state = HostState::unreachable("connection timed out");
        self.facts.hosts.insert(host(number), state);
    }

    /// Its member belongs to another cluster.
    pub fn of_cluster(&mut self, number: usize, id: &str) {
        let etcd = self.etcd(number);
        if let Observed::Known(Some(status)) = &mut etcd.status {
            id.clone_into(&mut status.cluster_id);
        }
        if let Observed::Known(Some(view)) = &mut etcd.peers {
            id.clone_into(&mut view.cluster_id);
        }
    }

    /// A first start was begun on it, and its member waits for the others.
    pub fn begun(&mut self, number: usize) {
        let list = config::initial_cluster(&self.inventory);
        self.host(number).manifest.insert(BOOTSTRAP.to_owned(), list);
        let etcd = self.lives(number);
        etcd.status = Observed::Unknown("the client port did not answer in time".to_owned());
        etcd.members = Observed::Unknown("the client port did not answer in time".to_owned());
        etcd.health = Observed::Known(Err("no answer within 2 s".to_owned()));
        if let Observed::Known(Some(view)) = &mut etcd.peers {
            view.published.clear();
        }
    }

    /// The file system of the data directory.
    pub fn disk(&mut self, number: usize, point: &str, uuid: &str) {
        let mount = Mount { point: point.to_owned(), uuid: Some(uuid.to_owned()), ..Mount::default() };
        self.host(number).mounts.insert("/var/lib/etcd".to_owned(), mount);
    }

    /// The disk on record.
    pub fn recorded_disk(&mut self, number: usize, disk: &str) {
        self.host(number).manifest.insert(DISK.to_owned(), disk.to_owned());
    }

    /// All members as the cluster lists them.
    pub fn members(&self) -> Vec<Member> {
        let member = |(index, host): (usize, &HostName)| Member {
            id: id(index + 1),
            name: host.to_string(),
            peer_urls: vec![peer_url(&self.inventory, host)],
            learner: false,
        };
        self.inventory.etcd.hosts.iter().enumerate().map(member).collect()
    }

    /// Replaces the member list that every answering member gives.
    pub fn listed(&mut self, members: &[Member]) {
        for state in self.facts.hosts.values_mut() {
            let HostState::Reached(reached) = state else { continue };
            if let Some(EtcdFacts { members: list @ Observed::Known(_), .. }) = &mut reached.etcd {
                *list = Observed::Known(members.to_vec());
            }
        }
    }

    /// This service's plan and findings.
    pub fn plan(&self) -> (Plan, Vec<Finding>) {
        let mut draft = Draft::new(&self.inventory, &self.facts);
        super::plan(&mut draft);
        let (stages, jobs, findings) = draft.into_parts();
        (order(stages, jobs), findings)
    }

    /// Applies the first `count` steps of a plan.
    pub fn apply(&mut self, plan: &Plan, count: usize) {
        let steps = plan.jobs.iter().flat_map(|job| job.steps.iter().map(move |step| (&job.host, step)));
        for (host, step) in steps.take(count) {
            effects(step, host, &self.inventory, &mut self.facts);
        }
    }
}

/// The id of a member.
pub fn id(number: usize) -> String {
    format!("{:x}", 0xa0 + number)
}

/// A plan as lines: jobs, guards, and their steps.
pub fn listing(plan: &Plan) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for job in &plan.jobs {
        let after: Vec<&str> = job.after.iter().map(crate::plan::model::JobId::as_str).collect();
        let _ = writeln!(text, "{} <- {}", job.id, after.join(" "));
        for guard in &job.guards {
            let _ = writeln!(text, "  ? {}", guard.title);
        }
        for step in &job.steps {
            let _ = writeln!(text, "  {}: {}", step.resource, step.reason);
        }
    }
    text
}

fn bare_host(inventory: &Inventory, host: &HostName) -> HostFacts {
    let looks = crate::services::looks(inventory, host);
    HostFacts {
        system: System { arch: Some(Arch::Amd64), root: true, ..System::default() },
        mounts: [("/var/lib/etcd".to_owned(), Mount { point: "/".to_owned(), ..Mount::default() })].into(),
        files: looks.files.keys().map(|path| (path.clone(), Observed::Known(None))).collect(),
        links: looks.links.iter().map(|path| (path.clone(), None)).collect(),
        directories: looks.directories.iter().map(|path| (path.clone(), None)).collect(),
        installs: looks.installs.iter().map(|path| (path.clone(), None)).collect(),
        users: looks.users.iter().map(|user| (user.clone(), false)).collect(),
        units: looks.units.keys().map(|unit| (unit.clone(), None)).collect(),
        etcd: Some(EtcdFacts {
            running: Observed::Known(None),
            peers: Observed::Known(None),
            status: Observed::Known(None),
            health: Observed::Known(Err("nothing listens on the client port".to_owned())),
            members: Observed::Unknown("nothing listens on the client port".to_owned()),
            ..EtcdFacts::default()
        }),
        ..HostFacts::default()
    }
}
