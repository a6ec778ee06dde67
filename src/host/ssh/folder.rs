//! Folders for control sockets, and those that dead runs left behind.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

/// `kuha-PID-RANDOM`, the process that made it.
const PREFIX: &str = "kuha-";

/// The control socket in a folder.
const SOCKET: &str = "master";

/// No login takes longer: a folder that has no socket by then will not get one.
const LOGIN: Duration = Duration::from_secs(120);

/// A folder of our own for a control socket. Its path must be short: a socket's path has 108 bytes at most, and ssh adds
/// 17 while it binds.
pub(super) fn control_folder() -> std::io::Result<TempDir> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let short = |path: &PathBuf| path.is_absolute() && path.as_os_str().len() <= 55;
    let prefix = format!("{PREFIX}{}-", std::process::id());
    let make = |path: &Path| tempfile::Builder::new().prefix(&prefix).rand_bytes(8).tempdir_in(path);
    let folder = match runtime.filter(short).map(|path| make(&path)) {
        Some(Ok(folder)) => folder,
        _ => make(Path::new("/tmp"))?,
    };
    if let (Some(beside), Ok(own)) = (folder.path().parent(), std::fs::metadata(folder.path())) {
        sweep(beside, own.uid());
    }
    Ok(folder)
}

/// Removes a user's folders whose connection is dead: killed runs cannot do it themselves.
fn sweep(beside: &Path, user: u32) {
    let Ok(entries) = std::fs::read_dir(beside) else { return };
    // Asked of the kernel: a master that somebody connects to, and be it to see whether it lives, lives on.
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let is_listening = |folder: &Path| sockets.contains(&format!("{}/", folder.display()));
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(made_by) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let is_ours = entry.metadata().is_ok_and(|folder| folder.is_dir() && folder.uid() == user);
        if is_ours && !is_listening(&entry.path()) && is_dead(&entry.path(), made_by) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether nobody listens in a folder any more, nor will.
fn is_dead(folder: &Path, made_by: &str) -> bool {
    match UnixStream::connect(folder.join(SOCKET)) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => true,
        // Its connection may just be being made.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let process = Path::new("/proc").join(made_by.split('-').next().unwrap_or_default());
            let is_gone = Path::new("/proc/self").exists() && !process.exists();
            let is_old = |folder: std::fs::Metadata| folder.modified().ok()?.elapsed().ok();
            is_gone || std::fs::metadata(folder).ok().and_then(is_old).is_some_and(|age| age > LOGIN)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_what_dead_runs_left_is_swept() {
        let tmp = tempfile::tempdir().unwrap();
        let user = std::fs::metadata(tmp.path()).unwrap().uid();
        let folder = |name: &str| {
            let path = tmp.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let own = std::process::id();
        // A process that has ended.
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = child.id();
        child.wait().unwrap();
        let connecting = folder(&format!("kuha-{own}-connecting"));
        let live = folder(&format!("kuha-{gone}-live"));
        let _listener = UnixListener::bind(live.join(SOCKET)).unwrap();
        let dead = folder(&format!("kuha-{own}-dead"));
        drop(UnixListener::bind(dead.join(SOCKET)).unwrap());
        let empty = folder(&format!("kuha-{gone}-empty"));
        std::fs::write(empty.join("log"), "").unwrap();
        let other = folder("other");
        sweep(tmp.path(), user + 1);
        assert!(
            [&connecting, &live, &dead, &empty, &other].iter().all(|path| path.exists()),
            "another user's"
        );
        sweep(tmp.path(), user);
        assert!([&connecting, &live, &other].iter().all(|path| path.exists()));
        assert!(!dead.exists() && !empty.exists());
    }
}
