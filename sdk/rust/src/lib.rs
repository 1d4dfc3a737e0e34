//! Write an Underpaint filter in Rust.
