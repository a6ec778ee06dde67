//! Active packet filters, by their own words. Only plain rules are understood: a port, a source, a protocol and
//! accept. What is not understood lets nothing in, so the check may ask for a rule that is there in another form.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::model::{FirewallFact, Observed};

/// Ports of the services of firewalld and of `/etc/services` that matter here.
const SERVICES: [(&str, u16); 6] = [
    ("ssh", 22),
    ("http", 80),
    ("https", 443),
    ("etcd-client", 2379),
    ("etcd-server", 2380),
    ("kube-apiserver", 6443),
];

/// Ranges longer than this are taken as any port.
const EVERY: std::ops::RangeInclusive<u16> = 1..=u16::MAX;

/// Reads what `firewall.sh` printed: the kind, then the filter's own listing. `Known(None)` without an active one.
pub fn firewall(lines: &[&str]) -> Observed<Option<FirewallFact>> {
    let Some((kind, rest)) = lines.split_first() else {
        return Observed::Unknown("the look at the packet filter gave nothing".to_owned());
    };
    let mut fact = FirewallFact { kind: (*kind).to_owned(), ..FirewallFact::default() };
    match *kind {
        "none" => return Observed::Known(None),
        "firewalld" => firewalld(rest, &mut fact),
        "ufw" => ufw(rest, &mut fact),
        "nftables" => nftables(rest, &mut fact),
        other => return Observed::Unknown(format!("no such packet filter: {other}")),
    }
    if rest.is_empty() && fact.kind != "nftables" {
        return Observed::Unknown(format!("{} did not answer in time", fact.kind));
    }
    Observed::Known(Some(fact).filter(|fact| fact.drops))
}

impl FirewallFact {
    fn accept(&mut self, ports: &[u16], sources: &[String]) {
        for port in ports {
            if sources.is_empty() {
                self.allowed.insert(*port);
            } else {
                self.from.entry(*port).or_default().extend(sources.iter().cloned());
            }
        }
    }
}

/// `firewall-cmd --list-all-zones`; only active zones count, Docker's own not.
fn firewalld(lines: &[&str], fact: &mut FirewallFact) {
    let mut zone: BTreeMap<&str, &str> = BTreeMap::new();
    let mut rules: Vec<&str> = Vec::new();
    let mut active = false;
    for line in lines.iter().copied().chain([""]) {
        if !line.starts_with([' ', '\t']) {
            if active {
                firewalld_zone(&zone, &rules, fact);
            }
            active = line.contains('(') && line.contains("active") && !line.starts_with("docker");
            zone.clear();
            rules.clear();
        } else if line.trim_start().starts_with("rule ") {
            rules.push(line.trim());
        } else if let Some((name, value)) = line.trim().split_once(':') {
            zone.insert(name, value.trim());
        }
    }
}

fn firewalld_zone(zone: &BTreeMap<&str, &str>, rules: &[&str], fact: &mut FirewallFact) {
    let words = |name: &str| zone.get(name).copied().unwrap_or_default().split_whitespace();
    let sources: Vec<String> = words("sources").map(str::to_owned).collect();
    if zone.get("target") == Some(&"ACCEPT") {
        fact.trusted.extend(sources);
        return;
    }
    if words("interfaces").next().is_some() {
        fact.drops = true;
    }
    for port in words("ports").filter_map(|port| port.strip_suffix("/tcp")) {
        fact.accept(&ports(port), &sources);
    }
    for service in words("services") {
        fact.accept(&service_ports(service), &sources);
    }
    fact.vrrp |= words("protocols").any(|protocol| protocol == "vrrp" || protocol == "112");
    for rule in rules.iter().filter(|rule| rule.ends_with("accept")) {
        let value = |name: &str| {
            let start = rule.find(&format!(" {name}=\""))? + name.len() + 3;
            rule[start..].split('"').next()
        };
        let address = value("address").filter(|_| rule.contains(" source "));
        let from: Vec<String> = address.map(str::to_owned).into_iter().collect();
        if let Some(port) = value("port").filter(|_| value("protocol") == Some("tcp")) {
            fact.accept(&ports(port), &from);
        } else if let Some(name) = value("name").filter(|_| rule.contains(" service ")) {
            fact.accept(&service_ports(name), &from);
        } else if rule.contains(" protocol ") {
            fact.vrrp |= matches!(value("value"), Some("vrrp" | "112"));
        } else if !rule.contains(" port ") {
            fact.trusted.extend(from);
        }
    }
}

/// `ufw status verbose`.
fn ufw(lines: &[&str], fact: &mut FirewallFact) {
    for line in lines {
        if let Some(defaults) = line.strip_prefix("Default:") {
            fact.drops = !defaults.trim_start().starts_with("allow (incoming)");
        }
        let Some((to, from)) = line.split_once(" ALLOW IN ").or_else(|| line.split_once(" ALLOW ")) else {
            continue;
        };
        if to.contains("(v6)") {
            continue; // the IPv4 line says the same, an address of IPv6 stands without this mark
        }
        let from = from.split('#').next().unwrap_or_default().trim();
        let mut sources: Vec<String> = Vec::new();
        if !from.starts_with("Anywhere") {
            sources.extend(from.split_whitespace().next().map(str::to_owned));
        }
        let vrrp = to.contains("/vrrp") || from.contains("/vrrp");
        let to = to.trim().split(" on ").next().unwrap_or_default();
        let last = to.split_whitespace().last().unwrap_or_default();
        let whole = to == "Anywhere" || last.parse::<std::net::IpAddr>().is_ok();
        if vrrp {
            fact.vrrp = true;
        } else if whole {
            fact.trusted.extend(sources);
        } else if let Some((list, protocol)) = last.split_once('/') {
            if protocol == "tcp" {
                fact.accept(&ports(list), &sources);
            }
        } else {
            fact.accept(&ports(last), &sources);
        }
    }
}

/// `nft list ruleset`: base chains hooked into input that drop, and the chains they jump to.
fn nftables(lines: &[&str], fact: &mut FirewallFact) {
    let mut chains: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    let mut table = String::new();
    let mut chain = String::new();
    for line in lines.iter().map(|line| line.trim()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["table", family, name, ..] => table = format!("{family} {name}"),
            ["chain", name, ..] => (*name).clone_into(&mut chain),
            ["}"] => chain.clear(),
            _ if !chain.is_empty() && !line.is_empty() => {
                chains.entry((table.clone(), chain.clone())).or_default().push(line);
            }
            _ => {}
        }
    }
    let bases: Vec<(String, String)> = chains
        .iter()
        .filter(|((table, _), rules)| {
            let hooked =
                rules.iter().any(|rule| rule.starts_with("type filter") && rule.contains("hook input"));
            let drops = rules.iter().any(|rule| rule.contains("policy drop"))
                || rules.last().is_some_and(|last| is_verdict(last, "drop") || is_verdict(last, "reject"));
            hooked && drops && !table.starts_with("bridge") && !table.starts_with("netdev")
        })
        .map(|(name, _)| name.clone())
        .collect();
    fact.drops = !bases.is_empty();
    fact.chain = bases.first().map(|(table, chain)| format!("{table} {chain}")).unwrap_or_default();
    for base in bases {
        let mut visited = BTreeSet::new();
        nft_chain(&chains, &base, &mut visited, fact);
    }
}

/// Whether a rule without any match ends the chain this way.
fn is_verdict(rule: &str, verdict: &str) -> bool {
    rule.split_whitespace().next() == Some(verdict)
        || (rule.starts_with("counter ") && rule.split_whitespace().any(|word| word == verdict))
}

fn nft_chain(
    chains: &BTreeMap<(String, String), Vec<&str>>,
    name: &(String, String),
    visited: &mut BTreeSet<(String, String)>,
    fact: &mut FirewallFact,
) {
    let Some(rules) = chains.get(name) else { return };
    if !visited.insert(name.clone()) {
        return;
    }
    for rule in rules {
        let words: Vec<&str> = rule.split_whitespace().collect();
        let after = |what: &str| words.iter().position(|word| *word == what).and_then(|at| words.get(at + 1));
        if let Some(next) = after("jump").or_else(|| after("goto")) {
            nft_chain(chains, &(name.0.clone(), (*next).to_owned()), visited, fact);
            continue;
        }
        let elsewhere =
            rule.contains("!=") || words.iter().any(|word| ["iif", "iifname", "daddr"].contains(word));
        if words.last() != Some(&"accept") || elsewhere {
            continue;
        }
        let sources: Vec<String> = nft_set(rule, "saddr ").into_iter().collect();
        let protocol = nft_set(rule, "ip protocol ").into_iter().chain(nft_set(rule, "l4proto "));
        let protocols: Vec<String> = protocol.collect();
        if rule.contains("tcp dport ") {
            let found: Vec<u16> = nft_set(rule, "tcp dport ").iter().flat_map(|text| ports(text)).collect();
            fact.accept(&found, &sources);
        } else if protocols.iter().any(|protocol| protocol == "vrrp" || protocol == "112") {
            fact.vrrp = true;
        } else if rule.contains("saddr ") && !rule.contains("dport") && protocols.is_empty() {
            fact.trusted.extend(sources);
        }
    }
}

/// The values behind `key`: one, or a set in braces.
fn nft_set(rule: &str, key: &str) -> Vec<String> {
    let Some(at) = rule.find(key) else { return Vec::new() };
    let rest = &rule[at + key.len()..];
    let list = match rest.strip_prefix('{') {
        Some(set) => set.split('}').next().unwrap_or_default(),
        None => rest.split_whitespace().next().unwrap_or_default(),
    };
    list.split(',').map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).collect()
}

/// `80`, `80,443`, `2379-2380`, `2379:2380`, `ssh`.
fn ports(text: &str) -> Vec<u16> {
    let mut found = Vec::new();
    for part in text.split(',').map(str::trim) {
        let range = part.split_once(['-', ':']);
        match range.map(|(first, last)| (first.parse::<u16>(), last.parse::<u16>())) {
            Some((Ok(first), Ok(last))) => found.extend(EVERY.filter(|port| (first..=last).contains(port))),
            Some(_) | None => match part.parse() {
                Ok(port) => found.push(port),
                Err(_) => found.extend(service_ports(part)),
            },
        }
    }
    found
}

fn service_ports(name: &str) -> Vec<u16> {
    SERVICES.iter().filter(|(service, _)| *service == name).map(|(_, port)| *port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<FirewallFact> {
        let lines: Vec<&str> = text.lines().collect();
        firewall(&lines).known().unwrap().clone()
    }

    fn summary(text: &str) -> String {
        let fact = read(text).unwrap();
        let from: Vec<String> = fact
            .from
            .iter()
            .map(|(port, nets)| format!("{port}<{}", Vec::from_iter(nets.clone()).join("|")))
            .collect();
        format!("{:?} {from:?} {:?} vrrp={}", fact.allowed, fact.trusted, fact.vrrp)
    }

    #[test]
    fn no_filter_is_known_and_silence_is_not() {
        assert_eq!(firewall(&["none"]), Observed::Known(None));
        assert_eq!(firewall(&["nftables"]), Observed::Known(None));
        for silent in [&[][..], &["firewalld"], &["ufw"], &["pf"]] {
            assert!(matches!(firewall(silent), Observed::Unknown(_)), "{silent:?}");
        }
    }

    #[test]
    fn reads_firewalld() {
        let listing = "firewalld
block
  target: %%REJECT%%
  ports: 1/tcp

docker (active)
  target: ACCEPT
  interfaces: docker0

lan (active)
  target: ACCEPT
  sources: 10.99.17.0/24
  services:\x20

public (default, active)
  target: default
  icmp-block-inversion: no
  interfaces: eth0
  sources:\x20
  services: cockpit http ssh
  ports: 10081/tcp 53/udp 2379-2380/tcp
  protocols: vrrp
  rich rules:\x20
\trule family=\"ipv4\" source address=\"10.99.16.21/32\" port port=\"8812\" protocol=\"tcp\" accept
\trule family=\"ipv4\" source address=\"10.99.16.9/32\" accept
\trule family=\"ipv4\" source address=\"10.99.16.8/32\" drop";
        assert_eq!(
            summary(listing),
            "{22, 80, 2379, 2380, 10081} [\"8812<10.99.16.21/32\"] {\"10.99.16.9/32\", \"10.99.17.0/24\"} vrrp=true"
        );
    }

    #[test]
    fn reads_ufw() {
        let listing = "ufw
Status: active
Logging: on (low)
Default: deny (incoming), allow (outgoing), disabled (routed)
New profiles: skip

To                         Action      From
--                         ------      ----
22/tcp                     ALLOW IN    Anywhere
80,443/tcp                 ALLOW IN    Anywhere                   # web
2379/tcp                   ALLOW IN    10.99.16.21
10.99.16.11 2380/tcp       ALLOW IN    10.99.16.12
53/udp                     ALLOW IN    Anywhere
Anywhere                   ALLOW IN    10.99.17.0/24
8812/tcp                   DENY IN     Anywhere
22/tcp (v6)                ALLOW IN    Anywhere (v6)";
        assert_eq!(
            summary(listing),
            "{22, 80, 443} [\"2379<10.99.16.21\", \"2380<10.99.16.12\"] {\"10.99.17.0/24\"} vrrp=false"
        );
        let open = listing.replace("deny (incoming)", "allow (incoming)");
        assert_eq!(read(&open), None);
    }

    #[test]
    fn reads_nftables() {
        let listing = "nftables
table inet filter {
\tset nets { type ipv4_addr; elements = { 10.0.0.1 } }
\tchain input {
\t\ttype filter hook input priority filter; policy drop;
\t\tct state established,related accept
\t\tiif \"lo\" accept
\t\ttcp dport { 22, 2379-2380 } accept
\t\tip saddr { 10.99.16.21, 10.99.16.22 } tcp dport 8812 counter packets 0 bytes 0 accept
\t\tip protocol vrrp accept
\t\tjump more
\t}
\tchain more {
\t\tip saddr 10.99.17.0/24 accept
\t\ttcp dport http accept
\t\ttcp dport 9000 drop
\t\tjump more
\t}
\tchain forward {
\t\ttype filter hook forward priority filter; policy drop;
\t\ttcp dport 7777 accept
\t}
}";
        assert_eq!(
            summary(listing),
            "{22, 80, 2379, 2380} [\"8812<10.99.16.21|10.99.16.22\"] {\"10.99.17.0/24\"} vrrp=true"
        );
        assert_eq!(read(&listing.replace("filter; policy drop", "filter; policy accept")), None);
        let ends = listing.replace("policy drop", "policy accept").replace(
            "\t\tjump more\n\t}\n\tchain more",
            "\t\tcounter packets 1 bytes 2 drop\n\t}\n\tchain more",
        );
        assert!(read(&ends).is_some());
    }

    #[test]
    fn nothing_makes_it_panic() {
        for kind in ["firewalld", "ufw", "nftables"] {
            for noise in
                ["{", "}", "rule port=\"", " ALLOW ", "ct", "chain", "ports:", "\u{e4}\u{1}", "tcp dport {"]
            {
                let _ = firewall(&[kind, noise, noise]);
                let _ = firewall(&[
                    kind,
                    "public (active)",
                    &format!("  {noise}"),
                    "table inet f {",
                    "chain c {",
                    noise,
                ]);
            }
        }
    }
}
