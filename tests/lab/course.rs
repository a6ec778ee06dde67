//! A course: the scenarios that one lab goes through. One that fails tells its evidence, the cluster is brought
//! back, and the next begins: a run of minutes shall tell of all that is wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::lab::Lab;

/// The walk through one lab.
pub struct Course<'a> {
    lab: &'a Lab,
    begun: Instant,
    failures: Vec<String>,
    from: Option<String>,
}

impl<'a> Course<'a> {
    /// Nothing was walked yet.
    pub fn new(lab: &'a Lab) -> Self {
        let from = std::env::var("KUBOARD_HA_LAB_FROM").ok();
        Self { lab, begun: Instant::now(), failures: Vec::new(), from }
    }

    /// A scenario without which the later ones make no sense.
    pub fn must(&mut self, name: &str, scenario: impl FnOnce(&Lab)) {
        let failures = self.failures.len();
        self.walk(name, scenario, false);
        if self.failures.len() > failures {
            self.conclude();
        }
    }

    /// A scenario on hosts where nothing was built yet.
    pub fn early(&mut self, name: &str, scenario: impl FnOnce(&Lab)) {
        self.walk(name, scenario, false);
    }

    /// A scenario.
    pub fn step(&mut self, name: &str, scenario: impl FnOnce(&Lab)) {
        self.walk(name, scenario, true);
    }

    fn walk(&mut self, name: &str, scenario: impl FnOnce(&Lab), recover: bool) {
        if let Some(from) = &self.from {
            if !name.contains(from.as_str()) {
                eprintln!("LEFT OUT, by KUBOARD_HA_LAB_FROM: {name}");
                return;
            }
            self.from = None;
        }
        let begun = Instant::now();
        eprintln!("== {name}");
        if catch_unwind(AssertUnwindSafe(|| scenario(self.lab))).is_ok() {
            eprintln!("   ok: {name} ({:.1} s)", begun.elapsed().as_secs_f64());
            return;
        }
        self.failures.push(name.to_owned());
        eprintln!("   FAILED: {name} ({:.1} s)\n{}", begun.elapsed().as_secs_f64(), self.lab.evidence());
        let restored = || {
            self.lab.revive();
            self.lab.up();
        };
        if recover && catch_unwind(AssertUnwindSafe(restored)).is_err() {
            self.failures.push(format!("bringing the cluster back after: {name}"));
            eprintln!("{}", self.lab.evidence());
            self.conclude();
        }
    }

    /// The end: fails the test if a scenario failed.
    pub fn end(self) {
        if let Some(from) = &self.from {
            panic!("no scenario has `{from}` in its name");
        }
        self.conclude();
    }

    fn conclude(&self) {
        eprintln!("== {:.0} s in all", self.begun.elapsed().as_secs_f64());
        assert!(self.failures.is_empty(), "failed: {}", self.failures.join("; "));
    }
}
