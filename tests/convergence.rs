//! From every point at which a run may be cut off, the next plan leads to the same end: applied, it leaves nothing to
//! do, or it is blocked with a way out. The world is the model of `effects`.

mod world;

use std::path::PathBuf;

use kuboard_ha::facts::Facts;
use kuboard_ha::inventory::Inventory;
use kuboard_ha::plan::effects::effects;
use kuboard_ha::plan::{lint::lint, plan};

fn samples() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("inventories")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    found.sort();
    assert!(found.len() >= 8, "sample inventories are missing: {found:?}");
    found
}

/// Plans and applies until nothing is left, at most five rounds; the last state, or why it is stuck.
fn converge(inventory: &Inventory, mut facts: Facts) -> Result<Facts, String> {
    for _ in 0..5 {
        let planning = plan(inventory, &facts);
        if planning.is_blocked() {
            let without_way_out: Vec<_> =
                planning.findings.iter().filter(|finding| finding.hint.is_none()).collect();
            return Err(format!("blocked: {}\n{without_way_out:#?}", world::listing(&planning)));
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
    for path in samples() {
        let inventory = world::inventory(&path);
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
            let cut = format!("{} after step {} ({} on {host})", path.display(), index + 1, step.resource);
            if let Err(why) = converge(&inventory, facts.clone()) {
                panic!("{cut}: {why}");
            }
        }
    }
}
