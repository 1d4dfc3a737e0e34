//! Chores of the repository: `cargo xtask demo`, `cargo xtask test`.
fn main() {}
