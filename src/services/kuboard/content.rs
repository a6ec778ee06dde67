//! What Kuboard's files hold.

use std::net::IpAddr;

use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use crate::inventory::Inventory;
use crate::inventory::model::EnvValue;
use crate::render::{RenderError, Template, render};
use crate::resource::{Content, Part, SecretForm};
use crate::secret::SecretId;
use crate::services::kuboard::names::{CONTAINER, QUESTDB_PORT, socket};
use crate::template;

const ENV: Template = template!("kuboard/kuboard.env");
const BOOT: Template = template!("kuboard/kuboard-boot.service");

/// An entry of `kuboard.env`: a value in the clear or the name of a secret; the other is empty.
#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    value: &'a str,
    secret: String,
}

/// The environment, the same on every replica.
pub fn env(inventory: &Inventory) -> Result<Content, RenderError> {
    let kuboard = &inventory.kuboard;
    let agents: Vec<String> = kuboard
        .hosts
        .iter()
        .filter_map(|name| inventory.host(name))
        .map(|host| endpoint(&host.agent_address, kuboard.agent_port))
        .collect();
    let members: Vec<String> = inventory
        .etcd
        .hosts
        .iter()
        .map(|member| socket(inventory.address(member), inventory.etcd.client_port))
        .collect();
    let questdb = inventory.questdb.as_ref().filter(|_| kuboard.audit);
    let questdb = questdb.map(|questdb| socket(inventory.address(&questdb.host), QUESTDB_PORT));
    let env: Vec<Entry<'_>> = kuboard
        .env
        .iter()
        .map(|(name, value)| match value {
            EnvValue::Text(value) => Entry { name, value, secret: String::new() },
            EnvValue::Secret(_) => Entry { name, value: "", secret: SecretId::env(name).as_str().to_owned() },
        })
        .collect();
    let values = context! {
        endpoint => &kuboard.url,
        sso_secret => SecretId::SSO_SECRET,
        agent_port => kuboard.agent_port,
        agent_endpoints => agents.join(","),
        agent_key => SecretId::AGENT_KEY,
        etcd_endpoints => members.join(","),
        questdb => questdb.unwrap_or_default(),
        questdb_user => "admin",
        questdb_password => SecretId::QUESTDB_PASSWORD,
        questdb_database => "qdb",
        admin_password => SecretId::ADMIN_PASSWORD,
        env => Serde(env),
    };
    render(ENV, &values)
}

/// The agent key's file: the secret and nothing else.
pub fn agent_key() -> Content {
    Content(vec![Part::Secret { id: SecretId::new(SecretId::AGENT_KEY), form: SecretForm::Raw }])
}

/// The unit that starts the container at boot where Docker could not.
pub fn boot() -> Result<Content, RenderError> {
    render(BOOT, &context! { container => CONTAINER })
}

/// `host:port` of an address or a name, IPv6 bracketed.
fn endpoint(address: &str, port: u16) -> String {
    address.parse::<IpAddr>().map_or_else(|_| format!("{address}:{port}"), |ip| socket(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_name_or_an_address() {
        assert_eq!(endpoint("agents.example.com", 10081), "agents.example.com:10081");
        assert_eq!(endpoint("10.0.0.1", 10081), "10.0.0.1:10081");
        assert_eq!(endpoint("fd00::1", 10081), "[fd00::1]:10081");
    }
}
