//! One replica: what it is like now, and the job that makes it what it should be.

use std::time::Duration;

use crate::facts::model::{HostFacts, Observed};
use crate::inventory::Inventory;
use crate::plan::diff::FileWanted;
use crate::plan::draft::{Draft, JobDraft, Milestone};
use crate::plan::effects::recorded_key;
use crate::plan::model::{Action, ContainerChange, JobId, Reason, Risk};
use crate::resource::{Content, ContentKey, HostName, ResourceId};
use crate::services::kuboard::look::ready;
use crate::services::kuboard::names::{
    BOOT_FILE, BOOT_UNIT, CONTAINER, ENV_FILE, FOLDER_OWNER, SERVED, agent_key_file, container,
};
use crate::services::kuboard::plan::STAGE;
use crate::services::kuboard::{check, content, docker};

const RUN: Duration = Duration::from_mins(2);
/// The image's entrypoint takes its time (20 s of sleeping alone), more so on a first start.
const READY: Duration = Duration::from_mins(5);

/// What a replica is like now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Runs and answers; changing it takes something away.
    Serving,
    /// Is not there, does not run or does not answer; nothing is lost by starting it.
    Away,
}

/// What a replica is like now.
pub fn state(seen: Option<&HostFacts>) -> State {
    let running = seen
        .and_then(|seen| seen.docker.known()?.as_ref()?.containers.get(CONTAINER))
        .is_some_and(|container| container.running);
    if running && seen.is_some_and(answers) { State::Serving } else { State::Away }
}

/// Whether both its ports answered.
fn answers(seen: &HostFacts) -> bool {
    seen.kuboard
        .as_ref()
        .is_some_and(|kuboard| kuboard.web == Observed::Known(true) && kuboard.agent == Observed::Known(true))
}

/// What all replicas share.
pub struct Shared {
    /// The environment.
    pub env: Content,
    /// The boot unit.
    pub boot: Content,
    /// Etcd hosts that must be reachable from each replica.
    pub members: Vec<HostName>,
}

/// The job that makes the replica on `host` what it should be. `first` waits for what a first start writes; where the
/// container was `made` beforehand, it is started.
pub fn replica(
    draft: &mut Draft<'_>,
    host: &HostName,
    shared: &Shared,
    before: &[JobId],
    first: bool,
    made: bool,
) -> JobId {
    let inventory = draft.inventory;
    let blind = docker::is_blind(draft, host);
    let serving = state(draft.seen.host(host)) == State::Serving;
    let mut job = draft.job("kuboard.run", STAGE, host);
    job.after(before).after_milestone(Milestone::StoreReady).after_milestone(Milestone::AuditReady);
    write_files(&mut job, shared);
    let created = match job.host().and_then(|seen| difference(inventory, host, seen)) {
        Some(_) if made => {
            let spec = spec(inventory, host, job.host());
            let start = Action::Container { spec, change: ContainerChange::Start };
            job.step(ResourceId::new("container", CONTAINER), start, Reason::Missing, Risk::None, RUN);
            true
        }
        Some(reason) => {
            if blind {
                docker::guard(&mut job);
            }
            let spec = spec(inventory, host, job.host());
            let served = job.host().is_some_and(|seen| seen.manifest.contains_key(SERVED));
            let reason = if served && blind { docker::unseen() } else { reason };
            let risk = if serving { Risk::Restart } else { Risk::None };
            let run = Action::Container { spec, change: ContainerChange::Run };
            job.step(ResourceId::new("container", CONTAINER), run, reason, risk, RUN);
            true
        }
        None => false,
    };
    if created || !job.host().is_some_and(answers) {
        let what = if first {
            "it has written its first keys and answers"
        } else {
            "it answers and a login leads on"
        };
        let probe = ready(inventory, host, &shared.members, first, serving);
        let reason = Reason::Needed(format!("done when {what}"));
        job.wait(ResourceId::new("kuboard", "replica"), probe, reason, READY);
    }
    job.record(SERVED, "yes");
    job.done()
}

/// The job that does what waits for nobody, of a replica that does not serve: its files and, where there is none yet, its
/// container, which is started later. Gives whether it makes one.
pub fn prepare(draft: &mut Draft<'_>, host: &HostName, shared: &Shared, before: &[JobId]) -> (JobId, bool) {
    let inventory = draft.inventory;
    let blind = docker::is_blind(draft, host);
    let mut job = draft.job("kuboard.prepare", STAGE, host);
    // It stands in the environment.
    job.after(before).after_milestone(Milestone::AuditPassword);
    write_files(&mut job, shared);
    let docker = job.host().and_then(|seen| seen.docker.known()?.as_ref());
    let made = !blind && docker.is_some_and(|docker| !docker.containers.contains_key(CONTAINER));
    if made {
        let create =
            Action::Container { spec: spec(inventory, host, job.host()), change: ContainerChange::Create };
        job.step(ResourceId::new("container", CONTAINER), create, Reason::Missing, Risk::None, RUN);
    }
    (job.done(), made)
}

fn write_files(job: &mut JobDraft<'_, '_>, shared: &Shared) {
    let inventory = job.inventory();
    job.directory(&inventory.kuboard.data_dir, 0o700, FOLDER_OWNER);
    if !check::is_foreign(job.host(), &agent_key_file(inventory)) {
        job.file(FileWanted::new(&agent_key_file(inventory), 0o600, content::agent_key()));
    }
    job.file(FileWanted::new(ENV_FILE, 0o600, shared.env.clone()));
    job.file(FileWanted::new(BOOT_FILE, 0o644, shared.boot.clone()));
    job.enabled(BOOT_UNIT);
    job.reloaded_units(BOOT_UNIT);
}

fn spec(
    inventory: &Inventory,
    host: &HostName,
    seen: Option<&HostFacts>,
) -> crate::plan::model::ContainerSpec {
    let selinux = seen.is_some_and(|seen| seen.system.selinux.as_deref() == Some("Enforcing"));
    container(inventory, host, selinux)
}

/// Why the container must be created anew, if it must. Somebody else's is a finding of `check`, not a difference.
fn difference(inventory: &Inventory, host: &HostName, seen: &HostFacts) -> Option<Reason> {
    let wanted = spec(inventory, host, Some(seen));
    let Some(found) = seen.docker.known()?.as_ref()?.containers.get(CONTAINER) else {
        return Some(Reason::Missing);
    };
    let label = found.config.as_deref()?;
    let env = ContentKey::observed(recorded_key(ENV_FILE, seen).unwrap_or("absent"));
    if found.image != wanted.image {
        return Some(Reason::Differs(format!("image {} -> {}", found.image, wanted.image)));
    }
    if label != wanted.label(&env) {
        let what = if label.starts_with(&format!("{}-", wanted.digest())) {
            "its environment"
        } else {
            "its options"
        };
        return Some(Reason::Differs(format!("{what} changed")));
    }
    (!found.running).then(|| match found.exit_code {
        Some(code) => Reason::Differs(format!("it does not run (exit code {code})")),
        None => Reason::Differs("it does not run".to_owned()),
    })
}
