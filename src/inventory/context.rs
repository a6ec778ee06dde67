//! What reading an inventory needs to know about this machine. This layer looks at nothing by itself.

use std::path::{Path, PathBuf};

/// The machine that reads the inventory, as far as the inventory depends on it.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The inventory's folder: relative paths start there.
    pub folder: &'a Path,
    /// The user's home: `~/` in paths that this tool reads itself.
    pub home: Option<&'a Path>,
    /// Reads a public file (a certificate); the error is a fragment, as in `no such file`.
    pub read: &'a dyn Fn(&Path) -> Result<String, String>,
}

impl Context<'_> {
    /// Where a path of the file lies on this machine.
    pub fn resolve(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.folder.join(text),
        }
    }
}
