//! Makes one picture and reports times and the most memory it took beside what was reckoned before: the system's, as the largest
//! resident, or a card's, as looked at every millisecond from when it was opened.
//!
//! ```text
//! txt2img_memory MODEL [SIDE] [--steps N] [--lora FILE]... [--control PATH[,ENCODER]]... [--regions N] [--fill SIDE]
//! ```
//!
//! MODEL is a diffusers folder or a file, SIDE 512 unless given, the steps one. `--regions` binds N texts to as many strips; `--fill`
//! repaints half of a picture, and then the same at the side it is given, as a fill with two passes does.
//! `tests/reference/real_size.py` and `real_lora.py` write models of real size.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use underpaint_engine::memory::{self, Besides, Keeping, Painting};
use underpaint_engine::tiles::Tiling;
use underpaint_engine::{Control, ControlModel, DeviceKind, LoraUse, Model, Options, Region, Request};
use underpaint_plan::{Inpaint, Prepared, Sampler, Sampling, Scheduler};
use underpaint_raster::{Extent, Image, Mask, Unattended};

type Failure = Box<dyn std::error::Error>;

/// The command line.
#[derive(Default)]
struct Asked {
    places: Vec<PathBuf>,
    steps: u32,
    loras: Vec<PathBuf>,
    controls: Vec<(PathBuf, Option<PathBuf>)>,
    regions: u32,
    fill: Option<u32>,
}

impl Asked {
    fn read() -> Result<Self, Failure> {
        let mut asked = Self { steps: 1, ..Self::default() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--steps" => asked.steps = value()?.parse()?,
                "--lora" => asked.loras.push(value()?.into()),
                "--control" => {
                    let value = value()?;
                    let (path, encoder) = value.split_once(',').map_or((&*value, None), |(a, b)| (a, Some(b.into())));
                    asked.controls.push((path.into(), encoder));
                }
                "--regions" => asked.regions = value()?.parse()?,
                "--fill" => asked.fill = Some(value()?.parse()?),
                _ => asked.places.push(argument.into()),
            }
        }
        Ok(asked)
    }
}

fn main() -> Result<(), Failure> {
    let asked = Asked::read()?;
    let model = asked.places.first().ok_or("give a model")?;
    let side = asked.places.get(1).map_or(Ok(512), |side| side.to_string_lossy().parse())?;
    let sides: Vec<u32> = [side].into_iter().chain(asked.fill).collect();
    let loras: Vec<_> = asked.loras.iter().map(|path| LoraUse { path, weight: 0.8, text_weight: 0.8 }).collect();
    let controls: Vec<_> = asked.controls.iter().map(|(path, encoder)| (&**path, encoder.as_deref())).collect();
    let besides = Besides { loras: &loras, controls: &controls };
    let device = DeviceKind::fastest();
    let keeping = Keeping::of(device, None);
    watch(device);
    let mut reckoned = 0;
    for side in &sides {
        let pictures = 1 + usize::from(asked.fill.is_some()) + controls.len();
        let painting = Painting { extent: Extent::new(*side, *side), tiling: Tiling::WHOLE, rows: 2, pictures };
        let need = memory::need(model, None, besides, painting, keeping)?;
        println!(
            "reckoned for {side}x{side}: {} for the model, {} for LoRAs, {} for control models; then {} to merge, {} for the \
             denoiser, {} for the autoencoder",
            gb(need.model_bytes),
            gb(need.loras_bytes),
            gb(need.controls_bytes),
            gb(need.merging_bytes),
            gb(need.denoise_bytes),
            gb(need.autoencoder_bytes),
        );
        reckoned = need.peak_bytes().max(reckoned);
    }
    let start = Instant::now();
    let options = Options::default();
    let mut model = Model::load(model, &options, &Unattended)?;
    println!("loaded in {:.1} s, peak {}", start.elapsed().as_secs_f64(), gb(peak()));
    let start = Instant::now();
    model.set_loras(&loras, &Unattended)?;
    let load = |(path, encoder): &(&Path, Option<&Path>)| ControlModel::load(path, *encoder, &options, &Unattended);
    // One that steers twice is in memory once.
    let once: BTreeSet<_> = controls.iter().copied().collect();
    let loaded =
        once.iter().map(|control| Ok((*control, load(control)?))).collect::<Result<BTreeMap<_, _>, Failure>>()?;
    let steering: Vec<&ControlModel> = controls.iter().map(|control| &loaded[control]).collect();
    println!("LoRAs and control models in {:.1} s, peak {}", start.elapsed().as_secs_f64(), gb(peak()));
    for side in sides {
        let start = Instant::now();
        paint(&mut model, &asked, &steering, side)?;
        println!("{side}x{side} in {:.1} s, peak {}", start.elapsed().as_secs_f64(), gb(peak()));
    }
    let difference = reckoned as f64 / peak() as f64 - 1.0;
    println!("reckoned {}, peak {}, difference {:+.1} %", gb(reckoned), gb(peak()), 100.0 * difference);
    Ok(())
}

/// One picture.
fn paint(model: &mut Model, asked: &Asked, steering: &[&ControlModel], side: u32) -> Result<(), Failure> {
    let extent = Extent::new(side, side);
    // Stripes: where a number counts up along a row.
    let stripe = |i: u32, of: u32| {
        let within = |x: u32| f32::from(x * of / side == i);
        Mask::from_data(extent, (0..side * side).map(|at| within(at % side)).collect())
    };
    let picture =
        Image::from_data(extent, (0..side * side).flat_map(|i| [(i % 256) as f32 / 255.0, 0.5, 0.2, 1.0]).collect());
    let masks: Vec<Mask> = (0..asked.regions).map(|i| stripe(i, asked.regions + 1)).collect();
    let regions: Vec<Region<'_>> = masks.iter().map(|mask| Region { prompt: "a lighthouse", mask }).collect();
    let controls =
        steering.iter().map(|model| Control { model, image: &picture, task: None, weight: 1.0, start: 0.0, end: 1.0 });
    let controls: Vec<Control<'_>> = controls.collect();
    let fill = asked.fill.is_some();
    let input = Prepared { extent, init: fill.then(|| picture.clone()), mask: fill.then(|| stripe(0, 2)) };
    let request = Request {
        prompt: "a lighthouse at dusk",
        negative_prompt: Some(""),
        controls: &controls,
        wordings: &[],
        regions: &regions,
        embeddings: &[],
        sampling: &Sampling {
            sampler: Sampler::Dpmpp2m,
            scheduler: Scheduler::Karras,
            steps: asked.steps,
            ..Sampling::default()
        },
        inpaint: if fill { Inpaint::Differential } else { Inpaint::None },
        input: &input,
        noise: None,
        save: None,
    };
    model.generate(request, &Unattended)?;
    Ok(())
}

fn gb(bytes: u64) -> String {
    format!("{:.2} GB", bytes as f64 / 1e9)
}

/// The most that was ever taken of the card; 0 where there is none.
static CARD: AtomicU64 = AtomicU64::new(0);

/// Keeps looking at the card's memory, if it is a card.
fn watch(device: DeviceKind) {
    let Some((before, _)) = device.memory() else { return };
    std::thread::spawn(move || {
        while let Some((free, _)) = device.memory() {
            CARD.fetch_max(before.saturating_sub(free), Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}

/// Of the card, where one computes; else `VmHWM` of this process, 0 where the system does not tell it.
fn peak() -> u64 {
    let card = CARD.load(Ordering::Relaxed);
    if card > 0 {
        return card;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|kib| kib.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
