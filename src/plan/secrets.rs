//! Secrets on hosts: minted on one, copied to the others before any consumer starts, never seen by the planner.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::plan::draft::Draft;
use crate::plan::model::{Action, Finding, JobId, Reason, Risk, SecretChange, Severity};
use crate::resource::{HostName, ResourceId};
use crate::secret::{Fingerprint, SecretId};

const MOMENT: Duration = Duration::from_secs(30);

/// A secret that some hosts must hold, all the same value.
pub struct SecretWanted<'w> {
    /// Which.
    pub id: SecretId,
    /// Where it must lie, in order: it is minted on the first that answered, unless any host has it.
    pub hosts: &'w [HostName],
    /// How many letters and digits a generated one has.
    pub length: u8,
    /// Whether a process was ever started with it: then two different values block.
    pub consumed: bool,
    /// Whether by all that was seen it was drawn before: then a host that was not seen may hold it.
    pub drawn: bool,
}

impl Draft<'_> {
    /// Drafts what brings `wanted` to its hosts. The returned jobs, by host, must come before any consumer.
    pub fn secret(&mut self, wanted: &SecretWanted<'_>) -> BTreeMap<HostName, JobId> {
        self.stage("secrets", "Secrets");
        let hosts: Vec<HostName> =
            wanted.hosts.iter().filter(|host| self.facts.host(host).is_some()).cloned().collect();
        if let Some(supplied) = self.facts.supplied.get(&wanted.id).cloned() {
            return hosts
                .iter()
                .map(|host| (host.clone(), self.place(wanted, host, &supplied, SecretChange::Supply, None)))
                .collect();
        }
        let held = self.holders(&wanted.id, wanted.hosts);
        let conflict = held.iter().any(|(_, print)| *print != held[0].1);
        if conflict && wanted.consumed {
            self.conflict(wanted, &held);
            return BTreeMap::new();
        }
        let mut jobs = BTreeMap::new();
        let source = match held.first() {
            Some((host, _)) if !conflict => host.clone(),
            _ => match hosts.first() {
                Some(_) if held.is_empty() && wanted.drawn && self.is_held_unseen() => return jobs,
                Some(first) => {
                    let reason = if conflict {
                        Reason::Differs(
                            "the hosts hold different values, and nothing was started with any".into(),
                        )
                    } else {
                        Reason::Missing
                    };
                    jobs.insert(first.clone(), self.mint(wanted, first, reason));
                    first.clone()
                }
                None => return jobs,
            },
        };
        let minted = jobs.get(&source).cloned();
        let Some(print) = self.facts.host(&source).and_then(|host| host.secrets.get(&wanted.id)).cloned()
        else {
            return jobs;
        };
        for host in hosts.iter().filter(|host| **host != source) {
            let change = SecretChange::Copy { from: source.clone() };
            jobs.insert(host.clone(), self.place(wanted, host, &print, change, minted.as_ref()));
        }
        jobs
    }

    /// The hosts of `wanted` that hold a secret; where none of them does, all that do: who had the role before keeps what
    /// replicas, agents and users know.
    pub fn holders(&self, id: &SecretId, wanted: &[HostName]) -> Vec<(HostName, Fingerprint)> {
        let held = |host: &HostName| Some((host.clone(), self.facts.host(host)?.secrets.get(id)?.clone()));
        let among: Vec<_> = wanted.iter().filter_map(held).collect();
        if among.is_empty() { self.inventory.hosts.keys().filter_map(held).collect() } else { among }
    }

    /// Whether a host was not seen that may hold what nobody else does; says so.
    fn is_held_unseen(&mut self) -> bool {
        let unseen: Vec<&HostName> =
            self.inventory.hosts.keys().filter(|host| self.seen.host(host).is_none()).collect();
        if unseen.is_empty() {
            return false;
        }
        let left_out = unseen.iter().all(|host| self.seen.without.contains(*host));
        let severity = if left_out { Severity::Blocked } else { Severity::Unknown };
        let names = unseen.iter().map(|host| host.as_str()).collect::<Vec<_>>().join(", ");
        let message = format!(
            "This cluster was built before, and no host that was seen holds all its secrets; a host that was left out or \
             cannot be reached may ({names}). New ones would cut off who knows the old: agents of imported clusters, \
             replicas, users."
        );
        let hint = "bring it back and run up with it; or, if it is lost for good, take it out of the file: then new ones are \
                    drawn";
        self.find(Finding::cluster(severity, "secret.holder-unseen", message).hint(hint));
        true
    }

    fn mint(&mut self, wanted: &SecretWanted<'_>, host: &HostName, reason: Reason) -> JobId {
        let mut job = self.job(&format!("secret.{}", wanted.id), "secrets", host);
        let change = SecretChange::Mint { length: wanted.length };
        let action = Action::Secret { id: wanted.id.clone(), change };
        job.step(ResourceId::new("secret", &wanted.id), action, reason, Risk::None, MOMENT);
        job.done()
    }

    fn place(
        &mut self,
        wanted: &SecretWanted<'_>,
        host: &HostName,
        print: &Fingerprint,
        change: SecretChange,
        after: Option<&JobId>,
    ) -> JobId {
        let seen = self.facts.host(host).and_then(|host| host.secrets.get(&wanted.id)).cloned();
        let mut job = self.job(&format!("secret.{}", wanted.id), "secrets", host);
        job.after(after);
        let reason = match seen {
            Some(seen) if seen == *print => return job.done(),
            Some(_) => Reason::Differs("another value is stored there".to_owned()),
            None => match &change {
                SecretChange::Copy { from } if !wanted.hosts.contains(from) => {
                    Reason::Needed(format!("{from} holds it, from before"))
                }
                _ => Reason::Missing,
            },
        };
        let action = Action::Secret { id: wanted.id.clone(), change };
        job.step(ResourceId::new("secret", &wanted.id), action, reason, Risk::None, MOMENT);
        job.done()
    }

    fn conflict(&mut self, wanted: &SecretWanted<'_>, held: &[(HostName, Fingerprint)]) {
        let id = &wanted.id;
        let seen: Vec<String> =
            held.iter().map(|(host, print)| format!("{host} {}", print.as_str())).collect();
        let message = format!(
            "The hosts hold different values of the secret {id} (fingerprints: {}), and processes were started \
             with them; choosing one could lock users or replicas out.",
            seen.join(", ")
        );
        let values: BTreeSet<&Fingerprint> = held.iter().map(|(_, print)| print).collect();
        let used: Vec<&Fingerprint> = values.iter().copied().filter(|print| self.is_used(print)).collect();
        let path = format!("/var/lib/kuboard-ha/{}/secrets/{id}", self.inventory.cluster);
        let keep = |kept: &Fingerprint| {
            let with: Vec<&str> =
                held.iter().filter(|(_, p)| p == kept).map(|(host, _)| host.as_str()).collect();
            let others: Vec<&str> =
                held.iter().filter(|(_, p)| p != kept).map(|(host, _)| host.as_str()).collect();
            (with.join(", "), format!("on {}:\n  mv {path} /root/{id}.aside", others.join(" and on ")))
        };
        let hint = if let [kept] = used[..] {
            let (with, command) = keep(kept);
            format!(
                "the files here were written with the value of {with}; {command}\nthen run up, which copies it"
            )
        } else {
            let ways: Vec<String> = values
                .iter()
                .map(|kept| keep(kept))
                .map(|(with, command)| format!("to keep the value of {with}, {command}"))
                .collect();
            format!("{}\nthen run up, which copies the one that is left", ways.join("\n"))
        };
        self.find(Finding::cluster(Severity::Blocked, "secret.two-generations", message).hint(hint));
    }

    /// Whether a file of ours, on any host, was written with that value.
    fn is_used(&self, print: &Fingerprint) -> bool {
        let hosts = self.seen.hosts.keys().filter_map(|host| self.seen.host(host));
        let mut records =
            hosts.flat_map(|seen| &seen.manifest).filter(|(entry, _)| entry.starts_with("file "));
        records.any(|(_, value)| {
            let key = value.split(' ').next().unwrap_or_default();
            key.split('.').skip(1).any(|part| part == print.as_str())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;
    use crate::facts::model::HostState;
    use crate::services::load_balancer::tests::{bare, name, sample};

    /// What is drafted for the two replicas' hosts where these hosts hold these values; `drawn` before, or consumed too.
    fn drafted(held: &[(&str, &str)], away: &[&str], drawn: bool, consumed: bool) -> Vec<String> {
        let inventory = sample();
        let id = SecretId::new(SecretId::AGENT_KEY);
        let mut facts: Facts = bare(&inventory);
        for (host, value) in held {
            let seen = facts.host_mut(&name(host)).unwrap();
            seen.secrets.insert(id.clone(), Fingerprint::observed(value));
        }
        for host in away {
            facts.hosts.insert(name(host), HostState::unreachable("left out"));
            facts.without.insert(name(host));
        }
        let mut draft = Draft::new(&inventory, &facts);
        draft.secret(&SecretWanted { id, hosts: &inventory.kuboard.hosts, length: 32, consumed, drawn });
        let (_, jobs, findings) = draft.into_parts();
        let steps = jobs.iter().flat_map(|job| job.steps.iter().map(|step| (&job.host, &step.action)));
        let told = steps.map(|(host, action)| match action {
            Action::Secret { change: SecretChange::Copy { from }, .. } => format!("{host} from {from}"),
            _ => format!("{host} new"),
        });
        findings.iter().map(|found| format!("{:?} {}", found.severity, found.code)).chain(told).collect()
    }

    #[test]
    fn who_had_the_role_before_is_copied_from() {
        let from_before = ["kuboard-1 from etcd2", "kuboard-2 from etcd2"];
        assert_eq!(drafted(&[("etcd2", "a")], &[], true, true), from_before);
        // Whoever is away then: that one is enough.
        assert_eq!(drafted(&[("etcd2", "a")], &["etcd1"], true, true), from_before);
        // Who has the role now goes first.
        assert_eq!(
            drafted(&[("etcd2", "b"), ("kuboard-2", "a")], &[], true, true),
            ["kuboard-1 from kuboard-2"]
        );
        assert_eq!(
            drafted(&[("etcd2", "b"), ("etcd3", "a")], &[], true, true),
            ["Blocked secret.two-generations"]
        );
    }

    #[test]
    fn what_a_host_that_was_not_seen_may_hold_is_not_drawn_anew() {
        let fresh = ["kuboard-2 new"];
        assert_eq!(drafted(&[], &["kuboard-1"], false, false), fresh);
        assert_eq!(drafted(&[], &["kuboard-1"], true, false), ["Blocked secret.holder-unseen"]);
        assert_eq!(drafted(&[], &["questdb"], true, true), ["Blocked secret.holder-unseen"]);
        // Nobody is left to ask.
        assert_eq!(drafted(&[], &[], true, true), ["kuboard-1 new", "kuboard-2 from kuboard-1"]);
        // Nobody is there to get it.
        assert!(drafted(&[], &["kuboard-1", "kuboard-2"], true, true).is_empty());
    }
}
