//! Many hosts at once: each on its own, no more than so many at a time, and every failure told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio::time::Instant;

use super::session::{Session, SessionOptions};
use super::{Host, HostError, HostErrorKind};
use crate::event::{Event, EventSink};
use crate::resource::HostName;

/// The hosts of a run and how to open a shell on each. Copies share what is known of how swiftly hosts answer.
#[derive(Clone)]
pub struct Fleet {
    members: BTreeMap<HostName, (Arc<dyn Host>, SessionOptions)>,
    parallel: usize,
    patience: Patience,
    pace: Arc<Mutex<Vec<(Instant, Duration)>>>,
}

/// How long a silent host is waited for. What answers in any way has its tries.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// At the first try, whole seconds.
    pub accept: Duration,
    /// At the second.
    pub again: Duration,
    /// Whether a silent host, or one without a route, is tried again even where the others answer swiftly. It always is
    /// where they do not: then this machine may be the slow one, or its network.
    pub insists: bool,
}

impl Default for Patience {
    /// Eleven seconds in all.
    fn default() -> Self {
        Self { accept: Duration::from_secs(4), again: Duration::from_secs(7), insists: true }
    }
}

/// What was seen of the others longer ago says nothing of how swiftly they answer now.
const RECENT: Duration = Duration::from_secs(15);

impl Fleet {
    /// A fleet of these hosts, `parallel` of them dealt with at a time.
    pub fn new(members: BTreeMap<HostName, (Arc<dyn Host>, SessionOptions)>, parallel: usize) -> Self {
        Self { members, parallel: parallel.max(1), patience: Patience::default(), pace: Arc::default() }
    }

    /// The same with that patience.
    #[must_use]
    pub fn with(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &HostName> {
        self.members.keys()
    }

    /// The hosts among them that `wanted` names.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(&HostName) -> bool) -> Self {
        let members = self.members.iter().filter(|(name, _)| wanted(name));
        let members = members.map(|(name, member)| (name.clone(), member.clone())).collect();
        Self { members, pace: Arc::clone(&self.pace), ..*self }
    }

    /// Notes that a host answered after that long.
    pub fn answered(&self, after: Duration) {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.retain(|(at, _)| at.elapsed() < RECENT);
        pace.push((Instant::now(), after));
    }

    /// Whether silence proves little at present: a host that answered lately took more than half the time that a silent
    /// one is given. Where none answered at all, nobody knows better: all of them are away, or this machine's network.
    pub fn is_slow(&self) -> bool {
        let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recent = pace.iter().filter(|(at, _)| at.elapsed() < RECENT).map(|(_, after)| *after);
        recent.next().is_some_and(|first| recent.fold(first, Duration::max) > self.patience.accept / 2)
    }

    /// Opens a shell on one host, again where that may help. A second one may stand beside the first: both use one
    /// connection.
    pub async fn open(&self, name: &HostName, sink: &dyn EventSink) -> Result<Session, HostError> {
        let Some((host, options)) = self.members.get(name) else {
            return Err(HostError::new(HostErrorKind::Local, format!("{name} is not in this run")));
        };
        sink.emit(Event::HostConnecting { host: name.clone() });
        let mut options = options.clone();
        options.deadlines.accept = self.patience.accept;
        for attempt in 1.. {
            let begun = Instant::now();
            let error = match Session::open(host.as_ref(), options.clone()).await {
                Ok(session) => {
                    self.answered(begun.elapsed());
                    sink.emit(Event::HostConnected { host: name.clone() });
                    return Ok(session);
                }
                Err(error) => error,
            };
            if error.kind.is_answer() {
                self.answered(begun.elapsed());
            }
            let pauses = error.kind.pauses();
            let is_dead = matches!(error.kind, HostErrorKind::Silent | HostErrorKind::Unreachable);
            let is_settled = is_dead && !self.patience.insists && !self.is_slow();
            let pause = pauses.get(attempt - 1).filter(|_| !is_settled);
            sink.emit(Event::HostUnreachable {
                host: name.clone(),
                error: error.message.clone(),
                retrying: pause.is_some(),
                attempt,
                attempts: pauses.len() + 1,
            });
            let Some(pause) = pause else { return Err(error) };
            options.deadlines.accept = self.patience.again;
            tokio::time::sleep(spread(*pause)).await;
        }
        Err(HostError::new(HostErrorKind::Silent, format!("{name} was tried without end")))
    }

    /// Opens a shell on every host and does `work` with it; what became of each. The work of a host begins as soon as
    /// its shell is there.
    pub async fn each<T, F, W>(
        &self,
        sink: &dyn EventSink,
        work: W,
    ) -> BTreeMap<HostName, Result<T, HostError>>
    where
        W: Fn(Session) -> F,
        F: Future<Output = Result<T, HostError>>,
    {
        let work = &work;
        stream::iter(self.members.keys())
            .map(|name| async move {
                let outcome = match self.open(name, sink).await {
                    Ok(session) => work(session).await,
                    Err(error) => Err(error),
                };
                (name.clone(), outcome)
            })
            .buffer_unordered(self.parallel)
            .collect()
            .await
    }
}

/// That long, and up to half as long again: many that were turned away together do not all come back at once.
fn spread(pause: Duration) -> Duration {
    pause + pause / 8 * u32::try_from(super::boot::random() % 5).unwrap_or_default()
}
