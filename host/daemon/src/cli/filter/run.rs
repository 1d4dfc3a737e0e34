//! `underpaint filter run`: one filter or a chain of them over one picture.
//!
//! Decision: a picture of 8 or 16 bits stays in its own numbers from the file to the filter and back, so that a
//! filter which takes them sees what is in the file.

use crate::cli::progress::Terminal;
use crate::cli::{Failure, Global};
use crate::picture::{self, Depth, Picture};
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use underpaint_filters::{self as filters, Beside, Call, Descriptor, Level, PictureRef, Samples, Settings};
use underpaint_raster::{Image, Job};

const EXAMPLES: &str = "\
Examples:
  underpaint filter run film-grain photo.jpg -o grainy.png --param strength=0.5
  underpaint filter run . photo.png -o out.png                       the filter built in this folder
  underpaint filter run lut photo.png -o out.png --param table=@warm.cube
  underpaint filter run colour-match patch.png -o out.png --before before.png --mask mask.png
  underpaint filter run film-grain photo.png -o out.png --then vignette,strength=0.3 --then my-filter.wasm";

/// Run filters on a picture
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// A filter's name, a .wasm file or the folder of one that was built
    name: String,
    /// The picture
    image: PathBuf,
    /// Where the result goes, a .png
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    #[command(flatten)]
    options: Options,
}

/// What can be set besides the pictures' names.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// A parameter; may be given several times. @FILE takes a file's content
    #[arg(long, value_name = "K=V")]
    param: Vec<String>,
    /// A further picture the filter asks for; `underpaint filter info` names them
    #[arg(long, value_name = "NAME=FILE")]
    input: Vec<String>,
    /// What was selected: white where all was
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// What was there before the generated pixels came
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
    /// What was generated, before any filter
    #[arg(long, value_name = "FILE")]
    generated: Option<PathBuf>,
    /// Another filter after this one; may be given several times
    #[arg(long, value_name = "NAME[,K=V]...")]
    then: Vec<String>,
    /// Where all randomness comes from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How much smaller than the real picture this one is, for previews: lengths in pixels shrink with it
    #[arg(long, default_value_t = 1.0, value_name = "0.01..1")]
    scale: f32,
}

impl Run {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let ran = run(global, &self.name, &self.image, &self.out, &self.options)?;
        global.say(&ran.said, &ran.sentence);
        Ok(())
    }
}

/// What a run has to tell.
pub struct Ran {
    pub said: Value,
    pub sentence: String,
}

/// Reads, filters and writes one picture.
pub fn run(global: &Global, name: &str, image: &Path, out: &Path, options: &Options) -> Result<Ran, Failure> {
    if !(0.01..=1.0).contains(&options.scale) {
        return Err(Failure::Usage(format!("--scale is {}, but must be from 0.01 to 1", options.scale)));
    }
    picture::check_target(out)?;
    let then: Vec<(&str, Vec<&str>)> = options
        .then
        .iter()
        .map(|text| text.split_once(',').map_or((&**text, vec![]), |(name, params)| (name, params.split(',').collect())))
        .collect();
    let names: Vec<&str> = std::iter::once(name).chain(then.iter().map(|(name, _)| *name)).collect();
    let (filters, found) = super::find_all(global, &names)?;
    let first: Vec<&str> = options.param.iter().map(String::as_str).collect();
    let mut chain = vec![call(&found[0], &first, &options.input)?];
    for (filter, (_, params)) in found[1..].iter().zip(&then) {
        chain.push(call(filter, params, &[])?);
    }
    filters.set_log(Arc::new(|filter, level, line| {
        if level >= Level::Info {
            eprintln!("{filter}: {line}");
        }
    }));
    filters.check(&chain)?;
    let like = picture::read(image)?;
    let mask = options.mask.as_deref().map(picture::read_mask).transpose()?;
    let before = options.before.as_deref().map(picture::read).transpose()?;
    let generated = options.generated.as_deref().map(picture::read).transpose()?;
    let beside = Beside {
        mask: mask.as_ref(),
        before: before.as_ref().map(|p| PictureRef::from(&p.image)),
        generated: generated.as_ref().map(|p| PictureRef::from(&p.image)),
    };
    let settings = Settings { seed: options.seed, scale: options.scale, beside, ..Settings::default() };
    let job = Terminal::new(global.quiet());
    let own = own_numbers(&like);
    let made = filters.run((&own).into(), &chain, &settings, &job);
    job.end();
    let made = made?.map_or_else(|| like.image.clone(), Image::from);
    if job.is_cancelled() {
        return Err(Failure::Interrupted);
    }
    picture::write(out, &made, &like, &[])?;
    let used = chain.iter().map(|call| {
        let filter = filters.get(&call.name)?;
        Ok(json!({"name": filter.name, "version": filter.version, "sha256": filter.sha256, "params": call.params}))
    });
    let used: Vec<Value> = used.collect::<Result<_, Failure>>()?;
    let titles: Vec<&str> = chain.iter().filter_map(|c| Some(filters.get(&c.name).ok()?.title.as_str())).collect();
    let sentence = format!("{} is {} with {}", out.display(), image.display(), titles.join(", then "));
    Ok(Ran { said: json!({"output": out, "filters": used, "seed": options.seed}), sentence })
}

/// The picture in the numbers of its file.
fn own_numbers(like: &Picture) -> filters::Picture {
    let data = like.image.data().iter();
    let samples = match like.depth {
        Depth::Eight => Samples::Uint8(data.map(|v| (v * 255.0).round() as u8).collect()),
        Depth::Sixteen => Samples::Uint16(data.map(|v| (v * 65535.0).round() as u16).collect()),
    };
    filters::Picture::new(like.image.extent(), samples)
}

/// A step of a chain from `K=V` words and `NAME=FILE` pictures.
fn call(filter: &Descriptor, params: &[&str], inputs: &[String]) -> Result<Call, Failure> {
    let mut values = Map::new();
    for text in params {
        let (key, value) = pair(text, "name=value")?;
        let value = match value.strip_prefix('@') {
            Some(file) => std::fs::read_to_string(file)
                .map(Value::String)
                .map_err(|e| Failure::Failed(format!("{file}, given for {key}, cannot be read as text: {e}")))?,
            None => filter.parse(key, value),
        };
        values.insert(key.to_owned(), value);
    }
    let mut images = BTreeMap::new();
    for text in inputs {
        let (key, file) = pair(text, "name=FILE")?;
        images.insert(key.to_owned(), Arc::new(picture::read(Path::new(file))?.image));
    }
    Ok(Call { name: filter.name.clone(), params: values, images })
}

fn pair<'a>(text: &'a str, form: &str) -> Result<(&'a str, &'a str), Failure> {
    text.split_once('=').ok_or_else(|| Failure::Usage(format!("{text} is not of the form {form}")))
}
