//! The disk of the data is not mounted.

use super::finding::blocked;
use super::footprint::Footprint;
use super::{DATA, DISK, converges, etcd, members, says_of, told};
use crate::lab::Lab;
use crate::writer::Writer;

/// A machine that comes back from a power cut without its disk, as when its controller is slow.
pub fn one(lab: &Lab) {
    let writer = Writer::start(&etcd(lab), "disk-of-one");
    lab.exec("node-2", &format!("sed -i 's,^{DISK}$,#&,' /etc/fstab"));
    lab.hosts_do("kill", &["node-2"]);
    lab.hosts_do("start", &["node-2"]);
    lab.hosts_do("wait", &["node-2"]);

    let status = told(lab, "formed", 0);
    assert_eq!(status["verdict"], "degraded");
    says_of(&status, "node-2", "the disk of its data is not mounted");
    let before = Footprint::of(lab, &members());
    let refused = lab.run(&["up", "-o", "plain", "--yes"]).exits(5);
    refused.says("not mounted");
    refused.says("nothing was changed");
    before.stands(lab);
    let way_out = blocked(lab).into_iter().find(|finding| finding.host == "node-2").unwrap();
    assert_eq!(way_out.code, "etcd.data-missing");

    lab.exec("node-2", &format!("sed -i 's,^#{DISK}$,{DISK},' /etc/fstab && systemctl daemon-reload"));
    lab.exec("node-2", way_out.commands("mount it: ", "; then run up again"));
    lab.up();
    writer.finish();
    converges(lab);
}

pub fn all(lab: &Lab) {
    let writer = Writer::start(&etcd(lab), "disk-of-all");
    lab.exec_all(&members(), &format!("systemctl kill -s KILL etcd; systemctl stop etcd; umount {DATA}"));
    let status = told(lab, "data-missing", 0);
    assert_eq!(status["verdict"], "down");
    for member in members() {
        says_of(&status, &member, "the disk of its data is not mounted");
    }
    let before = Footprint::of(lab, &members());
    let refused = lab.run(&["up", "-o", "plain", "--yes"]).exits(5);
    refused.says("nothing was changed");
    // Not even by hand it starts on the empty directory.
    lab.exec_all(&members(), "! timeout 5 systemctl start etcd 2>/dev/null");
    before.stands(lab);
    for finding in blocked(lab) {
        lab.exec(&finding.host, finding.commands("mount it: ", "; then run up again"));
    }
    lab.up();
    writer.finish();
    converges(lab);
}
