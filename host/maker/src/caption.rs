//! Captions by grammar, from the facts alone: short and long, in many words for the same thing.
//!
//! Decision: a caption leaves out much and invents nothing. What it does say is said in one of several usual ways, with British
//! and American spelling, so that the model learns words and not sentences.

use crate::facts::Band;
use crate::facts::{
    Bouquet, Distance, Facts, Hue, Manner, Material, Palette, Shape, Solid, Subject, Thing, Time, Weather,
};
use crate::rng::Rng;

/// A caption that says some of `facts`, never anything else.
pub fn caption(facts: &Facts, rng: &mut Rng) -> String {
    let talkative = rng.unit();
    let mut parts = vec![subject(facts, rng)];
    let says = |rng: &mut Rng, usual: f32| rng.chance((usual * (0.35 + 1.3 * talkative)).min(0.97));
    if let Some(accent) = facts.accent.filter(|_| says(rng, 0.75)) {
        parts.push(thing(facts, accent.thing, accent.distance, accent.side.name(), rng));
    }
    if facts.palette != Palette::Natural && says(rng, 0.8) {
        parts.push(palette(facts.palette, rng).into());
    }
    if let Some(band) = facts.band().filter(|_| says(rng, 0.45)) {
        parts.push(horizon(band, rng).into());
    }
    if facts.material.is_none() && says(rng, 0.15) {
        parts.push(format!("{} {}", rng.pick(&["light from the", "lit from the"]), facts.light.name()));
    }
    if parts.len() > 2 && rng.chance(0.5) {
        let (i, j) = (rng.int(1, parts.len() as u32 - 1) as usize, rng.int(1, parts.len() as u32 - 1) as usize);
        parts.swap(i, j);
    }
    if says(rng, 0.7) {
        let word = *rng.pick(manner(facts.manner));
        match rng.int(0, 2) {
            0 => parts[0] = format!("{word} of {}", parts[0]),
            1 => parts[0] = format!("{} {word} of {}", article(word), parts[0]),
            _ => parts.push(word.into()),
        }
    } else if rng.chance(0.3) {
        parts[0] = format!("{} of {}", rng.pick(&["a study", "a painting", "a picture", "painting"]), parts[0]);
    }
    spelled(parts.join(", "), rng)
}

/// Now and then as Americans write.
fn spelled(text: String, rng: &mut Rng) -> String {
    match rng.chance(0.3) {
        true => text.replace("colour", "color").replace("grey", "gray"),
        false => text,
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" }
}

fn subject(facts: &Facts, rng: &mut Rng) -> String {
    match facts.subject {
        Subject::StillLife => still_life(facts, rng),
        Subject::Flowers => flowers(facts, rng),
        Subject::Material => material(facts, rng),
        _ => outdoors(facts, rng),
    }
}

fn outdoors(facts: &Facts, rng: &mut Rng) -> String {
    let place = *rng.pick(places(facts.subject));
    let mut text = place.to_owned();
    if let Some(weather) = facts.weather.filter(|w| rng.chance(if *w == Weather::Clear { 0.35 } else { 0.75 })) {
        text = match rng.chance(0.5) {
            true => described(rng.pick::<&str>(weather_before(weather)), &text),
            false => format!("{text} {}", rng.pick(weather_after(weather))),
        };
    }
    if let Some(time) = facts.time.filter(|t| rng.chance(if *t == Time::Day { 0.45 } else { 0.9 })) {
        text = format!("{text} {}", rng.pick(times(time)));
    }
    text
}

/// `adjective` before the noun, behind an article.
fn described(adjective: &str, noun: &str) -> String {
    match noun.split_once(' ') {
        Some(("the", rest)) => format!("the {adjective} {rest}"),
        Some(("a", rest)) => format!("{} {adjective} {rest}", article(adjective)),
        _ => format!("{adjective} {noun}"),
    }
}

fn places(subject: Subject) -> &'static [&'static str] {
    match subject {
        Subject::Sea => &["sea", "the sea", "ocean", "seascape", "open sea", "waves on the sea", "the ocean"],
        Subject::Lake => &["lake", "a lake", "still lake", "lake with reflections", "a quiet lake", "lakeside"],
        Subject::Hills => &["hills", "rolling hills", "hilly landscape", "hill country"],
        Subject::Mountains => &["mountains", "mountain range", "high peaks", "mountain landscape", "the mountains"],
        Subject::Forest => &["forest", "woods", "a forest", "woodland", "trees in a forest", "forest path"],
        Subject::Field => &["field", "fields", "farmland", "a wide field", "countryside", "crops in a field"],
        Subject::Snow => {
            &["snow", "snow field", "snowy landscape", "winter landscape", "a snow covered plain", "winter"]
        }
        Subject::Desert => &["desert", "dunes", "sand dunes", "a desert", "desert landscape"],
        _ => &["city", "city skyline", "skyline", "a town", "city silhouette", "buildings"],
    }
}

fn times(time: Time) -> &'static [&'static str] {
    match time {
        Time::Dawn => &["at dawn", "at sunrise", "in the early morning", "at daybreak"],
        Time::Day => &["by day", "in daylight", "at noon", "in the afternoon", "on a bright day"],
        Time::Sunset => &["at sunset", "in the evening light", "at golden hour", "in the evening", "with a red sky"],
        Time::Dusk => &["at dusk", "after sunset", "at twilight", "in the blue hour"],
        Time::Night => &["at night", "by moonlight", "under a night sky", "in the dark"],
    }
}

fn weather_before(weather: Weather) -> &'static [&'static str] {
    match weather {
        Weather::Clear => &["clear", "calm"],
        Weather::Cloudy => &["cloudy"],
        Weather::Overcast => &["overcast", "dull"],
        Weather::Fog => &["foggy", "misty", "hazy"],
        Weather::Storm => &["stormy", "rainy", "dramatic"],
    }
}

fn weather_after(weather: Weather) -> &'static [&'static str] {
    match weather {
        Weather::Clear => &["under a clear sky", "under a cloudless sky", "in clear weather"],
        Weather::Cloudy => &["under clouds", "with clouds", "under a cloudy sky", "with scattered clouds"],
        Weather::Overcast => &["under a grey sky", "under an overcast sky", "in grey light"],
        Weather::Fog => &["in fog", "in mist", "in haze", "in the morning mist"],
        Weather::Storm => &["in a storm", "under storm clouds", "under dark clouds", "in rain", "before a storm"],
    }
}

fn thing(facts: &Facts, thing: Thing, distance: Distance, side: &str, rng: &mut Rng) -> String {
    let night = matches!(facts.time, Some(Time::Night | Time::Dusk));
    let word = match thing {
        Thing::Tree => *rng.pick(&["tree", "lone tree"]),
        Thing::Pine => *rng.pick(&["pine", "pine tree", "fir tree"]),
        Thing::House => *rng.pick(&["house", "cottage", "farmhouse"]),
        Thing::Boat => *rng.pick(&["boat", "sailing boat", "sailboat", "ship"]),
        Thing::Rocks => *rng.pick(&["rocks", "boulders", "cliffs"]),
        Thing::Tower => *rng.pick(&["tower", "lighthouse", "old tower"]),
        Thing::Disc if night => *rng.pick(&["moon", "full moon"]),
        Thing::Disc => *rng.pick(&["sun", "low sun"]),
    };
    let plural = thing == Thing::Rocks;
    let article = match thing {
        Thing::Disc => "the",
        _ if plural => "some",
        _ => article(word),
    };
    let near = match (thing, distance) {
        (Thing::Disc, _) => "",
        (_, Distance::Close) => *rng.pick(&["close ", "near ", "large ", ""]),
        (_, Distance::Distant) => *rng.pick(&["distant ", "far ", "small ", "tiny "]),
    };
    let (article, near) = match (article, near) {
        ("an", n) if !n.is_empty() => ("a", n),
        other => other,
    };
    let place = match rng.int(0, 3) {
        0 => format!(" to the {side}"),
        1 => format!(" at the {side}"),
        2 if rng.chance(0.5) => String::new(),
        _ => format!(" on the {side}"),
    };
    match rng.chance(0.35) {
        true => format!("{near}{word}{place}"),
        false => format!("{article} {near}{word}{place}"),
    }
}

fn palette(palette: Palette, rng: &mut Rng) -> &'static str {
    rng.pick::<&str>(match palette {
        Palette::Natural => &["natural colours"],
        Palette::Warm => &["warm palette", "warm colours", "warm tones", "reds and oranges"],
        Palette::Cool => &["cool palette", "cool colours", "cool tones", "blue tones", "cold colours"],
        Palette::Earth => &["earth palette", "earth colours", "earth tones", "ochre and umber", "browns"],
        Palette::Pastel => &["pastel palette", "pastel colours", "pastel tones", "soft pale colours"],
        Palette::Vivid => &["vivid palette", "vivid colours", "bright colours", "saturated colours", "intense colours"],
        Palette::Muted => &["muted palette", "muted colours", "muted tones", "subdued colours", "greyed colours"],
    })
}

fn horizon(band: Band, rng: &mut Rng) -> &'static str {
    rng.pick::<&str>(match band {
        Band::Low => &["low horizon", "big sky", "wide sky", "horizon low in the picture"],
        Band::Middle => &["horizon in the middle", "centred horizon", "horizon halfway"],
        Band::High => &["high horizon", "little sky", "horizon high in the picture"],
    })
}

fn manner(manner: Manner) -> &'static [&'static str] {
    match manner {
        Manner::Oil => &["oil painting", "oil study", "oil sketch", "oil on canvas", "painterly study"],
        Manner::Flat => &["gouache", "flat painting", "poster", "flat colour study", "gouache study"],
        Manner::Impasto => &["impasto", "impasto painting", "thick paint", "palette knife painting"],
        Manner::Watercolor => &["watercolour", "watercolour painting", "aquarelle", "watercolour wash"],
        Manner::Charcoal => &["charcoal drawing", "charcoal", "charcoal sketch", "black and white drawing"],
    }
}

fn still_life(facts: &Facts, rng: &mut Rng) -> String {
    let mut names: Vec<String> = facts.solids.iter().map(|s| solid(s, rng)).collect();
    let last = names.pop().unwrap_or_default();
    let list = if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) };
    let mut text = match rng.int(0, 2) {
        0 => format!("still life with {list}"),
        1 => format!("still life, {list}"),
        _ => list,
    };
    if rng.chance(0.4) {
        text += rng.pick::<&str>(&[" on a table", " on a desk"]);
    }
    if let Some(hue) = facts.ground.filter(|_| rng.chance(0.6)) {
        text += &wall(hue, rng);
    }
    text
}

fn wall(hue: Hue, rng: &mut Rng) -> String {
    let hue = hue_word(hue, rng);
    match rng.int(0, 2) {
        0 => format!(", {hue} background"),
        1 => format!(" before a {hue} wall"),
        _ => format!(", {hue} wall"),
    }
}

fn solid(solid: &Solid, rng: &mut Rng) -> String {
    let word = *rng.pick::<&str>(match solid.shape {
        Shape::Sphere => &["ball", "sphere"],
        Shape::Cube => &["cube", "box", "block"],
        Shape::Cone => &["cone"],
        Shape::Cylinder => &["cylinder", "tin"],
        Shape::Vase => &["vase", "jug"],
        Shape::Apple => &["apple"],
        Shape::Pear => &["pear"],
        Shape::Bowl => &["bowl"],
    });
    let hue = hue_word(solid.hue, rng);
    format!("{} {hue} {word}", article(hue))
}

fn hue_word(hue: Hue, rng: &mut Rng) -> &'static str {
    rng.pick::<&str>(match hue {
        Hue::Red => &["red", "red", "crimson"],
        Hue::Orange => &["orange"],
        Hue::Yellow => &["yellow"],
        Hue::Green => &["green"],
        Hue::Blue => &["blue"],
        Hue::Violet => &["violet", "purple"],
        Hue::Pink => &["pink", "rose coloured"],
        Hue::White => &["white"],
        Hue::Grey => &["grey"],
        Hue::Black => &["black"],
        Hue::Brown => &["brown"],
    })
}

fn flowers(facts: &Facts, rng: &mut Rng) -> String {
    let hue = facts.petals.map_or("", |hue| hue_word(hue, rng));
    let mut text = match facts.bouquet {
        Some(Bouquet::InVase) => match rng.int(0, 3) {
            0 => format!("{hue} flowers in a vase"),
            1 => format!("a bouquet of {hue} flowers"),
            2 => format!("a vase with {hue} flowers"),
            _ => format!("still life with {hue} flowers in a vase"),
        },
        Some(Bouquet::Meadow) => match rng.int(0, 2) {
            0 => format!("a meadow full of {hue} flowers"),
            1 => format!("meadow with {hue} flowers"),
            _ => format!("{hue} wild flowers in a meadow"),
        },
        _ => match rng.int(0, 2) {
            0 => format!("close-up of {hue} flowers"),
            1 => format!("{hue} blossoms close up"),
            _ => format!("large {hue} flowers"),
        },
    };
    if let Some(hue) = facts.ground.filter(|_| rng.chance(0.6)) {
        text += &wall(hue, rng);
    }
    if let Some(time) = facts.time.filter(|_| rng.chance(0.6)) {
        text = format!("{text} {}", rng.pick(times(time)));
    }
    text
}

fn material(facts: &Facts, rng: &mut Rng) -> String {
    let Some(material) = facts.material else { return String::new() };
    let hue = facts.ground.map(|hue| hue_word(hue, rng)).filter(|_| rng.chance(0.8));
    let word = *rng.pick::<&str>(match material {
        Material::Wood => &["wood", "wooden boards", "wood grain"],
        Material::Marble => &["marble", "marble slab", "veined marble"],
        Material::Brick => &["brick wall", "bricks", "brickwork"],
        Material::Grass => &["grass", "blades of grass", "lawn"],
        Material::Water => &["water surface", "water from above", "ripples in water"],
        Material::Cloth => &["cloth", "folded cloth", "fabric", "drapery"],
        Material::Rust => &["rust", "rusty metal", "rusted iron"],
        Material::Stone => &["stone", "stones", "rough stone"],
        Material::Sand => &["sand", "rippled sand", "sand ripples"],
    });
    let hued = hue.map_or(word.into(), |hue| format!("{hue} {word}"));
    match rng.int(0, 2) {
        0 => format!("{hued} texture"),
        1 => format!("surface of {hued}"),
        _ => hued,
    }
}
