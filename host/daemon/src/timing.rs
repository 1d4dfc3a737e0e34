//! How long each part of a job took, seen from its progress and from what begins: no other code looks at a clock for this. The parts
//! add up to the whole: what precedes the first stage or follows one is time, too, and has names of its own.

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

struct State {
    /// The part under way and when it began.
    current: (&'static str, Instant),
    /// Parts in the order in which they first ended.
    spent: Vec<(&'static str, Duration)>,
}

/// What was asked for is looked at and resolved.
const PLAN: &str = "plan";
/// What is done with pixels between the stages: scaled for the model, matched, blended, cut to the mask.
const COMPOSE: &str = "compose";

impl<'a> Timed<'a> {
    /// Starts the clock; planning comes first.
    pub fn new(job: &'a dyn Job) -> Self {
        let started = Instant::now();
        Timed { job, started, state: Mutex::new(State { current: (PLAN, started), spent: Vec::new() }) }
    }

    /// What follows belongs to no stage, until the next one begins.
    pub fn between(&self) {
        self.enter(COMPOSE);
    }

    /// What follows belongs to `stage`, though its owner is not told yet: parts of a job begin in silence after the first.
    pub fn begin(&self, stage: Stage) {
        self.enter(name(stage));
    }

    fn enter(&self, part: &'static str) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).enter(part);
    }

    /// Milliseconds of each part that was seen, and `total` since the start.
    pub fn finish(&self) -> Map<String, Value> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = state.leave();
        let mut times: Map<String, Value> =
            state.spent.iter().map(|(part, time)| ((*part).to_owned(), ms(*time))).collect();
        times.insert("total".to_owned(), ms(ended - self.started));
        times
    }
}

impl State {
    fn enter(&mut self, part: &'static str) {
        if self.current.0 != part {
            self.current = (part, self.leave());
        }
    }

    /// Counts the part under way until now, which is returned.
    fn leave(&mut self) -> Instant {
        let now = Instant::now();
        let (part, since) = self.current;
        match self.spent.iter_mut().find(|(name, _)| *name == part) {
            Some((_, time)) => *time += now - since,
            None => self.spent.push((part, now - since)),
        }
        now
    }
}

impl Wrapper for Timed<'_> {
    fn owner(&self) -> &dyn Job {
        self.job
    }

    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        self.enter(name(stage));
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

#[cfg(test)]
mod tests {
    use super::*;
    use underpaint_raster::Unattended;

    #[test]
    fn a_stage_counts_from_where_it_begins_and_not_from_what_is_told_of_it() {
        let job = Timed::new(&Unattended);
        job.between();
        job.begin(Stage::Upscale);
        job.between();
        let timing_ms = job.finish();
        let mut parts: Vec<&str> = timing_ms.keys().map(String::as_str).collect();
        parts.sort_unstable();
        assert_eq!(parts, ["compose", "plan", "total", "upscale"]);
    }

    #[test]
    fn the_parts_add_up_to_the_whole() {
        let job = Timed::new(&Unattended);
        for (stage, step) in [(Stage::Load, 0), (Stage::Denoise, 0), (Stage::Denoise, 1)] {
            Wrapper::progress(&job, stage, step, 1);
        }
        job.between();
        job.between();
        Wrapper::progress(&job, Stage::Load, 1, 1);
        job.between();
        let timing_ms = job.finish();
        let parts: Vec<&str> = timing_ms.keys().map(String::as_str).collect();
        assert_eq!(parts.len(), 5, "{parts:?}");
        for part in ["plan", "load", "denoise", "compose", "total"] {
            assert!(parts.contains(&part), "{parts:?}");
        }
        let sum: u64 = timing_ms.iter().filter(|(part, _)| *part != "total").filter_map(|(_, ms)| ms.as_u64()).sum();
        let total = timing_ms["total"].as_u64().unwrap();
        // Each is told in whole milliseconds.
        assert!(sum <= total && total <= sum + 4, "{timing_ms:?}");
    }
}
