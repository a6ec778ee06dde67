//! Text for people: made safe, wrapped, coloured, counted.

use std::fmt::Write as _;
use std::time::Duration;

use console::{Style, measure_text_width};

use crate::event::Cause;

/// What a view draws on: how wide it is, and whether it takes colours.
#[derive(Clone, Copy, Debug)]
pub struct Canvas {
    /// Columns, at least 40.
    pub width: usize,
    /// Whether colours are wanted.
    pub colour: bool,
}

/// How a piece of text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A heading.
    Strong,
    /// Beside the point.
    Dim,
    /// Well.
    Good,
    /// To be looked at.
    Warn,
    /// Wrong.
    Bad,
}

impl Canvas {
    /// A canvas for text that is kept: 100 columns, no colours.
    pub const PLAIN: Self = Self { width: 100, colour: false };

    /// The text in that tone.
    pub fn paint(&self, tone: Tone, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Strong => Style::new().bold(),
            Tone::Dim => Style::new().dim(),
            Tone::Good => Style::new().green(),
            Tone::Warn => Style::new().yellow(),
            Tone::Bad => Style::new().red().bold(),
        };
        style.force_styling(true).apply_to(text).to_string()
    }

    /// The text padded with spaces to `width` columns, then painted.
    pub fn cell(&self, tone: Option<Tone>, text: &str, width: usize) -> String {
        let pad = " ".repeat(width.saturating_sub(measure_text_width(text)));
        format!("{}{pad}", tone.map_or_else(|| text.to_owned(), |tone| self.paint(tone, text)))
    }
}

/// Text from elsewhere without anything that a terminal would obey: control characters but for line ends are
/// shown as `\xNN`, a tab as spaces, and marks that turn the direction of writing are dropped.
pub fn clean(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push('\n'),
            '\t' => safe.push_str("    "),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {
                let _ = write!(safe, "\\x{:02x}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}

/// The same on one line: line ends become spaces.
pub fn clean_line(text: &str) -> String {
    clean(text.trim()).replace('\n', " ")
}

/// Breaks text into lines of at most `width` columns at spaces. A longer word stays whole, so that what is
/// meant to be copied can be. Line ends stay.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        // A command to be copied.
        if paragraph.starts_with("  ") {
            lines.push(paragraph.to_owned());
            continue;
        }
        let mut words = paragraph.split(' ');
        let mut line = words.next().unwrap_or_default().to_owned();
        for word in words {
            if measure_text_width(&line) + 1 + measure_text_width(word) <= width {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push(std::mem::replace(&mut line, word.to_owned()));
            }
        }
        lines.push(line);
    }
    lines
}

/// Columns that text takes.
pub fn columns(text: &str) -> usize {
    measure_text_width(text)
}

/// The lines that a failed step left, but for a single one that its error repeats.
pub fn beside<'a>(error: &str, evidence: &'a [String]) -> &'a [String] {
    match evidence {
        [line] if error.contains(line.trim()) => &[],
        lines => lines,
    }
}

/// What is said of a failure when it happens: why, where that is known, for the report at the end says it all; else what
/// was seen.
pub fn briefly(error: &str, evidence: &[String], cause: Option<&Cause>) -> Vec<String> {
    match cause {
        Some(cause) => vec![format!("cause: {} [{}]", cause.message, cause.code)],
        None => beside(error, evidence).to_vec(),
    }
}

/// `1 host`, `2 hosts`.
pub fn count(number: usize, noun: &str) -> String {
    let ending = match (number, noun) {
        (1, _) => "",
        (_, noun) if noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{number} {noun}{ending}")
}

/// `0.4 s`, `12 s`, `3 min 05 s`.
pub fn elapsed(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// `the host is`, `all 8 hosts are`: to be followed by what they are.
pub fn all_hosts_are(number: usize) -> String {
    if number == 1 { "the host is".to_owned() } else { format!("all {number} hosts are") }
}

/// Names side by side.
pub fn names<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_the_error_repeats_is_not_said_twice() {
        let line = ["no such host".to_owned()];
        assert!(beside("not done: no such host", &line).is_empty());
        assert_eq!(beside("ended with status 1", &line), line);
        assert_eq!(beside("no such host", &["a".to_owned(), "no such host".to_owned()]).len(), 2);
    }

    #[test]
    fn text_from_elsewhere_commands_no_terminal() {
        assert_eq!(clean("a\x1b[2Jb\tc\nd\u{9b}\u{202e}"), "a\\x1b[2Jb    c\nd\\x9b");
        assert_eq!(clean_line(" a\nb\r\n"), "a b");
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_stay_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("mv /a/very/long/path there", 8), ["mv", "/a/very/long/path", "there"]);
        assert_eq!(wrap("a\n\n  b", 10), ["a", "", "  b"]);
    }

    #[test]
    fn counts_and_times_read_well() {
        assert_eq!(count(1, "host"), "1 host");
        assert_eq!(count(0, "process"), "0 processes");
        assert_eq!(elapsed(Duration::from_millis(430)), "0.4 s");
        assert_eq!(elapsed(Duration::from_secs(65)), "1 min 05 s");
    }
}
