/** The filters that run over a result or a layer, one after the other, with controls made from their schema. */

import type { Call } from "../job/filtering.js";
import { isMembers } from "../protocol/conversation.js";
import type { Members } from "../protocol/frames.js";
import type { Json } from "../protocol/json.js";
import { Choice, clear, dropdown, make, slider, tip, tool, type Control } from "./widgets.js";

export interface Step {
  name: string;
  params: { [name: string]: Json };
  off?: boolean;
}

/** An entry of `filters/list`, as far as controls are made from it. */
type Description = Members & { name: string; title: string; params: Json[]; inputs: Json[] };

export class Chain {
  steps: Step[] = [];
  private known = new Map<string, Description>();
  private readonly adder: Choice;

  constructor(private readonly body: HTMLElement, adder: Control, private readonly changed: () => void) {
    this.adder = new Choice(adder, (name) => this.add(name));
  }

  /** What `filters/list` answered. */
  offer(filters: Json): void {
    this.known.clear();
    for (const filter of Array.isArray(filters) ? filters : []) {
      if (isDescription(filter) && !wantsPicture(filter)) this.known.set(filter.name, filter);
    }
    this.adder.fill([...this.known.values()].map(({ name, title }) => [name, title] as const));
    this.adder.unchoose();
    this.draw();
  }

  /** Other steps, of a style or of last time. */
  set(steps: Step[]): void {
    this.steps = steps.map(({ name, params, off }) => ({ name, params: { ...params }, ...(off ? { off } : {}) }));
    this.draw();
  }

  /** Those that are switched on; undefined for none. */
  running(): Call[] | undefined {
    const running = this.steps.filter(({ off }) => !off).map(({ name, params }) => ({ name, params: { ...params } }));
    return running.length > 0 ? running : undefined;
  }

  /** The titles of those that are switched on. */
  title(): string {
    return this.steps.filter(({ off }) => !off).map(({ name }) => this.known.get(name)?.title ?? name).join(" + ");
  }

  private add(name: string): void {
    this.adder.unchoose();
    if (!this.known.has(name)) return;
    this.steps.push({ name, params: {} });
    this.edited();
  }

  private edited(): void {
    this.draw();
    this.changed();
  }

  private draw(): void {
    clear(this.body);
    this.steps.forEach((step, i) => this.body.appendChild(this.drawStep(step, i)));
  }

  private drawStep(step: Step, i: number): HTMLElement {
    const description = this.known.get(step.name);
    const on = make<Control>("sp-checkbox");
    tip(on, "Runs, or is left out");
    on.checked = !step.off;
    on.addEventListener("change", () => {
      if (on.checked) delete step.off;
      else step.off = true;
      this.changed();
    });
    const move = (by: number) => {
      const [moved] = this.steps.splice(i, 1);
      this.steps.splice(Math.max(0, i + by), 0, moved!);
      this.edited();
    };
    const title = make("div", "title", description?.title ?? `${step.name} (not installed)`);
    tip(title, typeof description?.description === "string" ? description.description : "");
    const remove = () => {
      this.steps.splice(i, 1);
      this.edited();
    };
    const head = make("div", "row", on, title, tool("↑", "Runs earlier", () => move(-1)), tool("↓", "Runs later", () => move(1)), tool("✕", "Remove", remove));
    const box = make("div", "step", head);
    for (const param of description?.params ?? []) {
      if (isMembers(param)) box.appendChild(this.drawParam(step, param));
    }
    return box;
  }

  private drawParam(step: Step, param: Members): HTMLElement {
    const name = String(param.name);
    const label = make("div", "name", String(param.label ?? name));
    tip(label, `${param.help ?? ""} A double click sets it back.`.trim());
    label.addEventListener("dblclick", () => {
      delete step.params[name];
      this.edited();
    });
    const value = step.params[name] ?? param.default ?? "";
    const keep = (chosen: Json) => {
      step.params[name] = chosen;
      this.changed();
    };
    return make("div", "row", label, ...control(param, value, keep));
  }
}

/** A parameter's control. */
function control(param: Members, value: Json, keep: (value: Json) => void): HTMLElement[] {
  const whole = param.type === "int" || param.type === "seed";
  if ((param.type === "float" || param.type === "int") && typeof param.min === "number" && typeof param.max === "number") {
    return counted(Number(value), param.min, param.max, whole ? 1 : typeof param.step === "number" ? param.step : (param.max - param.min) / 100, String(param.unit ?? ""), keep);
  }
  if (param.type === "bool") {
    const box = make<Control>("sp-checkbox", "grow");
    box.checked = value === true;
    box.addEventListener("change", () => keep(box.checked));
    return [box];
  }
  if (param.type === "choice" && Array.isArray(param.choices)) {
    const list = dropdown();
    const entries = param.choices.filter(isMembers).map((choice) => [String(choice.name), String(choice.label ?? choice.name)] as const);
    new Choice(list, keep).fill(entries, String(value));
    return [list];
  }
  const field = make<Control>(param.multiline === true ? "sp-textarea" : "sp-textfield", "grow");
  field.value = String(value);
  const swatch = param.type === "color" ? make("div", "swatch") : undefined;
  const read = () => {
    if (swatch) {
      const good = /^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$/.test(field.value);
      if (good) swatch.style.backgroundColor = field.value.slice(0, 7);
      return good ? field.value : undefined;
    }
    if (param.type === "text") return field.value;
    const number = Number(field.value);
    return field.value.trim() !== "" && Number.isFinite(number) ? (whole ? Math.round(number) : number) : undefined;
  };
  field.addEventListener("input", () => {
    const chosen = read();
    if (chosen !== undefined) keep(chosen);
  });
  read();
  return swatch ? [swatch, field] : [field];
}

/** A slider that tells its number. */
function counted(value: number, min: number, max: number, step: number, unit: string, keep: (value: Json) => void): HTMLElement[] {
  const shown = make("div", "value");
  const tell = (number: number) => {
    shown.textContent = `${Number(number.toPrecision(3))}${unit ? ` ${unit}` : ""}`;
  };
  const bar = slider(value, min, max, step, (number) => {
    tell(number);
    keep(number);
  });
  tell(value);
  return [bar, shown];
}

function isDescription(filter: Json): filter is Description {
  return isMembers(filter) && typeof filter.name === "string" && typeof filter.title === "string" && Array.isArray(filter.params) && Array.isArray(filter.inputs);
}

/** Filters that must be given another picture are left to editors that can offer one. */
function wantsPicture(filter: Description): boolean {
  return filter.inputs.some((input) => isMembers(input) && input.required === true && input.role !== "mask" && input.role !== "original");
}
