//! First-party filters in the sandbox against the same source compiled natively: a 4096x4096 picture, one thread, both
//! sides cutting it into the same tiles and putting the results together, the same bits on both.
//!
//! `cargo bench -p underpaint-filters --bench native [-- NAME] [-- --rounds 9]`
//!
//! What counts is the processor time of the whole process, and of that the median over rounds in which the sides take
//! turns: another program on the machine slows both alike. (criterion measures one side after the other, so on a
//! machine that is not idle it compares the neighbours.)
//!
//! Natively the compiler may use SSE2 alone, while wasmtime always uses what the processor has. For the stricter
//! comparison with AVX2, `RUSTC_WORKSPACE_WRAPPER=host/filters/benches/avx2.sh`.

mod clock;

use bilateral::Bilateral;
use clock::{Sides, argument, median};
use gaussian_blur::GaussianBlur;
use levels::Levels;
use median::Median;
use underpaint_filter::testing::Case;
use underpaint_filter::{Filter, Sample};
use underpaint_filters::{Call, Filters, Picture, PictureRef, Samples, Settings};
use underpaint_raster::{Extent, Unattended};

const SIDE: u32 = 4096;
const TILE: u32 = 256;

fn main() {
    let filters = Filters::new(None).expect("the sandbox");
    let bench = Bench {
        filters,
        only: argument(None),
        rounds: argument(Some("--rounds")).and_then(|n| n.parse().ok()).unwrap_or(7),
    };
    println!(
        "{SIDE}x{SIDE}, one thread, median of {} rounds{:>13} native ms   wasm ms   wasm/native",
        bench.rounds, ""
    );
    let ratios: Vec<f64> = [
        bench.row::<Levels<u8>>("levels u8", "levels", &[("gamma", 1.2), ("black", 0.05)]),
        bench.row::<Levels<f32>>("levels f32", "levels", &[("gamma", 1.2), ("black", 0.05)]),
        bench.row::<GaussianBlur<u8>>("gaussian-blur 9 taps u8", "gaussian-blur", &[("sigma", 1.5)]),
        bench.row::<GaussianBlur<f32>>("gaussian-blur 9 taps f32", "gaussian-blur", &[("sigma", 1.5)]),
        bench.row::<Median<u8>>("median 5x5 u8", "median", &[]),
        bench.row::<Median<f32>>("median 5x5 f32", "median", &[]),
        bench.row::<Bilateral<f32>>("bilateral 5x5 f32", "bilateral", &[("radius", 2.0)]),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mean = (ratios.iter().map(|r| r.ln()).sum::<f64>() / ratios.len() as f64).exp();
    println!("{:<60}{mean:>22.2}", "geometric mean");
}

struct Bench {
    filters: Filters,
    only: Option<String>,
    rounds: usize,
}

/// A sample type's side of the host.
trait Hosted: Sample {
    fn picture(extent: Extent, values: Vec<Self>) -> Picture;
    fn values(picture: &Picture) -> Option<&[Self]>;
}

macro_rules! hosted {
    ($($ty:ty: $case:ident),*) => {
        $(impl Hosted for $ty {
            fn picture(extent: Extent, values: Vec<Self>) -> Picture {
                Picture::new(extent, Samples::$case(values))
            }
            fn values(picture: &Picture) -> Option<&[Self]> {
                if let Samples::$case(values) = picture.samples() { Some(values) } else { None }
            }
        })*
    };
}

hosted!(u8: Uint8, f32: Float32);

impl Bench {
    fn row<F: Filter<Sample: Hosted>>(&self, row: &str, name: &str, params: &[(&str, f32)]) -> Option<f64> {
        if self.only.as_ref().is_some_and(|only| !row.contains(only)) {
            return None;
        }
        let picture = <F::Sample as Hosted>::picture(Extent::new(SIDE, SIDE), noise());
        let case = params.iter().fold(Case::<F>::new(SIDE, SIDE), |case, &(name, value)| case.with(name, value));
        let params = params.iter().map(|&(name, value)| (name.to_string(), value.into())).collect();
        let chain = [Call { name: name.into(), params, ..Call::default() }];
        let settings = Settings { threads: 1, tile: TILE, ..Settings::default() };
        let natively = || {
            let values = <F::Sample as Hosted>::values(&picture).expect("its own type");
            case.run(values, TILE).expect("the filter").pixels
        };
        let in_wasm =
            || self.filters.run(PictureRef::from(&picture), &chain, &settings, &Unattended).expect("the filter");
        let made = in_wasm().expect("a picture");
        assert!(<F::Sample as Hosted>::values(&made) == Some(&*natively()), "{row}: not the same bits");
        drop(made);
        let Sides { one: native, other: wasm } = clock::in_turns(self.rounds, natively, in_wasm);
        let ratio = median(native.iter().zip(&wasm).map(|(n, w)| n / w).collect());
        println!("{row:<60}{:>9.1}{:>10.1}{ratio:>14.2}", median(native), median(wasm));
        Some(ratio)
    }
}

/// An opaque picture of noise: nothing to skip, no branch to foresee.
fn noise<S: Sample>() -> Vec<S> {
    let value = |i: u32| {
        if i % 4 == 3 { S::MAX } else { S::from_unit((i.wrapping_mul(0x9e37_79b1) >> 8) as f32 / (1 << 24) as f32) }
    };
    (0..SIDE * SIDE * 4).map(value).collect()
}
