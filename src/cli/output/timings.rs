//! Where the time of a run went: every connection, look, download, upload, step and wait, from the events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::event::{Event, EventSink};
use crate::resource::HostName;

/// Passes events on and keeps when things began and how long they took.
pub struct Timings {
    next: Arc<dyn EventSink>,
    kept: Mutex<Kept>,
}

/// Something that took time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// On which host; `None` on this machine.
    pub host: Option<HostName>,
    /// What it was part of: a job's id, or what is not of a job.
    pub lane: String,
    /// What it was.
    pub what: String,
    /// Since the run began.
    pub start: Duration,
    /// How long.
    pub took: Duration,
    /// What it was made of, the longest first; those of a look ran side by side.
    pub parts: Vec<(String, Duration)>,
}

/// What is under way: on a host or here, in a lane.
type Key = (Option<HostName>, String);

struct Kept {
    begun: Instant,
    /// What is under way, its title, and since when.
    open: BTreeMap<Key, (String, Duration)>,
    stages: BTreeMap<String, String>,
    by_stage: BTreeMap<String, Duration>,
    spans: Vec<Span>,
}

/// What a run's time went into.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// In the order in which they ended.
    pub spans: Vec<Span>,
    /// Steps by stage, over all hosts.
    pub by_stage: BTreeMap<String, Duration>,
}

impl Timings {
    /// Passes on to `next`.
    pub fn new(next: Arc<dyn EventSink>) -> Self {
        let kept = Kept {
            begun: Instant::now(),
            open: BTreeMap::new(),
            stages: BTreeMap::new(),
            by_stage: BTreeMap::new(),
            spans: Vec::new(),
        };
        Self { next, kept: Mutex::new(kept) }
    }

    /// What there is so far.
    pub fn account(&self) -> Account {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Account { spans: kept.spans.clone(), by_stage: kept.by_stage.clone() }
    }
}

impl EventSink for Timings {
    fn emit(&self, event: Event) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take(&event);
        self.next.emit(event);
    }
}

impl Kept {
    fn take(&mut self, event: &Event) {
        match event {
            Event::HostConnecting { host } => self.begin(Some(host), "connect", "connect"),
            Event::HostConnected { host } | Event::HostUnreachable { host, retrying: false, .. } => {
                self.end(Some(host), "connect");
            }
            Event::HostGathered { host, elapsed, parts } => {
                let mut parts: Vec<_> = parts.iter().map(|(name, took)| (name.clone(), *took)).collect();
                parts.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
                self.took(Some(host), "look", "look", *elapsed, parts);
            }
            Event::DownloadProgressed { artifact, .. } => {
                self.begin_once(None, artifact, &format!("download {artifact}"));
            }
            Event::DownloadFinished { artifact, .. } => self.end(None, artifact),
            Event::UploadProgressed { host, artifact, done, total } => {
                let lane = format!("upload {artifact}");
                self.begin_once(Some(host), &lane, &lane);
                if done == total {
                    self.end(Some(host), &lane);
                }
            }
            Event::JobStarted { job, stage, .. } => {
                self.stages.insert(job.clone(), stage.clone());
            }
            Event::StepStarted { job, host, title, .. } => self.begin(Some(host), job, title),
            Event::StepFinished { job, host, .. } | Event::StepFailed { job, host, .. } => {
                self.end(Some(host), job);
                if let (Some(stage), Some(span)) = (self.stages.get(job), self.spans.last()) {
                    *self.by_stage.entry(stage.clone()).or_default() += span.took;
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, host: Option<&HostName>, lane: &str, what: &str) {
        let since = self.begun.elapsed();
        self.open.insert((host.cloned(), lane.to_owned()), (what.to_owned(), since));
    }

    fn begin_once(&mut self, host: Option<&HostName>, lane: &str, what: &str) {
        if !self.open.contains_key(&(host.cloned(), lane.to_owned())) {
            self.begin(host, lane, what);
        }
    }

    fn end(&mut self, host: Option<&HostName>, lane: &str) {
        let Some((what, start)) = self.open.remove(&(host.cloned(), lane.to_owned())) else { return };
        let took = self.begun.elapsed().saturating_sub(start);
        self.spans.push(Span {
            host: host.cloned(),
            lane: lane.to_owned(),
            what,
            start,
            took,
            parts: Vec::new(),
        });
    }

    /// Something ended whose length is known.
    fn took(
        &mut self,
        host: Option<&HostName>,
        lane: &str,
        what: &str,
        took: Duration,
        parts: Vec<(String, Duration)>,
    ) {
        let start = self.begun.elapsed().saturating_sub(took);
        let (lane, what) = (lane.to_owned(), what.to_owned());
        self.spans.push(Span { host: host.cloned(), lane, what, start, took, parts });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Silent;
    use crate::resource::ResourceId;

    #[test]
    fn every_connection_look_transfer_and_step_is_a_span_of_its_host() {
        let timings = Timings::new(Arc::new(Silent));
        let host = HostName::new("etcd1");
        let upload =
            |done| Event::UploadProgressed { host: host.clone(), artifact: "etcd".into(), done, total: 2 };
        let download = Event::DownloadProgressed { artifact: "etcd".into(), done: 1, total: None };
        for event in [
            Event::HostConnecting { host: host.clone() },
            Event::HostConnected { host: host.clone() },
            Event::HostGathered {
                host: host.clone(),
                elapsed: Duration::ZERO,
                parts: BTreeMap::from([("a".into(), Duration::ZERO), ("b".into(), Duration::from_secs(1))]),
            },
            download.clone(),
            download,
            Event::DownloadFinished { artifact: "etcd".into(), bytes: 2, cached: false },
            // What was here already was never begun.
            Event::DownloadFinished { artifact: "questdb".into(), bytes: 2, cached: true },
            Event::JobStarted { job: "etcd.start@etcd1".into(), stage: "etcd".into(), host: host.clone() },
            upload(1),
            upload(2),
            Event::StepStarted {
                job: "etcd.start@etcd1".into(),
                step: 0,
                host: host.clone(),
                resource: ResourceId::new("unit", "etcd.service"),
                title: "start etcd".into(),
            },
            Event::StepFinished {
                job: "etcd.start@etcd1".into(),
                step: 0,
                host: host.clone(),
                changed: true,
                elapsed: Duration::ZERO,
            },
        ] {
            timings.emit(event);
        }
        let account = timings.account();
        let told: Vec<_> =
            account.spans.iter().map(|span| (span.host.is_some(), span.what.as_str())).collect();
        let host = |what| (true, what);
        let expected = [
            host("connect"),
            host("look"),
            (false, "download etcd"),
            host("upload etcd"),
            host("start etcd"),
        ];
        assert_eq!(told, expected);
        assert_eq!(account.spans[1].parts[0].0, "b", "the longest part comes first");
        assert_eq!(account.by_stage.keys().collect::<Vec<_>>(), ["etcd"]);
    }
}
