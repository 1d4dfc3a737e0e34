/**
 * Regions: texts bound to layers. Where a layer is opaque, its text is what should be seen there. The prompt of the whole
 * picture follows each region's own; what regions leave is the whole prompt's alone.
 */

import type { Region as Asked } from "../job/steering.js";
import { Sorry } from "../photoshop/target.js";
import { isMembers } from "../protocol/conversation.js";
import type { Json } from "../protocol/json.js";
import { BoundEntries, boundOf, readLayer, type BoundEntry } from "./bound.js";
import { make, type Control } from "./widgets.js";

const MOST = 16;

export interface Region extends BoundEntry {
  prompt: string;
}

export class Regions extends BoundEntries<Region> {
  constructor(changed: () => void, keep: () => void) {
    super("regions", MOST, changed, keep, "Choose a layer", "Where this layer is opaque, the text holds; where it is half transparent, by half");
  }

  /** Those that are on and say something. `Sorry` where one has no layer. */
  wanted(): Asked[] {
    return this.running().filter(({ prompt }) => prompt.trim() !== "").map((entry) => {
      const prompt = entry.prompt.trim();
      const layer = boundOf(entry);
      if (!layer) throw new Sorry(`The region “${prompt}” has no layer. Choose one, or switch it off.`);
      return { prompt, layer };
    });
  }

  override read(kept: Json): Region | undefined {
    if (!isMembers(kept) || typeof kept.prompt !== "string") return undefined;
    return { ...readLayer(kept), prompt: kept.prompt, ...(kept.off === true ? { off: true } : {}) };
  }

  protected override fresh(layer: BoundEntry): Region {
    return { ...layer, prompt: "" };
  }

  protected override lack(): string {
    return this.scene.reads ? super.lack() : "This model reads no words, so it knows no regions.";
  }

  protected override lines(entry: Region): HTMLElement[] {
    const words = make<Control>("sp-textarea");
    words.setAttribute("placeholder", "What should be seen there");
    words.setAttribute("multiline", "");
    words.value = entry.prompt;
    words.addEventListener("input", () => {
      entry.prompt = words.value;
      this.touched();
    });
    return [words];
  }
}
