//! What lands on QuestDB's host and on the replicas, as files to read, and compared with the manual's own words.
//! `UPDATE=1` writes the files anew, to be read before they are committed.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kuboard_ha::inventory::Inventory;
use kuboard_ha::inventory::model::{EnvValue, QuestdbFlavour, SecretSource};
use kuboard_ha::plan::model::{Action, ContainerChange, ContainerSpec};
use kuboard_ha::plan::plan;
use kuboard_ha::resource::{Content, HostName, Part, SecretForm};

fn manual() -> Inventory {
    world::inventory(Path::new("inventories/manual.yaml"))
}

/// The file as the plan for bare hosts writes it on `host`, `<ID>` in place of each secret.
fn written(inventory: &Inventory, host: &str, path: &str) -> String {
    let planning = plan(inventory, &world::bare(inventory));
    let mut steps =
        planning.plan.jobs.iter().filter(|job| job.host.as_str() == host).flat_map(|job| &job.steps);
    steps
        .find_map(|step| match &step.action {
            Action::WriteFile { path: file, content, .. } if file == path => Some(spelled(content)),
            _ => None,
        })
        .unwrap_or_else(|| panic!("{path} is not written on {host}:\n{}", world::listing(&planning)))
}

fn spelled(content: &Content) -> String {
    let spell = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Secret { id, form: SecretForm::Raw } => format!("<{id}>"),
        Part::Secret { id, form } => format!("<{id} as {form:?}>"),
    };
    content.0.iter().map(spell).collect()
}

fn container(inventory: &Inventory, host: &str) -> ContainerSpec {
    let planning = plan(inventory, &world::bare(inventory));
    let mut steps =
        planning.plan.jobs.iter().filter(|job| job.host.as_str() == host).flat_map(|job| &job.steps);
    steps
        .find_map(|step| match &step.action {
            Action::Container { spec, .. } => Some(spec.clone()),
            _ => None,
        })
        .unwrap_or_else(|| panic!("no container on {host}"))
}

fn golden(name: &str, found: &str) {
    let path = Path::new("tests/golden").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, found).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{} differs from what is rendered:\n{found}", path.display());
}

#[test]
fn questdb_with_the_java_of_the_distribution() {
    let inventory = manual();
    golden("questdb/questdb.service", &written(&inventory, "questdb", "/etc/systemd/system/questdb.service"));
    golden("questdb/questdb.env", &written(&inventory, "questdb", "/etc/questdb.env"));
}

#[test]
fn questdb_with_its_own_java() {
    let mut inventory = world::inventory(Path::new("inventories/no-internet.yaml"));
    if let Some(questdb) = inventory.questdb.as_mut() {
        assert_eq!(questdb.flavour, QuestdbFlavour::Rt);
        questdb.heap = 3 << 30;
        questdb.data_dir = "/home/audit/questdb".to_owned();
    }
    golden(
        "questdb/questdb-rt.service",
        &written(&inventory, "questdb", "/etc/systemd/system/questdb.service"),
    );
}

#[test]
fn kuboard_as_the_manual_has_it() {
    let inventory = manual();
    golden("kuboard/kuboard.env", &written(&inventory, "kuboard-1", "/etc/kuboard.env"));
    golden(
        "kuboard/kuboard-boot.service",
        &written(&inventory, "kuboard-1", "/etc/systemd/system/kuboard-boot.service"),
    );
    assert_eq!(written(&inventory, "kuboard-1", "/var/lib/kuboard/kuboard_agent_key"), "<agent-key>");
    assert_eq!(
        written(&inventory, "kuboard-1", "/etc/kuboard.env"),
        written(&inventory, "kuboard-2", "/etc/kuboard.env"),
        "replicas differ"
    );
}

#[test]
fn kuboard_without_audit_and_with_users_of_its_own() {
    let mut inventory = manual();
    inventory.questdb = None;
    inventory.kuboard.audit = false;
    inventory.kuboard.env = BTreeMap::from([
        ("KUBOARD_LOGIN_TYPE".to_owned(), EnvValue::Text("ldap".to_owned())),
        ("KUBOARD_ROOT_USER".to_owned(), EnvValue::Text("ops".to_owned())),
        ("LDAP_BASE_DN".to_owned(), EnvValue::Text("ou=people, dc=example \"x\" $y".to_owned())),
        ("LDAP_BIND_PASSWORD".to_owned(), EnvValue::Secret(SecretSource::Env("LDAP_PW".to_owned()))),
    ]);
    golden("kuboard/kuboard-ldap.env", &written(&inventory, "kuboard-2", "/etc/kuboard.env"));
}

/// The manual's `docker run`, word by word.
struct Manual {
    env: BTreeMap<String, String>,
    publish: BTreeSet<String>,
    volume: String,
    name: String,
    restart: String,
}

/// Reads the manual's block, its shell variables filled in with the addresses that it names.
fn docker_run() -> Manual {
    let text = include_str!("golden/kuboard/manual-docker-run.sh");
    let addresses = [
        ("${etcd1_ip}", "10.99.16.11"),
        ("${etcd2_ip}", "10.99.16.12"),
        ("${etcd3_ip}", "10.99.16.13"),
        ("${questdb_ip}", "10.99.16.16"),
        ("${kuboard_1_ip}", "10.99.16.21"),
        ("${kuboard_2_ip}", "10.99.16.22"),
        ("${loadbalancer_ip}", "10.99.16.20"),
    ];
    let text = addresses.iter().fold(text.to_owned(), |text, (name, ip)| text.replace(name, ip));
    let mut manual = Manual {
        env: BTreeMap::new(),
        publish: BTreeSet::new(),
        volume: String::new(),
        name: String::new(),
        restart: String::new(),
    };
    for line in text.lines().map(|line| line.trim().trim_end_matches('\\').trim()) {
        if let Some((name, value)) = line.strip_prefix("-e ").and_then(|entry| entry.split_once('=')) {
            manual.env.insert(name.to_owned(), value.trim_matches('"').to_owned());
        } else if let Some(publish) = line.strip_prefix("-p ") {
            manual.publish.insert(publish.to_owned());
        } else if let Some(volume) = line.strip_prefix("-v ") {
            volume.clone_into(&mut manual.volume);
        } else if let Some(name) = line.strip_prefix("--name=") {
            name.clone_into(&mut manual.name);
        } else if let Some(restart) = line.strip_prefix("--restart=") {
            restart.clone_into(&mut manual.restart);
        }
    }
    assert_eq!((manual.env.len(), manual.publish.len()), (6, 2), "the manual's block was not understood");
    manual
}

#[test]
fn every_setting_of_the_manuals_docker_run_is_there() {
    let inventory = manual();
    let ours: BTreeMap<String, String> = written(&inventory, "kuboard-1", "/etc/kuboard.env")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let manual = docker_run();
    // Where we differ on purpose: what is published is generated here, and a URL's own port is left out of it.
    let different = BTreeMap::from([
        ("KUBOARD_SSO_CLIENT_SECRET", "<sso-secret>"),
        ("KUBOARD_ENDPOINT", "http://10.99.16.20"),
        ("KUBOARD_QUEST_DB_URI", "postgresql://admin:<questdb-password as Url>@10.99.16.16:8812/qdb"),
    ]);
    for (name, value) in &manual.env {
        let wanted = different.get(name.as_str()).map_or(value.as_str(), |own| *own);
        assert_eq!(ours.get(name).map(String::as_str), Some(wanted), "{name}");
    }
    // Where we add to it.
    let added: Vec<&str> =
        ours.keys().filter(|name| !manual.env.contains_key(*name)).map(String::as_str).collect();
    assert_eq!(added, ["KUBOARD_ADMIN_DERAULT_PASSWORD", "KUBOARD_AGENT_KEY"]);
}

#[test]
fn the_container_is_the_manuals_but_for_what_is_listed() {
    let inventory = manual();
    let spec = container(&inventory, "kuboard-1");
    let manual = docker_run();
    assert_eq!(spec.name, manual.name);
    assert_eq!(spec.options[..2], ["--restart".to_owned(), manual.restart]);
    // Published on the host's own address, so that a balancer on the same machine may have the port on its own.
    let here: BTreeSet<String> =
        manual.publish.iter().map(|publish| format!("10.99.16.21:{publish}")).collect();
    assert_eq!(spec.publish.iter().cloned().collect::<BTreeSet<_>>(), here);
    // Not below /root, which SELinux keeps containers out of.
    assert_eq!(manual.volume, "/root/kuboard-data:/data");
    assert_eq!(spec.volumes, ["/var/lib/kuboard:/data"]);
    // The manual's tag floats; logs are bounded; secrets are in no argument.
    assert_eq!(spec.image, "eipwork/kuboard:v3.5.2.9");
    assert_eq!(spec.env_file, "/etc/kuboard.env");
    assert_eq!(
        spec.options[2..],
        ["--log-driver", "json-file", "--log-opt", "max-size=50m", "--log-opt", "max-file=3"]
    );
    assert_eq!(container(&inventory, "kuboard-2").publish[0], "10.99.16.22:80:80/tcp");
}

#[test]
fn selinux_gets_its_label() {
    let inventory = manual();
    let mut facts = world::bare(&inventory);
    let host = HostName::new("kuboard-1");
    if let Some(seen) = facts.host_mut(&host) {
        seen.system.selinux = Some("Enforcing".to_owned());
    }
    let planning = plan(&inventory, &facts);
    let volumes: Vec<Vec<String>> = planning
        .plan
        .jobs
        .iter()
        .flat_map(|job| &job.steps)
        .filter_map(|step| match &step.action {
            Action::Container { spec, change: ContainerChange::Run | ContainerChange::Start } => {
                Some(spec.volumes.clone())
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        volumes,
        [vec!["/var/lib/kuboard:/data:Z".to_owned()], vec!["/var/lib/kuboard:/data".to_owned()]]
    );
}
