/**
 * What the painter chose, kept from one start of Photoshop to the next. The daemon keeps styles; this is the
 * rest (`kept.ts`), each value looked at again when read.
 *
 * Decision: each is kept under a name of its own, so that a letter of the prompt does not write a filter's long table anew.
 */

import type { Mode } from "../job/fill.js";
import { isMembers } from "../protocol/conversation.js";
import type { Json } from "../protocol/json.js";
import type { Step } from "./chain.js";
import { read, write } from "./kept.js";

const KEY = "underpaint.settings.";
export const MODES: Mode[] = ["fill", "add", "remove", "expand", "background", "generate"];

export interface Settings {
  mode: Mode;
  prompt: string;
  negative: string;
  /** Percent. */
  strength: number;
  /** Empty: the daemon chooses. */
  model: string;
  style: string;
  steps: string;
  guidance: string;
  seed: string;
  batch: number;
  /** Pixels by which `expand` enlarges the canvas: left, top, right, bottom. */
  margins: string[];
  chain: Step[];
  /** As `Loras` keeps and reads them. */
  loras: Json[];
  withFills: boolean;
  open: string[];
}

const FRESH: Settings = {
  mode: "fill", prompt: "", negative: "", strength: 100, model: "", style: "", steps: "", guidance: "", seed: "", batch: 1, margins: ["", "", "", ""],
  chain: [], loras: [], withFills: true, open: [],
};

/** The settings as they were left; what cannot be read is as on the first day. */
export function load(): Settings {
  const found = { ...FRESH };
  const take = <K extends keyof Settings>(name: K, good: (value: Json) => boolean) => {
    const value = read(KEY + name);
    if (good(value)) found[name] = value as Settings[K];
  };
  const isText = (value: Json) => typeof value === "string";
  take("mode", (value) => MODES.includes(value as Mode));
  for (const name of ["prompt", "negative", "model", "style", "steps", "guidance", "seed"] as const) take(name, isText);
  take("strength", (value) => typeof value === "number" && value >= 1 && value <= 100);
  take("batch", (value) => typeof value === "number" && value >= 1 && value <= 8);
  take("margins", (value) => Array.isArray(value) && value.length === 4 && value.every(isText));
  take("loras", Array.isArray);
  take("withFills", (value) => typeof value === "boolean");
  take("open", (value) => Array.isArray(value) && value.every(isText));
  take("chain", (value) => Array.isArray(value) && value.every((step) => isMembers(step) && isText(step.name ?? null) && isMembers(step.params)));
  return found;
}

export function save<K extends keyof Settings>(name: K, value: Settings[K]): void {
  write(KEY + name, value);
}
