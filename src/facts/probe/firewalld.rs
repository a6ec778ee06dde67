//! firewalld's own listing, for `firewall`.

use std::collections::BTreeMap;

use super::firewall::Rules;

/// The zones of engines, for their own bridges: what comes from outside goes through another.
const OF_ENGINES: [&str; 2] = ["docker", "libvirt"];

/// A zone as it is listed.
#[derive(Default)]
struct Zone<'t> {
    name: &'t str,
    is_active: bool,
    values: BTreeMap<&'t str, &'t str>,
    rich: Vec<&'t str>,
}

/// `default ZONE`, then `firewall-cmd --list-all-zones`. Of the zones only active ones count; where none of them has an
/// interface, as on a host without `NetworkManager`, the default one has them all, which older releases do not show.
/// `false` where it is not known which one that is.
pub(super) fn firewalld(lines: &[&str], found: &mut Rules) -> bool {
    let told = lines.first().and_then(|line| line.strip_prefix("default "));
    let mut default = told.unwrap_or_default().trim();
    let mut zones: Vec<Zone<'_>> = Vec::new();
    for line in lines.iter().skip(usize::from(told.is_some())).filter(|line| !line.is_empty()) {
        if !line.starts_with([' ', '\t']) {
            let (name, marks) = line.split_once(' ').unwrap_or((line, ""));
            if marks.contains("default") {
                default = name;
            }
            zones.push(Zone { name, is_active: marks.contains("active"), ..Zone::default() });
        } else if let Some(zone) = zones.last_mut() {
            if line.trim_start().starts_with("rule ") {
                zone.rich.push(line.trim());
            } else if let Some((name, value)) = line.trim().split_once(':') {
                zone.values.insert(name, value.trim());
            }
        }
    }
    zones.retain(|zone| !OF_ENGINES.iter().any(|engine| zone.name.starts_with(engine)));
    let is_bound = zones.iter().any(|zone| zone.is_active && zone.has_interfaces());
    let mut knows = is_bound;
    for zone in &zones {
        let has_the_rest = !is_bound && zone.name == default;
        if zone.is_active || has_the_rest {
            zone.tell(has_the_rest || zone.has_interfaces(), found);
        }
        knows |= has_the_rest;
    }
    knows
}

impl Zone<'_> {
    fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values.get(name).copied().unwrap_or_default().split_whitespace()
    }

    fn has_interfaces(&self) -> bool {
        self.words("interfaces").next().is_some()
    }

    /// Adds what it lets in to the rules, and that it drops the rest where it has interfaces.
    fn tell(&self, has_interfaces: bool, rules: &mut Rules) {
        let sources: Vec<String> = self.words("sources").map(str::to_owned).collect();
        if self.values.get("target") == Some(&"ACCEPT") {
            rules.fact.trusted.extend(sources);
            return;
        }
        rules.fact.drops |= has_interfaces;
        for port in self.words("ports").filter_map(|port| port.strip_suffix("/tcp")) {
            rules.accept(port, &sources);
        }
        for service in self.words("services") {
            rules.accept(service, &sources);
        }
        rules.fact.vrrp |= self.words("protocols").any(|protocol| protocol == "vrrp" || protocol == "112");
        for rule in self.rich.iter().filter(|rule| rule.ends_with("accept")) {
            accept_rich(rule, rules);
        }
    }
}

fn accept_rich(rule: &str, rules: &mut Rules) {
    let value = |name: &str| {
        let start = rule.find(&format!(" {name}=\""))? + name.len() + 3;
        rule[start..].split('"').next()
    };
    let address = value("address").filter(|_| rule.contains(" source "));
    let from: Vec<String> = address.map(str::to_owned).into_iter().collect();
    if let Some(port) = value("port").filter(|_| value("protocol") == Some("tcp")) {
        rules.accept(port, &from);
    } else if let Some(name) = value("name").filter(|_| rule.contains(" service ")) {
        rules.accept(name, &from);
    } else if rule.contains(" protocol ") {
        rules.fact.vrrp |= matches!(value("value"), Some("vrrp" | "112"));
    } else if !rule.contains(" port ") {
        rules.fact.trusted.extend(from);
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::model::{FirewallFact, Observed};
    use crate::facts::probe::firewall::{firewall, tests::summary};

    fn read(text: &str) -> Observed<Option<FirewallFact>> {
        firewall(&text.lines().collect::<Vec<_>>())
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

    /// Debian 11 and 12 without `NetworkManager`, and with Docker. The zone that everything goes through is not marked.
    const UNBOUND: &str = "firewalld
default public
block
  target: %%REJECT%%
  interfaces:\x20
  ports: 1/tcp

docker (active)
  target: ACCEPT
  interfaces: docker0
  services:\x20

lan (active)
  target: default
  interfaces:\x20
  sources: 10.99.17.0/24
  ports: 2379/tcp

public
  target: default
  interfaces:\x20
  sources:\x20
  services: dhcpv6-client ssh
  ports: 10081/tcp
";

    #[test]
    fn a_zone_without_interfaces_has_them_all_where_it_is_the_default_one() {
        let found = "{22, 10081} [\"2379<10.99.17.0/24\"] {} vrrp=false";
        assert_eq!(summary(UNBOUND), found);
        // As releases from 2.1.1 on say it, by themselves.
        let newer = UNBOUND.replace("\npublic\n", "\npublic (default, active)\n");
        assert_eq!(summary(&newer), found);
        assert_eq!(summary(&newer.replace("default public\n", "default \n")), found);
        let open = |text: &str| text.replace("public\n  target: default", "public\n  target: ACCEPT");
        assert_eq!(read(&open(UNBOUND)), Observed::Known(None));
        let other = open(UNBOUND).replace("default public", "default block");
        assert_eq!(summary(&other), "{1} [\"2379<10.99.17.0/24\"] {} vrrp=false");
    }

    #[test]
    fn a_default_zone_counts_for_nothing_where_another_has_the_interfaces() {
        let bound = UNBOUND.replacen("interfaces: \n  sources: 10", "interfaces: eth0\n  sources: 10", 1);
        assert_eq!(summary(&bound), "{} [\"2379<10.99.17.0/24\"] {} vrrp=false");
        let trusted = bound.replace("lan (active)\n  target: default", "lan (active)\n  target: ACCEPT");
        assert_eq!(read(&trusted), Observed::Known(None));
    }

    #[test]
    fn a_default_zone_that_is_not_known_is_no_open_host() {
        for text in [UNBOUND.replace("default public", "default "), "firewalld\ndefault public".to_owned()] {
            assert!(matches!(read(&text), Observed::Unknown(why) if why.contains("in time")), "{text}");
        }
    }
}
