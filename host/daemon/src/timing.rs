//! How long each stage of a job took, seen from its progress: no other code looks at a clock for this.

use serde_json::{Map, Value};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use underpaint_raster::{Job, Stage, Wrapper};

/// A job that passes everything on and keeps the time.
pub struct Timed<'a> {
    job: &'a dyn Job,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The stage under way and when it began.
    current: Option<(Stage, Instant)>,
    /// Stages in the order in which they first began.
    spent: Vec<(Stage, Duration)>,
}

impl<'a> Timed<'a> {
    /// Starts the clock.
    pub fn new(job: &'a dyn Job) -> Self {
        Timed { job, started: Instant::now(), state: Mutex::default() }
    }

    /// What follows belongs to no stage, until the next one begins.
    pub fn between(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).leave();
    }

    /// Milliseconds of each stage that was seen, and `total` since the start.
    pub fn finish(&self) -> Map<String, Value> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.leave();
        let mut times: Map<String, Value> =
            state.spent.iter().map(|(stage, time)| (name(*stage).to_owned(), ms(*time))).collect();
        times.insert("total".to_owned(), ms(self.started.elapsed()));
        times
    }
}

impl State {
    fn leave(&mut self) {
        let Some((stage, since)) = self.current.take() else { return };
        match self.spent.iter_mut().find(|(s, _)| *s == stage) {
            Some((_, time)) => *time += since.elapsed(),
            None => self.spent.push((stage, since.elapsed())),
        }
    }
}

impl Wrapper for Timed<'_> {
    fn owner(&self) -> &dyn Job {
        self.job
    }

    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.current.is_none_or(|(current, _)| current != stage) {
                state.leave();
                state.current = Some((stage, Instant::now()));
            }
        }
        self.job.progress(stage, step, steps);
    }
}

/// The stage's name in `timing_ms`.
pub const fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Load => "load",
        Stage::Infill => "infill",
        Stage::Encode => "encode",
        Stage::Denoise => "denoise",
        Stage::Decode => "decode",
        Stage::Upscale => "upscale",
        Stage::Filter => "filters",
    }
}

fn ms(time: Duration) -> Value {
    Value::from(time.as_millis() as u64)
}
