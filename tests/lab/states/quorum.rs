//! Two of three members lost what they had.

use super::finding::refused;
use super::{DATA, MEMBERS, converges, etcd, told};
use crate::lab::Lab;
use crate::poll::until;
use crate::stands::{BOOT, brief};
use crate::writer::Writer;

/// What `up` says then gets out, word for word: nothing that the last copy has is lost.
pub fn lost(lab: &Lab) {
    let before = Writer::start(&etcd(lab), "quorum-lost");
    until(BOOT, "something is written", || {
        let written = etcd(lab).version("/kuboard-ha-lab/quorum-lost/000020");
        if written > 0 { Ok(()) } else { Err("not yet".to_owned()) }
    });
    let written = before.finish();
    // A follower learns with the next heartbeat that the last write was committed.
    super::same_data(lab);
    let two = ["node-2", "node-3"].map(str::to_owned);
    lab.exec_all(&two, &format!("systemctl kill -s KILL etcd; systemctl stop etcd; rm -r {DATA}/member"));
    let status = told(lab, "lost-quorum", 0);
    assert_eq!(status["verdict"], "down", "{}", brief(&status));
    let findings = refused(lab, &MEMBERS, &["--yes"]);
    assert_eq!((findings.len(), findings[0].code.as_str()), (1, "etcd.lost-quorum"), "{findings:?}");
    lab.exec("node-1", findings[0].commands("on node-1: ", "; then run up"));
    let after = Writer::start(&etcd(lab), "quorum-regained");
    converges(lab, &["--yes"], after);
    let lost = etcd(lab).missing("/kuboard-ha-lab/quorum-lost/", &written.acknowledged);
    assert!(lost.is_empty(), "acknowledged writes are lost: {lost:?}");
}
