//! File systems.

use std::collections::BTreeMap;

use crate::facts::model::Mount;

/// Reads `PATH FREE_BLOCKS BLOCK_SIZE FREE_INODES INODES TARGET TYPE OPTIONS [UUID]`.
pub fn mounts(lines: &[&str]) -> BTreeMap<String, Mount> {
    lines
        .iter()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |index: usize| words.get(index).and_then(|word| word.parse::<u64>().ok());
            let mount = Mount {
                free: number(1)?.saturating_mul(number(2)?),
                free_inodes: number(4).filter(|all| *all > 0).and_then(|_| number(3)),
                point: words.get(5).copied().unwrap_or_default().to_owned(),
                kind: words.get(6).copied().unwrap_or_default().to_owned(),
                options: words
                    .get(7)
                    .map(|options| options.split(',').map(str::to_owned).collect())
                    .unwrap_or_default(),
                uuid: words.get(8).map(|uuid| (*uuid).to_owned()),
            };
            Some((words[0].to_owned(), mount))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_data_disk_and_a_root_without_uuid() {
        let found = mounts(&[
            "/var/lib/etcd 1000 4096 50 100 /var/lib/etcd ext4 rw,noexec 1-2-3",
            "/opt 10 4096 0 0 / overlay rw,relatime",
            "broken",
        ]);
        let disk = &found["/var/lib/etcd"];
        assert_eq!((disk.free, disk.free_inodes, disk.uuid.as_deref()), (4_096_000, Some(50), Some("1-2-3")));
        assert!(disk.options.contains("noexec"));
        assert_eq!((found["/opt"].point.as_str(), found["/opt"].free_inodes), ("/", None));
        assert_eq!(found.len(), 2);
    }
}
