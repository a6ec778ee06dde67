//! Files, links, directories, the manifest.

use std::collections::BTreeMap;

use crate::facts::model::{DirectoryFact, FileFact, FileState, InstallFact, Observed};
use crate::resource::{ContentKey, Sha256Digest};
use crate::secret::{Fingerprint, SecretId};

/// Reads the manifest's `KIND NAME VALUE` lines into `KIND NAME` to value.
pub fn manifest(lines: &[&str]) -> BTreeMap<String, String> {
    lines
        .iter()
        .filter_map(|line| {
            let mut words = line.splitn(3, ' ');
            let entry = format!("{} {}", words.next()?, words.next()?);
            Some((entry, words.next().unwrap_or_default().to_owned()))
        })
        .collect()
}

/// Files by path, absent ones as `Known(None)`.
pub type Files = BTreeMap<String, Observed<Option<FileFact>>>;

/// What `find` says of a path.
#[derive(Clone, Copy, Debug)]
pub struct Found<'t> {
    /// Its type in one letter: `f`, `l`, `d`.
    kind: &'t str,
    mode: &'t str,
    owner: &'t str,
    /// Its change time, in seconds since the epoch.
    changed: &'t str,
    /// Where a link leads.
    target: &'t str,
}

/// Reads `PATH TYPE MODE OWNER SIZE CHANGED TARGET`.
pub fn found<'t>(lines: &[&'t str]) -> BTreeMap<&'t str, Found<'t>> {
    let one = |line: &&'t str| {
        let mut words = line.splitn(7, ' ');
        let path = words.next()?;
        let (kind, mode, owner) = (words.next()?, words.next()?, words.next()?);
        let (_size, changed) = (words.next()?, words.next()?);
        Some((path, Found { kind, mode, owner, changed, target: words.next().unwrap_or_default() }))
    };
    lines.iter().filter_map(one).collect()
}

/// Files among `paths`: whose each is by the manifest, its `SUM  PATH`, and whether it is a package's own. Also each file's
/// change time, in whole seconds.
pub fn files<'p>(
    found: &BTreeMap<&str, Found<'_>>,
    sums: &[&str],
    defaults: &[&str],
    paths: impl IntoIterator<Item = &'p String>,
    manifest: &BTreeMap<String, String>,
) -> (Files, BTreeMap<String, f64>) {
    let sums: BTreeMap<&str, &str> =
        sums.iter().filter_map(|line| line.split_once("  ")).map(|(sum, path)| (path, sum)).collect();
    let mut changed = BTreeMap::new();
    let mut seen = |path: &String| {
        let Some(entry) = found.get(path.as_str()) else { return Observed::Known(None) };
        let fact = match entry.kind {
            "f" => {
                let seconds = entry.changed.split('.').next().unwrap_or_default();
                changed.insert(path.clone(), seconds.parse().unwrap_or(f64::MAX));
                let sum = sums.get(path.as_str()).copied().unwrap_or_default();
                file(entry.mode, entry.owner, sum, manifest.get(&format!("file {path}")))
            }
            "l" => {
                let state = FileState::Foreign(Sha256Digest::of(entry.target.as_bytes()));
                Ok(FileFact { state, mode: 0o777, owner: String::new(), text: None })
            }
            _ => Err("it is neither a file nor a link".to_owned()),
        };
        match fact {
            Ok(fact) if defaults.contains(&path.as_str()) => {
                Observed::Known(Some(FileFact { state: FileState::PackageDefault, ..fact }))
            }
            Ok(fact) => Observed::Known(Some(fact)),
            Err(why) => Observed::Unknown(why),
        }
    };
    let files = paths.into_iter().map(|path| (path.clone(), seen(path))).collect();
    (files, changed)
}

fn file(mode: &str, owner: &str, sum: &str, recorded: Option<&String>) -> Result<FileFact, String> {
    let digest = Sha256Digest::parse(sum).ok_or("its content could not be read")?;
    let state = match recorded.and_then(|value| value.split_once(' ')) {
        Some((key, kept)) => {
            FileState::Ours { recorded: ContentKey::observed(key), intact: kept == digest.as_str() }
        }
        None => FileState::Foreign(digest),
    };
    let mode = u32::from_str_radix(mode, 8).map_err(|_| "its mode could not be read")?;
    Ok(FileFact { state, mode, owner: owner.to_owned(), text: None })
}

/// The links among `paths` with their targets; what is no link is `None`.
pub fn links<'p>(
    found: &BTreeMap<&str, Found<'_>>,
    paths: impl IntoIterator<Item = &'p String>,
) -> BTreeMap<String, Option<String>> {
    let target =
        |path: &str| found.get(path).filter(|entry| entry.kind == "l").map(|entry| entry.target.to_owned());
    paths.into_iter().map(|path| (path.clone(), target(path))).collect()
}

/// The directories among `paths`; reads `PATH EMPTY` of those that are one.
pub fn directories<'p>(
    found: &BTreeMap<&str, Found<'_>>,
    lines: &[&str],
    paths: impl IntoIterator<Item = &'p String>,
) -> BTreeMap<String, Option<DirectoryFact>> {
    let empty: BTreeMap<&str, &str> = lines.iter().filter_map(|line| line.split_once(' ')).collect();
    let fact = |path: &str| {
        let (entry, empty) = (found.get(path)?, empty.get(path)?);
        let mode = u32::from_str_radix(entry.mode, 8).ok()?;
        Some(DirectoryFact { mode, owner: entry.owner.to_owned(), empty: *empty == "yes" })
    };
    paths.into_iter().map(|path| (path.clone(), fact(path))).collect()
}

/// The secrets of `place`, which is `CLUSTER STATE`, by their `SUM  PATH`.
pub fn secrets(place: &str, sums: &[&str]) -> BTreeMap<SecretId, Fingerprint> {
    let (cluster, state) = place.split_once(' ').unwrap_or_default();
    let secret = |line: &&str| {
        let (sum, path) = line.split_once("  ")?;
        let id = SecretId::new(path.strip_prefix(state)?.strip_prefix("/secrets/")?);
        let print = Fingerprint::of_digest(cluster, &id, &Sha256Digest::parse(sum)?);
        Some((id, print))
    };
    sums.iter().filter_map(secret).collect()
}

/// Directories with the lines of `tree` in steps.sh; intact where the manifest recorded the stamp of these.
pub fn installs<'p>(
    trees: &[(&str, &[&str])],
    paths: impl IntoIterator<Item = &'p String>,
    manifest: &BTreeMap<String, String>,
) -> BTreeMap<String, Option<InstallFact>> {
    let mut found: BTreeMap<String, Option<InstallFact>> =
        paths.into_iter().map(|path| (path.clone(), None)).collect();
    for (path, lines) in trees {
        let recorded = manifest.get(&format!("install {path}")).and_then(|value| value.split_once(' '));
        let intact = recorded.is_some_and(|(_, kept)| kept == stamp(lines));
        found.insert((*path).to_owned(), Some(InstallFact { intact }));
    }
    found
}

/// What `tree_stamp` in steps.sh makes of a tree.
fn stamp(lines: &[&str]) -> String {
    let mut lines = lines.to_vec();
    lines.sort_unstable();
    let tree: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    Sha256Digest::of(tree.as_bytes()).as_str()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn ownership_comes_from_the_manifest() {
        let manifest =
            manifest(&[&format!("file /etc/a KEY {SUM}"), "file /etc/b KEY 00", "etcd cluster-id 12 3"]);
        assert_eq!(manifest["etcd cluster-id"], "12 3");
        let paths: Vec<String> = ["/etc/a", "/etc/b", "/etc/c", "/etc/d", "/etc/e"].map(String::from).into();
        let line = |path: &str| format!("{path} f 640 root:etcd 0 1700000000.9 ");
        let sum = |path: &str| format!("{SUM}  {path}");
        let there = ["/etc/a", "/etc/b", "/etc/c", "/etc/d"];
        let (lines, sums) = (there.map(line), there.map(sum));
        let (lines, sums) = (lines.each_ref().map(String::as_str), sums.each_ref().map(String::as_str));
        let (found, changed) = files(&found(&lines), &sums, &["/etc/d"], &paths, &manifest);
        let state = |path: &str| found[path].known().unwrap().as_ref().map(|file| file.state.clone());
        let key = ContentKey::observed("KEY");
        assert_eq!(state("/etc/a"), Some(FileState::Ours { recorded: key.clone(), intact: true }));
        assert_eq!(state("/etc/b"), Some(FileState::Ours { recorded: key, intact: false }));
        assert!(matches!(state("/etc/c"), Some(FileState::Foreign(_))));
        assert_eq!(state("/etc/d"), Some(FileState::PackageDefault));
        assert_eq!(state("/etc/e"), None);
        assert!(changed["/etc/a"] > 1.6e9);
    }

    #[test]
    fn an_unreadable_file_is_unknown_not_absent() {
        let lines = ["/etc/a f 640 root:etcd 0 17 "];
        let (found, _) = files(&found(&lines), &[], &[], &["/etc/a".to_owned()], &BTreeMap::new());
        assert!(matches!(found["/etc/a"], Observed::Unknown(_)));
    }

    #[test]
    fn links_and_directories_are_told_from_files() {
        let lines = [
            "/a l 777 root:root 3 17.5 /to here",
            "/b d 700 etcd:etcd 9 17.5 ",
            "/c f 600 root:root 9 17.5 ",
        ];
        let found = found(&lines);
        let paths: Vec<String> = ["/a", "/b", "/c", "/d"].map(String::from).into();
        assert_eq!(links(&found, &paths)["/a"].as_deref(), Some("/to here"));
        assert_eq!(links(&found, &paths).values().flatten().count(), 1);
        let directories = directories(&found, &["/b yes"], &paths);
        let fact = DirectoryFact { mode: 0o700, owner: "etcd:etcd".into(), empty: true };
        assert_eq!(directories.values().flatten().collect::<Vec<_>>(), [&fact]);
        let (files, _) = files(&found, &[], &[], &paths, &BTreeMap::new());
        assert!(matches!(files["/b"], Observed::Unknown(_)));
        assert!(matches!(&files["/a"], Observed::Known(Some(file)) if file.mode == 0o777));
    }
}
