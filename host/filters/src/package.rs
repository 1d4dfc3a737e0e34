//! What a filter's file says, read without running any of it.
//!
//! A filter is a core wasm module that exports the functions of `sdk/filter.wit` under their names, or a component
//! that does. A module is made into a component here. Decision: the types come from our own `filter.wit`, never from
//! a `component-type` section in the file, so that any compiler's output will do and no claim of the file is believed.

use crate::error::{Reason, plain};
use serde::Deserialize;
use std::borrow::Cow;
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

/// The largest file taken as a filter. Compiling takes up to 40 seconds for each of the worst megabytes, so this
/// bounds what a hostile file can cost when it is added.
pub const MAX_BYTES: usize = 8 << 20;

/// What a module may use: what compilers have been making for years, and SIMD.
const CORE: WasmFeatures = WasmFeatures::WASM2;

const SECTION: &str = "underpaint:filter";

/// What filters may import, a name for each version of the contract.
pub(crate) const HOSTS: [&str; 2] = ["underpaint:filter/host@1.0.0", "underpaint:filter/host@0.1.0"];

const TYPES: [&str; 2] = ["underpaint:filter/types@1.0.0", "underpaint:filter/types@0.1.0"];

/// A version of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Api {
    V1,
    V0_1,
}

impl TryFrom<String> for Api {
    type Error = String;

    fn try_from(version: String) -> Result<Self, String> {
        let known = Api::ALL.into_iter().find(|api| api.version() == version);
        known.ok_or_else(|| format!("it asks for version {version} of the contract, this host knows 1.0.0 and 0.1.0"))
    }
}

impl Api {
    const ALL: [Api; 2] = [Api::V1, Api::V0_1];

    fn version(self) -> &'static str {
        match self {
            Api::V1 => "1.0.0",
            Api::V0_1 => "0.1.0",
        }
    }

    fn wit(self) -> &'static str {
        match self {
            Api::V1 => include_str!("../../../sdk/filter.wit"),
            Api::V0_1 => include_str!("../wit/since_0_1.wit"),
        }
    }

    fn functions(self) -> &'static [&'static str] {
        match self {
            Api::V1 => &["describe", "prepare", "process", "survey", "learn"],
            Api::V0_1 => &["describe", "prepare", "process"],
        }
    }
}

/// The custom section `underpaint:filter`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub api: Api,
    pub name: String,
    pub version: String,
    #[serde(default)]
    pub license: String,
    #[serde(default)]
    pub authors: String,
    #[serde(default)]
    pub homepage: String,
    /// Memory of an instance in bytes, besides room for four tiles.
    #[serde(default = "default_memory")]
    pub memory_bytes: u64,
    /// Milliseconds a run may take for each megapixel or part of one.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// Not the author's word but the file's shape: what `process` returned may be read after the call, since nothing
    /// is told to take it back.
    #[serde(skip)]
    pub keeps_output: bool,
    /// Public key of whoever signed the file, in hexadecimal.
    #[serde(skip)]
    pub signer: Option<String>,
}

fn default_memory() -> u64 {
    32 << 20
}

fn default_timeout() -> u64 {
    10_000
}

/// The file with `manifest` (JSON, see `filter.wit`) as its custom section; `None` if it has one already, or is no
/// wasm at all. For compilers that cannot write custom sections.
pub fn with_manifest(wasm: &[u8], manifest: &str) -> Option<Vec<u8>> {
    if !wasm.starts_with(b"\0asm") || section(wasm, SECTION).is_some() {
        return None;
    }
    Some(with_section(wasm, SECTION, manifest.as_bytes()))
}

/// The content of the first outermost custom section of a name.
pub(crate) fn section<'a>(wasm: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::CustomSection(section) if depth == 0 && section.name() == name => return Some(section.data()),
            _ => {}
        }
    }
    None
}

/// The file with one more custom section at its end.
pub(crate) fn with_section(wasm: &[u8], name: &str, data: &[u8]) -> Vec<u8> {
    let length = |mut n: usize, out: &mut Vec<u8>| {
        while n >= 0x80 {
            out.push(n as u8 | 0x80);
            n >>= 7;
        }
        out.push(n as u8);
    };
    let mut body = Vec::new();
    length(name.len(), &mut body);
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    let mut out = wasm.to_vec();
    out.push(0);
    length(body.len(), &mut out);
    out.extend_from_slice(&body);
    out
}

/// Checks size, structure, imports and exports, and reads the manifest. Executes and compiles nothing.
pub(crate) fn read(wasm: &[u8]) -> Result<Manifest, Reason> {
    if wasm.len() > MAX_BYTES {
        return Err(Reason::TooLarge(wasm.len() as u64));
    }
    let mut manifests = Vec::new();
    let mut exports = Vec::new();
    let mut depth = 0;
    let mut outer = None;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(not_wasm)? {
            Payload::Version { encoding, .. } => _ = outer.get_or_insert(encoding),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ImportSection(imports) if depth == 0 => {
                for import in imports.into_imports() {
                    let import = import.map_err(not_wasm)?;
                    if !HOSTS.contains(&import.module) {
                        return Err(Reason::Import(plain(&format!("{}/{}", import.module, import.name), 200)));
                    }
                }
            }
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    let name = import.map_err(not_wasm)?.name.name;
                    if !HOSTS.contains(&name) && !TYPES.contains(&name) {
                        return Err(Reason::Import(plain(name, 200)));
                    }
                }
            }
            Payload::ExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(not_wasm)?.name);
                }
            }
            Payload::CustomSection(section) if section.name() == SECTION => manifests.push(section.data()),
            _ => {}
        }
    }
    let manifest = match manifests[..] {
        [] => return Err(Reason::Manifest("is missing".into())),
        [manifest] => parse(manifest)?,
        _ => return Err(Reason::Manifest("is there twice".into())),
    };
    if outer != Some(Encoding::Module) {
        return Ok(manifest);
    }
    let export = |function: &str| format!("underpaint:filter/filter@{}#{function}", manifest.api.version());
    if let Some(missing) = manifest.api.functions().iter().find(|f| !exports.contains(&export(f).as_str())) {
        return Err(Reason::Contract(format!("the function {missing} is missing")));
    }
    let keeps_output = !exports.contains(&format!("cabi_post_{}", export("process")).as_str());
    Ok(Manifest { keeps_output, ..manifest })
}

/// The filter as a component: itself if it is one, else the module wrapped in the types of the contract.
pub(crate) fn component(wasm: &[u8], api: Api) -> Result<Cow<'_, [u8]>, Reason> {
    if Parser::is_component(wasm) {
        return Ok(Cow::Borrowed(wasm));
    }
    // Here, so that what is switched off is called by its name; the encoder below only says what it made of it.
    Validator::new_with_features(CORE).validate_all(wasm).map_err(not_wasm)?;
    let contract = |error: &dyn std::fmt::Display| Reason::Contract(plain(&format!("{error:#}"), 300));
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("filter.wit", api.wit()).map_err(|e| contract(&e))?;
    let world = resolve.select_world(&[package], Some("guest")).map_err(|e| contract(&e))?;
    let mut module = without_types(wasm)?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8)
        .map_err(|e| contract(&e))?;
    let encoded = wit_component::ComponentEncoder::default().module(&module).and_then(|mut encoder| encoder.encode());
    encoded.map(Cow::Owned).map_err(|e| contract(&e))
}

/// The module without the `component-type` sections of binding generators: ours takes their place.
fn without_types(wasm: &[u8]) -> Result<Vec<u8>, Reason> {
    let mut out = wasm.to_vec();
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CustomSection(section) = payload.map_err(not_wasm)?
            && section.name().starts_with("component-type")
        {
            sections.push(section.range());
        }
    }
    for range in sections.into_iter().rev() {
        // A section is its id, its length as LEB128, then `range`: the name is overwritten in place, which keeps
        // every length as it is. `range` begins with the length of the name, one byte for names this short.
        out[range.start + 1] = b'x';
    }
    Ok(out)
}

fn parse(section: &[u8]) -> Result<Manifest, Reason> {
    let wrong = |what: String| Reason::Manifest(plain(&what, 300));
    let manifest: Manifest = serde_json::from_slice(section).map_err(|e| wrong(format!("cannot be read: {e}")))?;
    if !is_name(&manifest.name) || manifest.name.contains('_') {
        return Err(wrong(format!(
            "names it {:?}; a name is 1 to 64 lower case letters, digits and hyphens",
            manifest.name
        )));
    }
    if manifest.version.is_empty()
        || manifest.version.len() > 64
        || !manifest.version.bytes().all(|b| b.is_ascii_graphic())
    {
        return Err(wrong(format!("gives the version {:?}; something like 1.0.0 is right", manifest.version)));
    }
    if !(1 << 20..=512 << 20).contains(&manifest.memory_bytes) {
        return Err(wrong(format!(
            "asks for memory_bytes {}, 1048576 to 536870912 may be asked for",
            manifest.memory_bytes
        )));
    }
    if !(1..=600_000).contains(&manifest.timeout_ms) {
        return Err(wrong(format!("asks for timeout_ms {}, 1 to 600000 may be asked for", manifest.timeout_ms)));
    }
    let Manifest { license, authors, homepage, .. } = &manifest;
    let (license, authors, homepage) = (plain(license, 200), plain(authors, 200), plain(homepage, 200));
    Ok(Manifest { license, authors, homepage, ..manifest })
}

/// 1 to 64 lower case letters, digits, `-` and `_`.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

fn not_wasm(error: wasmparser::BinaryReaderError) -> Reason {
    Reason::NotWasm(plain(&error.to_string(), 200))
}
