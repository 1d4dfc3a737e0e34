/** What was painted before, in any editor, as the daemon keeps it: thumbnails, and the chosen one placed once more. */

import type { Connection, Session } from "../daemon/connection.js";
import { layerName } from "../job/fill.js";
import { Job, patches } from "../job/job.js";
import { isMembers } from "../protocol/conversation.js";
import type { Members } from "../protocol/frames.js";
import { picture, type Rect } from "../protocol/images.js";
import type { Json } from "../protocol/json.js";
import { PX, activeTarget, type Extent } from "../photoshop/target.js";
import { byId, clear, isShown, make, reveal, show, tip } from "./widgets.js";

const SHOWN = 24;
const SIDE_PX = 60;

interface Hands {
  connection: Connection;
  /** Shows and plays a job. */
  play(job: Job, story: () => Promise<void>): void;
  useSeed(seed: string): void;
  attempt(action: () => void | Promise<void>): void;
}

export class History {
  private chosen: Members | undefined;
  private stale = true;
  private boxes: HTMLElement[] = [];
  private readonly body = byId<HTMLElement>("entries");
  private readonly row = byId<HTMLElement>("entry-row");

  constructor(private readonly hands: Hands) {
    byId("entry-apply").addEventListener("click", () => hands.attempt(() => this.apply()));
    byId("entry-seed").addEventListener("click", () => this.chosen && hands.useSeed(String(this.chosen.seed)));
    byId("entry-remove").addEventListener("click", () => hands.attempt(() => this.remove()));
  }

  /** The daemon's history changed, or is another's. */
  invalidate(): void {
    this.stale = true;
    if (isShown(byId("history"))) this.hands.attempt(() => this.look());
  }

  /** Reads the newest entries, if they are not what is shown. */
  async look(): Promise<void> {
    const { state } = this.hands.connection;
    const offered = state.kind === "ready" && state.server.caps.includes("history");
    reveal(byId("history-fold"), offered);
    if (!offered || state.kind !== "ready" || !this.stale) return;
    this.stale = false;
    const answer = await state.session.conversation.request("history/list", { limit: SHOWN });
    const entries = isMembers(answer) && Array.isArray(answer.entries) ? answer.entries.filter(isMembers) : [];
    this.draw(entries, state.session);
  }

  private draw(entries: Members[], session: Session): void {
    clear(this.body);
    this.boxes = [];
    this.choose(undefined, undefined);
    if (entries.length === 0) this.body.appendChild(make("div", "words tell", "What you paint will be here."));
    const blobs = new Map<string, Uint8Array>();
    for (const entry of entries) {
      const image = make<HTMLImageElement>("img");
      const box = make("div", "entry", image);
      tip(box, caption(entry));
      this.boxes.push(box);
      box.addEventListener("click", () => this.choose(entry, box));
      this.body.appendChild(box);
      const thumbnail = isMembers(entry.thumbnail) ? entry.thumbnail : {};
      const blob = String(thumbnail.blob);
      const data = blobs.get(blob) ?? session.conversation.blobs.take(blob);
      blobs.set(blob, data);
      show(image, picture(thumbnail, data), { w: SIDE_PX, h: SIDE_PX });
    }
  }

  private choose(entry: Members | undefined, box: HTMLElement | undefined): void {
    this.chosen = entry;
    for (const other of this.boxes) other.className = other === box ? "entry chosen" : "entry";
    reveal(this.row, !!entry);
    byId("entry-words").textContent = entry ? caption(entry) : "";
  }

  private apply(): void {
    const entry = this.chosen;
    if (!entry) return;
    const target = activeTarget();
    const prompt = typeof entry.prompt === "string" ? entry.prompt : "";
    const mode = typeof entry.mode === "string" ? entry.mode : "picture";
    const job = new Job(this.hands.connection, target, layerName(prompt, mode, undefined), "Place from history");
    this.hands.play(job, async () => {
      const session = await job.session();
      const answer = await job.call(session, "history/get", { entry: String(entry.entry), px: PX[target.depth] });
      const found = patches(answer, session).map((patch) => ({ ...patch, rect: movedInto(target.extent, patch.rect, answer.extent) }));
      await job.put(found, (patch) => layerName(prompt, mode, patch.seed));
    });
  }

  private async remove(): Promise<void> {
    const { state } = this.hands.connection;
    if (this.chosen && state.kind === "ready") await state.session.conversation.request("history/remove", { entry: String(this.chosen.entry) });
    this.invalidate();
  }
}

/** Where a rect goes in a canvas of another size than the one it was made for: as near as it fits. */
function movedInto({ w, h }: Extent, rect: Rect, madeFor: Json | undefined): Rect {
  if (JSON.stringify(madeFor) === JSON.stringify([w, h])) return rect;
  return { ...rect, x: Math.max(0, Math.min(rect.x, w - rect.w)), y: Math.max(0, Math.min(rect.y, h - rect.h)) };
}

function caption(entry: Members): string {
  const words = typeof entry.prompt === "string" && entry.prompt ? entry.prompt : String(entry.mode ?? "");
  return `${words} (${String(entry.seed ?? "")})`;
}
