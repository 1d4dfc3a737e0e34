//! The worker's side: walls first, then one request after the other until the host hangs up.

use super::frames::{self, Answer, Ask, Run, Shape};
use super::walls;
use crate::error::{FilterError, Reason};
use crate::picture::{Picture, PictureRef};
use crate::run::{Beside, Settings};
use crate::{Call, Entry, Filters, Loaded, Origin, Package, Place, Ready};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use underpaint_raster::{Extent, Image, Job, Mask, Stage};

/// How often the host hears that a run goes on.
const BEAT: Duration = Duration::from_millis(250);

/// Serves one host over standard input and output until it hangs up; memory beyond `data_bytes` is refused by the
/// system. The process that calls this should have done nothing before and do nothing afterwards.
pub fn serve(data_bytes: u64) -> io::Result<()> {
    let (mut from, to) = pipes()?;
    let to: To = Arc::new(Mutex::new(to));
    walls::raise(data_bytes);
    let mut filters = Filters::empty(None).map_err(io::Error::other)?;
    let log = to.clone();
    filters.set_log(Arc::new(move |filter, level, line| {
        say(&log, &Answer::Log { filter: filter.into(), level, line: line.into() }, &[]);
    }));
    let Place::Inline(inline) = &*filters.place.clone() else { return Ok(()) };
    say(&to, &Answer::Hello { engine: inline.key().0 }, &[]);
    loop {
        match frames::read(&mut from) {
            Ok(Ask::Compile { wasm }) => {
                let wasm = frames::read_bytes(&mut from, wasm)?;
                let compiled = Package::new(Cow::Owned(wasm)).and_then(|package| {
                    let code = inline.compile(&package)?.serialize();
                    code.map_err(|e| Reason::Sandbox(e.to_string()))
                });
                match compiled {
                    Ok(code) => say(&to, &Answer::Compiled { code: code.len() as u64 }, &[&code]),
                    Err(reason) => say(&to, &Answer::Failed(reason.of("")), &[]),
                }
            }
            Ok(Ask::Load { wasm, code }) => {
                let wasm = frames::read_bytes(&mut from, wasm)?;
                let code = frames::read_bytes(&mut from, code)?;
                say(&to, &load(&mut filters, wasm, &code), &[]);
            }
            Ok(Ask::Run(run)) => {
                let made = run_once(&filters, &run, &mut from, &to)?;
                match &made {
                    Ok(Some(picture)) => {
                        let view = picture.view();
                        say(&to, &Answer::Made(Some(Shape::of(view))), &[frames::bytes(view)]);
                    }
                    Ok(None) => say(&to, &Answer::Made(None), &[]),
                    Err(error) => say(&to, &Answer::Failed(error.clone()), &[]),
                }
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(e) => return Err(e),
        }
    }
}

type To = Arc<Mutex<File>>;

/// A host that does not listen any more is no longer there.
fn say(to: &To, answer: &Answer, follows: &[&[u8]]) {
    let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
    if frames::write(&mut *to, answer, follows).is_err() {
        std::process::exit(0);
    }
}

/// The pipes without the standard library's buffers.
fn pipes() -> io::Result<(File, File)> {
    #[cfg(unix)]
    use std::os::fd::AsFd as Borrow;
    #[cfg(windows)]
    use std::os::windows::io::AsHandle as Borrow;
    #[cfg(unix)]
    let (from, to) = (io::stdin().as_fd().try_clone_to_owned()?, io::stdout().as_fd().try_clone_to_owned()?);
    #[cfg(windows)]
    let (from, to) = (io::stdin().as_handle().try_clone_to_owned()?, io::stdout().as_handle().try_clone_to_owned()?);
    Ok((File::from(from), File::from(to)))
}

fn load(filters: &mut Filters, wasm: Vec<u8>, code: &[u8]) -> Answer {
    let failed = |reason: Reason| Answer::Failed(reason.of(""));
    let package = match Package::new(Cow::Owned(wasm)) {
        Ok(package) => package,
        Err(reason) => return failed(reason),
    };
    let Place::Inline(inline) = &*filters.place else { return Answer::Stale };
    match inline.load_code(&package, code) {
        None => Answer::Stale,
        Some(Err(reason)) => failed(reason),
        Some(Ok((linked, descriptor))) => {
            let name = descriptor.name.clone();
            let loaded = Ok(Loaded { descriptor: descriptor.clone(), ready: Ready::Here(linked) });
            let entry = Entry { package, origin: Origin::FirstParty, known: None, loaded: OnceLock::from(loaded) };
            filters.entries.insert(name, Arc::new(entry));
            Answer::Loaded(Box::new(descriptor))
        }
    }
}

fn run_once(
    filters: &Filters,
    run: &Run,
    from: &mut impl Read,
    to: &To,
) -> io::Result<Result<Option<Picture>, FilterError>> {
    let picture = frames::read_picture(from, run.picture)?;
    let mut chain = Vec::new();
    for step in &run.calls {
        let mut call = Call { name: step.name.clone(), params: step.params.clone(), ..Call::default() };
        for (name, shape) in &step.images {
            call.images.insert(name.clone(), Arc::new(Image::from(frames::read_picture(from, *shape)?)));
        }
        chain.push(call);
    }
    let mask = run.mask.map(|(w, h)| read_mask(from, Extent::new(w, h))).transpose()?;
    let before = run.before.map(|shape| frames::read_picture(from, shape)).transpose()?;
    let generated = run.generated.map(|shape| frames::read_picture(from, shape)).transpose()?;
    let beside = Beside {
        mask: mask.as_ref(),
        before: before.as_ref().map(PictureRef::from),
        generated: generated.as_ref().map(PictureRef::from),
    };
    let &Run { seed, scale, tile, threads, .. } = run;
    let settings = Settings { seed, scale, tile, threads, beside };
    Ok(filters.run(picture.view(), &chain, &settings, &Host { to, last: Mutex::new(Instant::now()) }))
}

fn read_mask(from: &mut impl Read, extent: Extent) -> io::Result<Mask> {
    let bytes = frames::read_bytes(from, extent.area() * 4)?;
    let values = bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect();
    Ok(Mask::from_data(extent, values))
}

/// The job's owner, at the other end of the pipe. It cancels by ending this process.
struct Host<'a> {
    to: &'a To,
    last: Mutex<Instant>,
}

impl Job for Host<'_> {
    fn is_cancelled(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= BEAT {
            *last = Instant::now();
            say(self.to, &Answer::Beat, &[]);
        }
        false
    }

    fn progress(&self, _: Stage, step: u32, steps: u32) {
        say(self.to, &Answer::Progress { step, steps }, &[]);
    }
}
