//! Looking at a host: one request over its session, read-only.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::facts::model::HostFacts;
use crate::facts::read::{parts, read};
use crate::facts::script::script;
use crate::host::session::{Holder, Session};
use crate::host::{HostError, HostErrorKind};
use crate::inventory::Inventory;
use crate::services;

/// How long a look may take in all; its slow parts have tighter limits of their own.
const LIMIT: Duration = Duration::from_secs(20);

/// What a look came to.
pub struct Gathered {
    /// What was seen.
    pub facts: HostFacts,
    /// How long it took, there and back.
    pub elapsed: Duration,
    /// How long its parts took on the host, by name.
    pub parts: BTreeMap<String, Duration>,
}

/// Everything that can be seen on the session's host.
pub async fn gather(session: &mut Session, inventory: &Inventory) -> Result<Gathered, HostError> {
    let begun = Instant::now();
    let looks = services::looks(inventory, session.host());
    let look = session.gather(&script(&looks), LIMIT).await?;
    let (mut facts, complete) = read(&looks, &look.text);
    if !complete {
        let last = last_line(&look.text);
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
    Ok(Gathered { facts, elapsed: begun.elapsed(), parts: parts(&look.text) })
}

/// What a look said last. The digest of a secret is nothing to show: a weak one can be guessed from it.
fn last_line(text: &str) -> &str {
    let shown = |line: &&str| !line.trim().is_empty() && !line.contains("/secrets/");
    text.lines().rev().find(shown).unwrap_or("nothing")
}

fn describe(holder: &Holder) -> String {
    match (holder.run.as_str(), holder.step.as_str()) {
        ("", _) => "another run".to_owned(),
        (run, "" | "-") => format!("run {run}"),
        (run, step) => format!("run {run}, at {step}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_look_ended_is_told_without_a_secrets_digest() {
        let text = "mark 1b2c\n1b2c sums c /state\nca  /etc/x\nfe  /state/secrets/p\n\n";
        assert_eq!((last_line(text), last_line("\n")), ("ca  /etc/x", "nothing"));
    }
}
