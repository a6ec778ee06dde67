//! What to do: a pure function from the inventory and the facts to a plan. No I/O, no clock, no randomness, no
//! secret values; the same input gives the same bytes.

pub mod diff;
pub mod draft;
pub mod effects;
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
        if let Some(finding) = unseen(facts, host, state) {
            draft.find(finding);
        }
    }
    for service in Service::ALL {
        service.plan(&mut draft);
    }
    for finding in preflight::preflight(inventory, facts, &draft.busy()) {
        draft.find(finding);
    }
    let (stages, jobs, findings) = draft.into_parts();
    let mut findings = preflight::without_the_explained(findings);
    findings.sort();
    findings.dedup();
    Planning { plan: order::order(stages, jobs), findings }
}

/// `--without A --without B`: every host that does not answer; `None` where no host does.
fn away(facts: &Facts) -> Option<String> {
    let away: Vec<String> = facts
        .hosts
        .iter()
        .filter(|(_, state)| matches!(state, HostState::Unreachable { .. }))
        .map(|(host, _)| format!("--without {host}"))
        .collect();
    (away.len() < facts.hosts.len()).then(|| away.join(" "))
}

/// What gets past the reason why a host was not reached.
fn way_in(facts: &Facts, why: &str) -> String {
    let says = |words: &str| why.contains(words);
    let way = if says("host key is not known") {
        "compare the key that ssh shows with the host's own and accept it there, once; or trust at first sight: \
         `ssh: { host_keys: accept-new }`"
    } else if says("host key changed") {
        "a host that was set up anew has new keys: then forget the old with ssh-keygen -R ADDRESS; otherwise somebody \
         may be in between"
    } else if says("Permission denied") || says("Too many authentication failures") {
        "check `ssh.user`, `ssh.identity_file` and what ssh-add -l lists; a password goes into `ssh.password`"
    } else if says("wants a password and none was given") {
        "give it: `ssh: { sudo_password: { env: SUDO_PASSWORD } }`"
    } else if says("sudo") {
        "check `ssh.sudo_password` and, on the host, what sudo -l lists for this user"
    } else {
        let check = "check that it runs and that its address and `ssh.port` are right";
        return match away(facts) {
            Some(away) => format!(
                "{check}; if it stays away, go on with the others where they suffice: kuboard-ha up {away}"
            ),
            None => format!("{check}, then run up again"),
        };
    };
    way.to_owned()
}

/// What must be said of a host before any service looks at it.
fn unseen(facts: &Facts, host: &HostName, state: &HostState) -> Option<Finding> {
    match state {
        HostState::Unreachable { .. } if facts.without.contains(host) => Some(
            Finding::on(host, Severity::Warning, "host.left-out", format!("{host} is left out of this run."))
                .hint("run up without --without when it is back"),
        ),
        HostState::Unreachable { why } => Some(
            Finding::on(
                host,
                Severity::Unknown,
                "host.unreachable",
                format!("{host} cannot be reached: {why}."),
            )
            .hint(way_in(facts, why)),
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

    #[test]
    fn each_reason_why_a_host_was_not_reached_has_its_way_out() {
        for (why, way) in [
            ("the host key is not known here", "accept-new"),
            ("the host key changed", "ssh-keygen -R"),
            ("ops@h: Permission denied (publickey)", "ssh.user"),
            ("sudo wants a password and none was given", "sudo_password: { env"),
            ("sudo refused the password", "check `ssh.sudo_password`"),
            ("connect to host h port 2222: Connection refused", "ssh.port"),
        ] {
            let hint = way_in(&Facts::default(), why);
            assert!(hint.contains(way), "{why}: {hint}");
        }
    }
}
