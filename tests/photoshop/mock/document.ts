/** A document of the mock: layers, a soft selection, history states that can be stepped back. */

import type * as Photoshop from "photoshop";
import * as constants from "photoshop-constants";

import { FULL, SRGB, around, cut, height, meet, samples, tight, width, type Box, type Depth, type Samples } from "./pixels.js";

type PsDocument = (typeof Photoshop)["app"]["activeDocument"];
type PsLayer = PsDocument["layers"][number];

/** What the adapter may ask of a layer, typed as Photoshop's. */
type LayerFace = Pick<PsLayer, "id" | "name" | "visible" | "kind" | "isBackgroundLayer" | "bounds" | "boundsNoEffects">;
type DocumentFace = Pick<PsDocument, "id" | "name" | "width" | "height" | "mode" | "bitsPerChannel" | "quickMaskMode" | "colorProfileName" | "path" | "cloudDocument">;

let ids = 100;

/** What writes must be inside of. */
export const scope = { modal: false, suspended: undefined as MockDocument | undefined };

export function writes(what: string): void {
  if (!scope.modal) throw new Error(`${what} changes the document, and is only allowed inside executeAsModal.`);
}

export class MockLayer implements LayerFace {
  visible = true;
  isBackgroundLayer = false;
  layers: MockLayer[] | null = null;
  box: Box | undefined;
  data: Samples | undefined;
  /** By how many pixels an effect, a shadow or a glow, reaches beyond the layer's own. */
  glow = 0;

  /** `id` is the file's: the same each time it is opened. */
  constructor(readonly owner: MockDocument, public name: string, public kind: constants.LayerKind = constants.LayerKind.NORMAL, readonly id = ++ids) {}

  /** With what effects add. */
  get bounds(): PsLayer["bounds"] {
    const { left, top, right, bottom } = this.boundsNoEffects;
    return { left: left - this.glow, top: top - this.glow, right: right + this.glow, bottom: bottom + this.glow } as PsLayer["bounds"];
  }

  get boundsNoEffects(): PsLayer["bounds"] {
    return (this.box ?? { left: 0, top: 0, right: 0, bottom: 0 }) as PsLayer["bounds"];
  }

  move(other: MockLayer, placement: constants.ElementPlacement): void {
    writes("move");
    const [from] = this.owner.holding(this);
    const [to] = this.owner.holding(other);
    from.splice(from.indexOf(this), 1);
    // Layers are listed from the top.
    if (placement === constants.ElementPlacement.PLACEBEFORE) to.splice(to.indexOf(other), 0, this);
    else if (placement === constants.ElementPlacement.PLACEAFTER) to.splice(to.indexOf(other) + 1, 0, this);
    else throw new Error(`the mock cannot move a layer to ${placement}`);
    this.owner.record("Move layer");
  }

  /** Puts pixels of the document's own depth and profile at `box`. */
  put(box: Box, data: Samples): void {
    const held = tight(data, box);
    this.box = held;
    this.data = held ? cut(data, box, held) : undefined;
  }
}

interface State {
  name: string;
  width: number;
  height: number;
  layers: { layer: MockLayer; name: string; box: Box | undefined; data: Samples | undefined; layers: State["layers"] | null }[];
}

export class MockDocument implements DocumentFace {
  readonly id = ++ids;
  layers: MockLayer[] = [];
  active: MockLayer[] = [];
  quickMaskMode = false;
  readonly cloudDocument = false;
  /** Where it is saved. */
  file: string | undefined;
  /** One byte for each pixel of `bounds`, which may reach beyond the canvas. */
  selected: { bounds: Box; data: Uint8Array } | undefined;
  history: State[] = [];
  at = 0;

  constructor(public name: string, public width: number, public height: number, public depth: Depth, public colorProfileName: string = SRGB,
    public mode: constants.DocumentMode = constants.DocumentMode.RGB) {}

  get bitsPerChannel(): constants.BitsPerChannelType {
    const { EIGHT, SIXTEEN, THIRTYTWO } = constants.BitsPerChannelType;
    return { 8: EIGHT, 16: SIXTEEN, 32: THIRTYTWO }[this.depth];
  }

  /** A document that was never saved has a path that is none. */
  get path(): string {
    return this.file ?? this.name;
  }

  get canvas(): Box {
    return { left: 0, top: 0, right: this.width, bottom: this.height };
  }

  get activeLayers(): MockLayer[] {
    return this.active;
  }

  get selection(): { bounds: Box | null } {
    return { bounds: this.selected?.bounds ?? null };
  }

  async createLayer(kind: constants.LayerKind = constants.LayerKind.NORMAL, options: { name?: string } = {}): Promise<MockLayer | null> {
    writes("createLayer");
    if (this !== front.document) throw new Error("createLayer makes layers in the active document only.");
    const layer = new MockLayer(this, options.name ?? `Layer ${this.layers.length}`, kind);
    const above = this.active[0];
    if (above) {
      const [list] = this.holding(above);
      list.splice(list.indexOf(above), 0, layer);
    } else {
      this.layers.unshift(layer);
    }
    this.active = [layer];
    this.record("New Layer");
    return layer;
  }

  async resizeCanvas(w: number, h: number, anchor?: constants.AnchorPosition): Promise<void> {
    writes("resizeCanvas");
    const { TOPLEFT, BOTTOMRIGHT } = constants.AnchorPosition;
    if (anchor !== TOPLEFT && anchor !== BOTTOMRIGHT) throw new Error("the mock resizes from two corners only");
    if (anchor === TOPLEFT) this.resize(w, h, 0, 0);
    else this.resize(w, h, w - this.width, h - this.height);
  }

  /** Another canvas, on which what is there has moved. */
  resize(w: number, h: number, dx: number, dy: number): void {
    for (const layer of all(this.layers)) {
      const { box } = layer;
      if (box) layer.box = { left: box.left + dx, top: box.top + dy, right: box.right + dx, bottom: box.bottom + dy };
    }
    this.width = w;
    this.height = h;
    this.record("Canvas Size");
  }

  /** The list a layer is in. */
  holding(layer: MockLayer, list = this.layers): [MockLayer[]] {
    if (list.includes(layer)) return [list];
    for (const { layers } of list) {
      if (layers && contains(layers, layer)) return this.holding(layer, layers);
    }
    throw new Error(`layer ${layer.name} is not in this document`);
  }

  find(id: number): MockLayer | undefined {
    return all(this.layers).find((layer) => layer.id === id);
  }

  /** Another history state, unless they are suspended. */
  record(name: string): void {
    if (scope.suspended === this) return;
    this.history = this.history.slice(0, this.at + 1);
    this.history.push({ name, width: this.width, height: this.height, layers: remember(this.layers) });
    this.at = this.history.length - 1;
  }

  /** As Ctrl+Z. */
  undo(): void {
    this.restore(this.at - 1);
  }

  redo(): void {
    this.restore(this.at + 1);
  }

  restore(at: number): void {
    const state = this.history[at];
    if (!state) throw new Error("no such history state");
    this.at = at;
    this.width = state.width;
    this.height = state.height;
    this.layers = recall(state.layers);
    this.active = this.active.filter((layer) => all(this.layers).includes(layer));
  }

  /** The area that holds visible pixels. */
  held(part: Box): Box | undefined {
    const boxes = all(this.layers).filter(({ visible, box }) => visible && box).map(({ box }) => meet(box!, part));
    return around(boxes.filter((box): box is Box => !!box));
  }

  /** All visible layers together, normally blended, in the document's own depth. */
  composite(part: Box): Samples {
    const full = FULL[this.depth];
    const shown = all(this.layers).filter(({ visible, box }) => visible && box && meet(box, part)).reverse();
    const found = samples(this.depth, width(part) * height(part) * 4);
    for (const [i, { box, data }] of shown.entries()) {
      const area = meet(box!, part)!;
      if (i === 0 && width(area) === width(part) && height(area) === height(part)) {
        found.set(cut(data!, box!, area));
        continue;
      }
      for (let y = area.top; y < area.bottom; y++) {
        for (let x = area.left; x < area.right; x++) {
          const from = ((y - box!.top) * width(box!) + x - box!.left) * 4;
          const to = ((y - part.top) * width(part) + x - part.left) * 4;
          const a = data![from + 3]! / full;
          const b = found[to + 3]! / full;
          const out = a + b * (1 - a);
          for (let c = 0; c < 3 && out > 0; c++) {
            const value = (data![from + c]! * a + found[to + c]! * b * (1 - a)) / out;
            found[to + c] = this.depth === 32 ? value : Math.round(value);
          }
          found[to + 3] = this.depth === 32 ? out : Math.round(out * full);
        }
      }
    }
    return found;
  }
}

/** Which document is in front, and which are open. */
export const front = { document: undefined as MockDocument | undefined, open: [] as MockDocument[] };

export function all(layers: MockLayer[]): MockLayer[] {
  return layers.flatMap((layer) => [layer, ...(layer.layers ? all(layer.layers) : [])]);
}

function contains(layers: MockLayer[], layer: MockLayer): boolean {
  return all(layers).includes(layer);
}

function remember(layers: MockLayer[]): State["layers"] {
  return layers.map((layer) => ({ layer, name: layer.name, box: layer.box, data: layer.data, layers: layer.layers && remember(layer.layers) }));
}

function recall(states: State["layers"]): MockLayer[] {
  return states.map(({ layer, name, box, data, layers }) => Object.assign(layer, { name, box, data, layers: layers && recall(layers) }));
}

