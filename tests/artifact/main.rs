//! Downloads over loopback, and archives that mean harm.

mod failures;
mod fetching;
mod hostile;
mod server;
mod sharing;
