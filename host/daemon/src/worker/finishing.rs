//! The end of a job: filters over what was painted, each of which may see what lies around it.

use super::JobError;
use crate::models::hex;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use underpaint_filters::{Beside, Call, FilterError, Filters, PictureRef, Reason, Role, Settings};
use underpaint_raster::{Image, Job, Mask, Patch, Rect};
use underpaint_wire::generate::FilterCall;

/// Pictures for the inputs of one filter of a request, by the input's name.
pub type FilterImages = BTreeMap<String, Arc<Image>>;

/// What a patch was painted into.
pub struct Surroundings<'a> {
    /// Where canvas and mask lie.
    pub rect: Rect,
    pub canvas: &'a Image,
    pub mask: Option<&'a Mask>,
}

/// The request's filters as the sandbox wants them, checked, and what the receipt says about them.
pub fn chain(
    filters: &Filters,
    calls: &[FilterCall],
    images: &[FilterImages],
) -> Result<(Vec<Call>, Vec<Value>), FilterError> {
    let images = images.iter().cloned().chain(std::iter::repeat_with(FilterImages::new));
    let calls = calls.iter().zip(images);
    let calls: Vec<Call> =
        calls.map(|(f, images)| Call { name: f.name.clone(), params: f.params.clone(), images }).collect();
    filters.check(&calls)?;
    let describe = |call: &Call| {
        let found = filters.get(&call.name)?;
        Ok(json!({
            "name": call.name, "version": found.version, "sha256": found.sha256, "params": told(&call.params),
        }))
    };
    let used = calls.iter().map(describe).collect::<Result<_, FilterError>>()?;
    Ok((calls, used))
}

/// The longest text that a receipt holds, in bytes; of a longer one, a table of colours mostly, it tells the hash, as of models.
const TOLD_BYTES: usize = 64 << 10;

fn told(params: &Map<String, Value>) -> Map<String, Value> {
    let one = |value: &Value| match value {
        Value::String(text) if text.len() > TOLD_BYTES => {
            json!({"sha256": hex(&Sha256::digest(text.as_bytes())), "bytes": text.len()})
        }
        value => value.clone(),
    };
    params.iter().map(|(name, value)| (name.clone(), one(value))).collect()
}

/// Filters run on the patch alone and may make it more transparent, never less: outside its alpha nothing changes.
/// What is painted into something keeps its size; a picture of its own may be resized.
pub fn finish(
    filters: &Filters,
    chain: &[Call],
    patch: Patch,
    around: Option<Surroundings<'_>>,
    seed: u64,
    job: &dyn Job,
) -> Result<Patch, JobError> {
    if chain.is_empty() {
        return Ok(patch);
    }
    let wants = |role: Role| {
        chain.iter().any(|call| filters.get(&call.name).is_ok_and(|d| d.inputs.iter().any(|i| i.role == role)))
    };
    let opaque = |image: &Image| {
        let mut image = image.clone();
        image.data_mut().iter_mut().skip(3).step_by(4).for_each(|alpha| *alpha = 1.0);
        image
    };
    let generated = wants(Role::Generated).then(|| opaque(&patch.image));
    let inside = |around: &Surroundings<'_>| {
        let rect = Rect { x: patch.rect.x - around.rect.x, y: patch.rect.y - around.rect.y, ..patch.rect };
        (rect.intersect(around.rect.extent().rect()) == Some(rect)).then_some(rect)
    };
    let place = around.as_ref().and_then(inside);
    let before = around.as_ref().zip(place).filter(|_| wants(Role::Before)).map(|(a, rect)| a.canvas.crop(rect));
    let mask = around.as_ref().and_then(|a| a.mask).zip(place).filter(|_| wants(Role::Mask));
    let mask = mask.map(|(mask, rect)| mask.crop(rect));
    let beside = Beside {
        mask: mask.as_ref(),
        before: before.as_ref().map(PictureRef::from),
        generated: generated.as_ref().map(PictureRef::from),
    };
    let made = filters.apply_with(&patch.image, chain, &Settings { seed, beside, ..Settings::default() }, job)?;
    if made.extent() != patch.rect.extent() {
        if around.is_some() {
            return Err(resized(chain).into());
        }
        return Ok(Patch { rect: made.extent().rect(), image: made });
    }
    Ok(Patch { rect: patch.rect, image: no_more_than(made, &patch.image) })
}

fn resized(chain: &[Call]) -> FilterError {
    let names: Vec<&str> = chain.iter().map(|call| call.name.as_str()).collect();
    let reason = Reason::Failed(
        "it makes another size, and what is painted into a picture must keep its own; use it on whole pictures".into(),
    );
    FilterError { filter: names.join(", "), reason }
}

fn no_more_than(mut made: Image, patch: &Image) -> Image {
    for (after, before) in made.data_mut().chunks_exact_mut(4).zip(patch.data().chunks_exact(4)) {
        after[3] = after[3].min(before[3]);
        if after[3] <= 0.0 {
            after.fill(0.0);
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::{TOLD_BYTES, told};
    use serde_json::{Value, json};

    #[test]
    fn a_receipt_holds_no_table_of_megabytes() {
        let params = |text: usize| json!({"table": "x".repeat(text), "strength": 0.5}).as_object().cloned().unwrap();
        assert_eq!(told(&params(TOLD_BYTES)), params(TOLD_BYTES));
        let told = Value::Object(told(&params(16 << 20)));
        assert_eq!((&told["strength"], &told["table"]["bytes"]), (&json!(0.5), &json!(16 << 20)));
        assert_eq!(told["table"]["sha256"].as_str().map(str::len), Some(64));
    }
}
