//! The walls: what code from a filter can reach, for how long, with how much memory.
//!
//! One [`Engine`] with everything off that the contract does not need, three imports and no WASI. A run has a
//! [`Watch`]: who wants it to end sets it, and every instance looks at it whenever the engine's epoch moves. The
//! thread that waits for a run moves the epoch, so an idle daemon has no timer.
//!
//! Decision: memory comes from the operating system for every instance, not from a pool. An instance lives for a
//! whole run, so a pool would save 20 microseconds for each core and run, and in exchange there is no limit on runs at the
//! same time and no memory that was another filter's.

use crate::error::{Reason, plain};
use crate::package::HOSTS;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use wasmtime::component::{Component, ComponentType, InstancePre, Lift, Linker, LinkerInstance, WasmStr};
use wasmtime::{Config, Engine, ResourceLimiter, Store, StoreContextMut, Trap, UpdateDeadline, WasmFeatures};

/// How often the epoch moves while something runs.
const TICK: Duration = Duration::from_millis(5);

/// A day, whatever picture and manifest say.
const MAX_TIMEOUT_MS: u64 = 24 * 3_600_000;

/// Log lines of a run that are kept, and bytes of each.
const LOG_LINES: u32 = 64;
const LOG_BYTES: usize = 1024;

/// Who should read a message of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[component(enum)]
#[repr(u8)]
pub enum Level {
    /// The author, looking for something.
    #[component(name = "debug")]
    Debug,
    /// The author.
    #[component(name = "info")]
    Info,
    /// The painter: the result may not be what was wanted.
    #[component(name = "warn")]
    Warn,
    /// The painter: the run will fail.
    #[component(name = "error")]
    Error,
}

/// Where messages of filters go: filter name, level, one line of at most 1024 bytes without control characters.
pub type Log = Arc<dyn Fn(&str, Level, &str) + Send + Sync>;

/// The engine and the three imports.
pub(crate) struct Sandbox {
    pub engine: Engine,
    linker: Linker<State>,
    log: OnceLock<Log>,
}

/// What all instances of one run share, and the only way to stop them.
pub(crate) struct Watch {
    filter: String,
    stopped: AtomicU8,
    started: Instant,
    timeout_ms: AtomicU64,
    /// Progress of a whole-picture filter, the bits of an f32 in 0..=1.
    progress: AtomicU32,
    log: Option<Log>,
    logged: AtomicU32,
    last_error: Mutex<String>,
}

const RUNNING: u8 = 0;
const CANCELLED: u8 = 1;
const TIMED_OUT: u8 = 2;
const ELSEWHERE: u8 = 3;

impl Watch {
    /// Asks every instance to stop because the job was cancelled.
    pub fn cancel(&self) {
        self.stop(CANCELLED);
    }

    /// Gives the run at least so many milliseconds from its start.
    pub fn allow(&self, timeout_ms: u64) {
        self.timeout_ms.fetch_max(timeout_ms.min(MAX_TIMEOUT_MS), Ordering::Relaxed);
    }

    /// Asks the others to stop because one instance failed.
    pub fn fail(&self) {
        self.stop(ELSEWHERE);
    }

    /// True once instances have been asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) != RUNNING
    }

    /// What a whole-picture filter reported last, 0..=1.
    pub fn progress(&self) -> f32 {
        f32::from_bits(self.progress.load(Ordering::Relaxed))
    }

    fn stop(&self, why: u8) {
        let _ = self.stopped.compare_exchange(RUNNING, why, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn tick(&self) -> wasmtime::Result<UpdateDeadline> {
        if self.started.elapsed() >= Duration::from_millis(self.timeout_ms.load(Ordering::Relaxed)) {
            self.stop(TIMED_OUT);
        }
        if self.is_stopped() { Err(wasmtime::Error::from(Trap::Interrupt)) } else { Ok(UpdateDeadline::Continue(1)) }
    }

    fn reason(&self) -> Option<Reason> {
        match self.stopped.load(Ordering::Relaxed) {
            CANCELLED | ELSEWHERE => Some(Reason::Cancelled),
            TIMED_OUT => Some(Reason::Timeout(self.timeout_ms.load(Ordering::Relaxed))),
            _ => None,
        }
    }
}

/// What a store carries.
pub(crate) struct State {
    watch: Arc<Watch>,
    pub memory: Memory,
}

/// Refuses growth beyond a limit and remembers that it did, so that the crash which follows can be named.
pub(crate) struct Memory {
    pub limit: u64,
    refused: bool,
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired as u64 <= self.limit;
        self.refused |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 10_000)
    }

    fn instances(&self) -> usize {
        16
    }

    fn tables(&self) -> usize {
        16
    }

    // One of the filter's own; the limit counts for each memory.
    fn memories(&self) -> usize {
        1
    }
}

impl Sandbox {
    pub fn new() -> Result<Self, Reason> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        config.max_wasm_stack(512 << 10);
        config.concurrency_support(false);
        // Determinism, and no more surface than the contract needs.
        let off = [
            WasmFeatures::THREADS,
            WasmFeatures::SHARED_EVERYTHING_THREADS,
            WasmFeatures::MEMORY64,
            WasmFeatures::MULTI_MEMORY,
            WasmFeatures::TAIL_CALL,
            WasmFeatures::RELAXED_SIMD,
            WasmFeatures::EXCEPTIONS,
            WasmFeatures::FUNCTION_REFERENCES,
            WasmFeatures::GC,
            WasmFeatures::GC_TYPES,
            WasmFeatures::STACK_SWITCHING,
            WasmFeatures::WIDE_ARITHMETIC,
            WasmFeatures::CUSTOM_PAGE_SIZES,
            WasmFeatures::CM_ASYNC,
            WasmFeatures::CM_ERROR_CONTEXT,
            WasmFeatures::CM_GC,
            WasmFeatures::CM_THREADING,
        ];
        for feature in off {
            config.wasm_features(feature, false);
        }
        let sandbox = |e: wasmtime::Error| Reason::Sandbox(e.to_string());
        let engine = Engine::new(&config).map_err(sandbox)?;
        let linker = imports(&engine).map_err(sandbox)?;
        Ok(Self { engine, linker, log: OnceLock::new() })
    }

    /// Sets where messages go, once.
    pub fn set_log(&self, log: Log) {
        let _ = self.log.set(log);
    }

    /// Connects a component's imports.
    pub fn instance_pre(&self, component: &Component) -> wasmtime::Result<InstancePre<State>> {
        self.linker.instantiate_pre(component)
    }

    /// Runs `body` on a thread of its own and keeps the time meanwhile: moves the epoch, and calls `on_tick`, which
    /// may cancel or look at the progress. A panic in `body` becomes an error.
    pub fn watched<T: Send>(
        &self,
        filter: &str,
        timeout_ms: u64,
        body: impl FnOnce(&Arc<Watch>) -> Result<T, Reason> + Send,
        mut on_tick: impl FnMut(&Watch),
    ) -> Result<T, Reason> {
        let watch = Arc::new(Watch {
            filter: filter.into(),
            stopped: AtomicU8::new(RUNNING),
            started: Instant::now(),
            timeout_ms: AtomicU64::new(timeout_ms.min(MAX_TIMEOUT_MS)),
            progress: AtomicU32::new(0),
            log: self.log.get().cloned(),
            logged: AtomicU32::new(0),
            last_error: Mutex::default(),
        });
        let (waiting, done) = (std::thread::current(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let body = scope.spawn(|| {
                let result = body(&watch);
                done.store(true, Ordering::Release);
                waiting.unpark();
                result
            });
            // A body that panics never says that it is done.
            while !done.load(Ordering::Acquire) && !body.is_finished() {
                std::thread::park_timeout(TICK);
                // In this order, so that what `on_tick` decides is heard at once.
                on_tick(&watch);
                self.engine.increment_epoch();
            }
            body.join().unwrap_or_else(|_| Err(Reason::Sandbox("a panic, which is a mistake in Underpaint".into())))
        })
    }
}

/// A store whose instance may use `memory` bytes and hand `talk` bytes to the host in one call.
pub(crate) fn store(engine: &Engine, watch: &Arc<Watch>, memory: u64, talk: usize) -> Store<State> {
    let state = State { watch: watch.clone(), memory: Memory { limit: memory, refused: false } };
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.memory);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|context| context.data().watch.tick());
    store.set_hostcall_fuel(talk);
    store
}

/// Why a call did not return.
pub(crate) fn reason(store: &Store<State>, error: &wasmtime::Error) -> Reason {
    let State { watch, memory } = store.data();
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::Interrupt)
        && let Some(reason) = watch.reason()
    {
        return reason;
    }
    if memory.refused {
        return Reason::Memory(memory.limit);
    }
    let said = watch.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match trap {
        Some(Trap::UnreachableCodeReached) if !said.is_empty() => Reason::Trap(said),
        Some(trap) => Reason::Trap(trap.to_string().trim_start_matches("wasm trap: ").into()),
        // The filter handed over something the canonical ABI does not allow.
        None => Reason::BadOutput(plain(&error.root_cause().to_string(), 200)),
    }
}

fn imports(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    HOSTS.iter().try_for_each(|name| host(linker.instance(name)?))?;
    Ok(linker)
}

/// The three functions, which are the same in every version so far.
fn host(mut host: LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    host.func_wrap("log", |store: StoreContextMut<'_, State>, (level, message): (Level, WasmStr)| {
        let watch = store.data().watch.clone();
        let line = watch.logged.fetch_add(1, Ordering::Relaxed);
        if line >= LOG_LINES {
            // Never wraps to 0 again, however often it is called.
            watch.logged.store(LOG_LINES, Ordering::Relaxed);
            return Ok(());
        }
        let text = plain(&message.to_str(&store)?, LOG_BYTES);
        if level == Level::Error {
            *watch.last_error.lock().unwrap_or_else(PoisonError::into_inner) = plain(&text, 300);
        }
        if let Some(log) = &watch.log {
            log(&watch.filter, level, &text);
        }
        Ok(())
    })?;
    host.func_wrap("progress", |store: StoreContextMut<'_, State>, (fraction,): (f32,)| {
        if fraction.is_finite() {
            store.data().watch.progress.store(fraction.clamp(0.0, 1.0).to_bits(), Ordering::Relaxed);
        }
        Ok(())
    })?;
    host.func_wrap("cancelled", |store: StoreContextMut<'_, State>, (): ()| Ok((store.data().watch.is_stopped(),)))
}
