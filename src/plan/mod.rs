//! What to do: a pure function from the inventory and the facts to a plan. No I/O, no clock, no randomness, no
//! secret values; the same input gives the same bytes.

pub mod diff;
pub mod draft;
pub mod effects;
pub mod model;
pub mod order;
pub mod preflight;
pub mod secrets;

use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::plan::draft::Draft;
use crate::plan::model::Planning;
use crate::services::Service;

/// What to do to make the hosts what the inventory says, given what was seen.
pub fn plan(inventory: &Inventory, facts: &Facts) -> Planning {
    let mut draft = Draft::new(inventory, facts);
    for service in Service::ALL {
        service.plan(&mut draft);
    }
    let (stages, jobs, mut findings) = draft.into_parts();
    findings.sort();
    findings.dedup();
    Planning { plan: order::order(stages, jobs), findings }
}
