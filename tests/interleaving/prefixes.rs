//! Every plan, cut off after every one of its steps: the next `up` comes to the end that the plan itself comes to. Where a
//! case changes facts by hand no world stands behind them: there steps do what `effects` says.

use std::path::{Path, PathBuf};
use std::time::Instant;

use kuboard_ha::facts::Facts;
use kuboard_ha::inventory::Inventory;
use kuboard_ha::plan::effects::effects;
use kuboard_ha::plan::model::Planning;
use kuboard_ha::plan::plan;
use serde_json::Value;

use crate::ground::Land;
use crate::machine::{End, Machine};
use crate::world::{self, events::happen, machines::World};

/// `up` plans again at most this often.
const ROUNDS: usize = 5;

/// Among them the first run of each sample inventory.
fn cases() -> Vec<PathBuf> {
    let folders = std::fs::read_dir("tests/plan_cases").unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        folders.map(|folder| folder.join("case.json")).filter(|path| path.is_file()).collect();
    found.sort();
    found
}

/// The world of a plan case (`tests/plan_cases.rs` tells what its words mean), and what it changes in the facts by hand:
/// such facts no world stands behind.
fn world_of(path: &Path) -> Option<(World, Value)> {
    let folder = path.parent()?;
    let case: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let locate = |name: &str| {
        let own = folder.join(name);
        if own.exists() { own } else { Path::new("inventories").join(name) }
    };
    let named = |key: &str| case[key].as_str().map(locate);
    let path = named("inventory")?;
    let inventory = world::changed_inventory(&path, &case["with"]);
    let mut world = World::bare(&inventory);
    if case["base"] == "running" {
        let was = world::changed_inventory(&named("was").unwrap_or(path), &case["was-with"]);
        world = World::running(&was);
        world.adopt(&inventory);
    }
    for event in case["events"].as_array().into_iter().flatten() {
        happen(&mut world, event.as_str().unwrap());
    }
    Some((world, case["patch"].clone()))
}

/// Cuts the plan of a world after each of its steps; how many cuts there were.
fn cut(name: &str, world: World) -> Result<usize, String> {
    let land = Land::new(world);
    let whole = crate::alone(&mut Machine::new(land.clone())).map_err(|why| format!("{name}: {why}"))?;
    let planning = plan(&land.world.inventory, &land.world.look());
    if planning.is_blocked() {
        assert_eq!(whole, End::Blocked, "{name}");
        return Ok(0);
    }
    let (mut cut, mut cuts) = (land, 0);
    for job in &planning.plan.jobs {
        for step in &job.steps {
            // In the order of the list all that a step waits for has come about.
            let done = cut.changing().step(&job.host, step);
            done.map_err(|why| format!("{name}: {} of {}: {why}", step.resource, job.id))?;
            cuts += 1;
            let at = format!("{name}, cut after step {}, {} of {}", cuts, step.resource, job.id);
            let mut machine = Machine::new(cut.clone());
            let end = crate::alone(&mut machine).map_err(|why| format!("{at}: {why}"))?;
            if end != whole {
                let world = &machine.ground.world;
                let planning = plan(&world.inventory, &world.look());
                return Err(format!("{at}: {end:?}, not {whole:?}\n{}", world::listing(&planning)));
            }
        }
    }
    Ok(cuts)
}

/// Where `up` comes to from facts alone, by what steps are said to bring about.
fn end_of(inventory: &Inventory, mut facts: Facts) -> (End, Planning) {
    for _ in 0..ROUNDS {
        let planning = plan(inventory, &facts);
        if planning.is_blocked() {
            return (End::Blocked, planning);
        }
        if planning.plan.is_empty() {
            return (End::Converged, planning);
        }
        facts = world::after(inventory, facts, &planning);
    }
    (End::NotConverged, plan(inventory, &facts))
}

/// The same for facts by hand.
fn cut_facts(name: &str, inventory: &Inventory, mut facts: Facts) -> Result<usize, String> {
    let (whole, _) = end_of(inventory, facts.clone());
    let planning = plan(inventory, &facts);
    if planning.is_blocked() {
        return Ok(0);
    }
    let mut cuts = 0;
    for job in &planning.plan.jobs {
        for step in &job.steps {
            effects(step, &job.host, inventory, &mut facts);
            cuts += 1;
            let (end, left) = end_of(inventory, facts.clone());
            if end != whole {
                let at = format!("{name}, cut after step {}, {} of {}", cuts, step.resource, job.id);
                return Err(format!("{at}: {end:?}, not {whole:?}\n{}", world::listing(&left)));
            }
        }
    }
    if whole == End::NotConverged { Err(format!("{name}: rounds do not end it")) } else { Ok(cuts) }
}

#[test]
fn every_plan_cut_off_after_any_step_is_finished_by_the_next() {
    let begun = Instant::now();
    let (mut plans, mut by_hand) = ((0, 0), (0, 0));
    let mut wrong = Vec::new();
    for path in cases() {
        let Some((world, patch)) = world_of(&path) else { continue };
        let name = path.display().to_string();
        let (sum, cuts) = if patch.is_null() {
            (&mut plans, cut(&name, world))
        } else {
            let mut value = serde_json::to_value(world.look()).unwrap();
            world::merge(&mut value, &patch);
            let facts = serde_json::from_value(value).unwrap();
            (&mut by_hand, cut_facts(&name, &world.inventory, facts))
        };
        match cuts {
            Ok(cuts) => *sum = (sum.0 + 1, sum.1 + cuts),
            Err(why) => wrong.push(why),
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!(
        "{} cuts of {} plans, {} of {} with facts by hand, in {seconds:.1} s",
        plans.1, plans.0, by_hand.1, by_hand.0
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(plans.0 > 100 && plans.1 > 1000, "{plans:?}");
    assert!(by_hand.0 > 80 && by_hand.1 > 500, "{by_hand:?}");
}
