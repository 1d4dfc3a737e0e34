/**
 * Pixels out of Photoshop, in bands of some megabytes so that nothing blocks and nothing is held twice.
 *
 * Photoshop converts: whatever the document's profile, mode or depth, pixels are asked for as sRGB in the document's
 * own depth (32 bits: linear light). It returns only the area that holds pixels, and three components where nothing is
 * transparent; both are undone here.
 */

import { app, imaging } from "photoshop";

import { BYTES_PER_PIXEL, type Rect } from "../protocol/images.js";
import { Changed, PX, isOf, openDocument, selectionOf, type Depth, type Target } from "./target.js";

export const SRGB = "sRGB IEC61966-2.1";
const BAND_BYTES = 8 * 1024 * 1024;
/** Enough to see that there is something. */
const GLIMPSE = { width: 16, height: 16 };

type Samples = Uint8Array | Uint16Array | Float32Array;
type Bounds = { left: number; top: number; right: number; bottom: number };
type Size = { width: number; height: number };

/** The composite's pixels in `rect`, which may reach beyond the canvas, or one layer's: packed rows of `PX[target.depth]`, band by band. */
export async function* readPixels(target: Target, rect: Rect, layerID?: number): AsyncGenerator<Uint8Array> {
  const options = {
    documentID: target.documentID, ...(layerID === undefined ? {} : { layerID }),
    colorSpace: "RGB", colorProfile: SRGB, componentSize: target.depth,
  };
  const get = (area: Rect, size?: Size) => imaging.getPixels({ ...options, sourceBounds: bounds(area), ...(size ? { targetSize: size } : {}) });
  let readable: Promise<boolean> | undefined;
  const isGap = (area: Rect) => isEmpty(target, area, layerID) || (readable ??= isReadable(target, layerID, get));
  for (const band of bands(rect, BYTES_PER_PIXEL[PX[target.depth]])) {
    // Beyond the canvas there is nothing to ask for.
    const within = inside(bounds(band), target.extent);
    yield within
      ? await readBand(band, target.depth, 4, () => get(within), () => isGap(within))
      : bytes(samples(target.depth, band.w * band.h * 4));
  }
}

/**
 * How much of each pixel in `rect` is selected: packed rows of `g8`. `Changed` if something else is selected by then than was
 * when the job began, so it is the first that a job reads, and held until it is sent.
 */
export async function readSelection(target: Target, rect: Rect): Promise<Uint8Array> {
  const found = new Uint8Array(rect.w * rect.h);
  for (const band of bands(rect, BYTES_PER_PIXEL.g8)) {
    if (!target.selection || !meets(target.selection, band)) continue;
    const get = () => imaging.getSelection({ documentID: target.documentID, sourceBounds: bounds(band) });
    const why = () => {
      compareSelection(target);
      return false;
    };
    found.set(await readBand(band, 8, 1, get, why), (band.y - rect.y) * rect.w);
  }
  compareSelection(target);
  return found;
}

/** `Changed` if the canvas has another size than the target's: what is read may be of other places. */
export function compareExtent(target: Target): void {
  const document = openDocument(target);
  if (document && !isOf(document, target.extent)) throw new Changed("The canvas was resized while the picture was read.");
}

/** `Changed` if what is selected has other bounds than the target's. */
function compareSelection(target: Target): void {
  const document = openDocument(target);
  if (document && JSON.stringify(selectionOf(document)) !== JSON.stringify(target.selection)) {
    throw new Changed("The selection was changed before it was read.");
  }
}

/** What of a layer lies inside the canvas; undefined where nothing does. */
export function layerBounds(target: Target, layerID: number): Rect | undefined {
  const layer = findLayer(target, layerID);
  return layer && inside(layer.boundsNoEffects, target.extent);
}

/** The layer of that id in the target's document, in groups as well. */
export function findLayer(target: Target, layerID: number) {
  type Layer = (typeof app.activeDocument)["layers"][number];
  const search = (layers: Iterable<Layer>): Layer | undefined => {
    for (const layer of layers) {
      const found = layer.id === layerID ? layer : layer.layers ? search(layer.layers) : undefined;
      if (found) return found;
    }
    return undefined;
  };
  const document = openDocument(target);
  return document && search(document.layers);
}

function* bands(rect: Rect, bytesPerPixel: number): Generator<Rect> {
  const rows = Math.max(1, Math.floor(BAND_BYTES / (rect.w * bytesPerPixel)));
  for (let y = 0; y < rect.h; y += rows) {
    yield { x: rect.x, y: rect.y + y, w: rect.w, h: Math.min(rows, rect.h - y) };
  }
}

type Got = { imageData: { width: number; height: number; components: number; componentSize: 8 | 16 | 32; getData: (options: { chunky: boolean; fullRange: boolean }) => Promise<Samples>; dispose: () => unknown }; sourceBounds: Bounds };

/** One band: what Photoshop gave, put where it belongs in a band of `channels`; where it gave nothing, zeros. */
async function readBand(band: Rect, depth: Depth, channels: 1 | 4, get: () => Promise<Got>, empty: () => boolean | Promise<boolean>): Promise<Uint8Array> {
  const blank = () => samples(depth, band.w * band.h * channels);
  let got: Got;
  try {
    got = await get();
  } catch (error) {
    if (!(await empty())) throw error;
    return bytes(blank());
  }
  const { imageData, sourceBounds } = got;
  try {
    const { width, height, components } = imageData;
    const data = asDepth(await imageData.getData({ chunky: true, fullRange: true }), depth);
    if (components === channels && width === band.w && height === band.h) return bytes(data);
    const whole = blank();
    place(data, { w: width, h: height, components }, whole, { w: band.w, h: band.h, channels }, sourceBounds.left - band.x, sourceBounds.top - band.y);
    return bytes(whole);
  } finally {
    void imageData.dispose();
  }
}

/** Copies `source` into `target` at (dx, dy), what does not fit left out; missing alpha is full. */
function place(source: Samples, from: { w: number; h: number; components: number }, target: Samples, to: { w: number; h: number; channels: 1 | 4 }, dx: number, dy: number): void {
  const full = target instanceof Float32Array ? 1 : target instanceof Uint16Array ? 65535 : 255;
  const grey = from.components < 3;
  const alpha = from.components === 2 ? 1 : from.components === 4 ? 3 : -1;
  const left = Math.max(0, -dx);
  const right = Math.min(from.w, to.w - dx);
  for (let y = Math.max(0, -dy); y < Math.min(from.h, to.h - dy); y++) {
    let i = (y * from.w + left) * from.components;
    let o = ((y + dy) * to.w + left + dx) * to.channels;
    if (from.components === to.channels) {
      target.set(source.subarray(i, i + (right - left) * to.channels), o);
      continue;
    }
    for (let x = left; x < right; x++, i += from.components, o += to.channels) {
      target[o] = source[i]!;
      if (to.channels === 1) continue;
      target[o + 1] = source[grey ? i : i + 1]!;
      target[o + 2] = source[grey ? i : i + 2]!;
      target[o + 3] = alpha < 0 ? full : source[i + alpha]!;
    }
  }
}

function samples(depth: Depth, count: number): Samples {
  return depth === 8 ? new Uint8Array(count) : depth === 16 ? new Uint16Array(count) : new Float32Array(count);
}

/** Photoshop gives a selection in a depth of its own choice: brought to the one that is wanted. */
function asDepth(data: Samples, depth: Depth): Samples {
  const has = data instanceof Float32Array ? 32 : data instanceof Uint16Array ? 16 : 8;
  if (has === depth) return data;
  const most = { 8: 255, 16: 65535, 32: 1 };
  const scale = most[depth] / most[has];
  const found = samples(depth, data.length);
  for (let i = 0; i < data.length; i++) found[i] = depth === 32 ? data[i]! * scale : Math.round(data[i]! * scale);
  return found;
}

/** The samples' own bytes, little endian as every machine Photoshop runs on. */
function bytes(data: Samples): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

export function bounds(rect: Rect): Bounds {
  return { left: rect.x, top: rect.y, right: rect.x + rect.w, bottom: rect.y + rect.h };
}

/** What of an area lies inside the canvas; undefined where nothing does. */
export function inside(bounds: Bounds, extent: { w: number; h: number }): Rect | undefined {
  const x = Math.max(0, bounds.left);
  const y = Math.max(0, bounds.top);
  const w = Math.min(extent.w, bounds.right) - x;
  const h = Math.min(extent.h, bounds.bottom) - y;
  return w > 0 && h > 0 ? { x, y, w, h } : undefined;
}

function meets(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

/**
 * Whether no pixel lies in `rect`: Photoshop has nothing to give there, and says so with an error. Of one layer, which
 * may be hidden; or visible, of all of them.
 */
function isEmpty(target: Target, rect: Rect, layerID: number | undefined): boolean {
  const document = openDocument(target);
  if (!document) return false;
  compareExtent(target);
  const layer = layerID === undefined ? undefined : findLayer(target, layerID);
  if (layerID !== undefined) return !!layer && !holds(layer.boundsNoEffects);
  return [...document.layers].every(({ visible, bounds: area }) => !visible || !holds(area));

  function holds(area: Bounds): boolean {
    const held = inside(area, target.extent);
    return !!held && meets(held, rect);
  }
}

/** Whether Photoshop gives any pixels of the layer, or of all of them: then an area of which it gives none is a gap in it. */
async function isReadable(target: Target, layerID: number | undefined, get: (area: Rect, size: Size) => Promise<Got>): Promise<boolean> {
  const all = layerID === undefined ? { x: 0, y: 0, ...target.extent } : layerBounds(target, layerID);
  if (!all) return false;
  try {
    void (await get(all, GLIMPSE)).imageData.dispose();
    return true;
  } catch {
    return false;
  }
}
