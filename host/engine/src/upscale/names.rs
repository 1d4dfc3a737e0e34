//! Recognises an upscaler by its tensors and renames those to Real-ESRGAN's spelling.
//!
//! | spelling | first layer | dense block | end |
//! |---|---|---|---|
//! | ESRGAN, old | `model.0` | `model.1.sub.N.RDBk.convj.0` | `model.3`, `model.6`, … |
//! | ESRGAN, BSRGAN, RealSR | `conv_first` | `RRDB_trunk.N.RDBk.convj` | `trunk_conv`, `upconvk`, `HRconv`, `conv_last` |
//! | Real-ESRGAN | `conv_first` | `body.N.rdbk.convj` | `conv_body`, `conv_upk`, `conv_hr`, `conv_last` |
//! | compact | `body.0` | | `body.N` |
//!
//! Each may stand below `params_ema`, `params` or another of [`PREFIXES`], as the checkpoint it was made from had it.

use super::{Architecture, Facts};
use crate::EngineError;
use crate::weights::{Weights, file::SafetensorsFile, header::Entry};
use std::path::Path;
use std::rc::Rc;

/// Below which training scripts keep a network, the best copy first: averaged weights before the last ones.
const PREFIXES: [&str; 8] =
    ["params_ema.", "params-ema.", "params.", "model_state_dict.", "state_dict.", "net.", "netG.", "module."];
/// Most doublings at the end of a network: 16 times, which a network that folds 4 pixels makes 4 times.
const MAX_DOUBLINGS: usize = 4;

/// The tensors of an upscaler by Real-ESRGAN's names and what they tell; `None` if the file is none.
pub fn open(path: &Path) -> Result<Option<(Weights, Facts)>, EngineError> {
    let file = Rc::new(SafetensorsFile::open(path)?);
    let mut names: Vec<(&str, &Entry)> = file.entries().iter().map(|entry| (entry.name.as_str(), entry)).collect();
    for prefix in PREFIXES {
        let below: Vec<_> =
            names.iter().filter_map(|(name, entry)| Some((name.strip_prefix(prefix)?, *entry))).collect();
        if !below.is_empty() {
            names = below;
        }
    }
    let has = |name: &str| names.iter().any(|(n, _)| *n == name);
    let old = ["conv1.0", "conv1x1"].iter().any(|conv| has(&format!("model.1.sub.0.RDB1.{conv}.weight")));
    let first = |names: &[&str]| has("conv_first.weight") && names.iter().all(|name| has(name));
    let new = first(&["body.0.rdb1.conv1.weight", "conv_last.weight"])
        || first(&["RRDB_trunk.0.RDB1.conv1.weight", "conv_last.weight"]);
    let compact = has("body.0.weight") && has("body.1.weight") && names.iter().all(|(n, _)| n.starts_with("body."));
    if !(old && has("model.0.weight") || new || compact) {
        return Ok(None);
    }
    let end = names.iter().filter_map(|(name, _)| number(name, "model.", ".weight")).max().unwrap_or(0);
    let mut weights = Weights::new(path);
    for (name, entry) in names {
        weights.insert(if old { from_old(name, end) } else { from_new(name) }, &file, entry);
    }
    let facts = if compact { compact_facts(&weights) } else { esrgan_facts(&weights) };
    Ok(Some((weights, facts?)))
}

/// The number between `before` and `after`, if that is all of `name`. No file has as many layers as do not fit.
fn number(name: &str, before: &str, after: &str) -> Option<usize> {
    let number: u16 = name.strip_prefix(before)?.strip_suffix(after)?.parse().ok()?;
    Some(number.into())
}

/// Old names count layers, activations and enlargements in one list that ends with `end`.
fn from_old(name: &str, end: usize) -> String {
    let renamed = || {
        let (at, part) = name.rsplit_once('.')?;
        if let Some(block) = at.strip_prefix("model.1.sub.") {
            let Some((block, layer)) = block.split_once('.') else { return Some(format!("conv_body.{part}")) };
            let layer = layer.strip_suffix(".0").unwrap_or(layer).replace("RDB", "rdb");
            return Some(format!("body.{block}.{layer}.{part}"));
        }
        let at = number(at, "model.", "")?;
        Some(match at {
            0 => format!("conv_first.{part}"),
            _ if at == end => format!("conv_last.{part}"),
            _ if at + 2 == end => format!("conv_hr.{part}"),
            _ if at.is_multiple_of(3) => format!("conv_up{}.{part}", at / 3),
            _ => return None,
        })
    };
    renamed().unwrap_or_else(|| name.to_owned())
}

fn from_new(name: &str) -> String {
    const PARTS: [(&str, &str); 5] = [
        ("RRDB_trunk.", "body."),
        (".RDB", ".rdb"),
        ("trunk_conv.", "conv_body."),
        ("upconv", "conv_up"),
        ("HRconv.", "conv_hr."),
    ];
    PARTS.iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to))
}

fn esrgan_facts(weights: &Weights) -> Result<Facts, EngineError> {
    let refuse =
        |name: &str, what: String| EngineError::Tensor { path: weights.path().to_owned(), name: name.to_owned(), what };
    let dims = |name: &str, dimension: usize| match weights.shape(name).as_deref() {
        Some(shape @ [_, _, 3, 3]) => Ok(shape[dimension]),
        Some(shape) => Err(refuse(name, format!("has shape {shape:?}, a convolution of 3x3 is needed"))),
        None => Err(refuse(name, "is missing".into())),
    };
    let (inputs, channels) = (dims("conv_first.weight", 1)?, dims("conv_last.weight", 0)?);
    let doublings = (1..).take_while(|i| weights.has(&format!("conv_up{i}."))).count();
    let fold = [1, 2, 4].into_iter().find(|f| inputs == channels * f * f);
    let (Some(fold), 1 | 3 | 4) = (fold, channels) else {
        let what = format!(
            "takes {inputs} channels, and {channels} come out; 1, 3 or 4, or what folding 2 or 4 pixels makes of them, is needed"
        );
        return Err(refuse("conv_first.weight", what));
    };
    if doublings > MAX_DOUBLINGS || (1 << doublings) < fold {
        let what = format!(
            "is one of {doublings} doublings; at most {MAX_DOUBLINGS} are possible, and a network that folds {fold} pixels needs as many"
        );
        return Err(refuse(&format!("conv_up{doublings}.weight"), what));
    }
    let (fold, doublings) = (fold as u32, doublings as u32);
    let scale = (1 << doublings) / fold;
    Ok(Facts { architecture: Architecture::Esrgan, scale, channels: channels as u32, fold, doublings })
}

fn compact_facts(weights: &Weights) -> Result<Facts, EngineError> {
    let refuse = |name: String, what: String| EngineError::Tensor { path: weights.path().to_owned(), name, what };
    let last = weights.names().filter_map(|name| number(name, "body.", ".weight")).max().unwrap_or(0);
    // Convolutions and slopes alternate, a convolution comes first and last.
    if let Some(lost) = (0..=last.next_multiple_of(2)).find(|i| !weights.has(&format!("body.{i}."))) {
        return Err(refuse(format!("body.{lost}.weight"), "is missing".into()));
    }
    let shape = |i: usize| {
        let name = format!("body.{i}.weight");
        match weights.shape(&name).as_deref() {
            Some(&[out, inner, 3, 3]) => Ok([out, inner]),
            Some(shape) => Err(refuse(name, format!("has shape {shape:?}, a convolution of 3x3 is needed"))),
            None => Err(refuse(name, "is missing".into())),
        }
    };
    let ([_, channels], [out, _]) = (shape(0)?, shape(last)?);
    let scale = (1..=8).find(|s| out == channels * s * s);
    let (Some(scale), 1 | 3 | 4) = (scale, channels) else {
        let what = format!("gives {out} channels for {channels}; 1, 3 or 4 times a square of 1 to 8 pixels is needed");
        return Err(refuse(format!("body.{last}.weight"), what));
    };
    Ok(Facts {
        architecture: Architecture::Compact,
        scale: scale as u32,
        channels: channels as u32,
        fold: 1,
        doublings: 0,
    })
}
