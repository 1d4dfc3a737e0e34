//! What the training data promises: the same picture for a seed, true captions, facts that can be seen.

use underpaint_maker::color::luma;
use underpaint_maker::facts::{Facts, Hue, Manner, Palette, Shape, Solid, Subject, Time, Weather};
use underpaint_maker::rng::Rng;
use underpaint_maker::{Study, caption, fingerprint, study, study_of};

fn outdoors(subject: Subject, time: Time) -> Facts {
    Facts { time: Some(time), weather: Some(Weather::Clear), horizon: Some(0.5), ..Facts::plain(subject) }
}

/// Mean colour of rows `from..to` (shares of the height).
fn mean(study: &Study, from: f32, to: f32) -> [f32; 3] {
    let row = |share: f32| (share * study.h as f32) as usize * study.w * 3;
    let pixels = study.rgb[row(from)..row(to)].chunks_exact(3);
    let count = pixels.len() as f32;
    let sum = pixels.fold([0.0; 3], |sum, p| [0, 1, 2].map(|i| sum[i] + f32::from(p[i]) / 255.0));
    sum.map(|v| v / count)
}

#[test]
fn a_seed_is_a_picture() {
    for seed in 0..24 {
        let (a, b) = (study(seed, 64, 48), study(seed, 64, 48));
        assert_eq!((a.rgb, a.caption), (b.rgb, b.caption), "seed {seed}");
    }
}

#[test]
fn any_size_will_do() {
    for (w, h) in [(16, 16), (17, 90), (90, 17), (256, 40), (40, 256)] {
        for seed in 0..40 {
            assert_eq!(study(seed, w, h).rgb.len(), w * h * 3, "seed {seed} at {w}x{h}");
        }
    }
}

#[test]
fn no_two_seeds_look_alike() {
    let mut prints: Vec<_> = (0..1500).map(|seed| fingerprint(&study(seed, 24, 24))).collect();
    prints.sort();
    prints.dedup();
    assert_eq!(prints.len(), 1500);
}

#[test]
fn times_of_day_are_told_by_light() {
    for subject in [Subject::Sea, Subject::Field, Subject::Snow, Subject::Mountains] {
        for seed in 0..6 {
            let at = |time| mean(&study_of(outdoors(subject, time), seed, 64, 64), 0.0, 1.0);
            let (day, dusk, night) = (at(Time::Day), at(Time::Dusk), at(Time::Night));
            assert!(luma(day) > luma(dusk) + 0.08, "{subject:?} {seed}: day {day:?}, dusk {dusk:?}");
            assert!(luma(dusk) > luma(night) + 0.02, "{subject:?} {seed}: dusk {dusk:?}, night {night:?}");
            let sunset = mean(&study_of(outdoors(subject, Time::Sunset), seed, 64, 64), 0.2, 0.5);
            assert!(sunset[0] > sunset[2], "{subject:?} {seed}: a sunset sky of {sunset:?}");
        }
    }
}

#[test]
fn the_horizon_lies_where_the_facts_say() {
    // Day, sea: the row where brightness changes most.
    for (seed, horizon) in [(1, 0.3), (2, 0.5), (3, 0.7), (4, 0.26), (5, 0.78)] {
        let facts = Facts { horizon: Some(horizon), ..outdoors(Subject::Sea, Time::Sunset) };
        let study = study_of(facts, seed, 96, 96);
        let rows: Vec<f32> = (0..96).map(|y| luma(mean(&study, y as f32 / 96.0, (y + 1) as f32 / 96.0))).collect();
        let jump = |y: usize| (rows[y + 2] + rows[y + 3] - rows[y - 1] - rows[y - 2]).abs();
        let found = (6..88).max_by(|a, b| jump(*a).total_cmp(&jump(*b))).expect("rows") as f32 / 96.0;
        assert!((found - horizon).abs() < 0.06, "seed {seed}: horizon {horizon}, found {found}");
    }
}

#[test]
fn palettes_are_told_by_colour() {
    for seed in 0..6 {
        let of =
            |palette| mean(&study_of(Facts { palette, ..outdoors(Subject::Field, Time::Day) }, seed, 64, 64), 0.0, 1.0);
        let (warm, cool, pastel) = (of(Palette::Warm), of(Palette::Cool), of(Palette::Pastel));
        assert!(warm[0] > warm[2] + 0.05 && cool[2] > cool[0] + 0.03, "{seed}: warm {warm:?}, cool {cool:?}");
        assert!(luma(pastel) > luma(of(Palette::Natural)), "{seed}: pastel {pastel:?}");
    }
}

#[test]
fn walls_have_the_colour_they_are_called() {
    for hue in [Hue::Red, Hue::Green, Hue::Blue, Hue::Yellow] {
        let solid = Solid { shape: Shape::Sphere, hue: Hue::White };
        let facts = Facts { solids: vec![solid], ground: Some(hue), ..Facts::plain(Subject::StillLife) };
        let [r, g, b] = mean(&study_of(facts, 3, 64, 64), 0.0, 0.15);
        let right = match hue {
            Hue::Red => r > g && r > b,
            Hue::Green => g > r && g > b,
            Hue::Blue => b > r && b > g,
            _ => r > b && g > b,
        };
        assert!(right, "{hue:?} wall is {r} {g} {b}");
    }
}

#[test]
fn charcoal_has_no_colour() {
    let facts = Facts { manner: Manner::Charcoal, ..outdoors(Subject::Sea, Time::Day) };
    let [r, _, b] = mean(&study_of(facts, 1, 64, 64), 0.0, 1.0);
    assert!((r - b).abs() < 0.15, "red {r}, blue {b}");
}

#[test]
fn captions_claim_nothing_that_is_not_there() {
    // Words that only one fact can have brought in.
    for seed in 0..4000 {
        let facts = Facts::draw(&mut Rng::new(seed).fork("facts"));
        for extra in 0..3 {
            let text = caption::caption(&facts, &mut Rng::new(seed * 3 + extra));
            let words: Vec<&str> = text.split(|c: char| !c.is_alphabetic()).collect();
            let says = |word: &str| words.contains(&word);
            let claim = |word: &str, truth: bool| assert!(!says(word) || truth, "`{text}` of {facts:?}");
            claim("dusk", facts.time == Some(Time::Dusk));
            claim("noon", facts.time == Some(Time::Day));
            claim("storm", facts.weather == Some(Weather::Storm));
            claim("fog", facts.weather == Some(Weather::Fog));
            claim("impasto", facts.manner == Manner::Impasto);
            claim("charcoal", facts.manner == Manner::Charcoal);
            claim("pastel", facts.palette == Palette::Pastel);
            claim("muted", facts.palette == Palette::Muted);
            claim("boat", facts.accent.is_some_and(|a| a.thing.name() == "boat"));
            claim("cone", facts.solids.iter().any(|s| s.shape == Shape::Cone));
            assert!(!text.contains("  ") && !text.contains(" ,") && text == text.trim(), "`{text}`");
        }
    }
}
