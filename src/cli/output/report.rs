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
    let source = WholeLines(NamedSource::new(name, text.to_owned()));
    let mut report = String::new();
    for problem in &problems[..problems.len().min(MOST)] {
        let shown = Shown { problem, source: &source, text };
        // Writing to a String cannot fail; should drawing do, the bare facts remain.
        if handler.render_report(&mut report, &shown).is_err() {
            let _ = writeln!(report, "{name}:{}:{}: {}", problem.line, problem.column, problem.message);
        }
        report.push('\n');
    }
    if problems.len() > MOST {
        let _ = writeln!(report, "and {} more problems", problems.len() - MOST);
    }
    report
}

/// Problems that are told: nobody mends more at a time.
pub const MOST: usize = 40;

/// Bytes of a line that are shown before what is wrong and from there on.
const AROUND: usize = 160;

/// Shows the line that a span stands in and no other, of a long line the part around it. The handler asks with context for the lines to show, and
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
        let begun = text.get(..span.offset()).and_then(|head| head.rfind('\n')).map_or(0, |at| at + 1);
        let ended = text.get(end..).and_then(|tail| tail.find('\n')).map_or(text.len(), |at| end + at);
        let from = begun.max(text.ceil_char_boundary(span.offset().saturating_sub(AROUND)));
        let to = ended.min(text.floor_char_boundary(span.offset().saturating_add(AROUND)));
        self.0.read_span(&SourceSpan::from(from..to), 0, 0)
    }
}

struct Shown<'a> {
    problem: &'a Problem,
    source: &'a WholeLines,
    text: &'a str,
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
        let start = self.problem.span.start.min(self.text.len());
        let most = self.text.floor_char_boundary(start + AROUND / 2);
        let end = self.problem.span.end.clamp(start, most);
        Some(Box::new(std::iter::once(LabeledSpan::new(None, start, end - start))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_nothing_but_mistakes_is_told_in_short() {
        let text = "é".repeat(400_000);
        let problem = |at: usize| Problem {
            line: 1,
            column: at + 1,
            span: at * 2..800_000,
            message: format!("problem {at}"),
            hint: None,
            secret: false,
        };
        let problems: Vec<Problem> = (0..4000).map(problem).collect();
        let report = problems_report("inventory.yaml", &text, &problems, &Canvas::PLAIN);
        assert!(report.len() < 100_000, "{}", report.len());
        assert!(report.contains("[inventory.yaml:1:79]") && report.contains("problem 39"), "{report}");
        assert!(report.trim_end().ends_with("and 3960 more problems"), "{report}");
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
