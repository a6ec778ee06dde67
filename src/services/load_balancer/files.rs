//! The files of the balancer: what each shall hold on a host.

use std::net::IpAddr;

use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use crate::inventory::Inventory;
use crate::inventory::model::LoadBalancer;
use crate::plan::diff::FileWanted;
use crate::plan::model::Check;
use crate::render::{RenderError, render};
use crate::resource::{Content, HostName, Part, SecretForm};
use crate::secret::SecretId;
use crate::template;

use super::place::Place;
use super::{HEALTH_PORT, TLS_PORT};

pub(super) const HAPROXY_CFG: &str = "/etc/haproxy/haproxy.cfg";
pub(super) const CERTIFICATE: &str = "/etc/haproxy/kuboard-ha.pem";
pub(super) const KEEPALIVED_CONF: &str = "/etc/keepalived/keepalived.conf";
/// The folder whose scripts SELinux lets Keepalived run; every component of the path belongs to root.
pub(super) const SCRIPT_DIRECTORY: &str = "/usr/libexec/keepalived";
pub(super) const SCRIPT: &str = "/usr/libexec/keepalived/kuboard-ha-haproxy-answers";
pub(super) const SYSCTL: &str = "/etc/sysctl.d/90-kuboard-ha-balancer.conf";

/// The kernel setting that lets a host bind the floating address while another holds it.
pub(super) fn nonlocal_bind(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "net.ipv4.ip_nonlocal_bind" } else { "net.ipv6.ip_nonlocal_bind" }
}

/// A replica as the templates name it.
#[derive(Serialize)]
pub(super) struct Replica {
    name: String,
    address: String,
    port: u16,
}

/// The replicas, in the file's order.
pub(super) fn replicas(inventory: &Inventory) -> Vec<Replica> {
    inventory
        .kuboard
        .hosts
        .iter()
        .map(|host| Replica {
            name: host.to_string(),
            address: bracketed(inventory.address(host)),
            port: inventory.kuboard.http_port,
        })
        .collect()
}

/// `10.0.0.1`, `[fd00::1]`.
pub(super) fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// What is wanted of the balancer hosts.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'i> {
    pub inventory: &'i Inventory,
    pub balancer: &'i LoadBalancer,
}

impl Wanted<'_> {
    /// The files that HAProxy takes in when it starts or reloads.
    pub fn haproxy_stamp(self) -> Vec<String> {
        let mut files = vec![HAPROXY_CFG.to_owned()];
        if self.balancer.tls.is_some() {
            files.push(CERTIFICATE.to_owned());
        }
        files
    }

    /// HAProxy's configuration; the same on every balancer host.
    pub fn haproxy(self) -> Result<FileWanted, RenderError> {
        let Self { inventory, balancer } = self;
        let url = &inventory.kuboard.url;
        let tls = balancer.tls.is_some();
        let values = context! {
            cluster => inventory.cluster.as_str(),
            nonlocal_bind => nonlocal_bind(balancer.address),
            address => bracketed(balancer.address),
            port => balancer.port,
            tls_port => TLS_PORT,
            certificate => if tls { CERTIFICATE } else { "" },
            redirect => if tls && url.starts_with("https://") { url.as_str() } else { "" },
            replicas => Serde(replicas(inventory)),
            health_port => HEALTH_PORT,
        };
        let content = render(template!("haproxy/haproxy.cfg"), &values)?;
        let check = Check { title: "haproxy -c", text: include_str!("check_haproxy.sh") };
        Ok(FileWanted { check: Some(check), ..FileWanted::new(HAPROXY_CFG, 0o644, content) })
    }

    /// The key and the certificate's chain in one file, as HAProxy wants them; `None` without TLS.
    pub fn certificate(self) -> Option<FileWanted> {
        let tls = self.balancer.tls.as_ref()?;
        let key = Part::Secret { id: SecretId::new(SecretId::TLS_KEY), form: SecretForm::Raw };
        let chain = format!("\n{}\n", tls.certificate_pem.trim_end());
        let check = Check { title: "haproxy loads it", text: include_str!("check_certificate.sh") };
        let content = Content(vec![key, Part::Text(chain)]);
        Some(FileWanted { check: Some(check), ..FileWanted::new(CERTIFICATE, 0o600, content) })
    }

    /// Keepalived's configuration on one host.
    pub fn keepalived(self, host: &HostName, place: &Place) -> Result<FileWanted, RenderError> {
        let Self { inventory, balancer } = self;
        let peers: Vec<String> = balancer
            .hosts
            .iter()
            .filter(|peer| *peer != host)
            .map(|peer| inventory.address(peer).to_string())
            .collect();
        let values = context! {
            cluster => inventory.cluster.as_str(),
            host => host.as_str(),
            script => SCRIPT,
            interface => place.interface.as_str(),
            device => place.device.as_str(),
            prefix => place.prefix,
            virtual_router_id => balancer.virtual_router_id,
            priority => priority(balancer, host),
            source => inventory.address(host).to_string(),
            peers,
            address => balancer.address.to_string(),
        };
        let content = render(template!("keepalived/keepalived.conf"), &values)?;
        let check = Check { title: "keepalived -t", text: include_str!("check_keepalived.sh") };
        Ok(FileWanted { check: Some(check), ..FileWanted::new(KEEPALIVED_CONF, 0o644, content) })
    }
}

/// The files that Keepalived takes in.
pub(super) fn keepalived_stamp() -> Vec<String> {
    vec![KEEPALIVED_CONF.to_owned(), SCRIPT.to_owned()]
}

/// What Keepalived runs each second.
pub(super) fn script() -> Result<FileWanted, RenderError> {
    let content = render(template!("keepalived/haproxy-answers"), &context! { health_port => HEALTH_PORT })?;
    let check = Check { title: "bash -n", text: "bash -n \"$new\"" };
    Ok(FileWanted { check: Some(check), ..FileWanted::new(SCRIPT, 0o755, content) })
}

/// Distinct on every host, the first of the file highest, all between 1 and 200.
fn priority(balancer: &LoadBalancer, host: &HostName) -> usize {
    let index = balancer.hosts.iter().position(|other| other == host).unwrap_or(0);
    let step = (200 / balancer.hosts.len().max(1)).clamp(1, 20);
    200_usize.saturating_sub(step * index).max(1)
}
