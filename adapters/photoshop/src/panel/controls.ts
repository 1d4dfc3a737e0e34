/**
 * Control layers: pictures that steer, each a layer of the document or the picture itself, and the model that makes it count.
 * Which image encoder an IP-Adapter looks through is the daemon's to choose.
 */

import type { Control as Steer } from "../job/steering.js";
import { Sorry } from "../photoshop/target.js";
import { isMembers } from "../protocol/conversation.js";
import type { Members } from "../protocol/frames.js";
import type { Json } from "../protocol/json.js";
import { BoundEntries, boundOf, readLayer, type BoundEntry } from "./bound.js";
import { isWeight, line, numberField, weight } from "./entries.js";
import { misfit, named, titleOf } from "./models.js";
import { Sight, type Looks } from "./sight.js";
import { Choice, dropdown, make, tip, type Option } from "./widgets.js";

const MOST = 8;
const PREPROCESS: Option[] = [
  ["", "As it is"], ["canny", "Canny: thin edges"], ["soft_edge", "Soft edges"], ["scribble", "Scribble"], ["tile", "Tile: colours without detail"],
  ["blur", "Blur: colours out of focus"],
];
/** What a picture shows, for a ControlNet Union. */
const KINDS: Option[] = [
  ["", "Told by what is made of it"], ["pose", "A pose"], ["depth", "Depth"], ["soft_edge", "Soft edges, scribbles"], ["line", "Lines"],
  ["normal", "Normals"], ["segmentation", "Segmentation"], ["tile", "Tile"], ["repaint", "Repaint"],
];
/** Kinds of `controls/list` that steer by themselves, as they are called, in the order of the list. */
const TITLES: Record<string, string> = {
  controlnet: "ControlNet", controlnet_union: "ControlNet Union", t2i_adapter: "T2I-Adapter", ip_adapter: "IP-Adapter: a reference image",
};
const STEERS = Object.keys(TITLES);

/** Without a layer, the picture itself steers. */
export interface ControlLayer extends BoundEntry {
  model: string;
  /** What is made of the layer before the model sees it; empty: nothing. */
  preprocess: string;
  /** The depth estimator; empty: the daemon's choice. */
  preprocessor: string;
  kind: string;
  weight: number;
  /** Percent of the steps, as typed. */
  start: string;
  end: string;
}

export class Controls extends BoundEntries<ControlLayer> {
  private known: (Members & { id: string })[] = [];

  private readonly sight: Sight<ControlLayer>;

  constructor(changed: () => void, keep: () => void, looks: Looks) {
    super("controls", MOST, changed, keep, "The picture itself", "The layer that steers");
    this.sight = new Sight(looks);
  }

  /** What `controls/list` answered. */
  offer(list: Json): void {
    const known = named(list);
    if (JSON.stringify(known) === JSON.stringify(this.known)) return;
    this.known = known;
    this.draw();
  }

  /** Those that are on. `Sorry` where one cannot be asked for like that. */
  wanted(): Steer[] {
    return this.running().map((entry) => {
      const { model, kind, weight: counts } = entry;
      if (!model) throw new Sorry("A control layer has no model. Choose one, or switch it off.");
      const is = this.known.find(({ id }) => id === model)?.kind;
      const [start, end] = [share(entry.start, 0), share(entry.end, 1)];
      if (start >= end) throw new Sorry(`A control layer counts from ${entry.start || 0} % to ${entry.end || 100} % of the steps, which is never. Let it end later than it starts.`);
      const { members: made, ...of } = this.made(entry);
      return { ...of, members: { model, weight: counts, start, end, ...(is === "ip_adapter" ? {} : made), ...(is === "controlnet_union" && kind ? { kind } : {}) }, whole: is === "ip_adapter" };
    });
  }

  override draw(): void {
    this.settle();
    super.draw();
  }

  protected override touched(): void {
    this.settle();
    super.touched();
  }

  private settle(): void {
    this.sight.settle(new Map(this.entries.map((entry) => [entry, source(entry)])));
  }

  /** What is made of an entry's layer, and nothing of what it is for. */
  private made(entry: ControlLayer): Steer {
    const { preprocess } = entry;
    const preprocessor = this.estimator(entry);
    const layer = boundOf(entry);
    return { members: preprocess ? { preprocess, ...(preprocessor ? { preprocessor } : {}) } : {}, ...(layer ? { layer } : {}), whole: false };
  }

  /** What the layer is called that is made of an entry's. */
  private title({ preprocess, preprocessor, layer, called }: ControlLayer): string {
    const value = preprocess === "depth" ? depth(preprocessor) : preprocess;
    const label = [...PREPROCESS, ...this.depths()].find(([known]) => known === value)?.[1] ?? preprocess;
    return `${label.split(":")[0]} of ${layer === undefined ? "the picture" : called}`;
  }

  /** What was made of an entry's layer is a layer now, and steers as it is. */
  private take(entry: ControlLayer, layer: number, called: string, kind: string): void {
    if (!this.entries.includes(entry)) return;
    Object.assign(entry, { layer, called, preprocess: "", preprocessor: "", kind: kind || entry.kind });
    this.edited();
  }

  override read(kept: Json): ControlLayer | undefined {
    if (!isMembers(kept)) return undefined;
    const text = (value: Json | undefined) => (typeof value === "string" ? value : "");
    const { model, preprocess, preprocessor, kind, start, end, off } = kept;
    return {
      ...readLayer(kept), model: text(model), preprocess: text(preprocess), preprocessor: text(preprocessor), kind: text(kind),
      weight: isWeight(kept.weight) ? kept.weight : 1, start: text(start), end: text(end), ...(off === true ? { off } : {}),
    };
  }

  protected override fresh(layer: BoundEntry): ControlLayer {
    const model = this.models().find(({ why }) => !why)?.id ?? "";
    return { ...layer, model, preprocess: "", preprocessor: "", kind: "", weight: 1, start: "", end: "" };
  }

  protected override lack(): string {
    const models = this.models();
    if (!this.scene.reads) return "This model cannot be steered.";
    if (models.length === 0) return "No control models here yet: put ControlNets, T2I-Adapters or IP-Adapters into a models folder.";
    if (models.some(({ why }) => !why)) return super.lack();
    if (models.length === 1) return `No control model fits: ${models[0]!.name} is ${models[0]!.why}.`;
    return `None of the ${models.length} control models here fits this model.`;
  }

  protected override lines(entry: ControlLayer): HTMLElement[] {
    const models = this.models();
    const chosen = models.find(({ id }) => id === entry.model);
    const offered = models.map(({ id, name, why }): Option => [id, name, why]);
    if (entry.model && !chosen) offered.push([entry.model, `${entry.model} – not on this machine`]);
    const model = choose(offered, entry.model, chosen ? TITLES[chosen.kind]! : "The model that is steered by", (value) => {
      entry.model = value;
      this.edited();
    });
    const found = [line("Model", "The model that makes it count", model)];
    if (chosen?.kind !== "ip_adapter") {
      const made = entry.preprocess === "depth" ? depth(this.estimator(entry)) : entry.preprocess;
      const shows = choose([...PREPROCESS, ...this.depths()], made, "What is made of the layer before the model sees it", (value) => {
        [entry.preprocess, entry.preprocessor] = value.startsWith("depth") ? ["depth", value.slice("depth ".length)] : [value, ""];
        this.touched();
      });
      found.push(line("Shown", "What is made of the layer before the model sees it", shows));
      const now = () => (entry.preprocess ? { control: this.made(entry), title: this.title(entry), source: source(entry) } : undefined);
      found.push(this.sight.part(entry, now, (layer, title, kind) => this.take(entry, layer, title, kind)));
    }
    if (chosen?.kind === "controlnet_union") {
      const kind = choose(KINDS, entry.kind, "What the layer shows, for a model that knows several kinds", (value) => {
        entry.kind = value;
        this.touched();
      });
      found.push(line("Kind", "What the layer shows, for a model that knows several kinds", kind));
    }
    const set = weight(entry.weight, 0, 2, "How much it counts; 1 as trained", (value) => {
      entry.weight = value;
      this.touched();
    });
    const part = (side: "start" | "end", none: string, help: string) => {
      const field = numberField(entry[side], help, (text) => {
        entry[side] = text;
        this.touched();
      });
      field.setAttribute("placeholder", none);
      return field;
    };
    found.push(line("Weight", "How much it counts; 1 as trained", ...set));
    const [start, end] = [part("start", "0", "From which part of the steps on, in percent"), part("end", "100", "Up to which part of the steps, in percent")];
    found.push(line("Steps", "For which part of the steps it counts, in percent", start, make("div", "side", "–"), end, make("div", "side", "%")));
    return found;
  }

  /** Those that steer, first those that can be used. */
  private models(): { id: string; name: string; kind: string; why: string }[] {
    const encoders = this.known.some(({ kind }) => kind === "image_encoder");
    const found = this.known.filter(({ kind }) => STEERS.includes(String(kind))).map((control) => {
      const { id, kind, family } = control;
      const why = misfit(family, this.scene) || (kind === "ip_adapter" && !encoders ? "without its image encoder" : "");
      return { id, name: titleOf(control), kind: String(kind), why };
    });
    const order = ({ why, kind }: { why: string; kind: string }) => (why ? STEERS.length : 0) + STEERS.indexOf(kind);
    return found.sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name));
  }

  /** The depth estimator that was chosen, if it still is here; empty: the daemon's choice. */
  private estimator({ preprocess, preprocessor }: ControlLayer): string {
    return preprocess === "depth" && this.known.some(({ id }) => id === preprocessor) ? preprocessor : "";
  }

  /** Depth, by each estimator there is. */
  private depths(): Option[] {
    const estimators = this.known.filter(({ kind }) => kind === "depth");
    const [first, ...others] = estimators;
    if (!first) return [[depth(""), "Depth", "for which there is no estimator here"]];
    return [[depth(""), "Depth: the nearer the lighter"], ...(others.length > 0 ? estimators : []).map((estimator): Option => [depth(estimator.id), `Depth by ${titleOf(estimator)}`])];
  }
}

/** What is made of what. */
function source({ layer, preprocess, preprocessor }: ControlLayer): string {
  return JSON.stringify([layer, preprocess, preprocessor]);
}

/** Depth as a value of the list of preprocessors. */
function depth(preprocessor: string): string {
  return `depth ${preprocessor}`;
}

function choose(options: Option[], value: string, help: string, chosen: (value: string) => void): HTMLElement {
  const element = dropdown();
  tip(element, help);
  new Choice(element, chosen).fill(options, value);
  return element;
}

/** A share of the steps, 0..1, typed in percent. */
function share(text: string, otherwise: number): number {
  if (text.trim() === "") return otherwise;
  const percent = Number(text.replace(",", "."));
  if (!(percent >= 0 && percent <= 100)) throw new Sorry(`Steps of a control layer: “${text}” is not a number from 0 to 100.`);
  return percent / 100;
}
