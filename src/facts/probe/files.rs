//! Files, links, directories, the manifest.

use std::collections::BTreeMap;

use crate::facts::model::{DirectoryFact, FileFact, FileState, InstallFact, Observed};
use crate::resource::{ContentKey, Sha256Digest};

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

/// Reads `look_files`: what of `paths` exists, and whose it is by the manifest. Also each file's change time.
pub fn files<'p>(
    lines: &[&str],
    paths: impl IntoIterator<Item = &'p String>,
    manifest: &BTreeMap<String, String>,
) -> (Files, BTreeMap<String, f64>) {
    let mut found: Files = paths.into_iter().map(|path| (path.clone(), Observed::Known(None))).collect();
    let mut changed = BTreeMap::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let [path, kind, rest @ ..] = words.as_slice() else { continue };
        let path = (*path).to_owned();
        match (*kind, rest) {
            ("file", [mode, owner, _size, ctime, sum]) => {
                let fact = file(mode, owner, sum, manifest.get(&format!("file {path}")));
                changed.insert(path.clone(), ctime.parse().unwrap_or(f64::MAX));
                found.insert(path, fact.map_or_else(Observed::Unknown, |fact| Observed::Known(Some(fact))));
            }
            ("default", _) => {
                if let Some(Observed::Known(Some(fact))) = found.get_mut(&path) {
                    fact.state = FileState::PackageDefault;
                }
            }
            ("link", [target, ..]) => {
                let state = FileState::Foreign(Sha256Digest::of(target.as_bytes()));
                let fact = FileFact { state, mode: 0o777, owner: String::new(), text: None };
                found.insert(path, Observed::Known(Some(fact)));
            }
            ("other", _) => {
                found.insert(path, Observed::Unknown("it is neither a file nor a link".to_owned()));
            }
            _ => {}
        }
    }
    (found, changed)
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

/// Reads `PATH TARGET`; those of `paths` that are not links are `None`.
pub fn links<'p>(
    lines: &[&str],
    paths: impl IntoIterator<Item = &'p String>,
) -> BTreeMap<String, Option<String>> {
    let mut found: BTreeMap<String, Option<String>> =
        paths.into_iter().map(|path| (path.clone(), None)).collect();
    for line in lines {
        if let Some((path, target)) = line.split_once(' ') {
            found.insert(path.to_owned(), Some(target.to_owned()));
        }
    }
    found
}

/// Reads `PATH MODE OWNER EMPTY`.
pub fn directories<'p>(
    lines: &[&str],
    paths: impl IntoIterator<Item = &'p String>,
) -> BTreeMap<String, Option<DirectoryFact>> {
    let mut found: BTreeMap<String, Option<DirectoryFact>> =
        paths.into_iter().map(|path| (path.clone(), None)).collect();
    for line in lines {
        if let [path, mode, owner, empty] = line.split(' ').collect::<Vec<_>>().as_slice()
            && let Ok(mode) = u32::from_str_radix(mode, 8)
        {
            let fact = DirectoryFact { mode, owner: (*owner).to_owned(), empty: *empty == "yes" };
            found.insert((*path).to_owned(), Some(fact));
        }
    }
    found
}

/// Reads `PATH STAMP`; intact where the manifest recorded that stamp.
pub fn installs<'p>(
    lines: &[&str],
    paths: impl IntoIterator<Item = &'p String>,
    manifest: &BTreeMap<String, String>,
) -> BTreeMap<String, Option<InstallFact>> {
    let mut found: BTreeMap<String, Option<InstallFact>> =
        paths.into_iter().map(|path| (path.clone(), None)).collect();
    for line in lines {
        if let Some((path, stamp)) = line.split_once(' ') {
            let recorded = manifest.get(&format!("install {path}")).and_then(|value| value.split_once(' '));
            let intact = recorded.is_some_and(|(_, kept)| kept == stamp);
            found.insert(path.to_owned(), Some(InstallFact { intact }));
        }
    }
    found
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
        let line = |path: &str| format!("{path} file 640 root:etcd 0 1700000000 {SUM}");
        let lines = [line("/etc/a"), line("/etc/b"), line("/etc/c"), line("/etc/d"), "/etc/d default".into()];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (found, changed) = files(&lines, &paths, &manifest);
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
        let (found, _) =
            files(&["/etc/a file 640 root:etcd 0 17 unreadable"], &["/etc/a".to_owned()], &BTreeMap::new());
        assert!(matches!(found["/etc/a"], Observed::Unknown(_)));
    }
}
