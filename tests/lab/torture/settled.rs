//! What must be so once `up` has come to its end, read from the hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kuboard_ha::facts::Facts;
use kuboard_ha::inventory::Inventory;
use kuboard_ha::plan::effects::sysctl_content;
use kuboard_ha::plan::model::Action;
use kuboard_ha::plan::plan;
use kuboard_ha::resource::{Content, HostName, Part, SecretForm, Sha256Digest};

use super::ledger::Ledger;
use super::look::{Look, look};
use crate::etcd::Etcd;
use crate::lab::Lab;
use crate::net;
use crate::poll::until;
use crate::stands::holders;

/// For the floating address to find its holder, for ssh to let go.
const CALM: Duration = Duration::from_secs(30);
/// Where secrets lie.
const SECRETS: &str = "/var/lib/kuboard-ha/kuboard/secrets/";

/// A file as the templates make it.
pub struct FileWanted {
    content: Content,
    mode: u32,
    owner: String,
}

/// By host and path, what the files of this inventory hold, planned from the hosts as they were when they were bare.
pub fn wanted(inventory: &Inventory, bare: &Facts) -> BTreeMap<(String, String), FileWanted> {
    let mut files = BTreeMap::new();
    for job in &plan(inventory, bare).plan.jobs {
        for step in &job.steps {
            let (path, content, mode, owner) = match &step.action {
                Action::WriteFile { path, content, mode, owner, .. } => {
                    (path, content.clone(), *mode, owner.as_str())
                }
                Action::Sysctl { path, settings } => (path, sysctl_content(settings), 0o644, "root:root"),
                _ => continue,
            };
            let file = FileWanted { content, mode, owner: owner.to_owned() };
            files.insert((job.host.to_string(), path.clone()), file);
        }
    }
    files
}

/// What is wrong with a cluster that `up` has just called as wanted.
pub fn wrong(lab: &Lab, ledger: &mut Ledger, inventory: &Inventory, bare: &Facts) -> Vec<String> {
    let wanted = wanted(inventory, bare);
    let paths: BTreeSet<&str> = wanted.keys().map(|(_, path)| path.as_str()).collect();
    let paths = Vec::from_iter(paths).join(" ");
    // Shells and sessions of the run that has just ended may take their time; nothing else may.
    let calm = until(CALM, "no shell of a run is left", || {
        let looks = look(lab, &paths, true);
        let left: Vec<&str> =
            looks.values().flat_map(|look| look.all("shell").chain(look.all("lease"))).collect();
        if left.is_empty() { Ok(looks) } else { Err(left.join("; ")) }
    });
    let mut wrong = ledger.wrong(&calm);
    for (host, look) in &calm {
        files(host, look, &wanted, &mut wrong);
        processes(host, look, &mut wrong);
        wrong.extend(look.all("leftover").map(|left| format!("{host}: left behind: {left}")));
        wrong.extend(
            look.all("container")
                .filter(|name| *name != "kuboard")
                .map(|name| format!("{host}: a container {name}")),
        );
        ledger.checks += wanted.len() + look.all("wants").count();
    }
    secrets(&calm, &mut wrong);
    members(lab, inventory, ledger, &mut wrong);
    let lost = lab.etcd(&members_of(inventory)).missing("/kuboard-ha-lab/torture/", &ledger.keys);
    ledger.checks += ledger.keys.len();
    wrong.extend((!lost.is_empty()).then(|| format!("acknowledged keys are lost: {lost:?}")));
    one_holder(lab, inventory, &mut wrong);
    wrong
}

fn members_of(inventory: &Inventory) -> Vec<&str> {
    inventory.etcd.hosts.iter().map(HostName::as_str).collect()
}

/// As recorded, and as the template with the host's secrets in it would be.
fn files(host: &str, look: &Look, wanted: &BTreeMap<(String, String), FileWanted>, wrong: &mut Vec<String>) {
    let (files, recorded) = (look.named("file"), look.named("recorded"));
    for (path, entry) in &recorded {
        let sum = entry.split(' ').nth(1);
        let found = files.get(path).and_then(|entry| entry.split(' ').next());
        if found != sum {
            wrong.push(format!("{host}: {path} is recorded as {sum:?} and holds {found:?}"));
        }
    }
    for ((_, path), file) in wanted.iter().filter(|((owner, _), _)| owner == host) {
        let text = filled(&file.content, look);
        let want = format!("{} {:o} {}", Sha256Digest::of(&text).as_str(), file.mode, file.owner);
        let found = files.get(path.as_str()).copied().unwrap_or("nothing");
        if found != want {
            wrong.push(format!("{host}: {path} shall be {want} and is {found}"));
        }
        if !recorded.contains_key(path.as_str()) {
            wrong.push(format!("{host}: {path} is not recorded"));
        }
    }
}

/// The bytes of a file. Secrets are letters, digits and `-` here: nothing to escape.
fn filled(content: &Content, look: &Look) -> Vec<u8> {
    let secrets = look.named("private");
    let mut bytes = Vec::new();
    for part in &content.0 {
        match part {
            Part::Text(text) => bytes.extend(text.as_bytes()),
            Part::Secret { id, form } => {
                let path = format!("{SECRETS}{}", id.as_str());
                let hex =
                    secrets.get(path.as_str()).and_then(|entry| entry.rsplit(' ').next()).unwrap_or_default();
                let value: Vec<u8> = (0..hex.len() / 2)
                    .map(|place| u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).unwrap())
                    .collect();
                let mark: &[u8] = if *form == SecretForm::SystemdEnv { b"\"" } else { b"" };
                bytes.extend([mark, &value, mark].concat());
            }
        }
    }
    bytes
}

/// What runs is what lies on the disk.
fn processes(host: &str, look: &Look, wrong: &mut Vec<String>) {
    for name in ["etcd", "questdb", "kuboard"] {
        let has: BTreeSet<&str> = look.of("has", name).collect();
        for line in look.of("wants", name) {
            // What a member takes in at its first start only is settled on disk without a restart.
            if line.starts_with("ETCD_INITIAL_") {
                continue;
            }
            let plain = line.replacen("=\"", "=", 1);
            let plain = if plain.len() < line.len() { plain.trim_end_matches('"') } else { line };
            if !has.contains(plain) {
                let setting = line.split('=').next().unwrap_or_default();
                wrong.push(format!("{host}: {name} runs with another {setting} than its file has"));
            }
        }
    }
    let link = look.of("link", "etcd").next();
    if look.of("wants", "etcd").next().is_some() && look.of("exe", "etcd").next() != link {
        wrong.push(format!(
            "{host}: etcd runs {:?}, its link leads to {link:?}",
            look.of("exe", "etcd").next()
        ));
    }
    if let Some(label) = look.of("label", "kuboard").next() {
        let recorded =
            look.named("recorded").get("/etc/kuboard.env").and_then(|entry| entry.split(' ').next());
        if recorded.is_none_or(|key| !label.ends_with(&format!("-{key}"))) {
            wrong.push(format!("{host}: the container was made from {label}, recorded is {recorded:?}"));
        }
        if !look.of("running", "kuboard").any(|state| state.starts_with("true ")) {
            wrong.push(format!("{host}: the container does not run"));
        }
    }
}

/// A secret is the same wherever it lies.
fn secrets(looks: &BTreeMap<String, Look>, wrong: &mut Vec<String>) {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, entry) in looks.values().flat_map(|look| look.named("private")) {
        if path.starts_with(SECRETS) {
            values.entry(path.to_owned()).or_default().insert(entry.to_owned());
        }
    }
    let torn = values
        .iter()
        .filter(|(_, values)| values.len() > 1)
        .map(|(path, _)| format!("{path} differs between hosts"));
    wrong.extend(torn);
}

/// Every member is a healthy voter of the one cluster.
fn members(lab: &Lab, inventory: &Inventory, ledger: &mut Ledger, wrong: &mut Vec<String>) {
    for member in members_of(inventory) {
        let address = lab.address(member);
        if let Err(why) = Etcd::is_healthy(address) {
            wrong.push(format!("{member}: {why}"));
        }
        match Etcd::status(address) {
            Ok(status) => {
                let id = status["header"]["cluster_id"].as_str().and_then(|id| id.parse().ok());
                ledger.cluster(id.unwrap_or(0));
                if status["isLearner"] == true {
                    wrong.push(format!("{member} is a learner"));
                }
            }
            Err(why) => wrong.push(format!("{member}: {why}")),
        }
    }
    if ledger.clusters().len() != 1 {
        wrong.push(format!("not one cluster but {:?}", ledger.clusters()));
    }
}

/// The floating address is held by one host, and answers.
fn one_holder(lab: &Lab, inventory: &Inventory, wrong: &mut Vec<String>) {
    let Some(balancer) = &inventory.load_balancer else { return };
    let floating = lab.floating();
    let balancers: Vec<&str> = balancer.hosts.iter().map(HostName::as_str).collect();
    let (mut found, begun) = (holders(lab, &balancers), Instant::now());
    while found.len() != 1 && begun.elapsed() < CALM {
        found = holders(lab, &balancers);
    }
    if found.len() != 1 {
        wrong.push(format!("{floating} is held by {found:?}"));
    }
    match net::get(&floating, balancer.port, "/sso/auth", Duration::from_secs(5)) {
        Ok(answer) if answer.status == 302 => {}
        other => wrong.push(format!("{floating}:{}: {other:?}", balancer.port)),
    }
}
