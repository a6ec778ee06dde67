//! Which release a host gets, and which it must not get.

use super::converge::Walk;
use super::{CURRENT, HOME};
use crate::catalog;
use crate::plan::model::{Finding, Severity};
use crate::resource::Artifact;

/// The versioned directory that a release is unpacked into.
pub(super) fn directory(artifact: &Artifact) -> String {
    format!("{HOME}/{}-{}", artifact.version, artifact.sha256.short())
}

/// The version in `/opt/kuboard-ha/etcd/VERSION-SHA8`.
pub(super) fn version_of(directory: &str) -> Option<&str> {
    Some(directory.strip_prefix(HOME)?.trim_start_matches('/').rsplit_once('-')?.0)
}

impl Walk<'_, '_> {
    /// Finds each host's release; `false` where one must not be installed.
    pub(super) fn releases(&mut self) -> bool {
        let mut fine = true;
        let wanted = self.draft.inventory.etcd.version.clone();
        for host in &self.hosts {
            let Some(reached) = self.draft.seen.host(host) else { continue };
            let Some(arch) = reached.system.arch else {
                fine = false; // said by the preflight
                continue;
            };
            let serves = reached.links.get(CURRENT).and_then(Option::as_deref).and_then(version_of);
            let running = reached.etcd.as_ref().and_then(|etcd| etcd.status.known()?.as_ref());
            let serves = running.map(|status| status.version.as_str()).or(serves);
            if let Some((code, why)) = serves.and_then(|serves| refusal(serves, &wanted)) {
                let message = format!("etcd {} serves on {host}: {why}.", serves.unwrap_or_default());
                let hint = format!("set etcd.version back to {}", serves.unwrap_or_default());
                self.draft.find(Finding::on(host, Severity::Blocked, code, message).hint(hint));
                fine = false;
                continue;
            }
            match catalog::etcd_artifact(&self.draft.inventory.etcd, arch) {
                Ok(artifact) => {
                    self.artifacts.insert(host.clone(), artifact);
                }
                Err(error) => {
                    let hint = error.hint.clone();
                    let message = format!("{host} cannot get etcd: {error}.");
                    let finding = Finding::on(host, Severity::Blocked, "etcd.no-digest", message).hint(hint);
                    self.draft.find(finding);
                    fine = false;
                }
            }
        }
        fine
    }
}

/// Why a member that serves one version must not get another.
fn refusal(serves: &str, wanted: &str) -> Option<(&'static str, String)> {
    let numbers =
        |version: &str| -> Option<Vec<u32>> { version.split('.').map(|part| part.parse().ok()).collect() };
    let (old, new) = (numbers(serves)?, numbers(wanted)?);
    if new < old {
        let why = format!(
            "the inventory asks for {wanted}, and etcd's data may not be readable for an older version"
        );
        return Some(("etcd.downgrade", why));
    }
    let minor = |version: &[u32]| version.get(..2).map(<[u32]>::to_vec);
    (minor(&old) != minor(&new)).then(|| {
        (
            "etcd.version-jump",
            format!("the inventory asks for {wanted}, and `up` stays within one minor version"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_later_patches_are_let_through() {
        let code = |serves, wanted| refusal(serves, wanted).map(|(code, _)| code);
        assert_eq!(code("3.5.6", "3.6.1"), Some("etcd.version-jump"));
        assert_eq!(code("3.5.6", "3.4.30"), Some("etcd.downgrade"));
        assert_eq!(code("3.5.21", "3.5.9"), Some("etcd.downgrade"));
        assert_eq!(code("3.5.9", "3.5.21"), None);
        assert_eq!(code("3.5.6", "3.5.6"), None);
    }

    #[test]
    fn a_directory_names_its_version() {
        assert_eq!(version_of("/opt/kuboard-ha/etcd/3.5.6-4db32e3b"), Some("3.5.6"));
        assert_eq!(version_of("/usr/local/bin"), None);
    }
}
