//! What a filter may ask of the host. Natively, in tests, messages go to standard error.

/// Who should read a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Level {
    /// The author, looking for something.
    Debug = 0,
    /// The author.
    Info = 1,
    /// The painter: the result may not be what was wanted.
    Warn = 2,
    /// The painter: the run will fail.
    Error = 3,
}

/// A line for the author or, from [`Level::Warn`] on, the painter. Cut after 1024 bytes; after 64 lines of a run the
/// rest is dropped.
pub fn log(level: Level, message: &str) {
    crate::abi::log(level, message);
}

/// How much of a [`WholePicture`](crate::Plan::WholePicture) is done, 0..=1. Tiles are counted by the host.
pub fn progress(fraction: f32) {
    crate::abi::progress(fraction);
}

/// True once nobody wants the result any more. Only for those who want to return early: a cancelled filter is
/// stopped in any case.
pub fn cancelled() -> bool {
    crate::abi::cancelled()
}
