//! The inventory of a lab, a file that scenarios edit as a user would.

use std::path::{Path, PathBuf};

/// An inventory on disk.
pub struct InventoryFile {
    path: PathBuf,
}

impl InventoryFile {
    /// Writes it.
    pub fn create(path: PathBuf, text: &str) -> Self {
        std::fs::write(&path, text).unwrap();
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says.
    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }

    /// Says something else.
    pub fn write(&self, text: &str) {
        std::fs::write(&self.path, text).unwrap();
    }

    /// Replaces a text that stands in it exactly once.
    pub fn edit(&self, from: &str, to: &str) {
        let text = self.text();
        assert_eq!(text.matches(from).count(), 1, "`{from}` shall stand once in the inventory:\n{text}");
        self.write(&text.replace(from, to));
    }
}
