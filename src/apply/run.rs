//! The walk through a plan: jobs begin as soon as what they come after is done, one in the shell of a host at a time.

mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Semaphore;

use super::board::Board;
use super::explain::{self, Doubt};
use super::segment::{self, Segment};
use super::stage::{self, Lost};
use super::tell::{self, Teller};
use super::values::Values;
use super::wait::{self, NOT_YET};
use super::{Account, ArtifactSource, Outcome};
use crate::event::{Event, EventSink, Silent};
use crate::host::cancel::Cancel;
use crate::host::fleet::Fleet;
use crate::host::session::{JobEnd, Session};
use crate::host::{HostError, HostErrorKind};
use crate::inventory::Inventory;
use crate::plan::model::{Action, Plan};
use crate::plan::script::{JobScript, script};
use crate::resource::HostName;
use crate::secret::{Secret, SecretId};

/// How long a host asks by itself before it reports, and how long where other work of the host may come up.
const SLICE: Duration = Duration::from_secs(2);
const SHORT_SLICE: Duration = Duration::from_millis(500);

/// What carrying a plan out needs.
pub struct Means<'a> {
    /// For sessions beside the shells.
    pub fleet: &'a Fleet,
    /// What the plan was made for.
    pub inventory: &'a Inventory,
    /// Where archives come from.
    pub artifacts: &'a dyn ArtifactSource,
    /// The secrets that the user supplied.
    pub secrets: &'a BTreeMap<SecretId, Secret<String>>,
    /// Uploads at once.
    pub uploads: &'a Semaphore,
    /// Where events go.
    pub sink: &'a dyn EventSink,
    /// The wish to stop.
    pub cancel: &'a Cancel,
}

/// Carries a plan out over leased sessions. Those that are still good are left in `sessions`.
pub async fn apply(plan: &Plan, sessions: &mut BTreeMap<HostName, Session>, means: &Means<'_>) -> Outcome {
    let scripts: Vec<_> = plan.jobs.iter().map(|job| script(job, means.inventory.transfer)).collect();
    let mut run = Run {
        means,
        scripts: &scripts,
        board: Board::new(plan),
        idle: std::mem::take(sessions),
        values: Values::new(means.secrets),
        outcome: Outcome::default(),
        begun: Instant::now(),
        lost: BTreeSet::new(),
    };
    let mut work = FuturesUnordered::new();
    loop {
        if run.outcome.fenced.is_empty() && !means.cancel.is_cancelled() {
            run.begin(&mut work);
        }
        // Everything under way hears a wish to stop by itself, and ends in a known state.
        match work.next().await {
            Some(done) => run.settle(done),
            None => break,
        }
    }
    drop(work);
    run.end(sessions)
}

struct Run<'a> {
    means: &'a Means<'a>,
    scripts: &'a [JobScript],
    board: Board<'a>,
    idle: BTreeMap<HostName, Session>,
    values: Values<'a>,
    outcome: Outcome,
    begun: Instant,
    /// Hosts where something was waited for in vain.
    lost: BTreeSet<HostName>,
}

/// What ended.
enum Done {
    /// A script in a host's shell, with the number of steps that changed something.
    Shell {
        job: usize,
        segment: Segment,
        session: Session,
        result: Result<JobEnd, HostError>,
        changed: usize,
        looked: Box<Looked>,
    },
    /// Bringing an archive to a host; `None` where it was asked to stop.
    Stage { job: usize, step: usize, begun: Instant, result: Option<Result<(), Lost>> },
    /// Reading a secret on a host.
    Value { from: HostName, id: SecretId, result: Result<Option<Secret<String>>, HostError> },
}

/// What a look at the host told, where there was one.
#[derive(Default)]
struct Looked {
    account: Account,
    doubt: Doubt,
    /// Whether the wait is in vain.
    in_vain: bool,
}

type Work<'a> = FuturesUnordered<BoxFuture<'a, Done>>;

impl<'a> Run<'a> {
    /// Begins all that can be begun now.
    fn begin(&mut self, work: &mut Work<'a>) {
        let stages: Vec<_> =
            self.board.ready().filter(|(_, next)| matches!(next, Segment::Stage(_))).collect();
        for (job, segment) in stages {
            if let Segment::Stage(step) = segment {
                self.begin_stage(job, step, work);
            }
        }
        let mut held = BTreeSet::new();
        let shells: Vec<_> = self.board.ready().collect();
        for (job, segment) in shells {
            let Segment::Shell(steps) = segment else { continue };
            let (missing, is_ready) = self.values.ask(&self.board.job(job).steps[steps]);
            for (from, id) in missing {
                work.push(Box::pin(read(from, id, self.means)));
            }
            if !is_ready {
                held.insert(job);
            }
        }
        let hosts: Vec<_> = self.idle.keys().cloned().collect();
        for host in hosts {
            if let Some((job, segment)) = self.board.for_shell(&host, |job| held.contains(&job))
                && let Some(session) = self.idle.remove(&host)
            {
                self.begin_shell(job, segment, session, work);
            }
        }
    }

    fn begin_shell(&mut self, job: usize, segment: Segment, mut session: Session, work: &mut Work<'a>) {
        self.take(job);
        let (what, means) = (self.board.job(job), self.means);
        let guards = !self.board.is_guarded(job);
        let (run, lost) = (self.begun, self.lost.clone());
        let (mut looked, mut waits_since) = (Box::<Looked>::default(), Instant::now());
        // Whether a wait that sees nothing now has had all its time.
        let mut final_slice = true;
        let (script, first) = match &segment {
            Segment::Guards | Segment::Stage(_) => (segment::cut(&self.scripts[job], 0..0, true), 0),
            Segment::Shell(steps) => (segment::cut(&self.scripts[job], steps.clone(), guards), steps.start),
            Segment::Wait(step) => {
                let (wait, new) = self.board.waiting(job);
                (looked.doubt, waits_since) = (wait.doubt, wait.since);
                if new {
                    tell::begin(what, *step, means.sink);
                }
                let longest = if self.board.has_more(job) { SHORT_SLICE } else { SLICE };
                let patience = self.board.patience(job);
                let slice = patience.min(longest);
                final_slice = patience <= longest;
                (wait::slice(&self.scripts[job], *step, slice), *step)
            }
        };
        let values = match &segment {
            Segment::Shell(steps) => self.values.of(&what.steps[steps.clone()]),
            _ => Vec::new(),
        };
        work.push(Box::pin(async move {
            let mut teller = Teller::new(what, means.sink, first);
            let waits = matches!(segment, Segment::Wait(_));
            let result = async {
                for (id, value) in &values {
                    session.put_secret(id, value).await?;
                }
                let mut tell = |frame: &_| {
                    if !waits {
                        teller.frame(frame);
                    }
                };
                let end = session.job(&script, means.cancel, &mut tell).await?;
                let JobEnd::Failed { step, rc, output } = end else { return Ok(end) };
                let yet_to_come = waits && !final_slice && matches!(rc, NOT_YET | 124);
                let quiet = yet_to_come && !looked.doubt.is_due(waits_since);
                let seen = if quiet || means.cancel.is_cancelled() {
                    None
                } else {
                    let at = first + step;
                    explain::look(&mut session, means.inventory, what, at, run, &output).await
                };
                if let Some(seen) = seen {
                    if yet_to_come {
                        let cause = explain::cause(means.inventory, what, &seen);
                        let (attempts, at_rest) = (seen.attempts(), seen.is_at_rest());
                        looked.in_vain = looked.doubt.hears(attempts, at_rest, cause.as_ref(), &lost);
                    }
                    looked.account = explain::account(means.inventory, what, first + step, &seen);
                }
                Ok(JobEnd::Failed { step, rc, output })
            }
            .await;
            let changed = teller.changed;
            Done::Shell { job, segment, session, result, changed, looked }
        }));
    }

    fn begin_stage(&mut self, job: usize, step: usize, work: &mut Work<'a>) {
        let (what, means, script) = (self.board.job(job), self.means, &self.scripts[job].steps[step]);
        let Action::Stage { artifact } = &what.steps[step].action else { return };
        self.take(job);
        tell::begin(what, step, means.sink);
        work.push(Box::pin(async move {
            let begun = Instant::now();
            let result = tokio::select! {
                result = stage::stage(artifact, &what.host, script, means) => Some(result),
                () = means.cancel.cancelled() => None,
            };
            Done::Stage { job, step, begun, result }
        }));
    }

    fn take(&mut self, job: usize) {
        if self.board.take(job) {
            let what = self.board.job(job);
            self.means.sink.emit(Event::JobStarted {
                job: what.id.to_string(),
                stage: what.stage.0.clone(),
                host: what.host.clone(),
            });
        }
    }

    fn end(mut self, sessions: &mut BTreeMap<HostName, Session>) -> Outcome {
        // A job whose host has no shell cannot even begin.
        for host in self.board.hosts() {
            if !self.idle.contains_key(host) && !self.means.cancel.is_cancelled() {
                let error = HostError::new(HostErrorKind::Disconnected, "there is no connection");
                self.outcome.disconnected.entry(host.clone()).or_insert(error);
            }
        }
        self.outcome.interrupted = self.means.cancel.is_cancelled() && !self.board.is_whole();
        *sessions = self.idle;
        self.outcome
    }
}

/// Reads a secret over a session of its own: the shell there may be busy for minutes.
async fn read(from: HostName, id: SecretId, means: &Means<'_>) -> Done {
    let result = async {
        let mut session = means.fleet.open(&from, &Silent).await?;
        let value = session.read_secret(&id).await?;
        session.close().await.map(|()| value)
    }
    .await;
    Done::Value { from, id, result }
}
