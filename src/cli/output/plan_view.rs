//! A plan as a colleague would explain it: what was found, then stage by stage what is done where, and why.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::cli::output::diff_view::diff_view;
use crate::cli::output::findings_view::{findings_view, long_hints};
use crate::cli::output::text::{Canvas, Tone, all_hosts_are, clean_line, columns, count, names, wrap};
use crate::facts::Facts;
use crate::plan::model::{Job, JobId, Plan, Planning, Reason, Risk, Severity, Step};
use crate::plan::title::step_title;
use crate::resource::HostName;

/// What the view is made from.
#[derive(Clone, Copy)]
pub struct PlanView<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// What was planned.
    pub planning: &'a Planning,
    /// From what it was planned.
    pub facts: &'a Facts,
    /// Whether files are shown before and after.
    pub diff: bool,
}

impl PlanView<'_> {
    /// The text, ending with a line end.
    pub fn render(&self, canvas: &Canvas) -> String {
        let mut text = format!("{}\n", wrap(&self.summary(canvas), canvas.width).join("\n"));
        let findings = findings_view(&self.planning.findings, canvas);
        if !findings.is_empty() {
            let _ = write!(text, "\n{findings}");
        }
        let plan = &self.planning.plan;
        for stage in &plan.stages {
            let jobs: Vec<&Job> = plan.jobs.iter().filter(|job| job.stage == stage.id).collect();
            if !jobs.is_empty() {
                let _ = write!(text, "\n{}\n", canvas.paint(Tone::Strong, &stage.title));
                self.stage(&mut text, &jobs, canvas);
            }
        }
        if !plan.is_empty() {
            let busy: BTreeSet<_> = plan.jobs.iter().map(|job| &job.host).collect();
            let idle: Vec<_> = self.facts.hosts.keys().filter(|host| !busy.contains(host)).collect();
            if !idle.is_empty() {
                let _ = write!(text, "\nNothing to do on {}.\n", names(idle));
            }
        }
        text.push_str(&long_hints(&self.planning.findings, canvas));
        text
    }

    fn summary(&self, canvas: &Canvas) -> String {
        let plan = &self.planning.plan;
        let hosts = count(self.facts.hosts.len(), "host");
        let name = canvas.paint(Tone::Strong, self.cluster);
        if self.planning.is_blocked() {
            let grave = |severity| {
                self.planning.findings.iter().filter(|finding| finding.severity == severity).count()
            };
            let (blocked, unknown) = (grave(Severity::Blocked), grave(Severity::Unknown));
            let what = if blocked > 0 { count(blocked, "finding") } else { count(unknown, "open question") };
            let below =
                if plan.is_empty() { "" } else { " What could be planned without an answer follows." };
            return format!(
                "{name}: {} by {what}; `up` would change nothing on {hosts}.{below}",
                canvas.paint(Tone::Bad, "blocked")
            );
        }
        if plan.is_empty() {
            let hosts = all_hosts_are(self.facts.hosts.len());
            return format!("{name}: nothing to do, {hosts} as the inventory asks.");
        }
        let busy: BTreeSet<_> = plan.jobs.iter().map(|job| &job.host).collect();
        let disturbing = match plan.risk() {
            Risk::None => "nothing that runs is disturbed".to_owned(),
            risk => canvas.paint(Tone::Warn, risk_words(plan, risk)),
        };
        format!("{name}: {} on {} of {hosts}; {disturbing}.", count(plan.step_count(), "step"), busy.len())
    }

    fn stage(&self, text: &mut String, jobs: &[&Job], canvas: &Canvas) {
        let groups = group(jobs, &Order::of(&self.planning.plan));
        let longest = groups.iter().flat_map(|group| &group.rows).map(|row| columns(&row.title)).max();
        let column = longest.unwrap_or(0).min((canvas.width - 6) * 3 / 5);
        let mut shown = "";
        for group in &groups {
            if group.place != shown {
                let _ = writeln!(text, "  {}", wrap(&group.place, canvas.width - 2).join("\n  "));
                shown = &group.place;
            }
            for row in &group.rows {
                row.render(text, column, canvas);
            }
            if self.diff {
                text.push_str(&diff_view(self.facts, &self.planning.plan, &group.jobs, canvas));
            }
        }
    }
}

fn risk_words(plan: &Plan, risk: Risk) -> String {
    let steps = plan.jobs.iter().flat_map(|job| &job.steps).filter(|step| step.risk == risk).count();
    match risk {
        Risk::Replace => format!("{} or removes what holds data", count(steps, "step") + " replaces"),
        _ => format!("running services are restarted or reloaded {}", times(steps)),
    }
}

fn times(number: usize) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

/// One step as it is shown.
#[derive(PartialEq, Eq)]
struct Row {
    title: String,
    reason: String,
    mark: char,
    risk: Risk,
}

impl Row {
    fn of(step: &Step) -> Self {
        let mark = match (&step.reason, step.risk) {
            (_, Risk::Replace) => '!',
            (Reason::Missing, _) => '+',
            (Reason::Differs(_), _) => '~',
            (Reason::Needed(_), _) => '·',
        };
        Self {
            title: clean_line(&step_title(step)),
            reason: clean_line(&step.reason.to_string()),
            mark,
            risk: step.risk,
        }
    }

    fn render(&self, text: &mut String, column: usize, canvas: &Canvas) {
        let mark = match self.mark {
            '+' => canvas.paint(Tone::Good, "+"),
            '~' => canvas.paint(Tone::Warn, "~"),
            '!' => canvas.paint(Tone::Bad, "!"),
            other => canvas.paint(Tone::Dim, other.to_string()),
        };
        let room = canvas.width - 6;
        let title = match self.risk {
            Risk::None => self.title.clone(),
            Risk::Restart => canvas.paint(Tone::Warn, &self.title),
            Risk::Replace => canvas.paint(Tone::Bad, &self.title),
        };
        let (wide, reason) = (columns(&self.title), columns(&self.reason));
        let dim = |line: &str| canvas.paint(Tone::Dim, line);
        if wide > column && wide + 2 + reason > room {
            let _ = writeln!(text, "    {mark} {}", wrap(&title, room).join("\n        "));
            for line in wrap(&self.reason, room - 2) {
                let _ = writeln!(text, "        {}", dim(&line));
            }
            return;
        }
        let column = column.max(wide);
        let mut lines = wrap(&self.reason, (room - column).saturating_sub(2).max(20)).into_iter();
        let first = lines.next().unwrap_or_default();
        let row = format!("    {mark} {}  {}", canvas.cell(None, &title, column), dim(&first));
        let _ = writeln!(text, "{}", row.trim_end());
        for line in lines {
            let _ = writeln!(text, "{}{}", " ".repeat(column + 8), dim(&line));
        }
    }
}

/// Jobs of several hosts that show the same rows.
struct Group<'a> {
    what: &'a str,
    jobs: Vec<&'a Job>,
    rows: Vec<Row>,
    place: String,
}

fn group<'a>(jobs: &[&'a Job], order: &Order<'a>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for job in jobs {
        let rows: Vec<Row> = job.steps.iter().map(Row::of).collect();
        let what = job.id.as_str().split('@').next().unwrap_or_default();
        let twin = groups.iter_mut().find(|group| {
            group.what == what && group.rows == rows && group.jobs.iter().all(|other| other.host != job.host)
        });
        match twin {
            Some(group) => group.jobs.push(job),
            None => groups.push(Group { what, jobs: vec![job], rows, place: String::new() }),
        }
    }
    let mut placed: Vec<Group<'a>> = Vec::new();
    for mut group in groups {
        group.place = order.place(&group.jobs);
        // Beside what the same hosts do already, unless something in between has to come first.
        let free = placed.iter().rposition(|other| order.is_after(&group, other)).map_or(0, |last| last + 1);
        let beside = placed.iter().rposition(|other| other.place == group.place).map(|at| at + 1);
        let at = beside.filter(|at| *at >= free).unwrap_or(placed.len());
        placed.insert(at, group);
    }
    placed
}

/// Which jobs come after which, at any distance.
struct Order<'a> {
    before: BTreeMap<&'a JobId, BTreeSet<&'a JobId>>,
}

impl<'a> Order<'a> {
    fn of(plan: &'a Plan) -> Self {
        let mut before: BTreeMap<&JobId, BTreeSet<&JobId>> = BTreeMap::new();
        for job in &plan.jobs {
            let mut all: BTreeSet<&JobId> = job.after.iter().collect();
            for direct in &job.after {
                all.extend(before.get(direct).into_iter().flatten());
            }
            before.insert(&job.id, all);
        }
        Self { before }
    }

    /// Whether a job of the group waits for a job of the other.
    fn is_after(&self, group: &Group<'_>, other: &Group<'_>) -> bool {
        group.jobs.iter().any(|job| {
            let before = self.before.get(&job.id);
            before.is_some_and(|before| other.jobs.iter().any(|other| before.contains(&other.id)))
        })
    }

    /// `etcd1 etcd2 etcd3` where they run side by side, `etcd2, then etcd3, then etcd1` where one waits for the
    /// other.
    fn place(&self, jobs: &[&Job]) -> String {
        let mut waves: Vec<Vec<&HostName>> = Vec::new();
        let mut wave_of: BTreeMap<&JobId, usize> = BTreeMap::new();
        for job in jobs {
            let earlier = self.before.get(&job.id);
            let wave = earlier
                .into_iter()
                .flatten()
                .filter_map(|id| wave_of.get(id))
                .max()
                .map_or(0, |latest| latest + 1);
            wave_of.insert(&job.id, wave);
            if waves.len() <= wave {
                waves.resize(wave + 1, Vec::new());
            }
            waves[wave].push(&job.host);
        }
        waves.iter().map(|hosts| names(hosts.iter())).collect::<Vec<_>>().join(", then ")
    }
}
