//! The manual's six hosts and two balancers: built, built again, looked at, changed, hurt, and booted cold.

mod again;
mod change;
mod cold;
mod fresh;
mod hurt;
pub mod predicted;
mod secrets;
mod services;

use crate::course::Course;
use crate::lab::{Image, Lab};

/// The members.
const MEMBERS: [&str; 3] = ["etcd1", "etcd2", "etcd3"];
/// The replicas' hosts.
const REPLICAS: [&str; 2] = ["kuboard-1", "kuboard-2"];
/// The balancers.
const BALANCERS: [&str; 2] = ["lb-1", "lb-2"];

#[test]
fn eight_hosts() {
    let lab = Lab::boot("test-eight", "10.99.20", Image::Full, "eight", |text| text);
    let mut course = Course::new(&lab);
    course.must("check says ready on bare hosts and changes nothing", fresh::check);
    course.early("plan explains itself", fresh::plan);
    course.early("plan prints the configuration of a balancer of one's own", fresh::external_balancer);
    course.early("what belongs to others forbids up, with a way out", fresh::foreign);
    course.early("what is seen of bare hosts is kept", predicted::before);
    course.must("up builds the cluster", fresh::up);
    course.step("the hosts are what the plan's effects predicted", predicted::holds);
    course.step("etcd is formed and settled, without a restart", services::etcd);
    course.step("QuestDB wants its password and keeps its console to itself", services::questdb);
    course.step("the replicas and the floating address answer", services::kuboard);
    course.step("secrets lie where they must and nowhere else", secrets::kept);
    course.step("up again changes nothing, over one connection and one command per host", again::up);
    course.step("status is healthy", again::status);
    course.step("a host that hangs shows in status", hurt::paused);
    course.step("a member's machine dies under a writer, and comes back by itself", hurt::member);
    course.step("a changed etcd setting rolls through, member by member", change::etcd_setting);
    course.step("a run killed between a file and its restart is finished", change::half_done);
    course.step("members that were stopped are started, not bootstrapped", hurt::stopped);
    course.step("data that is gone forbids up", hurt::data_missing);
    course.step("a changed heap restarts QuestDB alone", change::heap);
    course.step("a changed port moves balancer and url", change::port);
    course.step("quorum is gone, everything is gone, and all boots cold by itself", cold::boot);
    course.end();
}
