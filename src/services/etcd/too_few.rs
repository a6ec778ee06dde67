//! A cluster that cannot come up as it is: too few members may be started, or will ever be seen again; and how what is left
//! goes on.

use super::by_hand;
use super::findings::{Scene, go_on_alone, join};
use super::membership::why_lost;
use super::repair::is_lost;
use super::sight::Sight;
use super::verdict::{MemberState, Verdict};
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

impl Scene<'_> {
    /// Whether a start of all who may be started can bring a quorum.
    pub(super) fn comes_up(&self) -> bool {
        self.judgement.verdict != Verdict::Stopped || self.startable().len() > self.judgement.voters / 2
    }

    fn startable(&self) -> Vec<HostName> {
        self.judgement.hosts(|state| {
            matches!(state, MemberState::Healthy | MemberState::Stopped | MemberState::Unhealthy { .. })
        })
    }

    /// Why no start brings a quorum. Disks are told host by host: with them it may be enough.
    pub(super) fn too_few(&self) -> Option<Finding> {
        let judgement = self.judgement;
        let startable = self.startable();
        let disks =
            judgement.hosts(|state| matches!(state, MemberState::DiskMissing | MemberState::DiskChanged));
        let needed = judgement.voters / 2 + 1;
        if startable.len() + disks.len() >= needed {
            return None;
        }
        let others: Vec<String> = judgement
            .members
            .iter()
            .filter(|(host, _)| !startable.contains(host) && !disks.contains(host))
            .map(|(host, state)| format!("{host}: {}", why_not(state)))
            .collect();
        let able: Vec<&HostName> = startable.iter().chain(&disks).collect();
        let able = if able.is_empty() { "none".to_owned() } else { format!("only {}", join(&able)) };
        let message = format!(
            "The etcd cluster cannot come up: {needed} of {} members must be started, and {able} may. {}.",
            judgement.voters,
            others.join("; ")
        );
        let dir = &self.inventory.etcd.data_dir;
        let lost: Vec<HostName> = judgement.hosts(is_lost);
        let look = if lost.is_empty() {
            String::new()
        } else {
            let lost: Vec<&HostName> = lost.iter().collect();
            format!(
                "look for the disks that they had, on {}:\n  {}\nif there are none, {} ",
                join(&lost),
                by_hand::find_disk(dir),
                if self.holders().next().is_some() {
                    "what the others have is all there is."
                } else {
                    "no copy is left that may be trusted."
                }
            )
        };
        let hint = format!("{look}{}", self.way_on());
        Some(Finding::cluster(Severity::Blocked, "etcd.too-few-members", message).hint(hint))
    }

    /// What can be done where machines that a quorum needs never come back; nothing where no cluster is known to have been.
    pub(super) fn way_without(&self, gone: &str) -> String {
        if !self.holders().any(|sight| sight.recorded_cluster().is_some()) {
            return String::new();
        }
        let at_once = match self.survivor() {
            Ok(survivor) => {
                format!("or at once, on {survivor}:\n  {}", go_on_alone(&self.inventory.etcd.data_dir))
            }
            Err(before) => format!("or at once. {before}"),
        };
        format!(
            "\nif {gone} will never be back, or only empty: put empty machines in their places and run up without \
             --without: it says how what is left goes on\n{at_once}"
        )
    }

    /// How the newest of the copies that are left goes on, as far as that can be told now.
    pub(super) fn way_on(&self) -> String {
        let dir = &self.inventory.etcd.data_dir;
        if self.holders().next().is_some() {
            return self.survivor().map_or_else(
                |before| format!("{before}then run up again: it says how the newest copy goes on by itself"),
                |survivor| {
                    let alone = go_on_alone(dir);
                    format!(
                        "Let it go on by itself, on {survivor}:\n  {alone}\nthen run up again: it takes the others in as new \
                         members"
                    )
                },
            );
        }
        let forgetful: Vec<&HostName> =
            self.sights.iter().filter(|sight| sight.has_wal()).map(|sight| sight.host).collect();
        format!(
            "Let go of what there is, on {}:\n  {}\nthen run up again: it says how to begin anew",
            join(&forgetful),
            by_hand::let_go(dir)
        )
    }

    /// Who holds a copy that may be trusted.
    pub(super) fn holders(&self) -> impl Iterator<Item = &Sight<'_>> {
        let untrusted = |sight: &&Sight<'_>| {
            let state = self.judgement.members.get(sight.host);
            !matches!(state, Some(MemberState::Amnesiac | MemberState::Removed))
        };
        self.sights.iter().filter(|sight| sight.has_wal()).filter(untrusted)
    }
}

fn why_not(state: &MemberState) -> String {
    match state {
        MemberState::Unreachable { why } => format!("it is not reachable ({why})"),
        MemberState::Unseen => "it could not be looked at".to_owned(),
        state if is_lost(state) => why_lost(state),
        _ => "it does not vote yet".to_owned(),
    }
}
