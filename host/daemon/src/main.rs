//! The daemon and command line of Underpaint.
fn main() {}
