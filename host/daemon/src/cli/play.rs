//! `underpaint filter play`: the playground in a browser.

use super::{Failure, Global, paint};
use crate::filters::Installed;
use crate::home::Home;
use crate::picture;
use crate::playground::{Options, Playground};
use crate::server::random_hex;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use underpaint_filters::{FilterError, Filters};

const EXAMPLES: &str = "\
Examples:
  underpaint filter play                         every filter of this machine, on a photograph
  underpaint filter play --image photo.jpg
  underpaint filter play target/wasm32-unknown-unknown/release/my_filter.wasm
                                                 your own, looked at again whenever it is built

The page is on this machine alone and needs the token in the address that is printed. Ctrl-C ends it.";

/// Try filters on a picture in your browser: sliders, live preview, before and after
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Play {
    /// Filters you work on; without any, all that are installed
    files: Vec<PathBuf>,
    /// The picture to begin with; others can be dropped on the page
    #[arg(long, value_name = "IMG")]
    image: Option<PathBuf>,
    /// Where to listen on 127.0.0.1; any free port if left out
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Print the address, open nothing
    #[arg(long)]
    no_open: bool,
}

impl Play {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let home = global.home()?;
        let picture = match &self.image {
            Some(path) => picture::read(path)?,
            None => picture::decode(Path::new("the photograph"), PHOTOGRAPH)?,
        };
        let token = random_hex::<32>().map_err(|e| Failure::failed(&e))?;
        let watched = self.files.clone();
        let load = Box::new(move || load(&home, &self.files));
        let options = Options { port: self.port, watched, load, picture };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.map_err(|e| Failure::failed(&e))?.block_on(async {
            let playground = Playground::bind(options, token).await.map_err(|e| Failure::failed(&e))?;
            let address = playground.address();
            global.say(&json!({"address": address}), &format!("the playground is at {address}\nCtrl-C ends it"));
            if !self.no_open {
                open(&address);
            }
            tokio::select! {
                served = playground.serve() => served.map_err(|e| Failure::failed(&e)),
                _ = tokio::signal::ctrl_c() => Ok(()),
            }
        })
    }
}

const PHOTOGRAPH: &[u8] = include_bytes!("../../assets/demo/raccoon.jpg");

/// The author's files if there are any, else everything that is installed.
fn load(home: &Home, files: &[PathBuf]) -> Result<Filters, FilterError> {
    if files.is_empty() {
        return paint::open_filters(home);
    }
    let mut filters = Installed::new(home)?.none();
    files.iter().try_for_each(|file| filters.add_file(file).map(drop))?;
    Ok(filters)
}

/// Asks the desktop for its browser. Where there is none, the address was printed.
fn open(address: &str) {
    let (program, arguments): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("rundll32", &["url.dll,FileProtocolHandler"]),
        _ => ("xdg-open", &[]),
    };
    let mut command = Command::new(program);
    command.args(arguments).arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _ = command.spawn();
}
