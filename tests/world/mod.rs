//! A model world for tests without hosts: bare machines, what the effects of plans make of them, and machines on which
//! plans come true or fail.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod etcd;
pub mod events;
pub mod hurt;
mod look;
pub mod machines;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use kuboard_ha::facts::model::{
    Active, Address, DirectoryFact, Docker, Facts, HostFacts, HostState, Mount, Observed, System, UnitState,
};
use kuboard_ha::facts::service::{BalancerFacts, EtcdFacts, KuboardFacts, QuestdbFacts};
use kuboard_ha::inventory::Inventory;
use kuboard_ha::inventory::model::Packages;
use kuboard_ha::plan::effects::effects;
use kuboard_ha::plan::model::{Planning, Severity};
use kuboard_ha::resource::{Arch, HostName};
use kuboard_ha::secret::{Fingerprint, SecretId};
use kuboard_ha::services;

/// The inventory in a file; every problem is the test's failure.
pub fn inventory(path: &Path) -> Inventory {
    changed_inventory(path, &serde_json::Value::Null)
}

/// The inventory in a file with a merge patch on it.
pub fn changed_inventory(path: &Path, change: &serde_json::Value) -> Inventory {
    let mut text = std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    if !change.is_null() {
        let mut tree: serde_json::Value =
            serde_saphyr::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        merge(&mut tree, change);
        text = tree.to_string(); // JSON is YAML
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|why| why.to_string());
    kuboard_ha::inventory::load(&text, &kuboard_ha::inventory::Context { folder, home: None, read: &read })
        .unwrap_or_else(|problems| panic!("{}: {problems:#?}", path.display()))
        .inventory
}

/// Freshly installed Debian 12 machines that answer, with a Docker package within reach and nothing else but what
/// the inventory says is there: the engine, HAProxy and Keepalived.
pub fn bare(inventory: &Inventory) -> Facts {
    let hosts = inventory
        .hosts
        .keys()
        .map(|name| (name.clone(), HostState::Reached(Box::new(bare_host(inventory, name)))))
        .collect();
    let supplied = inventory
        .supplied_secrets()
        .keys()
        .map(|id: &SecretId| (id.clone(), Fingerprint::observed("5a5a5a5a5a5a5a5a")))
        .collect();
    Facts { hosts, supplied, without: BTreeSet::new() }
}

fn bare_host(inventory: &Inventory, name: &HostName) -> HostFacts {
    let looks = services::looks(inventory, name);
    let disk = Mount {
        point: "/".to_owned(),
        uuid: Some("b0071e55-0000-4000-8000-000000000001".to_owned()),
        kind: "ext4".to_owned(),
        options: BTreeSet::from(["rw".to_owned(), "relatime".to_owned()]),
        free: 50 << 30,
        free_inodes: Some(1_000_000),
    };
    let serves = |hosts: &[HostName]| hosts.contains(name);
    let engine = inventory.kuboard.docker == Packages::Present && serves(&inventory.kuboard.hosts);
    let present = inventory
        .load_balancer
        .as_ref()
        .is_some_and(|balancer| balancer.packages == Packages::Present && serves(&balancer.hosts));
    HostFacts {
        system: System {
            os: "debian".to_owned(),
            os_version: "12".to_owned(),
            machine: "x86_64".to_owned(),
            arch: Some(Arch::Amd64),
            systemd: Some(252),
            kernel: "6.1.0".to_owned(),
            memory: 4 << 30,
            root: true,
            package_manager: Some("apt-get".to_owned()),
            tools: ["bash", "tar", "gzip", "sha256sum", "timeout", "flock", "ip", "ss", "findmnt"]
                .map(str::to_owned)
                .into(),
            ..System::default()
        },
        addresses: vec![Address { interface: "eth0".to_owned(), ip: inventory.address(name), prefix: 24 }],
        mounts: looks.paths.iter().map(|path| (path.clone(), disk.clone())).collect(),
        packages: looks
            .packages
            .iter()
            .map(|package| {
                let there = present && ["haproxy", "keepalived"].contains(&package.as_str());
                (package.clone(), there.then(|| "1".to_owned()))
            })
            .collect(),
        files: looks.files.keys().map(|path| (path.clone(), Observed::Known(None))).collect(),
        links: looks.links.iter().map(|path| (path.clone(), None)).collect(),
        directories: looks.directories.iter().map(|path| (path.clone(), None::<DirectoryFact>)).collect(),
        installs: looks.installs.iter().map(|path| (path.clone(), None)).collect(),
        users: looks.users.iter().map(|user| (user.clone(), false)).collect(),
        units: looks
            .units
            .keys()
            .map(|unit| {
                let state = UnitState { active: Active::Active, enabled: true, ..UnitState::default() };
                (unit.clone(), (engine && unit == "docker.service").then_some(state))
            })
            .collect(),
        sysctls: looks.sysctls.iter().map(|name| (name.clone(), "0".to_owned())).collect(),
        docker: Observed::Known(
            engine.then(|| Docker { version: Some("20.10.24+dfsg1".to_owned()), ..Docker::default() }),
        ),
        firewall: Observed::Known(None),
        etcd: serves(&inventory.etcd.hosts).then(|| EtcdFacts {
            running: Observed::Known(None),
            peers: Observed::Known(None),
            status: Observed::Known(None),
            health: Observed::Known(Err("nothing listens on 2379".to_owned())),
            members: Observed::Unknown("nothing listens on 2379".to_owned()),
            ..EtcdFacts::default()
        }),
        questdb: inventory.questdb.as_ref().is_some_and(|questdb| questdb.host == *name).then(|| {
            QuestdbFacts {
                healthy: Observed::Known(false),
                login: Observed::Known(false),
                ..QuestdbFacts::default()
            }
        }),
        kuboard: serves(&inventory.kuboard.hosts).then(|| KuboardFacts {
            web: Observed::Known(false),
            agent: Observed::Known(false),
            ..KuboardFacts::default()
        }),
        balancer: inventory.load_balancer.as_ref().filter(|balancer| serves(&balancer.hosts)).map(|_| {
            BalancerFacts {
                healthy: Observed::Known(false),
                answers: Observed::Known(false),
                interface: Some("eth0".to_owned()),
                adverts: Observed::Known(Vec::new()),
                ..BalancerFacts::default()
            }
        }),
        ..HostFacts::default()
    }
}

/// What the facts become when every step of the plan has run.
pub fn after(inventory: &Inventory, mut facts: Facts, planning: &Planning) -> Facts {
    for job in &planning.plan.jobs {
        for step in &job.steps {
            effects(step, &job.host, inventory, &mut facts);
        }
    }
    facts
}

/// A cluster that `up` has brought to what the inventory says.
pub fn running(inventory: &Inventory) -> Facts {
    let facts = bare(inventory);
    let planning = kuboard_ha::plan::plan(inventory, &facts);
    assert!(!planning.is_blocked(), "bare hosts are blocked: {:#?}", planning.findings);
    let facts = after(inventory, facts, &planning);
    let again = kuboard_ha::plan::plan(inventory, &facts);
    assert!(again.plan.is_empty(), "a second plan is not empty:\n{}", listing(&again));
    facts
}

/// A plan and its findings as text: a line a job, a line a step.
pub fn listing(planning: &Planning) -> String {
    let mut text = String::new();
    for finding in &planning.findings {
        let host = finding.host.as_ref().map(|host| format!(" {host}")).unwrap_or_default();
        let _ = writeln!(text, "{:?} {}{host}: {}", finding.severity, finding.code, finding.message);
        if let Some(hint) = &finding.hint {
            // A hint may be a whole configuration, which has its own golden file.
            let lines = hint.lines().count();
            let long = finding.severity == Severity::Note && lines > 8;
            let shown: Vec<&str> = hint.lines().take(if long { 1 } else { lines }).collect();
            let more = if long { " …" } else { "" };
            let _ = writeln!(text, "  hint: {}{more}", shown.join("\n        "));
        }
    }
    for job in &planning.plan.jobs {
        let after: Vec<&str> = job.after.iter().map(kuboard_ha::plan::model::JobId::as_str).collect();
        let after = if after.is_empty() { String::new() } else { format!(" after {}", after.join(" ")) };
        let _ = writeln!(text, "{}{after}", job.id);
        for guard in &job.guards {
            let _ = writeln!(text, "  guard {}", guard.title);
        }
        for step in &job.steps {
            let action = serde_json::to_value(&step.action).unwrap_or_default();
            let action = action["do"].as_str().unwrap_or_default().to_owned();
            let risk = match step.risk {
                kuboard_ha::plan::model::Risk::None => String::new(),
                risk => format!(" [{risk:?}]"),
            };
            let _ = writeln!(text, "  {action} {}: {}{risk}", step.resource, step.reason);
        }
    }
    if planning.plan.is_empty() {
        text += "nothing to do\n";
    }
    text
}

/// A JSON merge patch (RFC 7396).
pub fn merge(target: &mut serde_json::Value, patch: &serde_json::Value) {
    let serde_json::Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = serde_json::Value::Object(serde_json::Map::new());
    }
    for (name, change) in changes {
        if change.is_null() {
            target.as_object_mut().map(|object| object.remove(name));
        } else {
            merge(&mut target[name], change);
        }
    }
}

/// Adds what another inventory looks at besides, as it is on a bare machine.
fn fill(seen: &mut HostFacts, new: &HostFacts) {
    fn each<V: Clone>(old: &mut BTreeMap<String, V>, new: &BTreeMap<String, V>) {
        for (key, value) in new {
            old.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    each(&mut seen.mounts, &new.mounts);
    each(&mut seen.packages, &new.packages);
    each(&mut seen.files, &new.files);
    each(&mut seen.links, &new.links);
    each(&mut seen.directories, &new.directories);
    each(&mut seen.installs, &new.installs);
    each(&mut seen.users, &new.users);
    each(&mut seen.units, &new.units);
    each(&mut seen.sysctls, &new.sysctls);
    seen.etcd = seen.etcd.take().or_else(|| new.etcd.clone());
    seen.questdb = seen.questdb.take().or_else(|| new.questdb.clone());
    seen.kuboard = seen.kuboard.take().or_else(|| new.kuboard.clone());
    seen.balancer = seen.balancer.take().or_else(|| new.balancer.clone());
    if seen.docker == Observed::Known(None) {
        seen.docker = new.docker.clone();
    }
}
