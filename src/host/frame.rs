//! What a resident shell says, line by line: frames, and the output of steps, which always begins with `|`.

use std::pin::Pin;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use super::session::Holder;
use super::{HostError, HostErrorKind};

/// Begins the line that shows that the login shell runs what it is given; the user's name follows.
pub(super) const LOGIN: &str = "kuboard-ha login ";

/// The line that shows that the bootstrap runs.
pub(super) const HELLO: &str = "kuboard-ha hello 1";

/// Longer lines of output are cut.
const LONGEST_LINE: usize = 64 * 1024;

/// What may come before `hello`: a login's banner, a message of the day.
const LONGEST_BANNER: usize = 256 * 1024;

/// What came before `hello`.
#[derive(Debug, Default)]
pub(super) struct Prelude {
    /// As whom the login shell ran what it was given; `None` where it did not.
    pub(super) user: Option<String>,
    /// The last lines that were none of ours.
    pub(super) noise: Vec<String>,
    skipped: usize,
}

/// How many lines of noise are kept to explain an end.
const NOISE_KEPT: usize = 3;

/// One line from the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// It evaluated its program; nanoseconds since the epoch, or seconds, as its `date` allows.
    Ready(String),
    /// It answers a ping.
    Pong,
    /// A look ended with this exit status; so many bytes that it printed follow. Somebody else may hold the lease.
    Gathered(i32, usize, Option<Holder>),
    /// The lease is ours; whether another run had it since the last look.
    Leased(bool),
    /// The lease is another's.
    Busy(Holder),
    /// A step is about to begin.
    Begin(usize),
    /// A line that a step printed.
    Output(String),
    /// A step ended: index, exit status (124: its time was up), whether it changed anything.
    End(usize, i32, bool),
    /// This guard does not hold.
    Fenced(usize),
    /// Asked to stop, the shell stopped before this step.
    Stopped(usize),
    /// The job is over.
    Done,
    /// So many bytes follow; `None` where there is no such secret.
    Value(Option<usize>),
    /// A secret arrived.
    Kept,
    /// A file arrived and is in place.
    Received,
    /// No file of that digest is there.
    Absent,
    /// A file arrived with this digest, not the one it should have, and was dropped.
    Damaged(String),
    /// The shell cannot go on.
    Broken(String),
    /// The shell ends of its own will; all that it did was told.
    Bye,
}

impl Frame {
    /// Reads a line; anything that is no frame is `None`.
    fn parse(line: &str) -> Option<Self> {
        if let Some(output) = line.strip_prefix('|') {
            return Some(Self::Output(output.to_owned()));
        }
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = rest.split(' ');
        Some(match verb {
            "ready" => Self::Ready(rest.to_owned()),
            "pong" => Self::Pong,
            "gathered" => {
                let (code, rest) = rest.split_once(' ')?;
                let (size, holder) = rest.split_once(' ')?;
                let holder = (!holder.is_empty()).then(|| Holder::parse(holder));
                Self::Gathered(code.parse().ok()?, size.parse().ok()?, holder)
            }
            "leased" => Self::Leased(rest == "stale"),
            "busy" => Self::Busy(Holder::parse(rest)),
            "begin" => Self::Begin(rest.parse().ok()?),
            "end" => {
                Self::End(words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()? == "yes")
            }
            "fenced" => Self::Fenced(rest.parse().ok()?),
            "stopped" => Self::Stopped(rest.parse().ok()?),
            "done" => Self::Done,
            // A negative number says that there is none.
            "value" => Self::Value(rest.trim().parse::<i64>().ok().and_then(|size| size.try_into().ok())),
            "kept" => Self::Kept,
            "absent" => Self::Absent,
            "received" => Self::Received,
            "damaged" => Self::Damaged(rest.to_owned()),
            "broken" => Self::Broken(rest.to_owned()),
            "bye" => Self::Bye,
            _ => return None,
        })
    }
}

/// Reads frames. All its methods may be cancelled and called again.
pub(super) struct Frames {
    from: BufReader<Pin<Box<dyn AsyncRead + Send>>>,
    line: Vec<u8>,
}

impl Frames {
    pub(super) fn new(from: Pin<Box<dyn AsyncRead + Send>>) -> Self {
        Self { from: BufReader::with_capacity(64 * 1024, from), line: Vec::new() }
    }

    /// Skips what a login prints, until `hello`. `false` at the end of input.
    pub(super) async fn hello(&mut self, prelude: &mut Prelude) -> Result<bool, HostError> {
        while let Some(line) = self.line().await? {
            match line.trim() {
                HELLO => return Ok(true),
                "" => {}
                line if line.starts_with(LOGIN) => prelude.user = Some(line[LOGIN.len()..].to_owned()),
                noise => {
                    prelude.noise.push(noise.to_owned());
                    let surplus = prelude.noise.len().saturating_sub(NOISE_KEPT);
                    prelude.noise.drain(..surplus);
                }
            }
            prelude.skipped += line.len() + 1;
            if prelude.skipped > LONGEST_BANNER {
                let message = "the login shell prints without end instead of running a command";
                return Err(HostError::new(HostErrorKind::Shell, message));
            }
        }
        Ok(false)
    }

    /// The next frame; `None` at the end of input. Lines that are no frames are skipped.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, HostError> {
        while let Some(line) = self.line().await? {
            if let Some(frame) = Frame::parse(&line) {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// Exactly `size` bytes.
    pub(super) async fn bytes(&mut self, size: usize) -> Result<Vec<u8>, HostError> {
        let mut bytes = vec![0; size];
        self.from.read_exact(&mut bytes).await.map_err(|error| lost(&error))?;
        Ok(bytes)
    }

    async fn line(&mut self) -> Result<Option<String>, HostError> {
        loop {
            let chunk = self.from.fill_buf().await.map_err(|error| lost(&error))?;
            if chunk.is_empty() {
                // A line without an end was cut off: it may be half a frame, so it counts for nothing.
                return Ok(None);
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let text = &chunk[..end.unwrap_or(chunk.len())];
            let room = LONGEST_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            let used = text.len() + usize::from(end.is_some());
            self.from.consume(used);
            if end.is_some() {
                let line = String::from_utf8_lossy(&self.line).into_owned();
                self.line.clear();
                return Ok(Some(line));
            }
        }
    }
}

fn lost(error: &std::io::Error) -> HostError {
    HostError::new(HostErrorKind::Disconnected, format!("the connection ended: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(text: &'static str) -> Vec<Frame> {
        let mut frames = Frames::new(Box::pin(text.as_bytes()));
        let mut seen = Vec::new();
        while let Some(frame) = frames.next().await.unwrap() {
            seen.push(frame);
        }
        seen
    }

    #[tokio::test]
    async fn frames_are_read_and_noise_is_not() {
        let seen = all("\nleased \n\nnoise\n|end 0 0 yes\n\nend 3 124 no\n\nbusy r1 job/2 17 60\n").await;
        let holder = Holder { run: "r1".into(), step: "job/2".into(), since: 17, limit: 60 };
        assert_eq!(
            seen,
            [
                Frame::Leased(false),
                Frame::Output("end 0 0 yes".into()),
                Frame::End(3, 124, false),
                Frame::Busy(holder)
            ]
        );
    }

    #[tokio::test]
    async fn half_a_frame_counts_for_nothing() {
        assert_eq!(all("\nleased \n\nbye").await, [Frame::Leased(false)]);
    }

    #[tokio::test]
    async fn a_banner_is_skipped_and_its_end_is_seen() {
        let mut frames = Frames::new(Box::pin(&b"Welcome!\r\n\nkuboard-ha hello 1\n\nready 1\n"[..]));
        let mut prelude = Prelude::default();
        assert!(frames.hello(&mut prelude).await.unwrap());
        assert_eq!((prelude.user, prelude.noise.as_slice()), (None, &["Welcome!".to_owned()][..]));
        assert_eq!(frames.next().await.unwrap(), Some(Frame::Ready("1".into())));
        let mut silent = Frames::new(Box::pin(&b"This account is currently not available.\n"[..]));
        assert!(!silent.hello(&mut Prelude::default()).await.unwrap());
    }
}
