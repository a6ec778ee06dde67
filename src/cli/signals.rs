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
/// the terminal left as it was found.
pub fn listen(cancel: &Cancel, feed: &Arc<Feed>) {
    for (name, kind) in SIGNALS {
        // A process that may not handle signals runs on without: they then end it, which is safe as well.
        if let Ok(signals) = signal(kind) {
            tokio::spawn(wait(name, signals, cancel.clone(), Arc::clone(feed)));
        }
    }
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
