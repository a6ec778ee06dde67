//! The disk of the data is not mounted.

use super::finding::{Finding, refused};
use super::{DATA, DISK, MEMBERS, converges, etcd, members, says_of, told, writing};
use crate::lab::Lab;

/// A machine that comes back from a power cut without its disk, as when its controller is slow.
pub fn one(lab: &Lab) {
    let writer = writing(&etcd(lab), "disk-of-one");
    lab.exec("node-2", &format!("sed -i 's,^{DISK}$,#&,' /etc/fstab"));
    lab.hosts_do("kill", &["node-2"]);
    lab.hosts_do("start", &["node-2"]);
    lab.hosts_do("wait", &["node-2"]);

    let status = told(lab, "formed", 0);
    assert_eq!(status["verdict"], "degraded");
    says_of(&status, "node-2", "the disk of its data is not mounted");
    let findings = refused(lab, &MEMBERS, &["--yes"]);
    assert_eq!((findings.len(), findings[0].host.as_str()), (1, "node-2"), "{findings:?}");

    lab.exec("node-2", &format!("sed -i 's,^#{DISK}$,{DISK},' /etc/fstab && systemctl daemon-reload"));
    mount(lab, &findings);
    converges(lab, &[], writer);
}

pub fn all(lab: &Lab) {
    let writer = writing(&etcd(lab), "disk-of-all");
    lab.exec_all(&members(), &format!("systemctl kill -s KILL etcd; systemctl stop etcd; umount {DATA}"));
    let status = told(lab, "data-missing", 0);
    assert_eq!(status["verdict"], "down");
    for member in members() {
        says_of(&status, &member, "the disk of its data is not mounted");
    }
    let findings = refused(lab, &MEMBERS, &["--yes"]);
    assert_eq!(findings.len(), 3, "{findings:?}");
    mount(lab, &findings);
    converges(lab, &[], writer);
}

/// One that will never be mounted again: what `up` says lets the member be replaced, on what disk there is.
pub fn gone(lab: &Lab) {
    let writer = writing(&etcd(lab), "disk-gone");
    lab.exec(
        "node-2",
        &format!(
            "sed -i '\\,^{DISK}$,d' /etc/fstab && systemctl daemon-reload
             systemctl kill -s KILL etcd; systemctl stop etcd; umount {DATA}; rm -r /srv/disk"
        ),
    );
    let findings = refused(lab, &MEMBERS, &["--yes"]);
    assert_eq!((findings.len(), findings[0].code.as_str()), (1, "etcd.data-missing"), "{findings:?}");
    lab.exec("node-2", findings[0].commands("if that disk is gone for good, on node-2:\n  ", "\n"));
    refused(lab, &MEMBERS, &[]);
    converges(lab, &["--yes"], writer);
}

/// Does literally what `up` said.
fn mount(lab: &Lab, findings: &[Finding]) {
    for finding in findings {
        assert_eq!(finding.code, "etcd.data-missing", "{finding:?}");
        lab.exec(&finding.host, finding.commands("mount it:\n  ", "\n"));
    }
}
