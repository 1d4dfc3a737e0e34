/**
 * The one write: patches as new layers, inside one modal scope and one history state.
 *
 * Decision: nothing is computed or waited for in here. Photoshop is the painter's until the pixels are ready, then
 * locked for as long as it takes to put them down.
 */

import { app, constants, core, imaging } from "photoshop";

import type { Picture, Rect } from "../protocol/images.js";
import { sleep } from "../daemon/socket.js";
import { SRGB, bounds, findLayer } from "./read.js";
import { NO_MARGINS, Sorry, enlarges, isOf, openDocument, type Margins, type Target } from "./target.js";

type Document = typeof app.activeDocument;

export interface Patch extends Picture {
  rect: Rect;
  seed: string | undefined;
}

/** Photoshop is inside a dialog or another plug-in's work. Nothing is lost; the same can be tried again. */
export class Busy extends Error {}

const MODAL_IN_THE_WAY = 9;
const CANCELLED = "Cancelled. The picture is unchanged.";
/** How long Photoshop itself is to try again before it says so, in seconds. */
const PATIENCE_S = 2;

/** The enlarging that was done here, and when: what other jobs on the same document were aimed at moves along. */
const enlarged: { documentID: number; at: number; by: Margins }[] = [];

/** How far what the target was aimed at has moved since, by our own enlarging; undefined where the canvas was resized otherwise. */
function moved({ documentID, began, extent }: Target, document: Document): { x: number; y: number } | undefined {
  const since = enlarged.filter((other) => other.documentID === documentID && other.at >= began);
  const now = { x: 0, y: 0, ...extent };
  // Of several, the painter may have undone the last.
  for (const { left, top, right, bottom } of [NO_MARGINS, ...since.map(({ by }) => by)]) {
    now.x += left;
    now.y += top;
    now.w += left + right;
    now.h += top + bottom;
    if (isOf(document, now)) return now;
  }
  return undefined;
}

/** The newest layer that was put above another one, by document and layer, and when. */
const newest = new Map<string, { layerID: number; at: number }>();

/** The layer to go above: the one the job began on, or what has been put above it since, so that the last is on top. */
function anchorOf(target: Target) {
  const put = newest.get(`${target.documentID}/${target.layerID}`);
  const later = put && put.at >= target.began ? findLayer(target, put.layerID) : undefined;
  return later ?? (target.layerID === undefined ? undefined : findLayer(target, target.layerID));
}

/**
 * Puts each patch on a layer of its own above the layer the job began on, `hidden` if so; `name` is the layer's. `history` is
 * the one history state's. Gives the layers' ids, and whether the painter has resized the canvas since the job began. `Busy`
 * and `Sorry` leave the document as it is.
 */
export async function place(
  target: Target, patches: Patch[], name: (patch: Patch) => string, history: string, hidden = false,
): Promise<{ layers: number[]; resized: boolean }> {
  if (!openDocument(target)) throw new Sorry("The picture was closed meanwhile, so there is nowhere to put the layer.");
  const images: Awaited<ReturnType<typeof imageData>>[] = [];
  const layers: number[] = [];
  let resized = false;
  let cancelled = false;
  try {
    for (const patch of patches) images.push(await imageData(patch));
    const options = { commandName: history, timeOut: PATIENCE_S };
    await core.executeAsModal(async (context) => {
      const document = openDocument(target);
      if (!document) throw new Sorry("The picture was closed meanwhile, so there is nowhere to put the layer.");
      if (enlarges(target) && !isOf(document, target.extent)) {
        throw new Sorry("The canvas was resized meanwhile, so the result was not placed. It is in the history.");
      }
      const by = moved(target, document);
      resized = !by;
      const { x: dx, y: dy } = by ?? { x: 0, y: 0 };
      const front = app.activeDocument;
      // New layers belong to the document in front, whatever object they are asked of.
      if (front.id !== document.id) app.activeDocument = document;
      const suspension = await context.hostControl.suspendHistory({ documentID: document.id, name: history });
      let whole = false;
      try {
        await enlarge(document, target.margins);
        for (const [i, patch] of patches.entries()) {
          if (context.isCancelled) throw new Sorry(CANCELLED);
          const layer = await document.createLayer(constants.LayerKind.NORMAL, { name: name(patch) });
          if (!layer) throw new Sorry("Photoshop made no new layer. Can the active layer be unlocked, or another one be chosen?");
          const anchor = anchorOf(target);
          if (anchor && anchor.id !== layer.id) layer.move(anchor, constants.ElementPlacement.PLACEBEFORE);
          newest.set(`${target.documentID}/${target.layerID}`, { layerID: layer.id, at: Date.now() });
          await imaging.putPixels({
            documentID: document.id, layerID: layer.id, imageData: images[i]!,
            targetBounds: bounds({ ...patch.rect, x: patch.rect.x + dx, y: patch.rect.y + dy }),
            commandName: history,
          });
          if (hidden) layer.visible = false;
          layers.push(layer.id);
        }
        whole = true;
        if (enlarges(target)) enlarged.push({ documentID: document.id, at: Date.now(), by: target.margins });
      } finally {
        cancelled = !whole && context.isCancelled;
        await context.hostControl.resumeHistory(suspension, whole);
        if (front.id !== document.id && [...app.documents].some(({ id }) => id === front.id)) app.activeDocument = front;
      }
    }, options);
  } catch (error) {
    if ((error as { number?: unknown }).number === MODAL_IN_THE_WAY) {
      throw new Busy("Photoshop is busy with a dialog or another plug-in. Finish that, then press Place layer.");
    }
    // After Escape, whatever was being done fails in words of Photoshop's own.
    throw cancelled ? new Sorry(CANCELLED) : error;
  } finally {
    for (const image of images) void image.dispose();
  }
  return { layers, resized };
}

/** Enlarges the canvas: to the right and below first, then to the left and above, where what is there moves along. */
async function enlarge(document: Document, { left, top, right, bottom }: Margins): Promise<void> {
  const { TOPLEFT, BOTTOMRIGHT } = constants.AnchorPosition;
  if (right > 0 || bottom > 0) await document.resizeCanvas(document.width + right, document.height + bottom, TOPLEFT);
  if (left > 0 || top > 0) await document.resizeCanvas(document.width + left, document.height + top, BOTTOMRIGHT);
}

async function imageData(patch: Patch) {
  const px = patch.px;
  if (px !== "rgba8" && px !== "rgba16" && px !== "rgbaf32") throw new Sorry(`Underpaint answered with pixels of the kind ${px}, which is not what was asked for.`);
  // Views of 16 or 32 bits must begin on such a boundary, and Photoshop is given whole buffers, not parts of them.
  const { pixels } = patch;
  const bytes = pixels.length === pixels.buffer.byteLength ? pixels : pixels.slice();
  const data =
    px === "rgba8" ? bytes
    : px === "rgba16" ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)
    : await linear(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4), patch.linear);
  return imaging.createImageDataFromBuffer(data, {
    width: patch.w, height: patch.h, components: 4, chunky: true, colorSpace: "RGB", colorProfile: SRGB, fullRange: true,
  });
}

/** Photoshop's 32-bit pixels are linear light, and the daemon's answer says whether it is. */
async function linear(data: Float32Array, already: boolean): Promise<Float32Array> {
  if (already) return data;
  const found = new Float32Array(data.length);
  const some = 1 << 18;
  for (let start = 0; start < data.length; start += some) {
    for (let i = start; i < Math.min(data.length, start + some); i++) {
      const v = data[i]!;
      found[i] = i % 4 === 3 ? v : v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    }
    await sleep(0);
  }
  return found;
}
