//! What a run costs that changes nothing, by counts and not by time: one command on each host, and so many bytes to it.
//! That it is one login too, the lab shows.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use kuboard_ha::facts::script::script;
use kuboard_ha::host::local::Local;
use kuboard_ha::host::session::{Session, SessionOptions};
use kuboard_ha::host::{Cmd, Deadlines, Host, HostError, Process};
use kuboard_ha::inventory::{Context as Reading, load};
use kuboard_ha::plan::script::{RUNTIME, quote};
use kuboard_ha::resource::HostName;
use kuboard_ha::services::looks;
use tokio::io::AsyncWrite;

/// Of everything that goes to a host: the resident shell with all its functions, and what to look at.
const MOST: usize = 48 * 1024;

#[tokio::test]
async fn a_look_at_a_host_is_one_command_and_few_bytes() {
    let samples: Vec<_> =
        std::fs::read_dir("inventories").unwrap().map(|entry| entry.unwrap().path()).collect();
    let samples: Vec<_> =
        samples.into_iter().filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    assert!(samples.len() > 5, "{samples:?}");
    for sample in samples {
        let read = |_: &std::path::Path| Err("not read".to_owned());
        let context = Reading { folder: std::path::Path::new("inventories"), home: None, read: &read };
        let text = std::fs::read_to_string(&sample).unwrap();
        let Ok(loaded) = load(&text, &context) else { continue };
        for host in loaded.inventory.hosts.keys() {
            let counting = Counting::default();
            let options = SessionOptions::new("demo", "r1", RUNTIME);
            let mut session = Session::open(&counting, options).await.unwrap();
            // Sent as it is, and not carried out: it is no test of this machine.
            let look = format!(": {}", quote(&script(&looks(&loaded.inventory, host))));
            session.gather(&look, Duration::from_secs(10)).await.unwrap();
            session.close().await.unwrap();
            let (commands, bytes) = counting.counts();
            assert_eq!(commands, 1, "{host} of {}", sample.display());
            assert!(bytes <= MOST, "{bytes} bytes to {host} of {}", sample.display());
        }
    }
}

/// This machine, and what goes to it.
struct Counting {
    host: Local,
    commands: AtomicUsize,
    bytes: Arc<AtomicUsize>,
}

impl Default for Counting {
    fn default() -> Self {
        Self { host: Local::new("here"), commands: AtomicUsize::new(0), bytes: Arc::default() }
    }
}

impl Counting {
    fn counts(&self) -> (usize, usize) {
        (self.commands.load(Ordering::SeqCst), self.bytes.load(Ordering::SeqCst))
    }
}

impl Host for Counting {
    fn name(&self) -> &HostName {
        self.host.name()
    }

    fn spawn(&self, cmd: &Cmd, deadlines: &Deadlines) -> BoxFuture<'_, Result<Process, HostError>> {
        self.commands.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(cmd.text.len(), Ordering::SeqCst);
        let started = self.host.spawn(cmd, deadlines);
        async move {
            let process = started.await?;
            let stdin = Counted { to: process.stdin, bytes: Arc::clone(&self.bytes) };
            Ok(Process { stdin: Box::pin(stdin), ..process })
        }
        .boxed()
    }
}

/// A way to the host that counts.
struct Counted {
    to: Pin<Box<dyn AsyncWrite + Send>>,
    bytes: Arc<AtomicUsize>,
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let taken = self.to.as_mut().poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = taken {
            self.bytes.fetch_add(count, Ordering::SeqCst);
        }
        taken
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.to.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.to.as_mut().poll_shutdown(context)
    }
}
