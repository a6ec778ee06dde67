//! What is written on etcd hosts, whole, and beside the manual's own blocks: every line of the manual's stands in
//! ours with the manual's value, but for the differences listed here with their reasons. `UPDATE=1` writes the goldens
//! anew, to be read before they are committed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kuboard_ha::inventory::{Context, Inventory, load};
use kuboard_ha::resource::HostName;
use kuboard_ha::services::etcd::{ClusterState, env, unit};

fn golden(name: &str) -> PathBuf {
    Path::new("tests/golden/etcd").join(name)
}

fn manual() -> Inventory {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|why| why.to_string());
    let text = std::fs::read_to_string("inventories/manual.yaml").expect("the sample is there");
    let context = Context { folder: Path::new("inventories"), home: None, read: &read };
    let mut inventory = load(&text, &context).unwrap_or_else(|problems| panic!("{problems:#?}")).inventory;
    "3.5.6".clone_into(&mut inventory.etcd.version);
    inventory
}

fn is_golden(name: &str, found: &str) {
    let path = golden(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, found).expect("the golden can be written");
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, wanted, "{} is not what is rendered", path.display());
}

/// Lines that set something.
fn settings(text: &str) -> BTreeSet<String> {
    text.lines().filter(|line| line.contains('=') && !line.starts_with('#')).map(str::to_owned).collect()
}

/// What the manual has and ours lacks, and what ours has beyond the manual.
fn differences(manual: &str, ours: &str) -> (Vec<String>, Vec<String>) {
    let manual = settings(&std::fs::read_to_string(golden(manual)).expect("the manual's block is there"));
    let ours = settings(ours);
    (manual.difference(&ours).cloned().collect(), ours.difference(&manual).cloned().collect())
}

#[test]
fn the_environment_is_the_manuals() {
    let host = HostName::new("etcd1");
    let new = env(&manual(), &host, ClusterState::New).unwrap().masked();
    is_golden("new.env", &new);
    assert_eq!(
        differences("manual.env", &new),
        (
            // Published, and the ids of cluster and members are made of it: two clusters on the same addresses would
            // take each other for one.
            vec!["ETCD_INITIAL_CLUSTER_TOKEN=kuboard_etcd_cluster_token".to_owned()],
            vec![
                "ETCD_INITIAL_CLUSTER_TOKEN=***".to_owned(),
                // Without it etcd refuses all writes at 2 GiB.
                "ETCD_QUOTA_BACKEND_BYTES=8589934592".to_owned(),
            ],
        )
    );
    // The manual changes this by hand once the cluster runs.
    let existing = env(&manual(), &host, ClusterState::Existing).unwrap().masked();
    assert_eq!(existing, new.replace("CLUSTER_STATE=new", "CLUSTER_STATE=existing"));
}

#[test]
fn each_member_has_its_own_addresses_and_the_same_list() {
    let inventory = manual();
    for (name, address) in [("etcd2", "10.99.16.12"), ("etcd3", "10.99.16.13")] {
        let one = env(&inventory, &HostName::new("etcd1"), ClusterState::New).unwrap().masked();
        let text = env(&inventory, &HostName::new(name), ClusterState::New).unwrap().masked();
        let list = |text: &str| {
            text.lines().find(|line| line.starts_with("ETCD_INITIAL_CLUSTER=")).map(str::to_owned)
        };
        assert_eq!(list(&one), list(&text));
        assert!(text.contains(&format!("ETCD_NAME={name}\n")), "{text}");
        let own = text
            .lines()
            .filter(|line| line.contains("_URLS="))
            .all(|line| line.contains(&format!("=http://{address}:")));
        assert!(own, "{text}");
    }
}

#[test]
fn the_unit_is_the_manuals() {
    let new = unit(&manual(), ClusterState::New).unwrap().masked();
    is_golden("new.service", &new);
    assert_eq!(
        differences("manual.service", &new),
        (
            vec![
                // It may bind before the address is there.
                "After=network.target".to_owned(),
                // Nothing that it does needs root.
                "User=root".to_owned(),
            ],
            vec![
                "After=network-online.target".to_owned(),
                "Documentation=https://etcd.io/docs/v3.5/".to_owned(),
                // A data disk of its own must be there first.
                "RequiresMountsFor=/var/lib/etcd".to_owned(),
                // Ready means a quorum; after a power cut the others may take minutes.
                "TimeoutStartSec=infinity".to_owned(),
                "User=etcd".to_owned(),
                "Wants=network-online.target".to_owned(),
            ],
        )
    );
    let existing = unit(&manual(), ClusterState::Existing).unwrap().masked();
    is_golden("existing.service", &existing);
    let added: Vec<&str> = existing.lines().filter(|line| !new.lines().any(|known| known == *line)).collect();
    assert_eq!(
        added,
        [
            "# The cluster is formed: with an empty data directory this member must not start, or it would vote without a \
             memory.",
            "AssertPathExistsGlob=/var/lib/etcd/member/wal/*.wal",
        ]
    );
}
