//! Clocks that differ.

use super::Evidence;
use crate::event::Cause;

/// Milliseconds from which tokens of one replica are in the other's future for good.
pub const HARMFUL: i64 = 5000;

/// A clock that is off by so many milliseconds, ahead where positive.
pub fn skewed(milliseconds: i64, effect: &str) -> Cause {
    let (seconds, rest) = (milliseconds.abs() / 1000, milliseconds.abs() % 1000 / 100);
    let side = if milliseconds > 0 { "ahead of" } else { "behind" };
    Cause::new(
        "host.clock",
        format!("Its clock is {seconds}.{rest} s {side} the other hosts'; {effect}."),
        "let it keep time (or install chrony):\n  timedatectl set-ntp true\nthen timedatectl shows 'synchronized: yes'",
    )
}

/// A certificate is judged by the clock; so is a skew that a service itself complains of.
pub(super) fn cause(evidence: &Evidence) -> Option<Cause> {
    let offset = evidence.seen.system.clock_offset;
    if evidence.says(&["certificate has expired or is not yet valid"]) && offset.abs() > HARMFUL {
        return Some(skewed(offset, "certificates do not count as valid"));
    }
    let line = evidence.line(&["found high clock drift", "the clock difference against peer"])?;
    if offset.abs() > HARMFUL {
        return Some(skewed(offset, "its neighbours complain of it").passing());
    }
    let message = format!("The clocks of the hosts differ: {}.", super::plain(line));
    Some(Cause { message, ..skewed(0, "") }.passing())
}
