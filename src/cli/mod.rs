//! The command line: the only place for arguments, the environment, the user's files, printing and exit codes.

pub mod applied;
pub mod archives;
pub mod command;
pub mod converge;
pub mod engine;
pub mod error;
pub mod exit;
pub mod files;
pub mod hosts;
pub mod output;
pub mod secrets;
pub mod signals;
pub mod site;

use std::num::NonZeroUsize;

use clap::{ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser};

use crate::cli::command::Command;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::output::console::{ColorMode, Console, OutputMode, Wishes};

/// Turns bare Linux hosts into a highly available Kuboard, over plain SSH
///
/// Describe the machines in one file, then run `kuboard-ha up`. It is safe to repeat, to interrupt, and to
/// continue from another machine: the hosts hold the truth, this machine holds nothing.
#[derive(Debug, Parser)]
#[command(name = "kuboard-ha", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// Wishes that every command knows.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Wishes that every command knows.
#[derive(Debug, Args)]
pub struct Global {
    /// How results and progress are written; results go to stdout, progress to stderr
    #[arg(short, long, global = true, value_enum, default_value = "auto", value_name = "FORM", help_heading = EVERYWHERE)]
    pub output: OutputMode,
    /// When to use colours; `NO_COLOR` is respected
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN", help_heading = EVERYWHERE)]
    pub color: ColorMode,
    /// Tell more; twice tells all
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = EVERYWHERE)]
    pub verbose: u8,
    /// Tell only of trouble and of the result
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = EVERYWHERE)]
    pub quiet: bool,
    /// How many hosts are worked on at once
    #[arg(long, global = true, default_value = "32", value_name = "N", help_heading = EVERYWHERE)]
    pub parallel: NonZeroUsize,
}

/// Heads the options of every command, below a command's own.
const EVERYWHERE: &str = "Options of every command";

const EXAMPLES: &str = "\
Examples:
  kuboard-ha check                     is the file right, and are the hosts fit?
  kuboard-ha plan                      what would `up` do, and why?
  kuboard-ha up                        do it
  kuboard-ha status --watch            how does it stand?
  kuboard-ha status -o json | jq .verdict

Every command takes the inventory as its argument, from $KUBOARD_HA_INVENTORY,
or from ./inventory.yaml.
`kuboard-ha --help` lists the exit codes.";

/// Runs the command line of this process.
pub fn run() -> Exit {
    let codes =
        format!("{EXAMPLES}\n\nExit codes (of several, the first of 3, 4, 5, 10):\n{}", Exit::table());
    let parsed = Cli::command()
        .after_long_help(codes)
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    let console = Console::new(Wishes {
        output: cli.global.output,
        color: cli.global.color,
        verbose: cli.global.verbose,
        quiet: cli.global.quiet,
    });
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console.fail(&CliError::new(Exit::Unexpected, "the program could not start").because(&error));
            return Exit::Unexpected;
        }
    };
    let ended = runtime.block_on(cli.command.run(&cli.global, &console));
    // A thread may still wait for standard input or for an ssh that hangs; the process need not.
    runtime.shutdown_background();
    ended.unwrap_or_else(|error| {
        console.fail(&error);
        error.kind
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
