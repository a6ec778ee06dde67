//! Downloads over loopback, and archives that mean harm.

mod failures;
mod fetching;
mod server;
mod sharing;
