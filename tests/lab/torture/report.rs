//! What a torture was, for people: printed at its end, and kept under `target/`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::blows::{Blow, Kind};
use super::changes::Change;
use super::ledger::Ledger;

/// What was done and what came of it.
pub struct Report {
    seed: u64,
    wanted: usize,
    begun: Instant,
    /// One line for each blow, in order.
    list: Vec<String>,
    kinds: BTreeMap<Kind, usize>,
    kills: usize,
    /// The frames at which a run was killed in turn.
    swept: BTreeSet<usize>,
    /// By change: how often, blows in it, the longest time from the last blow's end to the end of `up`.
    changes: BTreeMap<Change, (usize, usize, Duration)>,
    /// Blows before anything was planned.
    early: usize,
    /// How runs ended that outlived what befell them, by exit code.
    ends: BTreeMap<i32, usize>,
    looks: usize,
    checks: usize,
    keys: usize,
    /// Partial plans whose predicted effects were compared with what was gathered, and single things in them.
    pub predicted: (usize, usize),
    failures: Vec<String>,
}

impl Report {
    /// Nothing was done yet of so many kills.
    pub fn new(seed: u64, wanted: usize) -> Self {
        Self {
            seed,
            wanted,
            begun: Instant::now(),
            list: Vec::new(),
            kinds: BTreeMap::new(),
            kills: 0,
            swept: BTreeSet::new(),
            changes: BTreeMap::new(),
            early: 0,
            ends: BTreeMap::new(),
            looks: 0,
            checks: 0,
            keys: 0,
            predicted: (0, 0),
            failures: Vec::new(),
        }
    }

    /// How many blows there were.
    pub fn blows(&self) -> usize {
        self.list.len()
    }

    /// How many blows killed something: `up`, ssh, a step, a host.
    pub fn kills(&self) -> usize {
        self.kills
    }

    /// So many of the blows so far killed something.
    pub fn killed(&mut self, more: usize) {
        self.kills += more;
    }

    /// A run was killed at this frame, as the one before it was at an earlier one.
    pub fn swept(&mut self, frame: usize) {
        self.swept.insert(frame);
    }

    /// How many chains failed.
    pub fn failures(&self) -> usize {
        self.failures.len()
    }

    /// Something befell a run at this frame; `of` is zero before a plan was made.
    pub fn struck(&mut self, change: Change, blow: &Blow, frame: usize, of: usize, at: &str) {
        *self.kinds.entry(blow.kind).or_default() += 1;
        self.changes.entry(change).or_default().1 += 1;
        self.early += usize::from(of == 0);
        let place = if of == 0 {
            format!("frame {frame}, nothing planned yet")
        } else {
            format!("frame {frame}, of a plan of {of}")
        };
        let line = format!("{:3} {}: {} at {place}: {at}", self.list.len() + 1, change.title(), blow.told());
        eprintln!("  {line}");
        self.list.push(line);
    }

    /// A run that was not killed ended.
    pub fn ended(&mut self, code: i32) {
        *self.ends.entry(code).or_default() += 1;
    }

    /// A chain came to its end.
    pub fn converged(&mut self, change: Change, took: Duration) {
        let (times, _, longest) = self.changes.entry(change).or_default();
        *times += 1;
        *longest = (*longest).max(took);
    }

    /// A chain failed.
    pub fn failed(&mut self, change: Change, why: &str) {
        let after = self.list.last().map_or("", String::as_str);
        self.failures.push(format!("{} (the last blow: {after})\n{why}", change.title()));
    }

    /// A ledger is closed.
    pub fn count(&mut self, ledger: &Ledger) {
        self.looks += ledger.looks;
        self.checks += ledger.checks;
        self.keys += ledger.keys.len();
    }

    /// As people read it; with the list of blows if something failed.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let seconds = self.begun.elapsed().as_secs_f64();
        let _ = writeln!(
            text,
            "torture: {} kills (of up, ssh or a step, power cuts) among {} blows in {seconds:.0} s, {} failures; \
             KUBOARD_HA_SEED={} KUBOARD_HA_KILLS={}",
            self.kills,
            self.blows(),
            self.failures.len(),
            self.seed,
            self.wanted
        );
        for (kind, count) in &self.kinds {
            let _ = writeln!(text, "  {count:4}  {}", kind.title());
        }
        let _ = writeln!(text, "  {:4}  of these before anything was planned", self.early);
        if let (Some(first), Some(last)) = (self.swept.first(), self.swept.last()) {
            let _ = writeln!(
                text,
                "  {:4}  frames from {first} to {last} at which one run after the other was killed",
                self.swept.len()
            );
        }
        for (change, (times, blows, longest)) in &self.changes {
            let _ = writeln!(
                text,
                "  {}: {times} times to its end, {blows} blows, at most {:.1} s for the last run",
                change.title(),
                longest.as_secs_f64()
            );
        }
        let ends: Vec<String> =
            self.ends.iter().map(|(code, count)| format!("{code} ({count} times)")).collect();
        let _ = writeln!(text, "  runs that outlived a blow ended with {}", ends.join(", "));
        let _ = writeln!(
            text,
            "  {} looks at hosts, {} comparisons, {} acknowledged keys, all found",
            self.looks, self.checks, self.keys
        );
        let (plans, things) = self.predicted;
        let _ = writeln!(
            text,
            "  {plans} plans that were cut short: {things} predicted things compared with what was gathered"
        );
        for failure in &self.failures {
            let _ = writeln!(text, "FAILED: {failure}");
        }
        text
    }

    /// Writes all of it, the list of blows included; gives where.
    pub fn keep(&self) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("torture");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{}.txt", self.seed));
        std::fs::write(&path, format!("{}\n{}\n", self.text(), self.list.join("\n"))).unwrap();
        path
    }
}
