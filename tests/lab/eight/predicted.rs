//! What the plan's effects predict against what is seen afterwards: without this the model world would only agree
//! with itself.

use std::collections::BTreeMap;
use std::path::Path;

use kuboard_ha::facts::model::{Active, FileFact, FileState, HostFacts, Observed};
use kuboard_ha::facts::{Facts, HostState};
use kuboard_ha::inventory::{Context, Inventory, load};
use kuboard_ha::plan::effects::effects;
use kuboard_ha::plan::plan;

use crate::lab::Lab;

/// Keeps what is seen of the bare hosts.
pub fn before(lab: &Lab) {
    seen(lab, "facts-before.json");
}

/// The plan made from it, in the model, against the hosts.
pub fn holds(lab: &Lab) {
    let before: Facts =
        serde_json::from_str(&std::fs::read_to_string(lab.file("facts-before.json")).unwrap()).unwrap();
    let after = seen(lab, "facts-after.json");
    let inventory = inventory(lab);
    let planning = plan(&inventory, &before);
    let mut predicted = before;
    for job in &planning.plan.jobs {
        for step in &job.steps {
            effects(step, &job.host, &inventory, &mut predicted);
        }
    }
    let mut differences = Vec::new();
    for (host, state) in &predicted.hosts {
        let (HostState::Reached(predicted), Some(seen)) = (state, after.host(host)) else {
            panic!("{host} was not seen");
        };
        let (predicted, seen) = (picture(predicted), picture(seen));
        for (thing, wanted) in &predicted {
            let found = seen.get(thing);
            if found != Some(wanted) {
                differences.push(format!("{host} {thing}: predicted {wanted}, seen {found:?}"));
            }
        }
        for thing in seen.keys().filter(|thing| !predicted.contains_key(*thing)) {
            differences.push(format!("{host} {thing}: not predicted"));
        }
        assert!(predicted.len() > 3, "too little to compare on {host}: {predicted:?}");
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn seen(lab: &Lab, name: &str) -> Facts {
    let path = lab.file(name);
    lab.run(&["status", "-q", "--save-facts", path.to_str().unwrap()]).exits(0);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn inventory(lab: &Lab) -> Inventory {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|why| why.to_string());
    let context = Context { folder: Path::new("/"), home: None, read: &read };
    load(&lab.inventory.text(), &context).unwrap_or_else(|problems| panic!("{problems:#?}")).inventory
}

/// What kuboard-ha changes, in words that do not depend on values that only the hosts draw.
pub fn picture(host: &HostFacts) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (path, file) in &host.files {
        if let Observed::Known(Some(file)) = file
            && let Some(words) = file_in_words(file)
        {
            all.insert(format!("file {path}"), words);
        }
    }
    for (path, target) in &host.links {
        if let Some(target) = target {
            all.insert(format!("link {path}"), target.clone());
        }
    }
    for (path, directory) in &host.directories {
        if let Some(directory) = directory {
            all.insert(format!("directory {path}"), format!("{:o} {}", directory.mode, directory.owner));
        }
    }
    for (path, install) in &host.installs {
        if let Some(install) = install {
            all.insert(format!("install {path}"), format!("intact {}", install.intact));
        }
    }
    for (user, there) in host.users.iter().filter(|(_, there)| **there) {
        all.insert(format!("user {user}"), there.to_string());
    }
    for (unit, state) in &host.units {
        if let Some(state) = state {
            // One that it has not loaded systemd reads when it is asked about it.
            let reload = state.needs_reload && (state.enabled || state.active != Active::Inactive);
            let words = format!("{:?}, enabled {}, asks for reload {reload}", state.active, state.enabled);
            all.insert(format!("unit {unit}"), words);
        }
    }
    for id in host.secrets.keys() {
        all.insert(format!("secret {id}"), "there".to_owned());
    }
    for entry in host.manifest.keys() {
        all.insert(format!("manifest {entry}"), "there".to_owned());
    }
    if let Observed::Known(Some(docker)) = &host.docker {
        for image in docker.images.keys() {
            all.insert(format!("image {image}"), "there".to_owned());
        }
        for (name, container) in &docker.containers {
            all.insert(
                format!("container {name}"),
                format!("{} runs {}", container.image, container.running),
            );
        }
    }
    all
}

/// Whose it is and what it holds; the fingerprints of secrets at the end of a key differ by nature.
fn file_in_words(file: &FileFact) -> Option<String> {
    let FileState::Ours { recorded, intact } = &file.state else { return None };
    let skeleton = recorded.as_str().split('.').next().unwrap_or_default();
    Some(format!("{skeleton}, intact {intact}, {:o} {}", file.mode, file.owner))
}
