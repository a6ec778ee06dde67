//! Problems of an inventory with the lines they stand in.

use std::fmt::Write as _;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, NamedSource, Severity,
    SourceCode, SourceSpan, SpanContents,
};

use crate::cli::engine::Problem;
use crate::cli::output::text::Canvas;

/// All problems, each with its file, line and column, the line and a hint. `text` is the file, secrets masked already.
pub fn problems_report(name: &str, text: &str, problems: &[Problem], canvas: &Canvas) -> String {
    let theme = if canvas.colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(canvas.width)
        .with_context_lines(1)
        .with_links(false);
    let source = WholeLines(NamedSource::new(name, veiled(text)));
    let mut report = String::new();
    for problem in problems {
        let shown = Shown { problem, source: &source, length: text.len() };
        // Writing to a String cannot fail; should drawing do, the bare facts remain.
        if handler.render_report(&mut report, &shown).is_err() {
            let _ = writeln!(report, "{name}:{}:{}: {}", problem.line, problem.column, problem.message);
        }
        report.push('\n');
    }
    report
}

/// The text with `*` in place of what follows a key that speaks of a secret, unless it is a mapping: a line is shown
/// because of any problem in it, and may hold a password that nobody asked about. Lengths and lines stay.
fn veiled(text: &str) -> String {
    const SPEAKING: [&str; 4] = ["password", "passwd", "secret", "token"];
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let lower = line.to_ascii_lowercase();
        let mut shown = line.as_bytes().to_vec();
        for (at, word) in SPEAKING.iter().flat_map(|word| lower.match_indices(word)) {
            let after = at + word.len();
            let value = lower[after..].find(':').map_or(lower.len(), |colon| after + colon + 1);
            let value = value + lower[value..].len() - lower[value..].trim_start().len();
            if lower[value..].starts_with('{') {
                continue;
            }
            let end = lower[value..].find([',', '}']).map_or(shown.len(), |end| value + end);
            for byte in shown.iter_mut().take(end).skip(value) {
                *byte = b'*';
            }
        }
        lines.push(String::from_utf8_lossy(&shown).into_owned());
    }
    lines.join("\n")
}

/// Shows the line that a span stands in and no other. The handler asks with context for the lines to show, and
/// without for the line and column of the span itself.
struct WholeLines(NamedSource<String>);

impl SourceCode for WholeLines {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        if before == 0 && after == 0 {
            return self.0.read_span(span, 0, 0);
        }
        let text = self.0.inner();
        let end = span.offset() + span.len();
        let from = text.get(..span.offset()).and_then(|head| head.rfind('\n')).map_or(0, |at| at + 1);
        let to = text.get(end..).and_then(|tail| tail.find('\n')).map_or(text.len(), |at| end + at);
        self.0.read_span(&SourceSpan::from(from..to), 0, 0)
    }
}

struct Shown<'a> {
    problem: &'a Problem,
    source: &'a WholeLines,
    length: usize,
}

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        let hint = self.problem.hint.as_ref().filter(|hint| !hint.is_empty())?;
        Some(Box::new(hint))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let start = self.problem.span.start.min(self.length);
        let end = self.problem.span.end.clamp(start, self.length);
        Some(Box::new(std::iter::once(LabeledSpan::new(None, start, end - start))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_line_shows_no_password() {
        assert_eq!(
            veiled("ssh: { password: poison, user: ops }\nb: 1"),
            "ssh: { password: ******, user: ops }\nb: 1"
        );
        assert_eq!(veiled("  LDAP_SECRET_X: poison # x"), "  LDAP_SECRET_X: **********");
        assert_eq!(veiled("password: { env: NAME }"), "password: { env: NAME }");
        assert_eq!(veiled("  # the password is elsewhere"), "  # the password is elsewhere");
    }

    #[test]
    fn every_problem_shows_its_place_its_line_and_a_hint() {
        let text = "cluster: kuboard\nectd:\n  hosts: [a]\nkuboard: 3\n";
        let problem = |line, column, span, message: &str, hint: &str| Problem {
            line,
            column,
            span,
            message: message.into(),
            hint: Some(hint.into()),
            secret: false,
        };
        let problems = [
            problem(2, 1, 17..21, "unknown key `ectd`", "did you mean `etcd`?"),
            problem(4, 10, 45..46, "`kuboard` must be a map", "kuboard: { hosts: [NAME] }"),
        ];
        let report = problems_report("inventory.yaml", text, &problems, &Canvas { width: 80, colour: false });
        insta::assert_snapshot!(report, @r#"
         × unknown key `ectd`
          ╭─[inventory.yaml:2:1]
        2 │ ectd:
          · ────
          ╰────
         help: did you mean `etcd`?

         × `kuboard` must be a map
          ╭─[inventory.yaml:4:10]
        4 │ kuboard: 3
          ·          ─
          ╰────
         help: kuboard: { hosts: [NAME] }
        "#);
    }
}
