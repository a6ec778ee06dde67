//! The jobs: packages side by side, then each host's HAProxy and Keepalived, one host at a time where they already
//! serve, the one that holds the address last.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::facts::model::{Active, Observed};
use crate::inventory::model::{LoadBalancer, Packages};
use crate::plan::draft::{Draft, JobDraft, Milestone};
use crate::plan::effects::stamp_key;
use crate::plan::model::{Finding, JobId, Procedure, Reason, Risk, Severity, UnitChange};
use crate::plan::secrets::SecretWanted;
use crate::plan::title::TITLE;
use crate::render::RenderError;
use crate::resource::{HostName, ResourceId};
use crate::secret::SecretId;

use super::files::{self, SCRIPT_DIRECTORY, Wanted};
use super::look::hex;
use super::place::{Place, place};
use super::{ALONE, ANSWERS, HAPROXY, HEALTH_PORT, KEEPALIVED, LIVE, TLS_PORT, address};

const STAGE: &str = "balancer";
const UNIT: Duration = Duration::from_mins(1);
const WAIT: Duration = Duration::from_secs(30);
const ADDRESS: Duration = Duration::from_secs(90);

/// Drafts everything on the balancer hosts that were seen.
pub(super) fn rollout(draft: &mut Draft<'_>, balancer: &LoadBalancer) {
    draft.stage(STAGE, "Load balancer");
    let Some(keys) = keys(draft, balancer) else { return };
    let holders = address::holders(draft.seen, balancer);
    let mut hosts: Vec<HostName> =
        balancer.hosts.iter().filter(|host| draft.seen.host(host).is_some()).cloned().collect();
    hosts.sort_by_key(|host| holders.contains(host)); // stable: otherwise the file's order
    let mut rolled = Rolled { serving: !holders.is_empty(), ..Rolled::default() };
    for host in &hosts {
        let packages = packages(draft, balancer, host);
        if let Err(error) = configure(draft, balancer, host, [Some(&packages), keys.get(host)], &mut rolled) {
            let message = format!("{error}: {}", error.source);
            draft.find(Finding::on(host, Severity::Blocked, "balancer.template", message));
        }
    }
    settle(draft, balancer, &hosts, &rolled);
}

/// What was drafted on the hosts so far.
#[derive(Default)]
struct Rolled {
    /// Whether somebody is served while this goes on.
    serving: bool,
    /// Every job that touches HAProxy or Keepalived.
    jobs: Vec<JobId>,
    /// Whether any of them has a step.
    changed: bool,
}

/// The jobs that bring the certificate's key; `None` where nobody has it.
fn keys(draft: &mut Draft<'_>, balancer: &LoadBalancer) -> Option<BTreeMap<HostName, JobId>> {
    if balancer.tls.is_none() {
        return Some(BTreeMap::new());
    }
    let id = SecretId::new(SecretId::TLS_KEY);
    let held = |host: &HostName| draft.seen.host(host).is_some_and(|seen| seen.secrets.contains_key(&id));
    if !draft.seen.supplied.contains_key(&id) && !balancer.hosts.iter().any(held) {
        let message =
            "The private key of the balancer's certificate is neither given nor on a balancer host.";
        let hint = "see that load_balancer.tls.key names a file or a variable that can be read here";
        draft.find(Finding::cluster(Severity::Blocked, "balancer.tls-key-missing", message).hint(hint));
        return None;
    }
    Some(draft.secret(&SecretWanted { id, hosts: &balancer.hosts, length: 0, consumed: true, drawn: false }))
}

fn packages(draft: &mut Draft<'_>, balancer: &LoadBalancer, host: &HostName) -> JobId {
    let mut job = draft.job("balancer.packages", STAGE, host);
    if balancer.packages == Packages::Install {
        job.packages(&["haproxy", "keepalived"], "so that requests are spread and the address can move");
        return job.done();
    }
    let missing: Vec<&str> = [("haproxy", HAPROXY), ("keepalived", KEEPALIVED)]
        .into_iter()
        .filter(|(name, unit)| {
            job.host().is_some_and(|seen| {
                !matches!(seen.packages.get(*name), Some(Some(_)))
                    && !matches!(seen.units.get(*unit), Some(Some(_)))
            })
        })
        .map(|(name, _)| name)
        .collect();
    if !missing.is_empty() {
        let names = missing.join(" ");
        let message =
            format!("{names} is missing, and load_balancer.packages: present forbids to install it.");
        let hint = format!("set packages: install; or install it on the host:\n  apt-get install {names}");
        job.find(Severity::Blocked, "balancer.packages-missing", message, hint);
    }
    job.done()
}

fn configure(
    draft: &mut Draft<'_>,
    balancer: &LoadBalancer,
    host: &HostName,
    after: [Option<&JobId>; 2],
    rolled: &mut Rolled,
) -> Result<(), RenderError> {
    let inventory = draft.inventory;
    let wanted = Wanted { inventory, balancer };
    let Some(place) = draft
        .seen
        .host(host)
        .zip(inventory.host(host))
        .and_then(|(seen, host)| place(seen, host, balancer.address))
    else {
        return Ok(()); // `address::find` blocks with the reason
    };
    let before = if rolled.serving { rolled.jobs.clone() } else { Vec::new() };
    let mut job = draft.job("balancer.haproxy", STAGE, host);
    job.after(after.into_iter().flatten()).after(&before);
    haproxy(&mut job, wanted)?;
    rolled.changed |= !job.is_empty();
    let id = job.done();
    let mut job = draft.job("balancer.keepalived", STAGE, host);
    job.after([&id]);
    keepalived(&mut job, wanted, &place)?;
    rolled.changed |= !job.is_empty();
    rolled.jobs.extend([id, job.done()]);
    Ok(())
}

fn haproxy(job: &mut JobDraft<'_, '_>, wanted: Wanted<'_>) -> Result<(), RenderError> {
    job.sysctl(files::SYSCTL, &[(files::nonlocal_bind(wanted.balancer.address), "1")]);
    if let Some(certificate) = wanted.certificate() {
        job.file(certificate);
    }
    job.file(wanted.haproxy()?);
    if wanted.balancer.tls.is_none() {
        job.no_file(files::CERTIFICATE, "no certificate is given any more");
    }
    job.enabled(HAPROXY);
    let live = healthy(job);
    let changed = run(job, HAPROXY, &wanted.haproxy_stamp(), live == Some(false));
    if changed || live != Some(true) {
        let args = [("health", HEALTH_PORT.to_string()), (TITLE, "HAProxy answers".to_owned())];
        let probe = Procedure::new(LIVE, include_str!("live.sh"), args);
        let reason = Reason::Needed("a balancer that answers takes the address".to_owned());
        job.wait(ResourceId::new("unit", HAPROXY), probe, reason, WAIT);
    }
    Ok(())
}

fn keepalived(job: &mut JobDraft<'_, '_>, wanted: Wanted<'_>, place: &Place) -> Result<(), RenderError> {
    job.directory(SCRIPT_DIRECTORY, 0o755, "root:root");
    job.file(files::script()?);
    let host = job.host_name().clone();
    job.file(wanted.keepalived(&host, place)?);
    job.enabled(KEEPALIVED);
    run(job, KEEPALIVED, &files::keepalived_stamp(), false);
    Ok(())
}

fn healthy(job: &JobDraft<'_, '_>) -> Option<bool> {
    job.host()?.balancer.as_ref()?.healthy.known().copied()
}

/// Brings a unit to run what its files say: a reload where it runs something else, a restart where it does not run
/// or `broken`. The restart also serves where the package has just started it with its own configuration.
fn run(job: &mut JobDraft<'_, '_>, unit: &str, stamp: &[String], broken: bool) -> bool {
    let Some(seen) = job.host() else { return false };
    let key = stamp_key(stamp, seen);
    let state = seen.units.get(unit).and_then(Option::as_ref);
    let (change, reason, risk) = match state {
        Some(state) if matches!(state.active, Active::Active | Active::Reloading) => match &state.running {
            Observed::Known(Some(running)) if *running != key => (
                UnitChange::Reload,
                Reason::Needed("so that the new configuration is used".to_owned()),
                Risk::Restart,
            ),
            Observed::Known(None) => (
                UnitChange::Restart,
                Reason::Needed("what it runs with is not known".to_owned()),
                Risk::Restart,
            ),
            _ if broken => (
                UnitChange::Restart,
                Reason::Differs("it runs and does not answer".to_owned()),
                Risk::Restart,
            ),
            _ => return false,
        },
        Some(state) if state.active == Active::Failed => {
            (UnitChange::Restart, Reason::Differs(format!("failed ({})", state.result)), Risk::None)
        }
        _ => (UnitChange::Restart, Reason::Differs("does not run".to_owned()), Risk::None),
    };
    let stamp: Vec<&str> = stamp.iter().map(String::as_str).collect();
    job.unit(unit, change, &stamp, reason, risk, UNIT);
    true
}

/// What makes exactly one host hold the address, and the waits that prove it from every balancer host, and from
/// another machine where there is only one.
fn settle(draft: &mut Draft<'_>, balancer: &LoadBalancer, hosts: &[HostName], rolled: &Rolled) {
    let holders = address::holders(&draft.facts, balancer);
    for host in holders.iter().skip(1) {
        let mut job = draft.job("balancer.alone", STAGE, host);
        job.after(&rolled.jobs);
        let args = [
            ("address", balancer.address.to_string()),
            ("hex", hex(balancer.address)),
            (TITLE, format!("this host lets go of {}", balancer.address)),
        ];
        let probe = Procedure::new(ALONE, include_str!("alone.sh"), args);
        let reason = Reason::Differs(format!("{} holds it too", holders[0]));
        job.wait(ResourceId::new("vip", balancer.address), probe, reason, WAIT);
        job.done();
    }
    let answers = |draft: &Draft<'_>, host: &HostName| {
        let seen = draft.facts.host(host).and_then(|seen| seen.balancer.as_ref());
        seen.is_some_and(|seen| seen.answers == Observed::Known(true))
    };
    // A balancer that was not seen may hold it. One that is left out on purpose does only if the address answers.
    let mut unseen = balancer.hosts.iter().filter(|host| draft.seen.host(host).is_none());
    let left_out = |host: &HostName| draft.seen.without.contains(host);
    let elsewhere = unseen.any(|host| !left_out(host) || hosts.iter().any(|seen| answers(draft, seen)));
    let nobody = holders.is_empty() && !elsewhere;
    let mut after = rolled.jobs.clone();
    if nobody && !rolled.changed {
        after.extend(hosts.first().map(|host| wake(draft, balancer, host)));
    }
    let observer = observer(draft, hosts);
    let wanting: Vec<HostName> =
        hosts.iter().filter(|host| rolled.changed || nobody || !answers(draft, host)).cloned().collect();
    let observer = observer.filter(|_| !wanting.is_empty());
    for host in wanting.iter().chain(&observer) {
        let mut job = draft.job("balancer.address", STAGE, host);
        job.after(&after).after_milestone(Milestone::ReplicaReady);
        let tls = balancer.tls.as_ref().map(|_| TLS_PORT.to_string()).unwrap_or_default();
        let args = [
            ("address", balancer.address.to_string()),
            ("port", balancer.port.to_string()),
            ("tls_port", tls),
            (TITLE, format!("Kuboard answers at {} from here", balancer.address)),
        ];
        let probe = Procedure::new(ANSWERS, include_str!("answers.sh"), args);
        let reason = Reason::Needed("the address is what browsers and agents use".to_owned());
        job.wait(ResourceId::new("vip", balancer.address), probe, reason, ADDRESS);
        job.done();
    }
}

/// Nobody holds the address although all runs: Keepalived is started again where it is least disturbing.
fn wake(draft: &mut Draft<'_>, balancer: &LoadBalancer, host: &HostName) -> JobId {
    let mut job = draft.job("balancer.wake", STAGE, host);
    if job.host().is_some_and(address::is_active) {
        let stamp = files::keepalived_stamp();
        let stamp: Vec<&str> = stamp.iter().map(String::as_str).collect();
        let reason = Reason::Differs(format!("no host holds {}", balancer.address));
        job.unit(KEEPALIVED, UnitChange::Restart, &stamp, reason, Risk::None, UNIT);
    }
    job.done()
}

/// Another machine that can look at the address, where a single balancer host would only see itself.
fn observer(draft: &Draft<'_>, hosts: &[HostName]) -> Option<HostName> {
    if hosts.len() != 1 {
        return None;
    }
    let all = draft.inventory.kuboard.hosts.iter().chain(draft.inventory.hosts.keys());
    all.filter(|host| !hosts.contains(host)).find(|host| draft.seen.host(host).is_some()).cloned()
}
