//! The status on one screen: the verdict first, then what it rests on.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use indicatif::HumanBytes;

use crate::cli::output::findings_view::findings_view;
use crate::cli::output::text::{Canvas, Tone, clean_line, columns, count, names, wrap};
use crate::plan::model::{Finding, Severity};
use crate::status::{EtcdVerdict, MemberStatus, Status, Verdict};

/// Drift beyond this many lines is counted, so that the screen stays one.
const DRIFT_LINES: usize = 8;
const LABEL: usize = 10;

/// The status for people, ending with a line end.
pub fn status_view(status: &Status, canvas: &Canvas) -> String {
    let view = View { status, canvas };
    let mut text = String::new();
    view.verdict(&mut text);
    view.etcd(&mut text);
    view.questdb(&mut text);
    view.kuboard(&mut text);
    view.balancer(&mut text);
    view.hosts(&mut text);
    view.drift(&mut text);
    view.findings(&mut text);
    text
}

struct View<'a> {
    status: &'a Status,
    canvas: &'a Canvas,
}

impl View<'_> {
    fn verdict(&self, text: &mut String) {
        let (tone, word) = match self.status.verdict {
            Verdict::Healthy => (Tone::Good, "healthy"),
            Verdict::Degraded => (Tone::Warn, "degraded"),
            Verdict::Unknown => (Tone::Warn, "unknown"),
            Verdict::Down => (Tone::Bad, "down"),
        };
        let name = self.canvas.paint(Tone::Strong, &self.status.cluster);
        let _ = writeln!(text, "{name} is {}", self.canvas.paint(tone, word));
        for reason in &self.status.reasons {
            let lines = wrap(&clean_line(reason), self.canvas.width - 4);
            let _ = writeln!(text, "  - {}", lines.join("\n    "));
        }
        text.push('\n');
    }

    /// A line of a section: the label in its column, the text wrapped beside it.
    fn line(&self, text: &mut String, label: &str, line: &str) {
        // A row of a table goes on farther in, so that it is not taken for two.
        let hang = if label.is_empty() && columns(line) > self.canvas.width - LABEL { 4 } else { 0 };
        let lines = wrap(line, self.canvas.width - LABEL - hang);
        let label = self.canvas.cell(Some(Tone::Strong), label, LABEL);
        let _ = writeln!(text, "{label}{}", lines.join(&format!("\n{}", " ".repeat(LABEL + hang))));
    }

    fn etcd(&self, text: &mut String) {
        let etcd = &self.status.etcd;
        let quorum = &etcd.quorum;
        let healthy = format!("{} of {} healthy", quorum.healthy, count(quorum.voters, "member"));
        let line = match (etcd.verdict, quorum.can_lose) {
            (EtcdVerdict::Fresh, _) => "not built yet".to_owned(),
            (EtcdVerdict::InterruptedBootstrap, _) => "its first start was cut off".to_owned(),
            (EtcdVerdict::Split, _) => {
                format!("{}: its members belong to different clusters", self.canvas.paint(Tone::Bad, "split"))
            }
            (EtcdVerdict::Foreign, _) => {
                format!("{}: {healthy}; not built by kuboard-ha", self.canvas.paint(Tone::Bad, "foreign"))
            }
            (EtcdVerdict::DataMissing, _) => {
                format!(
                    "{}: it was formed, and its data is not to be seen",
                    self.canvas.paint(Tone::Bad, "data missing")
                )
            }
            (EtcdVerdict::Stopped | EtcdVerdict::LostQuorum, _) | (EtcdVerdict::Unknown, Some(_)) => format!(
                "{}: {healthy}, {} needed",
                self.canvas.paint(Tone::Bad, "no quorum"),
                quorum.needed()
            ),
            (EtcdVerdict::Formed, Some(0)) if quorum.voters == 1 => {
                format!("{healthy}; a single member survives no failure")
            }
            (EtcdVerdict::Formed, Some(0)) => {
                format!("{healthy}; {}", self.canvas.paint(Tone::Warn, "survives no further failure"))
            }
            (EtcdVerdict::Formed, Some(lose)) => {
                format!("{healthy}; survives {}", count(lose, "more failure"))
            }
            (EtcdVerdict::Formed | EtcdVerdict::Unknown, None) => {
                format!("{healthy}; what it survives could not be seen")
            }
        };
        self.line(text, "etcd", &line);
        let wide = etcd.members.iter().map(|member| columns(&member.name)).max().unwrap_or(0);
        for member in &etcd.members {
            let (tone, word) = health(member.healthy);
            let mut row = vec![
                self.canvas.cell(None, &clean_line(&member.name), wide),
                self.canvas.cell(Some(tone), word, 9),
                self.facts_of(member),
            ];
            if let Some(why) = &member.why {
                row.push(clean_line(why));
            }
            row.retain(|cell| !cell.is_empty());
            self.line(text, "", &row.join("  "));
        }
    }

    fn facts_of(&self, member: &MemberStatus) -> String {
        let mut words = Vec::new();
        if self.status.etcd.leader.as_deref() == Some(member.name.as_str()) {
            words.push("leader  ".to_owned());
        } else if member.learner == Some(true) {
            words.push("learner ".to_owned());
        } else if member.version.is_some() && self.status.etcd.leader.is_some() {
            words.push("follower".to_owned());
        }
        words.extend(member.version.clone());
        words.extend(member.db_bytes.map(|bytes| format!("{} of data", HumanBytes(bytes))));
        words.extend(member.raft_index.map(|index| format!("index {index}")));
        words.extend(member.alarms.iter().map(|alarm| self.canvas.paint(Tone::Bad, clean_line(alarm))));
        words.join("  ")
    }

    fn questdb(&self, text: &mut String) {
        let Some(questdb) = &self.status.questdb else {
            return self.line(text, "QuestDB", "none: audit is disabled");
        };
        let mut line = format!("{} on {}", self.health(questdb.healthy), questdb.host);
        if let Some(version) = &questdb.version {
            let _ = write!(line, "  {version}");
        }
        if let Some(why) = &questdb.why {
            let _ = write!(line, ": {}", clean_line(why));
        }
        self.line(text, "QuestDB", &line);
    }

    fn kuboard(&self, text: &mut String) {
        let kuboard = &self.status.kuboard;
        let healthy = kuboard.replicas.iter().filter(|replica| replica.healthy == Some(true)).count();
        let all = count(kuboard.replicas.len(), "replica");
        self.line(text, "Kuboard", &format!("{healthy} of {all} healthy; {}", kuboard.url));
        let wide = kuboard.replicas.iter().map(|replica| columns(replica.host.as_str())).max().unwrap_or(0);
        for replica in &kuboard.replicas {
            let (tone, word) = health(replica.healthy);
            let mut row = format!(
                "{}  {}  {}",
                self.canvas.cell(None, replica.host.as_str(), wide),
                self.canvas.cell(Some(tone), word, 9),
                replica.url
            );
            for extra in replica.image.iter().chain(&replica.why) {
                let _ = write!(row, "  {}", clean_line(extra));
            }
            self.line(text, "", &row);
        }
    }

    fn balancer(&self, text: &mut String) {
        let Some(balancer) = &self.status.load_balancer else {
            return self.line(text, "balancer", "none");
        };
        let address = balancer.address;
        if !balancer.managed {
            return self.line(text, "balancer", &format!("{address}, your own: not looked at"));
        }
        if balancer.holders.is_empty() && balancer.healthy.is_none() {
            return self.line(text, "balancer", &format!("{address}, its hosts were not seen"));
        }
        let holder = match balancer.holders.as_slice() {
            [] => self.canvas.paint(Tone::Bad, "held by none of its hosts"),
            [holder] => format!("held by {holder}"),
            several => self.canvas.paint(Tone::Bad, format!("held by {}", names(several))),
        };
        let answers = match balancer.healthy {
            Some(true) => "answers",
            Some(false) => "does not answer",
            None => "not seen whether it answers",
        };
        self.line(text, "balancer", &format!("{address} {holder}, {answers}"));
    }

    fn hosts(&self, text: &mut String) {
        let hosts = &self.status.hosts;
        let reached = hosts.values().filter(|host| host.reachable).count();
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for host in hosts.values().filter(|host| host.reachable) {
            let arch = host.arch.map(|arch| arch.to_string()).unwrap_or_default();
            let kind = format!("{} {arch}", clean_line(host.os.as_deref().unwrap_or("unknown system")));
            *kinds.entry(kind.trim().to_owned()).or_default() += 1;
        }
        let kinds: Vec<String> = match kinds.len() {
            1 => kinds.into_keys().collect(),
            _ => kinds.into_iter().map(|(kind, number)| format!("{number} {kind}")).collect(),
        };
        let missing: Vec<_> =
            hosts.iter().filter(|(_, host)| !host.reachable).map(|(name, _)| name.as_str()).collect();
        let mut line = format!("{reached} of {} reachable", hosts.len());
        if !missing.is_empty() && reached > 0 {
            let _ = write!(line, ", {} {}", self.canvas.paint(Tone::Bad, "missing"), missing.join(" "));
        }
        if !kinds.is_empty() {
            let _ = write!(line, "; {}", kinds.join(", "));
        }
        self.line(text, "hosts", &line);
    }

    fn drift(&self, text: &mut String) {
        let drift = &self.status.drift;
        if drift.is_empty() {
            let blind = self.status.findings.iter().any(|finding| self.status.is_news(finding));
            let line = match (blind, self.status.hosts.values().all(|host| host.reachable)) {
                (true, _) => "not known: see the findings",
                (false, false) => "nothing, as far as hosts answer",
                (false, true) => "nothing from the inventory",
            };
            return self.line(text, "differs", line);
        }
        let more = drift.len().saturating_sub(DRIFT_LINES);
        let line = format!("{} from the inventory; `kuboard-ha plan` explains", count(drift.len(), "thing"));
        self.line(text, "differs", &line);
        if self.status.etcd.verdict == EtcdVerdict::Fresh {
            return;
        }
        let shown = &drift[..drift.len() - more];
        let host = shown.iter().map(|drift| columns(drift.host.as_str())).max().unwrap_or(0);
        let resource = shown.iter().map(|drift| columns(drift.resource.as_str())).max().unwrap_or(0).min(36);
        for drift in shown {
            let row = format!(
                "{}  {}  {}",
                self.canvas.cell(None, drift.host.as_str(), host),
                self.canvas.cell(None, &clean_line(drift.resource.as_str()), resource),
                clean_line(&drift.reason)
            );
            self.line(text, "", &row);
        }
        if more > 0 {
            self.line(text, "", &format!("and {more} more"));
        }
    }

    /// What forbids changes in full; the rest is counted, or the screen would not be one.
    fn findings(&self, text: &mut String) {
        let findings = &self.status.findings;
        let grave: Vec<Finding> =
            findings.iter().filter(|finding| self.status.is_news(finding)).cloned().collect();
        let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
        if warnings > 0 {
            let line = format!("{}; `kuboard-ha check` tells", count(warnings, "warning"));
            self.line(text, "also", &line);
        }
        if !grave.is_empty() {
            let _ = write!(text, "\n{}", findings_view(&grave, self.canvas));
        }
    }

    fn health(&self, healthy: Option<bool>) -> String {
        let (tone, word) = health(healthy);
        self.canvas.paint(tone, word)
    }
}

fn health(healthy: Option<bool>) -> (Tone, &'static str) {
    match healthy {
        Some(true) => (Tone::Good, "healthy"),
        Some(false) => (Tone::Bad, "unhealthy"),
        None => (Tone::Warn, "not seen"),
    }
}
