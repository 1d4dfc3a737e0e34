/** Entries that speak of a layer of the document in front: control layers and regions. They belong to the document. */

import { layerInFront, layersInFront, type Bound, type Listed } from "../photoshop/layers.js";
import type { Members } from "../protocol/frames.js";
import { Entries, type Entry } from "./entries.js";
import { Choice, byId, dropdown, tip, type Option } from "./widgets.js";

export interface BoundEntry extends Entry {
  /** A layer's id; absent: none is chosen. */
  layer?: number;
  /** Its name when last seen. */
  called?: string;
}

export abstract class BoundEntries<E extends BoundEntry> extends Entries<E> {
  private layers: LayerChoice[] = [];

  /** `keep`: what is kept with the document is another thing; `none`: what no layer is called; `help`: what the layer is for. */
  protected constructor(name: string, most: number, changed: () => void, private readonly keep: () => void, private readonly none: string, private readonly help: string) {
    super(name, most, changed);
    byId(`${name}-adder`).addEventListener("click", () => this.add(this.fresh(keptLayer(layerInFront()))));
  }

  /** An entry for a layer, as it is when the painter adds it. */
  protected abstract fresh(layer: BoundEntry): E;

  /** The layers may be others now, or have other names. */
  look(): void {
    if (this.layers.length === 0) return;
    const listed = layersInFront() ?? [];
    for (const layer of this.layers) layer.look(listed);
    const names = new Map(listed.map(({ id, name }) => [id, name]));
    const renamed = this.entries.filter(({ layer, called }) => layer !== undefined && (names.get(layer) ?? called) !== called);
    for (const entry of renamed) entry.called = names.get(entry.layer!)!;
    if (renamed.length > 0) this.keep();
  }

  override draw(): void {
    this.layers = [];
    super.draw();
    this.look();
  }

  protected override lack(): string {
    return this.scene.open ? "" : "Open a picture to begin.";
  }

  protected override lead(entry: E): HTMLElement {
    const choice = new LayerChoice(boundOf(entry), this.none, this.help, (layer) => {
      delete entry.layer;
      delete entry.called;
      Object.assign(entry, keptLayer(layer));
      this.touched();
    });
    this.layers.push(choice);
    return choice.element;
  }
}

/** The layer an entry speaks of. */
export function boundOf({ layer, called }: BoundEntry): Bound | undefined {
  return layer === undefined ? undefined : { id: layer, name: called ?? "" };
}

/** The layer in what was kept. */
export function readLayer({ layer, called }: Members): BoundEntry {
  return typeof layer === "number" && typeof called === "string" ? { layer, called } : {};
}

function keptLayer(layer: Bound | undefined): BoundEntry {
  return layer ? { layer: layer.id, called: layer.name } : {};
}

/** One of the layers of the document in front. One that is not there (any more) stays chosen: it may come back. */
class LayerChoice {
  readonly element = dropdown();
  private readonly choice: Choice;
  private shown = "";
  private layers: Bound[] = [];

  constructor(private bound: Bound | undefined, private readonly none: string, help: string, chosen: (bound: Bound | undefined) => void) {
    tip(this.element, help);
    this.choice = new Choice(this.element, (id) => {
      this.bound = this.layers.find((layer) => String(layer.id) === id);
      chosen(this.bound);
    });
  }

  /** Lists what there is now, under the names it has now. */
  look(listed: Listed[]): void {
    const { bound } = this;
    const options: Option[] = [["", this.none], ...listed.map(({ id, name, depth }): Option => [String(id), `${"\u2003".repeat(depth)}${name}`])];
    this.layers = listed.map(({ id, name }) => ({ id, name }));
    if (bound && !listed.some(({ id }) => id === bound.id)) {
      options.push([String(bound.id), `${bound.name} – not in this picture`]);
      this.layers.push(bound);
    }
    const wanted = JSON.stringify(options);
    if (wanted === this.shown) return;
    this.shown = wanted;
    this.choice.fill(options, bound ? String(bound.id) : "");
  }
}
