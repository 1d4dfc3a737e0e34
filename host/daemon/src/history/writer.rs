//! The thread that enters what was painted: the device goes on with the next job, and the answer waits for no disk.

use super::{History, Made};
use crate::platform;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of pixels that may wait; what a slow disk cannot take beside them is not entered.
const WAITING_BYTES: u64 = 512 << 20;

/// How long what was painted waits before it is entered, unless somebody asks for it: the editor that has it is placing it now.
const MOMENT: Duration = Duration::from_millis(400);

/// Enters what it is handed, in order.
pub struct Writer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Since when, and what.
    waiting: VecDeque<(Instant, Made)>,
    bytes: u64,
    busy: bool,
    /// Somebody asks for what waits now.
    wanted: bool,
    closing: bool,
}

impl Writer {
    /// Starts the thread. It looks through `history` first, and calls `tell` after each change.
    pub fn start(history: Arc<History>, tell: impl Fn() + Send + 'static) -> io::Result<Arc<Self>> {
        let writer = Arc::new(Self { state: Mutex::default(), changed: Condvar::new() });
        let thread = writer.clone();
        std::thread::Builder::new().name("underpaint-history".into()).spawn(move || {
            // Whatever the painter is at meanwhile has the processor first.
            platform::in_background();
            history.tidy();
            while let Some(made) = thread.next() {
                // A panic's own message is on stderr; it costs this entry alone.
                match catch_unwind(AssertUnwindSafe(|| history.enter(made))) {
                    Ok(Ok(Some(_))) => tell(),
                    Ok(Err(sentence)) => eprintln!("warning: {sentence}"),
                    Ok(Ok(None)) | Err(_) => {}
                }
            }
        })?;
        Ok(writer)
    }

    /// Hands it what a job made. Returns at once.
    pub fn enter(&self, made: Made) {
        let mut state = self.state();
        let bytes = bytes(&made);
        if state.closing {
            return;
        }
        if state.bytes > 0 && state.bytes + bytes > WAITING_BYTES {
            eprintln!("warning: pictures come faster than the disk takes them; one is not in the history");
            return;
        }
        state.bytes += bytes;
        state.waiting.push_back((Instant::now(), made));
        self.changed.notify_all();
    }

    /// Waits until all is entered, but no longer than `patience`. Whatever is handed over later is dropped.
    pub fn finish(&self, patience: Duration) {
        self.state().closing = true;
        self.settle(patience);
    }

    /// Waits until all that was handed over is entered, but no longer than `patience`.
    pub fn settle(&self, patience: Duration) {
        let mut state = self.state();
        state.wanted = true;
        self.changed.notify_all();
        let unfinished = |state: &mut State| state.busy || !state.waiting.is_empty();
        drop(self.changed.wait_timeout_while(state, patience, unfinished));
    }

    fn next(&self) -> Option<Made> {
        let mut state = self.state();
        state.busy = false;
        self.changed.notify_all();
        loop {
            let Some((since, _)) = state.waiting.front() else {
                if state.closing {
                    return None;
                }
                state.wanted = false;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = if state.wanted { Duration::ZERO } else { MOMENT.saturating_sub(since.elapsed()) };
            if left.is_zero() {
                let (_, made) = state.waiting.pop_front()?;
                state.bytes -= bytes(&made);
                state.busy = true;
                return Some(made);
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(made: &Made) -> u64 {
    made.patches.iter().map(|patch| patch.bytes.len() as u64).sum()
}
