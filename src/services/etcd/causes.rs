//! Why a member does not come up, as only etcd says it.

use super::by_hand;
use super::{HOME, UNIT, USER, client_url};
use crate::causes::{Evidence, Need, Reach, Scene, plain};
use crate::event::Cause;
use crate::inventory::Inventory;
use crate::resource::HostName;

/// What is looked at where a member does not come up.
pub fn scene(inventory: &Inventory, host: &HostName) -> Scene {
    let etcd = &inventory.etcd;
    let others = etcd.hosts.iter().filter(|other| *other != host);
    Scene {
        title: "etcd",
        process: "etcd",
        user: USER,
        units: vec![UNIT.to_owned()],
        container: None,
        data: vec![etcd.data_dir.clone()],
        programs: vec![HOME.to_owned()],
        ports: vec![etcd.client_port, etcd.peer_port],
        addresses: vec![inventory.address(host)],
        needs: others
            .map(|other| Need {
                host: other.clone(),
                address: inventory.address(other),
                port: etcd.peer_port,
            })
            .collect(),
    }
}

/// The cause, the surest first. The texts are those of etcd 3.5.
pub fn cause(inventory: &Inventory, evidence: &Evidence) -> Option<Cause> {
    let dir = &inventory.etcd.data_dir;
    membership(dir, evidence)
        .or_else(|| data(dir, evidence))
        .or_else(|| alarm(inventory, evidence))
        .or_else(|| settings(evidence))
        .or_else(|| peers(inventory, evidence))
}

fn membership(dir: &str, evidence: &Evidence) -> Option<Cause> {
    let again = "run `kuboard-ha plan` again: it sees what the member is now, and says how it is replaced";
    if evidence.says(&["has already been bootstrapped"]) {
        return Some(Cause::new(
            "etcd.already-bootstrapped",
            format!("The cluster knows this member as one that has served, and {dir} is empty."),
            format!("look for its disk:\n  {}\nif the data is lost, {again}", by_hand::find_disk(dir)),
        ));
    }
    if evidence.says(&["tocommit("]) {
        return Some(Cause::new(
            "etcd.amnesiac",
            format!(
                "The member was started on an empty {dir} though the cluster counts on what it had stored."
            ),
            format!("look for its disk:\n  {}\nif the data is lost, {again}", by_hand::find_disk(dir)),
        ));
    }
    if evidence.says(&["permanently removed from the cluster"]) {
        return Some(Cause::new(
            "etcd.member-removed",
            format!(
                "{dir} holds the data of a member that was removed from the cluster; it ends as soon as it starts."
            ),
            format!("keep the data and let go of it:\n  {}\nthen {again}", by_hand::let_go(dir)),
        ));
    }
    if evidence.says(&["member count is unequal", "unmatched member while checking PeerURLs"]) {
        return Some(Cause::new(
            "etcd.member-count-unequal",
            "The cluster lists other members than this one was told of, so it does not join.",
            "compare etcd.hosts in the inventory with what a healthy member says:\n  etcdctl member list -w table\nthen run \
             `kuboard-ha plan`, which says what differs",
        ));
    }
    if evidence.says(&["couldn't find local name", "missing from --initial-", "has duplicate url"]) {
        return Some(Cause::new(
            "etcd.member-list",
            "The list of members that this one was told of does not fit it.",
            "see ETCD_NAME and ETCD_INITIAL_CLUSTER in /etc/etcd.env; `kuboard-ha up` writes them from the inventory",
        ));
    }
    let line = evidence.line(&["cluster ID mismatch"])?;
    let id = |name: &str| {
        let rest = line.split_once(&format!("\"{name}\":\"")).map(|(_, rest)| rest)?;
        rest.split('"').next().map(str::to_owned)
    };
    let ids = match (id("local-member-cluster-id"), id("remote-peer-cluster-id")) {
        (Some(own), Some(other)) => format!(" (its own is {own}, theirs {other})"),
        _ => String::new(),
    };
    let cause = Cause::new(
        "etcd.cluster-id-mismatch",
        format!("This member and its peers belong to different clusters{ids}; neither takes the other in."),
        format!(
            "see which one holds what Kuboard stored, on each:\n  etcdctl get /kind --prefix --keys-only --limit=20\non the \
             hosts of the wrong one:\n  {}\nthen run `kuboard-ha plan`",
            by_hand::let_go(dir)
        ),
    );
    // A member that is up only hears a stranger knock.
    let up = evidence.units.iter().all(|unit| unit.active == "active");
    Some(if up { cause.passing() } else { cause })
}

fn data(dir: &str, evidence: &Evidence) -> Option<Cause> {
    let restore = format!(
        "if the other members hold a quorum, keep the data and let this one be replaced:\n  {}\nthen run `kuboard-ha up`; \
         if not, restore a snapshot: ls /var/lib/kuboard-ha/*/snapshots/",
        by_hand::let_go(dir)
    );
    if evidence.says(&[
        "walpb: crc mismatch",
        "wal: crc mismatch",
        "wal: max entry size limit exceeded",
        "wal: file not found",
        "wal: slice bounds out of range",
        "cannot use none as id",
    ]) {
        let message =
            format!("The write-ahead log in {dir}/member/wal is damaged; the member cannot read it.");
        return Some(Cause::new("etcd.corrupt-wal", message, restore));
    }
    if evidence.says(&[
        "snap: crc mismatch",
        "failed to recover v3 backend from snapshot",
        "failed to find database snapshot file",
        "freepages: failed to get",
        "panic: page ",
        "invalid database",
        "file size too small",
    ]) {
        let message = format!("The database in {dir}/member/snap is damaged; the member cannot read it.");
        return Some(Cause::new("etcd.corrupt-database", message, restore));
    }
    if evidence.says(&["both member and proxy directories exist"]) {
        return Some(Cause::new(
            "etcd.foreign-data",
            format!("{dir} holds the leavings of an etcd proxy beside a member."),
            format!("keep them elsewhere, then run `kuboard-ha up`:\n  mv {dir}/proxy /root/etcd-proxy"),
        ));
    }
    if evidence.says(&["asserts failed", "assertion failed on job", "assertion failed"]) {
        return Some(Cause::new(
            "etcd.data-missing",
            format!(
                "{dir} holds no data, and this member served a cluster: its unit refuses to start empty."
            ),
            format!("look for its disk:\n  {}\nthen run `kuboard-ha plan`", by_hand::find_disk(dir)),
        ));
    }
    None
}

/// etcd's database is full: it refuses every write. `end` is a client address of a member.
pub(super) fn no_space(end: &str) -> Cause {
    Cause::new(
        "etcd.alarm",
        "etcd's database is full (alarm NOSPACE): it refuses every write, Kuboard's sessions included.",
        format!(
            "make room:\n  rev=$(etcdctl --endpoints={end} endpoint status -w json | grep -o '\"revision\":[0-9]*' | cut \
             -d: -f2)\n  etcdctl --endpoints={end} compact $rev\n  etcdctl --endpoints={end} defrag --cluster\n  etcdctl \
             --endpoints={end} alarm disarm\nthen, where it needs more for good: ETCD_QUOTA_BACKEND_BYTES in \
             etcd.settings"
        ),
    )
}

/// The members' data differ. Any member is asked: the one that is let go of may be the best that was seen.
pub(super) fn corrupt(inventory: &Inventory, kind: &str) -> Cause {
    let ends: Vec<String> = inventory.etcd.hosts.iter().map(|host| client_url(inventory, host)).collect();
    let ends = ends.join(",");
    Cause::new(
        "etcd.alarm",
        format!("etcd raised the alarm {kind}: the members' data differ, and it serves no more."),
        format!(
            "see which member differs:\n  etcdctl --endpoints={ends} alarm list\n  etcdctl --endpoints={ends} endpoint hashkv -w \
             table\nlet go of the one that differs, on its host:\n  {}\nthen end the alarm; while it is raised, `kuboard-ha \
             up` does nothing:\n  etcdctl --endpoints={ends} alarm disarm\nthen run `kuboard-ha up`: it replaces that member, \
             once you say yes",
            by_hand::let_go(&inventory.etcd.data_dir)
        ),
    )
}

fn alarm(inventory: &Inventory, evidence: &Evidence) -> Option<Cause> {
    let end = format!("127.0.0.1:{}", inventory.etcd.client_port);
    if evidence.says(&["database space exceeded", "ALARM NOSPACE"]) {
        return Some(no_space(&end));
    }
    evidence.says(&["ALARM CORRUPT", "alarm:CORRUPT"]).then(|| corrupt(inventory, "CORRUPT"))
}

fn settings(evidence: &Evidence) -> Option<Cause> {
    if let Some(line) = evidence.line(&["cannot be downgraded", "incompatible with current running cluster"])
    {
        return Some(Cause::new(
            "etcd.version",
            format!("This release is older than the data: {}.", plain(line)),
            "set etcd.version to the release that wrote it, or a later patch of the same minor",
        ));
    }
    let line = evidence.line(&[
        "failed to verify flags",
        "error verifying flags",
        "conflicting environment variable",
        "invalid value \"",
        "error setting config",
    ])?;
    Some(Cause::new(
        "etcd.setting",
        format!("etcd refuses a setting: {}.", plain(line)),
        "correct etcd.settings in the inventory; /etc/etcd.env is written from it",
    ))
}

/// Which way is shut, and where.
fn peers(inventory: &Inventory, evidence: &Evidence) -> Option<Cause> {
    let port = inventory.etcd.peer_port;
    let shut: Vec<_> = evidence.reach.iter().filter(|reached| reached.how != Reach::Open).collect();
    if !shut.is_empty() {
        let seen: Vec<String> = shut
            .iter()
            .map(|reached| {
                let how = match reached.how {
                    Reach::Refused => "refuses (nothing listens)",
                    Reach::NoRoute => "cannot be routed to",
                    Reach::Silent | Reach::Open => {
                        "does not answer (its host is down, or a firewall drops it)"
                    }
                };
                format!("{} ({}:{}) {how}", reached.host, reached.address, reached.port)
            })
            .collect();
        let first = &shut[0];
        return Some(Cause {
            waits_for: shut.iter().map(|reached| reached.host.clone()).collect(),
            ..Cause::new(
                "etcd.peers-unreachable",
                format!("From here other members are not reached: {}.", seen.join("; ")),
                format!(
                    "on {}: systemctl status etcd; ss -ltn 'sport = :{port}'; and see that nothing between drops tcp \
                     {port}: firewall-cmd --list-all, ufw status, nft list ruleset",
                    first.host
                ),
            )
            .passing()
        });
    }
    let firewall = evidence.seen.firewall.known()?.as_ref()?;
    let open = !firewall.drops
        || firewall.allowed.contains(&port)
        || firewall.from.contains_key(&port)
        || !firewall.trusted.is_empty();
    if open || evidence.reach.is_empty() {
        return None;
    }
    Some(
        Cause::new(
            "etcd.peers-unreachable",
            format!(
                "This member reaches the others, but {} on this host drops what comes in on tcp {port}.",
                firewall.kind
            ),
            format!("let the other members in on tcp {port}; `kuboard-ha check` prints the commands"),
        )
        .passing(),
    )
}

#[cfg(test)]
#[path = "causes_tests.rs"]
mod tests;
