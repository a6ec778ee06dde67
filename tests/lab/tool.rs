//! The program itself, as a user runs it: what it printed, how it ended, how long it took.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// No command of this level may take longer.
const LONGEST: Duration = Duration::from_mins(7);

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The command line.
    pub command: String,
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// The result.
    pub stdout: String,
    /// The progress.
    pub stderr: String,
    /// Wall time.
    pub seconds: f64,
}

impl Outcome {
    /// Fails the test unless the command ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code == Some(code), "{} shall end with {code}\n{}", self.command, self.told());
        self
    }

    /// Fails the test if the command took longer.
    #[track_caller]
    pub fn within(self, seconds: f64) -> Self {
        assert!(self.seconds <= seconds, "{} shall take at most {seconds} s\n{}", self.command, self.told());
        self
    }

    /// The one document on stdout.
    #[track_caller]
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{} printed no JSON: {error}\n{}", self.command, self.told()))
    }

    /// The last event of `up -o json`.
    #[track_caller]
    pub fn last_event(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last)
            .unwrap_or_else(|error| panic!("{} ended with no event: {error}\n{}", self.command, self.told()))
    }

    /// Fails the test unless these words were printed, wherever the lines were broken: that depends on how long the
    /// path of the inventory is.
    #[track_caller]
    pub fn says(&self, words: &str) {
        let printed = format!("{}\n{}", self.stdout, self.stderr);
        let flat: Vec<&str> = printed.split_whitespace().filter(|word| !matches!(*word, "│" | "|")).collect();
        assert!(flat.join(" ").contains(words), "{} shall say {words:?}\n{}", self.command, self.told());
    }

    /// All of it, for the message of a failure.
    pub fn told(&self) -> String {
        let mut text = format!("{}: ended with {:?} after {:.1} s\n", self.command, self.code, self.seconds);
        for (name, said) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let lines: Vec<&str> = said.lines().collect();
            let _ = writeln!(text, "--- {name}");
            for line in &lines[lines.len().saturating_sub(60)..] {
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }
}

/// A process that does not outlive the test that started it: it would go on changing hosts that others are tested on.
struct Leash(Child);

impl Drop for Leash {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command that runs.
pub struct Running {
    command: String,
    child: Leash,
    begun: Instant,
    lines: Receiver<String>,
    seen: String,
    stderr: JoinHandle<String>,
}

impl Running {
    /// Starts the program with these arguments and further variables.
    pub fn start(arguments: &[&str], variables: &BTreeMap<String, String>) -> Self {
        // Whoever started the tests may have signals ignored, as nohup and a shell's `&` do: ours are for the program.
        let mut child = Command::new("env")
            .args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_kuboard-ha")])
            .args(arguments)
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let stderr = std::thread::spawn(move || {
            let mut said = Vec::new();
            let _ = stderr.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        Self {
            command: format!("kuboard-ha {}", arguments.join(" ")),
            child: Leash(child),
            begun: Instant::now(),
            lines,
            seen: String::new(),
            stderr,
        }
    }

    /// The next event on stdout; `None` at its end.
    pub fn next_event(&mut self) -> Option<Value> {
        let left = LONGEST.saturating_sub(self.begun.elapsed());
        let line = self.lines.recv_timeout(left).ok()?;
        self.seen.push_str(&line);
        self.seen.push('\n');
        serde_json::from_str(&line).ok()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.0.kill().unwrap();
    }

    /// Another signal, by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.0.id().to_string()).status();
        assert!(sent.unwrap().success(), "SIG{name} could not be sent");
    }

    /// Waits for its end. One that takes too long is killed, and fails the test.
    pub fn finish(mut self) -> Outcome {
        while let Ok(line) = self.lines.recv_timeout(LONGEST.saturating_sub(self.begun.elapsed())) {
            self.seen.push_str(&line);
            self.seen.push('\n');
        }
        let late = self.begun.elapsed() >= LONGEST;
        if late {
            let _ = self.child.0.kill();
        }
        let code = self.child.0.wait().unwrap().code();
        let outcome = Outcome {
            command: self.command,
            code,
            seconds: self.begun.elapsed().as_secs_f64(),
            stdout: self.seen,
            stderr: self.stderr.join().unwrap(),
        };
        assert!(!late, "did not end\n{}", outcome.told());
        outcome
    }
}
