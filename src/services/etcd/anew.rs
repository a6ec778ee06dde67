//! Whether a cluster once was where the members of the inventory know of none: their machines are new, or the
//! inventory names others now. Other machines may remember it.

use super::findings::join;
use super::verdict::{Judgement, Verdict};
use super::{CLUSTER_ID, by_hand};
use crate::plan::draft::Draft;
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;
use crate::services;

/// Refuses a first start where any machine that was seen knows of an earlier one; whether it does.
pub(super) fn refused(draft: &mut Draft<'_>, judgement: &Judgement) -> bool {
    if judgement.verdict != Verdict::Fresh {
        return false;
    }
    let (inventory, seen) = (draft.inventory, draft.seen);
    let recorded = |host: &&HostName| Some(seen.host(host)?.manifest.get(CLUSTER_ID)?.as_str());
    let members: Vec<&HostName> = inventory.hosts.keys().filter(|host| recorded(host).is_some()).collect();
    let replicas = services::served_from_store(inventory, seen);
    if members.is_empty() && replicas.is_empty() {
        return false;
    }
    let mut known = Vec::new();
    if let Some(id) = members.iter().find_map(recorded) {
        let (was, member) = if members.len() == 1 { ("was", "a member") } else { ("were", "members") };
        known.push(format!("{} {was} {member} of the etcd cluster {id}", join(&members)));
    }
    if !replicas.is_empty() {
        known.push(format!("Kuboard has served on {}", join(&replicas)));
    }
    let now: Vec<&HostName> = inventory.etcd.hosts.iter().collect();
    let (holds, none) = if now.len() == 1 { ("holds", "none") } else { ("hold", "none of it") };
    let message = format!(
        "{}, and {} {holds} {none}: neither data nor a record. Forming a new cluster would hide what Kuboard stored.",
        known.join("; "),
        join(&now)
    );
    let keep = if members.is_empty() {
        "if the disk of an old member is left, put it back in its place and run up again: it says how to go on".to_owned()
    } else {
        format!(
            "keep one of {} in etcd.hosts at least: up then exchanges the others, one by one, and that one with a later run",
            join(&members)
        )
    };
    let anew = "if the data is gone from every member for good and you want to begin anew";
    let mut ways = Vec::new();
    if !members.is_empty() {
        ways.push(format!("on {}:\n  {}", join(&members), by_hand::begin_anew(inventory)));
    }
    if !replicas.is_empty() {
        ways.push(format!(
            "on {}, as Kuboard writes its first keys only when it is new:\n  {}",
            join(&replicas),
            services::with_an_empty_store(inventory)
        ));
    }
    let hint = format!("{keep}\n{anew}, {}\nthen run up again", ways.join("\nand "));
    draft.find(Finding::cluster(Severity::Blocked, "etcd.served-before", message).hint(hint));
    true
}
