//! One replica: what it is like now, and the job that makes it what it should be.

use std::time::Duration;

use crate::facts::model::{HostFacts, Observed};
use crate::facts::service::KuboardFacts;
use crate::inventory::Inventory;
use crate::plan::diff::FileWanted;
use crate::plan::draft::{Draft, JobDraft, Milestone};
use crate::plan::effects::recorded_key;
use crate::plan::model::{Action, ContainerChange, JobId, Reason, Risk};
use crate::resource::{Content, ContentKey, HostName, ResourceId};
use crate::services::kuboard::look::{keys, ready};
use crate::services::kuboard::names::{
    BEFORE, BOOT_FILE, BOOT_UNIT, CONTAINER, ENV_FILE, FOLDER_OWNER, SERVED, agent_key_file, container,
};
use crate::services::kuboard::plan::STAGE;
use crate::services::kuboard::{check, content, docker};

const RUN: Duration = Duration::from_mins(2);
/// The image's entrypoint takes its time (18 s of sleeping alone), more so on a first start.
const READY: Duration = Duration::from_mins(5);

/// What a replica is like now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Runs, was seen working and answers; changing it takes something away.
    Serving,
    /// Is not there, does not run, does not answer or never worked as it is; nothing is lost by starting it.
    Away,
}

/// What a replica is like now.
pub fn state(inventory: &Inventory, seen: Option<&HostFacts>) -> State {
    let serves = |seen: &HostFacts| runs(seen) && works(seen) || serves_elsewhere(inventory, seen);
    if seen.is_some_and(serves) { State::Serving } else { State::Away }
}

fn runs(seen: &HostFacts) -> bool {
    let docker = seen.docker.known().and_then(Option::as_ref);
    docker.and_then(|docker| docker.containers.get(CONTAINER)).is_some_and(|container| container.running)
}

/// Whether it was seen working as it is, and both its ports answered. The image serves its pages and its agent's port before it
/// has reached etcd, and while its server ends again and again: that they answer is not enough.
fn works(seen: &HostFacts) -> bool {
    let answers = |kuboard: &KuboardFacts| {
        kuboard.web == Observed::Known(true) && kuboard.agent == Observed::Known(true)
    };
    is_proven(seen) && seen.kuboard.as_ref().is_some_and(answers)
}

/// Whether its container is the one that was seen working.
fn is_proven(seen: &HostFacts) -> bool {
    seen.manifest.get(SERVED).is_some_and(|value| value != BEFORE)
}

/// Whether it serves, by all that is known, at other ports than the inventory says.
pub fn serves_elsewhere(inventory: &Inventory, seen: &HostFacts) -> bool {
    runs(seen) && is_proven(seen) && is_elsewhere(inventory, seen)
}

/// Whether its container has other ports than it shall have: it was asked at those that it shall have.
fn is_elsewhere(inventory: &Inventory, seen: &HostFacts) -> bool {
    let docker = seen.docker.known().and_then(Option::as_ref);
    let mut ports = docker
        .into_iter()
        .flat_map(|docker| &docker.published)
        .filter(|published| published.container == CONTAINER)
        .map(|published| published.port)
        .peekable();
    let wanted = [inventory.kuboard.http_port, inventory.kuboard.agent_port];
    ports.peek().is_some() && ports.any(|port| !wanted.contains(&port))
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

/// The jobs that bring a replica that is away.
pub struct Brought {
    /// Its container runs; of the first one of a new Kuboard, the first keys are written.
    pub started: JobId,
    /// It works.
    pub ready: JobId,
}

/// The jobs that bring the replica on `host`, which is away: what waits for nobody, then its container, once `started` is done
/// where there is one; `first` waits for the keys that a first start writes. It takes nothing away, so it does not wait for QuestDB
/// before it starts, and the first one of a new etcd not for the quorum: the image's entrypoint sleeps for 15 s before it asks for
/// either, and goes on asking.
pub fn bring(
    draft: &mut Draft<'_>,
    host: &HostName,
    shared: &Shared,
    image: &[JobId],
    started: Option<&JobId>,
    first: bool,
) -> Brought {
    let inventory = draft.inventory;
    let (prepared, made) = prepare(draft, host, shared, image);
    let blind = docker::is_blind(draft, host);
    let begun = first && !draft.milestone(Milestone::StoreBegun).is_empty();
    let mut job = draft.job("kuboard.run", STAGE, host);
    job.after(std::iter::once(&prepared).chain(started));
    job.after_milestone(if begun { Milestone::StoreBegun } else { Milestone::StoreReady });
    let working = !start(&mut job, made, blind, Risk::None) && job.host().is_some_and(works);
    let mut started = job.done();
    if first && !working {
        let mut job = draft.job("kuboard.keys", STAGE, host);
        job.after([&started]).after_milestone(Milestone::StoreReady);
        let reason = Reason::Needed("another replica beside it would write them too".to_owned());
        job.wait(ResourceId::new("kuboard", "keys"), keys(inventory, host, &shared.members), reason, READY);
        started = job.done();
    }
    let mut job = draft.job("kuboard.ready", STAGE, host);
    job.after([&started]).after_milestone(Milestone::AuditReady);
    await_ready(&mut job, shared, working, false);
    Brought { started, ready: job.done() }
}

/// The job that makes the replica on `host`, which serves, what it should be.
pub fn replace(draft: &mut Draft<'_>, host: &HostName, shared: &Shared, before: &[JobId]) -> JobId {
    let blind = docker::is_blind(draft, host);
    let mut job = draft.job("kuboard.run", STAGE, host);
    job.after(before).after_milestone(Milestone::StoreReady).after_milestone(Milestone::AuditReady);
    write_files(&mut job, shared);
    let working = !start(&mut job, false, blind, Risk::Restart) && job.host().is_some_and(works);
    await_ready(&mut job, shared, working, true);
    job.done()
}

/// Adds the wait until it works, and the note that it did.
fn await_ready(job: &mut JobDraft<'_, '_>, shared: &Shared, working: bool, serving: bool) {
    if !working {
        let probe = ready(job.inventory(), job.host_name(), &shared.members, serving);
        let reason = Reason::Needed("done when it answers and a login leads on".to_owned());
        job.wait(ResourceId::new("kuboard", "replica"), probe, reason, READY);
    }
    job.record(SERVED, "yes");
}

/// Adds the step that brings the container, if one does: it is started where it was `made` beforehand. Gives whether.
fn start(job: &mut JobDraft<'_, '_>, made: bool, blind: bool, risk: Risk) -> bool {
    let inventory = job.inventory();
    let host = job.host_name().clone();
    let Some(reason) = job.host().and_then(|seen| difference(inventory, &host, seen)) else { return false };
    let spec = spec(inventory, &host, job.host());
    let resource = ResourceId::new("container", CONTAINER);
    let served = job.host().is_some_and(|seen| seen.manifest.contains_key(SERVED));
    if served {
        // What comes has yet to show that it works: should it not, the next run must not take it for one that serves.
        job.record(SERVED, BEFORE);
    }
    if made {
        let start = Action::Container { spec, change: ContainerChange::Start };
        job.step(resource, start, Reason::Missing, Risk::None, RUN);
        return true;
    }
    if blind {
        docker::guard(job);
    }
    let reason = if served && blind { docker::unseen() } else { reason };
    let run = Action::Container { spec, change: ContainerChange::Run };
    job.step(resource, run, reason, risk, RUN);
    true
}

/// The job that does what waits for nobody, of a replica that does not serve: its files and, where there is none yet, its
/// container, which is started later. Gives whether it makes one.
fn prepare(draft: &mut Draft<'_>, host: &HostName, shared: &Shared, before: &[JobId]) -> (JobId, bool) {
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
