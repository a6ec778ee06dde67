//! Other Keepalived on the network, as far as a balancer host can hear them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::facts::model::Observed;
use crate::facts::service::Advert;
use crate::inventory::Inventory;
use crate::inventory::model::LoadBalancer;
use crate::plan::draft::Draft;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

/// What listening on the balancer hosts says before Keepalived is set up there. Later the host's own would be heard too,
/// and the address that is held says more.
pub(super) fn find(draft: &Draft<'_>, balancer: &LoadBalancer) -> Vec<Finding> {
    let mut heard: BTreeMap<&Advert, &HostName> = BTreeMap::new();
    let mut deaf = Vec::new();
    for host in &balancer.hosts {
        let Some(seen) = draft.seen.host(host).filter(|seen| !super::address::is_ours(seen)) else {
            continue;
        };
        match seen.balancer.as_ref().map(|balancer| &balancer.adverts) {
            Some(Observed::Known(adverts)) => {
                for advert in adverts.iter().filter(|advert| !is_ours(draft.inventory, advert.from)) {
                    heard.entry(advert).or_insert(host);
                }
            }
            Some(Observed::Unknown(_)) => deaf.push(host),
            None => {}
        }
    }
    let ids: BTreeSet<u8> = heard.keys().map(|advert| advert.router_id).collect();
    let mut findings: Vec<Finding> =
        heard.iter().filter_map(|(advert, host)| clash(balancer, advert, host, &ids)).collect();
    findings.extend(deaf.into_iter().map(|host| unheard(balancer, host)));
    findings
}

fn clash(balancer: &LoadBalancer, advert: &Advert, host: &HostName, ids: &BTreeSet<u8>) -> Option<Finding> {
    let (own, from) = (balancer.virtual_router_id, advert.from);
    let addresses: Vec<String> = advert.addresses.iter().map(IpAddr::to_string).collect();
    let addresses = addresses.join(", ");
    if advert.router_id == own {
        let free = (own..=u8::MAX).chain(1..own).find(|id| *id != own && !ids.contains(id))?;
        let message = format!(
            "The Keepalived at {from} already speaks as virtual router {own} on this network, for {addresses}; with the same \
             number each would take the other's adverts for its own, and one of the addresses would have no holder."
        );
        let hint = format!(
            "choose another number in the inventory: load_balancer.virtual_router_id: {free} ; or, if it is not needed, on \
             {from}:\n  systemctl disable --now keepalived"
        );
        return Some(Finding::on(host, Severity::Blocked, "vip.router-id-taken", message).hint(hint));
    }
    advert.addresses.contains(&balancer.address).then(|| {
        let message = format!(
            "The Keepalived at {from} holds {} as virtual router {}; two machines would fight over it.",
            balancer.address, advert.router_id
        );
        let hint = format!(
            "choose a free load_balancer.address; or, if it is not needed, on {from}:\n  systemctl disable --now keepalived"
        );
        Finding::on(host, Severity::Blocked, "vip.taken", message).hint(hint)
    })
}

fn unheard(balancer: &LoadBalancer, host: &HostName) -> Finding {
    let message = format!(
        "Whether another Keepalived on this network speaks as virtual router {} was not looked at: there is neither \
         python3 nor perl here, or the floating address is IPv6.",
        balancer.virtual_router_id
    );
    let hint =
        "look yourself, on the host, for some seconds:\n  tcpdump -ni any ip proto 112 or ip6 proto 112";
    Finding::on(host, Severity::Note, "vip.router-id-unseen", message).hint(hint)
}

/// Whether a host of the file has the address.
fn is_ours(inventory: &Inventory, ip: IpAddr) -> bool {
    inventory.hosts.keys().any(|host| inventory.address(host) == ip)
}
