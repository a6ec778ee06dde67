//! Steps as POSIX shell: what `apply` sends and `plan --script` prints. Every value is single-quoted; the functions
//! it calls are in `steps.sh`.

use std::fmt::Write as _;
use std::time::Duration;

use crate::inventory::model::Transfer;
use crate::plan::model::{
    Action, ContainerChange, ContainerSpec, ImageSource, Job, Procedure, SecretChange, UnitChange,
};
use crate::plan::title::TITLE;
use crate::resource::{Content, Part, SecretForm};

/// The functions that the text of steps, guards and probes may call.
pub const RUNTIME: &str = concat!(include_str!("steps.sh"), include_str!("pgwire.sh"));

/// A job as it is sent to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobScript {
    /// The job's id.
    pub id: String,
    /// What must hold first: a title for people and the text that exits 0 while it does.
    pub guards: Vec<(String, String)>,
    /// The steps.
    pub steps: Vec<StepScript>,
}

/// A step as it is sent to a host; runs as `( set -eu; TEXT )`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepScript {
    /// Shell text.
    pub text: String,
    /// How long it may take.
    pub limit: Duration,
    /// Whether it is a probe, repeated until it exits 0 or the limit is over.
    pub waits: bool,
}

/// A job's text.
pub fn script(job: &Job, transfer: Transfer) -> JobScript {
    JobScript {
        id: job.id.to_string(),
        guards: job.guards.iter().map(|guard| (guard.title.clone(), procedure(&guard.test))).collect(),
        steps: job
            .steps
            .iter()
            .enumerate()
            .map(|(index, step)| StepScript {
                text: match (&step.action, job.steps.get(index + 1).map(|next| &next.action)) {
                    (Action::Unit { unit, change: UnitChange::Enable, .. }, Some(next))
                        if is_reload(next) =>
                    {
                        // It would have systemd read all units, which takes as long as all else of it.
                        format!("systemctl enable --quiet --no-reload {}", quote(unit))
                    }
                    (step, _) => action(step, transfer),
                },
                limit: step.limit,
                waits: matches!(step.action, Action::Await(_)),
            })
            .collect(),
    }
}

fn is_reload(action: &Action) -> bool {
    matches!(action, Action::Unit { change: UnitChange::DaemonReload, .. })
}

/// Shell text without the lines that only people read: a third of what would go to each host. For texts of this program,
/// none of which has a line that begins with `#` and means something.
pub fn without_comments(text: &str) -> String {
    let said = |line: &&str| !line.trim_start().starts_with('#') && !line.trim().is_empty();
    text.lines().filter(said).flat_map(|line| [line, "\n"]).collect()
}

/// `text` as one word of shell.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A service's procedure: its arguments as variables, then its own text.
pub fn procedure(procedure: &Procedure) -> String {
    let mut text = String::new();
    for (name, value) in procedure.args.iter().filter(|(name, _)| **name != TITLE) {
        let _ = writeln!(text, "{name}={}", quote(value));
    }
    text.push_str(procedure.text);
    text
}

fn words<'a>(values: impl IntoIterator<Item = &'a String>) -> String {
    values.into_iter().map(|value| format!(" {}", quote(value))).collect()
}

fn action(action: &Action, transfer: Transfer) -> String {
    match action {
        Action::Stage { artifact } => match transfer {
            Transfer::Push => format!("staged {}", artifact.sha256),
            Transfer::Pull => format!("fetch_staged {} {}", artifact.sha256, quote(&artifact.source)),
        },
        Action::Install { artifact, directory, members } => {
            format!("unpack {} {}{}", artifact.sha256, quote(directory), words(members))
        }
        Action::MakeDir { path, mode, owner } => format!("make_dir {} {mode:04o} {owner}", quote(path)),
        Action::WriteFile { path, mode, owner, content, check } => {
            let check = check.as_ref().map_or("", |check| check.text);
            write_file(path, *mode, owner, content, check)
        }
        Action::Link { path, target } => format!("make_link {} {}", quote(path), quote(target)),
        Action::Remove { path } => format!("remove_file {}", quote(path)),
        Action::Unstage { sha256 } => format!("rm -f \"$STATE/stage/{sha256}\""),
        Action::SetAside { path } => format!("set_aside {}", quote(path)),
        Action::User { name, home } => format!("add_user {} {}", quote(name), quote(home)),
        Action::Package { names } => format!("add_packages{}", words(names)),
        Action::Sysctl { path, settings } => {
            let content = super::effects::sysctl_content(settings);
            let pairs: String =
                settings.iter().map(|(name, value)| format!(" {} {}", quote(name), quote(value))).collect();
            format!(
                "{}\nsysctl_apply {}{pairs}",
                write_file(path, 0o644, "root:root", &content, ""),
                quote(path)
            )
        }
        Action::Unit { unit, change, stamp } => change_unit(unit, *change, stamp),
        Action::Image { image, source: ImageSource::Pull { username } } => {
            format!("image_pull {}{}", quote(image), words(username))
        }
        Action::Image { image, source: ImageSource::Load { artifact } } => {
            format!("image_load {} {}", artifact.sha256, quote(image))
        }
        Action::Container { spec, change: ContainerChange::Run } => container("container_run", spec),
        Action::Container { spec, change: ContainerChange::Create } => container("container_create", spec),
        Action::Container { spec, change: ContainerChange::Start } => {
            format!("container_start {}", quote(&spec.name))
        }
        Action::Secret { id, change: SecretChange::Mint { length } } => {
            format!("secret_mint {} {length}", quote(id.as_str()))
        }
        Action::Secret { id, change: SecretChange::Copy { .. } | SecretChange::Supply } => {
            format!("secret_put {}", quote(id.as_str()))
        }
        Action::Record { entries } => entries
            .iter()
            .map(|(entry, value)| format!("record {} {}", quote(entry), quote(value)))
            .collect::<Vec<_>>()
            .join("\n"),
        Action::Call(call) | Action::Await(call) => procedure(call),
    }
}

fn write_file(path: &str, mode: u32, owner: &str, content: &Content, check: &str) -> String {
    let mut text = format!("begin_file {} {mode:04o} {owner}\n{{\n", quote(path));
    for part in &content.0 {
        let _ = match part {
            Part::Text(piece) => writeln!(text, "text {}", quote(piece)),
            Part::Secret { id, form } => {
                let function = match form {
                    SecretForm::Raw => "secret_raw",
                    SecretForm::Url => "secret_url",
                    SecretForm::SystemdEnv => "secret_systemd_env",
                };
                writeln!(text, "{function} {}", quote(id.as_str()))
            }
        };
    }
    text.push_str("} >\"$new\"\n");
    if !check.is_empty() {
        let _ = writeln!(text, "{check}");
    }
    let _ = write!(text, "end_file {} {}", quote(path), &content.skeleton().as_str()[..32]);
    for id in content.secrets() {
        let _ = write!(text, " {}", quote(id.as_str()));
    }
    text
}

fn change_unit(unit: &str, change: UnitChange, stamp: &[String]) -> String {
    let unit = quote(unit);
    let mut text = match change {
        UnitChange::DaemonReload => format!("reload_for {unit}"),
        UnitChange::Enable => format!("systemctl enable --quiet {unit}"),
        UnitChange::DisableNow => format!("systemctl disable --quiet --now {unit}"),
        UnitChange::Start => format!("systemctl start {unit}"),
        UnitChange::StartNoBlock => format!("systemctl start --no-block {unit}"),
        UnitChange::Restart => format!("systemctl restart {unit}"),
        UnitChange::RestartNoBlock => format!("systemctl restart --no-block {unit}"),
        UnitChange::Reload => format!("systemctl reload {unit}"),
        UnitChange::Stop => format!("systemctl stop {unit}"),
    };
    // Five starts in ten seconds, whoever made them, and systemd refuses the next; this makes it count anew.
    if matches!(
        change,
        UnitChange::Start | UnitChange::StartNoBlock | UnitChange::Restart | UnitChange::RestartNoBlock
    ) {
        text = format!("systemctl reset-failed {unit} 2>/dev/null || true\n{text}");
    }
    if !stamp.is_empty() {
        let _ = write!(text, "\nstamp_unit {unit}{}", words(stamp));
    }
    text
}

fn container(function: &str, spec: &ContainerSpec) -> String {
    let mut text = format!("{function} {} {} {}", quote(&spec.name), quote(&spec.env_file), spec.digest());
    for option in &spec.options {
        let _ = write!(text, " {}", quote(option));
    }
    for publish in &spec.publish {
        let _ = write!(text, " -p {}", quote(publish));
    }
    for volume in &spec.volumes {
        let _ = write!(text, " -v {}", quote(volume));
    }
    let _ = write!(text, " {}", quote(&spec.image));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretId;

    #[test]
    fn no_value_is_read_as_shell() {
        assert_eq!(quote("a'b $(c) `d`\n{{e}}"), "'a'\\''b $(c) `d`\n{{e}}'");
    }

    #[test]
    fn a_file_is_checked_before_it_counts_and_its_secrets_stay_on_the_host() {
        let content = Content(vec![
            Part::Text("P=".into()),
            Part::Secret { id: SecretId::new("p"), form: SecretForm::Url },
        ]);
        assert_eq!(
            write_file("/etc/x", 0o600, "root:root", &content, "x --check \"$new\""),
            format!(
                "begin_file '/etc/x' 0600 root:root\n{{\ntext 'P='\nsecret_url 'p'\n}} >\"$new\"\nx --check \
                 \"$new\"\nend_file '/etc/x' {} 'p'",
                &content.skeleton().as_str()[..32]
            )
        );
    }
}
