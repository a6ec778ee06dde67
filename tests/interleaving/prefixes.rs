//! Every plan, cut off after every one of its steps: the next `up` comes to the end that the plan itself comes to.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use crate::ground::Land;
use crate::machine::{End, Machine};
use crate::world::{self, events::happen, machines::World};

/// Among them the first run of each sample inventory.
fn cases() -> Vec<PathBuf> {
    let folders = std::fs::read_dir("tests/plan_cases").unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        folders.map(|folder| folder.join("case.json")).filter(|path| path.is_file()).collect();
    found.sort();
    found
}

/// The world of a plan case (`tests/plan_cases.rs` tells what its words mean); none where the case changes facts by
/// hand, which no world stands behind.
fn world_of(path: &Path) -> Option<World> {
    let folder = path.parent()?;
    let case: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    if !case["patch"].is_null() {
        return None;
    }
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
    Some(world)
}

/// Cuts the plan of a world after each of its steps; how many cuts there were.
fn cut(name: &str, world: World) -> Result<usize, String> {
    let land = Land::new(world);
    let whole = crate::alone(&mut Machine::new(land.clone())).map_err(|why| format!("{name}: {why}"))?;
    let planning = kuboard_ha::plan::plan(&land.world.inventory, &land.world.look());
    if planning.is_blocked() {
        assert_eq!(whole, End::Blocked, "{name}");
        return Ok(0);
    }
    let (mut cut, mut cuts) = (land, 0);
    for job in &planning.plan.jobs {
        for step in &job.steps {
            if cut.changing().step(&job.host, step).is_err() {
                return Ok(cuts); // what it waits for comes about otherwise, or never
            }
            cuts += 1;
            let at = format!("{name}, cut after step {cuts}, {} of {}", step.resource, job.id);
            let mut machine = Machine::new(cut.clone());
            let end = crate::alone(&mut machine).map_err(|why| format!("{at}: {why}"))?;
            if end != whole {
                let world = &machine.ground.world;
                let planning = kuboard_ha::plan::plan(&world.inventory, &world.look());
                return Err(format!("{at}: {end:?}, not {whole:?}\n{}", world::listing(&planning)));
            }
        }
    }
    Ok(cuts)
}

#[test]
fn every_plan_cut_off_after_any_step_is_finished_by_the_next() {
    let begun = Instant::now();
    let (mut plans, mut cuts, mut by_hand, mut wrong) = (0, 0, 0, Vec::new());
    for path in cases() {
        let Some(world) = world_of(&path) else {
            by_hand += 1;
            continue;
        };
        plans += 1;
        match cut(&path.display().to_string(), world) {
            Ok(count) => cuts += count,
            Err(why) => wrong.push(why),
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!("{cuts} cuts of {plans} plans in {seconds:.1} s; {by_hand} cases with facts by hand left out");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(plans > 100 && cuts > 1000, "{plans} {cuts}");
}
