//! Tables for the preflight: one change to good hosts, and what is said of it.

use std::collections::BTreeSet;

use super::{TOOLS, preflight};
use crate::facts::model::{
    ContainerFact, Docker, Facts, FileFact, FileState, FirewallFact, HostFacts, HostState, Listener, Mount,
    Observed, UnitState,
};
use crate::inventory::Inventory;
use crate::inventory::model::Firewall;
use crate::plan::lint::breakable;
use crate::plan::model::{Finding, Severity};
use crate::resource::{Arch, HostName, Sha256Digest};
use crate::services::load_balancer::tests::{bare, host, name, sample};

/// Hosts on which everything is as it should be.
fn good(inventory: &Inventory) -> Facts {
    let mut facts = bare(inventory);
    for (host, state) in &mut facts.hosts {
        let HostState::Reached(seen) = state else { continue };
        let system = &mut seen.system;
        "debian".clone_into(&mut system.os);
        "12".clone_into(&mut system.os_version);
        system.arch = Some(Arch::Amd64);
        system.systemd = Some(252);
        system.memory = 8 << 30;
        system.root = true;
        system.package_manager = Some("apt-get".to_owned());
        system.tools = TOOLS.iter().map(|(tool, _)| (*tool).to_owned()).collect();
        let mount =
            Mount { point: "/".to_owned(), kind: "ext4".to_owned(), free: 100 << 30, ..Mount::default() };
        seen.mounts = super::paths(inventory, host).into_iter().map(|path| (path, mount.clone())).collect();
    }
    facts
}

/// Something is to be done on every host.
fn everywhere(inventory: &Inventory) -> BTreeSet<HostName> {
    inventory.hosts.keys().cloned().collect()
}

fn seen<'f>(facts: &'f mut Facts, host: &str) -> &'f mut HostFacts {
    facts.host_mut(&name(host)).unwrap()
}

/// What is said beyond notes: `Blocked disk.full etcd1`.
fn said(inventory: &Inventory, facts: &Facts) -> Vec<String> {
    grave(inventory, facts)
        .into_iter()
        .map(|finding| {
            let host = finding.host.as_ref().map_or("", HostName::as_str);
            format!("{:?} {} {host}", finding.severity, finding.code).trim_end().to_owned()
        })
        .collect()
}

fn grave(inventory: &Inventory, facts: &Facts) -> Vec<Finding> {
    let all = preflight(inventory, facts, &everywhere(inventory));
    all.into_iter().filter(|finding| finding.severity != Severity::Note).collect()
}

/// What one change of one host brings.
fn changed(host: &str, change: impl FnOnce(&mut HostFacts)) -> Vec<String> {
    let inventory = sample();
    let mut facts = good(&inventory);
    change(seen(&mut facts, host));
    said(&inventory, &facts)
}

fn listener(ip: &str, port: u16, process: Option<&str>) -> Listener {
    Listener { ip: ip.parse().unwrap(), port, process: process.map(str::to_owned) }
}

fn recorded(seen: &mut HostFacts, path: &str) {
    seen.manifest.insert(format!("file {path}"), "KEY SUM".to_owned());
}

#[test]
fn good_hosts_are_only_told_the_notes() {
    let inventory = sample();
    let codes: Vec<String> = preflight(&inventory, &good(&inventory), &everywhere(&inventory))
        .into_iter()
        .map(|finding| finding.code)
        .collect();
    assert_eq!(codes, ["etcd.exposed", "kuboard.licence"]);
}

#[test]
fn every_grave_finding_has_a_way_out() {
    let inventory = sample();
    let mut facts = bare(&inventory);
    facts.hosts.insert(name("etcd3"), HostState::unreachable("timed out"));
    let all = grave(&inventory, &facts);
    assert!(all.len() > 20);
    for finding in all {
        assert!(finding.hint.as_deref().is_some_and(|hint| !hint.is_empty()), "{finding:?}");
    }
}

#[test]
fn the_machine() {
    assert_eq!(changed("etcd1", |seen| seen.system.systemd = None), ["Blocked host.no-systemd etcd1"]);
    assert_eq!(changed("etcd1", |seen| seen.system.root = false), ["Blocked host.not-root etcd1"]);
    assert_eq!(changed("etcd1", |seen| seen.system.arch = None), ["Blocked host.architecture etcd1"]);
    // HAProxy and Keepalived come from the distribution, whatever the processor.
    assert_eq!(changed("lb-1", |seen| seen.system.arch = None), Vec::<String>::new());
    assert_eq!(
        changed("lb-1", |seen| seen.system.package_manager = None),
        ["Warning host.no-package-manager lb-1"]
    );
    assert_eq!(changed("etcd1", |seen| seen.addresses.clear()), ["Unknown host.addresses-unseen etcd1"]);
    assert_eq!(
        changed("etcd1", |seen| seen.addresses[0].ip = "10.99.16.99".parse().unwrap()),
        ["Blocked host.address-missing etcd1"]
    );
    assert_eq!(
        changed("lb-1", |seen| seen.system.selinux = Some("Enforcing".to_owned())),
        ["Warning selinux.haproxy lb-1"]
    );
}

#[test]
fn systems() {
    for (os, version, like, expected) in [
        ("debian", "12", "", None),
        ("debian", "11", "", Some(Severity::Note)),
        ("debian", "13", "", Some(Severity::Note)),
        ("debian", "10", "", Some(Severity::Warning)),
        ("ubuntu", "22.04", "debian", Some(Severity::Note)),
        ("ubuntu", "18.04", "debian", Some(Severity::Warning)),
        ("rhel", "8.9", "fedora", Some(Severity::Note)),
        ("rocky", "9.3", "rhel centos fedora", Some(Severity::Note)),
        ("centos", "7", "rhel fedora", Some(Severity::Warning)),
        ("openEuler", "22.03", "", Some(Severity::Note)),
        ("arch", "", "", Some(Severity::Warning)),
        ("", "", "", Some(Severity::Warning)),
    ] {
        let inventory = sample();
        let mut facts = good(&inventory);
        let system = &mut seen(&mut facts, "etcd1").system;
        os.clone_into(&mut system.os);
        version.clone_into(&mut system.os_version);
        system.os_like = like.split_whitespace().map(str::to_owned).collect();
        let found = preflight(&inventory, &facts, &everywhere(&inventory))
            .into_iter()
            .find(|finding| finding.code == "host.system");
        assert_eq!(found.map(|finding| finding.severity), expected, "{os} {version}");
    }
}

#[test]
fn missing_tools_are_named_with_their_packages() {
    let inventory = sample();
    let mut facts = good(&inventory);
    let system = &mut seen(&mut facts, "etcd1").system;
    for tool in ["timeout", "sha256sum", "flock"] {
        system.tools.remove(tool);
    }
    system.package_manager = Some("dnf".to_owned());
    let found = grave(&inventory, &facts);
    assert_eq!((found.len(), found[0].code.as_str()), (1, "host.tools-missing"));
    assert_eq!(found[0].hint.as_deref(), Some("install them there:\n  dnf install coreutils util-linux"));
}

#[test]
fn memory_is_held_against_the_heap() {
    assert_eq!(changed("questdb", |seen| seen.system.memory = 1 << 30), ["Blocked host.memory questdb"]);
    assert_eq!(changed("etcd1", |seen| seen.system.memory = 128 << 20), ["Warning host.memory etcd1"]);
    assert_eq!(changed("etcd1", |seen| seen.system.memory = 0), Vec::<String>::new());
}

/// Host, change of each of its file systems, what is said.
type DiskCase<'t> = (&'t str, &'t dyn Fn(&mut Mount), &'t [&'t str]);

#[test]
fn disks() {
    let all = |seen: &mut HostFacts, change: &dyn Fn(&mut Mount)| seen.mounts.values_mut().for_each(change);
    let cases: [DiskCase<'_>; 9] = [
        ("etcd1", &|mount| mount.free = 100 << 20, &["Blocked disk.full etcd1"]),
        ("etcd1", &|mount| mount.free = 5 << 30, &["Warning disk.low etcd1"]),
        ("lb-1", &|mount| mount.free = 1 << 30, &[]),
        ("etcd1", &|mount| mount.free_inodes = Some(10), &["Blocked disk.inodes etcd1"]),
        ("etcd1", &|mount| mount.free_inodes = Some(1 << 20), &[]),
        (
            "etcd1",
            &|mount| mount.options = BTreeSet::from(["noexec".to_owned()]),
            &["Blocked disk.noexec etcd1"],
        ),
        ("lb-1", &|mount| mount.options = BTreeSet::from(["noexec".to_owned()]), &[]),
        ("etcd1", &|mount| "nfs4".clone_into(&mut mount.kind), &["Warning disk.network etcd1"]),
        ("etcd1", &|mount| "tmpfs".clone_into(&mut mount.kind), &["Blocked disk.memory etcd1"]),
    ];
    for (host, change, expected) in cases {
        assert_eq!(changed(host, |seen| all(seen, change)), expected);
    }
    // QuestDB loads its library from its data directory.
    let noexec = changed("questdb", |seen| {
        seen.mounts.get_mut("/var/lib/questdb").unwrap().options.insert("noexec".to_owned());
    });
    assert_eq!(noexec, ["Blocked disk.noexec questdb"]);
    // What is set up already only needs room to go on.
    let set_up = changed("etcd1", |seen| {
        all(seen, &|mount| mount.free = 300 << 20);
        recorded(seen, "/etc/etcd.env");
    });
    assert_eq!(set_up, ["Warning disk.low etcd1"]);
}

#[test]
fn ports() {
    let taken = |host: &str, ip: &str, port, process: Option<&str>| {
        changed(host, |seen| seen.listeners.push(listener(ip, port, process)))
    };
    assert_eq!(taken("etcd1", "0.0.0.0", 2379, Some("nginx (812)")), ["Blocked port.taken etcd1"]);
    assert_eq!(taken("etcd1", "10.99.16.11", 2380, None), ["Blocked port.taken etcd1"]);
    assert_eq!(taken("etcd1", "192.168.0.1", 2380, Some("nginx (812)")), Vec::<String>::new());
    assert_eq!(taken("kuboard-1", "::", 10081, Some("frps (9)")), ["Blocked port.taken kuboard-1"]);
    assert_eq!(taken("lb-1", "10.99.16.20", 80, Some("nginx (1)")), ["Blocked port.taken lb-1"]);
    assert_eq!(taken("lb-1", "127.0.0.1", 8404, Some("haproxy (1)")), ["Blocked port.taken lb-1"]);
    // A replica on the balancer's own address does not meet the floating one.
    assert_eq!(taken("lb-1", "10.99.16.18", 80, Some("docker-proxy (1)")), Vec::<String>::new());
    assert_eq!(taken("etcd1", "0.0.0.0", 8812, Some("java (1)")), Vec::<String>::new());
}

#[test]
fn our_own_services_may_have_their_ports() {
    let own = changed("etcd1", |seen| {
        seen.listeners.push(listener("10.99.16.11", 2379, Some("etcd (7)")));
        seen.listeners.push(listener("10.99.16.11", 2380, None));
        recorded(seen, "/etc/etcd.env");
    });
    assert_eq!(own, Vec::<String>::new());
    let other = changed("etcd1", |seen| {
        seen.listeners.push(listener("10.99.16.11", 2379, Some("nginx (7)")));
        recorded(seen, "/etc/etcd.env");
    });
    assert_eq!(other, ["Blocked port.taken etcd1"]);
    let container = |config: Option<&str>| {
        changed("kuboard-1", |seen| {
            seen.listeners.push(listener("10.99.16.21", 80, Some("docker-proxy (7)")));
            let fact = ContainerFact { config: config.map(str::to_owned), ..ContainerFact::default() };
            let containers = [("kuboard".to_owned(), fact)].into();
            seen.docker = Observed::Known(Some(Docker { containers, ..Docker::default() }));
        })
    };
    assert_eq!(container(Some("label")), Vec::<String>::new());
    assert_eq!(container(None), ["Blocked port.taken kuboard-1"]);
}

#[test]
fn clocks() {
    let ahead = |host: &str, milliseconds| changed(host, |seen| seen.system.clock_offset = milliseconds);
    assert_eq!(ahead("etcd1", 400), Vec::<String>::new());
    assert_eq!(ahead("etcd1", -700), ["Warning host.clock etcd1"]);
    assert_eq!(ahead("kuboard-2", 90_000), ["Blocked host.clock kuboard-2"]);
    assert_eq!(ahead("lb-1", 90_000), Vec::<String>::new());
    let serving = changed("etcd1", |seen| {
        seen.system.clock_offset = 90_000;
        recorded(seen, "/etc/etcd.env");
    });
    assert_eq!(serving, ["Warning host.clock etcd1"]);
}

fn filter(kind: &str) -> FirewallFact {
    FirewallFact { kind: kind.to_owned(), drops: true, ..FirewallFact::default() }
}

/// The hint about the firewall on a host, if there is one.
fn opening(inventory: &Inventory, host: &str, filter: FirewallFact) -> Option<String> {
    let mut facts = good(inventory);
    seen(&mut facts, host).firewall = Observed::Known(Some(filter));
    let found = grave(inventory, &facts);
    let hint = found.into_iter().find(|finding| finding.code == "firewall.ports")?.hint;
    assert!(hint.iter().all(|hint| breakable(hint).is_empty()), "{hint:?}");
    hint
}

#[test]
fn a_firewall_is_opened_by_its_own_commands() {
    let hint = |host: &str, kind: &str| opening(&sample(), host, filter(kind)).unwrap();
    assert_eq!(
        hint("etcd1", "ufw"),
        "on etcd1:\n  ufw allow from 10.99.16.12 to any port 2379 proto tcp\n  ufw allow from 10.99.16.13 to any port \
         2379 proto tcp\n  ufw allow from 10.99.16.21 to any port 2379 proto tcp\n  ufw allow from 10.99.16.22 to any \
         port 2379 proto tcp\n  ufw allow from 10.99.16.12 to any port 2380 proto tcp\n  ufw allow from 10.99.16.13 to \
         any port 2380 proto tcp\nor set firewall: off in the inventory, if you know better"
    );
    assert!(hint("questdb", "firewalld").contains(
        "firewall-cmd --permanent --add-rich-rule='rule family=\"ipv4\" source address=\"10.99.16.21\" port \
         port=\"8812\" protocol=\"tcp\" accept'"
    ));
    assert!(hint("lb-1", "firewalld").contains("--add-port=80/tcp"));
    assert!(
        hint("lb-1", "firewalld")
            .contains("rule protocol value=\"vrrp\" accept'\n  firewall-cmd --reload\nor")
    );
    let nft = FirewallFact { chain: "inet filter input".to_owned(), ..filter("nftables") };
    let nft = opening(&sample(), "lb-1", nft).unwrap();
    assert!(nft.contains("nft insert rule inet filter input tcp dport 80 accept"));
    assert!(
        nft.contains("nft insert rule inet filter input ip saddr '{ 10.99.16.19 }' meta l4proto 112 accept")
    );
    assert!(nft.contains("\nand put the same rules into /etc/nftables.conf; or set firewall: off"), "{nft}");
    // Docker takes what is for containers past it.
    assert_eq!(opening(&sample(), "kuboard-1", filter("ufw")), None);
}

#[test]
fn what_a_firewall_lets_in_is_not_asked_for() {
    let open = |change: &dyn Fn(&mut FirewallFact)| {
        let mut filter = filter("ufw");
        change(&mut filter);
        opening(&sample(), "etcd1", filter)
    };
    assert_eq!(open(&|filter| filter.allowed.extend([2379, 2380])), None);
    assert_eq!(open(&|filter| filter.trusted.extend(["10.99.16.0/24".to_owned()])), None);
    assert_eq!(open(&|filter| filter.drops = false), None);
    let some = open(&|filter| {
        filter.allowed.insert(2380);
        let known = ["10.99.16.21/32", "10.99.16.12", "10.99.16.13"].map(str::to_owned);
        filter.from.entry(2379).or_default().extend(known);
    });
    assert!(
        some.unwrap()
            .starts_with("on etcd1:\n  ufw allow from 10.99.16.22 to any port 2379 proto tcp\nor set")
    );
    let mut off = sample();
    off.firewall = Firewall::Off;
    assert_eq!(opening(&off, "etcd1", filter("ufw")), None);
}

#[test]
fn a_replica_beside_etcd_comes_from_the_bridge() {
    let mut inventory = sample();
    inventory.kuboard.hosts = vec![name("etcd1")];
    inventory.etcd.hosts = vec![name("etcd1")];
    let hint = opening(&inventory, "etcd1", FirewallFact { allowed: [2380].into(), ..filter("ufw") });
    assert!(
        hint.unwrap().starts_with("on etcd1:\n  ufw allow from 172.17.0.0/16 to any port 2379 proto tcp\nor")
    );
    let docker_zone = FirewallFact { allowed: [2380].into(), ..filter("firewalld") };
    assert_eq!(opening(&inventory, "etcd1", docker_zone), None);
}

#[test]
fn somebody_elses_services_and_clusters() {
    let unit = |fragment: &str| {
        changed("etcd1", |seen| {
            let state = UnitState { fragment: fragment.to_owned(), ..UnitState::default() };
            seen.units.insert("etcd.service".to_owned(), Some(state));
        })
    };
    assert_eq!(unit("/lib/systemd/system/etcd.service"), ["Blocked unit.foreign etcd1"]);
    assert_eq!(unit("/etc/systemd/system/etcd.service"), Vec::<String>::new());
    let other = |stands: bool| {
        changed("etcd1", |seen| {
            seen.clusters = ["kuboard", "elder"].map(str::to_owned).into();
            if stands {
                let state = FileState::Foreign(Sha256Digest::of(b"x"));
                let file = FileFact { state, mode: 0o640, owner: "root:etcd".to_owned(), text: None };
                seen.files.insert("/etc/etcd.env".to_owned(), Observed::Known(Some(file)));
            }
        })
    };
    assert_eq!(other(true), ["Blocked host.other-cluster etcd1"]);
    assert_eq!(other(false), Vec::<String>::new());
}

#[test]
fn hosts_not_reached_or_without_a_role_are_not_judged() {
    let mut inventory = sample();
    let mut facts = good(&inventory);
    facts.hosts.insert(name("etcd2"), HostState::unreachable("connection timed out"));
    inventory.hosts.insert(name("spare"), host("10.99.16.50"));
    facts.hosts.insert(name("spare"), HostState::Reached(Box::default()));
    assert_eq!(said(&inventory, &facts), Vec::<String>::new());
}
