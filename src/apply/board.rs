//! Which job may go on next, and where: the plan's order, without any doing.

use std::time::{Duration, Instant};

use super::explain::Doubt;
use super::segment::{self, Segment};
use crate::plan::model::{Job, Plan};
use crate::resource::HostName;

/// The jobs of a plan and how far each has come.
pub(super) struct Board<'a> {
    plan: &'a Plan,
    progress: Vec<Progress>,
    turns: u64,
}

/// How far a job has come.
struct Progress {
    state: State,
    guarded: bool,
    step: usize,
    wait: Option<Wait>,
    /// The turn at which it last waited: those that wait longest ask first.
    turn: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not begun.
    Pending,
    /// Begun, nothing of it is under way.
    Open,
    /// A piece of it is under way.
    Busy,
    /// Done whole.
    Done,
    /// Failed, fenced or lost with its host.
    Over,
}

/// A step that waits.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    /// Since when.
    pub(super) since: Instant,
    /// What was seen last.
    pub(super) seen: String,
    /// What was thought of it.
    pub(super) doubt: Doubt,
}

impl<'a> Board<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let begun = || Progress { state: State::Pending, guarded: false, step: 0, wait: None, turn: 0 };
        Self { plan, progress: plan.jobs.iter().map(|_| begun()).collect(), turns: 0 }
    }

    pub(super) fn job(&self, job: usize) -> &'a Job {
        &self.plan.jobs[job]
    }

    /// The pieces that may be taken up now, in the plan's order.
    pub(super) fn ready(&self) -> impl Iterator<Item = (usize, Segment)> {
        (0..self.progress.len()).filter_map(|index| {
            let progress = &self.progress[index];
            let may = match progress.state {
                State::Open => true,
                State::Pending => self.job(index).after.iter().all(|id| self.is_done(id)),
                State::Busy | State::Done | State::Over => false,
            };
            let segment = segment::next(self.job(index), progress.guarded, progress.step);
            may.then_some((index, segment?))
        })
    }

    /// What the shell of a host shall do next: steps before waiting, and of those that wait the one that waited
    /// longest.
    pub(super) fn for_shell(
        &self,
        host: &HostName,
        held: impl Fn(usize) -> bool,
    ) -> Option<(usize, Segment)> {
        self.ready()
            .filter(|(job, segment)| {
                self.job(*job).host == *host && !matches!(segment, Segment::Stage(_)) && !held(*job)
            })
            .min_by_key(|(job, segment)| match segment {
                Segment::Wait(_) => (1, self.progress[*job].turn),
                _ => (0, 0),
            })
    }

    /// Whether the host has other work that might come up while a job waits.
    pub(super) fn has_more(&self, job: usize) -> bool {
        let host = &self.job(job).host;
        (0..self.progress.len()).any(|other| {
            other != job
                && self.job(other).host == *host
                && !matches!(self.progress[other].state, State::Done | State::Over)
        })
    }

    /// A piece of the job is under way; `true` if it is the first.
    pub(super) fn take(&mut self, job: usize) -> bool {
        let progress = &mut self.progress[job];
        let first = progress.state == State::Pending;
        progress.state = State::Busy;
        self.turns += 1;
        progress.turn = self.turns;
        first
    }

    /// Whether its guards are still to be asked.
    pub(super) fn is_guarded(&self, job: usize) -> bool {
        self.progress[job].guarded
    }

    /// The piece ended well, and `step` is next; `true` if that was all.
    pub(super) fn advance(&mut self, job: usize, step: usize) -> bool {
        let whole = step >= self.job(job).steps.len();
        let progress = &mut self.progress[job];
        progress.guarded = true;
        progress.step = step;
        progress.wait = None;
        progress.state = if whole { State::Done } else { State::Open };
        whole
    }

    /// The job's waiting step has not seen its effect yet; `true` if it sees something new.
    pub(super) fn wait_on(&mut self, job: usize, seen: &str, doubt: Doubt) -> bool {
        let progress = &mut self.progress[job];
        progress.state = State::Open;
        let Some(wait) = &mut progress.wait else { return false };
        wait.doubt = doubt;
        let new = wait.seen != seen;
        if new {
            seen.clone_into(&mut wait.seen);
        }
        new
    }

    /// The job's wait, begun now if it was not; `true` beside it if it was begun now.
    pub(super) fn waiting(&mut self, job: usize) -> (Wait, bool) {
        let wait = &mut self.progress[job].wait;
        let new = wait.is_none();
        (
            wait.get_or_insert_with(|| Wait {
                since: Instant::now(),
                seen: String::new(),
                doubt: Doubt::default(),
            })
            .clone(),
            new,
        )
    }

    /// How much longer the job's waiting step may wait.
    pub(super) fn patience(&self, job: usize) -> Duration {
        let progress = &self.progress[job];
        let limit = self.job(job).steps.get(progress.step).map_or(Duration::ZERO, |step| step.limit);
        limit.saturating_sub(progress.wait.as_ref().map_or(Duration::ZERO, |wait| wait.since.elapsed()))
    }

    /// The job goes no further.
    pub(super) fn give_up(&mut self, job: usize) {
        self.progress[job].state = State::Over;
    }

    /// Whether every job is done.
    pub(super) fn is_whole(&self) -> bool {
        self.progress.iter().all(|progress| progress.state == State::Done)
    }

    /// The hosts of jobs that are neither done nor over.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &'a HostName> {
        (0..self.progress.len())
            .filter(|job| !matches!(self.progress[*job].state, State::Done | State::Over))
            .map(|job| &self.job(job).host)
    }

    fn is_done(&self, id: &crate::plan::model::JobId) -> bool {
        // What the plan does not hold was done before it was made.
        self.plan
            .jobs
            .iter()
            .position(|job| job.id == *id)
            .is_none_or(|index| self.progress[index].state == State::Done)
    }
}
