//! The leases of all hosts, taken before the first change.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::event::{Event, EventSink};
use crate::host::HostError;
use crate::host::cancel::Cancel;
use crate::host::session::{Holder, Lease, Session};
use crate::resource::HostName;

/// Why not every lease could be taken. Close or drop all sessions: that gives back those that were.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another run works there.
    #[error("{host} is locked by {}", owner(holder))]
    Locked {
        /// Where.
        host: HostName,
        /// Who.
        holder: Holder,
    },
    /// The host could not be asked.
    #[error("the lease of {host} could not be taken")]
    Host {
        /// Where.
        host: HostName,
        /// Why.
        source: HostError,
    },
    /// A wish to stop came first.
    #[error("asked to stop while waiting for the lease of {host}")]
    Cancelled {
        /// Where it waited.
        host: HostName,
    },
}

/// Between questions to a host whose lease is another's.
const PAUSE: Duration = Duration::from_millis(500);

/// A shell between two jobs belongs to a run that lives, or to one whose controller is just gone.
const BETWEEN_JOBS: Duration = Duration::from_secs(5);

/// Beyond a limit of the host's own: what is past it is killed, and what that started.
const SLACK: Duration = Duration::from_secs(10);

/// Takes the leases of all hosts: the first by name alone, then the rest at once, so of two runs over the same hosts one
/// goes on. `true` where another run had one since the last look: what was seen may no longer be so. Else what each host
/// had against it, at least one.
pub async fn lease(
    sessions: &mut BTreeMap<HostName, Session>,
    sink: &dyn EventSink,
    cancel: &Cancel,
) -> Result<bool, Vec<LeaseError>> {
    let (mut stale, mut errors) = (false, Vec::new());
    let mut all = sessions.values_mut();
    if let Some(first) = all.next() {
        stale |= one(first, sink, cancel).await.map_err(|error| vec![error])?;
    }
    for answer in join_all(all.map(|session| one(session, sink, cancel))).await {
        match answer {
            Ok(was_held) => stale |= was_held,
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(stale) } else { Err(errors) }
}

/// Takes one lease. What a run that is gone has left is waited for: its step ends at its limit, and its shell between two
/// jobs after the wait for a word. What only a run that lives can do ends the wait.
async fn one(session: &mut Session, sink: &dyn EventSink, cancel: &Cancel) -> Result<bool, LeaseError> {
    let host = session.host().clone();
    let mut awaited: Option<(Holder, Instant)> = None;
    loop {
        let answer =
            session.lease().await.map_err(|source| LeaseError::Host { host: host.clone(), source })?;
        let holder = match answer {
            Lease::Leased { stale } => return Ok(stale || awaited.is_some()),
            Lease::Busy(holder) => holder,
        };
        let since = match &awaited {
            Some((first, since)) if *first == holder => *since,
            Some((first, _)) if first.run != session.run() && shows_life(first, &holder) => {
                return Err(LeaseError::Locked { host, holder });
            }
            _ => {
                sink.emit(Event::LeaseAwaited { host: host.clone(), holder: describe(&holder) });
                Instant::now()
            }
        };
        let patience = if !is_between_jobs(&holder) {
            Duration::from_secs(holder.limit) + SLACK
        } else if holder.run == session.run() {
            // Its connection was cut on our side only: it ends once it has heard nothing for long enough.
            session.watchdog() + SLACK
        } else {
            BETWEEN_JOBS
        };
        if since.elapsed() > patience {
            return Err(LeaseError::Locked { host, holder });
        }
        awaited = Some((holder, since));
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = cancel.cancelled() => return Err(LeaseError::Cancelled { host }),
        }
    }
}

fn is_between_jobs(holder: &Holder) -> bool {
    matches!(holder.step.as_str(), "" | "-")
}

/// Whether a holder that follows another belongs to a run that lives. The end of a step alone is the end of an orphan, too;
/// and where nobody's name was there to read, it was being written just then.
fn shows_life(first: &Holder, next: &Holder) -> bool {
    let ends = first.run == next.run && !is_between_jobs(first) && is_between_jobs(next);
    !ends && !first.run.is_empty() && !next.run.is_empty()
}

/// Who has a lease, at what.
fn owner(holder: &Holder) -> String {
    match (holder.run.as_str(), holder.step.as_str()) {
        ("", _) => "another run".to_owned(),
        (run, "" | "-") => format!("run {run}, which is between two jobs"),
        (run, step) => format!("run {run}, which is at {step}"),
    }
}

fn describe(holder: &Holder) -> String {
    match (holder.run.as_str(), holder.step.as_str()) {
        ("", _) => "another run".to_owned(),
        (run, "" | "-") => format!("run {run}"),
        (run, step) => format!("run {run}, at {step}, at most {} s", holder.limit),
    }
}
