//! What to do: a pure function from the inventory and the facts to a plan. No I/O, no clock, no randomness, no
//! secret values; the same input gives the same bytes.

pub mod action;
pub mod by_hand;
pub mod diff;
pub mod draft;
pub mod effects;
pub mod finding;
pub mod lint;
pub mod model;
pub mod order;
pub mod preflight;
pub mod script;
pub mod secrets;
pub mod title;

use crate::facts::{Facts, HostState};
use crate::inventory::Inventory;
use crate::plan::draft::Draft;
use crate::plan::model::{Finding, Planning, Severity};
use crate::resource::HostName;
use crate::services::Service;

/// What to do to make the hosts what the inventory says, given what was seen.
pub fn plan(inventory: &Inventory, facts: &Facts) -> Planning {
    let mut draft = Draft::new(inventory, facts);
    for (host, state) in &facts.hosts {
        if let Some(finding) = unseen(inventory, facts, host, state) {
            draft.find(finding);
        }
    }
    for service in Service::ALL {
        service.plan(&mut draft);
    }
    clear_stages(&mut draft);
    for finding in preflight::preflight(inventory, facts, &draft.busy()) {
        draft.find(finding);
    }
    let (stages, jobs, findings) = draft.into_parts();
    let mut findings = preflight::without_the_explained(findings);
    findings.sort();
    findings.dedup();
    Planning { plan: order::order(stages, jobs), findings }
}

/// Removes the archives that nothing of the plan uses: a run was cut off between their use and their removal, or another
/// release is wanted by now.
fn clear_stages(draft: &mut Draft<'_>) {
    let unused = |host: &HostName| Some((host.clone(), draft.facts.host(host)?.staged.clone()));
    let unused: Vec<_> = draft.inventory.hosts.keys().filter_map(unused).collect();
    for (host, archives) in unused.into_iter().filter(|(_, archives)| !archives.is_empty()) {
        draft.stage("archives", "Archives");
        let mut job = draft.job("archives.clear", "archives", &host);
        for sha256 in archives {
            job.unstage(sha256);
        }
        job.done();
    }
}

/// `--without A --without B`: every host that does not answer; `None` where the rest is no quorum of etcd.
fn away(inventory: &Inventory, facts: &Facts) -> Option<String> {
    let is_away = |host: &&HostName| matches!(facts.hosts.get(*host), Some(HostState::Unreachable { .. }));
    let members = &inventory.etcd.hosts;
    let left = members.iter().filter(|host| !is_away(host)).count();
    let flags: Vec<String> =
        facts.hosts.keys().filter(is_away).map(|host| format!("--without {host}")).collect();
    (left > members.len() / 2).then(|| flags.join(" "))
}

/// What to do about a host that was not reached: what ssh's trouble calls for, and, where it may be away for long, how
/// to go on without it.
fn way_in(inventory: &Inventory, facts: &Facts, answered: bool, hint: Option<&str>) -> String {
    let away = away(inventory, facts).filter(|_| !answered);
    match (hint, away) {
        (Some(hint), None) => hint.to_owned(),
        (Some(hint), Some(away)) => format!(
            "{hint}\nif it stays away, go on with the others where they suffice:\n  kuboard-ha up {away}"
        ),
        (None, Some(away)) => {
            format!(
                "{CHECK}; if it stays away, go on with the others where they suffice:\n  kuboard-ha up {away}"
            )
        }
        (None, None) => format!("{CHECK}, then run up again"),
    }
}

const CHECK: &str = "check that it runs and that its address and `ssh.port` are right";

/// What must be said of a host before any service looks at it.
fn unseen(inventory: &Inventory, facts: &Facts, host: &HostName, state: &HostState) -> Option<Finding> {
    match state {
        HostState::Unreachable { .. } if facts.without.contains(host) => Some(
            Finding::on(host, Severity::Warning, "host.left-out", format!("{host} is left out of this run."))
                .hint("run up without --without when it is back"),
        ),
        HostState::Unreachable { why, answered, hint } => Some(
            Finding::on(
                host,
                Severity::Unknown,
                "host.unreachable",
                format!("{host} cannot be reached: {why}."),
            )
            .hint(way_in(inventory, facts, *answered, hint.as_deref())),
        ),
        HostState::Reached(seen) => seen.lease.as_ref().map(|holder| {
            let message = format!("Another kuboard-ha is at work on {host}: {holder}.");
            Finding::on(host, Severity::Warning, "host.busy", message).hint("wait until it has ended")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::load_balancer::tests::sample;

    #[test]
    fn a_host_that_was_not_reached_has_its_way_out() {
        let inventory = sample();
        let mut facts = Facts::default();
        let mut away = |host: &str| {
            facts.hosts.insert(HostName::new(host), HostState::unreachable("connection timed out"));
            facts.clone()
        };
        let facts = away("etcd1");
        assert!(way_in(&inventory, &facts, false, None).ends_with("kuboard-ha up --without etcd1"));
        let silent = way_in(&inventory, &facts, false, Some("ping it:\n  ping a"));
        assert!(silent.starts_with("ping it:\n  ping a\n"), "{silent}");
        assert!(silent.ends_with("\n  kuboard-ha up --without etcd1"), "{silent}");
        let kuboard = away("kuboard-1");
        let flags = "kuboard-ha up --without etcd1 --without kuboard-1";
        assert!(way_in(&inventory, &kuboard, false, None).ends_with(flags));
        // Without a quorum of etcd `up` would refuse.
        let most = away("etcd2");
        assert_eq!(way_in(&inventory, &most, false, None), format!("{CHECK}, then run up again"));
        // A host that answered is there: what keeps us out is to be mended, not left out.
        assert_eq!(way_in(&inventory, &facts, true, Some("ssh-add ~/.ssh/KEY")), "ssh-add ~/.ssh/KEY");
    }
}
