//! What QuestDB's things are called on its host, and which release goes there.

use crate::catalog::{NoDigest, questdb_artifact};
use crate::inventory::model::{Questdb, QuestdbFlavour};
use crate::resource::{Arch, Artifact};

/// The system user.
pub const USER: &str = "questdb";
/// `user:group` of all its data.
pub const OWNER: &str = "questdb:questdb";
/// The unit.
pub const UNIT: &str = "questdb.service";
/// The unit's file.
pub const UNIT_FILE: &str = "/etc/systemd/system/questdb.service";
/// Its settings, the password among them.
pub const ENV_FILE: &str = "/etc/questdb.env";
/// Its kernel settings.
pub const SYSCTL_FILE: &str = "/etc/sysctl.d/60-kuboard-ha-questdb.conf";
/// What a start takes in, in stamp order.
pub const STAMP: [&str; 2] = [UNIT_FILE, ENV_FILE];
/// The pgwire user, QuestDB's own default.
pub const PG_USER: &str = "admin";
/// The pgwire port; not a setting, since Kuboard's manual names it.
pub const PG_PORT: u16 = 8812;
/// The only database that pgwire serves.
pub const PG_DATABASE: &str = "qdb";
/// Manifest: the data directory that a first start was about to use.
pub const CLAIMED: &str = "questdb claimed";
/// Manifest: the data directory whose database took a login.
pub const SERVED: &str = "questdb served";
/// Releases and the format that each brings a database to (`ColumnType.VERSION` in its source). It reads older ones, which
/// it changes, and none that is newer.
pub const FORMATS: [(&str, &str); 1] = [("6.6.1", "426")];
/// Kernel settings and the least value each must have, from QuestDB's documentation.
pub const SYSCTLS: [(&str, u64); 2] = [("fs.file-max", 1_048_576), ("vm.max_map_count", 1_048_576)];
/// The distribution's Java, by its Debian name.
pub const JAVA_PACKAGE: &str = "default-jre-headless";
/// QuestDB 6.6 is compiled for this Java.
pub const JAVA_NEEDED: u32 = 11;

/// The release for a host of `arch`, and the versioned directory that it is unpacked into.
pub fn release(questdb: &Questdb, arch: Arch) -> Result<(Artifact, String), NoDigest> {
    let artifact = questdb_artifact(questdb, arch)?;
    let flavour = match questdb.flavour {
        QuestdbFlavour::Rt => "rt",
        QuestdbFlavour::NoJre => "no-jre",
    };
    let directory =
        format!("/opt/kuboard-ha/questdb/{}-{flavour}-{}", artifact.version, artifact.sha256.short());
    Ok((artifact, directory))
}
