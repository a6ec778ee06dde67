//! From frames to events, and from an end to a failure in words.

use std::time::{Duration, Instant};

use super::{Account, FailedStep, FailureKind};
use crate::event::{Event, EventSink};
use crate::host::session::Frame;
use crate::plan::model::Job;
use crate::plan::title::step_title;

/// How many lines of a failed step's output are kept.
const EVIDENCE: usize = 12;

/// Tells of the steps of one job as they go.
pub(super) struct Teller<'a> {
    pub(super) job: &'a Job,
    pub(super) sink: &'a dyn EventSink,
    /// The job's step that the script's first is.
    pub(super) first: usize,
    pub(super) begun: Instant,
    /// How many steps changed something.
    pub(super) changed: usize,
}

impl<'a> Teller<'a> {
    pub(super) fn new(job: &'a Job, sink: &'a dyn EventSink, first: usize) -> Self {
        Self { job, sink, first, begun: Instant::now(), changed: 0 }
    }

    /// Takes a frame of a script whose steps are told one by one.
    pub(super) fn frame(&mut self, frame: &Frame) {
        match frame {
            Frame::Begin(step) => {
                self.begun = Instant::now();
                begin(self.job, self.first + step, self.sink);
            }
            Frame::End(step, 0, changed) => {
                self.changed += usize::from(*changed);
                finish(self.job, self.first + step, *changed, self.begun.elapsed(), self.sink);
            }
            _ => {}
        }
    }
}

/// Tells that a step began.
pub(super) fn begin(job: &Job, step: usize, sink: &dyn EventSink) {
    let Some(what) = job.steps.get(step) else { return };
    sink.emit(Event::StepStarted {
        job: job.id.to_string(),
        step,
        host: job.host.clone(),
        resource: what.resource.clone(),
        title: step_title(what),
    });
}

/// Tells that a step ended well.
pub(super) fn finish(job: &Job, step: usize, changed: bool, elapsed: Duration, sink: &dyn EventSink) {
    sink.emit(Event::StepFinished {
        job: job.id.to_string(),
        step,
        host: job.host.clone(),
        changed,
        elapsed,
    });
}

/// Tells that a step failed, and gives the failure.
pub(super) fn fail(
    job: &Job,
    step: usize,
    error: String,
    output: &str,
    account: Account,
    kind: FailureKind,
    sink: &dyn EventSink,
) -> Option<FailedStep> {
    let what = job.steps.get(step)?;
    let Account { mut evidence, cause } = account;
    evidence.retain(|line| !error.contains(line.trim()));
    if evidence.is_empty() {
        let lines: Vec<_> = output.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        evidence =
            lines[lines.len().saturating_sub(EVIDENCE)..].iter().map(|line| (*line).to_owned()).collect();
    }
    sink.emit(Event::StepFailed {
        job: job.id.to_string(),
        step,
        host: job.host.clone(),
        error: error.clone(),
        evidence: evidence.clone(),
        cause: cause.clone().map(Box::new),
    });
    Some(FailedStep {
        host: job.host.clone(),
        job: job.id.clone(),
        step,
        resource: what.resource.clone(),
        title: step_title(what),
        error,
        evidence,
        cause,
        kind,
    })
}

/// A failed step in one line, and why: what it said last, for steps say why they fail.
pub(super) fn reason(rc: i32, output: &str, limit: Duration) -> (String, FailureKind) {
    let last = output.lines().rev().map(str::trim).find(|line| !line.is_empty());
    match (rc, last) {
        (124, None) => (format!("not done after {} s, stopped", limit.as_secs()), FailureKind::TimedOut),
        (124, Some(last)) => (
            format!("not done after {} s, stopped; it said last: {last}", limit.as_secs()),
            FailureKind::TimedOut,
        ),
        (rc, None) => (format!("ended with status {rc} and said nothing"), FailureKind::Status(rc)),
        (rc, Some(last)) => (last.to_owned(), FailureKind::Status(rc)),
    }
}
