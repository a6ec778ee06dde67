//! Many hosts at once: each on its own, no more than so many at a time, and every failure told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;

use super::session::{Session, SessionOptions};
use super::{Host, HostError};
use crate::event::{Event, EventSink};
use crate::resource::HostName;

/// The hosts of a run and how to open a shell on each.
#[derive(Clone)]
pub struct Fleet {
    members: BTreeMap<HostName, (Arc<dyn Host>, SessionOptions)>,
    parallel: usize,
}

/// How often a host is tried that may answer a moment later, and the pauses between.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

impl Fleet {
    /// A fleet of these hosts, `parallel` of them dealt with at a time.
    pub fn new(members: BTreeMap<HostName, (Arc<dyn Host>, SessionOptions)>, parallel: usize) -> Self {
        Self { members, parallel: parallel.max(1) }
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
        loop {
            let error = match Session::open(host.as_ref(), options.clone()).await {
                Ok(session) => {
                    sink.emit(Event::HostConnected { host: name.clone() });
                    return Ok(session);
                }
                Err(error) => error,
            };
            let pause = pauses.next().filter(|_| error.kind.is_retryable());
            sink.emit(Event::HostUnreachable {
                host: name.clone(),
                error: error.message.clone(),
                retrying: pause.is_some(),
            });
            match pause {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return Err(error),
            }
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
