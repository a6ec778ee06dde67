//! QuestDB and Kuboard planned on bare hosts and in odd ones: findings, order, and what is never taken away.

mod world;

use std::collections::BTreeSet;
use std::path::Path;

use kuboard_ha::facts::model::{DirectoryFact, Docker, Facts, HostFacts, Observed};
use kuboard_ha::inventory::Inventory;
use kuboard_ha::inventory::model::{EnvValue, Packages, QuestdbFlavour};
use kuboard_ha::plan::lint::lint;
use kuboard_ha::plan::model::{Action, Job, Planning, Risk, SecretChange, Severity, Step};
use kuboard_ha::plan::plan;
use kuboard_ha::resource::HostName;
use kuboard_ha::secret::{Fingerprint, SecretId};

fn manual() -> Inventory {
    world::inventory(Path::new("inventories/manual.yaml"))
}

fn on<'f>(facts: &'f mut Facts, host: &str) -> &'f mut HostFacts {
    facts.host_mut(&HostName::new(host)).unwrap_or_else(|| panic!("{host} was not seen"))
}

fn codes(planning: &Planning, severity: Severity) -> Vec<&str> {
    let grave = planning.findings.iter().filter(|finding| finding.severity == severity);
    grave.map(|finding| finding.code.as_str()).collect()
}

fn job<'p>(planning: &'p Planning, id: &str) -> &'p Job {
    let found = planning.plan.jobs.iter().find(|job| job.id.as_str() == id);
    found.unwrap_or_else(|| panic!("no {id} in:\n{}", world::listing(planning)))
}

fn actions(job: &Job) -> Vec<String> {
    let name =
        |step: &Step| serde_json::to_value(&step.action).map(|value| value["do"].as_str().map(str::to_owned));
    job.steps.iter().filter_map(|step| name(step).ok().flatten()).collect()
}

/// Every job that must have ended before `job`, near and far.
fn before(planning: &Planning, job: &Job) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut next: Vec<String> = job.after.iter().map(|id| id.as_str().to_owned()).collect();
    while let Some(id) = next.pop() {
        if all.insert(id.clone()) {
            let found = planning.plan.jobs.iter().find(|job| job.id.as_str() == id);
            next.extend(found.into_iter().flat_map(|job| &job.after).map(|id| id.as_str().to_owned()));
        }
    }
    all
}

/// Inventories from one replica to five.
fn sizes() -> Vec<Inventory> {
    (1..=5)
        .map(|count| {
            let mut inventory = manual();
            let template = inventory.hosts[&HostName::new("kuboard-1")].clone();
            inventory.kuboard.hosts = (1..=count).map(|n| HostName::new(format!("kuboard-{n}"))).collect();
            for (n, host) in (21..).zip(&inventory.kuboard.hosts) {
                let mut machine = template.clone();
                machine.address = [10, 99, 16, n].into();
                machine.agent_address = machine.address.to_string();
                inventory.hosts.insert(host.clone(), machine);
            }
            inventory
        })
        .collect()
}

#[test]
fn the_first_replica_is_alone_until_it_has_written_its_first_keys_then_the_rest_start_together() {
    for inventory in sizes() {
        let facts = world::bare(&inventory);
        let planning = plan(&inventory, &facts);
        let keys = job(&planning, "kuboard.keys@kuboard-1");
        let waits: Vec<String> = keys
            .steps
            .iter()
            .filter(|step| matches!(step.action, Action::Await(_)))
            .map(|step| step.resource.to_string())
            .collect();
        assert_eq!(waits, ["kuboard:keys"]);
        for host in &inventory.kuboard.hosts[1..] {
            let rest = job(&planning, &format!("kuboard.run@{host}"));
            let needed = before(&planning, rest);
            assert!(needed.contains("kuboard.keys@kuboard-1"), "{host}: {needed:?}");
            let others = needed.iter().filter(|id| id.starts_with("kuboard.run@")).count();
            assert_eq!(others, 1, "{host} waits for more than the first: {needed:?}");
        }
        // It starts beside a new etcd that is still forming, and is asked for its keys afterwards; only its pages need QuestDB.
        let begun = before(&planning, job(&planning, "kuboard.run@kuboard-1"));
        for host in &inventory.etcd.hosts {
            assert!(begun.contains(&format!("etcd.start@{host}")), "{host}: {begun:?}");
        }
        assert!(!begun.iter().any(|id| id.starts_with("etcd.form@")), "{begun:?}");
        assert!(before(&planning, keys).iter().any(|id| id.starts_with("etcd.settle@")));
        assert!(!before(&planning, keys).contains("questdb.start@questdb"));
        for host in &inventory.kuboard.hosts {
            let ready = job(&planning, &format!("kuboard.ready@{host}"));
            assert!(before(&planning, ready).contains("questdb.start@questdb"));
            assert!(before(&planning, ready).contains(&format!("kuboard.run@{host}")));
        }
    }
}

#[test]
fn a_new_kuboard_beside_an_etcd_that_has_data_waits_for_its_members() {
    let mut inventory = manual();
    let (mut facts, bare) = (world::running(&inventory), world::bare(&inventory));
    for host in &inventory.kuboard.hosts {
        *on(&mut facts, host.as_str()) = bare.host(host).unwrap_or_else(|| panic!("{host}")).clone();
    }
    inventory.etcd.settings.insert("ETCD_SNAPSHOT_COUNT".to_owned(), "50000".to_owned());
    let planning = plan(&inventory, &facts);
    let needed = before(&planning, job(&planning, "kuboard.run@kuboard-1"));
    for host in &inventory.etcd.hosts {
        assert!(needed.contains(&format!("etcd.roll@{host}")), "{host}: {needed:?}");
    }
}

#[test]
fn a_rolling_change_never_takes_away_two_replicas() {
    for mut inventory in sizes() {
        let facts = world::running(&inventory);
        inventory
            .kuboard
            .env
            .insert("KUBOARD_SERVER_LOGRUS_LEVEL".to_owned(), EnvValue::Text("debug".to_owned()));
        let planning = plan(&inventory, &facts);
        let runs: Vec<&Job> =
            planning.plan.jobs.iter().filter(|job| job.id.as_str().starts_with("kuboard.run@")).collect();
        assert_eq!(runs.len(), inventory.kuboard.hosts.len());
        for (index, run) in runs.iter().enumerate() {
            let needed = before(&planning, run);
            assert!(runs[..index].iter().all(|earlier| needed.contains(earlier.id.as_str())), "{}", run.id);
            // Until it was seen working, it is not on record that it is.
            let gated = ["write-file", "record", "container", "await", "record"];
            assert_eq!(actions(run), gated, "each behind a health gate");
            assert!(run.steps.iter().any(|step| step.risk == Risk::Restart));
        }
        assert_eq!(planning.plan.risk(), Risk::Restart);
        assert!(lint(&inventory, &facts, &planning).is_empty());
    }
}

#[test]
fn secrets_are_minted_once_and_copied_before_anything_starts() {
    let inventory = manual();
    let planning = plan(&inventory, &world::bare(&inventory));
    let mut minted = Vec::new();
    for (host, step) in
        planning.plan.jobs.iter().flat_map(|job| job.steps.iter().map(move |step| (&job.host, step)))
    {
        if let Action::Secret { id, change: SecretChange::Mint { length } } = &step.action
            && id.as_str() != SecretId::ETCD_TOKEN
        {
            minted.push((id.as_str().to_owned(), host.as_str().to_owned(), *length));
        }
    }
    minted.sort();
    let expected = [
        ("admin-password", "kuboard-1", 20),
        ("agent-key", "kuboard-1", 32),
        ("questdb-password", "questdb", 32),
        ("sso-secret", "kuboard-1", 32),
    ];
    assert_eq!(minted, expected.map(|(id, host, length)| (id.to_owned(), host.to_owned(), length)));
    for (host, secret) in
        ["kuboard-1", "kuboard-2"].iter().flat_map(|host| expected.map(|(id, ..)| (*host, id)))
    {
        let needed = before(&planning, job(&planning, &format!("kuboard.run@{host}")));
        assert!(needed.contains(&format!("secret.{secret}@{host}")), "{secret} on {host}: {needed:?}");
    }
    assert!(!planning.plan.jobs.iter().any(|job| job.id.as_str().starts_with("secret.")
        && job.host.as_str().starts_with("etcd")
        && !job.id.as_str().contains("etcd-token")));
}

#[test]
fn values_that_differ_are_minted_anew_while_nothing_has_started() {
    let inventory = manual();
    let mut facts = world::bare(&inventory);
    let id = SecretId::new(SecretId::SSO_SECRET);
    on(&mut facts, "kuboard-1").secrets.insert(id.clone(), Fingerprint::observed("aaaaaaaaaaaaaaaa"));
    on(&mut facts, "kuboard-2").secrets.insert(id, Fingerprint::observed("bbbbbbbbbbbbbbbb"));
    let planning = plan(&inventory, &facts);
    assert!(!planning.is_blocked(), "{}", world::listing(&planning));
    assert!(lint(&inventory, &facts, &planning).is_empty());
}

#[test]
fn without_audit_there_is_no_questdb_at_all() {
    let mut inventory = manual();
    inventory.questdb = None;
    inventory.kuboard.audit = false;
    let planning = plan(&inventory, &world::bare(&inventory));
    assert!(!world::listing(&planning).contains("questdb"), "{}", world::listing(&planning));
    job(&planning, "kuboard.run@kuboard-2");
}

#[test]
fn a_database_that_is_not_ours_blocks() {
    let inventory = manual();
    let mut facts = world::bare(&inventory);
    let questdb = on(&mut facts, "questdb").questdb.get_or_insert_default();
    questdb.has_data = true;
    questdb.data_owner = Some("root:root".to_owned());
    let planning = plan(&inventory, &facts);
    assert_eq!(codes(&planning, Severity::Blocked), ["questdb.foreign-data"]);
    let hint = planning.findings.iter().find_map(|found| found.hint.as_deref()).unwrap_or_default();
    assert!(
        hint.contains("mkdir -p /var/lib/questdb/aside-old && find /var/lib/questdb -mindepth 1"),
        "{hint}"
    );
}

#[test]
fn a_first_start_that_was_cut_off_is_ours() {
    let inventory = manual();
    let mut facts = world::bare(&inventory);
    let host = on(&mut facts, "questdb");
    host.manifest.insert("questdb claimed".to_owned(), "/var/lib/questdb".to_owned());
    let questdb = host.questdb.get_or_insert_default();
    questdb.has_data = true;
    questdb.data_owner = Some("questdb:questdb".to_owned());
    let planning = plan(&inventory, &facts);
    assert!(!planning.is_blocked(), "{}", world::listing(&planning));
    assert!(job(&planning, "questdb.start@questdb").guards.is_empty());
}

#[test]
fn the_first_start_is_guarded_against_data_that_came_meanwhile() {
    let planning = plan(&manual(), &world::bare(&manual()));
    let start = job(&planning, "questdb.start@questdb");
    assert_eq!(start.guards.len(), 1);
    assert!(start.guards[0].test.text.contains("$data_dir/db"));
}

#[test]
fn java_comes_from_the_distribution_only_where_it_is_needed() {
    let inventory = manual();
    assert_eq!(inventory.questdb.as_ref().map(|questdb| questdb.flavour), Some(QuestdbFlavour::NoJre));
    let steps = |java: Option<u32>, package: Option<&str>| {
        let mut facts = world::bare(&inventory);
        let host = on(&mut facts, "questdb");
        host.questdb.get_or_insert_default().java = java;
        host.packages.insert("default-jre-headless".to_owned(), package.map(str::to_owned));
        let planning = plan(&inventory, &facts);
        let blocked: Vec<String> =
            codes(&planning, Severity::Blocked).into_iter().map(str::to_owned).collect();
        (actions(job(&planning, "questdb.prepare@questdb")).contains(&"package".to_owned()), blocked)
    };
    assert_eq!(steps(None, None), (true, vec![]));
    assert_eq!(steps(Some(8), None), (true, vec![]));
    assert_eq!(steps(Some(17), None), (false, vec![]), "another package's Java will do");
    let (_, blocked) = steps(Some(8), Some("2:1.17-74"));
    assert_eq!(blocked, ["questdb.java-too-old"]);
}

#[test]
fn questdb_needs_a_digest() {
    let mut inventory = manual();
    if let Some(questdb) = inventory.questdb.as_mut() {
        questdb.flavour = QuestdbFlavour::Rt;
    }
    let facts = world::bare(&inventory);
    assert_eq!(codes(&plan(&inventory, &facts), Severity::Blocked), ["questdb.no-digest"]);
}

#[test]
fn limits_that_are_high_enough_are_left_alone() {
    let inventory = manual();
    let mut facts = world::bare(&inventory);
    let host = on(&mut facts, "questdb");
    host.sysctls.insert("fs.file-max".to_owned(), "9223372036854775807".to_owned());
    host.sysctls.insert("vm.max_map_count".to_owned(), "65530".to_owned());
    let planning = plan(&inventory, &facts);
    let raised: Vec<_> = job(&planning, "questdb.start@questdb")
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Sysctl { settings, .. } => Some(settings.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(raised.len(), 1);
    assert_eq!(
        raised[0].iter().collect::<Vec<_>>(),
        [(&"vm.max_map_count".to_owned(), &"1048576".to_owned())]
    );
    assert!(lint(&inventory, &facts, &planning).is_empty());
}

#[test]
fn docker_is_installed_or_asked_for() {
    let mut inventory = manual();
    let facts = world::bare(&inventory);
    let planning = plan(&inventory, &facts);
    let engine = job(&planning, "kuboard.docker@kuboard-1");
    assert_eq!(actions(engine), ["package", "unit", "unit"]);
    assert_eq!(
        job(&planning, "kuboard.image@kuboard-1").guards.len(),
        1,
        "the engine's age is seen only then"
    );
    inventory.kuboard.docker = Packages::Present;
    assert_eq!(codes(&plan(&inventory, &facts), Severity::Blocked), ["docker.missing", "docker.missing"]);
}

#[test]
fn an_engine_that_answers_needs_no_guard() {
    let mut inventory = manual();
    inventory.kuboard.docker = Packages::Present;
    let planning = plan(&inventory, &world::bare(&inventory));
    assert!(!planning.is_blocked(), "{}", world::listing(&planning));
    assert!(job(&planning, "kuboard.image@kuboard-1").guards.is_empty());
}

#[test]
fn a_docker_command_without_its_service_blocks() {
    let inventory = manual();
    let mut facts = world::bare(&inventory);
    on(&mut facts, "kuboard-1").docker = Observed::Known(Some(Docker::default()));
    assert_eq!(codes(&plan(&inventory, &facts), Severity::Blocked), ["docker.no-service"]);
}

#[test]
fn a_host_that_was_not_seen_gets_no_steps_and_the_others_go_on() {
    let inventory = manual();
    let mut facts = world::running(&inventory);
    let away = HostName::new("kuboard-1");
    let why = "connection refused".to_owned();
    facts.hosts.insert(away.clone(), kuboard_ha::facts::HostState::unreachable(why));
    facts.without.insert(away.clone());
    let planning = plan(&inventory, &facts);
    assert!(planning.plan.jobs.iter().all(|job| job.host != away), "{}", world::listing(&planning));
}

#[test]
fn a_data_directory_is_corrected_not_emptied() {
    let inventory = manual();
    let mut facts = world::running(&inventory);
    let wrong = DirectoryFact { mode: 0o777, owner: "root:root".to_owned(), empty: false };
    on(&mut facts, "questdb").directories.insert("/var/lib/questdb".to_owned(), Some(wrong));
    let planning = plan(&inventory, &facts);
    assert_eq!(actions(job(&planning, "questdb.prepare@questdb")), ["make-dir"]);
    assert_eq!(planning.plan.risk(), Risk::None);
}
