/**
 * The models that paint, and what the chosen one means for what may steer it.
 *
 * Decision: one that is not on this machine any more stays chosen and says so: what is shown is what is asked for.
 */

import { isMembers } from "../protocol/conversation.js";
import type { Members } from "../protocol/frames.js";
import type { Json } from "../protocol/json.js";
import { Choice, type Control, type Option } from "./widgets.js";

/** What is chosen elsewhere, as far as it matters to what steers. */
export interface Scene {
  /** The families of the models that may paint: the chosen one's, or where the daemon chooses those of all it may take. */
  families: string[];
  /** Whether words, and what else steers, mean something to it. */
  reads: boolean;
  /** Whether a document is open. */
  open: boolean;
}

/** What painters call the families; others are called as the daemon does. */
const FAMILIES: Record<string, string> = {
  sd15: "Stable Diffusion 1.x", sd2: "Stable Diffusion 2.x", sdxl: "Stable Diffusion XL", sdxl_refiner: "Stable Diffusion XL's refiner",
};

export class Models {
  private known: Members[] = [];
  private readonly list: Choice;

  /** `wanted`: the model of last time, chosen as soon as the daemon offers it. */
  constructor(element: Control, wanted: string, private readonly chosen: (model: string) => void) {
    this.list = new Choice(element, chosen);
    this.fill(wanted ? [[wanted, wanted]] : [], wanted);
  }

  /** What `models/list` answered. */
  offer(models: Members[], wanted: string): void {
    this.known = models.filter(({ kind, state }) => kind === "painter" && state !== "unusable");
    const options = this.known.map(({ id, name }): Option => [String(id), String(name)]);
    if (wanted && !options.some(([id]) => id === wanted)) options.push([wanted, `${wanted} – not on this machine`]);
    this.fill(options, wanted);
  }

  /** Chooses a style's model, if it is here. */
  choose(model: string): void {
    this.list.value = model;
    this.chosen(this.list.value);
  }

  /** What paints. `open`: whether a document is. */
  scene(open: boolean): Scene {
    const chosen = this.known.find(({ id }) => id === this.list.value);
    const may = (chosen ? [chosen] : this.known).filter(reads);
    return { families: [...new Set(may.map(({ family }) => String(family)))], reads: !chosen || reads(chosen), open };
  }

  private fill(models: Option[], wanted: string): void {
    this.list.fill([["", "Automatic"], ...models], wanted);
  }
}

/** Models without samplers continue a picture, and look at nothing else. */
function reads({ samplers }: Members): boolean {
  return Array.isArray(samplers) && samplers.length > 0;
}

/** Why something made for `family` cannot be used, as words; empty if it can. What is of no known family may suit any. */
export function misfit(family: Json | undefined, { families }: Scene): string {
  if (typeof family !== "string" || family === "unknown" || families.includes(family)) return "";
  return `made for ${FAMILIES[family] ?? family}`;
}

/** What a LoRA or a control model is called: its title, or its file's name without the ending. */
export function titleOf({ id, name, title }: Members): string {
  return String(title ?? name ?? id).replace(/\.safetensors$/, "");
}

/** The entries of a list of the daemon's that have an id. */
export function named(list: Json): (Members & { id: string })[] {
  return (Array.isArray(list) ? list : []).filter(isMembers).filter((entry): entry is Members & { id: string } => typeof entry.id === "string" && entry.id !== "");
}
