//! Runs a filter natively on a picture, cut as the host would: for unit tests, debuggers and profilers.

mod golden;

pub use golden::furthest;

use crate::descriptor::Kind;
use crate::params::{Value, Values};
use crate::{Color, Error, Filter, Given, Image, Params, Pass, Plan, Rect, Request, Role, Sample, Tile};
use std::borrow::Cow;
use std::rc::Rc;

/// One run to try: parameters at their defaults, a picture's size, nothing besides it.
#[derive(Clone, Debug)]
pub struct Case<F: Filter> {
    width: u32,
    height: u32,
    scale: f32,
    seed: u64,
    values: Vec<Value>,
    beside: Vec<(String, Vec<F::Sample>)>,
    images: Vec<(String, Image<F::Sample>)>,
}

/// What a filter made of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Made<S> {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Rows of RGBA, tightly packed.
    pub pixels: Vec<S>,
}

/// A value for [`Case::with`]: a number, a switch, a colour, or a text, which is also how a choice is named.
pub trait IntoValue {
    /// The value for a parameter of this kind; `None` if it cannot be one.
    fn value(self, kind: &Kind) -> Option<Value>;
}

impl IntoValue for f32 {
    fn value(self, kind: &Kind) -> Option<Value> {
        matches!(kind, Kind::Float { .. }).then_some(Value::Float(self))
    }
}

impl IntoValue for i32 {
    fn value(self, kind: &Kind) -> Option<Value> {
        match kind {
            Kind::Int { .. } => Some(Value::Int(self)),
            Kind::Seed(_) => Some(Value::Seed(self as u32)),
            _ => None,
        }
    }
}

impl IntoValue for bool {
    fn value(self, kind: &Kind) -> Option<Value> {
        matches!(kind, Kind::Boolean(_)).then_some(Value::Boolean(self))
    }
}

impl IntoValue for Color {
    fn value(self, kind: &Kind) -> Option<Value> {
        matches!(kind, Kind::Color(_)).then_some(Value::Color(self))
    }
}

impl IntoValue for &str {
    fn value(self, kind: &Kind) -> Option<Value> {
        match kind {
            Kind::Text { .. } => Some(Value::Text(self.into())),
            Kind::Choice { choices, .. } => {
                choices.iter().position(|(name, _)| name == self).map(|i| Value::Choice(i as u32))
            }
            _ => None,
        }
    }
}

impl<F: Filter> Case<F> {
    /// The defaults, for a picture of this size.
    pub fn new(width: u32, height: u32) -> Self {
        let default = |kind: Kind| match kind {
            Kind::Float { default, .. } => Value::Float(default),
            Kind::Int { default, .. } => Value::Int(default),
            Kind::Boolean(default) => Value::Boolean(default),
            Kind::Choice { default, .. } => Value::Choice(default),
            Kind::Color(default) => Value::Color(default),
            Kind::Text { default, .. } => Value::Text(default),
            Kind::Seed(default) => Value::Seed(default),
        };
        let values = F::Params::list().into_iter().map(|control| default(control.kind)).collect();
        Self { width, height, scale: 1.0, seed: 0, values, beside: Vec::new(), images: Vec::new() }
    }

    /// With one parameter set. Panics on a name the filter does not have, or a value of another kind.
    pub fn with(mut self, name: &str, value: impl IntoValue) -> Self {
        let list = F::Params::list();
        let Some(index) = list.iter().position(|control| control.name == name) else {
            panic!("there is no parameter {name:?}");
        };
        match value.value(&list[index].kind) {
            Some(value) => self.values[index] = value,
            None => panic!("parameter {name:?} does not take this: {:?}", list[index].kind),
        }
        self
    }

    /// With another seed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// As a preview, smaller by this factor.
    pub fn scale(mut self, scale: f32) -> Self {
        self.scale = scale;
        self
    }

    /// With the pixels of an input that comes with tiles, of the picture's size.
    pub fn beside(mut self, name: &str, pixels: Vec<F::Sample>) -> Self {
        assert_eq!(pixels.len(), self.width as usize * self.height as usize * 4, "{name} has another size");
        self.beside.push((name.into(), pixels));
        self
    }

    /// With a picture for an input of role image.
    pub fn image(mut self, name: &str, image: Image<F::Sample>) -> Self {
        self.images.push((name.into(), image));
        self
    }

    /// The filtered picture, made in tiles of `tile` by `tile` pixels in one value of the filter. As the host does, it
    /// clamps to the range, keeps pixels whose alpha is 0, and refuses wrong lengths and numbers that are not finite.
    /// Panics when `pixels` does not hold `width * height * 4` values.
    pub fn run(&self, pixels: &[F::Sample], tile: u32) -> Result<Made<F::Sample>, Error> {
        let (width, height) = (self.width, self.height);
        assert_eq!(
            pixels.len(),
            width as usize * height as usize * 4,
            "a picture of {width}x{height} has w*h*4 values"
        );
        let beside = |name: &str, role: Role| match role {
            Role::Original => Some(pixels),
            _ => self.beside.iter().find(|(input, _)| input == name).map(|(_, pixels)| pixels.as_slice()),
        };
        let mut with_tiles: Vec<(String, &[F::Sample])> = Vec::new();
        let mut inputs = Vec::new();
        for input in F::about().inputs {
            let image = self.images.iter().find(|(name, _)| *name == input.name);
            let given = match (image, beside(&input.name, input.role)) {
                (Some((_, image)), _) => Given::Whole(image.clone()),
                (None, Some(pixels)) => {
                    with_tiles.push((input.name.clone(), pixels));
                    Given::WithTiles
                }
                (None, None) if input.required => {
                    return Err(Error::BadParameter(input.name, "the filter needs this input".into()));
                }
                (None, None) => Given::Absent,
            };
            inputs.push((input.name, given));
        }
        let names: Rc<[String]> = with_tiles.iter().map(|(name, _)| name.clone()).collect();
        let mut request = Request { width, height, scale: self.scale, seed: self.seed, inputs };
        let params = F::Params::read(&mut Values(self.values.clone().into_iter()));
        let mut filter = F::new(params, &mut request)?;
        let Plan { size, passes } = filter.plan();
        let mut made: Cow<'_, [F::Sample]> = Cow::Borrowed(pixels);
        let mut extent = (width, height);
        for (index, pass) in passes.iter().enumerate() {
            let last = index + 1 == passes.len();
            let (w, h) = size.filter(|_| last).unwrap_or((width, height));
            let tile = tile.max(1);
            let (across, down, halo) = match *pass {
                // Whole rows, as many as a tile has pixels.
                Pass::Pointwise => (w, (u64::from(tile).pow(2) / u64::from(w)).clamp(1, h.into()) as u32, 0),
                Pass::Tiles { halo } => (tile, tile, halo),
                Pass::WholePicture => (w, h, 0),
                Pass::Survey => (256, 256, 0),
            };
            let mut next =
                Made { width: w, height: h, pixels: vec![F::Sample::default(); w as usize * h as usize * 4] };
            let mut answers = Vec::new();
            for y in (0..h).step_by(down as usize) {
                for x in (0..w).step_by(across as usize) {
                    let area = Rect { x: x as i32, y: y as i32, width: across.min(w - x), height: down.min(h - y) };
                    let source = source(area, halo, (w, h), (width, height));
                    let tile = Tile {
                        pass: index as u32,
                        area,
                        source,
                        pixels: cut(&made, (width, height), source, index == 0),
                        inputs: with_tiles.iter().map(|(_, p)| cut(p, (width, height), source, true)).collect(),
                        names: names.clone(),
                    };
                    if let Pass::Survey = pass {
                        answers.push(filter.survey(tile)?);
                    } else {
                        let keep = (last && (w, h) == (width, height)).then_some(pixels);
                        paste(&mut next, area, &filter.process(tile)?, keep, last)?;
                    }
                }
            }
            if let Pass::Survey = pass {
                filter.learn(index as u32, answers)?;
            } else {
                made = Cow::Owned(next.pixels);
                extent = (w, h);
            }
        }
        Ok(Made { width: extent.0, height: extent.1, pixels: made.into_owned() })
    }

    /// Panics with the first pixel that differs when the picture is cut in another way: the sign of a halo that is
    /// too small, of state kept between tiles, or of randomness not taken from seed and position.
    pub fn check(&self, pixels: &[F::Sample]) {
        let whole = self.run(pixels, self.width.max(self.height)).expect("the filter failed");
        for tile in [97, 32, 7] {
            let tiled = self.run(pixels, tile).expect("the filter failed");
            if let Some(i) = (0..whole.pixels.len()).find(|&i| whole.pixels[i] != tiled.pixels[i]) {
                let (x, y) = (i / 4 % whole.width as usize, i / 4 / whole.width as usize);
                let (one, other) = (whole.pixels[i], tiled.pixels[i]);
                panic!("pixel ({x}, {y}) is {one:?} in one piece and {other:?} in tiles of {tile}");
            }
        }
    }
}

/// Measures the filter natively, with its defaults, for `underpaint filter bench`: call it from `examples/bench.rs`,
/// whose arguments are the picture's width and height. Prints the best of three runs as one line of JSON.
pub fn bench<F: Filter>() {
    let mut sizes = std::env::args().skip(1).filter_map(|size| size.parse().ok());
    let (width, height) = (sizes.next().unwrap_or(1024), sizes.next().unwrap_or(1024));
    let (case, pixels) = (Case::<F>::new(width, height), picture(width, height));
    let best = (0..3).map(|_| {
        let start = std::time::Instant::now();
        std::hint::black_box(case.run(&pixels, 256).expect("the filter failed"));
        start.elapsed().as_secs_f64() * 1000.0
    });
    let best = best.fold(f64::INFINITY, f64::min);
    let sample = ["uint8", "uint16", "float32"][size_of::<F::Sample>() / 2];
    println!("{{\"sample\": \"{sample}\", \"ms\": {best}}}");
}

/// A picture with colours, edges, soft and fully transparent pixels, for tests that bring none.
pub fn picture<S: Sample>(width: u32, height: u32) -> Vec<S> {
    let mut out = Vec::with_capacity(width as usize * height as usize * 4);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let edge = if (x / 8 + y / 8) % 2 == 0 { 0.75 } else { 1.0 };
            let alpha = ((1.2 - u - v * 0.4) * 4.0).clamp(0.0, 1.0);
            let colour =
                if S::from_unit(alpha) > S::default() { [u * edge, v * edge, (1.0 - u) * edge] } else { [0.0; 3] };
            out.extend([colour[0], colour[1], colour[2], alpha].map(S::from_unit));
        }
    }
    out
}

/// The same picture without transparency.
pub fn opaque_picture<S: Sample>(width: u32, height: u32) -> Vec<S> {
    let mut pixels = picture::<S>(width, height);
    pixels.iter_mut().skip(3).step_by(4).for_each(|alpha| *alpha = S::MAX);
    pixels
}

/// What an area is made from, as the host reckons it.
fn source(area: Rect, halo: u32, is: (u32, u32), was: (u32, u32)) -> Rect {
    let side = |start: i32, length: u32, is: u32, was: u32| {
        let (start, end, is, was) = (start as i64, start as i64 + length as i64, is as i64, was as i64);
        let (from, to) = if is == was { (start, end) } else { (start * was / is, (end * was + is - 1) / is) };
        ((from - halo as i64) as i32, (to - from + 2 * halo as i64) as u32)
    };
    let ((x, width), (y, height)) = (side(area.x, area.width, is.0, was.0), side(area.y, area.height, is.1, was.1));
    Rect { x, y, width, height }
}

fn cut<S: Sample>(pixels: &[S], (w, h): (u32, u32), rect: Rect, blank: bool) -> Vec<S> {
    let mut out = Vec::with_capacity(rect.width as usize * rect.height as usize * 4);
    let (from, to) = (rect.x.clamp(0, w as i32), (rect.x + rect.width as i32).clamp(0, w as i32));
    let outside = |count: i32| 0..count.clamp(0, rect.width as i32);
    for y in rect.y..rect.y + rect.height as i32 {
        let row = &pixels[y.clamp(0, h as i32 - 1) as usize * w as usize * 4..][..w as usize * 4];
        outside(-rect.x).for_each(|_| out.extend_from_slice(&row[..4]));
        out.extend_from_slice(&row[from as usize * 4..to as usize * 4]);
        outside(rect.x + rect.width as i32 - w as i32).for_each(|_| out.extend_from_slice(&row[row.len() - 4..]));
    }
    let clear = |found, pixel: &[S]| found | (pixel[3] == S::default());
    if blank && out.chunks_exact(4).fold(false, clear) {
        let clear = out.chunks_exact_mut(4).filter(|pixel| pixel[3] == S::default());
        clear.for_each(|pixel| pixel.fill(S::default()));
    }
    out
}

fn paste<S: Sample>(out: &mut Made<S>, area: Rect, made: &[S], keep: Option<&[S]>, last: bool) -> Result<(), Error> {
    let Rect { x, y, width, height } = area;
    if made.len() != width as usize * height as usize * 4 {
        return Err(Error::Failed(format!("a tile of {width}x{height} came back with {} values", made.len())));
    }
    let clear = |pixel: &[S]| pixel[3] == S::default();
    // Of whole numbers all are.
    let is_number = |v: &S| size_of::<S>() < size_of::<f32>() || v.to_unit().is_finite();
    let clamped = |v: S| match () {
        _ if v > S::MAX => S::MAX,
        _ if v < S::default() => S::default(),
        _ => v,
    };
    let row = width as usize * 4;
    for (new, y) in made.chunks_exact(row).zip(y..) {
        let start = (y as usize * out.width as usize + x as usize) * 4;
        let old = keep
            .map(|pixels| &pixels[start..start + row])
            .filter(|old| old.chunks_exact(4).fold(false, |any, p| any | clear(p)));
        let shown = |i: usize| old.is_none_or(|old| !clear(&old[i / 4 * 4..]));
        if !new.iter().fold(true, |all, v| all & is_number(v)) && (0..row).any(|i| shown(i) && !is_number(&new[i])) {
            return Err(Error::Failed(format!("the tile at ({x}, {y}) holds a number that is not finite")));
        }
        let out = &mut out.pixels[start..start + row];
        match old {
            Some(old) => {
                for ((out, old), new) in out.chunks_exact_mut(4).zip(old.chunks_exact(4)).zip(new.chunks_exact(4)) {
                    let pixel = if clear(old) { old } else { new };
                    out.iter_mut().zip(pixel).for_each(|(out, &v)| *out = clamped(v));
                }
            }
            None if last => out.iter_mut().zip(new).for_each(|(out, &v)| *out = clamped(v)),
            None => out.copy_from_slice(new),
        }
    }
    Ok(())
}
