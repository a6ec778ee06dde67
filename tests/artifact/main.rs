//! Downloads over loopback, and archives that mean harm.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod environment;
mod failures;
mod fetching;
mod hostile;
mod lying;
mod planted;
mod server;
mod sharing;
