//! The rules that look at more than one value.

use super::model::Inventory;
use super::problem::Report;

/// Reports everything that is wrong or unwise.
pub(super) fn inventory(_inventory: &Inventory, _report: &Report) {}
