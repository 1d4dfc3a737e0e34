//! Every filter that Underpaint comes with, and filters of older versions of the contract.

use std::sync::Arc;
use underpaint_filter::testing::{self, Case};
use underpaint_filter::{Filter, Role};
use underpaint_filters::{Beside, Call, Descriptor, FIRST_PARTY, Filters, Origin, Settings};
use underpaint_raster::{Extent, Image, Mask, Unattended, linear_from_srgb, srgb_from_linear};

/// What a filter makes natively of the pictures below.
type Native = fn() -> (u32, u32, Vec<f32>);

const WIDTH: u32 = 300;
const HEIGHT: u32 = 200;

/// Each filter that comes with Underpaint, as it runs in its author's debugger.
const NATIVE: &[(&str, Native)] = &[
    ("bilateral", native::<bilateral::Bilateral<f32>>),
    ("chromatic-aberration", native::<chromatic_aberration::ChromaticAberration>),
    ("color-match", native::<color_match::ColorMatch>),
    ("dither", native::<dither::Dither>),
    ("film-grain", native::<film_grain::FilmGrain>),
    ("gaussian-blur", native::<gaussian_blur::GaussianBlur<f32>>),
    ("halftone", native::<halftone::Halftone>),
    ("levels", native::<levels::Levels<f32>>),
    ("line-art", native::<line_art::LineArt>),
    ("lut", native::<lut::Lut>),
    ("median", native::<median::Median<f32>>),
    ("oil", native::<oil::Oil>),
    ("pixel-art", native::<pixel_art::PixelArt>),
    ("seamless", native::<seamless::Seamless>),
    ("unsharp-mask", native::<unsharp_mask::UnsharpMask<f32>>),
    ("upscale", native::<upscale::Upscale>),
    ("vignette", native::<vignette::Vignette>),
    ("watermark", native::<watermark::Watermark>),
];

/// The picture, and what was there before: the same upside down.
fn picture() -> Vec<f32> {
    testing::picture(WIDTH, HEIGHT)
}

fn before() -> Vec<f32> {
    picture().as_chunks::<4>().0.iter().rev().flatten().copied().collect()
}

/// A box with a soft edge on the left.
fn mask() -> Vec<f32> {
    let inside =
        |x: u32, y: u32| if y.abs_diff(90) < 50 && x < 180 { (x as f32 / 90.0 - 0.5).clamp(0.0, 1.0) } else { 0.0 };
    (0..WIDTH * HEIGHT).map(|i| inside(i % WIDTH, i / WIDTH)).collect()
}

/// Another picture.
fn other() -> (u32, u32, Vec<f32>) {
    (40, 30, testing::picture(40, 30))
}

fn native<F: Filter<Sample = f32>>() -> (u32, u32, Vec<f32>) {
    let linear = F::about().linear;
    let shown = |mut pixels: Vec<f32>| {
        if linear {
            linear_from_srgb(&mut pixels);
        }
        pixels
    };
    let mut case = Case::<F>::new(WIDTH, HEIGHT).seed(3);
    for input in F::about().inputs {
        case = match input.role {
            Role::Mask => case.beside(&input.name, mask().into_iter().flat_map(|v| [v, v, v, 1.0]).collect()),
            Role::Before | Role::Generated => case.beside(&input.name, shown(before())),
            Role::Image => {
                let (width, height, pixels) = other();
                case.image(&input.name, underpaint_filter::Image { width, height, pixels: shown(pixels) })
            }
            Role::Original => case,
        };
    }
    let made = case.run(&shown(picture()), 256).unwrap();
    let mut pixels = made.pixels;
    if linear {
        srgb_from_linear(&mut pixels);
    }
    (made.width, made.height, pixels)
}

/// The wasm that is embedded is the source beside it, and makes what that makes natively: every bit of it, at the
/// defaults, with everything given that a filter asks for.
#[test]
fn make_the_same_in_the_sandbox_as_natively() {
    let filters = Filters::new(None).unwrap();
    let image = Image::from_data(Extent::new(WIDTH, HEIGHT), picture());
    let (before, mask) = (Image::from_data(image.extent(), before()), Mask::from_data(image.extent(), mask()));
    let (width, height, pixels) = other();
    let other = Arc::new(Image::from_data(Extent::new(width, height), pixels));
    let beside = Beside { mask: Some(&mask), before: Some((&before).into()), generated: Some((&before).into()) };
    for first in FIRST_PARTY {
        let row = NATIVE.iter().find(|(name, _)| *name == first.name);
        let (_, native) = row.unwrap_or_else(|| panic!("{} wants a row in NATIVE", first.name));
        let known: Descriptor = serde_json::from_str(first.descriptor).unwrap();
        let images = known.inputs.iter().filter(|input| input.role == underpaint_filters::Role::Image);
        let images = images.map(|input| (input.name.clone(), other.clone())).collect();
        let call = Call { name: first.name.into(), images, ..Call::default() };
        let settings = Settings { seed: 3, beside, ..Settings::default() };
        let made = filters.apply_with(&image, &[call], &settings, &Unattended).unwrap();
        let (width, height, pixels) = native();
        assert_eq!(made.extent(), Extent::new(width, height), "{}", first.name);
        let differs = made.data().iter().zip(&pixels).position(|(a, b)| a != b);
        if let Some(i) = differs {
            let at = (i / 4 % width as usize, i / 4 / width as usize);
            panic!("{}: {at:?} is {} in the sandbox and {} natively", first.name, made.data()[i], pixels[i]);
        }
    }
}

/// What lies beside each wasm is what the wasm says: `cargo xtask filters` makes both.
#[test]
fn describe_themselves_as_their_json_says() {
    for first in FIRST_PARTY {
        let mut filters = Filters::empty(None).unwrap();
        let said = filters.add(first.wasm, Origin::FirstParty).unwrap();
        let known: Descriptor = serde_json::from_str(first.descriptor).unwrap();
        assert_eq!(*said, known, "{}: run `cargo xtask filters {0}`", first.name);
        assert_eq!(known.name, first.name);
    }
}

/// Film grain as it was built against version 0.1.0: the same picture as today's, from a host that has moved on.
#[test]
fn a_filter_of_version_0_1_keeps_running() {
    let mut image = Image::new(Extent::new(300, 200));
    for (i, value) in image.data_mut().iter_mut().enumerate() {
        *value = if i % 4 == 3 { 1.0 } else { i as f32 / 240_000.0 };
    }
    let chain = [Call {
        name: "film-grain".into(),
        params: serde_json::json!({"strength": 0.6, "size": 2.5}).as_object().unwrap().clone(),
        ..Call::default()
    }];
    let settings = Settings { seed: 5, ..Settings::default() };
    let mut old = Filters::empty(None).unwrap();
    let wasm = include_bytes!("../../../tests/filters/film-grain-0.1.0.wasm");
    let described = old.add(wasm, Origin::File("film-grain-0.1.0.wasm".into())).unwrap();
    assert_eq!(described.params.len(), 4);
    let then = old.apply_with(&image, &chain, &settings, &Unattended).unwrap();
    let now = Filters::new(None).unwrap().apply_with(&image, &chain, &settings, &Unattended).unwrap();
    assert!(then == now, "film grain differs between versions of the contract");
    assert!(then != image);
}
