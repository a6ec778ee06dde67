//! Somebody else's services and other clusters on the host.

use std::collections::BTreeSet;

use crate::facts::model::{FileFact, FileState, HostFacts, Observed};
use crate::inventory::Inventory;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

use super::roles::Role;

const OTHER_CLUSTER: &str = "host.other-cluster";

pub(super) fn find(
    inventory: &Inventory,
    host: &HostName,
    roles: &BTreeSet<Role>,
    seen: &HostFacts,
    findings: &mut Vec<Finding>,
) {
    for (role, unit) in [(Role::Etcd, "etcd.service"), (Role::Questdb, "questdb.service")] {
        let Some(Some(state)) = seen.units.get(unit).filter(|_| roles.contains(&role)) else { continue };
        if state.fragment.is_empty() || state.fragment == format!("/etc/systemd/system/{unit}") {
            continue;
        }
        let message = format!(
            "{} is there already, from {}: another installation, whose data and ports would be fought over.",
            unit, state.fragment
        );
        let hint = format!(
            "if nobody needs it:\n  systemctl disable --now {unit}\nand remove the package that brought it, whose name \
             is:\n  dpkg -S {0} || rpm -qf {0}",
            state.fragment
        );
        findings.push(Finding::on(host, Severity::Blocked, "unit.foreign", message).hint(hint));
    }
    let others: Vec<&str> =
        seen.clusters.iter().map(String::as_str).filter(|name| *name != inventory.cluster).collect();
    if others.is_empty() {
        return;
    }
    let names = others.join(", ");
    let clash: Vec<&Role> = roles.iter().filter(|role| stands(seen, role.file())).collect();
    if clash.is_empty() {
        let message = format!("This host also serves another cluster: {names}. Their roles do not meet.");
        findings.push(Finding::on(host, Severity::Note, OTHER_CLUSTER, message));
        return;
    }
    let titles: Vec<&str> = clash.iter().map(|role| role.title()).collect();
    let message = format!(
        "This host already serves {} in another cluster, {names} (/var/lib/kuboard-ha/{}); a host can have a role in one \
         cluster only.",
        titles.join(", "),
        others[0]
    );
    let hint = format!(
        "choose another host; or write cluster: {0} if that is what you mean. If {0} is given up for good, on {host}:\n  \
         mv /var/lib/kuboard-ha/{0} /root/kuboard-ha.{0}\nthen run up, which names what else stands in the way",
        others[0]
    );
    findings.push(Finding::on(host, Severity::Blocked, OTHER_CLUSTER, message).hint(hint));
}

/// Without what a graver finding about the same host explains: the files, ports and data of another cluster are not to
/// be moved aside one by one, which is what their own hints say.
pub fn without_the_explained(findings: Vec<Finding>) -> Vec<Finding> {
    const EXPLAINED: [&str; 6] = [
        "file.foreign",
        "port.taken",
        "unit.foreign",
        "etcd.foreign-data",
        "questdb.foreign-data",
        "kuboard.foreign-agent-key",
    ];
    let serves_another =
        |finding: &Finding| finding.code == OTHER_CLUSTER && finding.severity == Severity::Blocked;
    let theirs: BTreeSet<Option<HostName>> = findings
        .iter()
        .filter(|finding| serves_another(finding))
        .map(|finding| finding.host.clone())
        .collect();
    let explained =
        |finding: &Finding| theirs.contains(&finding.host) && EXPLAINED.contains(&finding.code.as_str());
    findings.into_iter().filter(|finding| !explained(finding)).collect()
}

/// Whether a file stands there that this cluster did not write.
fn stands(seen: &HostFacts, path: &str) -> bool {
    matches!(seen.files.get(path), Some(Observed::Known(Some(FileFact { state: FileState::Foreign(_), .. }))))
}
