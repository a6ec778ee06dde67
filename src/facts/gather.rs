//! Looking at a host: one request over its session, read-only.

use std::time::Duration;

use crate::facts::model::HostFacts;
use crate::facts::read::read;
use crate::facts::script::script;
use crate::host::session::{Holder, Session};
use crate::host::{HostError, HostErrorKind};
use crate::inventory::Inventory;
use crate::services;

/// How long a look may take in all; its slow parts have tighter limits of their own.
const LIMIT: Duration = Duration::from_secs(20);

/// Everything that can be seen on the session's host.
pub async fn gather(session: &mut Session, inventory: &Inventory) -> Result<HostFacts, HostError> {
    let looks = services::looks(inventory, session.host());
    let look = session.gather(&script(&looks), LIMIT).await?;
    let (mut facts, complete) = read(&looks, &look.text);
    if !complete {
        let last = look.text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
        return Err(HostError::new(
            HostErrorKind::Protocol,
            format!(
                "the look at the host ended early with status {} after {} s at most; the last line was: {last}",
                look.rc,
                LIMIT.as_secs()
            ),
        ));
    }
    facts.system.clock_offset = session.clock().map_or(0, |clock| clock.offset_ms);
    facts.lease = look.holder.map(|holder| describe(&holder));
    Ok(facts)
}

fn describe(holder: &Holder) -> String {
    match (holder.run.as_str(), holder.step.as_str()) {
        ("", _) => "another run".to_owned(),
        (run, "" | "-") => format!("run {run}"),
        (run, step) => format!("run {run}, at {step}"),
    }
}
