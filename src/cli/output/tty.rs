//! Events as a live display: a row for each host with what it does now, lines above for what ended.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::output::feed::Renderer;
use crate::cli::output::plain::{again, fetched, planned, progress};
use crate::cli::output::text::{Canvas, Tone, briefly, clean_line, columns, elapsed};
use crate::event::Event;
use crate::resource::HostName;

/// A look that ends sooner shows nothing: the second `up` and `status` stay calm.
const CALM: Duration = Duration::from_millis(400);

/// Draws on a terminal.
pub struct Live {
    canvas: Canvas,
    verbose: u8,
    begun: Instant,
    shown: bool,
    multi: MultiProgress,
    rows: BTreeMap<HostName, Row>,
    downloads: BTreeMap<String, (ProgressBar, Rate)>,
    total: Option<ProgressBar>,
    titles: BTreeMap<(String, usize), String>,
    jobs: BTreeMap<String, Running>,
    wide: usize,
}

/// A host's row.
struct Row {
    bar: ProgressBar,
    upload: Option<(String, Rate)>,
}

/// A job that runs.
struct Running {
    stage: String,
    since: Instant,
    /// What it did: the last step that changed something, else the last.
    deed: Option<(usize, bool)>,
}

/// Bytes over time.
struct Rate {
    since: Instant,
    from: u64,
}

impl Rate {
    fn new(from: u64) -> Self {
        Self { since: Instant::now(), from }
    }

    /// `11.2 MiB/s`; nothing before there is enough to tell.
    fn text(&self, done: u64) -> String {
        let took = self.since.elapsed();
        let bytes = u128::from(done.saturating_sub(self.from)) * 1000;
        match bytes.checked_div(took.as_millis()) {
            Some(rate) if took > Duration::from_millis(300) => {
                format!("  {}/s", indicatif::BinaryBytes(u64::try_from(rate).unwrap_or(u64::MAX)))
            }
            _ => String::new(),
        }
    }
}

impl Live {
    /// Draws on stderr, ten times a second at most.
    pub fn new(canvas: Canvas, verbose: u8) -> Self {
        Self {
            canvas,
            verbose,
            begun: Instant::now(),
            shown: false,
            multi: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            rows: BTreeMap::new(),
            downloads: BTreeMap::new(),
            total: None,
            titles: BTreeMap::new(),
            jobs: BTreeMap::new(),
            wide: 0,
        }
    }

    /// Begins to draw.
    fn show(&mut self) {
        if !self.shown {
            self.shown = true;
            self.multi.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        }
    }

    /// A line above the rows. A hidden display would lose it, so it ends the calm.
    fn above(&mut self, tone: Tone, mark: &str, place: &str, text: &str) {
        self.show();
        let place = self.canvas.cell(Some(Tone::Strong), place, self.wide);
        let _ = self.multi.println(format!("{} {place}  {text}", self.canvas.paint(tone, mark)));
    }

    fn row(&mut self, host: &HostName) -> &mut Row {
        let (multi, total) = (&self.multi, self.total.as_ref());
        let (canvas, wide) = (self.canvas, self.wide);
        self.rows.entry(host.clone()).or_insert_with(|| {
            let bar = match total {
                Some(total) => multi.insert_before(total, ProgressBar::new_spinner()),
                None => multi.add(ProgressBar::new_spinner()),
            };
            bar.set_style(style(IDLE));
            bar.set_prefix(canvas.cell(Some(Tone::Strong), host.as_str(), wide));
            Row { bar, upload: None }
        })
    }

    fn busy(&mut self, host: &HostName, text: &str) {
        let row = self.row(host);
        row.upload = None;
        row.bar.set_style(style(BUSY));
        row.bar.reset_elapsed();
        row.bar.set_message(clean_line(text));
        row.bar.enable_steady_tick(Duration::from_millis(120));
    }

    fn idle(&mut self, host: &HostName, text: &str) {
        let message = self.canvas.paint(Tone::Dim, clean_line(text));
        let row = self.row(host);
        row.bar.disable_steady_tick();
        row.bar.set_style(style(IDLE));
        row.bar.set_message(message);
    }

    fn title(&self, job: &str, step: usize) -> String {
        self.titles.get(&(job.to_owned(), step)).cloned().unwrap_or_else(|| job.to_owned())
    }

    fn staged(&self, job: &str, title: &str) -> String {
        match self.jobs.get(job) {
            Some(running) => format!("{}: {title}", running.stage),
            None => title.to_owned(),
        }
    }

    fn download(&mut self, artifact: &str, done: u64, total: Option<u64>) {
        let (multi, canvas, wide) = (&self.multi, self.canvas, self.wide);
        let (bar, rate) = self.downloads.entry(artifact.to_owned()).or_insert_with(|| {
            let bar = multi.insert(0, ProgressBar::new_spinner());
            bar.set_style(style(BUSY));
            bar.set_prefix(canvas.cell(Some(Tone::Dim), "(here)", wide));
            bar.enable_steady_tick(Duration::from_millis(120));
            (bar, Rate::new(done))
        });
        bar.set_message(format!("downloading {artifact}  {}{}", progress(done, total), rate.text(done)));
    }

    /// The last row: how much of the plan is done.
    fn plan(&mut self, steps: usize) {
        if let Some(old) = self.total.take() {
            old.finish_and_clear();
        }
        let bar = self.multi.add(ProgressBar::new(steps as u64));
        bar.set_style(style(TOTAL).progress_chars("━━─"));
        bar.enable_steady_tick(Duration::from_secs(1));
        self.total = Some(bar);
    }

    fn upload(&mut self, host: &HostName, artifact: &str, done: u64, total: u64) {
        if self.row(host).upload.as_ref().is_none_or(|(name, _)| name != artifact) {
            self.busy(host, "uploading");
            self.row(host).upload = Some((artifact.to_owned(), Rate::new(done)));
        }
        let row = self.row(host);
        let rate = row.upload.as_ref().map(|(_, rate)| rate.text(done)).unwrap_or_default();
        row.bar.set_message(format!("uploading {artifact}  {}{rate}", progress(done, Some(total))));
    }
}

impl Renderer for Live {
    fn render(&mut self, event: &Event, _at: SystemTime) {
        match event {
            Event::RunStarted { hosts, .. } => {
                self.wide = hosts.iter().map(|host| columns(host.as_str())).max().unwrap_or(0).max(6);
            }
            Event::HostConnecting { host } => self.busy(host, "connecting"),
            Event::HostConnected { host } => self.busy(host, "looking"),
            Event::HostGathered { host, .. } => self.idle(host, "looked at"),
            Event::HostUnreachable { host, error, retrying: true, attempt, attempts } => {
                self.busy(host, &format!("not reachable: {error}{}", again(*attempt, *attempts)));
            }
            Event::HostUnreachable { host, error, retrying: false, .. } => {
                self.idle(host, "not reachable");
                self.above(Tone::Bad, "✗", host.as_str(), &format!("not reachable: {}", clean_line(error)));
            }
            Event::Planned { round, steps, .. } if *steps > 0 => {
                if *round > 1 {
                    self.above(Tone::Dim, "·", "", &planned(*round, *steps));
                }
                self.plan(*steps);
            }
            Event::LeaseAwaited { host, holder } => {
                self.busy(host, &format!("waits for another run: {holder}"));
            }
            Event::DownloadProgressed { artifact, done, total } => self.download(artifact, *done, *total),
            Event::DownloadFinished { artifact, bytes, cached } => {
                if let Some((bar, _)) = self.downloads.remove(artifact) {
                    bar.finish_and_clear();
                }
                if !cached || self.verbose > 0 {
                    let text = format!("{artifact} {}  {}", fetched(*cached), progress(*bytes, None));
                    self.above(Tone::Good, "✓", "(here)", &text);
                }
            }
            Event::UploadProgressed { host, artifact, done, total } => {
                self.upload(host, artifact, *done, *total);
            }
            Event::JobStarted { job, stage, .. } => {
                let running = Running { stage: stage.clone(), since: Instant::now(), deed: None };
                self.jobs.insert(job.clone(), running);
            }
            Event::StepStarted { job, step, host, title, .. } => {
                self.titles.insert((job.clone(), *step), title.clone());
                let text = self.staged(job, title);
                self.busy(host, &text);
            }
            Event::StepWaiting { job, step, host, seen } => {
                let text = self.staged(job, &format!("{}: {seen}", self.title(job, *step)));
                self.row(host).bar.set_message(clean_line(&text));
            }
            Event::StepFinished { job, step, host, changed, elapsed: took } => {
                if let Some(total) = &self.total {
                    total.inc(1);
                }
                if let Some(running) = self.jobs.get_mut(job)
                    && (*changed || !running.deed.is_some_and(|(_, changed)| changed))
                {
                    running.deed = Some((*step, *changed));
                }
                if self.verbose > 0 {
                    let took = self.canvas.paint(Tone::Dim, elapsed(*took));
                    let title = clean_line(&self.title(job, *step));
                    self.above(Tone::Good, "✓", host.as_str(), &format!("{title}  {took}"));
                }
            }
            Event::StepFailed { job, step, host, error, evidence, cause } => {
                let title = self.title(job, *step);
                let text = clean_line(&format!("{title}: {error}"));
                self.above(Tone::Bad, "✗", host.as_str(), &text);
                for line in briefly(error, evidence, cause.as_deref()) {
                    self.above(Tone::Dim, "│", "", &clean_line(&line));
                }
                self.idle(host, "failed");
            }
            Event::JobFinished { job, host } => {
                if let Some(running) = self.jobs.remove(job)
                    && let Some((step, _)) = running.deed
                    && self.verbose == 0
                {
                    let what = clean_line(&format!("{}: {}", running.stage, self.title(job, step)));
                    let took = elapsed(running.since.elapsed());
                    let took = self.canvas.paint(Tone::Dim, took);
                    self.above(Tone::Good, "✓", host.as_str(), &format!("{what}  {took}"));
                }
                self.idle(host, "waits");
            }
            Event::JobFenced { host, guard, .. } => {
                self.idle(host, "waits");
                self.above(Tone::Warn, "!", host.as_str(), &format!("no longer so: {guard}; looking again"));
            }
            Event::Interrupted { signal } => {
                let text = format!("{signal}: finishing the steps in hand; once more stops at once");
                self.above(Tone::Warn, "!", "", &text);
            }
            Event::Planned { .. } => {}
        }
    }

    fn tick(&mut self) {
        if self.begun.elapsed() > CALM && !(self.rows.is_empty() && self.downloads.is_empty()) {
            self.show();
        }
    }

    fn clear(&mut self) {
        let rows = std::mem::take(&mut self.rows).into_values().map(|row| row.bar);
        let downloads = std::mem::take(&mut self.downloads).into_values().map(|(bar, _)| bar);
        let bars: Vec<_> = rows.chain(downloads).chain(self.total.take()).collect();
        for bar in &bars {
            bar.disable_steady_tick();
        }
        let _ = self.multi.clear();
        self.multi.set_draw_target(ProgressDrawTarget::hidden());
        // A display that was cleared still counts the lines of bars that ended, and would later draw over what was
        // written in between: a new one begins.
        self.multi = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        self.shown = false;
    }
}

const BUSY: &str = "{spinner} {prefix}  {wide_msg} {elapsed}";
const IDLE: &str = "  {prefix}  {wide_msg}";

const TOTAL: &str = "\n  {pos} of {len} steps  {bar:30.green/dim}  {elapsed}";

fn style(template: &str) -> ProgressStyle {
    // The templates are constants; should one be wrong, the default style shows at least the message.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
