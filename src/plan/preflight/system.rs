//! The machine: its system, tools, memory, address.

use std::collections::BTreeSet;

use crate::causes::disk::size;
use crate::causes::machine;
use crate::facts::model::{HostFacts, System};
use crate::inventory::Inventory;
use crate::inventory::model::Packages;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

use super::roles::Role;

/// What every host must have, and the package that brings it.
pub const TOOLS: [(&str, &str); 6] = [
    ("bash", "bash"),
    ("tar", "tar"),
    ("gzip", "gzip"),
    ("sha256sum", "coreutils"),
    ("timeout", "coreutils"),
    ("flock", "util-linux"),
];

const MIB: u64 = 1 << 20;

pub(super) fn find(
    inventory: &Inventory,
    host: &HostName,
    roles: &BTreeSet<Role>,
    seen: &HostFacts,
    findings: &mut Vec<Finding>,
) {
    let system = &seen.system;
    let add = |severity, code: &str, message: String, hint: String| {
        findings.push(Finding::on(host, severity, code, message).hint(hint));
    };
    self::host(inventory, host, roles, system, add);
    tools(system, host, findings);
    address(inventory, host, seen, findings);
    memory(inventory, host, roles, system, findings);
    packages(inventory, host, roles, system, findings);
    if system.selinux.as_deref() == Some("Enforcing") && roles.contains(&Role::Balancer) {
        let message = "SELinux is enforcing here; it keeps HAProxy from connecting to ports that it does not know, \
                       and answers would be 503.";
        let hint = "let it connect:\n  setsebool -P haproxy_connect_any 1";
        findings.push(Finding::on(host, Severity::Warning, "selinux.haproxy", message).hint(hint));
    }
}

fn host(
    inventory: &Inventory,
    host: &HostName,
    roles: &BTreeSet<Role>,
    system: &System,
    mut add: impl FnMut(Severity, &str, String, String),
) {
    if system.systemd.is_none() {
        let message =
            "Process 1 is not systemd; the services could neither be started nor come back after a boot.";
        let hint = "use a host that runs systemd: ps -p 1 -o comm=";
        add(Severity::Blocked, "host.no-systemd", message.to_owned(), hint.to_owned());
    }
    if !system.root {
        let message = "Commands do not run as root there.".to_owned();
        let hint =
            format!("log in as root, or let hosts.{host}.ssh.user use sudo: sudo -n true must succeed there");
        add(Severity::Blocked, "host.not-root", message, hint);
    }
    let needs_release =
        roles.contains(&Role::Etcd) || roles.contains(&Role::Questdb) || roles.contains(&Role::Kuboard);
    if system.arch.is_none() && needs_release {
        let message =
            format!("Its processor is {}; there are releases for x86_64 and aarch64 alone.", system.machine);
        let cause = machine::architecture(message);
        add(Severity::Blocked, &cause.code, cause.message, cause.hint);
    }
    let name = format!("{} {}", system.os, system.os_version);
    match standing(system) {
        Standing::Tested => {}
        Standing::Expected => {
            let message = format!("{} is expected to work; what is tested is Debian 12.", name.trim());
            let installs = roles.contains(&Role::Kuboard) && inventory.kuboard.docker == Packages::Install;
            let hint = if installs {
                "where its Docker is missing or too old: install one by hand and set kuboard.docker: present"
            } else {
                "nothing is to be done"
            };
            add(Severity::Note, "host.system", message, hint.to_owned());
        }
        Standing::Unknown => {
            let message = format!(
                "{} is not among the systems that are tested (Debian 12) or expected to work (Debian 11+, Ubuntu \
                 20.04+, RHEL 8+ and its kin, openEuler).",
                if name.trim().is_empty() {
                    "Its system, which has no /etc/os-release,"
                } else {
                    name.trim()
                }
            );
            let hint =
                "install Docker, HAProxy and Keepalived by hand where needed, and set packages: present"
                    .to_owned();
            add(Severity::Warning, "host.system", message, hint);
        }
    }
}

enum Standing {
    Tested,
    Expected,
    Unknown,
}

fn standing(system: &System) -> Standing {
    let major: u32 = system.os_version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    let like = |name: &str| system.os == name || system.os_like.iter().any(|like| like == name);
    match system.os.as_str() {
        "debian" if major == 12 => Standing::Tested,
        "debian" if major > 10 => Standing::Expected,
        "ubuntu" if major >= 20 => Standing::Expected,
        "openEuler" => Standing::Expected,
        "debian" | "ubuntu" | "fedora" => Standing::Unknown,
        _ if like("rhel") && major >= 8 => Standing::Expected,
        _ => Standing::Unknown,
    }
}

fn tools(system: &System, host: &HostName, findings: &mut Vec<Finding>) {
    let missing: Vec<&(&str, &str)> =
        TOOLS.iter().filter(|(tool, _)| !system.tools.contains(*tool)).collect();
    if missing.is_empty() {
        return;
    }
    let names: Vec<&str> = missing.iter().map(|(tool, _)| *tool).collect();
    let packages: BTreeSet<&str> = missing.iter().map(|(_, package)| *package).collect();
    let packages = Vec::from_iter(packages).join(" ");
    let install = match system.package_manager.as_deref() {
        Some("dnf" | "yum") => format!("dnf install {packages}"),
        Some("zypper") => format!("zypper install {packages}"),
        _ => format!("apt-get install {packages}"),
    };
    let message = format!("These programs are missing there: {}; every step needs them.", names.join(", "));
    let hint = format!("install them there:\n  {install}");
    findings.push(Finding::on(host, Severity::Blocked, "host.tools-missing", message).hint(hint));
}

fn address(inventory: &Inventory, host: &HostName, seen: &HostFacts, findings: &mut Vec<Finding>) {
    let wanted = inventory.address(host);
    if seen.addresses.iter().any(|address| address.ip == wanted) {
        return;
    }
    let found: Vec<String> =
        seen.addresses.iter().map(|address| format!("{} on {}", address.ip, address.interface)).collect();
    if found.is_empty() {
        let message = "Its addresses could not be seen; whether the services can listen on the one in the file is not known.";
        let hint = "install iproute2 there: ip -o addr must print something";
        findings.push(Finding::on(host, Severity::Unknown, "host.addresses-unseen", message).hint(hint));
        return;
    }
    let message = format!(
        "No interface of this host has {wanted}; the services listen on that address and would not start. It has {}.",
        found.join(", ")
    );
    let hint = format!(
        "set hosts.{host}.address to an address of its own; what ssh uses goes to hosts.{host}.ssh.host, what agents \
         use to agent_address"
    );
    findings.push(Finding::on(host, Severity::Blocked, "host.address-missing", message).hint(hint));
}

fn memory(
    inventory: &Inventory,
    host: &HostName,
    roles: &BTreeSet<Role>,
    system: &System,
    findings: &mut Vec<Finding>,
) {
    let memory = system.memory;
    if memory == 0 {
        return;
    }
    if let Some(questdb) = inventory.questdb.as_ref().filter(|_| roles.contains(&Role::Questdb)) {
        // The heap is touched whole at the start; Java needs about a quarter more beside it.
        let needed = questdb.heap + questdb.heap / 4 + 256 * MIB;
        if needed > memory {
            let message = format!(
                "questdb.heap {} needs about {} of memory, and this host has {}; the kernel would kill QuestDB.",
                size(questdb.heap),
                size(needed),
                size(memory)
            );
            let hint = "lower questdb.heap, or give the host more memory";
            findings.push(Finding::on(host, Severity::Blocked, "host.memory", message).hint(hint));
            return;
        }
    }
    let rough: u64 = roles
        .iter()
        .map(|role| match role {
            Role::Etcd => 256 * MIB,
            Role::Questdb => inventory.questdb.as_ref().map_or(0, |questdb| questdb.heap + questdb.heap / 4),
            Role::Kuboard => 512 * MIB,
            Role::Balancer => 64 * MIB,
        })
        .sum();
    if rough > memory {
        let names: Vec<&str> = roles.iter().map(|role| role.title()).collect();
        let message = format!(
            "It has {} of memory; {} together want at least {}.",
            size(memory),
            names.join(", "),
            size(rough)
        );
        let hint = "give the host more memory, or spread the roles over more hosts";
        findings.push(Finding::on(host, Severity::Warning, "host.memory", message).hint(hint));
    }
}

fn packages(
    inventory: &Inventory,
    host: &HostName,
    roles: &BTreeSet<Role>,
    system: &System,
    findings: &mut Vec<Finding>,
) {
    let wanted = (roles.contains(&Role::Kuboard) && inventory.kuboard.docker == Packages::Install)
        || (roles.contains(&Role::Balancer)
            && inventory
                .load_balancer
                .as_ref()
                .is_some_and(|balancer| balancer.packages == Packages::Install));
    if system.package_manager.is_none() && wanted {
        let message =
            "None of apt-get, dnf, yum and zypper is there, so nothing that is missing can be installed.";
        let hint = "install Docker, HAProxy and Keepalived by hand, and set kuboard.docker and load_balancer.packages to present";
        findings.push(Finding::on(host, Severity::Warning, "host.no-package-manager", message).hint(hint));
    }
}
