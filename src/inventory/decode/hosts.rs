//! `ssh` and `hosts`, and the lists that refer to hosts by name.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use crate::inventory::model::{Host, HostKeys, SecretSource, Ssh};
use crate::inventory::problem::Wrong;
use crate::inventory::read::{Reading, Section, closest, key_of, listed, scalar_at, title};
use crate::inventory::scalar;
use crate::inventory::tree::{Node, Shape};
use crate::resource::HostName;

/// Stands for an address that could not be read; no readable address is unspecified.
const BROKEN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// One `ssh` mapping: what it leaves out is decided elsewhere.
#[derive(Clone, Default)]
pub(super) struct SshKeys {
    user: Option<String>,
    port: Option<u16>,
    identity_file: Option<PathBuf>,
    host_keys: Option<HostKeys>,
    proxy_jump: Option<String>,
    config_file: Option<PathBuf>,
    password: Option<SecretSource>,
    sudo_password: Option<SecretSource>,
}

/// The top-level `ssh`, defaults for all hosts.
pub(super) fn defaults(reading: Reading<'_>, section: Option<Section<'_>>) -> SshKeys {
    let Some(section) = section else { return SshKeys::default() };
    let keys = ssh_keys(reading, &section);
    section.close();
    keys
}

/// Every host.
pub(super) fn hosts(
    reading: Reading<'_>,
    section: &Section<'_>,
    defaults: &SshKeys,
) -> BTreeMap<HostName, Host> {
    let mut hosts = BTreeMap::new();
    for (entry, path) in section.all() {
        if let Err(wrong) = scalar::host_name(&entry.key) {
            reading.report.refuse(key_of(&path), wrong);
        }
        hosts.insert(HostName::new(&entry.key), host(reading, &entry.value, &path, defaults));
    }
    if hosts.is_empty() {
        reading.report.problem("hosts", "hosts names no host", "as in `hosts: { etcd1: 10.99.16.11 }`");
    }
    hosts
}

/// A list of hosts by name. Names that refer to nothing, and repetitions, are problems.
pub(super) fn names(
    reading: Reading<'_>,
    section: &Section<'_>,
    key: &'static str,
    hosts: &BTreeMap<HostName, Host>,
) -> Vec<HostName> {
    let mut names: Vec<HostName> = Vec::new();
    for (index, text) in section.list(key).unwrap_or_default().into_iter().enumerate() {
        let path = format!("{}/{index}", section.at(key));
        let name = HostName::new(text);
        if names.contains(&name) {
            let message = format!("{} names `{name}` twice", title(&section.at(key)));
            reading.report.problem(path, message, "each host carries at most one of them");
        } else if let Err(wrong) = known(name.as_str(), hosts) {
            reading
                .report
                .refuse(&path, Wrong { message: format!("{}: {}", title(&path), wrong.message), ..wrong });
        } else {
            names.push(name);
        }
    }
    names
}

/// Whether `hosts` has a host of that name.
pub(super) fn known(name: &str, hosts: &BTreeMap<HostName, Host>) -> Result<HostName, Wrong> {
    let wanted = HostName::new(name);
    // Without hosts, their absence is the problem.
    if hosts.is_empty() || hosts.contains_key(&wanted) {
        return Ok(wanted);
    }
    let names: Vec<&str> = hosts.keys().map(HostName::as_str).collect();
    let hint = match closest(name, names.iter().copied()) {
        Some(host) => format!("did you mean `{host}`?"),
        None if names.len() <= 12 => format!("the hosts are {}", listed(&names).replace(" or ", " and ")),
        None => "add it to `hosts`".to_owned(),
    };
    Err(Wrong::new(format!("there is no host `{name}`"), hint))
}

fn host(reading: Reading<'_>, node: &Node, path: &str, defaults: &SshKeys) -> Host {
    if !matches!(node.shape, Shape::Map(_)) {
        let address = scalar_at(reading, node, path, scalar::address).unwrap_or(BROKEN);
        return Host {
            address,
            agent_address: address.to_string(),
            interface: None,
            ssh: ssh(defaults, &SshKeys::default(), address.to_string()),
        };
    }
    let section = Section::open(reading, node, path);
    let hint = "where its services listen and the other hosts reach them";
    let address = section.required_value("address", scalar::address, hint).unwrap_or(BROKEN);
    let agent_address = section.value("agent_address", scalar::endpoint);
    let interface = section.value("interface", scalar::interface);
    let mut own = SshKeys::default();
    let mut reached = None;
    if let Some(below) = section.section("ssh") {
        reached = below.value("host", scalar::endpoint);
        own = ssh_keys(reading, &below);
        below.close();
    }
    section.close();
    Host {
        address,
        agent_address: agent_address.unwrap_or_else(|| address.to_string()),
        interface,
        ssh: ssh(defaults, &own, reached.unwrap_or_else(|| address.to_string())),
    }
}

fn ssh_keys(reading: Reading<'_>, section: &Section<'_>) -> SshKeys {
    let words = [("strict", Some(HostKeys::Strict)), ("accept-new", Some(HostKeys::AcceptNew))];
    SshKeys {
        user: section.value("user", scalar::user),
        port: section.value("port", scalar::port),
        identity_file: section.value("identity_file", |text| key_path(reading, text)),
        host_keys: section.choice("host_keys", &words, None),
        proxy_jump: section.value("proxy_jump", scalar::jump),
        config_file: section.value("config_file", |text| Ok(reading.context.resolve(scalar::path(text)?))),
        password: section.secret("password"),
        sudo_password: section.secret("sudo_password"),
    }
}

/// The path of a key as `ssh` reads it: it knows `~` and `%d`, but not the inventory's folder, whose name is no such
/// sign whatever it holds.
fn key_path(reading: Reading<'_>, text: &str) -> Result<PathBuf, Wrong> {
    let text = scalar::path(text)?;
    if text.starts_with(['~', '%']) {
        return Ok(Path::new(text).to_owned());
    }
    let folder = reading.context.folder.to_string_lossy().replace('%', "%%");
    Ok(Path::new(&folder).join(text))
}

fn ssh(defaults: &SshKeys, own: &SshKeys, host: String) -> Ssh {
    let SshKeys { user, port, identity_file, host_keys, proxy_jump, config_file, password, sudo_password } =
        own.clone();
    Ssh {
        host,
        user: user.or_else(|| defaults.user.clone()),
        port: port.or(defaults.port),
        identity_file: identity_file.or_else(|| defaults.identity_file.clone()),
        host_keys: host_keys.or(defaults.host_keys).unwrap_or(HostKeys::Strict),
        proxy_jump: proxy_jump.or_else(|| defaults.proxy_jump.clone()),
        config_file: config_file.or_else(|| defaults.config_file.clone()),
        password: password.or_else(|| defaults.password.clone()),
        sudo_password: sudo_password.or_else(|| defaults.sudo_password.clone()),
    }
}
