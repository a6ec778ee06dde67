//! Reads one mapping of the tree key by key; what nobody asked for is an unknown key.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::context::Context;
use super::model::SecretSource;
use super::problem::{Report, Wrong};
use super::scalar;
use super::tree::{Entry, Node, Shape};

/// What every reader carries along.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub report: &'a Report,
    pub context: &'a Context<'a>,
}

/// One mapping being read.
pub(crate) struct Section<'a> {
    pub path: String,
    reading: Reading<'a>,
    entries: Vec<&'a Entry>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// Opens the mapping at `path`; anything else is a problem, and reads as an empty mapping.
    pub fn open(reading: Reading<'a>, node: &'a Node, path: &str) -> Self {
        let mut entries: Vec<&Entry> = Vec::new();
        match &node.shape {
            Shape::Map(all) => {
                for entry in all {
                    let here = join(path, &entry.key);
                    if let Some(first) = entries.iter().find(|known| known.key == entry.key) {
                        let again = format!("{here}#again{}", entry.key_place.start);
                        reading.report.mark(&again, entry.key_place);
                        reading.report.problem(
                            again,
                            format!("`{}` is given twice", entry.key),
                            format!("the first stands on line {}; keep one of them", first.key_place.line),
                        );
                        continue;
                    }
                    let scalar = matches!(entry.value.shape, Shape::Scalar(_));
                    reading.report.mark(&here, if scalar { entry.value.place } else { entry.key_place });
                    reading.report.mark(&key_of(&here), entry.key_place);
                    entries.push(entry);
                }
            }
            Shape::Null if path.is_empty() => {
                reading.report.problem(
                    path,
                    "the file holds no inventory",
                    "the samples under `inventories/` are a start",
                );
            }
            _ => reading.report.problem(
                path,
                format!("{} is a mapping, not {}", title(path), node.kind()),
                "write `key: value` lines",
            ),
        }
        Self { path: path.to_owned(), reading, entries, asked: RefCell::default() }
    }

    /// The path of a key of this mapping.
    pub fn at(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// The value of a key; `None` if it is absent.
    pub fn node(&self, key: &'static str) -> Option<&'a Node> {
        self.asked.borrow_mut().push(key);
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// A single value, parsed; `None` if it is absent or wrong.
    pub fn value<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let node = self.node(key)?;
        self.parse(node, &self.at(key), parse)
    }

    /// As [`Section::value`], with a default.
    pub fn value_or<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, Wrong>, default: T) -> T {
        self.value(key, parse).unwrap_or(default)
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)], default: T) -> T {
        let unknown = |text: &str| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let hint = closest(text, known.iter().copied()).map_or_else(
                || format!("write {}", listed(&known)),
                |word| format!("did you mean `{word}`?"),
            );
            Wrong::new(format!("`{text}` is not one of {}", listed(&known)), hint)
        };
        let parse = |text: &str| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, meaning)| *meaning).ok_or_else(|| unknown(text))
        };
        self.value_or(key, parse, default)
    }

    /// A mapping below this one.
    pub fn section(&self, key: &'static str) -> Option<Section<'a>> {
        self.node(key).map(|node| Section::open(self.reading, node, &self.at(key)))
    }

    /// As [`Section::section`]; its absence is a problem, and reads as an empty mapping.
    pub fn required(&self, key: &'static str, hint: &str) -> Section<'a> {
        let path = self.at(key);
        self.section(key).unwrap_or_else(|| {
            self.missing(key, hint);
            Section { path, reading: self.reading, entries: Vec::new(), asked: RefCell::default() }
        })
    }

    /// As [`Section::value`]; its absence is a problem.
    pub fn required_value<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
        hint: &str,
    ) -> Option<T> {
        let value = self.value(key, parse);
        if value.is_none() {
            self.missing(key, hint);
        }
        value
    }

    /// Reports the absence of a key, unless one that reads like it will be reported as unknown.
    pub fn missing(&self, key: &'static str, hint: &str) {
        let path = self.at(key);
        if self
            .entries
            .iter()
            .any(|entry| entry.key != key && closest(&entry.key, [key].into_iter()).is_some())
        {
            return;
        }
        self.reading.report.problem(&path, format!("{} is missing", title(&path)), hint);
    }

    /// A list of single values; a problem at each item that is none.
    pub fn list(&self, key: &'static str) -> Option<Vec<String>> {
        let node = self.node(key)?;
        let path = self.at(key);
        let Shape::List(items) = &node.shape else {
            let hint = match &node.shape {
                Shape::Scalar(text) => format!("write `{key}: [{text}]`"),
                _ => format!("write `{key}: [first, second]`"),
            };
            self.reading.report.problem(
                &path,
                format!("{} is a list, not {}", title(&path), node.kind()),
                hint,
            );
            return None;
        };
        let mut list = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let here = join(&path, &index.to_string());
            self.reading.report.mark(&here, item.place);
            // A broken item keeps its seat, so that paths of the others stay true.
            list.push(self.parse(item, &here, |text| Ok(text.to_owned())).unwrap_or_default());
        }
        Some(list)
    }

    /// A secret: where its value is read, never the value.
    pub fn secret(&self, key: &'static str) -> Option<SecretSource> {
        let node = self.node(key)?;
        secret(self.reading, node, &self.at(key))
    }

    /// Every entry, for mappings whose keys are the user's own; the path of each is marked.
    pub fn all(&self) -> impl Iterator<Item = (&'a Entry, String)> {
        self.entries.iter().map(|entry| (*entry, self.at(&entry.key)))
    }

    /// Reports the keys that nobody asked for.
    pub fn close(self) {
        let asked = self.asked.borrow();
        for entry in self.entries.iter().filter(|entry| !asked.contains(&entry.key.as_str())) {
            let hint = closest(&entry.key, asked.iter().copied()).map_or_else(
                || format!("its keys: {}", asked.join(", ")),
                |word| format!("did you mean `{word}`?"),
            );
            let place = if self.path.is_empty() { "an inventory".to_owned() } else { title(&self.path) };
            let path = key_of(&self.at(&entry.key));
            let message = match entry.value.shape {
                // Perhaps the half of a password that holds a comma.
                Shape::Null => format!("{place} has no key of this name"),
                _ => format!("{place} has no key `{}`", shown(&entry.key)),
            };
            self.reading.report.problem(path, message, hint);
        }
    }

    fn parse<T>(&self, node: &Node, path: &str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        scalar_at(self.reading, node, path, parse)
    }
}

/// A single value at `path`, parsed.
pub(crate) fn scalar_at<T>(
    reading: Reading<'_>,
    node: &Node,
    path: &str,
    parse: impl Fn(&str) -> Result<T, Wrong>,
) -> Option<T> {
    let wrong = match &node.shape {
        Shape::Scalar(text) => match scalar::line(text).and_then(|text| parse(&text)) {
            Ok(value) => return Some(value),
            Err(wrong) => Wrong { message: format!("{}: {}", title(path), wrong.message), hint: wrong.hint },
        },
        Shape::Null => Wrong::new(format!("{} has no value", title(path)), "write one, or remove the line"),
        _ => Wrong::new(
            format!("{} is a single value, not {}", title(path), node.kind()),
            "write it on the same line",
        ),
    };
    reading.report.refuse(path, wrong);
    None
}

/// A secret at `path`: `{ env: NAME }` or `{ file: PATH }`.
pub(crate) fn secret(reading: Reading<'_>, node: &Node, path: &str) -> Option<SecretSource> {
    let form = "write `{ env: NAME }` or `{ file: PATH }`, where the value is read when it is needed";
    if matches!(node.shape, Shape::Scalar(_)) {
        let message = format!("{} is a secret: it does not stand in the file", title(path));
        reading.report.problem_with_secret(path, message, form);
        return None;
    }
    let section = Section::open(reading, node, path);
    let env = section.value("env", |text| Ok(text.to_owned())).filter(|name| {
        let named = scalar::env_name(name).is_ok();
        if !named {
            // Perhaps the value itself.
            let message = format!("{}: this cannot name an environment variable", title(path));
            let hint = "the name of a variable that holds the value: letters, digits and `_`, no digit first";
            reading.report.problem_with_secret(section.at("env"), message, hint);
        }
        named
    });
    let file = section.value("file", |text| scalar::path(text).map(|text| reading.context.resolve(text)));
    let source = match (env, file) {
        (Some(_), Some(_)) => {
            reading.report.problem(path, format!("{} has two sources", title(path)), "keep `env` or `file`");
            None
        }
        (Some(name), None) => Some(SecretSource::Env(name)),
        (None, Some(file)) => Some(SecretSource::File(file)),
        (None, None) => None,
    };
    section.close();
    if source.is_none() {
        reading.report.problem(path, format!("{} names no source", title(path)), form);
    }
    source
}

/// The path as the user would write it: `etcd.hosts[2]`.
pub(crate) fn title(path: &str) -> String {
    if path.is_empty() {
        return "the inventory".to_owned();
    }
    let parts: Vec<String> = path.split('/').map(shown).collect();
    match parts.as_slice() {
        [section, hosts, index] if hosts == "hosts" => format!("{section}.hosts[{index}]"),
        _ => parts.join("."),
    }
}

/// `a`, `b` or `c`.
pub(crate) fn listed<T: AsRef<str>>(words: &[T]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{}`", word.as_ref())).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// The known word that was probably meant.
pub(crate) fn closest<'w>(text: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    // Longer words and longer lists are no typing mistakes, and would take time.
    if text.len() > 64 {
        return None;
    }
    let text = text.to_ascii_lowercase();
    // A third of the letters may be wrong; of two, none.
    let limit = |word: &str| word.len().max(text.len()) / 3;
    known
        .take(100)
        .filter(|word| word.len().abs_diff(text.len()) <= limit(word))
        .map(|word| (strsim::osa_distance(&text, &word.to_ascii_lowercase()), word))
        .filter(|(distance, word)| *distance <= limit(word))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Groups equal values: each that more than one key has, with those keys in order.
pub(crate) fn shared<K: Clone, V: Ord>(pairs: impl IntoIterator<Item = (K, V)>) -> Vec<(V, Vec<K>)> {
    let mut groups: BTreeMap<V, Vec<K>> = BTreeMap::new();
    for (key, value) in pairs {
        groups.entry(value).or_default().push(key);
    }
    groups.into_iter().filter(|(_, keys)| keys.len() > 1).collect()
}

/// The path of an entry's key, where the problem is the name and not the value.
pub(crate) fn key_of(path: &str) -> String {
    format!("{path}#key")
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}/{key}") }
}

/// A key as it may be printed: short, one line.
fn shown(key: &str) -> String {
    key.chars().take(60).map(|c| if c.is_control() { '?' } else { c }).collect()
}
