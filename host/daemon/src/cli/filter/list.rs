//! `underpaint filter list`: what can be used.

use crate::cli::{Failure, Global, paint};
use clap::Args;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  underpaint filter list
  underpaint filter list --json";

/// Every filter that can be used
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct List {}

impl List {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let filters = paint::filters(&global.home()?)?.list();
        if global.json {
            global.print(&json!({ "filters": filters }));
            return Ok(());
        }
        for filter in filters {
            outln!("{:<20} {:<9} {}", filter.name, filter.version, filter.description);
        }
        Ok(())
    }
}
