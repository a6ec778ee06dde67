//! What is wrong with a file, and what is merely unwise: collected in one pass, told with the place.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

/// One thing that is wrong in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What to underline, in bytes of the text.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The span holds a secret in the clear: show the text through [`super::masked`].
    pub secret: bool,
}

/// One thing that works and is better done otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Where it stands, from 1.
    pub line: usize,
    /// For programs, as in `etcd.version-advised-against`.
    pub code: &'static str,
    /// What was seen.
    pub message: String,
    /// What would be better.
    pub hint: Option<String>,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub line: usize,
    pub column: usize,
    pub start: usize,
    pub end: usize,
}

/// What a parser of one value says when it refuses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub message: String,
    pub hint: Option<String>,
}

impl Wrong {
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

/// Collects problems and advice. Values are named by path, `etcd/hosts/2`; a path that the file does not
/// hold (a default) stands where its nearest parent does.
#[derive(Debug, Default)]
pub(crate) struct Report(RefCell<Collected>);

#[derive(Debug, Default)]
struct Collected {
    places: BTreeMap<String, Place>,
    problems: Vec<(String, Problem)>,
    advice: Vec<Advice>,
}

impl Report {
    /// Remembers where the value at `path` stands.
    pub fn mark(&self, path: &str, place: Place) {
        self.0.borrow_mut().places.insert(path.to_owned(), place);
    }

    /// Whether a problem stands at this place already.
    pub fn tells(&self, place: Place) -> bool {
        let told = |problem: &Problem| problem.span == (place.start..place.end);
        self.0.borrow().problems.iter().any(|(_, problem)| told(problem))
    }

    /// Whether the file itself holds a value at `path`.
    pub fn holds(&self, path: &str) -> bool {
        self.0.borrow().places.contains_key(path)
    }

    /// Records a problem, unless one was recorded at this value, inside it or around it: the second would
    /// only follow from the first.
    pub fn problem(&self, path: impl AsRef<str>, message: impl Into<String>, hint: impl Into<String>) {
        self.record(path.as_ref(), Wrong::new(message, hint), false);
    }

    /// As [`Report::problem`], for a parser's refusal.
    pub fn refuse(&self, path: impl AsRef<str>, wrong: Wrong) {
        self.record(path.as_ref(), wrong, false);
    }

    /// As [`Report::problem`], where the value itself must not be shown.
    pub fn problem_with_secret(
        &self,
        path: impl AsRef<str>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.record(path.as_ref(), Wrong::new(message, hint), true);
    }

    /// Records advice.
    pub fn advise(
        &self,
        path: impl AsRef<str>,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let line = self.place(path.as_ref()).line;
        let advice = Advice { line, code, message: message.into(), hint: Some(hint.into()) };
        self.0.borrow_mut().advice.push(advice);
    }

    /// The advice, or everything that is wrong; both in the file's order.
    pub fn finish(self) -> Result<Vec<Advice>, Vec<Problem>> {
        let Collected { problems, mut advice, .. } = self.0.into_inner();
        if problems.is_empty() {
            advice.sort_by_key(|advice| advice.line);
            return Ok(advice);
        }
        let mut problems: Vec<Problem> = problems.into_iter().map(|(_, problem)| problem).collect();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        Err(problems)
    }

    fn record(&self, path: &str, wrong: Wrong, secret: bool) {
        let place = self.place(path);
        let mut collected = self.0.borrow_mut();
        let told = |known: &str| known.is_empty() || within(known, path) || within(path, known);
        if !collected.problems.iter().any(|(known, _)| told(known)) {
            let problem = place.problem(wrong, secret);
            collected.problems.push((path.to_owned(), problem));
        }
    }

    fn place(&self, path: &str) -> Place {
        let places = &self.0.borrow().places;
        let mut path = path;
        loop {
            if let Some(place) = places.get(path) {
                return *place;
            }
            match path.rsplit_once('/') {
                Some((parent, _)) => path = parent,
                None => return Place { line: 1, column: 1, start: 0, end: 0 },
            }
        }
    }
}

impl Place {
    /// A problem that stands here.
    pub fn problem(self, wrong: Wrong, secret: bool) -> Problem {
        Problem {
            line: self.line,
            column: self.column,
            span: self.start..self.end,
            message: wrong.message,
            hint: wrong.hint,
            secret,
        }
    }
}

/// Whether `path` is `outer` or lies inside it.
fn within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_that_follows_from_another_is_not_told() {
        let report = Report::default();
        report.problem("etcd/hosts/1", "no such host", "");
        report.problem("etcd/hosts", "two members", "");
        report.problem("etcd/hosts/1", "again", "");
        report.problem("etcd/host", "another key", "");
        let messages: Vec<String> = report.finish().unwrap_err().into_iter().map(|p| p.message).collect();
        assert_eq!(messages, ["no such host", "another key"]);
    }

    #[test]
    fn a_default_stands_where_its_section_does() {
        let report = Report::default();
        report.mark("etcd", Place { line: 7, column: 1, start: 50, end: 54 });
        report.problem("etcd/version", "old", "");
        assert_eq!(report.finish().unwrap_err()[0].line, 7);
    }
}
