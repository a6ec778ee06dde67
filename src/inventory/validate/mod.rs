//! The rules that look at more than one value, or that know the domain.

mod balancer;
mod downloads;
mod etcd;
mod etcd_settings;
mod folders;
mod hosts;
mod image;
mod kuboard;
mod login;
mod ports;
mod questdb;

use super::model::Inventory;
use super::problem::Report;

/// Reports everything that is wrong or unwise.
pub(super) fn inventory(inventory: &Inventory, report: &Report) {
    hosts::check(inventory, report);
    etcd::check(&inventory.etcd, report);
    questdb::check(inventory, report);
    kuboard::check(inventory, report);
    balancer::check(inventory, report);
    ports::check(inventory, report);
    folders::check(inventory, report);
    downloads::check(inventory, report);
}
