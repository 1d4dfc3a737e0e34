//! `underpaint filter-worker`: the process in which filters run, started by the daemon and the command line themselves.

use super::Failure;
use clap::Args;

/// Serve a host of filters over standard input and output
#[derive(Debug, Args)]
pub struct FilterWorker {
    /// Memory it may use
    data_bytes: u64,
}

impl FilterWorker {
    pub fn run(self) -> Result<(), Failure> {
        underpaint_filters::serve_worker(self.data_bytes).map_err(|e| Failure::failed(&e))
    }
}
