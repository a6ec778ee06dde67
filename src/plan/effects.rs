//! What a step makes true. Planning uses it to see what later steps will find, lint and the convergence tests
//! to prove that a plan leads where it should; the lab compares it with what is gathered afterwards.

use crate::facts::model::{
    Active, ContainerFact, DirectoryFact, Docker, Facts, FileFact, FileState, HostFacts, InstallFact,
    Observed, UnitState,
};
use crate::inventory::Inventory;
use crate::plan::model::{
    Action, ContainerChange, ContainerSpec, ImageSource, SecretChange, Step, UnitChange,
};
use crate::resource::{Content, ContentKey, HostName};
use crate::secret::{Fingerprint, SecretId};
use crate::services::Service;

/// Applies what `step` makes true on `host`. A host that was not seen stays unseen.
pub fn effects(step: &Step, host: &HostName, inventory: &Inventory, facts: &mut Facts) {
    let arrived = secret_after(step, facts);
    if let Some(seen) = facts.host_mut(host) {
        if let (Action::Secret { id, .. }, Some(print)) = (&step.action, arrived) {
            seen.secrets.insert(id.clone(), print);
        }
        generic(step, seen);
    }
    for service in Service::ALL {
        service.effects(step, host, inventory, facts);
    }
}

fn secret_after(step: &Step, facts: &Facts) -> Option<Fingerprint> {
    let Action::Secret { id, change } = &step.action else { return None };
    match change {
        SecretChange::Mint { .. } => Some(Fingerprint::minted()),
        SecretChange::Copy { from } => facts.host(from)?.secrets.get(id).cloned(),
        SecretChange::Supply => facts.supplied.get(id).cloned(),
    }
}

fn generic(step: &Step, seen: &mut HostFacts) {
    match &step.action {
        Action::Stage { artifact } => {
            seen.staged.insert(artifact.sha256.clone());
        }
        Action::Install { artifact, directory, .. } => {
            seen.staged.remove(&artifact.sha256);
            seen.installs.insert(directory.clone(), Some(InstallFact { intact: true }));
            seen.manifest.insert(format!("install {directory}"), artifact.sha256.to_string());
        }
        Action::MakeDir { path, mode, owner } => {
            let empty = seen.directories.get(path).and_then(Option::as_ref).is_none_or(|old| old.empty);
            let fact = DirectoryFact { mode: *mode, owner: owner.clone(), empty };
            seen.directories.insert(path.clone(), Some(fact));
        }
        Action::WriteFile { path, mode, owner, content, .. } => write(path, *mode, owner, content, seen),
        Action::Link { path, target } => {
            seen.links.insert(path.clone(), Some(target.clone()));
        }
        Action::Remove { path } => {
            seen.files.insert(path.clone(), Observed::Known(None));
            seen.manifest.remove(&format!("file {path}"));
        }
        Action::SetAside { path } => {
            if let Some(Some(directory)) = seen.directories.get_mut(path) {
                directory.empty = true;
            }
        }
        Action::User { name, .. } => {
            seen.users.insert(name.clone(), true);
        }
        Action::Package { names } => {
            for name in names {
                seen.packages.insert(name.clone(), Some("installed".to_owned()));
            }
        }
        Action::Sysctl { path, settings } => {
            write(path, 0o644, "root:root", &sysctl_content(settings), seen);
            seen.sysctls.extend(settings.clone());
        }
        Action::Unit { unit, change, stamp } => change_unit(unit, *change, stamp, seen),
        Action::Unstage { sha256 } => {
            seen.staged.remove(sha256);
        }
        Action::Image { image, source } => {
            if let ImageSource::Load { artifact } = source {
                seen.staged.remove(&artifact.sha256);
            }
            with_docker(seen, |docker| {
                docker.images.insert(image.clone(), "loaded".to_owned());
            });
        }
        Action::Container { spec, change } => contain(spec, *change != ContainerChange::Create, seen),
        Action::Record { entries } => {
            seen.manifest.extend(entries.clone());
        }
        Action::Secret { .. } | Action::Call(_) | Action::Await(_) => {}
    }
}

/// The content of a file of kernel settings.
pub fn sysctl_content(settings: &std::collections::BTreeMap<String, String>) -> Content {
    Content::text(settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect::<String>())
}

fn write(path: &str, mode: u32, owner: &str, content: &Content, seen: &mut HostFacts) {
    let key = content.key(&seen.secrets);
    seen.manifest.insert(format!("file {path}"), key.to_string());
    let fact = FileFact {
        state: FileState::Ours { recorded: key, intact: true },
        mode,
        owner: owner.to_owned(),
        text: Some(content.masked()),
    };
    seen.files.insert(path.to_owned(), Observed::Known(Some(fact)));
    if let Some(unit) = path.strip_prefix("/etc/systemd/system/") {
        let state = seen.units.entry(unit.to_owned()).or_default().get_or_insert_default();
        path.clone_into(&mut state.fragment);
        state.needs_reload = true;
        if state.pid == 0 {
            state.running = Observed::Known(None);
        }
    }
}

fn change_unit(unit: &str, change: UnitChange, stamp: &[String], seen: &mut HostFacts) {
    let running = (!stamp.is_empty()).then(|| stamp_key(stamp, seen));
    let state: &mut UnitState = seen.units.entry(unit.to_owned()).or_default().get_or_insert_default();
    match change {
        // All units are read again then, but only where this one asks for it.
        UnitChange::DaemonReload => state.needs_reload = false,
        UnitChange::Enable => state.enabled = true,
        UnitChange::DisableNow | UnitChange::Stop => {
            state.enabled &= change == UnitChange::Stop;
            state.active = Active::Inactive;
            state.pid = 0;
            state.running = Observed::Known(None);
        }
        UnitChange::Start
        | UnitChange::StartNoBlock
        | UnitChange::Restart
        | UnitChange::RestartNoBlock
        | UnitChange::Reload => {
            state.active = Active::Active;
            "running".clone_into(&mut state.sub);
            if let Some(key) = running {
                state.running = Observed::Known(Some(key));
            }
        }
    }
}

/// The keys of these files as the manifest records them, joined by `+`; the host stamps the same text.
pub fn stamp_key(files: &[String], seen: &HostFacts) -> ContentKey {
    let keys: Vec<&str> = files.iter().map(|path| recorded_key(path, seen).unwrap_or("absent")).collect();
    ContentKey::observed(&keys.join("+"))
}

/// The key that the manifest records for a file of ours.
pub fn recorded_key<'a>(path: &str, seen: &'a HostFacts) -> Option<&'a str> {
    seen.manifest.get(&format!("file {path}"))?.split(' ').next()
}

/// Docker as it will be seen once something was brought to it.
fn with_docker(seen: &mut HostFacts, change: impl FnOnce(&mut Docker)) {
    let mut docker = match std::mem::take(&mut seen.docker) {
        Observed::Known(Some(docker)) => docker,
        Observed::Known(None) | Observed::Unknown(_) => Docker::default(),
    };
    change(&mut docker);
    seen.docker = Observed::Known(Some(docker));
}

fn contain(spec: &ContainerSpec, running: bool, seen: &mut HostFacts) {
    let env = recorded_key(&spec.env_file, seen).unwrap_or("absent").to_owned();
    let fact = ContainerFact {
        running,
        image: spec.image.clone(),
        config: Some(spec.label(&ContentKey::observed(&env))),
        exit_code: (!running).then_some(0),
    };
    with_docker(seen, |docker| {
        docker.containers.insert(spec.name.clone(), fact);
    });
}

/// The fingerprint that a secret has on a host, once the steps so far have run.
pub fn fingerprint<'a>(facts: &'a Facts, host: &HostName, id: &SecretId) -> Option<&'a Fingerprint> {
    facts.host(host)?.secrets.get(id)
}
