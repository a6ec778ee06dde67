//! What the balancer looks at on its hosts, and what its probe says.

use std::net::IpAddr;
use std::time::Duration;

use crate::facts::look::{FileLook, Looks, Probe};
use crate::facts::model::{HostFacts, Observed};
use crate::facts::service::BalancerFacts;
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
    let procedure = Procedure::new(
        NAME,
        include_str!("look.sh"),
        [
            ("address", balancer.address.to_string()),
            ("hex", hex(balancer.address)),
            ("port", balancer.port.to_string()),
            ("health", HEALTH_PORT.to_string()),
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
    for line in output.lines() {
        match line.split_once(' ') {
            Some(("holds", value)) => seen.holds_address = value == "yes",
            Some(("live", value)) => seen.healthy = Observed::Known(value == "yes"),
            Some(("answers", value)) => seen.answers = Observed::Known(value == "yes"),
            Some(("neighbour", value)) => seen.neighbour = Some(value.to_owned()),
            _ => {}
        }
    }
    facts.balancer = Some(seen);
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
    fn ipv6_is_written_as_the_kernel_does() {
        assert_eq!(hex("fd00::20".parse().unwrap()), "fd000000000000000000000000000020");
        assert_eq!(hex("10.0.0.1".parse().unwrap()), "");
    }
}
