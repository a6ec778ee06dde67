//! The samples under `inventories/` load; each bad file under `tests/inventory_cases/` tells exactly what is
//! wrong with it.

use std::path::Path;

use kuboard_ha::inventory::{Context, Loaded, Problem, load};

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| error.kind().to_string())
}

fn load_file(path: &Path) -> (String, Result<Loaded, Vec<Problem>>) {
    let text = std::fs::read_to_string(path).unwrap();
    let context = Context { folder: path.parent().unwrap(), home: Some(Path::new("/home/ops")), read: &read };
    let loaded = load(&text, &context);
    (text, loaded)
}

fn sample(name: &str) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories").join(name);
    let (_, loaded) = load_file(&path);
    loaded.unwrap_or_else(|problems| panic!("{name}: {problems:#?}"))
}

#[test]
fn every_sample_loads() {
    let mut count = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".yaml") {
            sample(&name);
            count += 1;
        }
    }
    assert_eq!(count, 8, "one sample for each topology");
}

#[test]
fn defaults_are_the_manuals() {
    let inventory = sample("manual.yaml").inventory;
    assert_eq!(inventory.etcd.version, "3.5.6");
    assert_eq!((inventory.etcd.client_port, inventory.etcd.peer_port), (2379, 2380));
    assert_eq!(inventory.etcd.heartbeat_interval.as_millis(), 250);
    assert_eq!(inventory.etcd.election_timeout.as_millis(), 5000);
    assert_eq!(inventory.kuboard.url, "http://10.99.16.20");
    assert!(inventory.kuboard.audit);
    let balancer = inventory.load_balancer.unwrap();
    assert_eq!((balancer.port, balancer.virtual_router_id, balancer.hosts.len()), (80, 20, 0));
}
