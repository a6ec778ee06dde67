//! `up` interrupted again and again, by everything that may befall a run, its machine, its connections and its hosts.
//! Where, is counted in frames (events of the run), not in seconds: each frame in turn (`sweep.rs`), and frames drawn from
//! a seed that is printed. It goes on until so many kills were made; what kills nothing is a blow more.
//!
//! A chain: something is asked for (a first build, a changed setting, …), the run is struck, the next one a bit further
//! on, and so on; then one is let come to its end. After each blow and at each end the hosts are read, not asked for.

mod blows;
mod changes;
mod ledger;
mod look;
mod machine;
mod prefix;
mod report;
mod settled;
mod sweep;
mod wal;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use kuboard_ha::facts::Facts;
use serde_json::Value;

use self::blows::{Blow, Kind, ssh_processes};
use self::changes::Change;
use self::ledger::Ledger;
use self::machine::Machine;
use self::prefix::Prefix;
use self::report::Report;
use crate::eight::predicted;
use crate::lab::{Image, Lab};
use crate::poll::until;
use crate::seed::Seed;
use crate::tool::Outcome;
use crate::writer::Writer;

const MEMBERS: [&str; 3] = ["node-1", "node-2", "node-3"];
/// How many blows a chain gets; a first build at most a quarter of all kills.
const BUILD: usize = 10;
const LATER: usize = 6;
/// How often one run is struck, if it outlives it.
const A_RUN: usize = 3;
/// Frames until a plan is made: connecting, looking.
const EARLY: usize = 12;
/// One in so many simple kills is compared with what the plan's effects predict.
const PREDICTED: usize = 4;
/// How often the last run of a chain may say that it cannot see enough yet.
const TRIES: usize = 5;
/// After so many failures it is enough.
const ENOUGH: usize = 3;

#[test]
fn torture() {
    let wanted = std::env::var("KUBOARD_HA_KILLS").ok().map_or(20, |text| text.parse().unwrap());
    let lab = Lab::boot_on("test-torture", "10.99.34", Image::Full, Some("2G"), "three", |text| {
        changes::first(&text)
    });
    let seed = Seed::drawn("what befalls up");
    let mut torture = Torture {
        lab: &lab,
        first: lab.inventory.text(),
        machine: Machine::fresh(&lab, 0),
        machines: 0,
        ledger: Ledger::default(),
        bare: Facts::default(),
        report: Report::new(seed.number(), wanted),
        seed,
        wanted,
    };
    for cycle in 0.. {
        torture.cycle(cycle);
        if torture.report.kills() >= wanted || torture.report.failures() >= ENOUGH {
            break;
        }
    }
    leftovers(&lab);
    let report = torture.report;
    eprintln!("{}  in full: {}", report.text(), report.keep().display());
    assert!(report.failures() == 0, "{}", report.text());
}

struct Torture<'l> {
    lab: &'l Lab,
    /// The inventory that a cycle begins with.
    first: String,
    machine: Machine,
    machines: usize,
    ledger: Ledger,
    /// What the hosts were like when they were bare.
    bare: Facts,
    report: Report,
    seed: Seed,
    wanted: usize,
}

impl Torture<'_> {
    /// Fresh hosts, a build, and then all that may be asked for, in an order drawn by chance.
    fn cycle(&mut self, cycle: usize) {
        eprintln!("== cycle {}", cycle + 1);
        let lab = self.lab;
        if cycle > 0 {
            lab.renew();
        }
        // Through a bastion every other time.
        let through = format!("ssh: {{ user: root, proxy_jump: root@{},", lab.address(MEMBERS[0]));
        let text = if cycle.is_multiple_of(2) {
            self.first.replace("ssh: { user: root,", &through)
        } else {
            self.first.clone()
        };
        lab.inventory.write(&text);
        self.ledger = Ledger::default();
        self.moved();
        self.bare = self.machine.facts(lab);
        let mut order = Change::LATER;
        self.seed.fork(1_000_000 + cycle).shuffle(&mut order);
        let sweep = (cycle == 0).then_some(Change::Swept);
        let changes = std::iter::once(Change::Build).chain(sweep).chain(order);
        for change in changes {
            if self.report.kills() >= self.wanted {
                break;
            }
            let walked = catch_unwind(AssertUnwindSafe(|| match change {
                Change::Swept => self.sweep(),
                _ => self.chain(change),
            }));
            if let Err(panic) = walked {
                let why = panic.downcast_ref::<String>().cloned();
                let why = why.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                eprintln!("{}", lab.evidence());
                self.report.failed(change, &why.unwrap_or_default());
                self.report.keep();
                break;
            }
        }
        self.report.count(&self.ledger);
    }

    /// Asks for a change, strikes its runs, and lets the last one come to its end.
    fn chain(&mut self, change: Change) {
        eprintln!("-- {}", change.title());
        let lab = self.lab;
        let mut chance = self.seed.fork(2_000_000 + self.report.blows());
        let writer = (change != Change::Build).then(|| Writer::start(&lab.etcd(&MEMBERS), change.title()));
        if let Some(lost) = change.ask(lab, MEMBERS[chance.below(MEMBERS.len())]) {
            self.ledger.forget_data(&lost);
        }
        let quota = if change == Change::Build { BUILD.min(self.wanted / 4) } else { LATER };
        let mut left = quota.min(self.wanted - self.report.kills());
        while left > 0 {
            let struck = self.run(change, left);
            left -= struck;
            self.look();
            if struck == 0 {
                break;
            }
        }
        self.last(change, writer);
    }

    /// The last run of a chain comes to its end, and all is as asked.
    fn last(&mut self, change: Change, writer: Option<Writer>) {
        let (lab, begun) = (self.lab, Instant::now());
        let mut tries = TRIES;
        let last = loop {
            let last = self.machine.start(lab, &["up", "-o", "json", "--yes"]).finish();
            lab.keep(&last);
            tries -= 1;
            if tries == 0 || !saw_too_little(&last) {
                break last.exits(0);
            }
            self.report.ended(last.code.unwrap_or_default());
        };
        self.report.converged(change, begun.elapsed());
        if let Some(writer) = writer {
            writer.finish();
        }
        self.settled(&last);
    }

    /// One run, and what befalls it. Gives how many blows there were.
    fn run(&mut self, change: Change, left: usize) -> usize {
        let lab = self.lab;
        let mut blows: Vec<Blow> = Vec::new();
        let hosts: Vec<String> = lab.hosts.keys().cloned().collect();
        let (mut chance, mut blow) = self.draw();
        let early = chance.below(8) == 0;
        let is_simple = !early && matches!(blow.kind, Kind::Killed | Kind::Moved);
        let prefix = (is_simple && chance.below(PREDICTED) == 0).then(|| {
            self.calm();
            Prefix::new(self.machine.facts(lab), &predicted::inventory(lab))
        });
        let mut kills = 0;
        let mut up = self.machine.start(lab, &["up", "-o", "json", "--yes"]);
        std::thread::scope(|scope| {
            // Frames seen, at which one it strikes, how many the plan has.
            let (mut seen, mut of) = (0, 0);
            let mut wanted = if early { 1 + chance.below(EARLY) } else { usize::MAX };
            while let Some(event) = up.next_event() {
                if !is_frame(&event) {
                    continue;
                }
                seen += 1;
                if let Some(frames) = planned(&event) {
                    of = frames;
                    if wanted == usize::MAX && of > 0 {
                        wanted = seen + 1 + chance.below(2 * of / (left - blows.len() + 1));
                    }
                }
                if seen < wanted {
                    continue;
                }
                kills += usize::from(blow.strike(lab, &mut up, scope));
                self.report.struck(change, &blow, seen, of, &at(&event));
                blows.push(blow.clone());
                if blow.ends_run() || blows.len() == A_RUN.min(left) {
                    break;
                }
                (chance, blow) = self.draw();
                blow = blow.beside(&blows, &hosts);
                wanted = if of > 0 {
                    seen + 1 + chance.below(2 * of / (left - blows.len() + 1))
                } else {
                    usize::MAX
                };
            }
        });
        let outcome = up.finish();
        lab.keep(&outcome);
        self.ended(&outcome, &blows);
        let up_alone = blows.last().is_some_and(|blow| !matches!(blow.kind, Kind::Power | Kind::Blackout));
        self.report.killed(kills + usize::from(outcome.code.is_none() && up_alone));
        for blow in &blows {
            blow.wait(lab);
        }
        if let Some(mut prefix) = prefix {
            // All that it said, what came after the blow too.
            for event in outcome.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()) {
                prefix.heard(&event);
            }
            self.predicted(&prefix);
        }
        if blows.iter().any(|blow| blow.kind == Kind::Moved) {
            self.moved();
        }
        blows.len()
    }

    /// How a run may end: killed, as asked, at its goal; or stopped, with a way out.
    fn ended(&mut self, outcome: &Outcome, blows: &[Blow]) {
        let killed = blows.iter().any(|blow| blow.ends_run() && blow.kind != Kind::Asked);
        let Some(code) = outcome.code else {
            assert!(killed, "up was killed by somebody else\n{}", outcome.told());
            return;
        };
        let is_asked = |blow: &Blow| blow.kind == Kind::Asked;
        if code == 130 {
            assert!(blows.iter().any(is_asked), "nobody asked up to end\n{}", outcome.told());
            return;
        }
        self.report.ended(code);
        if code == 0 {
            return;
        }
        let end = outcome.last_event();
        // What failed before a signal came counts for more than the signal.
        let is_hurt = !blows.iter().all(is_asked) || saw_too_little(outcome);
        assert!(is_hurt, "up ended with {code}, and nothing befell it\n{}", outcome.told());
        assert!(matches!(code, 4..=9), "up ended with {code}\n{}", outcome.told());
        let hinted = |list: &str| {
            end[list].as_array().is_some_and(|list| list.iter().any(|one| one["hint"].is_string()))
        };
        let way_out = hinted("findings")
            || hinted("failures")
            || end["hints"].as_array().is_some_and(|hints| !hints.is_empty());
        assert!(way_out, "no way out is told\n{}", outcome.told());
    }

    /// Waits until no step of a killed run is at work.
    fn calm(&self) {
        until(Duration::from_mins(2), "no step of a killed run is at work", || {
            let looks = look::look(self.lab, "", false);
            let busy: Vec<&str> = looks.values().flat_map(|look| look.all("lease")).collect();
            if busy.is_empty() { Ok(()) } else { Err(busy.join("; ")) }
        });
    }

    /// What the plan's effects predict of a run that was cut short, against what is gathered.
    fn predicted(&mut self, prefix: &Prefix) {
        self.calm();
        match prefix.compare(&self.machine.facts(self.lab), &predicted::inventory(self.lab)) {
            Some(Ok(things)) => {
                let (plans, all) = self.report.predicted;
                self.report.predicted = (plans + 1, all + things);
            }
            Some(Err(why)) => panic!("{why}"),
            None => {}
        }
    }

    /// What the next blow is, and the chance that belongs to it.
    fn draw(&self) -> (Seed, Blow) {
        let mut chance = self.seed.fork(self.report.blows());
        let hosts: Vec<String> = self.lab.hosts.keys().cloned().collect();
        let blow = Blow::drawn(&mut chance, &hosts);
        (chance, blow)
    }

    /// Another machine goes on.
    fn moved(&mut self) {
        self.machines += 1;
        self.machine = Machine::fresh(self.lab, self.machines);
    }

    /// Reads the hosts after a blow, and leaves a key behind if etcd takes one.
    fn look(&mut self) {
        let key = format!("/kuboard-ha-lab/torture/{:04}", self.report.blows());
        if self.lab.etcd(&MEMBERS).put(&key, 0, Duration::from_millis(500)).is_ok() {
            self.ledger.keys.push(key);
        }
        let wanted = settled::wanted(&predicted::inventory(self.lab), &self.bare);
        let paths: BTreeSet<&str> = wanted.keys().map(|(_, path)| path.as_str()).collect();
        let wrong = self.ledger.look(self.lab, &Vec::from_iter(paths).join(" "));
        assert!(wrong.is_empty(), "after a blow:\n{}", wrong.join("\n"));
    }

    /// All is as asked, and the next `up` says so.
    fn settled(&mut self, last: &Outcome) {
        let inventory = predicted::inventory(self.lab);
        let wrong = settled::wrong(self.lab, &mut self.ledger, &inventory, &self.bare);
        assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), last.told());
        let again = self.machine.start(self.lab, &["up", "-o", "json"]).finish().exits(0);
        assert_eq!(again.last_event()["result"], "unchanged", "{}", again.told());
    }
}

/// Whether an event counts as a frame: how many there are of the others is a matter of time.
fn is_frame(event: &Value) -> bool {
    let kind = event["kind"].as_str().unwrap_or_default();
    !kind.ends_with("-progressed") && kind != "step-waiting"
}

/// How many frames a plan comes to, if this tells of one.
fn planned(event: &Value) -> Option<usize> {
    let count = |what: &str| usize::try_from(event[what].as_u64().unwrap()).unwrap();
    (event["kind"] == "planned").then(|| 2 * (count("steps") + count("jobs")))
}

/// Where a run is, in words.
fn at(event: &Value) -> String {
    let words = ["kind", "job", "host", "step", "title"].map(|key| event[key].to_string().replace('"', ""));
    words.join(" ").replace("null", "").trim().to_owned()
}

/// Whether a run was held up only by what it could not see: a host or an engine that is still booting.
fn saw_too_little(outcome: &Outcome) -> bool {
    let findings = outcome.last_event()["findings"].clone();
    let all = findings.as_array().map(Vec::as_slice).unwrap_or_default();
    let has = |severity: &str| all.iter().any(|finding| finding["severity"] == severity);
    matches!(outcome.code, Some(4 | 5)) && has("unknown") && !has("blocked")
}

/// Connections linger for the next run, but not for long.
fn leftovers(lab: &Lab) {
    until(Duration::from_secs(90), "no ssh of a killed run is left", || {
        let left: Vec<String> = ssh_processes(lab).into_iter().map(|(_, line)| line).collect();
        if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
    });
}
