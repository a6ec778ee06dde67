//! A plan that was cut short, in the model and on the hosts: what the effects of the steps that ran predict, against
//! what is gathered afterwards.

use std::collections::{BTreeMap, BTreeSet};

use kuboard_ha::facts::{Facts, HostState};
use kuboard_ha::inventory::Inventory;
use kuboard_ha::plan::effects::effects;
use kuboard_ha::plan::model::{Job, Plan};
use kuboard_ha::plan::plan;
use serde_json::Value;

use crate::eight::predicted::picture;

/// More ways than these that things may stand are not tried.
const WAYS: usize = 512;

/// A run that is watched from its first plan on.
pub struct Prefix {
    before: Facts,
    plan: Plan,
    finished: BTreeSet<(String, u64)>,
    /// Jobs that were begun.
    begun: BTreeSet<String>,
    /// Whether this is the plan that the run made.
    same: bool,
}

impl Prefix {
    /// Begins with what was seen just before the run.
    pub fn new(before: Facts, inventory: &Inventory) -> Self {
        let plan = plan(inventory, &before).plan;
        Self { before, plan, finished: BTreeSet::new(), begun: BTreeSet::new(), same: true }
    }

    /// An event of the run.
    pub fn heard(&mut self, event: &Value) {
        let job = event["job"].as_str().unwrap_or_default().to_owned();
        match event["kind"].as_str().unwrap_or_default() {
            "planned" => {
                let steps = event["steps"].as_u64() == Some(self.plan.step_count() as u64);
                self.same = self.same && steps && event["round"] == 1;
            }
            "job-started" | "step-started" => {
                self.begun.insert(job);
            }
            "step-finished" => {
                self.finished.insert((job, event["step"].as_u64().unwrap_or_default()));
            }
            "step-failed" => self.same = false,
            _ => {}
        }
    }

    /// How many single things were compared; what differs is an error. `None` where the run went another way.
    pub fn compare(&self, after: &Facts, inventory: &Inventory) -> Option<Result<usize, String>> {
        if !self.same {
            return None;
        }
        let mut predicted = self.before.clone();
        for job in &self.plan.jobs {
            for (_, step) in job.steps.iter().enumerate().filter(|(number, _)| self.is_finished(job, *number))
            {
                effects(step, &job.host, inventory, &mut predicted);
            }
        }
        let mut things = 0;
        for (host, state) in &after.hosts {
            let HostState::Reached(seen) = state else { return None };
            let seen = calm(picture(seen));
            things += seen.len();
            // A host goes on with the step in hand, and with the next ones until it hears that nobody listens.
            let open: Vec<(&Job, usize)> = self
                .plan
                .jobs
                .iter()
                .filter(|job| job.host == *host && self.begun.contains(job.id.as_str()))
                .map(|job| {
                    (job, (0..job.steps.len()).take_while(|number| self.is_finished(job, *number)).count())
                })
                .filter(|(job, done)| *done < job.steps.len())
                .collect();
            let mut nearest: Option<Vec<String>> = None;
            for way in ways(&open) {
                let mut facts = predicted.clone();
                for ((job, done), more) in open.iter().zip(&way) {
                    for step in &job.steps[*done..done + more] {
                        effects(step, &job.host, inventory, &mut facts);
                    }
                }
                let differences = differences(&calm(picture(facts.host(host)?)), &seen);
                if nearest.as_ref().is_none_or(|known| differences.len() < known.len()) {
                    nearest = Some(differences);
                }
            }
            let differences = nearest.unwrap_or_default();
            if !differences.is_empty() {
                return Some(Err(format!(
                    "{host}, after a plan that was cut short: {}",
                    differences.join("; ")
                )));
            }
        }
        Some(Ok(things))
    }

    fn is_finished(&self, job: &Job, step: usize) -> bool {
        self.finished.contains(&(job.id.to_string(), step as u64))
    }
}

/// How many more steps each of these jobs may have made.
fn ways(open: &[(&Job, usize)]) -> Vec<Vec<usize>> {
    let mut ways = vec![Vec::new()];
    for (job, done) in open {
        let longer = ways.iter().flat_map(|way| {
            (0..=job.steps.len() - done).map(move |more| way.iter().copied().chain([more]).collect())
        });
        ways = longer.take(WAYS).collect();
    }
    ways
}

/// A unit that is on its way up has been started.
fn calm(picture: BTreeMap<String, String>) -> BTreeMap<String, String> {
    picture.into_iter().map(|(thing, words)| (thing, words.replace("Activating", "Active"))).collect()
}

fn differences(predicted: &BTreeMap<String, String>, seen: &BTreeMap<String, String>) -> Vec<String> {
    let things: BTreeSet<&String> = predicted.keys().chain(seen.keys()).collect();
    let differs = things.into_iter().filter(|thing| predicted.get(*thing) != seen.get(*thing));
    differs
        .map(|thing| format!("{thing}: predicted {:?}, seen {:?}", predicted.get(thing), seen.get(thing)))
        .collect()
}
