//! What a step does. Pure data, like all of a plan.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::plan::model::Procedure;
use crate::resource::{Artifact, Content, ContentKey, HostName, Sha256Digest};
use crate::secret::SecretId;

/// A checker for a file, run on the new content before it replaces the old.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The program's name, for people: `haproxy -c`.
    pub title: &'static str,
    /// Shell; `$new` is the path of the new file. Exits 0 on a good one.
    #[serde(skip)]
    pub text: &'static str,
}

/// What a step does. Closed and small; there is no way to run free shell text.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Brings an archive to the host: uploaded or downloaded there, digest verified there. Runs beside the shell.
    Stage {
        /// Which.
        artifact: Artifact,
    },
    /// Removes a staged archive.
    Unstage {
        /// Its digest, which is its name there.
        sha256: Sha256Digest,
    },
    /// Unpacks a staged archive into a new directory, moved into place in one rename.
    Install {
        /// Which.
        artifact: Artifact,
        /// The versioned directory.
        directory: String,
        /// Files and folders to take, as patterns below the archive's top folder; empty takes all.
        members: Vec<String>,
    },
    /// Makes a directory, or corrects its mode and owner.
    MakeDir {
        /// Absolute path.
        path: String,
        /// Permission bits.
        mode: u32,
        /// `user:group`.
        owner: String,
    },
    /// Writes a file: temporary file beside it, mode and owner first, checked, synced, renamed, recorded.
    WriteFile {
        /// Absolute path.
        path: String,
        /// Permission bits.
        mode: u32,
        /// `user:group`.
        owner: String,
        /// What it shall hold.
        content: Content,
        /// Run on it before it counts.
        check: Option<Check>,
    },
    /// Points a symbolic link, in one rename.
    Link {
        /// The link.
        path: String,
        /// What it points to.
        target: String,
    },
    /// Removes a file that is recorded as ours.
    Remove {
        /// Absolute path.
        path: String,
    },
    /// Moves what is in a directory to `aside-RUN/` inside it.
    SetAside {
        /// Absolute path.
        path: String,
    },
    /// Makes a system user with a group of the same name.
    User {
        /// The name.
        name: String,
        /// Its home, not created.
        home: String,
    },
    /// Installs packages of the distribution.
    Package {
        /// Their names there.
        names: Vec<String>,
    },
    /// Writes settings to a file under `/etc/sysctl.d` and applies them.
    Sysctl {
        /// The file.
        path: String,
        /// Names and values.
        settings: BTreeMap<String, String>,
    },
    /// Changes a unit's state.
    Unit {
        /// `etcd.service`.
        unit: String,
        /// What to do.
        change: UnitChange,
        /// Files whose recorded keys, joined by `+`, are stamped in `/run` as what the process now runs.
        stamp: Vec<String>,
    },
    /// Brings a container image to the host's engine.
    Image {
        /// `name:tag`.
        image: String,
        /// From where.
        source: ImageSource,
    },
    /// A container.
    Container {
        /// What it is made from.
        spec: ContainerSpec,
        /// What happens to it.
        change: ContainerChange,
    },
    /// Makes or brings a secret.
    Secret {
        /// Which.
        id: SecretId,
        /// How.
        change: SecretChange,
    },
    /// Writes entries of the manifest.
    Record {
        /// `KIND NAME` to value.
        entries: BTreeMap<String, String>,
    },
    /// Runs a service's own procedure.
    Call(Procedure),
    /// Waits until a service's probe exits 0; its last line says what was seen.
    Await(Procedure),
}

/// A change of a unit's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitChange {
    /// Reads unit files again.
    DaemonReload,
    /// Starts it at boot.
    Enable,
    /// No longer starts it at boot, and stops it.
    DisableNow,
    /// Starts it and waits for systemd's word.
    Start,
    /// Starts it without waiting: a member alone is never ready.
    StartNoBlock,
    /// Stops it and starts it.
    Restart,
    /// Stops and starts it without waiting.
    RestartNoBlock,
    /// Reads its configuration again.
    Reload,
    /// Stops it.
    Stop,
}

/// Where an image comes from.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSource {
    /// From its registry, with a login where one is given (the password is `registry-password`).
    Pull {
        /// The user.
        username: Option<String>,
    },
    /// From a staged archive.
    Load {
        /// Which.
        artifact: Artifact,
    },
}

/// How a container comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerChange {
    /// In place of the one of that name, and started.
    Run,
    /// Where there is none: made, to be started later.
    Create,
    /// The one that was made is started.
    Start,
}

/// A container to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContainerSpec {
    /// Its name.
    pub name: String,
    /// `name:tag`.
    pub image: String,
    /// `--env-file`.
    pub env_file: String,
    /// `ADDRESS:PORT:PORT/tcp`, IPv6 bracketed.
    pub publish: Vec<String>,
    /// `HOST:CONTAINER[:OPTIONS]`.
    pub volumes: Vec<String>,
    /// Further options of `docker run`, in order: `--log-opt`, `max-size=50m`.
    pub options: Vec<String>,
}

impl ContainerSpec {
    /// The value of the label `kuboard-ha.config`: what the container was created from, given the recorded key
    /// of its environment file. The host builds the same text as `DIGEST-KEY`.
    pub fn label(&self, env: &ContentKey) -> String {
        format!("{}-{env}", self.digest())
    }

    /// The digest of everything but the environment, 16 digits.
    pub fn digest(&self) -> String {
        let text = format!(
            "{}\n{}\n{}\n{}\n{}",
            self.name,
            self.image,
            self.publish.join(" "),
            self.volumes.join(" "),
            self.options.join(" ")
        );
        ContentKey::of_text(&text).as_str()[..16].to_owned()
    }
}

/// How a secret comes to a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretChange {
    /// Random letters and digits are drawn there.
    Mint {
        /// How many.
        length: u8,
    },
    /// Copied from a host that has it, through this machine's memory.
    Copy {
        /// Which host.
        from: HostName,
    },
    /// Given by the user.
    Supply,
}
