//! The command line.

pub mod exit;
pub mod output;
/// Runs.
pub fn run() -> exit::Exit {
    exit::Exit::Ok
}
