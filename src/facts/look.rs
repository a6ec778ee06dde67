//! What to look at on a host: pure data, gathered from the services, turned into one script by `gather`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::plan::model::Procedure;
use crate::resource::Content;

/// Everything to look at on one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// Paths whose file system matters.
    pub paths: BTreeSet<String>,
    /// Ports to which only certain hosts should be connected.
    pub ports: BTreeSet<u16>,
    /// Packages whose version matters, by their Debian name.
    pub packages: BTreeSet<String>,
    /// Files.
    pub files: BTreeMap<String, FileLook>,
    /// Symbolic links.
    pub links: BTreeSet<String>,
    /// Directories.
    pub directories: BTreeSet<String>,
    /// Versioned directories that an archive was unpacked into.
    pub installs: BTreeSet<String>,
    /// System users.
    pub users: BTreeSet<String>,
    /// Units, each with the files whose recorded keys a start or reload takes in, in stamp order.
    pub units: BTreeMap<String, Vec<String>>,
    /// Kernel settings.
    pub sysctls: BTreeSet<String>,
    /// Docker's containers and images, where Docker matters.
    pub docker: Option<DockerLook>,
    /// The services' own probes; all run at once, each with its own limit.
    pub probes: Vec<Probe>,
    /// HTTP requests, made beside the probes, one after the other: what may block comes last.
    pub requests: Vec<Request>,
}

/// An HTTP request from a host. The raw answer, or `exit 7` where nothing accepts connections, goes to `Service::read` under its
/// name; nothing where there was none within [`Request::LIMIT`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// As a probe's procedure is named: `etcd.status`.
    pub name: &'static str,
    /// The address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path.
    pub path: &'static str,
    /// JSON to post; empty for a GET.
    pub body: &'static str,
    /// Bash text that goes on with the raw answer in `$answer`. What it prints goes to `Service::read` under its own name.
    pub next: Option<Procedure>,
}

impl Request {
    /// How long all requests of a look may take.
    pub const LIMIT: Duration = Duration::from_secs(2);
}

impl Looks {
    /// All files, links and directories by their paths.
    pub fn named(&self) -> BTreeSet<String> {
        self.files.keys().chain(&self.links).chain(&self.directories).cloned().collect()
    }
}

/// What of a file's text leaves the host; its mode, owner and digest are looked at in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FileLook {
    /// All.
    #[default]
    Shown,
    /// All, but `***` for the value of lines that begin with these names and `=`.
    Masked(Vec<String>),
    /// For a file with secrets in it: where we wrote it, the values of these names; any other may be a secret that the
    /// inventory no longer names. Nothing of somebody else's file.
    Only(Vec<String>),
    /// Nothing.
    Hidden,
}

impl FileLook {
    /// For a file that shall hold this: what stands there in the clear.
    pub fn clear(content: &Content) -> Self {
        let text = content.masked();
        let clear = text.lines().filter(|line| !line.starts_with('#') && !line.contains("***"));
        Self::Only(clear.filter_map(|line| Some(line.split_once('=')?.0.to_owned())).collect())
    }
}

/// What to look at in Docker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerLook {
    /// Names of containers.
    pub containers: BTreeSet<String>,
    /// Names of images.
    pub images: BTreeSet<String>,
}

/// A service's own question to a host. Its output goes to `Service::read` under the procedure's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Read-only shell; runs under `timeout`, must print nothing secret.
    pub procedure: Procedure,
    /// How long it may take.
    pub limit: Duration,
}
