//! What was ever seen on the hosts since they were new, and what may never come to pass after it. True at any moment,
//! in the middle of a step too.

use std::collections::{BTreeMap, BTreeSet};

use super::look::{Look, look};
use super::wal;
use crate::lab::Lab;

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Every cluster that a data directory or a live member ever belonged to.
    clusters: BTreeSet<u64>,
    /// Data directories by host and inode, with where they were seen last.
    data: BTreeMap<(String, u64), String>,
    /// Whole contents of each file, by host and path: what lay there, what was recorded.
    contents: BTreeMap<(String, String), BTreeSet<String>>,
    /// Keys that etcd acknowledged.
    pub keys: Vec<String>,
    /// How many hosts were looked at.
    pub looks: usize,
    /// How many single facts were compared.
    pub checks: usize,
}

impl Ledger {
    /// Looks at the hosts and gives what is wrong. `paths`: the files that plans write.
    pub fn look(&mut self, lab: &Lab, paths: &str) -> Vec<String> {
        let looks = look(lab, paths, false);
        self.wrong(&looks)
    }

    /// What is wrong with this.
    pub fn wrong(&mut self, looks: &BTreeMap<String, Look>) -> Vec<String> {
        let mut wrong = Vec::new();
        for (host, look) in looks {
            self.looks += 1;
            self.one_cluster(host, look, &mut wrong);
            self.data_stays(host, look, &mut wrong);
            self.files_are_whole(host, look, &mut wrong);
            self.private(host, look, &mut wrong);
        }
        wrong
    }

    /// The data of this host were taken away by the test itself.
    pub fn forget_data(&mut self, lost: &str) {
        self.data.retain(|(host, _), path| host != lost || !path.starts_with("/var/lib/etcd"));
    }

    /// A live member's cluster.
    pub fn cluster(&mut self, id: u64) {
        self.clusters.insert(id);
    }

    /// Whether more than one cluster was seen.
    pub fn clusters(&self) -> Vec<String> {
        self.clusters.iter().map(|id| format!("{id:x}")).collect()
    }

    fn one_cluster(&mut self, host: &str, look: &Look, wrong: &mut Vec<String>) {
        for (path, hex) in look.named("wal") {
            self.checks += 1;
            // A log that is being made has no metadata yet.
            let Some(id) = wal::cluster(hex) else { continue };
            self.clusters.insert(id);
            if self.clusters.len() > 1 {
                wrong.push(format!("{host}: {path} belongs to a second cluster: {:?}", self.clusters()));
            }
        }
    }

    /// What was a data directory is one still, in its place or set aside.
    fn data_stays(&mut self, host: &str, look: &Look, wrong: &mut Vec<String>) {
        let seen: BTreeMap<u64, &str> = look
            .all("inode")
            .filter_map(|rest| rest.split_once(' '))
            .filter_map(|(inode, path)| Some((inode.parse().ok()?, path)))
            .collect();
        for ((_, inode), path) in self.data.iter().filter(|((owner, _), _)| owner == host) {
            self.checks += 1;
            if !seen.contains_key(inode) {
                wrong.push(format!("{host}: the data directory {path} is gone; there are {seen:?}"));
            }
        }
        self.data.extend(seen.into_iter().map(|(inode, path)| ((host.to_owned(), inode), path.to_owned())));
    }

    /// A file holds what was recorded for it, or still what it held before.
    fn files_are_whole(&mut self, host: &str, look: &Look, wrong: &mut Vec<String>) {
        let (files, recorded) = (look.named("file"), look.named("recorded"));
        for (path, entry) in &recorded {
            let sum = entry.split(' ').nth(1).unwrap_or_default();
            if sum.len() != 64 {
                wrong.push(format!("{host}: the manifest's line for {path} is torn: {entry}"));
            }
            self.contents.entry((host.to_owned(), (*path).to_owned())).or_default().insert(sum.to_owned());
        }
        for torn in look.all("torn") {
            wrong.push(format!("{host}: the manifest has a line that nobody writes: {torn}"));
        }
        // While a step is at work a file may be written, recorded and written again between two looks.
        let at_work = look.all("lease").next().is_some();
        for (path, entry) in files {
            let sum = entry.split(' ').next().unwrap_or_default();
            let known = self.contents.entry((host.to_owned(), path.to_owned())).or_default();
            let is_ours = recorded.contains_key(path);
            self.checks += 1;
            if is_ours && !at_work && !known.contains(sum) {
                wrong.push(format!("{host}: {path} holds what was never recorded ({sum})"));
            }
            known.insert(sum.to_owned());
        }
    }

    /// Secrets and snapshots are root's alone; there are at most three snapshots.
    fn private(&mut self, host: &str, look: &Look, wrong: &mut Vec<String>) {
        for (path, entry) in look.named("folder") {
            self.checks += 1;
            if entry != "700 root" {
                wrong.push(format!("{host}: {path} is open to others: {entry}"));
            }
        }
        let mut snapshots = 0;
        for (path, entry) in look.named("private") {
            self.checks += 1;
            snapshots += usize::from(path.contains("/snapshots/"));
            if !entry.starts_with("600 root ") {
                wrong.push(format!("{host}: {path} is open to others: {}", &entry[..8.min(entry.len())]));
            }
        }
        if snapshots > 3 {
            wrong.push(format!("{host}: {snapshots} snapshots are kept"));
        }
    }
}
