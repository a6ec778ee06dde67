//! The replicas: how many, under which address, with which environment.

use std::net::IpAddr;

use super::{image, login};
use crate::inventory::model::{EnvValue, Inventory, Kuboard};
use crate::inventory::problem::Report;
use crate::inventory::read::key_of;
use crate::inventory::scalar;

/// Names of the environment that kuboard-ha writes, with what to write instead.
const OWNED: &[(&str, &str)] = &[
    ("KUBOARD_ENDPOINT", "write `kuboard.url`"),
    ("KUBOARD_ENDPOINT_PROTOCOL", "write `kuboard.url`"),
    ("KUBOARD_SSO_CLIENT_SECRET", "leave it out: one is generated for all replicas"),
    ("KUBOARD_ADMIN_DERAULT_PASSWORD", "write `kuboard.admin_password`"),
    ("KUBOARD_ADMIN_DEFAULT_PASSWORD", "write `kuboard.admin_password`"),
    ("KUBOARD_ETCD_ENDPOINTS", "it follows from `etcd.hosts`"),
    ("KUBOARD_QUEST_DB_URI", "it follows from `questdb`"),
    ("KUBOARD_DISABLE_AUDIT", "write `kuboard.audit`"),
    ("KUBOARD_AGENT_ENDPOINT", "it follows from `kuboard.hosts` and their `agent_address`"),
    ("KUBOARD_AGENT_SERVER_TCP_PORT", "write `kuboard.agent_port`"),
    ("KUBOARD_AGENT_SERVER_UDP_PORT", "Kuboard v3.5 has no UDP port; write `kuboard.agent_port`"),
    ("KUBOARD_AGENT_KEY", "leave it out: one is generated for all replicas"),
    ("KUBOARD_SERVER_NODE_PORT", "remove it: it makes Kuboard believe that it runs inside Kubernetes"),
    ("KUBOARD_TLS_CERT", "write `load_balancer.tls`"),
    ("KUBOARD_TLS_KEY", "write `load_balancer.tls`"),
    ("KUBOARD_TLS_AUTOCERT", "write `load_balancer.tls`"),
    ("KUBOARD_TLS_DOMAIN", "write `load_balancer.tls`"),
    ("ETCD_CLIENT_PORT", "write `etcd.client_port`"),
    ("ETCD_PEER_PORT", "write `etcd.peer_port`"),
];

pub(super) fn check(inventory: &Inventory, report: &Report) {
    let kuboard = &inventory.kuboard;
    replicas(inventory, report);
    image::check(&kuboard.image, report);
    url(inventory, report);
    env(kuboard, report);
    login::check(&kuboard.env, report);
}

fn replicas(inventory: &Inventory, report: &Report) {
    match inventory.kuboard.hosts.len() {
        0 => report.problem("kuboard/hosts", "kuboard.hosts names no replica", "2 hosts or more, behind a load_balancer"),
        1 => report.advise(
            "kuboard/hosts",
            "kuboard.single-replica",
            "one Kuboard replica: not highly available, while it is down so is Kuboard",
            "2 replicas behind a load_balancer survive the loss of one",
        ),
        count if inventory.load_balancer.is_none() => report.problem(
            "load_balancer",
            format!("{count} replicas need a load_balancer in front of them"),
            "add `load_balancer: { address: …, hosts: [...] }` to have one managed, or only the `address` of your own",
        ),
        _ => {}
    }
}

fn url(inventory: &Inventory, report: &Report) {
    let (path, url) = ("kuboard/url", inventory.kuboard.url.as_str());
    if report.holds(path) {
        if let Some((message, hint)) = url_fault(url) {
            report.problem(path, format!("kuboard.url: {message}"), hint);
            return;
        }
        let tls = inventory.load_balancer.as_ref().is_some_and(|balancer| balancer.tls.is_some());
        let managed = inventory.load_balancer.as_ref().is_some_and(|balancer| !balancer.hosts.is_empty());
        if url.starts_with("https://") && managed && !tls {
            report.advise(
                path,
                "kuboard.https-elsewhere",
                format!("{url} is https, and the managed balancer serves http alone"),
                "add `load_balancer.tls`, unless something in front of it ends TLS",
            );
        }
    }
    if url.starts_with("http://") {
        // `tls` belongs to balancers that are managed.
        let way = match &inventory.load_balancer {
            Some(balancer) if !balancer.hosts.is_empty() => "add `load_balancer.tls`, or end TLS in front",
            Some(_) => "end TLS in your balancer and set `kuboard.url` to https://…",
            None => "end TLS in front of it and set `kuboard.url` to https://…",
        };
        report.advise(
            path,
            "kuboard.http-in-the-clear",
            format!("{url}: passwords and kubeconfigs cross the network in the clear"),
            format!("{way}; decide now, a later change means importing all clusters again"),
        );
    }
}

/// What Kuboard, browsers and agents cannot use.
fn url_fault(url: &str) -> Option<(String, String)> {
    // Before anything that would repeat it.
    if url.contains('@') {
        return Some(("it holds a login".to_owned(), "remove what stands before the `@`".to_owned()));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return Some((
            format!("`{url}` is not an address"),
            "as in `https://kuboard.example.com`".to_owned(),
        ));
    };
    if !["http", "https"].contains(&scheme) {
        return Some((format!("`{scheme}` is not supported"), "http or https".to_owned()));
    }
    if rest.ends_with('/') {
        let bare = url.trim_end_matches('/');
        return Some(("Kuboard takes no `/` at the end".to_owned(), format!("write `{bare}`")));
    }
    if rest.contains(['/', '?', '#']) {
        return Some((
            "Kuboard serves the root of a name only".to_owned(),
            "remove what follows the name".to_owned(),
        ));
    }
    let (host, port) = split_port(rest);
    if port.is_some_and(|port| scalar::port(port).is_err()) {
        return Some((
            format!("`{rest}` has no usable port"),
            "a port is a number from 1 to 65535".to_owned(),
        ));
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    if literal.is_some_and(|address| address.is_ipv6()) && !host.starts_with('[') {
        return Some((
            "an IPv6 address stands between brackets".to_owned(),
            format!("write `{scheme}://[{host}]`"),
        ));
    }
    if host == "localhost" || host.ends_with(".localhost") {
        return Some(("agents would look for Kuboard on themselves".to_owned(), OTHERS.to_owned()));
    }
    if let Some(why) = literal.and_then(scalar::unreachable) {
        return Some((format!("`{host}` is {why}"), OTHERS.to_owned()));
    }
    let named = !host.is_empty()
        && !host.starts_with(['-', '.'])
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
    (literal.is_none() && !named).then(|| (format!("`{host}` is not a name"), OTHERS.to_owned()))
}

const OTHERS: &str = "the name or address under which browsers and agents reach the balancer";

fn split_port(rest: &str) -> (&str, Option<&str>) {
    if rest.parse::<IpAddr>().is_ok() {
        return (rest, None);
    }
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (rest, None),
    }
}

fn env(kuboard: &Kuboard, report: &Report) {
    for (name, value) in &kuboard.env {
        let path = format!("kuboard/env/{name}");
        if let Some((_, hint)) = OWNED.iter().find(|(owned, _)| owned == name) {
            report.problem(key_of(&path), format!("`{name}` cannot be set here"), *hint);
        } else if name.starts_with("DB_") || name.starts_with("KUBOARD_CACHE_") {
            let message = format!("`{name}` is Kuboard v4's, which is another product");
            report.problem(key_of(&path), message, "v3 keeps its data in etcd");
        } else if let EnvValue::Text(text) = value {
            let upper = name.to_ascii_uppercase();
            if upper.contains("PASSWORD") || upper.contains("SECRET") {
                report.problem_with_secret(
                    path,
                    format!("{name} is a secret: it does not stand in the file"),
                    format!("write `{name}: {{ env: NAME }}` or `{{ file: PATH }}`"),
                );
            } else if text == "quest" {
                // Elsewhere the word may be a name; in the environment it can hardly be anything else.
                report.problem(
                    path,
                    format!("{name} is QuestDB's default password, which is public"),
                    "choose another",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_browsers_and_agents_can_use() {
        for good in [
            "https://kuboard.example.com",
            "http://10.99.16.20:8080",
            "http://[fd00::1]",
            "http://[fd00::1]:8080",
            "http://kuboard",
        ] {
            assert_eq!(url_fault(good), None, "{good}");
        }
        for bad in [
            "kuboard.example.com",
            "ftp://x",
            "https://x/",
            "https://x/kuboard",
            "http://localhost",
            "http://127.0.0.1",
            "http://0.0.0.0:80",
            "http://[::1]",
            "http://fd00::1",
            "http://a:b@x",
            "http://x:0",
            "http://x:y",
            "http://",
            "http://a:poison@x/",
            "http:/a:poison@x",
            "http://a b",
            "http://$(id)",
            "http://-x",
        ] {
            let (what, hint) = url_fault(bad).unwrap();
            assert!(!what.contains("poison") && !hint.contains("poison"), "{what}: {hint}");
        }
    }
}
