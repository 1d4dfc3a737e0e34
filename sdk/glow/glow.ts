/** The reference filter in AssemblyScript; src/lib.rs says what it does. */

import { About, Color, Encoding, Filter, Plan, Request, Role, Tile, Values, start } from "./underpaint-filter/underpaint_filter";
export { cabi_realloc, describe, prepare, process, survey, learn } from "./underpaint-filter/underpaint_filter";

class Glow extends Filter {
  threshold: f32 = 0;
  radius: i32 = 0;
  screen: bool = true;
  tint: v128 = f32x4.splat(0);

  about(about: About): void {
    about.title = "Glow";
    about.description = "Lets bright parts shine over what is around them.";
    about.encoding = Encoding.Linear;
    about.float("threshold", "Threshold", "How bright a pixel must be to glow.", 0.6, 0, 0.99).step(0.01);
    about.int("radius", "Radius", "How far the glow reaches.", 6, 1, 64).unit("px");
    about.choice("blend", "Blend", "Screen never burns out, Add does.", 0, ["screen", "Screen", "add", "Add"]);
    about.color("tint", "Tint", "The light's colour; its alpha is the strength.", new Color(1, 0.8, 0.6));
    about.input(Role.Original, "original", "", "", true);
  }

  prepare(request: Request, plan: Plan): string | null {
    this.threshold = request.float(0);
    this.radius = <i32>max<f32>(<f32>request.int(1) * request.scale + 0.5, 1);
    this.screen = request.choice(2) == 0;
    const c = request.color(3);
    this.tint = f32x4(c.r * c.r * c.a, c.g * c.g * c.a, c.b * c.b * c.a, 0);
    if (c.a > 0) {
      plan.tiles(this.radius);
      plan.tiles(this.radius);
    }
    return null;
  }

  process(tile: Tile): string | null {
    const count = 2 * this.radius + 1;
    const row = tile.width * 4;
    const line = tile.sourceWidth * 4;
    const pixels = tile.pixels<f32>();
    for (let y = 0; y < tile.height; y++) {
      const to = tile.out<f32>().from(y * row);
      const at = tile.y + y;
      if (tile.pass == 0) {
        // The row as it lies in the tile is not needed again.
        const from = pixels.from(tile.at(tile.sourceX, at));
        bright(from, line, this.threshold);
        mean(from, 4, count, to, row);
        continue;
      }
      mean(pixels.from(tile.at(tile.x, at - this.radius)), line, count, to, row);
      const original = tile.input<f32>(0).from(tile.at(tile.x, at));
      const tint = this.tint;
      for (let i = 0; i < row; i += 4) {
        const below = original.lanes(i);
        const glow = f32x4.mul(to.lanes(i), tint);
        let over = f32x4.add(below, glow);
        if (this.screen) over = f32x4.sub(over, f32x4.mul(below, glow));
        to.setLanes(i, f32x4.replace_lane(over, 3, original[i + 3]));
      }
    }
    return null;
  }
}

/** Leaves of every pixel its bright part, weighed by its alpha. */
function bright(row: Values<f32>, values: i32, threshold: f32): void {
  for (let i = 0; i < values; i += 4) {
    const light: f32 = 0.2126 * row[i] + 0.7152 * row[i + 1] + 0.0722 * row[i + 2];
    const over = (sqrt(light) - threshold) / (1 - threshold);
    const weight: f32 = over > 0 ? over * row[i + 3] : 0;
    const p = f32x4.replace_lane(row.lanes(i), 3, 1);
    row.setLanes(i, f32x4.mul(p, f32x4.splat(weight)));
  }
}

/** The mean of `count` pieces of `from` that begin `step` values after one another. */
function mean(from: Values<f32>, step: i32, count: i32, to: Values<f32>, values: i32): void {
  const share = f32x4.splat(1 / <f32>count);
  for (let i = 0; i < values; i += 4) {
    let sum = from.lanes(i);
    for (let k = 1; k < count; k++) sum = f32x4.add(sum, from.lanes(k * step + i));
    to.setLanes(i, f32x4.mul(sum, share));
  }
}

start(new Glow());
