//! Compiled filters on disk, so that each is compiled once for a machine.
//!
//! A compiled filter is native code: loading one is running it. Therefore it is taken only from a folder that belongs
//! to this user and that nobody else may write, under a name made of the wasm's hash, the engine's version and
//! settings and the processor's features, and only when the hash in front of it matches what follows.

use sha2::{Digest, Sha256};
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

const HASH_BYTES: usize = 32;

/// A folder of our own.
pub(crate) struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Makes the folder (0700) if it is not there, and refuses one that others could write.
    pub fn open(dir: &Path) -> io::Result<Self> {
        create_private(dir)?;
        if !is_private(dir)? {
            let message = format!(
                "{} must belong to you and be writable by you alone (chmod 700), since it holds code",
                dir.display()
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        Ok(Self { dir: dir.to_path_buf() })
    }

    /// The code compiled before from this wasm for an engine, or `None`: absent or damaged.
    pub fn load(&self, engine: &EngineKey, wasm: &[u8; HASH_BYTES]) -> Option<Vec<u8>> {
        let path = self.path(engine, wasm);
        if !is_private(&path).ok()? {
            return None;
        }
        let mut bytes = Vec::new();
        fs::File::open(path).ok()?.read_to_end(&mut bytes).ok()?;
        let code = bytes.split_off(HASH_BYTES.min(bytes.len()));
        (Sha256::digest(&code).as_slice() == bytes).then_some(code)
    }

    /// Keeps compiled code, whole or not at all: written beside its place, then renamed into it.
    pub fn store(&self, engine: &EngineKey, wasm: &[u8; HASH_BYTES], code: &[u8]) -> io::Result<()> {
        // tempfile makes files 0600.
        let mut file = tempfile::Builder::new().prefix(".writing-").tempfile_in(&self.dir)?;
        file.write_all(&Sha256::digest(code))?;
        file.write_all(code)?;
        file.persist(self.path(engine, wasm))?;
        Ok(())
    }

    fn path(&self, engine: &EngineKey, wasm: &[u8; HASH_BYTES]) -> PathBuf {
        let key = Sha256::new().chain_update(wasm).chain_update(engine.0.as_bytes());
        // Not covered by the engine's: which of our `filter.wit` a module was wrapped in.
        let key = key.chain_update(env!("CARGO_PKG_VERSION"));
        self.dir.join(format!("{}.cwasm", hex(&key.finalize())))
    }
}

/// For which engine code was compiled: wasmtime's version and settings, the processor's features, and whether it was
/// compiled in this process or came out of a worker's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EngineKey(pub String);

impl EngineKey {
    pub fn of(engine: &Engine) -> Self {
        let mut key = Key(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut key);
        Self(hex(&key.0.finalize()))
    }
}

/// Code from [`Cache::load`] or from [`Component::serialize`] in another process of this binary, as a component;
/// `None` if it is of another engine.
pub(crate) fn revive(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: `deserialize` asks that the bytes come unchanged from `Component::serialize`. `store` above is the
    // only writer in a folder only this user can write (checked on opening and again for the file); whoever can write
    // there can already run code as this user. Truncation and bit rot are found by the hash, and a file of another
    // wasmtime, of other settings or for other processors by its name and by wasmtime's own header. What a worker
    // compiled is only ever revived in workers, which have nothing to lose: see `worker`.
    #[allow(unsafe_code)]
    unsafe { Component::deserialize(engine, code) }.ok()
}

/// Feeds what `Hash` says into SHA-256.
struct Key(Sha256);

impl Hasher for Key {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// Lower case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(unix)]
fn create_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Owned by whoever owns a file made now, and not writable by group or others. A link is not followed.
#[cfg(unix)]
fn is_private(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::symlink_metadata(path)?;
    let me = tempfile::tempfile()?.metadata()?.uid();
    Ok(!metadata.is_symlink() && metadata.uid() == me && metadata.mode() & 0o022 == 0)
}

#[cfg(not(unix))]
fn create_private(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

/// Folders under a user's profile are private by the access list they inherit.
#[cfg(not(unix))]
fn is_private(path: &Path) -> io::Result<bool> {
    Ok(!fs::symlink_metadata(path)?.is_symlink())
}
