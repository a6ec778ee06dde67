//! What steps make true of QuestDB's own facts.

use crate::facts::model::{Facts, Observed};
use crate::inventory::Inventory;
use crate::plan::model::{Action, Step, UnitChange};
use crate::resource::HostName;
use crate::services::questdb::look::READY;
use crate::services::questdb::names::{JAVA_NEEDED, JAVA_PACKAGE, OWNER, UNIT};

/// What a step makes true.
pub fn effects(step: &Step, host: &HostName, _inventory: &Inventory, facts: &mut Facts) {
    let Some(seen) = facts.host_mut(host) else { return };
    match &step.action {
        Action::Package { names } if names.iter().any(|name| name == JAVA_PACKAGE) => {
            seen.questdb.get_or_insert_default().java = Some(JAVA_NEEDED);
        }
        Action::Unit { unit, change: UnitChange::Start | UnitChange::Restart, .. } if unit == UNIT => {
            let questdb = seen.questdb.get_or_insert_default();
            questdb.has_data = true;
            questdb.data_owner = Some(OWNER.to_owned());
        }
        Action::Await(probe) if probe.name == READY => {
            let questdb = seen.questdb.get_or_insert_default();
            questdb.healthy = Observed::Known(true);
            questdb.login = Observed::Known(true);
        }
        _ => {}
    }
}
