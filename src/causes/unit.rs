//! What systemd and Docker say of a service that nobody knows more about.

use super::Evidence;
use super::evidence::{ContainerSeen, UnitSeen};
use crate::event::Cause;

/// So many starts by itself without a success are a loop.
const LOOP: u32 = 5;

pub(super) fn cause(evidence: &Evidence) -> Option<Cause> {
    let unit = evidence.units.iter().find_map(|unit| of_unit(unit, evidence));
    unit.or_else(|| of_container(evidence.container.as_ref()?, evidence))
}

fn of_unit(unit: &UnitSeen, evidence: &Evidence) -> Option<Cause> {
    let name = &unit.name;
    let see = format!("read what it says:\n  journalctl -u {name} -n 50 --no-pager");
    if evidence.says(&["failed to determine user credentials"]) && unit.status == 217 {
        return Some(Cause::new(
            "unit.user",
            format!("The user that {name} runs as does not exist."),
            format!("see which it is: systemctl show -p User {name}; `kuboard-ha up` makes it again"),
        ));
    }
    if unit.load == "not-found" {
        return Some(Cause::new(
            "unit.missing",
            format!("There is no unit {name}."),
            "run `kuboard-ha up` again",
        ));
    }
    if unit.load == "masked" {
        return Some(Cause::new(
            "unit.masked",
            format!("{name} is masked: somebody forbade to start it."),
            format!("if nothing speaks against it, allow it again:\n  systemctl unmask {name}"),
        ));
    }
    if unit.active == "failed" {
        return Some(Cause::new("unit.failed", format!("{name} failed: {}.", end(unit)), see));
    }
    let loops = unit.sub == "auto-restart" && unit.restarts >= LOOP;
    loops.then(|| {
        Cause::new(
            "unit.crash-loop",
            format!("{name} was started {} times and ended each time: {}.", unit.restarts + 1, end(unit)),
            see,
        )
    })
}

fn of_container(container: &ContainerSeen, evidence: &Evidence) -> Option<Cause> {
    let name = evidence.scene.container.as_deref()?;
    let see = format!("read what it says: docker logs --tail 50 {name}");
    match container.state.as_str() {
        "exited" | "dead" => Some(Cause::new(
            "container.exited",
            format!("The container {name} ended with status {}.", container.status),
            see,
        )),
        "restarting" if container.restarts >= LOOP => Some(Cause::new(
            "container.crash-loop",
            format!(
                "The container {name} was started {} times and ended each time, last with status {}.",
                container.restarts + 1,
                container.status
            ),
            see,
        )),
        _ => None,
    }
}

/// `exit-code, status 1`.
pub(super) fn end(unit: &UnitSeen) -> String {
    let what = if unit.killed { "signal" } else { "status" };
    match (unit.result.as_str(), unit.status) {
        ("success" | "", 0) => "no result".to_owned(),
        ("success", status) => format!("{what} {status}"),
        (result, 0) => result.to_owned(),
        (result, status) => format!("{result}, {what} {status}"),
    }
}
