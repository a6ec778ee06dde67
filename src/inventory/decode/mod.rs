//! The tree to the model, one file per section; defaults are filled in here.

mod balancer;
mod download;
mod etcd;
mod hosts;
mod kuboard;
mod questdb;

use super::model::{Firewall, Inventory, Packages, Transfer};
use super::read::{Reading, Section};
use super::scalar;
use super::tree::Node;

const PACKAGES: [(&str, Packages); 2] = [("install", Packages::Install), ("present", Packages::Present)];

/// Reads the whole file. What cannot be read is reported and stands as its default.
pub(super) fn inventory(reading: Reading<'_>, tree: &Node) -> Inventory {
    let root = Section::open(reading, tree, "");
    let hint = "it names the cluster's folder on the hosts, as in `cluster: kuboard`";
    let cluster = root.required_value("cluster", scalar::cluster, hint).unwrap_or_default();
    let defaults = hosts::defaults(reading, root.section("ssh"));
    let hint = "name each machine and its address, as in `hosts: { etcd1: 10.99.16.11 }`";
    let hosts = hosts::hosts(reading, &root.required("hosts", hint), &defaults);
    let hint = "it names the member hosts, as in `etcd: { hosts: [etcd1, etcd2, etcd3] }`";
    let etcd = etcd::etcd(reading, root.required("etcd", hint), &hosts);
    let questdb = root.section("questdb").map(|section| questdb::questdb(reading, section, &hosts));
    let load_balancer =
        root.section("load_balancer").map(|section| balancer::balancer(reading, section, &hosts));
    let hint = "it names the replicas' hosts, as in `kuboard: { hosts: [kuboard-1, kuboard-2] }`";
    let kuboard = kuboard::kuboard(reading, root.required("kuboard", hint), &hosts, load_balancer.as_ref());
    let transfer =
        root.choice("transfer", &[("push", Transfer::Push), ("pull", Transfer::Pull)], Transfer::Push);
    let firewall =
        root.choice("firewall", &[("check", Firewall::Check), ("off", Firewall::Off)], Firewall::Check);
    root.close();
    Inventory { cluster, hosts, etcd, questdb, kuboard, load_balancer, transfer, firewall }
}
