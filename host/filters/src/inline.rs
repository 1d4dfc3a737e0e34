//! Compiles, describes and readies filters in this process.

use crate::cache::{Cache, EngineKey, revive};
use crate::descriptor::Descriptor;
use crate::error::{Reason, plain};
use crate::guest::{Instance, Linked};
use crate::sandbox::Sandbox;
use crate::{Package, package};
use wasmtime::component::Component;

/// How long `describe` may take.
const DESCRIBE_MS: u64 = 1000;

/// A sandbox, and where what was compiled in it is kept.
pub(crate) struct Inline {
    pub sandbox: Sandbox,
    cache: Option<Cache>,
}

impl Inline {
    pub fn new(cache: Option<Cache>) -> Result<Self, Reason> {
        Ok(Self { sandbox: Sandbox::new()?, cache })
    }

    /// For which engine code is compiled here.
    pub fn key(&self) -> EngineKey {
        EngineKey::of(&self.sandbox.engine)
    }

    /// The filter, compiled if the cache does not have it, ready to make instances, and what it says of itself.
    pub fn load(&self, package: &Package) -> Result<(Linked, Descriptor), Reason> {
        let key = self.key();
        let kept = self.cache.as_ref().and_then(|cache| cache.load(&key, &package.sha256));
        if let Some(component) = kept.and_then(|code| revive(&self.sandbox.engine, &code)) {
            return self.link(package, &component);
        }
        let component = self.compile(package)?;
        if let (Some(cache), Ok(code)) = (&self.cache, component.serialize()) {
            // A full disk only costs the next start its compilation.
            let _ = cache.store(&key, &package.sha256, &code);
        }
        self.link(package, &component)
    }

    /// As [`Inline::load`] from code that was compiled elsewhere; `None` if it is of another engine.
    pub fn load_code(&self, package: &Package, code: &[u8]) -> Option<Result<(Linked, Descriptor), Reason>> {
        revive(&self.sandbox.engine, code).map(|component| self.link(package, &component))
    }

    /// Machine code, and nothing run of it.
    pub fn compile(&self, package: &Package) -> Result<Component, Reason> {
        let wasm = package::component(&package.wasm, package.manifest.api)?;
        Component::from_binary(&self.sandbox.engine, &wasm).map_err(|e| Reason::NotWasm(plain(&format!("{e:#}"), 300)))
    }

    fn link(&self, package: &Package, component: &Component) -> Result<(Linked, Descriptor), Reason> {
        let manifest = &package.manifest;
        let linked = Linked::new(&self.sandbox, component, manifest)?;
        let describe = |watch: &_| Instance::new(&linked, watch, manifest.memory_bytes)?.describe();
        let said = self.sandbox.watched(&manifest.name, DESCRIBE_MS, describe, |_| {})?;
        let descriptor = Descriptor::new(manifest, crate::cache::hex(&package.sha256), said)?;
        Ok((linked, descriptor))
    }
}
