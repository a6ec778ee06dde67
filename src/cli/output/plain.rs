//! Events as sober lines: for CI, for logs, for terminals that cannot be drawn on.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use crate::cli::output::text::{briefly, clean, clean_line, count, elapsed};
use crate::event::Event;
use crate::resource::HostName;

/// Between two lines about the same wait or transfer.
const PAUSE: Duration = Duration::from_secs(10);

/// Writes one line for each thing that ended.
pub struct Plain {
    out: Box<dyn Write + Send>,
    verbose: u8,
    quiet: bool,
    begun: Instant,
    wide: usize,
    titles: BTreeMap<(String, usize), String>,
    spoken: BTreeMap<String, Instant>,
}

impl Plain {
    /// Writes there. `verbose` 0 tells of changes, waits and trouble, 1 of every step and connection, 2 of
    /// jobs too; `quiet` of trouble only.
    pub fn new(out: Box<dyn Write + Send>, verbose: u8, quiet: bool) -> Self {
        Self {
            out,
            verbose,
            quiet,
            begun: Instant::now(),
            wide: 0,
            titles: BTreeMap::new(),
            spoken: BTreeMap::new(),
        }
    }

    fn line(&mut self, place: &str, text: &str) {
        let since = self.begun.elapsed().as_secs_f64();
        let wide = self.wide;
        let text = clean_line(text);
        let _ = writeln!(self.out, "{since:7.1}s  {place:wide$}  {text}").and_then(|()| self.out.flush());
    }

    fn on(&mut self, host: &HostName, text: &str) {
        self.line(host.as_str(), text);
    }

    /// Whether enough time passed since the last line about `what`.
    fn may_speak(&mut self, what: String) -> bool {
        let now = Instant::now();
        let last = self.spoken.entry(what).or_insert(now);
        let due = now.duration_since(*last) >= PAUSE;
        if due {
            *last = now;
        }
        due
    }

    fn title(&self, job: &str, step: usize) -> String {
        self.titles.get(&(job.to_owned(), step)).cloned().unwrap_or_else(|| format!("{job} step {step}"))
    }
}

impl super::feed::Renderer for Plain {
    fn render(&mut self, event: &Event, _at: SystemTime) {
        let told = !self.quiet;
        let verbose = if self.quiet { 0 } else { self.verbose };
        match event {
            Event::RunStarted { run, hosts } => {
                self.wide = hosts.iter().map(|host| host.as_str().len()).max().unwrap_or(0);
                if verbose > 0 {
                    self.line("", &format!("run {run}"));
                }
            }
            Event::HostConnecting { host } if verbose > 1 => self.on(host, "connecting"),
            Event::HostConnected { host } if verbose > 0 => self.on(host, "connected"),
            Event::HostGathered { host, .. } if verbose > 0 => self.on(host, "looked at"),
            Event::HostUnreachable { host, error, retrying, attempt, attempts } if told || !retrying => {
                let next = if *retrying { again(*attempt, *attempts) } else { String::new() };
                self.on(host, &format!("not reachable: {error}{next}"));
            }
            Event::Planned { round, steps, .. } if told && *steps > 0 && (*round > 1 || verbose > 0) => {
                self.line("", &planned(*round, *steps));
            }
            Event::LeaseAwaited { host, holder } if told => {
                self.on(host, &format!("waits for another run: {holder}"));
            }
            Event::DownloadProgressed { artifact, done, total }
                if told && self.may_speak(format!("download {artifact}")) =>
            {
                self.line("", &format!("downloading {artifact}: {}", progress(*done, *total)));
            }
            Event::DownloadFinished { artifact, bytes, cached } if told && (!cached || verbose > 0) => {
                self.line("", &format!("{artifact} {} ({})", fetched(*cached), progress(*bytes, None)));
            }
            Event::UploadProgressed { host, artifact, done, total }
                if told && self.may_speak(format!("upload {host} {artifact}")) =>
            {
                self.on(host, &format!("uploading {artifact}: {}", progress(*done, Some(*total))));
            }
            Event::JobStarted { job, host, .. } if verbose > 1 => self.on(host, &format!("begins {job}")),
            Event::StepStarted { job, step, host, title, .. } => {
                self.titles.insert((job.clone(), *step), title.clone());
                if verbose > 1 {
                    self.on(host, &format!("{title} …"));
                }
            }
            Event::StepWaiting { job, step, host, seen }
                if told && self.may_speak(format!("wait {job} {step}")) =>
            {
                let title = self.title(job, *step);
                self.on(host, &format!("{title}: not yet; {seen}"));
            }
            Event::StepFinished { job, step, host, changed, elapsed: took }
                if told && (*changed || verbose > 0) =>
            {
                let title = self.title(job, *step);
                let how = if *changed { "" } else { ", was so already" };
                self.on(host, &format!("{title} ({}{how})", elapsed(*took)));
            }
            Event::StepFailed { job, step, host, error, evidence, cause } => {
                let title = self.title(job, *step);
                self.on(host, &format!("FAILED: {title}: {error}"));
                for line in briefly(error, evidence, cause.as_deref()) {
                    self.on(host, &format!("  | {}", clean(&line)));
                }
            }
            Event::JobFinished { job, host } if verbose > 1 => self.on(host, &format!("ends {job}")),
            Event::JobFenced { host, guard, .. } => {
                self.on(host, &format!("no longer so: {guard}; looking again"));
            }
            Event::Interrupted { signal } => {
                self.line("", &format!("{signal}: finishing the steps in hand; once more stops at once"));
            }
            _ => {}
        }
    }
}

/// `planned: 1 step`, `planned again: 3 steps`.
pub fn planned(round: u32, steps: usize) -> String {
    format!("planned{}: {}", if round > 1 { " again" } else { "" }, count(steps, "step"))
}

/// How an artifact came to be on this machine.
pub fn fetched(cached: bool) -> &'static str {
    if cached { "already here" } else { "downloaded and verified" }
}

/// `, trying again (2 of 3)`, after that attempt.
pub fn again(attempt: usize, attempts: usize) -> String {
    format!(", trying again ({} of {attempts})", attempt + 1)
}

/// `12.0 MiB of 40.0 MiB`.
pub fn progress(done: u64, total: Option<u64>) -> String {
    let bytes = |bytes| indicatif::BinaryBytes(bytes).to_string();
    match total {
        Some(total) => format!("{} of {}", bytes(done), bytes(total)),
        None => bytes(done),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::cli::output::feed::Renderer;
    use crate::resource::ResourceId;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines(verbose: u8, quiet: bool) -> String {
        let (etcd1, q) = (HostName::new("etcd1"), HostName::new("questdb"));
        let job = || "etcd.start@etcd1".to_owned();
        let kept = Kept::default();
        let mut plain = Plain::new(Box::new(kept.clone()), verbose, quiet);
        for event in [
            Event::RunStarted { run: "r1".into(), hosts: vec![etcd1.clone(), q.clone()] },
            Event::HostConnected { host: etcd1.clone() },
            Event::Planned { round: 1, jobs: 1, steps: 2 },
            Event::DownloadFinished { artifact: "etcd 3.5.6".into(), bytes: 1024, cached: true },
            Event::JobStarted { job: job(), stage: "etcd".into(), host: etcd1.clone() },
            Event::StepStarted {
                job: job(),
                step: 0,
                host: etcd1.clone(),
                resource: ResourceId::new("unit", "etcd.service"),
                title: "start etcd.service".into(),
            },
            Event::StepFinished {
                job: job(),
                step: 0,
                host: etcd1.clone(),
                changed: true,
                elapsed: Duration::from_millis(1200),
            },
            Event::StepFailed {
                job: job(),
                step: 1,
                host: etcd1,
                error: "exit 1".into(),
                evidence: vec!["bind: address\x1b[2J already in use".into()],
                cause: None,
            },
            Event::HostUnreachable {
                host: q,
                error: "timed out".into(),
                retrying: true,
                attempt: 1,
                attempts: 2,
            },
            Event::Planned { round: 2, jobs: 1, steps: 1 },
            Event::DownloadFinished { artifact: "etcd 3.5.6".into(), bytes: 1024, cached: false },
        ] {
            plain.render(&event, SystemTime::now());
        }
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        // The time since the start is not part of what is compared.
        text.lines().flat_map(|line| [&line[10..], "\n"]).collect()
    }

    #[test]
    fn one_line_for_each_thing_that_ended() {
        insta::assert_snapshot!(lines(0, false), @r#"
        etcd1    start etcd.service (1.2 s)
        etcd1    FAILED: etcd.start@etcd1 step 1: exit 1
        etcd1    | bind: address\x1b[2J already in use
        questdb  not reachable: timed out, trying again (2 of 2)
                 planned again: 1 step
                 etcd 3.5.6 downloaded and verified (1.00 KiB)
        "#);
    }

    #[test]
    fn quiet_tells_of_trouble_only_and_verbose_of_everything() {
        insta::assert_snapshot!(lines(0, true), @r#"
        etcd1    FAILED: etcd.start@etcd1 step 1: exit 1
        etcd1    | bind: address\x1b[2J already in use
        "#);
        insta::assert_snapshot!(lines(2, false), @r#"
                 run r1
        etcd1    connected
                 planned: 2 steps
                 etcd 3.5.6 already here (1.00 KiB)
        etcd1    begins etcd.start@etcd1
        etcd1    start etcd.service …
        etcd1    start etcd.service (1.2 s)
        etcd1    FAILED: etcd.start@etcd1 step 1: exit 1
        etcd1    | bind: address\x1b[2J already in use
        questdb  not reachable: timed out, trying again (2 of 2)
                 planned again: 1 step
                 etcd 3.5.6 downloaded and verified (1.00 KiB)
        "#);
    }

    #[test]
    fn a_closed_stream_is_no_trouble() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
        }
        let mut plain = Plain::new(Box::new(Closed), 2, false);
        plain.render(&Event::HostConnected { host: HostName::new("a") }, SystemTime::now());
    }
}
