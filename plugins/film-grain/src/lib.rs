//! Film grain.
