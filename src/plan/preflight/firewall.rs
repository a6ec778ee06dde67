//! An active packet filter that would drop what the hosts say to each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::facts::model::{FirewallFact, HostFacts, Observed};
use crate::inventory::Inventory;
use crate::inventory::model::Firewall;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

use super::roles::{From, Role, needs};

/// What is not let in: by port the sources, none for everybody; and the peers whose adverts are dropped.
#[derive(Debug, Default, PartialEq, Eq)]
struct Missing {
    ports: BTreeMap<u16, BTreeSet<String>>,
    peers: BTreeSet<String>,
}

/// Where containers on the engine's default bridge come from, when the bridge is not there yet.
const BRIDGE: &str = "172.17.0.0/16";

pub(super) fn find(inventory: &Inventory, host: &HostName, seen: &HostFacts, findings: &mut Vec<Finding>) {
    if inventory.firewall == Firewall::Off {
        return;
    }
    let Observed::Known(Some(filter)) = &seen.firewall else { return };
    if !filter.drops {
        return;
    }
    let missing = missing(inventory, host, seen, filter);
    if missing.ports.is_empty() && missing.peers.is_empty() {
        return;
    }
    let mut parts: Vec<String> = missing
        .ports
        .iter()
        .map(|(port, from)| {
            let from = if from.is_empty() { "everywhere".to_owned() } else { join(from) };
            format!("port {port} from {from}")
        })
        .collect();
    if !missing.peers.is_empty() {
        parts.push(format!("VRRP (IP protocol 112) from {}", join(&missing.peers)));
    }
    let message =
        format!("{} is active here and does not let in what is needed: {}.", filter.kind, parts.join("; "));
    let hint = format!(
        "on {host}:\n  {}\n{}or set firewall: off in the inventory, if you know better",
        commands(filter, &missing).join("\n  "),
        // The other two write their rules down themselves.
        if filter.kind == "firewalld" || filter.kind == "ufw" {
            ""
        } else {
            "and put the same rules into /etc/nftables.conf; "
        }
    );
    findings.push(Finding::on(host, Severity::Blocked, "firewall.ports", message).hint(hint));
}

fn missing(inventory: &Inventory, host: &HostName, seen: &HostFacts, filter: &FirewallFact) -> Missing {
    let mut missing = Missing::default();
    // Docker forwards published ports past the input filter.
    for need in needs(inventory, host).into_iter().filter(|need| need.role != Role::Kuboard) {
        if filter.allowed.contains(&need.port) {
            continue;
        }
        let nets: Vec<&String> =
            filter.from.get(&need.port).into_iter().flatten().chain(&filter.trusted).collect();
        let shut = |net: &String| !nets.iter().any(|open| within(open, net));
        let mut sources = match &need.from {
            From::Itself => Vec::new(),
            From::Anybody => {
                missing.ports.insert(need.port, BTreeSet::new());
                continue;
            }
            From::Hosts(hosts) => hosts.iter().map(|other| inventory.address(other).to_string()).collect(),
        };
        // firewalld lets Docker's own zone in.
        if need.containers && need.ip.is_ipv4() && filter.kind != "firewalld" {
            sources.push(bridge(seen));
        }
        let shut: BTreeSet<String> = sources.into_iter().filter(shut).collect();
        if !shut.is_empty() {
            missing.ports.entry(need.port).or_default().extend(shut);
        }
    }
    let balancers =
        inventory.load_balancer.as_ref().map(|balancer| balancer.hosts.as_slice()).unwrap_or_default();
    if balancers.contains(host) && !filter.vrrp {
        missing.peers = balancers
            .iter()
            .filter(|peer| *peer != host)
            .map(|peer| inventory.address(peer).to_string())
            .filter(|peer| !filter.trusted.iter().any(|open| within(open, peer)))
            .collect();
    }
    missing
}

/// The network of the engine's default bridge.
fn bridge(seen: &HostFacts) -> String {
    let found = seen.addresses.iter().find(|address| address.interface == "docker0");
    match found.map(|address| (address.ip, address.prefix)) {
        Some((IpAddr::V4(ip), prefix)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            format!("{}/{prefix}", Ipv4Addr::from(u32::from(ip) & mask))
        }
        _ => BRIDGE.to_owned(),
    }
}

/// The commands that let it in, for the filter that is there.
fn commands(filter: &FirewallFact, missing: &Missing) -> Vec<String> {
    let mut commands = Vec::new();
    let family = |net: &str| if net.contains(':') { "ipv6" } else { "ipv4" };
    match filter.kind.as_str() {
        "firewalld" => {
            for (port, from) in &missing.ports {
                if from.is_empty() {
                    commands.push(format!("firewall-cmd --permanent --add-port={port}/tcp"));
                }
                commands.extend(from.iter().map(|ip| {
                    format!(
                        "firewall-cmd --permanent --add-rich-rule='rule family=\"{}\" source address=\"{ip}\" port \
                         port=\"{port}\" protocol=\"tcp\" accept'",
                        family(ip)
                    )
                }));
            }
            if !missing.peers.is_empty() {
                commands.push(
                    "firewall-cmd --permanent --add-rich-rule='rule protocol value=\"vrrp\" accept'"
                        .to_owned(),
                );
            }
            commands.push("firewall-cmd --reload".to_owned());
        }
        "ufw" => {
            for (port, from) in &missing.ports {
                if from.is_empty() {
                    commands.push(format!("ufw allow {port}/tcp"));
                }
                commands.extend(
                    from.iter().map(|ip| format!("ufw allow from {ip} to any port {port} proto tcp")),
                );
            }
            commands.extend(missing.peers.iter().map(|ip| format!("ufw allow from {ip}")));
        }
        _ => {
            let chain = if filter.chain.is_empty() { "inet filter input" } else { &filter.chain };
            let insert = format!("nft insert rule {chain}");
            let saddr = |nets: &BTreeSet<String>| {
                let kind = if nets.iter().any(|net| net.contains(':')) { "ip6" } else { "ip" };
                format!("{kind} saddr '{{ {} }}'", join(nets))
            };
            for (port, from) in &missing.ports {
                let only = if from.is_empty() { String::new() } else { format!("{} ", saddr(from)) };
                commands.push(format!("{insert} {only}tcp dport {port} accept"));
            }
            if !missing.peers.is_empty() {
                commands.push(format!("{insert} {} meta l4proto 112 accept", saddr(&missing.peers)));
            }
        }
    }
    commands
}

fn join(nets: &BTreeSet<String>) -> String {
    nets.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Whether all of one network, or one address, lies in another: `10.0.0.0/24`, `10.0.0.1`, `fd00::/64`.
fn within(outer: &str, inner: &str) -> bool {
    match (network(outer), network(inner)) {
        (Some((outer, wide)), Some((inner, narrow))) => {
            outer.is_ipv4() == inner.is_ipv4() && wide <= narrow && {
                let shift = if outer.is_ipv4() { 32 } else { 128 } - u32::from(wide);
                (bits(outer) ^ bits(inner)).checked_shr(shift).unwrap_or(0) == 0
            }
        }
        _ => false,
    }
}

/// Its base and the length of its prefix.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (base, length) = text.split_once('/').unwrap_or((text, ""));
    let base: IpAddr = base.parse().ok()?;
    let longest = if base.is_ipv4() { 32 } else { 128 };
    let length = if length.is_empty() { longest } else { length.parse().ok()? };
    (length <= longest).then_some((base, length))
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_addresses() {
        for (net, ip, expected) in [
            ("10.0.0.0/24", "10.0.0.9", true),
            ("10.0.0.0/24", "10.0.1.9", false),
            ("10.0.0.9", "10.0.0.9", true),
            ("10.0.0.8", "10.0.0.9", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("fd00::/64", "fd00::9", true),
            ("fd00::/64", "fd01::9", false),
            ("172.16.0.0/12", "172.17.0.0/16", true),
            ("172.17.0.0/16", "172.16.0.0/12", false),
            ("::/0", "1.2.3.4", false),
            ("10.0.0.0/99", "10.0.0.1", false),
            ("@set", "1.2.3.4", false),
        ] {
            assert_eq!(within(net, ip), expected, "{net} {ip}");
        }
    }
}
