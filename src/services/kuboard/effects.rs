//! What steps make true of Kuboard's own facts.

use crate::facts::model::{Docker, Facts, Observed};
use crate::inventory::Inventory;
use crate::plan::model::{Action, Step, UnitChange};
use crate::resource::HostName;
use crate::services::kuboard::look::READY;
use crate::services::kuboard::names::{DOCKER_PACKAGE, DOCKER_UNIT};

/// What a step makes true.
pub fn effects(step: &Step, host: &HostName, inventory: &Inventory, facts: &mut Facts) {
    let Some(seen) = facts.host_mut(host) else { return };
    match &step.action {
        Action::Package { names }
            if names.iter().any(|name| name == DOCKER_PACKAGE) && seen.docker == Observed::Known(None) =>
        {
            seen.docker = Observed::Known(Some(Docker::default()));
            seen.units.entry(DOCKER_UNIT.to_owned()).or_default().get_or_insert_default();
        }
        Action::Unit { unit, change: UnitChange::Start, .. } if unit == DOCKER_UNIT => {
            if let Observed::Known(Some(docker)) = &mut seen.docker {
                // Which one is not known before; a guard of the next job refuses an older one.
                docker.version.get_or_insert_with(|| "20.10.10".to_owned());
            }
        }
        Action::Container { .. } => {
            // Until it was seen to answer.
            let kuboard = seen.kuboard.get_or_insert_default();
            (kuboard.web, kuboard.agent) = (Observed::Known(false), Observed::Known(false));
        }
        Action::Await(probe) if probe.name == READY => {
            let kuboard = seen.kuboard.get_or_insert_default();
            (kuboard.web, kuboard.agent) = (Observed::Known(true), Observed::Known(true));
            kuboard.etcd = inventory.etcd.hosts.iter().map(|member| (member.clone(), true)).collect();
            kuboard.questdb = (inventory.kuboard.audit && inventory.questdb.is_some()).then_some(true);
        }
        _ => {}
    }
}
