//! The status as people see it.

use super::*;
use crate::cli::output::sample_plans::{fresh, rolling};
use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::plan::model::Planning;
use crate::status::sample::{alone, cut, manual, single, well};
use crate::status::status;

fn shown(inventory: &Inventory, facts: &Facts, planning: &Planning, width: usize) -> String {
    status_view(&status(inventory, facts, planning), &Canvas { width, colour: false })
}

#[test]
fn a_healthy_cluster() {
    let inventory = manual();
    insta::assert_snapshot!(shown(&inventory, &well(&inventory), &Planning::default(), 80), @r#"
    kuboard is healthy

    etcd      3 of 3 members healthy; survives 1 more failure
              etcd1  healthy    leader    3.5.6  20.00 KiB of data  index 12
              etcd2  healthy    follower  3.5.6  20.00 KiB of data  index 12
              etcd3  healthy    follower  3.5.6  20.00 KiB of data  index 12
    QuestDB   healthy on questdb  6.6.1
    Kuboard   2 of 2 replicas healthy; http://10.99.16.20
              kuboard-1  healthy    http://10.99.16.21:80  eipwork/kuboard:v3.5.2.9
              kuboard-2  healthy    http://10.99.16.22:80  eipwork/kuboard:v3.5.2.9
    balancer  10.99.16.20 held by lb-1, answers
    hosts     8 of 8 reachable; debian 12 amd64
    differs   nothing from the inventory
    "#);
}

#[test]
fn two_of_three_members_are_dead() {
    let inventory = manual();
    let mut facts = well(&inventory);
    cut(&mut facts, &["etcd2", "etcd3"]);
    alone(&mut facts, "etcd1");
    insta::assert_snapshot!(shown(&inventory, &facts, &Planning::default(), 80), @r#"
    kuboard is down
      - etcd has no quorum: 0 of 3 members healthy, 2 needed
      - etcd2 and etcd3 are not reachable (connect to port 22: No route to host)
      - etcd member etcd1 is not healthy: no answer within 2 s: no quorum

    etcd      no quorum: 0 of 3 members healthy, 2 needed
              etcd1  unhealthy  3.5.6  20.00 KiB of data  index 12  no answer
                  within 2 s: no quorum
              etcd2  not seen   its host is not reachable
              etcd3  not seen   its host is not reachable
    QuestDB   healthy on questdb  6.6.1
    Kuboard   2 of 2 replicas healthy; http://10.99.16.20
              kuboard-1  healthy    http://10.99.16.21:80  eipwork/kuboard:v3.5.2.9
              kuboard-2  healthy    http://10.99.16.22:80  eipwork/kuboard:v3.5.2.9
    balancer  10.99.16.20 held by lb-1, answers
    hosts     6 of 8 reachable, missing etcd2 etcd3; debian 12 amd64
    differs   nothing, as far as hosts answer
    "#);
}

#[test]
fn a_setting_differs() {
    let inventory = manual();
    insta::assert_snapshot!(shown(&inventory, &well(&inventory), &rolling(), 140), @r#"
    kuboard is degraded
      - 6 things differ from the inventory

    etcd      3 of 3 members healthy; survives 1 more failure
              etcd1  healthy    leader    3.5.6  20.00 KiB of data  index 12
              etcd2  healthy    follower  3.5.6  20.00 KiB of data  index 12
              etcd3  healthy    follower  3.5.6  20.00 KiB of data  index 12
    QuestDB   healthy on questdb  6.6.1
    Kuboard   2 of 2 replicas healthy; http://10.99.16.20
              kuboard-1  healthy    http://10.99.16.21:80  eipwork/kuboard:v3.5.2.9
              kuboard-2  healthy    http://10.99.16.22:80  eipwork/kuboard:v3.5.2.9
    balancer  10.99.16.20 held by lb-1, answers
    hosts     8 of 8 reachable; debian 12 amd64
    differs   6 things from the inventory; `kuboard-ha plan` explains
              etcd2  file:/etc/etcd.env  ETCD_SNAPSHOT_COUNT 10000 -> 50000
              etcd2  unit:etcd.service   so that it takes the new setting
              etcd3  file:/etc/etcd.env  ETCD_SNAPSHOT_COUNT 10000 -> 50000
              etcd3  unit:etcd.service   so that it takes the new setting
              etcd1  file:/etc/etcd.env  ETCD_SNAPSHOT_COUNT 10000 -> 50000
              etcd1  unit:etcd.service   so that it takes the new setting
    "#);
}

#[test]
fn one_machine() {
    let inventory = single();
    insta::assert_snapshot!(shown(&inventory, &well(&inventory), &Planning::default(), 100), @r#"
    kuboard is healthy

    etcd      1 of 1 member healthy; a single member survives no failure
              box  healthy    leader    3.5.6  20.00 KiB of data  index 12
    QuestDB   healthy on box  6.6.1
    Kuboard   1 of 1 replica healthy; http://10.99.16.20
              box  healthy    http://10.99.16.11:80  eipwork/kuboard:v3.5.2.9
    balancer  none
    hosts     1 of 1 reachable; debian 12 amd64
    differs   nothing from the inventory
    "#);
}

#[test]
fn everything_is_down_and_much_differs() {
    let inventory = manual();
    let mut facts = well(&inventory);
    let all: Vec<_> = inventory.hosts.keys().map(crate::resource::HostName::as_str).collect();
    cut(&mut facts, &all);
    let text = shown(&inventory, &facts, &fresh(), 80);
    insta::assert_snapshot!(text, @r#"
    kuboard is down
      - no host answers: all of them are down, or this machine's network is (connect
        to port 22: No route to host)

    etcd      0 of 3 members healthy; what it survives could not be seen
              etcd1  not seen   its host is not reachable
              etcd2  not seen   its host is not reachable
              etcd3  not seen   its host is not reachable
    QuestDB   not seen on questdb: its host is not reachable
    Kuboard   0 of 2 replicas healthy; http://10.99.16.20
              kuboard-1  not seen   http://10.99.16.21:80  its host is not reachable
              kuboard-2  not seen   http://10.99.16.22:80  its host is not reachable
    balancer  10.99.16.20, its hosts were not seen
    hosts     0 of 8 reachable
    differs   16 things from the inventory; `kuboard-ha plan` explains
              etcd1  artifact:etcd       missing
              etcd1  file:/etc/etcd.env  missing
              etcd1  unit:etcd.service   missing
              etcd2  artifact:etcd       missing
              etcd2  file:/etc/etcd.env  missing
              etcd2  unit:etcd.service   missing
              etcd3  artifact:etcd       missing
              etcd3  file:/etc/etcd.env  missing
              and 8 more
    also      1 warning; `kuboard-ha check` tells
    "#);
    assert!(text.lines().count() <= 40);
}
