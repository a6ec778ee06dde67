//! What must hold of every finished plan. Tests end with it; a breach is a defect of this program.

use std::collections::BTreeSet;

use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::plan::effects::effects;
use crate::plan::model::{Plan, Planning};

/// Every breach found, in words.
pub fn lint(inventory: &Inventory, facts: &Facts, planning: &Planning) -> Vec<String> {
    let mut breaches = shape(&planning.plan);
    if !planning.is_blocked() {
        let mut after = facts.clone();
        for job in &planning.plan.jobs {
            for step in &job.steps {
                effects(step, &job.host, inventory, &mut after);
            }
        }
        let again = crate::plan::plan(inventory, &after);
        for job in &again.plan.jobs {
            for step in &job.steps {
                breaches.push(format!(
                    "after the plan, {} still wants {}: {}",
                    job.id, step.resource, step.reason
                ));
            }
        }
    }
    breaches
}

fn shape(plan: &Plan) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut before = BTreeSet::new();
    let stages: BTreeSet<_> = plan.stages.iter().map(|stage| &stage.id).collect();
    for job in &plan.jobs {
        for id in &job.after {
            if !before.contains(id) {
                breaches.push(format!("{} comes after {id}, which does not stand before it", job.id));
            }
        }
        if !before.insert(job.id.clone()) {
            breaches.push(format!("{} stands twice", job.id));
        }
        if job.steps.is_empty() {
            breaches.push(format!("{} has no steps", job.id));
        }
        if !stages.contains(&job.stage) {
            breaches.push(format!("{} is under a heading that is not there", job.id));
        }
        for step in &job.steps {
            if step.limit.is_zero() {
                breaches.push(format!("{}: {} has no time", job.id, step.resource));
            }
        }
    }
    breaches
}
