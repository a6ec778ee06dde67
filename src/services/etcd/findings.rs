//! What is said of a cluster that `up` must not touch: what was seen where, why it is dangerous, and the commands
//! that get out.

use std::collections::{BTreeMap, BTreeSet};

use super::by_hand;
use super::causes;
use super::client_url;
use super::config;
use super::drop_in;
use super::sight::Sight;
use super::verdict::{Judgement, MemberState, Verdict};
use crate::inventory::Inventory;
use crate::plan::draft::Draft;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;
use crate::services;

/// Adds the findings of a judgement; whether there is anything to be done.
pub(super) fn report(draft: &mut Draft<'_>, judgement: &Judgement) -> bool {
    let left_out = &draft.seen.without;
    let sights = Sight::all(draft.inventory, draft.seen);
    let scene = Scene { inventory: draft.inventory, sights, judgement, left_out };
    let mut all = scene.cluster();
    let works = judgement.verdict.has_plan() && scene.comes_up();
    if judgement.verdict == Verdict::Unknown {
        all.push(scene.unknown(|host| left_out.contains(host)));
    } else {
        all.extend(scene.left_out(left_out));
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
        all.extend(scene.alarms());
    }
    all.extend(scene.sights.iter().filter_map(|sight| drop_in::finding(draft.inventory, sight)));
    all.extend(scene.other_bootstrap());
    all.extend(scene.set_aside());
    for finding in all {
        draft.find(finding);
    }
    works
}

/// Where systemd looks for additions to the unit.
const DROP_IN: &str = "/run/systemd/system/etcd.service.d";

/// What a finding is told from.
pub(super) struct Scene<'a> {
    pub inventory: &'a Inventory,
    pub sights: Vec<Sight<'a>>,
    pub judgement: &'a Judgement,
    /// Hosts that somebody wants the run to go without.
    pub left_out: &'a BTreeSet<HostName>,
}

impl Scene<'_> {
    fn cluster(&self) -> Vec<Finding> {
        match self.judgement.verdict {
            Verdict::LostQuorum => vec![self.lost_quorum()],
            Verdict::Split => vec![self.split()],
            Verdict::DataMissing => self.data_missing(),
            Verdict::Stopped => self.too_few().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// What a minority shows must not decide for all, even while the others are well.
    fn left_out(&self, left_out: &BTreeSet<HostName>) -> Option<Finding> {
        let members = &self.inventory.etcd.hosts;
        let away: Vec<&str> =
            members.iter().filter(|host| left_out.contains(*host)).map(HostName::as_str).collect();
        let quorum = members.len() / 2 + 1;
        if away.is_empty() || members.len() - away.len() >= quorum {
            return None;
        }
        let message = format!(
            "Without {} only {} of {} etcd members are looked at, and a quorum is {quorum}: changes beside members that \
             nobody sees could cost it.",
            away.join(", "),
            members.len() - away.len(),
            members.len()
        );
        let hint = format!("leave out {} of them at most, those that are dead", members.len() - quorum);
        Some(Finding::cluster(Severity::Blocked, "etcd.quorum-left-out", message).hint(hint))
    }

    fn lost_quorum(&self) -> Finding {
        let with = self.names(true);
        let without = self.names(false);
        let dir = &self.inventory.etcd.data_dir;
        let message = format!(
            "The etcd cluster has lost its majority: data is left on {with}, and there is none on {without}. Starting \
             the empty ones would form a cluster without what Kuboard stored."
        );
        let way = self.way_on();
        let copy = if self.holders().count() > 1 { "newest" } else { "last" };
        let hint = format!(
            "look for the missing disks on {without}:\n  {}\nthen run up again. If they are lost for good, what the {copy} \
             copy has is all there is. {way}",
            by_hand::find_disk(dir)
        );
        Finding::cluster(Severity::Blocked, "etcd.lost-quorum", message).hint(hint)
    }

    /// Whose copy goes furthest; or what must be done before that can be told. Only a member that runs says how far it
    /// goes: one that does not may have what the others lack. A text goes on with what to run then.
    pub(super) fn survivor(&self) -> Result<&HostName, String> {
        let unseen = self.sights.iter().filter(|sight| sight.etcd.is_none()).map(|sight| sight.host);
        let unseen: Vec<&HostName> = unseen.filter(|host| !self.left_out.contains(*host)).collect();
        if !unseen.is_empty() {
            let without: Vec<String> = unseen.iter().map(|host| format!("--without {host}")).collect();
            return Err(format!(
                "A newer one may be on {}: make it reachable, or, if it is gone for good, say {}; ",
                join(&unseen),
                without.join(" ")
            ));
        }
        let silent: Vec<&HostName> =
            self.holders().filter(|sight| sight.status().is_none()).map(|sight| sight.host).collect();
        let furthest = self.holders().max_by_key(|sight| sight.status().map(|status| status.raft_index));
        match furthest {
            Some(sight) if silent.is_empty() || self.holders().count() == 1 => Ok(sight.host),
            _ => Err(format!(
                "Which one is the newest, only members that run can tell. Start them, on {}:\n  systemctl start \
                 --no-block etcd\nwhere one does not come up (journalctl -u etcd), leave its copy out:\n  {}\n",
                join(&silent),
                by_hand::let_go(&self.inventory.etcd.data_dir)
            )),
        }
    }

    fn split(&self) -> Finding {
        let mut places: BTreeMap<(&str, &str), Vec<&HostName>> = BTreeMap::new();
        for sight in &self.sights {
            let ids = [sight.live_cluster(), sight.recorded_cluster()];
            for (id, how) in ids.into_iter().zip(["runs on", "is on record on"]) {
                if let Some(id) = id {
                    places.entry((id, how)).or_default().push(sight.host);
                }
            }
        }
        let seen: Vec<String> =
            places.iter().map(|((id, how), hosts)| format!("{id} {how} {}", join(hosts))).collect();
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
        let looks = match looks.as_slice() {
            [] => " kuboard-ha status".to_owned(),
            looks => format!("\n  {}", looks.join("\n  ")),
        };
        let mut ids: Vec<&str> = places.keys().map(|(id, _)| *id).collect();
        ids.dedup();
        let ways: Vec<String> = ids.into_iter().map(|right| self.only(right)).collect();
        let hint = format!("find the right one:{looks}{}\nthen run up again", ways.concat());
        Finding::cluster(Severity::Blocked, "etcd.split", message).hint(hint)
    }

    /// What makes one cluster the only one, where it is the right one. A record of it is right as it is.
    fn only(&self, right: &str) -> String {
        let mut ways: BTreeMap<String, Vec<&HostName>> = BTreeMap::new();
        for sight in &self.sights {
            let has = sight.live_cluster().or(sight.data_cluster()).or(sight.recorded_cluster());
            let misled = sight.recorded_cluster().is_some_and(|id| id != right);
            let mut commands = Vec::new();
            if sight.has_wal() && has != Some(right) {
                commands.push(by_hand::let_go(&self.inventory.etcd.data_dir));
            }
            if misled && sight.has_wal() && has == Some(right) {
                commands.push(by_hand::belong(self.inventory, right));
            } else if misled {
                commands.push(by_hand::forget(self.inventory));
            }
            if !commands.is_empty() {
                ways.entry(commands.join("; ")).or_default().push(sight.host);
            }
        }
        let ways: Vec<String> =
            ways.iter().map(|(commands, hosts)| format!("on {}:\n  {commands}", join(hosts))).collect();
        format!("\nif it is {right}, {}", ways.join("\nand "))
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
                    "look for the disk:\n  {}\nthen run up again\nif the data is gone from every member for good and you \
                     want to begin anew, on each member host:\n  {}\nand on each of Kuboard's, which writes its first keys \
                     only when it is new:\n  {}\nthen run up again",
                    by_hand::find_disk(dir),
                    by_hand::begin_anew(self.inventory),
                    services::with_an_empty_store(self.inventory)
                );
                Finding::on(sight.host, Severity::Blocked, "etcd.data-missing", message).hint(hint)
            })
            .collect()
    }

    fn unknown(&self, left_out: impl Fn(&HostName) -> bool) -> Finding {
        let unseen: Vec<&HostName> =
            self.sights.iter().filter(|sight| sight.etcd.is_none()).map(|sight| sight.host).collect();
        let names = join(&unseen);
        let (was, it) = if unseen.len() == 1 { ("was", "it") } else { ("were", "them") };
        let message = format!(
            "etcd could not be judged: {names} {was} not seen, and without {it} no quorum was seen anywhere. An unseen \
             member is never taken for an empty one."
        );
        let (severity, hint) = if unseen.iter().all(|host| left_out(host)) {
            let back = "a quorum, or a first start, needs them: run up without --without";
            (Severity::Blocked, format!("{back}{}", self.way_without(&names)))
        } else {
            (Severity::Unknown, format!("make {names} reachable, then run up again"))
        };
        Finding::cluster(severity, "etcd.unreachable", message).hint(hint)
    }

    fn set_aside(&self) -> Vec<Finding> {
        let dir = &self.inventory.etcd.data_dir;
        let aside = |sight: &Sight<'_>| {
            let names = &sight.etcd?.aside;
            let paths: Vec<String> = names.iter().map(|name| format!("{dir}/{name}")).collect();
            let message = format!(
                "{} keeps what its member had before it was replaced, in {}.",
                sight.host,
                paths.join(" and ")
            );
            let hint = format!("when nobody needs it any more:\n  rm -r {}", paths.join(" "));
            let finding = Finding::on(sight.host, Severity::Note, "etcd.set-aside", message).hint(hint);
            (!names.is_empty()).then_some(finding)
        };
        self.sights.iter().filter_map(aside).collect()
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
            let cause = if kind == "NOSPACE" {
                causes::no_space(&end)
            } else {
                causes::corrupt(self.inventory, kind)
            };
            Finding::of(None, Severity::Blocked, cause)
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
        let begun = sight.bootstrap().unwrap_or_default();
        let message = format!(
            "The first start on {} was begun with other members ({begun}); they are written into its data.",
            sight.host
        );
        let hint = format!(
            "put the old members back into the inventory; or, as this cluster never served, on every member \
             host:\n  {}\nthen run up again",
            by_hand::let_go(&self.inventory.etcd.data_dir)
        );
        Some(Finding::on(sight.host, Severity::Blocked, "etcd.bootstrap-differs", message).hint(hint))
    }

    pub(super) fn sight(&self, host: &HostName) -> Option<&Sight<'_>> {
        self.sights.iter().find(|sight| sight.host == host)
    }

    /// Who holds data, or who was seen to hold none.
    fn names(&self, data: bool) -> String {
        let which = |sight: &&Sight<'_>| if data { sight.has_wal() } else { sight.lacks_wal() };
        let hosts: Vec<&HostName> = self.sights.iter().filter(which).map(|sight| sight.host).collect();
        join(&hosts)
    }

    /// Where to ask the cluster, best a healthy member.
    fn endpoint(&self) -> String {
        let best = self.sights.iter().max_by_key(|sight| (sight.is_healthy(), sight.status().is_some()));
        best.map(|sight| client_url(self.inventory, sight.host)).unwrap_or_default()
    }
}

/// Makes a cluster of its own of what a member has. The drop-in lies under /run: a boot forgets it. etcd keeps the
/// cluster's id, and all that this member knows to be committed.
pub(super) fn go_on_alone(dir: &str) -> String {
    format!(
        "systemctl stop etcd; cp -a {dir} /root/etcd-last-copy && mkdir -p {DROP_IN} && printf \
         '[Service]\\nEnvironment=ETCD_FORCE_NEW_CLUSTER=true\\n' >{DROP_IN}/last-copy.conf && systemctl daemon-reload && \
         systemctl start etcd && rm -r {DROP_IN} && systemctl daemon-reload && systemctl restart etcd"
    )
}

pub(super) fn join(hosts: &[&HostName]) -> String {
    match hosts {
        [] => "none".to_owned(),
        [one] => one.to_string(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(|host| host.as_str()).collect();
            format!("{} and {last}", most.join(", "))
        }
    }
}
