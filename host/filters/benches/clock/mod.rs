//! Two sides in turns, on the processor's clock.
#![allow(dead_code)]

use std::time::Instant;

/// Milliseconds of every round.
pub struct Sides {
    pub one: Vec<f64>,
    pub other: Vec<f64>,
}

/// Processor time of both, round by round, each first as often as second. What they make is dropped outside of it.
pub fn in_turns<A, B>(rounds: usize, one: impl Fn() -> A, other: impl Fn() -> B) -> Sides {
    let mut sides = Sides { one: Vec::new(), other: Vec::new() };
    for round in 0..rounds {
        if round % 2 == 0 {
            sides.one.push(processor_ms(&one));
            sides.other.push(processor_ms(&other));
        } else {
            sides.other.push(processor_ms(&other));
            sides.one.push(processor_ms(&one));
        }
    }
    sides
}

/// Milliseconds that all threads of this process computed during `work`.
pub fn processor_ms<T>(work: impl FnOnce() -> T) -> f64 {
    let start = processor();
    let made = work();
    let end = processor();
    drop(made);
    (end - start) * 1e3
}

/// Milliseconds that passed.
pub fn wall_ms<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    let made = work();
    let passed = start.elapsed();
    drop(made);
    passed.as_secs_f64() * 1e3
}

#[cfg(unix)]
#[allow(unsafe_code)]
fn processor() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time` alone.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[cfg(not(unix))]
fn processor() -> f64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What follows an option of the command line, or the first word that is none.
pub fn argument(option: Option<&str>) -> Option<String> {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    match option {
        Some(option) => words.find(|word| word == option).and_then(|_| words.next()),
        None => words.next().filter(|word| !word.starts_with('-')),
    }
}
