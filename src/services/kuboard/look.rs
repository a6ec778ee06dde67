//! What to see of a replica on its host, and the wait for it.

use std::time::Duration;

use crate::facts::look::{DockerLook, FileLook, Looks, Probe};
use crate::inventory::Inventory;
use crate::inventory::model::EnvValue;
use crate::plan::model::Procedure;
use crate::plan::title::TITLE;
use crate::resource::HostName;
use crate::secret::SecretId;
use crate::services::kuboard::content;
use crate::services::kuboard::names::{
    BOOT_FILE, BOOT_UNIT, CONTAINER, DOCKER_UNIT, ENV_FILE, QUESTDB_PORT, agent_key_file,
};

/// The probe's name.
pub const LOOK: &str = "kuboard.look";
/// The wait for a working replica.
pub const READY: &str = "kuboard.ready";
/// Seconds after which a balancer has noticed that a replica is back: two good checks, the first within a second.
const NOTICED: u32 = 3;

/// Adds what the service looks at.
pub fn look(inventory: &Inventory, host: &HostName, looks: &mut Looks) {
    let kuboard = &inventory.kuboard;
    if !kuboard.hosts.contains(host) {
        return;
    }
    looks.paths.insert(kuboard.data_dir.clone());
    looks.directories.insert(kuboard.data_dir.clone());
    let env = content::env(inventory).map_or(FileLook::Hidden, |env| FileLook::clear(&env));
    looks.files.insert(ENV_FILE.to_owned(), env);
    looks.files.insert(agent_key_file(inventory), FileLook::Hidden);
    looks.files.insert(BOOT_FILE.to_owned(), FileLook::default());
    looks.units.insert(DOCKER_UNIT.to_owned(), Vec::new());
    looks.units.insert(BOOT_UNIT.to_owned(), Vec::new());
    let docker = looks.docker.get_or_insert_with(DockerLook::default);
    docker.containers.insert(CONTAINER.to_owned());
    docker.images.insert(kuboard.image.clone());
    let mut args = arguments(inventory, host, &inventory.etcd.hosts);
    args.remove("login");
    let procedure = Procedure { name: LOOK, text: include_str!("look.sh"), args };
    looks.probes.push(Probe { procedure, limit: Duration::from_secs(4) });
}

/// The wait until a replica works: what it needs is reachable from its host, both its ports answer, and a login leads
/// on. The last is asked after a start only: Kuboard writes to the store for each. `members` are the etcd hosts to
/// reach; a `serving` replica that was replaced must have answered for a while, so that the balancer has noticed before
/// the next one goes.
pub fn ready(inventory: &Inventory, host: &HostName, members: &[HostName], serving: bool) -> Procedure {
    let mut args = arguments(inventory, host, members);
    let several = inventory.kuboard.hosts.len() > 1;
    args.insert("steady", if serving && several { NOTICED } else { 0 }.to_string());
    args.insert(TITLE, "this replica works".to_owned());
    Procedure { name: READY, text: concat!(include_str!("waiting.sh"), include_str!("ready.sh")), args }
}

/// The wait until Kuboard's first keys are in etcd, asked of `members`.
pub fn keys(inventory: &Inventory, host: &HostName, members: &[HostName]) -> Procedure {
    let mut args = arguments(inventory, host, members);
    args.retain(|name, _| ["etcd", "login"].contains(name));
    args.insert(TITLE, "it has written its first keys to etcd".to_owned());
    Procedure {
        name: "kuboard.keys",
        text: concat!(include_str!("waiting.sh"), include_str!("keys.sh")),
        args,
    }
}

/// What the shell texts of this folder share; `etcd` is words of `HOST=ADDRESS=PORT`, `questdb` an address or nothing.
fn arguments(
    inventory: &Inventory,
    host: &HostName,
    members: &[HostName],
) -> std::collections::BTreeMap<&'static str, String> {
    let kuboard = &inventory.kuboard;
    let etcd: Vec<String> = members
        .iter()
        .map(|member| format!("{member}={}={}", inventory.address(member), inventory.etcd.client_port))
        .collect();
    let questdb = inventory.questdb.as_ref().filter(|_| kuboard.audit);
    let login = match kuboard.env.get("KUBOARD_LOGIN_TYPE") {
        Some(EnvValue::Text(kind)) => kind.clone(),
        _ => "default".to_owned(),
    };
    std::collections::BTreeMap::from([
        ("address", inventory.address(host).to_string()),
        ("http_port", kuboard.http_port.to_string()),
        ("agent_port", kuboard.agent_port.to_string()),
        ("etcd", etcd.join(" ")),
        ("questdb", questdb.map_or_else(String::new, |questdb| inventory.address(&questdb.host).to_string())),
        ("questdb_port", QUESTDB_PORT.to_string()),
        ("login", login),
    ])
}

/// The secrets whose values the user supplies for the environment.
pub fn env_secrets(inventory: &Inventory) -> Vec<SecretId> {
    let given = inventory.kuboard.env.iter().filter(|(_, value)| matches!(value, EnvValue::Secret(_)));
    given.map(|(name, _)| SecretId::env(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::sample::{host, manual, single};

    #[test]
    fn only_a_replica_that_others_stood_in_for_is_given_time_to_be_noticed() {
        let steady = |inventory: &Inventory, name: &str, serving: bool| {
            ready(inventory, &host(name), &[], serving).args["steady"].clone()
        };
        assert_eq!(steady(&manual(), "kuboard-1", true), "3");
        assert_eq!(steady(&manual(), "kuboard-1", false), "0");
        assert_eq!(steady(&single(), "box", true), "0");
    }
}
