//! Inventories and facts made by hand, for the tests of status and of what shows it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::facts::Facts;
use crate::facts::model::{
    Active, ContainerFact, Docker, FileFact, FileState, HostFacts, HostState, Observed, System, UnitState,
};
use crate::facts::service::{
    BalancerFacts, EtcdFacts, EtcdStatus, KuboardFacts, Member, QuestdbFacts, RunningEtcd,
};
use crate::inventory::model::{
    Etcd, Firewall, Host, HostKeys, Inventory, Kuboard, LoadBalancer, Packages, Questdb, QuestdbFlavour, Ssh,
    Transfer,
};
use crate::resource::{Arch, ContentKey, HostName};
use crate::services::etcd::{CLUSTER_ID, UNIT};

/// A host's name.
pub fn host(name: &str) -> HostName {
    HostName::new(name)
}

/// The manual's hosts with two balancers.
pub fn manual() -> Inventory {
    let hosts = [
        ("etcd1", "10.99.16.11"),
        ("etcd2", "10.99.16.12"),
        ("etcd3", "10.99.16.13"),
        ("questdb", "10.99.16.16"),
        ("lb-1", "10.99.16.18"),
        ("lb-2", "10.99.16.19"),
        ("kuboard-1", "10.99.16.21"),
        ("kuboard-2", "10.99.16.22"),
    ];
    Inventory {
        load_balancer: Some(LoadBalancer {
            address: address("10.99.16.20"),
            port: 80,
            hosts: vec![host("lb-1"), host("lb-2")],
            tls: None,
            virtual_router_id: 51,
            packages: Packages::Install,
        }),
        ..inventory(&hosts, &["etcd1", "etcd2", "etcd3"], "questdb", &["kuboard-1", "kuboard-2"])
    }
}

/// One machine that carries everything, without a balancer.
pub fn single() -> Inventory {
    inventory(&[("box", "10.99.16.11")], &["box"], "box", &["box"])
}

/// Facts of that inventory where everything works.
pub fn well(inventory: &Inventory) -> Facts {
    let mut facts = Facts::default();
    for name in inventory.hosts.keys() {
        facts.hosts.insert(name.clone(), HostState::Reached(Box::new(well_host(inventory, name))));
    }
    facts
}

/// The hosts no longer answer.
pub fn cut(facts: &mut Facts, hosts: &[&str]) {
    for name in hosts {
        let why = "connect to port 22: No route to host".to_owned();
        facts.hosts.insert(host(name), HostState::unreachable(why));
    }
}

/// A member whose partners died: it runs, still names a leader, and cannot read.
pub fn alone(facts: &mut Facts, name: &str) {
    if let Some(etcd) = facts.host_mut(&host(name)).and_then(|facts| facts.etcd.as_mut()) {
        etcd.health = Observed::Known(Err("no answer within 2 s: no quorum".to_owned()));
    }
}

/// A member that stopped on a host that answers.
pub fn stop_etcd(facts: &mut Facts, name: &str) {
    let Some(reached) = facts.host_mut(&host(name)) else { return };
    reached.units.insert(UNIT.to_owned(), Some(UnitState::default()));
    if let Some(etcd) = &mut reached.etcd {
        etcd.running = Observed::Known(None);
        etcd.peers = Observed::Known(None);
        etcd.status = Observed::Known(None);
        etcd.health = Observed::Known(Err("connection refused".to_owned()));
        etcd.members = Observed::Unknown("connection refused".to_owned());
    }
}

fn well_host(inventory: &Inventory, name: &HostName) -> HostFacts {
    let mut facts = HostFacts {
        system: System {
            os: "debian".into(),
            os_version: "12".into(),
            arch: Some(Arch::Amd64),
            ..System::default()
        },
        ..HostFacts::default()
    };
    let id = |number: usize| format!("{:016x}", 0xa0 + number);
    if let Some(number) = inventory.etcd.hosts.iter().position(|member| member == name) {
        let members = inventory.etcd.hosts.iter().enumerate().map(|(number, member)| Member {
            id: id(number),
            name: member.to_string(),
            peer_urls: vec![format!("http://{}:2380", inventory.address(member))],
            learner: false,
        });
        facts.manifest.insert(CLUSTER_ID.to_owned(), "7f3ac10b5e1d2a44".to_owned());
        let running = UnitState { active: Active::Active, ..UnitState::default() };
        facts.units.insert(UNIT.to_owned(), Some(running));
        facts.etcd = Some(EtcdFacts {
            wal: true,
            entries: vec!["member".to_owned()],
            running: Observed::Known(Some(RunningEtcd::default())),
            status: Observed::Known(Some(EtcdStatus {
                cluster_id: "7f3ac10b5e1d2a44".into(),
                member_id: id(number),
                leader: Some(id(0)),
                version: inventory.etcd.version.clone(),
                db_bytes: 20_480,
                raft_index: 12,
                raft_term: 2,
                ..EtcdStatus::default()
            })),
            health: Observed::Known(Ok(())),
            members: Observed::Known(members.collect()),
            ..EtcdFacts::default()
        });
    }
    if inventory.questdb.as_ref().is_some_and(|questdb| questdb.host == *name) {
        facts.questdb = Some(QuestdbFacts {
            healthy: Observed::Known(true),
            login: Observed::Known(true),
            has_data: true,
            ..QuestdbFacts::default()
        });
        let unit = "[Service]\nExecStart=/opt/kuboard-ha/questdb/6.6.1-no-jre-0123abcd/bin/java\n";
        facts.files.insert("/etc/systemd/system/questdb.service".to_owned(), written(unit));
    }
    if inventory.kuboard.hosts.contains(name) {
        facts.kuboard = Some(KuboardFacts {
            web: Observed::Known(true),
            agent: Observed::Known(true),
            etcd: inventory.etcd.hosts.iter().map(|member| (member.clone(), true)).collect(),
            questdb: Some(true),
        });
        let container = ContainerFact {
            running: true,
            image: inventory.kuboard.image.clone(),
            ..ContainerFact::default()
        };
        facts.docker = Observed::Known(Some(Docker {
            version: Some("20.10.24".into()),
            containers: BTreeMap::from([("kuboard".to_owned(), container)]),
            ..Docker::default()
        }));
    }
    if let Some(balancer) = &inventory.load_balancer
        && let Some(number) = balancer.hosts.iter().position(|host| host == name)
    {
        facts.balancer = Some(BalancerFacts {
            neighbour: None,
            holds_address: number == 0,
            interface: Some("eth0".into()),
            healthy: Observed::Known(true),
            answers: Observed::Known(true),
            ..BalancerFacts::default()
        });
    }
    facts
}

/// A file that we wrote.
pub fn written(text: &str) -> Observed<Option<FileFact>> {
    Observed::Known(Some(FileFact {
        state: FileState::Ours { recorded: ContentKey::of_text(text), intact: true },
        mode: 0o644,
        owner: "root:root".to_owned(),
        text: Some(text.to_owned()),
    }))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn inventory(hosts: &[(&str, &str)], etcd: &[&str], questdb: &str, kuboard: &[&str]) -> Inventory {
    let all = |names: &[&str]| names.iter().map(|name| host(name)).collect::<Vec<_>>();
    Inventory {
        cluster: "kuboard".into(),
        hosts: hosts.iter().map(|(name, ip)| (host(name), machine(ip))).collect(),
        etcd: Etcd {
            hosts: all(etcd),
            version: "3.5.6".into(),
            data_dir: "/var/lib/etcd".into(),
            client_port: 2379,
            peer_port: 2380,
            heartbeat_interval: Duration::from_millis(250),
            election_timeout: Duration::from_secs(5),
            settings: BTreeMap::new(),
            download: None,
        },
        questdb: Some(Questdb {
            host: host(questdb),
            version: "6.6.1".into(),
            flavour: QuestdbFlavour::NoJre,
            data_dir: "/var/lib/questdb".into(),
            heap: 1 << 30,
            password: None,
            download: None,
        }),
        kuboard: Kuboard {
            hosts: all(kuboard),
            url: "http://10.99.16.20".into(),
            image: "eipwork/kuboard:v3.5.2.9".into(),
            registry: None,
            image_archive: None,
            http_port: 80,
            agent_port: 10081,
            data_dir: "/var/lib/kuboard".into(),
            audit: true,
            admin_password: None,
            env: BTreeMap::new(),
            docker: Packages::Install,
        },
        load_balancer: None,
        transfer: Transfer::Push,
        firewall: Firewall::Check,
    }
}

fn machine(ip: &str) -> Host {
    Host {
        address: address(ip),
        agent_address: ip.into(),
        interface: None,
        ssh: Ssh {
            host: ip.into(),
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
