//! Kuboard's jobs: secrets, Docker and the image on all hosts at once, then the replicas in an order that never takes
//! away more than one.

use std::collections::BTreeMap;

use crate::plan::draft::{Draft, Milestone};
use crate::plan::model::JobId;
use crate::plan::secrets::SecretWanted;
use crate::resource::HostName;
use crate::secret::SecretId;
use crate::services::etcd;
use crate::services::kuboard::look::env_secrets;
use crate::services::kuboard::names::{CONTAINER, SERVED};
use crate::services::kuboard::replica::{Shared, State, bring, replace, state};
use crate::services::kuboard::{check, content, docker};

/// The heading.
pub const STAGE: &str = "kuboard";

/// Adds jobs and findings.
pub fn plan(draft: &mut Draft<'_>) {
    let inventory = draft.inventory;
    draft.stage(STAGE, "Kuboard");
    check::left_over(draft);
    check::url(draft);
    let hosts: Vec<HostName> =
        inventory.kuboard.hosts.iter().filter(|host| draft.seen.host(host).is_some()).cloned().collect();
    let served = has_served(draft);
    let mut able = Vec::new();
    for host in &hosts {
        check::container(draft, host);
        check::folder(draft, host);
        check::agent_key(draft, host);
        check::neighbours(draft, host);
        if docker::check(draft, host) {
            able.push(host.clone());
        }
    }
    check::images(draft, &hosts);
    let (env, boot) = match (content::env(inventory), content::boot()) {
        (Ok(env), Ok(boot)) => (env, boot),
        (Err(error), _) | (_, Err(error)) => {
            draft.find(check::defect(&error));
            return;
        }
    };
    let members =
        inventory.etcd.hosts.iter().filter(|host| draft.seen.host(host).is_some()).cloned().collect();
    let shared = Shared { env, boot, members };
    let secrets = secrets(draft, &hosts, served);
    let mut prepared = BTreeMap::new();
    for host in &able {
        let mut before: Vec<JobId> = secrets.get(host).cloned().unwrap_or_default();
        before.push(docker::engine(draft, host));
        prepared.insert(host.clone(), docker::image(draft, host, &before));
    }
    roll(draft, &able, &shared, &prepared);
}

/// Whether Kuboard was ever seen working on any host, of those that had a replica before too, or a container of ours made:
/// what it started with must not change unasked.
fn has_served(draft: &Draft<'_>) -> bool {
    draft.inventory.hosts.keys().filter_map(|host| draft.seen.host(host)).any(|seen| {
        let docker = seen.docker.known().and_then(Option::as_ref);
        let container = docker.and_then(|docker| docker.containers.get(CONTAINER));
        seen.manifest.contains_key(SERVED) || container.is_some_and(|container| container.config.is_some())
    })
}

/// The replicas' jobs. The first of a new Kuboard is alone until it has written its first keys: another beside it
/// would write them too. The rest of a new one start together. Later, those that are away come first, side by side
/// once one serves; those that serve follow one by one, each when the one before answers.
fn roll(draft: &mut Draft<'_>, hosts: &[HostName], shared: &Shared, prepared: &BTreeMap<HostName, JobId>) {
    let all_prepared: Vec<JobId> = prepared.values().cloned().collect();
    let mut away = Vec::new();
    let mut serving = Vec::new();
    for host in hosts {
        match state(draft.inventory, draft.seen.host(host)) {
            State::Away => away.push(host),
            State::Serving => serving.push(host),
        }
    }
    let first_start = !initialised(draft, &draft.inventory.kuboard.hosts);
    let mut started: Option<JobId> = None;
    let mut done: Vec<JobId> = Vec::new();
    for host in away {
        let image: Vec<JobId> = prepared.get(host).into_iter().cloned().collect();
        let first = first_start && started.is_none();
        let brought = bring(draft, host, shared, &image, started.as_ref(), first);
        if first {
            started = Some(brought.started);
        }
        done.push(brought.ready);
    }
    for host in serving {
        let before: Vec<JobId> = all_prepared.iter().chain(&done).cloned().collect();
        done.push(replace(draft, host, shared, &before));
    }
    // A balancer needs one replica of a new Kuboard; while replicas are rolled it is left alone.
    let reached = if first_start { &done[..done.len().min(1)] } else { &done[..] };
    for job in reached {
        draft.reach(Milestone::ReplicaReady, job.clone());
    }
}

/// Whether a replica was seen working at any time, so that the first keys are written. Pages are served before they are.
fn initialised(draft: &Draft<'_>, hosts: &[HostName]) -> bool {
    hosts.iter().filter_map(|host| draft.seen.host(host)).any(|seen| seen.manifest.contains_key(SERVED))
}

/// The secrets of all replicas; by host, the jobs that bring them.
fn secrets(draft: &mut Draft<'_>, hosts: &[HostName], served: bool) -> BTreeMap<HostName, Vec<JobId>> {
    let mut jobs: BTreeMap<HostName, Vec<JobId>> = BTreeMap::new();
    let drawn = served || etcd::is_in_use(draft.inventory, draft.seen);
    let mut bring = |draft: &mut Draft<'_>, id: SecretId, length: u8| {
        let wanted = SecretWanted { id, hosts, length, consumed: served, drawn };
        for (host, job) in draft.secret(&wanted) {
            jobs.entry(host).or_default().push(job);
        }
    };
    bring(draft, SecretId::new(SecretId::SSO_SECRET), 32);
    bring(draft, SecretId::new(SecretId::AGENT_KEY), 32);
    // A first password acts on an empty etcd only. Later another one given would restart every replica for nothing.
    let admin = SecretId::new(SecretId::ADMIN_PASSWORD);
    let given = if served { check::late_admin_password(draft, hosts, &admin) } else { None };
    bring(draft, admin.clone(), 20);
    if let Some(given) = given {
        draft.facts.supplied.insert(admin, given);
    }
    if draft.inventory.kuboard.registry.is_some() {
        bring(draft, SecretId::new(SecretId::REGISTRY_PASSWORD), 32);
    }
    for id in env_secrets(draft.inventory) {
        bring(draft, id, 32);
    }
    jobs
}
