//! The machine that `up` runs on: a folder of its own for the inventory, the login, the cache, and nothing else that
//! the next machine could know.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kuboard_ha::facts::Facts;

use crate::lab::Lab;
use crate::tool::Running;

/// A machine that hosts are built from.
pub struct Machine {
    folder: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Machine {
    /// One without any history: the inventory is copied to it, and what opens the hosts.
    pub fn fresh(lab: &Lab, number: usize) -> Self {
        let folder = lab.file(&format!("machine-{number}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let text = |path: &str| folder.join(path).to_string_lossy().into_owned();
        let variables =
            [("HOME", text("")), ("XDG_CACHE_HOME", text("cache")), (PASSWORD.0, PASSWORD.1.to_owned())];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        Self { folder, variables }
    }

    /// What can be seen from here.
    pub fn facts(&self, lab: &Lab) -> Facts {
        let path = self.folder.join("facts.json");
        let path = path.to_string_lossy();
        self.start(lab, &["status", "-q", "--save-facts", &path]).finish().exits(0);
        serde_json::from_str(&std::fs::read_to_string(&*path).unwrap()).unwrap()
    }

    /// Starts a command of the program here, on the lab's inventory as it is now.
    pub fn start(&self, lab: &Lab, arguments: &[&str]) -> Running {
        let login = lab.file("ssh_config").to_string_lossy().into_owned();
        let own = self.folder.join("ssh_config");
        std::fs::copy(&login, &own).unwrap();
        let inventory = self.folder.join("inventory.yaml");
        std::fs::write(&inventory, lab.inventory.text().replace(&login, &own.to_string_lossy())).unwrap();
        let inventory = inventory.to_string_lossy().into_owned();
        let mut all = arguments.to_vec();
        all.push(&inventory);
        Running::start(&all, &self.variables)
    }
}

/// A secret that the inventory may name, and its value.
pub const PASSWORD: (&str, &str) = ("TORTURE_PASSWORD", "as-drawn-by-nobody-17");
