/** Uses everything there is in the contract; languages.rs says what must come of it. */

import {
  About, Color, Filter, Image, Plan, Request, Role, Sample, Tile, Values, badParameter, start,
} from "./underpaint-filter/underpaint_filter";
export { cabi_realloc, describe, prepare, process, survey, learn } from "./underpaint-filter/underpaint_filter";

enum Mode { Copy, Echo, Refuse, Blame, Crash, Hoard, Survey, Enlarge, Image, Mask }

class Probe extends Filter {
  mode: Mode = Mode.Copy;
  number: f32 = 0;
  whole: i32 = 0;
  on: bool = false;
  paper: Color = new Color(0, 0, 0);
  bytes: i32 = 0;
  seeds: f32 = 0;
  scale: f32 = 0;
  selected: bool = false;
  stamp: Image | null = null;
  sum: u64 = 0;

  about(about: About): void {
    about.title = "Probe";
    about.description = "Everything there is.";
    about.samples = [Sample.Uint8, Sample.Uint16, Sample.Float32];
    about.choice("mode", "Mode", "", 0, [
      "copy", "Copy", "echo", "Echo", "refuse", "Refuse", "blame", "Blame", "crash", "Crash", "hoard", "Hoard",
      "survey", "Survey", "enlarge", "Enlarge", "image", "Image", "mask", "Mask",
    ]);
    about.float("number", "Number", "More is more.", 0.25, -1, 1).step(0.125).unit("°").group("Values");
    about.int("whole", "Whole", "", 3, -9, 9).step(2).unit("px").group("Values");
    about.bool("switch", "Switch", "", true);
    about.color("paper", "Paper", "", new Color(1, 0.5, 0.25, 0.75));
    about.words("words", "Words", "", "grün", 100, true);
    about.seed("seed", "Seed", "", 7);
    about.input(Role.Mask, "selection", "Selection", "Where.");
    about.input(Role.Image, "stamp", "Stamp");
  }

  prepare(request: Request, plan: Plan): string | null {
    this.mode = request.choice(0);
    this.number = request.float(1);
    this.whole = request.int(2);
    this.on = request.bool(3);
    this.paper = request.color(4);
    this.bytes = String.UTF8.byteLength(request.words(5));
    this.seeds = <f32>request.seedOf(6) / 16 + <f32>request.seed / 64;
    this.scale = request.scale;
    this.selected = request.has(0);
    this.stamp = request.image(1);
    switch (this.mode) {
      case Mode.Refuse: return "it does not feel like it";
      case Mode.Blame: return badParameter("words", "there are too few");
      case Mode.Survey: plan.survey(); break;
      case Mode.Enlarge: {
        plan.width *= 2;
        plan.height *= 3;
        plan.tiles(1);
        return null;
      }
      case Mode.Image: if (!this.stamp) return badParameter("stamp", "choose one");
    }
    plan.pointwise();
    return null;
  }

  process(tile: Tile): string | null {
    switch (tile.sample) {
      case Sample.Uint8: return this.make<u8>(tile, 255);
      case Sample.Uint16: return this.make<u16>(tile, 65535);
      default: return this.make<f32>(tile, 1);
    }
  }

  private make<T>(tile: Tile, top: f32): string | null {
    const out = tile.out<T>(), pixels = tile.pixels<T>();
    assert(this.mode != Mode.Crash, "it had to come to this");
    while (this.mode == Mode.Hoard) heap.alloc(1 << 16);
    if (this.mode == Mode.Mask && !this.selected) return "there is no selection";
    let i = 0;
    for (let y = tile.y; y < tile.y + tile.height; y++) {
      for (let x = tile.x; x < tile.x + tile.width; x++, i += 4) {
        switch (this.mode) {
          case Mode.Echo: {
            out[i] = <T>(this.number * top);
            out[i + 1] = <T>((<f32>this.whole / 10 + (this.on ? <f32>0.5 : 0)) * top);
            out[i + 2] = <T>((this.paper.g + <f32>this.bytes / 100) * top);
            out[i + 3] = <T>((this.seeds + this.scale / 8) * top);
            break;
          }
          case Mode.Survey: {
            for (let c = 0; c < 4; c++) out[i + c] = <T>((<f32>this.sum / 65536) * top);
            break;
          }
          case Mode.Enlarge: copy<T>(out, i, pixels, tile.at(x / 2, y / 3)); break;
          case Mode.Image: {
            const stamp = this.stamp!;
            copy<T>(out, i, stamp.pixels<T>(), ((y % stamp.height) * stamp.width + (x % stamp.width)) * 4);
            break;
          }
          case Mode.Mask: copy<T>(out, i, tile.input<T>(0), tile.at(x, y)); break;
          default: copy<T>(out, i, pixels, tile.at(x, y));
        }
      }
    }
    return null;
  }

  /** The size of the tile, and of the answer: as many bytes as it has rows. */
  survey(tile: Tile, answer: u8[]): string | null {
    for (let y = 0; y < tile.height; y++) answer.push(<u8>(tile.width % 251));
    return null;
  }

  learn(pass: i32, answers: Uint8Array[]): string | null {
    if (pass != 0) return "the survey is the first pass";
    this.sum = 0;
    for (let i = 0; i < answers.length; i++) {
      for (let k = 0; k < answers[i].length; k++) this.sum += (i + 1) * answers[i][k];
    }
    this.sum %= 65536;
    return null;
  }
}

function copy<T>(to: Values<T>, i: i32, from: Values<T>, j: i32): void {
  for (let c = 0; c < 4; c++) to[i + c] = from[j + c];
}

start(new Probe());
