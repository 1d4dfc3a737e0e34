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

const mock = {
  host,
  trouble,
  entry: { command: entry.command, destroy: entry.destroy },

  /** Opens a document with one layer, in front of the others. */
  open({ name = "picture.psd", w, h, depth = 8, profile = SRGB, mode = constants.DocumentMode.RGB, pixels, covers }: Made): void {
    const document = new MockDocument(name, w, h, depth, profile, mode);
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
      layers: all(document.layers).map(({ name: title, box, layers }) => ({ name: title, box, children: layers?.map((layer) => layer.name) ?? null })),
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
