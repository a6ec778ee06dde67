//! What the balancer looks at on its hosts, and what its probe says.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::facts::look::{FileLook, Looks, Probe};
use crate::facts::model::{HostFacts, Observed};
use crate::facts::service::{Advert, BalancerFacts};
use crate::inventory::Inventory;
use crate::plan::model::Procedure;
use crate::resource::HostName;

use super::files::{self, CERTIFICATE, SCRIPT_DIRECTORY, Wanted};
use super::{HAPROXY, HEALTH_PORT, KEEPALIVED};

const NAME: &str = "balancer.look";

/// Adds what the service looks at.
pub fn look(inventory: &Inventory, host: &HostName, looks: &mut Looks) {
    let Some(balancer) = &inventory.load_balancer else { return };
    if !balancer.hosts.contains(host) {
        return;
    }
    looks.packages.extend(["haproxy".to_owned(), "keepalived".to_owned()]);
    for path in [files::HAPROXY_CFG, files::KEEPALIVED_CONF, files::SCRIPT, files::SYSCTL] {
        looks.files.insert(path.to_owned(), FileLook::default());
    }
    // The certificate's file holds its key: its text never leaves the host.
    looks.files.insert(CERTIFICATE.to_owned(), FileLook::Hidden);
    looks.directories.insert(SCRIPT_DIRECTORY.to_owned());
    looks.sysctls.insert(files::nonlocal_bind(balancer.address).to_owned());
    let wanted = Wanted { inventory, balancer };
    looks.units.insert(HAPROXY.to_owned(), wanted.haproxy_stamp());
    looks.units.insert(KEEPALIVED.to_owned(), files::keepalived_stamp());
    let known: Vec<String> = balancer.hosts.iter().map(|host| inventory.address(host).to_string()).collect();
    let procedure = Procedure::new(
        NAME,
        include_str!("look.sh"),
        [
            ("address", balancer.address.to_string()),
            ("hex", hex(balancer.address)),
            ("port", balancer.port.to_string()),
            ("health", HEALTH_PORT.to_string()),
            ("own", inventory.address(host).to_string()),
            ("known", known.join(" ")),
            ("conf", files::KEEPALIVED_CONF.to_owned()),
        ],
    );
    looks.probes.push(Probe { procedure, limit: Duration::from_secs(5) });
}

/// Reads what the probe printed. What it had no time for stays unknown.
pub fn read(name: &str, output: &str, facts: &mut HostFacts) {
    if name != NAME {
        return;
    }
    let mut seen = BalancerFacts::default();
    let (mut adverts, mut listened) = (BTreeSet::new(), false);
    for line in output.lines() {
        match line.split_once(' ') {
            Some(("holds", value)) => seen.holds_address = value == "yes",
            Some(("live", value)) => seen.healthy = Observed::Known(value == "yes"),
            Some(("answers", value)) => seen.answers = Observed::Known(value == "yes"),
            Some(("listened", _)) => listened = true,
            Some(("advert", value)) => adverts.extend(advert(value)),
            Some(("peer", value)) => {
                seen.peers.extend(
                    value.split_once(' ').and_then(|(ip, alive)| Some((ip.parse().ok()?, alive == "yes"))),
                );
            }
            Some(("neighbour", value)) => seen.neighbour = Some(value.to_owned()),
            _ => {}
        }
    }
    if listened {
        seen.adverts = Observed::Known(adverts.into_iter().collect());
    }
    facts.balancer = Some(seen);
}

/// `10.0.0.9 51 10.0.0.40`.
fn advert(text: &str) -> Option<Advert> {
    let mut words = text.split_whitespace();
    let (from, router_id) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Advert { from, router_id, addresses: words.filter_map(|word| word.parse().ok()).collect() })
}

/// An IPv6 address as `/proc/net/if_inet6` writes it; empty for IPv4.
pub(super) fn hex(address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => String::new(),
        IpAddr::V6(v6) => format!("{:032x}", u128::from(v6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_cut_short_leaves_the_rest_unknown() {
        let mut facts = HostFacts::default();
        read(NAME, "holds yes\nlive no\nans", &mut facts);
        let seen = facts.balancer.unwrap();
        assert!(seen.holds_address);
        assert_eq!(seen.healthy, Observed::Known(false));
        assert!(matches!(seen.answers, Observed::Unknown(_)));
    }

    #[test]
    fn reads_a_whole_look_and_nobody_elses() {
        let mut facts = HostFacts::default();
        read("etcd.look", "holds yes", &mut facts);
        assert_eq!(facts.balancer, None);
        read(NAME, "holds no\nlive yes\nanswers yes\nneighbour 02:42:0a:63:10:12\nnoise", &mut facts);
        let seen = facts.balancer.unwrap();
        assert_eq!(seen.answers, Observed::Known(true));
        assert_eq!(seen.neighbour.as_deref(), Some("02:42:0a:63:10:12"));
    }

    #[test]
    fn reads_what_others_say() {
        let mut facts = HostFacts::default();
        read(
            NAME,
            "advert 10.0.0.9 51 10.0.0.40\nadvert 10.0.0.9 51 10.0.0.40\nadvert x\nholds no\npeer 10.0.0.3 yes",
            &mut facts,
        );
        assert!(matches!(facts.balancer.unwrap().adverts, Observed::Unknown(_)), "it was cut short");
        let mut facts = HostFacts::default();
        read(
            NAME,
            "advert 10.0.0.9 51 10.0.0.40\nadvert 10.0.0.9 51 10.0.0.40\npeer 10.0.0.3 yes\nlistened yes",
            &mut facts,
        );
        let seen = facts.balancer.unwrap();
        let ip = |text: &str| text.parse().unwrap();
        let advert = Advert { from: ip("10.0.0.9"), router_id: 51, addresses: vec![ip("10.0.0.40")] };
        assert_eq!(seen.adverts, Observed::Known(vec![advert]));
        assert_eq!(seen.peers.get(&ip("10.0.0.3")), Some(&true));
    }

    #[test]
    fn ipv6_is_written_as_the_kernel_does() {
        assert_eq!(hex("fd00::20".parse().unwrap()), "fd000000000000000000000000000020");
        assert_eq!(hex("10.0.0.1".parse().unwrap()), "");
    }
}
