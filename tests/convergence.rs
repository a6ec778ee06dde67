//! From wherever a run is cut off, the next plans lead to the same end: nothing left to do, or a block with a way out.
//! Never a second cluster, never a member that votes without its memory, never data gone.
//!
//! The first tests cut the model of `effects` after every step. The others run plans on machines where disk, process
//! and cluster are apart (`world/machines.rs`), jobs side by side as the executor runs them, with power cuts between.

mod world;

use std::path::{Path, PathBuf};

use kuboard_ha::facts::Facts;
use kuboard_ha::inventory::Inventory;
use kuboard_ha::plan::effects::effects;
use kuboard_ha::plan::model::{Planning, Severity};
use kuboard_ha::plan::{lint::lint, plan};
use kuboard_ha::resource::HostName;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use world::events::happen;
use world::hurt::{hurt, whole};
use world::machines::World;

/// `up` plans again at most this often.
const ROUNDS: usize = 5;

fn samples() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("inventories")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    found.sort();
    assert!(found.len() >= 8, "sample inventories are missing: {found:?}");
    found
}

fn sample(name: &str) -> Inventory {
    world::inventory(&Path::new("inventories").join(name))
}

/// Plans and applies until nothing is left, at most five rounds; the last state, or why it is stuck.
fn converge(inventory: &Inventory, mut facts: Facts) -> Result<Facts, String> {
    for _ in 0..ROUNDS {
        let planning = plan(inventory, &facts);
        if planning.is_blocked() {
            return Err(format!("blocked:\n{}", world::listing(&planning)));
        }
        if planning.plan.is_empty() {
            return Ok(facts);
        }
        facts = world::after(inventory, facts, &planning);
    }
    Err(format!("five rounds did not end it:\n{}", world::listing(&plan(inventory, &facts))))
}

#[test]
fn every_sample_goes_from_bare_hosts_to_an_empty_plan() {
    for path in samples() {
        let inventory = world::inventory(&path);
        let bare = world::bare(&inventory);
        let planning = plan(&inventory, &bare);
        let breaches = lint(&inventory, &bare, &planning);
        assert!(breaches.is_empty(), "{}:\n{}", path.display(), breaches.join("\n"));
        assert!(planning.plan.step_count() > 10, "{}: {}", path.display(), world::listing(&planning));
        assert!(plan(&inventory, &world::running(&inventory)).plan.is_empty());
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for path in samples() {
        let inventory = world::inventory(&path);
        let bare = world::bare(&inventory);
        let bytes = || serde_json::to_vec(&plan(&inventory, &bare)).unwrap();
        assert_eq!(bytes(), bytes(), "{}", path.display());
    }
}

#[test]
fn a_run_cut_off_after_any_step_is_finished_by_the_next() {
    for name in ["two-balancers.yaml", "three-machines.yaml", "one-machine.yaml"] {
        let inventory = sample(name);
        let bare = world::bare(&inventory);
        let planning = plan(&inventory, &bare);
        let steps: Vec<_> = planning
            .plan
            .jobs
            .iter()
            .flat_map(|job| job.steps.iter().map(move |step| (job.host.clone(), step.clone())))
            .collect();
        let mut facts = bare;
        for (index, (host, step)) in steps.iter().enumerate() {
            effects(step, host, &inventory, &mut facts);
            let cut = format!("{name} after step {} ({} on {host})", index + 1, step.resource);
            if let Err(why) = converge(&inventory, facts.clone()) {
                panic!("{cut}: {why}");
            }
        }
    }
}

/// One `up` that is cut off, and what happens around it.
#[derive(Clone, Debug)]
struct Round {
    /// Decides which job goes on next.
    order: u64,
    /// How many steps are carried out.
    steps: usize,
    /// Machines that lose power then, as bits by their place.
    cut: u16,
    /// Which of them boot again before the next round.
    boot: u16,
    /// Whether members find each other before the power goes.
    settled: bool,
}

fn rounds(steps: usize) -> impl Strategy<Value = Vec<Round>> {
    let some = prop_oneof![Just(0), Just(u16::MAX), any::<u16>(), any::<u16>()];
    let round = (any::<u64>(), 0..steps, some, any::<u16>(), any::<bool>());
    vec(round.prop_map(|(order, steps, cut, boot, settled)| Round { order, steps, cut, boot, settled }), 1..4)
}

/// Numbers from a seed (xorshift), so that a failure can be had again.
fn chooser(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap_or(0)
    }
}

fn chosen(inventory: &Inventory, bits: u16) -> Vec<HostName> {
    let hosts = inventory.hosts.keys().enumerate();
    hosts.filter(|(place, _)| bits >> (place % 16) & 1 == 1).map(|(_, host)| host.clone()).collect()
}

/// A plan of what is seen now; a block must have a way out.
fn look_and_plan(world: &World) -> Planning {
    let planning = plan(&world.inventory, &world.look());
    for finding in &planning.findings {
        let grave = matches!(finding.severity, Severity::Blocked | Severity::Unknown);
        assert!(!grave || finding.hint.is_some(), "no way out: {finding:?}");
    }
    planning
}

/// What no run and no power cut may ever do.
fn unharmed(world: &World, before: &World) -> Result<(), String> {
    if let Some(breach) = world.breaches().first() {
        return Err(breach.clone());
    }
    for (host, (cluster, index)) in before.data() {
        if !world.keeps(&host, &cluster, index) {
            let now = world.data().remove(&host);
            return Err(format!("the data of {host} was {cluster} {index} and is {now:?}"));
        }
    }
    Ok(())
}

fn play(world: &mut World, rounds: &[Round]) -> Result<(), String> {
    for round in rounds {
        let before = world.clone();
        let planning = look_and_plan(world);
        if !planning.is_blocked() {
            world.run_side_by_side(&planning, round.steps, &mut chooser(round.order));
        }
        if round.settled {
            world.pass_time();
        }
        for host in chosen(&world.inventory, round.cut) {
            world.power_cut(&host);
        }
        for host in chosen(&world.inventory, round.cut & round.boot) {
            world.boot(&host);
        }
        world.pass_time();
        unharmed(world, &before)?;
    }
    Ok(())
}

/// Boots everything and runs `up` to its end: nothing left to do, or the block that it ends with.
fn end(world: &mut World) -> Result<Option<Planning>, String> {
    for host in world.inventory.hosts.keys().cloned().collect::<Vec<_>>() {
        world.boot(&host);
    }
    world.pass_time();
    for _ in 0..ROUNDS {
        let before = world.clone();
        let planning = look_and_plan(world);
        if planning.is_blocked() {
            return Ok(Some(planning));
        }
        if planning.plan.is_empty() {
            return Ok(None);
        }
        world.run_side_by_side(&planning, usize::MAX, &mut chooser(7));
        world.pass_time();
        unharmed(world, &before)?;
    }
    Err(format!("five rounds did not end it:\n{}", world::listing(&look_and_plan(world))))
}

fn must_end_empty(world: &mut World) -> Result<(), String> {
    match end(world)? {
        None => Ok(()),
        Some(planning) => Err(format!("blocked:\n{}", world::listing(&planning))),
    }
}

fn check(name: &str, cases: u32, start: &World, then: impl Fn(&mut World) -> Result<(), String>) {
    let steps = look_and_plan(start).plan.step_count() + 1;
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let outcome = TestRunner::new(config).run(&rounds(steps), |rounds| {
        let mut world = start.clone();
        play(&mut world, &rounds)
            .and_then(|()| then(&mut world))
            .map_err(|why| TestCaseError::fail(format!("{name}: {why}")))
    });
    if let Err(why) = outcome {
        panic!("{why}");
    }
}

#[test]
fn power_cuts_during_the_first_run_are_recovered_from() {
    for (name, cases) in [("two-balancers.yaml", 24), ("three-machines.yaml", 24), ("one-machine.yaml", 24)] {
        check(name, cases, &World::bare(&sample(name)), must_end_empty);
    }
}

#[test]
fn power_cuts_during_a_rolling_change_are_recovered_from() {
    let patch = serde_json::json!({
        "etcd": { "settings": { "ETCD_SNAPSHOT_COUNT": "20000" } },
        "kuboard": { "image": "eipwork/kuboard:v3.5.2.8" },
    });
    for name in ["two-balancers.yaml", "three-machines.yaml", "one-machine.yaml"] {
        let mut world = World::running(&sample(name));
        world.adopt(&world::changed_inventory(&Path::new("inventories").join(name), &patch));
        check(name, 16, &world, must_end_empty);
    }
}

/// The look fell into an election: by the time of the first step all members serve again, and are rolled.
#[test]
fn a_change_that_is_planned_during_an_election_does_not_restart_all_members_at_once() {
    let patch = serde_json::json!({ "etcd": { "settings": { "ETCD_SNAPSHOT_COUNT": "20000" } } });
    let file = Path::new("inventories").join("three-machines.yaml");
    let mut world = World::running(&world::inventory(&file));
    world.adopt(&world::changed_inventory(&file, &patch));
    let voteless = |world: &mut World| {
        world.etcd.values_mut().filter_map(|store| store.process.as_mut()).for_each(|process| {
            process.joined = false;
        });
    };
    voteless(&mut world);
    let planning = look_and_plan(&world);
    assert!(!planning.is_blocked(), "{}", world::listing(&planning));
    let members = world.inventory.etcd.hosts.clone();
    let ran = |world: &World| -> Vec<_> {
        members.iter().map(|host| world.etcd[host].process.as_ref().unwrap().running.clone()).collect()
    };
    let before = ran(&world);
    world.run_side_by_side(&planning, usize::MAX, &mut chooser(7));
    assert_eq!(ran(&world), before, "nobody was restarted:\n{}", world::listing(&planning));
    assert!(members.iter().all(|host| world.has_quorum(host)));
    must_end_empty(&mut world).unwrap();
    assert_ne!(ran(&world), before);
}

#[test]
fn a_run_cut_off_with_all_power_gone_is_finished_from_every_step() {
    let inventory = sample("three-machines.yaml");
    let bare = World::bare(&inventory);
    let planning = look_and_plan(&bare);
    for steps in 0..planning.plan.step_count() {
        let mut world = bare.clone();
        world.run(&planning, steps).unwrap();
        for host in inventory.hosts.keys() {
            world.power_cut(host);
        }
        if let Err(why) = must_end_empty(&mut world) {
            panic!("after {steps} steps: {why}");
        }
    }
}

#[test]
fn a_disk_lost_at_any_time_leads_to_an_end_or_a_way_out() {
    for name in ["three-machines.yaml", "two-balancers.yaml"] {
        let inventory = sample(name);
        let victim = inventory.etcd.hosts[1].clone();
        check(name, 14, &World::bare(&inventory), |world| {
            for host in inventory.hosts.keys() {
                world.boot(host);
            }
            world.pass_time();
            happen(world, &format!("wipe {victim}"));
            end(world).map(drop)
        });
    }
}

#[test]
fn a_repair_cut_off_after_any_step_is_finished_by_the_next() {
    for (name, start) in hurt() {
        let planning = look_and_plan(&start);
        assert!(!planning.is_blocked(), "{name}:\n{}", world::listing(&planning));
        for steps in 0..=planning.plan.step_count() {
            for power in [false, true] {
                let mut world = start.clone();
                // A guard that no longer holds ends a run as well.
                let _ = world.run(&planning, steps);
                let before = world.clone();
                if power {
                    for host in world.inventory.hosts.keys().cloned().collect::<Vec<_>>() {
                        world.power_cut(&host);
                    }
                }
                let ended = must_end_empty(&mut world).and_then(|()| unharmed(&world, &before));
                if let Err(why) = ended.and_then(|()| whole(&world)) {
                    panic!("{name}, after {steps} steps, power cut: {power}: {why}");
                }
            }
        }
    }
}

#[test]
fn repairs_survive_power_cuts() {
    for (name, start) in hurt() {
        check(name, 12, &start, |world| must_end_empty(world).and_then(|()| whole(world)));
    }
}

#[test]
fn a_formed_cluster_whose_disks_are_all_gone_is_never_formed_anew() {
    let inventory = sample("three-machines.yaml");
    let mut world = World::running(&inventory);
    happen(&mut world, "power-cut all");
    happen(&mut world, "wipe all");
    let blocked = end(&mut world).unwrap().expect("a block");
    assert!(blocked.findings.iter().any(|finding| finding.code == "etcd.data-missing"), "{blocked:?}");
    assert!(world.data().is_empty());
}

/// The rules of the model can be broken: what the tests above never see, they would see.
#[test]
fn the_world_notices_what_must_never_happen() {
    let inventory = sample("three-machines.yaml");
    let mut world = World::bare(&inventory);
    happen(&mut world, "run-killed-before etcd.settle@node-1 write-file file:/etc/etcd.env");
    happen(&mut world, "power-cut all");
    happen(&mut world, "wipe node-2");
    happen(&mut world, "boot node-2");
    happen(&mut world, "boot node-1 node-3");
    assert!(world.breaches()[0].contains("node-2 was started without the memory"), "{:?}", world.breaches());

    let mut world = World::running(&inventory);
    happen(&mut world, "replace node-1 node-2 node-3");
    happen(&mut world, "run");
    assert!(world.breaches()[0].contains("more than one cluster"), "{:?}", world.breaches());
}
