//! The contract of `filter.wit` as it lies in memory: the canonical ABI of the component model on wasm32.
//!
//! A record is a C struct, a string or list is a pointer and a length, a variant is a C union behind a `u8` tag: all
//! of it is what `repr(C)` and `repr(C, u8)` say, so the types below are the layout and no code copies bytes about.
//! Lists handed in were allocated by [`realloc`] and belong to the filter; what is returned stays alive until the
//! next call, after which the host has copied it.
#![allow(unsafe_code)]
// For `export!` alone, which says what it does.
#![allow(missing_docs)]
// What is returned is read by the host, through memory, where the compiler does not see it.
#![allow(dead_code)]

use crate::descriptor::{Color, Control, Kind};
use crate::host::Level;
use crate::params::{Params, Value, Values};
use crate::{Error, Filter, Given, Image, Pass, Plan, Rect, Request, Sample, Tile};
use std::cell::RefCell;
use std::rc::Rc;

#[repr(C)]
struct Text {
    start: *const u8,
    len: usize,
}

#[repr(C)]
pub struct List<T> {
    start: *const T,
    len: usize,
}

#[repr(C)]
struct RawDescriptor {
    title: Text,
    description: Text,
    params: List<RawParam>,
    inputs: List<RawInput>,
    samples: List<u8>,
    linear: bool,
}

#[repr(C)]
struct RawParam {
    name: Text,
    label: Text,
    help: Text,
    group: Text,
    kind: RawKind,
}

#[repr(C)]
struct RawInput {
    name: Text,
    label: Text,
    help: Text,
    role: crate::Role,
    required: bool,
}

#[repr(C, u8)]
enum RawKind {
    Float { default: f32, min: f32, max: f32, step: f32, unit: Text },
    Int { default: i32, min: i32, max: i32, step: u32, unit: Text },
    Boolean(bool),
    Choice { default: u32, choices: List<[Text; 2]> },
    Color(Color),
    Text { default: Text, max_bytes: u32, multiline: bool },
    Seed(u32),
}

#[repr(C, u8)]
enum RawValue {
    Float(f32),
    Int(i32),
    Boolean(bool),
    Choice(u32),
    Color(Color),
    Text(List<u8>),
    Seed(u32),
}

/// `pixels` of the contract.
#[repr(C, u8)]
pub enum RawPixels {
    Uint8(List<u8>),
    Uint16(List<u16>),
    Float32(List<f32>),
}

#[repr(C, u8)]
enum RawGiven {
    Absent,
    WithTiles,
    Whole { width: u32, height: u32, pixels: RawPixels },
}

#[repr(C)]
struct RawPlan {
    width: u32,
    height: u32,
    passes: List<RawPass>,
}

#[repr(C, u8)]
enum RawPass {
    Pointwise,
    Tiles(u32),
    WholePicture,
    Survey,
}

#[repr(C, u8)]
enum RawError {
    BadParameter { name: Text, message: Text },
    Failed(Text),
}

#[repr(C, u8)]
enum RawResult<T> {
    Ok(T),
    Err(RawError),
}

/// The sample types there are, and no others.
pub trait Sealed: Sized {
    /// Position in the contract's `sample`.
    const CODE: u8;
    fn pixels(values: &[Self]) -> RawPixels;
    /// # Safety
    /// As for [`take`]. `None` for another type.
    unsafe fn take(pixels: &RawPixels) -> Option<Vec<Self>>;
}

macro_rules! sealed {
    ($ty:ty, $case:ident, $code:literal) => {
        impl Sealed for $ty {
            const CODE: u8 = $code;

            fn pixels(values: &[Self]) -> RawPixels {
                RawPixels::$case(List { start: values.as_ptr(), len: values.len() })
            }

            unsafe fn take(pixels: &RawPixels) -> Option<Vec<Self>> {
                let RawPixels::$case(list) = pixels else { return None };
                // SAFETY: the caller's promise; any bytes are a number.
                Some(unsafe { take(list.start.cast_mut(), list.len) })
            }
        }
    };
}

sealed!(u8, Uint8, 0);
sealed!(u16, Uint16, 1);
sealed!(f32, Float32, 2);

/// A filter for one sample type, as `export!` lists them.
pub struct Entry {
    sample: u8,
    describe: fn() -> RawDescriptor,
    begin: fn(Begin) -> Result<Begun, Error>,
}

/// A filter that waits for pixels, and how it wants them.
type Begun = (Box<dyn Running>, Plan);

/// What `prepare` is called with, its lists still to be taken.
struct Begin {
    values: Vec<RawValue>,
    width: u32,
    height: u32,
    scale: f32,
    seed: u64,
    inputs: Vec<RawGiven>,
}

/// What `process` and `survey` are called with, its lists still to be taken.
pub struct RawTile {
    pub pass: u32,
    pub area: Rect,
    pub source: Rect,
    pub pixels: RawPixels,
    pub inputs: (*mut RawPixels, usize),
}

/// `pixels` as the contract hands them to a function: the case, and the list.
pub fn raw_pixels(case: u32, start: *mut u8, len: usize) -> RawPixels {
    match case {
        0 => RawPixels::Uint8(List { start, len }),
        1 => RawPixels::Uint16(List { start: start.cast(), len }),
        _ => RawPixels::Float32(List { start: start.cast(), len }),
    }
}

/// The entry of a filter.
pub const fn entry<F: Filter>() -> Entry {
    Entry { sample: <F::Sample as Sealed>::CODE, describe: raw_descriptor::<F>, begin: begin::<F> }
}

trait Running {
    /// # Safety
    /// The tile's lists were allocated by [`realloc`] and not taken before.
    unsafe fn process(&mut self, tile: RawTile) -> Result<RawPixels, Error>;
    /// # Safety
    /// As for [`Running::process`].
    unsafe fn survey(&mut self, tile: RawTile) -> Result<Vec<u8>, Error>;
    fn learn(&mut self, pass: u32, answers: Vec<Vec<u8>>) -> Result<(), Error>;
}

struct Of<F: Filter> {
    filter: F,
    names: Rc<[String]>,
    output: Vec<F::Sample>,
}

thread_local! {
    // One instance serves one run, and wasm has one thread: this is the instance's memory between calls.
    static RUNNING: RefCell<Option<Box<dyn Running>>> = const { RefCell::new(None) };
}

/// `describe` of the contract.
pub fn describe(entries: &[Entry]) -> *const u8 {
    let samples = list(entries.iter().map(|entry| entry.sample).collect());
    leak(RawDescriptor { samples, ..(entries[0].describe)() })
}

/// `prepare` of the contract.
///
/// # Safety
/// Both lists were allocated by the host with [`realloc`]; each value is of its parameter's kind.
#[allow(clippy::too_many_arguments)]
pub unsafe fn prepare(
    entries: &[Entry],
    params: (*mut u8, usize),
    width: u32,
    height: u32,
    sample: u32,
    scale: f32,
    seed: u64,
    inputs: (*mut u8, usize),
) -> *const u8 {
    std::panic::set_hook(Box::new(|panic| log(Level::Error, &panic.to_string())));
    // SAFETY: the caller's promise; the types are laid out as the contract's `param-value` and `given`, and what the
    // host writes is a valid one.
    let (values, inputs) =
        unsafe { (take::<RawValue>(params.0.cast(), params.1), take::<RawGiven>(inputs.0.cast(), inputs.1)) };
    let Some(entry) = entries.iter().find(|entry| u32::from(entry.sample) == sample) else {
        return leak(RawResult::<RawPlan>::Err(RawError::Failed(text("it does not take this sample type".into()))));
    };
    leak(match (entry.begin)(Begin { values, width, height, scale, seed, inputs }) {
        Ok((running, plan)) => {
            RUNNING.set(Some(running));
            let (width, height) = plan.size.unwrap_or((width, height));
            RawResult::Ok(RawPlan { width, height, passes: list(plan.passes.into_iter().map(raw_pass).collect()) })
        }
        Err(error) => RawResult::Err(raw_error(error)),
    })
}

/// `process` of the contract.
///
/// # Safety
/// The tile's lists were allocated by the host with [`realloc`].
pub unsafe fn process(tile: RawTile) -> *const u8 {
    // SAFETY: the caller's promise.
    let made = running(|running| unsafe { running.process(tile) });
    leak(match made {
        Ok(pixels) => RawResult::Ok(pixels),
        Err(error) => RawResult::Err(raw_error(error)),
    })
}

/// `survey` of the contract.
///
/// # Safety
/// The tile's lists were allocated by the host with [`realloc`].
pub unsafe fn survey(tile: RawTile) -> *const u8 {
    // SAFETY: the caller's promise.
    let answer = running(|running| unsafe { running.survey(tile) });
    leak(match answer {
        Ok(answer) => RawResult::Ok(list(answer)),
        Err(error) => RawResult::Err(raw_error(error)),
    })
}

/// `learn` of the contract.
///
/// # Safety
/// The list and those in it were allocated by the host with [`realloc`].
pub unsafe fn learn(pass: u32, answers: (*mut u8, usize)) -> *const u8 {
    // SAFETY: the caller's promise.
    let answers = unsafe { take::<List<u8>>(answers.0.cast(), answers.1) };
    // SAFETY: the caller's promise.
    let answers = answers.into_iter().map(|answer| unsafe { take(answer.start.cast_mut(), answer.len) }).collect();
    leak(match running(|running| running.learn(pass, answers)) {
        Ok(()) => RawResult::Ok(()),
        Err(error) => RawResult::Err(raw_error(error)),
    })
}

fn running<T>(f: impl FnOnce(&mut dyn Running) -> Result<T, Error>) -> Result<T, Error> {
    RUNNING.with_borrow_mut(|running| match running {
        Some(running) => f(&mut **running),
        None => Err(Error::Failed("pixels came before prepare".into())),
    })
}

fn begin<F: Filter>(begin: Begin) -> Result<Begun, Error> {
    let values: Vec<Value> = begin.values.into_iter().map(value).collect();
    let declared = F::about().inputs.into_iter().map(|input| input.name);
    let inputs: Vec<(String, Given<F::Sample>)> = declared.zip(begin.inputs.into_iter().map(given)).collect();
    let names = inputs.iter().filter(|(_, given)| *given == Given::WithTiles).map(|(name, _)| name.clone()).collect();
    let Begin { width, height, scale, seed, .. } = begin;
    let mut request = Request { width, height, scale, seed, inputs };
    let filter = F::new(F::Params::read(&mut Values(values.into_iter())), &mut request)?;
    let plan = filter.plan();
    Ok((Box::new(Of { filter, names, output: Vec::new() }), plan))
}

impl<F: Filter> Of<F> {
    /// # Safety
    /// As for [`Running::process`].
    unsafe fn tile(&self, raw: RawTile) -> Result<Tile<F::Sample>, Error> {
        let RawTile { pass, area, source, pixels, inputs } = raw;
        // SAFETY: the caller's promise.
        let inputs = unsafe { take(inputs.0, inputs.1) };
        // SAFETY: the caller's promise.
        let values = |pixels: &RawPixels| unsafe { F::Sample::take(pixels) };
        let (Some(pixels), Some(inputs)) = (values(&pixels), inputs.iter().map(values).collect()) else {
            return Err(Error::Failed("pixels came in another sample type than was agreed".into()));
        };
        Ok(Tile { pass, area, source, pixels, inputs, names: self.names.clone() })
    }
}

impl<F: Filter> Running for Of<F> {
    unsafe fn process(&mut self, tile: RawTile) -> Result<RawPixels, Error> {
        // The last result has been read: its room is free for the next.
        self.output = Vec::new();
        // SAFETY: the caller's promise.
        let tile = unsafe { self.tile(tile) }?;
        self.output = self.filter.process(tile)?;
        Ok(F::Sample::pixels(&self.output))
    }

    unsafe fn survey(&mut self, tile: RawTile) -> Result<Vec<u8>, Error> {
        // SAFETY: the caller's promise.
        let tile = unsafe { self.tile(tile) }?;
        self.filter.survey(tile)
    }

    fn learn(&mut self, pass: u32, answers: Vec<Vec<u8>>) -> Result<(), Error> {
        self.filter.learn(pass, answers)
    }
}

/// `cabi_realloc` of the canonical ABI: how the host makes room for what it hands in.
///
/// # Safety
/// As `std::alloc::realloc`; a first allocation has `old` null and `old_len` 0.
pub unsafe fn realloc(old: *mut u8, old_len: usize, align: usize, len: usize) -> *mut u8 {
    use std::alloc::{Layout, alloc, handle_alloc_error, realloc};
    if len == 0 {
        return align as *mut u8;
    }
    let Ok(layout) = Layout::from_size_align(len, align) else { std::process::abort() };
    // SAFETY: `len` is not 0, and `old` was allocated here with this alignment and `old_len`.
    let start = unsafe {
        if old_len == 0 { alloc(layout) } else { realloc(old, Layout::from_size_align_unchecked(old_len, align), len) }
    };
    if start.is_null() {
        handle_alloc_error(layout);
    }
    start
}

/// The manifest as JSON: `N` bytes of it and its whole length, so that a first call with `N = 0` measures. Empty
/// fields are left out.
pub const fn manifest<const N: usize>(fields: &[(&str, &str)], numbers: &[(&str, u64)]) -> ([u8; N], usize) {
    let mut out = Json { bytes: [0; N], len: 0 };
    out.push(b'{');
    let mut i = 0;
    while i < fields.len() {
        let (key, value) = fields[i];
        if !value.is_empty() {
            out.key(key);
            out.string(value);
        }
        i += 1;
    }
    i = 0;
    while i < numbers.len() {
        let (key, value) = numbers[i];
        out.key(key);
        out.number(value);
        i += 1;
    }
    out.push(b'}');
    (out.bytes, out.len)
}

struct Json<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Json<N> {
    const fn push(&mut self, byte: u8) {
        if self.len < N {
            self.bytes[self.len] = byte;
        }
        self.len += 1;
    }

    const fn key(&mut self, key: &str) {
        if self.len > 1 {
            self.push(b',');
        }
        self.string(key);
        self.push(b':');
    }

    const fn string(&mut self, text: &str) {
        self.push(b'"');
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            match bytes[i] {
                0..0x20 => self.push(b' '),
                byte => {
                    if matches!(byte, b'"' | b'\\') {
                        self.push(b'\\');
                    }
                    self.push(byte);
                }
            }
            i += 1;
        }
        self.push(b'"');
    }

    const fn number(&mut self, value: u64) {
        let mut unit = 1;
        while value / unit > 9 {
            unit *= 10;
        }
        while unit > 0 {
            self.push(b'0' + (value / unit % 10) as u8);
            unit /= 10;
        }
    }
}

fn raw_descriptor<F: Filter>() -> RawDescriptor {
    let crate::About { title, description, inputs, linear } = F::about();
    let input = |crate::Input { name, label, help, role, required }| RawInput {
        name: text(name),
        label: text(label),
        help: text(help),
        role,
        required,
    };
    RawDescriptor {
        title: text(title),
        description: text(description),
        params: list(F::Params::list().into_iter().map(raw_param).collect()),
        inputs: list(inputs.into_iter().map(input).collect()),
        samples: list(Vec::new()),
        linear,
    }
}

fn raw_param(control: Control) -> RawParam {
    let kind = match control.kind {
        Kind::Float { default, min, max, step, unit } => RawKind::Float { default, min, max, step, unit: text(unit) },
        Kind::Int { default, min, max, step, unit } => RawKind::Int { default, min, max, step, unit: text(unit) },
        Kind::Boolean(default) => RawKind::Boolean(default),
        Kind::Choice { default, choices } => {
            let choices = choices.into_iter().map(|(name, label)| [text(name), text(label)]).collect();
            RawKind::Choice { default, choices: list(choices) }
        }
        Kind::Color(default) => RawKind::Color(default),
        Kind::Text { default, max_bytes, multiline } => RawKind::Text { default: text(default), max_bytes, multiline },
        Kind::Seed(default) => RawKind::Seed(default),
    };
    let Control { name, label, help, group, .. } = control;
    RawParam { name: text(name), label: text(label), help: text(help), group: text(group), kind }
}

fn raw_pass(pass: Pass) -> RawPass {
    match pass {
        Pass::Pointwise => RawPass::Pointwise,
        Pass::Tiles { halo } => RawPass::Tiles(halo),
        Pass::WholePicture => RawPass::WholePicture,
        Pass::Survey => RawPass::Survey,
    }
}

fn raw_error(error: Error) -> RawError {
    match error {
        Error::BadParameter(name, message) => RawError::BadParameter { name: text(name), message: text(message) },
        Error::Failed(message) => RawError::Failed(text(message)),
    }
}

/// Takes what the host allocated for a text.
fn value(raw: RawValue) -> Value {
    match raw {
        RawValue::Float(value) => Value::Float(value),
        RawValue::Int(value) => Value::Int(value),
        RawValue::Boolean(value) => Value::Boolean(value),
        RawValue::Choice(index) => Value::Choice(index),
        RawValue::Color(value) => Value::Color(value),
        // SAFETY: `prepare` took the list of values once, and each text in it is read here once.
        RawValue::Text(List { start, len }) => {
            Value::Text(String::from_utf8(unsafe { take(start.cast_mut(), len) }).unwrap_or_default())
        }
        RawValue::Seed(value) => Value::Seed(value),
    }
}

/// Takes what the host allocated for a picture.
fn given<S: Sample>(raw: RawGiven) -> Given<S> {
    match raw {
        RawGiven::Absent => Given::Absent,
        RawGiven::WithTiles => Given::WithTiles,
        // SAFETY: as in `value`.
        RawGiven::Whole { width, height, pixels } => match unsafe { S::take(&pixels) } {
            Some(pixels) => Given::Whole(Image { width, height, pixels }),
            None => Given::Absent,
        },
    }
}

fn text(text: String) -> Text {
    let bytes = text.into_bytes().leak();
    Text { start: bytes.as_ptr(), len: bytes.len() }
}

fn list<T>(items: Vec<T>) -> List<T> {
    let items = items.leak();
    List { start: items.as_ptr(), len: items.len() }
}

/// Some dozen bytes for each call of an instance that lives for one run.
fn leak<T>(value: T) -> *const u8 {
    (Box::leak(Box::new(value)) as *const T).cast()
}

/// # Safety
/// `start` and `len` are a list of valid `T`s allocated by [`realloc`] and not taken before.
unsafe fn take<T>(start: *mut T, len: usize) -> Vec<T> {
    if len == 0 {
        return Vec::new();
    }
    // SAFETY: the caller's promise; `realloc` used the global allocator with T's alignment and exactly this size.
    unsafe { Vec::from_raw_parts(start, len, len) }
}

#[cfg(target_arch = "wasm32")]
mod imports {
    #[link(wasm_import_module = "underpaint:filter/host@1.0.0")]
    unsafe extern "C" {
        pub fn log(level: u32, start: *const u8, len: usize);
        pub safe fn progress(fraction: f32);
        pub safe fn cancelled() -> u32;
    }
}

#[cfg(target_arch = "wasm32")]
pub fn log(level: Level, message: &str) {
    // SAFETY: the host reads `len` bytes of UTF-8 during the call.
    unsafe { imports::log(level as u32, message.as_ptr(), message.len()) }
}

#[cfg(target_arch = "wasm32")]
pub fn progress(fraction: f32) {
    imports::progress(fraction);
}

#[cfg(target_arch = "wasm32")]
pub fn cancelled() -> bool {
    imports::cancelled() != 0
}

#[cfg(not(target_arch = "wasm32"))]
pub fn log(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}

#[cfg(not(target_arch = "wasm32"))]
pub fn progress(_: f32) {}

#[cfg(not(target_arch = "wasm32"))]
pub fn cancelled() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::manifest;

    #[test]
    fn a_manifest_is_json() {
        const FIELDS: &[(&str, &str)] = &[("name", "a-b"), ("authors", "Ada \"the\\first\"\n<a@b>"), ("homepage", "")];
        const NUMBERS: &[(&str, u64)] = &[("timeout_ms", 0), ("memory_bytes", 67_108_864)];
        const LEN: usize = manifest::<0>(FIELDS, NUMBERS).1;
        let json = manifest::<LEN>(FIELDS, NUMBERS).0;
        let expected = r#"{"name":"a-b","authors":"Ada \"the\\first\" <a@b>","timeout_ms":0,"memory_bytes":67108864}"#;
        assert_eq!(std::str::from_utf8(&json), Ok(expected));
    }
}
