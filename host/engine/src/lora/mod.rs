//! LoRAs: small files that change a loaded model's weights, several at once, each at a weight of its own, and back again.
//!
//! Decision: weights are merged, not added at run time, so a job with LoRAs costs no more per step than one without, whatever
//! their kind and number. The model's own weights are not kept beside the merged ones: changing a layer reads its tensor from the
//! model's file again (it is in the page cache), adds what is wanted now and packs it, so nothing is ever subtracted, memory stays
//! as it was, and a layer without LoRAs is bit for bit the one that was loaded.
//!
//! Decision: `W + Σ weight · delta`, each delta made from the file's `W`, not from what the LoRA before left. So the order does not
//! matter, and a DoRA means the same beside others as alone; its weight mixes `W` with the decomposed weight, as ComfyUI does.
//!
//! The VAE is never touched.

mod delta;
mod file;
mod names;

pub use file::{LoraFacts, inspect};
pub use names::{Base, Component};

/// What the fuzzer drives: names and shapes as a file has them, no values.
pub mod parse {
    pub use super::delta::{Delta, Parts};
    pub use super::names::{Part, Table, Target, read};
}

use crate::EngineError;
use crate::weights::{Exchangeable, Loading, Weights};
use candle_core::Tensor;
use delta::Delta;
use file::{Identity, Lora, shown};
use names::Table;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use underpaint_raster::{Job, Stage};

/// A LoRA a job wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoraUse<'a> {
    /// The file.
    pub path: &'a Path,
    /// How much of it for the denoiser: 1 as trained, 0 none, negative the opposite.
    pub weight: f64,
    /// How much of it for the text encoders.
    pub text_weight: f64,
}

/// A tensor's place: its component and its full name there.
type Place = (Component, String);

/// The layers of a loaded model that LoRAs can change, and what is in each of them now.
#[derive(Default)]
pub struct Layers {
    tensors: BTreeMap<Place, Changeable>,
    table: Table,
    base: Base,
    unsettled: bool,
}

struct Changeable {
    tensor: Exchangeable,
    /// What is merged into it.
    merged: Vec<Merged>,
}

/// One LoRA in one tensor.
#[derive(Clone, Debug, PartialEq)]
struct Merged {
    lora: Identity,
    weight: f64,
}

/// What a job wants merged into a tensor: a LoRA by its number, what it adds, at which scale and weight.
struct Wanted {
    lora: usize,
    delta: Delta,
    scale: f64,
    weight: f64,
}

/// The tensors of the `components` of a model on disk that `uses` change. What does not fit the model is left out: [`Layers::set`]
/// says so better.
pub fn changed(
    components: &[(Component, &Weights)],
    uses: &[LoraUse<'_>],
) -> Result<BTreeSet<(Component, String)>, EngineError> {
    let mut table = Table::default();
    for (component, weights) in components.iter().filter(|_| !uses.is_empty()) {
        table.insert(*component, &weights.names().filter_map(|name| name.strip_suffix(".weight")).collect::<Vec<_>>());
    }
    let mut places = BTreeSet::new();
    for used in uses {
        let lora = Lora::open(used.path)?;
        for (target, _) in lora.layers().filter(|(target, _)| used.weight_of(target.component) != 0.0) {
            places.extend(table.get(target).map(|layer| (target.component, target.tensor(layer))));
        }
    }
    Ok(places)
}

impl LoraUse<'_> {
    /// How much of it `component` gets.
    fn weight_of(&self, component: Component) -> f64 {
        if component == Component::Unet { self.weight } else { self.text_weight }
    }
}

impl Layers {
    /// Takes in what was announced to `loading` since it was last asked: the layers of `component`.
    pub fn insert(&mut self, component: Component, loading: &Loading<'_>) {
        let tensors = loading.exchangeable();
        self.table
            .insert(component, &tensors.iter().filter_map(|t| t.name.strip_suffix(".weight")).collect::<Vec<_>>());
        if component == Component::Unet {
            let context = tensors.iter().find(|t| t.name.ends_with("attn2.to_k.weight"));
            self.base = context.map_or(Base::Unknown, |t| Base::of_context(t.original.shape()[1]));
        }
        for tensor in tensors {
            self.tensors.insert((component, tensor.name.clone()), Changeable { tensor, merged: Vec::new() });
        }
    }

    /// Merges `uses` and nothing else, touching the tensors alone in which something changes. Asks `job` before each. All files are
    /// checked against the model before the first tensor is touched. After an error or cancellation some may have
    /// changed and others not; [`Layers::settled`] is false until a later call has put all of them right.
    pub fn set(&mut self, uses: &[LoraUse<'_>], job: &dyn Job) -> Result<(), EngineError> {
        let loras = uses.iter().map(|used| Lora::open(used.path)).collect::<Result<Vec<_>, _>>()?;
        let identities: Vec<Identity> = loras.iter().map(Lora::identity).collect();
        let mut wanted: BTreeMap<Place, Vec<Wanted>> = BTreeMap::new();
        for (number, (lora, used)) in loras.iter().zip(uses).enumerate() {
            for (place, delta, scale) in self.fit(lora)? {
                let weight = used.weight_of(place.0);
                if weight != 0.0 {
                    wanted.entry(place).or_default().push(Wanted { lora: number, delta, scale, weight });
                }
            }
        }
        let merged = |wanted: &Wanted| Merged { lora: identities[wanted.lora].clone(), weight: wanted.weight };
        let mut changed: Vec<(&mut Changeable, Vec<Wanted>, Vec<Merged>)> = Vec::new();
        for (place, tensor) in &mut self.tensors {
            let wanted = wanted.remove(place).unwrap_or_default();
            let merged: Vec<Merged> = wanted.iter().map(merged).collect();
            if tensor.merged != merged {
                changed.push((tensor, wanted, merged));
            }
        }
        let total = changed.len() as u32;
        self.unsettled = total > 0;
        for (done, (tensor, wanted, merged)) in (0..).zip(changed) {
            job.step(Stage::Load, done, total)?;
            tensor.change(&wanted, &loras)?;
            tensor.merged = merged;
        }
        if total > 0 {
            job.step(Stage::Load, total, total)?;
        }
        self.unsettled = false;
        Ok(())
    }

    /// Bytes of all of them as they are now.
    pub fn bytes(&self) -> u64 {
        self.tensors.values().map(|changeable| changeable.tensor.held.bytes() as u64).sum()
    }

    /// True unless a change was broken off in the middle.
    pub fn settled(&self) -> bool {
        !self.unsettled
    }

    /// Where each part of `lora` belongs. An error unless all of them fit.
    fn fit(&self, lora: &Lora) -> Result<Vec<(Place, Delta, f64)>, EngineError> {
        let mut fitting = Vec::new();
        let (mut foreign, mut misshapen) = (lora.strange().count(), 0);
        let mut first = lora.strange().next().map(shown);
        let mut reason = None;
        for (target, keys) in lora.layers() {
            let layer = self.table.get(target).unwrap_or_default();
            let place = (target.component, target.tensor(layer));
            let Some(tensor) = self.tensors.get(&place) else {
                foreign += keys;
                first.get_or_insert_with(|| shown(lora.key(target)));
                continue;
            };
            match lora.delta(target, layer, tensor.tensor.original.shape())? {
                Ok((delta, scale)) => fitting.push((place, delta, scale)),
                Err(what) => {
                    misshapen += keys;
                    reason.get_or_insert(what);
                }
            }
        }
        if foreign + misshapen == 0 {
            return Ok(fitting);
        }
        let misfit = Misfit { foreign, misshapen, all: lora.keys(), first, reason, bases: [lora.base(), self.base] };
        Err(lora.error(misfit.to_string()))
    }
}

/// Why a LoRA does not fit a model.
struct Misfit {
    /// Keys of layers that the model does not have, or that are no LoRA's.
    foreign: usize,
    /// Keys of layers that have another shape.
    misshapen: usize,
    /// Keys of the file.
    all: usize,
    /// A foreign key.
    first: Option<String>,
    /// What is wrong with a misshapen one.
    reason: Option<String>,
    /// What LoRA and model are.
    bases: [Base; 2],
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { foreign, misshapen, all, first, reason, bases: [lora, model] } = self;
        let bad = foreign + misshapen;
        match (lora, model) {
            (Base::Unknown, _) if bad == *all => f.write_str("is a LoRA for another model than this one")?,
            (lora, model) if lora != model && *lora != Base::Unknown => {
                write!(f, "is a LoRA for {lora}")?;
                match model {
                    Base::Unknown => f.write_str(", which this model is not")?,
                    model => write!(f, ", and this model is {model}")?,
                }
            }
            _ if *foreign == 0 => return write!(f, "is broken: {}", reason.as_deref().unwrap_or_default()),
            _ => f.write_str("is not wholly for this model")?,
        }
        write!(f, ": {bad} of {all} keys do not fit")?;
        match first.as_ref().or(reason.as_ref()) {
            Some(first) => write!(f, " (the first: {first})"),
            None => Ok(()),
        }
    }
}

impl Changeable {
    /// Reads the tensor again and puts it in its place with `wanted` added. Either all of it happens or nothing.
    fn change(&self, wanted: &[Wanted], loras: &[Lora]) -> Result<(), EngineError> {
        let original = self.tensor.original.read()?;
        let mut weight = original.clone();
        for wanted in wanted {
            let lora = &loras[wanted.lora];
            let read = |slot: &delta::Slot| -> Result<Tensor, EngineError> {
                let values = lora.file().read(&lora.file().entries()[slot.entry])?;
                Ok(Tensor::from_vec(values, slot.shape.as_slice(), original.device())?)
            };
            let delta = wanted.delta.compute(&original, wanted.scale, wanted.weight, &read)?;
            // One sum notices whatever is not finite anywhere.
            if !delta.sum_all()?.to_scalar::<f32>()?.is_finite() {
                let name = &self.tensor.name;
                return Err(lora.error(format!(
                    "makes {name} infinite: its values are too large; it is broken, get another copy"
                )));
            }
            weight = (weight + delta)?;
        }
        drop(original);
        if let Some(lora) = wanted.iter().map(|wanted| &loras[wanted.lora]).find(|lora| !lora.file().is_unchanged()) {
            return Err(lora.error("was changed while it was read; try again"));
        }
        Ok(self.tensor.put(&weight)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{Base, Misfit};
    use crate::memory::{self, Besides, Keeping, Painting};
    use crate::tiles::Tiling;
    use crate::{LoraUse, Model, Options};
    use std::path::Path;
    use underpaint_raster::{Extent, Unattended};

    #[test]
    fn what_does_not_fit_is_said_with_the_family_and_the_count() {
        let (key, shape) =
            (Some("lora_te2_x.alpha".to_owned()), Some("x has shape [3, 2]; [4, 2] would fit the layer".to_owned()));
        for (foreign, misshapen, bases, sentence) in [
            (
                722,
                0,
                [Base::Sdxl, Base::Sd1],
                "is a LoRA for SDXL, and this model is SD 1.x: 722 of 722 keys do not fit (the first: lora_te2_x.alpha)",
            ),
            (
                0,
                300,
                [Base::Sd2, Base::Sd1],
                "is a LoRA for SD 2.x, and this model is SD 1.x: 300 of 722 keys do not fit (the first: x has shape [3, 2]; [4, 2] would fit the layer)",
            ),
            (
                5,
                1,
                [Base::Flux, Base::Unknown],
                "is a LoRA for Flux, which this model is not: 6 of 722 keys do not fit (the first: lora_te2_x.alpha)",
            ),
            (
                722,
                0,
                [Base::Unknown, Base::Sd1],
                "is a LoRA for another model than this one: 722 of 722 keys do not fit (the first: lora_te2_x.alpha)",
            ),
            (
                2,
                1,
                [Base::Sd1, Base::Sd1],
                "is not wholly for this model: 3 of 722 keys do not fit (the first: lora_te2_x.alpha)",
            ),
            (
                2,
                0,
                [Base::Unknown, Base::Sd1],
                "is not wholly for this model: 2 of 722 keys do not fit (the first: lora_te2_x.alpha)",
            ),
            (0, 1, [Base::Sd1, Base::Sd1], "is broken: x has shape [3, 2]; [4, 2] would fit the layer"),
        ] {
            let (first, reason) = (key.clone().filter(|_| foreign > 0), shape.clone().filter(|_| misshapen > 0));
            let misfit = Misfit { foreign, misshapen, all: 722, first, reason, bases };
            assert_eq!(misfit.to_string(), sentence);
        }
    }

    /// Every weight as its layer holds it, to the last digit.
    fn weights(model: &Model) -> Vec<String> {
        let tensors = model.layers.tensors.iter();
        tensors.map(|((component, name), t)| format!("{component} {name} {:?}", t.tensor.held)).collect()
    }

    #[test]
    fn only_what_a_lora_changes_is_kept_wider_and_that_was_reckoned() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/golden");
        let path = golden.join("tiny-sd");
        let mut model = Model::load(&path, &Options::default(), &Unattended).unwrap();
        let sizes = |model: &Model| -> Vec<usize> {
            model.layers.tensors.values().map(|changeable| changeable.tensor.held.bytes()).collect()
        };
        let (before, bytes) = (sizes(&model), model.weights_bytes());
        let [kohya, locon] = ["kohya", "locon"].map(|name| golden.join(format!("lora/{name}.safetensors")));
        let used = |path, weight, text_weight| LoraUse { path, weight, text_weight };
        for uses in [vec![used(&kohya, 0.7, 0.7)], vec![used(&locon, 0.0, 1.0), used(&kohya, 1.0, 0.0)]] {
            model.set_loras(&uses, &Unattended).unwrap();
            let mut touched = 0;
            for ((changeable, now), before) in model.layers.tensors.values().zip(sizes(&model)).zip(&before) {
                let (name, wider) = (&changeable.tensor.name, !changeable.merged.is_empty());
                touched += usize::from(wider);
                assert_eq!(now, if wider { 2 * before } else { *before }, "{name}");
            }
            assert!((1..before.len()).contains(&touched));
            let painting = Painting { extent: Extent::new(64, 64), tiling: Tiling::WHOLE, rows: 2, pictures: 1 };
            let need =
                memory::need(&path, None, Besides { loras: &uses, controls: &[] }, painting, Keeping::Packed).unwrap();
            assert_eq!(need.model_bytes, bytes);
            assert_eq!(need.model_bytes + need.loras_bytes, model.weights_bytes());
        }
        model.set_loras(&[], &Unattended).unwrap();
        assert_eq!((sizes(&model), model.weights_bytes()), (before, bytes));
    }

    #[test]
    fn weights_are_bit_identical_once_loras_are_gone() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/golden");
        let mut model = Model::load(&golden.join("tiny-sd"), &Options::default(), &Unattended).unwrap();
        let before = weights(&model);
        assert!(before.len() > 80 && before.iter().any(|w| w.starts_with("text_encoder ")));
        let [kohya, dora] = ["kohya", "dora"].map(|name| golden.join(format!("lora/{name}.safetensors")));
        let used = |path, weight, text_weight| LoraUse { path, weight, text_weight };
        let mut counts = Vec::new();
        for uses in [
            vec![used(&kohya, 0.7, 0.7), used(&dora, -1.3, 0.1)],
            vec![used(&dora, -1.3, 0.1)],
            vec![used(&kohya, 0.0, 1.0)],
            vec![used(&kohya, 0.0, 0.0)],
        ] {
            model.set_loras(&uses, &Unattended).unwrap();
            counts.push(weights(&model).iter().zip(&before).filter(|(now, before)| now != before).count());
        }
        // Eight layers and three of the text encoder each, seven of them in common; then one alone, then its text encoder's.
        assert_eq!(counts, [15, 11, 3, 0]);
        model.set_loras(&[used(&kohya, 5.0, 5.0)], &Unattended).unwrap();
        model.set_loras(&[], &Unattended).unwrap();
        assert!(weights(&model) == before);
    }
}
