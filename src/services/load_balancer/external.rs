//! The configuration of a balancer of the user's own.

use minijinja::context;
use minijinja::value::Serde;

use crate::inventory::Inventory;
use crate::render::render;
use crate::template;

use super::files::{bracketed, replicas};

/// What the user's own balancer needs, for HAProxy and for nginx; empty where the inventory names no balancer.
pub fn external_configuration(inventory: &Inventory) -> String {
    let Some(balancer) = &inventory.load_balancer else { return String::new() };
    let values = context! {
        address => bracketed(balancer.address),
        port => balancer.port,
        replicas => Serde(replicas(inventory)),
    };
    [template!("haproxy/external.cfg"), template!("haproxy/external-nginx.conf")]
        .into_iter()
        .filter_map(|template| Some(render(template, &values).ok()?.masked()))
        .collect::<Vec<_>>()
        .join("\n")
}
