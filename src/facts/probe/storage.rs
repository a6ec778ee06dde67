//! File systems.

use std::collections::BTreeMap;

use crate::facts::model::Mount;

/// What a look says of file systems, each in lines of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Storage<'t> {
    /// `PATH NEAR`: each path, and itself or its nearest parent that exists.
    pub paths: &'t [&'t str],
    /// `NEAR FREE_BLOCKS BLOCK_SIZE FREE_INODES INODES`.
    pub rooms: &'t [&'t str],
    /// Where each of them really is, in the order of `paths`.
    pub reals: &'t [&'t str],
    /// `TARGET TYPE OPTIONS [UUID]` of all that is mounted, in the order in which it was.
    pub mounted: &'t [&'t str],
}

/// The file system of each path: the one mounted last on the longest part of it.
pub fn mounts(storage: Storage<'_>) -> BTreeMap<String, Mount> {
    let table: Vec<Vec<&str>> = storage.mounted.iter().map(|line| line.split(' ').collect()).collect();
    let rooms: BTreeMap<&str, &str> = storage.rooms.iter().filter_map(|line| line.split_once(' ')).collect();
    let mount = |(index, line): (usize, &&str)| {
        let (path, near) = line.split_once(' ')?;
        let room: Vec<u64> = rooms
            .get(near)
            .iter()
            .flat_map(|room| room.split(' '))
            .filter_map(|word| word.parse().ok())
            .collect();
        let real = storage.reals.get(index).copied().unwrap_or(near);
        let at = table
            .iter()
            .filter(|words| words.first().is_some_and(|target| holds(&unescaped(target), real)))
            .max_by_key(|words| words[0].len());
        let word =
            |index: usize| at.and_then(|words| words.get(index)).copied().filter(|word| !word.is_empty());
        let mount = Mount {
            free: room.first()?.saturating_mul(*room.get(1)?),
            free_inodes: room.get(3).filter(|all| **all > 0).and_then(|_| room.get(2)).copied(),
            point: word(0).map(unescaped).unwrap_or_default(),
            kind: word(1).unwrap_or_default().to_owned(),
            options: word(2).iter().flat_map(|options| options.split(',')).map(str::to_owned).collect(),
            uuid: word(3).map(str::to_owned),
        };
        Some((path.to_owned(), mount))
    };
    storage.paths.iter().enumerate().filter_map(mount).collect()
}

/// Whether `path` lies on or below `target`.
fn holds(target: &str, path: &str) -> bool {
    let rest = path.strip_prefix(target.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// findmnt's raw form writes a space as `\\x20`.
fn unescaped(target: &str) -> String {
    target.replace("\\x20", " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[&str] = &[
        "/ overlay rw,relatime",
        "/var ext4 rw 0-0",
        "/var/lib/etcd tmpfs rw",
        "/var/lib/etcd ext4 rw,noexec 1-2-3",
        "/var/lib/etc tmpfs rw",
        "/my\\x20disk xfs rw 4-5",
    ];

    fn found(paths: &[&str], rooms: &[&str], reals: &[&str]) -> BTreeMap<String, Mount> {
        mounts(Storage { paths, rooms, reals, mounted: TABLE })
    }

    #[test]
    fn reads_a_data_disk_and_a_root_without_uuid() {
        let found = found(
            &["/var/lib/etcd /var/lib/etcd", "/opt/new /opt", "broken", "/lost /lost"],
            &["/var/lib/etcd 1000 4096 50 100", "/opt 10 4096 0 0"],
            &["/var/lib/etcd", "/opt"],
        );
        let disk = &found["/var/lib/etcd"];
        assert_eq!((disk.free, disk.free_inodes, disk.uuid.as_deref()), (4_096_000, Some(50), Some("1-2-3")));
        assert!(disk.options.contains("noexec"), "what was mounted last hides what was there");
        let root = &found["/opt/new"];
        assert_eq!((root.point.as_str(), root.free_inodes, &root.uuid), ("/", None, &None));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_link_is_where_it_leads_and_a_name_alike_is_another() {
        let found = found(
            &["/data /data", "/var/lib/etcetera /var/lib"],
            &["/data 1 1 1 1", "/var/lib 1 1 1 1"],
            &["/my disk/etcd", "/var/lib"],
        );
        assert_eq!(
            (found["/data"].point.as_str(), found["/data"].uuid.as_deref()),
            ("/my disk", Some("4-5"))
        );
        assert_eq!(found["/var/lib/etcetera"].point, "/var");
    }
}
