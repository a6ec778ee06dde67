//! What a resident shell's answers come to.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
