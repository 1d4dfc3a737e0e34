//! The binary `underpaint`; everything it does is in the library beside it.

use std::process::ExitCode;
use underpaint_pages::LargePages;

/// Pictures, latents and weights are large.
#[global_allocator]
static MEMORY: LargePages = LargePages;

fn main() -> ExitCode {
    underpaint::cli::main()
}
