//! What to see of QuestDB on its host.

use std::time::Duration;

use crate::facts::look::{FileLook, Looks, Probe};
use crate::inventory::Inventory;
use crate::inventory::model::QuestdbFlavour;
use crate::plan::model::Procedure;
use crate::plan::title::TITLE;
use crate::resource::{Arch, HostName};
use crate::secret::SecretId;
use crate::services::questdb::names::{
    ENV_FILE, JAVA_PACKAGE, PG_DATABASE, PG_PORT, PG_USER, STAMP, SYSCTL_FILE, SYSCTLS, UNIT, UNIT_FILE,
    USER, release,
};
use crate::services::questdb::plan::env_content;

/// The probe's name.
pub const LOOK: &str = "questdb.look";
/// The text of the wait for a working instance.
pub const READY: &str = "questdb.ready";

/// Adds what the service looks at.
pub fn look(inventory: &Inventory, host: &HostName, looks: &mut Looks) {
    let Some(questdb) = inventory.questdb.as_ref().filter(|questdb| questdb.host == *host) else { return };
    looks.paths.insert(questdb.data_dir.clone());
    if questdb.flavour == QuestdbFlavour::NoJre {
        looks.packages.insert(JAVA_PACKAGE.to_owned());
    }
    looks.files.insert(UNIT_FILE.to_owned(), FileLook::default());
    looks.files.insert(SYSCTL_FILE.to_owned(), FileLook::default());
    let env = env_content(inventory, questdb).map_or(FileLook::Hidden, |env| FileLook::clear(&env));
    looks.files.insert(ENV_FILE.to_owned(), env);
    looks.directories.insert(questdb.data_dir.clone());
    looks.directories.insert(format!("{}/tmp", questdb.data_dir));
    for arch in [Arch::Amd64, Arch::Arm64] {
        if let Ok((_, directory)) = release(questdb, arch) {
            looks.installs.insert(directory);
        }
    }
    looks.users.insert(USER.to_owned());
    looks.units.insert(UNIT.to_owned(), STAMP.map(str::to_owned).to_vec());
    looks.sysctls.extend(SYSCTLS.iter().map(|(name, _)| (*name).to_owned()));
    if let Some(procedure) =
        probe(inventory, LOOK, concat!(include_str!("healthy.sh"), include_str!("look.sh")))
    {
        looks.probes.push(Probe { procedure, limit: Duration::from_secs(5) });
    }
}

/// The wait until an instance takes a login with the stored password, answers a query and calls itself healthy.
pub fn ready(inventory: &Inventory) -> Option<Procedure> {
    let mut probe = probe(inventory, READY, concat!(include_str!("healthy.sh"), include_str!("ready.sh")))?;
    probe.args.insert(TITLE, "QuestDB works".to_owned());
    Some(probe)
}

/// A procedure with the arguments that the shell texts of this folder share.
fn probe(inventory: &Inventory, name: &'static str, text: &'static str) -> Option<Procedure> {
    let questdb = inventory.questdb.as_ref()?;
    let args = [
        ("address", inventory.address(&questdb.host).to_string()),
        ("port", PG_PORT.to_string()),
        ("user", PG_USER.to_owned()),
        ("database", PG_DATABASE.to_owned()),
        ("password", SecretId::QUESTDB_PASSWORD.to_owned()),
        ("data_dir", questdb.data_dir.clone()),
    ];
    Some(Procedure::new(name, text, args))
}
