//! Where output goes: results to stdout, all else to stderr, and nothing of it can stop a run.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::output::feed::{Feed, Renderer};
use crate::cli::output::json::JsonLines;
use crate::cli::output::plain::Plain;
use crate::cli::output::text::Canvas;
use crate::cli::output::tty::Live;

/// How results and progress are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputMode {
    /// A live display on a terminal, plain lines elsewhere.
    Auto,
    /// Plain lines.
    Plain,
    /// For programs: one document, or one event a line.
    Json,
}

/// Whether colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorMode {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The user's wishes about output.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// The form.
    pub output: OutputMode,
    /// Colours.
    pub color: ColorMode,
    /// How often `-v` was given.
    pub verbose: u8,
    /// Whether `-q` was given.
    pub quiet: bool,
}

/// The terminal, pipes and files that this process writes to.
#[derive(Clone, Debug)]
pub struct Console {
    wishes: Wishes,
    stdout: Canvas,
    stderr: Canvas,
    live: bool,
    interactive: bool,
}

impl Console {
    /// Looks at this process's streams.
    pub fn new(wishes: Wishes) -> Self {
        let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = |terminal| match wishes.color {
            ColorMode::Always => true,
            ColorMode::Never => false,
            ColorMode::Auto => terminal && !dumb && !set("NO_COLOR"),
        };
        let width = |terminal: bool, term: console::Term| {
            let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
            let seen = terminal.then(|| usize::from(term.size().1));
            told.or(seen).unwrap_or(Canvas::PLAIN.width).clamp(40, 160)
        };
        Self {
            wishes,
            stdout: Canvas { width: width(out, console::Term::stdout()), colour: colour(out) },
            stderr: Canvas { width: width(err, console::Term::stderr()), colour: colour(err) },
            live: err && !dumb && wishes.output == OutputMode::Auto && !wishes.quiet,
            interactive: err && std::io::stdin().is_terminal(),
        }
    }

    /// Whether programs read the output.
    pub fn is_json(&self) -> bool {
        self.wishes.output == OutputMode::Json
    }

    /// Whether somebody sits there who can answer.
    pub fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Whether results land on a screen that can be drawn anew.
    pub fn redraws(&self) -> bool {
        self.live && std::io::stdout().is_terminal()
    }

    /// Whether only what matters is said.
    pub fn is_quiet(&self) -> bool {
        self.wishes.quiet
    }

    /// What results are drawn on.
    pub fn canvas(&self) -> &Canvas {
        &self.stdout
    }

    /// What messages are drawn on.
    pub fn stderr_canvas(&self) -> &Canvas {
        &self.stderr
    }

    /// Writes a result. A reader that left (`| head`) is no error; a full disk is.
    pub fn result(&self, text: &str) -> Result<(), CliError> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(CliError::new(Exit::Unexpected, "the result could not be written").because(&error))
            }
            _ => Ok(()),
        }
    }

    /// Writes a document for programs, one line.
    pub fn document<T: Serialize>(&self, document: &T) -> Result<(), CliError> {
        let text = serde_json::to_string(document).map_err(|error| {
            CliError::new(Exit::Unexpected, "the result could not be written").because(&error)
        })?;
        self.result(&format!("{text}\n"))
    }

    /// Writes a message; nobody there to read it is no error.
    pub fn say(&self, text: &str) {
        let mut stderr = std::io::stderr().lock();
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }

    /// Writes an error.
    pub fn fail(&self, error: &CliError) {
        self.say(&error.render(&self.stderr));
    }

    /// Progress of a run that changes hosts.
    pub fn run_feed(&self) -> Arc<Feed> {
        self.feed(if self.is_json() {
            Some(Box::new(JsonLines::new(Box::new(std::io::stdout()))))
        } else {
            None
        })
    }

    /// Progress of a look at the hosts.
    pub fn look_feed(&self) -> Arc<Feed> {
        if self.is_json() {
            Feed::start(Box::new(Plain::new(Box::new(std::io::sink()), 0, true)))
        } else {
            self.feed(None)
        }
    }

    fn feed(&self, renderer: Option<Box<dyn Renderer>>) -> Arc<Feed> {
        Feed::start(renderer.unwrap_or_else(|| {
            if self.live {
                Box::new(Live::new(self.stderr, self.wishes.verbose))
            } else {
                Box::new(Plain::new(Box::new(std::io::stderr()), self.wishes.verbose, self.wishes.quiet))
            }
        }))
    }
}
