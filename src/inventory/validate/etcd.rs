//! Members, version, timing.

use std::time::Duration;

use super::etcd_settings;
use crate::catalog;
use crate::inventory::model::Etcd;
use crate::inventory::problem::Report;

/// etcd refuses more.
const ELECTION_MAX: Duration = Duration::from_secs(50);

pub(super) fn check(etcd: &Etcd, report: &Report) {
    members(etcd.hosts.len(), report);
    version(&etcd.version, report);
    timing(etcd, report);
    etcd_settings::check(etcd, report);
}

fn members(count: usize, report: &Report) {
    let path = "etcd/hosts";
    let majority = count / 2 + 1;
    match count {
        0 => report.problem(path, "etcd.hosts names no member", "3 hosts survive the loss of one, 5 of two"),
        1 => report.advise(
            path,
            "etcd.single-member",
            "one etcd member: not highly available, if it is lost so is everything Kuboard knows",
            "3 members survive the loss of one",
        ),
        3 | 5 | 7 => {}
        _ if count.is_multiple_of(2) && count <= 8 => {
            let loss = count - majority;
            let losses = if loss == 0 { "none".to_owned() } else { loss.to_string() };
            let message = format!(
                "{count} etcd members survive the loss of {losses}, like {}: a majority of {count} is {majority}",
                count - 1,
            );
            let hint = match count {
                2 => "3 members survive the loss of one; 1 is as good as 2".to_owned(),
                8 => "7 members survive the same with less work".to_owned(),
                _ => format!(
                    "{} members survive the same with less work, {} the loss of {}",
                    count - 1,
                    count + 1,
                    loss + 1
                ),
            };
            report.problem(path, message, hint);
        }
        _ => report.problem(
            path,
            format!("{count} etcd members: every write waits for {majority} of them"),
            "3, 5 or 7; more make etcd slower and hardly safer",
        ),
    }
}

fn version(version: &str, report: &Report) {
    let path = "etcd/version";
    if let Some(bare) = version.strip_prefix('v') {
        report.problem(
            path,
            format!("`{version}` is not a version of etcd"),
            format!("without the v: `{bare}`"),
        );
        return;
    }
    let numbers: Vec<&str> = version.split('.').collect();
    let plain =
        numbers.len() == 3 && numbers.iter().all(|n| crate::inventory::scalar::whole::<u32>(n).is_some());
    if !plain {
        let hint = format!("three numbers, as in `{}`; no candidates", catalog::newest_etcd());
        report.problem(path, format!("`{version}` is not a release of etcd"), hint);
        return;
    }
    if catalog::etcd_patch(version).is_none() {
        report.problem(
            path,
            format!("etcd {version} is not of the 3.5 line"),
            format!(
                "Kuboard v3 is made for 3.5, and other lines lack settings that are written here; the newest known \
                 is `{}`",
                catalog::newest_etcd()
            ),
        );
        return;
    }
    let Some(advisory) = catalog::advisory(version) else { return };
    if advisory.refused {
        let message = format!("etcd {version} is not for production: {}", advisory.reason);
        report.problem(path, message, format!("write `version: {}`", advisory.better));
    } else {
        report.advise(
            path,
            "etcd.version-advised-against",
            format!("etcd {version} has known faults: {}", advisory.reason),
            format!("`version: {}` has them mended", advisory.better),
        );
    }
}

/// etcd itself checks this at its start, on every member.
fn timing(etcd: &Etcd, report: &Report) {
    let (heartbeat, election) = (etcd.heartbeat_interval, etcd.election_timeout);
    // Where both are the file's, the later one is wrong as much as the other; the timeout is what to raise.
    let path = if report.holds("etcd/election_timeout") {
        "etcd/election_timeout"
    } else {
        "etcd/heartbeat_interval"
    };
    if heartbeat < Duration::from_millis(10) {
        let message = format!("a heartbeat every {} is no interval", shown(heartbeat));
        report.problem(
            "etcd/heartbeat_interval",
            message,
            "about the round trip between the members, `100ms` or more",
        );
    }
    if election > ELECTION_MAX {
        let message = format!("etcd refuses an election timeout of {}", shown(election));
        report.problem("etcd/election_timeout", message, "at most `50s`");
    } else if election < heartbeat.saturating_mul(5) {
        let message = format!(
            "an election timeout of {} is less than five heartbeats of {}: etcd refuses it",
            shown(election),
            shown(heartbeat)
        );
        let hint = format!("at least `election_timeout: {}`", shown(heartbeat.saturating_mul(5)));
        report.problem(path, message, hint);
    }
}

fn shown(duration: Duration) -> String {
    match duration.as_millis() {
        millis if millis >= 1000 && millis % 1000 == 0 => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
}
