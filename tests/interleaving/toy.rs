//! A ground so small that every interleaving of two runs on it can be visited: a host is a number, to be brought to
//! two one by one (to one on the others), on the second host only after the first. A step carried out on a state that its plan did not
//! see is what must never happen.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::rc::Rc;

use crate::machine::{Done, Draft, Ground, Kind, Machine, Move, Task};
use crate::shells::Fault;

/// Steps on a host.
fn steps(host: usize) -> u8 {
    if host == 0 { 2 } else { 1 }
}

#[derive(Clone, Hash, Debug)]
pub struct Toy {
    pub hosts: Vec<u8>,
    off: Vec<bool>,
}

impl Toy {
    pub fn new(hosts: usize) -> Self {
        Self { hosts: vec![0; hosts], off: vec![false; hosts] }
    }
}

impl Ground for Toy {
    type Seen = u8;
    /// For each job the number that its first step expects.
    type Plan = Vec<u8>;

    fn hosts(&self) -> usize {
        self.hosts.len()
    }

    fn look(&self, host: usize) -> Option<u8> {
        (!self.off[host]).then_some(self.hosts[host])
    }

    fn plan(&self, seen: &[Option<u8>]) -> Rc<Draft<Vec<u8>>> {
        let blocked = seen.iter().any(Option::is_none);
        let (mut jobs, mut plan): (Vec<Task>, Vec<u8>) = (Vec::new(), Vec::new());
        for (host, at) in seen.iter().enumerate().filter_map(|(host, at)| Some((host, (*at)?))) {
            if at < steps(host) {
                let after = (0..jobs.len()).collect();
                jobs.push(Task { host, after, steps: vec![Kind::Shell; usize::from(steps(host) - at)] });
                plan.push(at);
            }
        }
        Rc::new(Draft { blocked, jobs, plan })
    }

    fn holds(&mut self, _: &Draft<Vec<u8>>, _: usize) -> bool {
        true
    }

    fn step(&mut self, draft: &Draft<Vec<u8>>, job: usize, step: usize) -> Result<Done, String> {
        let host = draft.jobs[job].host;
        let expected = usize::from(draft.plan[job]) + step;
        if usize::from(self.hosts[host]) != expected {
            return Err(format!("host {host} is at {}, and a step expects {expected}", self.hosts[host]));
        }
        self.hosts[host] += 1;
        Ok(Done::Well)
    }

    fn power(&mut self, host: usize, on: bool) {
        self.off[host] = !on;
    }

    fn is_on(&self, host: usize) -> bool {
        !self.off[host]
    }
}

/// How many states there are and how many ways lead from one to another; or what must never happen.
#[derive(Debug)]
pub struct Visited {
    pub states: usize,
    pub moves: usize,
}

/// Visits every state that runs can come to with these faults happening at any time, each at most once.
pub fn visit(start: &Machine<Toy>, faults: &[Fault]) -> Result<Visited, String> {
    let mut visited = Visited { states: 0, moves: 0 };
    let mut known = HashSet::new();
    let mut open = vec![(start.clone(), faults.to_vec())];
    let mut moves = Vec::new();
    while let Some((machine, left)) = open.pop() {
        if !known.insert(key(&machine, &left)) {
            continue;
        }
        visited.states += 1;
        let mut ways = 0;
        for run in 0..machine.runs.len() {
            machine.moves(run, &mut moves);
            // Looks at different hosts do not touch each other: their order among themselves is left out.
            let looks = |step: &Move| matches!(step, Move::Ask(..) | Move::See(..));
            let first = moves.iter().copied().find(|step| matches!(step, Move::Ask(..)));
            let first = first.or_else(|| moves.iter().copied().find(looks));
            moves.retain(|step| !looks(step) || Some(*step) == first);
            for step in &moves {
                let mut next = machine.clone();
                next.make(*step).map_err(|why| format!("{step:?}: {why}"))?;
                open.push((next, left.clone()));
                ways += 1;
            }
        }
        for (place, fault) in left.iter().enumerate() {
            let mut next = machine.clone();
            if next.suffer(*fault).map_err(|why| format!("{fault:?}: {why}"))? {
                let mut less = left.clone();
                less.remove(place);
                open.push((next, less));
            }
        }
        visited.moves += ways;
        if ways == 0 && (0..machine.runs.len()).any(|run| machine.end(run).is_none()) {
            return Err(format!(
                "nobody can go on: {:?} {:?} {:?}",
                machine.runs, machine.seats, machine.shells
            ));
        }
        if ways == 0 && machine.seats.iter().any(|seat| seat.lock.is_some()) {
            return Err(format!("a lease outlives all runs: {:?} {:?}", machine.seats, machine.shells));
        }
    }
    Ok(visited)
}

/// Two machines with one key go on alike: shells are told by what they are, not by their numbers, and those that have
/// ended do not count.
fn key(machine: &Machine<Toy>, left: &[Fault]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&machine.ground, left).hash(&mut hasher);
    for seat in &machine.seats {
        (&seat.mark, seat.full, seat.edits, seat.lock.map(|shell| &machine.shells[shell])).hash(&mut hasher);
    }
    for run in &machine.runs {
        (run.name, &run.phase, &run.known, run.round, run.fruitless, run.whole).hash(&mut hasher);
        for shell in run.shells.iter().map(|shell| shell.map(|shell| &machine.shells[shell])) {
            shell.hash(&mut hasher);
        }
    }
    let known: Vec<usize> =
        machine.runs.iter().flat_map(|run| run.shells.iter().flatten().copied()).collect();
    let orphans = machine
        .shells
        .iter()
        .enumerate()
        .filter(|(number, shell)| !shell.is_over() && !known.contains(number));
    orphans.map(|(_, shell)| shell).collect::<Vec<_>>().hash(&mut hasher);
    hasher.finish()
}
