//! What is said of one member that must not be started or changed.

use super::by_hand;
use super::client_url;
use super::findings::Scene;
use super::handmade;
use super::sight::Sight;
use super::verdict::{MemberState, Verdict};
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

impl Scene<'_> {
    pub(super) fn member(&self, host: &HostName, state: &MemberState) -> Option<Finding> {
        let dir = &self.inventory.etcd.data_dir;
        let blocked = |code, message: String, hint: String| {
            Some(Finding::on(host, Severity::Blocked, code, message).hint(hint))
        };
        match state {
            MemberState::Foreign => {
                let sight = self.sight(host)?;
                handmade::finding(self, sight).or_else(|| self.foreign(host))
            }
            MemberState::DiskMissing => blocked(
                "etcd.data-missing",
                format!(
                    "The data of the member on {host} lies on its own disk ({}), which is not mounted at {dir} now.",
                    self.sight(host).and_then(|sight| sight.entry(super::DISK)).unwrap_or_default()
                ),
                format!(
                    "mount it:\n  findmnt {dir}; mount -a\nthen run up again\nif that disk is gone for good, on {host}:\n  \
                     {}\nthen run up again: {}",
                    by_hand::forget_disk(self.inventory),
                    if self.judgement.verdict.has_plan() {
                        "it replaces the member, once you say yes"
                    } else {
                        "it says what can be done with what is left"
                    }
                ),
            ),
            // With a quorum its data is replaced by that of the others; without one it may be the newest copy or an old one.
            MemberState::DiskChanged if self.judgement.verdict != Verdict::Formed => {
                let sight = self.sight(host)?;
                blocked(
                    "etcd.disk-changed",
                    format!(
                        "The data of the member on {host} lies on {} now, and {} is on record. What lies there may be an \
                         old copy.",
                        disk(sight.disk_id().as_deref()),
                        disk(sight.entry(super::DISK))
                    ),
                    format!(
                        "if the data was moved there whole, on {host}:\n  {}\nelse mount the disk that is on record: \
                         findmnt {dir}; lsblk -f\nthen run up again",
                        by_hand::forget_disk(self.inventory)
                    ),
                )
            }
            MemberState::Unseen => Some(
                Finding::on(
                    host,
                    Severity::Unknown,
                    "etcd.unseen",
                    format!("{dir} and the etcd process on {host} could not be looked at."),
                )
                .hint(format!("look on the host: ls -la {dir}; systemctl status etcd; then run up again")),
            ),
            MemberState::Unreachable { .. }
            | MemberState::Healthy
            | MemberState::Stopped
            | MemberState::Pending
            | MemberState::Wiped
            | MemberState::Amnesiac
            | MemberState::Removed
            | MemberState::DiskChanged
            | MemberState::New
            | MemberState::JoinInterrupted
            | MemberState::Unhealthy { .. } => None,
        }
    }

    /// The cluster that this host may be a member of though our records of it are gone: then the records are what must
    /// come back, not the data go. Our own program speaks for it, our own unit file, or the records of another member.
    fn adopted(&self, sight: &Sight<'_>) -> Option<String> {
        let id = sight.live_cluster().or(sight.data_cluster())?;
        let process = sight.etcd?.running.known().and_then(Option::as_ref);
        let mut recorded = self.sights.iter().filter_map(Sight::recorded_cluster).peekable();
        let ours = match process {
            Some(process) => process.executable.starts_with(super::HOME),
            None => recorded.peek().is_some() || handmade::is_our_unit(sight),
        };
        let ours = ours && sight.recorded_cluster().is_none() && recorded.all(|known| known == id);
        ours.then(|| id.to_owned())
    }

    fn foreign(&self, host: &HostName) -> Option<Finding> {
        let sight = self.sight(host)?;
        let etcd = sight.etcd?;
        let dir = &self.inventory.etcd.data_dir;
        let mut seen = Vec::new();
        if etcd.wal {
            let of = sight.data_cluster().map(|id| format!(" of cluster {id}")).unwrap_or_default();
            seen.push(format!("a write-ahead log{of} in {dir}/member/wal"));
        } else if !etcd.entries.is_empty() {
            seen.push(format!("{} in {dir}", etcd.entries.join(", ")));
        }
        if let Some(id) = sight.live_cluster() {
            seen.push(format!("a live member of cluster {id}"));
        }
        if let Some(Some(process)) = etcd.running.known() {
            seen.push(format!("a process of {}", process.executable));
            if let Some(state) = process.environment.get("ETCD_INITIAL_CLUSTER_STATE") {
                seen.push(format!("ETCD_INITIAL_CLUSTER_STATE={state}"));
            }
        }
        if let Some(recorded) = sight.recorded_cluster() {
            seen.push(format!("cluster {recorded} on record"));
        }
        let message = format!(
            "{host} holds etcd data that kuboard-ha did not bring about: {}. It may be all that somebody has, and it \
             will not be touched.",
            seen.join(", ")
        );
        let adopt = self.adopted(sight).map(|id| {
            let folder = crate::plan::by_hand::state(self.inventory);
            format!(
                "if it is this cluster and only {folder} was lost, on each member host that lost it:\n  mkdir -p -m 0700 \
                 {folder} && echo '{} {id}' >>{folder}/manifest\nthen run up again\n",
                super::CLUSTER_ID
            )
        });
        let entries: Vec<&str> = etcd.entries.iter().map(String::as_str).collect();
        let hint = format!(
            "see what it is:\n  systemctl status etcd; etcdctl --endpoints={} endpoint status -w table\n{}if nobody needs \
             it:\n  {}\nthen run up again; or give the cluster another place: etcd.data_dir",
            client_url(self.inventory, host),
            adopt.unwrap_or_default(),
            by_hand::move_aside(dir, &entries)
        );
        Some(Finding::on(host, Severity::Blocked, "etcd.foreign-data", message).hint(hint))
    }
}

/// `/var/lib/etcd 1-2`, as it is recorded, in words.
fn disk(id: Option<&str>) -> String {
    match id.and_then(|id| id.split_once(' ')) {
        Some((point, uuid)) => format!("the disk {uuid} at {point}"),
        None => "the root disk".to_owned(),
    }
}
