//! Active packet filters, by their own words. Only plain rules are understood: a port, a source, a protocol and
//! accept. What is not understood lets nothing in, so the check may ask for a rule that is there in another form.

use super::firewalld::firewalld;
use super::nftables::nftables;
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

/// Ports times sources of all rules of a host: far above any filter that people write, and no burden.
const MOST: usize = 500_000;

/// Reads what `firewall.sh` printed: the kind, then the filter's own listing. `Known(None)` without an active one.
pub fn firewall(lines: &[&str]) -> Observed<Option<FirewallFact>> {
    let Some((kind, rest)) = lines.split_first() else {
        return Observed::Unknown("the look at the packet filter gave nothing".to_owned());
    };
    let fact = FirewallFact { kind: (*kind).to_owned(), ..FirewallFact::default() };
    let mut rules = Rules { fact, left: Some(MOST) };
    let mut is_silent = rest.is_empty() && *kind != "nftables";
    match *kind {
        "none" => return Observed::Known(None),
        "firewalld" => is_silent |= !firewalld(rest, &mut rules),
        "ufw" => ufw(rest, &mut rules),
        "nftables" => nftables(rest, &mut rules),
        other => return Observed::Unknown(format!("no such packet filter: {other}")),
    }
    let Rules { fact, left } = rules;
    if is_silent {
        return Observed::Unknown(format!("{} did not answer in time", fact.kind));
    }
    if left.is_none() {
        return Observed::Unknown(format!("the rules of {} are too many to be read", fact.kind));
    }
    Observed::Known(Some(fact).filter(|fact| fact.drops))
}

/// What the rules read so far come to.
pub(super) struct Rules {
    pub(super) fact: FirewallFact,
    /// How much more is read of them; `None` once it was too much.
    left: Option<usize>,
}

impl Rules {
    /// TCP ports, written as [`ports`] knows them, are open to these sources; to all where there are none.
    pub(super) fn accept(&mut self, list: &str, sources: &[String]) {
        let ports = ports(list);
        self.left = self.left.and_then(|left| left.checked_sub(ports.len() * sources.len().max(1)));
        if self.left.is_none() {
            return;
        }
        if sources.is_empty() {
            self.fact.allowed.extend(ports);
        } else {
            for port in ports {
                self.fact.from.entry(port).or_default().extend(sources.iter().cloned());
            }
        }
    }
}

/// `ufw status verbose`.
fn ufw(lines: &[&str], rules: &mut Rules) {
    for line in lines {
        if let Some(defaults) = line.strip_prefix("Default:") {
            rules.fact.drops = !defaults.trim_start().starts_with("allow (incoming)");
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
            rules.fact.vrrp = true;
        } else if whole {
            rules.fact.trusted.extend(sources);
        } else if let Some((list, protocol)) = last.split_once('/') {
            if protocol == "tcp" {
                rules.accept(list, &sources);
            }
        } else {
            rules.accept(last, &sources);
        }
    }
}

/// `80`, `80,443`, `2379-2380`, `2379:2380`, `ssh`; each port once.
fn ports(text: &str) -> Vec<u16> {
    let mut ranges: Vec<(u16, u16)> = text
        .split(',')
        .map(str::trim)
        .filter_map(|part| {
            let (first, last) = part.split_once(['-', ':']).unwrap_or((part, part));
            let range = first.parse().ok().zip(last.parse().ok());
            range.or_else(|| service_port(part).map(|port| (port, port)))
        })
        .collect();
    ranges.sort_unstable();
    let mut found = Vec::new();
    for (first, last) in ranges {
        let first = found.last().map_or(first, |known: &u16| first.max(known.saturating_add(1)));
        if found.last() != Some(&u16::MAX) {
            found.extend(first..=last);
        }
    }
    found
}

fn service_port(name: &str) -> Option<u16> {
    SERVICES.iter().find(|(service, _)| *service == name).map(|(_, port)| *port)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn read(text: &str) -> Option<FirewallFact> {
        let lines: Vec<&str> = text.lines().collect();
        firewall(&lines).known().unwrap().clone()
    }

    pub(in super::super) fn summary(text: &str) -> String {
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
    fn ports_are_told_once_and_in_order() {
        assert_eq!(
            ports("443,80-82,81,ssh,nonsense,9-7,65534-65535,65535"),
            [22, 80, 81, 82, 443, 65534, 65535]
        );
        assert_eq!(ports("0-65535,1-65535").len(), 65536);
    }

    #[test]
    fn rules_without_end_are_given_up() {
        let ranges = format!("tcp dport {{ {} }} accept", "1-65534, ".repeat(20_000));
        let sources: String = (0..60_000).map(|i| format!("10.0.{}.{}, ", i / 256, i % 256)).collect();
        let each = format!("ip saddr {{ {sources} }} tcp dport 1-65534 accept");
        let chains: String = (0..20_000).map(|i| format!("chain c{i} {{\njump c{}\n}}\n", i + 1)).collect();
        let base = "table inet f {\nchain input {\ntype filter hook input priority filter; policy drop;\n";
        let begun = std::time::Instant::now();
        let found = |rules: &str| {
            let text = format!("nftables\n{base}{rules}\n}}\n{chains}");
            firewall(&text.lines().collect::<Vec<_>>())
        };
        assert_eq!(found(&ranges).known().unwrap().as_ref().unwrap().allowed.len(), 65_534);
        assert!(matches!(found(&each), Observed::Unknown(why) if why.contains("too many")));
        assert!(matches!(found(&[ranges.as_str()].repeat(9).join("\n")), Observed::Unknown(_)));
        assert!(found("jump c0").known().unwrap().is_some());
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
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
