/**
 * What a control's model would be shown of its layer: to be looked at before anything is painted, or kept as a layer.
 *
 * Decision: nothing is guessed here about what the model will see. The daemon is told what a fill would be asked now, and
 * answers with the picture that would steer it.
 */

import type { Patch } from "../photoshop/place.js";
import { PX } from "../photoshop/target.js";
import { isMembers } from "../protocol/conversation.js";
import type { Picture } from "../protocol/images.js";
import { whereabouts, type Wish } from "./fill.js";
import type { Job } from "./job.js";
import { shownLayer, type Control } from "./steering.js";

/** The picture, at the size at which the model would have it. `wish` is the fill that it would steer. */
export async function look(job: Job, wish: Wish, control: Control): Promise<Picture> {
  const { patches } = await made(job, wish, control, { px: "rgba8" });
  job.finish(`${job.title}, as the model will see it.`);
  return patches[0]!;
}

/** Puts it into the picture as a hidden layer; tells which, and what a ControlNet Union is to be told of it. */
export async function keep(job: Job, wish: Wish, control: Control, kept: (layerID: number, kind: string) => void): Promise<void> {
  const { patches, kind } = await made(job, wish, control, { px: PX[job.target.depth], resize: true });
  await job.put(patches, () => job.title, (layerID) => {
    kept(layerID, kind);
    return `“${job.title}” is a layer now, and steers as it is. It is hidden: what is visible is part of the picture.`;
  });
}

async function made(job: Job, wish: Wish, control: Control, how: { px: string; resize?: boolean }): Promise<{ patches: Patch[]; kind: string }> {
  const session = await job.session();
  const { canvas, members } = await whereabouts(job, session, wish, !control.layer);
  const { preprocess, preprocessor } = control.members;
  const { mode, prompt, settings } = wish;
  const { result, patches } = await job.result(session, "control/preprocess", {
    preprocess, preprocessor, ...(await shownLayer(job, session, control, canvas)), ...how, label: job.title, generate: { ...settings, mode, prompt, ...members },
  });
  const used = isMembers(result.used) ? result.used : {};
  return { patches, kind: typeof used.kind === "string" ? used.kind : "" };
}
