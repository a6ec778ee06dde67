//! Where the time of a run went.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cli::output::text::{elapsed, names};
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
}

impl Timings {
    /// Passes on to `next`.
    pub fn new(next: Arc<dyn EventSink>) -> Self {
        Self { next, kept: Mutex::default() }
    }

    /// The account: by stage, then the slowest steps.
    pub fn account(&self) -> String {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        if kept.steps.is_empty() {
            return text;
        }
        let stages = kept.by_stage.iter().map(|(stage, took)| format!("{stage} {}", elapsed(*took)));
        let _ = writeln!(text, "time by stage, over all hosts: {}", names(stages.collect::<Vec<_>>()));
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
            _ => {}
        }
        drop(kept);
        self.next.emit(event);
    }
}
