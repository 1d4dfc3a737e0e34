//! The contract of `filter.wit` as it lies in memory: the canonical ABI of the component model on wasm32.
//!
//! A record is a C struct, a string or list is a pointer and a length, a variant is a C union behind a `u8` tag: all
//! of it is what `repr(C)` and `repr(C, u8)` say, so the types below are the layout and no code copies bytes about.
//! Lists handed in were allocated by [`realloc`] and belong to the filter; what is returned stays alive until the
//! next call, after which the host has copied it.
#![allow(unsafe_code)]
// What is returned is read by the host, through memory, where the compiler does not see it.
#![allow(dead_code)]

use crate::host::Level;
use crate::{Color, Descriptor, Error, Filter, Kind, Param, Plan, Request, Tile, Value};
use std::any::Any;
use std::cell::RefCell;

#[repr(C)]
struct Text {
    start: *const u8,
    len: usize,
}

#[repr(C)]
struct List<T> {
    start: *const T,
    len: usize,
}

#[repr(C)]
struct RawDescriptor {
    title: Text,
    description: Text,
    params: List<RawParam>,
}

#[repr(C)]
struct RawParam {
    name: Text,
    label: Text,
    help: Text,
    kind: RawKind,
}

#[repr(C, u8)]
enum RawKind {
    Float { default: f32, min: f32, max: f32, step: f32, unit: Text },
    Int { default: i32, min: i32, max: i32, unit: Text },
    Boolean(bool),
    Choice { default: u32, choices: List<[Text; 2]> },
    Color(Color),
}

#[repr(C, u8)]
#[derive(Clone, Copy)]
enum RawValue {
    Float(f32),
    Int(i32),
    Boolean(bool),
    Choice(u32),
    Color(Color),
}

#[repr(C, u8)]
enum RawPlan {
    Unchanged,
    Tiles(u32),
    WholePicture,
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

#[derive(Default)]
struct State {
    filter: Option<Box<dyn Any>>,
    halo: u32,
    output: Vec<f32>,
}

thread_local! {
    // One instance serves one run, and wasm has one thread: this is the instance's memory between calls.
    static STATE: RefCell<State> = RefCell::default();
}

/// `describe` of the contract.
pub fn describe<F: Filter>() -> *const u8 {
    let Descriptor { title, description, params } = F::describe();
    let params = params.into_iter().map(raw_param).collect();
    leak(RawDescriptor { title: text(title), description: text(description), params: list(params) })
}

/// `prepare` of the contract.
///
/// # Safety
/// `params` and `count` are a list the host allocated with [`realloc`], each value of its parameter's kind.
pub unsafe fn prepare<F: Filter>(
    params: *mut u8,
    count: usize,
    width: u32,
    height: u32,
    scale: f32,
    seed: u64,
) -> *const u8 {
    std::panic::set_hook(Box::new(|panic| log(Level::Error, &panic.to_string())));
    // SAFETY: the caller's promise; `RawValue` is laid out as the contract's `param-value` and any bytes the host
    // writes are a valid one.
    let values = unsafe { take::<RawValue>(params.cast(), count) };
    let params = F::describe().params.into_iter().zip(values).map(|(param, raw)| (param.name, value(param.kind, raw)));
    let request = Request { params: params.collect(), width, height, scale, seed };
    leak(match F::new(&request) {
        Ok(filter) => {
            let plan = filter.plan();
            STATE.with_borrow_mut(|state| {
                state.halo = if let Plan::Tiles { halo } = plan { halo } else { 0 };
                state.filter = Some(Box::new(filter));
            });
            RawResult::Ok(match plan {
                Plan::Unchanged => RawPlan::Unchanged,
                Plan::Tiles { halo } => RawPlan::Tiles(halo),
                Plan::WholePicture => RawPlan::WholePicture,
            })
        }
        Err(error) => RawResult::Err(raw_error(error)),
    })
}

/// `process` of the contract.
///
/// # Safety
/// `pixels` and `len` are a list the host allocated with [`realloc`].
pub unsafe fn process<F: Filter>(x: u32, y: u32, width: u32, height: u32, pixels: *mut f32, len: usize) -> *const u8 {
    // SAFETY: the caller's promise; any bytes are an f32.
    let pixels = unsafe { take(pixels, len) };
    STATE.with_borrow_mut(|state| {
        let tile = Tile { x, y, width, height, halo: state.halo, pixels };
        let Some(filter) = state.filter.as_mut().and_then(|f| f.downcast_mut::<F>()) else {
            return leak(RawResult::<List<f32>>::Err(RawError::Failed(text("process came before prepare".into()))));
        };
        leak(match filter.process(tile) {
            Ok(output) => {
                state.output = output;
                RawResult::Ok(List { start: state.output.as_ptr(), len: state.output.len() })
            }
            Err(error) => RawResult::Err(raw_error(error)),
        })
    })
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

fn raw_param(param: Param) -> RawParam {
    let kind = match param.kind {
        Kind::Float { default, min, max, step, unit } => RawKind::Float { default, min, max, step, unit: text(unit) },
        Kind::Int { default, min, max, unit } => RawKind::Int { default, min, max, unit: text(unit) },
        Kind::Boolean(default) => RawKind::Boolean(default),
        Kind::Choice { default, choices } => {
            let choices = choices.into_iter().map(|(name, label)| [text(name), text(label)]).collect();
            RawKind::Choice { default, choices: list(choices) }
        }
        Kind::Color(default) => RawKind::Color(default),
    };
    RawParam { name: text(param.name), label: text(param.label), help: text(param.help), kind }
}

fn raw_error(error: Error) -> RawError {
    match error {
        Error::BadParameter(name, message) => RawError::BadParameter { name: text(name), message: text(message) },
        Error::Failed(message) => RawError::Failed(text(message)),
    }
}

fn value(kind: Kind, raw: RawValue) -> Value {
    match (raw, kind) {
        (RawValue::Choice(index), Kind::Choice { mut choices, .. }) => {
            Value::Choice(choices.swap_remove(index as usize).0)
        }
        (RawValue::Choice(index), _) => panic!("choice {index} of what is no choice"),
        (RawValue::Float(value), _) => Value::Float(value),
        (RawValue::Int(value), _) => Value::Int(value),
        (RawValue::Boolean(value), _) => Value::Boolean(value),
        (RawValue::Color(value), _) => Value::Color(value),
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
    #[link(wasm_import_module = "underpaint:filter/host@0.1.0")]
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
