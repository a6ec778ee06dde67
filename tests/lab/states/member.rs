//! One member that is down, was wiped, forgot, or was added by hand.

use super::{converges, etcd, says_of, told};
use crate::lab::Lab;
use crate::stands::brief;
use crate::writer::Writer;

pub fn two_stopped(lab: &Lab) {
    let writer = Writer::start(&etcd(lab), "two-stopped");
    let two = ["node-2", "node-3"].map(str::to_owned);
    lab.exec_all(&two, "systemctl stop etcd");
    let status = told(lab, "stopped", 0);
    assert_eq!(status["verdict"], "down", "{}", brief(&status));
    says_of(&status, "node-2", "it does not run");
    converges(lab, &[], writer);
}
