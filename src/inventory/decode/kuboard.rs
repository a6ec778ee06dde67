//! `kuboard`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{PACKAGES, download, hosts};
use crate::inventory::model::{EnvValue, Host, Kuboard, LoadBalancer, Packages, Registry};
use crate::inventory::read::{Reading, Section, key_of, scalar_at, secret};
use crate::inventory::scalar;
use crate::inventory::tree::Shape;
use crate::resource::HostName;

/// Reads the section.
pub(super) fn kuboard(
    reading: Reading<'_>,
    section: Section<'_>,
    all: &BTreeMap<HostName, Host>,
    balancer: Option<&LoadBalancer>,
) -> Kuboard {
    let replicas = hosts::names(reading, &section, "hosts", all);
    let url = section.value("url", scalar::line);
    let http_port = section.value_or("http_port", scalar::port, 80);
    let kuboard = Kuboard {
        url: url.unwrap_or_else(|| default_url(&replicas, all, balancer, http_port)),
        image: section.value_or("image", scalar::line, "eipwork/kuboard:v3.5.2.9".to_owned()),
        registry: section.section("registry").and_then(registry),
        image_archive: section.section("image_archive").map(|below| download::download(reading, below)),
        http_port,
        agent_port: section.value_or("agent_port", scalar::port, 10081),
        data_dir: section.value_or("data_dir", scalar::directory, "/var/lib/kuboard".to_owned()),
        audit: section.choice("audit", &[("enabled", true), ("disabled", false)], true),
        admin_password: section.secret("admin_password"),
        env: section.section("env").map(|below| env(reading, &below)).unwrap_or_default(),
        docker: section.choice("docker", &PACKAGES, Packages::Install),
        hosts: replicas,
    };
    section.close();
    kuboard
}

/// The balancer's address, else the only replica's; the scheme's own port is left out.
fn default_url(
    replicas: &[HostName],
    all: &BTreeMap<HostName, Host>,
    balancer: Option<&LoadBalancer>,
    http_port: u16,
) -> String {
    if let Some(balancer) = balancer {
        return match balancer.tls {
            Some(_) => url("https", balancer.address, 443),
            None => url("http", balancer.address, balancer.port),
        };
    }
    let first = replicas.first().and_then(|name| all.get(name));
    first.map(|host| url("http", host.address, http_port)).unwrap_or_default()
}

fn url(scheme: &str, address: IpAddr, port: u16) -> String {
    let host = match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    match (scheme, port) {
        ("http", 80) | ("https", 443) => format!("{scheme}://{host}"),
        _ => format!("{scheme}://{host}:{port}"),
    }
}

fn registry(section: Section<'_>) -> Option<Registry> {
    let username = section.required_value("username", scalar::line, "the login that may pull the image");
    let password = section.secret("password");
    if section.node("password").is_none() {
        section.missing("password", "write `{ env: NAME }` or `{ file: PATH }`");
    }
    section.close();
    username.zip(password).map(|(username, password)| Registry { username, password })
}

fn env(reading: Reading<'_>, section: &Section<'_>) -> BTreeMap<String, EnvValue> {
    section
        .all()
        .filter_map(|(entry, path)| {
            if let Err(wrong) = scalar::env_name(&entry.key) {
                reading.report.refuse(key_of(&path), wrong);
                return None;
            }
            let value = match entry.value.shape {
                Shape::Map(_) => EnvValue::Secret(secret(reading, &entry.value, &path)?),
                _ => EnvValue::Text(scalar_at(reading, &entry.value, &path, scalar::line)?),
            };
            Some((entry.key.clone(), value))
        })
        .collect()
}
