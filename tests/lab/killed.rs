//! `up` killed in the middle, again and again, behind a bastion. Where it is killed is counted in frames, not in
//! seconds: N steps begun or ended after the plan was made.

use std::time::{Duration, Instant};

use crate::course::Course;
use crate::lab::{Image, Lab};
use crate::poll::until;
use crate::seed::Seed;
use crate::stands::{built, login_works, settled};

const MEMBERS: [&str; 3] = ["node-1", "node-2", "node-3"];
/// After which percentage of its frames a run is killed at the latest: early kills and late ones, on fresh hosts each.
const ROUNDS: [usize; 2] = [35, 80];
const KILLS: usize = 5;

#[test]
fn killed_runs_behind_a_bastion() {
    let lab = Lab::boot("test-killed", "10.99.21", Image::Full, "three", |text| {
        text.replace("ssh: { user: root,", "ssh: { user: root, proxy_jump: root@10.99.21.11,")
    });
    let mut course = Course::new(&lab);
    let mut chance = Seed::drawn("frames at which up is killed");
    for (round, percent) in ROUNDS.into_iter().enumerate() {
        if round > 0 {
            course.must("the hosts are replaced by fresh ones", Lab::renew);
        }
        let name = format!("up is killed {KILLS} times within {percent} % of its frames, then ends");
        course.step(&name, |lab| killed(lab, &mut chance, percent));
    }
    course.must("the hosts are replaced by fresh ones, once more", Lab::renew);
    course.step("a signal ends up between two steps, and up goes on", |lab| interrupted(lab, &mut chance));
    course.step("nothing of a killed run stays on this machine", leftovers);
    course.end();
}

fn killed(lab: &Lab, chance: &mut Seed, percent: usize) {
    let etcd = lab.etcd(&MEMBERS);
    let mut kept = Vec::new();
    let mut id = None;
    for kill in 1..=KILLS {
        let Some((frame, of)) = cut(lab, chance, percent, "KILL") else {
            eprintln!("  run {kill} came to its end before it could be killed");
            continue;
        };
        eprintln!("  kill {kill}: at frame {frame} of {of}");
        // What stands already must outlive the next kill too.
        let key = format!("/kuboard-ha-lab/killed/{kill}");
        if etcd.put(&key, 0, Duration::from_secs(1)).is_ok() {
            kept.push(key);
            let seen = etcd.cluster_id();
            assert_eq!(*id.get_or_insert_with(|| seen.clone()), seen, "another cluster after kill {kill}");
        }
    }
    let begun = Instant::now();
    lab.up();
    settled(lab);
    eprintln!(
        "  to the end: {:.1} s; {} keys were written before",
        begun.elapsed().as_secs_f64(),
        kept.len()
    );
    let seen = etcd.cluster_id();
    assert_eq!(id.unwrap_or_else(|| seen.clone()), seen, "another cluster at the end");
    assert_eq!(etcd.missing("/kuboard-ha-lab/killed/", &kept), Vec::<String>::new(), "lost keys");
    login_works(&lab.floating(), 80);
}

fn interrupted(lab: &Lab, chance: &mut Seed) {
    for signal in ["TERM", "INT"] {
        let Some((frame, of)) = cut(lab, chance, 40, signal) else {
            panic!("up came to its end before SIG{signal} could be sent");
        };
        eprintln!("  SIG{signal} at frame {frame} of {of}");
    }
    built(lab);
}

/// Runs `up` and sends it a signal after a number of frames drawn by chance. `None` if it ended before.
fn cut(lab: &Lab, chance: &mut Seed, percent: usize, signal: &str) -> Option<(usize, usize)> {
    let mut up = lab.start(&["up", "-o", "json"]);
    let (mut frames, mut wanted, mut seen) = (0, usize::MAX, 0);
    while let Some(event) = up.next_event() {
        match event["kind"].as_str().unwrap_or_default() {
            "planned" if wanted == usize::MAX => {
                frames = 2 * usize::try_from(event["steps"].as_u64().unwrap()).unwrap();
                wanted = 1 + chance.below(frames * percent / 100);
            }
            "step-started" | "step-finished" => seen += 1,
            _ => {}
        }
        if seen == wanted {
            up.signal(signal);
            break;
        }
    }
    let outcome = up.finish();
    lab.keep(&outcome);
    if seen < wanted {
        outcome.exits(0);
        return None;
    }
    if signal == "KILL" {
        assert_eq!(outcome.code, None, "up was not killed\n{}", outcome.told());
    } else {
        let outcome = outcome.exits(130);
        assert_eq!(outcome.last_event()["result"], "interrupted", "{}", outcome.told());
    }
    Some((wanted, frames))
}

/// Connections linger for the next run, but not for long.
fn leftovers(lab: &Lab) {
    let config = lab.file("ssh_config").to_string_lossy().into_owned();
    until(Duration::from_secs(90), "no ssh of a killed run is left", || {
        let mut left = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(&config) {
                left.push(line);
            }
        }
        if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
    });
}
