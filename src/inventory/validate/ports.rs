//! Ports taken twice on one host.

use std::collections::BTreeMap;

use crate::inventory::model::Inventory;
use crate::inventory::problem::Report;
use crate::inventory::read::title;
use crate::resource::HostName;

/// Where Keepalived asks HAProxy how it is, as its template has it.
const HEALTH_PORT: u16 = 8404;

/// On which address of its host something listens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// The host's own.
    Own,
    /// The balancer's, which may be on the host.
    Floating,
    Loopback,
    All,
}

struct Listener {
    scope: Scope,
    port: u16,
    what: String,
    /// The key that decides the port, or the section that brings it.
    path: &'static str,
}

pub(super) fn check(inventory: &Inventory, report: &Report) {
    for (host, listeners) in listeners(inventory) {
        for (index, later) in listeners.iter().enumerate() {
            for earlier in &listeners[..index] {
                if later.port == earlier.port && clash(later.scope, earlier.scope) {
                    // The one that the file says is the one to change.
                    let path = if report.holds(later.path) || !report.holds(earlier.path) {
                        later.path
                    } else {
                        earlier.path
                    };
                    let message = format!(
                        "port {} is taken twice on `{host}`: by {} and by {}",
                        later.port, earlier.what, later.what
                    );
                    report.problem(path, message, "change one of them, or move one service to another host");
                }
            }
        }
    }
}

fn clash(one: Scope, other: Scope) -> bool {
    one == other || one == Scope::All || other == Scope::All
}

fn listeners(inventory: &Inventory) -> BTreeMap<&HostName, Vec<Listener>> {
    let mut all: BTreeMap<&HostName, Vec<Listener>> = BTreeMap::new();
    let mut listen = |host, scope, port, path: &'static str, what: Option<&str>| {
        let what = what.map_or_else(|| title(path), str::to_owned);
        all.entry(host).or_default().push(Listener { scope, port, what, path });
    };
    for (host, machine) in &inventory.hosts {
        let ssh = &machine.ssh;
        // Under another address than the host's own, the port may be one that a router passes on.
        let passed_on = ssh.port.is_some() && ssh.host != machine.address.to_string();
        if !passed_on {
            listen(host, Scope::All, ssh.port.unwrap_or(22), "hosts", Some("sshd"));
        }
    }
    if let Some(questdb) = &inventory.questdb {
        for (port, what) in [(8812, "QuestDB"), (9000, "QuestDB's console"), (9003, "QuestDB's health page")]
        {
            listen(&questdb.host, Scope::All, port, "questdb", Some(what));
        }
    }
    // What cannot be changed comes first.
    for host in inventory.load_balancer.iter().flat_map(|balancer| &balancer.hosts) {
        listen(host, Scope::Loopback, HEALTH_PORT, "load_balancer", Some("HAProxy's health page"));
    }
    for host in &inventory.etcd.hosts {
        listen(host, Scope::Own, inventory.etcd.client_port, "etcd/client_port", None);
        listen(host, Scope::Loopback, inventory.etcd.client_port, "etcd/client_port", None);
        listen(host, Scope::Own, inventory.etcd.peer_port, "etcd/peer_port", None);
    }
    for host in &inventory.kuboard.hosts {
        listen(host, Scope::Own, inventory.kuboard.http_port, "kuboard/http_port", None);
        listen(host, Scope::Own, inventory.kuboard.agent_port, "kuboard/agent_port", None);
    }
    if let Some(balancer) = &inventory.load_balancer {
        for host in &balancer.hosts {
            listen(host, Scope::Floating, balancer.port, "load_balancer/port", None);
            if balancer.tls.is_some() {
                listen(host, Scope::Floating, 443, "load_balancer/port", Some("load_balancer.tls"));
            }
        }
    }
    all
}
