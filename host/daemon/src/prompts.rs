//! From a request's two texts to what each picture is asked for: choices drawn, LoRA tags taken out.
//!
//! Decision: choices are drawn here, before the engine, so that the receipt can hold the template (in the request) and what came of it. Each
//! picture draws with its own seed; the negative prompt draws with the seed's complement, so that its choices do not follow the prompt's,
//! and each region with one of its own. The prompt is drawn before it is joined to a region's text: it says the same everywhere.

use crate::loras::Chosen;
use crate::models::Catalogue;
use crate::worker::JobError;
use underpaint_engine::prompt::{self, Embedding, Tag};
use underpaint_engine::{EngineError, Wording};
use underpaint_plan::{Plan, check_loras, region_text};
use underpaint_wire::generate::LoraCall;

/// Everything a diffusion model is told in words, looked up and opened.
#[derive(Debug, Default)]
pub struct Words {
    /// The texts of each picture.
    pub prompts: Prompts,
    /// What its weights are changed with.
    pub loras: Vec<Chosen>,
    /// Those given with the request, then those named in a text.
    pub embeddings: Vec<Embedding>,
    given: usize,
}

impl Words {
    /// What `plan` asks for. `given` embeddings come with the request, others are found in `catalogue` by their names.
    pub fn of(plan: &Plan, given: Vec<Embedding>, catalogue: &Catalogue) -> Result<Self, JobError> {
        let prompts = prompts(plan)?;
        let loras = catalogue.loras().choose(&prompts.loras)?;
        let named: Vec<&str> = prompts.wordings.iter().flat_map(Wording::texts).collect();
        let mut words = Self { loras, given: given.len(), embeddings: given, prompts: Prompts::default() };
        for (name, path) in catalogue.embeddings_in(&named) {
            words.embeddings.push(Embedding::open(name, path)?);
        }
        Ok(Self { prompts, ..words })
    }

    /// The embeddings that came with the request.
    pub fn given(&self) -> &[Embedding] {
        &self.embeddings[..self.given]
    }
}

/// What the pictures of a job are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompts {
    /// One for each picture, in order of the seeds: choices drawn, tags still in.
    pub drawn: Vec<Wording>,
    /// The same without tags, for the engine.
    pub wordings: Vec<Wording>,
    /// The request's LoRAs, then those all pictures ask for in their texts, in the order of the tags.
    pub loras: Vec<LoraCall>,
}

/// The texts of `plan` for each of its pictures; an error names the prompt and what would be right.
pub fn prompts(plan: &Plan) -> Result<Prompts, JobError> {
    let (mut prompts, mut first) = (Prompts::default(), Vec::new());
    for i in 0..u64::from(plan.sampling.batch) {
        let seed = plan.sampling.seed.wrapping_add(i);
        let expand = |field, template, seed| prompt::expand(template, seed).map_err(wrong(field));
        let drawn = Wording {
            prompt: expand("prompt", &plan.prompt, seed)?,
            negative_prompt: plan.negative_prompt.as_deref().map(|n| expand(NEGATIVE, n, !seed)).transpose()?,
            regions: (1..)
                .zip(&plan.regions)
                .map(|(i, text)| expand(REGION, text, seed ^ (i << 48)))
                .collect::<Result<_, _>>()?,
        };
        let (prompt, mut tags) = prompt::loras(&drawn.prompt).map_err(wrong("prompt"))?;
        let negative =
            drawn.negative_prompt.as_deref().map(|n| prompt::loras(n).map_err(wrong(NEGATIVE))).transpose()?;
        let negative_prompt = negative.map(|(negative, more)| {
            tags.extend(more);
            negative
        });
        let read = |field, text: &str| prompt::Prompt::read(field, text).map(drop);
        read("prompt", &prompt)?;
        negative_prompt.as_deref().map_or(Ok(()), |n| read(NEGATIVE, n))?;
        let mut regions = Vec::with_capacity(drawn.regions.len());
        for text in &drawn.regions {
            let (text, more) = prompt::loras(text).map_err(wrong(REGION))?;
            tags.extend(more);
            let text = region_text(&text, &prompt);
            read(REGION, &text)?;
            regions.push(text);
        }
        if i > 0 && tags != first {
            let what = "asks for other LoRAs in another picture of the batch; make those pictures one at a time";
            return Err(wrong("prompt")(what.into()).into());
        }
        first = tags;
        prompts.drawn.push(drawn);
        prompts.wordings.push(Wording { prompt, negative_prompt, regions });
    }
    let call = |tag: Tag| LoraCall { name: tag.name, weight: tag.unet, text_weight: Some(tag.text) };
    prompts.loras = plan.loras.iter().cloned().chain(first.into_iter().map(call)).collect();
    check_loras(&prompts.loras)?;
    Ok(prompts)
}

const NEGATIVE: &str = "negative_prompt";
const REGION: &str = "regions.prompt";

fn wrong(field: &'static str) -> impl Fn(String) -> EngineError {
    move |what| EngineError::Request { field, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use underpaint_plan::{Defaults, Family, Kind, ModelFacts, Sampler, Scheduler, plan};
    use underpaint_raster::Extent;
    use underpaint_wire::generate::{Generate, RegionCall};

    fn asked(prompt: &str, negative: Option<&str>, batch: u32) -> Result<Prompts, String> {
        with_regions(prompt, negative, &[], batch)
    }

    fn with_regions(prompt: &str, negative: Option<&str>, regions: &[&str], batch: u32) -> Result<Prompts, String> {
        let model = ModelFacts {
            id: "any".into(),
            name: None,
            family: Family::Sd15,
            native_side: 512,
            multiple: 8,
            in_channels: 4,
            kind: Kind::Text,
            defaults: Defaults { steps: 2, guidance_scale: 7.0, sampler: Sampler::Euler, scheduler: Scheduler::Normal },
        };
        let request = Generate {
            prompt: prompt.into(),
            negative_prompt: negative.map(Into::into),
            regions: regions.iter().map(|text| RegionCall { prompt: (*text).into() }).collect(),
            extent: Some(Extent::new(64, 64)),
            seed: Some(u64::MAX),
            batch: Some(batch),
            ..Generate::default()
        };
        prompts(&plan(&request, None, None, &model).unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn each_picture_draws_with_its_own_seed() {
        let texts = asked("a {red|green|blue} cat", Some("{x|y}"), 16).unwrap();
        assert_eq!(texts.drawn, texts.wordings);
        let drawn = |i: usize| (texts.drawn[i].prompt.clone(), texts.drawn[i].negative_prompt.clone().unwrap());
        let mut all: Vec<_> = (0..16).map(drawn).collect();
        // Seeds wrap: the second is 0.
        assert_eq!(all[1].0, prompt::expand("a {red|green|blue} cat", 0).unwrap());
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 6, "each colour with each of both: {all:?}");
        let plain = asked("a cat", None, 2).unwrap();
        assert_eq!(plain.wordings, vec![Wording { prompt: "a cat".into(), ..Wording::default() }; 2]);
    }

    #[test]
    fn regions_say_their_own_text_and_then_the_whole() {
        let templates = ["a {b|c}<lora:ink:0.5>", "a {b|c}"];
        let texts = with_regions("a {x|y} sea <lora:oil>", Some("{u|v}"), &templates, 16).unwrap();
        for (i, (drawn, wording)) in (0..).zip(texts.drawn.iter().zip(&texts.wordings)) {
            let sea = prompt::expand("a {x|y} sea ", u64::MAX.wrapping_add(i)).unwrap();
            assert_eq!(wording.prompt, sea);
            for ((template, drawn), text) in templates.iter().zip(&drawn.regions).zip(&wording.regions) {
                let own = drawn.replace("<lora:ink:0.5>", "");
                assert!([template.replace("{b|c}", "b"), template.replace("{b|c}", "c")].contains(drawn));
                assert_eq!(*text, format!("{own}, {}", sea.trim_end()));
            }
        }
        assert!(texts.drawn.iter().any(|each| !each.regions[0].starts_with(&each.regions[1])), "each draws its own");
        assert_eq!(texts.loras.iter().map(|lora| &*lora.name).collect::<Vec<_>>(), ["oil", "ink"]);
        assert_eq!(with_regions("", None, &["a cat"], 1).unwrap().wordings[0].regions, ["a cat"]);
        let error = with_regions("", None, &["(a:1e9)"], 1).unwrap_err();
        assert!(error.starts_with("regions.prompt has the weight"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_field() {
        for (prompt, negative, batch, sentence) in [
            ("<lora:ink:80>", None, 1, "loras.weight is 80; it must be a number from -10 to 10"),
            ("<lora:ink:x>", None, 1, "prompt holds `<lora:ink:x>`, whose weight is not a number"),
            ("{<lora:a>|<lora:b>}", None, 16, "prompt asks for other LoRAs in another picture of the batch"),
            ("(a:1e9)", None, 1, "prompt has the weight 1000000000"),
            ("", Some("{0::a|0::b}"), 1, "negative_prompt has `{0::a|0::b}`, in which nothing can be chosen"),
            ("", Some("(a:-2000)"), 1, "negative_prompt has the weight -2000"),
        ] {
            let error = asked(prompt, negative, batch).unwrap_err();
            assert!(error.starts_with(sentence), "{error}");
        }
    }
}
