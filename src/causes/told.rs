//! Evidence as people read it: a dozen lines at most.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::evidence::{ContainerSeen, Evidence, Reach, UnitSeen};
use super::lines::telling;
use super::{clock, disk, port, unit};
use crate::facts::model::Mount;

/// Lines of a journal, of a step's own output, and of the kernel.
const JOURNAL: usize = 4;
const OUTPUT: usize = 3;
const KERNEL: usize = 2;

/// The lines, the surest first: what the step printed, how the service stands, what it says, what the host shows.
pub fn told(evidence: &Evidence) -> Vec<String> {
    let mut lines = telling(&evidence.output, OUTPUT);
    for seen in &evidence.units {
        lines.extend(state(seen));
    }
    if let (Some(name), Some(seen)) = (&evidence.scene.container, &evidence.container) {
        lines.extend(container(name, seen));
    }
    let log = |seen: &UnitSeen| {
        let said = telling(seen.said(), JOURNAL);
        if said.is_empty() { telling(&seen.earlier, JOURNAL) } else { said }
    };
    for seen in evidence.units.iter().filter(|seen| is_in_trouble(seen) || evidence.scene.container.is_none())
    {
        add(&mut lines, log(seen));
    }
    if let Some(seen) = &evidence.container {
        add(&mut lines, telling(&seen.error, 1));
        add(&mut lines, telling(&seen.log, JOURNAL));
    }
    lines.extend(holders(evidence));
    lines.extend(rooms(evidence));
    lines.extend(evidence.reach.iter().filter(|reached| reached.how != Reach::Open).map(|reached| {
        let how = match reached.how {
            Reach::Refused => "connection refused",
            Reach::NoRoute => "no route to it",
            Reach::Silent | Reach::Open => "no answer within 1 s",
        };
        format!("from here to {} port {} ({}): {how}", reached.address, reached.port, reached.host)
    }));
    let kernel: Vec<&String> = evidence.kernel.iter().rev().take(KERNEL).collect();
    lines.extend(kernel.into_iter().rev().map(|line| format!("kernel: {}", super::plain(line))));
    let offset = evidence.seen.system.clock_offset;
    if offset.abs() > clock::HARMFUL {
        lines.push(format!("its clock is {} s off", offset / 1000));
    }
    lines
}

fn add(lines: &mut Vec<String>, more: Vec<String>) {
    for line in more {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
}

fn is_in_trouble(unit: &UnitSeen) -> bool {
    unit.active != "active" || unit.restarts > 0
}

fn state(unit: &UnitSeen) -> Option<String> {
    if !is_in_trouble(unit) {
        return None;
    }
    if unit.active.is_empty() {
        return Some(format!("{}: systemd says nothing of it", unit.name));
    }
    let again = match unit.restarts {
        0 => String::new(),
        1 => ", started again once".to_owned(),
        restarts => format!(", started again {restarts} times"),
    };
    let sub =
        if unit.sub == unit.active || unit.sub.is_empty() { String::new() } else { format!("/{}", unit.sub) };
    Some(format!("{}: {}{sub} ({}){again}", unit.name, unit.active, unit::end(unit)))
}

fn container(name: &str, seen: &ContainerSeen) -> Option<String> {
    if seen.state == "running" && seen.restarts == 0 {
        return None;
    }
    Some(format!(
        "container {name}: {} (status {}), started again {} times",
        seen.state, seen.status, seen.restarts
    ))
}

/// Who else has one of its ports.
fn holders(evidence: &Evidence) -> Vec<String> {
    let scene = &evidence.scene;
    let others = evidence.seen.listeners.iter().filter(|listener| scene.ports.contains(&listener.port));
    let may_clash = |ip: IpAddr| {
        ip.is_unspecified() || ip.is_loopback() || scene.addresses.is_empty() || scene.addresses.contains(&ip)
    };
    let mut lines: Vec<String> = others
        .filter(|listener| may_clash(listener.ip))
        .filter(|listener| {
            !listener.process.as_deref().is_some_and(|name| port::is_ours(name, scene.process))
        })
        .map(|listener| {
            let by = listener.process.as_deref().unwrap_or(port::UNSEEN);
            format!("port {} on {} is held by {by}", listener.port, listener.ip)
        })
        .collect();
    lines.dedup();
    lines
}

/// The file systems of its data, each once.
fn rooms(evidence: &Evidence) -> Vec<String> {
    let mut points: BTreeMap<&str, (&Mount, &str)> = BTreeMap::new();
    for path in &evidence.scene.data {
        if let Some(mount) = evidence.seen.mounts.get(path).filter(|mount| !mount.point.is_empty()) {
            points.entry(&mount.point).or_insert((mount, path));
        }
    }
    points
        .into_iter()
        .map(|(point, (mount, path))| {
            let inodes = mount.free_inodes.map(|free| format!(", {free} inodes")).unwrap_or_default();
            let shown = ["ro", "rw", "noexec", "nosuid", "nodev"];
            let options: Vec<&str> = shown.into_iter().filter(|name| mount.options.contains(*name)).collect();
            format!(
                "{path} on {point} ({} {}): {}{inodes} free",
                mount.kind,
                options.join(","),
                disk::size(mount.free)
            )
        })
        .collect()
}
