//! Those who live with a rollout: a writer that must lose nothing, and a watch over who is down at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::etcd::Etcd;
use crate::net;
use crate::poll::until;

/// Between two writes.
const PACE: Duration = Duration::from_millis(50);
/// One attempt at one member.
const ATTEMPT: Duration = Duration::from_secs(3);
/// A write that found no leader goes from member to member, each of which is given an attempt.
const RESUMED: Duration = Duration::from_secs(30);
/// A member that does not answer for so long counts as down; the machine is busy.
const ANSWER: Duration = Duration::from_secs(2);

/// One put per 50 ms, in a thread of its own.
pub struct Writer {
    etcd: Etcd,
    prefix: String,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: JoinHandle<Written>,
}

/// What a writer did.
#[derive(Debug, Default)]
pub struct Written {
    /// The keys that etcd took.
    pub acknowledged: Vec<String>,
    /// Why writes failed.
    pub failures: Vec<String>,
    /// The longest time without an acknowledged write.
    pub longest_gap: Duration,
}

impl Writer {
    /// Begins; `name` tells its keys from others'.
    pub fn start(etcd: &Etcd, name: &str) -> Self {
        let prefix = format!("/kuboard-ha-lab/{name}/");
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let (own, keys, over, all) = (etcd.clone(), prefix.clone(), Arc::clone(&stop), Arc::clone(&count));
        let thread = std::thread::spawn(move || write(&own, &keys, &over, &all));
        Self { etcd: etcd.clone(), prefix, stop, count, thread }
    }

    /// Waits until so many more writes were acknowledged.
    #[track_caller]
    pub fn writes(&self, wanted: usize, limit: Duration) {
        let begun = self.count.load(Ordering::Relaxed);
        until(limit, "the writer writes", || {
            let more = self.count.load(Ordering::Relaxed) - begun;
            if more >= wanted { Ok(()) } else { Err(format!("{more} writes more")) }
        });
    }

    /// Ends once it can write, and fails the test if one acknowledged key cannot be read any more.
    pub fn finish(self) -> Written {
        self.writes(11, RESUMED);
        self.stop.store(true, Ordering::Relaxed);
        let written = self.thread.join().unwrap();
        let lost = self.etcd.missing(&self.prefix, &written.acknowledged);
        assert!(
            lost.is_empty(),
            "{} of {} acknowledged writes are lost: {lost:?}",
            lost.len(),
            written.acknowledged.len()
        );
        eprintln!(
            "  writer: {} acknowledged, {} failed, longest gap {:.2} s",
            written.acknowledged.len(),
            written.failures.len(),
            written.longest_gap.as_secs_f64()
        );
        written
    }
}

/// Until it is told to stop, or nobody is left who could.
fn write(etcd: &Etcd, prefix: &str, stop: &Arc<AtomicBool>, count: &AtomicUsize) -> Written {
    let mut written = Written::default();
    let (mut last, mut member) = (Instant::now(), 0);
    for number in 0.. {
        if stop.load(Ordering::Relaxed) || Arc::strong_count(stop) == 1 {
            break;
        }
        let begun = Instant::now();
        let key = format!("{prefix}{number:06}");
        match etcd.put(&key, member, ATTEMPT) {
            Ok(taker) => {
                member = taker;
                written.longest_gap = written.longest_gap.max(last.elapsed());
                last = Instant::now();
                written.acknowledged.push(key);
                count.fetch_add(1, Ordering::Relaxed);
            }
            Err(why) => written.failures.push(why),
        }
        std::thread::sleep(PACE.saturating_sub(begun.elapsed()));
    }
    written
}

/// Asks each member for its version all the time. A member that starts does not answer until it has joined.
pub struct Watch {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<(Instant, Instant)>>>,
}

impl Watch {
    /// Begins.
    pub fn start(etcd: &Etcd) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = etcd
            .addresses
            .iter()
            .map(|address| {
                let (address, stop) = (address.clone(), Arc::clone(&stop));
                std::thread::spawn(move || outages(&address, &stop))
            })
            .collect();
        Self { stop, threads }
    }

    /// Ends, and fails the test if two members were ever down at once. Gives how many were down at all.
    pub fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let outages: Vec<_> = self.threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        for (one, first) in outages.iter().enumerate() {
            for (other, second) in outages.iter().enumerate().skip(one + 1) {
                let both = first.iter().any(|a| second.iter().any(|b| a.0 < b.1 && b.0 < a.1));
                assert!(!both, "members {one} and {other} were down at once: {outages:?}");
            }
        }
        outages.iter().filter(|member| !member.is_empty()).count()
    }
}

/// When a member did not answer: from the first question that failed to the first that did not.
fn outages(address: &str, stop: &AtomicBool) -> Vec<(Instant, Instant)> {
    let mut outages = Vec::new();
    let mut since = None;
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let answers = net::get(address, 2379, "/version", ANSWER).is_ok();
        match (answers, since) {
            (false, None) => since = Some(asked),
            (true, Some(begun)) => {
                outages.push((begun, Instant::now()));
                since = None;
            }
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    outages.extend(since.map(|begun| (begun, Instant::now())));
    outages
}
