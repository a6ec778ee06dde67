//! Every folder in `plan_cases/` is a case: `case.json` says what machines are like and what is wanted of them,
//! `plan.txt` is the plan expected. Drop in a folder and it is a test; `UPDATE=1` writes `plan.txt` anew, to be read
//! before it is committed. Every plan is linted as well.
//!
//! - `inventory`: a file of the case or a sample, `with` a merge patch on it: what is wanted.
//! - `base`: `bare` machines, or ones that `up` left `running` with the inventory `was` (the same file unless said),
//!   `was-with` a merge patch on it.
//! - `events`: what happened since (see `world/events.rs`), in order.
//! - `show`: only jobs with this in their name are listed, the others counted.
//! - `patch`: a merge patch on the facts that a look gives then, for what no event says.

mod world;

use std::path::{Path, PathBuf};

use kuboard_ha::facts::Facts;
use kuboard_ha::inventory::Inventory;
use kuboard_ha::plan::model::{Planning, Severity};
use kuboard_ha::plan::{lint::lint, plan};
use serde_json::Value;
use world::events::happen;
use world::machines::World;

fn case(path: &Path) -> datatest_stable::Result<()> {
    let folder = path.parent().ok_or("a case has a folder")?;
    let case: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let named = |key: &str| -> Option<PathBuf> { case[key].as_str().map(|name| locate(folder, name)) };
    let path = named("inventory").ok_or("case.json lacks \"inventory\"")?;
    let inventory = world::changed_inventory(&path, &case["with"]);
    let mut world = match case["base"].as_str() {
        Some("bare") => World::bare(&inventory),
        Some("running") => {
            let before = world::changed_inventory(&named("was").unwrap_or(path), &case["was-with"]);
            let mut world = World::running(&before);
            world.adopt(&inventory);
            world
        }
        other => return Err(format!("\"base\" is bare or running, not {other:?}").into()),
    };
    for event in case["events"].as_array().into_iter().flatten() {
        happen(&mut world, event.as_str().ok_or("an event is a text")?);
    }
    let facts = world.look();
    let mut value = serde_json::to_value(facts)?;
    if !case["patch"].is_null() {
        world::merge(&mut value, &case["patch"]);
    }
    let facts: Facts = serde_json::from_value(value)?;
    let planning = plan(&inventory, &facts);
    let mut shown = without_standing_notes(&inventory, planning.clone());
    let mut rest = String::new();
    if let Some(prefix) = case["show"].as_str() {
        let all = shown.plan.jobs.len();
        shown.plan.jobs.retain(|job| job.id.as_str().contains(prefix));
        rest = format!("and {} more jobs\n", all - shown.plan.jobs.len());
    }
    let found = world::listing(&shown) + &rest;
    let expected = folder.join("plan.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&expected, &found)?;
    }
    let wanted = std::fs::read_to_string(&expected).unwrap_or_default();
    if found != wanted {
        return Err(format!("the plan is not {}:\n{found}", expected.display()).into());
    }
    let breaches = lint(&inventory, &facts, &planning);
    if breaches.is_empty() { Ok(()) } else { Err(breaches.join("\n").into()) }
}

/// Notes that every plan of this inventory carries are not what a case is about.
fn without_standing_notes(inventory: &Inventory, mut planning: Planning) -> Planning {
    let standing = plan(inventory, &world::bare(inventory)).findings;
    planning.findings.retain(|found| found.severity != Severity::Note || !standing.contains(found));
    planning
}

/// A file of the case, or a sample inventory.
fn locate(folder: &Path, name: &str) -> PathBuf {
    let own = folder.join(name);
    if own.exists() { own } else { Path::new("inventories").join(name) }
}

datatest_stable::harness! {
    { test = case, root = "tests/plan_cases", pattern = r"case\.json$" },
}
