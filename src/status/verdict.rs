//! All parts in one word, and the reasons for it.
//!
//! Down is what was seen not to work, never what was not seen: hosts that do not answer here may well serve others, so
//! services on them alone are unknown, unless what depends on them was seen to fail. Where no host answers, the cluster
//! counts as down if nothing at all came back, and as unknown if something did (a refused login, an unknown host key).

use std::collections::BTreeMap;

use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::resource::HostName;
use crate::services::load_balancer::is_elsewhere;
use crate::status::{EtcdVerdict, Status, Verdict};

/// The verdict and its reasons, the gravest first.
pub fn judge(status: &Status, inventory: &Inventory, facts: &Facts) -> (Verdict, Vec<String>) {
    let mut reasons = Reasons::default();
    if status.hosts.values().any(|host| host.reachable) {
        hosts(status, &mut reasons);
        etcd(status, &mut reasons);
        questdb(status, &mut reasons);
        replicas(status, inventory, facts, &mut reasons);
        balancer(status, inventory, facts, &mut reasons);
        differences(status, &mut reasons);
    } else {
        no_contact(status, &mut reasons);
    }
    reasons.conclude()
}

#[derive(Default)]
struct Reasons(Vec<(Verdict, String)>);

impl Reasons {
    fn add(&mut self, verdict: Verdict, reason: impl Into<String>) {
        self.0.push((verdict, reason.into()));
    }

    fn conclude(mut self) -> (Verdict, Vec<String>) {
        self.0.sort_by_key(|(verdict, _)| std::cmp::Reverse(*verdict));
        let verdict = self.0.first().map_or(Verdict::Healthy, |(verdict, _)| *verdict);
        (verdict, self.0.into_iter().map(|(_, reason)| reason).collect())
    }
}

fn no_contact(status: &Status, reasons: &mut Reasons) {
    let answered = status.hosts.values().any(|host| host.answered);
    let why = status.hosts.values().find_map(|host| host.why.as_deref()).unwrap_or("no reason known");
    if answered {
        reasons.add(Verdict::Unknown, format!("no host lets this machine look ({why})"));
    } else {
        let all = "no host answers: all of them are down, or this machine's network is";
        reasons.add(Verdict::Down, format!("{all} ({why})"));
    }
}

fn hosts(status: &Status, reasons: &mut Reasons) {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, host) in status.hosts.iter().filter(|(_, host)| !host.reachable) {
        by_reason.entry(host.why.as_deref().unwrap_or("no reason known")).or_default().push(name.as_str());
    }
    for (why, names) in by_reason {
        let are = if names.len() == 1 { "is" } else { "are" };
        reasons.add(Verdict::Degraded, format!("{} {are} not reachable ({why})", names.join(" and ")));
    }
}

fn etcd(status: &Status, reasons: &mut Reasons) {
    let etcd = &status.etcd;
    let arithmetic = format!(
        "{} of {} members healthy, {} needed",
        etcd.quorum.healthy,
        etcd.quorum.voters,
        etcd.quorum.needed()
    );
    let (verdict, reason) = match etcd.verdict {
        EtcdVerdict::Formed => (Verdict::Healthy, String::new()),
        EtcdVerdict::Fresh => (Verdict::Down, "nothing is built yet: no member has data".to_owned()),
        EtcdVerdict::InterruptedBootstrap => {
            (Verdict::Down, "the first start of etcd was cut off: `kuboard-ha up` goes on with it".to_owned())
        }
        EtcdVerdict::Stopped => (Verdict::Down, format!("etcd has no quorum: {arithmetic}")),
        EtcdVerdict::LostQuorum => (
            Verdict::Down,
            format!("etcd has no quorum, and data on fewer members than it takes: {arithmetic}"),
        ),
        EtcdVerdict::DataMissing => (
            Verdict::Down,
            "etcd was formed, and its data is not to be seen: disks are not mounted, or it is gone"
                .to_owned(),
        ),
        EtcdVerdict::Split => (Verdict::Down, "etcd members belong to different clusters".to_owned()),
        EtcdVerdict::Foreign if etcd.leader.is_some() => {
            (Verdict::Degraded, "etcd runs, and kuboard-ha did not build it".to_owned())
        }
        EtcdVerdict::Foreign => {
            (Verdict::Down, "there is etcd data that kuboard-ha did not bring about".to_owned())
        }
        EtcdVerdict::Unknown if etcd.quorum.can_lose.is_some() => {
            (Verdict::Down, format!("etcd has no quorum: {arithmetic}"))
        }
        EtcdVerdict::Unknown => (Verdict::Unknown, "whether etcd has a quorum could not be seen".to_owned()),
    };
    if verdict != Verdict::Healthy {
        reasons.add(verdict, reason);
    }
    for member in &etcd.members {
        let name = &member.name;
        for alarm in &member.alarms {
            reasons.add(Verdict::Degraded, format!("etcd member {name} raises the alarm {alarm}"));
        }
        let unreachable = member.host.as_ref().is_some_and(|host| !is_reachable(status, host));
        if etcd.verdict != EtcdVerdict::Fresh && member.healthy != Some(true) && !unreachable {
            let why = member.why.as_deref().unwrap_or("it was not seen");
            reasons.add(Verdict::Degraded, format!("etcd member {name} is not healthy: {why}"));
        } else if member.learner == Some(true) {
            reasons.add(Verdict::Degraded, format!("etcd member {name} only learns, it does not vote yet"));
        }
    }
}

fn questdb(status: &Status, reasons: &mut Reasons) {
    if let Some(questdb) = &status.questdb
        && questdb.healthy != Some(true)
    {
        let why = questdb.why.as_deref().unwrap_or("it was not seen");
        reasons.add(
            Verdict::Degraded,
            format!("no audit log: QuestDB on {} is not healthy: {why}", questdb.host),
        );
    }
}

fn replicas(status: &Status, inventory: &Inventory, facts: &Facts, reasons: &mut Reasons) {
    let replicas = &status.kuboard.replicas;
    let balancer = status.load_balancer.as_ref().filter(|balancer| balancer.managed);
    // One that is told another address yet says nothing of replicas.
    let asked = balancer.filter(|_| !is_elsewhere(inventory, facts));
    let answers = asked.and_then(|balancer| balancer.healthy);
    let works = replicas.iter().any(|replica| replica.healthy == Some(true));
    let all_fail = replicas.iter().all(|replica| replica.healthy == Some(false));
    // The address answers through a replica only: it tells of those that were not seen.
    if all_fail || !works && answers == Some(false) {
        reasons.add(Verdict::Down, "no Kuboard replica works");
    } else if !works && answers != Some(true) {
        reasons.add(Verdict::Unknown, "whether a Kuboard replica works could not be seen");
    }
    for replica in replicas.iter().filter(|replica| replica.healthy != Some(true)) {
        let why = replica.why.as_deref().unwrap_or("it was not seen");
        if is_reachable(status, &replica.host) {
            reasons.add(
                Verdict::Degraded,
                format!("the Kuboard replica on {} is not healthy: {why}", replica.host),
            );
        }
    }
}

fn balancer(status: &Status, inventory: &Inventory, facts: &Facts, reasons: &mut Reasons) {
    let (Some(balancer), Some(wanted)) = (&status.load_balancer, &inventory.load_balancer) else {
        return;
    };
    if !balancer.managed {
        return;
    }
    let address = balancer.address;
    let unseen: Vec<&str> =
        wanted.hosts.iter().filter(|host| !is_reachable(status, host)).map(HostName::as_str).collect();
    match (balancer.holders.as_slice(), balancer.healthy) {
        ([], _) | ([_], Some(false)) if is_elsewhere(inventory, facts) => reasons.add(
            Verdict::Degraded,
            format!(
                "{address} does not serve on port {} yet: the balancers have an earlier configuration",
                wanted.port
            ),
        ),
        ([], Some(true)) if !unseen.is_empty() => reasons.add(
            Verdict::Degraded,
            format!("{address} answers, from a balancer host that is not reachable from here"),
        ),
        ([], Some(false)) if !unseen.is_empty() => reasons.add(
            Verdict::Down,
            format!("{address} does not answer; whether {} holds it could not be seen", unseen.join(" or ")),
        ),
        ([], None) if !unseen.is_empty() => reasons.add(
            Verdict::Unknown,
            format!(
                "whether {address} answers could not be seen, nor whether {} holds it",
                unseen.join(" or ")
            ),
        ),
        ([], _) => reasons.add(Verdict::Down, format!("no host holds {address}")),
        ([_], Some(true)) => {}
        ([holder], Some(false)) => {
            reasons.add(Verdict::Down, format!("{address} does not answer, though {holder} holds it"));
        }
        ([_], None) => reasons.add(Verdict::Unknown, format!("whether {address} answers could not be seen")),
        (several, _) => {
            let names: Vec<_> = several.iter().map(HostName::as_str).collect();
            reasons.add(Verdict::Degraded, format!("{address} is held by {} at once", names.join(" and ")));
        }
    }
    for host in &wanted.hosts {
        let seen = facts.host(host).and_then(|facts| facts.balancer.as_ref());
        if seen.is_some_and(|seen| seen.healthy.known() != Some(&true)) {
            reasons.add(Verdict::Degraded, format!("HAProxy on {host} is not healthy"));
        }
    }
}

fn differences(status: &Status, reasons: &mut Reasons) {
    match status.findings.iter().filter(|finding| status.is_news(finding)).count() {
        0 => {}
        1 => reasons.add(Verdict::Degraded, "one finding forbids changes"),
        several => reasons.add(Verdict::Degraded, format!("{several} findings forbid changes")),
    }
    match status.drift.len() {
        0 => {}
        1 => reasons.add(Verdict::Degraded, "one thing differs from the inventory"),
        several => reasons.add(Verdict::Degraded, format!("{several} things differ from the inventory")),
    }
}

fn is_reachable(status: &Status, host: &HostName) -> bool {
    status.hosts.get(host).is_some_and(|host| host.reachable)
}
