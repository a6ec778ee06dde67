//! Findings, the gravest first; one that several hosts share is told once.

use std::fmt::Write as _;

use crate::cli::output::text::{Canvas, Tone, clean, columns, names, wrap};
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

const INDENT: usize = 9;

/// A note's hint of more lines is a document of its own, such as the configuration of somebody's balancer.
const LONG: usize = 8;

/// The findings as paragraphs; empty text where there are none. Long hints are left out, see [`long_hints`].
pub fn findings_view(findings: &[Finding], canvas: &Canvas) -> String {
    let mut text = String::new();
    for shared in share(findings) {
        let label = canvas.cell(Some(tone(shared.finding.severity)), word(shared.finding.severity), INDENT);
        let place = match shared.hosts.as_slice() {
            [] => String::new(),
            hosts => format!("{}: ", names(hosts)),
        };
        let message = format!("{place}{}", clean(&shared.finding.message));
        let code = format!("[{}]", shared.finding.code);
        let mut lines = wrap(&message, canvas.width - INDENT);
        match lines.last_mut() {
            Some(last) if columns(last) + 1 + columns(&code) <= canvas.width - INDENT => {
                *last = format!("{last} {}", canvas.paint(Tone::Dim, &code));
            }
            _ => lines.push(canvas.paint(Tone::Dim, &code)),
        }
        for (number, line) in lines.iter().enumerate() {
            let margin = if number == 0 { label.clone() } else { " ".repeat(INDENT) };
            let _ = writeln!(text, "{margin}{line}");
        }
        let document = document(shared.finding).map(|_| "`kuboard-ha plan` ends with it");
        let hint = document.or(shared.finding.hint.as_deref());
        for line in hint.iter().flat_map(|hint| hint_lines(hint, canvas.width - INDENT - 6)) {
            let _ = writeln!(text, "{}{line}", " ".repeat(INDENT));
        }
    }
    text
}

/// The hints that are documents of their own, each under its code.
pub fn long_hints(findings: &[Finding], canvas: &Canvas) -> String {
    let mut text = String::new();
    for shared in share(findings) {
        if let Some(hint) = document(shared.finding) {
            let title = canvas.paint(Tone::Strong, &shared.finding.code);
            let _ = write!(text, "\n{title}\n{}\n", clean(hint.trim_end()));
        }
    }
    text
}

/// The hint that is a document of its own. What is graver than a note keeps its way out beside it, however long.
fn document(finding: &Finding) -> Option<&str> {
    let hint = finding.hint.as_deref().filter(|_| finding.severity == Severity::Note)?;
    (hint.lines().count() > LONG).then_some(hint)
}

/// The word for a severity.
pub fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Blocked => "blocked",
        Severity::Unknown => "unknown",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Blocked => Tone::Bad,
        Severity::Unknown | Severity::Warning => Tone::Warn,
        Severity::Note => Tone::Dim,
    }
}

/// Prose is wrapped; a line that begins with a space or ends a list of commands stays as it is, to be copied.
fn hint_lines(hint: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in clean(hint).lines() {
        if line.starts_with(' ') || line.starts_with('$') {
            lines.push(line.to_owned());
        } else {
            lines.extend(wrap(line, width));
        }
    }
    for (number, line) in lines.iter_mut().enumerate() {
        *line = format!("{}{line}", if number == 0 { "hint: " } else { "      " });
    }
    lines
}

struct Shared<'a> {
    finding: &'a Finding,
    hosts: Vec<&'a HostName>,
}

fn share(findings: &[Finding]) -> Vec<Shared<'_>> {
    let mut all: Vec<Shared<'_>> = Vec::new();
    for finding in findings {
        let twin = all.iter_mut().find(|shared| {
            let other = shared.finding;
            other.host.is_some()
                && finding.host.is_some()
                && (other.severity, &other.code, &other.message, &other.hint)
                    == (finding.severity, &finding.code, &finding.message, &finding.hint)
        });
        match twin {
            Some(shared) => shared.hosts.extend(&finding.host),
            None => all.push(Shared { finding, hosts: finding.host.iter().collect() }),
        }
    }
    all.sort_by_key(|shared| shared.finding.severity);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_note_leaves_a_long_hint_to_the_plan() {
        let hint = format!("on etcd1:{}", "\n  ufw allow 80/tcp".repeat(9));
        let find = |severity| [Finding::cluster(severity, "a.b", "It is so.").hint(&*hint)];
        let shown = findings_view(&find(Severity::Note), &Canvas::PLAIN);
        assert!(shown.contains("`kuboard-ha plan` ends with it") && !shown.contains("ufw"), "{shown}");
        assert!(long_hints(&find(Severity::Note), &Canvas::PLAIN).contains("ufw"));
        let shown = findings_view(&find(Severity::Blocked), &Canvas::PLAIN);
        assert_eq!(shown.matches("  ufw allow 80/tcp\n").count(), 9, "{shown}");
        assert_eq!(long_hints(&find(Severity::Blocked), &Canvas::PLAIN), "");
    }

    #[test]
    fn the_gravest_comes_first_and_what_hosts_share_is_told_once() {
        let host = HostName::new;
        let noexec = "/tmp is mounted noexec; QuestDB gets its own folder for temporary files.";
        let findings = [
            Finding::on(&host("a"), Severity::Note, "host.noexec", noexec),
            Finding::on(&host("b"), Severity::Note, "host.noexec", noexec),
            Finding::on(
                &host("etcd3"),
                Severity::Blocked,
                "etcd.foreign-data",
                "/var/lib/etcd holds data\x1b that this cluster did not write.",
            )
            .hint("if nobody needs it, move it aside:\n  mv /var/lib/etcd /var/lib/etcd.aside"),
        ];
        insta::assert_snapshot!(findings_view(&findings, &Canvas { width: 70, colour: false }), @r#"
        blocked  etcd3: /var/lib/etcd holds data\x1b that this cluster did not
                 write. [etcd.foreign-data]
                 hint: if nobody needs it, move it aside:
                         mv /var/lib/etcd /var/lib/etcd.aside
        note     a b: /tmp is mounted noexec; QuestDB gets its own folder for
                 temporary files. [host.noexec]
        "#);
    }
}
