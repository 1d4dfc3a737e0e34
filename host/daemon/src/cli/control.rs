//! `--control model=M,image=IMG[,k=v]...`: a picture that steers.

use super::Failure;
use super::paint::as_path;
use crate::picture;
use std::path::PathBuf;
use std::str::FromStr;
use underpaint_raster::{Extent, Image, Rect};
use underpaint_wire::generate::ControlCall;

/// One control as typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// All but its picture.
    pub call: ControlCall,
    /// Its picture; without one the canvas is read.
    pub image: Option<PathBuf>,
}

impl Control {
    /// True if a model is named by its path, which only this process can open.
    pub fn names_a_path(&self) -> bool {
        let path = |name: &Option<String>| name.as_deref().is_some_and(|name| as_path(name).is_some());
        as_path(&self.call.model).is_some() || path(&self.call.encoder) || path(&self.call.preprocessor)
    }
}

impl FromStr for Control {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::Usage(format!("--control {text}: {what}"));
        let right = "right would be model=canny-sd15,image=room.png,preprocess=canny,weight=0.8";
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let pair = part.split_once('=').filter(|(_, value)| !value.is_empty());
            let (key, value) = pair.ok_or_else(|| wrong(format!("`{part}` is not of the form name=value; {right}")))?;
            if seen.iter().any(|(before, _)| *before == key) {
                return Err(wrong(format!("`{key}` is set twice")));
            }
            seen.push((key, value));
        }
        let model = seen.iter().find(|(key, _)| *key == "model");
        let model = model.ok_or_else(|| wrong(format!("it names no model; {right}")))?.1.to_owned();
        let call = ControlCall {
            model,
            kind: None,
            preprocess: None,
            preprocessor: None,
            encoder: None,
            weight: 1.0,
            start: 0.0,
            end: 1.0,
        };
        let mut control = Control { call, image: None };
        for (key, value) in seen {
            let word = || Some(value.to_owned());
            let number = || value.parse().map_err(|_| wrong(format!("{key} is {value}; a number is needed")));
            match key {
                "model" => {}
                "image" => control.image = Some(value.into()),
                "kind" => control.call.kind = word(),
                "preprocess" => control.call.preprocess = word(),
                "preprocessor" => control.call.preprocessor = word(),
                "encoder" => control.call.encoder = word(),
                "weight" => control.call.weight = number()?,
                "start" => control.call.start = number()?,
                "end" => control.call.end = number()?,
                _ => {
                    let known = "model, image, weight, start, end, preprocess, preprocessor, kind and encoder";
                    return Err(wrong(format!("`{key}` is unknown; there are {known}")));
                }
            }
        }
        Ok(control)
    }
}

/// The pictures of `controls`, read; each covers the whole canvas, if there is one.
pub fn pictures(controls: &[Control], canvas: Option<Extent>) -> Result<Vec<Option<(Rect, Image)>>, Failure> {
    let read = |control: &Control| {
        let Some(path) = &control.image else { return Ok(None) };
        let image = picture::read(path)?.image;
        Ok(Some((canvas.unwrap_or(image.extent()).rect(), image)))
    };
    controls.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_typed_as_names_and_values() {
        let control: Control = "model=canny, image=a/b.png,weight=0.5,end=0.7,preprocess=canny".parse().unwrap();
        assert_eq!(control.image, Some("a/b.png".into()));
        let ControlCall { model, weight, start, end, preprocess, kind, .. } = control.call;
        assert_eq!((model.as_str(), weight, start, end, kind), ("canny", 0.5, 0.0, 0.7, None));
        assert_eq!(preprocess.as_deref(), Some("canny"));
        for wrong in
            ["", "image=a.png", "model", "model=", "model=a,weight=much", "model=a,model=b", "model=a,color=red"]
        {
            assert!(matches!(wrong.parse::<Control>(), Err(Failure::Usage(_))), "{wrong}");
        }
    }
}
