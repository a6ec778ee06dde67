//! Two of three members lost what they had, or all of them.

use super::finding::refused;
use super::{DATA, MEMBERS, converges, etcd, members, told, writing};
use crate::lab::Lab;
use crate::stands::brief;
use crate::writer::Writer;

/// What `up` says then gets out, word for word: nothing that the last copy has is lost.
pub fn lost(lab: &Lab) {
    let before = writing(&etcd(lab), "quorum-lost");
    let written = before.finish();
    // A follower learns with the next heartbeat that the last write was committed.
    super::same_data(lab);
    let two = ["node-2", "node-3"].map(str::to_owned);
    lab.exec_all(&two, &format!("systemctl kill -s KILL etcd; systemctl stop etcd; rm -r {DATA}/member"));
    let status = told(lab, "lost-quorum", 0);
    assert_eq!(status["verdict"], "down", "{}", brief(&status));
    let findings = refused(lab, &MEMBERS, &["--yes"]);
    assert_eq!((findings.len(), findings[0].code.as_str()), (1, "etcd.lost-quorum"), "{findings:?}");
    lab.exec("node-1", findings[0].commands("on node-1:\n  ", "\n"));
    let after = Writer::start(&etcd(lab), "quorum-regained");
    converges(lab, &["--yes"], after);
    let lost = etcd(lab).missing("/kuboard-ha-lab/quorum-lost/", &written.acknowledged);
    assert!(lost.is_empty(), "acknowledged writes are lost: {lost:?}");
}

/// Nothing is left anywhere, and somebody wants to begin anew, with what `up` says: another cluster, not the old one again.
pub fn begun_anew(lab: &Lab) {
    let old = cluster(lab);
    lab.exec_all(
        &members(),
        &format!("systemctl kill -s KILL etcd; systemctl stop etcd; rm -r {DATA}/member"),
    );
    let status = told(lab, "data-missing", 0);
    assert_eq!(status["verdict"], "down", "{}", brief(&status));
    let findings = refused(lab, &MEMBERS, &["--yes"]);
    assert_eq!(findings.len(), 3, "{findings:?}");
    lab.exec("node-1", findings[0].commands("only when it is new:\n  ", "\n"));
    for finding in findings {
        assert_eq!(finding.code, "etcd.data-missing", "{finding:?}");
        lab.exec(&finding.host, finding.commands("on each member host:\n  ", "\n"));
    }
    lab.up();
    super::well(lab);
    assert!(etcd(lab).version("/kuboard-ha-lab/quorum-regained/000000") == 0, "it is empty");
    assert_ne!(old, cluster(lab), "an old disk that turns up must not take part");
}

/// The id of the cluster that is on record.
pub fn cluster(lab: &Lab) -> String {
    lab.exec("node-1", "sed -n 's/^etcd cluster-id //p' /var/lib/kuboard-ha/kuboard/manifest")
}
