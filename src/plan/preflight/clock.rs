//! Clocks. etcd counts its leases by its own steady clock, but logs and, above all, the login tokens that replicas
//! give each other to check carry the time of day.

use crate::causes::clock::{self, HARMFUL};
use crate::facts::model::Facts;
use crate::inventory::Inventory;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

use super::roles::{Role, roles};

/// Milliseconds that are worth a word; etcd itself complains from one second on.
const NOTICEABLE: i64 = 500;

pub(super) fn find(inventory: &Inventory, facts: &Facts, findings: &mut Vec<Finding>) {
    let mut offsets: Vec<(i64, &HostName)> = facts
        .hosts
        .keys()
        .filter(|host| {
            let roles = roles(inventory, host);
            roles.contains(&Role::Etcd) || roles.contains(&Role::Kuboard) || roles.contains(&Role::Questdb)
        })
        .filter_map(|host| Some((facts.host(host)?.system.clock_offset, host)))
        .collect();
    offsets.sort_unstable();
    let Some((middle, _)) = offsets.get(offsets.len() / 2).copied() else { return };
    for (offset, host) in offsets {
        let skew = offset.saturating_sub(middle);
        if skew.abs() < NOTICEABLE {
            continue;
        }
        // On hosts that serve already, mending something else must not wait for a clock.
        let fresh = facts.host(host).is_some_and(|seen| seen.manifest.is_empty());
        let severity = if skew.abs() > HARMFUL && fresh { Severity::Blocked } else { Severity::Warning };
        let effect = "logins at one replica may be refused by another, and etcd complains";
        findings.push(Finding::of(Some(host), severity, clock::skewed(skew, effect)));
    }
}
