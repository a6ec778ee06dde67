//! The hosts of a site as the commands use them: looked at, planned for, changed.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::sync::Semaphore;

use crate::apply::{self, lease};
use crate::cli::applied::{applied, not_leased};
use crate::cli::archives::Archives;
use crate::cli::converge::{Applied, End, Hindrance, World};
use crate::cli::engine::planning;
use crate::cli::error::CliError;
use crate::cli::site::Site;
use crate::event::{Event, EventSink};
use crate::facts::gather::{Gathered, gather};
use crate::facts::{Facts, HostState};
use crate::host::cancel::Cancel;
use crate::host::fleet::{Fleet, Patience};
use crate::host::session::{Session, SessionOptions, Sudo};
use crate::host::ssh::{Bastions, Ssh};
use crate::host::{Host, HostError, HostErrorKind};
use crate::plan::model::{Plan, Planning};
use crate::plan::script::RUNTIME;
use crate::resource::HostName;

/// Uploads at once; more would only share the same line.
const UPLOADS: usize = 8;

/// How the hosts are used.
#[derive(Clone)]
pub struct Means {
    /// Hosts at once.
    pub parallel: usize,
    /// Hosts that are left out.
    pub without: Vec<HostName>,
    /// The wish to stop.
    pub cancel: Cancel,
    /// How long silent hosts are waited for.
    pub patience: Patience,
    /// How long a look at a host that answers may take; what takes longer counts as not reachable.
    pub look: Option<Look>,
    /// Where events go.
    pub events: Arc<dyn EventSink>,
}

/// How long a look at one host may take.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// While the others answer swiftly.
    pub swift: Duration,
    /// While they do not: then this machine may be the slow one.
    pub slow: Duration,
}

/// The hosts of a site, as every command that looks at them uses them.
pub struct Hosts<'a> {
    site: &'a Site,
    means: Means,
    fleet: Fleet,
    sessions: BTreeMap<HostName, Session>,
}

impl<'a> Hosts<'a> {
    /// Nothing is connected yet.
    pub fn new(site: &'a Site, means: Means) -> Self {
        let run = run_name();
        let bastions = Bastions::default();
        let members = site
            .inventory
            .hosts
            .iter()
            .filter(|(name, _)| !means.without.contains(name))
            .map(|(name, host)| {
                let login = site.secrets.logins.get(name).cloned().unwrap_or_default();
                let options = SessionOptions {
                    sudo: (host.ssh.user.as_deref() != Some("root"))
                        .then_some(Sudo { password: login.sudo_password }),
                    ..SessionOptions::new(&site.inventory.cluster, &run, RUNTIME)
                };
                let ssh = Ssh::new(name.clone(), host.ssh.clone(), login.password, &bastions);
                (name.clone(), (Arc::new(ssh) as Arc<dyn Host>, options))
            })
            .collect();
        means.events.emit(Event::RunStarted { run, hosts: site.inventory.hosts.keys().cloned().collect() });
        let fleet = Fleet::new(members, means.parallel).with(means.patience);
        Self { site, means, fleet, sessions: BTreeMap::new() }
    }

    /// The same as [`Self::see`], within the time that the command has.
    async fn see_in_time(&self, name: &HostName, held: Option<Session>) -> Seen {
        let Some(look) = self.means.look else {
            return self.see(name, held).await;
        };
        let mut see = std::pin::pin!(self.see(name, held));
        if let Ok(seen) = tokio::time::timeout(look.swift, &mut see).await {
            return seen;
        }
        let mut limit = look.swift;
        if self.fleet.is_slow() {
            limit = look.slow;
            if let Ok(seen) = tokio::time::timeout(look.slow.saturating_sub(look.swift), &mut see).await {
                return seen;
            }
        }
        let error = HostError::new(
            HostErrorKind::Silent,
            format!("it is there, but was not seen within {} s", limit.as_secs()),
        );
        self.unseen(name, error)
    }

    /// Tells of a host that could not be looked at.
    fn unseen(&self, name: &HostName, error: HostError) -> Seen {
        self.means.events.emit(Event::HostUnreachable {
            host: name.clone(),
            error: error.message.clone(),
            retrying: false,
            attempt: 1,
            attempts: 1,
        });
        Seen::nothing(error)
    }

    /// Looks at one host over the session that is there, or a new one.
    async fn see(&self, name: &HostName, held: Option<Session>) -> Seen {
        let events = self.means.events.as_ref();
        if let Some(mut session) = held
            && let Ok(gathered) = gather(&mut session, &self.site.inventory).await
        {
            // That says nothing of how swiftly it lets in, but that the way to the hosts is open.
            self.fleet.answered(Duration::ZERO);
            return self.seen(name, session, gathered);
        }
        let mut session = match self.fleet.open(name, events).await {
            Ok(session) => session,
            Err(error) => return Seen::nothing(error),
        };
        match gather(&mut session, &self.site.inventory).await {
            Ok(gathered) => self.seen(name, session, gathered),
            Err(error) => self.unseen(name, error),
        }
    }

    /// Tells of a host that was looked at.
    fn seen(&self, name: &HostName, session: Session, gathered: Gathered) -> Seen {
        let Gathered { facts, elapsed, parts } = gathered;
        self.means.events.emit(Event::HostGathered { host: name.clone(), elapsed, parts });
        Seen { session: Some(session), state: HostState::Reached(Box::new(facts)) }
    }
}

/// What a look at one host left.
struct Seen {
    session: Option<Session>,
    state: HostState,
}

impl Seen {
    fn nothing(error: HostError) -> Self {
        let answered = error.kind.is_answer();
        Self {
            session: None,
            state: HostState::Unreachable { why: error.message, answered, hint: error.hint },
        }
    }
}

/// Names a run on the hosts: eight hexadecimal digits, drawn at random.
fn run_name() -> String {
    let drawn = RandomState::new().hash_one(std::time::SystemTime::now());
    format!("{:08x}", drawn & 0xffff_ffff)
}

impl World for Hosts<'_> {
    async fn look(&mut self) -> Result<Facts, CliError> {
        let mut held = std::mem::take(&mut self.sessions);
        let names: Vec<HostName> = self.fleet.names().cloned().collect();
        let looks = names.into_iter().map(|name| {
            let session = held.remove(&name);
            let this = &*self;
            async move {
                let seen = this.see_in_time(&name, session).await;
                (name, seen)
            }
        });
        let looks: Vec<_> = looks.collect();
        let seen: Vec<_> = stream::iter(looks).buffer_unordered(self.means.parallel).collect().await;
        let mut facts = Facts {
            supplied: self.site.secrets.fingerprints(&self.site.inventory.cluster),
            ..Facts::default()
        };
        facts.leave_out(&self.means.without);
        for (name, seen) in seen {
            facts.hosts.insert(name.clone(), seen.state);
            if let Some(session) = seen.session {
                self.sessions.insert(name, session);
            }
        }
        Ok(facts)
    }

    fn plan(&self, facts: &Facts) -> Planning {
        planning(self.site, facts)
    }

    async fn apply(&mut self, plan: &Plan) -> Result<Applied, CliError> {
        let means = self.means.clone();
        let events = means.events.as_ref();
        match lease(&mut self.sessions, events, &means.cancel).await {
            Ok(false) => {}
            // Another run has been at work since the look that this plan is made from.
            Ok(true) => {
                let hindrances = vec![Hindrance::OtherRun];
                return Ok(Applied { end: End::Fenced, hindrances, ..Applied::default() });
            }
            Err(errors) => {
                self.sessions.clear();
                return not_leased(&errors, events);
            }
        }
        let archives = Archives::here()?;
        let outcome = apply::apply(
            plan,
            &mut self.sessions,
            &apply::Means {
                fleet: &self.fleet,
                inventory: &self.site.inventory,
                artifacts: &archives,
                secrets: &self.site.secrets.supplied,
                uploads: &Semaphore::new(UPLOADS),
                sink: events,
                cancel: &means.cancel,
            },
        )
        .await;
        Ok(applied(outcome))
    }
}
