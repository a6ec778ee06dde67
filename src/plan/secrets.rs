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
    /// Where it must lie, in order: it is minted on the first that answered.
    pub hosts: &'w [HostName],
    /// How many letters and digits a generated one has.
    pub length: u8,
    /// Whether a process was ever started with it: then two different values block.
    pub consumed: bool,
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
        let held: Vec<(HostName, Fingerprint)> = hosts
            .iter()
            .filter_map(|host| Some((host.clone(), self.facts.host(host)?.secrets.get(&wanted.id)?.clone())))
            .collect();
        let conflict = held.iter().any(|(_, print)| *print != held[0].1);
        if conflict && wanted.consumed {
            self.conflict(wanted, &held);
            return BTreeMap::new();
        }
        let mut jobs = BTreeMap::new();
        let source = match held.first() {
            Some((host, _)) if !conflict => host.clone(),
            _ => match hosts.first() {
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
            None => Reason::Missing,
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
            (with.join(", "), format!("on {}: mv {path} /root/{id}.aside", others.join(" and on ")))
        };
        let hint = if let [kept] = used[..] {
            let (with, command) = keep(kept);
            format!(
                "the files here were written with the value of {with}; {command} ; then run up, which copies it"
            )
        } else {
            let ways: Vec<String> = values
                .iter()
                .map(|kept| keep(kept))
                .map(|(with, command)| format!("to keep the value of {with}, {command}"))
                .collect();
            format!("{} ; then run up, which copies the one that is left", ways.join(" ; "))
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
