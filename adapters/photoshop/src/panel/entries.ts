/**
 * Lists of things that steer a picture, each switched on and off and removed by itself: what the sections of LoRAs, control
 * layers and regions have in common. Nothing here knows what an entry holds.
 */

import { parseJson, type Json } from "../protocol/json.js";
import type { Scene } from "./models.js";
import { byId, clear, make, reveal, setSlider, slider, tip, tool, type Control } from "./widgets.js";

/** As far as weights go, either way. */
const MOST_WEIGHT = 10;
const WEIGHT_STEP = 0.05;

export interface Entry {
  off?: boolean;
}

export abstract class Entries<E extends Entry> {
  protected entries: E[] = [];
  /** Tells how many are on. */
  count: (on: number) => void = () => {};
  protected scene: Scene = { families: [], reads: true, open: false };
  private readonly list: HTMLElement;
  private readonly note: HTMLElement;
  private readonly adder: HTMLElement;

  /** `name`: of the elements; `most`: how many the daemon takes; `changed`: the painter changed something. */
  protected constructor(name: string, private readonly most: number, private readonly changed: () => void) {
    this.list = byId(`${name}-list`);
    this.note = byId(`${name}-note`);
    this.adder = byId(`${name}-adder`);
  }

  /** An entry of what was kept; undefined if it is none. */
  abstract read(kept: Json): E | undefined;
  /** What stands in an entry's first line, between the switch and the cross. */
  protected abstract lead(entry: E): HTMLElement;
  /** What stands below it. */
  protected abstract lines(entry: E): HTMLElement[];
  /** Why none can be added, as a sentence; empty if one can. */
  protected abstract lack(): string;

  /** Replaces the list by what was kept, untold. What is no entry is left out. */
  set(kept: Json | undefined): void {
    const found = (Array.isArray(kept) ? kept : []).map((entry) => this.read(entry));
    this.entries = found.filter((entry): entry is E => entry !== undefined).slice(0, this.most);
    this.draw();
  }

  /** All of them, to be kept. */
  kept(): Json[] {
    return parseJson(JSON.stringify(this.entries)) as Json[];
  }

  /** Something else paints, or the last document was closed. */
  suit(scene: Scene): void {
    if (JSON.stringify(scene) === JSON.stringify(this.scene)) return;
    this.scene = scene;
    this.draw();
  }

  /** Those that are switched on. */
  protected running(): E[] {
    return this.entries.filter(({ off }) => !off);
  }

  protected add(entry: E): void {
    if (this.entries.length >= this.most) return;
    this.entries.push(entry);
    this.edited();
  }

  /** The painter changed what an entry holds, and its controls show it already. */
  protected touched(): void {
    this.count(this.running().length);
    this.changed();
  }

  /** Shows the list anew. */
  draw(): void {
    clear(this.list);
    for (const entry of this.entries) this.list.appendChild(this.drawEntry(entry));
    const lack = this.lack();
    this.note.textContent = lack;
    reveal(this.note, lack !== "");
    reveal(this.adder, lack === "" && this.entries.length < this.most);
    this.count(this.running().length);
  }

  /** The list is another one, or an entry's controls are. */
  protected edited(): void {
    this.draw();
    this.changed();
  }

  private drawEntry(entry: E): HTMLElement {
    const on = make<Control>("sp-checkbox");
    tip(on, "Counts, or is left out");
    on.checked = !entry.off;
    on.addEventListener("change", () => {
      if (on.checked) delete entry.off;
      else entry.off = true;
      this.touched();
    });
    const remove = tool("✕", "Remove", () => {
      this.entries.splice(this.entries.indexOf(entry), 1);
      this.edited();
    });
    return make("div", "step", make("div", "row", on, this.lead(entry), remove), ...this.lines(entry));
  }
}

/** A line with a name before what is set. */
export function line(name: string, help: string, ...parts: HTMLElement[]): HTMLElement {
  const label = make("div", "name", name);
  tip(label, help);
  return make("div", "row", label, ...parts);
}

/** A field for a short number. */
export function numberField(value: string, help: string, typed: (text: string) => void): Control {
  const field = make<Control>("sp-textfield", "number");
  tip(field, help);
  field.value = value;
  field.addEventListener("input", () => typed(field.value));
  return field;
}

/** A weight: a slider over what is usual, and a field for all there is. */
export function weight(value: number, least: number, most: number, help: string, keep: (value: number) => void): HTMLElement[] {
  const bar = slider(value, least, most, WEIGHT_STEP, (moved) => {
    const rounded = Number(moved.toFixed(2));
    field.value = String(rounded);
    keep(rounded);
  });
  tip(bar, help);
  const field = numberField(String(value), help, (text) => {
    const typed = Number(text.replace(",", "."));
    if (text.trim() === "" || !isWeight(typed)) return;
    setSlider(bar, Math.min(most, Math.max(least, typed)), least, WEIGHT_STEP);
    keep(typed);
  });
  return [bar, field];
}

export function isWeight(value: unknown): value is number {
  return typeof value === "number" && value >= -MOST_WEIGHT && value <= MOST_WEIGHT;
}
