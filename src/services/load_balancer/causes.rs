//! Why a balancer does not come up, as HAProxy and Keepalived say it.

use std::net::IpAddr;

use super::{HAPROXY, HEALTH_PORT, KEEPALIVED, TLS_PORT};
use crate::causes::{Evidence, Scene, plain};
use crate::event::Cause;
use crate::inventory::Inventory;

/// What is looked at where a balancer does not come up.
pub fn scene(inventory: &Inventory) -> Scene {
    let balancer = inventory.load_balancer.as_ref();
    let tls = balancer.and_then(|balancer| balancer.tls.as_ref()).map(|_| TLS_PORT);
    Scene {
        title: "HAProxy",
        process: "haproxy",
        units: vec![HAPROXY.to_owned(), KEEPALIVED.to_owned()],
        ports: balancer.map(|balancer| balancer.port).into_iter().chain(tls).chain([HEALTH_PORT]).collect(),
        addresses: balancer.map(|balancer| balancer.address).into_iter().collect(),
        data: vec!["/run".to_owned()],
        ..Scene::default()
    }
}

/// Another machine has the floating address.
pub(super) fn taken(address: IpAddr, evidence: &str, host: &str) -> Cause {
    Cause::new(
        "vip.taken",
        format!(
            "{address} is meant to be the floating address, but {evidence} already answers there, seen from {host}; two \
             machines would fight over it."
        ),
        format!(
            "choose a free load_balancer.address, or find that machine from {host}: ip neigh show to {address} ; once it is \
             free, the balancers forget at once with:\n  ip neigh flush to {address}"
        ),
    )
}

/// The cause. The texts are those of HAProxy 2.6 and Keepalived 2.2.
pub fn cause(inventory: &Inventory, evidence: &Evidence) -> Option<Cause> {
    let balancer = inventory.load_balancer.as_ref()?;
    if evidence.says(&["non-existent interface specified"]) {
        return Some(Cause::new(
            "vip.no-interface",
            "The interface in Keepalived's configuration does not exist on this host.",
            "name the right one: hosts.NAME.interface; see what it has: ip -o addr",
        ));
    }
    if evidence.says(&["duplicate address detected", "dadfailed"]) {
        return Some(taken(balancer.address, "another machine", "this host"));
    }
    let strangers = [
        "not present in master advert",
        "received an invalid",
        "bogus vrrp packet",
        "invalid version.",
        "expected vrid",
        "interval mismatch",
        "not in the unicast peer",
    ];
    if let Some(line) = evidence.line(&strangers) {
        let id = balancer.virtual_router_id;
        return Some(Cause::new(
            "vip.router-id-taken",
            format!(
                "Another Keepalived in this network uses the virtual router id {id} too: {}.",
                plain(line)
            ),
            "give this cluster another one: load_balancer.virtual_router_id, 1 to 255; who sends: tcpdump -ni any proto 112",
        ));
    }
    let line =
        evidence.line(&["cannot bind socket (permission denied)", "cannot bind socket (cannot assign"])?;
    let (code, what, hint) = if line.to_lowercase().contains("permission denied") {
        (
            "selinux.haproxy",
            "HAProxy may not bind its port; SELinux forbids ports that it does not know",
            "let it, or let it only have that port:\n  setsebool -P haproxy_connect_any 1\n  semanage port -a -t http_port_t -p tcp PORT",
        )
    } else {
        (
            "vip.not-bindable",
            "The kernel does not let HAProxy bind the floating address while another host holds it",
            "see who turned it off: sysctl net.ipv4.ip_nonlocal_bind; grep -r nonlocal /etc/sysctl.d; `kuboard-ha up` sets it",
        )
    };
    Some(Cause::new(code, format!("{what}: {}.", plain(line)), hint))
}

#[cfg(test)]
#[path = "causes_tests.rs"]
mod tests;
