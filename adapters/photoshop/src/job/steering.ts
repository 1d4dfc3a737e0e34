/** What steers a fill besides words: control layers and regions, their layers read and sent as `generate` wants them. */

import type { Session } from "../daemon/connection.js";
import { boundLayer, readLayer, readOpacity, seenPart, type Bound } from "../photoshop/layers.js";
import { PX, Sorry, type Target } from "../photoshop/target.js";
import type { Params } from "../protocol/conversation.js";
import type { Sayable } from "../protocol/frames.js";
import type { Rect } from "../protocol/images.js";
import type { Job } from "./job.js";

export interface Control {
  /** The members of a control that need no pixels. */
  members: { [name: string]: Sayable };
  /** The layer that steers; absent: the picture itself. */
  layer?: Bound;
  /** A reference is shown whole, wherever it lies. */
  whole: boolean;
}

export interface Region {
  prompt: string;
  layer: Bound;
}

export interface Steering {
  controls: Control[];
  regions: Region[];
}

/**
 * The members `controls` and `regions`; `canvas` is the part of the enlarged canvas that is sent. A region that is nowhere in
 * it is left out. `Sorry` if a layer is gone, or a control shows nothing where the picture is painted.
 */
export async function steering(job: Job, session: Session, { controls, regions }: Steering, canvas: Rect): Promise<Params> {
  const { target } = job;
  const seen = within(target, canvas);
  const sent: { controls: Sayable[]; regions: Sayable[] } = { controls: [], regions: [] };
  for (const control of controls) {
    const image = await shownLayer(job, session, control, canvas);
    sent.controls.push({ ...control.members, ...(image ? { image } : {}) });
  }
  for (const { prompt, layer: bound } of regions) {
    const layer = boundLayer(target, bound);
    const rect = seenPart(target, layer, seen);
    const mask = rect && (await readOpacity(target, layer, rect));
    if (mask) sent.regions.push({ prompt, mask: { rect: lies(target, rect), image: await job.send(session, rect, "g8", mask) } });
  }
  return Object.fromEntries(Object.entries(sent).filter(([, list]) => list.length > 0));
}

/** A control's layer as it is sent, and where it lies; undefined where the picture itself steers. `Sorry` as above. */
export async function shownLayer(job: Job, session: Session, { layer: bound, whole }: Control, canvas: Rect) {
  if (!bound) return undefined;
  const { target } = job;
  const layer = boundLayer(target, bound);
  const rect = seenPart(target, layer, whole ? { x: 0, y: 0, ...target.extent } : within(target, canvas));
  if (!rect) throw new Sorry(`“${layer.name}” is empty where the picture is painted, so it cannot steer.`);
  const image = await job.send(session, rect, PX[target.depth], readLayer(target, layer, rect), target.depth === 32);
  return { rect: lies(target, rect), image };
}

/** Which part of the canvas as it is a part of the enlarged one is. */
function within({ margins }: Target, canvas: Rect): Rect {
  return { ...canvas, x: canvas.x - margins.left, y: canvas.y - margins.top };
}

/** Where a rect of the canvas lies once the canvas is enlarged, as the protocol has it. */
function lies({ margins }: Target, { x, y, w, h }: Rect) {
  return { x: x + margins.left, y: y + margins.top, w, h };
}
