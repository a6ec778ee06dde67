//! The hosts of a site as the commands use them: looked at, planned for, changed.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use tokio::sync::{Mutex, OnceCell, Semaphore};

use crate::apply::{self, ArtifactSource, FailedStep, FailureKind, LeaseError, lease};
use crate::artifact::{self, Cache, Limits};
use crate::catalog;
use crate::cli::converge::{Applied, End, Failure, World};
use crate::cli::engine::planning;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
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
use crate::resource::{Artifact, HostName, Sha256Digest};

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
            without: self.means.without.iter().cloned().collect(),
            ..Facts::default()
        };
        for name in &self.means.without {
            let why = "left out by --without".to_owned();
            facts.hosts.insert(name.clone(), HostState::unreachable(why));
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

    async fn apply(&mut self, plan: &Plan) -> Result<Applied, CliError> {
        let means = self.means.clone();
        let events = means.events.as_ref();
        match lease(&mut self.sessions, events, &means.cancel).await {
            Ok(false) => {}
            // Another run has been at work since the look that this plan is made from.
            Ok(true) => return Ok(Applied { end: End::Fenced, ..Applied::default() }),
            Err(error) => {
                self.sessions.clear();
                return not_leased(error);
            }
        }
        let archives = Archives::new(Cache::new(cache_folder()?));
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

/// What a lease that could not be had means for the command.
fn not_leased(error: LeaseError) -> Result<Applied, CliError> {
    match error {
        LeaseError::Locked { ref host, .. } => {
            Err(CliError::new(Exit::Locked, error.to_string()).hint(format!(
                "wait until that run has ended, or see what it does: kuboard-ha status; it works on {host}"
            )))
        }
        LeaseError::Host { host, source } => Err(CliError::host(&host, &source)),
        LeaseError::Cancelled { .. } => Ok(Applied { end: End::Interrupted, ..Applied::default() }),
    }
}

/// What the walk through a plan means for the loop of `up`.
fn applied(outcome: apply::Outcome) -> Applied {
    let end = if !outcome.failed.is_empty() {
        End::Failed
    } else if outcome.interrupted {
        End::Interrupted
    } else if outcome.is_whole() {
        End::Done
    } else {
        End::Fenced
    };
    Applied { changed: outcome.changed, end, failures: outcome.failed.into_iter().map(failure).collect() }
}

fn failure(failed: FailedStep) -> Failure {
    let mut evidence = failed.evidence;
    let lost = match &failed.kind {
        FailureKind::Artifact(Some(error)) => Some(error),
        _ => None,
    };
    if let Some(error) = lost {
        // The first cause is the error itself.
        evidence.extend(CliError::new(Exit::Download, "").because(error).causes.into_iter().skip(1));
    }
    Failure {
        host: failed.host,
        job: failed.job.to_string(),
        step: failed.title,
        error: failed.error,
        evidence,
        hint: lost
            .map(artifact::Error::hint)
            .or_else(|| failed.cause.as_ref().map(|cause| cause.hint.clone())),
        cause: failed.cause,
        download: lost.is_some(),
    }
}

/// Archives as hosts get them: verified, and looked into so that nothing hostile is unpacked.
struct Archives {
    cache: Cache,
    /// What became of each: one fetch and one look into it, however many hosts ask.
    known: Mutex<BTreeMap<Sha256Digest, Arc<OnceCell<Result<PathBuf, artifact::Error>>>>>,
}

impl Archives {
    fn new(cache: Cache) -> Self {
        Self { cache, known: Mutex::default() }
    }

    async fn fetched(&self, artifact: &Artifact, sink: &dyn EventSink) -> Result<PathBuf, artifact::Error> {
        let path = artifact::fetch(artifact, &self.cache, sink).await?;
        let (archive, is_image) = (path.clone(), artifact.product == catalog::IMAGE);
        let looked = tokio::task::spawn_blocking(move || {
            if is_image {
                artifact::image_names(&archive).map(|_| ())
            } else {
                artifact::inspect(&archive, Limits::default()).map(|_| ())
            }
        });
        let broken = |_| {
            let problem = artifact::Problem::Corrupt { why: "nobody can look into it".to_owned() };
            Err(artifact::Error::Archive { path: path.clone(), problem })
        };
        looked.await.unwrap_or_else(broken).map(|()| path)
    }
}

impl ArtifactSource for Archives {
    fn path<'a>(
        &'a self,
        artifact: &'a Artifact,
        sink: &'a dyn EventSink,
    ) -> BoxFuture<'a, Result<PathBuf, artifact::Error>> {
        Box::pin(async move {
            let mut known = self.known.lock().await;
            let outcome = Arc::clone(known.entry(artifact.sha256.clone()).or_default());
            drop(known);
            outcome.get_or_init(|| self.fetched(artifact, sink)).await.clone()
        })
    }
}

/// Where verified archives are kept on this machine.
fn cache_folder() -> Result<PathBuf, CliError> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given("XDG_CACHE_HOME")
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .map(|folder| folder.join("kuboard-ha").join("artifacts"))
        .ok_or_else(|| {
            CliError::new(Exit::Unexpected, "there is no folder to keep downloads in")
                .hint("set HOME or XDG_CACHE_HOME")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::model::JobId;
    use crate::resource::ResourceId;

    #[test]
    fn a_failed_download_hides_no_other_failure() {
        let failed = |host: &str, kind| FailedStep {
            host: HostName::new(host),
            job: JobId::new("job", &HostName::new(host)),
            step: 0,
            resource: ResourceId::new("artifact", "etcd"),
            title: "bring etcd".into(),
            error: "no".into(),
            evidence: Vec::new(),
            cause: None,
            kind,
        };
        let lost = artifact::Error::Fetch {
            what: "etcd".into(),
            url: "http://mirror/etcd".into(),
            failure: artifact::Failure::NotFound,
            kept: 0,
        };
        let kinds = [FailureKind::Artifact(Some(lost)), FailureKind::TimedOut];
        let failed = ["a", "b"].into_iter().zip(kinds).map(|(host, kind)| failed(host, kind)).collect();
        let applied = applied(apply::Outcome { changed: 7, failed, ..apply::Outcome::default() });
        assert_eq!((applied.changed, applied.end, applied.failures.len()), (7, End::Failed, 2));
        assert!(applied.failures[0].download && applied.failures[0].hint.is_some());
        assert!(!applied.failures[1].download && applied.failures[1].hint.is_none());
    }

    #[tokio::test]
    async fn an_archive_is_looked_into_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let archives = Archives::new(Cache::new(folder.path()));
        let image = br#"[{"Config":"c.json","RepoTags":["eipwork/kuboard:v3.5.2.9"],"Layers":[]}]"#;
        for (product, member, content, good) in [
            (catalog::IMAGE, "manifest.json", &image[..], true),
            (catalog::IMAGE, "manifest.json", b"[", false),
            ("etcd", "etcd-v3/etcd", b"\x7fELF", false),
        ] {
            let mut tar = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, member, content).unwrap();
            // As `docker save` writes it: not compressed.
            let bytes = tar.into_inner().unwrap();
            let path = folder.path().join("archive.tar");
            std::fs::write(&path, &bytes).unwrap();
            let artifact = Artifact {
                product: product.to_owned(),
                version: "1".to_owned(),
                source: path.to_str().unwrap().to_owned(),
                sha256: crate::resource::Sha256Digest::of(&bytes),
            };
            let found = archives.path(&artifact, &crate::event::Silent).await;
            assert_eq!(found.is_ok(), good, "{product}: {found:?}");
        }
    }
}
