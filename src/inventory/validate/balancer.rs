//! The address in front of the replicas.

use crate::inventory::model::Inventory;
use crate::inventory::problem::Report;

pub(super) fn check(inventory: &Inventory, report: &Report) {
    let Some(balancer) = &inventory.load_balancer else { return };
    let path = "load_balancer/address";
    let address = balancer.address;
    let managed = !balancer.hosts.is_empty();
    if let Some((name, _)) =
        inventory.hosts.iter().find(|(_, host)| host.address == address && !address.is_unspecified())
    {
        let hint = if report.holds("load_balancer/hosts") {
            "it floats between `load_balancer.hosts`: take an address of their network that no machine has"
        } else {
            "a balancer of your own has an address of its own; to have one managed here, take a free address and name \
             `hosts`"
        };
        report.problem(path, format!("{address} is the address of the host `{name}`"), hint);
    }
    if balancer.tls.is_some() && balancer.port == 443 {
        let hint = "`port` is the http port; with `tls`, https is on 443";
        report.problem("load_balancer/port", "port 443 is taken by tls", hint);
    }
    if !report.holds("load_balancer/hosts") {
        for (key, why) in [
            ("tls", "a balancer of your own ends TLS by itself: write `kuboard: { url: https://… }`"),
            ("virtual_router_id", "it is Keepalived's, on `load_balancer.hosts`"),
            ("packages", "nothing is installed for a balancer of your own"),
        ] {
            let path = format!("load_balancer/{key}");
            if report.holds(&path) {
                let message = format!("load_balancer.{key} needs load_balancer.hosts");
                report.problem(path, message, format!("add `hosts`, or remove it: {why}"));
            }
        }
        return;
    }
    if !managed {
        let hint = "name the hosts that carry HAProxy and Keepalived, or remove `hosts` to use a balancer of your own";
        report.problem("load_balancer/hosts", "load_balancer.hosts names no host", hint);
    }
    for (index, name) in balancer.hosts.iter().enumerate() {
        let own = inventory.address(name);
        if own.is_ipv4() != address.is_ipv4() && !own.is_unspecified() && !address.is_unspecified() {
            let message = format!("`{name}` ({own}) cannot hold {address}: one is IPv4, the other IPv6");
            report.problem(format!("load_balancer/hosts/{index}"), message, "both of one family");
        }
    }
    if balancer.hosts.len() == 1 {
        report.advise(
            "load_balancer/hosts",
            "load_balancer.single-host",
            "one balancer: not highly available, while it is down so is Kuboard",
            "name a second host; the kuboard hosts may carry it",
        );
    }
    if managed && !report.holds("load_balancer/virtual_router_id") {
        report.advise(
            path,
            "load_balancer.router-id-derived",
            format!("virtual_router_id {} is derived from the address", balancer.virtual_router_id),
            "write another if a VRRP pair in the same network uses it already",
        );
    }
}
