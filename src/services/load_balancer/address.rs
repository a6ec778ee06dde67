//! Who holds the floating address, and what that means.

use std::net::IpAddr;

use crate::facts::model::{Active, Facts, FileFact, FileState, HostFacts, Observed};
use crate::inventory::Inventory;
use crate::inventory::model::LoadBalancer;
use crate::plan::draft::Draft;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

use super::files::{HAPROXY_CFG, KEEPALIVED_CONF};
use super::{KEEPALIVED, adverts, causes, departed, place};

/// The balancer hosts that hold the address, in the file's order.
pub(super) fn holders(facts: &Facts, balancer: &LoadBalancer) -> Vec<HostName> {
    let holds = |host: &&HostName| {
        facts.host(host).and_then(|seen| seen.balancer.as_ref()).is_some_and(|seen| seen.holds_address)
    };
    balancer.hosts.iter().filter(holds).cloned().collect()
}

/// Adds what is to be said about the address before anything is done.
pub(super) fn find(draft: &mut Draft<'_>, balancer: &LoadBalancer) {
    let mut findings = elsewhere(draft, balancer);
    findings.extend(departed::peers(draft, balancer));
    findings.extend(departed::replicas(draft, balancer));
    findings.extend(adverts::find(draft, balancer));
    findings.extend(by_hand(draft.seen, balancer));
    findings.extend(taken(draft.seen, balancer));
    findings.extend(twice(draft.seen, balancer));
    for host in &balancer.hosts {
        findings.extend(misplaced(draft, balancer, host));
    }
    for finding in findings {
        draft.find(finding);
    }
}

/// Hosts of the file that hold the address although they are no balancers.
fn elsewhere(draft: &Draft<'_>, balancer: &LoadBalancer) -> Vec<Finding> {
    let address = balancer.address;
    let others = draft.inventory.hosts.keys().filter(|host| !balancer.hosts.contains(host));
    others
        .filter_map(|host| {
            let held = draft.seen.host(host)?.addresses.iter().find(|held| held.ip == address)?;
            let message = format!(
                "The floating address {address} is configured on {} of this host, which is no balancer host; two \
                 machines would answer for one address.",
                held.interface
            );
            let hint = format!(
                "choose another load_balancer.address; or take it out of the host's network configuration, and off:\n  ip \
                 addr del {address}/{} dev {}",
                held.prefix, held.interface
            );
            Some(Finding::on(host, Severity::Blocked, "vip.elsewhere", message).hint(hint))
        })
        .collect()
}

/// Balancer hosts that hold the address without our Keepalived.
fn by_hand(facts: &Facts, balancer: &LoadBalancer) -> Vec<Finding> {
    let address = balancer.address;
    holders(facts, balancer)
        .into_iter()
        .filter(|host| facts.host(host).is_some_and(|seen| !is_ours(seen)))
        .map(|host| {
            let message = format!(
                "This host holds {address} although kuboard-ha has not set Keepalived up on it; an address that is \
                 configured by hand cannot move."
            );
            let hint = format!(
                "see which interface has it: ip -o addr show to {address}; take it off with ip addr del, and out of \
                 the host's network configuration; or choose another load_balancer.address"
            );
            Finding::on(&host, Severity::Blocked, "vip.by-hand", message).hint(hint)
        })
        .collect()
}

/// Somebody answers for the address although none of ours was ever told to have it. A change that was cut off on the way to
/// it has told one of them; those of an earlier address say nothing about this one.
fn taken(facts: &Facts, balancer: &LoadBalancer) -> Option<Finding> {
    let seen: Vec<(&HostName, &HostFacts)> =
        balancer.hosts.iter().filter_map(|host| Some((host, facts.host(host)?))).collect();
    let may_be_ours = seen.len() < balancer.hosts.len()
        || !holders(facts, balancer).is_empty()
        || seen.iter().any(|(_, seen)| may_claim(seen, balancer.address));
    if may_be_ours {
        return None;
    }
    let (host, evidence) = seen.iter().find_map(|(host, seen)| {
        let looked = seen.balancer.as_ref()?;
        match (&looked.neighbour, looked.answers.known()) {
            (Some(neighbour), _) => {
                Some((host, format!("the machine with the hardware address {neighbour}")))
            }
            (None, Some(true)) => Some((host, format!("a web server on port {}", balancer.port))),
            _ => None,
        }
    })?;
    let cause = causes::taken(balancer.address, &evidence, host.as_str());
    Some(Finding::of(None, Severity::Blocked, cause))
}

/// More than one holder: adverts do not pass between them.
fn twice(facts: &Facts, balancer: &LoadBalancer) -> Option<Finding> {
    let holders = holders(facts, balancer);
    if holders.len() < 2 {
        return None;
    }
    let names: Vec<&str> = holders.iter().map(HostName::as_str).collect();
    let message = format!(
        "{} hold {}; connections end up on one or the other by chance. Keepalived's adverts (IP protocol 112) \
         do not pass between them, or one of them was paused a moment ago.",
        names.join(" and "),
        balancer.address
    );
    let hint = "let the balancers reach each other with protocol 112, one of:\n  firewall-cmd --permanent \
                --add-rich-rule='rule protocol value=\"vrrp\" accept' && firewall-cmd --reload\n  ufw allow from PEER\n  nft \
                insert rule inet filter input ip protocol vrrp accept";
    Some(Finding::cluster(Severity::Warning, "vip.two-holders", message).hint(hint))
}

/// A host where the address has no place.
fn misplaced(draft: &Draft<'_>, balancer: &LoadBalancer, host: &HostName) -> Option<Finding> {
    let seen = draft.seen.host(host)?;
    let wanted = draft.inventory.host(host)?;
    let address = balancer.address;
    if address.is_ipv4() != wanted.address.is_ipv4() {
        let message = format!(
            "The floating address {address} and this host's address {} are of different families; Keepalived cannot \
             advertise one over the other.",
            wanted.address
        );
        let hint = "give both as IPv4, or both as IPv6";
        return Some(Finding::on(host, Severity::Blocked, "vip.family", message).hint(hint));
    }
    let Some(place) = place::place(seen, wanted, address) else {
        let message = format!(
            "No interface of this host holds its address {}, so the floating address has no place there.",
            wanted.address
        );
        let hint = format!("correct hosts.{host}.address; see what it has: ip -o addr");
        return Some(Finding::on(host, Severity::Blocked, "vip.no-interface", message).hint(hint));
    };
    if place.inside {
        return None;
    }
    let message = format!(
        "The floating address {address} lies in no network of {}; neighbours would not find it there unless a router \
         sends it there.",
        place.device
    );
    let hint = format!(
        "choose an address of the same network, or name the right interface: hosts.{host}.interface ({})",
        networks(seen, address)
    );
    Some(Finding::on(host, Severity::Warning, "vip.other-network", message).hint(hint))
}

fn networks(seen: &HostFacts, floating: IpAddr) -> String {
    let all: Vec<String> = seen
        .addresses
        .iter()
        .filter(|held| held.ip != floating)
        .map(|held| format!("{} {}/{}", held.interface, held.ip, held.prefix))
        .collect();
    all.join(", ")
}

/// Whether Keepalived on this host is, or was, set up by us.
pub(super) fn is_ours(seen: &HostFacts) -> bool {
    matches!(
        seen.files.get(KEEPALIVED_CONF),
        Some(Observed::Known(Some(FileFact { state: FileState::Ours { .. }, .. })))
    )
}

/// Whether a Keepalived of ours has this very address to give; one whose text was not read may.
fn may_claim(seen: &HostFacts, address: IpAddr) -> bool {
    let claim = format!("{address}/");
    let text = seen.own_text(KEEPALIVED_CONF);
    is_ours(seen) && text.is_none_or(|text| text.lines().any(|line| line.trim_start().starts_with(&claim)))
}

/// Whether all that balancers of ours were told is another address or port than the inventory says, while one of them works: what the
/// inventory asks for is not in use yet.
pub fn is_elsewhere(inventory: &Inventory, facts: &Facts) -> bool {
    let Some(balancer) = &inventory.load_balancer else { return false };
    let wanted = format!("bind {}:{}", balancer.address, balancer.port);
    let seen: Vec<&HostFacts> = balancer.hosts.iter().filter_map(|host| facts.host(host)).collect();
    let works = |seen: &&HostFacts| {
        seen.balancer.as_ref().is_some_and(|balancer| balancer.healthy == Observed::Known(true))
    };
    let texts: Vec<&str> = seen.iter().filter_map(|seen| seen.own_text(HAPROXY_CFG)).collect();
    seen.iter().any(works)
        && !texts.is_empty()
        && texts.iter().all(|text| text.lines().all(|line| line.trim() != wanted))
}

/// Whether Keepalived runs there.
pub(super) fn is_active(seen: &HostFacts) -> bool {
    seen.units.get(KEEPALIVED).and_then(Option::as_ref).is_some_and(|unit| unit.active == Active::Active)
}
