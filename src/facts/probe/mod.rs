//! Pure parsers of what `look.sh` prints, one file per thing observed. They take any text without panicking:
//! a line that makes no sense is passed over, and what is missing stays absent or unknown.

pub mod docker;
pub mod files;
pub mod firewall;
pub mod network;
mod nftables;
pub mod parts;
pub mod storage;
pub mod system;
pub mod units;

/// One section: its header's words and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section<'t> {
    /// `files`, `probe`, …
    pub name: &'t str,
    /// What follows the name in the header.
    pub argument: &'t str,
    /// The lines, without the space that they begin with.
    pub lines: Vec<&'t str>,
}

/// Splits the output of a look. Lines before the first header are passed over.
pub fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("= ") {
            let (name, argument) = header.split_once(' ').unwrap_or((header, ""));
            sections.push(Section { name, argument, lines: Vec::new() });
        } else if let (Some(section), Some(line)) = (sections.last_mut(), line.strip_prefix(' ')) {
            section.lines.push(line);
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_cannot_pass_for_a_header() {
        let found = sections("noise\n= text /etc/x\n a\n = files\n\n= end\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], Section { name: "text", argument: "/etc/x", lines: vec!["a", "= files"] });
        assert_eq!(found[1].name, "end");
    }
}
