//! Machines that were balancers, or had a replica behind them, and are neither in the inventory any more. Hosts that the
//! file still names say it themselves; of the others, the configuration of those that remain knows.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::facts::model::HostFacts;
use crate::inventory::model::LoadBalancer;
use crate::plan::draft::Draft;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

use super::files::{HAPROXY_CFG, KEEPALIVED_CONF};

/// Hosts of the file that were balancers. What stays out of the others' adverts takes the address for itself; without
/// others it merely goes on.
pub(super) fn left_over(draft: &Draft<'_>) -> Vec<Finding> {
    let balancer = draft.inventory.load_balancer.as_ref();
    let entry = format!("file {KEEPALIVED_CONF}");
    let others = draft
        .inventory
        .hosts
        .keys()
        .filter(|host| balancer.is_none_or(|balancer| !balancer.hosts.contains(host)))
        .filter(|host| draft.seen.host(host).is_some_and(|seen| seen.manifest.contains_key(&entry)));
    others
        .map(|host| {
            let (severity, danger) = match balancer {
                Some(balancer) if balancer.hosts.is_empty() => (
                    Severity::Blocked,
                    format!(
                        "While its Keepalived runs it holds {} beside the balancer of your own; two machines would answer.",
                        balancer.address
                    ),
                ),
                Some(balancer) => (
                    Severity::Blocked,
                    format!(
                        "While its Keepalived runs it would take {} as soon as the others no longer tell it that they are \
                         there; two machines would answer.",
                        balancer.address
                    ),
                ),
                None => (Severity::Warning, "Its HAProxy and Keepalived may still run.".to_owned()),
            };
            let message =
                format!("This host was a balancer and is none in the inventory any more. {danger}");
            let hint = format!(
                "on {host}, then run up:\n  systemctl disable --now keepalived haproxy && mv {KEEPALIVED_CONF} \
                 {KEEPALIVED_CONF}.aside && sed -i '\\|^{entry} |d' /var/lib/kuboard-ha/{}/manifest",
                draft.inventory.cluster
            );
            Finding::on(host, severity, "balancer.left-over", message).hint(hint)
        })
        .collect()
}

/// Peers in a Keepalived of ours that no host of the file is.
pub(super) fn peers(draft: &Draft<'_>, balancer: &LoadBalancer) -> Vec<Finding> {
    let mut found: BTreeMap<IpAddr, (Vec<&HostName>, bool)> = BTreeMap::new();
    for host in &balancer.hosts {
        let Some(seen) = draft.seen.host(host).and_then(|seen| seen.balancer.as_ref()) else { continue };
        for (peer, alive) in seen.peers.iter().filter(|(peer, _)| is_stranger(draft, **peer)) {
            let entry = found.entry(*peer).or_default();
            entry.0.push(host);
            entry.1 |= alive;
        }
    }
    found.into_iter().map(|(peer, (told_by, alive))| gone(balancer, peer, &told_by, alive)).collect()
}

fn gone(balancer: &LoadBalancer, peer: IpAddr, told_by: &[&HostName], alive: bool) -> Finding {
    let names: Vec<&str> = told_by.iter().map(|host| host.as_str()).collect();
    let names = names.join(" and ");
    let address = balancer.address;
    let was = format!(
        "The machine at {peer} was a balancer ({KEEPALIVED_CONF} on {names}) and the inventory no longer names it"
    );
    if !alive {
        let message = format!(
            "{was}. It does not answer; should it come back, its Keepalived would take {address} too."
        );
        let hint = format!(
            "before it comes back, or keep its disk out of this network:\n  systemctl disable keepalived haproxy   # on {peer}"
        );
        return Finding::cluster(Severity::Warning, "balancer.gone", message).hint(hint);
    }
    let message = format!(
        "{was}. It is up: once the others no longer tell its Keepalived that they are there, it takes {address} too; two \
         machines would answer."
    );
    let hint = format!(
        "on {peer}, unless you power it off:\n  systemctl disable --now keepalived haproxy\nthen strike it out on {names}, and \
         run up:\n  sed -i '/^ *{peer}$/d' {KEEPALIVED_CONF}"
    );
    Finding::cluster(Severity::Blocked, "balancer.gone", message).hint(hint)
}

/// Replicas in an HAProxy of ours that no host of the file is.
pub(super) fn replicas(draft: &Draft<'_>, balancer: &LoadBalancer) -> Vec<Finding> {
    let mut found = BTreeMap::new();
    for host in &balancer.hosts {
        for (name, ip) in draft.seen.host(host).map(servers).unwrap_or_default() {
            if is_stranger(draft, ip) && !draft.inventory.hosts.contains_key(&HostName::new(&*name)) {
                found.entry((name, ip)).or_insert(host);
            }
        }
    }
    found
        .into_iter()
        .map(|((name, ip), told_by)| {
            let message = format!(
                "{name} ({ip}) had a replica of Kuboard ({HAPROXY_CFG} on {told_by}) and the inventory no longer names it. Its \
                 container may still run, with this cluster's secrets and etcd."
            );
            let hint = format!(
                "on {name}, when nobody needs it:\n  docker rm -f kuboard; systemctl disable kuboard-boot.service"
            );
            Finding::cluster(Severity::Warning, "kuboard.gone", message).hint(hint)
        })
        .collect()
}

/// Names and addresses of the `server` lines of an HAProxy configuration of ours.
fn servers(seen: &HostFacts) -> Vec<(String, IpAddr)> {
    let text = seen.own_text(HAPROXY_CFG).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("server "))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (name, at) = (words.next()?, words.next()?);
            let (ip, _) = at.rsplit_once(':')?;
            Some((name.to_owned(), ip.trim_matches(['[', ']']).parse().ok()?))
        })
        .collect()
}

/// Whether no host of the file has the address.
fn is_stranger(draft: &Draft<'_>, ip: IpAddr) -> bool {
    draft.inventory.hosts.keys().all(|host| draft.inventory.address(host) != ip)
}
