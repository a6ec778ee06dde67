//! What an archive holds, and which names and links it may hold: whatever unpacks it as root, with or without
//! the top folder stripped, stays inside the folder it unpacks to.

use std::collections::BTreeMap;

use super::error::Problem;

/// No member of a release has a longer name. Bytes.
const LONGEST_NAME: usize = 1024;

/// The members of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The folder that holds everything, if there is one; whoever unpacks strips it.
    pub top: Option<String>,
    /// By path below `top`, or below the archive's root if there is none; without `top` itself.
    pub members: BTreeMap<String, Kind>,
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File {
        /// Its size.
        bytes: u64,
    },
    /// A folder.
    Folder,
    /// A symbolic link that stays inside.
    Symlink {
        /// As written in it.
        target: String,
    },
    /// Another name of a file that came before.
    HardLink {
        /// That file, by its path in the archive.
        target: String,
    },
}

/// Members as they come, by their path in the archive.
#[derive(Default)]
pub(super) struct Draft(BTreeMap<String, Kind>);

impl Draft {
    /// Takes a member whose name was checked by [`safe_name`].
    pub(super) fn add(&mut self, name: &str, kind: Kind) -> Result<(), Problem> {
        match &kind {
            Kind::Symlink { target } => check_symlink(name, target)?,
            Kind::HardLink { target } => {
                if !matches!(self.0.get(target), Some(Kind::File { .. })) {
                    return Err(Problem::Link { member: name.into(), target: target.clone() });
                }
            }
            Kind::File { .. } | Kind::Folder => {}
        }
        match self.0.insert(name.to_owned(), kind) {
            None => Ok(()),
            Some(Kind::Folder) if self.0.get(name) == Some(&Kind::Folder) => Ok(()),
            Some(_) => Err(Problem::Name { member: name.into(), why: "comes twice" }),
        }
    }

    /// The listing, once all members are known.
    pub(super) fn finish(self) -> Result<Listing, Problem> {
        for name in self.0.keys() {
            let mut above = name.as_str();
            while let Some((folder, _)) = above.rsplit_once('/') {
                if !matches!(self.0.get(folder), None | Some(Kind::Folder)) {
                    let why = "lies below something that is no folder";
                    return Err(Problem::Name { member: name.clone(), why });
                }
                above = folder;
            }
        }
        let top = self.top();
        let members = match &top {
            None => self.0,
            Some(top) => {
                let below = |name: String| name.strip_prefix(top)?.strip_prefix('/').map(ToOwned::to_owned);
                self.0.into_iter().filter_map(|(name, kind)| Some((below(name)?, kind))).collect()
            }
        };
        Ok(Listing { top, members })
    }

    fn top(&self) -> Option<String> {
        let first = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
        let top = first(self.0.keys().next()?);
        let all_below = self
            .0
            .iter()
            .all(|(name, kind)| first(name) == top && (name.contains('/') || *kind == Kind::Folder));
        all_below.then_some(top)
    }
}

/// The name without `./` in front and, for a folder, `/` behind. Empty for the root itself.
pub(super) fn safe_name(bytes: &[u8], folder: bool) -> Result<String, Problem> {
    let refuse = |why| {
        let head = &bytes[..bytes.len().min(200)];
        Err(Problem::Name { member: head.escape_ascii().to_string(), why })
    };
    let Ok(name) = str::from_utf8(bytes) else { return refuse("has a name that is no text") };
    if name.len() > LONGEST_NAME {
        return refuse("has an endless name");
    }
    if name.chars().any(char::is_control) {
        return refuse("has control characters in its name");
    }
    if name.starts_with('/') {
        return refuse("has an absolute path");
    }
    let name = if folder { name.strip_suffix('/').unwrap_or(name) } else { name };
    let name = if folder && name == "." { "" } else { name.strip_prefix("./").unwrap_or(name) };
    if name.is_empty() && folder {
        return Ok(String::new());
    }
    for part in name.split('/') {
        match part {
            ".." => return refuse("leads outside by `..`"),
            "" | "." => return refuse("has a path that is not written plainly"),
            _ => {}
        }
    }
    Ok(name.to_owned())
}

/// A link may climb within its top folder and then descend. `..` after a name is refused: the name may be a
/// link itself, and then `..` leads elsewhere than it says.
fn check_symlink(name: &str, target: &str) -> Result<(), Problem> {
    // A member in the root has no folder to climb in, one in the top folder must not climb out of that.
    let may_climb = name.split('/').count().saturating_sub(2);
    let parts: Vec<&str> = target.split('/').filter(|part| *part != ".").collect();
    let climbs = parts.iter().take_while(|part| **part == "..").count();
    let descends = parts[climbs..].iter().all(|part| *part != "..");
    let plain = !target.is_empty() && !target.starts_with('/') && !target.chars().any(char::is_control);
    if plain && climbs <= may_climb && descends {
        Ok(())
    } else {
        Err(Problem::Link { member: name.into(), target: target.escape_debug().take(200).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_and_plain() {
        let name = |text: &str| safe_name(text.as_bytes(), text.ends_with('/')).ok();
        assert_eq!(name("top/bin/etcd").as_deref(), Some("top/bin/etcd"));
        assert_eq!(name("./top/").as_deref(), Some("top"));
        assert_eq!(name("./").as_deref(), Some(""));
        for bad in
            ["/etc/passwd", "../x", "top/../../x", "top//x", "top/./x", "a\nb", "", ".", "..", "./..", "//"]
        {
            assert_eq!(name(bad), None, "{bad:?}");
        }
        assert!(safe_name(b"top/\xff", false).is_err());
        assert!(safe_name(&[b'a'; 2000], false).is_err());
    }

    #[test]
    fn links_stay_in_the_top_folder() {
        for (name, target) in
            [("t/a/l", "../b/x"), ("t/l", "a"), ("t/l", "./a/b"), ("t/a/b/l", "../../x"), ("l", "a")]
        {
            assert_eq!(check_symlink(name, target), Ok(()), "{name} -> {target}");
        }
        for (name, target) in [
            ("t/l", "/etc"),
            ("t/l", ".."),
            ("t/l", "../x"),
            ("t/a/l", "../../x"),
            ("l", "../x"),
            ("t/a/l", "b/../../x"),
            ("t/a/l", "./../.././x"),
            ("t/l", ""),
        ] {
            assert!(check_symlink(name, target).is_err(), "{name} -> {target}");
        }
    }

    #[test]
    fn only_a_folder_that_holds_all_is_the_top() {
        let listing = |names: &[(&str, Kind)]| {
            let mut draft = Draft::default();
            for (name, kind) in names {
                draft.add(name, kind.clone()).unwrap();
            }
            draft.finish().unwrap()
        };
        let file = Kind::File { bytes: 1 };
        let one = listing(&[("t", Kind::Folder), ("t", Kind::Folder), ("t/a", file.clone())]);
        assert_eq!(one.top.as_deref(), Some("t"));
        assert_eq!(one.members, BTreeMap::from([("a".to_owned(), file.clone())]));
        assert_eq!(listing(&[("t/a", file.clone()), ("u/a", file.clone())]).top, None);
        assert_eq!(listing(&[("etcd", file)]).top, None);
        assert_eq!(listing(&[]).top, None);
    }

    #[test]
    fn a_member_must_not_come_twice_or_below_a_link() {
        let file = Kind::File { bytes: 1 };
        let mut twice = Draft::default();
        twice.add("t/a", file.clone()).unwrap();
        assert!(twice.add("t/a", file.clone()).is_err());
        let mut below = Draft::default();
        below.add("t/l/x", file).unwrap();
        below.add("t/l", Kind::Symlink { target: "a".into() }).unwrap();
        assert!(below.finish().is_err());
    }
}
