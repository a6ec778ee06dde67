//! What is said of a cluster that `up` must not touch: what was seen where, why it is dangerous, and the commands
//! that get out.

use std::collections::BTreeMap;

use super::config;
use super::sight::Sight;
use super::verdict::{Judgement, MemberState, Verdict};
use super::{ENV_FILE, client_url};
use crate::facts::model::Observed;
use crate::inventory::Inventory;
use crate::plan::draft::Draft;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

/// Adds the findings of a judgement.
pub(super) fn report(draft: &mut Draft<'_>, judgement: &Judgement) {
    let scene =
        Scene { inventory: draft.inventory, sights: Sight::all(draft.inventory, draft.seen), judgement };
    let mut all = scene.cluster();
    let left_out = &draft.seen.without;
    if judgement.verdict == Verdict::Unknown {
        all.push(scene.unknown(|host| left_out.contains(host)));
    }
    // A verdict without a plan says it all but for the hosts that brought it about.
    for (host, state) in &judgement.members {
        let tells = match judgement.verdict {
            Verdict::DataMissing => *state == MemberState::DiskMissing,
            Verdict::Foreign => *state == MemberState::Foreign,
            verdict => verdict.has_plan(),
        };
        all.extend(tells.then(|| scene.member(host, state)).flatten());
    }
    if judgement.verdict.has_plan() {
        all.extend(scene.extras());
        all.extend(scene.alarms());
    }
    all.extend(scene.other_bootstrap());
    all.into_iter().for_each(|finding| draft.find(finding));
}

/// Refuses a change of what a member was formed with; whether there is one.
pub(super) fn fixed_settings(draft: &mut Draft<'_>) -> bool {
    const FIXED: [&str; 4] =
        ["ETCD_DATA_DIR", "ETCD_LISTEN_PEER_URLS", "ETCD_LISTEN_CLIENT_URLS", "ETCD_NAME"];
    let mut changed = false;
    for sight in Sight::all(draft.inventory, draft.seen) {
        let Some(reached) = sight.reached else { continue };
        let running = sight.etcd.and_then(|etcd| etcd.running.known()).and_then(Option::as_ref);
        if !(sight.recorded_cluster().is_some() || sight.has_wal() && sight.is_ours() || running.is_some()) {
            continue;
        }
        let on_disk = match reached.files.get(ENV_FILE) {
            Some(Observed::Known(Some(file))) => config::parsed(file.text.as_deref().unwrap_or_default()),
            _ => BTreeMap::new(),
        };
        let before =
            running.map(|process| &process.environment).filter(|environment| !environment.is_empty());
        let before = before.unwrap_or(&on_disk);
        let wanted = config::environment(draft.inventory, sight.host);
        let changes: Vec<String> = FIXED
            .iter()
            .filter_map(|name| Some((name, before.get(*name)?, wanted.get(*name)?)))
            .filter(|(_, old, new)| old != new)
            .map(|(name, old, new)| format!("{name} {old} -> {new}"))
            .collect();
        if sight.is_ours() && !changes.is_empty() {
            changed = true;
            let message = format!(
                "The member on {} was formed with other values: {}. Its data and its entry in the cluster hang on \
                 them, so `up` does not change them.",
                sight.host,
                changes.join(", ")
            );
            let finding = Finding::on(sight.host, Severity::Blocked, "etcd.fixed-setting", message)
                .hint("put the old values back into the inventory, then run up again");
            draft.find(finding);
        }
    }
    changed
}

struct Scene<'a> {
    inventory: &'a Inventory,
    sights: Vec<Sight<'a>>,
    judgement: &'a Judgement,
}

impl Scene<'_> {
    fn cluster(&self) -> Vec<Finding> {
        match self.judgement.verdict {
            Verdict::LostQuorum => vec![self.lost_quorum()],
            Verdict::Split => vec![self.split()],
            Verdict::DataMissing => self.data_missing(),
            _ => Vec::new(),
        }
    }

    fn lost_quorum(&self) -> Finding {
        let with = self.names(|sight| sight.has_wal());
        let without = self.names(|sight| sight.lacks_wal());
        let dir = &self.inventory.etcd.data_dir;
        let message = format!(
            "The etcd cluster has lost its majority: data is left on {with}, and there is none on {without}. Starting \
             the empty ones would form a cluster without what Kuboard stored."
        );
        let hint = format!(
            "look for the missing disks on {without}: findmnt {dir}; mount -a. Keep what is left, on {with}: \
             systemctl stop etcd && cp -a {dir} /root/etcd-last-copy. With the disks back: kuboard-ha up"
        );
        Finding::cluster(Severity::Blocked, "etcd.lost-quorum", message).hint(hint)
    }

    fn split(&self) -> Finding {
        let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for sight in &self.sights {
            let ids = [sight.live_cluster(), sight.recorded_cluster()];
            for (id, how) in ids.into_iter().zip(["runs on", "is on record on"]) {
                if let Some(id) = id {
                    places.entry(id).or_default().push(format!("{how} {}", sight.host));
                }
            }
        }
        let seen: Vec<String> =
            places.iter().map(|(id, places)| format!("{id} {}", places.join(" and "))).collect();
        let message = format!(
            "The members belong to different etcd clusters: {}. Kuboard would read and write now here, now there.",
            seen.join("; ")
        );
        let looks: Vec<String> = self
            .sights
            .iter()
            .filter(|sight| sight.live_cluster().is_some())
            .map(|sight| {
                let url = client_url(self.inventory, sight.host);
                format!("etcdctl --endpoints={url} get /kind --prefix --keys-only --limit=20")
            })
            .collect();
        let looks = if looks.is_empty() { "kuboard-ha status".to_owned() } else { looks.join("; ") };
        let dir = &self.inventory.etcd.data_dir;
        let hint = format!(
            "find the right one: {looks}. On the hosts of the wrong one, keep its data and let go of it: systemctl \
             disable --now etcd && mv {dir}/member /root/etcd-other-cluster && mv /var/lib/kuboard-ha/{} \
             /root/kuboard-ha-other-cluster; then run up again",
            self.inventory.cluster
        );
        Finding::cluster(Severity::Blocked, "etcd.split", message).hint(hint)
    }

    fn data_missing(&self) -> Vec<Finding> {
        let blank = |sight: &&Sight<'_>| sight.lacks_wal() && sight.recorded_cluster().is_some();
        let dir = &self.inventory.etcd.data_dir;
        self.sights
            .iter()
            .filter(blank)
            .filter(|sight| self.judgement.members.get(sight.host) != Some(&MemberState::DiskMissing))
            .map(|sight| {
                let message = format!(
                    "{} served the etcd cluster {}, and {dir} holds no data now. Forming a new cluster would hide what \
                     Kuboard stored.",
                    sight.host,
                    sight.recorded_cluster().unwrap_or_default()
                );
                let hint = format!(
                    "look for the disk: findmnt {dir}; lsblk -f; mount -a; then run up again. If the data is gone from \
                     every member for good and you want to begin anew, on each member host: mv \
                     /var/lib/kuboard-ha/{} /root/kuboard-ha-before; then run up again",
                    self.inventory.cluster
                );
                Finding::on(sight.host, Severity::Blocked, "etcd.data-missing", message).hint(hint)
            })
            .collect()
    }

    fn unknown(&self, left_out: impl Fn(&HostName) -> bool) -> Finding {
        let unseen: Vec<&HostName> =
            self.sights.iter().filter(|sight| sight.etcd.is_none()).map(|sight| sight.host).collect();
        let names = join(&unseen);
        let message = format!(
            "etcd cannot be judged without {names}: too few members were seen for a quorum, and one that was not seen \
             is never taken for an empty one."
        );
        let (severity, hint) = if unseen.iter().all(|host| left_out(host)) {
            (Severity::Blocked, "a quorum, or a first start, needs them: run up without --without".to_owned())
        } else {
            (Severity::Unknown, format!("make {names} reachable, then run up again"))
        };
        Finding::cluster(severity, "etcd.unreachable", message).hint(hint)
    }

    fn member(&self, host: &HostName, state: &MemberState) -> Option<Finding> {
        let dir = &self.inventory.etcd.data_dir;
        let id = self.judgement.cluster_id.as_deref().unwrap_or("(unknown)");
        let status = format!("etcdctl --endpoints={} member list -w table", self.survivor(host));
        let blocked = |code, message: String, hint: String| {
            Some(Finding::on(host, Severity::Blocked, code, message).hint(hint))
        };
        match state {
            MemberState::Wiped => blocked(
                "etcd.member-wiped",
                format!(
                    "{host} is a member of the etcd cluster {id}, and {dir} holds no data. Started like this it would \
                     vote without remembering what it promised, and acknowledged writes could be lost."
                ),
                format!(
                    "look for its disk: findmnt {dir}; lsblk -f; mount -a; then run up again. If it is lost: {status}, \
                     etcdctl member remove ID, and etcdctl member add"
                ),
            ),
            MemberState::Amnesiac => blocked(
                "etcd.member-wiped",
                format!(
                    "{host} was started on an empty disk although the etcd cluster {id} counts on its data: it panics \
                     on each start (tocommit is out of range)."
                ),
                format!(
                    "stop it: systemctl disable --now etcd; keep its data: mv {dir}/member /root/etcd-amnesiac; then \
                     {status}, etcdctl member remove ID, and etcdctl member add"
                ),
            ),
            MemberState::New => blocked(
                "etcd.member-new",
                format!(
                    "{host} is in the inventory and not in the etcd cluster {id}. A member cannot simply be started: it \
                     must be added to the cluster first, or it would form one of its own."
                ),
                format!("see who is a member: {status}; or take {host} out of etcd.hosts"),
            ),
            MemberState::JoinInterrupted => blocked(
                "etcd.join-interrupted",
                format!(
                    "{host} was added to the etcd cluster {id} and does not vote yet: it was never started, or it is a \
                     learner that was never promoted."
                ),
                format!("see its entry: {status}; take it out again: etcdctl member remove ID"),
            ),
            MemberState::Removed => blocked(
                "etcd.member-removed",
                format!(
                    "{dir} on {host} holds the data of a member that the etcd cluster {id} does not list any more. It \
                     exits as soon as it is started."
                ),
                format!(
                    "see who is a member: {status}; keep the data: systemctl disable --now etcd && mv {dir}/member \
                     /root/etcd-removed; or take {host} out of etcd.hosts"
                ),
            ),
            MemberState::Foreign => self.foreign(host),
            MemberState::DiskMissing => blocked(
                "etcd.data-missing",
                format!(
                    "The data of the member on {host} lies on its own disk ({}), which is not mounted at {dir} now.",
                    self.sight(host).and_then(|sight| sight.entry(super::DISK)).unwrap_or_default()
                ),
                format!("mount it: findmnt {dir}; mount -a; then run up again"),
            ),
            MemberState::DiskChanged => blocked(
                "etcd.disk-changed",
                format!(
                    "The data of the member on {host} lies on another disk than before ({} -> {}), and it does not \
                     serve. If it is an older copy, acknowledged writes would be forgotten.",
                    self.sight(host).and_then(|sight| sight.entry(super::DISK)).unwrap_or_default(),
                    self.sight(host).and_then(Sight::disk_id).unwrap_or_default()
                ),
                format!(
                    "mount the old disk at {dir}; or, where you moved the data yourself while etcd was stopped, start it: \
                     systemctl start etcd; then run up again"
                ),
            ),
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
            | MemberState::Unhealthy { .. } => None,
        }
    }

    fn foreign(&self, host: &HostName) -> Option<Finding> {
        let sight = self.sight(host)?;
        let etcd = sight.etcd?;
        let dir = &self.inventory.etcd.data_dir;
        let mut seen = Vec::new();
        if etcd.wal {
            seen.push(format!("a write-ahead log in {dir}/member/wal"));
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
        let hint = format!(
            "see what it is: systemctl status etcd; etcdctl --endpoints={} endpoint status -w table. If nobody needs it: \
             systemctl disable --now etcd; mkdir /root/etcd-aside && mv {dir}/* /root/etcd-aside/; then run up again. \
             Or give the cluster another place: etcd.data_dir",
            client_url(self.inventory, host)
        );
        Some(Finding::on(host, Severity::Blocked, "etcd.foreign-data", message).hint(hint))
    }

    fn extras(&self) -> Vec<Finding> {
        self.judgement
            .extras
            .iter()
            .map(|member| {
                let name = if member.name.is_empty() { "(never started)" } else { &member.name };
                let message = format!(
                    "The etcd cluster lists a member that the inventory does not name: {name}, {}, id {}. While it is \
                     listed, a majority counts it.",
                    member.peer_urls.join(" "),
                    member.id
                );
                let hint = format!(
                    "name its host in etcd.hosts; or, if it is gone for good and the others are healthy, remove it: \
                     etcdctl --endpoints={} member remove {}",
                    self.endpoint(),
                    member.id
                );
                Finding::cluster(Severity::Blocked, "etcd.member-extra", message).hint(hint)
            })
            .collect()
    }

    fn alarms(&self) -> Vec<Finding> {
        let mut kinds: Vec<&str> = self
            .sights
            .iter()
            .filter_map(|sight| sight.etcd)
            .flat_map(|etcd| etcd.alarms.iter().map(String::as_str))
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        let end = self.endpoint();
        let finding = |kind: &str| {
            let (message, hint) = if kind == "NOSPACE" {
                (
                    "etcd's database is full (alarm NOSPACE): it refuses every write, Kuboard's sessions included."
                        .to_owned(),
                    format!(
                        "make room: rev=$(etcdctl --endpoints={end} endpoint status -w json | grep -o \
                         '\"revision\":[0-9]*' | cut -d: -f2); etcdctl --endpoints={end} compact $rev; etcdctl \
                         --endpoints={end} defrag --cluster; etcdctl --endpoints={end} alarm disarm; or raise \
                         ETCD_QUOTA_BACKEND_BYTES in etcd.settings first"
                    ),
                )
            } else {
                (
                    format!("etcd raised the alarm {kind}: the members' data differ, and it serves no more."),
                    format!(
                        "see which member differs: etcdctl --endpoints={end} alarm list; etcdctl --endpoints={end} \
                         endpoint hashkv --cluster -w table"
                    ),
                )
            };
            Finding::cluster(Severity::Blocked, "etcd.alarm", message).hint(hint)
        };
        kinds.into_iter().map(finding).collect()
    }

    /// A first start that was begun with other members than the inventory names now: data holds the old list.
    fn other_bootstrap(&self) -> Option<Finding> {
        let wanted = config::initial_cluster(self.inventory);
        let sight = self
            .sights
            .iter()
            .find(|sight| sight.has_wal() && sight.bootstrap().is_some_and(|begun| begun != wanted))?;
        if self.judgement.verdict != Verdict::InterruptedBootstrap {
            return None;
        }
        let dir = &self.inventory.etcd.data_dir;
        let begun = sight.bootstrap().unwrap_or_default();
        let message = format!(
            "The first start on {} was begun with other members ({begun}); they are written into its data.",
            sight.host
        );
        let hint = format!(
            "put the old members back into the inventory; or, as this cluster never served, on every member host: \
             systemctl disable --now etcd; mkdir -p {dir}/aside-by-hand && mv {dir}/member {dir}/aside-by-hand/; then \
             run up again"
        );
        Some(Finding::on(sight.host, Severity::Blocked, "etcd.bootstrap-differs", message).hint(hint))
    }

    fn sight(&self, host: &HostName) -> Option<&Sight<'_>> {
        self.sights.iter().find(|sight| sight.host == host)
    }

    fn names(&self, which: impl Fn(&Sight<'_>) -> bool) -> String {
        let hosts: Vec<&HostName> =
            self.sights.iter().filter(|sight| which(sight)).map(|sight| sight.host).collect();
        join(&hosts)
    }

    /// Where to ask the cluster, best a healthy member.
    fn endpoint(&self) -> String {
        let best = self.sights.iter().max_by_key(|sight| (sight.is_healthy(), sight.status().is_some()));
        best.map(|sight| client_url(self.inventory, sight.host)).unwrap_or_default()
    }

    /// The same, but not this one.
    fn survivor(&self, host: &HostName) -> String {
        let others = self.sights.iter().filter(|sight| sight.host != host);
        let best = others.max_by_key(|sight| (sight.is_healthy(), sight.status().is_some()));
        best.map_or_else(|| self.endpoint(), |sight| client_url(self.inventory, sight.host))
    }
}

fn join(hosts: &[&HostName]) -> String {
    match hosts {
        [] => "none".to_owned(),
        [one] => one.to_string(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(|host| host.as_str()).collect();
            format!("{} and {last}", most.join(", "))
        }
    }
}
