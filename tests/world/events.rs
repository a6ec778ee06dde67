//! What can happen to machines, in words that a case can use: `power-cut etcd1 etcd2`, `stop etcd.service etcd2`.

use std::collections::BTreeSet;

use kuboard_ha::facts::model::{Active, FileFact, FileState, Observed, UnitState};
use kuboard_ha::plan::plan;
use kuboard_ha::resource::{HostName, Sha256Digest};

use super::machines::{Log, World, halt, member};

/// What the words mean; an unknown word is the test's failure.
pub fn happen(world: &mut World, event: &str) {
    let (what, rest) = event.split_once(' ').unwrap_or((event, ""));
    let words: Vec<&str> = rest.split_whitespace().collect();
    let hosts = |from: usize| -> Vec<HostName> {
        match words.get(from..) {
            Some(["all"]) => world.inventory.hosts.keys().cloned().collect(),
            Some(names) if !names.is_empty() => names.iter().map(|name| HostName::new(*name)).collect(),
            _ => panic!("{event}: which host?"),
        }
    };
    match what {
        "power-cut" => {
            for host in hosts(0) {
                world.power_cut(&host);
            }
            world.pass_time();
        }
        "boot" => {
            for host in hosts(0) {
                world.boot(&host);
            }
            world.pass_time();
        }
        "unreachable" => {
            let why = "connection timed out".to_owned();
            world.off.extend(hosts(0).into_iter().map(|host| (host, why.clone())));
        }
        "without" => {
            let left_out = hosts(0);
            world.ground.without.extend(left_out.iter().cloned());
            world.off.extend(left_out.into_iter().map(|host| (host, "left out".to_owned())));
        }
        "stop" => hosts(1).iter().for_each(|host| stop(world, words[0], host)),
        "start" => {
            for host in hosts(1) {
                assert_eq!(words[0], "etcd.service", "{event}: only etcd is started by hand so far");
                world.start(&host);
            }
            world.pass_time();
        }
        "disable" => {
            for host in hosts(1) {
                unit(world, words[0], &host).enabled = false;
            }
        }
        "fail" => {
            for host in hosts(1) {
                stop(world, words[0], &host);
                let state = unit(world, words[0], &host);
                (state.active, state.result) = (Active::Failed, "exit-code".to_owned());
            }
        }
        // The data directory is empty; what ran has ended with it.
        "wipe" => {
            for host in hosts(0) {
                let store = world.store(&host);
                (store.log, store.process, store.complaint) = (None, None, None);
                let directory = world.inventory.etcd.data_dir.clone();
                if let Some(Some(seen)) = world.machine(&host).directories.get_mut(&directory) {
                    seen.empty = true;
                }
            }
        }
        // Somebody started a member of a formed cluster on an empty disk.
        "amnesia" => {
            for host in hosts(0) {
                let store = world.store(&host);
                let log = store.log.take().unwrap_or_default();
                store.log =
                    Some(Log { cluster: log.cluster, member: log.member, amnesiac: true, ..Log::default() });
                (store.process, store.complaint) = (None, Some("amnesiac".to_owned()));
            }
        }
        // Its disks are new: a machine of the same name and address that never served.
        "replace" => {
            let bare = World::bare(&world.inventory);
            for host in hosts(0) {
                world.etcd.remove(&host);
                world.ground.hosts.insert(host.clone(), bare.ground.hosts[&host].clone());
            }
            for host in &world.inventory.etcd.hosts {
                world.etcd.entry(host.clone()).or_default();
            }
        }
        // The machine lives on at its address; its name is wanted for another.
        "outlive" => {
            for host in hosts(0) {
                let old = HostName::new(format!("{host}-old"));
                let (url, store) = (world.url(&host), world.etcd.remove(&host).unwrap_or_default());
                world.urls.insert(old.clone(), url);
                world.etcd.insert(old.clone(), store);
                let rename = |names: &mut BTreeSet<HostName>| {
                    if names.remove(&host) {
                        names.insert(old.clone());
                    }
                };
                let logs = world.etcd.values_mut().filter_map(|store| store.log.as_mut());
                logs.for_each(|log| rename(&mut log.published));
                for cluster in world.clusters.values_mut() {
                    rename(&mut cluster.published);
                    if cluster.leader.as_ref() == Some(&host) {
                        cluster.leader = Some(old.clone());
                    }
                }
            }
        }
        // The folder of records and secrets is gone; the files are nobody's.
        "forget" => hosts(0).iter().for_each(|host| forget(world, host)),
        // Somebody set etcd up as the manual says, and it serves.
        "by-hand" => hosts(0).iter().for_each(|host| by_hand(world, host)),
        "lead" => {
            let leader = hosts(0).remove(0);
            for cluster in world.clusters.values_mut() {
                cluster.leader = Some(leader.clone());
            }
        }
        // A member of a cluster that is not this one.
        "belong-elsewhere" => {
            for host in hosts(0) {
                let store = world.store(&host);
                store.log = Some(Log { cluster: "e15e".repeat(4), ..Log::default() });
            }
        }
        "list-member" => {
            for cluster in world.clusters.values_mut() {
                cluster.members.push(member((words[0], words[1])));
            }
        }
        // Somebody added these hosts by hand and never started them.
        "add-learner" => hosts(0).iter().for_each(|host| add(world, host, true)),
        "add-voter" => hosts(0).iter().for_each(|host| add(world, host, false)),
        "unlist-member" => {
            for host in hosts(0) {
                let url = world.url(&host);
                for cluster in world.clusters.values_mut() {
                    cluster.members.retain(|member| !member.peer_urls.contains(&url));
                    cluster.published.remove(&host);
                }
            }
        }
        "rename-member" => {
            for cluster in world.clusters.values_mut() {
                cluster.members.iter_mut().filter(|member| member.name == words[0]).for_each(|member| {
                    words.get(1).copied().unwrap_or_default().clone_into(&mut member.name);
                });
                if words.len() == 1 {
                    // One without a name was added and has never started.
                    cluster.published.remove(&HostName::new(words[0]));
                }
            }
        }
        "make-learner" => {
            for cluster in world.clusters.values_mut() {
                let wanted = cluster.members.iter_mut().filter(|member| member.name == words[0]);
                wanted.for_each(|member| member.learner = true);
            }
        }
        "edit" => {
            let [host, path, old, new] = words[..] else { panic!("{event}: HOST PATH OLD NEW") };
            edit(world, &HostName::new(host), path, old, new);
        }
        "delete" => {
            for host in hosts(1) {
                let seen = world.machine(&host);
                seen.files.insert(words[0].to_owned(), Observed::Known(None));
                let Some(name) = words[0].strip_prefix("/etc/systemd/system/") else { continue };
                match seen.units.get_mut(name) {
                    Some(Some(state)) if state.active == Active::Active => state.needs_reload = true,
                    _ => {
                        seen.units.insert(name.to_owned(), None);
                    }
                }
            }
        }
        "lose-docker" => {
            for host in hosts(0) {
                let seen = world.machine(&host);
                seen.docker = Observed::Known(None);
                seen.units.insert("docker.service".to_owned(), None);
            }
        }
        "hold-address" => {
            let holders = hosts(0);
            for host in world.inventory.hosts.keys().cloned().collect::<Vec<_>>() {
                if let Some(balancer) = &mut world.machine(&host).balancer {
                    balancer.holds_address = holders.contains(&host);
                    balancer.answers = Observed::Known(true);
                }
            }
        }
        "drop-address" => {
            for host in world.inventory.hosts.keys().cloned().collect::<Vec<_>>() {
                if let Some(balancer) = &mut world.machine(&host).balancer {
                    (balancer.holds_address, balancer.answers) = (false, Observed::Known(false));
                }
            }
        }
        // `up` is killed before the step that stands there in its plan.
        "run-killed-before" => run_until(world, rest),
        "run" => {
            let planning = plan(&world.inventory, &world.look());
            world.run(&planning, usize::MAX).unwrap_or_else(|why| panic!("{event}: {why}"));
        }
        other => panic!("nothing is known to happen by the name {other}"),
    }
}

fn unit<'w>(world: &'w mut World, name: &str, host: &HostName) -> &'w mut UnitState {
    let state = world.machine(host).units.get_mut(name).and_then(Option::as_mut);
    state.unwrap_or_else(|| panic!("{host} has no {name}"))
}

fn stop(world: &mut World, name: &str, host: &HostName) {
    halt(unit(world, name, host));
    match name {
        "etcd.service" => world.store(host).process = None,
        "docker.service" => {
            let seen = world.machine(host);
            if let Observed::Known(Some(docker)) = &mut seen.docker {
                docker.version = None;
            }
            if let Some(kuboard) = &mut seen.kuboard {
                (kuboard.web, kuboard.agent) = (Observed::Known(false), Observed::Known(false));
            }
        }
        "questdb.service" => {
            if let Some(questdb) = &mut world.machine(host).questdb {
                (questdb.healthy, questdb.login) = (Observed::Known(false), Observed::Known(false));
            }
        }
        "haproxy.service" => {
            if let Some(balancer) = &mut world.machine(host).balancer {
                balancer.healthy = Observed::Known(false);
                balancer.holds_address = false;
            }
            world.pass_time();
        }
        "keepalived.service" => {
            if let Some(balancer) = &mut world.machine(host).balancer {
                balancer.holds_address = false;
            }
            world.pass_time();
        }
        _ => {}
    }
}

fn forget(world: &mut World, host: &HostName) {
    let seen = world.machine(host);
    seen.manifest.clear();
    seen.secrets.clear();
    seen.clusters.clear();
    for (path, file) in &mut seen.files {
        if let Observed::Known(Some(file)) = file {
            file.state = FileState::Foreign(Sha256Digest::of(path.as_bytes()));
        }
    }
    for install in seen.installs.values_mut().flatten() {
        install.intact = false;
    }
}

fn add(world: &mut World, host: &HostName, learner: bool) {
    let url = world.url(host);
    for id in world.clusters.keys().cloned().collect::<Vec<_>>() {
        world.add(&id, url.clone(), learner).unwrap_or_else(|why| panic!("{host}: {why}"));
    }
}

fn by_hand(world: &mut World, host: &HostName) {
    let manual = |name: &str| {
        let text = std::fs::read_to_string(format!("tests/golden/etcd/manual.{name}")).unwrap_or_default();
        text.replace("etcd1\n", &format!("{host}\n"))
            .replace("URLS=http://10.99.16.11:", &format!("URLS=http://{}:", world.inventory.address(host)))
            .replace("kuboard_etcd_cluster_token", "***")
    };
    let files = [("/etc/etcd.env", manual("env")), ("/etc/systemd/system/etcd.service", manual("service"))];
    forget(world, host);
    world.store(host).by_hand = true;
    let seen = world.machine(host);
    for program in ["etcd", "etcdctl", "etcdutl"] {
        let path = format!("/usr/local/bin/{program}");
        seen.links.insert(path.clone(), None);
        seen.files.insert(path.clone(), Observed::Known(Some(foreign(&path, None))));
    }
    for (path, text) in files {
        seen.files.insert(path.to_owned(), Observed::Known(Some(foreign(path, Some(text)))));
    }
    seen.installs.values_mut().for_each(|install| *install = None);
    if let Some(Some(directory)) = seen.directories.get_mut("/var/lib/etcd") {
        "root:root".clone_into(&mut directory.owner);
    }
    if let Some(process) = &mut world.store(host).process {
        "/usr/local/bin/etcd".clone_into(&mut process.running.executable);
        let state = ("ETCD_INITIAL_CLUSTER_STATE".to_owned(), "new".to_owned());
        process.running.environment.extend([state]);
    }
}

fn foreign(path: &str, text: Option<String>) -> FileFact {
    let state = FileState::Foreign(Sha256Digest::of(path.as_bytes()));
    FileFact { state, mode: 0o644, owner: "root:root".to_owned(), text }
}

fn edit(world: &mut World, host: &HostName, path: &str, old: &str, new: &str) {
    let Some(Observed::Known(Some(file))) = world.machine(host).files.get_mut(path) else {
        panic!("{host} has no {path}")
    };
    let text = file.text.take().unwrap_or_default();
    assert!(text.contains(old), "{path} on {host} does not hold {old}");
    file.text = Some(text.replace(old, new));
    if let FileState::Ours { intact, .. } = &mut file.state {
        *intact = false;
    }
    if path.starts_with("/etc/systemd/system/") {
        unit(world, path.rsplit('/').next().unwrap_or_default(), host).needs_reload = true;
    }
}

/// `JOB ACTION RESOURCE [#N]`: carries out what stands before the Nth such step of that job, the last unless said.
fn run_until(world: &mut World, wanted: &str) {
    let (step_wanted, number) = match wanted.split_once(" #") {
        Some((step, number)) => (step, number.parse::<usize>().ok()),
        None => (wanted, None),
    };
    let planning = plan(&world.inventory, &world.look());
    let mut count = 0;
    let mut found = Vec::new();
    for job in &planning.plan.jobs {
        for step in &job.steps {
            let action = serde_json::to_value(&step.action).unwrap_or_default();
            let action = action["do"].as_str().unwrap_or_default().to_owned();
            if format!("{} {action} {}", job.id, step.resource) == step_wanted {
                found.push(count);
            }
            count += 1;
        }
    }
    let before = number.map_or(found.last(), |number| found.get(number - 1)).copied();
    let before = before.unwrap_or_else(|| panic!("no {wanted} in:\n{}", super::listing(&planning)));
    world.run(&planning, before).unwrap_or_else(|why| panic!("{why}"));
    world.pass_time();
}
