//! Runs of `up` and the hosts they meet on, one move at a time: the walk of `src/apply` and the rounds of
//! `src/cli/converge.rs` here, the leases and shells of `src/host/shell.sh` in `shells.rs`. What a step does is the
//! ground's. All that may happen next is a [`Move`]; whoever chooses among them chooses the interleaving.

use std::rc::Rc;

use crate::shells::{Mark, Seat, Shell};

/// What runs work on: a world of the real planner, or a toy whose every state can be visited.
pub trait Ground: Clone {
    /// What a look at one host gives.
    type Seen: Clone;
    /// A plan.
    type Plan;

    /// How many hosts there are, in the order of their names.
    fn hosts(&self) -> usize;
    /// What is seen of a host; `None` where it does not answer.
    fn look(&self, host: usize) -> Option<Self::Seen>;
    /// A plan from what was seen.
    fn plan(&self, seen: &[Option<Self::Seen>]) -> Rc<Draft<Self::Plan>>;
    /// Whether the guards of a job hold.
    fn holds(&mut self, draft: &Draft<Self::Plan>, job: usize) -> bool;
    /// Carries a step out; an error is what must never happen.
    fn step(&mut self, draft: &Draft<Self::Plan>, job: usize, step: usize) -> Result<Done, String>;
    /// The power of a host goes, or comes back.
    fn power(&mut self, host: usize, on: bool);
    /// Whether a host has power.
    fn is_on(&self, host: usize) -> bool;
}

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    /// Well.
    Well,
    /// What is awaited is not so yet.
    NotYet,
    /// Badly.
    Badly,
}

/// A plan as the machine sees it.
#[derive(Clone, Debug)]
pub struct Draft<P> {
    /// Whether a finding forbids it.
    pub blocked: bool,
    /// Its jobs.
    pub jobs: Vec<Task>,
    /// The plan itself.
    pub plan: P,
}

impl<P: std::hash::Hash> std::hash::Hash for Draft<P> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.plan.hash(state); // all else follows from it
    }
}

/// A job: where, after which others, and how its steps are carried out.
#[derive(Clone, Debug)]
pub struct Task {
    pub host: usize,
    pub after: Vec<usize>,
    pub steps: Vec<Kind>,
}

/// How a step is carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// In the shell.
    Shell,
    /// In the shell, asked again until it is so.
    Wait,
    /// Beside the shell, over a session of its own.
    Stage,
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum End {
    Converged,
    Blocked,
    Locked,
    Failed,
    NotConverged,
    Killed,
}

/// A run of `up`.
#[derive(Clone, Hash, Debug)]
pub struct Run<S, P> {
    /// Its name, which it writes on hosts.
    pub name: usize,
    pub(crate) phase: Phase<S, P>,
    /// Its shell on each host.
    pub(crate) shells: Vec<Option<usize>>,
    /// How often each host had been changed when its facts were seen.
    pub(crate) known: Vec<u32>,
    pub(crate) round: u32,
    pub(crate) fruitless: u32,
    /// Whether the last plan was carried out whole.
    pub(crate) whole: bool,
}

#[derive(Clone, Hash, Debug)]
pub(crate) enum Phase<S, P> {
    Look(Vec<Look<S>>),
    Lease { draft: Rc<Draft<P>>, awaited: Vec<Option<Mark>>, stale: bool },
    Walk(Walk<P>),
    Ended(End),
}

/// A look at one host: who was there is asked first, then what is there.
#[derive(Clone, Hash, Debug)]
pub(crate) enum Look<S> {
    Unasked,
    Asked(Option<S>),
    Seen(Option<S>),
}

/// A plan that is being carried out.
#[derive(Clone, Hash, Debug)]
pub(crate) struct Walk<P> {
    pub(crate) draft: Rc<Draft<P>>,
    pub(crate) jobs: Vec<Progress>,
    pub(crate) changed: bool,
    pub(crate) failed: bool,
    pub(crate) fenced: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Progress {
    /// Its next step, and whether the guards were asked.
    Open(usize, bool),
    /// It waits, and nothing has happened since it last asked.
    Vain(usize),
    /// A piece of it is under way.
    Busy,
    Done,
    Over,
}

/// What may happen next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Move {
    /// A run begins to look at a host.
    Ask(usize, usize),
    /// It has seen it.
    See(usize, usize),
    /// It asks for a lease.
    Lease(usize, usize),
    /// It has waited long enough for one.
    GiveUp(usize),
    /// It takes up a job.
    Take(usize, usize),
    /// It gives up a host that says nothing any more.
    Deadline(usize, usize),
    /// What it waits for never came.
    TimeUp(usize),
    /// A shell begins its next step.
    Begin(usize),
    /// The step in hand ends.
    End(usize),
    /// A shell that hears nothing ends.
    Watchdog(usize),
}

/// Everything.
#[derive(Clone)]
pub struct Machine<G: Ground> {
    pub ground: G,
    pub seats: Vec<Seat>,
    pub shells: Vec<Shell<G::Plan>>,
    pub runs: Vec<Run<G::Seen, G::Plan>>,
    /// Broken on purpose: who was there is asked after the look.
    pub asks_late: bool,
}

/// `up` plans again at most this often.
const ROUNDS: u32 = 5;

impl<G: Ground> Machine<G> {
    pub fn new(ground: G) -> Self {
        let seats = vec![Seat::default(); ground.hosts()];
        Self { ground, seats, shells: Vec::new(), runs: Vec::new(), asks_late: false }
    }

    /// Starts a run in a place; the one that was in that place has ended.
    pub fn start(&mut self, place: usize, name: usize) {
        let hosts = self.ground.hosts();
        let run = Run {
            name,
            phase: Phase::Look(vec![Look::Unasked; hosts]),
            shells: vec![None; hosts],
            known: vec![0; hosts],
            round: 1,
            fruitless: 0,
            whole: false,
        };
        if place == self.runs.len() {
            self.runs.push(run);
        } else {
            self.runs[place] = run;
        }
    }

    /// How a run ended; `None` while it goes on.
    pub fn end(&self, run: usize) -> Option<End> {
        match self.runs[run].phase {
            Phase::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// What the run in a place, and the shells that it or its predecessors left, may do next.
    pub fn moves(&self, run: usize, into: &mut Vec<Move>) {
        into.clear();
        self.moves_of_shells(run, into);
        let this = &self.runs[run];
        for (host, shell) in this.shells.iter().enumerate() {
            if shell.is_some_and(|shell| !self.shells[shell].is_heard()) {
                into.push(Move::Deadline(run, host));
            }
        }
        let hosts = 0..self.seats.len();
        match &this.phase {
            Phase::Look(looks) => into.extend(hosts.filter_map(|host| match looks[host] {
                Look::Unasked => Some(Move::Ask(run, host)),
                Look::Asked(_) => Some(Move::See(run, host)),
                Look::Seen(_) => None,
            })),
            Phase::Lease { awaited, .. } => {
                // The first host by name alone, then the rest at once.
                let first = this.shells.iter().position(Option::is_some);
                let missing = hosts.filter(|host| !self.has_lease(run, *host));
                let missing: Vec<usize> = missing.filter(|host| this.shells[*host].is_some()).collect();
                let now = if missing.first().copied() == first { 1 } else { missing.len() };
                into.extend(missing[..now.min(missing.len())].iter().map(|host| Move::Lease(run, *host)));
                if awaited.iter().any(Option::is_some) {
                    into.push(Move::GiveUp(run));
                }
            }
            Phase::Walk(walk) => {
                let jobs = (0..walk.jobs.len()).filter(|job| self.may_take(run, walk, *job));
                into.extend(jobs.map(|job| Move::Take(run, job)));
                let waits = |job: &Progress| matches!(job, Progress::Vain(_));
                if into.is_empty() && walk.jobs.iter().any(waits) {
                    into.push(Move::TimeUp(run));
                }
            }
            Phase::Ended(_) => {}
        }
    }

    fn may_take(&self, run: usize, walk: &Walk<G::Plan>, job: usize) -> bool {
        let Progress::Open(step, _) = walk.jobs[job] else { return false };
        let task = &walk.draft.jobs[job];
        let Some(shell) = self.runs[run].shells[task.host] else { return false };
        let beside = task.steps[step] == Kind::Stage;
        !walk.fenced
            && (beside || self.shells[shell].is_idle())
            && task.after.iter().all(|other| walk.jobs[*other] == Progress::Done)
    }

    /// Makes a move that [`Self::moves`] gave; an error is what must never happen.
    pub fn make(&mut self, step: Move) -> Result<(), String> {
        match step {
            Move::Ask(run, host) => self.ask(run, host),
            Move::See(run, host) => self.see(run, host),
            Move::Lease(run, host) => return self.lease(run, host),
            Move::GiveUp(run) => self.stop(run, End::Locked),
            Move::Take(run, job) => self.take(run, job)?,
            Move::Deadline(run, host) => self.lose(run, host),
            Move::TimeUp(run) => self.time_up(run),
            Move::Begin(shell) => self.begin(shell)?,
            Move::End(shell) => self.finish(shell)?,
            Move::Watchdog(shell) => self.leave(shell),
        }
        (0..self.runs.len()).try_for_each(|run| self.go_on(run))
    }

    // ---- looks and plans

    fn ask(&mut self, run: usize, host: usize) {
        let Some(shell) = self.runs[run].shells[host].or_else(|| self.open(run, host)) else {
            return self.saw(run, host, Look::Seen(None));
        };
        if self.asks_late {
            self.runs[run].known[host] = self.seats[host].edits;
        } else {
            self.remember(shell);
        }
        let early = self.asks_late.then(|| self.ground.look(host)).flatten();
        self.saw(run, host, Look::Asked(early));
    }

    fn see(&mut self, run: usize, host: usize) {
        let Phase::Look(looks) = &self.runs[run].phase else { return };
        let Some(shell) = self.runs[run].shells[host] else { return };
        let early = looks[host].clone();
        if self.asks_late {
            self.remember(shell);
            let Look::Asked(seen) = early else { return };
            return self.saw(run, host, Look::Seen(seen));
        }
        self.runs[run].known[host] = self.seats[host].edits;
        self.saw(run, host, Look::Seen(self.ground.look(host)));
    }

    fn saw(&mut self, run: usize, host: usize, look: Look<G::Seen>) {
        if let Phase::Look(looks) = &mut self.runs[run].phase {
            looks[host] = look;
        }
    }

    /// What a run does of itself, once it can.
    fn go_on(&mut self, run: usize) -> Result<(), String> {
        match &self.runs[run].phase {
            Phase::Look(looks) => {
                if looks.iter().all(|look| matches!(look, Look::Seen(_))) {
                    let seen = |look: &Look<G::Seen>| match look {
                        Look::Seen(seen) => seen.clone(),
                        Look::Unasked | Look::Asked(_) => None,
                    };
                    let draft = self.ground.plan(&looks.iter().map(seen).collect::<Vec<_>>());
                    self.planned(run, draft);
                    return self.leased(run);
                }
            }
            Phase::Walk(walk) => {
                let under_way = |job: &Progress| matches!(job, Progress::Busy | Progress::Vain(_));
                let able = (0..walk.jobs.len()).any(|job| self.may_take(run, walk, job));
                let waits = !walk.fenced && walk.jobs.iter().any(under_way);
                if !able && !waits && !walk.jobs.contains(&Progress::Busy) {
                    self.walked(run);
                }
            }
            Phase::Lease { .. } | Phase::Ended(_) => {}
        }
        Ok(())
    }

    fn planned(&mut self, run: usize, draft: Rc<Draft<G::Plan>>) {
        let this = &self.runs[run];
        if draft.blocked {
            self.stop(run, End::Blocked);
        } else if draft.jobs.is_empty() {
            self.stop(run, End::Converged);
        } else if this.whole || this.round > ROUNDS {
            self.stop(run, End::NotConverged);
        } else {
            let awaited = vec![None; self.seats.len()];
            self.runs[run].phase = Phase::Lease { draft, awaited, stale: false };
        }
    }

    /// A plan was carried out, or the part of it that could be.
    fn walked(&mut self, run: usize) {
        let Phase::Walk(walk) = &self.runs[run].phase else { return };
        let whole = walk.jobs.iter().all(|job| *job == Progress::Done);
        let (failed, changed) = (walk.failed, walk.changed);
        if failed { self.stop(run, End::Failed) } else { self.again(run, whole, changed) }
    }

    /// Looks again.
    fn again(&mut self, run: usize, whole: bool, changed: bool) {
        let this = &mut self.runs[run];
        this.whole = whole;
        this.fruitless = if changed { 0 } else { this.fruitless + 1 };
        this.round += 1;
        this.phase = Phase::Look(vec![Look::Unasked; self.seats.len()]);
        if self.runs[run].fruitless > 1 {
            self.stop(run, End::NotConverged);
        }
    }

    // ---- leases

    fn lease(&mut self, run: usize, host: usize) -> Result<(), String> {
        let Some(shell) = self.runs[run].shells[host] else { return Ok(()) };
        if !self.shells[shell].is_heard() {
            self.cut_off(run);
            return Ok(());
        }
        if self.seats[host].full {
            self.stop(run, End::Failed);
            return Ok(());
        }
        let name = self.runs[run].name;
        let answer = self.take_lease(shell);
        let Phase::Lease { awaited, stale, .. } = &mut self.runs[run].phase else { return Ok(()) };
        match answer {
            Ok(changed) => *stale |= changed || awaited[host].take().is_some(),
            Err(mark) => match awaited[host] {
                Some(first) if first.run != Some(name) && first.shows_life(mark) => {
                    self.stop(run, End::Locked);
                }
                _ => awaited[host] = Some(mark),
            },
        }
        self.leased(run)
    }

    /// All leases are there: carry the plan out, or look again where another run was at work meanwhile.
    fn leased(&mut self, run: usize) -> Result<(), String> {
        let hosts = 0..self.seats.len();
        let Phase::Lease { draft, stale, .. } = &self.runs[run].phase else { return Ok(()) };
        if hosts.clone().any(|host| self.runs[run].shells[host].is_some() && !self.has_lease(run, host)) {
            return Ok(());
        }
        if *stale {
            self.again(run, false, false);
            return Ok(());
        }
        for host in hosts.filter(|host| self.has_lease(run, *host)) {
            if self.seats[host].edits != self.runs[run].known[host] {
                return Err(format!(
                    "run {run} carries out a plan for host {host}, which was changed since it looked"
                ));
            }
        }
        let jobs = draft.jobs.iter().map(|_| Progress::Open(0, false)).collect();
        let walk = Walk { draft: Rc::clone(draft), jobs, changed: false, failed: false, fenced: false };
        self.runs[run].phase = Phase::Walk(walk);
        self.go_on(run)
    }

    /// A connection was lost while leases were taken: all are given back, and the hosts looked at again.
    fn cut_off(&mut self, run: usize) {
        self.hang_up(run);
        self.again(run, false, false);
    }

    // ---- the walk

    fn take(&mut self, run: usize, job: usize) -> Result<(), String> {
        let Some(walk) = self.walk(run) else { return Ok(()) };
        let Progress::Open(step, guarded) = walk.jobs[job] else { return Ok(()) };
        let draft = Rc::clone(&walk.draft);
        let task = &draft.jobs[job];
        let Some(shell) = self.runs[run].shells[task.host] else { return Ok(()) };
        if task.steps[step] != Kind::Stage {
            let alike = |kind: &&Kind| **kind == Kind::Shell;
            let more = task.steps[step..].iter().take_while(alike).count().max(1);
            self.send(shell, &draft, job, step..step + more, !guarded);
            return self.tell(run, job, Progress::Busy);
        }
        if !guarded && !self.ground.holds(&draft, job) {
            return self.fence(run, job);
        }
        if !self.shells[shell].is_heard() {
            self.lose(run, task.host);
            return Ok(());
        }
        // An archive is written under a name of its own content, beside the lease.
        match self.edit(task.host, &draft, job, step)? {
            Done::Well => self.done(run, job, step + 1),
            Done::NotYet | Done::Badly => self.fail(run, job),
        }
        Ok(())
    }

    pub(crate) fn walk(&mut self, run: usize) -> Option<&mut Walk<G::Plan>> {
        match &mut self.runs[run].phase {
            Phase::Walk(walk) => Some(walk),
            _ => None,
        }
    }

    pub(crate) fn tell(&mut self, run: usize, job: usize, progress: Progress) -> Result<(), String> {
        let walk = self.walk(run).ok_or("a run that does not walk was told of a job")?;
        walk.jobs[job] = progress;
        Ok(())
    }

    /// The steps of a job before `next` are done.
    pub(crate) fn done(&mut self, run: usize, job: usize, next: usize) {
        if let Some(walk) = self.walk(run) {
            walk.changed = true;
            let whole = next == walk.draft.jobs[job].steps.len();
            walk.jobs[job] = if whole { Progress::Done } else { Progress::Open(next, true) };
            // Whatever waits may have come true.
            for job in &mut walk.jobs {
                if let Progress::Vain(step) = *job {
                    *job = Progress::Open(step, true);
                }
            }
        }
    }

    pub(crate) fn fail(&mut self, run: usize, job: usize) {
        if let Some(walk) = self.walk(run) {
            walk.failed = true;
            walk.jobs[job] = Progress::Over;
        }
    }

    pub(crate) fn fence(&mut self, run: usize, job: usize) -> Result<(), String> {
        if let Some(walk) = self.walk(run) {
            walk.fenced = true;
        }
        self.tell(run, job, Progress::Over)
    }

    /// What waits has waited long enough.
    fn time_up(&mut self, run: usize) {
        if let Some(walk) = self.walk(run)
            && let Some(job) = walk.jobs.iter().position(|job| matches!(job, Progress::Vain(_)))
        {
            self.fail(run, job);
        }
    }

    /// The connection to a host is gone: nobody knows how far what ran there has come.
    fn lose(&mut self, run: usize, host: usize) {
        let Some(shell) = self.runs[run].shells[host].take() else { return };
        self.cut(shell);
        match &mut self.runs[run].phase {
            Phase::Look(looks) => looks[host] = Look::Unasked,
            Phase::Lease { .. } => self.cut_off(run),
            Phase::Walk(walk) => {
                for (job, task) in walk.draft.jobs.iter().enumerate() {
                    if task.host == host && walk.jobs[job] != Progress::Done {
                        walk.jobs[job] = Progress::Over;
                    }
                }
            }
            Phase::Ended(_) => {}
        }
    }

    /// A run ends, and with it its connections.
    pub fn stop(&mut self, run: usize, end: End) {
        self.runs[run].phase = Phase::Ended(end);
        self.hang_up(run);
    }

    fn hang_up(&mut self, run: usize) {
        let hosts = self.seats.len();
        for shell in std::mem::replace(&mut self.runs[run].shells, vec![None; hosts]).into_iter().flatten() {
            self.cut(shell);
        }
    }
}
