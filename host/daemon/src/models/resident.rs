//! What is in memory: at most one diffusion model, with the LoRAs in its weights and what steers it, and one upscaler.
//!
//! Decision: a model's memory is given back before another's is taken, and whether a job fits is asked before either.

use super::{Catalogue, ModelError, Source};
use crate::controls::Loaded;
use crate::loras::Chosen;
use crate::platform::free_memory;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use underpaint_engine::memory;
use underpaint_engine::tiles::Tiling;
use underpaint_engine::{self as engine, LoraUse, Upscaler};
use underpaint_raster::{Extent, Image, Job, Stage, Wrapper};
use underpaint_wire::generate::ControlCall;

/// The catalogue with, at most, one model in memory. Owned by the thread that owns the device.
pub struct Models {
    catalogue: Arc<Catalogue>,
    options: engine::Options,
    resident: Option<Kept<engine::Model>>,
    /// What steers it.
    steering: Loaded,
    /// Small beside a diffusion model, so it may stay beside one.
    upscaler: Option<Kept<Upscaler>>,
    /// Hashes what was loaded last, for its receipts, while it is already painting.
    hashing: Option<JoinHandle<()>>,
}

/// A model in memory: its id, what it was read from, and itself.
type Kept<T> = (String, Source, T);

impl Models {
    /// Nothing is loaded yet; `options` say how the next model will be.
    pub fn new(catalogue: Arc<Catalogue>, options: engine::Options) -> Models {
        Models { catalogue, options, resident: None, steering: Loaded::default(), upscaler: None, hashing: None }
    }

    /// Where models compute.
    pub fn device(&self) -> engine::DeviceKind {
        self.options.device.unwrap_or_else(engine::DeviceKind::fastest)
    }

    /// How the resident model is loaded and run, as far as it decides the pixels: for the receipt.
    pub fn told(&self) -> Value {
        let engine::Options { dtype, vae, prediction, zero_snr, .. } = &self.options;
        let device = self.device();
        let mut told = json!({
            "device": device.name(),
            "dtype": dtype.unwrap_or(engine::Dtype::usual(device)).name(),
        });
        if let Some(vae) = vae {
            let name = vae.file_name().map(|name| name.to_string_lossy());
            told["vae"] = json!({"name": name, "sha256": self.catalogue.hash_of(vae).ok()});
        }
        if let Some(prediction) = prediction {
            told["prediction"] = json!(prediction.name());
        }
        if let Some(zero_snr) = zero_snr {
            told["zero_snr"] = json!(zero_snr);
        }
        // Chosen where memory is short: tiles differ a little from the whole.
        if let Some(tiling) = self.resident.as_ref().and_then(|(_, _, model)| model.vae_tiling()) {
            told["vae_tiles"] = json!({"latents": tiling.tile, "overlap": tiling.overlap});
        }
        told
    }

    /// What there is.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// After a new scan. A resident model that is still in it stays.
    pub fn set_catalogue(&mut self, catalogue: Arc<Catalogue>) {
        let still = |id: &str| catalogue.path(id).is_some() && catalogue.path(id) == self.catalogue.path(id);
        if self.resident.as_ref().is_some_and(|(id, ..)| !still(id)) {
            self.resident = None;
            self.steering.clear();
        }
        if self.upscaler.as_ref().is_some_and(|(id, ..)| !still(id)) {
            self.upscaler = None;
        }
        self.catalogue = catalogue;
    }

    /// Id of the model in memory.
    pub fn loaded(&self) -> Option<&str> {
        self.resident.as_ref().map(|(id, ..)| id.as_str())
    }

    /// Frees the memory of what is loaded.
    pub fn unload(&mut self) {
        self.resident = None;
        self.steering.clear();
        (self.resident, self.upscaler) = (None, None);
    }

    /// The diffusion model `id`, loaded if it is not or its files were written to since; the former one is freed first.
    pub fn load(&mut self, id: &str, job: &dyn Job) -> Result<&mut engine::Model, LoadError> {
        let source = Source::of(&self.catalogue.open(id).map_err(LoadError::Model)?);
        // Another model's memory is given back before this one's is taken.
        let model = match self.resident.take().filter(|(loaded, from, _)| loaded == id && *from == source) {
            Some((.., model)) => model,
            None => {
                self.steering.clear();
                let model = engine::Model::load(&source.path, &self.options, job).map_err(LoadError::Engine)?;
                self.hash_aside(id);
                model
            }
        };
        Ok(&mut self.resident.insert((id.to_owned(), source, model)).2)
    }

    /// The same before anybody paints with it, refused if there is no room for as much as a small picture.
    pub fn load_alone(&mut self, id: &str, job: &dyn Job) -> Result<(), LoadError> {
        let small = memory::Painting { extent: Extent::new(64, 64), tiling: Tiling::WHOLE, rows: 1, pictures: 1 };
        self.room(id, &[], &[], small)?;
        self.load(id, job).map(drop)
    }

    /// Begins to hash the files of `id`, which takes a second for each 2 GB and up to eight where the processor has no instructions for it.
    fn hash_aside(&mut self, id: &str) {
        self.hashed();
        let (catalogue, id) = (self.catalogue.clone(), id.to_owned());
        let hash = move || drop(catalogue.hash(&id));
        // Without a thread it is hashed when somebody asks.
        self.hashing = std::thread::Builder::new().name("underpaint-hash".into()).spawn(hash).ok();
    }

    /// Waits until what was loaded is hashed, so that the catalogue knows it.
    pub fn hashed(&mut self) {
        // One that failed says so to whoever asks the catalogue.
        let _ = self.hashing.take().map(JoinHandle::join);
    }

    /// The upscaler `id`, loaded if it is not; the former one is freed first.
    pub fn load_upscaler(&mut self, id: &str, job: &dyn Job) -> Result<&Upscaler, LoadError> {
        let path = self.catalogue.upscaler(Some(id)).map(|(id, _)| self.catalogue.path(id));
        let source = Source::of(path.map_err(LoadError::Model)?.unwrap_or(Path::new("")));
        let upscaler = match self.upscaler.take().filter(|(loaded, from, _)| loaded == id && *from == source) {
            Some((.., upscaler)) => upscaler,
            None => Upscaler::load(&source.path, &self.options, job).map_err(LoadError::Engine)?,
        };
        Ok(&self.upscaler.insert((id.to_owned(), source, upscaler)).2)
    }

    /// How the autoencoder must work so that `painting` with the model `id`, these LoRAs and controls fits into memory; an error if it
    /// cannot. Where the system does not tell what is free, everything fits.
    pub fn room(
        &self,
        id: &str,
        loras: &[Chosen],
        calls: &[ControlCall],
        painting: memory::Painting,
    ) -> Result<Option<Tiling>, LoadError> {
        let device = self.device();
        let free = match device {
            engine::DeviceKind::Cpu => free_memory(),
            card => card.memory().map(|(free, _)| free),
        };
        let Some(free) = free else { return Ok(None) };
        let Some(path) = self.catalogue.path(id).filter(|_| self.catalogue.facts(id).is_ok()) else { return Ok(None) };
        let places = calls.iter().map(|call| self.catalogue.controls().place(call)).collect::<Result<Vec<_>, _>>();
        let places = places.map_err(LoadError::Model)?;
        let controls: Vec<_> = places
            .iter()
            .map(|place| (&*place.model.path, place.encoder.as_ref().map(|encoder| &*encoder.path)))
            .collect();
        let besides = memory::Besides { loras: &uses(loras), controls: &controls };
        // What is broken says so better when it is loaded.
        let keeping = memory::Keeping::of(device, self.options.dtype);
        let vae = self.options.vae.as_deref();
        let Ok(need) = memory::need(path, vae, besides, painting, keeping) else { return Ok(None) };
        need.fit(free, self.weights_bytes(), painting.extent).map_err(LoadError::Engine)
    }

    /// How the upscaler `id` must cut a picture of `extent` so that enlarging it fits into memory, in pixels; an error if it cannot.
    /// `tile` is what was asked for.
    pub fn room_to_enlarge(&self, id: &str, extent: Extent, tile: Option<u32>) -> Result<Option<u32>, LoadError> {
        let free = free_memory().filter(|_| self.device() == engine::DeviceKind::Cpu);
        let (Some(free), Some(path)) = (free, self.catalogue.path(id)) else { return Ok(tile) };
        memory::enlarging(path, extent, tile, free).map_err(LoadError::Engine)
    }

    /// Bytes of what would be given back for another model: the resident one and what steers it.
    fn weights_bytes(&self) -> u64 {
        self.resident.as_ref().map_or(0, |(.., model)| model.weights_bytes()) + self.steering.weights_bytes()
    }

    /// The diffusion model `id` with `loras` and no others in its weights; an empty list takes out those of the job before.
    pub fn load_with(&mut self, id: &str, loras: &[Chosen], job: &dyn Job) -> Result<&mut engine::Model, LoadError> {
        let uses = uses(loras);
        let loading = Onward::new(job, 0);
        let onward = |done: &Onward<'_>| Onward::new(job, done.reached());
        let set = self.load(id, &loading)?.set_loras(&uses, &onward(&loading));
        if let Err(engine::EngineError::Changed { .. }) = set {
            // Somebody wrote to the model's file: what is in memory is not what is there any more.
            self.unload();
            let again = onward(&loading);
            self.load(id, &again)?.set_loras(&uses, &onward(&again)).map_err(LoadError::Lora)?;
        } else {
            set.map_err(LoadError::Lora)?;
        }
        self.resident.as_mut().map(|(.., model)| model).ok_or_else(|| gone(id))
    }

    /// The same with the control models of `calls`, in order.
    pub fn load_steered(
        &mut self,
        id: &str,
        loras: &[Chosen],
        calls: &[ControlCall],
        job: &dyn Job,
    ) -> Result<Steered<'_>, LoadError> {
        self.load_with(id, loras, job)?;
        let catalogue = self.catalogue.clone();
        let controls = match calls {
            [] => Vec::new(),
            calls => self.steering.load(catalogue.controls(), calls, &self.options, job)?,
        };
        Ok((self.resident.as_mut().map(|(.., model)| model).ok_or_else(|| gone(id))?, controls))
    }

    /// How near what `image` shows is, as the depth estimator `id` sees it, loaded if it is not.
    pub fn depth(&mut self, id: &str, image: &Image, job: &dyn Job) -> Result<Image, LoadError> {
        let estimator = self.steering.estimator(self.catalogue.controls(), id, &self.options, job)?;
        estimator.estimate(image, job).map_err(LoadError::Engine)
    }
}

fn gone(id: &str) -> LoadError {
    LoadError::Model(ModelError::Unusable { id: id.to_owned(), reason: "it was unloaded".into() })
}

/// As the engine takes them.
fn uses(loras: &[Chosen]) -> Vec<LoraUse<'_>> {
    let used =
        loras.iter().map(|lora| LoraUse { path: &lora.path, weight: lora.weight, text_weight: lora.text_weight });
    used.collect()
}

/// Goes on counting steps where what was counted before ended, so that they never go back.
struct Onward<'a> {
    job: &'a dyn Job,
    from: u32,
    reached: AtomicU32,
}

impl<'a> Onward<'a> {
    fn new(job: &'a dyn Job, from: u32) -> Self {
        Self { job, from, reached: AtomicU32::new(from) }
    }

    fn reached(&self) -> u32 {
        self.reached.load(Ordering::Relaxed)
    }
}

impl Wrapper for Onward<'_> {
    fn owner(&self) -> &dyn Job {
        self.job
    }

    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        self.reached.store(self.from + step, Ordering::Relaxed);
        self.job.progress(stage, self.from + step, self.from + steps);
    }
}

/// A diffusion model and the control models that steer it.
pub type Steered<'a> = (&'a mut engine::Model, Vec<&'a engine::ControlModel>);

/// Why a model did not load.
#[derive(Debug)]
pub enum LoadError {
    /// There is no such model.
    Model(ModelError),
    /// Reading it failed.
    Engine(engine::EngineError),
    /// A LoRA could not be applied to it.
    Lora(engine::EngineError),
}

#[cfg(test)]
mod tests {
    use super::super::files;
    use super::*;
    use std::path::PathBuf;
    use underpaint_raster::Unattended;

    fn golden(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/golden").join(name)
    }

    /// The model in `folder` in a catalogue of its own, and its id.
    fn only(folder: &Path, cache: &Path) -> (Models, String) {
        let mut catalogue = Catalogue::scan(&[], None, cache, None);
        let id = catalogue.add(folder).unwrap();
        (Models::new(Arc::new(catalogue), engine::Options::default()), id)
    }

    #[test]
    fn what_was_trained_anew_under_its_name_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        for file in files(&golden("tiny-sd")) {
            let copy = model.join(file.strip_prefix(golden("tiny-sd")).unwrap());
            std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
            std::fs::copy(file, copy).unwrap();
        }
        let (mut models, id) = only(&model, folder.path());
        models.load(&id, &Unattended).unwrap();
        assert!(models.load("another", &Unattended).is_err());
        assert_eq!(models.loaded(), Some(&*id), "a name that is no model's gives nothing back");
        // As a trainer saves: beside the old file, then in its place.
        let unet = files(&model).into_iter().find(|file| file.ends_with("unet/diffusion_pytorch_model.safetensors"));
        let (unet, newer) = (unet.unwrap(), model.join("newer"));
        std::fs::write(&newer, "broken").unwrap();
        std::fs::rename(newer, unet).unwrap();
        assert!(matches!(models.load(&id, &Unattended), Err(LoadError::Engine(_))), "the former weights would be used");
    }

    #[test]
    fn what_is_loaded_is_hashed_before_anyone_asks() {
        let cache = tempfile::tempdir().unwrap();
        let (mut models, id) = only(&golden("tiny-sd"), cache.path());
        models.load(&id, &Unattended).unwrap();
        models.hashed();
        let known: Value =
            serde_json::from_slice(&std::fs::read(cache.path().join("model-hashes.json")).unwrap()).unwrap();
        let weights = |name: &str| name.ends_with("safetensors");
        assert_eq!(known.as_object().unwrap().keys().filter(|name| weights(name)).count(), 3, "{known}");
        assert!(models.catalogue().hash(&id).unwrap().is_some());
    }
}
