//! Why a service does not come up: what its host shows, and causes by name. Pure.
//!
//! A service says what to look at (its [`Scene`]); [`script`] turns that into one bounded look, [`read`] reads it as
//! [`Evidence`], [`told`] gives the lines that people need, and a cause is a function from evidence to [`Cause`]. Those that
//! any service may have are here; those that need to know a product lie with it. What `preflight` can see before anything is
//! changed it tells in the same words: the functions here that make causes are its own too.

pub mod clock;
pub mod disk;
mod evidence;
mod lines;
pub mod machine;
mod memory;
pub mod port;
mod program;
mod script;
mod told;
mod unit;

pub use evidence::{ContainerSeen, Evidence, Owned, Reach, Reached, UnitSeen, read};
pub use lines::plain;
pub use script::script;
pub use told::told;

use std::net::IpAddr;

use crate::event::Cause;
use crate::resource::HostName;

/// What of a service is looked at where it does not come up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scene {
    /// As people read it: `QuestDB`.
    pub title: &'static str,
    /// The name of its process.
    pub process: &'static str,
    /// The system user that it runs as; empty for root.
    pub user: &'static str,
    /// Its units.
    pub units: Vec<String>,
    /// Its container, where it runs in one.
    pub container: Option<String>,
    /// Where it keeps its data.
    pub data: Vec<String>,
    /// Where its programs, libraries or images lie.
    pub programs: Vec<String>,
    /// The TCP ports that it listens on.
    pub ports: Vec<u16>,
    /// The addresses that it listens on, loopback aside; empty for any.
    pub addresses: Vec<IpAddr>,
    /// What it must reach on other hosts.
    pub needs: Vec<Need>,
}

/// Something that must be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// On which host.
    pub host: HostName,
    /// Where.
    pub address: IpAddr,
    /// TCP.
    pub port: u16,
}

/// The cause that any service may have, the surest first. What only systemd and Docker know is [`at_least`].
pub fn general(evidence: &Evidence) -> Option<Cause> {
    memory::cause(evidence)
        .or_else(|| disk::cause(evidence))
        .or_else(|| machine::denied(evidence))
        .or_else(|| program::cause(evidence))
        .or_else(|| port::cause(evidence))
        .or_else(|| disk::owner(evidence))
        .or_else(|| clock::cause(evidence))
}

/// That it failed, or fails again and again, where nobody knows why.
pub fn at_least(evidence: &Evidence) -> Option<Cause> {
    unit::cause(evidence)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
