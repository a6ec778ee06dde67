//! From a command line on a host to a shell that says `hello`: the constant bootstrap, sudo and its password.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::frame::{Frames, Prelude};
use super::session::{Pen, SessionOptions};
use super::trouble;
use super::{Cmd, Host, HostError, HostErrorKind, Process};
use crate::plan::script::{quote, without_comments};

/// The far side of a session.
const SHELL: &str = include_str!("shell.sh");
/// What every text on a host finds.
pub const PRELUDE: &str = include_str!("prelude.sh");

/// Read by `/bin/sh -c`, passed on by whatever login shell the user has: no quote, no newline, no `!`. It reads a size
/// and so many bytes (`sh -s` would read ahead and swallow what belongs to the program), then becomes the program.
const BOOTSTRAP: &str = concat!(
    r"LC_ALL=C; export LC_ALL; PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH; ",
    r#"exec 3>&1 4<&0 </dev/null >&2; printf "\nkuboard-ha hello 1\n" >&3; IFS= read -r n <&4 || exit 0; "#,
    r#"command -v dd >/dev/null || { printf "\nbroken dd is missing: install coreutils\n" >&3; exit 1; }; "#,
    r##"p=$(dd bs="$n" count=1 iflag=fullblock <&4 2>/dev/null); case $p in *"#kuboard-ha end") eval "$p" ;; esac"##,
);

/// Gives the bootstrap, its `$1`, to a root shell; its `$2` is how sudo shall prompt. Whether the login is root, only
/// the host knows for sure: `~/.ssh/config` may name the user. Its first line tells sudo's troubles from the login's.
const BECOME_ROOT: &str = concat!(
    r#"LC_ALL=C; export LC_ALL; printf "\nkuboard-ha login %s\n" "$(id -un)"; "#,
    r#"test "$(id -u)" = 0 || exec sudo -S -p "$2" -- SHELL -c "$1"; exec SHELL -c "$1""#,
);

/// The last line of every text sent: a text that was cut off lacks it.
pub(super) const END: &str = "\n#kuboard-ha end\n";

/// How much of what ssh and sudo say on standard error is kept.
const STDERR_KEPT: usize = 8 * 1024;

/// What the far side said on standard error, its last part.
#[derive(Clone, Default)]
pub(super) struct Stderr(Arc<Mutex<String>>);

impl Stderr {
    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).trim().to_owned()
    }

    fn add(&self, text: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_str(text);
        if kept.len() > STDERR_KEPT {
            let cut = kept.ceil_char_boundary(kept.len() - STDERR_KEPT);
            kept.drain(..cut);
        }
    }
}

/// A far shell that said `hello` and was given its program.
pub(super) struct Booted {
    pub(super) pen: Pen,
    pub(super) frames: Frames,
    pub(super) stderr: Stderr,
    /// When its program was sent to it; it had read no clock before.
    pub(super) sent: (Instant, SystemTime),
}

/// Starts the shell on a host, through sudo if asked, and sends it its program.
pub(super) async fn boot(host: &dyn Host, options: &SessionOptions) -> Result<Booted, HostError> {
    let mark = options.sudo.as_ref().map(|_| format!("[kuboard-ha {:016x}]", random()));
    let shell = &options.interpreter;
    let text = match &mark {
        Some(mark) => {
            format!("{shell} -c '{}' sh '{BOOTSTRAP}' '{mark}'", BECOME_ROOT.replace("SHELL", shell))
        }
        None => format!("{shell} -c '{BOOTSTRAP}'"),
    };
    let deadlines = &options.deadlines;
    let Process { stdin, stdout, stderr } = host.spawn(&Cmd { text }, deadlines).await?;
    let mut pen: Pen = Some(stdin);
    let mut frames = Frames::new(stdout);
    let said = Stderr::default();
    let (prompts, mut asked) = watch::channel(0);
    let listener = tokio::spawn(listen(stderr, said.clone(), mark, prompts));

    let mut prelude = Prelude::default();
    let deadline = tokio::time::sleep(deadlines.hello);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            hello = frames.hello(&mut prelude) => {
                if hello? { break; }
                // What explains the end may still be on its way.
                let _ = tokio::time::timeout(Duration::from_secs(2), listener).await;
                return Err(trouble::ended(&prelude, &said.text()));
            }
            Ok(()) = asked.changed() => {
                let times = *asked.borrow_and_update();
                if let Err(error) = answer(times, &mut pen, options).await {
                    // Who we are there was said before, and may come after.
                    let _ = tokio::time::timeout(Duration::from_millis(200), frames.hello(&mut prelude)).await;
                    return Err(trouble::named(error, &prelude));
                }
            }
            () = &mut deadline => return Err(trouble::silent(&prelude, &said.text(), options)),
        }
    }
    let program = program(options)?;
    let sent = (Instant::now(), SystemTime::now());
    write(&mut pen, format!("{}\n{program}", program.len()).as_bytes(), deadlines.stall).await?;
    Ok(Booted { pen, frames, stderr: said, sent })
}

/// Writes to the far side. An error means that the connection is gone, or that nothing was taken for as long as `stall`.
pub(super) async fn write(pen: &mut Pen, bytes: &[u8], stall: Duration) -> Result<(), HostError> {
    let gone =
        |why: String| HostError::new(HostErrorKind::Disconnected, format!("the connection ended: {why}"));
    let Some(stdin) = pen else { return Err(gone("it was closed".into())) };
    let mut rest = bytes;
    loop {
        let step = async {
            match rest {
                [] => stdin.flush().await.map(|()| 0),
                rest => stdin.write(rest).await,
            }
        };
        let Ok(taken) = tokio::time::timeout(stall, step).await else {
            let message = format!("nothing that was sent was taken for {} s", stall.as_secs());
            return Err(HostError::new(HostErrorKind::Disconnected, message));
        };
        match taken.map_err(|error| gone(error.to_string()))? {
            0 if rest.is_empty() => return Ok(()),
            0 => return Err(gone("it takes no more".into())),
            taken => rest = &rest[taken..],
        }
    }
}

fn program(options: &SessionOptions) -> Result<String, HostError> {
    let state = options.state();
    // Beside the stamps of running units, which outlive the run.
    let work = format!("{}/.work-{}", options.run_root, options.cluster);
    let names = [("CLUSTER", &options.cluster), ("RUN", &options.run), ("STATE", &state), ("WORK", &work)];
    let mut text = String::new();
    for (name, value) in names {
        if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte)) {
            return Err(HostError::new(HostErrorKind::Local, format!("{value} cannot name a {name}")));
        }
        let _ = writeln!(text, "{name}={}", quote(value));
    }
    let _ = writeln!(text, "interpreter={}", quote(&options.interpreter));
    let _ = writeln!(text, "patience={}", options.watchdog.as_secs().max(1));
    for (name, value) in [("prelude", PRELUDE), ("runtime", &options.runtime)] {
        let _ = writeln!(text, "{name}={}", quote(&without_comments(value)));
    }
    let _ = write!(text, "{}{END}", without_comments(SHELL));
    Ok(text)
}

/// Collects standard error and counts sudo's prompts, until its end.
async fn listen(
    mut from: std::pin::Pin<Box<dyn tokio::io::AsyncRead + Send>>,
    said: Stderr,
    mark: Option<String>,
    prompts: watch::Sender<u32>,
) {
    let mut chunk = vec![0; 4096];
    let mut unmatched = String::new();
    while let Ok(size) = from.read(&mut chunk).await {
        if size == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&chunk[..size]);
        let Some(mark) = &mark else {
            said.add(&text);
            continue;
        };
        unmatched.push_str(&text);
        while let Some(at) = unmatched.find(mark) {
            said.add(&unmatched[..at]);
            unmatched.drain(..at + mark.len());
            prompts.send_modify(|times| *times += 1);
        }
        // The beginning of a mark may stand at the end of what came.
        let held = (0..mark.len()).rev().find(|size| unmatched.ends_with(&mark[..*size])).unwrap_or(0);
        let rest = unmatched.split_off(unmatched.len() - held);
        said.add(&unmatched);
        unmatched = rest;
    }
}

/// Sudo prompted for the nth time.
async fn answer(times: u32, pen: &mut Pen, options: &SessionOptions) -> Result<(), HostError> {
    let password = options.sudo.as_ref().and_then(|sudo| sudo.password.as_ref());
    match (times, password) {
        (1, Some(password)) => {
            let line = format!("{}\n", password.reveal());
            write(pen, line.as_bytes(), options.deadlines.stall).await
        }
        (_, Some(_)) => Err(trouble::wrong_password()),
        (_, None) => Err(trouble::no_password()),
    }
}

/// The last lines of a text, joined.
pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("; ")
}

/// A number that nobody on the host can guess beforehand.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bootstrap_survives_every_login_shell() {
        for text in [BOOTSTRAP, BECOME_ROOT] {
            assert!(!text.contains(['\'', '!', '\n']));
            // fish reads \\ and \' within single quotes, nothing else.
            assert!(!text.contains(r"\\"));
        }
    }
}
