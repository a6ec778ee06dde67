//! Every folder in `plan_cases/` is a case: `case.json` names an inventory and the facts (a base and a merge patch on
//! it), `plan.txt` is the plan expected. Drop in a folder and it is a test; `UPDATE=1` writes `plan.txt` anew, to be
//! read before it is committed. Every plan is linted as well.

mod world;

use std::path::{Path, PathBuf};

use kuboard_ha::facts::Facts;
use kuboard_ha::inventory::Inventory;
use kuboard_ha::plan::model::{Planning, Severity};
use kuboard_ha::plan::{lint::lint, plan};
use serde_json::Value;

fn case(path: &Path) -> datatest_stable::Result<()> {
    let folder = path.parent().ok_or("a case has a folder")?;
    let case: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let named = |key: &str| -> Option<PathBuf> { case[key].as_str().map(|name| locate(folder, name)) };
    let inventory = world::inventory(&named("inventory").ok_or("case.json lacks \"inventory\"")?);
    let facts = match case["base"].as_str() {
        Some("bare") => world::bare(&inventory),
        Some("running") => match named("was") {
            Some(before) => {
                let mut facts = world::running(&world::inventory(&before));
                let bare = world::bare(&inventory);
                facts.supplied = bare.supplied;
                for (host, state) in bare.hosts {
                    facts.hosts.entry(host).or_insert(state);
                }
                facts
            }
            None => world::running(&inventory),
        },
        other => return Err(format!("\"base\" is bare or running, not {other:?}").into()),
    };
    let mut value = serde_json::to_value(facts)?;
    if !case["patch"].is_null() {
        world::merge(&mut value, &case["patch"]);
    }
    let facts: Facts = serde_json::from_value(value)?;
    let planning = plan(&inventory, &facts);
    let found = world::listing(&without_standing_notes(&inventory, planning.clone()));
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
