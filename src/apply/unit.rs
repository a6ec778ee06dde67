//! What a host says of the units that a failed step was about: their result and the last lines of their journal.

use std::fmt::Write as _;
use std::time::Duration;

use crate::host::session::Session;
use crate::plan::model::{Action, Step, UnitChange};
use crate::plan::script::quote;

/// How long the look may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Lines of a failed step's own output that stay beside what its units say.
const OWN: usize = 12;

/// The output of a step that failed, with what its units say before it. `steps` are those of the job up to the one that
/// failed.
pub(super) async fn explained(session: &mut Session, steps: &[Step], output: &str) -> String {
    let Some(text) = look(steps) else { return output.to_owned() };
    match session.gather(&text, LIMIT).await {
        Ok(look) if !look.text.trim().is_empty() => {
            let own: Vec<&str> = output.lines().collect();
            format!("{}{}\n", look.text, own[own.len().saturating_sub(OWN)..].join("\n"))
        }
        // Evidence that cannot be had is no second failure.
        _ => output.to_owned(),
    }
}

/// The script; `None` where the failed step, the last, neither changes a unit nor waits for one.
fn look(steps: &[Step]) -> Option<String> {
    if !matches!(steps.last()?.action, Action::Unit { .. } | Action::Await(_)) {
        return None;
    }
    let mut units: Vec<&str> = steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Unit { change: UnitChange::DaemonReload, .. } => None,
            Action::Unit { unit, .. } => Some(unit.as_str()),
            _ => None,
        })
        .collect();
    units.sort_unstable();
    units.dedup();
    let mut text = String::new();
    for unit in units {
        let unit = quote(unit);
        // What a service logs is not ours: values that are named like secrets are hidden.
        let _ = writeln!(
            text,
            "printf '%s: %s\\n' {unit} \"$(timeout 3 systemctl show -p Result,ExecMainStatus,ActiveState {unit} \
             2>/dev/null | tr '\\n' ' ')\"\n\
             timeout 3 journalctl -u {unit} -n 15 --no-pager -o cat -q 2>/dev/null | cut -c1-400 | sed -E \
             's/((password|passwd|secret|token)[a-z_-]*\"?[=: ]+\"?)[^\", }}]+/\\1***/Ig'"
        );
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::plan::model::{Procedure, Reason, Risk};
    use crate::resource::ResourceId;

    fn step(action: Action) -> Step {
        Step {
            resource: ResourceId::new("unit", "x"),
            action,
            reason: Reason::Missing,
            risk: Risk::None,
            limit: Duration::from_secs(1),
        }
    }

    fn start() -> Step {
        let (unit, change) = ("x.service".to_owned(), UnitChange::Restart);
        step(Action::Unit { unit, change, stamp: Vec::new() })
    }

    #[test]
    fn a_failed_wait_shows_the_unit_that_was_started_for_it_and_no_secret() {
        let wait = step(Action::Await(Procedure::new("x.ready", "false", [])));
        let text = look(&[start(), wait]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (name, says) in [
            ("systemctl", "echo Result=exit-code; echo ExecMainStatus=1; echo ActiveState=failed"),
            ("journalctl", "echo \"$*\"; echo 'DB_PASSWORD=poison \"token\":\"poison\", port 1'"),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{says}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let ran = std::process::Command::new("sh").args(["-c", &text]).env("PATH", path).output().unwrap();
        let said = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(
            said.lines().collect::<Vec<_>>(),
            [
                "x.service: Result=exit-code ExecMainStatus=1 ActiveState=failed ",
                "-u x.service -n 15 --no-pager -o cat -q",
                "DB_PASSWORD=*** \"token\":\"***\", port 1",
            ]
        );
    }

    #[test]
    fn steps_without_a_unit_ask_nothing() {
        let wait = step(Action::Await(Procedure::new("x.ready", "false", [])));
        assert_eq!(look(&[wait]), None);
        let call = step(Action::Call(Procedure::new("x.do", "false", [])));
        assert_eq!(look(&[start(), call]), None);
    }
}
