//! The painter at a terminal: a progress bar (plain lines where stderr is no terminal), and Ctrl-C.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use underpaint_raster::{Job, Stage};

/// Set by the first Ctrl-C; the second one ends the process at once.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Cells of the bar.
const BAR: u32 = 24;

/// A job whose owner sits at the terminal.
pub struct Terminal {
    bar: bool,
    quiet: bool,
    last: Mutex<Option<(Stage, u32)>>,
}

impl Terminal {
    /// Starts listening for Ctrl-C. `quiet` shows nothing.
    pub fn new(quiet: bool) -> Self {
        watch_for_interrupts();
        Self { bar: std::io::stderr().is_terminal(), quiet, last: Mutex::new(None) }
    }

    /// Ends the bar's line, so that what follows starts on its own.
    pub fn end(&self) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.take().is_some() && self.bar && !self.quiet {
            eprint!("\r\x1b[K");
        }
    }
}

impl Job for Terminal {
    fn is_cancelled(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }

    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        if self.quiet || steps == 0 {
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let tenths = u64::from(step) * 10 / u64::from(steps);
        let shown = if self.bar { step } else { tenths as u32 };
        if *last == Some((stage, shown)) {
            return;
        }
        let began = last.is_none_or(|(before, _)| before != stage);
        *last = Some((stage, shown));
        let mut stderr = std::io::stderr().lock();
        // A terminal that went away is no reason to stop painting.
        let _ = if self.bar {
            let full = (u64::from(BAR) * u64::from(step.min(steps)) / u64::from(steps)) as usize;
            let bar = "#".repeat(full) + &"-".repeat(BAR as usize - full);
            write!(stderr, "\r\x1b[K{:<8} [{bar}] {:>3} %", verb(stage), tenths * 10).and_then(|()| stderr.flush())
        } else if began {
            writeln!(stderr, "{}", verb(stage))
        } else {
            writeln!(stderr, "{} {step}/{steps}", verb(stage))
        };
    }
}

const fn verb(stage: Stage) -> &'static str {
    match stage {
        Stage::Load => "loading",
        Stage::Infill => "filling",
        Stage::Encode => "reading",
        Stage::Denoise => "painting",
        Stage::Decode => "decoding",
        Stage::Upscale => "enlarging",
        Stage::Filter => "filtering",
    }
}

/// One thread that does nothing but wait for Ctrl-C; without it the system's default (ending at once) stays.
fn watch_for_interrupts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                while tokio::signal::ctrl_c().await.is_ok() {
                    if INTERRUPTED.swap(true, Ordering::Relaxed) {
                        std::process::exit(130);
                    }
                }
            });
        });
    });
}
