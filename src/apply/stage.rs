//! Bringing archives to hosts, beside the shell: a session of their own over the same connection.

use std::time::{Duration, Instant};

use super::run::Means;
use super::{ArtifactSource, FailureKind};
use crate::event::{Event, EventSink, Silent};
use crate::host::session::Session;
use crate::host::{HostError, HostErrorKind};
use crate::inventory::model::Transfer;
use crate::plan::script::StepScript;
use crate::resource::{Artifact, HostName, Sha256Digest};

/// Why an archive did not come to a host.
pub(super) struct Lost {
    pub(super) error: String,
    pub(super) output: String,
    pub(super) kind: FailureKind,
}

/// Brings one archive to one host. Dropped half-way, it leaves nothing on the host that counts.
pub(super) async fn stage(
    artifact: &Artifact,
    host: &HostName,
    script: &StepScript,
    means: &Means<'_>,
) -> Result<(), Lost> {
    match means.inventory.transfer {
        // Each part of it has a limit of its own, and waiting for a turn is no fault: slow lines bring it, too.
        Transfer::Push => push(artifact, host, means).await,
        // The host says nothing of how far it is.
        Transfer::Pull => {
            let limit = script.limit;
            let pulled = tokio::time::timeout(limit, pull(artifact, host, script, means)).await;
            pulled.map_err(|_| Lost {
                error: format!("not there after {} s", limit.as_secs()),
                output: String::new(),
                kind: FailureKind::Artifact(None),
            })?
        }
    }
}

async fn push(artifact: &Artifact, host: &HostName, means: &Means<'_>) -> Result<(), Lost> {
    let lost = |error: HostError| Lost {
        error: error.message.clone(),
        output: String::new(),
        kind: match error.kind {
            HostErrorKind::Damaged => FailureKind::Artifact(None),
            _ => FailureKind::Host(error),
        },
    };
    let path = fetched(means.artifacts, artifact, means.sink).await?;
    let unreadable = |error: std::io::Error| Lost {
        error: format!("cannot read {}: {error}", path.display()),
        output: String::new(),
        kind: FailureKind::Artifact(None),
    };
    let mut file = tokio::fs::File::open(&path).await.map_err(unreadable)?;
    let size = file.metadata().await.map_err(unreadable)?.len();
    // The way out of this machine is shared: a few at a time finish sooner than all at once.
    let _turn = means.uploads.acquire().await;
    let mut session = means.fleet.open(host, &Silent).await.map_err(lost)?;
    let mut pace = Pace::default();
    let mut progress = |done| {
        if pace.is_due() || done == size {
            let (host, artifact) = (host.clone(), artifact.title());
            means.sink.emit(Event::UploadProgressed { host, artifact, done, total: size });
        }
    };
    let target = staged(&session, &artifact.sha256);
    session.receive(&target, size, &artifact.sha256, &mut file, &mut progress).await.map_err(lost)?;
    session.close().await.map_err(lost)
}

async fn pull(
    artifact: &Artifact,
    host: &HostName,
    script: &StepScript,
    means: &Means<'_>,
) -> Result<(), Lost> {
    let lost = |error: HostError| Lost {
        error: error.message.clone(),
        output: String::new(),
        kind: FailureKind::Host(error),
    };
    let mut session = means.fleet.open(host, &Silent).await.map_err(lost)?;
    // The lease is the other shell's; a lock of its own keeps an orphan of an earlier run from writing beside us.
    let text = format!(
        "exec 2>&1; set -eu; mkdir -p \"$STATE/stage\"; exec 7>>\"$STATE/stage/{}.lock\"; flock 7\n{}",
        artifact.sha256, script.text
    );
    let look = session.gather(&text, script.limit).await.map_err(lost)?;
    session.close().await.map_err(lost)?;
    if look.rc == 0 {
        return Ok(());
    }
    let (error, _) = super::tell::reason(look.rc, &look.text, script.limit);
    Err(Lost { error, output: look.text, kind: FailureKind::Artifact(None) })
}

async fn fetched(
    artifacts: &dyn ArtifactSource,
    artifact: &Artifact,
    sink: &dyn EventSink,
) -> Result<std::path::PathBuf, Lost> {
    artifacts.path(artifact, sink).await.map_err(|error| Lost {
        error: error.to_string(),
        output: String::new(),
        kind: FailureKind::Artifact(Some(error)),
    })
}

/// Where `plan/steps.sh` looks for verified archives.
fn staged(session: &Session, digest: &Sha256Digest) -> String {
    format!("{}/stage/{digest}", session.state())
}

/// Progress is told ten times a second at most.
#[derive(Default)]
struct Pace(Option<Instant>);

impl Pace {
    fn is_due(&mut self) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() >= Duration::from_millis(100));
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}
