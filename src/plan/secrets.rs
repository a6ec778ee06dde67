//! Secrets on hosts: minted on one, copied to the others before any consumer starts, never seen by the planner.

use std::collections::BTreeMap;
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
                    jobs.insert(first.clone(), self.mint(wanted, first));
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

    fn mint(&mut self, wanted: &SecretWanted<'_>, host: &HostName) -> JobId {
        let mut job = self.job(&format!("secret.{}", wanted.id), "secrets", host);
        let change = SecretChange::Mint { length: wanted.length };
        let action = Action::Secret { id: wanted.id.clone(), change };
        job.step(ResourceId::new("secret", &wanted.id), action, Reason::Missing, Risk::None, MOMENT);
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
        let cluster = &self.inventory.cluster;
        let seen: Vec<String> =
            held.iter().map(|(host, print)| format!("{host} {}", print.as_str())).collect();
        let message = format!(
            "The hosts hold different values of the secret {id} (fingerprints: {}), and processes were started \
             with them; choosing one could lock users or replicas out.",
            seen.join(", ")
        );
        let hint = format!(
            "decide which host is right; on each other host: mv /var/lib/kuboard-ha/{cluster}/secrets/{id} /root/; \
             then run up again, which copies the one that is left"
        );
        self.find(Finding::cluster(Severity::Blocked, "secret.two-generations", message).hint(hint));
    }
}
