//! What lands on balancer hosts, as golden files. `UPDATE_GOLDEN=1 cargo test --test golden_balancer` writes them anew.
//! Where HAProxy and Keepalived are installed, the files are also given to the programs' own checkers.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests may fail and speak")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kuboard_ha::facts::model::{Address, Facts, HostFacts, HostState, Observed};
use kuboard_ha::facts::service::BalancerFacts;
use kuboard_ha::inventory::Inventory;
use kuboard_ha::inventory::model::{
    Etcd, Firewall, Host, HostKeys, Kuboard, LoadBalancer, Packages, SecretSource, Ssh, Tls, Transfer,
};
use kuboard_ha::plan::draft::Draft;
use kuboard_ha::plan::model::Action;
use kuboard_ha::resource::{Content, HostName, Part};
use kuboard_ha::secret::{Fingerprint, SecretId};
use kuboard_ha::services::load_balancer;

fn name(text: &str) -> HostName {
    HostName::new(text)
}

fn host(address: &str) -> Host {
    Host {
        address: address.parse().unwrap(),
        agent_address: address.to_owned(),
        interface: None,
        ssh: Ssh {
            host: address.to_owned(),
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

fn inventory(network: &str, balancers: &[&str]) -> Inventory {
    let hosts = [("lb-1", "18"), ("lb-2", "19"), ("kuboard-1", "21"), ("kuboard-2", "22")];
    Inventory {
        cluster: "kuboard".to_owned(),
        hosts: hosts
            .iter()
            .map(|(host_name, last)| (name(host_name), host(&format!("{network}{last}"))))
            .collect(),
        etcd: Etcd {
            hosts: vec![name("kuboard-1")],
            version: "3.5.6".to_owned(),
            data_dir: "/var/lib/etcd".to_owned(),
            client_port: 2379,
            peer_port: 2380,
            heartbeat_interval: Duration::from_millis(250),
            election_timeout: Duration::from_secs(5),
            settings: BTreeMap::new(),
            download: None,
        },
        questdb: None,
        kuboard: Kuboard {
            hosts: vec![name("kuboard-1"), name("kuboard-2")],
            url: format!("http://{network}20"),
            image: "eipwork/kuboard:v3.5.2.9".to_owned(),
            registry: None,
            image_archive: None,
            http_port: 80,
            agent_port: 10081,
            data_dir: "/var/lib/kuboard".to_owned(),
            audit: false,
            admin_password: None,
            env: BTreeMap::new(),
            docker: Packages::Install,
        },
        load_balancer: Some(LoadBalancer {
            address: format!("{network}20").parse().unwrap(),
            port: 80,
            hosts: balancers.iter().map(|balancer| name(balancer)).collect(),
            tls: None,
            virtual_router_id: 51,
            packages: Packages::Install,
        }),
        transfer: Transfer::Push,
        firewall: Firewall::Check,
    }
}

fn with_tls(mut inventory: Inventory) -> Inventory {
    "https://kuboard.example.com".clone_into(&mut inventory.kuboard.url);
    if let Some(balancer) = &mut inventory.load_balancer {
        balancer.tls = Some(Tls {
            certificate: PathBuf::from("chain.pem"),
            certificate_pem: "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n".to_owned(),
            key: SecretSource::File(PathBuf::from("key.pem")),
        });
    }
    inventory
}

fn facts(inventory: &Inventory, prefix: u8) -> Facts {
    let hosts = inventory
        .hosts
        .iter()
        .map(|(host, wanted)| {
            let addresses = vec![Address { interface: "eth0".to_owned(), ip: wanted.address, prefix }];
            let balancer = inventory.load_balancer.as_ref().is_some_and(|b| b.hosts.contains(host));
            let seen = BalancerFacts {
                healthy: Observed::Known(false),
                answers: Observed::Known(false),
                adverts: Observed::Known(Vec::new()),
                ..BalancerFacts::default()
            };
            let facts = HostFacts { addresses, balancer: balancer.then_some(seen), ..HostFacts::default() };
            (host.clone(), HostState::Reached(Box::new(facts)))
        })
        .collect();
    let key = SecretId::new(SecretId::TLS_KEY);
    let tls = inventory.load_balancer.as_ref().is_some_and(|balancer| balancer.tls.is_some());
    let supplied = tls.then(|| (key, Fingerprint::observed("key"))).into_iter().collect();
    Facts { hosts, supplied, ..Facts::default() }
}

/// The contents that a plan writes on a host, by path.
fn files(inventory: &Inventory, prefix: u8, host: &str) -> BTreeMap<String, Content> {
    let facts = facts(inventory, prefix);
    let mut draft = Draft::new(inventory, &facts);
    load_balancer::plan(&mut draft);
    let (_, jobs, findings) = draft.into_parts();
    assert!(findings.is_empty(), "{findings:?}");
    jobs.into_iter()
        .filter(|job| job.host == name(host))
        .flat_map(|job| job.steps)
        .filter_map(|step| match step.action {
            Action::WriteFile { path, content, .. } => Some((path, content)),
            _ => None,
        })
        .collect()
}

fn golden(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, text, "{} differs; UPDATE_GOLDEN=1 writes it anew", path.display());
}

const CFG: &str = "/etc/haproxy/haproxy.cfg";
const CONF: &str = "/etc/keepalived/keepalived.conf";
const SCRIPT: &str = "/usr/libexec/keepalived/kuboard-ha-haproxy-answers";
const PEM: &str = "/etc/haproxy/kuboard-ha.pem";

#[test]
fn haproxy_is_as_kept() {
    let plain = files(&inventory("10.99.16.", &["lb-1", "lb-2"]), 24, "lb-1");
    golden("haproxy/haproxy.cfg", &plain[CFG].masked());
    let tls = files(&with_tls(inventory("10.99.16.", &["lb-1", "lb-2"])), 24, "lb-1");
    golden("haproxy/haproxy-tls.cfg", &tls[CFG].masked());
    golden("haproxy/kuboard-ha.pem", &tls[PEM].masked());
    assert!(matches!(&tls[PEM].0[0], Part::Secret { id, .. } if id.as_str() == "tls-key"));
    let six = files(&inventory("fd00::", &["lb-1", "lb-2"]), 64, "lb-1");
    golden("haproxy/haproxy-ipv6.cfg", &six[CFG].masked());
}

#[test]
fn keepalived_is_as_kept() {
    let wanted = inventory("10.99.16.", &["lb-1", "lb-2"]);
    golden("keepalived/lb-1.conf", &files(&wanted, 24, "lb-1")[CONF].masked());
    golden("keepalived/lb-2.conf", &files(&wanted, 24, "lb-2")[CONF].masked());
    golden("keepalived/haproxy-answers", &files(&wanted, 24, "lb-2")[SCRIPT].masked());
    let alone = inventory("10.99.16.", &["lb-1"]);
    golden("keepalived/alone.conf", &files(&alone, 24, "lb-1")[CONF].masked());
    let six = inventory("fd00::", &["lb-1", "lb-2"]);
    golden("keepalived/ipv6.conf", &files(&six, 64, "lb-1")[CONF].masked());
}

#[test]
fn the_users_own_balancer_is_as_kept() {
    let wanted = inventory("10.99.16.", &[]);
    golden("haproxy/external.txt", &load_balancer::external_configuration(&wanted));
}

/// Whether a program is there; a machine without it says so aloud.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("-v").output().is_ok();
    if !found {
        println!("NOT CHECKED: {program} is not installed; apt-get install {program}");
        assert!(std::env::var_os("CI").is_none(), "{program} is missing; CI skips nothing");
    }
    found
}

#[test]
fn haproxy_takes_its_configuration() {
    if !has("haproxy") {
        return;
    }
    for kept in ["haproxy.cfg", "haproxy-ipv6.cfg"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/haproxy").join(kept);
        let output = Command::new("haproxy").arg("-c").arg("-f").arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains("WARNING"), "{kept}: {said}");
    }
}

/// An interface whose flags hold `IFF_MULTICAST`, not loopback.
fn multicast_interface() -> Option<String> {
    let interfaces = fs::read_dir("/sys/class/net").ok()?;
    interfaces.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).find(|interface| {
        let flags = fs::read_to_string(format!("/sys/class/net/{interface}/flags")).unwrap_or_default();
        let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).unwrap_or(0);
        flags & 0x1000 != 0 && interface != "lo"
    })
}

#[test]
fn keepalived_takes_its_configuration() {
    if !has("keepalived") {
        return;
    }
    let Some(interface) = multicast_interface() else {
        println!("NOT CHECKED: this machine has no network interface that VRRP could use");
        return;
    };
    for kept in ["lb-1.conf", "lb-2.conf", "alone.conf", "ipv6.conf"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/keepalived").join(kept);
        let text = fs::read_to_string(path).unwrap();
        // The checker wants the interface and the script to be there.
        let folder = tempfile::tempdir().unwrap();
        let conf = folder.path().join("keepalived.conf");
        fs::write(&conf, text.replace("eth0", &interface).replace(SCRIPT, "/bin/true")).unwrap();
        let output = Command::new("keepalived").arg("-t").arg("-f").arg(&conf).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(said.is_empty(), "{kept}: {}", String::from_utf8_lossy(&said));
    }
}
