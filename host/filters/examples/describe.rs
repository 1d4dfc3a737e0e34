//! What a filter says of itself, as JSON: `cargo xtask filters` keeps it beside each first-party filter.
//!
//! `cargo run -p underpaint-filters --example describe -- plugins/film-grain/film-grain.wasm`

use std::path::PathBuf;
use std::process::ExitCode;
use underpaint_filters::Filters;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: describe FILTER.wasm");
        return ExitCode::from(2);
    };
    let described = Filters::empty(None).and_then(|mut filters| filters.add_file(&path).cloned());
    match described.map(|descriptor| serde_json::to_string_pretty(&descriptor)) {
        Ok(Ok(json)) => {
            println!("{json}");
            ExitCode::SUCCESS
        }
        Ok(Err(error)) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
