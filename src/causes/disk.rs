//! File systems: full, read-only, not for programs; and data that belongs to somebody else.

use super::Evidence;
use crate::event::Cause;
use crate::facts::model::Mount;

const MIB: u64 = 1 << 20;
/// Fewer free inodes than this keep packages and images from being unpacked.
pub const INODES: u64 = 5000;

/// No room. `needed` ends the sentence.
pub fn full(point: &str, free: u64, names: &str, needed: &str) -> Cause {
    Cause::new(
        "disk.full",
        format!("{} free on {point}, which holds {names}; {needed}.", size(free)),
        format!(
            "make room there, or mount a larger disk; what takes it:\n  df -h {point}; du -xh --max-depth=2 {point} | sort \
             -h | tail"
        ),
    )
}

/// No room for another file.
pub fn inodes(point: &str, free: u64, names: &str) -> Cause {
    Cause::new(
        "disk.inodes",
        format!("{free} free inodes on {point}, which holds {names}; no more files can be made soon."),
        format!("remove many small files there: df -i {point}"),
    )
}

/// Programs cannot be run from there.
pub fn noexec(path: &str, point: &str, title: &str) -> Cause {
    Cause::new(
        "disk.noexec",
        format!("{path} lies on {point}, which is mounted noexec; {title} runs programs from there."),
        format!("mount it anew, and take noexec out of /etc/fstab:\n  mount -o remount,exec {point}"),
    )
}

/// Nothing can be written there.
pub fn read_only(path: &str, point: &str, title: &str) -> Cause {
    Cause::new(
        "disk.read-only",
        format!("{path} lies on {point}, which is mounted read-only; {title} writes there."),
        format!(
            "mount it for writing:\n  mount -o remount,rw {point}\nif that fails, see dmesg for a broken disk"
        ),
    )
}

/// `1.5 GiB`, `300 MiB`.
pub fn size(bytes: u64) -> String {
    let mib = bytes / MIB;
    if mib < 1024 { format!("{mib} MiB") } else { format!("{}.{} GiB", mib / 1024, mib % 1024 * 10 / 1024) }
}

pub(super) fn cause(evidence: &Evidence) -> Option<Cause> {
    let title = evidence.scene.title;
    if let Some(line) = evidence.line(&[
        "no space left",
        "[28] could not",
        "disk quota exceeded",
        "not enough space on the disk",
    ]) {
        let needed = format!("{title} can write no more");
        return Some(match tightest(evidence, line) {
            Some((path, mount)) => match mount.free_inodes {
                Some(free) if free < 100 && mount.free > MIB => inodes(&mount.point, free, path),
                _ if is_short(mount) => full(&mount.point, mount.free, path, &needed),
                // It may have been another file system, or there is room again.
                _ => full(&mount.point, mount.free, path, &needed).passing(),
            },
            None => full("its file system", 0, "what it writes", &needed).passing(),
        });
    }
    if let Some(line) = evidence.line(&["read-only file system"]) {
        let (path, mount) = evidence
            .seen
            .mounts
            .iter()
            .find(|(path, mount)| mount.options.contains("ro") || line.contains(path.as_str()))?;
        return Some(read_only(path, &mount.point, title));
    }
    // A native library that was unpacked to where nothing may be executed.
    let line = evidence.line(&["failed to map segment from shared object"])?;
    let (path, mount) = named(evidence, line)
        .or_else(|| evidence.seen.mounts.iter().find(|(_, m)| m.options.contains("noexec")))?;
    Some(noexec(path, &mount.point, title))
}

fn is_short(mount: &Mount) -> bool {
    mount.free < 64 * MIB || mount.free_inodes.is_some_and(|free| free < 100)
}

/// The file system with the least room: the one that a line names, where it is short of something, else any.
fn tightest<'e>(evidence: &'e Evidence, line: &str) -> Option<(&'e String, &'e Mount)> {
    let mounts = &evidence.seen.mounts;
    named(evidence, line)
        .filter(|(_, mount)| is_short(mount))
        .or_else(|| mounts.iter().filter(|(_, mount)| is_short(mount)).min_by_key(|(_, mount)| mount.free))
        .or_else(|| named(evidence, line))
        .or_else(|| mounts.iter().min_by_key(|(_, mount)| mount.free))
}

/// The path that was looked at and that a line names, the longest first.
fn named<'e>(evidence: &'e Evidence, line: &str) -> Option<(&'e String, &'e Mount)> {
    let found = evidence.seen.mounts.iter().filter(|(path, _)| line.contains(path.as_str()));
    found.max_by_key(|(path, _)| path.len())
}

/// Data that the service's user may not touch.
pub(super) fn owner(evidence: &Evidence) -> Option<Cause> {
    let scene = &evidence.scene;
    evidence.line(&["permission denied", "operation not permitted", "[13] could not", "[1] could not"])?;
    let foreign = |owner: &str| owner.split(':').next() != Some(scene.user);
    let owned = evidence.owners.iter().find(|owned| !scene.user.is_empty() && foreign(&owned.owner))?;
    let (path, user) = (&owned.path, scene.user);
    let top = scene.data.iter().find(|data| path.starts_with(data.as_str())).unwrap_or(path);
    Some(Cause::new(
        "data.owner",
        format!("{path} belongs to {}, and {} runs as {user}: it may not use it.", owned.owner, scene.title),
        format!(
            "see whose it is:\n  ls -la {path}\nif it is this {}'s own data:\n  chown -R {user}:{user} {top}",
            scene.title
        ),
    ))
}
