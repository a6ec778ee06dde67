//! What is there: the model of observations, the pure parsers of what probes print, and the gathering itself.

pub mod gather;
pub mod look;
pub mod model;
pub mod probe;
pub mod read;
pub mod script;
pub mod service;

pub use model::{Facts, HostFacts, HostState, Observed};
