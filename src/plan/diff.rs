//! One thing wanted against the facts: nothing where it is so, a step with its reason where it is not, a finding
//! where somebody else's work stands in its place. Knows no service.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::facts::model::{FileFact, FileState, Observed};
use crate::plan::draft::JobDraft;
use crate::plan::effects::sysctl_content;
use crate::plan::model::{Action, Check, Reason, Risk, Severity, UnitChange};
use crate::resource::{Artifact, Content, ResourceId, Sha256Digest};

const MOMENT: Duration = Duration::from_secs(30);
const PACKAGES: Duration = Duration::from_secs(600);
/// For a host that fetches by itself: what is sent to it has limits at every part.
const TRANSFER: Duration = Duration::from_secs(1800);

/// A file as it shall be.
#[derive(Clone, Debug)]
pub struct FileWanted {
    /// Absolute path.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// `user:group`.
    pub owner: String,
    /// What it shall hold.
    pub content: Content,
    /// Run on the new content before it counts.
    pub check: Option<Check>,
}

impl FileWanted {
    /// A file owned by root.
    pub fn new(path: &str, mode: u32, content: Content) -> Self {
        Self { path: path.to_owned(), mode, owner: "root:root".to_owned(), content, check: None }
    }
}

impl JobDraft<'_, '_> {
    /// A system user with a group of its own name. Returns whether a step was added, like all below.
    pub fn user(&mut self, name: &str, home: &str) -> bool {
        if self.host().and_then(|host| host.users.get(name)) == Some(&true) {
            return false;
        }
        let action = Action::User { name: name.to_owned(), home: home.to_owned() };
        self.step(ResourceId::new("user", name), action, Reason::Missing, Risk::None, MOMENT);
        true
    }

    /// A directory with mode and owner.
    pub fn directory(&mut self, path: &str, mode: u32, owner: &str) -> bool {
        let seen = self.host().and_then(|host| host.directories.get(path)).cloned().flatten();
        let reason = match seen {
            None => Reason::Missing,
            Some(seen) if seen.mode != mode => {
                Reason::Differs(format!("mode {:04o} -> {mode:04o}", seen.mode))
            }
            Some(seen) if seen.owner != owner => Reason::Differs(format!("owner {} -> {owner}", seen.owner)),
            Some(_) => return false,
        };
        let action = Action::MakeDir { path: path.to_owned(), mode, owner: owner.to_owned() };
        self.step(ResourceId::new("directory", path), action, reason, Risk::None, MOMENT);
        true
    }

    /// Packages of the distribution, by their Debian names; any version will do.
    pub fn packages(&mut self, names: &[&str], why: &str) -> bool {
        let missing: Vec<String> = names
            .iter()
            .filter(|name| {
                !self.host().is_some_and(|host| matches!(host.packages.get(**name), Some(Some(_))))
            })
            .map(|name| (*name).to_owned())
            .collect();
        if missing.is_empty() {
            return false;
        }
        let resource = ResourceId::new("package", missing.join("+"));
        let action = Action::Package { names: missing };
        self.step(resource, action, Reason::Needed(why.to_owned()), Risk::None, PACKAGES);
        true
    }

    /// An archive on the host, staged for `install` or an image; nothing where `installed` is there already.
    pub fn stage_artifact(&mut self, artifact: &Artifact) -> bool {
        if self.host().is_some_and(|host| host.staged.contains(&artifact.sha256)) {
            return false;
        }
        let action = Action::Stage { artifact: artifact.clone() };
        let resource = ResourceId::new("artifact", format!("{}-{}", artifact.product, artifact.version));
        self.step(resource, action, Reason::Missing, Risk::None, TRANSFER);
        true
    }

    /// A staged archive that nothing waits for any more, gone.
    pub fn unstage(&mut self, sha256: Sha256Digest) {
        let resource = ResourceId::new("archive", sha256.as_str());
        let reason = Reason::Needed("nothing waits for it any more".to_owned());
        self.step(resource, Action::Unstage { sha256 }, reason, Risk::None, MOMENT);
    }

    /// Whether `directory` holds an unpacked archive, unchanged since.
    pub fn is_installed(&self, directory: &str) -> bool {
        self.host()
            .and_then(|host| host.installs.get(directory))
            .and_then(Option::as_ref)
            .is_some_and(|install| install.intact)
    }

    /// A staged archive, unpacked into its versioned directory.
    pub fn install(&mut self, artifact: &Artifact, directory: &str, members: &[&str]) -> bool {
        let seen = self.host().and_then(|host| host.installs.get(directory)).cloned().flatten();
        let reason = match seen {
            Some(seen) if seen.intact => return false,
            Some(_) => Reason::Differs("its files are not as they were installed".to_owned()),
            None => Reason::Missing,
        };
        let action = Action::Install {
            artifact: artifact.clone(),
            directory: directory.to_owned(),
            members: members.iter().map(|member| (*member).to_owned()).collect(),
        };
        self.step(ResourceId::new("directory", directory), action, reason, Risk::None, PACKAGES);
        true
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &str, target: &str) -> bool {
        let seen = self.host().and_then(|host| host.links.get(path)).cloned().flatten();
        let reason = match seen {
            Some(seen) if seen == target => return false,
            Some(seen) => Reason::Differs(format!("{seen} -> {target}")),
            None => Reason::Missing,
        };
        if let Some(Observed::Known(Some(FileFact { state: FileState::Foreign(_), .. }))) =
            self.host().and_then(|host| host.files.get(path))
        {
            self.foreign(path);
            return false;
        }
        let action = Action::Link { path: path.to_owned(), target: target.to_owned() };
        self.step(ResourceId::new("link", path), action, reason, Risk::None, MOMENT);
        true
    }

    /// A file. Somebody else's file in its place blocks.
    pub fn file(&mut self, wanted: FileWanted) -> bool {
        let Some(host) = self.host() else { return false };
        let key = wanted.content.key(&host.secrets);
        let reason = match host.files.get(&wanted.path) {
            None | Some(Observed::Known(None)) => Reason::Missing,
            Some(Observed::Known(Some(seen))) => match &seen.state {
                FileState::Foreign(_) => {
                    let path = wanted.path.clone();
                    self.foreign(&path);
                    return false;
                }
                FileState::PackageDefault => {
                    Reason::Differs("the package's own configuration stands there".to_owned())
                }
                FileState::Ours { recorded, intact } => {
                    match difference(seen, recorded == &key, *intact, &wanted) {
                        Some(reason) => reason,
                        None => return false,
                    }
                }
            },
            Some(Observed::Unknown(why)) => {
                let message = format!("{} could not be read: {why}.", wanted.path);
                let hint = format!("look at it on the host: ls -l {}", wanted.path);
                self.find(Severity::Unknown, "file.unreadable", message, hint);
                return false;
            }
        };
        let resource = ResourceId::new("file", &wanted.path);
        let FileWanted { path, mode, owner, content, check } = wanted;
        let action = Action::WriteFile { path, mode, owner, content, check };
        self.step(resource, action, reason, Risk::None, MOMENT);
        true
    }

    /// A file that shall not be there, if it is ours.
    pub fn no_file(&mut self, path: &str, why: &str) -> bool {
        let ours = self.host().and_then(|host| host.files.get(path)).and_then(Observed::known);
        if !matches!(ours, Some(Some(FileFact { state: FileState::Ours { .. }, .. }))) {
            return false;
        }
        let action = Action::Remove { path: path.to_owned() };
        self.step(ResourceId::new("file", path), action, Reason::Differs(why.to_owned()), Risk::None, MOMENT);
        true
    }

    /// Kernel settings, in a file that boot reads and in the running kernel.
    pub fn sysctl(&mut self, path: &str, settings: &[(&str, &str)]) -> bool {
        let settings: BTreeMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let Some(host) = self.host() else { return false };
        let differing: Vec<String> = settings
            .iter()
            .filter(|(name, value)| host.sysctls.get(*name) != Some(value))
            .map(|(name, value)| {
                let seen = host.sysctls.get(name).map_or("unset", String::as_str);
                format!("{name} {seen} -> {value}")
            })
            .collect();
        let key = sysctl_content(&settings).key(&host.secrets);
        let written = match host.files.get(path).and_then(Observed::known).and_then(Option::as_ref) {
            Some(FileFact { state: FileState::Ours { recorded, intact: true }, .. }) => recorded == &key,
            Some(FileFact { state: FileState::Foreign(_), .. }) => {
                self.foreign(path);
                return false;
            }
            _ => false,
        };
        if written && differing.is_empty() {
            return false;
        }
        let there = matches!(host.files.get(path), Some(Observed::Known(Some(_))));
        let reason = match (differing.is_empty(), there) {
            (true, false) => Reason::Missing,
            (true, true) => Reason::Differs("it sets something else".to_owned()),
            (false, _) => Reason::Differs(differing.join(", ")),
        };
        let action = Action::Sysctl { path: path.to_owned(), settings };
        self.step(ResourceId::new("sysctl", path), action, reason, Risk::None, MOMENT);
        true
    }

    /// A unit that starts at boot.
    pub fn enabled(&mut self, unit: &str) -> bool {
        let seen = self.host().and_then(|host| host.units.get(unit)).and_then(Option::as_ref);
        if seen.is_some_and(|state| state.enabled) {
            return false;
        }
        let reason = Reason::Needed("so that it starts at boot".to_owned());
        self.unit(unit, UnitChange::Enable, &[], reason, Risk::None, MOMENT);
        true
    }

    /// Unit files read again, where systemd asks for it or this job wrote one.
    pub fn reloaded_units(&mut self, unit: &str) -> bool {
        let seen = self.host().and_then(|host| host.units.get(unit)).and_then(Option::as_ref);
        if !seen.is_some_and(|state| state.needs_reload) {
            return false;
        }
        let reason = Reason::Needed("so that systemd reads the unit files again".to_owned());
        self.unit(unit, UnitChange::DaemonReload, &[], reason, Risk::None, MOMENT);
        true
    }

    /// An entry of the manifest: `KIND NAME` to value.
    pub fn record(&mut self, entry: &str, value: &str) -> bool {
        let seen = self.host().and_then(|host| host.manifest.get(entry)).cloned();
        let reason = match seen {
            Some(seen) if seen == value => return false,
            Some(seen) => Reason::Differs(format!("{seen} -> {value}")),
            None => Reason::Missing,
        };
        let entries = BTreeMap::from([(entry.to_owned(), value.to_owned())]);
        let resource = ResourceId::new("manifest", entry.replace(' ', "/"));
        self.step(resource, Action::Record { entries }, reason, Risk::None, MOMENT);
        true
    }

    fn foreign(&mut self, path: &str) {
        let message =
            format!("{path} stands there and was not written by kuboard-ha; it will not be overwritten.");
        let hint = format!(
            "if nobody needs it, move it aside on the host and run up again:\n  mv {path} {path}.aside"
        );
        self.find(Severity::Blocked, "file.foreign", message, hint);
    }
}

/// Why a file of ours must be written again, if it must.
fn difference(seen: &FileFact, same: bool, intact: bool, wanted: &FileWanted) -> Option<Reason> {
    if !same {
        let old = seen.text.as_deref().unwrap_or_default();
        return Some(Reason::Differs(changed_lines(old, &wanted.content.masked())));
    }
    if !intact {
        let old = seen.text.as_deref().unwrap_or_default();
        return Some(Reason::Differs(format!(
            "changed by hand since kuboard-ha wrote it: {}",
            changed_lines(old, &wanted.content.masked())
        )));
    }
    if seen.mode != wanted.mode {
        return Some(Reason::Differs(format!("mode {:04o} -> {:04o}", seen.mode, wanted.mode)));
    }
    (seen.owner != wanted.owner).then(|| Reason::Differs(format!("owner {} -> {}", seen.owner, wanted.owner)))
}

/// The difference of two texts in few words: `ETCD_SNAPSHOT_COUNT 10000 -> 50000`, at most three of them.
fn changed_lines(old: &str, new: &str) -> String {
    let before: BTreeMap<&str, &str> = old.lines().filter_map(setting).collect();
    let after: BTreeMap<&str, &str> = new.lines().filter_map(setting).collect();
    let mut changes: Vec<String> = after
        .iter()
        .filter_map(|(name, value)| match before.get(name) {
            Some(seen) if seen == value => None,
            // Masked as a whole on the host, in part here.
            Some(&"***") if value.contains("***") => None,
            Some(seen) if seen.len() + value.len() > 120 => Some(format!("{name} changed")),
            Some(seen) => Some(format!("{name} {seen} -> {value}")),
            None => Some(format!("{name} added")),
        })
        .collect();
    changes.extend(
        before.keys().filter(|name| !after.contains_key(*name)).map(|name| format!("{name} removed")),
    );
    match changes.len() {
        0 if old == new => "a secret in it changed".to_owned(),
        0 => "its text changed".to_owned(),
        1..=3 => changes.join(", "),
        more => format!("{}, and {} more", changes[..3].join(", "), more - 3),
    }
}

/// `NAME=value` or `name value…` of a line that sets something.
fn setting(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') || line.starts_with('[') {
        return None;
    }
    line.split_once('=').map(|(name, value)| (name.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_setting() {
        let old = "# c\nETCD_SNAPSHOT_COUNT=10000\nA=1\n";
        assert_eq!(
            changed_lines(old, "# c\nETCD_SNAPSHOT_COUNT=50000\nA=1\n"),
            "ETCD_SNAPSHOT_COUNT 10000 -> 50000"
        );
        assert_eq!(changed_lines(old, "# d\nETCD_SNAPSHOT_COUNT=10000\nA=1\n"), "its text changed");
        assert_eq!(changed_lines(old, old), "a secret in it changed");
        assert_eq!(changed_lines("", "A=1\nB=2\nC=3\nD=4\n"), "A added, B added, C added, and 1 more");
    }
}
