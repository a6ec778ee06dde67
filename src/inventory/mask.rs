//! What of a file may be shown: a line is shown because of any problem in it, and may hold a password that nobody asked
//! about.

use std::ops::Range;

use super::problem::{Place, Problem};
use super::scalar;
use super::tree::{self, Entry, Node, Shape};

/// Keys with one of these in them speak of a secret; mistyped ones too, for what stands there is no less of one.
const SPEAKING: [&str; 5] = ["passw", "pasw", "secret", "token", "credential"];

/// The text with `*` in place of every secret that a problem points at, of what stands beside a key that reads like a
/// secret's, and of logins and queries in addresses. Lengths and lines stay. Takes time in proportion to the text,
/// whatever it is.
pub fn masked(text: &str, problems: &[Problem]) -> String {
    let mut spans: Vec<Range<usize>> = Vec::new();
    spans.extend(problems.iter().filter(|problem| problem.secret).map(|problem| problem.span.clone()));
    match tree::parse(text) {
        Ok(tree) => {
            let mut found = Found::default();
            found.look(&tree, false);
            spans.extend(found.secrets);
            // What is said in comments and within values.
            let (mut from, mut beside) = (0, false);
            for (edge, next) in found.edges.into_iter().chain([(text.len(), false)]) {
                if from < edge {
                    spans.extend(in_words(text.as_bytes(), from..edge));
                    if beside {
                        spans.extend(in_comments(text.as_bytes(), from..edge));
                    }
                    from = edge;
                }
                beside = next;
            }
        }
        // Nobody can tell where a value ends.
        Err(_) => spans.extend(in_words(text.as_bytes(), 0..text.len())),
    }
    spans.extend(in_addresses(text.as_bytes()));
    let mut bytes = text.as_bytes().to_vec();
    for span in spans {
        let span = span.start.min(bytes.len())..span.end.min(bytes.len());
        for byte in bytes.get_mut(span).into_iter().flatten().filter(|byte| !is_line_end(**byte)) {
            *byte = b'*';
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a tree tells of the places of secrets.
#[derive(Default)]
struct Found {
    secrets: Vec<Range<usize>>,
    /// Where keys and single values begin and end, and whether a secret is what ends there.
    edges: Vec<(usize, bool)>,
}

impl Found {
    /// Looks through a value; all of a secret's is one.
    fn look(&mut self, node: &Node, secret: bool) {
        match &node.shape {
            Shape::Null => {}
            Shape::Scalar(_) => self.note(node.place, secret, secret),
            Shape::List(items) => items.iter().for_each(|item| self.look(item, secret)),
            Shape::Map(entries) => self.entries(entries, secret),
        }
    }

    fn entries(&mut self, entries: &[Entry], secret: bool) {
        let mut spoke = None;
        for entry in entries {
            let alone = matches!(entry.value.shape, Shape::Null);
            // `{ password: half, another half }` and `{half}`: what looks like a key is of the secret.
            let half = alone && (secret || spoke == Some(entry.key_place.line));
            let speaks = spoken(entry.key.as_bytes()).is_some();
            self.note(entry.key_place, half, half || speaks);
            if speaks {
                spoke = Some(entry.key_place.line);
            }
            self.look(&entry.value, speaks || secret && !is_source(entry));
        }
    }

    /// What stands at a place; beside a secret stands perhaps more of it.
    fn note(&mut self, place: Place, secret: bool, beside: bool) {
        self.edges.extend([(place.start, false), (place.end, beside)]);
        if secret {
            self.secrets.push(place.start..place.end);
        }
    }
}

/// `env: NAME` or `file: PATH`, which only name where a secret is read.
fn is_source(entry: &Entry) -> bool {
    match (entry.key.as_str(), &entry.value.shape) {
        ("env", Shape::Scalar(name)) => scalar::env_name(name).is_ok(),
        ("file", Shape::Scalar(_)) => true,
        _ => false,
    }
}

/// Where the first word that speaks of a secret ends.
fn spoken(text: &[u8]) -> Option<usize> {
    let text = text.to_ascii_lowercase();
    let find = |word: &str| text.windows(word.len()).position(|part| part == word.as_bytes());
    SPEAKING.iter().filter_map(|word| Some((find(word)?, word.len()))).min().map(|(at, length)| at + length)
}

/// The comments between two values: perhaps ` #` and what follows are of a password.
fn in_comments(text: &[u8], within: Range<usize>) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = within.start;
    for line in text[within].split(|byte| is_line_end(*byte)) {
        let comment = line.iter().position(|byte| *byte == b'#');
        spans.extend(comment.map(|begun| at + begun + 1..at + line.len()));
        at += line.len() + 1;
    }
    spans
}

/// What stands beside words that speak of a secret, in text of any kind: the rest of the line, and the lines that may
/// belong to it.
fn in_words(text: &[u8], within: Range<usize>) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = within.start;
    let mut key_column = None;
    while at < within.end {
        let rest = &text[at..within.end];
        let length = rest.iter().position(|byte| is_line_end(*byte)).unwrap_or(rest.len());
        let line = &rest[..length];
        if key_column.is_some_and(|column| continues(line, column)) {
            spans.push(at + indent(line)..at + length);
        } else {
            let value = beside_word(line);
            let comment = line[indent(line)..].starts_with(b"#");
            key_column = value.filter(|_| !comment).map(|_| column(line));
            spans.extend(value.map(|value| at + value..at + length));
        }
        at += length + 1;
    }
    spans
}

/// Where in a line begins what stands beside a word that speaks of a secret: after `:` or `=`, which may be missing
/// where the line begins with the word.
fn beside_word(line: &[u8]) -> Option<usize> {
    let word = spoken(line)?;
    let rest = &line[word..];
    if let Some(sign) = rest.iter().position(|byte| matches!(byte, b':' | b'=')) {
        let after = word + sign + 1;
        return Some(after + indent(&line[after..]));
    }
    let begun = line.iter().position(|byte| !b" \t-?{[,\"'".contains(byte))?;
    let key = begun + line[begun..].iter().position(|byte| !is_of_key(*byte))?;
    let closed = key + usize::from(matches!(line[key], b'"' | b'\''));
    let apart = indent(&line[closed..]);
    (key >= word && apart > 0).then_some(closed + apart)
}

/// The column of a line's key: behind the dashes of a list.
fn column(line: &[u8]) -> usize {
    line.iter().position(|byte| !b" \t-?".contains(byte)).unwrap_or(line.len())
}

/// Whether a line may belong to the value of a key in that column, above it: it is deeper, or no key of its own.
fn continues(line: &[u8], column: usize) -> bool {
    let depth = indent(line);
    let line = &line[depth..];
    if depth > column || line.is_empty() {
        return true;
    }
    let item = line.iter().take_while(|byte| depth < column && matches!(byte, b'-' | b' ')).count();
    let line = &line[item..];
    let key = line.iter().position(|byte| !is_of_key(*byte) && !b"\"'".contains(byte)).unwrap_or(line.len());
    let is_key = line[key..].starts_with(b":") && line.get(key + 1).is_none_or(u8::is_ascii_whitespace);
    key == 0 || !is_key
}

fn indent(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

fn is_of_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// In `scheme://LOGIN@host/path?QUERY`, what stands before the `@` and after the `?`.
fn in_addresses(text: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].windows(3).position(|three| three == b"://") {
        let start = at + found + 3;
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"'".contains(byte);
        let end = text[start..].iter().position(ends).map_or(text.len(), |length| start + length);
        let word = &text[start..end];
        let slash = word.iter().position(|byte| *byte == b'/').unwrap_or(word.len());
        let at_sign = |part: &[u8]| part.iter().rposition(|byte| *byte == b'@');
        let port =
            word[..slash].iter().position(|byte| *byte == b':').map_or(&b""[..], |at| &word[at + 1..slash]);
        // `user:pa/ss@host`: what looks like a port before the slash is half a password.
        let half = !port.iter().all(u8::is_ascii_digit);
        if let Some(length) = at_sign(&word[..slash]).or_else(|| half.then(|| at_sign(word)).flatten()) {
            spans.push(start..start + length);
        }
        if let Some(query) = word.iter().position(|byte| *byte == b'?') {
            spans.push(start + query + 1..end);
        }
        at = end;
    }
    spans
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_problem_points_at_is_masked() {
        let problem = |secret| Problem {
            line: 1,
            column: 4,
            span: 3..9,
            message: "in the clear".into(),
            hint: None,
            secret,
        };
        assert_eq!(masked("p: hunter # x\n", &[problem(true)]), "p: ****** # x\n");
        assert_eq!(masked("p: hunter # x\n", &[problem(false)]), "p: hunter # x\n");
    }

    #[test]
    fn what_reads_like_a_secret_is_masked_too() {
        for (text, shown) in [
            (
                "a: { pasword: hunter2, MY_SECRET: \"a b\" }\npassword: { env: X }\r\nPassw: é # the key\n",
                "a: { pasword: *******, MY_SECRET: ***** }\npassword: { env: X }\r\nPassw: ** #********\n",
            ),
            ("ssh: { password: poison, user: ops }\nb: 1", "ssh: { password: ******, user: ops }\nb: 1"),
            ("{\"password\":\"a, b\",\"b\":1}", "{\"password\":******,\"b\":1}"),
            ("token: 'it is not closed\nb: 1", "token: *****************\nb: 1"),
            ("# the password: of the ops\nsecret:", "# the password: **********\nsecret:"),
            ("  # the password is elsewhere\nsecret: [a]\n", "  # the password is elsewhere\nsecret: [*]\n"),
            ("passwords:\n  - a", "passwords:\n  - *"),
        ] {
            assert_eq!(masked(text, &[]), shown);
        }
    }

    #[test]
    fn where_the_text_is_yaml_the_whole_value_is_masked() {
        for (text, shown) in [
            ("pasword: correct, horse battery\nb: 1", "pasword: **********************\nb: 1"),
            ("sudo_pasword: \"ab\\\"hunter2\" # c", "sudo_pasword: ************* #**"),
            ("admin_pasword: pa}ss-hunter2", "admin_pasword: *************"),
            ("passwrd: 'it''s hunter2'", "passwrd: ***************"),
            ("E_PASSWORD: x\nE_PASSWORD: x, hunter2", "E_PASSWORD: *\nE_PASSWORD: **********"),
            ("{\"pasword\": \"a\\\"hunter2\", \"b\": 1}", "{\"pasword\": ************, \"b\": 1}"),
            ("{ pasword: correct, horse, b: 1 }", "{ pasword: *******, *****, b: 1 }"),
            ("pasword: |\n  one\n\n  two\nb: 1", "pasword: |\n  ***\n\n*****\nb: 1"),
            ("pasword: one\n  two\nb: 1", "pasword: ***\n*****\nb: 1"),
            ("pasword:\n  \"one\n  two\"\nb: 1", "pasword:\n  ****\n******\nb: 1"),
            ("pasword:\n  of: [a, 1]\n  b: { c: d }", "pasword:\n  of: [*, *]\n  b: { c: * }"),
            ("pasword: {hunter2}", "pasword: {*******}"),
            ("pasword: #hunter2\nb: 1", "pasword: #*******\nb: 1"),
            ("ssh: { pasword: ab #hunter2\n } # c", "ssh: { pasword: ** #*******\n } #**"),
            ("pasword: { env: not a name }", "pasword: { env: ********** }"),
            ("pasword: { file: secrets/a.txt }", "pasword: { file: secrets/a.txt }"),
            ("a: secrets/a.txt\nb: 1 # token: x", "a: secrets/a.txt\nb: 1 # token: *"),
            ("a: |\n  secret = x\nb: 1", "a: |\n  secret = *\nb: 1"),
        ] {
            assert_eq!(masked(text, &[]), shown);
        }
    }

    #[test]
    fn where_the_text_is_not_yaml_all_is_masked_that_may_be_of_a_secret() {
        for (text, shown) in [
            ("pasword: 'it's hunter2'\nb: 1", "pasword: **************\nb: 1"),
            ("pasword: \"a\\\"b\" c\nb: [", "pasword: ********\nb: ["),
            ("{ pasword: pa}ss, b: 1 }", "{ pasword: *************"),
            ("a:\n  pasword:hunter2\n  b: 1", "a:\n  pasword:*******\n  b: 1"),
            ("a:\n  pasword hunter2\n  b: 1", "a:\n  pasword *******\n  b: 1"),
            ("pasword = a = b\nb: 1", "pasword = *****\nb: 1"),
            ("pasword: |\n  one\n two\nb: 1", "pasword: *\n  ***\n ***\nb: 1"),
            ("pasword: |\nline\r\nline\nb: [", "pasword: *\n****\r\n****\nb: ["),
            ("pasword: \"one\ntwo\"\nb: 1", "pasword: ****\n****\nb: 1"),
            ("- pasword: \"one\n- two\n: x\"\n- b: 1", "- pasword: ****\n*****\n****\n- b: 1"),
            ("- pasword: a\n  b: c\n- d: [", "- pasword: *\n  b: c\n- d: ["),
            ("- secrets:\n  - a\n    b: c\n  d: e\n- f: [", "- secrets:\n  ***\n    ****\n  d: e\n- f: ["),
            ("pasword: &hunter2 x\nb: 1", "pasword: **********\nb: 1"),
        ] {
            assert_eq!(masked(text, &[]), shown);
        }
    }

    #[test]
    fn addresses_are_shown_without_login_and_query() {
        for (text, shown) in [
            ("url: http://ops:poison@h:80/a@b", "url: http://**********@h:80/a@b"),
            ("url: http://ops:poi/son@h/a\nb: 1", "url: http://***********@h/a\nb: 1"),
            ("{ url: \"https://h/a?sig=poison\", b: 1 }", "{ url: \"https://h/a?**********\", b: 1 }"),
            ("url: https://h:8443/@scope/a.tgz", "url: https://h:8443/@scope/a.tgz"),
        ] {
            assert_eq!(masked(text, &[]), shown);
        }
    }

    #[test]
    fn a_long_line_takes_no_longer_than_many_short_ones() {
        let begun = std::time::Instant::now();
        for piece in [
            "passw",
            "password: ",
            "token:\"",
            "a://b:c",
            "://@?",
            "secret: 'x, ",
            "secret: 'x",
            "password: a, ",
        ] {
            let text = piece.repeat((1 << 20) / piece.len());
            assert_eq!(masked(&text, &[]).len(), text.len());
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
    }
}
