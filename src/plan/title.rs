//! What a step does, in the words that plans, events and scripts share.

use crate::plan::model::{Action, ContainerChange, ImageSource, Procedure, SecretChange, Step, UnitChange};

/// The argument of a procedure that holds its words for people. It is shown and never reaches the shell.
pub const TITLE: &str = "title";

/// The step in words, one line, no full stop: `write /etc/etcd.env`, `start etcd.service (without waiting)`.
pub fn step_title(step: &Step) -> String {
    match &step.action {
        Action::Stage { artifact } => format!("bring {} to the host", artifact.title()),
        Action::Install { artifact, directory, .. } => {
            format!("install {} into {directory}", artifact.title())
        }
        Action::MakeDir { path, mode, owner } => format!("make directory {path} ({owner} {mode:04o})"),
        Action::WriteFile { path, .. } => format!("write {path}"),
        Action::Link { path, target } => format!("point {path} to {target}"),
        Action::Remove { path } => format!("remove {path}"),
        Action::Unstage { sha256 } => format!("remove the archive {}… from the stage", &sha256.as_str()[..8]),
        Action::SetAside { path } => format!("move what is in {path} aside (into aside-RUN inside it)"),
        Action::User { name, .. } => format!("make the system user {name}"),
        Action::Package { names } if names.len() == 1 => format!("install the package {}", names[0]),
        Action::Package { names } => format!("install the packages {}", names.join(", ")),
        Action::Sysctl { settings, .. } => {
            let settings: Vec<_> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("set {}", settings.join(", "))
        }
        Action::Unit { unit, change, .. } => unit_title(unit, *change),
        Action::Image { image, source: ImageSource::Pull { .. } } => format!("pull the image {image}"),
        Action::Image { image, source: ImageSource::Load { .. } } => {
            format!("load the image {image} from its archive")
        }
        Action::Container { spec, change: ContainerChange::Run } => {
            format!("run the container {} from {}", spec.name, spec.image)
        }
        Action::Container { spec, change: ContainerChange::Create } => {
            format!("make the container {} from {}", spec.name, spec.image)
        }
        Action::Container { spec, change: ContainerChange::Start } => {
            format!("start the container {}", spec.name)
        }
        Action::Secret { id, change: SecretChange::Mint { .. } } => format!("draw the secret {id}"),
        Action::Secret { id, change: SecretChange::Copy { from } } => {
            format!("copy the secret {id} from {from}")
        }
        Action::Secret { id, change: SecretChange::Supply } => format!("store the secret {id}"),
        Action::Record { entries } => match entries.keys().next() {
            Some(entry) if entries.len() == 1 => format!("note in the manifest: {entry}"),
            _ => format!("note {} entries in the manifest", entries.len()),
        },
        Action::Call(procedure) => procedure_title(procedure).to_owned(),
        Action::Await(procedure) => match procedure.args.get(TITLE) {
            Some(title) => format!("wait until {title}"),
            None => format!("wait for {}", procedure.name),
        },
    }
}

/// A procedure in words: its argument `title`, else its name.
pub fn procedure_title(procedure: &Procedure) -> &str {
    procedure.args.get(TITLE).map_or(procedure.name, String::as_str)
}

fn unit_title(unit: &str, change: UnitChange) -> String {
    match change {
        UnitChange::DaemonReload => "let systemd read its unit files again".to_owned(),
        UnitChange::Enable => format!("start {unit} at boot from now on"),
        UnitChange::DisableNow => format!("stop {unit} and no longer start it at boot"),
        UnitChange::Start => format!("start {unit}"),
        UnitChange::StartNoBlock => format!("start {unit} (without waiting)"),
        UnitChange::Restart => format!("restart {unit}"),
        UnitChange::RestartNoBlock => format!("restart {unit} (without waiting)"),
        UnitChange::Reload => format!("reload {unit}"),
        UnitChange::Stop => format!("stop {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::model::{Reason, Risk};
    use crate::resource::{Content, ResourceId};

    fn title(action: Action) -> String {
        step_title(&Step {
            resource: ResourceId::new("file", "/x"),
            action,
            reason: Reason::Missing,
            risk: Risk::None,
            limit: Duration::from_secs(1),
        })
    }

    #[test]
    fn a_title_says_what_is_done_to_what() {
        let file = Action::WriteFile {
            path: "/etc/etcd.env".into(),
            mode: 0o640,
            owner: "etcd:etcd".into(),
            content: Content::text("A=1\n"),
            check: None,
        };
        assert_eq!(title(file), "write /etc/etcd.env");
        let directory =
            Action::MakeDir { path: "/var/lib/etcd".into(), mode: 0o700, owner: "etcd:etcd".into() };
        assert_eq!(title(directory), "make directory /var/lib/etcd (etcd:etcd 0700)");
        let start =
            Action::Unit { unit: "etcd.service".into(), change: UnitChange::StartNoBlock, stamp: Vec::new() };
        assert_eq!(title(start), "start etcd.service (without waiting)");
    }

    #[test]
    fn a_procedure_is_shown_by_its_title_and_else_by_its_name() {
        let titled = Procedure::new("etcd.quorum", ":", [(TITLE, "etcd has quorum".to_owned())]);
        assert_eq!(title(Action::Await(titled.clone())), "wait until etcd has quorum");
        assert_eq!(title(Action::Call(titled)), "etcd has quorum");
        let named = Procedure::new("etcd.quorum", ":", []);
        assert_eq!(title(Action::Await(named.clone())), "wait for etcd.quorum");
        assert_eq!(title(Action::Call(named)), "etcd.quorum");
    }
}
