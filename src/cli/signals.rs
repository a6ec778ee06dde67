//! Signals: the first asks the run to stop after the steps in hand, the second stops at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::engine::Cancel;
use crate::cli::exit::Exit;
use crate::cli::output::feed::Feed;
use crate::event::{Event, EventSink as _};

/// The signals that end a run, by name.
const SIGNALS: [(&str, SignalKind); 3] = [
    ("SIGINT", SignalKind::interrupt()),
    ("SIGTERM", SignalKind::terminate()),
    ("SIGHUP", SignalKind::hangup()),
];

/// Listens for the rest of the process's life. The first signal cancels; the second ends the process with 130,
/// the terminal left as it was found. A signal that was ignored when the process began (`nohup`, `&` in a script) stays
/// ignored.
pub fn listen(cancel: &Cancel, feed: &Arc<Feed>) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for (name, kind) in SIGNALS {
        if is_ignored(&status, kind) {
            continue;
        }
        // A process that may not handle signals runs on without: they then end it, which is safe as well.
        if let Ok(signals) = signal(kind) {
            tokio::spawn(wait(name, signals, cancel.clone(), Arc::clone(feed)));
        }
    }
}

/// What `/proc/PID/status` says of a signal; systems without it ignore none.
fn is_ignored(status: &str, kind: SignalKind) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (kind.as_raw_value() - 1) & 1 == 1
}

async fn wait(name: &'static str, mut signals: Signal, cancel: Cancel, feed: Arc<Feed>) {
    while signals.recv().await.is_some() {
        if cancel.is_cancelled() {
            let end = tokio::task::spawn_blocking(move || feed.finish());
            let _ = tokio::time::timeout(Duration::from_millis(300), end).await;
            leave();
        }
        cancel.cancel();
        feed.emit(Event::Interrupted { signal: name.to_owned() });
    }
}

#[expect(clippy::exit, reason = "the second signal must not wait for anything that still runs")]
fn leave() -> ! {
    std::process::exit(i32::from(Exit::Interrupted.code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_ignored_from_the_start_is_told() {
        // `nohup`: SIGHUP is signal 1; Rust itself ignores SIGPIPE, 13.
        let status =
            "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n";
        assert!(is_ignored(status, SignalKind::hangup()));
        assert!(!is_ignored(status, SignalKind::interrupt()));
        assert!(!is_ignored("", SignalKind::hangup()));
    }
}
