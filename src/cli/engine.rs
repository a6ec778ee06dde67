//! The one place where the command line meets the parts that look at hosts and change them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};

use crate::cli::converge::{Applied, World};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::site::Site;
use crate::event::{Event, EventSink};
use crate::facts::gather::gather;
use crate::facts::{Facts, HostState};
pub use crate::host::cancel::Cancel;
use crate::host::fleet::Fleet;
use crate::host::session::{Session, SessionOptions, Sudo};
use crate::host::ssh::{Bastions, Ssh};
use crate::host::{Host, HostError};
use crate::inventory::{self, Context};
pub use crate::inventory::{Advice, Loaded, Problem, masked};
use crate::plan::model::{Plan, Planning};
use crate::plan::script::{RUNTIME, script as job_script};
use crate::plan::title::step_title;
use crate::resource::HostName;

/// Reads an inventory; relative paths in it start at `folder`.
pub fn load(text: &str, folder: &Path) -> Result<Loaded, Vec<Problem>> {
    let home = std::env::home_dir();
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| error.to_string());
    inventory::load(text, &Context { folder, home: home.as_deref(), read: &read })
}

/// How the hosts are used.
#[derive(Clone)]
pub struct Means {
    /// Hosts at once.
    pub parallel: usize,
    /// Hosts that are left out.
    pub without: Vec<HostName>,
    /// The wish to stop.
    pub cancel: Cancel,
    /// How long a look at one host may take; what takes longer counts as not reachable.
    pub patience: Option<Duration>,
    /// Where events go.
    pub events: Arc<dyn EventSink>,
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
                    sudo: (host.ssh.user.as_deref().is_some_and(|user| user != "root"))
                        .then_some(Sudo { password: login.sudo_password }),
                    ..SessionOptions::new(&site.inventory.cluster, &run, RUNTIME)
                };
                let ssh = Ssh::new(name.clone(), host.ssh.clone(), login.password, &bastions);
                (name.clone(), (Arc::new(ssh) as Arc<dyn Host>, options))
            })
            .collect();
        means.events.emit(Event::RunStarted { run, hosts: site.inventory.hosts.keys().cloned().collect() });
        let fleet = Fleet::new(members, means.parallel);
        Self { site, means, fleet, sessions: BTreeMap::new() }
    }

    /// The same as [`Self::see`], within the patience that the command has.
    async fn see_in_time(&self, name: &HostName, held: Option<Session>) -> Seen {
        let Some(patience) = self.means.patience else {
            return self.see(name, held).await;
        };
        if let Ok(seen) = tokio::time::timeout(patience, self.see(name, held)).await {
            return seen;
        }
        let why = format!("no answer within {} s", patience.as_secs());
        let event = Event::HostUnreachable { host: name.clone(), error: why.clone(), retrying: false };
        self.means.events.emit(event);
        Seen { session: None, state: HostState::Unreachable { why } }
    }

    /// Looks at one host over the session that is there, or a new one.
    async fn see(&self, name: &HostName, held: Option<Session>) -> Seen {
        let events = self.means.events.as_ref();
        if let Some(mut session) = held
            && let Ok(facts) = gather(&mut session, &self.site.inventory).await
        {
            events.emit(Event::HostGathered { host: name.clone() });
            return Seen { session: Some(session), state: HostState::Reached(Box::new(facts)) };
        }
        let looked = async {
            let mut session = self.fleet.open(name, events).await?;
            let facts = gather(&mut session, &self.site.inventory).await?;
            Ok::<_, HostError>((session, facts))
        };
        match looked.await {
            Ok((session, facts)) => {
                events.emit(Event::HostGathered { host: name.clone() });
                Seen { session: Some(session), state: HostState::Reached(Box::new(facts)) }
            }
            Err(error) => Seen { session: None, state: HostState::Unreachable { why: error.message } },
        }
    }
}

/// What a look at one host left.
struct Seen {
    session: Option<Session>,
    state: HostState,
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
            without: self.means.without.iter().cloned().collect(),
            ..Facts::default()
        };
        for name in &self.means.without {
            let why = "left out by --without".to_owned();
            facts.hosts.insert(name.clone(), HostState::Unreachable { why });
        }
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

    async fn apply(&mut self, _plan: &Plan) -> Result<Applied, CliError> {
        Err(CliError::new(Exit::Unexpected, "this build cannot change hosts yet"))
    }
}

/// What planning says, with the advice about the inventory.
pub fn planning(site: &Site, facts: &Facts) -> Planning {
    let mut planning = crate::plan::plan(&site.inventory, facts);
    planning.findings.extend(site.advice.iter().cloned());
    planning.findings.sort();
    planning
}

/// The script of a host's jobs: the functions that every step finds defined, then guards and steps as they are sent.
pub fn script(site: &Site, planning: &Planning, host: &HostName) -> String {
    let mut text = format!(
        "# what kuboard-ha would run on {host}, as root; each step in a subshell of its own\n{RUNTIME}"
    );
    for job in planning.plan.jobs.iter().filter(|job| job.host == *host) {
        let script = job_script(job, site.inventory.transfer);
        let after: Vec<_> = job.after.iter().map(ToString::to_string).collect();
        let _ = write!(text, "\n# job {}", script.id);
        let _ =
            if after.is_empty() { writeln!(text) } else { writeln!(text, ", after {}", after.join(", ")) };
        for (title, guard) in &script.guards {
            let _ = writeln!(text, "# only while: {title}\n( set -eu\n{guard}\n)");
        }
        for (step, sent) in job.steps.iter().zip(&script.steps) {
            let again = if sent.waits { "again and again, " } else { "" };
            let limit = sent.limit.as_secs();
            let _ = writeln!(
                text,
                "# {} ({again}at most {limit} s)\n( set -eu\n{}\n)",
                step_title(step),
                sent.text
            );
        }
    }
    text
}
