//! systemd units, and what their processes were started with.

use std::collections::BTreeMap;

use crate::facts::model::{Active, Observed, UnitState};
use crate::facts::probe::system::Clock;
use crate::resource::ContentKey;

/// What tells which configuration a process runs.
pub struct Configured<'c> {
    /// By unit: the files that a start or reload takes in, in stamp order.
    pub files: &'c BTreeMap<String, Vec<String>>,
    /// By file: the key of what lies there now; a key of its own where it was changed by hand.
    pub keys: &'c BTreeMap<String, String>,
    /// By file: its change time, in seconds since the epoch.
    pub changed: &'c BTreeMap<String, f64>,
    /// The host's clock.
    pub clock: Clock,
}

/// Reads `systemctl show` blocks and `UNIT INVOCATION KEYS` stamps. A unit that is not loaded is `None`.
///
/// A process runs what was stamped when kuboard-ha last started or reloaded it, unless systemd has started it anew
/// since (another invocation): then it runs what lies on disk, if that lay there before the start.
pub fn units(
    lines: &[&str],
    stamps: &[&str],
    configured: &Configured<'_>,
) -> BTreeMap<String, Option<UnitState>> {
    let stamps: BTreeMap<&str, (&str, &str)> = stamps
        .iter()
        .filter_map(|line| {
            let (unit, rest) = line.split_once(' ')?;
            Some((unit, rest.split_once(' ')?))
        })
        .collect();
    let mut found: BTreeMap<String, Option<UnitState>> =
        configured.files.keys().map(|unit| (unit.clone(), None)).collect();
    for block in lines.split(|line| line.trim().is_empty()) {
        let values: BTreeMap<&str, &str> = block.iter().filter_map(|line| line.split_once('=')).collect();
        let value = |name: &str| values.get(name).copied().unwrap_or_default();
        if value("Id").is_empty() || value("LoadState") != "loaded" {
            continue;
        }
        let mut state = UnitState {
            active: active(value("ActiveState")),
            sub: value("SubState").to_owned(),
            enabled: value("UnitFileState") == "enabled",
            result: value("Result").to_owned(),
            restarts: value("NRestarts").parse().unwrap_or(0),
            pid: value("MainPID").parse().unwrap_or(0),
            needs_reload: value("NeedDaemonReload") == "yes",
            fragment: value("FragmentPath").to_owned(),
            drop_ins: value("DropInPaths").split_whitespace().map(str::to_owned).collect(),
            running: Observed::Known(None),
        };
        if state.pid > 0 {
            let started = ["ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic"]
                .iter()
                .find_map(|name| value(name).parse::<f64>().ok().filter(|at| *at > 0.0));
            let stamp =
                stamps.get(value("Id")).filter(|(invocation, _)| *invocation == value("InvocationID"));
            state.running = running(value("Id"), stamp.map(|(_, keys)| *keys), started, configured);
        }
        found.insert(value("Id").to_owned(), Some(state));
    }
    found
}

fn running(
    unit: &str,
    stamp: Option<&str>,
    started: Option<f64>,
    configured: &Configured<'_>,
) -> Observed<Option<ContentKey>> {
    if let Some(keys) = stamp {
        return Observed::Known(Some(ContentKey::observed(keys)));
    }
    let files = configured.files.get(unit).map(Vec::as_slice).unwrap_or_default();
    let Some(started) = started else {
        return Observed::Unknown("systemd does not say when it was started".to_owned());
    };
    let started = configured.clock.now - (configured.clock.uptime - started / 1e6);
    let before_start = |file: &String| configured.changed.get(file).is_none_or(|at| at + 1.0 < started);
    if !files.iter().all(before_start) {
        return Observed::Known(Some(ContentKey::observed("older")));
    }
    let keys: Vec<&str> =
        files.iter().map(|file| configured.keys.get(file).map_or("absent", String::as_str)).collect();
    Observed::Known(Some(ContentKey::observed(&keys.join("+"))))
}

fn active(text: &str) -> Active {
    match text {
        "active" => Active::Active,
        "activating" => Active::Activating,
        "deactivating" => Active::Deactivating,
        "failed" => Active::Failed,
        "reloading" => Active::Reloading,
        _ => Active::Inactive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stamps: &[&str], changed: f64) -> UnitState {
        let files = BTreeMap::from([("e.service".to_owned(), vec!["/etc/e".to_owned()])]);
        let keys = BTreeMap::from([("/etc/e".to_owned(), "disk".to_owned())]);
        let changed = BTreeMap::from([("/etc/e".to_owned(), changed)]);
        let configured = Configured {
            files: &files,
            keys: &keys,
            changed: &changed,
            clock: Clock { now: 10_000.0, uptime: 1_000.0 },
        };
        let block = [
            "ActiveState=active",
            "Id=e.service",
            "LoadState=loaded",
            "MainPID=7",
            "InvocationID=abc",
            "ExecMainStartTimestampMonotonic=500000000",
            "UnitFileState=enabled",
            "DropInPaths=/etc/systemd/system/e.service.d/a.conf /run/systemd/system/e.service.d/b.conf",
            "",
            "Id=x.service",
            "LoadState=not-found",
        ];
        units(&block, stamps, &configured)["e.service"].clone().unwrap()
    }

    #[test]
    fn a_process_runs_what_was_stamped_for_its_invocation() {
        let key = |state: UnitState| state.running.known().unwrap().as_ref().unwrap().to_string();
        assert_eq!(key(read(&["e.service abc k1"], 9_900.0)), "k1");
        // Started at 9,500 by systemd itself: what lay there before is what it runs.
        assert_eq!(key(read(&["e.service old k1"], 9_000.0)), "disk");
        assert_eq!(key(read(&[], 9_000.0)), "disk");
        assert_eq!(key(read(&[], 9_900.0)), "older");
        assert!(read(&[], 0.0).enabled);
        assert_eq!(read(&[], 0.0).drop_ins.len(), 2);
    }
}
