/** Sepia: a first filter, to be made into your own. */

import { About, Filter, Plan, Request, Tile, start } from "./underpaint-filter/underpaint_filter";
export { cabi_realloc, describe, prepare, process, survey, learn } from "./underpaint-filter/underpaint_filter";

class Sepia extends Filter {
  strength: f32 = 0;

  about(about: About): void {
    about.title = "Sepia";
    about.description = "Tints the picture as an old photograph.";
    about.float("strength", "Strength", "0 leaves the picture as it is.", 0.8, 0, 1);
  }

  prepare(request: Request, plan: Plan): string | null {
    this.strength = request.float(0);
    plan.pointwise();
    return null;
  }

  process(tile: Tile): string | null {
    const from = tile.pixels<f32>(), to = tile.out<f32>();
    const values = tile.width * tile.height * 4;
    for (let i = 0; i < values; i += 4) {
      const r = from[i], g = from[i + 1], b = from[i + 2];
      const grey: f32 = 0.299 * r + 0.587 * g + 0.114 * b;
      to[i] = this.mix(r, grey);
      to[i + 1] = this.mix(g, grey * 0.85);
      to[i + 2] = this.mix(b, grey * 0.65);
      to[i + 3] = from[i + 3];
    }
    return null;
  }

  private mix(from: f32, to: f32): f32 {
    return from + (to - from) * this.strength;
  }
}

start(new Sepia());
