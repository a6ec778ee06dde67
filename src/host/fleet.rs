//! Many hosts at once: each on its own, no more than so many at a time, and every failure told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio::time::Instant;

use super::session::{Session, SessionOptions};
use super::{Host, HostError};
use crate::event::{Event, EventSink};
use crate::resource::HostName;

/// The hosts of a run and how to open a shell on each.
#[derive(Clone)]
pub struct Fleet {
    members: BTreeMap<HostName, (Arc<dyn Host>, SessionOptions)>,
    parallel: usize,
    patience: Option<Duration>,
}

/// How often a host is tried that may answer a moment later, and the pauses between.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

impl Fleet {
    /// A fleet of these hosts, `parallel` of them dealt with at a time.
    pub fn new(members: BTreeMap<HostName, (Arc<dyn Host>, SessionOptions)>, parallel: usize) -> Self {
        Self { members, parallel: parallel.max(1), patience: None }
    }

    /// The same, trying a host again only within so long; the first attempt takes the time that it takes.
    #[must_use]
    pub fn trying_again_within(self, patience: Option<Duration>) -> Self {
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
        Self { members: members.map(|(name, member)| (name.clone(), member.clone())).collect(), ..*self }
    }

    /// Opens a shell on one host, again where that may help. A second one may stand beside the first: both use one
    /// connection.
    pub async fn open(&self, name: &HostName, sink: &dyn EventSink) -> Result<Session, HostError> {
        let Some((host, options)) = self.members.get(name) else {
            return Err(HostError::new(super::HostErrorKind::Local, format!("{name} is not in this run")));
        };
        sink.emit(Event::HostConnecting { host: name.clone() });
        let mut pauses = PAUSES.iter();
        let end = self.patience.map(|patience| Instant::now() + patience);
        let left = || end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        let mut limit = Duration::MAX;
        let mut last = None;
        loop {
            let attempt = Session::open(host.as_ref(), options.clone());
            let error = match (tokio::time::timeout(limit, attempt).await, last) {
                (Ok(Ok(session)), _) => {
                    sink.emit(Event::HostConnected { host: name.clone() });
                    return Ok(session);
                }
                (Ok(Err(error)), _) | (Err(_), Some(error)) => error,
                (Err(_), None) => HostError::new(super::HostErrorKind::Unreachable, "no answer"),
            };
            let pause = pauses.next().filter(|pause| error.kind.is_retryable() && left() > **pause);
            sink.emit(Event::HostUnreachable {
                host: name.clone(),
                error: error.message.clone(),
                retrying: pause.is_some(),
            });
            match pause {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return Err(error),
            }
            limit = left();
            last = Some(error);
        }
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
