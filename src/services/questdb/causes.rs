//! Why QuestDB does not come up, as only it says it.

use crate::causes::{Evidence, Scene, plain};
use crate::event::Cause;
use crate::inventory::Inventory;
use crate::services::questdb::names::{PG_PORT, UNIT, UNIT_FILE, USER};

/// What is looked at where it does not come up.
pub fn scene(inventory: &Inventory) -> Scene {
    let dir = inventory.questdb.as_ref().map(|questdb| questdb.data_dir.clone()).unwrap_or_default();
    Scene {
        title: "QuestDB",
        process: "java",
        user: USER,
        units: vec![UNIT.to_owned()],
        data: vec![dir.clone(), format!("{dir}/db"), format!("{dir}/tmp")],
        programs: vec!["/opt".to_owned()],
        ports: vec![PG_PORT, 9000, 9003],
        ..Scene::default()
    }
}

/// The cause. The texts are those of QuestDB 6.6 and of Java.
pub fn cause(inventory: &Inventory, evidence: &Evidence) -> Option<Cause> {
    let heap = inventory.questdb.as_ref().map_or(0, |questdb| questdb.heap >> 20);
    if evidence.says(&[
        "after the password: it is wrong there",
        "refused the login:",
        "invalid username/password",
    ]) {
        return Some(Cause::new(
            "questdb.password",
            format!(
                "What answers on port {PG_PORT} does not take the stored password: it was started with another one."
            ),
            format!(
                "see where it has its settings from:\n  systemctl cat {UNIT}; ls /etc/systemd/system/{UNIT}.d\ntake what \
                 overrides {UNIT_FILE} away, then:\n  systemctl daemon-reload && systemctl restart questdb"
            ),
        ));
    }
    if evidence.says(&["invalid maximum heap size", "invalid initial heap size"]) {
        return Some(heap_cause(format!("Java does not take the heap of {heap} MiB.")));
    }
    if evidence.says(&["outofmemoryerror"]) {
        return Some(heap_cause(format!("QuestDB's heap of {heap} MiB is too small for it to start.")));
    }
    if evidence.says(&[
        "unsupportedclassversionerror",
        "unrecognized option: --add-exports",
        "unrecognized option: -p",
    ]) {
        return Some(Cause::new(
            "questdb.java-too-old",
            "The Java that runs QuestDB is older than 11.",
            "set questdb.flavour to rt, or choose another:\n  update-alternatives --config java",
        ));
    }
    if let Some(line) = evidence.line(&["invalid configuration value", "serverconfigurationexception"]) {
        let what = plain(line.split_once("Exception: ").map_or(line, |(_, rest)| rest));
        return Some(Cause::new(
            "questdb.setting",
            format!("QuestDB refuses a setting: {what}."),
            "see who set it: cat /etc/questdb.env, and conf/server.conf in its data directory",
        ));
    }
    if let Some(line) = evidence.line(&["metadata version does not match", "incompatible version"]) {
        return Some(Cause::new(
            "questdb.version",
            format!("Another version of QuestDB wrote its data: {}.", plain(line)),
            "set questdb.version to the one that wrote it",
        ));
    }
    None
}

fn heap_cause(message: String) -> Cause {
    Cause::new(
        "questdb.heap",
        message,
        "set questdb.heap in the inventory, 256MiB or more; then run `kuboard-ha up`",
    )
}

#[cfg(test)]
#[path = "causes_tests.rs"]
mod tests;
