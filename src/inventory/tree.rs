//! YAML text to a tree that knows where everything stands. The only file that knows the YAML crate.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy, Options, Spanned};

use super::problem::{Place, Problem, Wrong};

/// How many bytes an inventory may have: far above any, far below what would take time.
pub const LARGEST: usize = 1 << 20;
const MAX_NODES: usize = 5_000;

/// One value of the file.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub place: Place,
    pub shape: Shape,
}

/// What a value is. Scalars keep their source text: `3.10` stays `3.10`, `no` stays `no`.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value. Duplicates are kept: the reader reports them.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub key_place: Place,
    pub value: Node,
}

impl Node {
    /// As people call it.
    pub fn kind(&self) -> &'static str {
        match self.shape {
            Shape::Null => "nothing",
            Shape::Scalar(_) => "a single value",
            Shape::List(_) => "a list",
            Shape::Map(_) => "a mapping",
        }
    }
}

/// Reads one YAML document.
pub(crate) fn parse(text: &str) -> Result<Node, Problem> {
    // A byte order mark is no part of the document, but the places count from the text as given.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let shift = text.len() - body.len();
    if body.len() > LARGEST {
        let wrong = Wrong::new("the file is larger than 1 MiB", "is this an inventory?");
        return Err(Place { line: 1, column: 1, ..Place::default() }.problem(wrong, false));
    }
    let raw =
        read(body, DuplicateKeyPolicy::LastWins).map_err(|error| syntax_problem(&error, body, shift))?;
    // Under this policy both of two equal keys arrive here, unless one is a number: the crate then keeps
    // the last. The strict policy would name only the first duplicate of the file.
    if let Err(serde_saphyr::Error::DuplicateMappingKey { key: Some(key), location }) =
        read(body, DuplicateKeyPolicy::Error)
        && key.parse::<i128>().is_ok()
    {
        let wrong = Wrong::new(format!("`{key}` is given twice"), "keep one of them");
        return Err(place(location, body, shift).problem(wrong, false));
    }
    resolve(raw, body, shift)
}

fn read(body: &str, duplicate_keys: DuplicateKeyPolicy) -> Result<Spanned<Raw>, serde_saphyr::Error> {
    let mut options = options();
    options.duplicate_keys = duplicate_keys;
    serde_saphyr::from_str_with_options(body, options)
}

/// Anchors and aliases are refused, so a bomb ends at its first anchor; nothing else can make the tree
/// larger than the text.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_anchors: 0,
            max_aliases: 0,
            max_nodes: MAX_NODES,
            max_depth: 32,
            max_documents: 2,
        },
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        reject_unsupported_tags: true,
        emit_comments: false,
        with_snippet: false,
    }
}

/// The tree as the crate gives it; scalars are filled in from the source afterwards.
enum Raw {
    Null,
    /// A number or a boolean: its text is the source's.
    Plain,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

fn resolve(raw: Spanned<Raw>, body: &str, shift: usize) -> Result<Node, Problem> {
    let place = place(raw.referenced, body, shift);
    let shape = match raw.value {
        Raw::Null => Shape::Null,
        Raw::Plain => {
            Shape::Scalar(body.get(place.start - shift..place.end - shift).unwrap_or("").to_owned())
        }
        Raw::Text(text) => Shape::Scalar(text),
        Raw::List(items) => {
            Shape::List(items.into_iter().map(|item| resolve(item, body, shift)).collect::<Result<_, _>>()?)
        }
        Raw::Map(entries) => Shape::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let key = resolve(key, body, shift)?;
                    let Shape::Scalar(text) = key.shape else {
                        let wrong = Wrong::new(
                            format!("a key is a single value, not {}", key.kind()),
                            "write `key: value`; a value that holds `{`, `[` or `: ` stands between quotes",
                        );
                        return Err(key.place.problem(wrong, false));
                    };
                    Ok(Entry { key: text, key_place: key.place, value: resolve(value, body, shift)? })
                })
                .collect::<Result<_, _>>()?,
        ),
    };
    Ok(Node { place, shape })
}

fn place(location: serde_saphyr::Location, body: &str, shift: usize) -> Place {
    let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let (line, column) = (whole(location.line()).max(1), whole(location.column()).max(1));
    // A scan error tells its line and column only.
    let start = location.span().byte_offset().map_or_else(|| offset(body, line, column), whole);
    let start = start.min(body.len());
    let end = start.saturating_add(location.span().byte_len().map_or(0, whole)).min(body.len());
    Place { line, column, start: start + shift, end: end + shift }
}

/// The byte at a line and a column, both from 1; the nearest where there is none.
fn offset(body: &str, line: usize, column: usize) -> usize {
    let mut start = 0;
    for _ in 1..line {
        let rest = &body[start..];
        // For YAML a carriage return alone ends a line, too.
        let Some(end) = rest.find(['\n', '\r']) else { return body.len() };
        start += end + if rest[end..].starts_with("\r\n") { 2 } else { 1 };
    }
    let rest = body[start..].split(['\n', '\r']).next().unwrap_or("");
    start + rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at)
}

fn syntax_problem(error: &serde_saphyr::Error, body: &str, shift: usize) -> Problem {
    use serde_saphyr::Error;
    let place = error
        .location()
        .map_or(Place { line: 1, column: 1, ..Place::default() }, |location| place(location, body, shift));
    let wrong = match error.without_snippet() {
        Error::Eof { .. } => {
            Wrong::new("the file holds nothing", "the samples under inventories/ are a start")
        }
        Error::MultipleDocuments { .. } => Wrong::new(
            "the file holds more than one document",
            "remove what follows `---`; one file, one cluster",
        ),
        Error::Budget { breach: BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. }, .. }
        | Error::UnknownAnchor { .. } => {
            Wrong::new("anchors and aliases are not used in an inventory", "write the value out")
        }
        Error::Budget { .. } => {
            Wrong::new("the file is larger or deeper than any inventory", "is this an inventory?")
        }
        // Which one is not told: perhaps a password begins so.
        Error::UnsupportedTag { .. } => {
            Wrong::new("a tag means nothing here", "remove it; quote a value that begins with `!`")
        }
        other => Wrong {
            message: format!("this is not YAML: {}", first_line(&other.to_string())),
            hint: tab_hint(body, place.line),
        },
    };
    place.problem(wrong, false)
}

fn tab_hint(body: &str, line: usize) -> Option<String> {
    let line = body.lines().nth(line.saturating_sub(1))?;
    let indent = line.len() - line.trim_start().len();
    line.get(..indent)?.contains('\t').then(|| "indent with spaces: YAML allows no tabs there".to_owned())
}

/// The crate appends its own position, which the problem carries already.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    line.split(" at line ").next().unwrap_or(line).trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalars(text: &str) -> Vec<String> {
        let Shape::Map(entries) = parse(text).unwrap().shape else { panic!("no map") };
        entries
            .into_iter()
            .map(|entry| match entry.value.shape {
                Shape::Scalar(text) => text,
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn scalars_keep_their_source_text() {
        let text =
            "a: 3.10\nb: no\nc: 0x10\nd: \"q\\tq\"\ne: 1e3\nf: 010\ng: .inf\nh: 99999999999999999999\n";
        assert_eq!(
            scalars(text),
            ["3.10", "no", "0x10", "q\tq", "1e3", "010", ".inf", "99999999999999999999"]
        );
    }

    #[test]
    fn places_count_from_the_text_as_given() {
        for (text, start) in [("ä: 1\nb: two\n", 9), ("\u{feff}ä: 1\nb: two\n", 12)] {
            let Shape::Map(entries) = parse(text).unwrap().shape else { panic!("no map") };
            let place = entries[1].value.place;
            assert_eq!((place.line, place.column, place.start), (2, 4, start));
            assert_eq!(&text[place.start..place.end], "two");
        }
    }

    #[test]
    fn what_is_not_yaml_is_told_where_it_stands() {
        for (text, line, column, from) in [
            ("a: b\nc: d: e\n", 2, 5, ": e"),
            ("\u{feff}a: b\r\né: é: e\r\n", 2, 5, ": e"),
            ("a: b\rc: d: e\r", 2, 5, ": e"),
            ("a: b\nc: [d\n", 2, 4, "[d"),
            ("a: b\nc: 'd", 2, 4, "'d"),
            ("a:\n  - b\n c: d\n", 3, 2, "c: d"),
        ] {
            let problem = parse(text).unwrap_err();
            assert_eq!((problem.line, problem.column), (line, column), "{text:?}");
            assert!(text[problem.span.start..].starts_with(from), "{text:?}: {problem:?}");
        }
    }

    #[test]
    fn duplicates_survive_for_the_reader() {
        let Shape::Map(entries) = parse("a: 1\nb: 2\na: 3\n").unwrap().shape else { panic!("no map") };
        assert_eq!(entries.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["a", "b", "a"]);
    }

    #[test]
    fn a_bomb_ends_at_its_first_anchor() {
        let level = |level: usize| format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1);
        let bomb = "a0: &a0 [x, x]\n".to_owned() + &(1..40).map(level).collect::<String>();
        let problem = parse(&bomb).unwrap_err();
        assert_eq!(
            (problem.line, problem.message.as_str()),
            (1, "anchors and aliases are not used in an inventory")
        );
    }
}
