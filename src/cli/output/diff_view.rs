//! Files before and after, secrets masked.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

use crate::cli::output::text::{Canvas, Tone, clean, names};
use crate::facts::Facts;
use crate::facts::model::{FileFact, FileState, Observed};
use crate::plan::model::{Action, Job, Plan, Step};
use crate::resource::{Content, HostName};

/// A unified difference of every file that the jobs write; what several hosts share is shown once.
pub fn diff_view(facts: &Facts, plan: &Plan, jobs: &[&Job], canvas: &Canvas) -> String {
    let mut all: Vec<(Vec<&HostName>, FileDiff)> = Vec::new();
    for (host, step) in jobs.iter().flat_map(|job| job.steps.iter().map(|step| (&job.host, step))) {
        let Some(diff) = file_diff(facts, plan, host, step, canvas) else {
            continue;
        };
        match all.iter_mut().find(|(_, other)| *other == diff) {
            Some((hosts, _)) => hosts.push(host),
            None => all.push((vec![host], diff)),
        }
    }
    all.into_iter().fold(String::new(), |mut text, (hosts, diff)| {
        let title = canvas.paint(Tone::Strong, format!("{} {}", names(hosts), diff.title));
        let _ = write!(text, "      {title}\n{}", diff.body);
        text
    })
}

#[derive(PartialEq, Eq)]
struct FileDiff {
    /// The path, and what has to be said about it.
    title: String,
    /// The lines.
    body: String,
}

fn file_diff(facts: &Facts, plan: &Plan, host: &HostName, step: &Step, canvas: &Canvas) -> Option<FileDiff> {
    let Action::WriteFile { path, content, .. } = &step.action else {
        return None;
    };
    let fact = match facts.host(host).and_then(|host| host.files.get(path)) {
        Some(Observed::Known(fact)) => fact.as_ref(),
        _ => None,
    };
    let (before, note) = match written_before(plan, host, path, step) {
        Some(content) => (clean(&content.masked()), " (once more)"),
        None => before(fact),
    };
    let after = alike_masked(&before, &clean(&content.masked()));
    let mut text = String::new();
    let diff = TextDiff::from_lines(before.as_str(), after.as_str());
    if diff.ratio() >= 1.0 {
        text.push_str("      (same text; its mode, its owner or a secret differs)\n");
    }
    for group in diff.grouped_ops(2) {
        if let (Some(first), Some(last)) = (group.first(), group.last()) {
            let (old, new) = (
                first.old_range().start..last.old_range().end,
                first.new_range().start..last.new_range().end,
            );
            let place = format!("@@ -{},{} +{},{} @@", old.start + 1, old.len(), new.start + 1, new.len());
            let _ = writeln!(text, "      {}", canvas.paint(Tone::Dim, place));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, tone) = match change.tag() {
                ChangeTag::Delete => ("-", Some(Tone::Bad)),
                ChangeTag::Insert => ("+", Some(Tone::Good)),
                ChangeTag::Equal => (" ", None),
            };
            let line = format!("{sign}{}", change.value().trim_end_matches('\n'));
            let _ = writeln!(text, "      {}", canvas.cell(tone, &line, 0));
        }
    }
    Some(FileDiff { title: format!("{path}{note}"), body: text })
}

/// What an earlier step of the plan writes there.
fn written_before<'a>(plan: &'a Plan, host: &HostName, path: &str, step: &Step) -> Option<&'a Content> {
    let steps = plan.jobs.iter().filter(|job| job.host == *host).flat_map(|job| &job.steps);
    let earlier = steps.take_while(|earlier| !std::ptr::eq(*earlier, step));
    let writes = earlier.filter_map(|earlier| match &earlier.action {
        Action::WriteFile { path: other, content, .. } if other == path => Some(content),
        _ => None,
    });
    writes.last()
}

/// What is there was masked on the host, a whole value at a time; what comes is known but for the secret. Where they
/// may be the same, the line that comes is shown as the other.
fn alike_masked(before: &str, after: &str) -> String {
    let whole: Vec<&str> = before
        .lines()
        .filter(|line| line.ends_with("=***"))
        .map(|line| line.trim_end_matches("***"))
        .collect();
    let mut text = String::new();
    for line in after.split_inclusive('\n') {
        match whole.iter().find(|name| line.starts_with(**name) && line.contains("***")) {
            Some(name) => {
                let _ = writeln!(text, "{name}***");
            }
            None => text.push_str(line),
        }
    }
    text
}

/// The text that is there, and what has to be said about it.
fn before(fact: Option<&FileFact>) -> (String, &'static str) {
    match fact {
        None => (String::new(), " (new)"),
        Some(FileFact { text: Some(text), state, .. }) => {
            let note = match state {
                FileState::Ours { intact: false, .. } => " (edited since it was written)",
                FileState::Ours { .. } => "",
                FileState::PackageDefault => " (now the distribution's)",
                FileState::Foreign(_) => " (now somebody else's)",
            };
            (clean(text), note)
        }
        Some(FileFact { text: None, .. }) => (String::new(), " (what is there now was not read)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_masked_in_two_ways_is_no_difference() {
        let before = "A=1\nURI=***\n";
        assert_eq!(alike_masked(before, "A=2\nURI=postgresql://admin:***@h/q\n"), "A=2\nURI=***\n");
        assert_eq!(alike_masked(before, "URI=none\nURIS=***"), "URI=none\nURIS=***");
    }
}
