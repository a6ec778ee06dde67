//! The inventory as it was given on the command line, read and validated, with what this machine adds to it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, Command};

use crate::cli::engine::{self, Advice, Problem};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::files;
use crate::cli::output::report::{MOST, problems_report};
use crate::cli::output::text::{Canvas, count};
use crate::cli::secrets::{Secrets, ThisMachine};
use crate::inventory::{Inventory, LARGEST};
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;

/// Where the inventory is.
#[derive(Clone, Debug, clap::Args)]
pub struct InventoryArg {
    /// The inventory; `-` reads standard input
    #[arg(
        value_name = "INVENTORY",
        env = "KUBOARD_HA_INVENTORY",
        default_value = UNNAMED,
        value_parser = InventoryParser
    )]
    pub inventory: PathBuf,
}

/// The inventory that nobody names.
const UNNAMED: &str = "inventory.yaml";

/// Any path. An empty variable names none, as if it were not set; an empty argument is a mistake.
#[derive(Clone)]
struct InventoryParser;

impl TypedValueParser for InventoryParser {
    type Value = PathBuf;

    fn parse_ref(&self, cmd: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<PathBuf, clap::Error> {
        PathBufValueParser::new().parse_ref(cmd, arg, value)
    }

    fn parse_ref_(
        &self,
        cmd: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<PathBuf, clap::Error> {
        let unset = value.is_empty() && source == ValueSource::EnvVariable;
        self.parse_ref(cmd, arg, if unset { OsStr::new(UNNAMED) } else { value })
    }
}

/// An inventory that is valid.
#[derive(Clone, Debug)]
pub struct Site {
    /// What it says.
    pub inventory: Inventory,
    /// As the user named it, for hints: `inventory.yaml`, `-`.
    pub name: String,
    /// What could be better about it.
    pub advice: Vec<Finding>,
    /// The secrets that it names; empty until they are read.
    pub secrets: Secrets,
}

impl Site {
    /// Reads and validates the inventory. Its secrets are not touched.
    pub fn load(arg: &InventoryArg, canvas: &Canvas) -> Result<Self, CliError> {
        let name = arg.inventory.display().to_string();
        let shown = if name == "-" { "<stdin>" } else { &name };
        let text = read(&arg.inventory).map_err(|error| missing(&arg.inventory, &error))?;
        let folder = match arg.inventory.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => Path::new("."),
        };
        let loaded = engine::load(&text, folder)
            .map_err(|problems| invalid(shown, &engine::masked(&text, &problems), &problems, canvas))?;
        let advice = loaded.advice.into_iter().map(|advice| finding(shown, advice)).collect();
        Ok(Self { inventory: loaded.inventory, name, advice, secrets: Secrets::default() })
    }

    /// The same with the secrets that it names.
    pub fn with_secrets(mut self) -> Result<Self, CliError> {
        self.secrets = Secrets::read(&self.inventory, &ThisMachine)?;
        Ok(self)
    }

    /// The host of that name.
    pub fn host(&self, name: &str) -> Result<HostName, CliError> {
        let wanted = HostName::new(name);
        if self.inventory.hosts.contains_key(&wanted) {
            return Ok(wanted);
        }
        let all: Vec<&str> = self.inventory.hosts.keys().map(HostName::as_str).collect();
        let close =
            all.iter().max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
        let unknown = CliError::new(Exit::Usage, format!("the inventory has no host {name}"));
        Err(match close {
            Some(close) if strsim::jaro_winkler(close, name) > 0.8 => {
                unknown.hint(format!("did you mean {close}?"))
            }
            _ => unknown.hint(format!("its hosts are {}", all.join(", "))),
        })
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let bytes = if path.as_os_str() == "-" {
        files::bounded(std::io::stdin(), LARGEST)?
    } else {
        files::read(path, LARGEST)?
    };
    files::text(bytes)
}

fn missing(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(Exit::Inventory, format!("the inventory {} cannot be read", path.display()))
        .because(error)
        .hint("name it: `kuboard-ha check path/to/inventory.yaml`, or set KUBOARD_HA_INVENTORY")
        .hint("the samples under inventories/ of this project are a start")
}

fn invalid(name: &str, text: &str, problems: &[Problem], canvas: &Canvas) -> CliError {
    CliError::new(Exit::Inventory, format!("{name} has {}", count(problems.len(), "problem")))
        .report(problems_report(name, text, problems, canvas))
        .findings(problems.iter().take(MOST).map(|problem| refused(name, problem)))
}

/// A problem for programs: in words that the report has too, without the line that it stands in.
fn refused(name: &str, problem: &Problem) -> Finding {
    let message = format!("{name}:{}:{}: {}", problem.line, problem.column, problem.message);
    let found = Finding::cluster(Severity::Blocked, "inventory.invalid", message);
    match problem.hint.as_deref() {
        None | Some("") => found,
        Some(hint) => found.hint(hint),
    }
}

fn finding(name: &str, advice: Advice) -> Finding {
    let found = Finding::cluster(
        Severity::Warning,
        advice.code,
        format!("{name}:{}: {}", advice.line, advice.message),
    );
    match advice.hint {
        Some(hint) => found.hint(hint),
        None => found,
    }
}
