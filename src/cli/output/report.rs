//! Problems of an inventory with the lines they stand in.

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode,
};

use crate::cli::engine::Problem;
use crate::cli::output::text::Canvas;

/// All problems, each with file:line:column, the line and a hint. `text` is the file, secrets masked already.
pub fn problems_report(name: &str, text: &str, problems: &[Problem], canvas: &Canvas) -> String {
    let theme = if canvas.colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler =
        GraphicalReportHandler::new_themed(theme).with_width(canvas.width).with_context_lines(0).with_links(false);
    let source = NamedSource::new(name, text.to_owned());
    let mut report = String::new();
    for problem in problems {
        let shown = Shown { problem, source: &source, length: text.len() };
        // Writing to a String cannot fail; should drawing do, the bare facts remain.
        if handler.render_report(&mut report, &shown).is_err() {
            report.push_str(&format!("{name}:{}:{}: {}\n", problem.line, problem.column, problem.message));
        }
    }
    report
}

struct Shown<'a> {
    problem: &'a Problem,
    source: &'a NamedSource<String>,
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
        insta::assert_snapshot!(report, @"");
    }
}
