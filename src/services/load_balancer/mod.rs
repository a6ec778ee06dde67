//! What stands in front of the replicas: HAProxy spreads requests, Keepalived moves a floating address to a host where
//! HAProxy lives. Without balancer hosts nothing is managed, and the configuration of the user's own is shown.

mod address;
mod adverts;
mod causes;
mod departed;
mod external;
mod files;
mod look;
mod place;
mod rollout;

use crate::facts::model::{Facts, Observed};
use crate::facts::service::BalancerFacts;
use crate::inventory::Inventory;
use crate::inventory::model::LoadBalancer;
use crate::plan::draft::Draft;
use crate::plan::model::{Action, Finding, Severity, Step, UnitChange};
use crate::resource::HostName;

pub use address::is_elsewhere;
pub use causes::{cause, scene};
pub use external::external_configuration;
pub use look::{look, read};

/// HAProxy's own frontend for health, on loopback.
pub const HEALTH_PORT: u16 = 8404;
/// Where TLS is served, when a certificate is given.
pub const TLS_PORT: u16 = 443;

const HAPROXY: &str = "haproxy.service";
const KEEPALIVED: &str = "keepalived.service";
const LIVE: &str = "balancer.live";
const ANSWERS: &str = "balancer.answers";
const ALONE: &str = "balancer.alone";

/// Adds jobs and findings.
pub fn plan(draft: &mut Draft<'_>) {
    let inventory = draft.inventory;
    for finding in departed::left_over(draft) {
        draft.find(finding);
    }
    let Some(balancer) = &inventory.load_balancer else { return };
    if balancer.hosts.is_empty() {
        draft.find(own(inventory, balancer));
        return;
    }
    address::find(draft, balancer);
    rollout::rollout(draft, balancer);
}

fn own(inventory: &Inventory, balancer: &LoadBalancer) -> Finding {
    let message = format!(
        "The balancer at {} is your own; it must pass requests, WebSockets included, to every replica, check \
         /kuboard-resources/version.json on them, and keep a browser with one of them.",
        balancer.address
    );
    Finding::cluster(Severity::Note, "balancer.own", message).hint(external_configuration(inventory))
}

/// What a step makes true. Who takes a free address is decided by the priorities: the first host of the file whose
/// HAProxy lives.
pub fn effects(step: &Step, host: &HostName, inventory: &Inventory, facts: &mut Facts) {
    let Some(balancer) = &inventory.load_balancer else { return };
    match &step.action {
        Action::Await(probe) if probe.name == LIVE => {
            if let Some(seen) = seen(facts, balancer, host) {
                seen.healthy = Observed::Known(true);
            }
        }
        Action::Await(probe) if probe.name == ALONE => {
            if let Some(seen) = seen(facts, balancer, host) {
                seen.holds_address = false;
            }
        }
        Action::Await(probe) if probe.name == ANSWERS => {
            if address::holders(facts, balancer).is_empty() {
                claim(facts, balancer, None);
            }
            if let Some(seen) = seen(facts, balancer, host) {
                seen.answers = Observed::Known(true);
            }
        }
        Action::Unit { unit, change, .. } if unit == KEEPALIVED && leaves(*change) => {
            let held =
                seen(facts, balancer, host).is_some_and(|seen| std::mem::take(&mut seen.holds_address));
            if held {
                claim(facts, balancer, Some(host));
            }
        }
        _ => {}
    }
}

/// What was seen of the balancer on one of its hosts, to be changed.
fn seen<'f>(facts: &'f mut Facts, balancer: &LoadBalancer, host: &HostName) -> Option<&'f mut BalancerFacts> {
    let ours = balancer.hosts.contains(host);
    facts.host_mut(host).filter(|_| ours).map(|seen| seen.balancer.get_or_insert_default())
}

/// Whether Keepalived gives the address away in between.
fn leaves(change: UnitChange) -> bool {
    matches!(
        change,
        UnitChange::Restart | UnitChange::RestartNoBlock | UnitChange::Stop | UnitChange::DisableNow
    )
}

/// The first host that was seen takes the address, any other before `leaving`.
fn claim(facts: &mut Facts, balancer: &LoadBalancer, leaving: Option<&HostName>) {
    let others = balancer.hosts.iter().filter(|host| Some(*host) != leaving);
    let next = others.chain(leaving).find(|host| facts.host(host).is_some()).cloned();
    if let Some(seen) = next.and_then(|host| seen(facts, balancer, &host)) {
        seen.holds_address = true;
    }
}

#[cfg(test)]
pub(crate) mod tests;
