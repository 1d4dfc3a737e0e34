//! Filters in processes of their own: this side starts them, feeds them and ends them.
//!
//! A worker is this binary again, with an empty environment, in no folder, with three pipes and nothing else open,
//! behind [`walls`]. It never sees a token, a path or a device: wasm and pixels go in, pixels and sentences come out.
//! Compiling happens in a fresh one each time, which is ended when it takes too long or too much; runs share one that
//! is kept between jobs. Cancelling ends the process: nothing a filter does can delay that, and starting another takes
//! a few milliseconds.
//!
//! Decision: what comes back is not trusted more than a filter is. Lengths are bounded before they are believed, and
//! code that a worker compiled is only ever run in workers.

mod frames;
mod serve;
mod walls;

pub use serve::serve;

use crate::cache::{Cache, EngineKey, hex};
use crate::error::{FilterError, Reason, plain};
use crate::picture::{Picture, PictureRef};
use crate::run::Settings;
use crate::{Call, Descriptor, Log, Package};
use frames::{Answer, Ask, Shape};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use underpaint_raster::{Image, Job, Stage};

/// How often a waiting host looks whether its job was cancelled.
const LOOK: Duration = Duration::from_millis(5);

/// The time a worker has to start, and to load compiled code and describe it.
const LOAD: Duration = Duration::from_secs(20);

/// What compiling one filter may take. The largest honest ones stay well below.
const COMPILE: Duration = Duration::from_secs(20);
const COMPILE_BYTES: u64 = 512 << 20;

/// A worker that runs a filter says something at least this often, or it hangs.
const SILENCE: Duration = Duration::from_secs(10);

/// Memory of a worker for runs, besides what the picture needs.
const RUN_BYTES: u64 = 4 << 30;

/// A worker that has held more pixels than this is not kept: its memory goes back to the system at once.
const KEPT_PIXELS: u64 = 16 << 20;

/// Filters one worker keeps ready.
const KEPT_FILTERS: usize = 64;

/// Everything needed to start workers, and the one that waits for the next job.
pub(crate) struct Workers {
    program: PathBuf,
    arguments: Vec<String>,
    cache: Option<Cache>,
    log: OnceLock<Log>,
    idle: Mutex<Option<Process>>,
}

/// One filter of a chain.
pub(crate) struct Step<'a> {
    pub package: &'a Package,
    /// Its machine code, where the cache does not have it.
    pub code: Option<&'a Vec<u8>>,
    pub call: &'a Call,
}

impl Workers {
    pub fn new(program: &Path, arguments: &[&str], cache: Option<Cache>) -> Self {
        let arguments = arguments.iter().map(|&a| a.into()).collect();
        Self { program: program.into(), arguments, cache, log: OnceLock::new(), idle: Mutex::new(None) }
    }

    pub fn set_log(&self, log: Log) {
        let _ = self.log.set(log);
    }

    /// What the filter says of itself, and its code where the cache cannot keep it.
    pub fn load(&self, package: &Package) -> Result<(Descriptor, Option<Vec<u8>>), Reason> {
        let mut process = self.take(RUN_BYTES)?;
        if let Some(code) = self.kept(&process.engine, package)
            && let Some(descriptor) = process.load(package, &code)?
        {
            self.put_back(process);
            return Ok((descriptor, None));
        }
        let code = self.compile(package)?;
        let stored = self.cache.as_ref().is_some_and(|c| c.store(&process.engine, &package.sha256, &code).is_ok());
        let descriptor = process.load(package, &code)?.ok_or_else(another_engine)?;
        self.put_back(process);
        Ok((descriptor, (!stored).then_some(code)))
    }

    /// As [`Filters::run`](crate::Filters::run), once parameters have been checked.
    pub fn run(
        &self,
        picture: PictureRef<'_>,
        steps: &[Step<'_>],
        settings: &Settings<'_>,
        job: &dyn Job,
    ) -> Result<Option<Picture>, FilterError> {
        let Some(first) = steps.first() else { return Ok(None) };
        let named = |reason: Reason| reason.of(&first.call.name);
        let mut process = self.take(bytes_to_run(picture, steps)).map_err(named)?;
        for step in steps {
            let name = &step.package.manifest.name;
            if process.holds.get(name) != Some(&step.package.sha256) {
                let kept = if step.code.is_none() { self.kept(&process.engine, step.package) } else { None };
                let compiled = match (step.code, kept) {
                    (Some(code), _) => code.clone(),
                    (None, Some(code)) => code,
                    // Somebody emptied the cache.
                    (None, None) => self.compile(step.package).map_err(|reason| reason.of(name))?,
                };
                let loaded = process.load(step.package, &compiled).map_err(|reason| reason.of(name))?;
                loaded.ok_or_else(|| another_engine().of(name))?;
            }
        }
        let made = process.run(picture, steps, settings, job, self.log.get())?;
        let most = made.as_ref().map_or(0, |made| made.extent().area()).max(picture.extent().area());
        if most <= KEPT_PIXELS && process.holds.len() <= KEPT_FILTERS {
            self.put_back(process);
        }
        Ok(made)
    }

    fn kept(&self, engine: &EngineKey, package: &Package) -> Option<Vec<u8>> {
        self.cache.as_ref()?.load(engine, &package.sha256)
    }

    /// In a process that lives for nothing else.
    fn compile(&self, package: &Package) -> Result<Vec<u8>, Reason> {
        let mut process = self.start(COMPILE_BYTES)?;
        let ask = Ask::Compile { wasm: package.wasm.len() as u64 };
        match process.converse(&ask, &[&package.wasm], Some(COMPILE), |_| false) {
            Ok((Answer::Compiled { .. }, Follows::Bytes(code))) => Ok(code),
            Ok((Answer::Failed(error), _)) => Err(error.reason),
            Ok(_) => Err(nonsense()),
            Err(End::TooLong) => Err(Reason::Compile(format!("it took longer than {} s", COMPILE.as_secs()))),
            Err(End::Died | End::Cancelled) => Err(Reason::Compile(match process.fate() {
                Fate::OutOfMemory => format!("it takes more than {} MiB of memory", COMPILE_BYTES >> 20),
                Fate::Ended(how) => format!("the compiler {how}"),
            })),
        }
    }

    /// A worker that may use `data_bytes`: the one that waits, or a new one.
    fn take(&self, data_bytes: u64) -> Result<Process, Reason> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut process) = idle
            && process.data_bytes >= data_bytes
            && process.is_alive()
        {
            return Ok(process);
        }
        self.start(data_bytes)
    }

    fn put_back(&self, process: Process) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
    }

    fn start(&self, data_bytes: u64) -> Result<Process, Reason> {
        Process::start(&self.program, &self.arguments, data_bytes)
    }
}

/// Room for the picture in every form it takes on its way, for results that are larger, and for all instances.
fn bytes_to_run(picture: PictureRef<'_>, steps: &[Step<'_>]) -> u64 {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get) as u64;
    let instances = steps.iter().map(|s| s.package.manifest.memory_bytes).max().unwrap_or(0).saturating_mul(threads);
    let pictures = picture.extent().area().saturating_mul(16 * 32);
    RUN_BYTES.max(pictures.saturating_add(instances).saturating_add(1 << 30).next_power_of_two())
}

/// A worker. It ends with this value.
struct Process {
    child: Child,
    to: ChildStdin,
    heard: Receiver<(Answer, Follows)>,
    stderr: Option<ChildStderr>,
    engine: EngineKey,
    data_bytes: u64,
    /// Filters it keeps ready, by name.
    holds: BTreeMap<String, [u8; 32]>,
}

/// What came behind an answer.
enum Follows {
    Nothing,
    Bytes(Vec<u8>),
    Picture(Picture),
}

/// Why there was no answer.
enum End {
    Cancelled,
    TooLong,
    Died,
}

/// How a worker ended.
enum Fate {
    OutOfMemory,
    Ended(String),
}

impl Process {
    fn start(program: &Path, arguments: &[String], data_bytes: u64) -> Result<Self, Reason> {
        let failed =
            |e: &dyn std::fmt::Display| Reason::Sandbox(format!("a process for filters cannot be started: {e}"));
        let mut command = Command::new(program);
        command.args(arguments).arg(data_bytes.to_string()).env_clear();
        command.current_dir(if cfg!(windows) { std::env::temp_dir() } else { "/".into() });
        #[cfg(windows)]
        command.envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| failed(&e))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else { return Err(failed(&"no pipes")) };
        let (tell, heard) = channel();
        let listening = std::thread::Builder::new().name("filter-worker".into()).spawn(move || listen(from, &tell));
        let stderr = child.stderr.take();
        let mut process =
            Self { child, to, heard, stderr, engine: EngineKey(String::new()), data_bytes, holds: BTreeMap::new() };
        listening.map_err(|e| failed(&e))?;
        match process.heard.recv_timeout(LOAD) {
            Ok((Answer::Hello { engine }, _)) => process.engine = EngineKey(format!("worker {}", plain(&engine, 64))),
            _ => {
                let _ = process.child.kill();
                return Err(failed(&match process.fate() {
                    Fate::OutOfMemory => "it has too little memory".to_owned(),
                    Fate::Ended(how) => format!("it {how}"),
                }));
            }
        }
        Ok(process)
    }

    fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Gives it a filter to keep ready; `None` if the code is another engine's.
    fn load(&mut self, package: &Package, code: &[u8]) -> Result<Option<Descriptor>, Reason> {
        let ask = Ask::Load { wasm: package.wasm.len() as u64, code: code.len() as u64 };
        match self.converse(&ask, &[&package.wasm, code], Some(LOAD), |_| false) {
            Ok((Answer::Loaded(descriptor), _)) => {
                let (name, sha256) = (&package.manifest.name, package.sha256);
                if descriptor.name != *name || descriptor.sha256 != hex(&sha256) {
                    return Err(nonsense());
                }
                self.holds.insert(name.clone(), sha256);
                Ok(Some(*descriptor))
            }
            Ok((Answer::Stale, _)) => Ok(None),
            Ok((Answer::Failed(error), _)) => Err(error.reason),
            Ok(_) => Err(nonsense()),
            Err(end) => Err(self.reason(&end)),
        }
    }

    fn run(
        &mut self,
        picture: PictureRef<'_>,
        steps: &[Step<'_>],
        settings: &Settings<'_>,
        job: &dyn Job,
        log: Option<&Log>,
    ) -> Result<Option<Picture>, FilterError> {
        let images: Vec<(&String, &Arc<Image>)> = steps.iter().flat_map(|step| &step.call.images).collect();
        let calls = steps.iter().map(|step| {
            let images = step.call.images.iter();
            let images = images.map(|(name, image)| (name.clone(), Shape::of(PictureRef::from(&**image)))).collect();
            frames::Step { name: step.call.name.clone(), params: step.call.params.clone(), images }
        });
        let beside = &settings.beside;
        let threads = match settings.threads {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
            n => n,
        };
        let ask = Ask::Run(Box::new(frames::Run {
            calls: calls.collect(),
            seed: settings.seed,
            scale: settings.scale,
            tile: settings.tile,
            threads,
            picture: Shape::of(picture),
            mask: beside.mask.map(|mask| (mask.extent().w, mask.extent().h)),
            before: beside.before.map(Shape::of),
            generated: beside.generated.map(Shape::of),
        }));
        let mut follows = vec![frames::bytes(picture)];
        follows.extend(images.iter().map(|(_, image)| bytemuck::cast_slice::<f32, u8>(image.data())));
        follows.extend(beside.mask.map(|mask| bytemuck::cast_slice::<f32, u8>(mask.data())));
        follows.extend([beside.before, beside.generated].into_iter().flatten().map(frames::bytes));

        // Which filter of the chain is running, for the sentence should the process end.
        let mut at = 0;
        let done = self.converse(&ask, &follows, None, |answer| {
            match answer {
                Some(Answer::Progress { step, steps: of }) => {
                    at = (*step / crate::STEPS) as usize;
                    job.progress(Stage::Filter, *step, *of);
                }
                Some(Answer::Log { filter, level, line }) => {
                    if let Some(log) = log {
                        log(&plain(filter, 64), *level, &plain(line, 1024));
                    }
                }
                _ => {}
            }
            job.is_cancelled()
        });
        let named = |reason: Reason| reason.of(&steps[at.min(steps.len() - 1)].call.name);
        match done {
            Ok((Answer::Made(None), _)) => Ok(None),
            Ok((Answer::Made(Some(_)), Follows::Picture(made))) => Ok(Some(made)),
            Ok((Answer::Failed(error), _)) => Err(error),
            Ok(_) => Err(named(nonsense())),
            Err(end) => Err(named(self.reason(&end))),
        }
    }

    /// Sends a request and waits for what ends it: an answer, the worker's end, silence, `allowed` time or the owner.
    /// `hear` is told what comes before that (`None`: nothing did for a moment) and answers whether to cancel.
    fn converse(
        &mut self,
        ask: &Ask,
        follows: &[&[u8]],
        allowed: Option<Duration>,
        mut hear: impl FnMut(Option<&Answer>) -> bool,
    ) -> Result<(Answer, Follows), End> {
        let Self { child, to, heard, .. } = self;
        let start = Instant::now();
        std::thread::scope(|scope| {
            // On a thread of its own, since a worker that does not read would hold it up for ever.
            let sending = scope.spawn(move || frames::write(to, ask, follows));
            let mut last = Instant::now();
            let end = loop {
                let cancelled = match heard.recv_timeout(LOOK) {
                    Ok((answer @ (Answer::Beat | Answer::Progress { .. } | Answer::Log { .. }), _)) => {
                        last = Instant::now();
                        hear(Some(&answer))
                    }
                    Ok(done) => break Ok(done),
                    Err(RecvTimeoutError::Timeout) => hear(None),
                    Err(RecvTimeoutError::Disconnected) => break Err(End::Died),
                };
                if cancelled {
                    break Err(End::Cancelled);
                }
                // While pixels are on their way into it, it has nothing to say.
                let silent = sending.is_finished() && last.elapsed() > SILENCE && allowed.is_none();
                if silent || allowed.is_some_and(|allowed| start.elapsed() > allowed) {
                    break Err(End::TooLong);
                }
            };
            // One that has answered has read everything.
            let patience = Instant::now();
            while end.is_ok() && !sending.is_finished() && patience.elapsed() < LOAD {
                std::thread::sleep(Duration::from_micros(100));
            }
            if end.is_err() || !sending.is_finished() {
                let _ = child.kill();
            }
            end
        })
    }

    fn reason(&mut self, end: &End) -> Reason {
        match end {
            End::Cancelled => Reason::Cancelled,
            End::TooLong => Reason::Sandbox("its process hung and was ended".into()),
            End::Died => match self.fate() {
                Fate::OutOfMemory => Reason::Memory(self.data_bytes),
                Fate::Ended(how) => Reason::Trap(format!("the process it ran in {how}")),
            },
        }
    }

    /// How it ended; ends it if it has not.
    fn fate(&mut self) -> Fate {
        let _ = self.child.kill();
        let status = self.child.wait();
        let mut said = Vec::new();
        if let Some(stderr) = self.stderr.take() {
            let _ = stderr.take(4096).read_to_end(&mut said);
        }
        if String::from_utf8_lossy(&said).contains("memory allocation of") {
            return Fate::OutOfMemory;
        }
        #[cfg(unix)]
        if let Some(signal) = status.as_ref().ok().and_then(std::os::unix::process::ExitStatusExt::signal) {
            return Fate::Ended(format!("was ended by signal {signal}"));
        }
        Fate::Ended(match status.ok().and_then(|s| s.code()) {
            Some(code) => format!("ended with code {code}"),
            None => "ended".into(),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads answers until the worker ends or talks nonsense, which is the same to us.
fn listen(mut from: ChildStdout, tell: &Sender<(Answer, Follows)>) {
    while let Ok(heard) = hear(&mut from) {
        if tell.send(heard).is_err() {
            return;
        }
    }
}

fn hear(from: &mut impl Read) -> io::Result<(Answer, Follows)> {
    let answer = frames::read(from)?;
    let follows = match &answer {
        Answer::Compiled { code } => Follows::Bytes(frames::read_bytes(from, *code)?),
        Answer::Made(Some(shape)) => Follows::Picture(frames::read_picture(from, *shape)?),
        _ => Follows::Nothing,
    };
    Ok((answer, follows))
}

fn nonsense() -> Reason {
    Reason::Sandbox("its process answered nonsense".into())
}

fn another_engine() -> Reason {
    Reason::Sandbox("its process cannot load what another one compiled".into())
}
