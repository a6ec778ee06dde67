//! What is there: the model of observations, the pure parsers of what probes print, and the gathering itself.

pub mod look;
pub mod model;
pub mod probe {
    //! Pure parsers of what probes print, one file per thing observed.
    pub mod firewall;
}
pub mod service;

pub use model::{Facts, HostFacts, HostState, Observed};
