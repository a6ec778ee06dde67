//! What ended, and what follows from it: the next step, a failure, a look, a connection that is gone.

use super::{Done, Looked, Run};
use crate::apply::segment::Segment;
use crate::apply::wait::{self, NOT_YET};
use crate::apply::{Account, FailureKind, Fenced, tell};
use crate::event::Event;
use crate::host::HostError;
use crate::host::session::JobEnd;

impl Run<'_> {
    /// Takes in what ended, and what may be begun or must be given up because of it.
    pub(super) fn settle(&mut self, done: Done) {
        match done {
            Done::Shell { job, segment, session, result, changed, looked } => {
                self.outcome.changed += changed;
                let host = self.board.job(job).host.clone();
                match result {
                    // Asked to stop, that shell has ended.
                    Ok(end) if !self.means.cancel.is_cancelled() => {
                        self.idle.insert(host, session);
                        self.settle_shell(job, &segment, end, *looked);
                    }
                    Ok(end) => self.settle_shell(job, &segment, end, *looked),
                    Err(error) => self.settle_lost(job, &segment, error),
                }
            }
            Done::Stage { job, step, begun, result } => match result {
                Some(Ok(())) => {
                    self.outcome.changed += 1;
                    tell::finish(self.board.job(job), step, true, begun.elapsed(), self.means.sink);
                    self.advance(job, step + 1);
                }
                Some(Err(lost)) => match lost.kind {
                    FailureKind::Host(error) if error.kind.is_retryable() => self.disconnected(job, error),
                    kind => self.failed(job, step, lost.error, &lost.output, Account::default(), kind),
                },
                None => self.board.give_up(job),
            },
            Done::Value { from, id, result } => self.values.came(from, id, result),
        }
    }

    fn settle_shell(&mut self, job: usize, segment: &Segment, end: JobEnd, looked: Looked) {
        let what = self.board.job(job);
        match (segment, end) {
            (_, JobEnd::Stopped { .. }) => self.board.give_up(job),
            (_, JobEnd::Fenced { guard, .. }) => {
                let (host, id) = (what.host.clone(), what.id.clone());
                self.means.sink.emit(Event::JobFenced {
                    job: id.to_string(),
                    host: host.clone(),
                    guard: guard.clone(),
                });
                self.outcome.fenced.push(Fenced { host, job: id, guard });
                self.board.give_up(job);
            }
            (Segment::Wait(step), JobEnd::Done) => {
                let elapsed = self.board.waiting(job).0.since.elapsed();
                tell::finish(what, *step, false, elapsed, self.means.sink);
                self.advance(job, step + 1);
            }
            (Segment::Wait(step), JobEnd::Failed { rc: NOT_YET | 124, output, .. }) => {
                self.settle_wait(job, *step, &output, looked);
            }
            (Segment::Shell(steps), JobEnd::Done) => self.advance(job, steps.end),
            (Segment::Guards | Segment::Stage(_), JobEnd::Done) => self.advance(job, 0),
            (Segment::Wait(step), JobEnd::Failed { rc, output, .. }) => {
                self.status(job, *step, rc, &output, looked.account);
            }
            (Segment::Shell(steps), JobEnd::Failed { step, rc, output }) => {
                self.status(job, steps.start + step, rc, &output, looked.account);
            }
            (Segment::Guards | Segment::Stage(_), JobEnd::Failed { step, rc, output }) => {
                self.status(job, step, rc, &output, looked.account);
            }
        }
    }

    fn settle_wait(&mut self, job: usize, step: usize, output: &str, looked: Looked) {
        let what = self.board.job(job);
        let seen = wait::seen(output);
        if looked.in_vain {
            let seconds = self.board.waiting(job).0.since.elapsed().as_secs();
            let error = format!("waiting would not help, given up after {seconds} s: {seen}");
            self.lost.insert(what.host.clone());
            return self.failed(job, step, error, output, looked.account, FailureKind::InVain);
        }
        let patience = self.board.patience(job);
        if self.board.wait_on(job, seen, looked.doubt) && !patience.is_zero() {
            self.means.sink.emit(Event::StepWaiting {
                job: what.id.to_string(),
                step,
                host: what.host.clone(),
                seen: seen.to_owned(),
            });
        }
        if patience.is_zero() {
            let seconds = what.steps[step].limit.as_secs();
            let error = match seen {
                "" => format!("it did not come about within {seconds} s"),
                seen => format!("it did not come about within {seconds} s: {seen}"),
            };
            self.failed(job, step, error, output, looked.account, FailureKind::TimedOut);
        }
    }

    fn settle_lost(&mut self, job: usize, segment: &Segment, error: HostError) {
        if error.kind.is_retryable() {
            self.disconnected(job, error);
        } else {
            let step = match segment {
                Segment::Guards => 0,
                Segment::Stage(step) | Segment::Wait(step) => *step,
                Segment::Shell(steps) => steps.start,
            };
            let message = error.message.clone();
            self.failed(job, step, message, "", Account::default(), FailureKind::Host(error));
        }
    }

    /// The connection ended in the middle of a job: nobody knows how far it came.
    fn disconnected(&mut self, job: usize, error: HostError) {
        let host = self.board.job(job).host.clone();
        self.means.sink.emit(Event::HostUnreachable {
            host: host.clone(),
            error: error.message.clone(),
            retrying: false,
            attempt: 1,
            attempts: 1,
        });
        self.outcome.disconnected.insert(host, error);
        self.board.give_up(job);
    }

    fn advance(&mut self, job: usize, step: usize) {
        if self.board.advance(job, step) {
            let what = self.board.job(job);
            self.means.sink.emit(Event::JobFinished { job: what.id.to_string(), host: what.host.clone() });
        }
    }

    fn status(&mut self, job: usize, step: usize, rc: i32, output: &str, account: Account) {
        let what = self.board.job(job);
        let (error, kind) = tell::reason(rc, output, what.steps[step].limit);
        match self.values.missing(&what.steps[step]) {
            Some(why) => self.failed(job, step, why, output, account, FailureKind::Secret),
            None => self.failed(job, step, error, output, account, kind),
        }
    }

    fn failed(
        &mut self,
        job: usize,
        step: usize,
        error: String,
        output: &str,
        account: Account,
        kind: FailureKind,
    ) {
        let what = self.board.job(job);
        let failure = tell::fail(what, step, error, output, account, kind, self.means.sink);
        self.outcome.failed.extend(failure);
        self.board.give_up(job);
    }
}
