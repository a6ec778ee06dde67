//! QuestDB's jobs: its password, its release, its settings, its start.

use std::time::Duration;

use minijinja::context;

use crate::facts::model::{Active, HostFacts, Observed};
use crate::inventory::Inventory;
use crate::inventory::model::{Questdb, QuestdbFlavour};
use crate::plan::diff::FileWanted;
use crate::plan::draft::{Draft, JobDraft, Milestone};
use crate::plan::effects::stamp_key;
use crate::plan::model::{JobId, Procedure, Reason, Risk, UnitChange};
use crate::plan::secrets::SecretWanted;
use crate::render::{RenderError, Template, render};
use crate::resource::{Artifact, Content, HostName, ResourceId};
use crate::secret::SecretId;
use crate::services::etcd;
use crate::services::questdb::look::ready;
use crate::services::questdb::names::{
    CLAIMED, ENV_FILE, JAVA_NEEDED, JAVA_PACKAGE, OWNER, PG_PORT, PG_USER, SERVED, STAMP, SYSCTL_FILE,
    SYSCTLS, UNIT, UNIT_FILE, USER,
};
use crate::services::questdb::{check, data};
use crate::template;

const STAGE: &str = "questdb";
const START: Duration = Duration::from_secs(90);
/// A Java with a large heap pre-touched, on a slow disk.
const READY: Duration = Duration::from_mins(3);

const UNIT_TEMPLATE: Template = template!("questdb/questdb.service");
const ENV_TEMPLATE: Template = template!("questdb/questdb.env");

/// Adds jobs and findings.
pub fn plan(draft: &mut Draft<'_>) {
    check::left_over(draft);
    let Some(questdb) = draft.inventory.questdb.as_ref() else { return };
    let host = &questdb.host;
    draft.stage(STAGE, "QuestDB");
    let password = password(draft, questdb);
    for job in password.values() {
        draft.reach(Milestone::AuditPassword, job.clone());
        draft.reach(Milestone::AuditReady, job.clone());
    }
    let Some((artifact, directory)) = check::release_for(draft, questdb) else { return };
    let begins_empty = data::data(draft, questdb);
    check::java(draft, questdb);
    let (unit, env) = match (unit_content(questdb, &directory), env_content(draft.inventory, questdb)) {
        (Ok(unit), Ok(env)) => (unit, env),
        (Err(error), _) | (_, Err(error)) => {
            draft.find(check::defect(host, &error));
            return;
        }
    };
    let mut before = vec![prepare(draft, questdb), install(draft, questdb, &artifact, &directory)];
    before.extend(password.get(host).cloned());
    let started = start(draft, questdb, Files { unit, env }, begins_empty, &before);
    draft.reach(Milestone::AuditReady, started);
}

/// On its host and on those that log in. It is read at each start and not kept in the database, but two values
/// while an instance runs would lock replicas out.
fn password(draft: &mut Draft<'_>, questdb: &Questdb) -> std::collections::BTreeMap<HostName, JobId> {
    let mut hosts = vec![questdb.host.clone()];
    hosts.extend(draft.inventory.kuboard.hosts.iter().filter(|host| **host != questdb.host).cloned());
    let mut all = draft.inventory.hosts.keys().filter_map(|host| draft.seen.host(host));
    let consumed = all.any(|seen| seen.manifest.contains_key(SERVED));
    // A replica's host that has Kuboard's secrets and not this one did without an audit log so far.
    let agent_key = SecretId::new(SecretId::AGENT_KEY);
    let has_others =
        |host: &HostName| draft.seen.host(host).is_some_and(|seen| seen.secrets.contains_key(&agent_key));
    let is_new = draft.inventory.kuboard.hosts.iter().any(has_others);
    let drawn = consumed || etcd::is_in_use(draft.inventory, draft.seen) && !is_new;
    let id = SecretId::new(SecretId::QUESTDB_PASSWORD);
    draft.secret(&SecretWanted { id, hosts: &hosts, length: 32, consumed, drawn })
}

/// The unit. Its text names the versioned directory, so another release is another text and a restart.
fn unit_content(questdb: &Questdb, directory: &str) -> Result<Content, RenderError> {
    let (java, jar) = match questdb.flavour {
        QuestdbFlavour::Rt => (format!("{directory}/bin/java"), None),
        QuestdbFlavour::NoJre => ("/usr/bin/java".to_owned(), Some(format!("{directory}/questdb.jar"))),
    };
    let homes = ["/home/", "/root/", "/run/user/"];
    let protect_home = !homes.iter().any(|home| questdb.data_dir.starts_with(home));
    let data_dir = &questdb.data_dir;
    render(UNIT_TEMPLATE, &context! { data_dir, java, jar => jar.unwrap_or_default(), protect_home })
}

/// `/etc/questdb.env`.
pub(super) fn env_content(inventory: &Inventory, questdb: &Questdb) -> Result<Content, RenderError> {
    let address = inventory.address(&questdb.host).to_string();
    let mebibyte = 1 << 20;
    let heap = match questdb.heap {
        bytes if bytes % mebibyte == 0 => format!("{}m", bytes / mebibyte),
        bytes => bytes.to_string(),
    };
    let password = SecretId::QUESTDB_PASSWORD;
    render(ENV_TEMPLATE, &context! { heap, address, pg_port => PG_PORT, user => PG_USER, password })
}

/// What the host needs besides; the release comes meanwhile.
fn prepare(draft: &mut Draft<'_>, questdb: &Questdb) -> JobId {
    let mut job = draft.job("questdb.prepare", STAGE, &questdb.host);
    let java = job.host().and_then(|host| host.questdb.as_ref()).and_then(|questdb| questdb.java);
    if questdb.flavour == QuestdbFlavour::NoJre && java.is_none_or(|java| java < JAVA_NEEDED) {
        job.packages(&[JAVA_PACKAGE], "QuestDB without its own Java runs on the distribution's");
    }
    job.user(USER, &questdb.data_dir);
    job.directory(&questdb.data_dir, 0o750, OWNER);
    job.directory(&format!("{}/tmp", questdb.data_dir), 0o700, OWNER);
    job.done()
}

fn install(draft: &mut Draft<'_>, questdb: &Questdb, artifact: &Artifact, directory: &str) -> JobId {
    let mut job = draft.job("questdb.install", STAGE, &questdb.host);
    if !job.is_installed(directory) {
        job.stage_artifact(artifact);
        job.install(artifact, directory, &[]);
    }
    job.done()
}

/// What its files shall hold.
struct Files {
    unit: Content,
    env: Content,
}

fn start(
    draft: &mut Draft<'_>,
    questdb: &Questdb,
    files: Files,
    begins_empty: bool,
    before: &[JobId],
) -> JobId {
    let probe = ready(draft.inventory);
    let mut job = draft.job("questdb.start", STAGE, &questdb.host);
    job.after(before);
    let fresh = job.host().is_some_and(|host| !host.manifest.contains_key(CLAIMED));
    if fresh {
        job.guard(
            &format!("no database in {}/db", questdb.data_dir),
            Procedure::new(
                "questdb.no-database",
                "[ -z \"$(ls -A \"$data_dir/db\" 2>/dev/null)\" ] || fail \"$data_dir/db holds a database\"",
                [("data_dir", questdb.data_dir.clone())],
            ),
        );
    }
    // Before it is enabled: from then on a boot starts it, with `up` or without, and what it makes is ours.
    job.record(CLAIMED, &questdb.data_dir);
    raise_limits(&mut job);
    job.file(FileWanted::new(ENV_FILE, 0o600, files.env));
    job.file(FileWanted::new(UNIT_FILE, 0o644, files.unit));
    job.enabled(UNIT);
    job.reloaded_units(UNIT);
    let changed = run(&mut job, begins_empty);
    let answers = job.host().and_then(|host| host.questdb.as_ref()).is_some_and(|questdb| {
        questdb.login == Observed::Known(true) && questdb.healthy == Observed::Known(true)
    });
    if let Some(probe) = probe
        && (changed || !answers)
    {
        let reason = Reason::Needed("a login, a query and its own health tell that it works".to_owned());
        job.wait(ResourceId::new("questdb", "login"), probe, reason, READY);
    }
    job.record(SERVED, &questdb.data_dir);
    job.done()
}

/// Starts it, or restarts it where the process runs with something else than what lies there. An empty audit log in the
/// place of another one is begun with consent only.
fn run(job: &mut JobDraft<'_, '_>, begins_empty: bool) -> bool {
    let Some(host) = job.host() else { return false };
    let wanted = stamp_key(&STAMP.map(str::to_owned), host);
    let unit = host.units.get(UNIT).and_then(Option::as_ref);
    let (change, reason, risk) = match unit {
        Some(unit) if matches!(unit.active, Active::Active | Active::Reloading) => match &unit.running {
            Observed::Known(Some(running)) if *running == wanted => return false,
            _ => {
                let reason = Reason::Needed("so that its new settings are used".to_owned());
                (UnitChange::Restart, reason, Risk::Restart)
            }
        },
        Some(unit) => {
            let how = if matches!(unit.sub.as_str(), "" | "dead") {
                String::new()
            } else {
                format!(" ({})", unit.sub)
            };
            (UnitChange::Start, Reason::Needed(format!("it does not run{how}")), Risk::None)
        }
        None => (UnitChange::Start, Reason::Missing, Risk::None),
    };
    let (reason, risk) = if begins_empty {
        (Reason::Needed("an empty audit log begins".to_owned()), Risk::Replace)
    } else {
        (reason, risk)
    };
    job.unit(UNIT, change, &STAMP, reason, risk, START);
    true
}

/// Raises kernel limits that are too low, and keeps those that it raised; a higher value is somebody's wish.
fn raise_limits(job: &mut JobDraft<'_, '_>) {
    let Some(host) = job.host() else { return };
    let settings: Vec<(&str, String)> = SYSCTLS
        .iter()
        .filter(|(name, least)| match host.sysctls.get(*name).and_then(|value| value.parse::<u64>().ok()) {
            Some(value) if value > *least => false,
            Some(value) if value == *least => is_ours(host, name),
            _ => true,
        })
        .map(|(name, least)| (*name, least.to_string()))
        .collect();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    if !settings.is_empty() {
        job.sysctl(SYSCTL_FILE, &settings);
    }
}

/// Whether our file sets it already.
fn is_ours(host: &HostFacts, name: &str) -> bool {
    host.own_text(SYSCTL_FILE).is_some_and(|text| text.lines().any(|line| line.starts_with(name)))
}
