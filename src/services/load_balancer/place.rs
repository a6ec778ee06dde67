//! Where the floating address belongs on a host: the interface, and the length of its network's prefix.

use std::net::IpAddr;

use crate::facts::model::{Address, HostFacts};
use crate::inventory::model::Host;

/// Where adverts go and where the address is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The interface that holds the host's own address: adverts go through it.
    pub interface: String,
    /// The interface that gets the floating address.
    pub device: String,
    /// The length of its network's prefix.
    pub prefix: u8,
    /// Whether the floating address lies in a network of that interface.
    pub inside: bool,
}

/// Where `floating` belongs; `None` where the host's own address is on none of its interfaces.
pub(super) fn place(seen: &HostFacts, host: &Host, floating: IpAddr) -> Option<Place> {
    let own = seen.addresses.iter().find(|address| address.ip == host.address)?;
    let others = || seen.addresses.iter().filter(|address| address.ip != floating);
    let fits = |address: &&Address| address.holds(floating);
    let found = match &host.interface {
        Some(named) => others().filter(|address| &address.interface == named).find(fits),
        None => Some(own).filter(fits).or_else(|| others().find(fits)),
    };
    let device = host.interface.clone();
    Some(Place {
        interface: own.interface.clone(),
        device: device.unwrap_or_else(|| found.unwrap_or(own).interface.clone()),
        prefix: found.map_or(if floating.is_ipv4() { 32 } else { 128 }, |address| address.prefix),
        inside: found.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::load_balancer::tests::host;

    /// Interface, address, prefix.
    type Addresses<'t> = &'t [(&'t str, &'t str, u8)];

    fn seen(addresses: Addresses<'_>) -> HostFacts {
        let addresses = addresses
            .iter()
            .map(|(interface, ip, prefix)| Address {
                interface: (*interface).to_owned(),
                ip: ip.parse().unwrap(),
                prefix: *prefix,
            })
            .collect();
        HostFacts { addresses, ..HostFacts::default() }
    }

    fn placed(addresses: Addresses<'_>, interface: Option<&str>, floating: &str) -> Option<String> {
        let host = Host { interface: interface.map(str::to_owned), ..host("10.0.0.1") };
        let place = place(&seen(addresses), &host, floating.parse().unwrap())?;
        let Place { interface, device, prefix, inside } = place;
        Some(format!("{interface} {device}/{prefix} {inside}"))
    }

    #[test]
    fn the_address_goes_where_its_network_is() {
        let one = [("eth0", "10.0.0.1", 24)];
        let held = [("eth0", "10.0.0.9", 32), ("eth0", "10.0.0.1", 24)];
        let two = [("eth0", "10.0.0.1", 24), ("eth1", "203.0.113.1", 28)];
        let cases: [(Addresses<'_>, Option<&str>, &str, Option<&str>); 7] = [
            (&one, None, "10.0.0.9", Some("eth0 eth0/24 true")),
            (&held, None, "10.0.0.9", Some("eth0 eth0/24 true")),
            (&two, None, "203.0.113.9", Some("eth0 eth1/28 true")),
            (&two, Some("eth1"), "203.0.113.9", Some("eth0 eth1/28 true")),
            (&two, Some("eth1"), "10.0.0.9", Some("eth0 eth1/32 false")),
            (&one, None, "192.168.0.9", Some("eth0 eth0/32 false")),
            (&[("eth0", "10.0.0.2", 24)], None, "10.0.0.9", None),
        ];
        for (addresses, interface, floating, expected) in cases {
            assert_eq!(placed(addresses, interface, floating).as_deref(), expected, "{addresses:?}");
        }
    }

    #[test]
    fn networks_of_both_families() {
        let address = |ip: &str, prefix| Address { interface: "e".into(), ip: ip.parse().unwrap(), prefix };
        assert!(address("fd00::1", 64).holds("fd00::20".parse().unwrap()));
        assert!(!address("fd00::1", 64).holds("fd01::20".parse().unwrap()));
        assert!(address("10.0.0.1", 0).holds("1.2.3.4".parse().unwrap()));
        assert!(!address("10.0.0.1", 0).holds("fd00::1".parse().unwrap()));
    }
}
