//! A session: one resident shell on a host, one request at a time, and what each of them comes to.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;

use super::answer::Progress;
pub use super::answer::{Clock, Holder, JobEnd, Lease, Look};
use super::boot::{self, Booted, END, Stderr, last_lines};
use super::cancel::Cancel;
pub use super::frame::Frame;
use super::frame::Frames;
pub use super::options::{SessionOptions, Sudo};
use super::trouble;
use super::{Deadlines, Host, HostError, HostErrorKind};
use crate::plan::script::{JobScript, quote};
use crate::resource::{HostName, Sha256Digest};
use crate::secret::{Secret, SecretId};

/// The way to the far shell; `None` once its input was closed.
pub(super) type Pen = Option<Pin<Box<dyn AsyncWrite + Send>>>;

/// What one look may print.
const LARGEST_LOOK: usize = 4 * 1024 * 1024;

/// An idle shell that holds the lease is told this often that we are still here.
const PING: Duration = Duration::from_secs(5);

/// One resident root shell. Dropping it closes its input: a step in hand ends, no other begins.
pub struct Session {
    host: HostName,
    run: String,
    state: String,
    pen: Arc<Mutex<Pen>>,
    frames: Frames,
    stderr: Stderr,
    pinger: Option<JoinHandle<()>>,
    /// When the shell was given its program.
    sent: (Instant, SystemTime),
    clock: Option<Clock>,
    deadlines: Box<Deadlines>,
    watchdog: Duration,
}

impl Session {
    /// Starts a shell on the host and sends it its program: one round trip, and sudo's login.
    pub async fn open(host: &dyn Host, options: SessionOptions) -> Result<Self, HostError> {
        let Booted { pen, frames, stderr, sent } = boot::boot(host, &options).await?;
        Ok(Self {
            host: host.name().clone(),
            state: options.state(),
            run: options.run,
            pen: Arc::new(Mutex::new(pen)),
            frames,
            stderr,
            pinger: None,
            sent,
            clock: None,
            deadlines: Box::new(options.deadlines),
            watchdog: options.watchdog,
        })
    }

    /// The host.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// The name of the run that opened it.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Where the cluster's state lies on the host, an absolute path.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// How long its shell, and any other of its run, keeps the lease when it hears nothing.
    pub fn watchdog(&self) -> Duration {
        self.watchdog
    }

    /// The host's clock against ours; known after the first request.
    pub fn clock(&self) -> Option<Clock> {
        self.clock
    }

    /// Runs a script that only looks, and gives what it printed. Creates nothing, needs no lease.
    pub async fn gather(&mut self, script: &str, limit: Duration) -> Result<Look, HostError> {
        let text = format!("{script}{END}");
        let head = format!("gather {} {}\n{text}", seconds(limit), text.len());
        let _turn = self.send(&head).await?;
        within(limit + self.deadlines.answer, async {
            match self.hear().await? {
                Frame::Gathered(_, size, _) if size > LARGEST_LOOK => {
                    Err(self.confused("a look printed more than 4 MiB"))
                }
                Frame::Gathered(rc, size, holder) => {
                    let text = String::from_utf8_lossy(&self.frames.bytes(size).await?).into_owned();
                    Ok(Look { text, rc, holder })
                }
                other => Err(self.unexpected(&other)),
            }
        })
        .await
    }

    /// Asks for the lease.
    pub async fn lease(&mut self) -> Result<Lease, HostError> {
        let turn = self.send("lease\n").await?;
        let answer = within(self.deadlines.answer, async {
            match self.hear().await? {
                Frame::Leased(stale) => Ok(Lease::Leased { stale }),
                Frame::Busy(holder) => Ok(Lease::Busy(holder)),
                other => Err(self.unexpected(&other)),
            }
        })
        .await?;
        drop(turn);
        if matches!(answer, Lease::Leased { .. }) && self.pinger.is_none() {
            self.pinger = Some(tokio::spawn(ping(Arc::clone(&self.pen), self.deadlines.stall)));
        }
        Ok(answer)
    }

    /// Runs a job and tells each of its frames. When `cancel` is asked, the step in hand ends and the session
    /// with it: what follows is only [`Session::close`].
    pub async fn job(
        &mut self,
        script: &JobScript,
        cancel: &Cancel,
        tell: &mut (dyn FnMut(&Frame) + Send),
    ) -> Result<JobEnd, HostError> {
        let text = job_text(script);
        let mut turn = self.send(&format!("job {} {}\n{text}", script.id, text.len())).await?;
        let mut progress = Progress::new(script);
        let mut limit = GUARD * u32::try_from(script.guards.len()).unwrap_or(1) + self.deadlines.answer;
        let mut deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let frame = tokio::select! {
                frame = tokio::time::timeout(left, self.hear()) => frame.map_err(|_| late(limit))??,
                () = cancel.cancelled(), if turn.is_some() => {
                    *turn = None;
                    continue;
                }
            };
            if !progress.take(&frame) {
                return Err(self.unexpected(&frame));
            }
            tell(&frame);
            match frame {
                Frame::Begin(step) => {
                    limit = script
                        .steps
                        .get(step)
                        .map_or(self.deadlines.answer, |step| step.limit + self.deadlines.answer);
                    deadline = Instant::now() + limit;
                }
                Frame::End(..) => {
                    limit = self.deadlines.answer;
                    deadline = Instant::now() + limit;
                }
                Frame::Done => return Ok(progress.end),
                _ => {}
            }
        }
    }

    /// The value of a secret that lies on the host; `None` where it does not.
    pub async fn read_secret(&mut self, id: &SecretId) -> Result<Option<Secret<String>>, HostError> {
        let _turn = self.send(&format!("read {id}\n")).await?;
        within(self.deadlines.answer, async {
            match self.hear().await? {
                Frame::Value(None) => Ok(None),
                Frame::Value(Some(size)) if size <= LARGEST_LOOK => {
                    let value = String::from_utf8(self.frames.bytes(size).await?)
                        .map_err(|_| self.confused(&format!("the secret {id} is not text")))?;
                    Ok(Some(Secret::new(value)))
                }
                Frame::Value(Some(_)) => Err(self.confused(&format!("the secret {id} is too long"))),
                other => Err(self.unexpected(&other)),
            }
        })
        .await
    }

    /// Sends the value of a secret ahead of the step that keeps it.
    pub async fn put_secret(&mut self, id: &SecretId, value: &Secret<String>) -> Result<(), HostError> {
        let value = value.reveal();
        let _turn = self.send(&format!("secret {id} {}\n{value}", value.len())).await?;
        within(self.deadlines.answer, async {
            match self.hear().await? {
                Frame::Kept => Ok(()),
                other => Err(self.unexpected(&other)),
            }
        })
        .await
    }

    /// Writes a file of `size` bytes to an absolute `path`, in place only once its digest was found right on the
    /// host's disk. `progress` is told the bytes sent so
    /// far. Nothing is sent where that file already is.
    pub async fn receive(
        &mut self,
        path: &str,
        size: u64,
        sha256: &Sha256Digest,
        from: &mut (dyn AsyncRead + Send + Unpin),
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), HostError> {
        // The host reads a file once to take its digest: slow disks manage 20 MB/s.
        let reading = Duration::from_secs(60 + size / 20_000_000);
        let turn = self.send(&format!("holds {sha256} {path}\n")).await?;
        match within(reading, self.hear()).await? {
            Frame::Received => {
                progress(size);
                return Ok(());
            }
            Frame::Absent => drop(turn),
            other => return Err(self.unexpected(&other)),
        }
        let mut turn = self.send(&format!("receive {size} {sha256} {path}\n")).await?;
        let mut sent = 0;
        let mut chunk = vec![0; 256 * 1024];
        while sent < size {
            let got = from.read(&mut chunk).await.map_err(|error| local(&error.to_string()))?;
            let got = got.min(usize::try_from(size - sent).unwrap_or(usize::MAX));
            if got == 0 {
                *turn = None;
                return Err(local(&format!("the file to send ended after {sent} of {size} bytes")));
            }
            // The far side speaks before the end only to say that it cannot go on.
            tokio::select! {
                wrote = boot::write(&mut turn, &chunk[..got], self.deadlines.stall) => {
                    if let Err(error) = wrote {
                        return Err(self.last_words(error).await);
                    }
                }
                frame = self.hear() => return Err(self.unexpected(&frame?)),
            }
            sent += got as u64;
            progress(sent);
        }
        // Before that it brings to the disk what still waits to be written.
        match within(2 * reading, self.hear()).await? {
            Frame::Received => Ok(()),
            Frame::Damaged(found) => Err(HostError::new(
                HostErrorKind::Damaged,
                format!("{path} arrived on {} with the digest {found}, expected {sha256}", self.host),
            )),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Ends the shell and waits for its word that all it did was told.
    pub async fn close(mut self) -> Result<(), HostError> {
        if let Some(pinger) = self.pinger.take() {
            pinger.abort();
        }
        *self.pen.lock().await = None;
        within(self.deadlines.answer, async {
            loop {
                match self.next().await? {
                    Frame::Bye => return Ok(()),
                    Frame::Broken(why) => return Err(self.broken(&why)),
                    _ => {}
                }
            }
        })
        .await
    }

    /// Takes the turn and sends a request. The guard is held until the answer is complete: nothing else, no ping
    /// either, may reach a shell that is not listening.
    async fn send(&mut self, request: &str) -> Result<OwnedMutexGuard<Pen>, HostError> {
        let mut turn = Arc::clone(&self.pen).lock_owned().await;
        // A shell that reads a text answers nothing while it reads, so writing first cannot wedge.
        match boot::write(&mut turn, request.as_bytes(), self.deadlines.stall).await {
            Ok(()) => Ok(turn),
            Err(error) => Err(self.last_words(error).await),
        }
    }

    /// The next frame that answers a request.
    async fn hear(&mut self) -> Result<Frame, HostError> {
        loop {
            match self.next().await? {
                Frame::Pong => {}
                Frame::Ready(stamp) => self.clock = Clock::read(&stamp, self.sent),
                Frame::Broken(why) => return Err(self.broken(&why)),
                Frame::Bye => return Err(self.ended("the shell ended before it had answered")),
                frame => return Ok(frame),
            }
        }
    }

    async fn next(&mut self) -> Result<Frame, HostError> {
        match self.frames.next().await {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(self.ended("the connection ended")),
            Err(error) => Err(self.ended(&error.message)),
        }
    }

    /// Why writing failed: the far side may have said it before it went.
    async fn last_words(&mut self, error: HostError) -> HostError {
        match tokio::time::timeout(Duration::from_secs(2), self.hear()).await {
            Ok(Err(said)) if said.kind != HostErrorKind::Disconnected => said,
            _ => error,
        }
    }

    fn broken(&self, why: &str) -> HostError {
        let error = HostError::new(HostErrorKind::Broken, format!("{}: {why}", self.host));
        HostError { hint: trouble::broken(why), ..error }
    }

    fn ended(&self, what: &str) -> HostError {
        let stderr = last_lines(&self.stderr.text(), 2);
        let colon = if stderr.is_empty() { "" } else { ": " };
        HostError::new(HostErrorKind::Disconnected, format!("{}: {what}{colon}{stderr}", self.host))
    }

    fn confused(&self, what: &str) -> HostError {
        HostError::new(HostErrorKind::Protocol, format!("{}: {what}", self.host))
    }

    fn unexpected(&self, frame: &Frame) -> HostError {
        // Of what a host says out of turn, its beginning tells enough.
        let said: String = format!("{frame:?}").chars().take(200).collect();
        self.confused(&format!("the shell said {said} out of turn"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(pinger) = &self.pinger {
            pinger.abort();
        }
    }
}

/// How long a guard may take; it only looks.
const GUARD: Duration = Duration::from_secs(30);

fn job_text(script: &JobScript) -> String {
    let mut text = String::new();
    for (index, (_, test)) in script.guards.iter().enumerate() {
        let _ = writeln!(text, "guard {index} {} {}", seconds(GUARD), quote(test));
    }
    for (index, step) in script.steps.iter().enumerate() {
        let _ = writeln!(text, "step {index} {} {}", seconds(step.limit), quote(&step.text));
    }
    text + END
}

/// Whole seconds, rounded up: what every `timeout` understands.
fn seconds(limit: Duration) -> u64 {
    (limit.as_secs() + u64::from(limit.subsec_nanos() > 0)).max(1)
}

async fn ping(pen: Arc<Mutex<Pen>>, stall: Duration) {
    loop {
        tokio::time::sleep(PING).await;
        if boot::write(&mut *pen.lock().await, b"ping\n", stall).await.is_err() {
            return;
        }
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, HostError>>,
) -> Result<T, HostError> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(late(limit)))
}

fn late(limit: Duration) -> HostError {
    let message = format!("no answer within {} s; what runs there may still run", limit.as_secs());
    HostError::new(HostErrorKind::Disconnected, message)
}

fn local(what: &str) -> HostError {
    HostError::new(HostErrorKind::Local, what)
}
