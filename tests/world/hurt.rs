//! Worlds whose members need a repair.

use std::path::Path;

use kuboard_ha::inventory::Inventory;
use kuboard_ha::resource::HostName;

use super::changed_inventory;
use super::events::happen;
use super::machines::World;

/// What can become of members, each under the inventory that asks for the repair.
pub fn hurt() -> Vec<(&'static str, World)> {
    let file = Path::new("inventories").join("three-machines.yaml");
    let of = |hosts: &[&str]| {
        let mut patch = serde_json::json!({
            "hosts": { "node-3": null },
            "etcd": { "hosts": hosts },
            "kuboard": { "hosts": ["node-1", "node-2"] },
            "load_balancer": { "hosts": ["node-1", "node-2"] },
        });
        for host in hosts {
            patch["hosts"][host] = format!("10.99.16.3{}", host.trim_start_matches("node-")).into();
        }
        changed_inventory(&file, &patch)
    };
    let three = of(&["node-1", "node-2", "node-3"]);
    let five = of(&["node-1", "node-2", "node-3", "node-4", "node-5"]);
    let moved = of(&["node-1", "node-2", "node-4"]);
    let mut elsewhere = three.clone();
    if let Some(host) = elsewhere.hosts.get_mut(&HostName::new("node-3")) {
        host.address = [10, 99, 16, 39].into();
    }
    let happened = |world: &World, events: &[&str]| {
        let mut world = world.clone();
        for event in events {
            happen(&mut world, event);
        }
        world
    };
    let (sound, large) = (World::running(&three), World::running(&five));
    let adopted = |mut world: World, inventory: &Inventory| {
        world.adopt(inventory);
        world
    };
    let learner = ["wipe node-2", "unlist-member node-2", "add-learner node-2"];
    vec![
        ("wiped", happened(&sound, &["wipe node-2"])),
        ("the leader wiped", happened(&sound, &["lead node-1", "wipe node-1"])),
        ("amnesiac", happened(&sound, &["amnesia node-3"])),
        ("a new machine", happened(&sound, &["replace node-2"])),
        ("removed by hand", happened(&sound, &["stop etcd.service node-2", "unlist-member node-2"])),
        ("added and never started", happened(&sound, &learner)),
        ("two of five wiped", happened(&large, &["wipe node-2", "wipe node-4"])),
        ("grown", adopted(sound.clone(), &five)),
        ("shrunk", adopted(large.clone(), &three)),
        ("moved, the old one dead", adopted(happened(&sound, &["power-cut node-3"]), &moved)),
        ("moved, the old one alive", adopted(sound.clone(), &moved)),
        (
            "moved under its name, the old one alive",
            happened(&adopted(happened(&sound, &["outlive node-3"]), &elsewhere), &["replace node-3"]),
        ),
    ]
}

/// Every member votes and is healthy, and nobody else is counted.
pub fn whole(world: &World) -> Result<(), String> {
    let hosts = &world.inventory.etcd.hosts;
    let healthy = hosts.iter().filter(|host| world.has_quorum(host)).count();
    let served = world.clusters.values().filter(|cluster| cluster.leader.is_some());
    let listed: Vec<usize> = served.map(|cluster| cluster.members.len()).collect();
    let whole = healthy == hosts.len() && listed == [hosts.len()];
    if whole { Ok(()) } else { Err(format!("{healthy} of {} are healthy, {listed:?} listed", hosts.len())) }
}
