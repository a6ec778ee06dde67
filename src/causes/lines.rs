//! The lines of a journal that tell, as people read them.

use serde_json::Value;

/// A line without what only machines need: `{"level":"fatal","msg":"a","error":"b"}` is `fatal: a: b`. A long one is cut
/// in its middle: what matters stands at an end.
pub fn plain(line: &str) -> String {
    let text = match serde_json::from_str::<Value>(line.trim()) {
        Ok(Value::Object(fields)) if fields.contains_key("msg") => {
            let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
            let mut text = format!("{}: {}", field("level"), field("msg"));
            for name in ["path", "dir", "address", "remote-peer-id", "environment-variable", "error"] {
                if !field(name).is_empty() {
                    text = format!("{text}: {}", field(name));
                }
            }
            text
        }
        _ => without_time(line.trim()).to_owned(),
    };
    // An error in JSON may hold line ends of its own.
    shortened(&text.replace(['\n', '\r'], " "))
}

/// A line without the time that it begins with.
fn without_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((time, rest))
            if time.contains('T') && time.ends_with('Z') && time.starts_with(char::is_numeric) =>
        {
            rest
        }
        _ => line,
    }
}

/// Columns that a line may take.
const WIDTH: usize = 150;

fn shortened(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= WIDTH {
        return text.to_owned();
    }
    let (head, tail) = (&letters[..WIDTH / 2], &letters[letters.len() - WIDTH / 2 + 3..]);
    format!("{}…{}", head.iter().collect::<String>(), tail.iter().collect::<String>())
}

/// The last `most` lines that tell something, each once.
pub(super) fn telling<'l>(lines: impl IntoIterator<Item = &'l String>, most: usize) -> Vec<String> {
    let lines: Vec<&String> = lines.into_iter().collect();
    let of_weight = |least: u8| {
        let mut kept: Vec<(String, String)> = Vec::new();
        for line in lines.iter().rev().filter(|line| weight(line) >= least) {
            let essence = essence(line);
            if kept.len() < most && !kept.iter().any(|(_, other)| *other == essence) {
                kept.push((plain(line), essence));
            }
        }
        kept.reverse();
        kept.into_iter().map(|(line, _)| line).collect::<Vec<_>>()
    };
    let grave = of_weight(2);
    if grave.is_empty() { of_weight(1).split_off(of_weight(1).len().saturating_sub(3)) } else { grave }
}

/// 2 for a line that complains, 1 for one that says something, 0 for noise.
fn weight(line: &str) -> u8 {
    const NOISE: [&str; 8] = [
        "goroutine ",
        "Main process exited",
        "Scheduled restart job",
        "Failed with result",
        "Consumed ",
        "Failed to start ",
        "simple token is not cryptographically",
        "check file permission",
    ];
    const COMPLAINTS: [&str; 20] = [
        "\"level\":\"fatal\"",
        "\"level\":\"panic\"",
        "\"level\":\"error\"",
        "\"error\":",
        "panic:",
        "fatal",
        "error",
        "exception",
        "failed",
        "cannot",
        "could not",
        "can't",
        "denied",
        "refused",
        "mismatch",
        "no space",
        "not found",
        "invalid",
        "insufficient",
        "alert",
    ];
    let trimmed = line.trim();
    let inner = line.starts_with(char::is_whitespace) || is_frame(trimmed);
    if trimmed.is_empty() || inner || NOISE.iter().any(|noise| line.contains(noise)) {
        return 0;
    }
    if line.starts_with("Start") || line.starts_with("Stop") || line.contains("\"level\":\"info\"") {
        return u8::from(!line.starts_with('S'));
    }
    let low = line.to_lowercase();
    if COMPLAINTS.iter().any(|word| low.contains(word)) { 2 } else { 1 }
}

/// A line of a stack trace: `go.etcd.io/x.(*T).f(0x1)`, `at a.b.C`.
fn is_frame(line: &str) -> bool {
    let call = line.ends_with(')') && (line.contains(".(*") || line.starts_with("runtime."));
    line.starts_with("at ") || call || line.starts_with("go.") || line.starts_with("main.main(")
}

/// What makes two lines the same complaint.
fn essence(line: &str) -> String {
    let value = serde_json::from_str::<Value>(line.trim()).ok();
    let field = |name: &str| value.as_ref().and_then(|value| value.get(name)?.as_str()).map(str::to_owned);
    let text = field("error").or_else(|| field("msg")).unwrap_or_else(|| {
        let panic = line.trim().trim_start_matches("panic: ");
        panic.split("Error: ").last().unwrap_or(panic).to_owned()
    });
    text.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}
