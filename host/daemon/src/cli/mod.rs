//! The command line: arguments in, exit code out, and one sentence when something is wrong.
//!
//! Decision: each command is a file with its arguments and one `run`; this file is only the table of commands and
//! the single place where an error becomes a line on stderr and an exit code.

/// `println!` for people who pipe into `head`: see [`print_line`].
macro_rules! outln {
    ($($text:tt)*) => { $crate::cli::print_line(format_args!($($text)*)) };
}

mod adapter;
mod control;
mod demo;
mod doctor;
mod failure;
mod fill;
mod filter;
mod filter_worker;
mod generate;
mod history;
mod models;
mod options;
mod output;
mod paint;
mod pair;
mod play;
mod preprocess;
mod progress;
mod region;
mod serve;
mod upscale;

use crate::home::Home;
use clap::{Parser, Subcommand};
pub use failure::Failure;
use std::io::Write;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  underpaint demo                                   see what it does, with nothing to download
  underpaint generate --prompt 'the sea at sunset, oil' -o sea.png
  underpaint fill --image photo.jpg --mask hole.png -o filled.png
  underpaint upscale --model x4plus.safetensors photo.jpg -o large.png
  underpaint serve                                  the daemon that the editors talk to

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
enum Command {
    Fill(Box<fill::Fill>),
    Generate(Box<generate::Generate>),
    Preprocess(preprocess::Preprocess),
    Upscale(upscale::Upscale),
    Filter(filter::Filter),
    Models(models::Models),
    History(history::History),
    Demo(demo::Demo),
    Serve(serve::Serve),
    Pair(pair::Pair),
    Status(serve::Status),
    Stop(serve::Stop),
    Doctor(doctor::Doctor),
    Adapter(adapter::Adapter),
    #[command(hide = true)]
    FilterWorker(filter_worker::FilterWorker),
}

/// What every command may want to know.
struct Global {
    /// Results are JSON on stdout, and no progress is shown.
    json: bool,
}

impl Global {
    /// Where Underpaint's files are.
    fn home(&self) -> Result<Home, Failure> {
        Home::find().map_err(Failure::Failed)
    }

    /// True if nothing but the result is to be shown.
    fn quiet(&self) -> bool {
        self.json
    }

    /// One JSON object on stdout.
    fn print(&self, value: &serde_json::Value) {
        outln!("{value}");
    }

    /// The result as JSON, or as a sentence for people.
    fn say(&self, value: &serde_json::Value, sentence: &str) {
        match self.json {
            true => self.print(value),
            false => outln!("{sentence}"),
        }
    }
}

/// Writes a line to stdout. When the reader has gone there is nobody left to tell anything, so the process ends
/// quietly; `println!` would panic.
fn print_line(line: std::fmt::Arguments<'_>) {
    if let Err(error) = writeln!(std::io::stdout(), "{line}") {
        let failed = error.kind() != std::io::ErrorKind::BrokenPipe;
        if failed {
            eprintln!("error: the result cannot be written to standard output: {error}");
        }
        std::process::exit(failed.into());
    }
}

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
    let global = Global { json: cli.json };
    match cli.command {
        Command::Fill(fill) => fill.run(&global),
        Command::Generate(generate) => generate.run(&global),
        Command::Preprocess(preprocess) => preprocess.run(&global),
        Command::Upscale(upscale) => upscale.run(&global),
        Command::Filter(filter) => filter.run(&global),
        Command::Models(models) => models.run(&global),
        Command::History(history) => history.run(&global),
        Command::Demo(demo) => demo.run(&global),
        Command::Serve(serve) => serve.run(&global),
        Command::Pair(pair) => pair.run(&global),
        Command::Status(status) => status.run(&global),
        Command::Stop(stop) => stop.run(&global),
        Command::Doctor(doctor) => doctor.run(&global),
        Command::Adapter(adapter) => adapter.run(&global),
        Command::FilterWorker(worker) => worker.run(),
    }
}
