//! A host that plays a transcript: for tests of what no real host does on demand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{Cmd, Deadlines, Host, HostError, HostErrorKind, Process};
use crate::resource::HostName;

/// One act of the far side.
#[derive(Clone, Debug)]
pub enum Act {
    /// Says this on standard output.
    Say(String),
    /// Says this on standard error.
    Complain(String),
    /// Reads until what came since the last such act holds this text.
    Hear(String),
    /// Refuses to start at all.
    Refuse(HostError),
    /// Keeps silent and open for ever.
    Hang,
}

/// A host whose every started command plays the next transcript; at a transcript's end the connection ends.
pub struct Fake {
    name: HostName,
    transcripts: Mutex<VecDeque<Vec<Act>>>,
    commands: Mutex<Vec<String>>,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Fake {
    /// A host with a transcript for each command that will be started on it.
    pub fn new(name: &str, transcripts: Vec<Vec<Act>>) -> Self {
        Self {
            name: HostName::new(name),
            transcripts: Mutex::new(transcripts.into()),
            commands: Mutex::default(),
            heard: Arc::default(),
        }
    }

    /// The commands that were started.
    pub fn commands(&self) -> Vec<String> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All that was written to the commands' standard input.
    pub fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Host for Fake {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn spawn(&self, cmd: &Cmd, _: &Deadlines) -> BoxFuture<'_, Result<Process, HostError>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).push(cmd.text.clone());
        let next = self.transcripts.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        async move {
            let Some(transcript) = next else {
                return Err(HostError::new(HostErrorKind::Unreachable, "no transcript is left"));
            };
            if let [Act::Refuse(error), ..] = transcript.as_slice() {
                return Err(error.clone());
            }
            let (stdin, far_stdin) = tokio::io::duplex(64 * 1024);
            let (stdout, far_stdout) = tokio::io::duplex(64 * 1024);
            let (stderr, far_stderr) = tokio::io::duplex(64 * 1024);
            tokio::spawn(play(transcript, far_stdin, far_stdout, far_stderr, Arc::clone(&self.heard)));
            Ok(Process { stdin: Box::pin(stdin), stdout: Box::pin(stdout), stderr: Box::pin(stderr) })
        }
        .boxed()
    }
}

async fn play(
    transcript: Vec<Act>,
    mut stdin: DuplexStream,
    mut stdout: DuplexStream,
    mut stderr: DuplexStream,
    heard: Arc<Mutex<Vec<u8>>>,
) {
    let mut pending = Vec::new();
    let mut chunk = vec![0; 4096];
    for act in transcript {
        match act {
            Act::Say(text) => drop(stdout.write_all(text.as_bytes()).await),
            Act::Complain(text) => drop(stderr.write_all(text.as_bytes()).await),
            Act::Hear(text) => loop {
                if let Some(at) = pending.windows(text.len()).position(|window| window == text.as_bytes()) {
                    pending.drain(..at + text.len());
                    break;
                }
                match stdin.read(&mut chunk).await {
                    Ok(size) if size > 0 => {
                        pending.extend_from_slice(&chunk[..size]);
                        heard
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .extend_from_slice(&chunk[..size]);
                    }
                    _ => return,
                }
            },
            Act::Refuse(_) => return,
            Act::Hang => futures::future::pending().await,
        }
    }
}
