//! The command line: arguments in, exit code out, and one sentence when something is wrong.
//!
//! Decision: each command is a file with its arguments and one `run`; this file is only the table of commands and
//! the single place where an error becomes a line on stderr and an exit code.

mod failure;

use clap::{Parser, Subcommand};
pub use failure::Failure;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  underpaint demo                                   see what it does, with nothing to download
  underpaint fill --image photo.jpg --mask hole.png -o filled.png
  underpaint serve                                  the daemon that Krita talks to

Exit codes: 0 done, 1 failed, 2 bad usage, 130 interrupted.";

/// The first layer under a painting: fills, repaints and generates pictures on this machine.
#[derive(Debug, Parser)]
#[command(name = "underpaint", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    /// Print the result (and an error) as one JSON object on stdout.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {}

/// Parses the process's arguments, runs the command, and says what went wrong.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            let json = std::env::args().any(|a| a == "--json");
            return Failure::from_clap(&error).report(json);
        }
        Err(help_or_version) => {
            let _ = help_or_version.print();
            return ExitCode::SUCCESS;
        }
    };
    let json = cli.json;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {}
}
