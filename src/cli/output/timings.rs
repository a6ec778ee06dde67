//! Where the time of a run went.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cli::output::text::elapsed;
use crate::event::{Event, EventSink};
use crate::resource::HostName;

/// How many steps the account lists.
const LISTED: usize = 12;

/// Passes events on and keeps how long steps took.
pub struct Timings {
    next: Arc<dyn EventSink>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    titles: BTreeMap<(String, usize), String>,
    stages: BTreeMap<String, String>,
    steps: Vec<(Duration, HostName, String)>,
    by_stage: BTreeMap<String, Duration>,
    since: BTreeMap<HostName, Instant>,
    connected: BTreeMap<HostName, Duration>,
    looked: BTreeMap<HostName, Duration>,
}

impl Kept {
    /// Since the host's last event of this kind; nothing for a host that began nothing.
    fn lap(&mut self, host: &HostName) -> Option<Duration> {
        self.since.insert(host.clone(), Instant::now()).map(|since| since.elapsed())
    }
}

/// `to look: 0.8 s at most (node-1)`.
fn slowest(what: &str, all: &BTreeMap<HostName, Duration>) -> Option<String> {
    let (host, took) = all.iter().max_by_key(|(_, took)| **took)?;
    Some(format!("to {what}: {} at most ({host})\n", elapsed(*took)))
}

impl Timings {
    /// Passes on to `next`.
    pub fn new(next: Arc<dyn EventSink>) -> Self {
        Self { next, kept: Mutex::default() }
    }

    /// The account: how long it took to reach the hosts and to look at them first, then steps by stage, then the
    /// slowest steps.
    pub fn account(&self) -> String {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let first = [slowest("connect", &kept.connected), slowest("look", &kept.looked)];
        let mut text: String = first.into_iter().flatten().collect();
        if kept.steps.is_empty() {
            return text;
        }
        let stages = kept.by_stage.iter().map(|(stage, took)| format!("{stage} {}", elapsed(*took)));
        let _ = writeln!(text, "time by stage, over all hosts: {}", stages.collect::<Vec<_>>().join(", "));
        kept.steps.sort_by_key(|(took, ..)| std::cmp::Reverse(*took));
        for (took, host, title) in kept.steps.iter().take(LISTED) {
            let _ = writeln!(text, "  {:>12}  {host}  {title}", elapsed(*took));
        }
        text
    }
}

impl EventSink for Timings {
    fn emit(&self, event: Event) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match &event {
            Event::JobStarted { job, stage, .. } => {
                kept.stages.insert(job.clone(), stage.clone());
            }
            Event::StepStarted { job, step, title, .. } => {
                kept.titles.insert((job.clone(), *step), title.clone());
            }
            Event::StepFinished { job, step, host, elapsed, .. } => {
                let title = kept.titles.get(&(job.clone(), *step)).cloned().unwrap_or_else(|| job.clone());
                let stage = kept.stages.get(job).cloned().unwrap_or_default();
                *kept.by_stage.entry(stage).or_default() += *elapsed;
                kept.steps.push((*elapsed, host.clone(), title));
            }
            Event::HostConnecting { host } => {
                kept.since.insert(host.clone(), Instant::now());
            }
            Event::HostConnected { host } => {
                if let Some(took) = kept.lap(host) {
                    kept.connected.entry(host.clone()).or_insert(took);
                }
            }
            Event::HostGathered { host } => {
                if let Some(took) = kept.since.remove(host).map(|since| since.elapsed()) {
                    kept.looked.entry(host.clone()).or_insert(took);
                }
            }
            _ => {}
        }
        drop(kept);
        self.next.emit(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Silent;

    #[test]
    fn a_run_without_steps_still_says_where_its_time_went() {
        let timings = Timings::new(Arc::new(Silent));
        let host = HostName::new("etcd1");
        timings.emit(Event::HostConnecting { host: host.clone() });
        timings.emit(Event::HostConnected { host: host.clone() });
        timings.emit(Event::HostGathered { host });
        let account = timings.account();
        assert!(account.starts_with("to connect: ") && account.contains("\nto look: "), "{account}");
        assert!(account.lines().all(|line| line.ends_with(" at most (etcd1)")), "{account}");
    }
}
