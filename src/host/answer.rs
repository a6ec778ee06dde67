//! What a resident shell's answers come to.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::frame::Frame;
use crate::plan::script::JobScript;

/// What a step may print: four times what its shell lets through, for bytes that are no text grow when they are read.
const LARGEST_OUTPUT: usize = 256 * 1024;

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// Every step ended well.
    Done,
    /// A step failed; the later ones were not begun.
    Failed {
        /// Its index.
        step: usize,
        /// Its exit status; 124 where its time was up.
        rc: i32,
        /// What it printed, the last 64 KiB.
        output: String,
    },
    /// A guard does not hold; nothing was begun.
    Fenced {
        /// Its title.
        guard: String,
        /// What it printed.
        output: String,
    },
    /// Asked to stop, the shell ended before this step.
    Stopped {
        /// The first step that was not begun.
        next: usize,
    },
}

/// How far a job is, as its frames tell it.
pub(super) struct Progress<'a> {
    script: &'a JobScript,
    /// The first step that has not ended.
    step: usize,
    is_begun: bool,
    printed: String,
    /// How the job ends, by what was told so far.
    pub(super) end: JobEnd,
}

impl<'a> Progress<'a> {
    /// Nothing was told yet.
    pub(super) fn new(script: &'a JobScript) -> Self {
        Self { script, step: 0, is_begun: false, printed: String::new(), end: JobEnd::Done }
    }

    /// Takes a frame. `false` where no honest shell would say this now: it speaks of the steps that it was sent, one
    /// after the other.
    pub(super) fn take(&mut self, frame: &Frame) -> bool {
        let goes_on = self.end == JobEnd::Done;
        let at_rest = goes_on && !self.is_begun;
        let steps = self.script.steps.len();
        match frame {
            Frame::Output(line) => {
                self.printed.push_str(line);
                self.printed.push('\n');
                goes_on && self.printed.len() <= LARGEST_OUTPUT
            }
            Frame::Begin(step) => {
                self.printed.clear();
                self.is_begun = true;
                at_rest && *step == self.step && *step < steps
            }
            Frame::End(step, rc, _) => {
                let follows = self.is_begun && *step == self.step;
                self.is_begun = false;
                self.step += 1;
                if *rc != 0 {
                    self.end =
                        JobEnd::Failed { step: *step, rc: *rc, output: std::mem::take(&mut self.printed) };
                }
                follows
            }
            Frame::Fenced(guard) => {
                let title = self.script.guards.get(*guard).map(|(title, _)| title.clone());
                let follows = at_rest && self.step == 0 && title.is_some();
                let output = std::mem::take(&mut self.printed);
                self.end = JobEnd::Fenced { guard: title.unwrap_or_default(), output };
                follows
            }
            Frame::Stopped(next) => {
                self.end = JobEnd::Stopped { next: *next };
                at_rest && *next == self.step && *next < steps
            }
            Frame::Done => !goes_on || (at_rest && self.step == steps),
            _ => false,
        }
    }
}

/// What a look came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// What the script printed.
    pub text: String,
    /// Its exit status; 124 where its time was up.
    pub rc: i32,
    /// Who else holds the lease.
    pub holder: Option<Holder>,
}

/// Who holds a lease, as the holder wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// The run's name; empty where it could not be read.
    pub run: String,
    /// `JOB/INDEX`, or `-` between jobs.
    pub step: String,
    /// When the step began, by the host's clock, seconds since the epoch.
    pub since: u64,
    /// How long the step may take, in seconds.
    pub limit: u64,
}

impl Holder {
    pub(super) fn parse(text: &str) -> Self {
        let mut words = text.split(' ');
        let mut word = || words.next().unwrap_or_default();
        Self {
            run: word().to_owned(),
            step: word().to_owned(),
            since: word().parse().unwrap_or_default(),
            limit: word().parse().unwrap_or_default(),
        }
    }
}

/// The answer to a wish for the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// It is ours until the session and all it started have ended.
    Leased {
        /// Another run had it since this session last looked: what was seen may no longer be so.
        stale: bool,
    },
    /// It is another's.
    Busy(Holder),
}

/// How the host's clock stands to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The host's time less ours, in milliseconds.
    pub offset_ms: i64,
    /// The offset is this uncertain to either side.
    pub doubt: Duration,
}

impl Clock {
    /// The shell read its clock somewhere between our sending its program and our hearing of it.
    pub(super) fn read(stamp: &str, (sent, sent_at): (Instant, SystemTime)) -> Option<Self> {
        let digits: String = stamp.chars().take_while(char::is_ascii_digit).collect();
        let number: i64 = digits.parse().ok()?;
        let host_ms = if digits.len() > 15 { number / 1_000_000 } else { number.checked_mul(1000)? };
        let trip = sent.elapsed();
        let ours = sent_at.duration_since(UNIX_EPOCH).ok()? + trip / 2;
        let ours_ms = i64::try_from(ours.as_millis()).ok()?;
        let coarse = if digits.len() > 15 { Duration::ZERO } else { Duration::from_secs(1) };
        Some(Self { offset_ms: host_ms - ours_ms, doubt: trip / 2 + coarse })
    }
}
