//! Pure parsers of what `look.sh` prints, one file per thing observed. They take any text without panicking:
//! a line that makes no sense is passed over, and what is missing stays absent or unknown.

pub mod docker;
pub mod files;
pub mod firewall;
mod firewalld;
pub mod network;
mod nftables;
pub mod parts;
pub mod storage;
pub mod system;
pub mod units;

/// One section: its header's words and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section<'t> {
    /// `paths`, `probe`, …
    pub name: &'t str,
    /// What follows the name in the header.
    pub argument: &'t str,
    /// The lines.
    pub lines: Vec<&'t str>,
}

/// Splits the output of a look at its headers, which begin with the mark that it told first. What stands before the first
/// one is passed over; a text that ended without a line end may stand before one on its line.
pub fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut lines = text.lines();
    let told = lines.find_map(|line| line.strip_prefix("mark ")).filter(|mark| !mark.is_empty());
    let Some(mark) = told else { return sections };
    for line in lines {
        let (content, header) =
            line.split_once(mark).map_or((line, None), |(before, after)| (before, Some(after)));
        if let Some(section) = sections.last_mut()
            && (header.is_none() || !content.is_empty())
        {
            section.lines.push(content);
        }
        if let Some(header) = header {
            let header = header.trim_start();
            let (name, argument) = header.split_once(' ').unwrap_or((header, ""));
            sections.push(Section { name, argument, lines: Vec::new() });
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_cannot_pass_for_a_header() {
        let found = sections("noise\nmark 1b2c\nnoise\n1b2c text /etc/x\na\n1b2 files\nmark =\n\n1b2c end\n");
        assert_eq!(found.len(), 2);
        let lines = vec!["a", "1b2 files", "mark =", ""];
        assert_eq!(found[0], Section { name: "text", argument: "/etc/x", lines });
        assert_eq!(found[1].name, "end");
        assert!(sections("").is_empty() && sections("mark \n end").is_empty());
    }

    #[test]
    fn a_text_without_a_line_end_does_not_swallow_the_next_header() {
        let found = sections("mark 1b2c\n1b2c text /etc/x\na1b2c end");
        assert_eq!((found[0].lines.as_slice(), found[1].name), (["a"].as_slice(), "end"));
    }
}
