//! What is in a picture, decided before a pixel is painted: drawn from the seed, told by the caption, checked by the measures.
//!
//! Decision: everything a caption may say stands here as a value, so that a caption can never claim what was not painted and a
//! measure never has to read words.

use crate::color::{Rgb, hex};
use crate::rng::Rng;
use serde::Serialize;

/// Declares an enum whose variants are all known and named as the training data names them.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in the facts, lower case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

choices!(
    /// What the picture is of.
    Subject {
        /// Open water to the horizon.
        Sea = "sea",
        /// Still water with reflections before a shore.
        Lake = "lake",
        /// Rolling green land.
        Hills = "hills",
        /// Rock and peaks.
        Mountains = "mountains",
        /// Trees filling the view.
        Forest = "forest",
        /// Crops and meadows.
        Field = "field",
        /// Land under snow.
        Snow = "snow",
        /// Dunes.
        Desert = "desert",
        /// Buildings against the sky.
        City = "city",
        /// Simple solids on a table.
        StillLife = "still life",
        /// Flowers, in a vase, close or as a meadow.
        Flowers = "flowers",
        /// A surface filling the picture.
        Material = "material",
    }
);

choices!(
    /// Time of day.
    Time {
        /// Before and at sunrise: cool land, pale warm horizon.
        Dawn = "dawn",
        /// Full daylight.
        Day = "day",
        /// The sun low, orange and red.
        Sunset = "sunset",
        /// After sunset: violet and blue.
        Dusk = "dusk",
        /// Moonlight.
        Night = "night",
    }
);

choices!(
    /// Weather.
    Weather {
        /// Hardly a cloud.
        Clear = "clear",
        /// Clouds with sky between.
        Cloudy = "cloudy",
        /// An even grey lid.
        Overcast = "overcast",
        /// Distance is swallowed.
        Fog = "fog",
        /// Dark clouds, hard light, rain veils.
        Storm = "storm",
    }
);

choices!(
    /// A limited palette the whole picture is graded to.
    Palette {
        /// As the light has it.
        Natural = "natural",
        /// Reds, oranges, yellows.
        Warm = "warm",
        /// Blues and blue-greens.
        Cool = "cool",
        /// Ochre, sienna, umber.
        Earth = "earth",
        /// Light and soft.
        Pastel = "pastel",
        /// Saturated.
        Vivid = "vivid",
        /// Greyed.
        Muted = "muted",
    }
);

choices!(
    /// How it is painted.
    Manner {
        /// Visible brush strokes, moderate.
        Oil = "oil",
        /// Clean shapes of flat colour, as gouache.
        Flat = "flat",
        /// Thick strokes that catch the light.
        Impasto = "impasto",
        /// Washes on white paper.
        Watercolor = "watercolor",
        /// Black and grey on toned paper.
        Charcoal = "charcoal",
    }
);

choices!(
    /// Where the horizon lies.
    Band {
        /// In the lower third: much sky.
        Low = "low",
        /// About the middle.
        Middle = "middle",
        /// In the upper third: much land.
        High = "high",
    }
);

choices!(
    /// A side of the picture.
    Side {
        /// The left.
        Left = "left",
        /// The right.
        Right = "right",
    }
);

choices!(
    /// How far away something is.
    Distance {
        /// Large, before everything.
        Close = "close",
        /// Small, towards the horizon.
        Distant = "distant",
    }
);

choices!(
    /// A single thing in a landscape that draws the eye.
    Thing {
        /// One broad-leaved tree.
        Tree = "tree",
        /// A dark conifer.
        Pine = "pine",
        /// A small house.
        House = "house",
        /// A sailing boat, on water only.
        Boat = "boat",
        /// Rocks.
        Rocks = "rocks",
        /// A tower or lighthouse.
        Tower = "tower",
        /// The sun's or moon's disc in the sky.
        Disc = "disc",
    }
);

choices!(
    /// Colours with names.
    Hue {
        /// Red.
        Red = "red",
        /// Orange.
        Orange = "orange",
        /// Yellow.
        Yellow = "yellow",
        /// Green.
        Green = "green",
        /// Blue.
        Blue = "blue",
        /// Violet.
        Violet = "violet",
        /// Pink.
        Pink = "pink",
        /// White.
        White = "white",
        /// Grey.
        Grey = "grey",
        /// Black.
        Black = "black",
        /// Brown.
        Brown = "brown",
    }
);

impl Hue {
    /// The paint of that name in daylight.
    pub const fn color(self) -> Rgb {
        hex(match self {
            Self::Red => 0xc8342c,
            Self::Orange => 0xe88a2e,
            Self::Yellow => 0xecc83a,
            Self::Green => 0x4f9446,
            Self::Blue => 0x2f66b4,
            Self::Violet => 0x7a4a9c,
            Self::Pink => 0xe394a8,
            Self::White => 0xeeeae0,
            Self::Grey => 0x8c8c8a,
            Self::Black => 0x26262a,
            Self::Brown => 0x80532f,
        })
    }
}

choices!(
    /// A solid of a still life.
    Shape {
        /// A ball.
        Sphere = "sphere",
        /// A box seen from a corner.
        Cube = "cube",
        /// Standing on its base.
        Cone = "cone",
        /// Standing upright.
        Cylinder = "cylinder",
        /// A belly and a neck.
        Vase = "vase",
        /// An apple with its stalk.
        Apple = "apple",
        /// A pear.
        Pear = "pear",
        /// A bowl.
        Bowl = "bowl",
    }
);

choices!(
    /// How flowers are shown.
    Bouquet {
        /// Cut, in a vase on a table.
        InVase = "in a vase",
        /// A meadow full of them under the sky.
        Meadow = "meadow",
        /// One to three blossoms filling the picture.
        CloseUp = "close-up",
    }
);

choices!(
    /// What a surface is of.
    Material {
        /// Boards with grain.
        Wood = "wood",
        /// Veined stone.
        Marble = "marble",
        /// Courses of bricks.
        Brick = "brick",
        /// Blades.
        Grass = "grass",
        /// Ripples seen from above.
        Water = "water",
        /// Folds.
        Cloth = "cloth",
        /// Corroded metal.
        Rust = "rust",
        /// Rough stones.
        Stone = "stone",
        /// Ripples of sand.
        Sand = "sand",
    }
);

/// One thing of a landscape and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Accent {
    /// What.
    pub thing: Thing,
    /// In which half.
    pub side: Side,
    /// How far away; the disc is always distant.
    pub distance: Distance,
}

/// One solid of a still life, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Solid {
    /// Its form.
    pub shape: Shape,
    /// Its local colour.
    pub hue: Hue,
}

/// Everything a caption may say about a picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Facts {
    /// What it is of.
    pub subject: Subject,
    /// The palette.
    pub palette: Palette,
    /// The manner.
    pub manner: Manner,
    /// Where the light comes from.
    pub light: Side,
    /// Outdoors: time of day.
    pub time: Option<Time>,
    /// Outdoors: weather.
    pub weather: Option<Weather>,
    /// Outdoors: the horizon's height, 0 = top, 1 = bottom.
    pub horizon: Option<f32>,
    /// Outdoors: one thing that draws the eye.
    pub accent: Option<Accent>,
    /// Still life: one to three solids, left to right.
    pub solids: Vec<Solid>,
    /// Still life and flowers in a vase: the wall behind. Materials: their colour, where it may vary.
    pub ground: Option<Hue>,
    /// Flowers: how they are shown.
    pub bouquet: Option<Bouquet>,
    /// Flowers: their colour.
    pub petals: Option<Hue>,
    /// Materials: which.
    pub material: Option<Material>,
}

impl Facts {
    /// The word for the horizon's height.
    pub fn band(&self) -> Option<Band> {
        self.horizon.map(|y| match y {
            y if y > 0.62 => Band::Low,
            y if y < 0.42 => Band::High,
            _ => Band::Middle,
        })
    }

    /// `subject` in oil with the light from the left, and nothing else said.
    pub fn plain(subject: Subject) -> Self {
        Self {
            subject,
            palette: Palette::Natural,
            manner: Manner::Oil,
            light: Side::Left,
            time: None,
            weather: None,
            horizon: None,
            accent: None,
            solids: Vec::new(),
            ground: None,
            bouquet: None,
            petals: None,
            material: None,
        }
    }

    /// Draws what a picture will show.
    pub fn draw(rng: &mut Rng) -> Self {
        use Subject as S;
        let subject = match rng.unit() {
            u if u < 0.70 => {
                *rng.pick(&[S::Sea, S::Lake, S::Hills, S::Mountains, S::Forest, S::Field, S::Snow, S::Desert, S::City])
            }
            u if u < 0.81 => S::StillLife,
            u if u < 0.90 => S::Flowers,
            _ => S::Material,
        };
        let palette = if rng.chance(0.58) { Palette::Natural } else { *rng.pick(&Palette::ALL[1..]) };
        let manner = match rng.unit() {
            u if u < 0.42 => Manner::Oil,
            u if u < 0.60 => Manner::Impasto,
            u if u < 0.75 => Manner::Flat,
            u if u < 0.93 => Manner::Watercolor,
            _ => Manner::Charcoal,
        };
        let keeps_hues = matches!(palette, Palette::Natural | Palette::Pastel | Palette::Vivid | Palette::Muted);
        let indoors = matches!(subject, S::StillLife | S::Flowers | S::Material);
        // Charcoal has no colours to grade, and where things have named colours these must stay what they are called.
        let palette = if manner == Manner::Charcoal || indoors && !keeps_hues { Palette::Natural } else { palette };
        let light = *rng.pick(Side::ALL);
        let mut facts = Self { palette, manner, light, ..Self::plain(subject) };
        match subject {
            S::StillLife => facts.draw_still_life(rng),
            S::Flowers => facts.draw_flowers(rng),
            S::Material => facts.draw_material(rng),
            _ => facts.draw_outdoors(rng),
        }
        facts
    }

    fn draw_outdoors(&mut self, rng: &mut Rng) {
        self.time = Some(match rng.unit() {
            u if u < 0.38 => Time::Day,
            u if u < 0.58 => Time::Sunset,
            u if u < 0.70 => Time::Dawn,
            u if u < 0.82 => Time::Dusk,
            _ => Time::Night,
        });
        // Half of the nights are clear: an overcast one has little to see.
        let dark = matches!(self.time, Some(Time::Dusk | Time::Night)) && rng.chance(0.5);
        self.weather = Some(match rng.unit() {
            _ if dark => Weather::Clear,
            u if u < 0.36 => Weather::Clear,
            u if u < 0.68 => Weather::Cloudy,
            u if u < 0.78 => Weather::Overcast,
            u if u < 0.88 => Weather::Fog,
            _ => Weather::Storm,
        });
        self.horizon = Some(match rng.int(0, 2) {
            0 => rng.range(0.66, 0.80),
            1 => rng.range(0.46, 0.58),
            _ => rng.range(0.24, 0.38),
        });
        let things: &[Thing] = match self.subject {
            Subject::Sea => &[Thing::Boat, Thing::Rocks, Thing::Tower, Thing::Disc],
            Subject::Lake => &[Thing::Boat, Thing::Tree, Thing::House, Thing::Pine, Thing::Disc],
            Subject::Hills | Subject::Field => &[Thing::Tree, Thing::House, Thing::Tower, Thing::Disc],
            Subject::Mountains => &[Thing::Pine, Thing::House, Thing::Rocks, Thing::Disc],
            Subject::Forest => &[Thing::House, Thing::Rocks],
            Subject::Snow => &[Thing::Tree, Thing::Pine, Thing::House, Thing::Disc],
            Subject::Desert => &[Thing::Rocks, Thing::Tower, Thing::Disc],
            _ => &[Thing::Disc, Thing::Tower],
        };
        if rng.chance(0.55) {
            let thing = *rng.pick(things);
            let distance = if thing == Thing::Disc { Distance::Distant } else { *rng.pick(Distance::ALL) };
            // The sun stands where the light comes from.
            let side = if thing == Thing::Disc { self.light } else { *rng.pick(Side::ALL) };
            let hidden = matches!(self.weather, Some(Weather::Overcast | Weather::Storm)) && thing == Thing::Disc;
            self.accent = (!hidden).then_some(Accent { thing, side, distance });
        }
    }

    fn draw_still_life(&mut self, rng: &mut Rng) {
        for _ in 0..rng.int(1, 3) {
            self.solids.push(Solid { shape: *rng.pick(Shape::ALL), hue: *rng.pick(Hue::ALL) });
        }
        self.ground = Some(*rng.pick(Hue::ALL));
    }

    fn draw_flowers(&mut self, rng: &mut Rng) {
        let bouquet = *rng.pick(Bouquet::ALL);
        self.bouquet = Some(bouquet);
        self.petals =
            Some(*rng.pick(&[Hue::Red, Hue::Orange, Hue::Yellow, Hue::Blue, Hue::Violet, Hue::Pink, Hue::White]));
        match bouquet {
            Bouquet::Meadow => {
                self.draw_outdoors(rng);
                self.time = Some(*rng.pick(&[Time::Day, Time::Day, Time::Sunset, Time::Dawn]));
                (self.weather, self.accent) = (Some(*rng.pick(&[Weather::Clear, Weather::Cloudy])), None);
            }
            _ => self.ground = Some(*rng.pick(Hue::ALL)),
        }
    }

    fn draw_material(&mut self, rng: &mut Rng) {
        let material = *rng.pick(Material::ALL);
        self.material = Some(material);
        self.ground = match material {
            Material::Cloth => Some(*rng.pick(Hue::ALL)),
            Material::Marble => Some(*rng.pick(&[Hue::White, Hue::Grey, Hue::Black, Hue::Green, Hue::Pink])),
            Material::Brick => Some(*rng.pick(&[Hue::Red, Hue::Brown, Hue::Grey, Hue::Yellow, Hue::White])),
            Material::Wood => Some(*rng.pick(&[Hue::Brown, Hue::Brown, Hue::Grey, Hue::Red, Hue::Black])),
            Material::Stone => Some(*rng.pick(&[Hue::Grey, Hue::Brown, Hue::Black])),
            _ => None,
        };
    }
}
