/** The layers of the document in front, for the painter to choose from, and what a document is known by. */

import { app, constants } from "photoshop";

import { alphas, type Rect } from "../protocol/images.js";
import { findLayer, inside, readPixels } from "./read.js";
import { PX, Sorry, type Target } from "./target.js";

type Document = typeof app.activeDocument;
type Layer = Document["layers"][number];

/** A layer that something is bound to: its id, which stays the same in the file, and the name it had when last seen. */
export interface Bound {
  id: number;
  name: string;
}

/** A layer to choose, and how deep in groups it lies. */
export interface Listed extends Bound {
  depth: number;
}

/** Kinds that hold something to see. What only adjusts, and a group, which Photoshop gives no pixels of, are not among them. */
const SEEN: ReadonlySet<string> = new Set([
  constants.LayerKind.NORMAL, constants.LayerKind.SMARTOBJECT, constants.LayerKind.TEXT, constants.LayerKind.SOLIDFILL,
  constants.LayerKind.GRADIENTFILL, constants.LayerKind.PATTERNFILL,
]);

/** The layers to choose from, from the top; undefined where no document is open. */
export function layersInFront(): Listed[] | undefined {
  const document = inFront();
  const list = (layers: Iterable<Layer>, depth: number): Listed[] => [...layers].flatMap((layer) => [
    ...(SEEN.has(layer.kind) || layer.isBackgroundLayer ? [{ id: layer.id, name: layer.name, depth }] : []),
    ...(layer.layers ? list(layer.layers, depth + 1) : []),
  ]);
  return document && list(document.layers, 0);
}

/** The layer the painter is on; undefined if it is none to choose. */
export function layerInFront(): Bound | undefined {
  const active = inFront()?.activeLayers[0]?.id;
  return layersInFront()?.find(({ id }) => id === active);
}

/** The document in front: its number, which is another after each start of Photoshop, and its file, once there is one. */
export function documentInFront(): { id: number; file: string | undefined } | undefined {
  const document = inFront();
  return document && { id: document.id, file: fileOf(document) };
}

function inFront(): Document | undefined {
  return app.documents.length > 0 ? app.activeDocument : undefined;
}

/** A path, or what the cloud calls the document. One that was never saved has none, whatever Photoshop says instead. */
function fileOf(document: Document): string | undefined {
  try {
    const { path } = document;
    return typeof path === "string" && (document.cloudDocument || /[\\/]/.test(path)) ? path : undefined;
  } catch {
    return undefined;
  }
}

/** The layer that `bound` speaks of. `Sorry` if it is gone. */
export function boundLayer(target: Target, bound: Bound): Layer {
  const layer = findLayer(target, bound.id);
  if (!layer) throw new Sorry(`The layer “${bound.name}” is not in this picture any more. Choose another one, or switch off what it is chosen for.`);
  return layer;
}

/** The part of `within`, in canvas pixels, that the layer's own pixels may lie in; undefined if none do. */
export function seenPart(target: Target, layer: Layer, within: Rect): Rect | undefined {
  const { x, y, w, h } = within;
  // Without effects: what a shadow adds are no pixels of the layer, and asking for them is no valid area.
  const { left, top, right, bottom } = layer.boundsNoEffects;
  return inside({ left: Math.max(left, x), top: Math.max(top, y), right: Math.min(right, x + w), bottom: Math.min(bottom, y + h) }, target.extent);
}

/** One layer's pixels in `rect`, as `readPixels` has them. `Sorry` if Photoshop gives none. */
export async function* readLayer(target: Target, layer: Layer, rect: Rect): AsyncGenerator<Uint8Array> {
  try {
    yield* readPixels(target, rect, layer.id);
  } catch (error) {
    if (layer.kind === constants.LayerKind.NORMAL || layer.isBackgroundLayer) throw error;
    throw new Sorry(`Photoshop gives no pixels of “${layer.name}”. Choose Layer > Rasterize > Layer, or choose a pixel layer.`);
  }
}

/** How opaque one layer is in `rect`: packed rows of `g8`; undefined where it is all transparent. */
export async function readOpacity(target: Target, layer: Layer, rect: Rect): Promise<Uint8Array | undefined> {
  const found = new Uint8Array(rect.w * rect.h);
  let at = 0;
  for await (const band of readLayer(target, layer, rect)) {
    const piece = alphas(band, PX[target.depth]);
    found.set(piece, at);
    at += piece.length;
  }
  return found.some((value) => value > 0) ? found : undefined;
}
