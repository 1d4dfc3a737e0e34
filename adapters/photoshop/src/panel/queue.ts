/** The jobs under way: the panel's own with progress and preview, and what other editors have the daemon do. */

import type { Connection } from "../daemon/connection.js";
import type { Job } from "../job/job.js";
import { isMembers } from "../protocol/conversation.js";
import { byId, clear, make, reveal, show, tool } from "./widgets.js";

const EDITORS: Record<string, string> = { krita: "Krita", gimp: "GIMP", photoshop: "another Photoshop", python: "a script", cli: "the command line" };

export class Queue {
  readonly jobs: Job[] = [];
  private others: string[] = [];
  private rows = new Map<Job, { row: HTMLElement; tell: HTMLElement; bar: HTMLElement }>();
  private readonly body = byId<HTMLElement>("jobs");
  private readonly elsewhere = byId<HTMLElement>("others");
  private readonly preview = byId<HTMLElement>("preview");
  private readonly picture = byId<HTMLImageElement>("picture");
  private seen: Job["preview"];

  constructor(private readonly connection: Connection) {}

  add(job: Job): void {
    this.jobs.push(job);
    const tell = make("div", "tell words");
    const bar = make("div");
    const title = make("div", "title grow", job.title);
    const row = make("div", "job", make("div", "row", title, tool("✕", "Cancel", () => job.cancel())), tell, make("div", "bar", bar));
    this.rows.set(job, { row, tell, bar });
    this.body.appendChild(row);
    this.draw(job);
  }

  remove(job: Job): void {
    this.rows.get(job)?.row.remove();
    this.rows.delete(job);
    this.jobs.splice(this.jobs.indexOf(job), 1);
    this.drawPreview();
  }

  draw(job: Job): void {
    const parts = this.rows.get(job);
    if (!parts) return;
    parts.tell.textContent = job.phase === "held" ? "Painted, and waiting for Photoshop" : job.text;
    parts.bar.style.width = `${Math.round((job.share ?? 0) * 100)}%`;
    this.drawPreview();
  }

  /** Reads anew what others have in the queue. */
  async look(): Promise<void> {
    if (this.connection.state.kind !== "ready") return this.showOthers([]);
    const { conversation } = this.connection.state.session;
    const list = await conversation.request("job/list").catch(() => []);
    const own = new Set(this.jobs.map(({ id }) => id));
    const texts = (Array.isArray(list) ? list : []).filter(isMembers).filter(({ job, mine, state }) =>
      mine !== true && !own.has(String(job)) && (state === "queued" || state === "running"));
    this.showOthers(texts.map((entry) => {
      const from = EDITORS[String(entry.client)] ?? "another program";
      return `${entry.state === "running" ? "Painting" : "Waiting"} for ${from}: ${typeof entry.label === "string" ? entry.label : "a picture"}`;
    }));
  }

  private showOthers(texts: string[]): void {
    if (texts.join("\n") === this.others.join("\n")) return;
    this.others = texts;
    clear(this.elsewhere);
    for (const text of texts) this.elsewhere.appendChild(make("div", "job", make("div", "tell words", text)));
  }

  private drawPreview(): void {
    const latest = this.jobs.find(({ preview }) => preview)?.preview;
    if (latest === this.seen) return;
    this.seen = latest;
    reveal(this.preview, !!latest);
    show(this.picture, latest, { w: this.preview.clientWidth || 280, h: 200 });
  }
}
