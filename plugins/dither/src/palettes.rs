//! Palettes that come with the filter.

use underpaint_filter::choices;

choices! {
    /// A set of colours.
    pub enum Palettes {
        Pico8 = "Fantasy console, 16",
        Sweetie = "Soft, 16",
        C64 = "Commodore 64, 16",
        Ega = "EGA, 16",
        Cga = "CGA, 4",
        Handheld = "Handheld green, 4",
        Sepia = "Sepia, 5",
        Grey = "Greys, 4",
        Mono = "Black and white",
        Rgb = "Red, green, blue, 8",
        Web = "Web, 216",
        Own = "Own",
    }
}

impl Palettes {
    /// The colours; `None` for the painter's own.
    pub fn text(self) -> Option<&'static str> {
        Some(match self {
            Palettes::Pico8 => {
                "000000 1d2b53 7e2553 008751 ab5236 5f574f c2c3c7 fff1e8 ff004d ffa300 ffec27 00e436 29adff 83769c ff77a8 ffccaa"
            }
            Palettes::Sweetie => {
                "1a1c2c 5d275d b13e53 ef7d57 ffcd75 a7f070 38b764 257179 29366f 3b5dc9 41a6f6 73eff7 f4f4f4 94b0c2 566c86 333c57"
            }
            // Measured from the chip's voltages (Pepto).
            Palettes::C64 => {
                "000000 ffffff 68372b 70a4b2 6f3d86 588d43 352879 b8c76f 6f4f25 433900 9a6759 444444 6c6c6c 9ad284 6c5eb5 959595"
            }
            Palettes::Ega => {
                "000000 0000aa 00aa00 00aaaa aa0000 aa00aa aa5500 aaaaaa 555555 5555ff 55ff55 55ffff ff5555 ff55ff ffff55 ffffff"
            }
            Palettes::Cga => "000000 55ffff ff55ff ffffff",
            Palettes::Handheld => "0f380f 306230 8bac0f 9bbc0f",
            Palettes::Sepia => "2b1d14 5e4330 9c7a58 d3b78f fbf1dc",
            Palettes::Grey => "000000 555555 aaaaaa ffffff",
            Palettes::Mono => "000000 ffffff",
            Palettes::Rgb => "000000 ff0000 00ff00 0000ff 00ffff ff00ff ffff00 ffffff",
            Palettes::Web => WEB,
            Palettes::Own => return None,
        })
    }
}

/// Six steps of each colour.
const WEB: &str = include_str!("web.hex");
