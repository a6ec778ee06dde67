//! What of a file may be shown: a line is shown because of any problem in it, and may hold a password that nobody asked
//! about.

use std::ops::Range;

use super::problem::Problem;

/// Keys with one of these in them speak of a secret; mistyped ones too, for what stands there is no less of one.
const SPEAKING: [&str; 5] = ["passw", "pasw", "secret", "token", "credential"];

/// The text with `*` in place of every secret that a problem points at, of what stands beside a key that reads like a
/// secret's, and of logins and queries in addresses. Lengths and lines stay. Takes time in proportion to the text,
/// whatever it is.
pub fn masked(text: &str, problems: &[Problem]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let pointed_at = problems.iter().filter(|problem| problem.secret).map(|problem| problem.span.clone());
    for span in pointed_at.chain(beside_keys(text.as_bytes())).chain(in_addresses(text.as_bytes())) {
        let span = span.start.min(bytes.len())..span.end.min(bytes.len());
        for byte in bytes.get_mut(span).into_iter().flatten().filter(|byte| !is_line_end(**byte)) {
            *byte = b'*';
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The single values beside keys that speak of a secret; found by their colons, for the file may not be YAML.
fn beside_keys(text: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let (mut key, mut at) = (0, 0);
    while let Some(&byte) = text.get(at) {
        let quoted = at > 0 && matches!(text[at - 1], b'"' | b'\'');
        let ends_key = byte == b':' && (quoted || text.get(at + 1).is_none_or(u8::is_ascii_whitespace));
        at += 1;
        if ends_key && speaks(&text[key..at]) {
            let span = value(text, at);
            (key, at) = (span.end, span.end);
            spans.push(span);
            continue;
        }
        let last = text[at - 1];
        if !(last.is_ascii_alphanumeric() || b"_.-\"'".contains(&last)) {
            key = at;
        }
    }
    spans
}

fn speaks(key: &[u8]) -> bool {
    let key = key.to_ascii_lowercase();
    SPEAKING.iter().any(|word| key.windows(word.len()).any(|part| part == word.as_bytes()))
}

/// The single value that begins after `from`; empty where a mapping, a list or nothing stands there.
fn value(text: &[u8], from: usize) -> Range<usize> {
    let blank = text[from..].iter().take_while(|byte| **byte == b' ').count();
    let start = from + blank;
    let rest = &text[start..];
    let to_line_end = |rest: &[u8]| rest.iter().position(|byte| is_line_end(*byte)).unwrap_or(rest.len());
    let length = match rest.first() {
        None | Some(b'{' | b'[' | b'#') => 0,
        Some(quote @ (b'"' | b'\'')) => {
            let closing = rest[1..].iter().position(|byte| byte == quote || is_line_end(*byte));
            closing.map_or(rest.len(), |at| at + if rest[at + 1] == *quote { 2 } else { 1 })
        }
        Some(_) => (0..rest.len())
            .find(|at| {
                let two = &rest[*at..(at + 2).min(rest.len())];
                is_line_end(rest[*at]) || rest[*at] == b'}' || two == b", " || two == b" #"
            })
            .unwrap_or_else(|| to_line_end(rest)),
    };
    start..start + length
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
                "a: { pasword: *******, MY_SECRET: ***** }\npassword: { env: X }\r\nPassw: ** # the key\n",
            ),
            ("ssh: { password: poison, user: ops }\nb: 1", "ssh: { password: ******, user: ops }\nb: 1"),
            ("{\"password\":\"a, b\",\"b\":1}", "{\"password\":******,\"b\":1}"),
            ("token: 'it is not closed\nb: 1", "token: *****************\nb: 1"),
            ("# the password: of the ops\nsecret:", "# the password: **********\nsecret:"),
            ("  # the password is elsewhere\nsecret: [a]\n", "  # the password is elsewhere\nsecret: [a]\n"),
            ("passwords:\n  - a", "passwords:\n  - a"),
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
