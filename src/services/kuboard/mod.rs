//! kuboard: to be written by its owner.

use crate::facts::look::Looks;
use crate::facts::model::{Facts, HostFacts};
use crate::inventory::Inventory;
use crate::plan::draft::Draft;
use crate::plan::model::Step;
use crate::resource::HostName;

/// Adds what the service looks at.
pub fn look(_inventory: &Inventory, _host: &HostName, _looks: &mut Looks) {}

/// Reads a probe's output.
pub fn read(_name: &str, _output: &str, _facts: &mut HostFacts) {}

/// Adds jobs and findings.
pub fn plan(_draft: &mut Draft<'_>) {}

/// What a step makes true.
pub fn effects(_step: &Step, _host: &HostName, _inventory: &Inventory, _facts: &mut Facts) {}
