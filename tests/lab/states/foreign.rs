//! Data that kuboard-ha did not bring about: blocked, told, and not touched.

use super::finding::refused;
use super::{DATA, MEMBERS, converges, etcd, members, says_of, told, writing};
use crate::etcd::Etcd;
use crate::lab::Lab;
use crate::poll::until;
use crate::stands::{BOOT, brief};

/// The manual's commands up to `systemctl start etcd`: whoever stops there leaves the state `new`.
const MANUAL: &str = include_str!("manual.sh");

pub fn by_hand(lab: &Lab) {
    lab.exec_all(&members(), MANUAL);
    for member in MEMBERS {
        until(BOOT, "it is healthy", || Etcd::is_healthy(lab.address(member)));
    }
    let writer = writing(&etcd(lab), "by-hand");
    let status = told(lab, "foreign", 1);
    assert!(status["reasons"].to_string().contains("kuboard-ha did not build it"), "{}", brief(&status));
    assert!(MEMBERS.contains(&status["etcd"]["leader"].as_str().unwrap()), "{}", brief(&status));

    let findings = refused(lab, &MEMBERS, &["--yes"]);
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["etcd.by-hand"; 3]);
    for words in [
        "the state (new -> existing",
        "the user (root -> etcd)",
        "the programs (files in /usr/local/bin -> links into /opt/kuboard-ha/etcd)",
        "the token (the manual's",
        "the owner of its data (root:root",
    ] {
        assert!(findings[0].message.contains(words), "no `{words}`: {}", findings[0].message);
    }
    writer.finish();
}

/// Does literally what `up` says for those who do not need that etcd.
pub fn way_out(lab: &Lab) {
    let findings = refused(lab, &MEMBERS, &["--yes"]);
    lab.exec(&findings[0].host, findings[0].commands("Keep a copy:\n  ", "\n"));
    for finding in findings {
        lab.exec(&finding.host, finding.commands("then on each member host:\n", "\nthen run up again"));
    }
    lab.up();
    super::well(lab);
}

/// Another cluster's data under a member of ours, as after a restore on the wrong machine.
pub fn copied(lab: &Lab) {
    let writer = writing(&etcd(lab), "copied");
    let copy = format!(
        "systemctl stop etcd && rm -r {DATA}/member && cp -a /root/etcd-by-hand/member {DATA}/ && \
         chown -R etcd:etcd {DATA}/member"
    );
    lab.exec("node-3", &copy);
    let status = told(lab, "formed", 0);
    says_of(&status, "node-3", "kuboard-ha did not bring about");
    let findings = refused(lab, &MEMBERS, &["--yes"]);
    assert_eq!((findings.len(), findings[0].code.as_str()), (1, "etcd.foreign-data"), "{findings:?}");
    lab.exec("node-3", findings[0].commands("if nobody needs it:\n  ", "\n"));
    converges(lab, &["--yes"], writer);
    assert_eq!(kept_by_hand(lab), 1);
}

/// Somebody took a member for a new cluster of its own.
pub fn second(lab: &Lab) {
    let writer = writing(&lab.etcd(&["node-1", "node-2"]), "second");
    let wrong = format!(
        "systemctl stop etcd && rm -r {DATA}/member
         sed -i 's,^ETCD_INITIAL_CLUSTER=.*,ETCD_INITIAL_CLUSTER=node-3=http://10.99.31.13:2380,; s,existing,new,' /etc/etcd.env
         sed -i '/^Assert/d' /etc/systemd/system/etcd.service && systemctl daemon-reload && systemctl start etcd"
    );
    lab.exec("node-3", &wrong);
    until(BOOT, "the second cluster stands", || Etcd::is_healthy(lab.address("node-3")));
    let status = told(lab, "split", 0);
    assert_eq!(status["verdict"], "down", "{}", brief(&status));
    let findings = refused(lab, &MEMBERS, &["--yes"]);
    assert_eq!((findings.len(), findings[0].code.as_str()), (1, "etcd.split"), "{findings:?}");
    let asked = format!("if it is {}, on node-3:\n  ", super::quorum::cluster(lab).trim());
    lab.exec("node-3", findings[0].commands(&asked, "\n"));
    converges(lab, &["--yes"], writer);
    assert_eq!(kept_by_hand(lab), 2);
}

/// How many logs of a member the commands of findings have moved aside on node-3.
fn kept_by_hand(lab: &Lab) -> usize {
    lab.exec("node-3", &format!("ls -d {DATA}/aside-by-hand.*/member/wal")).lines().count()
}
