//! `underpaint filter`: the filters of this machine, and the tools of those who write them.
//!
//! Decision: one file for each command; this one is their table and the way from a word on the command line to a
//! filter.

mod add;
mod bench;
mod build;
mod check;
mod info;
mod list;
mod new;
mod project;
mod run;
mod sign;
mod watch;

use super::{Failure, Global, paint};
use clap::{Args, Subcommand};
use project::Project;
use std::path::{Path, PathBuf};
use underpaint_filters::{Descriptor, FilterError, Filters, Reason};

const EXAMPLES: &str = "\
Examples:
  underpaint filter list
  underpaint filter run film-grain photo.jpg -o grainy.png --param strength=0.5
  underpaint filter new my-filter && cd my-filter
  underpaint filter build && underpaint filter check

A filter is one .wasm file. It sees the pixels it is given and nothing else: no files, no network, no clock.
Each command tells more with --help.";

/// Run filters, and write your own
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Filter {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(list::List),
    Info(info::Info),
    Run(run::Run),
    New(new::New),
    Build(build::Build),
    Play(super::play::Play),
    Check(check::Check),
    Bench(bench::Bench),
    Watch(watch::Watch),
    Add(add::Add),
    Remove(add::Remove),
    Keygen(sign::Keygen),
    Sign(sign::Sign),
}

impl Filter {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        match self.action {
            Action::List(list) => list.run(global),
            Action::Info(info) => info.run(global),
            Action::Run(run) => run.run(global),
            Action::New(new) => new.run(global),
            Action::Build(build) => build.run(global),
            Action::Play(play) => play.run(global),
            Action::Check(check) => check.run(global),
            Action::Bench(bench) => bench.run(global),
            Action::Watch(watch) => watch.run(global),
            Action::Add(add) => add.run(global),
            Action::Remove(remove) => remove.run(global),
            Action::Keygen(keygen) => keygen.run(global),
            Action::Sign(sign) => sign.run(global),
        }
    }
}

/// The filters of this machine and the one that is meant.
fn find(global: &Global, name: &str) -> Result<(Filters, Descriptor), Failure> {
    let (filters, mut found) = find_all(global, &[name])?;
    Ok((filters, found.remove(0)))
}

/// The filters of this machine and those that are meant. A .wasm file, or the one that a project's folder was built
/// to, takes its place among them for this command alone.
fn find_all(global: &Global, names: &[&str]) -> Result<(Filters, Vec<Descriptor>), Failure> {
    let mut filters = paint::filters(&global.home()?)?;
    let mut found = Vec::new();
    for name in names {
        let path = Path::new(name);
        found.push(match name.ends_with(".wasm") || path.is_dir() {
            true => filters.replace_file(&file(path)?)?.clone(),
            false => filters.get(name)?.clone(),
        });
    }
    Ok((filters, found))
}

/// A filter's file: the one named, or the one that the project in a folder was built to.
fn file(path: &Path) -> Result<PathBuf, Failure> {
    if path.is_dir() { Project::open(path)?.built() } else { Ok(path.to_owned()) }
}

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Self {
        match error.reason {
            Reason::Cancelled => Failure::Interrupted,
            Reason::Unknown(_) | Reason::BadParameter { .. } => Failure::Usage(error.to_string()),
            _ => Failure::Failed(error.to_string()),
        }
    }
}
