/** Photoshop for the panel in a browser: modules, widgets, and `mock`, by which tests make documents and look at them. */

import * as constants from "photoshop-constants";

import { MockDocument, MockLayer, all, front } from "./document.js";
import { cut, entry, fs, host, install, os, uxp } from "./host.js";
import { photoshop, trouble } from "./photoshop.js";
import { FULL, SRGB, height, samples, width, type Box, type Depth } from "./pixels.js";
import { define } from "./widgets.js";

interface Made {
  name?: string;
  w: number;
  h: number;
  depth?: Depth;
  profile?: string;
  mode?: constants.DocumentMode;
  /** RGBA bytes of the background, base64; absent: a pattern. */
  pixels?: string;
  /** The area the picture covers; absent: all of it. */
  covers?: Box;
  /** Where it is saved; absent: nowhere yet. */
  file?: string;
}

/** A layer that the painter has, on top of the others. */
interface Layered {
  name: string;
  box: Box;
  /** RGBA bytes of the box, base64, or one colour; absent: nothing is on it. */
  pixels?: string;
  colour?: number[];
  /** What the file calls it. */
  id?: number;
  visible?: boolean;
  kind?: constants.LayerKind;
  glow?: number;
}

const documents = new Map<string, MockDocument>();
const gaps = { longest: 0, last: performance.now() };
setInterval(() => {
  const now = performance.now();
  gaps.longest = Math.max(gaps.longest, now - gaps.last);
  gaps.last = now;
}, 5);

function documentNamed(name: string): MockDocument {
  const found = documents.get(name);
  if (!found) throw new Error(`there is no document ${name}`);
  return found;
}

function layerNamed(name: string, title: string): MockLayer {
  const found = all(documentNamed(name).layers).find((layer) => layer.name === title);
  if (!found) throw new Error(`there is no layer ${title}`);
  return found;
}

const mock = {
  host,
  trouble,
  entry: { command: entry.command, destroy: entry.destroy },

  /** Opens a document with one layer, in front of the others. */
  open({ name = "picture.psd", w, h, depth = 8, profile = SRGB, mode = constants.DocumentMode.RGB, pixels, covers, file }: Made): void {
    const document = new MockDocument(name, w, h, depth, profile, mode);
    document.file = file;
    const layer = new MockLayer(document, "Background");
    const box = covers ?? document.canvas;
    const given = pixels === undefined ? undefined : Uint8Array.from(atob(pixels), (character) => character.charCodeAt(0));
    const data = samples(depth, width(box) * height(box) * 4);
    const full = FULL[depth];
    for (let i = 0; i < data.length; i++) {
      const x = (i >> 2) % width(box);
      const y = Math.floor((i >> 2) / width(box));
      const share = given ? given[i]! / 255 : i % 4 === 3 ? 1 : i % 4 === 0 ? (x % 256) / 255 : i % 4 === 1 ? (y % 256) / 255 : ((x ^ y) & 63) / 63;
      data[i] = depth === 32 ? share : Math.round(share * full);
    }
    layer.box = box;
    layer.data = data;
    document.layers = [layer];
    document.active = [layer];
    document.record("Open");
    documents.set(name, document);
    front.open.push(document);
    front.document = document;
  },

  /** Adds a layer, hidden unless said otherwise, as part of the first history state: it is what the painter has, not what a test looks for. */
  layer(name: string, { name: title, box, pixels, colour, id, visible = false, kind = constants.LayerKind.NORMAL, glow = 0 }: Layered): number {
    const document = documentNamed(name);
    const layer = new MockLayer(document, title, kind, id);
    const given = pixels === undefined ? undefined : Uint8Array.from(atob(pixels), (character) => character.charCodeAt(0));
    const data = samples(document.depth, width(box) * height(box) * 4);
    for (let i = 0; i < data.length; i++) {
      const share = (given ? given[i]! : colour ? colour[i % 4]! : 0) / 255;
      data[i] = document.depth === 32 ? share : Math.round(share * FULL[document.depth]);
    }
    layer.put(box, data);
    Object.assign(layer, { visible, glow });
    document.layers.unshift(layer);
    document.history = [];
    document.record("Open");
    return layer.id;
  },

  /** Deletes a layer, renames it, or makes it the active one, as the painter does in the Layers panel. */
  delete(name: string, title: string): void {
    const layer = layerNamed(name, title);
    const [list] = layer.owner.holding(layer);
    list.splice(list.indexOf(layer), 1);
    layer.owner.active = layer.owner.active.filter((other) => other !== layer);
    layer.owner.record("Delete Layer");
  },
  rename: (name: string, title: string, other: string) => void (layerNamed(name, title).name = other),
  choose: (name: string, title: string) => void (documentNamed(name).active = [layerNamed(name, title)]),

  /** Cuts the canvas off, or enlarges it, at its right and lower edges, as *Image > Canvas Size* does. */
  resize: (name: string, w: number, h: number) => documentNamed(name).resize(w, h, 0, 0),

  /** Gives a document another file, as *Save As* does. */
  saveAs: (name: string, file: string) => void (documentNamed(name).file = file),

  /** Brings a document to the front, as the painter does by its tab. */
  activate(name: string): void {
    front.document = documentNamed(name);
  },

  close(name: string): void {
    const document = documentNamed(name);
    front.open = front.open.filter((other) => other !== document);
    if (front.document === document) front.document = front.open[0];
  },

  /** Selects a rectangle with an edge that softens over `soft` pixels. */
  select(name: string, bounds: Box | null, soft = 0): void {
    const document = documentNamed(name);
    if (!bounds) {
      document.selected = undefined;
      return;
    }
    const data = new Uint8Array(width(bounds) * height(bounds));
    for (let y = 0; y < height(bounds); y++) {
      for (let x = 0; x < width(bounds); x++) {
        const inside = Math.min(x + 1, y + 1, width(bounds) - x, height(bounds) - y);
        data[y * width(bounds) + x] = soft === 0 ? 255 : Math.round(255 * Math.min(1, inside / (soft + 1)));
      }
    }
    document.selected = { bounds, data };
  },

  /** Puts the layers of a document into a group, with the topmost active. */
  group(name: string): void {
    const document = documentNamed(name);
    const group = new MockLayer(document, "Group", constants.LayerKind.GROUP);
    group.layers = document.layers;
    document.layers = [group];
    document.record("Group");
  },

  /** What a test asserts about a document. */
  look(name: string) {
    const document = documentNamed(name);
    return {
      layers: all(document.layers).map(({ name: title, box, visible, layers }) => ({ name: title, box, visible, children: layers?.map((layer) => layer.name) ?? null })),
      history: document.history.map((state) => state.name),
      at: document.at,
      active: document.active.map((layer) => layer.name),
      front: front.document?.name,
      extent: [document.width, document.height],
    };
  },

  /** One composite pixel in the document's own range. */
  pixel(name: string, x: number, y: number): number[] {
    return [...documentNamed(name).composite({ left: x, top: y, right: x + 1, bottom: y + 1 })];
  },

  /** One layer's pixel in the document's own range; null outside it. */
  layerPixel(name: string, index: number, x: number, y: number): number[] | null {
    const { box, data } = all(documentNamed(name).layers)[index]!;
    if (!box || x < box.left || x >= box.right || y < box.top || y >= box.bottom) return null;
    const at = ((y - box.top) * width(box) + x - box.left) * 4;
    return [...data!.subarray(at, at + 4)];
  },

  /** One layer's box and its bytes, base64, in 8 bits. */
  layerBytes(name: string, index: number): { box: Box | undefined; bytes: string } {
    const { box, data } = all(documentNamed(name).layers)[index]!;
    return { box, bytes: btoa([...(data ?? [])].map((value) => String.fromCharCode(value)).join("")) };
  },

  /** All of the composite's bytes, base64, in 8 bits. */
  composite(name: string): string {
    const document = documentNamed(name);
    return btoa([...document.composite(document.canvas)].map((value) => String.fromCharCode(value)).join(""));
  },

  /** How many composite pixels differ from those of the first history state, outside a box and inside it. */
  changed(name: string, box: Box): { outside: number; inside: number } {
    const document = documentNamed(name);
    const now = document.composite(document.canvas);
    const { at } = document;
    document.restore(0);
    const then = document.composite(document.canvas);
    document.restore(at);
    const found = { outside: 0, inside: 0 };
    for (let i = 0; i < now.length; i += 4) {
      if (now[i] === then[i] && now[i + 1] === then[i + 1] && now[i + 2] === then[i + 2] && now[i + 3] === then[i + 3]) continue;
      const x = (i >> 2) % document.width;
      const y = Math.floor((i >> 2) / document.width);
      found[x >= box.left && x < box.right && y >= box.top && y < box.bottom ? "inside" : "outside"] += 1;
    }
    return found;
  },

  undo: (name: string) => documentNamed(name).undo(),
  redo: (name: string) => documentNamed(name).redo(),

  /** The longest time the event loop stood still since last asked. */
  longestGap(): number {
    const { longest } = gaps;
    gaps.longest = 0;
    gaps.last = performance.now();
    return longest;
  },

  /** Breaks every connection, as a sleeping machine does. */
  cut: () => cut(),

  /** Opens the panel. */
  start(): void {
    entry.open(document.body);
  },
};

export type Mock = typeof mock;

const modules: Record<string, unknown> = { photoshop, uxp, os, fs };
install();
define();
Object.assign(window, {
  mock,
  require: (name: string) => {
    if (!(name in modules)) throw new Error(`there is no module ${name}`);
    return modules[name];
  },
});
const request = new XMLHttpRequest();
request.open("GET", "plugin-manifest.json", false);
request.send();
host.manifest = JSON.parse(request.responseText);
