//! Two runs of `up` at once, cut off anywhere: never a second cluster, no data lost, no two steps side by side on a
//! host, no plan carried out on hosts that were changed since they were looked at; and the next `up`, alone, comes to
//! its end.
//!
//! Two grounds. On a toy every interleaving is visited. On the model world with the real planner (`tests/world`)
//! schedules are drawn by chance and shrunk: up to [`BEATS`] turns of one run or the other, each of up to [`MOVES`]
//! moves, with whatever goes wrong between two of them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking and tells what it does"
)]

mod ground;
mod machine;
mod prefixes;
mod shells;
mod toy;
#[path = "../world/mod.rs"]
mod world;

use std::path::Path;
use std::time::Instant;

use kuboard_ha::inventory::Inventory;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use ground::Land;
use machine::{End, Ground, Machine};
use shells::Fault;
use toy::{Toy, visit};
use world::hurt::{hurt, whole};
use world::machines::World;

/// Turns in a schedule.
const BEATS: usize = 24;
/// Moves in a turn, at most.
const MOVES: usize = 90;

// ---- the toy: all interleavings

fn two_runs(hosts: usize) -> Machine<Toy> {
    let mut machine = Machine::new(Toy::new(hosts));
    machine.start(0, 1);
    machine.start(1, 2);
    machine
}

#[test]
fn every_interleaving_of_two_runs_is_safe() {
    let faults = [
        vec![],
        vec![Fault::Kill(0)],
        vec![Fault::Vanish(0)],
        vec![Fault::Cut(0, 0)],
        vec![Fault::Cut(0, 1)],
        vec![Fault::Silence(0, 0)],
        vec![Fault::KillShell(0, 0)],
        vec![Fault::PowerOff(0, true), Fault::Boot(0)],
        vec![Fault::Disk(0, true)],
    ];
    let begun = Instant::now();
    let (mut states, mut moves) = (0, 0);
    for faults in faults {
        let visited = visit(&two_runs(2), &faults).unwrap_or_else(|why| panic!("with {faults:?}: {why}"));
        states += visited.states;
        moves += visited.moves;
    }
    eprintln!("{states} states, {moves} moves between them in {:.1} s", begun.elapsed().as_secs_f64());
}

/// What a look must do first: were it to ask who is there only after it has looked, an orphan's step that ended in
/// between would go unseen.
#[test]
fn a_look_that_asks_too_late_would_be_noticed() {
    let mut machine = two_runs(1);
    machine.asks_late = true;
    let why = visit(&machine, &[Fault::Kill(0)]).unwrap_err();
    assert!(why.contains("was changed since it looked"), "{why}");
}

// ---- the model world: chance

/// A piece of a schedule.
#[derive(Clone, Debug)]
enum Beat {
    /// The run in a place goes on for so many moves, in an order that a number decides; a new one where it had ended.
    Go { place: usize, moves: usize, order: u64 },
    /// Something goes wrong.
    Fault(Fault),
}

fn schedule(hosts: usize) -> impl Strategy<Value = Vec<Beat>> {
    let (place, host) = (0..2_usize, 0..hosts);
    let at = (place.clone(), host.clone());
    let go = (place.clone(), 1..=MOVES, any::<u64>()).prop_map(|(place, moves, order)| Beat::Go {
        place,
        moves,
        order,
    });
    let fault = prop_oneof![
        place.clone().prop_map(Fault::Kill),
        place.prop_map(Fault::Vanish),
        at.clone().prop_map(|(run, host)| Fault::Cut(run, host)),
        at.clone().prop_map(|(run, host)| Fault::Silence(run, host)),
        at.prop_map(|(run, host)| Fault::KillShell(run, host)),
        (host.clone(), any::<bool>()).prop_map(|(host, done)| Fault::PowerOff(host, done)),
        host.clone().prop_map(Fault::Boot),
        (host, any::<bool>()).prop_map(|(host, full)| Fault::Disk(host, full)),
    ];
    vec(prop_oneof![2 => go, 1 => fault.prop_map(Beat::Fault)], 1..=BEATS)
}

/// Numbers from a seed (xorshift), so that a failure can be had again.
fn chooser(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap_or(0)
    }
}

/// The run in a place makes so many moves; how many it made.
fn go(machine: &mut Machine<Land>, place: usize, count: usize, order: u64) -> Result<usize, String> {
    let (mut choose, mut moves) = (chooser(order), Vec::new());
    for made in 0..count {
        machine.moves(place, &mut moves);
        if moves.is_empty() {
            return Ok(made);
        }
        let step = moves[choose(moves.len())];
        machine.make(step).map_err(|why| format!("{step:?}: {why}"))?;
    }
    Ok(count)
}

fn play(machine: &mut Machine<Land>, schedule: &[Beat]) -> Result<(), String> {
    let mut names = 0..;
    for beat in schedule {
        while machine.runs.len() < 2 {
            machine.start(machine.runs.len(), names.next().unwrap_or(0));
        }
        match *beat {
            Beat::Go { place, moves, order } => {
                if machine.end(place).is_some() {
                    machine.start(place, names.next().unwrap_or(0));
                }
                go(machine, place, moves, order)?;
            }
            Beat::Fault(fault) => drop(machine.suffer(fault)?),
        }
    }
    Ok(())
}

/// Everything under way comes to its end, and all hosts have power and room.
fn calm(machine: &mut Machine<Land>) -> Result<(), String> {
    for place in 0..machine.runs.len() {
        machine.stop(place, End::Killed);
    }
    for place in 0..machine.runs.len() {
        go(machine, place, usize::MAX, 1)?;
    }
    for host in 0..machine.ground.hosts() {
        machine.suffer(Fault::Boot(host))?;
        machine.suffer(Fault::Disk(host, false))?;
    }
    Ok(())
}

/// `up` runs alone.
fn alone(machine: &mut Machine<Land>) -> Result<End, String> {
    let place = machine.runs.len();
    machine.start(place, usize::MAX);
    go(machine, place, 100_000, 1)?;
    machine.end(place).ok_or_else(|| "nobody can go on".to_owned())
}

/// Every schedule ends with nothing left to do, and with a world like this.
fn check(name: &str, cases: u32, start: &Land, then: fn(&World) -> Result<(), String>) {
    let begun = Instant::now();
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let outcome = TestRunner::new(config).run(&schedule(start.hosts()), |schedule| {
        let mut machine = Machine::new(start.clone());
        let end = play(&mut machine, &schedule)
            .and_then(|()| calm(&mut machine))
            .and_then(|()| alone(&mut machine));
        match end {
            Ok(End::Converged) => {
                then(&machine.ground.world).map_err(|why| TestCaseError::fail(format!("{name}: {why}")))
            }
            Ok(end) => {
                let planning =
                    kuboard_ha::plan::plan(&machine.ground.world.inventory, &machine.ground.world.look());
                Err(TestCaseError::fail(format!("{name}: {end:?}\n{}", world::listing(&planning))))
            }
            Err(why) => Err(TestCaseError::fail(format!("{name}: {why}"))),
        }
    });
    if let Err(why) = outcome {
        panic!("{why}");
    }
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!(
        "{name}: {cases} schedules in {seconds:.1} s, {:.0} a minute",
        f64::from(cases) * 60.0 / seconds
    );
}

fn sample(name: &str) -> Inventory {
    world::inventory(&Path::new("inventories").join(name))
}

#[test]
fn two_first_runs_at_once_come_to_one_cluster() {
    check("three bare machines", 100, &Land::new(World::bare(&sample("three-machines.yaml"))), whole);
    check("one bare machine", 150, &Land::new(World::bare(&sample("one-machine.yaml"))), whole);
}

#[test]
fn two_runs_that_change_a_cluster_leave_it_whole() {
    let patch = serde_json::json!({
        "etcd": { "settings": { "ETCD_SNAPSHOT_COUNT": "20000" } },
        "kuboard": { "image": "eipwork/kuboard:v3.5.2.8" },
    });
    for name in ["three-machines.yaml", "two-balancers.yaml"] {
        let mut world = World::running(&sample(name));
        world.adopt(&world::changed_inventory(&Path::new("inventories").join(name), &patch));
        check(name, 150, &Land::new(world), whole);
    }
}

#[test]
fn two_runs_that_repair_members_leave_a_whole_cluster() {
    for (name, world) in hurt() {
        check(name, 20, &Land::new(world), whole);
    }
}
