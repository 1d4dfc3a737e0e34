/** The modes: from the painter's wish to patches. Read from top to bottom; every decision about pixels is the daemon's. */

import type { Session } from "../daemon/connection.js";
import type { Params } from "../protocol/conversation.js";
import { ProtocolError, spell } from "../protocol/frames.js";
import { alphas, rect, type Rect } from "../protocol/images.js";
import { readPixels, readSelection } from "../photoshop/read.js";
import { PX, Sorry, enlarges, type Depth, type Target } from "../photoshop/target.js";
import { chain, type Call } from "./filtering.js";
import type { Job } from "./job.js";
import { steering, type Steering } from "./steering.js";

export type Mode = "fill" | "add" | "remove" | "expand" | "background" | "generate";

export interface Wish {
  mode: Mode;
  prompt: string;
  /** Members of `generate`; those left to the daemon are absent. */
  settings: Params;
  /** What runs over what is painted; absent: nothing. */
  filters: Call[] | undefined;
  steering: Steering;
}

/** What a request says besides the painter's words, in bytes at most: where pixels lie, and how they are to be shown. */
const AROUND_WORDS = 16 * 1024;

/** What is repainted. */
type Masking = "selection" | "all but the selection" | "what is transparent" | "everything";

/** What a mode repaints in a document. `Sorry` where it needs a selection and there is none. */
export function masking(mode: Mode, target: Target): Masking {
  if (mode === "background") {
    if (!target.selection) throw new Sorry("Nothing is selected. Select what is to stay; everything around it is painted anew.");
    return "all but the selection";
  }
  if (mode === "expand" && enlarges(target)) return "what is transparent";
  if (target.selection) return "selection";
  if (mode === "generate") return "everything";
  if (mode === "expand") return "what is transparent";
  throw new Sorry(`Nothing is selected. Select the part of the picture to ${mode === "add" ? "add something to" : mode} first.`);
}

export async function fill(job: Job, wish: Wish): Promise<void> {
  const session = await job.session();
  const { mode, prompt, settings } = wish;
  const { canvas, members } = await whereabouts(job, session, wish, true);
  const steered = await steering(job, session, wish.steering, canvas);
  const filters = wish.filters && (await chain(job, session, wish.filters));
  const params = { ...settings, mode, prompt, filters, label: layerName(prompt, mode, undefined), ...members, ...steered };
  const { result, patches } = await job.result(session, "generate", params);
  if (typeof result.seed === "string" || typeof result.seed === "number") job.seed = String(result.seed);
  await job.put(patches, (patch) => layerName(prompt, mode, patch.seed));
}

/**
 * What is painted of the picture: the members `canvas`, if wanted with its pixels, and `mask`; and which part of the enlarged
 * canvas is sent, as the daemon would have it.
 */
export async function whereabouts(job: Job, session: Session, wish: Wish, pixels: boolean): Promise<{ canvas: Rect; members: Params }> {
  const { target } = job;
  const { mode, prompt, settings, steering } = wish;
  spell({ prompt, settings, steering }, AROUND_WORDS);
  const { left, top, right, bottom } = target.margins;
  const whole: Rect = { x: 0, y: 0, w: target.extent.w + left + right, h: target.extent.h + top + bottom };
  const extent = [whole.w, whole.h];
  const repainted = masking(mode, target);

  const where = repainted === "selection" ? target.selection! : whole;
  const since = Date.now();
  const selected = repainted === "selection" || repainted === "all but the selection" ? await readSelection(target, where) : undefined;
  job.spent("read", since);

  let canvas = whole;
  if (repainted === "selection") {
    const { model, denoise_strength, loras } = settings;
    const steered = [loras, steering.controls, steering.regions].some((list) => Array.isArray(list) && list.length > 0);
    const asked = { mode, prompt, model, denoise_strength, steered, extent, mask_bounds: wire(target.selection!) };
    canvas = within(rect((await job.call(session, "fill/context", asked)).rect), whole);
  }

  const linear = target.depth === 32;
  const clear = repainted === "what is transparent" ? new Clear(whole, target.depth) : undefined;
  const seen = { ...canvas, x: canvas.x - left, y: canvas.y - top };
  const image = pixels || clear ? await job.send(session, canvas, PX[target.depth], readPixels(target, seen), linear, (band) => clear?.see(band)) : undefined;

  if (enlarges(target)) clear?.closeHoles();
  const painted = clear ? clear.mask() : repainted === "all but the selection" ? selected?.map((value) => 255 - value) : selected;
  const mask = painted && { rect: wire(where), image: await job.send(session, where, "g8", painted) };
  return { canvas, members: { canvas: { extent, rect: wire(canvas), image }, mask } };
}

/** `prompt (seed)` on one line, the prompt cut to a readable length; the mode where there is no prompt. */
export function layerName(prompt: string, mode: string, seed: string | undefined): string {
  let words = prompt.split(/\s+/).filter(Boolean).join(" ") || mode[0]!.toUpperCase() + mode.slice(1);
  if (words.length > 48) words = words.slice(0, 47).trimEnd() + "…";
  return seed === undefined ? words : `${words} (${seed})`;
}

/** Where the canvas is see-through, collected while it is sent: 255 where nothing is. */
class Clear {
  private readonly found: Uint8Array;
  private at = 0;

  constructor(private readonly size: Rect, private readonly depth: Depth) {
    this.found = new Uint8Array(size.w * size.h);
  }

  see(band: Uint8Array): void {
    for (const alpha of alphas(band, PX[this.depth])) this.found[this.at++] = 255 - alpha;
  }

  /** Takes what is see-through inside the picture's bounds for a part of it. */
  closeHoles(): void {
    const { w, h } = this.size;
    const row = (y: number) => this.found.subarray(y * w, (y + 1) * w);
    let [left, top, right, bottom] = [w, h, 0, 0];
    for (let y = 0; y < h; y++) {
      const first = row(y).findIndex((value) => value < 255);
      if (first < 0) continue;
      let last = w - 1;
      while (row(y)[last] === 255) last--;
      [left, top, right, bottom] = [Math.min(left, first), Math.min(top, y), Math.max(right, last + 1), y + 1];
    }
    for (let y = top; y < bottom; y++) row(y).fill(0, left, right);
  }

  /** What is to be painted. `Sorry` if nothing is. */
  mask(): Uint8Array {
    if (this.found.every((value) => value === 0)) {
      throw new Sorry("Nothing in this picture is empty. Say by how much to enlarge it, or select the part to expand into.");
    }
    return this.found;
  }
}

function wire({ x, y, w, h }: Rect) {
  return { x, y, w, h };
}

function within(inner: Rect, outer: Rect): Rect {
  if (inner.x < 0 || inner.y < 0 || inner.x + inner.w > outer.w || inner.y + inner.h > outer.h) {
    throw new ProtocolError("a context outside the picture");
  }
  return inner;
}
