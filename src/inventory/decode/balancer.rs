//! `load_balancer`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::{PACKAGES, hosts};
use crate::inventory::model::{Host, LoadBalancer, Packages, Tls};
use crate::inventory::problem::Wrong;
use crate::inventory::read::{Reading, Section};
use crate::inventory::scalar;
use crate::resource::HostName;

/// Reads the section.
pub(super) fn balancer(
    reading: Reading<'_>,
    section: Section<'_>,
    all: &BTreeMap<HostName, Host>,
) -> LoadBalancer {
    let hint = "the floating address of `load_balancer.hosts`, or the address of a balancer of your own";
    let network = "an address of the balancers' own network";
    let parse = |text: &str| {
        let own = |wrong: Wrong| Wrong { hint: Some(network.to_owned()), ..wrong };
        scalar::address(text).map_err(|wrong| if text.parse::<IpAddr>().is_ok() { own(wrong) } else { wrong })
    };
    let address = section.required_value("address", parse, hint).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let balancer = LoadBalancer {
        address,
        port: section.value_or("port", scalar::port, 80),
        hosts: hosts::names(reading, &section, "hosts", all),
        tls: section.section("tls").and_then(|below| tls(reading, below)),
        virtual_router_id: section.value_or("virtual_router_id", scalar::router_id, router_id_of(address)),
        packages: section.choice("packages", &PACKAGES, Packages::Install),
    };
    section.close();
    balancer
}

/// The last byte of the address, which is unique on its segment more often than any constant; never 0.
fn router_id_of(address: IpAddr) -> u8 {
    let last = match address {
        IpAddr::V4(v4) => v4.octets()[3],
        IpAddr::V6(v6) => v6.octets()[15],
    };
    last.max(1)
}

fn tls(reading: Reading<'_>, section: Section<'_>) -> Option<Tls> {
    let parse = |text: &str| {
        let path = reading.context.resolve(scalar::path(text)?);
        let pem = (reading.context.read)(&path).map_err(|why| {
            let hint =
                "the path of a PEM file on this machine; relative paths start at the inventory's folder";
            Wrong::new(format!("cannot read `{text}`: {why}"), hint)
        })?;
        if pem.contains("PRIVATE KEY-----") {
            let hint = "put the key into a file of its own, named under `key`; the certificate is public";
            return Err(Wrong::new(format!("`{text}` holds a private key too"), hint));
        }
        if !pem.contains("-----BEGIN CERTIFICATE-----") || !pem.contains("-----END CERTIFICATE-----") {
            let hint = "PEM, `-----BEGIN CERTIFICATE-----`: the server's certificate first, then its chain";
            return Err(Wrong::new(format!("`{text}` holds no certificate"), hint));
        }
        Ok((path, pem))
    };
    let certificate =
        section.required_value("certificate", parse, "the path of the PEM chain on this machine");
    let key = section.secret("key");
    if section.node("key").is_none() {
        section.missing("key", "write `key: { file: PATH }`");
    }
    section.close();
    let ((certificate, certificate_pem), key) = certificate.zip(key)?;
    Some(Tls { certificate, certificate_pem, key })
}
