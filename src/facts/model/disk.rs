//! What lies on a host's disks.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::HostFacts;
use crate::resource::{ContentKey, Sha256Digest};

/// A mounted file system, seen from a path on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// Where it is mounted.
    pub point: String,
    /// Its UUID, where it has one.
    pub uuid: Option<String>,
    /// Its type: `ext4`.
    pub kind: String,
    /// Mount options.
    pub options: BTreeSet<String>,
    /// Free bytes for root.
    pub free: u64,
    /// Free inodes; `None` where the file system has no fixed number.
    pub free_inodes: Option<u64>,
}

/// A file that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFact {
    /// Whose it is.
    pub state: FileState,
    /// Permission bits.
    pub mode: u32,
    /// `user:group`.
    pub owner: String,
    /// Its text, secrets masked as `***`, where it is small; for differences shown to people.
    pub text: Option<String>,
}

/// Whose a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// The manifest says that we wrote it.
    Ours {
        /// The key of what we wrote.
        recorded: ContentKey,
        /// Whether it still holds what we wrote.
        intact: bool,
    },
    /// A distribution's own configuration file, unmodified.
    PackageDefault,
    /// Somebody else's, with its digest.
    Foreign(Sha256Digest),
}

/// A directory that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryFact {
    /// Permission bits.
    pub mode: u32,
    /// `user:group`.
    pub owner: String,
    /// Whether it holds nothing.
    pub empty: bool,
}

/// A versioned directory that an archive was unpacked into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallFact {
    /// Whether names, sizes and change times below it are as recorded when it was installed.
    pub intact: bool,
}

impl HostFacts {
    /// What a file that we wrote holds, where it is small; secrets are masked.
    pub fn own_text(&self, path: &str) -> Option<&str> {
        let file = self.files.get(path)?.known()?.as_ref()?;
        file.text.as_deref().filter(|_| matches!(file.state, FileState::Ours { .. }))
    }
}
