//! The lab level: the real program on real systemd hosts with the real etcd, QuestDB, Docker, HAProxy and Keepalived.
//!
//! Each test boots a lab (`examples/lab/lab`) and walks a course of scenarios on it, one after the other: a boot is
//! dear. One lab runs at a time. For whoever develops: `KEEP_LAB=1` leaves the hosts running, and
//! `KUBOARD_HA_LAB_FROM=WORDS` goes on with them at the first scenario whose name holds these words.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking and tells what it does"
)]

mod argv;
mod causes;
mod cold;
mod course;
mod eight;
mod etcd;
mod five;
mod hostile;
mod inventory;
mod lab;
mod net;
mod one;
mod pgwire;
mod poison;
mod poll;
mod processes;
mod seed;
mod six;
mod stands;
mod states;
mod strangers;
mod three;
mod tool;
mod torture;
mod two_runs;
mod writer;
