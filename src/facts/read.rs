//! The output of a look as facts about one host.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::facts::look::Looks;
use crate::facts::model::{FileState, HostFacts, Observed};
use crate::facts::probe::files::Files;
use crate::facts::probe::units::Configured;
use crate::facts::probe::{
    Section, docker, files, firewall, network, parts, sections, storage, system, units,
};
use crate::resource::Sha256Digest;
use crate::services::Service;

/// Reads everything that a look printed. `complete` is false where the end is missing: the look was cut off.
pub fn read(looks: &Looks, text: &str) -> (HostFacts, bool) {
    let all = sections(text);
    let lines = |name: &str| -> Vec<&str> {
        all.iter().filter(|section| section.name == name).flat_map(|section| section.lines.clone()).collect()
    };
    let (system, clock) = system::system(&lines("system"));
    let manifest = files::manifest(&lines("manifest"));
    let looked: BTreeSet<&String> = looks.files.keys().chain(&looks.links).collect();
    let paths = lines("paths");
    let there = files::found(&paths);
    let (mut found, changed) = files::files(&there, &lines("sums"), &lines("defaults"), looked, &manifest);
    texts(&all, &mut found);
    let trees: Vec<_> = all
        .iter()
        .filter(|section| section.name == "install")
        .map(|section| (section.argument, section.lines.as_slice()))
        .collect();
    let keys = keys_on_disk(&found);
    let configured = Configured { files: &looks.units, keys: &keys, changed: &changed, clock };
    let mut facts = HostFacts {
        system,
        addresses: network::addresses(&lines("addresses")),
        listeners: network::listeners(&lines("sockets")),
        callers: network::callers(&lines("sockets")),
        mounts: storage::mounts(storage::Storage {
            paths: &lines("mounts"),
            rooms: &lines("rooms"),
            reals: &lines("reals"),
            mounted: &lines("mounted"),
        }),
        packages: packages(looks, &lines("packages")),
        links: files::links(&there, &looks.links),
        directories: files::directories(&there, &lines("directories"), &looks.directories),
        installs: files::installs(&trees, &looks.installs, &manifest),
        users: looks
            .users
            .iter()
            .map(|user| (user.clone(), lines("users").contains(&user.as_str())))
            .collect(),
        units: units::units(&lines("units"), &lines("stamps"), &configured),
        sysctls: sysctls(looks, &lines("sysctls")),
        docker: Observed::Unknown("not looked at".to_owned()),
        secrets: all
            .iter()
            .filter(|section| section.name == "sums")
            .flat_map(|section| files::secrets(section.argument, &section.lines))
            .collect(),
        clusters: lines("clusters").into_iter().map(str::to_owned).collect(),
        staged: lines("staged").into_iter().filter_map(Sha256Digest::parse).collect(),
        files: found,
        manifest,
        ..HostFacts::default()
    };
    for path in &looks.links {
        // A link of ours is looked at as a link; only what is not a link can be somebody else's file there.
        if facts.links.get(path).is_some_and(Option::is_some) {
            facts.files.remove(path);
        }
    }
    probes(looks, &all, &mut facts);
    (facts, all.last().is_some_and(|section| section.name == "end"))
}

/// How long the parts of a look took on the host, by name.
pub fn parts(text: &str) -> BTreeMap<String, Duration> {
    let all = sections(text);
    all.iter()
        .find(|section| section.name == "parts")
        .map(|section| parts::parts(&section.lines))
        .unwrap_or_default()
}

fn probes(looks: &Looks, all: &[Section<'_>], facts: &mut HostFacts) {
    for section in all.iter().filter(|section| section.name == "probe") {
        match section.argument {
            "docker" => {
                facts.docker = docker::docker(&section.lines);
                if let (Observed::Known(Some(docker)), Some(look)) = (&mut facts.docker, &looks.docker) {
                    // Of all others only their ports matter.
                    docker.containers.retain(|name, _| look.containers.contains(name));
                }
            }
            "firewall" => facts.firewall = firewall::firewall(&section.lines),
            name => {
                let output = section.lines.join("\n");
                for service in Service::ALL {
                    service.read(name, &output, facts);
                }
            }
        }
    }
}

fn texts(all: &[Section<'_>], found: &mut Files) {
    for section in all.iter().filter(|section| section.name == "text") {
        if let Some(Observed::Known(Some(file))) = found.get_mut(section.argument) {
            file.text = Some(section.lines.iter().map(|line| format!("{line}\n")).collect());
        }
    }
}

/// The key of what lies in each file: the recorded one while it is intact, else one that equals nothing.
fn keys_on_disk(found: &Files) -> BTreeMap<String, String> {
    found
        .iter()
        .filter_map(|(path, file)| {
            let key = match &file.known()?.as_ref()?.state {
                FileState::Ours { recorded, intact: true } => recorded.to_string(),
                FileState::Ours { .. } => "changed-by-hand".to_owned(),
                FileState::PackageDefault => "package-default".to_owned(),
                FileState::Foreign(digest) => digest.short().to_owned(),
            };
            Some((path.clone(), key))
        })
        .collect()
}

fn packages(looks: &Looks, lines: &[&str]) -> BTreeMap<String, Option<String>> {
    let mut found: BTreeMap<String, Option<String>> =
        looks.packages.iter().map(|name| (name.clone(), None)).collect();
    for line in lines {
        if let [name, version, "installed"] = line.split(' ').collect::<Vec<_>>().as_slice() {
            found.insert((*name).to_owned(), Some((*version).to_owned()));
        }
    }
    found
}

/// Reads `/proc/sys/PATH:VALUE`.
fn sysctls(looks: &Looks, lines: &[&str]) -> BTreeMap<String, String> {
    let values: BTreeMap<&str, &str> = lines.iter().filter_map(|line| line.split_once(':')).collect();
    let value = |name: &String| {
        let value = values.get(format!("/proc/sys/{}", name.replace('.', "/")).as_str())?;
        Some((name.clone(), value.split_whitespace().collect::<Vec<_>>().join(" ")))
    };
    looks.sysctls.iter().filter_map(value).collect()
}
