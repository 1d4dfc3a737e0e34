//! `underpaint filter info`: what a filter says of itself.

use crate::cli::{Failure, Global};
use clap::Args;
use serde_json::json;
use underpaint_filters::{Descriptor, Kind, Role};

const EXAMPLES: &str = "\
Examples:
  underpaint filter info film-grain
  underpaint filter info my-filter.wasm --json";

/// Parameters, inputs and limits of a filter
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Info {
    /// A filter's name, a .wasm file or the folder of one that was built
    #[arg(default_value = ".")]
    name: String,
}

impl Info {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let (_, filter) = super::find(global, &self.name)?;
        if global.json {
            global.print(&json!(filter));
            return Ok(());
        }
        let Descriptor { name, version, title, description, license, authors, .. } = &filter;
        outln!("{title} ({name} {version}, {})", if license.is_empty() { "no licence given" } else { license });
        outln!("{description}");
        if !authors.is_empty() {
            outln!("by {authors}");
        }
        for param in &filter.params {
            let values = values(&param.kind);
            outln!("  --param {:<14} {values}\n  {:<22} {}", format!("{}=", param.name), "", param.help);
        }
        for input in &filter.inputs {
            let option = match input.role {
                Role::Original => continue,
                Role::Mask => "--mask FILE".to_owned(),
                Role::Before => "--before FILE".to_owned(),
                Role::Generated => "--generated FILE".to_owned(),
                Role::Image => format!("--input {}=FILE", input.name),
            };
            let wanted = if input.required { "needed" } else { "if there is one" };
            outln!("  {option:<22} {}, {wanted}\n  {:<22} {}", input.label, "", input.help);
        }
        outln!(
            "It may use {} MiB of memory and {} ms for each megapixel.",
            filter.limits.memory_bytes >> 20,
            filter.limits.timeout_ms
        );
        Ok(())
    }
}

/// Which values a parameter takes, for people.
fn values(kind: &Kind) -> String {
    let number = |default: &dyn std::fmt::Display, range: String| format!("{}, usually {default}", range.trim_end());
    match kind {
        Kind::Float { default, min, max, unit, .. } => number(default, format!("{min} to {max} {unit}")),
        Kind::Int { default, min, max, unit, .. } => number(default, format!("{min} to {max} {unit}")),
        Kind::Bool { default } => format!("true or false, usually {default}"),
        Kind::Choice { default, choices } => {
            let names: Vec<&str> = choices.iter().map(|c| c.name.as_str()).collect();
            format!("{}, usually {default}", names.join(" | "))
        }
        Kind::Color { default } => format!("a colour, usually {default}"),
        Kind::Text { default, max_bytes, multiline: false } => {
            format!("words, up to {max_bytes} bytes, usually {default:?}")
        }
        Kind::Text { max_bytes, .. } => format!("text of up to {max_bytes} bytes; @FILE for a file's"),
        Kind::Seed { default } => format!("a whole number, usually {default}"),
    }
}
