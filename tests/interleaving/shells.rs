//! The resident shells and the leases they take, as `src/host/shell.sh` makes them.

use std::ops::Range;
use std::rc::Rc;

use crate::machine::{Done, Draft, Ground, Kind, Machine, Move, Progress};

/// A host: its lease, and what the last run wrote beside it.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Seat {
    /// The shell whose lock it is: until it unlocks, or it and all that it started have ended.
    pub lock: Option<usize>,
    pub(crate) mark: Mark,
    /// Its disk is full.
    pub full: bool,
    /// How often a step changed it.
    pub edits: u32,
}

/// Who has the lease, or had it last, and at which step.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct Mark {
    pub run: Option<usize>,
    /// Which of the run's shells, for it may connect again.
    pid: usize,
    step: Option<(usize, usize)>,
}

impl Mark {
    /// Whether what follows it is no orphan's end.
    pub(crate) fn shows_life(self, next: Self) -> bool {
        let ends = self.run == next.run && self.step.is_some() && next.step.is_none();
        self != next && !ends
    }
}

/// A connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Link {
    Open,
    /// Both ends know that it ended.
    Cut,
    /// Nothing comes through, and nobody knows.
    Silent,
}

/// A shell on a host.
#[derive(Clone, Hash, Debug)]
pub struct Shell<P> {
    /// The place of its run.
    place: usize,
    /// The name of its run: the place may have another by now.
    name: usize,
    host: usize,
    pid: usize,
    link: Link,
    alive: bool,
    /// Before its run's last look: what stood beside the lease, and whether somebody else had it.
    before: Option<(Mark, bool)>,
    work: Option<Work<P>>,
    /// A step is under way. It goes on when its shell is killed.
    in_hand: bool,
}

#[derive(Clone, Hash, Debug)]
struct Work<P> {
    draft: Rc<Draft<P>>,
    job: usize,
    steps: Range<usize>,
    guards: bool,
}

impl<P> Shell<P> {
    pub fn is_heard(&self) -> bool {
        self.alive && self.link == Link::Open
    }

    /// Whether it and all that it started have ended.
    pub fn is_over(&self) -> bool {
        !self.alive && !self.in_hand
    }

    pub fn is_idle(&self) -> bool {
        self.work.is_none() && !self.in_hand
    }
}

/// What goes wrong from outside.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// SIGKILL: every connection of a run ends.
    Kill(usize),
    /// Its machine loses power: nothing is said any more.
    Vanish(usize),
    /// A run's connection to a host ends.
    Cut(usize, usize),
    /// It goes dead.
    Silence(usize, usize),
    /// A run's shell is killed on its host; its step goes on.
    KillShell(usize, usize),
    /// A host loses power; a step in hand was done, or was not.
    PowerOff(usize, bool),
    /// It boots.
    Boot(usize),
    /// Its disk fills up, or has room again.
    Disk(usize, bool),
}

impl<G: Ground> Machine<G> {
    pub(crate) fn moves_of_shells(&self, place: usize, into: &mut Vec<Move>) {
        for (number, shell) in self.shells.iter().enumerate().filter(|(_, shell)| shell.place == place) {
            if shell.in_hand {
                into.push(Move::End(number));
            } else if shell.alive && shell.work.is_some() {
                into.push(Move::Begin(number));
            } else if shell.alive && shell.link == Link::Silent {
                into.push(Move::Watchdog(number));
            }
        }
    }

    // ---- looks and leases

    /// A run opens a shell; `None` where the host does not answer.
    pub(crate) fn open(&mut self, run: usize, host: usize) -> Option<usize> {
        if !self.ground.is_on(host) {
            return None;
        }
        let name = self.runs[run].name;
        let pid = self.shells.iter().filter(|shell| shell.name == name && shell.host == host).count();
        let (link, alive, in_hand) = (Link::Open, true, false);
        self.shells.push(Shell {
            place: run,
            name,
            host,
            pid,
            link,
            alive,
            before: None,
            work: None,
            in_hand,
        });
        let number = self.shells.len() - 1;
        self.runs[run].shells[host] = Some(number);
        Some(number)
    }

    /// Before a look: who is there?
    pub(crate) fn remember(&mut self, shell: usize) {
        let seat = &self.seats[self.shells[shell].host];
        let other = seat.lock.is_some_and(|holder| holder != shell) && !self.asks_late;
        self.shells[shell].before = Some((seat.mark, other));
    }

    pub fn has_lease(&self, run: usize, host: usize) -> bool {
        let shell = self.runs[run].shells.get(host).copied().flatten();
        shell.is_some() && self.seats[host].lock == shell
    }

    /// Takes a lease: whether somebody else had it since before the look. Else who has it.
    pub(crate) fn take_lease(&mut self, shell: usize) -> Result<bool, Mark> {
        let this = &self.shells[shell];
        let seat = &mut self.seats[this.host];
        match seat.lock {
            Some(holder) if holder == shell => return Ok(false),
            Some(_) => return Err(seat.mark),
            None => seat.lock = Some(shell),
        }
        let stale = this.before.is_none_or(|(mark, other)| other || mark != seat.mark);
        seat.mark = Mark { run: Some(this.name), pid: this.pid, step: None };
        Ok(stale)
    }

    fn release(&mut self, shell: usize) {
        let seat = &mut self.seats[self.shells[shell].host];
        if seat.lock == Some(shell) {
            seat.lock = None;
        }
    }

    /// A shell ends between steps, and unlocks.
    pub(crate) fn leave(&mut self, shell: usize) {
        self.shells[shell].alive = false;
        self.shells[shell].work = None;
        self.release(shell);
    }

    // ---- steps

    pub(crate) fn send(
        &mut self,
        shell: usize,
        draft: &Rc<Draft<G::Plan>>,
        job: usize,
        steps: Range<usize>,
        guards: bool,
    ) {
        self.shells[shell].work = Some(Work { draft: Rc::clone(draft), job, steps, guards });
    }

    /// A shell is about to begin a step: its guards first, then the word of it, then the step.
    pub(crate) fn begin(&mut self, shell: usize) -> Result<(), String> {
        let this = &mut self.shells[shell];
        let (host, run, name, pid) = (this.host, this.place, this.name, this.pid);
        let heard = this.is_heard();
        let Some(work) = &mut this.work else { return Ok(()) };
        let (draft, job, step) = (Rc::clone(&work.draft), work.job, work.steps.start);
        if std::mem::take(&mut work.guards) && !self.ground.holds(&draft, job) {
            self.shells[shell].work = None;
            return if heard { self.fence(run, job) } else { Ok(()) };
        }
        if self.seats[host].lock != Some(shell) {
            return Err(format!("run {name} begins a step on host {host} without its lease"));
        }
        if self.shells.iter().any(|other| other.host == host && other.in_hand) {
            return Err(format!("run {name} begins a step on host {host} beside another step"));
        }
        if self.seats[host].full {
            // It cannot write down what it is at.
            self.leave(shell);
            if heard {
                self.runs[run].shells[host] = None;
                self.fail(run, job);
            }
            return Ok(());
        }
        self.seats[host].mark = Mark { run: Some(name), pid, step: Some((job, step)) };
        self.shells[shell].in_hand = true;
        Ok(())
    }

    /// The step in hand ends; a shell that was killed ends with it, and one that was cut off.
    pub(crate) fn finish(&mut self, shell: usize) -> Result<(), String> {
        let this = &mut self.shells[shell];
        this.in_hand = false;
        let (host, run, heard) = (this.host, this.place, this.is_heard());
        let Some(work) = &mut this.work else { return Err("a step without work".to_owned()) };
        let (draft, job, step) = (Rc::clone(&work.draft), work.job, work.steps.start);
        work.steps.start += 1;
        let over = work.steps.is_empty();
        let end = self.edit(host, &draft, job, step)?;
        let this = &mut self.shells[shell];
        if over || end != Done::Well {
            this.work = None;
            // One that was killed or cut off does not get to say that its step is over.
            if this.alive && this.link != Link::Cut {
                self.seats[host].mark.step = None;
            }
        }
        if !self.shells[shell].alive || self.shells[shell].link == Link::Cut {
            self.leave(shell);
        }
        if !heard {
            return Ok(());
        }
        match end {
            Done::Well if over => self.done(run, job, step + 1),
            Done::Well => {}
            Done::NotYet => self.tell(run, job, Progress::Vain(step))?,
            Done::Badly => self.fail(run, job),
        }
        Ok(())
    }

    /// What a step does to a host.
    pub(crate) fn edit(
        &mut self,
        host: usize,
        draft: &Draft<G::Plan>,
        job: usize,
        step: usize,
    ) -> Result<Done, String> {
        let kind = draft.jobs[job].steps[step];
        if kind == Kind::Shell {
            self.seats[host].edits += 1;
        }
        if self.seats[host].full && kind != Kind::Wait {
            return Ok(Done::Badly);
        }
        self.ground.step(draft, job, step)
    }

    // ---- what goes wrong

    /// A connection ends, and the far side knows.
    pub(crate) fn cut(&mut self, shell: usize) {
        let this = &mut self.shells[shell];
        if this.link == Link::Open {
            this.link = Link::Cut;
        }
        // `begin` is said before a step begins, so this is where the shell ends.
        if this.link == Link::Cut && !this.in_hand {
            self.leave(shell);
        }
    }

    /// Something goes wrong; `false` where it cannot.
    pub fn suffer(&mut self, fault: Fault) -> Result<bool, String> {
        match fault {
            Fault::Kill(run) if self.end(run).is_none() => self.stop(run, crate::machine::End::Killed),
            Fault::Vanish(run) if self.end(run).is_none() => {
                for shell in self.runs[run].shells.iter().flatten() {
                    self.shells[*shell].link = Link::Silent;
                }
                self.stop(run, crate::machine::End::Killed);
            }
            Fault::Cut(run, host) => {
                let Some(shell) = self.shell_of(run, host) else { return Ok(false) };
                self.cut(shell);
            }
            Fault::Silence(run, host) => {
                let Some(shell) = self.shell_of(run, host) else { return Ok(false) };
                self.shells[shell].link = Link::Silent;
            }
            Fault::KillShell(run, host) => {
                let Some(shell) = self.shell_of(run, host) else { return Ok(false) };
                self.shells[shell].alive = false;
                if !self.shells[shell].in_hand {
                    self.leave(shell);
                }
            }
            Fault::PowerOff(host, done) if self.ground.is_on(host) => {
                for shell in (0..self.shells.len())
                    .filter(|shell| self.shells[*shell].host == host)
                    .collect::<Vec<_>>()
                {
                    if self.shells[shell].in_hand {
                        self.shells[shell].in_hand = false;
                        let work = self.shells[shell].work.take();
                        if let Some(work) = work.filter(|_| done) {
                            self.edit(host, &work.draft, work.job, work.steps.start)?;
                        }
                    }
                    self.leave(shell);
                }
                self.ground.power(host, false);
            }
            Fault::Boot(host) if !self.ground.is_on(host) => self.ground.power(host, true),
            Fault::Disk(host, full) if self.seats[host].full != full => self.seats[host].full = full,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn shell_of(&self, run: usize, host: usize) -> Option<usize> {
        self.runs[run].shells.get(host).copied().flatten().filter(|shell| self.shells[*shell].alive)
    }
}
