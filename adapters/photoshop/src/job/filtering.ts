/** Runs filters over the active layer, or what is selected of it, as a new layer above. */

import { constants } from "photoshop";

import type { Session } from "../daemon/connection.js";
import { findLayer, layerBounds, readPixels, readSelection } from "../photoshop/read.js";
import { PX, Sorry, type Target } from "../photoshop/target.js";
import type { Sayable } from "../protocol/frames.js";
import type { Rect } from "../protocol/images.js";
import { encodeUtf8 } from "../protocol/utf8.js";
import type { Job } from "./job.js";

/** A filter and the values of its parameters. */
export type Call = { name: string; params: { readonly [name: string]: Sayable } };

/** Texts of more bytes are sent as blobs: a whole message has 64 KiB. */
const LONG_TEXT = 4096;
/** As far as a filter may look around what is selected, in pixels. */
const AROUND = 512;

/** Which part of the active layer is filtered. `Sorry` where there is none to filter. */
export function filtered(target: Target): { layerID: number; rect: Rect } {
  const layer = target.layerID === undefined ? undefined : findLayer(target, target.layerID);
  if (!layer) throw new Sorry("No layer is active. Choose the one to filter.");
  if (layer.kind !== constants.LayerKind.NORMAL && !layer.isBackgroundLayer) {
    throw new Sorry("The active layer holds no pixels of its own. Choose a pixel layer, or rasterize this one.");
  }
  const held = layerBounds(target, layer.id);
  const rect = held && (target.selection ? overlap(held, grown(target.selection)) : held);
  if (!rect || (target.selection && !overlap(held, target.selection))) throw new Sorry("The active layer is empty there.");
  return { layerID: layer.id, rect };
}

/** Filters as the protocol has them, their long texts sent. */
export async function chain(job: Job, session: Session, calls: Call[]): Promise<Sayable[]> {
  const found: Sayable[] = [];
  for (const { name, params } of calls) {
    const short: { [name: string]: Sayable } = {};
    const texts: { [name: string]: string } = {};
    for (const [param, value] of Object.entries(params)) {
      const bytes = typeof value === "string" ? encodeUtf8(value) : undefined;
      if (bytes && bytes.length > LONG_TEXT) texts[param] = await job.upload(session, bytes.length, bytes);
      else short[param] = value;
    }
    found.push({ name, params: short, ...(Object.keys(texts).length > 0 ? { texts } : {}) });
  }
  return found;
}

export async function filter(job: Job, calls: Call[], title: string): Promise<void> {
  const { target } = job;
  const { layerID, rect } = filtered(target);
  const selected = target.selection && (await readSelection(target, rect));
  const session = await job.session();
  const image = await job.send(session, rect, PX[target.depth], readPixels(target, rect, layerID), target.depth === 32);
  const clip = selected && { clip: true, mask: await job.send(session, rect, "g8", selected) };
  const filters = await chain(job, session, calls);
  const { patches } = await job.result(session, "filter/apply", { image, rect: { ...rect }, filters, label: title, ...clip });
  await job.put(patches, () => title);
}

function grown(rect: Rect): Rect {
  return { x: rect.x - AROUND, y: rect.y - AROUND, w: rect.w + 2 * AROUND, h: rect.h + 2 * AROUND };
}

function overlap(a: Rect, b: Rect): Rect | undefined {
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  const w = Math.min(a.x + a.w, b.x + b.w) - x;
  const h = Math.min(a.y + a.h, b.y + b.h) - y;
  return w > 0 && h > 0 ? { x, y, w, h } : undefined;
}
