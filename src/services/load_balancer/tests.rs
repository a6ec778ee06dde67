//! The balancer's plans: from facts to jobs, and that a plan carried out leaves nothing to do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::facts::look::FileLook;
use crate::facts::model::{
    Active, Address, Facts, FileFact, FileState, HostFacts, HostState, Observed, UnitState,
};
use crate::facts::service::BalancerFacts;
use crate::inventory::Inventory;
use crate::inventory::model::{
    Etcd, Firewall, Host, HostKeys, Kuboard, LoadBalancer, Packages, Questdb, QuestdbFlavour, SecretSource,
    Ssh, Tls, Transfer,
};
use crate::plan::draft::Draft;
use crate::plan::effects::effects;
use crate::plan::model::{Action, Plan, Planning, Risk, Severity};
use crate::plan::order::order;
use crate::resource::{ContentKey, HostName, Sha256Digest};
use crate::secret::{Fingerprint, SecretId};

use super::files;

pub(crate) fn name(text: &str) -> HostName {
    HostName::new(text)
}

pub(crate) fn host(address: &str) -> Host {
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

/// The manual's six machines and two balancers.
pub(crate) fn sample() -> Inventory {
    let hosts = [
        ("etcd1", 11),
        ("etcd2", 12),
        ("etcd3", 13),
        ("questdb", 16),
        ("lb-1", 18),
        ("lb-2", 19),
        ("kuboard-1", 21),
        ("kuboard-2", 22),
    ];
    Inventory {
        cluster: "kuboard".to_owned(),
        hosts: hosts
            .iter()
            .map(|(host_name, last)| (name(host_name), host(&format!("10.99.16.{last}"))))
            .collect(),
        etcd: Etcd {
            hosts: vec![name("etcd1"), name("etcd2"), name("etcd3")],
            version: "3.5.6".to_owned(),
            data_dir: "/var/lib/etcd".to_owned(),
            client_port: 2379,
            peer_port: 2380,
            heartbeat_interval: Duration::from_millis(250),
            election_timeout: Duration::from_secs(5),
            settings: BTreeMap::new(),
            download: None,
        },
        questdb: Some(Questdb {
            host: name("questdb"),
            version: "6.6.1".to_owned(),
            flavour: QuestdbFlavour::NoJre,
            data_dir: "/var/lib/questdb".to_owned(),
            heap: 1 << 30,
            password: None,
            download: None,
        }),
        kuboard: Kuboard {
            hosts: vec![name("kuboard-1"), name("kuboard-2")],
            url: "http://10.99.16.20".to_owned(),
            image: "eipwork/kuboard:v3.5.2.9".to_owned(),
            registry: None,
            image_archive: None,
            http_port: 80,
            agent_port: 10081,
            data_dir: "/var/lib/kuboard".to_owned(),
            audit: true,
            admin_password: None,
            env: BTreeMap::new(),
            docker: Packages::Install,
        },
        load_balancer: Some(LoadBalancer {
            address: "10.99.16.20".parse().unwrap(),
            port: 80,
            hosts: vec![name("lb-1"), name("lb-2")],
            tls: None,
            virtual_router_id: 51,
            packages: Packages::Install,
        }),
        transfer: Transfer::Push,
        firewall: Firewall::Check,
    }
}

/// Hosts as bare as they can be, all reached.
pub(crate) fn bare(inventory: &Inventory) -> Facts {
    let balancers =
        inventory.load_balancer.as_ref().map(|balancer| balancer.hosts.clone()).unwrap_or_default();
    let hosts = inventory.hosts.iter().map(|(name, host)| {
        let seen = BalancerFacts {
            healthy: Observed::Known(false),
            answers: Observed::Known(false),
            adverts: Observed::Known(Vec::new()),
            ..BalancerFacts::default()
        };
        let facts = HostFacts {
            addresses: vec![Address { interface: "eth0".to_owned(), ip: host.address, prefix: 24 }],
            balancer: balancers.contains(name).then_some(seen),
            ..HostFacts::default()
        };
        (name.clone(), HostState::Reached(Box::new(facts)))
    });
    Facts { hosts: hosts.collect(), ..Facts::default() }
}

fn planned(inventory: &Inventory, facts: &Facts) -> Planning {
    let mut draft = Draft::new(inventory, facts);
    super::plan(&mut draft);
    let (stages, jobs, findings) = draft.into_parts();
    Planning { plan: order(stages, jobs), findings }
}

fn carried_out(inventory: &Inventory, facts: &Facts, plan: &Plan) -> Facts {
    let mut after = facts.clone();
    for job in &plan.jobs {
        for step in &job.steps {
            effects(step, &job.host, inventory, &mut after);
        }
    }
    after
}

/// The facts after a first `up`.
fn built(inventory: &Inventory) -> Facts {
    let facts = bare(inventory);
    let planning = planned(inventory, &facts);
    assert!(!planning.is_blocked(), "{:?}", planning.findings);
    carried_out(inventory, &facts, &planning.plan)
}

/// `JOB: RESOURCE REASON` of every step, in order.
fn steps(plan: &Plan) -> Vec<String> {
    plan.jobs
        .iter()
        .flat_map(|job| {
            job.steps.iter().map(move |step| format!("{}: {} {}", job.id, step.resource, step.reason))
        })
        .collect()
}

fn balancer_mut<'f>(facts: &'f mut Facts, host: &str) -> &'f mut BalancerFacts {
    facts.host_mut(&name(host)).unwrap().balancer.as_mut().unwrap()
}

fn holders(inventory: &Inventory, facts: &Facts) -> Vec<HostName> {
    super::address::holders(facts, inventory.load_balancer.as_ref().unwrap())
}

fn codes(planning: &Planning) -> Vec<&str> {
    planning.findings.iter().map(|finding| finding.code.as_str()).collect()
}

fn tls(mut inventory: Inventory) -> Inventory {
    inventory.load_balancer.as_mut().unwrap().tls = Some(Tls {
        certificate: PathBuf::from("chain.pem"),
        certificate_pem: "CHAIN\n".to_owned(),
        key: SecretSource::File(PathBuf::from("key.pem")),
    });
    inventory
}

#[test]
fn a_plan_carried_out_leaves_nothing_to_do_and_one_holder() {
    let mut single = sample();
    single.load_balancer.as_mut().unwrap().hosts.pop();
    let mut port = sample();
    port.load_balancer.as_mut().unwrap().port = 8080;
    for inventory in [sample(), single, port] {
        let facts = built(&inventory);
        assert_eq!(holders(&inventory, &facts), [name("lb-1")]);
        assert_eq!(steps(&planned(&inventory, &facts).plan), Vec::<String>::new());
    }
}

#[test]
fn every_prefix_of_a_plan_is_continued_to_the_end() {
    for wanted in [sample(), {
        let mut other = sample();
        other.load_balancer.as_mut().unwrap().port = 81;
        other
    }] {
        for start in [bare(&wanted), built(&sample())] {
            let plan = planned(&wanted, &start).plan;
            let all: Vec<_> =
                plan.jobs.iter().flat_map(|job| job.steps.iter().map(|step| (&job.host, step))).collect();
            for cut in 0..=all.len() {
                let mut facts = start.clone();
                for (host, step) in &all[..cut] {
                    effects(step, host, &wanted, &mut facts);
                }
                let next = planned(&wanted, &facts).plan;
                let facts = carried_out(&wanted, &facts, &next);
                assert_eq!(steps(&planned(&wanted, &facts).plan), Vec::<String>::new(), "cut at {cut}");
                assert_eq!(holders(&wanted, &facts).len(), 1, "cut at {cut}");
            }
        }
    }
}

#[test]
fn the_first_plan_reads_in_order() {
    let steps = steps(&planned(&sample(), &bare(&sample())).plan);
    let of_first: Vec<&str> =
        steps.iter().filter_map(|step| step.split_once("@lb-1: ")).map(|(_, step)| step).collect();
    assert_eq!(
        of_first,
        [
            "package:haproxy+keepalived so that requests are spread and the address can move",
            "sysctl:/etc/sysctl.d/90-kuboard-ha-balancer.conf net.ipv4.ip_nonlocal_bind unset -> 1",
            "file:/etc/haproxy/haproxy.cfg missing",
            "unit:haproxy.service so that it starts at boot",
            "unit:haproxy.service does not run",
            "unit:haproxy.service a balancer that answers takes the address",
            "directory:/usr/libexec/keepalived missing",
            "file:/usr/libexec/keepalived/kuboard-ha-haproxy-answers missing",
            "file:/etc/keepalived/keepalived.conf missing",
            "unit:keepalived.service so that it starts at boot",
            "unit:keepalived.service does not run",
            "vip:10.99.16.20 the address is what browsers and agents use",
        ]
    );
}

#[test]
fn on_bare_hosts_both_go_side_by_side_and_while_serving_the_holder_goes_last() {
    let after = |planning: &Planning, id: &str| {
        let job = planning.plan.jobs.iter().find(|job| job.id.as_str() == id).unwrap();
        job.after.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let fresh = planned(&sample(), &bare(&sample()));
    assert_eq!(after(&fresh, "balancer.haproxy@lb-2"), ["balancer.packages@lb-2"]);

    let facts = built(&sample());
    let mut wanted = sample();
    wanted.load_balancer.as_mut().unwrap().port = 8080;
    let rolling = planned(&wanted, &facts);
    assert_eq!(
        steps(&rolling.plan),
        [
            "balancer.haproxy@lb-2: file:/etc/haproxy/haproxy.cfg its text changed",
            "balancer.haproxy@lb-2: unit:haproxy.service so that the new configuration is used",
            "balancer.haproxy@lb-2: unit:haproxy.service a balancer that answers takes the address",
            "balancer.haproxy@lb-1: file:/etc/haproxy/haproxy.cfg its text changed",
            "balancer.haproxy@lb-1: unit:haproxy.service so that the new configuration is used",
            "balancer.haproxy@lb-1: unit:haproxy.service a balancer that answers takes the address",
            "balancer.address@lb-2: vip:10.99.16.20 the address is what browsers and agents use",
            "balancer.address@lb-1: vip:10.99.16.20 the address is what browsers and agents use",
        ]
    );
    assert_eq!(after(&rolling, "balancer.haproxy@lb-1"), ["balancer.haproxy@lb-2"]);
    assert_eq!(rolling.plan.risk(), Risk::Restart);
}

#[test]
fn the_key_of_a_certificate_never_shows_and_a_new_one_is_taken_in() {
    let inventory = tls(sample());
    let id = SecretId::new(SecretId::TLS_KEY);
    let mut facts = bare(&inventory);
    assert_eq!(codes(&planned(&inventory, &facts)), ["balancer.tls-key-missing"]);
    facts.supplied.insert(id.clone(), Fingerprint::observed("one"));
    let first = planned(&inventory, &facts);
    let pem = first.plan.jobs.iter().flat_map(|job| &job.steps).find_map(|step| match &step.action {
        Action::WriteFile { path, mode, owner, content, .. } if path == files::CERTIFICATE => {
            Some((*mode, owner.clone(), content.masked()))
        }
        _ => None,
    });
    assert_eq!(pem, Some((0o600, "root:root".to_owned(), "***\nCHAIN\n".to_owned())));
    let mut facts = carried_out(&inventory, &facts, &first.plan);
    assert!(planned(&inventory, &facts).plan.is_empty());
    facts.supplied.insert(id, Fingerprint::observed("two"));
    let renewed = steps(&planned(&inventory, &facts).plan);
    assert_eq!(
        renewed.iter().filter(|step| step.contains("@lb-2")).map(String::as_str).collect::<Vec<_>>(),
        [
            "secret.tls-key@lb-2: secret:tls-key another value is stored there",
            "balancer.haproxy@lb-2: file:/etc/haproxy/kuboard-ha.pem a secret in it changed",
            "balancer.haproxy@lb-2: unit:haproxy.service so that the new configuration is used",
            "balancer.haproxy@lb-2: unit:haproxy.service a balancer that answers takes the address",
            "balancer.address@lb-2: vip:10.99.16.20 the address is what browsers and agents use",
        ]
    );
    // Without a certificate again, the key's file goes.
    let plain = planned(&sample(), &facts);
    assert!(steps(&plain.plan).iter().any(|step| step.ends_with("no certificate is given any more")));
}

#[test]
fn what_runs_counts_not_what_lies_on_disk() {
    let inventory = sample();
    let mut facts = built(&inventory);
    let seen = facts.host_mut(&name("lb-1")).unwrap();
    seen.units.get_mut(super::HAPROXY).unwrap().as_mut().unwrap().running =
        Observed::Known(Some(ContentKey::observed("older")));
    let planning = planned(&inventory, &facts);
    assert_eq!(
        steps(&planning.plan)[0],
        "balancer.haproxy@lb-1: unit:haproxy.service so that the new configuration is used"
    );
    let after = carried_out(&inventory, &facts, &planning.plan);
    assert!(planned(&inventory, &after).plan.is_empty());
}

#[test]
fn what_stopped_or_hangs_is_started_again() {
    let inventory = sample();
    let unit = |active| UnitState { active, result: "exit-code".to_owned(), ..UnitState::default() };
    for (state, expected) in [
        (Some(unit(Active::Failed)), "failed (exit-code)"),
        (Some(unit(Active::Inactive)), "does not run"),
        (None, "it runs and does not answer"),
    ] {
        let mut facts = built(&inventory);
        balancer_mut(&mut facts, "lb-2").healthy = Observed::Known(false);
        if let Some(state) = state {
            let state = UnitState { enabled: true, ..state };
            facts.host_mut(&name("lb-2")).unwrap().units.insert(super::HAPROXY.to_owned(), Some(state));
        }
        let planning = planned(&inventory, &facts);
        assert_eq!(
            steps(&planning.plan)[0],
            format!("balancer.haproxy@lb-2: unit:haproxy.service {expected}")
        );
        let after = carried_out(&inventory, &facts, &planning.plan);
        assert!(planned(&inventory, &after).plan.is_empty());
    }
}

#[test]
fn nobody_holds_the_address_is_mended() {
    let inventory = sample();
    let mut facts = built(&inventory);
    for host in ["lb-1", "lb-2"] {
        balancer_mut(&mut facts, host).holds_address = false;
        balancer_mut(&mut facts, host).answers = Observed::Known(false);
    }
    let planning = planned(&inventory, &facts);
    assert_eq!(
        steps(&planning.plan)[0],
        "balancer.wake@lb-1: unit:keepalived.service no host holds 10.99.16.20"
    );
    assert_eq!(planning.plan.jobs.len(), 3);
    let after = carried_out(&inventory, &facts, &planning.plan);
    assert_eq!(holders(&inventory, &after).len(), 1);
    assert!(planned(&inventory, &after).plan.is_empty());
}

#[test]
fn two_holders_are_named_and_waited_for() {
    let inventory = sample();
    let mut facts = built(&inventory);
    balancer_mut(&mut facts, "lb-2").holds_address = true;
    let planning = planned(&inventory, &facts);
    assert_eq!(codes(&planning), ["vip.two-holders"]);
    assert_eq!(planning.findings[0].severity, Severity::Warning);
    assert_eq!(steps(&planning.plan), ["balancer.alone@lb-2: vip:10.99.16.20 lb-1 holds it too"]);
    let after = carried_out(&inventory, &facts, &planning.plan);
    assert_eq!(holders(&inventory, &after), [name("lb-1")]);
}

#[test]
fn a_restarted_holder_hands_the_address_over() {
    let inventory = sample();
    let mut facts = built(&inventory);
    let seen = facts.host_mut(&name("lb-1")).unwrap();
    seen.units.get_mut(super::KEEPALIVED).unwrap().as_mut().unwrap().active = Active::Failed;
    let planning = planned(&inventory, &facts);
    let after = carried_out(&inventory, &facts, &planning.plan);
    assert_eq!(holders(&inventory, &after), [name("lb-2")]);
    assert!(planned(&inventory, &after).plan.is_empty());
}

#[test]
fn an_address_that_is_somebody_elses_blocks() {
    let inventory = sample();
    let change = |change: &dyn Fn(&mut Facts)| {
        let mut facts = bare(&inventory);
        change(&mut facts);
        let planning = planned(&inventory, &facts);
        planning
            .findings
            .iter()
            .map(|finding| format!("{:?} {}", finding.severity, finding.code))
            .collect::<Vec<_>>()
    };
    let held = |ip: &str, prefix| Address { interface: "eth0".to_owned(), ip: ip.parse().unwrap(), prefix };
    assert_eq!(
        change(&|facts| balancer_mut(facts, "lb-2").neighbour = Some("02:42:0a:63:10:63".to_owned())),
        ["Blocked vip.taken"]
    );
    assert_eq!(
        change(&|facts| balancer_mut(facts, "lb-2").answers = Observed::Known(true)),
        ["Blocked vip.taken"]
    );
    assert_eq!(change(&|facts| balancer_mut(facts, "lb-1").holds_address = true), ["Blocked vip.by-hand"]);
    assert_eq!(
        change(&|facts| facts.host_mut(&name("etcd1")).unwrap().addresses.push(held("10.99.16.20", 24))),
        ["Blocked vip.elsewhere"]
    );
    assert_eq!(
        change(&|facts| facts.host_mut(&name("lb-1")).unwrap().addresses.clear()),
        ["Blocked vip.no-interface"]
    );
    assert_eq!(
        change(&|facts| facts.host_mut(&name("lb-1")).unwrap().addresses = vec![held("10.99.16.18", 30)]),
        ["Warning vip.other-network"]
    );
    // A balancer that could not be asked may be the one that answers.
    assert_eq!(
        change(&|facts| {
            balancer_mut(facts, "lb-2").answers = Observed::Known(true);
            facts.hosts.insert(name("lb-1"), HostState::unreachable("timed out"));
        }),
        Vec::<String>::new()
    );
}

#[test]
fn our_own_address_is_not_somebody_elses() {
    let inventory = sample();
    let mut facts = built(&inventory);
    balancer_mut(&mut facts, "lb-2").neighbour = Some("02:42:0a:63:10:12".to_owned());
    let planning = planned(&inventory, &facts);
    assert!(planning.findings.is_empty() && planning.plan.is_empty());
}

#[test]
fn a_changed_address_may_be_somebody_elses_although_the_old_one_is_ours() {
    let mut moved = sample();
    moved.load_balancer.as_mut().unwrap().address = "10.99.16.30".parse().unwrap();
    let found = |change: &dyn Fn(&mut Facts)| {
        let mut facts = built(&sample());
        for host in ["lb-1", "lb-2"] {
            balancer_mut(&mut facts, host).holds_address = false; // the old one, which is not looked at any more
        }
        balancer_mut(&mut facts, "lb-2").neighbour = Some("02:42:0a:63:10:63".to_owned());
        change(&mut facts);
        planned(&moved, &facts).findings.into_iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    let conf = |facts: &mut Facts, change: &dyn Fn(&mut FileFact)| {
        let files = &mut facts.host_mut(&name("lb-1")).unwrap().files;
        if let Some(Observed::Known(Some(file))) = files.get_mut(files::KEEPALIVED_CONF) {
            change(file);
        }
    };
    assert_eq!(found(&|_| {}), ["vip.taken"]);
    // Cut off between the file and the restart, on the way to this address; or the file could not be read.
    assert!(
        found(&|facts| conf(facts, &|file| {
            file.text = file.text.take().map(|text| text.replace("10.99.16.20/", "10.99.16.30/"));
        }))
        .is_empty()
    );
    assert!(found(&|facts| conf(facts, &|file| file.text = None)).is_empty());
    // One that begins alike is another.
    assert_eq!(
        found(&|facts| conf(facts, &|file| {
            file.text = file.text.take().map(|text| text.replace("10.99.16.20/", "10.99.16.3/"));
        })),
        ["vip.taken"]
    );
    assert!(found(&|facts| balancer_mut(facts, "lb-1").holds_address = true).is_empty());
    assert!(
        found(&|facts| {
            facts.hosts.insert(name("lb-1"), HostState::unreachable("timed out"));
        })
        .is_empty()
    );
}

#[test]
fn somebody_elses_configuration_is_not_overwritten_and_the_packages_own_is() {
    let inventory = sample();
    for (state, blocked) in
        [(FileState::Foreign(Sha256Digest::of(b"x")), true), (FileState::PackageDefault, false)]
    {
        let mut facts = bare(&inventory);
        let file = FileFact { state, mode: 0o644, owner: "root:root".to_owned(), text: None };
        let files = &mut facts.host_mut(&name("lb-1")).unwrap().files;
        files.insert(files::HAPROXY_CFG.to_owned(), Observed::Known(Some(file)));
        assert_eq!(planned(&inventory, &facts).is_blocked(), blocked);
    }
}

#[test]
fn packages_that_must_be_there_are_missed() {
    let mut inventory = sample();
    inventory.load_balancer.as_mut().unwrap().packages = Packages::Present;
    let mut facts = bare(&inventory);
    assert_eq!(codes(&planned(&inventory, &facts)), ["balancer.packages-missing"; 2]);
    for host in ["lb-1", "lb-2"] {
        let seen = facts.host_mut(&name(host)).unwrap();
        seen.packages.insert("haproxy".to_owned(), Some("2.6".to_owned()));
        seen.units.insert(super::KEEPALIVED.to_owned(), Some(UnitState::default())); // built by hand
    }
    assert_eq!(codes(&planned(&inventory, &facts)), Vec::<&str>::new());
}

#[test]
fn a_balancer_of_the_users_own_is_explained() {
    let mut inventory = sample();
    inventory.load_balancer.as_mut().unwrap().hosts.clear();
    let planning = planned(&inventory, &bare(&inventory));
    assert!(planning.plan.is_empty());
    assert_eq!(codes(&planning), ["balancer.own"]);
    let hint = planning.findings[0].hint.as_deref().unwrap();
    assert!(
        hint.contains("server kuboard-2 10.99.16.22:80 check") && hint.contains("proxy_set_header Upgrade")
    );
    inventory.load_balancer = None;
    assert!(planned(&inventory, &bare(&inventory)).findings.is_empty());
}

#[test]
fn one_balancer_is_looked_at_from_another_machine() {
    let mut inventory = sample();
    inventory.load_balancer.as_mut().unwrap().hosts.pop();
    let plan = planned(&inventory, &bare(&inventory)).plan;
    let waits: Vec<&str> =
        plan.jobs.iter().map(|job| job.id.as_str()).filter(|id| id.starts_with("balancer.address")).collect();
    assert_eq!(waits, ["balancer.address@lb-1", "balancer.address@kuboard-1"]);
}

#[test]
fn only_balancer_hosts_are_looked_at() {
    let mut looks = crate::facts::look::Looks::default();
    super::look(&sample(), &name("etcd1"), &mut looks);
    assert_eq!(looks, crate::facts::look::Looks::default());
    super::look(&tls(sample()), &name("lb-1"), &mut looks);
    assert_eq!(looks.files[files::CERTIFICATE], FileLook::Hidden);
    assert_eq!(looks.units[super::HAPROXY], [files::HAPROXY_CFG, files::CERTIFICATE]);
}
