//! The flags that `generate` and `fill` share, and how they become a request.

use super::Failure;
use super::control::Control;
use super::paint::as_path;
use super::region::Region;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use underpaint_engine as engine;
use underpaint_engine::prompt::Embedding;
use underpaint_wire::generate::{FilterCall, Generate, LoraCall, Mode};

/// How to paint.
#[derive(Debug, Args)]
pub struct Painting {
    /// A model's id (`underpaint models list`), a diffusers folder, or a .safetensors file; without it one that suits
    #[arg(long, value_name = "M")]
    pub model: Option<String>,
    /// What should be seen; may be empty. (a:1.2) weighs more, [a] less, {a|b} draws by seed, embedding:NAME names an embedding
    #[arg(long, value_name = "P", default_value = "", hide_default_value = true)]
    pub prompt: String,
    /// What should not be seen; for SDXL none is not the same as an empty one
    #[arg(long, value_name = "N")]
    pub negative: Option<String>,
    /// Sampling steps, 1 to 1000: more take longer and wander less; the model knows a good number
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub steps: Option<u32>,
    /// How strictly the prompt is followed, 0 to 100; at 1 or less the negative prompt is not read
    #[arg(long, value_name = "G", allow_negative_numbers = true)]
    pub guidance: Option<f64>,
    /// How strictly the picture is followed by a model that changes one as told, 0 to 100; else 1.5
    #[arg(long, value_name = "G", allow_negative_numbers = true)]
    pub image_guidance: Option<f64>,
    /// How much of the contrast that guidance adds is taken back, 0 to 1; 0.7 suits models trained to pure noise
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    pub guidance_rescale: Option<f64>,
    /// Update rule: euler, euler_a, heun, lms, ddim, ddpm, dpmpp_2m, dpmpp_2m_sde, dpmpp_3m_sde, dpmpp_2s_a, dpmpp_sde, unipc, deis,
    /// ipndm, lcm or tcd; heun, dpmpp_2s_a and dpmpp_sde take twice as long a step, lcm and tcd are for models distilled for them
    #[arg(long, value_name = "S")]
    pub sampler: Option<String>,
    /// Noise levels: normal, karras, exponential, sgm_uniform, simple, beta, ddim_uniform, kl_optimal or align_your_steps
    #[arg(long, value_name = "C")]
    pub scheduler: Option<String>,
    /// The same seed makes the same picture; without it one is drawn and told
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Pictures to make, 1 to 16; seeds count up and files become OUT_0.png, OUT_1.png, …
    #[arg(long, value_name = "B", allow_negative_numbers = true)]
    pub batch: Option<u32>,
    /// How much is repainted: 0 keeps the picture, 1 repaints it wholly
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    pub strength: Option<f64>,
    /// Skip the text encoder's last layers, counted as A1111 does: 1 skips none
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub clip_skip: Option<u32>,
    /// An autoencoder to use instead of the model's own; a tiny one (TAESD) decodes quickly and roughly
    #[arg(long, value_name = "FILE")]
    pub vae: Option<PathBuf>,
    /// Paint with a LoRA: an id (`underpaint models list`) or a .safetensors file, e.g. ink.safetensors,weight=0.8; may be repeated.
    /// weight is 1 if not given and may be negative, text-weight is for the text encoder alone
    #[arg(long = "lora", value_name = "FILE[,weight=W]")]
    pub loras: Vec<String>,
    /// A tiny autoencoder (TAESD) for previews; without it what lies in a vae_approx folder beside the model
    #[arg(long, value_name = "FILE")]
    pub taesd: Option<PathBuf>,
    /// What the model predicts, where its files do not say so or are wrong
    #[arg(long, value_enum)]
    pub prediction: Option<PredictionArg>,
    /// The model was trained until nothing of the picture was left in the noise (zero terminal SNR), where its files do not say so
    #[arg(long)]
    pub zero_snr: bool,
    /// A textual inversion and the word that stands for it in the prompt; may be repeated. Those in the models folders need no flag
    #[arg(long = "embedding", value_name = "TOKEN=FILE")]
    pub embeddings: Vec<String>,
    /// Start from this unit noise, float32 [B, C, H/8, W/8], instead of the seed's
    #[arg(long, value_name = "IN.npy")]
    pub noise: Option<PathBuf>,
    /// Keep the unit noise that was started from
    #[arg(long, value_name = "OUT.npy")]
    pub save_noise: Option<PathBuf>,
    /// Keep the latents as they were before decoding, in the denoiser's scale
    #[arg(long, value_name = "OUT.npy")]
    pub save_latents: Option<PathBuf>,
    /// Steer by a picture, e.g. model=canny-sd15,image=room.png,preprocess=canny,weight=0.8,start=0,end=0.7; without an image the
    /// picture itself is read. preprocess= canny, soft_edge, scribble, tile, blur or depth (preprocessor= says with which Depth Anything);
    /// kind= tells a Union what the picture shows: pose, depth, soft_edge (HED, scribbles), line (Canny, line art, MLSD), normal,
    /// segmentation, and ProMax also tile or repaint (black where it is to be repainted), which are diffusers' control modes 0 to 7;
    /// encoder= tells an IP-Adapter what to look through; may be repeated
    #[arg(long = "control", value_name = "model=M[,k=v]...")]
    pub controls: Vec<String>,
    /// Ask for something of its own in a part of the picture, e.g. 'prompt=a forest, at dusk,mask=right.png': white is where it is seen,
    /// greys cross over, and the prompt follows it; may be repeated, up to 16 times
    #[arg(long = "region", value_name = "prompt=TEXT,mask=IMG")]
    pub regions: Vec<String>,
    /// Where to compute
    #[arg(long, value_enum)]
    pub device: Option<DeviceArg>,
    /// Precision of weights and activations
    #[arg(long, value_enum)]
    pub dtype: Option<DtypeArg>,
    /// Run a filter on the result, e.g. film-grain,strength=0.3 (`underpaint filter list`); may be repeated
    #[arg(long = "filter", value_name = "NAME[,k=v]...")]
    pub filters: Vec<String>,
}

/// Names of [`engine::DeviceKind`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum DeviceArg {
    /// The processor; always there
    Cpu,
    /// An NVIDIA card
    Cuda,
    /// An Apple GPU
    Metal,
}

/// Names of [`engine::Dtype`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum DtypeArg {
    /// 32 bits
    F32,
    /// 16 bits
    F16,
    /// 16 bits with the range of 32
    Bf16,
}

/// Names of [`engine::schedule::Prediction`].
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum PredictionArg {
    /// The noise; most models
    Epsilon,
    /// The velocity
    VPrediction,
}

impl Painting {
    /// The request, without size and pixels.
    pub fn request(&self, mode: Mode) -> Result<Generate, Failure> {
        Ok(Generate {
            mode,
            model: self.model.clone(),
            prompt: self.prompt.clone(),
            negative_prompt: self.negative.clone(),
            steps: self.steps,
            guidance_scale: self.guidance,
            image_guidance_scale: self.image_guidance,
            guidance_rescale: self.guidance_rescale,
            denoise_strength: self.strength,
            sampler: self.sampler.clone(),
            scheduler: self.scheduler.clone(),
            seed: self.seed,
            batch: self.batch,
            clip_skip: self.clip_skip,
            controls: self.controls()?.into_iter().map(|control| control.call).collect(),
            regions: self.regions()?.into_iter().map(|region| region.call).collect(),
            loras: self.loras.iter().map(|text| lora_call(text)).collect::<Result<_, _>>()?,
            filters: self.filters.iter().map(|text| filter_call(text)).collect::<Result<_, _>>()?,
            ..Generate::default()
        })
    }

    /// How the model is loaded.
    pub fn engine_options(&self) -> engine::Options {
        engine::Options {
            device: self.device.map(|device| match device {
                DeviceArg::Cpu => engine::DeviceKind::Cpu,
                DeviceArg::Cuda => engine::DeviceKind::Cuda,
                DeviceArg::Metal => engine::DeviceKind::Metal,
            }),
            dtype: self.dtype.map(|dtype| match dtype {
                DtypeArg::F32 => engine::Dtype::F32,
                DtypeArg::F16 => engine::Dtype::F16,
                DtypeArg::Bf16 => engine::Dtype::Bf16,
            }),
            vae: self.vae.clone(),
            taesd: self.taesd.clone(),
            prediction: self.prediction.map(|prediction| match prediction {
                PredictionArg::Epsilon => engine::schedule::Prediction::Epsilon,
                PredictionArg::VPrediction => engine::schedule::Prediction::Velocity,
            }),
            zero_snr: self.zero_snr.then_some(true),
        }
    }

    /// The pictures that steer.
    pub fn controls(&self) -> Result<Vec<Control>, Failure> {
        self.controls.iter().map(|text| text.parse()).collect()
    }

    /// The texts bound to parts of the picture.
    pub fn regions(&self) -> Result<Vec<Region>, Failure> {
        self.regions.iter().map(|text| text.parse()).collect()
    }

    /// The embeddings that were named.
    pub fn embeddings(&self) -> Result<Vec<Embedding>, Failure> {
        self.embeddings.iter().map(|text| embedding(text)).collect()
    }

    /// True if something was asked for that only works in this process: paths never go over the wire.
    pub fn is_local(&self) -> bool {
        let files = [&self.vae, &self.taesd, &self.noise, &self.save_noise, &self.save_latents];
        let lora_file = |text: &String| lora_call(text).is_ok_and(|lora| as_path(&lora.name).is_some());
        let control = |text: &String| text.parse().is_ok_and(|control: Control| control.names_a_path());
        files.iter().any(|f| f.is_some())
            || self.device.is_some()
            || self.dtype.is_some()
            || self.prediction.is_some()
            || self.zero_snr
            || !self.embeddings.is_empty()
            || self.loras.iter().any(lora_file)
            || self.controls.iter().any(control)
    }
}

/// `FILE[,weight=W][,text-weight=W]` as a call. A file's name may have commas itself.
pub fn lora_call(text: &str) -> Result<LoraCall, Failure> {
    let mut call = LoraCall { name: text.trim().to_owned(), weight: 1.0, text_weight: None };
    let mut given = Vec::new();
    while let Some((name, last)) = call.name.rsplit_once(',') {
        let Some((key, value)) = last.trim().split_once('=') else { break };
        let number = value.trim().parse::<f64>();
        let weight = number
            .map_err(|_| Failure::Usage(format!("--lora {text}: `{value}` is not a number; right would be {key}=0.8")));
        match key.trim() {
            "weight" => call.weight = weight?,
            "text-weight" => call.text_weight = Some(weight?),
            key => {
                let sentence = format!("--lora {text} sets `{key}`; weight and text-weight can be set");
                return Err(Failure::Usage(sentence));
            }
        }
        if given.contains(&key.trim().to_owned()) {
            return Err(Failure::Usage(format!("--lora {text} sets `{key}` twice")));
        }
        given.push(key.trim().to_owned());
        call.name = name.trim().to_owned();
    }
    if call.name.is_empty() {
        return Err(Failure::Usage(format!("--lora {text} names no LoRA; right would be ink.safetensors,weight=0.8")));
    }
    Ok(call)
}

/// `TOKEN=FILE`, opened.
fn embedding(text: &str) -> Result<Embedding, Failure> {
    let (token, path) = text.split_once('=').map(|(token, path)| (token.trim(), path)).unwrap_or_default();
    if token.is_empty() || path.is_empty() || token.contains(char::is_control) {
        let right = "my-style=my-style.safetensors would be right";
        return Err(Failure::Usage(format!("--embedding {text} is not of the form TOKEN=FILE; {right}")));
    }
    Embedding::open(token, Path::new(path)).map_err(|e| Failure::failed(&e))
}

/// `NAME[,k=v]...` as a call: values are numbers, true, false, or else text.
pub fn filter_call(text: &str) -> Result<FilterCall, Failure> {
    let mut parts = text.split(',').map(str::trim);
    let name = parts.next().filter(|n| !n.is_empty() && !n.contains('='));
    let name = name.ok_or_else(|| {
        Failure::Usage(format!("--filter {text} names no filter; right would be film-grain,strength=0.3"))
    })?;
    let mut params = serde_json::Map::new();
    for part in parts {
        let (key, value) = part
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("--filter {text}: `{part}` is not of the form name=value")))?;
        let plain = serde_json::from_str(value).ok();
        let value = plain.filter(|v: &serde_json::Value| v.is_number() || v.is_boolean());
        let value = value.unwrap_or_else(|| part[key.len() + 1..].into());
        if params.insert(key.to_owned(), value).is_some() {
            return Err(Failure::Usage(format!("--filter {text} sets `{key}` twice")));
        }
    }
    Ok(FilterCall { name: name.to_owned(), params })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loras_are_typed_as_name_and_weights() {
        for (text, name, weight, text_weight) in [
            ("ink", "ink", 1.0, None),
            ("a/ink, v2.safetensors,weight=-0.5", "a/ink, v2.safetensors", -0.5, None),
            (" ink , text-weight=0, weight=.7", "ink", 0.7, Some(0.0)),
            ("ink,weight=NaN", "ink", f64::NAN, None),
        ] {
            let call = lora_call(text).unwrap();
            assert_eq!((call.name.as_str(), call.text_weight), (name, text_weight), "{text}");
            assert!(call.weight == weight || weight.is_nan() && call.weight.is_nan(), "{text}");
        }
        for wrong in ["", ",weight=1", "ink,weight=much", "ink,strength=1", "ink,weight=1,weight=2"] {
            assert!(matches!(lora_call(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
    }

    #[test]
    fn filters_are_typed_as_name_and_values() {
        let call = filter_call("film-grain, amount=0.25,color=#ff0000,mono=true").unwrap();
        assert_eq!(call.name, "film-grain");
        assert_eq!(
            serde_json::Value::Object(call.params),
            serde_json::json!({"amount": 0.25, "color": "#ff0000", "mono": true})
        );
        for wrong in ["", "amount=1", "grain,amount", "grain,a=1,a=2"] {
            assert!(matches!(filter_call(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
    }

    /// A short walk over what could be typed, the same every time.
    #[test]
    fn any_text_of_a_flag_is_read_or_refused() {
        const PIECES: [&str; 16] = [
            "ink.safetensors",
            ",",
            "=",
            "weight",
            "text-weight",
            "prompt=",
            "mask=",
            "model=",
            "image=",
            "1e999",
            "-0",
            "NaN",
            " ",
            "\u{0}",
            "ä",
            "\n",
        ];
        let mut state = 0x5EED_u64;
        let mut below = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        for _ in 0..50_000 {
            let text: String = (0..below(12)).map(|_| PIECES[below(PIECES.len())]).collect();
            let lora = lora_call(&text).ok().map(|call| call.name);
            let filter = filter_call(&text).ok().map(|call| call.name);
            let control = text.parse::<Control>().ok().map(|control| control.call.model);
            let region = text.parse::<Region>().ok().map(|region| region.call.prompt);
            let names = [lora, filter, control, region];
            assert!(names.iter().flatten().all(|name| !name.is_empty()), "{text:?}: {names:?}");
        }
    }
}
