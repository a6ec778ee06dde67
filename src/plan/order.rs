//! The order of a finished plan: empty jobs drop out, what came after them comes after what they waited for, and
//! the rest stands so that every job comes after those it needs.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::model::{Job, JobId, Plan, Stage};

/// Puts drafted jobs in order and drops the empty ones and the headings without jobs.
pub fn order(stages: Vec<Stage>, drafted: Vec<Job>) -> Plan {
    let after: BTreeMap<JobId, BTreeSet<JobId>> =
        drafted.iter().map(|job| (job.id.clone(), job.after.clone())).collect();
    let kept: BTreeSet<JobId> =
        drafted.iter().filter(|job| !job.steps.is_empty()).map(|job| job.id.clone()).collect();
    let mut waiting: Vec<Job> = drafted
        .into_iter()
        .filter(|job| !job.steps.is_empty())
        .map(|job| {
            let mut needed = BTreeSet::new();
            follow(&job.after, &after, &kept, &mut BTreeSet::new(), &mut needed);
            Job { after: needed, ..job }
        })
        .collect();
    let mut jobs: Vec<Job> = Vec::new();
    let mut done = BTreeSet::new();
    while let Some(next) = waiting.iter().position(|job| job.after.is_subset(&done)) {
        let job = waiting.remove(next);
        done.insert(job.id.clone());
        jobs.push(job);
    }
    jobs.extend(waiting); // a cycle: lint reports it, the executor would never begin it
    let used: BTreeSet<_> = jobs.iter().map(|job| job.stage.clone()).collect();
    Plan { stages: stages.into_iter().filter(|stage| used.contains(&stage.id)).collect(), jobs }
}

/// The kept jobs behind `ids`, through dropped ones.
fn follow(
    ids: &BTreeSet<JobId>,
    after: &BTreeMap<JobId, BTreeSet<JobId>>,
    kept: &BTreeSet<JobId>,
    visited: &mut BTreeSet<JobId>,
    needed: &mut BTreeSet<JobId>,
) {
    for id in ids {
        if kept.contains(id) {
            needed.insert(id.clone());
        } else if visited.insert(id.clone())
            && let Some(further) = after.get(id)
        {
            follow(further, after, kept, visited, needed);
        }
    }
}
